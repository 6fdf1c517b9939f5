//! What a call owes the CRM, in its order, and what became of it.

use serde::{Deserialize, Serialize};

use super::{CallRecord, EntityRef};
use crate::base::{CallId, EmployeeId, PhoneNumber, Wall};

/// A kind of write, as ladders and the outbox name it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the words say it")]
pub enum WriteKind {
    #[serde(rename = "lead.create")]
    LeadCreate,
    #[serde(rename = "lead.reassign")]
    LeadReassign,
    #[serde(rename = "activity.create")]
    ActivityCreate,
}

impl WriteKind {
    /// The word for it in JSON and rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LeadCreate => "lead.create",
            Self::LeadReassign => "lead.reassign",
            Self::ActivityCreate => "activity.create",
        }
    }
}

/// How far a write has come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WriteState {
    /// Committed here, not yet in the CRM.
    Owed,
    /// In effect.
    Written,
    /// Given up, for an operator to look at.
    Dead,
}

/// One thing that a call wants done in the CRM.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "write")]
pub enum Write {
    /// A lead for this number, or a share in the one that another call from it has just made.
    #[serde(rename = "lead.create")]
    LeadCreate {
        /// Whose lead.
        phone: PhoneNumber,
        /// The line it was called by or from.
        line: PhoneNumber,
        /// The line's `source`.
        source: Option<String>,
        /// Its first owner.
        owner: EmployeeId,
    },
    /// The owner of what this call created, where it is still the one that calls set.
    #[serde(rename = "lead.reassign")]
    LeadReassign {
        /// The new owner.
        to: EmployeeId,
        /// `transfer`, or `answered-by`.
        why: String,
    },
    /// The call's activity, from its record.
    #[serde(rename = "activity.create")]
    ActivityCreate(Box<CallRecord>),
}

impl Write {
    /// Which kind it is.
    pub const fn kind(&self) -> WriteKind {
        match self {
            Self::LeadCreate { .. } => WriteKind::LeadCreate,
            Self::LeadReassign { .. } => WriteKind::LeadReassign,
            Self::ActivityCreate(_) => WriteKind::ActivityCreate,
        }
    }
}

/// A write with what makes it happen once: its call and its place in that call's order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OwedWrite {
    /// The call that owes it.
    pub call: CallId,
    /// Its place among the call's writes, from 0; call and place are the idempotency key.
    pub seq: u16,
    /// When it came to be owed.
    pub since: Wall,
    /// The number that must be looked up again first, because the call's own lookup had no answer: if it is then
    /// known, nothing is created and the activity goes to that client; if excluded, nothing at all is written.
    pub after_lookup: Option<PhoneNumber>,
    /// What.
    pub write: Write,
}

/// What a write came to, once in effect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// This call has a lead: its own, or shared with the call that made it.
    Lead {
        /// The lead.
        lead: EntityRef,
        /// True for the call that made it: the one that tells the world `lead.created`.
        made: bool,
    },
    /// Owners moved.
    Reassigned {
        /// The records, with the owner each had.
        moved: Vec<(EntityRef, EmployeeId)>,
        /// Their owner now.
        to: EmployeeId,
    },
    /// Nothing to do: the owner was not ours to move any more, or the number proved known.
    Void(String),
    /// The activity stands in the CRM.
    Activity {
        /// Its number.
        id: i64,
        /// The client or lead it stands at.
        attached_to: Option<EntityRef>,
    },
}

/// News of one write, for the ladder, the events and whoever waits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WriteNews {
    /// The call that owes it.
    pub call: CallId,
    /// Its place among the call's writes.
    pub seq: u16,
    /// Which kind it is.
    pub kind: WriteKind,
    /// How far it has come.
    pub state: WriteState,
    /// What it came to, where it is written.
    pub effect: Option<Effect>,
    /// What the CRM said, where it failed.
    pub error: Option<String>,
}
