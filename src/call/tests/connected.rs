//! Transfers inside the PBX, and the console's button.

use super::*;
use crate::route::Dialled;
use crate::route::plan::Destination;

const ANSWERS: [(u64, Act); 2] = [(20, Act::Ring), (1_000, Act::Answer)];

fn talking(from: &str, who: &'static str) -> Sim {
    let mut sim = sim(house()).phone_does(who, &ANSWERS).phone_does("carla", &ANSWERS);
    sim.customer(Some(from), &[]);
    sim.run_until(up("maria")).run_for(secs(3));
    sim
}

#[test]
fn a_transfer_inside_the_pbx_is_seen_by_its_changed_identity_and_the_owner_follows() {
    for by in [Act::ReinviteIdentity("203".into()), Act::UpdateIdentity("203".into())] {
        let mut sim = talking(STRANGER, "bruno");
        sim.act("bruno", by).run_for(secs(4));
        assert_eq!(sim.crm.leads[0].owner.as_str(), "carla", "{}", sim.ladders());
        assert_eq!(sim.transfers, [("pbx", "answered")]);
        // once more the same, and then something without identity
        sim.act("bruno", Act::UpdateIdentity("203".into())).run_for(secs(1)).act("bruno", Act::Hold).run_for(secs(1));
        assert_eq!(sim.transfers.len(), 1);
        sim.act("maria", Act::HangUp).assert_idle();
        assert_answered_by(&sim, "carla");
        let record = the_record(&sim);
        assert_eq!(record.transferred_from.as_ref().unwrap().as_str(), "bruno");
        assert_eq!(legs(record), ["bruno answered", "carla answered"]);
        let talk: Vec<u32> = record.legs.iter().map(|leg| leg.talk_seconds).collect();
        assert_eq!(talk, [3, 6]);
        let handed: Vec<_> = sim.published.iter().filter(|p| p.event == "call.transferred").collect();
        assert_eq!((handed.len(), handed[0].kind), (1, Some("pbx")));
    }
}

#[test]
fn the_customers_side_hears_nothing_of_who_took_over_inside() {
    let mut sim = talking(STRANGER, "bruno");
    sim.act("bruno", Act::ReinviteIdentity("203".into())).run_for(secs(1));
    assert_eq!(sim.party("maria").last_offer(), "reinvite sendrecv", "her media are agreed anew");
    let said: Vec<_> = sim.said_to_carrier().iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
    assert!(said.iter().any(|m| m.starts_with("INVITE ")));
    assert!(said.iter().all(|m| !m.contains("sip:203@") && !m.contains("P-Asserted-Identity")), "{said:?}");
    sim.act("maria", Act::HangUp).assert_idle();
}

#[test]
fn an_identity_that_is_nobodys_inside_or_the_same_persons_changes_nothing() {
    let mut sim = talking(STRANGER, "bruno");
    for who in ["202", "+5511912345678", "anonymous", ""] {
        sim.act("bruno", Act::UpdateIdentity(who.into())).run_for(secs(1));
    }
    // nor does the customer's carrier name our employees
    sim.act("maria", Act::UpdateIdentity("203".into())).run_for(secs(1));
    assert!(sim.transfers.is_empty(), "{:?}", sim.transfers);
    sim.act("maria", Act::HangUp).assert_idle();
    assert_answered_by(&sim, "bruno");
}

#[test]
fn where_the_pbx_is_not_believed_an_identity_moves_nothing() {
    let house = house().pbx(|pbx| pbx.connected_line = false);
    let mut sim = sim(house).phone_does("bruno", &ANSWERS);
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(up("maria")).run_for(secs(1)).act("bruno", Act::UpdateIdentity("203".into())).run_for(secs(1));
    assert!(sim.transfers.is_empty());
    sim.act("maria", Act::HangUp).assert_idle();
}

#[test]
fn an_extension_that_is_no_employees_owns_nothing() {
    let mut sim = talking(STRANGER, "bruno");
    sim.act("bruno", Act::UpdateIdentity("299".into())).run_for(secs(1));
    assert_eq!(sim.transfers, [("pbx", "answered")]);
    assert_eq!(sim.crm.leads[0].owner.as_str(), "bruno");
    sim.act("bruno", Act::UpdateIdentity("203".into())).run_for(secs(1));
    assert_eq!(sim.crm.leads[0].owner.as_str(), "carla");
    sim.act("bruno", Act::UpdateIdentity("202".into())).run_for(secs(1));
    assert_eq!(sim.crm.leads[0].owner.as_str(), "bruno", "and back where the call returns");
    sim.act("maria", Act::HangUp).assert_idle();
    assert_answered_by(&sim, "bruno");
}

fn carla() -> Dialled {
    let destination = Destination::Employee { id: "carla".into(), extension: "203".into(), pbx: Some("office".into()) };
    Dialled::Destination(destination)
}

#[test]
fn the_consoles_button_rings_the_target_while_the_two_talk_on() {
    let mut sim = talking(STRANGER, "bruno");
    sim.hand_on(carla()).run_until(ringing("carla"));
    sim.act("bruno", Act::Hold).run_for(ms(100));
    assert_eq!(sim.party("maria").last_offer(), "reinvite sendonly", "they are still joined");
    sim.run_until(up("carla")).run_for(ms(100));
    assert_eq!(sim.party("bruno").state, State::Over(0), "nothing keeps him");
    assert_eq!(sim.crm.leads[0].owner.as_str(), "carla");
    assert_eq!(sim.transfers, [("console", "answered")]);
    sim.run_for(secs(3)).act("maria", Act::HangUp).assert_idle();
    assert_answered_by(&sim, "carla");
}

#[test]
fn a_button_pressed_twice_hands_on_once() {
    let mut sim = talking(STRANGER, "bruno");
    sim.hand_on(carla()).hand_on(carla()).run_until(up("carla")).run_for(secs(3));
    assert_eq!(sim.parties.iter().filter(|(_, p)| p.name == "carla").count(), 1);
    sim.act("maria", Act::HangUp).assert_idle();
}
