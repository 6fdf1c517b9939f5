//! Transfers by REFER.

use super::*;

/// A customer talks with bruno, who can hand her on to carla.
fn talking(customer: &str, who: &'static str, carla: &[(u64, Act)]) -> Sim {
    let answers = [(20, Act::Ring), (1_000, Act::Answer)];
    let mut sim = sim(house()).phone_does(who, &answers).phone_does("carla", carla);
    sim.customer(Some(customer), &[]);
    sim.run_until(up("maria")).run_until(up(who)).run_for(secs(2));
    sim
}

const ANSWERS: [(u64, Act); 2] = [(20, Act::Ring), (1_000, Act::Answer)];

#[test]
fn a_new_leads_owner_follows_a_blind_transfer_when_the_new_employee_answers() {
    let mut sim = talking(STRANGER, "bruno", &ANSWERS);
    sim.act("bruno", Act::Refer("sip:203@10.0.0.5".into())).run_until(ringing("carla"));
    assert_eq!(sim.crm.leads[0].owner.as_str(), "bruno", "not before she answers");
    let shown = sim.party("carla").invitation.clone().unwrap().identities.from;
    assert_eq!(shown.user, STRANGER, "she sees the customer");
    sim.run_until(up("carla")).run_for(secs(1));
    assert_eq!(sim.crm.leads[0].owner.as_str(), "carla");
    assert_eq!(sim.party("maria").log.iter().filter(|l| l.starts_with("reinvite")).count(), 1, "re-INVITEd once");
    assert_eq!(sim.party("bruno").state, State::Up, "bruno has 2 s to say BYE");
    sim.run_for(secs(3));
    assert!(sim.party("bruno").log.contains(&"bye".to_owned()), "then we do");
    assert_eq!(sim.party("maria").state, State::Up);
    sim.act("maria", Act::HangUp).assert_idle();
    assert_answered_by(&sim, "carla");
    let record = the_record(&sim);
    assert_eq!(record.transferred_from.as_ref().unwrap().as_str(), "bruno");
    assert_eq!(legs(record), ["bruno answered", "carla answered"]);
    assert!(events(&sim).contains(&"call.transferred"));
    assert!(events(&sim).contains(&"lead.reassigned"));
    insta::assert_snapshot!(sim.ladders());
}

#[test]
fn a_known_clients_owner_stays() {
    let mut sim = talking(MARIA, "ana", &ANSWERS);
    sim.act("ana", Act::Refer("sip:203@10.0.0.5".into())).run_until(up("carla")).run_for(secs(3));
    sim.act("maria", Act::HangUp).assert_idle();
    assert!(sim.crm.leads.is_empty());
    assert!(sim.crm.writes.iter().all(|w| w.write.kind().as_str() == "activity.create"));
    assert_answered_by(&sim, "carla");
}

#[test]
fn a_transferor_who_hangs_up_after_her_202_ends_her_own_leg_only() {
    let mut sim = talking(STRANGER, "bruno", &ANSWERS);
    sim.act("bruno", Act::Refer("sip:203@10.0.0.5".into())).run_until(ringing("carla"));
    sim.act("bruno", Act::HangUp).run_until(up("carla")).run_for(secs(5));
    assert_eq!(sim.party("maria").state, State::Up);
    sim.act("carla", Act::HangUp).assert_idle();
    assert_answered_by(&sim, "carla");
}

#[test]
fn a_failed_transfer_gives_the_call_back_with_the_targets_own_code() {
    let mut sim = talking(STRANGER, "bruno", &[(20, Act::Ring), (500, Act::Reject(486))]);
    sim.act("bruno", Act::Refer("sip:203@10.0.0.5".into())).run_for(secs(5));
    assert_eq!(sim.party("bruno").state, State::Up);
    assert_eq!(sim.party("bruno").notified(), ["100", "486"]);
    assert_eq!(sim.party("maria").state, State::Up);
    assert_eq!(sim.crm.leads[0].owner.as_str(), "bruno");
    sim.act("bruno", Act::Hold).run_for(secs(1));
    assert_eq!(sim.party("maria").last_offer(), "reinvite sendonly", "they are still joined");
    sim.act("maria", Act::HangUp).assert_idle();
    assert_answered_by(&sim, "bruno");
}

#[test]
fn a_target_who_never_answers_is_given_up_and_the_call_goes_on() {
    let mut sim = talking(STRANGER, "bruno", &[(20, Act::Ring)]);
    sim.act("bruno", Act::Refer("sip:203@10.0.0.5".into())).run_until(ringing("carla")).run_for(secs(40));
    assert_eq!(sim.party("carla").state, State::Over(487));
    assert_eq!(sim.party("bruno").notified(), ["100", "480"]);
    sim.act("bruno", Act::HangUp).assert_idle();
}

#[test]
fn a_call_whose_transfer_failed_after_the_transferor_left_rings_her_again() {
    let mut sim = talking(STRANGER, "bruno", &[(20, Act::Ring), (3_000, Act::Reject(486))]);
    sim.act("bruno", Act::Refer("sip:203@10.0.0.5".into())).run_until(ringing("carla"));
    sim.act("bruno", Act::HangUp).run_until(over("carla")).run_until(up("bruno")).run_for(secs(3));
    assert_eq!(sim.party("maria").state, State::Up);
    assert_eq!(sim.crm.leads[0].owner.as_str(), "bruno");
    sim.act("maria", Act::HangUp).assert_idle();
    assert_eq!(legs(the_record(&sim)), ["bruno answered", "carla busy"]);
}

#[test]
fn a_chain_of_transfers_ends_at_the_last() {
    let mut sim = talking(STRANGER, "bruno", &ANSWERS).phone_does("dora", &ANSWERS);
    sim.act("bruno", Act::Refer("sip:203@10.0.0.5".into())).run_until(up("carla")).run_for(secs(4));
    sim.act("carla", Act::Refer("sip:204@pbx".into())).run_until(up("dora")).run_for(secs(4));
    assert_eq!(sim.crm.leads[0].owner.as_str(), "dora");
    sim.act("dora", Act::Refer("sip:202@pbx".into())).run_for(secs(6));
    assert_eq!(sim.crm.leads[0].owner.as_str(), "bruno", "and back where the call returns");
    sim.act("maria", Act::HangUp).assert_idle();
    assert_answered_by(&sim, "bruno");
}

#[test]
fn a_transfer_to_a_queue_rings_its_members() {
    let mut sim = talking(STRANGER, "bruno", &[]).phone_does("dora", &ANSWERS);
    sim.act("bruno", Act::Refer("sip:601@pbx".into())).run_until(up("dora")).run_for(secs(4));
    assert_eq!(sim.crm.leads[0].owner.as_str(), "dora");
    sim.act("maria", Act::HangUp).assert_idle();
}

#[test]
fn a_transfer_outside_moves_no_owner() {
    let mut sim = talking(STRANGER, "bruno", &[]).phone_does("+5531988887777", &ANSWERS);
    sim.act("bruno", Act::Refer("sip:31988887777@pbx".into())).run_until(up("+5531988887777")).run_for(secs(4));
    assert_eq!(sim.crm.leads[0].owner.as_str(), "bruno");
    let shown = sim.party("+5531988887777").invitation.clone().unwrap().identities.from.user;
    assert_eq!(shown, crate::route::testing::LINE);
    sim.act("maria", Act::HangUp).assert_idle();
    assert_answered_by(&sim, "bruno");
}

#[test]
fn a_trunk_that_takes_foreign_numbers_is_shown_a_forwarded_customers_own_unless_she_hides_it() {
    for (caller, shown) in [(Some(STRANGER), STRANGER), (None, crate::route::testing::LINE)] {
        let mut sim = sim(house().trunk(|trunk| trunk.foreign_cli = true)).phone_does("bruno", &ANSWERS);
        sim.customer(caller, &[]);
        sim.run_until(up("maria")).run_for(secs(2)).act("bruno", Act::Refer("sip:31988887777@pbx".into()));
        sim.run_until(|sim| sim.has_rung("+5531988887777"));
        let identities = sim.party("+5531988887777").invitation.clone().unwrap().identities;
        assert_eq!(identities.from.user, shown);
        assert_eq!(identities.diversion[0].user, crate::route::testing::LINE);
        sim.act("maria", Act::HangUp).assert_idle();
    }
}

#[test]
fn a_refer_from_the_trunk_is_refused() {
    let mut sim = talking(STRANGER, "bruno", &ANSWERS);
    sim.act("maria", Act::Refer("sip:203@10.0.0.5".into())).run_for(secs(3));
    assert!(sim.party("maria").log.contains(&"replied 603".to_owned()));
    assert!(!sim.has_rung("carla"));
    sim.act("maria", Act::HangUp).assert_idle();
}

#[test]
fn a_customer_who_hangs_up_during_a_transfer_ends_everything() {
    let mut sim = talking(STRANGER, "bruno", &[(20, Act::Ring)]);
    sim.act("bruno", Act::Refer("sip:203@10.0.0.5".into())).run_until(ringing("carla"));
    sim.act("maria", Act::HangUp).assert_idle();
    assert_eq!(sim.party("carla").state, State::Over(487));
    assert_answered_by(&sim, "bruno");
}

#[test]
fn nobody_knows_the_targets_number_says_the_final_notify() {
    let mut sim = talking(STRANGER, "bruno", &[]);
    sim.act("bruno", Act::Refer("sip:nobody@pbx".into())).run_for(secs(3));
    assert_eq!(sim.party("bruno").notified(), ["100", "404"]);
    sim.act("bruno", Act::HangUp).assert_idle();
}

#[test]
fn an_employee_who_dialled_may_hand_her_customer_on() {
    let mut sim = sim(house()).phone_does("+5521976543210", &ANSWERS).phone_does("carla", &ANSWERS);
    sim.caller("bruno", crate::sim::OFFICE, "0021976543210", Some("202"), true, &[]);
    sim.run_until(up("bruno")).run_for(secs(2)).act("bruno", Act::Refer("sip:203@pbx".into()));
    sim.run_until(up("carla")).run_for(secs(4));
    assert!(matches!(sim.party("bruno").state, State::Over(_)));
    sim.act("carla", Act::HangUp).assert_idle();
    assert_answered_by(&sim, "carla");
}

#[test]
fn a_phone_that_answers_late_is_not_taken_for_the_transfers_target() {
    let house = house().queue("sales", |q| q.distribution = crate::route::directory::Distribution::Everybody);
    let mut sim =
        sim(house).phone_does("bruno", &[(20, Act::Ring), (1_000, Act::Answer)]).phone_does("dora", &[(20, Act::Ring)]);
    // carla's CANCELs are all lost: she goes on ringing, and answers while bruno's transfer to dora rings
    sim.lose("CANCEL sip:203", 20);
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(up("maria"))
        .run_for(secs(1))
        .act("bruno", Act::Refer("sip:204@pbx".into()))
        .run_until(ringing("dora"));
    sim.act("carla", Act::Answer).run_for(secs(2));
    assert!(sim.party("carla").log.contains(&"bye".to_owned()), "{}", sim.ladders());
    assert_eq!(sim.party("dora").state, State::Ringing);
    assert_eq!(sim.party("bruno").notified(), ["100"]);
    sim.act("dora", Act::Answer).run_for(secs(4)).act("maria", Act::HangUp).assert_idle();
    assert_answered_by(&sim, "dora");
}

#[test]
fn a_bye_never_overtakes_the_final_notify() {
    let mut sim = talking(STRANGER, "bruno", &ANSWERS);
    // the NOTIFY of 100 takes 7.5 s to arrive, and the final one waits for its answer
    sim.lose("NOTIFY", 4);
    sim.act("bruno", Act::Refer("sip:203@10.0.0.5".into())).run_until(up("carla")).run_for(secs(12));
    assert_eq!(sim.party("bruno").notified(), ["100", "200"]);
    assert_eq!(sim.party("bruno").log.last().unwrap(), "bye", "{}", sim.ladders());
    sim.act("maria", Act::HangUp).assert_idle();
}

#[test]
fn in_a_quick_chain_each_transferor_is_sent_away() {
    let quick = [(20, Act::Ring), (200, Act::Answer)];
    let mut sim = talking(STRANGER, "bruno", &quick).phone_does("dora", &quick);
    sim.act("bruno", Act::Refer("sip:203@pbx".into())).run_until(up("carla")).run_for(ms(300));
    sim.act("carla", Act::Refer("sip:204@pbx".into())).run_until(up("dora")).run_for(secs(4));
    for who in ["bruno", "carla"] {
        assert!(sim.party(who).log.contains(&"bye".to_owned()), "{who}\n{}", sim.ladders());
    }
    assert_eq!(sim.party("maria").state, State::Up);
    sim.act("maria", Act::HangUp).assert_idle();
    assert_answered_by(&sim, "dora");
}
