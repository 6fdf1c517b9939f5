//! The records that a CRM holds, by kind and number.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A kind of record in a CRM.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntityKind {
    /// A person who is a client.
    Contact,
    /// A firm that is a client.
    Company,
    /// Somebody who may become one.
    Lead,
    /// A sale in a pipeline.
    Deal,
}

impl EntityKind {
    /// The word for it in files, JSON and rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::Company => "company",
            Self::Lead => "lead",
            Self::Deal => "deal",
        }
    }

    /// The event that tells of a new one. A company is a client as a contact is: the event's record says which.
    pub const fn created_event(self) -> &'static str {
        match self {
            Self::Lead => "lead.created",
            Self::Contact | Self::Company => "contact.created",
            Self::Deal => "deal.created",
        }
    }
}

/// One record, printed `lead:3`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityRef {
    /// Which table it stands in.
    pub kind: EntityKind,
    /// Its number there.
    pub id: i64,
}

impl fmt::Display for EntityRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.id)
    }
}

impl fmt::Debug for EntityRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a record's reference such as `lead:3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record is written KIND:NUMBER, as in lead:3")]
pub struct NotAnEntity;

impl FromStr for EntityRef {
    type Err = NotAnEntity;

    fn from_str(text: &str) -> Result<Self, NotAnEntity> {
        let (kind, id) = text.split_once(':').ok_or(NotAnEntity)?;
        let kind = match kind {
            "contact" => EntityKind::Contact,
            "company" => EntityKind::Company,
            "lead" => EntityKind::Lead,
            "deal" => EntityKind::Deal,
            _ => return Err(NotAnEntity),
        };
        Ok(Self { kind, id: id.parse().map_err(|_| NotAnEntity)? })
    }
}

impl Serialize for EntityRef {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EntityRef {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}
