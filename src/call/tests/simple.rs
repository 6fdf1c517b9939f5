//! Simple mode: a client and a deal at once, no leads on show.

use super::*;
use crate::crm::embedded::Edit;
use crate::route::directory::{CreateFor, CrmMode, LeadOwner, SimpleClient};

fn simple(client: SimpleClient) -> House {
    let mode = CrmMode::Simple { client, pipeline: "General".to_owned() };
    house().with(|dir| dir.crm.mode = mode).line(|line| line.source = Some("Sales line".to_owned()))
}

/// Who owns the contact, and who the deal.
fn owners(sim: &Sim) -> (String, String) {
    let name = |of: &Option<crate::base::EmployeeId>| of.as_ref().unwrap().to_string();
    (name(&sim.crm.contacts()[0].responsible), name(&sim.crm.deals()[0].responsible))
}

fn both(who: &str) -> (String, String) {
    (who.to_owned(), who.to_owned())
}

#[test]
fn an_unknown_customer_is_a_contact_with_a_deal_while_the_phone_rings() {
    let mut sim = sim(simple(SimpleClient::Contact));
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(ringing("bruno"));
    let (contacts, deals) = (sim.crm.contacts(), sim.crm.deals());
    let paulo = &contacts[1];
    assert_eq!((contacts.len(), deals.len(), sim.crm.leads.len()), (2, 1, 0), "the other is Maria");
    assert_eq!((paulo.source.as_deref(), paulo.responsible.as_ref().unwrap().as_str()), (Some("Sales line"), "bruno"));
    assert_eq!((deals[0].pipeline.as_str(), deals[0].contact), ("General", Some(paulo.id)));
    sim.act("bruno", Act::Answer).run_until(up("maria")).run_for(secs(1)).act("bruno", Act::HangUp).assert_idle();
    let record = the_record(&sim);
    assert_eq!(record.lookup.unwrap().as_str(), "unknown");
    let created: Vec<String> = record.created.iter().map(ToString::to_string).collect();
    assert_eq!(created, ["contact:2", "deal:1"]);
    let told = events(&sim);
    for event in ["contact.created", "deal.created"] {
        assert_eq!(told.iter().filter(|name| **name == event).count(), 1, "{event}: {told:?}");
    }
    assert!(!told.contains(&"lead.created"));
    assert_eq!(sim.crm.attached, ["contact:2".parse().ok()]);
}

#[test]
fn a_company_or_both_are_made_where_the_file_says_so_and_the_deal_goes_where_the_line_says() {
    for (client, contacts, companies) in [(SimpleClient::Company, 1, 1), (SimpleClient::Both, 2, 1)] {
        let mut sim = sim(simple(client).line(|line| line.pipeline = Some("Vendas".to_owned())));
        sim.customer(Some(STRANGER), &[]);
        sim.run_until(ringing("bruno")).act("maria", Act::Cancel).assert_idle();
        assert_eq!((sim.crm.contacts().len(), sim.crm.companies().len()), (contacts, companies), "{client:?}");
        let deals = sim.crm.deals();
        assert_eq!((deals[0].pipeline.as_str(), deals[0].company), ("Vendas", Some(1)));
        if client == SimpleClient::Both {
            assert_eq!(sim.crm.contacts()[1].company, Some(1), "the contact is of the company");
        }
    }
}

#[test]
fn two_calls_at_once_from_one_new_number_share_one_client_and_one_deal() {
    let mut sim = Sim::new(7, simple(SimpleClient::Contact).build());
    sim.customer(Some(STRANGER), &[]);
    sim.customer(Some(STRANGER), &[]);
    sim.run_for(secs(2));
    sim.run_for(secs(90)).assert_idle();
    assert_eq!((sim.crm.contacts().len(), sim.crm.deals().len()), (1, 1));
    assert_eq!(sim.crm.records.len(), 2);
    for record in &sim.crm.records {
        let created: Vec<String> = record.created.iter().map(ToString::to_string).collect();
        assert_eq!(created, ["contact:1", "deal:1"]);
    }
    let made = events(&sim).iter().filter(|name| **name == "contact.created").count();
    assert_eq!(made, 1, "one event, from the call that made it");
}

#[test]
fn a_transfer_moves_client_and_deal_together_when_the_new_employee_answers() {
    let answers = [(20, Act::Ring), (1_000, Act::Answer)];
    let mut sim =
        Sim::new(7, simple(SimpleClient::Contact).build()).phone_does("bruno", &answers).phone_does("carla", &answers);
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(up("maria")).run_until(up("bruno")).run_for(secs(2));
    assert_eq!(owners(&sim), both("bruno"));
    sim.act("bruno", Act::Refer("sip:203@10.0.0.5".into())).run_until(ringing("carla"));
    assert_eq!(owners(&sim), both("bruno"), "not before she answers");
    sim.run_until(up("carla")).run_for(secs(5));
    assert_eq!(owners(&sim), both("carla"));
    sim.act("maria", Act::HangUp).assert_idle();
}

#[test]
fn a_client_whom_somebody_gave_away_by_hand_stays_and_the_deal_follows() {
    let answers = [(20, Act::Ring), (1_000, Act::Answer)];
    let mut sim =
        Sim::new(7, simple(SimpleClient::Contact).build()).phone_does("bruno", &answers).phone_does("carla", &answers);
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(up("maria")).run_until(up("bruno")).run_for(secs(2));
    let record = "contact:1".parse().unwrap();
    let now = crate::base::Wall::from_unix_millis(1_795_528_900_000);
    sim.crm.edit(Edit::SetOwner { record, responsible: "ana".into() }, now);
    sim.act("bruno", Act::Refer("sip:203@10.0.0.5".into())).run_until(up("carla")).run_for(secs(5));
    assert_eq!(owners(&sim), ("ana".to_owned(), "carla".to_owned()));
    sim.act("maria", Act::HangUp).assert_idle();
}

#[test]
fn whoever_answers_owns_both_where_the_line_says_answered_by() {
    let house = simple(SimpleClient::Contact).line(|line| line.lead_owner = LeadOwner::AnsweredBy);
    let mut sim = Sim::new(7, house.build()).phone_does("carla", &[(20, Act::Ring), (1_000, Act::Answer)]);
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(ringing("bruno"));
    assert_eq!(owners(&sim), both("bruno"));
    sim.run_until(up("carla")).run_for(secs(1));
    assert_eq!(owners(&sim), both("carla"));
    sim.act("maria", Act::HangUp).assert_idle();
}

#[test]
fn nothing_is_made_for_a_direction_that_the_line_does_not_name() {
    let mut sim = Sim::new(7, simple(SimpleClient::Both).line(|line| line.create_for = CreateFor::Outgoing).build());
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(ringing("bruno")).act("maria", Act::Cancel).assert_idle();
    assert!(sim.crm.contacts().is_empty() && sim.crm.companies().is_empty() && sim.crm.deals().is_empty());
    assert_eq!(sim.crm.activities.len(), 1);
}

#[test]
fn a_crm_that_answers_late_makes_them_then_and_one_that_never_does_at_the_end() {
    let mut late = Sim::new(7, simple(SimpleClient::Contact).build()).crm_after(ms(900));
    late.customer(Some(STRANGER), &[]);
    late.run_until(ringing("bruno"));
    assert!(late.crm.contacts().is_empty(), "nothing before the CRM has answered");
    late.run_for(secs(2));
    assert_eq!((late.crm.contacts().len(), late.crm.deals().len()), (1, 1));
    late.act("maria", Act::Cancel).assert_idle();
    assert_eq!(the_record(&late).lookup.unwrap().as_str(), "undetermined");

    let mut never = Sim::new(7, simple(SimpleClient::Contact).build()).crm_after(secs(3_600));
    never.customer(Some(STRANGER), &[]);
    never.run_until(ringing("bruno")).act("maria", Act::Cancel).run_for(secs(40));
    assert_eq!((never.crm.contacts().len(), never.crm.deals().len()), (1, 1), "by the lookup that the write repeats");
}
