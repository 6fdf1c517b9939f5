//! What a call makes of its lookup: what it creates, who owns it, how it came out, and the final answer that the
//! caller gets. The rules of docs/crm.md as pure functions, each the only place where its rule stands.

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

/// How the leg of one employee who was rung came out.
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
    fn an_answered_call_is_answered_whatever_its_direction() {
        for direction in [Incoming, Outgoing, Internal] {
            assert_eq!(outcome(direction, Ending::Talked), Outcome::Answered);
        }
        assert_eq!(outcome(Incoming, Ending::LeftMessage), Outcome::Voicemail);
        assert_eq!(outcome(Incoming, Ending::Blacklisted), Outcome::Blocked);
    }

    #[test]
    fn an_unanswered_incoming_call_is_missed_whoever_hung_up() {
        for ending in [Ending::CallerGaveUp, Ending::Unanswered(None), Ending::Unanswered(Some(486))] {
            assert_eq!(outcome(Incoming, ending), Outcome::Missed);
        }
    }

    #[test]
    fn outgoing_and_internal_calls_are_canceled_busy_declined_or_failed() {
        for direction in [Outgoing, Internal] {
            assert_eq!(outcome(direction, Ending::CallerGaveUp), Outcome::Canceled);
            for (code, expected) in [
                (Some(486), Outcome::Busy),
                (Some(600), Outcome::Busy),
                (Some(603), Outcome::Declined),
                (Some(404), Outcome::Failed),
                (Some(480), Outcome::Failed),
                (Some(503), Outcome::Failed),
                (None, Outcome::Failed),
            ] {
                assert_eq!(outcome(direction, Ending::Unanswered(code)), expected, "{code:?}");
            }
        }
    }

    #[test]
    fn an_employees_leg_is_busy_declined_missed_or_failed_by_how_it_ended() {
        assert_eq!(leg_outcome(LegEnding::Answered), Outcome::Answered);
        assert_eq!(leg_outcome(LegEnding::Stopped), Outcome::Missed);
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
            assert_eq!(leg_outcome(LegEnding::Refused(code)), outcome, "{code}");
        }
    }

    #[test]
    fn a_caller_who_gave_up_gets_487_whatever_was_said_before() {
        for direction in [Incoming, Outgoing, Internal] {
            assert_eq!(final_status(direction, true, &[Some(486), None]), 487);
        }
    }

    #[test]
    fn an_unanswered_incoming_call_ends_with_480_unless_its_only_party_said_486_or_603() {
        for (rung, code) in [
            (&[Some(486)][..], 486),
            (&[Some(603)], 603),
            (&[Some(600)], 480),
            (&[Some(404)], 480),
            (&[None], 480),
            (&[], 480),
            (&[Some(486), Some(486)], 480),
            (&[None, Some(603)], 480),
        ] {
            assert_eq!(final_status(Incoming, false, rung), code, "{rung:?}");
        }
    }

    #[test]
    fn an_outgoing_call_ends_with_the_far_ends_code_but_a_challenge_becomes_503() {
        for (last, code) in
            [(Some(404), 404), (Some(486), 486), (Some(604), 604), (Some(401), 503), (Some(407), 503), (None, 480)]
        {
            assert_eq!(final_status(Outgoing, false, &[last]), code, "{last:?}");
            assert_eq!(final_status(Internal, false, &[last]), code, "{last:?}");
        }
        assert_eq!(final_status(Outgoing, false, &[Some(503), Some(486)]), 486, "the last peer's");
        assert_eq!(final_status(Internal, false, &[Some(486), Some(603)]), 480, "a queue's members");
    }
}
