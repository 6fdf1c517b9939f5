//! Numbers of all other countries, by libphonenumber's metadata, which loads when first needed.

use phonenumber::country::Id;
use phonenumber::{Mode, Type};

use super::number::PhoneNumber;
use super::read::Kind;

/// Loads the metadata (some 80 ms), so that no call pays for it: for the start of a process.
pub fn warm_up() {
    // Parsed for the loading alone; what it reads is nothing to anybody.
    drop(phonenumber::parse(None, "+442079460958"));
}

/// Whether this is a country that numbers can be read for: two capital letters, as in `BR`.
pub fn is_country(code: &str) -> bool {
    code.len() == 2 && code.parse::<Id>().is_ok()
}

/// Whether numbers of this country may have these digits as their area code: known of Brazil, assumed elsewhere.
pub fn is_area(country: &str, digits: &str) -> bool {
    if country == "BR" { super::brazil::is_area(digits) } else { !digits.starts_with('0') }
}

/// The country that a number belongs to, as `BR`; `None` for those of no country (satellites, international services).
pub fn country(number: PhoneNumber) -> Option<String> {
    if super::forms::brazilian(number).is_some() {
        return Some("BR".to_owned());
    }
    let parsed = phonenumber::parse(None, number.to_string()).ok()?;
    parsed.country().id().map(|id| id.as_ref().to_owned())
}

/// A number read by libphonenumber.
pub(super) struct Foreign {
    pub(super) number: PhoneNumber,
    pub(super) kind: Kind,
    /// The metadata knows such a number; else its country code alone is right.
    pub(super) valid: bool,
}

/// What follows a plus.
pub(super) fn international(digits: &str) -> Option<Foreign> {
    parsed(None, &format!("+{digits}"))
}

/// What is dialled inside `country`.
pub(super) fn dialled(country: &str, digits: &str) -> Option<Foreign> {
    parsed(Some(country.parse().ok()?), digits)
}

/// Digits as they are dialled inside the number's own country.
pub(super) fn national_digits(number: PhoneNumber) -> Option<String> {
    let parsed = phonenumber::parse(None, number.to_string()).ok()?;
    let text = parsed.format().mode(Mode::National).to_string();
    Some(text.chars().filter(char::is_ascii_digit).collect())
}

/// As it is written for people of all countries: `+44 20 7946 0958`.
pub(super) fn international_text(number: PhoneNumber) -> Option<String> {
    let parsed = phonenumber::parse(None, number.to_string()).ok()?;
    Some(parsed.format().mode(Mode::International).to_string())
}

fn parsed(home: Option<Id>, text: &str) -> Option<Foreign> {
    let parsed = phonenumber::parse(home, text).ok()?;
    let number = parsed.format().mode(Mode::E164).to_string().parse().ok()?;
    let valid = parsed.is_valid();
    let kind = match parsed.number_type(&phonenumber::metadata::DATABASE) {
        Type::Mobile => Kind::Mobile,
        Type::FixedLine => Kind::Landline,
        Type::TollFree | Type::PremiumRate | Type::SharedCost | Type::Uan => Kind::Service,
        _ => Kind::Number,
    };
    Some(Foreign { number, kind, valid })
}
