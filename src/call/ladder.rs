//! A call's ladder: its SIP messages with the decisions and CRM writes between them, in order.

use serde::{Deserialize, Serialize};

use crate::base::Wall;
use crate::crm::model::{PassedOver, WriteKind, WriteState};

/// How many lines a ladder may have: a peer that floods a dialog makes a long ladder no longer.
const LONGEST: usize = 2_000;

/// A ladder as it grows.
#[derive(Debug, Default)]
pub struct Ladder(Vec<Entry>);

impl Ladder {
    /// Adds a line, unless the ladder is full.
    pub fn push(&mut self, at: Wall, what: What) {
        if self.0.len() < LONGEST {
            self.0.push(Entry { at, what });
        }
    }

    /// All lines, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// All lines, in order, given away.
    pub fn into_entries(self) -> Vec<Entry> {
        self.0
    }
}

/// One line of a ladder, as `GET /api/calls/{id}` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Wall,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What a ladder's line says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum What {
    /// A message.
    Sip {
        /// Who sent it: `carrier`, `ramal`, `ana`.
        from: String,
        /// To whom.
        to: String,
        /// `INVITE sip:+551140028922@… SIP/2.0`, `SIP/2.0 180 Ringing`.
        start_line: String,
        /// The Call-ID of its leg.
        call_id: String,
        /// A retransmission.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        again: bool,
    },
    /// A decision.
    Decision {
        /// What was decided.
        what: String,
        /// Why.
        why: String,
        /// And what was not taken.
        passed_over: Vec<PassedOver>,
    },
    /// A write to the CRM.
    Crm {
        /// Which.
        write: WriteKind,
        /// How far it has come.
        state: WriteState,
        /// What it came to, or why it is still owed.
        detail: String,
    },
    /// Something about media.
    Media {
        /// What.
        what: String,
    },
}
