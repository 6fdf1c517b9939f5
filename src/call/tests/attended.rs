//! REFER with Replaces: two calls of one employee become one.

use super::*;
use crate::crm::model::Direction;

const ANSWERS: [(u64, Act); 2] = [(20, Act::Ring), (1_000, Act::Answer)];

/// bruno talks with a customer, holds her, and calls carla.
fn consulting(from: &str, carla: &[(u64, Act)]) -> Sim {
    consulting_by(sim(house()), from, carla)
}

fn consulting_by(sim: Sim, from: &str, carla: &[(u64, Act)]) -> Sim {
    let mut sim = sim.phone_does("bruno", &ANSWERS).phone_does("carla", carla).phone_does("dora", &ANSWERS);
    sim.customer(Some(from), &[]);
    sim.run_until(up("maria")).run_for(secs(2)).act("bruno", Act::Hold).run_for(secs(1));
    sim.act("bruno", Act::Consult("203".into()));
    sim
}

fn consulted(from: &str) -> Sim {
    let mut sim = consulting(from, &ANSWERS);
    sim.run_until(up("carla")).run_until(up("bruno")).run_for(secs(3));
    sim
}

/// The record of the call with the customer.
#[track_caller]
fn the_customers(sim: &Sim) -> &CallRecord {
    let mut with_customer = sim.crm.records.iter().filter(|r| r.direction != Direction::Internal);
    let record = with_customer.next().expect("a record");
    assert!(with_customer.next().is_none(), "one call with a customer");
    record
}

#[track_caller]
fn assert_handed_to_carla(sim: &Sim) {
    let record = the_customers(sim);
    assert_eq!(record.employee.as_ref().unwrap().as_str(), "carla");
    assert_eq!(record.transferred_from.as_ref().unwrap().as_str(), "bruno");
    assert_eq!(record.outcome, Some(Outcome::Answered));
    assert_eq!(legs(record), ["bruno answered", "carla answered"]);
    assert_eq!(sim.crm.activities.len(), 1, "one activity");
    assert_eq!(sim.transfers, [("attended", "answered")]);
    let handed: Vec<_> = sim.published.iter().filter(|p| p.event == "call.transferred").collect();
    assert_eq!(handed.len(), 1);
    assert_eq!((handed[0].kind, handed[0].call.id), (Some("attended"), record.id));
    assert_eq!(handed[0].from_employee.as_ref().unwrap().as_str(), "bruno");
    assert_eq!(handed[0].to_employee.as_ref().unwrap().as_str(), "carla");
}

#[test]
fn an_attended_transfer_joins_the_customer_with_whom_was_consulted() {
    let mut sim = consulted(STRANGER);
    assert_eq!(sim.crm.leads[0].owner.as_str(), "bruno");
    sim.act_first("bruno", Act::ReferToConsulted { on_second: false }).run_for(secs(1));
    assert_eq!(sim.crm.leads[0].owner.as_str(), "carla", "{}", sim.ladders());
    assert_eq!(sim.first("bruno").notified(), ["100", "200"]);
    assert_eq!(sim.party("maria").last_offer(), "reinvite sendrecv", "she is held no longer");
    // each hears the other
    assert_eq!(sim.party("maria").heard.as_ref().and_then(|s| crate::sdp::audio_address(s)), audio_of(&sim, "carla"));
    assert_eq!(sim.party("carla").heard.as_ref().and_then(|s| crate::sdp::audio_address(s)), audio_of(&sim, "maria"));
    assert_eq!((sim.first("bruno").state, sim.party("bruno").state), (State::Up, State::Up), "she has 2 s to say BYE");
    sim.run_for(secs(3));
    assert_eq!((sim.first("bruno").state, sim.party("bruno").state), (State::Over(0), State::Over(0)));
    sim.run_for(secs(5)).act("carla", Act::Hold).run_for(secs(1));
    assert_eq!(sim.party("maria").last_offer(), "reinvite sendonly");
    sim.act("maria", Act::HangUp).assert_idle();
    assert_handed_to_carla(&sim);
    let carla = &the_customers(&sim).legs[1];
    assert!((9..=11).contains(&carla.talk_seconds), "what she talked with the customer: {carla:?}");
    let consultation = sim.crm.records.iter().find(|r| r.direction == Direction::Internal).unwrap();
    assert_eq!((consultation.outcome, consultation.talk_seconds), (Some(Outcome::Answered), 3));
    insta::assert_snapshot!(sim.ladders());
}

fn audio_of(sim: &Sim, who: &str) -> Option<std::net::SocketAddr> {
    crate::sdp::audio_address(&sim.party(who).sdp())
}

#[test]
fn the_refer_may_come_on_the_consultation_call() {
    let mut sim = consulted(STRANGER);
    sim.act("bruno", Act::ReferToConsulted { on_second: true }).run_for(secs(1));
    assert_eq!(sim.crm.leads[0].owner.as_str(), "carla", "{}", sim.ladders());
    assert_eq!(sim.party("bruno").notified(), ["100", "200"], "{}", sim.ladders());
    sim.run_for(secs(3));
    assert_eq!((sim.first("bruno").state, sim.party("bruno").state), (State::Over(0), State::Over(0)));
    sim.act("carla", Act::HangUp).assert_idle();
    assert_handed_to_carla(&sim);
}

#[test]
fn a_transferor_who_hangs_up_both_calls_in_flight_leaves_the_two_together() {
    for on_second in [false, true] {
        let mut sim = consulted(STRANGER);
        let refer = Act::ReferToConsulted { on_second };
        sim.act("bruno", refer).run_for(ms(2)).act_first("bruno", Act::HangUp).act("bruno", Act::HangUp);
        sim.run_for(secs(3));
        assert_eq!((sim.party("maria").state, sim.party("carla").state), (State::Up, State::Up), "{}", sim.ladders());
        sim.act("maria", Act::HangUp).assert_idle();
        assert_handed_to_carla(&sim);
    }
}

#[test]
fn a_known_clients_owner_stays_in_an_attended_transfer() {
    let mut sim = sim(house()).phone_does("ana", &ANSWERS).phone_does("carla", &ANSWERS);
    sim.customer(Some(MARIA), &[]);
    sim.run_until(up("maria")).run_for(secs(1)).act("ana", Act::Consult("203".into()));
    sim.run_until(up("carla")).run_for(secs(1)).act("ana", Act::ReferToConsulted { on_second: false }).run_for(secs(4));
    sim.act("maria", Act::HangUp).assert_idle();
    assert!(sim.crm.writes.iter().all(|w| w.write.kind().as_str() == "activity.create"));
    assert_eq!(the_customers(&sim).employee.as_ref().unwrap().as_str(), "carla");
}

#[test]
fn a_transfer_while_the_target_still_rings_is_done_when_she_answers() {
    let mut sim = consulting(STRANGER, &[(20, Act::Ring), (6_000, Act::Answer)]);
    sim.run_until(ringing("carla")).run_for(secs(1));
    sim.act_first("bruno", Act::ReferToConsulted { on_second: false }).run_for(secs(2));
    assert_eq!(sim.party("bruno").state, State::Over(487), "the consultation is over\n{}", sim.ladders());
    assert_eq!(sim.first("bruno").notified(), ["100"]);
    assert_eq!(sim.crm.leads[0].owner.as_str(), "bruno", "not before she answers");
    sim.run_until(up("carla")).run_for(secs(1));
    assert_eq!(sim.crm.leads[0].owner.as_str(), "carla");
    assert_eq!(sim.first("bruno").notified(), ["100", "200"]);
    assert_eq!(sim.party("carla").heard.as_ref().and_then(|s| crate::sdp::audio_address(s)), audio_of(&sim, "maria"));
    sim.run_for(secs(3)).act("maria", Act::HangUp).assert_idle();
    assert_handed_to_carla(&sim);
    let consultation = sim.crm.records.iter().find(|r| r.direction == Direction::Internal).unwrap();
    assert_eq!(consultation.outcome, Some(Outcome::Canceled));
    assert!(consultation.legs.is_empty(), "she was neither answered nor missed there");
}

#[test]
fn a_target_who_declines_after_the_transferor_has_left_gives_the_call_back() {
    let mut sim = consulting(STRANGER, &[(20, Act::Ring), (6_000, Act::Reject(486))]);
    sim.run_until(ringing("carla")).run_for(secs(1));
    sim.act_first("bruno", Act::ReferToConsulted { on_second: false }).run_for(ms(100));
    sim.act_first("bruno", Act::HangUp).run_until(over("carla")).run_until(ringing("bruno")).run_until(up("bruno"));
    assert_eq!(sim.party("maria").state, State::Up);
    sim.run_for(secs(1)).act("maria", Act::HangUp).assert_idle();
    assert_eq!(sim.transfers, [("attended", "failed")]);
    assert_eq!(the_customers(&sim).employee.as_ref().unwrap().as_str(), "bruno");
    assert_eq!(sim.crm.leads[0].owner.as_str(), "bruno");
}

#[test]
fn a_target_who_declines_before_gives_her_own_code() {
    let mut sim = consulting(STRANGER, &[(20, Act::Ring), (4_000, Act::Reject(603))]);
    sim.run_until(ringing("carla")).run_for(secs(1));
    sim.act_first("bruno", Act::ReferToConsulted { on_second: false }).run_until(over("carla")).run_for(secs(1));
    assert_eq!(sim.first("bruno").notified(), ["100", "603"]);
    assert_eq!(sim.first("bruno").state, State::Up);
    sim.act("maria", Act::HangUp).assert_idle();
}

#[test]
fn a_dialog_that_is_not_hers_is_not_taken() {
    let mut sim = consulted(STRANGER);
    // carla names bruno's dialog with the customer, of which she cannot know
    let replaces = sim.first("bruno").replaced_by().unwrap();
    let escaped = replaces.to_string().replace(';', "%3B").replace('=', "%3D").replace('@', "%40");
    sim.act("carla", Act::Refer(format!("sip:204@10.0.0.5?Replaces={escaped}"))).run_for(secs(2));
    assert_eq!(sim.party("carla").notified(), ["100", "603"], "{}", sim.ladders());
    assert_eq!((sim.party("maria").state, sim.first("bruno").state), (State::Up, State::Up));
    sim.act("maria", Act::HangUp).act("carla", Act::HangUp).assert_idle();
}

#[test]
fn a_dialog_that_is_gone_gets_481_and_the_call_goes_on() {
    let mut sim = consulted(STRANGER);
    let replaces = sim.party("bruno").replaced_by().unwrap();
    sim.act("carla", Act::HangUp).run_for(secs(40));
    let escaped = replaces.to_string().replace(';', "%3B").replace('=', "%3D").replace('@', "%40");
    sim.act_first("bruno", Act::Refer(format!("sip:203@10.0.0.5?Replaces={escaped}"))).run_for(secs(2));
    assert_eq!(sim.first("bruno").notified(), ["100", "481"], "{}", sim.ladders());
    sim.act("maria", Act::HangUp).assert_idle();
    assert_eq!(sim.transfers, [("attended", "failed")]);
}

#[test]
fn a_dialog_that_is_none_of_ours_is_replaced_at_the_target() {
    let mut sim = sim(house()).phone_does("bruno", &ANSWERS).phone_does("carla", &ANSWERS);
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(up("maria")).run_for(secs(1));
    let to = "sip:203@10.0.0.5?Replaces=abc%40pbx%3Bto-tag%3Dx1%3Bfrom-tag%3Dy2";
    sim.act("bruno", Act::Refer(to.into())).run_until(ringing("carla"));
    assert_eq!(sim.party("carla").replaces.as_deref(), Some("abc@pbx;to-tag=x1;from-tag=y2"));
    sim.run_until(up("carla")).run_for(secs(4)).act("maria", Act::HangUp).assert_idle();
    assert_handed_to_carla(&sim);
}

#[test]
fn a_replaces_that_would_break_out_of_its_header_is_refused() {
    let mut sim = sim(house()).phone_does("bruno", &ANSWERS);
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(up("maria")).run_for(secs(1));
    for bad in ["x%0D%0AEvil:%20y%3Bto-tag%3D1%3Bfrom-tag%3D2".to_owned(), "a".repeat(10_000)] {
        sim.act("bruno", Act::Refer(format!("sip:203@10.0.0.5?Replaces={bad}"))).run_for(secs(1));
        assert_eq!(sim.party("bruno").log.last().unwrap(), "replied 400");
    }
    assert!(!sim.has_rung("carla"));
    sim.act("maria", Act::HangUp).assert_idle();
}

#[test]
fn a_chain_of_attended_transfers_ends_at_the_last() {
    let mut sim = consulted(STRANGER);
    sim.act_first("bruno", Act::ReferToConsulted { on_second: false }).run_for(secs(4));
    // carla's leg was born in the consultation call, which is gone
    sim.act("carla", Act::Consult("204".into())).run_until(up("dora")).run_for(secs(2));
    sim.act("carla", Act::ReferToConsulted { on_second: true }).run_for(secs(4));
    assert_eq!(sim.crm.leads[0].owner.as_str(), "dora", "{}", sim.ladders());
    sim.act("maria", Act::Hold).run_for(secs(1));
    assert_eq!(sim.party("dora").last_offer(), "reinvite sendonly");
    sim.act("maria", Act::HangUp).assert_idle();
    let record = the_customers(&sim);
    assert_eq!(record.employee.as_ref().unwrap().as_str(), "dora");
    assert_eq!(record.transferred_from.as_ref().unwrap().as_str(), "carla");
    assert_eq!(legs(record), ["bruno answered", "carla answered", "dora answered"]);
}

#[test]
fn a_hold_under_way_delays_the_join_and_does_not_break_it() {
    let mut sim = consulted(STRANGER);
    // the REFER overtakes the answer to carla's hold, whose asker is in another call by then
    sim.act("bruno", Act::Hold);
    sim.run_for(ms(1)).act_first("bruno", Act::ReferToConsulted { on_second: false }).run_for(secs(6));
    assert_eq!(sim.party("carla").heard.as_ref().and_then(|s| crate::sdp::audio_address(s)), audio_of(&sim, "maria"));
    assert_eq!(sim.party("carla").last_offer(), "reinvite sendrecv", "{}", sim.ladders());
    sim.act("maria", Act::HangUp).assert_idle();
    assert_handed_to_carla(&sim);
}

#[test]
fn over_streams_an_attended_transfer_needs_no_retransmission() {
    let sim = sim(house()).phone_does("bruno", &ANSWERS).phone_does("carla", &ANSWERS);
    let mut sim = sim.by_tcp();
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(up("maria")).run_for(secs(2)).act("bruno", Act::Consult("203".into()));
    sim.run_until(up("carla"))
        .run_for(secs(1))
        .act("bruno", Act::ReferToConsulted { on_second: true })
        .run_for(secs(4));
    sim.act("maria", Act::HangUp).assert_idle();
    assert_handed_to_carla(&sim);
}

#[test]
fn a_customer_who_hangs_up_while_the_calls_are_made_one_leaves_nobody_behind() {
    for (on_second, wait) in [(false, 0), (false, 2), (true, 0), (true, 2), (false, 4), (true, 4)] {
        let mut sim = consulted(STRANGER);
        sim.act("bruno", Act::ReferToConsulted { on_second });
        sim.run_for(ms(wait)).act("maria", Act::HangUp).run_for(secs(5));
        for who in ["carla", "bruno"] {
            if sim.party(who).state == State::Up {
                sim.act(who, Act::HangUp);
            }
        }
        sim.assert_idle();
        assert_eq!(sim.crm.activities.len(), 1);
    }
}

#[test]
fn a_response_that_comes_for_a_leg_on_its_way_to_another_call_gets_there() {
    // By streams: nobody sends it again.
    let mut sim = consulting_by(sim(house()).by_tcp(), STRANGER, &ANSWERS);
    sim.run_until(up("carla")).run_until(up("bruno")).run_for(secs(3));
    sim.words_take = ms(4);
    // 1 ms there, 4 ms from call to call: carla's 200 to the UPDATE comes 6 ms from now, when the one call has given her
    // leg away and the other one does not have it yet.
    sim.act_first("bruno", Act::ReferToConsulted { on_second: false }).run_for(ms(3));
    sim.act("bruno", Act::Update).run_for(secs(60));
    assert_eq!((sim.party("maria").state, sim.party("carla").state), (State::Up, State::Up), "{}", sim.ladders());
    sim.act("maria", Act::HangUp).assert_idle();
    assert_handed_to_carla(&sim);
}
