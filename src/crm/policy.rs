//! What a call makes of its lookup: what it creates, who owns it, how it came out, and the final answer that the
//! caller gets. The rules of CONTRACT section 1 as pure functions, each the only place where its rule stands.

use crate::base::EmployeeId;
use crate::crm::model::{Direction, LookupKind, Outcome};
use crate::route::directory::{CreateFor, Directory, LeadOwner, Line, UnknownClient};

/// What a call makes of a client whom nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// A lead, while the phone still rings.
    Lead,
    /// A lead, once a later lookup has answered that nobody knows the number.
    LeadAfterLookup,
    /// Nothing by itself: the call card offers it.
    Offered,
    /// Nothing.
    Nothing,
}

/// What a call in this direction creates on this line.
pub fn creation(line: &Line, direction: Direction, lookup: LookupKind) -> Creation {
    let wanted = match (line.create_for, direction) {
        (CreateFor::Incoming | CreateFor::Any, Direction::Incoming) => true,
        (CreateFor::Outgoing | CreateFor::Any, Direction::Outgoing) => true,
        (CreateFor::Incoming, Direction::Outgoing) | (CreateFor::Outgoing, Direction::Incoming) => false,
        (_, Direction::Internal) => false,
    };
    match (lookup, line.unknown_client) {
        _ if !wanted => Creation::Nothing,
        (LookupKind::Known | LookupKind::Excluded, _) => Creation::Nothing,
        (LookupKind::Unknown | LookupKind::Undetermined, UnknownClient::Offer) => Creation::Offered,
        (LookupKind::Unknown, UnknownClient::CreateLead) => Creation::Lead,
        (LookupKind::Undetermined, UnknownClient::CreateLead) => Creation::LeadAfterLookup,
    }
}

/// Whether a lead is made as soon as the lookup has answered so.
pub fn creates(line: &Line, direction: Direction, lookup: LookupKind) -> bool {
    creation(line, direction, lookup) == Creation::Lead
}

/// Whether anything of the call goes to the CRM: its lead, its activity.
pub fn enters_crm(lookup: LookupKind, direction: Direction) -> bool {
    direction != Direction::Internal && lookup != LookupKind::Excluded
}

/// Who owns what the call creates, when it is created: the first member of the line's queue, also when the call went
/// on to another queue; of an outgoing call, the employee who dialled.
pub fn owner_at_first(
    dir: &Directory,
    line: &Line,
    direction: Direction,
    dialler: Option<&EmployeeId>,
) -> Option<EmployeeId> {
    match direction {
        Direction::Incoming => dir.queue(&line.queue)?.members.first().cloned(),
        Direction::Outgoing => dialler.cloned(),
        Direction::Internal => None,
    }
}

/// Who owns it from the answer on; `None`: as before.
pub fn owner_after_answer(line: &Line, direction: Direction, who: &EmployeeId) -> Option<EmployeeId> {
    match (line.lead_owner, direction) {
        (LeadOwner::AnsweredBy, Direction::Incoming) => Some(who.clone()),
        (LeadOwner::AnsweredBy | LeadOwner::FirstInQueue, _) => None,
    }
}

/// Who owns it once `to` has answered a transfer; `None`: as before, also for a number outside, which is nobody's.
pub fn owner_after_transfer(line: &Line, to: Option<&EmployeeId>) -> Option<EmployeeId> {
    to.filter(|_| line.reassign_on_transfer).cloned()
}

/// How a call came out whose caller hung up while it rang.
pub fn given_up_outcome(direction: Direction) -> Outcome {
    match direction {
        Direction::Incoming => Outcome::Missed,
        Direction::Outgoing | Direction::Internal => Outcome::Canceled,
    }
}

/// How a call to a line or a queue came out that nobody answered.
pub fn unanswered_outcome(direction: Direction) -> Outcome {
    match direction {
        Direction::Incoming => Outcome::Missed,
        Direction::Outgoing | Direction::Internal => Outcome::Failed,
    }
}

/// How a call came out that one party inside dialled to another, by the last code from there; `None`: only time went by.
pub fn outgoing_outcome(last: Option<u16>) -> Outcome {
    match last {
        Some(486 | 600) => Outcome::Busy,
        Some(603) => Outcome::Declined,
        Some(_) | None => Outcome::Failed,
    }
}

/// How the leg of one employee came out that ended with this code before she answered; where we stopped ringing her,
/// she missed it. Of the employee who dialled: the call's own outcome.
pub fn leg_outcome(status: u16) -> Outcome {
    match status {
        486 | 600 => Outcome::Busy,
        603 => Outcome::Declined,
        408 | 480 | 487 => Outcome::Missed,
        _ => Outcome::Failed,
    }
}

/// The final answer to an unanswered call to a line or a queue. `only_final` is the code of the only party that was
/// rung; `None` where there were more, or none.
pub fn incoming_final(only_final: Option<u16>) -> u16 {
    match only_final {
        Some(code @ (486 | 603)) => code,
        Some(_) | None => 480,
    }
}

/// The final answer to an unanswered call to a number that was dialled: the far end's code as it came, but 503 for a
/// challenge, which was meant for us. `None`: only time went by.
pub fn outgoing_final(last: Option<u16>) -> u16 {
    match last {
        Some(401 | 407) => 503,
        Some(code) => code,
        None => 480,
    }
}
