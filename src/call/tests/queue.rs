//! Queues: in order, evenly, everybody.

use super::*;
use crate::route::directory::Distribution;

#[test]
fn as_enqueued_rings_one_after_the_other_and_ends_with_480() {
    let mut sim = sim(house());
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(ringing("bruno")).run_until(ringing("carla"));
    assert_eq!(sim.party("bruno").state, State::Over(487));
    sim.run_until(ringing("ana")).assert_idle();
    assert_eq!(sim.party("maria").state, State::Over(480));
    assert_eq!(legs(the_record(&sim)), ["bruno missed", "carla missed", "ana missed"]);
    assert_eq!(the_record(&sim).outcome, Some(Outcome::Missed));
}

#[test]
fn a_member_who_refuses_is_followed_by_the_next_at_once() {
    let mut sim = sim(house()).phone_does("bruno", &[(20, Act::Ring), (500, Act::Reject(603))]);
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(ringing("carla"));
    assert!(sim.now.mono.as_micros() < 3_000_000);
    sim.act("maria", Act::Cancel).assert_idle();
    assert_eq!(legs(the_record(&sim)), ["bruno declined", "carla missed"]);
}

#[test]
fn everybody_with_two_answers_at_once_has_one_winner() {
    let house = house().queue("sales", |q| q.distribution = Distribution::Everybody);
    let answers = [(20, Act::Ring), (1_000, Act::Answer)];
    let mut sim = sim(house).phone_does("bruno", &answers).phone_does("carla", &answers);
    sim.customer(Some(STRANGER), &[(9_000, Act::HangUp)]);
    sim.assert_idle();
    let record = the_record(&sim).clone();
    assert_eq!(record.outcome, Some(Outcome::Answered));
    let answered = record.legs.iter().filter(|l| l.outcome == Outcome::Answered).count();
    assert_eq!(answered, 1, "{:?}", record.legs);
    let winner = record.employee.unwrap();
    let loser = if winner.as_str() == "bruno" { "carla" } else { "bruno" };
    assert!(sim.party(loser).log.contains(&"acked".to_owned()), "the loser's 200 has its ACK");
    assert!(sim.party(loser).log.contains(&"bye".to_owned()), "and her leg a BYE");
    assert_eq!(sim.party("ana").state, State::Over(487));
    assert_eq!(sim.party("maria").finals, 1);
}

#[test]
fn evenly_rings_whoever_was_rung_longest_ago() {
    let house = house().queue("sales", |q| q.distribution = Distribution::Evenly);
    let mut sim = sim(house);
    // Another each time: the first is a lead by the second call, and would ring at its owner.
    for (number, expected) in (1..).zip(["bruno", "carla", "ana", "bruno"]) {
        sim.customer(Some(&format!("+552197654321{number}")), &[]);
        let rung = sim.parties.len();
        sim.run_until(|s| s.parties.len() > rung && s.party(expected).state == State::Ringing);
        sim.act("maria", Act::Cancel).assert_idle();
    }
}

#[test]
fn an_answer_that_crosses_the_end_of_her_turn_still_wins() {
    let mut sim = sim(house());
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(ringing("bruno"));
    // her turn ends at 20 s; she answers while the CANCEL is on its way
    sim.lose("CANCEL", 1);
    sim.run_until(ringing("carla")).act("bruno", Act::Answer).run_until(up("maria"));
    sim.run_for(secs(2)).act("maria", Act::HangUp).assert_idle();
    assert_answered_by(&sim, "bruno");
    assert_eq!(sim.party("carla").state, State::Over(487));
}

#[test]
fn a_member_whom_no_pbx_serves_is_passed_over() {
    let mut sim = sim(house().employee("bruno", |e| e.extension = Some("999".to_owned())));
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(ringing("carla")).act("maria", Act::Cancel).assert_idle();
    assert!(sim.ladders().contains("not bruno: unreachable"), "{}", sim.ladders());
}
