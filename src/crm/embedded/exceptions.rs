//! The exception list: numbers and addresses of whom nothing enters the CRM.

use std::collections::HashMap;

use super::numbers;
use crate::base::PhoneNumber;

/// A value that an exception can have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExceptionValue {
    /// A number.
    Number(PhoneNumber),
    /// An address, in lower case: a caller's SIP address, or a client's e-mail.
    Address(String),
}

impl ExceptionValue {
    /// Reads what an operator wrote; `None` where it is neither.
    pub fn read(text: &str, country: &str) -> Option<Self> {
        let text = text.trim();
        if let Some((user, host)) = text.split_once('@') {
            let plain = |part: &str| !part.is_empty() && !part.contains(|c: char| c == '@' || c.is_whitespace());
            return (plain(user) && plain(host)).then(|| Self::Address(address(text)));
        }
        numbers::read(text, country).map(Self::Number)
    }

    /// As it stands in the list.
    pub fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Address(address) => address.clone(),
        }
    }

    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Number(_) => "number",
            Self::Address(_) => "address",
        }
    }
}

/// A list of exceptions; each value with the entry as the operator reads it.
#[derive(Clone, Debug, Default)]
pub(super) struct Exceptions {
    numbers: HashMap<PhoneNumber, String>,
    addresses: HashMap<String, String>,
}

impl Exceptions {
    pub(super) fn insert(&mut self, value: ExceptionValue, comment: Option<&str>) {
        let entry = match comment {
            Some(comment) => format!("{}; {comment}", value.text()),
            None => value.text(),
        };
        match value {
            ExceptionValue::Number(number) => self.numbers.insert(number, entry),
            ExceptionValue::Address(address) => self.addresses.insert(address, entry),
        };
    }

    pub(super) fn remove(&mut self, value: &ExceptionValue) -> bool {
        match value {
            ExceptionValue::Number(number) => self.numbers.remove(number).is_some(),
            ExceptionValue::Address(address) => self.addresses.remove(address).is_some(),
        }
    }

    /// The entry for a number in any of its forms.
    pub(super) fn number(&self, forms: &[PhoneNumber]) -> Option<&str> {
        forms.iter().find_map(|form| self.numbers.get(form)).map(String::as_str)
    }

    /// The entry for an address.
    pub(super) fn address(&self, text: &str) -> Option<&str> {
        if self.addresses.is_empty() { None } else { self.addresses.get(&address(text)).map(String::as_str) }
    }
}

/// Addresses are compared without their scheme and in lower case.
fn address(text: &str) -> String {
    let text = text.strip_prefix("sips:").or_else(|| text.strip_prefix("sip:")).unwrap_or(text);
    text.to_lowercase()
}
