//! A call as the API, the events and an activity tell of it.

use serde::{Deserialize, Serialize};

use super::{CardDecision, EntityRef, LookupKind};
use crate::base::{CallId, EmployeeId, PhoneNumber, Wall};

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
    /// The employee who dialled, of a call from inside.
    #[serde(default)]
    pub dialler: Option<EmployeeId>,
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
    /// What was decided on its card.
    #[serde(default)]
    pub card: Option<CardDecision>,
    /// One entry for each employee who was rung, in order.
    pub legs: Vec<LegRecord>,
}

impl CallRecord {
    /// Whether she dialled, was rung, or talked in it.
    pub fn concerns(&self, employee: &EmployeeId) -> bool {
        let is_her = |one: &Option<EmployeeId>| one.as_ref() == Some(employee);
        is_her(&self.employee) || is_her(&self.dialler) || self.legs.iter().any(|leg| leg.employee == *employee)
    }

    /// The number of the customer: the caller of an incoming call, the callee of an outgoing one.
    pub fn customer(&self) -> Option<PhoneNumber> {
        match self.direction {
            Direction::Incoming => self.from.parse().ok(),
            Direction::Outgoing => self.to.parse().ok(),
            Direction::Internal => None,
        }
    }
}
