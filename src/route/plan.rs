//! The plan of a call: whom it rings, in order, each step with its reason and what it passed over.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::directory::Gateway;
pub use super::planner::{Asked, next, next_in_queue, plan};
use crate::base::{EmployeeId, PbxName, PhoneNumber, QueueName, Wall};
use crate::crm::model::Decision;

/// Whether an employee can be rung.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// Ring her.
    #[default]
    Available,
    /// Not now: her clients go to the queue.
    Away,
    /// Not today.
    Off,
}

impl Presence {
    /// The word for it in JSON, rows and commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Away => "away",
            Self::Off => "off",
        }
    }
}

/// The text is no presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a presence is `available`, `away` or `off`")]
pub struct NotAPresence;

impl FromStr for Presence {
    type Err = NotAPresence;

    fn from_str(text: &str) -> Result<Self, NotAPresence> {
        let all = [Self::Available, Self::Away, Self::Off];
        all.into_iter().find(|presence| presence.as_str() == text).ok_or(NotAPresence)
    }
}

/// What is true at this moment besides the files.
pub trait Live {
    /// Whether she wants to be rung.
    fn presence(&self, employee: &EmployeeId) -> Presence;
    /// Whether she talks.
    fn busy(&self, employee: &EmployeeId) -> bool;
    /// When she was last rung, in whatever call.
    fn last_rung(&self, employee: &EmployeeId) -> Option<Wall>;
    /// Whether a phone of her own has registered.
    fn registered(&self, employee: &EmployeeId) -> bool;
}

/// Somebody who can be rung, and by what way.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Destination {
    /// An employee: at her own phones where some have registered, else at the PBX that serves her extension.
    Employee {
        /// Who.
        id: EmployeeId,
        /// Her extension.
        extension: String,
        /// Where it is rung without a registration; `None`: nowhere.
        pbx: Option<PbxName>,
    },
    /// An extension of a PBX that is no employee's.
    Extension {
        /// The extension.
        extension: String,
        /// Where it is rung.
        pbx: PbxName,
    },
    /// A number outside.
    Outside {
        /// As it is written in the Request-URI, by the gateway's `numbers_out`; a short code (190) as it is.
        dial: String,
        /// The number in E.164; `None` for short codes.
        number: Option<PhoneNumber>,
        /// By what it leaves.
        gateway: Gateway,
        /// The line whose number it shows.
        line: PhoneNumber,
        /// Whose mobile it is, where it rings her.
        employee: Option<EmployeeId>,
    },
}

impl Destination {
    /// The employee whom it rings.
    pub fn employee(&self) -> Option<&EmployeeId> {
        match self {
            Self::Employee { id, .. } => Some(id),
            Self::Extension { .. } => None,
            Self::Outside { employee, .. } => employee.as_ref(),
        }
    }

    /// How ladders and `explain` name it: `ana`, `205`, `+5511912345678`.
    pub fn label(&self) -> &str {
        match self {
            Self::Employee { id, .. } => id.as_str(),
            Self::Extension { extension, .. } => extension,
            Self::Outside { dial, .. } => dial,
        }
    }
}

/// One step of a plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Ring these, all at once.
    Ring(Ring),
    /// Go on in this queue: its rings follow.
    Queue {
        /// Which.
        name: QueueName,
        /// Why.
        why: String,
    },
    /// The caller leaves a message.
    Voicemail {
        /// Why.
        why: String,
    },
    /// It is over: the final answer is `crm::policy::final_status`'s, 480 unless a single party said otherwise.
    Hangup {
        /// Why.
        why: String,
    },
}

impl Step {
    /// Its reason.
    pub fn why(&self) -> &str {
        match self {
            Self::Ring(ring) => &ring.why,
            Self::Queue { why, .. } | Self::Voicemail { why } | Self::Hangup { why } => why,
        }
    }
}

/// Whom a step rings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ring {
    /// At least one.
    pub who: Vec<Destination>,
    /// For how long.
    pub ring: Duration,
    /// Why these.
    pub why: String,
    /// The queue that they are members of.
    pub queue: Option<QueueName>,
}

/// What a call will do if nobody answers, and what led there.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    /// In order. The last of a whole one is a `Hangup` or a `Voicemail`; [`next`] goes no further than it is asked.
    pub steps: Vec<Step>,
    /// What led to each step, with what was passed over before it: one for each step, in the same order.
    pub decisions: Vec<Decision>,
}

impl Plan {
    /// What a live call does now: the first step that is more than a queue's name, with the decisions that led to it.
    pub fn first(&self) -> Option<(&Step, &[Decision])> {
        let at = self.steps.iter().position(|step| !matches!(step, Step::Queue { .. }))?;
        Some((&self.steps[at], &self.decisions[..=at]))
    }
}
