//! What the CRM is told.

use super::*;
use crate::route::directory::{CreateFor, LeadOwner, UnknownClient};

#[test]
fn two_calls_at_once_from_one_new_number_share_one_lead() {
    let mut sim = sim(house());
    sim.customer(Some(STRANGER), &[(4_000, Act::Cancel)]);
    sim.customer(Some(STRANGER), &[(5_000, Act::Cancel)]);
    sim.assert_idle();
    assert_eq!(sim.crm.leads.len(), 1);
    assert_eq!(sim.crm.leads[0].calls.len(), 2);
    assert_eq!(events(&sim).iter().filter(|e| **e == "lead.created").count(), 1);
    assert!(sim.crm.records.iter().all(|r| r.created.len() == 1));
}

#[test]
fn answered_by_moves_the_lead_to_whoever_answers() {
    let mut sim =
        sim(house().line(|l| l.lead_owner = LeadOwner::AnsweredBy)).phone_does("bruno", &[(20, Act::Reject(486))]);
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(ringing("carla"));
    assert_eq!(sim.crm.leads[0].owner.as_str(), "bruno", "the first member at first");
    sim.act("carla", Act::Answer).run_until(up("maria")).run_for(secs(1));
    assert_eq!(sim.crm.leads[0].owner.as_str(), "carla");
    sim.act("maria", Act::HangUp).assert_idle();
}

#[test]
fn offer_creates_nothing_by_itself() {
    let mut sim = sim(house().line(|l| l.unknown_client = UnknownClient::Offer));
    sim.customer(Some(STRANGER), &[(3_000, Act::Cancel)]);
    sim.assert_idle();
    assert!(sim.crm.leads.is_empty());
    assert_eq!(sim.crm.activities.len(), 1);
}

#[test]
fn an_outgoing_call_creates_when_the_far_end_rings_and_the_dialler_owns_it() {
    let mut sim = sim(house().line(|l| l.create_for = CreateFor::Any)).phone_does(STRANGER, &[(2_000, Act::Ring)]);
    sim.caller("carla", crate::sim::OFFICE, "0021976543210", Some("203"), true, &[]);
    sim.run_for(secs(1));
    assert!(sim.crm.leads.is_empty(), "not before it rings");
    sim.run_for(secs(2));
    assert_eq!(sim.crm.leads[0].owner.as_str(), "carla");
    sim.act("carla", Act::Cancel).assert_idle();
}

#[test]
fn a_line_that_creates_for_outgoing_calls_only_leaves_incoming_ones_alone() {
    let mut sim = sim(house().line(|l| l.create_for = CreateFor::Outgoing));
    sim.customer(Some(STRANGER), &[(3_000, Act::Cancel)]);
    sim.assert_idle();
    assert!(sim.crm.leads.is_empty());
}
