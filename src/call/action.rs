//! What a call wants done.

use super::Word;
use crate::base::{CallId, EmployeeId, Hop, PhoneNumber};
use crate::crm::model::{CallRecord, EntityRef, OwedWrite};
use crate::sip::agent::Transmit;
use crate::sip::subscription::Watched;

/// One thing that the shell is to do for a call, in the order pushed.
#[derive(Debug)]
pub enum CallAction {
    /// Put this on the wire.
    Send(Transmit),
    /// Ask the CRM who this is; the answer comes back as `CrmSaid`.
    Ask {
        /// The number, in E.164.
        phone: PhoneNumber,
        /// Our line.
        line: PhoneNumber,
        /// The caller's SIP address `user@host`, for exceptions by address.
        address: String,
    },
    /// Commit these writes, to take effect in the CRM now. News comes back as `CrmWrote`.
    Tell(Vec<OwedWrite>),
    /// Commit the call's record with all that it still owes; then say `Saved`.
    Save {
        /// The record, final.
        record: Box<CallRecord>,
        /// Owed with it: its activity last. Empty where nothing of the call enters the CRM.
        writes: Vec<OwedWrite>,
    },
    /// Tell the world.
    Publish(Box<Publication>),
    /// An employee's phone begins to ring: for the turn of `evenly`.
    Rung(EmployeeId),
    /// An employee begins or ceases to be in a call: for `skip_busy` and `limits.per_employee`.
    Busy {
        /// Who.
        employee: EmployeeId,
        /// Begins.
        busy: bool,
        /// By a call that she placed herself.
        placed: bool,
    },
    /// The lamp of somebody who is [watched](super::Env::watches) changes: `Call::lamps` has what it shows.
    Lamp(Watched),
    /// Nothing of hers is there any more from where a phone registered: its binding is to be dropped.
    PhoneGone(Hop),
    /// A transfer came to its end: for `ramal_transfers_total`.
    Transferred {
        /// `blind`, `attended`, `takeover`, `redirect`, `pbx`, `console`.
        kind: &'static str,
        /// `answered`, `failed`.
        result: &'static str,
    },
    /// Nothing at all has come from this peer: for a while others come first.
    Silent(Hop),
    /// Say this to another call; where there is none (any more), it comes back as `Unheard`. The legs of a
    /// [`Word::Gives`] are the other call's from then on.
    Say {
        /// The other call.
        to: CallId,
        /// What.
        word: Word,
    },
    /// The caller hears it ring for the first time: for `ramal_post_dial_delay_seconds`.
    PostDialDelay(std::time::Duration),
    /// What was decided on the card is asked for: whoever decided may be told.
    CardTaken,
    /// Nothing is left: no dialog, transaction or timer. Forget the call.
    Finish,
}

/// An event of `GET /api/events`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// `call.ringing`, `call.answered`, …
    pub event: &'static str,
    /// The call as it is now.
    pub call: CallRecord,
    /// The record that it is about.
    pub record: Option<EntityRef>,
    /// Who had it.
    pub from_employee: Option<EmployeeId>,
    /// Who has it.
    pub to_employee: Option<EmployeeId>,
    /// The kind of a transfer.
    pub kind: Option<&'static str>,
}
