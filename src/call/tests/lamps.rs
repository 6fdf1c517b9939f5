//! What colleagues' lamps show of a call. That none stays lit is asserted at the end of every call in the sim.

use super::*;
use crate::sip::subscription::{DialogInfo, DialogState, Direction, Watched};

fn employee(id: &str) -> Watched {
    Watched::Employee(id.into())
}

fn word(info: &DialogInfo) -> &'static str {
    match info.state {
        DialogState::Trying => "trying",
        DialogState::Early => "early",
        DialogState::Confirmed => "confirmed",
        DialogState::Terminated => "terminated",
    }
}

/// What was told of hers, one word a time; `dark` where nothing was left.
fn told(sim: &Sim, id: &str) -> Vec<String> {
    let hers = sim.lamps.iter().filter(|(watched, ..)| *watched == employee(id));
    let said =
        |shown: &Vec<DialogInfo>| if shown.is_empty() { "dark".into() } else { shown.iter().map(word).collect() };
    hers.map(|(_, _, shown)| said(shown)).collect()
}

/// What her lamp shows now.
#[track_caller]
fn shown(sim: &Sim, id: &str) -> DialogInfo {
    let lamps: Vec<_> = sim.calls.values().flat_map(|call| call.lamps(&employee(id))).collect();
    let [one] = &lamps[..] else { panic!("one lamp, not {lamps:?}") };
    one.clone()
}

#[test]
fn a_phone_that_rings_and_talks_is_told_of_once_each() {
    let mut sim = bruno_answers();
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(ringing("bruno")).run_for(ms(200));
    let rings = shown(&sim, "bruno");
    assert_eq!((rings.state, rings.direction), (DialogState::Early, Direction::Recipient));
    assert_eq!(rings.peer.user.as_deref(), Some(STRANGER), "as her phone shows it");
    let party = sim.party("bruno");
    let (ids, leg) = (rings.clone(), crate::base::LegId::A);
    let hers = party.ua.dialog_ids(leg).unwrap();
    assert_eq!(ids.call_id, hers.call_id);
    assert_eq!(ids.local_tag.as_deref(), hers.ours, "the tags are those that her phone knows");
    assert_eq!(ids.remote_tag.as_deref(), hers.theirs);
    sim.run_until(up("maria")).run_for(secs(1));
    assert_eq!(shown(&sim, "bruno").state, DialogState::Confirmed);
    assert_eq!(shown(&sim, "bruno").id, rings.id, "one dialog all along");
    sim.act("maria", Act::HangUp).assert_idle();
    assert_eq!(told(&sim, "bruno"), ["early", "confirmed", "dark"]);
}

#[test]
fn a_known_customer_is_shown_by_name_and_an_anonymous_one_by_none() {
    let mut sim = sim(house()).phone_does("ana", &[(20, Act::Ring)]);
    sim.customer(Some(MARIA), &[]);
    sim.run_until(ringing("ana")).run_for(ms(200));
    assert_eq!(shown(&sim, "ana").peer.display, "Maria Souza");

    let mut sim = bruno_answers();
    sim.customer(None, &[]);
    sim.run_until(up("maria")).run_for(ms(500));
    assert_eq!(shown(&sim, "bruno").peer.user, None);
    sim.act("maria", Act::HangUp).assert_idle();
}

#[test]
fn a_phone_that_is_busy_or_rings_in_vain_goes_dark() {
    let mut sim = sim(house()).phone_does("bruno", &[(20, Act::Ring), (900, Act::Reject(486))]);
    sim = sim.phone_does("carla", &[(20, Act::Ring)]);
    let maria = sim.customer(Some(STRANGER), &[]);
    sim.run_until(ringing("carla")).run_for(ms(200));
    assert_eq!(told(&sim, "bruno"), ["early", "dark"]);
    sim.cancel(maria);
    sim.assert_idle();
    assert_eq!(told(&sim, "carla"), ["early", "dark"]);
}

#[test]
fn a_transfer_darkens_the_one_and_lights_the_other_with_who_stays() {
    let carla = [(20, Act::Ring), (1_000, Act::Answer)];
    let mut sim = bruno_answers().phone_does("carla", &carla);
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(up("maria")).run_until(up("bruno")).run_for(secs(2));
    sim.act("bruno", Act::Refer("sip:203@10.0.0.5".into())).run_until(ringing("carla")).run_for(ms(200));
    assert_eq!(shown(&sim, "carla").peer.user.as_deref(), Some(STRANGER));
    assert_eq!(shown(&sim, "bruno").state, DialogState::Confirmed);
    sim.run_until(up("carla")).run_for(secs(5));
    assert_eq!(told(&sim, "bruno"), ["early", "confirmed", "dark"]);
    assert_eq!(shown(&sim, "carla").peer.user.as_deref(), Some(STRANGER));
    sim.act("maria", Act::HangUp).assert_idle();
    assert_eq!(told(&sim, "carla"), ["early", "confirmed", "dark"]);
}

#[test]
fn who_dials_is_seen_to_and_sees_nobody_before_an_answer() {
    let mut sim = sim(house()).phone_does("bruno", &[(500, Act::Ring), (1_500, Act::Answer)]);
    let pbx = crate::sim::OFFICE;
    sim.caller("ana-phone", pbx, "202", Some("201"), true, &[]);
    sim.run_for(ms(300));
    let dials = shown(&sim, "ana");
    assert_eq!((dials.state, dials.direction), (DialogState::Trying, Direction::Initiator));
    assert_eq!(dials.peer.user.as_deref(), Some("202"));
    sim.run_until(up("ana-phone")).run_for(secs(1));
    assert_eq!(shown(&sim, "bruno").peer.user.as_deref(), Some("201"));
    assert_eq!(shown(&sim, "ana").peer.user.as_deref(), Some("202"));
    sim.act("ana-phone", Act::HangUp).assert_idle();
    assert_eq!(told(&sim, "ana"), ["trying", "early", "confirmed", "dark"]);
    assert_eq!(told(&sim, "bruno"), ["early", "confirmed", "dark"]);
}
