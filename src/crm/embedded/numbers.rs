//! How the embedded CRM reads numbers and knows their other forms: as everything else does.

use crate::base::PhoneNumber;
use crate::base::phone::{self, Context};

pub(super) use crate::base::phone::keys;

/// Reads what a person wrote: E.164, or the national way of `country` (two letters).
pub(super) fn read(text: &str, country: &str) -> Option<PhoneNumber> {
    phone::read(text, &Context::plain(country)).e164
}
