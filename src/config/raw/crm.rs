//! `[crm]` with its backends, `[limits]` and `[blacklist]`, as written.

use std::path::PathBuf;
use std::time::Duration;

use crate::base::{Secret, phone};
use crate::config::fault::{At, List, Place};
use crate::config::tree::Section;
use crate::config::value::{self, Wrong};
use crate::crm::model::EntityKind;
use crate::route::directory::SimpleClient;

/// `crm.backend`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Embedded,
    Bitrix24,
    Webhook,
}

/// `crm.mode`, the word.
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
    pub(crate) simple: Option<RawSimple>,
    pub(crate) bitrix24: Option<RawBitrix24>,
    pub(crate) webhook: Option<RawWebhook>,
}

impl RawCrm {
    pub(super) fn read(section: Section<'_>) -> Self {
        let kinds = [EntityKind::Contact, EntityKind::Company, EntityKind::Lead];
        let backends =
            [("embedded", Backend::Embedded), ("bitrix24", Backend::Bitrix24), ("webhook", Backend::Webhook)];
        let this = Self {
            place: section.place.clone(),
            backend: section.word("backend", &backends),
            mode: section.word("mode", &[("classic", CrmMode::Classic), ("simple", CrmMode::Simple)]),
            deadline: section.parsed("deadline", value::some_time),
            country: section.parsed("country", country),
            prefer: section
                .list("prefer", |text| crate::config::tree::word(text, &kinds.map(|kind| (kind.as_str(), kind)))),
            exceptions: section.list("exceptions", value::text),
            simple: section.table("simple", "[crm.simple]").map(RawSimple::read),
            bitrix24: section.table("bitrix24", "[crm.bitrix24]").map(RawBitrix24::read),
            webhook: section.table("webhook", "[crm.webhook]").map(RawWebhook::read),
        };
        section.finish();
        this
    }
}

/// `[crm.simple]`.
#[derive(Debug)]
pub(crate) struct RawSimple {
    pub(crate) place: Place,
    pub(crate) create: Option<At<SimpleClient>>,
    pub(crate) pipeline: Option<At<String>>,
}

impl RawSimple {
    fn read(section: Section<'_>) -> Self {
        let words =
            [("contact", SimpleClient::Contact), ("company", SimpleClient::Company), ("both", SimpleClient::Both)];
        let this = Self {
            place: section.place.clone(),
            create: section.word("create", &words),
            pipeline: section.parsed("pipeline", value::text),
        };
        section.finish();
        this
    }
}

/// `[crm.bitrix24]`.
#[derive(Debug)]
pub(crate) struct RawBitrix24 {
    pub(crate) place: Place,
    pub(crate) portal: Option<At<String>>,
    pub(crate) client_id: Option<At<String>>,
    pub(crate) client_secret: Option<At<Secret>>,
    pub(crate) token_url: Option<At<String>>,
    pub(crate) tokens: Option<At<PathBuf>>,
    pub(crate) webhook: Option<At<Secret>>,
    pub(crate) application_token: Option<At<Secret>>,
    pub(crate) rate: Option<At<u32>>,
    pub(crate) mirror: Option<At<bool>>,
}

impl RawBitrix24 {
    fn read(section: Section<'_>) -> Self {
        let this = Self {
            place: section.place.clone(),
            portal: section.parsed("portal", web_address),
            client_id: section.parsed("client_id", value::text),
            client_secret: section.secret("client_secret"),
            token_url: section.parsed("token_url", web_address),
            tokens: section.parsed("tokens", |text| value::text(text).map(PathBuf::from)),
            webhook: section.secret("webhook"),
            application_token: section.secret("application_token"),
            rate: section.count("rate", 1..=1000),
            mirror: section.flag("mirror"),
        };
        section.finish();
        this
    }
}

/// `[crm.webhook]`.
#[derive(Debug)]
pub(crate) struct RawWebhook {
    pub(crate) place: Place,
    pub(crate) url: Option<At<String>>,
    pub(crate) secret: Option<At<Secret>>,
}

impl RawWebhook {
    fn read(section: Section<'_>) -> Self {
        let this = Self {
            place: section.place.clone(),
            url: section.parsed("url", web_address),
            secret: section.secret("secret"),
        };
        section.finish();
        this
    }
}

/// `https://host/…`, or `http://` for one on this machine or in a closed network.
fn web_address(text: &str) -> Result<String, Wrong> {
    let read = reqwest::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
    match read {
        Some(_) => Ok(text.to_owned()),
        None => {
            Err(Wrong::new(format!("`{text}` is no web address"), "write it as in \"https://crm.example.com/ramal\""))
        }
    }
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
    pub(crate) owed_for: Option<At<Duration>>,
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
            owed_for: section.parsed("owed_for", value::duration),
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
