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

/// What happened in a call that decides about owners.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Course<'a> {
    /// Who dialled.
    pub dialler: Option<&'a EmployeeId>,
    /// Which employee answered it, other than by a transfer.
    pub answered_by: Option<&'a EmployeeId>,
    /// Who answered the last transfer; the transferor where the call came back to her.
    pub transferred_to: Option<&'a EmployeeId>,
}

/// Who would own by now what an undetermined call asks for.
pub fn owner_by_now(dir: &Directory, line: &Line, direction: Direction, course: Course<'_>) -> Option<EmployeeId> {
    owner_after_transfer(line, course.transferred_to)
        .or_else(|| course.answered_by.and_then(|who| owner_after_answer(line, direction, who)))
        .or_else(|| owner_at_first(dir, line, direction, course.dialler))
}

/// How a call came to its end, as far as its outcome asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Somebody talked, whatever came after.
    Talked,
    /// The caller left a message.
    LeftMessage,
    /// The blacklist refused it.
    Blacklisted,
    /// The caller hung up while it rang.
    CallerGaveUp,
    /// Nobody answered: the last code of those who were called, `None` where only time went by.
    Unanswered(Option<u16>),
}

/// How the whole call came out.
pub fn outcome(direction: Direction, ending: Ending) -> Outcome {
    match (ending, direction) {
        (Ending::Talked, _) => Outcome::Answered,
        (Ending::LeftMessage, _) => Outcome::Voicemail,
        (Ending::Blacklisted, _) => Outcome::Blocked,
        (Ending::CallerGaveUp | Ending::Unanswered(_), Direction::Incoming) => Outcome::Missed,
        (Ending::CallerGaveUp, _) => Outcome::Canceled,
        (Ending::Unanswered(Some(486 | 600)), _) => Outcome::Busy,
        (Ending::Unanswered(Some(603)), _) => Outcome::Declined,
        (Ending::Unanswered(_), _) => Outcome::Failed,
    }
}

/// How the leg of one employee who was rung came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegEnding {
    /// She answered.
    Answered,
    /// We stopped ringing her: her time was over, somebody else answered, the caller gave up.
    Stopped,
    /// Her phone, or the way to it, said so.
    Refused(u16),
}

/// How the leg of one employee who was rung came out. Of the employee who dialled: the call's own outcome.
pub fn leg_outcome(ending: LegEnding) -> Outcome {
    match ending {
        LegEnding::Answered => Outcome::Answered,
        LegEnding::Stopped | LegEnding::Refused(408 | 480 | 487) => Outcome::Missed,
        LegEnding::Refused(486 | 600) => Outcome::Busy,
        LegEnding::Refused(603) => Outcome::Declined,
        LegEnding::Refused(_) => Outcome::Failed,
    }
}

/// The final answer to the INVITE of a call that nobody answered. `rung` has an entry for each party that was rung, in
/// order: the code that she came to by herself, `None` where we stopped ringing her.
pub fn final_status(direction: Direction, caller_gave_up: bool, rung: &[Option<u16>]) -> u16 {
    if caller_gave_up {
        return 487;
    }
    match (direction, rung) {
        (Direction::Incoming, [Some(code @ (486 | 603))]) => *code,
        (Direction::Incoming, _) => 480,
        (Direction::Outgoing, [.., Some(code)]) | (Direction::Internal, [Some(code)]) => far_end(*code),
        (Direction::Outgoing | Direction::Internal, _) => 480,
    }
}

/// The far end's code as the caller gets it: as it came, but a challenge was meant for us and not for her.
fn far_end(code: u16) -> u16 {
    if matches!(code, 401 | 407) { 503 } else { code }
}
