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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::testing::{House, house};
    use Direction::{Incoming, Internal, Outgoing};
    use LookupKind::{Excluded, Known, Undetermined, Unknown};

    fn made(house: House, direction: Direction, lookup: LookupKind) -> Creation {
        creation(&house.build().lines[0], direction, lookup)
    }

    #[test]
    fn only_an_unknown_client_becomes_a_lead_and_an_undetermined_one_not_before_a_later_lookup() {
        assert_eq!(made(house(), Incoming, Unknown), Creation::Lead);
        assert_eq!(made(house(), Incoming, Known), Creation::Nothing);
        assert_eq!(made(house(), Incoming, Excluded), Creation::Nothing);
        assert_eq!(made(house(), Incoming, Undetermined), Creation::LeadAfterLookup);
        assert!(!creates(&house().build().lines[0], Incoming, Undetermined));
    }

    #[test]
    fn create_for_says_in_which_direction_a_call_creates() {
        let on =
            |create_for| move |direction| made(house().line(|line| line.create_for = create_for), direction, Unknown);
        for (create_for, incoming, outgoing) in
            [(CreateFor::Incoming, true, false), (CreateFor::Outgoing, false, true), (CreateFor::Any, true, true)]
        {
            assert_eq!(on(create_for)(Incoming) == Creation::Lead, incoming, "{create_for:?}");
            assert_eq!(on(create_for)(Outgoing) == Creation::Lead, outgoing, "{create_for:?}");
            assert_eq!(on(create_for)(Internal), Creation::Nothing, "{create_for:?}");
        }
    }

    #[test]
    fn with_offer_nothing_is_created_by_itself() {
        let offers = || house().line(|line| line.unknown_client = UnknownClient::Offer);
        assert_eq!(made(offers(), Incoming, Unknown), Creation::Offered);
        assert_eq!(made(offers(), Incoming, Undetermined), Creation::Offered);
        assert_eq!(made(offers(), Outgoing, Unknown), Creation::Nothing);
    }

    #[test]
    fn nothing_of_an_excluded_or_internal_call_enters_the_crm() {
        for (lookup, direction, enters) in [
            (Known, Incoming, true),
            (Unknown, Outgoing, true),
            (Undetermined, Incoming, true),
            (Excluded, Incoming, false),
            (Excluded, Outgoing, false),
            (Unknown, Internal, false),
        ] {
            assert_eq!(enters_crm(lookup, direction), enters, "{lookup:?} {direction:?}");
        }
    }

    #[test]
    fn the_first_member_of_the_lines_queue_owns_a_lead_and_of_an_outgoing_call_who_dialled() {
        let dir = house().build();
        let (line, ana) = (&dir.lines[0], EmployeeId::from("ana"));
        assert_eq!(owner_at_first(&dir, line, Incoming, None), Some("bruno".into()));
        assert_eq!(owner_at_first(&dir, line, Outgoing, Some(&ana)), Some(ana.clone()));
        assert_eq!(owner_at_first(&dir, line, Outgoing, None), None, "an extension that is no employee");
        assert_eq!(owner_at_first(&dir, line, Internal, Some(&ana)), None);
    }

    #[test]
    fn with_answered_by_whoever_answers_an_incoming_call_owns_its_lead() {
        let after = |lead_owner, direction| {
            let dir = house().line(|line| line.lead_owner = lead_owner).build();
            owner_after_answer(&dir.lines[0], direction, &"carla".into())
        };
        assert_eq!(after(LeadOwner::AnsweredBy, Incoming), Some("carla".into()));
        assert_eq!(after(LeadOwner::AnsweredBy, Outgoing), None, "the employee who dialled stays the owner");
        assert_eq!(after(LeadOwner::FirstInQueue, Incoming), None);
    }

    #[test]
    fn a_transfer_moves_the_owner_to_an_employee_and_never_to_a_number_outside() {
        let dir = house().build();
        let keeps = house().line(|line| line.reassign_on_transfer = false).build();
        let dora = EmployeeId::from("dora");
        assert_eq!(owner_after_transfer(&dir.lines[0], Some(&dora)), Some(dora.clone()));
        assert_eq!(owner_after_transfer(&dir.lines[0], None), None);
        assert_eq!(owner_after_transfer(&keeps.lines[0], Some(&dora)), None);
    }

    #[test]
    fn an_unanswered_incoming_call_is_missed_whoever_hung_up() {
        assert_eq!(given_up_outcome(Incoming), Outcome::Missed);
        assert_eq!(unanswered_outcome(Incoming), Outcome::Missed);
    }

    #[test]
    fn outgoing_and_internal_calls_are_canceled_busy_declined_or_failed() {
        assert_eq!((given_up_outcome(Outgoing), given_up_outcome(Internal)), (Outcome::Canceled, Outcome::Canceled));
        for (code, outcome) in [
            (Some(486), Outcome::Busy),
            (Some(600), Outcome::Busy),
            (Some(603), Outcome::Declined),
            (Some(404), Outcome::Failed),
            (Some(480), Outcome::Failed),
            (Some(503), Outcome::Failed),
            (None, Outcome::Failed),
        ] {
            assert_eq!(outgoing_outcome(code), outcome, "{code:?}");
        }
        assert_eq!(unanswered_outcome(Internal), Outcome::Failed);
    }

    #[test]
    fn an_employees_leg_is_busy_declined_missed_or_failed_by_its_last_code() {
        for (code, outcome) in [
            (486, Outcome::Busy),
            (600, Outcome::Busy),
            (603, Outcome::Declined),
            (480, Outcome::Missed),
            (487, Outcome::Missed),
            (408, Outcome::Missed),
            (404, Outcome::Failed),
            (503, Outcome::Failed),
        ] {
            assert_eq!(leg_outcome(code), outcome, "{code}");
        }
    }

    #[test]
    fn an_unanswered_incoming_call_ends_with_480_unless_its_only_party_said_486_or_603() {
        for (only, code) in
            [(Some(486), 486), (Some(603), 603), (Some(600), 480), (Some(404), 480), (Some(408), 480), (None, 480)]
        {
            assert_eq!(incoming_final(only), code, "{only:?}");
        }
    }

    #[test]
    fn an_outgoing_call_ends_with_the_far_ends_code_but_a_challenge_becomes_503() {
        for (last, code) in
            [(Some(404), 404), (Some(486), 486), (Some(604), 604), (Some(401), 503), (Some(407), 503), (None, 480)]
        {
            assert_eq!(outgoing_final(last), code, "{last:?}");
        }
    }
}
