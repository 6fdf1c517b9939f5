//! INVITE with Replaces: pickups, and takeovers of calls that talk.

use super::*;
use crate::sim::{CARRIER, OFFICE};
use crate::sip::message::Replaces;

const ANSWERS: [(u64, Act); 2] = [(20, Act::Ring), (1_000, Act::Answer)];

fn talking() -> Sim {
    let mut sim = sim(house()).phone_does("bruno", &ANSWERS);
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(up("maria")).run_for(secs(2));
    sim
}

fn brunos(sim: &Sim) -> Replaces {
    sim.first("bruno").replaced_by().expect("his dialog")
}

fn audio_heard(sim: &Sim, who: &str) -> Option<std::net::SocketAddr> {
    sim.party(who).heard.as_ref().and_then(|s| crate::sdp::audio_address(s))
}

fn audio_of(sim: &Sim, who: &str) -> Option<std::net::SocketAddr> {
    crate::sdp::audio_address(&sim.party(who).sdp())
}

#[test]
fn whom_he_has_sent_takes_the_place_of_an_employee_and_becomes_the_owner() {
    let mut sim = talking();
    let replaces = brunos(&sim);
    sim.replacing("carla", replaces, Some("202"));
    sim.run_until(up("carla")).run_for(secs(1));
    assert_eq!(sim.party("bruno").state, State::Over(0), "his phone gets BYE\n{}", sim.ladders());
    assert_eq!(sim.crm.leads[0].owner.as_str(), "carla");
    assert_eq!(audio_heard(&sim, "maria"), audio_of(&sim, "carla"));
    assert_eq!(audio_heard(&sim, "carla"), audio_of(&sim, "maria"));
    assert_eq!(sim.transfers, [("takeover", "answered")]);
    sim.run_for(secs(3)).act("maria", Act::HangUp).assert_idle();
    assert_answered_by(&sim, "carla");
    let record = the_record(&sim);
    assert_eq!(record.transferred_from.as_ref().unwrap().as_str(), "bruno");
    assert_eq!(legs(record), ["bruno answered", "carla answered"]);
    insta::assert_snapshot!(sim.ladders());
}

#[test]
fn her_own_other_phone_takes_a_call_over_and_nobody_has_handed_anything_on() {
    let mut sim = talking();
    let replaces = brunos(&sim);
    sim.replacing("bruno", replaces, None);
    sim.run_for(secs(2));
    assert_eq!((sim.first("bruno").state, sim.party("bruno").state), (State::Over(0), State::Up));
    assert!(sim.transfers.is_empty());
    sim.act("maria", Act::HangUp).assert_idle();
    assert_eq!(the_record(&sim).transferred_from, None);
    assert_answered_by(&sim, "bruno");
}

#[test]
fn a_colleague_without_the_right_gets_403_and_the_call_goes_on() {
    let mut sim = talking();
    let replaces = brunos(&sim);
    for referred_by in [None, Some("204"), Some("203")] {
        sim.replacing("carla", replaces.clone(), referred_by);
        sim.run_for(secs(1));
        assert_eq!(sim.party("carla").state, State::Over(403), "{}", sim.ladders());
    }
    assert_eq!((sim.party("maria").state, sim.party("bruno").state), (State::Up, State::Up));
    assert_eq!(sim.party("maria").last_offer(), "none", "nobody was re-INVITEd");
    sim.act("maria", Act::HangUp).assert_idle();
}

#[test]
fn neither_trunk_nor_stranger_nor_an_extension_that_is_nobodys_replaces_anything() {
    let mut sim = talking();
    let replaces = brunos(&sim);
    let mallory = |sim: &mut Sim, at: &str, from: &str| {
        let id = sim.replacing_from(("mallory", at, from), replaces.clone(), Some("202"));
        sim.run_for(secs(1)).parties.retain(|(party, _)| *party != id);
    };
    mallory(&mut sim, CARRIER, "202");
    mallory(&mut sim, "198.51.100.9:5060", "202");
    mallory(&mut sim, OFFICE, "299");
    assert_eq!(sim.refused[0], 481, "a trunk");
    assert!(sim.refused.contains(&403), "an extension that is no employee: {:?}", sim.refused);
    assert_eq!((sim.party("maria").state, sim.party("bruno").state), (State::Up, State::Up));
    sim.act("maria", Act::HangUp).assert_idle();
}

#[test]
fn what_matches_no_dialog_gets_481_and_early_only_is_486_once_it_talks() {
    let mut sim = talking();
    let right = brunos(&sim);
    let swapped = Replaces { to_tag: right.to_tag.clone(), from_tag: right.to_tag.clone(), ..right.clone() };
    let other_call = Replaces { call_id: "x@y".into(), ..right.clone() };
    let early = Replaces { early_only: true, ..right };
    for (replaces, code) in [(swapped, 481), (other_call, 481), (early, 486)] {
        sim.replacing("bruno", replaces, None);
        sim.run_for(secs(1));
        assert_eq!(sim.party("bruno").state, State::Over(code));
    }
    // maria's own side is replaced by nobody inside
    let hers = sim.party("maria").replaced_by().unwrap();
    sim.replacing("carla", hers, Some("202"));
    sim.run_for(secs(1));
    assert_eq!(sim.party("carla").state, State::Over(403));
    sim.act("maria", Act::HangUp).assert_idle();
}

#[test]
fn a_dialog_that_has_ended_is_declined() {
    let mut sim = talking();
    let replaces = brunos(&sim);
    sim.act("maria", Act::HangUp).run_for(secs(1)).replacing("bruno", replaces, None);
    sim.run_for(secs(1));
    assert_eq!(sim.party("bruno").state, State::Over(603));
    sim.assert_idle();
}

#[test]
fn one_who_stays_and_refuses_the_new_media_keeps_the_old_ones() {
    let mut sim = talking();
    let replaces = brunos(&sim);
    sim.parties.iter_mut().for_each(|(_, party)| party.refuses_offers = party.name == "maria");
    sim.replacing("carla", replaces, Some("202"));
    sim.run_for(secs(1));
    assert_eq!(sim.party("carla").state, State::Over(488), "{}", sim.ladders());
    assert_eq!((sim.party("maria").state, sim.party("bruno").state), (State::Up, State::Up));
    assert_eq!(sim.transfers, [("takeover", "failed")]);
    sim.act("maria", Act::HangUp).assert_idle();
    assert_answered_by(&sim, "bruno");
}

#[test]
fn one_who_comes_and_gives_up_leaves_the_call_as_it_was() {
    let mut sim = talking();
    let replaces = brunos(&sim);
    sim.lose("SIP/2.0 200", 2); // maria's answer takes a while
    sim.replacing("carla", replaces, Some("202"));
    sim.run_for(ms(200)).act("carla", Act::Cancel).run_for(secs(3));
    assert_eq!(sim.party("carla").state, State::Over(487), "{}", sim.ladders());
    assert_eq!(audio_heard(&sim, "maria"), audio_of(&sim, "bruno"), "she hears him again");
    sim.act("bruno", Act::HangUp).assert_idle();
    assert_answered_by(&sim, "bruno");
}

#[test]
fn a_colleague_picks_up_a_phone_that_rings_and_no_owner_moves() {
    let mut sim = sim(house()).phone_does("bruno", &[(20, Act::Ring)]);
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(ringing("bruno")).run_for(secs(2));
    let replaces = brunos(&sim);
    sim.replacing("dora", Replaces { early_only: true, ..replaces }, None);
    sim.run_until(up("dora")).run_until(up("maria")).run_for(secs(2));
    assert_eq!(sim.party("bruno").state, State::Over(487));
    assert_eq!(audio_heard(&sim, "maria"), audio_of(&sim, "dora"));
    assert_eq!(audio_heard(&sim, "dora"), audio_of(&sim, "maria"));
    assert_eq!(sim.crm.leads[0].owner.as_str(), "bruno", "a pickup is no transfer");
    assert!(sim.transfers.is_empty());
    assert_eq!(sim.party("maria").last_offer(), "none", "and needs no re-INVITE");
    sim.act("dora", Act::Hold).run_for(secs(1));
    assert_eq!(sim.party("maria").last_offer(), "reinvite sendonly");
    sim.act("maria", Act::HangUp).assert_idle();
    assert_answered_by(&sim, "dora");
    let record = the_record(&sim);
    assert_eq!((legs(record), &record.transferred_from), (vec!["bruno missed".into(), "dora answered".into()], &None));
}

#[test]
fn a_pickup_with_a_lost_200_is_repeated_and_a_repeated_invite_rings_nobody() {
    let mut sim = sim(house()).phone_does("bruno", &[(20, Act::Ring)]);
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(ringing("bruno")).run_for(secs(1));
    let replaces = brunos(&sim);
    sim.lose("SIP/2.0 100", 2);
    sim.lose("SIP/2.0 200", 2);
    sim.replacing("dora", replaces, None);
    sim.run_until(up("dora")).run_for(secs(5));
    assert_eq!(sim.calls.len(), 1);
    sim.act("maria", Act::HangUp).assert_idle();
    assert_answered_by(&sim, "dora");
}

#[test]
fn the_target_of_a_transfer_may_be_picked_up_for_and_the_transfer_is_done() {
    let mut sim = sim(house()).phone_does("bruno", &ANSWERS).phone_does("carla", &[(20, Act::Ring)]);
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(up("maria")).run_for(secs(1)).act("bruno", Act::Refer("sip:203@pbx".into()));
    sim.run_until(ringing("carla")).run_for(secs(1));
    let replaces = sim.party("carla").replaced_by().unwrap();
    sim.replacing("dora", replaces, None);
    sim.run_until(up("dora")).run_for(secs(3));
    assert_eq!(sim.party("bruno").notified(), ["100", "200"]);
    assert_eq!((sim.party("carla").state, sim.party("bruno").state), (State::Over(487), State::Over(0)));
    assert_eq!(sim.crm.leads[0].owner.as_str(), "dora");
    assert_eq!(sim.transfers, [("blind", "answered")]);
    assert_eq!(audio_heard(&sim, "dora"), audio_of(&sim, "maria"));
    sim.act("maria", Act::HangUp).assert_idle();
    assert_answered_by(&sim, "dora");
}

#[test]
fn a_callers_own_ringing_dialog_is_replaced_by_nobody() {
    let mut sim = sim(house()).phone_does("bruno", &[(20, Act::Ring)]);
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(ringing("bruno")).run_for(secs(1));
    let hers = sim.party("maria").replaced_by().unwrap();
    sim.replacing("carla", hers, None);
    sim.run_for(secs(1));
    assert_eq!(sim.party("carla").state, State::Over(481));
    sim.act("maria", Act::Cancel).assert_idle();
}
