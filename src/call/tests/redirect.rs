//! Phones that answer 302, and carriers that do.

use super::*;
use crate::route::testing::LINE;
use crate::sim::OFFICE;

fn to(contacts: &[&str]) -> Vec<(u64, Act)> {
    vec![(20, Act::Redirect(contacts.iter().map(ToString::to_string).collect()))]
}

#[test]
fn a_phones_redirect_is_a_transfer_once_the_other_one_answers() {
    let mut sim = sim(house()).phone_does("bruno", &to(&["<sip:201@10.0.0.5>"]));
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(ringing("ana"));
    assert_eq!(sim.crm.leads[0].owner.as_str(), "bruno", "not before she answers");
    assert_eq!(sim.party("ana").invitation.clone().unwrap().identities.from.user, STRANGER);
    sim.act("ana", Act::Answer).run_until(up("maria")).run_for(secs(2));
    assert_eq!(sim.crm.leads[0].owner.as_str(), "ana");
    let transferred = sim.published.iter().find(|p| p.event == "call.transferred").expect("it was told");
    assert_eq!(transferred.kind, Some("redirect"));
    assert_eq!(transferred.from_employee.as_ref().map(crate::base::EmployeeId::as_str), Some("bruno"));
    assert_eq!(transferred.to_employee.as_ref().map(crate::base::EmployeeId::as_str), Some("ana"));
    sim.act("ana", Act::HangUp).assert_idle();
    assert_answered_by(&sim, "ana");
    assert_eq!(the_record(&sim).transferred_from.as_ref().unwrap().as_str(), "bruno");
    assert!(sim.ladders().contains("follow bruno to ana"), "{}", sim.ladders());
}

#[test]
fn a_known_clients_owner_stays_when_her_managers_phone_redirects() {
    let mut sim = sim(house()).phone_does("ana", &to(&["<sip:203@10.0.0.5>"]));
    sim.customer(Some(MARIA), &[]);
    sim.run_until(ringing("carla")).act("carla", Act::Answer).run_until(up("maria"));
    sim.act("carla", Act::HangUp).assert_idle();
    assert!(sim.crm.writes.iter().all(|w| w.write.kind().as_str() == "activity.create"));
    assert_answered_by(&sim, "carla");
}

#[test]
fn contacts_are_tried_by_preference_each_once() {
    let contacts = ["<sip:203@h>;q=0.2", "<sip:201@h>;q=0.7", "<sip:999999@h>;q=0.9", "<sip:202@h>"];
    let mut sim = sim(house()).phone_does("bruno", &to(&contacts)).phone_does("ana", &[(20, Act::Reject(486))]);
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(ringing("carla"));
    assert!(sim.has_rung("ana"), "she came first");
    assert_eq!(sim.parties.iter().filter(|(_, p)| p.name == "bruno").count(), 1, "not to himself");
    sim.act("maria", Act::Cancel).assert_idle();
    assert_eq!(legs(the_record(&sim)), ["bruno failed", "ana busy", "carla missed"]);
}

#[test]
fn phones_that_redirect_to_each_other_ring_nobody_twice_and_the_queue_goes_on() {
    let mut sim = sim(house()).phone_does("bruno", &to(&["<sip:201@h>"])).phone_does("ana", &to(&["<sip:202@h>"]));
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(ringing("carla"));
    assert_eq!(sim.parties.len(), 4, "maria, bruno, ana, carla");
    assert!(sim.ladders().contains("already rung in this call"), "{}", sim.ladders());
    sim.act("maria", Act::Cancel).assert_idle();
}

#[test]
fn five_redirects_of_a_call_are_followed_and_no_sixth() {
    let mut sim = sim(house());
    for extension in 210..220 {
        let next = format!("<sip:{}@h>", extension + 1);
        sim = sim.phone_does(&extension.to_string(), &to(&[&next]));
    }
    sim.caller("bruno", OFFICE, "210", Some("202"), true, &[]);
    sim.assert_idle();
    assert!(sim.has_rung("215") && !sim.has_rung("216"));
    assert!(sim.ladders().contains("redirected too often"), "{}", sim.ladders());
}

#[test]
fn s11_a_redirect_leads_outside_only_where_she_could_call_herself() {
    let contacts = ["<sip:+882991234567@premium.example>", "<tel:+19005551234>", "<sip:0021976543210@h>;q=0.1"];
    let mut sim = sim(house()).phone_does("ana", &to(&contacts));
    sim.customer(Some(MARIA), &[]);
    sim.run_until(ringing(STRANGER));
    let shown = sim.party(STRANGER).invitation.clone().unwrap().identities;
    assert_eq!((&*shown.from.user, &*shown.diversion[0].user), (LINE, LINE));
    assert_eq!(sim.parties.len(), 3, "maria, ana, and the number she may call");
    assert!(sim.ladders().contains("is not among outgoing_countries"), "{}", sim.ladders());
    sim.act("maria", Act::Cancel).assert_idle();
}

#[test]
fn s11_a_carriers_redirect_is_not_followed() {
    let mut sim = sim(house()).phone_does(STRANGER, &to(&["<sip:+5521999990000@premium.example>", "<sip:201@h>"]));
    sim.caller("bruno", OFFICE, "0021976543210", Some("202"), true, &[]);
    sim.assert_idle();
    assert_eq!(sim.parties.len(), 2);
    assert_eq!(sim.party("bruno").state, State::Over(302));
    assert!(sim.ladders().contains("only phones of the house may send a call on"), "{}", sim.ladders());
}

#[test]
fn a_redirect_to_a_queue_rings_its_members_and_then_goes_on() {
    let mut sim = sim(house()).phone_does("bruno", &to(&["<sip:601@h>"])).phone_does("dora", &[(20, Act::Reject(486))]);
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(ringing("carla"));
    assert!(sim.has_rung("dora"));
    sim.act("maria", Act::Cancel).assert_idle();
}

#[test]
fn a_redirect_that_names_nobody_is_a_refusal() {
    let mut sim = sim(house()).phone_does("bruno", &to(&[]));
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(ringing("carla"));
    sim.act("maria", Act::Cancel).assert_idle();
}

#[test]
fn the_target_of_a_transfer_may_redirect_too() {
    let mut sim = bruno_answers().phone_does("carla", &to(&["<sip:201@h>"]));
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(up("maria")).run_until(up("bruno"));
    sim.act("bruno", Act::Refer("sip:203@10.0.0.5".into())).run_until(ringing("ana"));
    sim.act("ana", Act::Answer).run_for(secs(4));
    assert_eq!(sim.crm.leads[0].owner.as_str(), "ana");
    sim.act("ana", Act::HangUp).assert_idle();
}
