//! The one place where the embedded CRM reads numbers and knows their other forms.

use smallvec::{SmallVec, smallvec};

use crate::base::PhoneNumber;

/// A number as it was given, then its other form: a Brazilian mobile with or without its ninth digit.
pub(super) fn keys(phone: PhoneNumber) -> SmallVec<[PhoneNumber; 2]> {
    let mut keys = smallvec![phone];
    keys.extend(other_form(phone.digits()).and_then(PhoneNumber::from_digits));
    keys
}

/// `+55 AA 9XXXX-XXXX` and `+55 AA XXXX-XXXX` are one mobile where the eight digits begin with 6 to 9.
fn other_form(digits: u64) -> Option<u64> {
    const EIGHT: u64 = 100_000_000;
    const NINE: u64 = 1_000_000_000;
    let mobile = |subscriber: u64| (60_000_000..EIGHT).contains(&subscriber);
    match digits / EIGHT {
        // 55, two digits of area, eight of subscriber.
        area @ 5511..=5599 if mobile(digits % EIGHT) => Some(area * NINE + 9 * EIGHT + digits % EIGHT),
        with_ninth @ 55119..=55999 if with_ninth % 10 == 9 && mobile(digits % EIGHT) => {
            Some(with_ninth / 10 * EIGHT + digits % EIGHT)
        }
        _ => None,
    }
}

/// Reads what a person wrote: E.164, or the national way of `country` (two letters).
pub(super) fn read(text: &str, country: &str) -> Option<PhoneNumber> {
    let plain: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')' | '/')).collect();
    if plain.starts_with('+') {
        return plain.parse().ok();
    }
    if plain.is_empty() || !plain.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = phonenumber::parse(country.parse().ok(), &plain).ok()?;
    if !phonenumber::is_viable(&plain) {
        return None;
    }
    number.format().mode(phonenumber::Mode::E164).to_string().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(text: &str) -> Vec<String> {
        keys(text.parse().unwrap()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_brazilian_mobile_is_searched_with_and_without_its_ninth_digit() {
        assert_eq!(forms("+5511987654321"), ["+5511987654321", "+551187654321"]);
        assert_eq!(forms("+551187654321"), ["+551187654321", "+5511987654321"]);
    }

    #[test]
    fn landlines_and_other_countries_have_one_form() {
        assert_eq!(forms("+551140028922"), ["+551140028922"]);
        assert_eq!(forms("+5511912345678"), ["+5511912345678"]);
        assert_eq!(forms("+15512345678"), ["+15512345678"]);
    }

    #[test]
    fn the_national_way_is_read_by_country() {
        assert_eq!(read("(11) 98765-4321", "BR").unwrap().to_string(), "+5511987654321");
        assert_eq!(read("+55 11 98765-4321", "BR").unwrap().to_string(), "+5511987654321");
        assert_eq!(read("ana", "BR"), None);
    }
}
