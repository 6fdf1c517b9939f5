//! What the files say of a call, from its INVITE to what its ladder and the CRM show afterwards.

use super::*;
use crate::call::ladder::What;
use crate::crm::model::{Direction, EntityKind, LookupKind};
use crate::route::directory::{CreateFor, Fallback, Hours};
use crate::route::plan::Presence;
use crate::route::testing::{LINE, employee, phone, queue};
use crate::sim::OFFICE;

const CARLAS_MOBILE: &str = "+5511912345678";
const NIGHT_DESK: &str = "+552133334444";
const DESK: &str = "10.0.0.21:5060";

/// The decisions of all ladders, each with what it passed over.
fn decided(sim: &Sim) -> Vec<String> {
    let calls = sim.done.iter().chain(sim.calls.values());
    let entries = calls.flat_map(crate::call::Call::ladder);
    entries
        .filter_map(|entry| match &entry.what {
            What::Decision { what, why, passed_over } => Some((what, why, passed_over)),
            _ => None,
        })
        .flat_map(|(what, why, passed_over)| {
            let over = passed_over.iter().map(|passed| format!("  not {}: {}", passed.what, passed.why));
            std::iter::once(format!("{what}: {why}")).chain(over).collect::<Vec<_>>()
        })
        .collect()
}

#[track_caller]
fn assert_decided(sim: &Sim, what: &str) {
    assert!(decided(sim).iter().any(|line| line == what), "no `{what}` in {:#?}", decided(sim));
}

/// Who an outside phone is shown by From, and the first number of its Diversion.
fn shown(sim: &Sim, whose: &str) -> (String, String) {
    let identities = sim.party(whose).invitation.clone().expect("it was called").identities;
    (identities.from.user.clone(), identities.diversion[0].user.clone())
}

fn answers(house: House, who: &str) -> Sim {
    sim(house).phone_does(who, &[(50, Act::Ring), (1_000, Act::Answer)])
}

/// The line is open on Tuesdays until this minute of the day; it is Tuesday, eleven o'clock.
fn open_until(minute: u16) -> Hours {
    let timezone = jiff::tz::TimeZone::get("America/Sao_Paulo").expect("a zone of the database");
    Hours { open: vec![(2, 480, minute)], timezone, holidays_yearly: vec![], holidays_once: vec![] }
}

// Calls out

#[test]
fn a_call_out_of_a_registered_phone_is_its_owners_by_her_line_and_creates_when_it_rings() {
    let other = "+551130001000";
    let house = house().and_line(crate::route::testing::line(other, "support"));
    let house = house.with(|dir| {
        let lines = dir.lines.iter_mut();
        lines.for_each(|line| std::sync::Arc::make_mut(line).create_for = CreateFor::Any);
    });
    let house = house.employee("ana", |ana| ana.line = Some(phone(other)));
    let mut sim = sim(house).phones("ana", &[DESK]).phone_does(STRANGER, &[(1_500, Act::Ring), (3_000, Act::Answer)]);
    sim.caller("ana-1", DESK, "0021976543210", Some("201"), true, &[(9_000, Act::HangUp)]);
    sim.run_for(secs(1));
    assert!(sim.crm.leads.is_empty(), "it does not ring yet");
    sim.run_for(secs(1));
    assert_eq!(sim.crm.leads[0].owner.as_str(), "ana");
    assert_eq!(sim.party(STRANGER).invitation.as_ref().unwrap().identities.from.user, other);
    sim.assert_idle();
    let activity = &sim.crm.activities[0];
    assert_eq!((activity.direction, activity.to.as_str()), (Direction::Outgoing, STRANGER));
    assert_eq!(activity.employee.as_ref().unwrap().as_str(), "ana");
    assert_eq!((activity.created.len(), activity.created[0].kind), (1, EntityKind::Lead));
}

#[test]
fn a_call_out_that_is_answered_without_a_ring_creates_at_the_answer_and_one_that_is_refused_creates_nothing() {
    for (act, leads) in [(Act::Answer, 1), (Act::Reject(486), 0)] {
        let any = house().line(|l| l.create_for = CreateFor::Any);
        let mut sim = sim(any).phone_does(STRANGER, &[(700, act)]);
        sim.caller("carla", OFFICE, "0021976543210", Some("203"), true, &[(5_000, Act::HangUp)]);
        sim.run_for(ms(600));
        assert!(sim.crm.leads.is_empty());
        sim.assert_idle();
        assert_eq!((sim.crm.leads.len(), sim.crm.activities.len()), (leads, 1), "{}", sim.ladders());
    }
}

#[test]
fn a_call_out_on_a_line_that_creates_for_incoming_ones_is_an_activity_alone() {
    let mut sim = answers(house(), STRANGER);
    sim.caller("bruno", OFFICE, "0021976543210", Some("202"), true, &[(9_000, Act::HangUp)]);
    sim.assert_idle();
    assert!(sim.crm.leads.is_empty());
    assert_eq!(sim.crm.activities[0].outcome, Some(Outcome::Answered));
}

#[test]
fn a_call_out_to_a_client_is_an_activity_at_her_whoever_owns_her() {
    let mut sim = answers(house().line(|l| l.create_for = CreateFor::Any), MARIA);
    sim.caller("bruno", OFFICE, "011987654321", Some("202"), true, &[(9_000, Act::HangUp)]);
    sim.assert_idle();
    assert!(sim.crm.leads.is_empty());
    let activity = &sim.crm.activities[0];
    assert_eq!(activity.lookup, Some(LookupKind::Known));
    assert_eq!(activity.client.map(|at| at.kind), Some(EntityKind::Contact));
}

#[test]
fn a_call_out_whose_lookup_is_slow_waits_for_nothing_and_creates_once_it_has_answered() {
    let any = house().line(|l| l.create_for = CreateFor::Any);
    let mut sim = sim(any).crm_after(ms(900)).phone_does(STRANGER, &[(50, Act::Ring)]);
    sim.caller("carla", OFFICE, "0021976543210", Some("203"), true, &[]);
    sim.run_for(ms(500));
    assert_eq!(sim.party(STRANGER).state, State::Ringing);
    assert!(sim.crm.leads.is_empty());
    sim.run_for(secs(1));
    assert_eq!(sim.crm.leads.len(), 1, "{}", sim.ladders());
    sim.act("carla", Act::Cancel).assert_idle();
}

#[test]
fn calls_between_employees_enter_the_crm_from_nowhere() {
    // From the PBX and from a registered phone; to a colleague, to a queue, to our own line's number.
    for (at, user) in [(OFFICE, "203"), (DESK, "203"), (DESK, "600"), (OFFICE, "01140028922")] {
        let any = house().line(|l| l.create_for = CreateFor::Any);
        let mut sim = sim(any).phones("ana", &[DESK]);
        for who in ["bruno", "carla"] {
            sim = sim.phone_does(who, &[(20, Act::Ring), (900, Act::Answer)]);
        }
        sim.caller("ana-1", at, user, Some("201"), true, &[(5_000, Act::HangUp)]);
        sim.assert_idle();
        assert_eq!(the_record(&sim).direction, Direction::Internal, "{user}");
        assert_eq!(the_record(&sim).outcome, Some(Outcome::Answered), "{user}");
        assert!(sim.crm.writes.is_empty() && sim.crm.activities.is_empty(), "{user}");
    }
}

// When nobody answers

#[test]
fn a_responsible_who_does_not_answer_is_called_at_her_mobile_which_sees_the_line_and_who_diverts() {
    let rule = house().line(|l| l.unanswered = Fallback::Mobile);
    let mut sim = answers(rule, CARLAS_MOBILE).knows(STRANGER, "Rita", "carla");
    sim.customer(Some(STRANGER), &[(40_000, Act::HangUp)]);
    sim.run_until(up("maria"));
    assert_eq!(shown(&sim, CARLAS_MOBILE), (LINE.to_owned(), LINE.to_owned()));
    sim.assert_idle();
    assert_answered_by(&sim, "carla");
    assert_eq!(legs(the_record(&sim)), ["carla answered"], "one entry for each employee");
    assert_decided(&sim, &format!("ring {CARLAS_MOBILE}: carla did not answer: her mobile"));
}

#[test]
fn a_line_that_hangs_up_after_its_responsible_gives_her_own_word_or_480() {
    for (act, status) in [(Act::Reject(486), 486), (Act::Reject(603), 603), (Act::Ring, 480), (Act::Reject(404), 480)] {
        let mut sim = sim(house().line(|l| l.unanswered = Fallback::Hangup)).phone_does("ana", &[(20, act)]);
        sim.customer(Some(MARIA), &[]);
        sim.assert_idle();
        assert_eq!(sim.party("maria").state, State::Over(status));
        assert_eq!(the_record(&sim).outcome, Some(Outcome::Missed));
        assert!(!sim.has_rung("bruno"), "nobody else rings");
    }
}

#[test]
fn a_queue_nobody_of_which_answers_goes_on_to_another_an_employee_or_a_number() {
    let refuse = |sim: Sim| {
        let busy = [(20, Act::Reject(486))];
        sim.phone_does("bruno", &busy).phone_does("carla", &busy).phone_does("ana", &busy)
    };
    for (rule, who) in [
        (Fallback::Queue("support".into()), "dora"),
        (Fallback::Employee("dora".into()), "dora"),
        (Fallback::Forward(phone(NIGHT_DESK)), NIGHT_DESK),
    ] {
        let mut sim = refuse(answers(house().queue("sales", |q| q.unanswered = rule), who));
        sim.customer(Some(STRANGER), &[(30_000, Act::HangUp)]);
        sim.assert_idle();
        let record = the_record(&sim);
        assert_eq!(record.outcome, Some(Outcome::Answered), "{who}");
        assert_eq!(legs(record)[..3], ["bruno busy", "carla busy", "ana busy"]);
        assert_eq!(sim.crm.leads[0].owner.as_str(), "bruno", "the first of the line's own queue");
        if who == NIGHT_DESK {
            assert_eq!(shown(&sim, who), (LINE.to_owned(), LINE.to_owned()));
            assert_eq!(record.employee, None, "nobody of the house talked");
        }
    }
    let mut sim = refuse(sim(house()));
    sim.customer(Some(STRANGER), &[]);
    sim.assert_idle();
    assert_eq!(sim.party("maria").state, State::Over(480), "three parties were rung");
}

// Hours

#[test]
fn outside_its_hours_a_line_hangs_up_on_everybody_and_says_who_was_passed_over() {
    let closed = || house().line(|l| l.hours = Some(open_until(600)));
    let mut sim = sim(closed());
    sim.customer(Some(MARIA), &[]);
    sim.assert_idle();
    assert_eq!(sim.party("maria").state, State::Over(480));
    assert!(!sim.has_rung("ana") && !sim.has_rung("bruno"));
    assert_eq!(the_record(&sim).outcome, Some(Outcome::Missed));
    let why = "off hours: Tue 11:00 in America/Sao_Paulo is outside the line's hours";
    assert_decided(&sim, &format!("hang up: {why}"));
    assert_decided(&sim, "  not ana: the line is closed");
    assert_decided(&sim, "  not queue sales: the line is closed");
    assert_eq!(sim.crm.activities.len(), 1, "a missed call is the client's all the same");
}

#[test]
fn outside_its_hours_a_line_may_forward_or_ring_another_queue_and_new_callers_become_leads() {
    let closed = |rule| house().line(|l| (l.hours, l.off_hours) = (Some(open_until(600)), rule));
    let mut forwards = answers(closed(Fallback::Forward(phone(NIGHT_DESK))), NIGHT_DESK);
    forwards.customer(Some(STRANGER), &[(9_000, Act::HangUp)]);
    forwards.run_until(up("maria"));
    assert_eq!(shown(&forwards, NIGHT_DESK), (LINE.to_owned(), LINE.to_owned()));
    forwards.assert_idle();
    assert_eq!(forwards.crm.leads[0].owner.as_str(), "bruno");

    let night = closed(Fallback::Queue("night".into()))
        .with(|dir| dir.employees.push(std::sync::Arc::new(employee("eva", "205"))))
        .with(|dir| dir.queues.push(std::sync::Arc::new(queue("night", &["eva"]))));
    let mut rings = answers(night, "eva");
    rings.customer(Some(MARIA), &[(9_000, Act::HangUp)]);
    rings.assert_idle();
    assert_answered_by(&rings, "eva");
    assert!(!rings.has_rung("ana"), "her manager is not rung by night");
}

#[test]
fn a_holiday_closes_the_line_and_a_call_keeps_to_the_hours_in_which_it_began() {
    let holiday = jiff::civil::date(2026, 11, 24);
    let closed = Hours { holidays_once: vec![holiday], ..open_until(1_080) };
    let mut on_holiday = sim(house().line(|l| l.hours = Some(closed)));
    on_holiday.customer(Some(STRANGER), &[]);
    on_holiday.assert_idle();
    assert_decided(&on_holiday, "hang up: off hours: 2026-11-24 is a holiday of the line");

    // It closes a minute after eleven, and the queue rings for a minute.
    let mut sim = sim(house().line(|l| l.hours = Some(open_until(661))));
    sim.run_for(secs(50));
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(ringing("ana")).act("ana", Act::Answer).run_until(up("maria"));
    sim.act("maria", Act::HangUp);
    sim.customer(Some(STRANGER), &[]);
    sim.assert_idle();
    assert_eq!(sim.party("maria").state, State::Over(480), "the next one comes too late");
}

// Who can be rung

#[test]
fn what_is_set_of_an_employee_counts_from_the_very_next_invite() {
    let mut sim = sim(house());
    for (presence, rung) in [(Presence::Away, "bruno"), (Presence::Available, "ana"), (Presence::Off, "bruno")] {
        let before = sim.parties.len();
        sim.house.presence.insert("ana".into(), presence);
        sim.customer(Some(MARIA), &[(2_000, Act::Cancel)]);
        sim.run_for(secs(40));
        assert_eq!(sim.parties[before + 1].1.name, rung, "{presence:?}");
    }
    for word in ["away", "off"] {
        assert_decided(&sim, &format!("queue sales: known, but ana, responsible for contact:1, is {word}"));
        assert_decided(&sim, &format!("  not ana: {word}"));
    }
    sim.assert_idle();
}

#[test]
fn a_responsible_who_goes_away_while_she_rings_rings_on_and_is_not_rung_again() {
    let mut sim = sim(house());
    sim.customer(Some(MARIA), &[]);
    sim.run_until(ringing("ana"));
    sim.house.presence.insert("ana".into(), Presence::Away);
    sim.run_for(secs(5));
    assert_eq!(sim.party("ana").state, State::Ringing);
    sim.run_until(ringing("carla"));
    sim.act("maria", Act::Cancel).assert_idle();
    assert_eq!(legs(the_record(&sim)), ["ana missed", "bruno missed", "carla missed"]);
}

#[test]
fn a_responsible_whom_the_crm_says_to_be_absent_leaves_the_call_to_the_queue() {
    let mut sim = sim(house());
    sim.crm.is_absent(MARIA, "not at work");
    sim.customer(Some(MARIA), &[(3_000, Act::Cancel)]);
    sim.run_until(ringing("bruno")).assert_idle();
    assert!(!sim.has_rung("ana"));
    assert_eq!(the_record(&sim).lookup, Some(LookupKind::Known));
    assert_decided(&sim, "queue sales: known, but ana, responsible for contact:1, is not at work");
    assert_decided(&sim, "  not ana: not at work");
}

#[test]
fn a_blacklisted_caller_is_refused_in_the_words_of_explain_by_either_form_of_her_number() {
    for listed in [MARIA, "+551187654321"] {
        let mut sim = sim(house().with(|dir| dir.blacklist = vec![phone(listed)]));
        sim.customer(Some(MARIA), &[]);
        sim.assert_idle();
        assert_eq!(sim.party("maria").state, State::Over(603));
        assert_eq!((the_record(&sim).outcome, the_record(&sim).lookup), (Some(Outcome::Blocked), None));
        assert!(sim.crm.writes.is_empty());
        assert_decided(&sim, "refuse with 603: the caller is on the blacklist: call log only");
        assert_decided(&sim, "  not queue sales: nobody is rung, and the CRM is not asked");
    }
}
