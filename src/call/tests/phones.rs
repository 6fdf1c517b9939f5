//! Phones that have registered: an employee with several is one party.

use super::*;
use crate::base::Secret;
use crate::crm::model::Direction;
use crate::route::directory::Employee;
use crate::route::testing::employee;

const DESK: &str = "10.0.0.21:5060";
const SOFT: &str = "198.51.100.7:40123";

/// Ana is responsible for maria, and has two phones.
fn with_two() -> Sim {
    sim(house()).phones("ana", &[DESK, SOFT])
}

#[test]
fn all_her_phones_ring_and_the_first_answer_wins() {
    let mut sim = with_two();
    sim.customer(Some(MARIA), &[]);
    sim.run_until(ringing("ana-1")).run_until(ringing("ana-2"));
    assert!(!sim.has_rung("ana"), "the PBX is left in peace");
    sim.act("ana-2", Act::Answer).run_until(up("maria")).run_until(over("ana-1"));
    sim.act("maria", Act::HangUp).assert_idle();
    assert_eq!(sim.party("ana-1").state, State::Over(487));
    assert_answered_by(&sim, "ana");
    assert_eq!(legs(the_record(&sim)), ["ana answered"], "one entry for each employee");
}

#[test]
fn two_phones_that_answer_at_once_have_one_winner_and_the_other_gets_ack_and_bye() {
    let answers = [(20, Act::Ring), (1_000, Act::Answer)];
    let mut sim = with_two().phone_does("ana-1", &answers).phone_does("ana-2", &answers);
    sim.customer(Some(MARIA), &[(9_000, Act::HangUp)]);
    sim.assert_idle();
    assert_answered_by(&sim, "ana");
    assert_eq!(sim.party("maria").finals, 1);
    let with_bye = ["ana-1", "ana-2"].iter().filter(|phone| sim.party(phone).log.contains(&"acked".to_owned())).count();
    assert_eq!(with_bye, 2, "both 200s have their ACK");
    assert_eq!(legs(the_record(&sim)), ["ana answered"]);
}

#[test]
fn busy_at_one_phone_says_nothing_of_her_other_one() {
    let mut sim = with_two().phone_does("ana-1", &[(20, Act::Reject(486))]);
    sim.customer(Some(MARIA), &[]);
    sim.run_until(ringing("ana-2")).run_for(secs(2));
    assert_eq!(sim.party("ana-2").state, State::Ringing);
    sim.act("ana-2", Act::Reject(486)).run_until(ringing("bruno"));
    sim.act("maria", Act::Cancel).assert_idle();
    assert_eq!(legs(the_record(&sim)), ["ana busy", "bruno missed"]);
}

#[test]
fn declined_at_one_phone_is_declined_by_her() {
    let mut sim = with_two().phone_does("ana-1", &[(20, Act::Ring), (1_500, Act::Reject(603))]);
    sim.customer(Some(MARIA), &[]);
    sim.run_until(ringing("bruno"));
    assert_eq!(sim.party("ana-2").state, State::Over(487), "her other phone rings no more");
    sim.act("maria", Act::Cancel).assert_idle();
    assert_eq!(legs(the_record(&sim)), ["ana declined", "bruno missed"]);
}

#[test]
fn a_caller_who_gives_up_stops_all_her_phones() {
    let mut sim = with_two();
    sim.customer(Some(MARIA), &[]);
    sim.run_until(ringing("ana-1")).run_until(ringing("ana-2")).act("maria", Act::Cancel).assert_idle();
    assert_eq!([sim.party("ana-1").state, sim.party("ana-2").state], [State::Over(487); 2]);
    assert_eq!(legs(the_record(&sim)), ["ana missed"]);
}

#[test]
fn phones_that_ring_at_once_are_one_ringing_of_hers() {
    let mut sim = with_two().phone_does("ana-1", &[(20, Act::Ring)]).phone_does("ana-2", &[(5_000, Act::Ring)]);
    sim.customer(Some(MARIA), &[]);
    sim.run_until(ringing("bruno")).act("maria", Act::Cancel).assert_idle();
    let ana = &the_record(&sim).legs[0];
    assert_eq!((ana.employee.as_str(), ana.ring_seconds), ("ana", 19), "of responsible_ring = 20 s, not 19 + 15");
}

#[test]
fn a_binding_left_over_is_found_dead_once_and_rings_nobody_again() {
    let mut sim = with_two();
    sim.lose("INVITE sip:201@10.0.0.21", 100);
    sim.customer(Some(MARIA), &[]);
    sim.run_until(ringing("ana-2")).run_for(secs(10));
    assert_eq!(sim.house.phones["ana"].all().len(), 1, "its registration is dropped");
    sim.act("ana-2", Act::Answer).run_until(up("maria")).act("maria", Act::HangUp).assert_idle();
    assert_eq!(legs(the_record(&sim)), ["ana answered"]);
}

#[test]
fn where_all_her_phones_are_dead_the_pbx_rings_her() {
    let mut sim = with_two();
    sim.lose("INVITE sip:201@10.0.0.21", 100);
    sim.lose("INVITE sip:201@198.51.100.7", 100);
    sim.customer(Some(MARIA), &[]);
    sim.run_until(ringing("ana"));
    assert!(sim.house.phones["ana"].is_empty());
    sim.act("ana", Act::Answer).run_until(up("maria")).act("maria", Act::HangUp).assert_idle();
    assert_answered_by(&sim, "ana");
}

#[test]
fn a_member_with_neither_registration_nor_pbx_is_passed_over_with_the_reason() {
    let erika = || Employee { password: Some(Secret::new("x".into())), ..employee("erika", "301") };
    let house = || {
        house()
            .with(|dir| dir.employees.push(erika().into()))
            .queue("sales", |queue| queue.members.insert(0, "erika".into()))
    };
    let mut sim_without = sim(house());
    sim_without.customer(Some(STRANGER), &[]);
    sim_without.run_until(ringing("bruno"));
    assert!(sim_without.ladders().contains("no phone of hers has registered"), "{}", sim_without.ladders());
    sim_without.act("maria", Act::Cancel).assert_idle();
    let mut sim_with = sim(house()).phones("erika", &[SOFT]);
    sim_with.customer(Some(STRANGER), &[]);
    sim_with.run_until(ringing("erika-1")).act("erika-1", Act::Answer).run_until(up("maria"));
    sim_with.act("maria", Act::HangUp).assert_idle();
    assert_answered_by(&sim_with, "erika");
}

#[test]
fn a_phone_calls_as_whoever_it_belongs_to_whatever_its_from_says() {
    let mut sim = with_two();
    sim.caller("ana-2", SOFT, "+5521976543210", Some("202"), true, &[(8_000, Act::HangUp)]);
    sim.run_until(ringing("+5521976543210")).act("+5521976543210", Act::Answer).assert_idle();
    let record = the_record(&sim);
    assert_eq!((record.direction, record.from.as_str()), (Direction::Outgoing, "201"));
    assert_eq!(record.employee.as_ref().unwrap().as_str(), "ana");
}

#[test]
fn a_colleague_with_a_phone_is_called_and_transferred_to_at_it() {
    let mut sim = bruno_answers().phones("ana", &[SOFT]);
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(up("bruno")).run_for(secs(2)).act("bruno", Act::Refer("sip:201@192.0.2.1".into()));
    sim.run_until(ringing("ana-1")).act("ana-1", Act::Answer).run_for(secs(4));
    assert_eq!(sim.party("bruno").notified(), ["100", "200"]);
    sim.act("maria", Act::HangUp).assert_idle();
    assert_answered_by(&sim, "ana");
}
