//! Numbers as routing needs them: how what stands in a header or on a dial is read, and how it is written outward.

use crate::base::PhoneNumber;

/// Where a number was written: what tells how the national way of writing it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// Region, two letters.
    pub(super) country: &'a str,
    /// Area code for numbers sent without one.
    pub(super) area: Option<&'a str>,
}

/// The number in E.164, where `raw` can be read as one that people are called by.
pub(super) fn read(raw: &str, place: Place<'_>) -> Option<PhoneNumber> {
    let country = place.country.parse().ok();
    let with_area =
        place.area.filter(|_| matches!(digits(raw).len(), 8 | 9)).map(|area| format!("{area}{}", digits(raw)));
    let number = phonenumber::parse(country, with_area.as_deref().unwrap_or(raw)).ok()?;
    let digits = format!("{}{}", number.country().code(), number.national());
    digits.parse().ok().and_then(PhoneNumber::from_digits).filter(|_| phonenumber::is_valid(&number))
}

/// The region that a number belongs to, two letters.
pub(super) fn country(number: PhoneNumber) -> Option<String> {
    let parsed = phonenumber::parse(None, number.to_string()).ok()?;
    parsed.country().id().map(|id| id.as_ref().to_owned())
}

/// As it is dialled inside `country`: without country code; with it and a plus where it is abroad.
pub(super) fn national(number: PhoneNumber, place: &str) -> String {
    match phonenumber::parse(None, number.to_string()) {
        Ok(parsed) if country(number).as_deref() == Some(place) => parsed.national().to_string(),
        _ => number.to_string(),
    }
}

/// The digits of a text, separators and plus left out.
pub(super) fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// The area code within a number, where its country has them.
pub(super) fn area(number: PhoneNumber) -> Option<String> {
    let text = number.to_string();
    text.strip_prefix("+55").filter(|rest| rest.len() >= 10).map(|rest| rest[..2].to_owned())
}

/// Whether `short`, digits alone, is how this number ends, at least `least` digits of it.
pub(super) fn ends_with(number: PhoneNumber, short: &str, least: usize) -> bool {
    short.len() >= least && number.digits().to_string().ends_with(short)
}
