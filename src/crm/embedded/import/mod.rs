//! Many contacts at once, from a file: visible all together or not at all, while calls go on.
//!
//! `sheet` reads the file, in whoever imports: the command. What it reads comes here in slices ([`Staging`]), each
//! committed by itself and seen by nobody. One note in the store then publishes them all: from that commit on they count,
//! also after a kill (`resume`). Working them into the tables takes a while and calls want the store meanwhile: so that
//! goes in slices too (`fold`), and whoever asks for a number that has not had its turn has it worked in at once.

mod fold;
mod resume;
mod sheet;
mod staging;

use serde::{Deserialize, Serialize};

pub(super) use self::fold::Pending;
pub use self::resume::is_under_way;
pub(super) use self::resume::published;
pub(super) use self::resume::resume;
pub use self::sheet::{Rejected, Sheet};
pub(super) use self::staging::Staging;
use crate::base::{EmployeeId, PhoneNumber};

/// Contacts that one slice may bring: committed together, in a few milliseconds.
pub const LARGEST_SLICE: usize = 500;

/// Contacts that one import may bring; they are held in memory until they are worked in.
pub(super) const MOST_CONTACTS: usize = 2_000_000;

/// One contact of a file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// The name on it.
    pub name: String,
    /// Its number.
    pub phone: PhoneNumber,
    /// Who owns it.
    pub responsible: EmployeeId,
    /// For exceptions by address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The name of the company that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
}

/// How far an import has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Contacts that have come.
    pub staged: usize,
    /// Of these, those that were worked into the tables, once all were published.
    pub taken_in: usize,
    /// Of these, new ones.
    pub added: usize,
    /// Of these, those of the same name and number that were there, now as the file has them.
    pub updated: usize,
    /// All are worked in.
    pub done: bool,
}

/// Why an import does not go on.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ImportError {
    /// One at a time.
    #[error("another import is under way; wait until it is through")]
    UnderWay,
    /// Nothing came for some seconds, or the server was started anew.
    #[error(
        "the import was given up, as nothing more of it came for some seconds; nothing of it is in the CRM: start it again"
    )]
    Forgotten,
    /// Too many.
    #[error("more than {LARGEST_SLICE} contacts in a slice, or more than {MOST_CONTACTS} in a file; split the file")]
    TooLarge,
}

#[cfg(test)]
mod tests;
