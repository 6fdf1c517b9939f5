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
    #[serde(rename = "contact.create")]
    ContactCreate,
    #[serde(rename = "company.create")]
    CompanyCreate,
    #[serde(rename = "deal.create")]
    DealCreate,
    #[serde(rename = "lead.reassign")]
    LeadReassign,
    #[serde(rename = "client.attach")]
    ClientAttach,
    #[serde(rename = "activity.create")]
    ActivityCreate,
}

impl WriteKind {
    /// The word for it in JSON and rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LeadCreate => "lead.create",
            Self::ContactCreate => "contact.create",
            Self::CompanyCreate => "company.create",
            Self::DealCreate => "deal.create",
            Self::LeadReassign => "lead.reassign",
            Self::ClientAttach => "client.attach",
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

/// A record that a call makes for a client whom nobody knew.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NewRecord {
    /// Whose record.
    pub phone: PhoneNumber,
    /// The line it was called by or from.
    pub line: PhoneNumber,
    /// The line's `source`.
    pub source: Option<String>,
    /// Its first owner.
    pub owner: EmployeeId,
    /// The name on it, where a person wrote one on the call card.
    #[serde(default)]
    pub name: Option<String>,
}

/// One thing that a call wants done in the CRM.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "write")]
pub enum Write {
    /// A lead for this number, or a share in the one that another call from it has just made.
    #[serde(rename = "lead.create")]
    LeadCreate(NewRecord),
    /// A contact, in the same way.
    #[serde(rename = "contact.create")]
    ContactCreate(NewRecord),
    /// A company, in the same way.
    #[serde(rename = "company.create")]
    CompanyCreate(NewRecord),
    /// A deal of the client that the same call has made or shares.
    #[serde(rename = "deal.create")]
    DealCreate {
        /// Whose.
        #[serde(flatten)]
        new: NewRecord,
        /// The pipeline, by name.
        pipeline: String,
    },
    /// The owner of what this call created, where it is still the one that calls set.
    #[serde(rename = "lead.reassign")]
    LeadReassign {
        /// The new owner.
        to: EmployeeId,
        /// `transfer`, or `answered-by`.
        why: String,
    },
    /// The number is this client's or lead's, says the employee who talked: it is written there, and the activity too.
    #[serde(rename = "client.attach")]
    ClientAttach {
        /// The number.
        phone: PhoneNumber,
        /// Whose it is.
        to: EntityRef,
    },
    /// The call's activity, from its record.
    #[serde(rename = "activity.create")]
    ActivityCreate(Box<CallRecord>),
}

impl Write {
    /// Which kind it is.
    pub const fn kind(&self) -> WriteKind {
        match self {
            Self::LeadCreate(_) => WriteKind::LeadCreate,
            Self::ContactCreate(_) => WriteKind::ContactCreate,
            Self::CompanyCreate(_) => WriteKind::CompanyCreate,
            Self::DealCreate { .. } => WriteKind::DealCreate,
            Self::LeadReassign { .. } => WriteKind::LeadReassign,
            Self::ClientAttach { .. } => WriteKind::ClientAttach,
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
    /// The customer's number: writes about one client keep their order, also over several calls.
    #[serde(default)]
    pub client: Option<PhoneNumber>,
    /// What.
    pub write: Write,
}

/// What a write came to, once in effect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// This call has a record: its own, or shared with the call that made it.
    Created {
        /// The lead, contact, company or deal.
        record: EntityRef,
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
    /// The number stands on this record, which was there before.
    Attached(EntityRef),
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
