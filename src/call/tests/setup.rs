//! From the INVITE to the answer.

use super::*;
use crate::crm::model::LookupKind;
use crate::route::plan::Presence;

#[test]
fn a_known_customer_rings_at_her_manager_and_nobody_else() {
    let mut sim = sim(house()).phone_does("ana", &[(20, Act::Ring), (2_000, Act::Answer)]);
    sim.customer(Some(MARIA), &[(10_000, Act::HangUp)]);
    sim.run_until(up("maria"));
    assert!(!sim.has_rung("bruno"));
    let invitation = sim.party("ana").invitation.clone().unwrap();
    assert_eq!(invitation.identities.from.user, MARIA);
    assert_eq!(invitation.identities.from.display, "Maria Souza");
    assert_eq!(invitation.identities.asserted[0].user, MARIA);
    assert_eq!(invitation.max_forwards, 69);
    sim.assert_idle();
    assert_answered_by(&sim, "ana");
    let record = the_record(&sim);
    assert_eq!(record.lookup, Some(LookupKind::Known));
    assert_eq!(record.client.unwrap().to_string(), "contact:1");
    assert_eq!((record.ring_seconds, record.talk_seconds), (1, 7));
    assert_eq!(legs(record), ["ana answered"]);
    assert_eq!(record.legs[0].talk_seconds, 7);
    assert!(sim.crm.leads.is_empty());
    assert_eq!(sim.crm.activities.len(), 1);
    insta::assert_snapshot!(sim.ladders());
}

#[test]
fn an_unknown_customer_rings_in_the_queue_and_is_a_lead_while_it_rings() {
    let mut sim = sim(house());
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(ringing("bruno"));
    assert_eq!(sim.crm.leads.len(), 1);
    assert_eq!(sim.crm.leads[0].owner.as_str(), "bruno");
    sim.act("bruno", Act::Answer).run_until(up("maria")).run_for(secs(3)).act("bruno", Act::HangUp).assert_idle();
    assert_answered_by(&sim, "bruno");
    assert_eq!(the_record(&sim).created[0].to_string(), "lead:1");
    assert!(events(&sim).contains(&"lead.created"));
    assert!(sim.party("maria").log.contains(&"bye".to_owned()));
}

#[test]
fn a_crm_slower_than_its_deadline_sends_the_call_to_the_queue_and_creates_nothing_yet() {
    let mut sim = sim(house()).crm_after(ms(400));
    sim.customer(Some(MARIA), &[]);
    sim.run_until(ringing("bruno"));
    assert!(!sim.has_rung("ana"));
    sim.run_for(secs(1)).act("bruno", Act::Answer).run_until(up("maria")).act("maria", Act::HangUp).assert_idle();
    let record = the_record(&sim);
    assert_eq!(record.lookup, Some(LookupKind::Undetermined));
    // the late answer said whose the activity is
    assert_eq!(record.client.unwrap().to_string(), "contact:1");
    assert!(sim.crm.leads.is_empty());
}

#[test]
fn a_late_unknown_creates_the_lead_for_whoever_owns_it_by_then() {
    let mut sim = sim(house()).crm_after(ms(400));
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(ringing("bruno"));
    assert!(sim.crm.leads.is_empty());
    sim.run_for(secs(1));
    assert_eq!(sim.crm.leads.len(), 1);
    sim.act("maria", Act::Cancel).assert_idle();
    assert_eq!(the_record(&sim).lookup, Some(LookupKind::Undetermined));
    assert_eq!(the_record(&sim).outcome, Some(Outcome::Missed));
}

#[test]
fn a_crm_that_is_down_leaves_the_lead_owed_until_a_later_lookup() {
    let mut sim = sim(house());
    sim.crm.down = true;
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(ringing("bruno")).act("bruno", Act::Answer).run_until(up("maria"));
    sim.act("maria", Act::HangUp).assert_idle();
    let kinds: Vec<_> = sim.crm.writes.iter().map(|w| (w.write.kind().as_str(), w.after_lookup.is_some())).collect();
    assert_eq!(kinds, [("lead.create", true), ("activity.create", true)]);
}

#[test]
fn a_manager_who_is_away_is_not_rung() {
    let mut sim = sim(house()).presence("ana", Presence::Away);
    sim.customer(Some(MARIA), &[]);
    sim.run_until(ringing("bruno")).act("maria", Act::Cancel).assert_idle();
    assert!(!sim.has_rung("ana"));
}

#[test]
fn a_busy_manager_hands_over_to_the_queue() {
    let mut sim = sim(house()).phone_does("ana", &[(20, Act::Reject(486))]);
    sim.customer(Some(MARIA), &[]);
    sim.run_until(ringing("bruno")).act("bruno", Act::Answer).run_until(up("maria"));
    sim.act("bruno", Act::HangUp).assert_idle();
    assert_eq!(legs(the_record(&sim)), ["ana busy", "bruno answered"]);
}

#[test]
fn a_manager_who_does_not_answer_is_given_twenty_seconds() {
    let mut sim = sim(house());
    sim.customer(Some(MARIA), &[]);
    sim.run_until(ringing("ana")).run_for(secs(19));
    assert!(!sim.has_rung("bruno"));
    sim.run_for(secs(2)).run_until(ringing("bruno"));
    assert_eq!(sim.party("ana").state, State::Over(487));
    sim.act("maria", Act::Cancel).assert_idle();
}

#[test]
fn a_caller_who_gives_up_gets_487_and_is_missed() {
    let mut sim = sim(house());
    sim.customer(Some(STRANGER), &[(3_000, Act::Cancel)]);
    sim.assert_idle();
    assert_eq!(sim.party("maria").state, State::Over(487));
    let record = the_record(&sim);
    assert_eq!(record.outcome, Some(Outcome::Missed));
    assert_eq!(record.employee, None);
    assert_eq!(record.ring_seconds, 2);
    assert!(events(&sim).contains(&"call.missed"));
    assert_eq!(sim.crm.leads.len(), 1, "missed calls are leads too");
}

#[test]
fn a_caller_without_an_identity_is_excluded_and_routed() {
    let mut sim = bruno_answers();
    sim.customer(None, &[(5_000, Act::HangUp)]);
    sim.assert_idle();
    assert_answered_by(&sim, "bruno");
    assert_eq!(the_record(&sim).lookup, Some(LookupKind::Excluded));
    assert_eq!(the_record(&sim).from, "anonymous");
    assert!(sim.crm.writes.is_empty(), "nothing of it enters the CRM");
}

#[test]
fn a_blacklisted_caller_gets_603_and_a_row() {
    let house = house().with(|d| d.blacklist.push(STRANGER.parse().unwrap()));
    let mut sim = sim(house);
    sim.customer(Some(STRANGER), &[]);
    sim.assert_idle();
    assert_eq!(sim.party("maria").state, State::Over(603));
    assert_eq!(the_record(&sim).outcome, Some(Outcome::Blocked));
    assert!(sim.crm.writes.is_empty());
}

#[test]
fn each_callee_with_early_media_is_an_early_dialog_of_her_own() {
    let mut sim = sim(house()).phone_does("bruno", &[(20, Act::RingWithMedia), (3_000, Act::Answer)]);
    sim.customer(Some(STRANGER), &[(8_000, Act::HangUp)]);
    sim.assert_idle();
    assert_eq!(sim.party("maria").log[..2], ["183 sdp", "200"]);
    assert_answered_by(&sim, "bruno");
}

#[test]
fn an_invite_without_an_offer_gets_the_callees_and_its_ack_brings_the_answer() {
    let mut sim = bruno_answers();
    sim.caller(
        "maria",
        crate::sim::CARRIER,
        &crate::route::testing::LINE[1..],
        Some(STRANGER),
        false,
        &[(6_000, Act::HangUp)],
    );
    sim.run_until(up("bruno"));
    assert_eq!(sim.party("bruno").invitation.as_ref().unwrap().offer, None);
    sim.run_for(secs(1));
    assert!(sim.party("bruno").log.contains(&"acked".to_owned()));
    sim.assert_idle();
    assert_answered_by(&sim, "bruno");
}

#[test]
fn an_outgoing_call_goes_through_the_employees_line_and_shows_its_number() {
    let mut sim = sim(house()).phone_does("+5521976543210", &[(50, Act::Ring), (1_000, Act::Answer)]);
    sim.caller("bruno", crate::sim::OFFICE, "0021976543210", Some("202"), true, &[(9_000, Act::HangUp)]);
    sim.run_until(up("bruno"));
    let shown = sim.party("+5521976543210").invitation.clone().unwrap().identities;
    assert_eq!(shown.from.user, crate::route::testing::LINE);
    sim.assert_idle();
    let record = the_record(&sim);
    assert_eq!(record.direction.as_str(), "outgoing");
    assert_eq!(record.outcome, Some(Outcome::Answered));
    assert_eq!(record.to, STRANGER);
    assert_eq!(record.employee.as_ref().unwrap().as_str(), "bruno");
}

#[test]
fn the_far_ends_code_of_an_outgoing_call_comes_as_it_is() {
    for (code, seen, outcome) in [
        (486, 486, Outcome::Busy),
        (603, 603, Outcome::Declined),
        (404, 404, Outcome::Failed),
        (407, 503, Outcome::Failed),
    ] {
        let mut sim = sim(house()).phone_does("+5521976543210", &[(50, Act::Reject(code))]);
        sim.caller("bruno", crate::sim::OFFICE, "0021976543210", Some("202"), true, &[]);
        sim.assert_idle();
        assert_eq!(sim.party("bruno").state, State::Over(seen));
        assert_eq!(the_record(&sim).outcome, Some(outcome));
    }
}

#[test]
fn an_employee_who_gives_up_an_outgoing_call_canceled_it() {
    let mut sim = sim(house());
    sim.caller("bruno", crate::sim::OFFICE, "0021976543210", Some("202"), true, &[(4_000, Act::Cancel)]);
    sim.assert_idle();
    assert_eq!(the_record(&sim).outcome, Some(Outcome::Canceled));
}

#[test]
fn a_call_between_employees_never_enters_the_crm() {
    let mut sim = bruno_answers();
    sim.caller("ana", crate::sim::OFFICE, "202", Some("201"), true, &[(5_000, Act::HangUp)]);
    sim.assert_idle();
    assert_eq!(the_record(&sim).direction.as_str(), "internal");
    assert!(sim.crm.writes.is_empty());
}
