//! What asking the CRM about a number can come to, and decisions with what they passed over.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::EntityRef;
use crate::base::{EmployeeId, PhoneNumber};

/// Something that a decision weighed and did not take, and why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PassedOver {
    /// The choice: `bruno`, `lead:3`.
    pub what: String,
    /// Why it was not taken.
    pub why: String,
}

impl PassedOver {
    /// `what` was not taken because of `why`.
    pub fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into() }
    }
}

/// One thing that was decided, for the ladder and for `explain`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Decision {
    /// What: `ring ana`, `known: contact:7`.
    pub what: String,
    /// Why, in the operator's words.
    pub why: String,
    /// The choices not taken.
    pub passed_over: Vec<PassedOver>,
}

impl Decision {
    /// A decision with nothing passed over.
    pub fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into(), passed_over: Vec::new() }
    }
}

/// The client or open lead to whom a number belongs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Known {
    /// The record that was chosen.
    pub entity: EntityRef,
    /// The name on it.
    pub name: Option<String>,
    /// Who owns it, by the CRM's word; may be nobody whom the files know.
    pub responsible: Option<EmployeeId>,
    /// Why the responsible is not at work, by the CRM's word: she is passed over then.
    #[serde(default)]
    pub absent: Option<String>,
    /// Why this one of several.
    pub why: String,
    /// The others.
    pub passed_over: Vec<PassedOver>,
}

/// Why a lookup was not made, and nothing of the call enters the CRM.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Exclusion {
    /// On the exception list, with the entry as it stands there.
    Exception(String),
    /// The extension, mobile or phone of this employee.
    Employee(EmployeeId),
    /// One of our own lines.
    OwnLine(PhoneNumber),
    /// The caller gave no identity.
    Anonymous,
    /// Nobody's client: both ends are inside, an extension that is no employee's calls out, or a short code is called.
    Internal,
}

impl fmt::Display for Exclusion {
    /// In the operator's words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exception(entry) => write!(f, "{entry} is on the exception list"),
            Self::Employee(id) => write!(f, "the number is {id}'s"),
            Self::OwnLine(number) => write!(f, "{number} is a line of ours"),
            Self::Anonymous => f.write_str("the caller gave no number"),
            Self::Internal => f.write_str("nobody's client is in this call"),
        }
    }
}

/// Why a lookup has no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum NoAnswer {
    /// Nothing came within `crm.deadline`.
    Deadline,
    /// The CRM, or the way to it, is down.
    Unavailable,
}

impl fmt::Display for NoAnswer {
    /// In the operator's words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deadline => "the CRM did not answer in time",
            Self::Unavailable => "the CRM cannot be asked",
        })
    }
}

/// What asking the CRM about a number came to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Lookup {
    /// A client or an open lead.
    Known(Known),
    /// The CRM answered, and has nothing. A lead whose creating call is still up may be named: it will be shared.
    Unknown {
        /// That lead, where there is one.
        fresh: Option<EntityRef>,
    },
    /// Nobody to be looked up.
    Excluded(Exclusion),
    /// Nothing is known of the number yet.
    Undetermined(NoAnswer),
}

impl Lookup {
    /// Its name alone.
    pub const fn kind(&self) -> LookupKind {
        match self {
            Self::Known(_) => LookupKind::Known,
            Self::Unknown { .. } => LookupKind::Unknown,
            Self::Excluded(_) => LookupKind::Excluded,
            Self::Undetermined(_) => LookupKind::Undetermined,
        }
    }

    /// As a decision: with the choice among several matches, and what it passed over.
    pub fn decision(&self) -> Decision {
        let word = self.kind().as_str();
        match self {
            Self::Known(known) => Decision {
                what: format!("{word}: {}", known.entity),
                why: known.why.clone(),
                passed_over: known.passed_over.clone(),
            },
            Self::Unknown { fresh: None } => Decision::new(word, "the CRM has nothing of this number"),
            Self::Unknown { fresh: Some(lead) } => {
                Decision::new(word, format!("{lead} was made by another call that is still up, and is shared"))
            }
            Self::Excluded(exclusion) => Decision::new(word, exclusion.to_string()),
            Self::Undetermined(none) => Decision::new(word, none.to_string()),
        }
    }
}

/// The four results of a lookup, by name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the four results, explained at `Lookup`")]
pub enum LookupKind {
    Known,
    Unknown,
    Excluded,
    Undetermined,
}

impl LookupKind {
    /// The word for it in JSON, rows and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Unknown => "unknown",
            Self::Excluded => "excluded",
            Self::Undetermined => "undetermined",
        }
    }
}
