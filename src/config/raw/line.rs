//! `[[line]]`, as written, and the words for what follows when nobody answers.

use std::time::Duration;

use super::gateway::named;
use crate::config::fault::{At, Fault, List, Place};
use crate::config::tree::{Section, word};
use crate::config::value::{self, Wrong};
use crate::route::directory::{CreateFor, Fallback, LeadOwner, UnknownClient};

/// `unanswered` and `off_hours`: a word, or whom it names.
#[derive(Debug, Clone)]
pub(crate) enum RawFallback {
    Word(Fallback),
    Forward(At<String>),
    Employee(At<String>),
    Queue(At<String>),
}

/// `[[line]]`.
#[derive(Debug)]
pub(crate) struct RawLine {
    pub(crate) place: Place,
    pub(crate) number: Option<At<String>>,
    pub(crate) trunk: Option<At<String>>,
    pub(crate) pbx: Option<At<String>>,
    pub(crate) queue: Option<At<String>>,
    pub(crate) route_to_responsible: Option<At<bool>>,
    pub(crate) responsible_ring: Option<At<Duration>>,
    pub(crate) unanswered: Option<At<RawFallback>>,
    pub(crate) unknown_client: Option<At<UnknownClient>>,
    pub(crate) create_for: Option<At<CreateFor>>,
    pub(crate) source: Option<At<String>>,
    pub(crate) pipeline: Option<At<String>>,
    pub(crate) lead_owner: Option<At<LeadOwner>>,
    pub(crate) reassign_on_transfer: Option<At<bool>>,
    pub(crate) open: Option<At<Vec<(u8, u16, u16)>>>,
    pub(crate) timezone: Option<At<jiff::tz::TimeZone>>,
    pub(crate) holidays: Option<List<Holiday>>,
    pub(crate) off_hours: Option<At<RawFallback>>,
    pub(crate) record: Option<At<bool>>,
}

/// A closed day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holiday {
    Yearly(i8, i8),
    Once(jiff::civil::Date),
}

impl RawLine {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let number = named(&mut section, "line", "number", "\"+551140028922\"");
        let queue = section.parsed("queue", value::text);
        let unanswered = [
            ("queue", Fallback::LineQueue),
            ("mobile", Fallback::Mobile),
            ("voicemail", Fallback::Voicemail),
            ("hangup", Fallback::Hangup),
        ];
        let off_hours = [("hangup", Fallback::Hangup), ("voicemail", Fallback::Voicemail)];
        let unknown = [("create-lead", UnknownClient::CreateLead), ("offer", UnknownClient::Offer)];
        let create_for =
            [("incoming", CreateFor::Incoming), ("outgoing", CreateFor::Outgoing), ("any", CreateFor::Any)];
        let owners = [("first-in-queue", LeadOwner::FirstInQueue), ("answered-by", LeadOwner::AnsweredBy)];
        let this = Self {
            place: section.place.clone(),
            number,
            trunk: section.parsed("trunk", value::text),
            pbx: section.parsed("pbx", value::text),
            queue: section.required("queue", "\"sales\"", queue),
            route_to_responsible: section.flag("route_to_responsible"),
            responsible_ring: section.parsed("responsible_ring", value::some_time),
            unanswered: fallback(&section, "unanswered", &unanswered, &[]),
            unknown_client: section.word("unknown_client", &unknown),
            create_for: section.word("create_for", &create_for),
            source: section.parsed("source", value::text),
            pipeline: section.parsed("pipeline", value::text),
            lead_owner: section.word("lead_owner", &owners),
            reassign_on_transfer: section.flag("reassign_on_transfer"),
            open: section.parsed("hours", value::hours),
            timezone: section.parsed("timezone", timezone),
            holidays: section.list("holidays", holiday),
            off_hours: fallback(&section, "off_hours", &off_hours, &["forward", "queue"]),
            record: section.flag("record"),
        };
        section.finish();
        this
    }
}

fn timezone(text: &str) -> Result<jiff::tz::TimeZone, Wrong> {
    jiff::tz::TimeZone::get(text)
        .map_err(|_| Wrong::new(format!("`{text}` is no time zone"), "write its name, as in \"America/Sao_Paulo\""))
}

/// `"12-25"` or `"2027-02-09"`.
fn holiday(text: &str) -> Result<Holiday, Wrong> {
    if let Ok(date) = text.parse() {
        return Ok(Holiday::Once(date));
    }
    // A leap year, so that 02-29 is a day.
    match format!("2024-{text}").parse::<jiff::civil::Date>() {
        Ok(date) if text.len() == 5 => Ok(Holiday::Yearly(date.month(), date.day())),
        _ => Err(Wrong::new(
            format!("`{text}` is no day"),
            "write month and day, as in \"12-25\", or a date, as in \"2027-02-09\"",
        )),
    }
}

/// Reads `unanswered` or `off_hours`: one of `words`, or a table with one of `tables`.
pub(super) fn fallback(
    section: &Section<'_>,
    key: &'static str,
    words: &[(&str, Fallback)],
    tables: &[&'static str],
) -> Option<At<RawFallback>> {
    let At { value, place } = section.word_or_table(key)?;
    let inner = match value {
        Ok(text) => return one_word(section, key, text, place, words, tables),
        Err(_) if tables.is_empty() => {
            let message = format!("{}: `{key}` is a word here, not a table", section.what);
            section.report().fault(Fault::new(&place, message).help(examples(words, tables)));
            return None;
        }
        Err(inner) => inner,
    };
    let mut named = tables.iter().filter_map(|table| Some((*table, inner.parsed(table, value::text)?)));
    let found = match (named.next(), named.next()) {
        (Some(("forward", to)), None) => Some(RawFallback::Forward(to)),
        (Some(("employee", to)), None) => Some(RawFallback::Employee(to)),
        (Some((_, to)), None) => Some(RawFallback::Queue(to)),
        _ => {
            let message = format!("{} names one thing", inner.what);
            section.report().fault(Fault::new(&place, message).help(examples(words, tables)));
            None
        }
    };
    drop(named);
    inner.finish();
    found.map(|value| At { value, place })
}

fn one_word(
    section: &Section<'_>,
    key: &str,
    text: &str,
    place: Place,
    words: &[(&str, Fallback)],
    tables: &[&str],
) -> Option<At<RawFallback>> {
    let numbered: Vec<(&str, usize)> = words.iter().enumerate().map(|(i, (word, _))| (*word, i)).collect();
    match word(text, &numbered) {
        Ok(i) => words.get(i).map(|(_, fallback)| At { value: RawFallback::Word(fallback.clone()), place }),
        Err(Wrong { message, .. }) => {
            let message = format!("{}: `{key}`: {message}", section.what);
            section.report().fault(Fault::new(&place, message).help(examples(words, tables)));
            None
        }
    }
}

fn examples(words: &[(&str, Fallback)], tables: &[&str]) -> String {
    let words = words.iter().map(|(word, _)| format!("\"{word}\""));
    let tables = tables.iter().map(|table| match *table {
        "forward" => "{ forward = \"+55…\" }".to_owned(),
        other => format!("{{ {other} = \"…\" }}"),
    });
    format!("it is one of {}", words.chain(tables).collect::<Vec<_>>().join(", "))
}
