//! What a CRM holds, what a lookup can say, and what a call owes it. Plain data.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base::{CallId, EmployeeId, PhoneNumber, Wall};

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
        fresh_lead: Option<EntityRef>,
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
            Self::Unknown { fresh_lead: None } => Decision::new(word, "the CRM has nothing of this number"),
            Self::Unknown { fresh_lead: Some(lead) } => {
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

/// Which way a call goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the words say it")]
pub enum Direction {
    Incoming,
    Outgoing,
    Internal,
}

impl Direction {
    /// The word for it in JSON, rows and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Incoming => "incoming",
            Self::Outgoing => "outgoing",
            Self::Internal => "internal",
        }
    }
}

/// How a whole call, or one employee's leg of it, came out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Somebody talked.
    Answered,
    /// The caller left a message.
    Voicemail,
    /// Refused by the blacklist.
    Blocked,
    /// Incoming, and nobody talked, whoever hung up.
    Missed,
    /// Outgoing, and the employee gave up.
    Canceled,
    /// 486 or 600.
    Busy,
    /// 603.
    Declined,
    /// Everything else.
    Failed,
}

impl Outcome {
    /// The word for it in JSON, rows and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Voicemail => "voicemail",
            Self::Blocked => "blocked",
            Self::Missed => "missed",
            Self::Canceled => "canceled",
            Self::Busy => "busy",
            Self::Declined => "declined",
            Self::Failed => "failed",
        }
    }
}

/// Where a call is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the words say it")]
pub enum CallState {
    Routing,
    Ringing,
    Talking,
    Held,
    Ended,
}

/// What one employee who was rung (or who dialled) had of a call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LegRecord {
    /// Who.
    pub employee: EmployeeId,
    /// How her leg came out.
    pub outcome: Outcome,
    /// From her leg's first 18x to its answer or end, rounded down.
    pub ring_seconds: u32,
    /// How long she talked, rounded down.
    pub talk_seconds: u32,
}

impl LegRecord {
    /// What the same employee had of the call besides.
    pub fn add(&mut self, more: &Self) {
        self.ring_seconds = self.ring_seconds.saturating_add(more.ring_seconds);
        self.talk_seconds = self.talk_seconds.saturating_add(more.talk_seconds);
        if self.outcome != Outcome::Answered {
            self.outcome = more.outcome;
        }
    }
}

/// A CALL of the contract: a live or ended call as `GET /api/calls` shows it, and what an activity is made from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CallRecord {
    /// Ours, not a SIP Call-ID.
    pub id: CallId,
    /// Where it is in its life.
    pub state: CallState,
    /// Which way it goes.
    pub direction: Direction,
    /// The caller: E.164 where it could be read so, else as received; `anonymous` without an identity.
    pub from: String,
    /// The number or extension called.
    pub to: String,
    /// Our line that it came in by or goes out on.
    pub line: Option<PhoneNumber>,
    /// What the lookup came to; `None` while it runs.
    pub lookup: Option<LookupKind>,
    /// The client or open lead who was known when the call began.
    pub client: Option<EntityRef>,
    /// Her name.
    pub client_name: Option<String>,
    /// Who talked last, or rings alone now.
    pub employee: Option<EmployeeId>,
    /// When the INVITE came.
    pub started: Wall,
    /// When somebody first answered.
    pub answered: Option<Wall>,
    /// When it was over.
    pub ended: Option<Wall>,
    /// How it came out; `None` while it is up.
    pub outcome: Option<Outcome>,
    /// From the first 18x shown to the caller to the answer or the end.
    pub ring_seconds: u32,
    /// All that was talked.
    pub talk_seconds: u32,
    /// Who handed it on last, where it was transferred.
    pub transferred_from: Option<EmployeeId>,
    /// What this call itself created or shares.
    pub created: Vec<EntityRef>,
    /// One entry for each employee who was rung, in order.
    pub legs: Vec<LegRecord>,
}

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
