//! What a call makes of its lookup: what it creates, who owns it, how it came out, and the final answer that the
//! caller gets. The rules of docs/crm.md as pure functions, each the only place where its rule stands.

use crate::base::phone::{self, Context, Kind};
use crate::base::{EmployeeId, is_harmful};
use crate::crm::model::{Direction, EntityKind, LookupKind, NewRecord, Outcome, Write};
use crate::route::directory::{CreateFor, CrmMode, Directory, LeadOwner, Line, SimpleClient, Trunk, UnknownClient};

/// What a call makes of a client whom nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation<'a> {
    /// This, while the phone still rings.
    AtOnce(Becomes<'a>),
    /// This, once a later lookup has answered that nobody knows the number.
    AfterLookup(Becomes<'a>),
    /// Nothing by itself: the call card offers this.
    Offered(Becomes<'a>),
    /// Nothing.
    Nothing,
}

/// What a client whom nobody knows becomes: `crm.mode`, with the line's own pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Becomes<'a> {
    /// A lead: the classic mode.
    Lead,
    /// A client and a deal at once: the simple mode.
    Client {
        /// A contact, a company, or both.
        client: SimpleClient,
        /// Where the deal is opened.
        pipeline: &'a str,
    },
}

impl Becomes<'_> {
    /// The records, in the order in which they are made.
    pub const fn kinds(self) -> &'static [EntityKind] {
        use EntityKind::{Company, Contact, Deal, Lead};
        match self {
            Self::Lead => &[Lead],
            Self::Client { client: SimpleClient::Contact, .. } => &[Contact, Deal],
            Self::Client { client: SimpleClient::Company, .. } => &[Company, Deal],
            // The company first: the contact belongs to it.
            Self::Client { client: SimpleClient::Both, .. } => &[Company, Contact, Deal],
        }
    }

    /// The writes that make them, in that order.
    pub fn writes(self, new: &NewRecord) -> Vec<Write> {
        let write = |kind: &EntityKind| match (kind, self) {
            (EntityKind::Contact, _) => Write::ContactCreate(new.clone()),
            (EntityKind::Company, _) => Write::CompanyCreate(new.clone()),
            (EntityKind::Deal, Self::Client { pipeline, .. }) => {
                Write::DealCreate { new: new.clone(), pipeline: pipeline.to_owned() }
            }
            (EntityKind::Lead | EntityKind::Deal, _) => Write::LeadCreate(new.clone()),
        };
        self.kinds().iter().map(write).collect()
    }
}

/// Whether the line wants anything made of unknown clients of calls in this direction.
fn wants(line: &Line, direction: Direction) -> bool {
    match (line.create_for, direction) {
        (CreateFor::Incoming | CreateFor::Any, Direction::Incoming) => true,
        (CreateFor::Outgoing | CreateFor::Any, Direction::Outgoing) => true,
        (CreateFor::Incoming, Direction::Outgoing) | (CreateFor::Outgoing, Direction::Incoming) => false,
        (_, Direction::Internal) => false,
    }
}

/// Whether the line makes a record of an unknown client by itself: then a call card offers none.
pub fn creates_by_itself(line: &Line, direction: Direction) -> bool {
    line.unknown_client == UnknownClient::CreateLead && wants(line, direction)
}

/// What a call in this direction creates on this line.
pub fn creation<'a>(mode: &'a CrmMode, line: &'a Line, direction: Direction, lookup: LookupKind) -> Creation<'a> {
    let becomes = becomes(mode, line);
    match (lookup, line.unknown_client) {
        _ if !wants(line, direction) => Creation::Nothing,
        (LookupKind::Known | LookupKind::Excluded, _) => Creation::Nothing,
        (LookupKind::Unknown | LookupKind::Undetermined, UnknownClient::Offer) => Creation::Offered(becomes),
        (LookupKind::Unknown, UnknownClient::CreateLead) => Creation::AtOnce(becomes),
        (LookupKind::Undetermined, UnknownClient::CreateLead) => Creation::AfterLookup(becomes),
    }
}

/// What a client of this line becomes whom nobody knows, whoever asks for it.
pub fn becomes<'a>(mode: &'a CrmMode, line: &'a Line) -> Becomes<'a> {
    match mode {
        CrmMode::Classic => Becomes::Lead,
        CrmMode::Simple { client, pipeline } => {
            Becomes::Client { client: *client, pipeline: line.pipeline.as_deref().unwrap_or(pipeline) }
        }
    }
}

/// The most characters of a name that a caller's phone or her carrier gave.
const LONGEST_NAME: usize = 64;

/// The name that a new record takes from what the caller's INVITE shows.
///
/// Any stranger may write any name there, and once on a record it is what phones show of a known client. So it counts
/// only where it came by a trunk that the files call `trusted`, and only if it reads as a name: some letters, not too
/// long, nothing that moves a cursor, none of the words for nobody.
pub fn name_given(trunk: Option<&Trunk>, display: &str) -> Option<String> {
    let name = display.trim();
    let is_nobody = || phone::read(name, &Context::plain("")).kind == Kind::Anonymous;
    let reads_well = name.chars().any(char::is_alphabetic)
        && name.chars().count() <= LONGEST_NAME
        && !name.chars().any(|c| is_harmful(c) || c == '@' || c == char::REPLACEMENT_CHARACTER)
        && !is_nobody();
    (trunk.is_some_and(|trunk| trunk.trusted) && reads_well).then(|| name.to_owned())
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

    /// What comes of it, as a word and the kinds of records.
    fn made(house: House, direction: Direction, lookup: LookupKind) -> String {
        let dir = house.build();
        let creation = creation(&dir.crm.mode, &dir.lines[0], direction, lookup);
        let kinds = |what: &str, becomes: Becomes<'_>| {
            let kinds: Vec<_> = becomes.kinds().iter().map(|kind| kind.as_str()).collect();
            format!("{what} {}", kinds.join("+"))
        };
        match creation {
            Creation::AtOnce(becomes) => kinds("at once", becomes),
            Creation::AfterLookup(becomes) => kinds("later", becomes),
            Creation::Offered(becomes) => kinds("offered", becomes),
            Creation::Nothing => "nothing".to_owned(),
        }
    }

    fn simple(client: SimpleClient) -> House {
        house().with(|dir| dir.crm.mode = CrmMode::Simple { client, pipeline: "General".to_owned() })
    }

    #[test]
    fn only_an_unknown_client_becomes_a_lead_and_an_undetermined_one_not_before_a_later_lookup() {
        assert_eq!(made(house(), Incoming, Unknown), "at once lead");
        assert_eq!(made(house(), Incoming, Known), "nothing");
        assert_eq!(made(house(), Incoming, Excluded), "nothing");
        assert_eq!(made(house(), Incoming, Undetermined), "later lead");
    }

    #[test]
    fn in_simple_mode_she_becomes_a_client_and_a_deal_and_never_a_lead() {
        for (client, kinds) in [
            (SimpleClient::Contact, "contact+deal"),
            (SimpleClient::Company, "company+deal"),
            (SimpleClient::Both, "company+contact+deal"),
        ] {
            assert_eq!(made(simple(client), Incoming, Unknown), format!("at once {kinds}"));
            assert_eq!(made(simple(client), Incoming, Undetermined), format!("later {kinds}"));
            assert_eq!(made(simple(client), Incoming, Known), "nothing");
            assert_eq!(made(simple(client), Incoming, Excluded), "nothing");
        }
    }

    #[test]
    fn the_deal_is_opened_in_the_lines_own_pipeline_else_in_the_modes() {
        let pipeline = |house: House| {
            let dir = house.build();
            let Becomes::Client { pipeline, .. } = becomes(&dir.crm.mode, &dir.lines[0]) else { panic!("simple mode") };
            pipeline.to_owned()
        };
        assert_eq!(pipeline(simple(SimpleClient::Contact)), "General");
        let own = simple(SimpleClient::Contact).line(|line| line.pipeline = Some("Spare parts".to_owned()));
        assert_eq!(pipeline(own), "Spare parts");
    }

    #[test]
    fn a_name_is_taken_from_a_trusted_trunk_only_and_only_if_it_reads_as_one() {
        let dir = house().trunk(|trunk| trunk.trusted = true).build();
        let trusted = dir.trunks.first().map(std::convert::AsRef::as_ref);
        assert_eq!(name_given(trusted, " Paulo Lima "), Some("Paulo Lima".to_owned()));
        assert_eq!(name_given(trusted, "João \"Zé\" 2"), Some("João \"Zé\" 2".to_owned()));
        for no_name in
            ["", "+5521976543210", "21 97654-3210", "Anonymous", "unknown", "a\u{1b}[2J", "a\u{202e}b", "a\u{fffd}"]
        {
            assert_eq!(name_given(trusted, no_name), None, "{no_name:?}");
        }
        assert_eq!(name_given(trusted, "paulo@example.com"), None);
        assert_eq!(name_given(trusted, &"a".repeat(65)), None);
        let dir = house().build();
        assert_eq!(name_given(dir.trunks.first().map(std::convert::AsRef::as_ref), "Your bank"), None);
        assert_eq!(name_given(None, "Paulo Lima"), None);
    }

    #[test]
    fn create_for_says_in_which_direction_a_call_creates() {
        let on =
            |create_for| move |direction| made(house().line(|line| line.create_for = create_for), direction, Unknown);
        for (create_for, incoming, outgoing) in
            [(CreateFor::Incoming, true, false), (CreateFor::Outgoing, false, true), (CreateFor::Any, true, true)]
        {
            assert_eq!(on(create_for)(Incoming) == "at once lead", incoming, "{create_for:?}");
            assert_eq!(on(create_for)(Outgoing) == "at once lead", outgoing, "{create_for:?}");
            assert_eq!(on(create_for)(Internal), "nothing", "{create_for:?}");
        }
    }

    #[test]
    fn with_offer_nothing_is_created_by_itself() {
        let offers = |house: House| house.line(|line| line.unknown_client = UnknownClient::Offer);
        assert_eq!(made(offers(house()), Incoming, Unknown), "offered lead");
        assert_eq!(made(offers(house()), Incoming, Undetermined), "offered lead");
        assert_eq!(made(offers(house()), Outgoing, Unknown), "nothing");
        assert_eq!(made(offers(simple(SimpleClient::Contact)), Incoming, Unknown), "offered contact+deal");
        let any = offers(house()).line(|line| line.create_for = CreateFor::Any);
        assert_eq!(made(any, Outgoing, Unknown), "offered lead");
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
