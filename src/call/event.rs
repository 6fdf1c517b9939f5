//! What a call is told.

use super::card::Press;
use super::{Replacing, Word};
use crate::base::CallId;
use crate::crm::model::{Lookup, WriteNews};
use crate::route::Dialled;
use crate::sip::agent::Received;

/// One thing that happened to a call.
#[derive(Debug)]
pub enum CallEvent {
    /// A SIP message of this call.
    Received(Box<Received>),
    /// Time may have come: `Call::next_wakeup` is due.
    Wake,
    /// The lookup's answer. The first of answer and deadline decides; a later one is noted.
    CrmSaid(Lookup),
    /// The record that [`super::CallAction::Save`] handed over is committed, or its two seconds are over: what waited
    /// for it goes out now.
    Saved,
    /// A write of this call has come somewhere.
    CrmWrote(WriteNews),
    /// A message to this hop could not be sent (no socket, connection refused, ICMP unreachable).
    Unreachable(crate::base::Hop),
    /// Another call says something.
    Said {
        /// Which.
        from: CallId,
        /// What.
        word: Word,
    },
    /// The call that this was said to is gone.
    Unheard(Word),
    /// An INVITE wants the place of one of its parties.
    Replacing(Box<Replacing>),
    /// The console hands it on.
    HandOn(Dialled),
    /// Somebody decides on its card.
    Card(Box<Press>),
    /// An operator ends the call.
    HangUp,
}
