//! Brazil's numbering plan: area codes, subscribers with and without the ninth digit, services, and the ways to dial them.
//!
//! Written out instead of asked of libphonenumber, which calls an eight-digit mobile invalid, reads `0055…` as `+1…` and
//! takes a short DID for a shared-cost number.

use super::number::PhoneNumber;
use super::read::Kind;

/// A number that fits the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) number: PhoneNumber,
    pub(super) kind: Kind,
    /// What was done to it, in the operator's words.
    pub(super) why: String,
}

impl Found {
    fn because(mut self, what: &str) -> Self {
        self.why = format!("{what}; {}", self.why);
        self
    }
}

/// The 67 area codes (DDD), without their zero.
const AREAS: &[u8] = &[
    11, 12, 13, 14, 15, 16, 17, 18, 19, 21, 22, 24, 27, 28, 31, 32, 33, 34, 35, 37, 38, 41, 42, 43, 44, 45, 46, 47, 48,
    49, 51, 53, 54, 55, 61, 62, 63, 64, 65, 66, 67, 68, 69, 71, 73, 74, 75, 77, 79, 81, 82, 83, 84, 85, 86, 87, 88, 89,
    91, 92, 93, 94, 95, 96, 97, 98, 99,
];

/// Whether these two digits are an area code.
pub(super) fn is_area(digits: &str) -> bool {
    digits.len() == 2 && digits.parse().is_ok_and(|area| AREAS.contains(&area))
}

/// What was dialled or shown inside Brazil: digits alone, no plus. `None`: it fits nothing of the plan.
pub(super) fn dialled(digits: &str, area: Option<&str>) -> Option<Found> {
    if let Some(found) = service(digits).or_else(|| national(digits)) {
        return Some(found);
    }
    if let Some(found) = digits.strip_prefix("55").and_then(|rest| after_country(rest, None)) {
        return Some(found.because("country code without a plus"));
    }
    if let Some(found) = collect(digits, area) {
        return Some(found);
    }
    if let Some(rest) = digits.strip_prefix('0').filter(|rest| !rest.starts_with('0')) {
        return after_zero(rest, "trunk prefix 0")
            .or_else(|| Some(local(rest, area)?.because("trunk prefix 0 dropped")));
    }
    local(digits, area)
}

/// What follows `+55`: also with a zero too many, with a carrier, or without the area code.
pub(super) fn after_country(digits: &str, area: Option<&str>) -> Option<Found> {
    if let Some(found) = national(digits).or_else(|| service(digits)) {
        return Some(found);
    }
    match digits.strip_prefix('0') {
        Some(rest) => after_zero(rest, "the zero after the country code"),
        None => local(digits, area),
    }
}

/// What follows a zero: `11 98765-4321`, or with a carrier `15 11 98765-4321`.
fn after_zero(digits: &str, zero: &str) -> Option<Found> {
    if let Some(found) = national(digits) {
        return Some(found.because(&format!("{zero} dropped")));
    }
    let carrier = digits.get(..2).filter(|carrier| *carrier != "00")?;
    Some(national(digits.get(2..)?)?.because(&format!("{zero} and carrier {carrier} dropped")))
}

/// Collect calls: `9090` and a local number, `90`, carrier and a national one, or `90` and a national one.
fn collect(digits: &str, area: Option<&str>) -> Option<Found> {
    let rest = digits.strip_prefix("90")?;
    if let Some(found) = rest.strip_prefix("90").and_then(|subscriber| local(subscriber, area)) {
        return Some(found.because("collect prefix 9090 dropped"));
    }
    if let Some(found) = national(rest) {
        return Some(found.because("collect prefix 90 dropped"));
    }
    let carrier = rest.get(..2)?;
    Some(national(rest.get(2..)?)?.because(&format!("collect prefix 90 and carrier {carrier} dropped")))
}

/// Called abroad by mistake: `00`, a carrier, and a number that is at home.
pub(super) fn abroad_by_mistake(after_zeros: &str) -> Option<Found> {
    let carrier = after_zeros.get(..2)?;
    let found = national(after_zeros.get(2..)?)?;
    Some(found.because(&format!("00 and carrier {carrier} dropped: what follows is a number in Brazil")))
}

/// Area code and subscriber, 10 or 11 digits.
pub(super) fn national(digits: &str) -> Option<Found> {
    let area = digits.get(..2).filter(|area| is_area(area))?;
    subscriber(area, digits.get(2..)?)
}

/// A subscriber without area code, in the area given.
fn local(digits: &str, area: Option<&str>) -> Option<Found> {
    if !matches!(digits.len(), 8 | 9) {
        return None;
    }
    let area = area.filter(|area| is_area(area))?;
    Some(subscriber(area, digits)?.because(&format!("no area code: the line's {area} added")))
}

fn subscriber(area: &str, digits: &str) -> Option<Found> {
    let (nine, kind, why) = match (digits.len(), digits.bytes().next()?) {
        (8, b'2'..=b'5') => ("", Kind::Landline, "a landline"),
        (8, b'6' | b'8' | b'9') => ("9", Kind::Mobile, "a mobile, its ninth digit added"),
        (8, b'7') => {
            ("", Kind::Mobile, "a mobile of eight digits that begins with 7: kept, trunking numbers are valid so")
        }
        (9, b'9') => ("", Kind::Mobile, "a mobile"),
        _ => return None,
    };
    Some(Found { number: with_country(&format!("{area}{nine}{digits}"))?, kind, why: why.to_owned() })
}

/// Services that belong to no area: 0800 and its like, and the shared-cost numbers 4002-8922.
fn service(digits: &str) -> Option<Found> {
    let bare = digits.strip_prefix('0').unwrap_or(digits);
    let prefixed = match bare.get(..3)? {
        "800" => matches!(bare.len(), 9 | 10) && bare.len() + 1 >= digits.len(),
        "300" | "303" | "500" | "900" => bare.len() == 10,
        _ => false,
    };
    let shared = digits.len() == 8
        && (matches!(digits.get(..3), Some("300" | "303" | "400")) || matches!(digits.get(..4), Some("4020" | "4370")));
    let why = match (prefixed, shared) {
        (true, _) => format!("service number 0{}: belongs to no area, and to no person", bare.get(..3)?),
        (_, true) => "shared-cost number: belongs to no area".to_owned(),
        (false, false) => return None,
    };
    Some(Found { number: with_country(bare)?, kind: Kind::Service, why })
}

fn with_country(national: &str) -> Option<PhoneNumber> {
    format!("55{national}").parse().ok().and_then(PhoneNumber::from_digits)
}
