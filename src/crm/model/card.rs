//! What a person decides on a call's card.

use serde::{Deserialize, Serialize};

use crate::base::{EmployeeId, Wall};

/// What the call card offers for a client whom nobody knows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CardAction {
    /// A new lead.
    Lead,
    /// A new contact; in simple mode with its deal.
    Contact,
    /// The number is somebody's who is there already.
    Attach,
    /// Nothing is to be made of this call.
    Ignore,
}

impl CardAction {
    /// All of them, in the order in which a card shows them.
    pub const ALL: [Self; 4] = [Self::Lead, Self::Contact, Self::Attach, Self::Ignore];

    /// The word for it in JSON and ladders.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lead => "lead",
            Self::Contact => "contact",
            Self::Attach => "attach",
            Self::Ignore => "ignore",
        }
    }
}

/// What was decided on a call's card: once for each call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CardDecision {
    /// What.
    pub action: CardAction,
    /// By which employee; `None`: an admin's program.
    pub by: Option<EmployeeId>,
    /// When.
    pub at: Wall,
}
