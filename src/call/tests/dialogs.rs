//! What carriers and phones do inside their dialogs that toys get wrong: holds, refreshes, reliable provisionals, reasons.

use super::*;
use crate::crm::model::CallState;
use crate::sdp::Direction;
use crate::sip::agent::Reason;

fn talking() -> Sim {
    let mut sim = bruno_answers();
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(up("maria")).run_until(up("bruno")).run_for(secs(1));
    sim
}

fn hears(sim: &Sim, who: &str) -> Direction {
    crate::sdp::direction(sim.party(who).heard.as_ref().expect("a description"))
}

fn state(sim: &Sim) -> CallState {
    sim.calls.values().next().expect("a call").record_at(sim.now).state
}

/// How many messages with this start line went from one to the other.
fn count(sim: &Sim, from: &str, to: &str, line: &str) -> usize {
    let arrow = format!("{from:>10} → {to:<10} {line}");
    sim.ladders().lines().filter(|l| l.contains(&arrow)).count()
}

#[test]
fn a_hold_that_a_phone_answers_sendrecv_reaches_the_carrier_as_recvonly() {
    let mut sim = talking();
    sim.act("maria", Act::Hold).run_for(secs(1));
    assert_eq!(sim.party("bruno").last_offer(), "reinvite sendonly");
    assert_eq!(hears(&sim, "maria"), Direction::RecvOnly, "her phone answered sendrecv");
    sim.act("maria", Act::Resume).run_for(secs(1));
    assert_eq!(hears(&sim, "maria"), Direction::SendRecv);
    sim.act("maria", Act::HangUp).assert_idle();
}

#[test]
fn a_hold_by_the_address_0_0_0_0_crosses_and_so_does_its_end() {
    let mut sim = talking();
    sim.act("bruno", Act::HoldByAddress).run_for(secs(1));
    assert_eq!(sim.party("maria").last_offer(), "reinvite inactive");
    assert_eq!(state(&sim), CallState::Held);
    assert_eq!(hears(&sim, "bruno"), Direction::SendRecv, "such an offer is answered as it came");
    sim.act("bruno", Act::Resume).run_for(secs(1));
    assert_eq!(sim.party("maria").last_offer(), "reinvite sendrecv");
    assert_eq!(state(&sim), CallState::Talking);
    sim.act("maria", Act::HangUp).assert_idle();
}

#[test]
fn a_carriers_refresh_is_answered_at_once_and_does_not_bother_the_phone() {
    let mut sim = talking();
    sim.act("maria", Act::Refresh).run_for(secs(1));
    assert_eq!(sim.party("maria").log.last().unwrap(), "replied 200");
    assert!(!sim.party("bruno").log.iter().any(|l| l.starts_with("reinvite")));
    assert_eq!(hears(&sim, "maria"), Direction::SendRecv);
    sim.act("maria", Act::HangUp).assert_idle();
}

#[test]
fn a_refresh_during_a_hold_leaves_the_hold_as_it_is() {
    let mut sim = talking();
    sim.act("bruno", Act::Hold).run_for(secs(1));
    sim.act("bruno", Act::Refresh).run_for(secs(1));
    assert_eq!((hears(&sim, "bruno"), state(&sim)), (Direction::RecvOnly, CallState::Held));
    // Her last word was an answer; the first time she makes an offer of it, it is news.
    sim.act("maria", Act::Refresh).run_for(secs(1));
    assert_eq!(sim.party("maria").state, State::Up);
    sim.act("bruno", Act::Resume).run_for(secs(1));
    assert_eq!((hears(&sim, "maria"), state(&sim)), (Direction::SendRecv, CallState::Talking));
    sim.act("maria", Act::HangUp).assert_idle();
}

#[test]
fn a_long_call_is_refreshed_on_both_legs_and_neither_refresh_crosses() {
    let mut sim = talking();
    sim.run_for(secs(3 * 3_600));
    assert_eq!((sim.party("maria").state, sim.party("bruno").state), (State::Up, State::Up));
    assert!(count(&sim, "carrier", "ramal", "UPDATE") >= 11, "{}", sim.ladders());
    assert!(count(&sim, "ramal", "bruno", "UPDATE") >= 11);
    assert_eq!(count(&sim, "ramal", "carrier", "UPDATE") + count(&sim, "bruno", "ramal", "UPDATE"), 0);
    sim.act("maria", Act::HangUp).assert_idle();
}

#[test]
fn a_call_whose_far_end_vanished_is_ended_by_its_session_timer() {
    let mut sim = talking();
    sim.lose("UPDATE", u32::MAX);
    sim.assert_idle();
    let record = the_record(&sim);
    assert!(record.talk_seconds < 1_800, "{}", record.talk_seconds);
}

#[test]
fn an_offer_of_one_whose_other_party_has_left_is_answered_and_not_491_for_ever() {
    let mut sim = talking();
    sim.act("bruno", Act::Refer("sip:203@10.0.0.5".into())).run_until(ringing("carla"));
    sim.act("bruno", Act::HangUp).run_for(secs(1));
    sim.act("maria", Act::Hold).run_for(secs(1));
    assert_eq!(sim.party("maria").log.last().unwrap(), "replied 200", "{}", sim.ladders());
    assert_eq!(hears(&sim, "maria"), Direction::RecvOnly);
    sim.act("maria", Act::OfferlessReinvite).run_for(secs(1));
    assert_eq!(sim.party("maria").log.last().unwrap(), "replied 200");
    sim.act("carla", Act::Answer).run_for(secs(1));
    assert_eq!(sim.party("maria").last_offer(), "reinvite sendrecv");
    sim.act("maria", Act::HangUp).assert_idle();
}

#[test]
fn a_180_after_a_183_reaches_the_caller_and_nothing_rings_before_a_phone_does() {
    let mut sim = sim(house()).phone_does("bruno", &[(2_000, Act::RingWithMedia), (3_000, Act::Ring)]);
    sim.customer(Some(STRANGER), &[]);
    sim.run_for(ms(1_900));
    assert!(sim.party("maria").log.is_empty(), "no ringing of our own");
    sim.run_for(secs(2));
    assert_eq!(sim.party("maria").log, ["183 sdp", "180"]);
    sim.act("maria", Act::Cancel).assert_idle();
}

fn everybody() -> Sim {
    let house = house().queue("sales", |q| q.distribution = crate::route::directory::Distribution::Everybody);
    let mut sim = sim(house);
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(ringing("bruno")).run_until(ringing("carla")).run_for(secs(1));
    sim
}

#[test]
fn phones_hear_that_the_call_was_answered_elsewhere_only_where_it_was() {
    let mut sim = everybody();
    sim.act("maria", Act::Cancel).run_for(secs(1));
    for who in ["bruno", "carla"] {
        assert_eq!(sim.party(who).reason(), Some(Reason::Sip(487)), "the caller gave up");
    }
    sim.assert_idle();
    let mut sim = everybody();
    sim.act("bruno", Act::Answer).run_for(secs(1));
    assert_eq!(sim.party("carla").reason(), Some(Reason::Sip(200)), "call completed elsewhere");
    sim.act("maria", Act::HangUp).assert_idle();
}

#[test]
fn what_the_caller_says_of_her_giving_up_is_what_the_phones_hear() {
    let mut sim = everybody();
    sim.act("maria", Act::CancelBecause(Reason::Sip(200))).run_for(secs(1));
    assert_eq!(sim.party("bruno").reason(), Some(Reason::Sip(200)), "her other phone has the call");
    sim.assert_idle();
}

#[test]
fn why_one_side_hung_up_is_told_to_the_other() {
    for (who, other) in [("maria", "bruno"), ("bruno", "maria")] {
        let mut sim = talking();
        sim.act(who, Act::HangUpBecause(Reason::Q850(31))).run_for(secs(1));
        assert_eq!(sim.party(other).reason(), Some(Reason::Q850(31)));
        sim.assert_idle();
    }
}

/// Everybody wants every provisional acknowledged.
fn insisting(bruno: &[(u64, Act)]) -> Sim {
    let mut sim = sim(house()).phone_does("bruno", bruno);
    sim.insist_on_prack = true;
    sim.customer(Some(STRANGER), &[]);
    sim
}

#[test]
fn reliable_provisionals_are_acknowledged_on_each_leg_by_itself() {
    let mut sim = insisting(&[(20, Act::Ring), (1_000, Act::RingWithMedia), (2_000, Act::Answer)]);
    sim.run_until(up("maria")).run_for(secs(1));
    assert_eq!(sim.party("maria").log, ["180", "183 sdp", "200"]);
    assert_eq!((count(&sim, "carrier", "ramal", "PRACK"), count(&sim, "ramal", "bruno", "PRACK")), (2, 2));
    sim.act("maria", Act::HangUp).assert_idle();
    assert_answered_by(&sim, "bruno");
}

#[test]
fn an_update_before_the_answer_crosses_where_both_sides_settled_the_first_offer_reliably() {
    for (who, other) in [("bruno", "maria"), ("maria", "bruno")] {
        let mut sim = insisting(&[(20, Act::RingWithMedia)]);
        sim.run_for(secs(1));
        sim.act(who, Act::EarlyUpdate).run_for(secs(1));
        assert_eq!(sim.party(other).last_offer(), "update sendrecv", "{}", sim.ladders());
        assert_eq!(sim.party(who).log.last().unwrap(), "replied 200");
        sim.act("bruno", Act::Answer).run_until(up("maria")).run_for(secs(1));
        sim.act("maria", Act::HangUp).assert_idle();
        assert_answered_by(&sim, "bruno");
    }
}

#[test]
fn a_caller_who_requires_prack_and_sends_none_is_refused_with_504() {
    let mut sim = insisting(&[(20, Act::Ring)]);
    sim.lose("PRACK", u32::MAX);
    sim.run_until(over("maria"));
    assert_eq!(sim.party("maria").state, State::Over(504));
    sim.assert_idle();
    assert_eq!(the_record(&sim).outcome, Some(Outcome::Missed));
}

#[test]
fn an_early_dialog_whose_callee_is_given_up_is_ended_by_199() {
    let mut sim = sim(house()).phone_does("bruno", &[(20, Act::RingWithMedia), (3_000, Act::Reject(486))]);
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(ringing("carla")).run_for(secs(1));
    assert_eq!(sim.party("maria").log, ["183 sdp", "199", "180"]);
    sim.act("maria", Act::Cancel).assert_idle();
}
