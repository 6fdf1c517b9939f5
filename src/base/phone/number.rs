//! An E.164 number.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number in E.164: 3 to 15 digits with the country code; printed with its plus.
///
/// E.164 numbers never begin with a zero, so the digits fit a `u64` exactly: the value is `Copy` and a cheap key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneNumber(u64);

/// The text is not `+` and 3 to 15 digits that don't begin with 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a number in E.164 is + and 3 to 15 digits, as in +5511987654321")]
pub struct NotE164;

impl PhoneNumber {
    /// The number with these digits (country code first), where that can be one.
    pub const fn from_digits(digits: u64) -> Option<Self> {
        if digits < 100 || digits > 999_999_999_999_999 { None } else { Some(Self(digits)) }
    }

    /// Its digits, country code first: a key for maps and stores.
    pub const fn digits(self) -> u64 {
        self.0
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PhoneNumber {
    type Err = NotE164;

    fn from_str(text: &str) -> Result<Self, NotE164> {
        let digits = text.strip_prefix('+').ok_or(NotE164)?;
        if digits.starts_with('0') || digits.len() > 15 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NotE164);
        }
        digits.parse().ok().and_then(Self::from_digits).ok_or(NotE164)
    }
}

impl Serialize for PhoneNumber {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PhoneNumber {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}
