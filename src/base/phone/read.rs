//! How a number is read, whoever wrote it: our own lines and extensions first, then the country's plan, then the world's.

use serde::Serialize;

use super::abroad::{self, Foreign};
use super::brazil::{self, Found};
use super::clean::{Cleaned, clean};
use super::forms::{keys, variants};
use super::number::PhoneNumber;

/// Where a number stands that is to be read.
pub struct Context<'a> {
    /// The country whose plan holds: two letters, `BR`.
    pub country: &'a str,
    /// The area code of the line or trunk, for numbers that come without one.
    pub area: Option<&'a str>,
    /// Our own lines on that trunk: carriers send them short.
    pub lines: &'a [PhoneNumber],
    /// Whether this is an extension; where extensions don't count, `&|_| false`.
    pub is_extension: &'a dyn Fn(&str) -> bool,
    /// `limits.emergency`.
    pub emergency: &'a [String],
}

impl<'a> Context<'a> {
    /// A place with no lines, extensions or area: for numbers in files and records.
    pub fn plain(country: &'a str) -> Self {
        Self { country, area: None, lines: &[], is_extension: &|_| false, emergency: &[] }
    }
}

/// What a number turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One of our own lines.
    Line,
    /// An extension of ours.
    Extension,
    /// In `limits.emergency`.
    Emergency,
    /// A code of three to six digits that is no extension: 103 15, 112.
    ShortCode,
    /// A feature of the switch: `*55`.
    Feature,
    /// A mobile.
    Mobile,
    /// A landline.
    Landline,
    /// A number of which no more is known.
    Number,
    /// Toll-free, shared-cost and the like: never a person.
    Service,
    /// The caller gave none.
    Anonymous,
    /// No number at all, or none that can exist.
    Unreadable,
}

impl Kind {
    /// The word for it in JSON and text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Extension => "extension",
            Self::Emergency => "emergency",
            Self::ShortCode => "shortcode",
            Self::Feature => "feature",
            Self::Mobile => "mobile",
            Self::Landline => "landline",
            Self::Number => "number",
            Self::Service => "service",
            Self::Anonymous => "anonymous",
            Self::Unreadable => "unreadable",
        }
    }
}

/// A number as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// As received.
    pub raw: String,
    /// In E.164, where it has such a form.
    pub e164: Option<PhoneNumber>,
    /// What it is.
    pub kind: Kind,
    /// What it is searched by, E.164 first; the code itself for extensions and short codes.
    pub variants: Vec<String>,
    /// How it was read, in the operator's words.
    pub why: String,
}

impl Reading {
    fn number(raw: &str, number: PhoneNumber, kind: Kind, why: String) -> Self {
        Self { raw: raw.to_owned(), e164: Some(number), kind, variants: variants(number), why }
    }

    fn code(raw: &str, code: &str, kind: Kind, why: String) -> Self {
        Self { raw: raw.to_owned(), e164: None, kind, variants: vec![code.to_owned()], why }
    }

    fn nothing(raw: &str, kind: Kind, why: impl Into<String>) -> Self {
        Self { raw: raw.to_owned(), e164: None, kind, variants: Vec::new(), why: why.into() }
    }
}

/// Reads a number as it stands in a header, a file, a dialled string or a CRM.
pub fn read(raw: &str, context: &Context<'_>) -> Reading {
    match clean(raw) {
        Cleaned::Nobody => Reading::nothing(raw, Kind::Anonymous, "no identity: nothing to look up"),
        Cleaned::NoNumber => Reading::nothing(raw, Kind::Unreadable, "not a phone number"),
        Cleaned::Feature(code) => {
            Reading::code(raw, &code, Kind::Feature, format!("{code} is a feature code: it never reaches the CRM"))
        }
        Cleaned::Digits { plus, digits } => {
            ours(raw, plus, &digits, context).unwrap_or_else(|| by_plan(raw, plus, &digits, context))
        }
    }
}

/// Lines, extensions and short codes: before any plan, which would make other numbers of them.
fn ours(raw: &str, plus: bool, digits: &str, context: &Context<'_>) -> Option<Reading> {
    let line =
        |number: PhoneNumber, why: &str| Reading::number(raw, number, Kind::Line, format!("our line {number}: {why}"));
    let value: Option<PhoneNumber> = digits.parse().ok().and_then(PhoneNumber::from_digits);
    if let Some(number) = value.filter(|number| !digits.starts_with('0') && context.lines.contains(number)) {
        return Some(line(number, "the number itself"));
    }
    if plus {
        return None;
    }
    if (context.is_extension)(digits) {
        return Some(Reading::code(raw, digits, Kind::Extension, format!("{digits} is an extension")));
    }
    if context.emergency.iter().any(|code| code == digits) {
        return Some(Reading::code(raw, digits, Kind::Emergency, format!("{digits} is an emergency number")));
    }
    if let Some(number) = sent_short(digits, context) {
        return Some(line(number, "sent short by the carrier, and no other line is meant"));
    }
    if digits.len() < SHORTEST_NUMBER {
        let short = digits.len() >= 3 && digits.starts_with('1');
        return Some(if short {
            Reading::code(raw, digits, Kind::ShortCode, format!("{digits} is a short code"))
        } else {
            Reading::nothing(raw, Kind::Unreadable, format!("{digits} is too short for a number, and no extension"))
        });
    }
    None
}

/// The one line that ends so; of several the one in the trunk's own area.
fn sent_short(digits: &str, context: &Context<'_>) -> Option<PhoneNumber> {
    let whole = |number: &PhoneNumber| number.digits().to_string();
    let fits: Vec<PhoneNumber> = context.lines.iter().copied().filter(|line| whole(line).ends_with(digits)).collect();
    match fits.as_slice() {
        [one] if digits.len() >= SHORTEST_SUFFIX => Some(*one),
        [_, _, ..] => {
            let near = format!("{}{digits}", context.area?);
            fits.iter().copied().find(|line| whole(line).ends_with(&near))
        }
        _ => None,
    }
}

/// Fewer digits of a line than these could end any number.
const SHORTEST_SUFFIX: usize = 4;
/// Subscribers without area code have at least so many digits.
const SHORTEST_NUMBER: usize = 7;

fn by_plan(raw: &str, plus: bool, digits: &str, context: &Context<'_>) -> Reading {
    let found = match (plus, context.country) {
        (true, _) => with_plus(digits, context),
        (false, "BR") => in_brazil(digits, context.area),
        (false, country) => elsewhere(country, digits),
    };
    let Some(found) = found else {
        let why = format!("{digits} fits no numbering plan; kept as received");
        return Reading::nothing(raw, Kind::Unreadable, why);
    };
    let line = keys(found.number).into_iter().find(|key| context.lines.contains(key));
    match line {
        Some(line) => Reading::number(raw, line, Kind::Line, joined(&found.why, &format!("our line {line}"))),
        None => Reading::number(raw, found.number, found.kind, found.why),
    }
}

fn with_plus(digits: &str, context: &Context<'_>) -> Option<Found> {
    if let Some(rest) = digits.strip_prefix("55") {
        return brazil::after_country(rest, context.area.filter(|_| context.country == "BR"));
    }
    if digits.starts_with('0') {
        let found =
            if context.country == "BR" { in_brazil(digits, context.area) } else { elsewhere(context.country, digits) };
        return found
            .map(|found| Found { why: joined("a plus before a dialling prefix dropped", &found.why), ..found });
    }
    let foreign = abroad::international(digits)?;
    let doubt = if foreign.valid { "" } else { "not in the numbering plans known here, taken as written" };
    Some(found(&foreign, doubt))
}

/// Digits dialled or sent in Brazil. International ones begin with 00, a carrier's two digits, then the country.
fn in_brazil(digits: &str, area: Option<&str>) -> Option<Found> {
    let Some(rest) = digits.strip_prefix("00") else {
        return brazil::dialled(digits, area).or_else(|| bare_country(digits));
    };
    if let Some(found) = rest.strip_prefix("55").and_then(|national| brazil::after_country(national, None)) {
        return Some(Found { why: joined("00 and our own country code dropped", &found.why), ..found });
    }
    let carrier = rest.get(..2).unwrap_or("");
    let by_carrier =
        rest.get(2..).and_then(|number| home_or_abroad(number, &format!("00 and carrier {carrier} dropped")));
    let direct = valid_abroad(rest, "00 dropped");
    if CARRIERS.contains(&carrier) {
        by_carrier.or_else(|| brazil::abroad_by_mistake(rest)).or(direct)
    } else {
        direct.or(by_carrier).or_else(|| brazil::abroad_by_mistake(rest))
    }
}

/// The carriers' codes seen most: they settle whether `00 41 …` is a carrier or Switzerland, nothing else.
const CARRIERS: &[&str] =
    &["12", "14", "15", "17", "21", "23", "25", "31", "41", "43", "45", "49", "65", "72", "81", "85", "91"];

fn home_or_abroad(digits: &str, why: &str) -> Option<Found> {
    if let Some(found) = digits.strip_prefix("55").and_then(|national| brazil::after_country(national, None)) {
        return Some(Found { why: joined(why, &found.why), ..found });
    }
    valid_abroad(digits, why)
}

fn valid_abroad(digits: &str, why: &str) -> Option<Found> {
    let foreign = abroad::international(digits).filter(|foreign| foreign.valid)?;
    Some(found(&foreign, why))
}

/// A foreign number whose plus was lost: only where it cannot be a wrong Brazilian one.
fn bare_country(digits: &str) -> Option<Found> {
    let could_be_ours = digits.len() <= 11 && digits.get(..2).is_some_and(brazil::is_area);
    if could_be_ours || digits.len() < 11 || digits.starts_with('0') {
        return None;
    }
    valid_abroad(digits, "country code without a plus")
}

fn elsewhere(country: &str, digits: &str) -> Option<Found> {
    let foreign = abroad::dialled(country, digits).filter(|foreign| foreign.valid)?;
    Some(found(&foreign, &format!("read as dialled in {country}")))
}

fn found(foreign: &Foreign, why: &str) -> Found {
    let country = abroad::country(foreign.number).map_or_else(String::new, |country| format!(" of {country}"));
    let what = format!("{}{country}", kind_words(foreign.kind));
    Found { number: foreign.number, kind: foreign.kind, why: joined(why, &what) }
}

const fn kind_words(kind: Kind) -> &'static str {
    match kind {
        Kind::Mobile => "a mobile",
        Kind::Landline => "a landline",
        Kind::Service => "a service number",
        _ => "a number",
    }
}

fn joined(first: &str, second: &str) -> String {
    if first.is_empty() { second.to_owned() } else { format!("{first}; {second}") }
}
