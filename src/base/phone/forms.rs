//! The other ways in which a number is written: the keys it is searched by, and how it is dialled at home.

use smallvec::{SmallVec, smallvec};

use super::abroad;
use super::number::PhoneNumber;

const BRAZIL: u64 = 55;

/// The keys by which a number is searched: itself, and for a Brazilian mobile also the form with or without the ninth digit.
///
/// Never a suffix. The eight-digit form exists only where it begins with 6 to 9: without its 9, `9 2345-6789` would be
/// somebody else's landline.
pub fn keys(number: PhoneNumber) -> SmallVec<[PhoneNumber; 2]> {
    let other = brazilian(number).and_then(|national| match national {
        // DDD 9 dddd-dddd
        10_000_000_000..=99_999_999_999 if national / 100_000_000 % 10 == 9 => {
            let (area, local) = (national / 1_000_000_000, national % 100_000_000);
            (local >= 60_000_000).then_some(area * 100_000_000 + local)
        }
        // DDD dddd-dddd
        1_000_000_000..=9_999_999_999 => {
            let (area, local) = (national / 100_000_000, national % 100_000_000);
            (local >= 60_000_000).then_some(area * 1_000_000_000 + 900_000_000 + local)
        }
        _ => None,
    });
    let other = other.and_then(with_country);
    match other {
        Some(other) => smallvec![number, other],
        None => smallvec![number],
    }
}

/// All the ways in which a CRM may have written the number, E.164 first: `+55…`, `55…`, DDD and number, the same with 0.
pub fn variants(number: PhoneNumber) -> Vec<String> {
    let mut all = Vec::with_capacity(8);
    for key in keys(number) {
        let Some(national) = brazilian(key) else {
            let home = abroad::national_digits(key);
            all.extend([key.to_string(), key.digits().to_string()].into_iter().chain(home));
            continue;
        };
        all.extend([key.to_string(), key.digits().to_string()]);
        if !is_shared_cost(national) {
            all.extend([national.to_string(), format!("0{national}")]);
        } else {
            all.push(national.to_string());
        }
    }
    all.dedup();
    all
}

/// The number as a carrier of `country` takes it where `numbers_out = "national"`.
///
/// In Brazil area code and number without a zero (`11987654321`), services as they are known (`0800…`, `40028922`); other
/// countries' own numbers as they are dialled there. What is abroad: `00` and all digits.
pub fn national(number: PhoneNumber, country: &str) -> String {
    match (brazilian(number), country) {
        (Some(national), "BR") if is_service(national) => format!("0{national}"),
        (Some(national), "BR") => national.to_string(),
        (None, home) if home != "BR" && abroad::country(number).as_deref() == Some(home) => {
            abroad::national_digits(number).unwrap_or_else(|| number.digits().to_string())
        }
        _ => format!("00{}", number.digits()),
    }
}

/// The number as a person reads it, in groups: `+55 21 97654-3210`.
pub fn spaced(number: PhoneNumber) -> String {
    match brazilian(number) {
        Some(national) if is_service(national) || is_shared_cost(national) => number.to_string(),
        Some(national) => {
            // Area code of two digits, then 8 or 9, of which the last four stand apart.
            let power = if national >= 10_000_000_000 { 1_000_000_000 } else { 100_000_000 };
            let (area, local) = (national / power, national % power);
            format!("+{BRAZIL} {area} {}-{:04}", local / 10_000, local % 10_000)
        }
        None => abroad::international_text(number).unwrap_or_else(|| number.to_string()),
    }
}

/// The digits behind 55, for a number of Brazil.
pub(super) fn brazilian(number: PhoneNumber) -> Option<u64> {
    let digits = number.digits();
    let mut power = 1;
    while digits / power >= 100 {
        power *= 10;
    }
    (digits / power == BRAZIL).then_some(digits % power)
}

fn is_service(national: u64) -> bool {
    let first = match national {
        100_000_000..=999_999_999 => national / 1_000_000,
        1_000_000_000..=9_999_999_999 => national / 10_000_000,
        _ => return false,
    };
    // No area code has 0 as its second digit, so these can be nothing else.
    matches!(first, 300 | 303 | 500 | 800 | 900)
}

fn is_shared_cost(national: u64) -> bool {
    national < 100_000_000
}

fn with_country(national: u64) -> Option<PhoneNumber> {
    format!("{BRAZIL}{national}").parse().ok().and_then(PhoneNumber::from_digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_reads_a_number_in_groups() {
        for (number, read) in [
            ("+5521976543210", "+55 21 97654-3210"),
            ("+551140028922", "+55 11 4002-8922"),
            ("+551190020001", "+55 11 9002-0001"),
            ("+558001234567", "+558001234567"),
            ("+5540028922", "+5540028922"),
            ("+442079460958", "+44 20 7946 0958"),
            ("+999123", "+999123"),
        ] {
            assert_eq!(spaced(number.parse().unwrap()), read);
        }
    }
}
