//! `[crm]` with its backends, `[limits]` and `[blacklist]`, as written.

use std::time::Duration;

use crate::base::phone;
use crate::config::fault::{At, List, Place};
use crate::config::tree::Section;
use crate::config::value::{self, Wrong};
use crate::crm::model::EntityKind;

/// `crm.backend`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Embedded,
    Bitrix24,
    Webhook,
}

/// `crm.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CrmMode {
    Classic,
    Simple,
}

/// `[crm]`.
#[derive(Debug)]
pub(crate) struct RawCrm {
    pub(crate) place: Place,
    pub(crate) backend: Option<At<Backend>>,
    pub(crate) mode: Option<At<CrmMode>>,
    pub(crate) deadline: Option<At<Duration>>,
    pub(crate) country: Option<At<String>>,
    pub(crate) prefer: Option<List<EntityKind>>,
    pub(crate) exceptions: Option<List<String>>,
    /// `[crm.simple]`, `[crm.bitrix24]`, `[crm.webhook]`: their names, and where each stands.
    pub(crate) others: Vec<(&'static str, Place)>,
}

impl RawCrm {
    pub(super) fn read(section: Section<'_>) -> Self {
        let kinds = [EntityKind::Contact, EntityKind::Company, EntityKind::Lead];
        let backends =
            [("embedded", Backend::Embedded), ("bitrix24", Backend::Bitrix24), ("webhook", Backend::Webhook)];
        let others = [
            ("[crm.simple]", section.table("simple", "[crm.simple]").map(simple)),
            ("[crm.bitrix24]", section.table("bitrix24", "[crm.bitrix24]").map(bitrix24)),
            ("[crm.webhook]", section.table("webhook", "[crm.webhook]").map(webhook)),
        ];
        let this = Self {
            place: section.place.clone(),
            backend: section.word("backend", &backends),
            mode: section.word("mode", &[("classic", CrmMode::Classic), ("simple", CrmMode::Simple)]),
            deadline: section.parsed("deadline", value::some_time),
            country: section.parsed("country", country),
            prefer: section
                .list("prefer", |text| crate::config::tree::word(text, &kinds.map(|kind| (kind.as_str(), kind)))),
            exceptions: section.list("exceptions", value::text),
            others: others.into_iter().filter_map(|(name, place)| Some((name, place?))).collect(),
        };
        section.finish();
        this
    }
}

fn simple(section: Section<'_>) -> Place {
    drop(section.word("create", &[("contact", ()), ("company", ()), ("both", ())]));
    drop(section.parsed("pipeline", value::text));
    let place = section.place.clone();
    section.finish();
    place
}

fn bitrix24(section: Section<'_>) -> Place {
    for key in ["portal", "client_id", "token_url", "tokens", "webhook"] {
        drop(section.parsed(key, value::text));
    }
    drop((section.unused_secret("client_secret"), section.unused_secret("application_token")));
    drop((section.count::<u32>("rate", 1..=1000), section.flag("mirror")));
    let place = section.place.clone();
    section.finish();
    place
}

fn webhook(section: Section<'_>) -> Place {
    drop((section.parsed("url", value::text), section.unused_secret("secret")));
    let place = section.place.clone();
    section.finish();
    place
}

fn country(text: &str) -> Result<String, Wrong> {
    if phone::is_country(text) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(format!("`{text}` is no country"), "write its two capital letters, as in \"BR\""))
}

/// `[limits]`.
#[derive(Debug)]
pub(crate) struct RawLimits {
    pub(crate) place: Place,
    pub(crate) calls: Option<At<usize>>,
    pub(crate) calls_per_second: Option<At<u32>>,
    pub(crate) per_employee: Option<At<u32>>,
    pub(crate) longest_call: Option<At<Duration>>,
    pub(crate) unsaved: Option<At<usize>>,
    pub(crate) outgoing_countries: Option<List<String>>,
    pub(crate) emergency: Option<List<String>>,
}

impl RawLimits {
    pub(super) fn read(section: Section<'_>) -> Self {
        let this = Self {
            place: section.place.clone(),
            calls: section.count("calls", 1..=1_000_000),
            calls_per_second: section.count("calls_per_second", 1..=100_000),
            per_employee: section.count("per_employee", 1..=10_000),
            longest_call: section.parsed("longest_call", value::some_time),
            unsaved: section.count("unsaved", 1..=10_000_000),
            outgoing_countries: section.list("outgoing_countries", country),
            emergency: section.list("emergency", value::digits),
        };
        section.finish();
        this
    }
}

/// `[blacklist]`.
#[derive(Debug)]
pub(crate) struct RawBlacklist {
    pub(crate) place: Place,
    pub(crate) numbers: Option<List<String>>,
}

impl RawBlacklist {
    pub(super) fn read(section: Section<'_>) -> Self {
        let this = Self { place: section.place.clone(), numbers: section.list("numbers", value::text) };
        section.finish();
        this
    }
}
