//! Trunks that are silent, full, or the only way left; and what a number outside is shown.

use super::*;
use crate::route::directory::{Fallback, NumbersOut};
use crate::route::testing::{LINE, peer, phone, trunk};
use crate::sim::{CARRIER, OFFICE};

/// A second peer of the carrier's.
const SECOND: &str = "203.0.113.6:5060";
/// The only peer of the trunk that comes next in the file.
const BACKUP: &str = "198.51.100.7:5060";

fn with_second_peer() -> House {
    house().trunk(|carrier| carrier.peers.push(peer(SECOND)))
}

/// The carrier takes one call; `backup` takes `more`, and wants numbers the national way.
fn with_backup(more: u32) -> House {
    let house = house().trunk(|carrier| carrier.channels = 1);
    house.with(|dir| {
        let mut backup = trunk("backup", &[BACKUP]);
        (backup.channels, backup.numbers_out) = (more, NumbersOut::National);
        dir.trunks.push(backup.into());
    })
}

fn calls(sim: &mut Sim, who: &str, extension: &str, number: &str) {
    sim.caller(who, OFFICE, number, Some(extension), true, &[]);
    sim.run_for(ms(500));
}

#[test]
fn pitfall_28_a_silent_peer_is_left_for_the_next_after_failover_after() {
    let mut sim = sim(with_second_peer()).phone_does(STRANGER, &[(20, Act::Ring), (500, Act::Answer)]);
    sim.dies(CARRIER, true);
    calls(&mut sim, "bruno", "202", "0021976543210");
    assert!(!sim.has_rung(STRANGER));
    sim.run_for(secs(4));
    assert_eq!(sim.party("bruno").state, State::Up);
    assert_eq!(sim.party(STRANGER).at, SECOND.parse().unwrap());
    assert!(sim.ladders().contains("next peer  nothing at all came from the one before"), "{}", sim.ladders());
    sim.act("bruno", Act::HangUp).assert_idle();
    assert_eq!(the_record(&sim).outcome, Some(Outcome::Answered));
}

#[test]
fn pitfall_28_what_a_silent_peer_says_late_rings_nobody() {
    let mut sim = sim(with_second_peer()).phone_does(STRANGER, &[(20, Act::Ring), (500, Act::Answer)]);
    sim.dies(CARRIER, true);
    calls(&mut sim, "bruno", "202", "0021976543210");
    sim.run_until(up("bruno"));
    // The INVITE is still being resent there.
    sim.dies(CARRIER, false).run_for(secs(10));
    let late = sim.party(STRANGER);
    assert_eq!((late.at, late.state), (CARRIER.parse().unwrap(), State::Over(487)));
    assert_eq!(sim.party("bruno").state, State::Up);
    sim.act("bruno", Act::HangUp).assert_idle();
}

#[test]
fn pitfall_28_a_late_answer_of_a_silent_peer_is_ended_once_another_has_answered() {
    let mut sim = sim(with_second_peer()).phone_does(STRANGER, &[(0, Act::Answer)]);
    sim.dies(CARRIER, true);
    calls(&mut sim, "bruno", "202", "0021976543210");
    sim.run_until(up("bruno"));
    sim.dies(CARRIER, false).run_for(secs(10));
    let late = sim.party(STRANGER);
    assert_eq!((late.at, late.state), (CARRIER.parse().unwrap(), State::Over(0)));
    assert_eq!(late.log[..2], ["invited", "acked"], "ACK, then BYE");
    assert_eq!(sim.party("bruno").state, State::Up);
    sim.act("bruno", Act::HangUp).assert_idle();
}

#[test]
fn the_only_peer_of_a_trunk_is_waited_for() {
    let mut sim = sim(house()).phone_does(STRANGER, &[(0, Act::Answer)]);
    sim.dies(CARRIER, true);
    calls(&mut sim, "bruno", "202", "0021976543210");
    sim.run_for(secs(10)).dies(CARRIER, false).run_until(up("bruno"));
    sim.act("bruno", Act::HangUp).assert_idle();
}

#[test]
fn a_pbx_that_is_silent_is_left_for_its_next_peer_too() {
    let mut sim = sim(house().pbx(|pbx| pbx.peers.push(peer("10.0.0.6:5060"))));
    sim.dies(OFFICE, true);
    sim.customer(Some(STRANGER), &[]);
    sim.run_for(secs(4));
    assert_eq!(sim.party("bruno").at, "10.0.0.6:5060".parse().unwrap());
    sim.act("maria", Act::Cancel).assert_idle();
}

#[test]
fn past_its_channels_the_next_trunk_in_the_file_takes_the_call_and_past_all_it_is_503() {
    let mut sim = sim(with_backup(1)).phone_does(STRANGER, &[(20, Act::Answer)]);
    sim = sim.phone_does("21976543210", &[(20, Act::Answer)]);
    calls(&mut sim, "bruno", "202", "0021976543210");
    calls(&mut sim, "ana", "201", "0021976543210");
    let second = sim.party("21976543210");
    assert_eq!(second.at, BACKUP.parse().unwrap());
    let shown = second.invitation.clone().unwrap().identities;
    assert_eq!((&*shown.from.user, &*shown.asserted[0].user), ("1140028922", "1140028922"), "the line's number");
    calls(&mut sim, "carla", "203", "0021976543210");
    assert_eq!(sim.party("carla").state, State::Over(503));
    assert!(sim.ladders().contains("no trunk has a channel left"), "{}", sim.ladders());
    assert!(sim.ladders().contains("not trunk carrier: all of its 1 channels are taken"), "{}", sim.ladders());
    // Once the first has hung up, her trunk takes the next one.
    sim.act("bruno", Act::HangUp).run_for(secs(1));
    calls(&mut sim, "dora", "204", "0021976543210");
    assert_eq!(sim.party(STRANGER).at, CARRIER.parse().unwrap());
    sim.act("ana", Act::HangUp).act("dora", Act::HangUp).assert_idle();
    assert_eq!(sim.house.channels.taken(&"carrier".into()), 0);
    assert_eq!(sim.house.channels.taken(&"backup".into()), 0);
}

#[test]
fn incoming_calls_are_counted_and_never_refused() {
    let mut sim = sim(with_backup(0));
    sim.customer(Some(MARIA), &[]);
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(ringing("ana")).run_until(ringing("bruno"));
    assert_eq!(sim.house.channels.taken(&"carrier".into()), 2);
    calls(&mut sim, "carla", "203", "0021976543210");
    assert_eq!(sim.party("21976543210").at, BACKUP.parse().unwrap());
    for _ in 0..2 {
        let waiting = sim.parties.iter().position(|(_, p)| p.name == "maria" && p.state == State::Ringing).unwrap();
        let ids = sim.parties[waiting].0;
        sim.cancel(ids);
    }
    sim.act("carla", Act::Cancel).assert_idle();
    assert_eq!(sim.house.channels.taken(&"carrier".into()), 0);
}

#[test]
fn an_emergency_code_goes_through_a_full_trunk() {
    let mut sim = sim(with_backup(1)).phone_does(STRANGER, &[(20, Act::Answer)]);
    calls(&mut sim, "bruno", "202", "0021976543210");
    calls(&mut sim, "ana", "201", "190");
    assert_eq!(sim.party("190").at, CARRIER.parse().unwrap());
    sim.act("ana", Act::Cancel).act("bruno", Act::HangUp).assert_idle();
}

#[test]
fn an_emergency_code_goes_by_any_trunk_that_takes_it() {
    // The line's own trunk is silent, though it has no other peer.
    let mut sim1 = sim(with_backup(1));
    sim1.dies(CARRIER, true);
    calls(&mut sim1, "ana", "201", "0190");
    sim1.run_for(secs(4));
    assert_eq!(sim1.party("190").at, BACKUP.parse().unwrap());
    sim1.act("ana", Act::Cancel).assert_idle();
    // It says that it doesn't know the number; the last one's refusal is the caller's.
    let mut sim2 = sim(with_backup(1)).phone_does("190", &[(20, Act::Reject(404))]);
    calls(&mut sim2, "ana", "201", "190");
    assert_eq!(sim2.parties.iter().filter(|(_, p)| p.name == "190").count(), 2);
    assert_eq!(sim2.party("ana").state, State::Over(404));
    sim2.assert_idle();
}

/// A customer whose call is forwarded to a number outside.
fn forwarded(foreign_cli: bool) -> Sim {
    let house = house().trunk(|carrier| carrier.foreign_cli = foreign_cli);
    let house = house.queue("sales", |queue| queue.unanswered = Fallback::Forward(phone("+5511955554444")));
    let busy = [(20, Act::Reject(486))];
    let mut sim = sim(house).phone_does("ana", &busy).phone_does("bruno", &busy).phone_does("carla", &busy);
    sim.customer(Some(MARIA), &[]);
    sim.run_until(ringing("+5511955554444"));
    sim
}

#[test]
fn pitfall_30_a_forwarded_call_shows_the_lines_number_and_who_forwards() {
    let mut sim = forwarded(false);
    let shown = sim.party("+5511955554444").invitation.clone().unwrap().identities;
    assert_eq!((&*shown.from.user, &*shown.asserted[0].user, &*shown.diversion[0].user), (LINE, LINE, LINE));
    assert!(!shown.from.display.contains("Maria"), "the carrier learns no name");
    sim.act("maria", Act::Cancel).assert_idle();
}

#[test]
fn pitfall_30_a_trunk_that_takes_foreign_numbers_is_shown_the_customers() {
    let mut sim = forwarded(true);
    let shown = sim.party("+5511955554444").invitation.clone().unwrap().identities;
    assert_eq!((&*shown.from.user, &*shown.asserted[0].user, &*shown.diversion[0].user), (MARIA, MARIA, LINE));
    sim.act("maria", Act::Cancel).assert_idle();
}

#[test]
fn pitfall_31_a_caller_inside_who_asks_for_privacy_is_anonymous_to_whom_she_calls() {
    let mut sim = sim(house());
    sim.call_as("bruno", OFFICE, "0021976543210", "202", true);
    sim.run_until(ringing(STRANGER));
    let shown = sim.party(STRANGER).invitation.clone().unwrap().identities;
    assert_eq!((&*shown.from.user, &*shown.from.host), ("anonymous", "anonymous.invalid"));
    assert_eq!(shown.asserted[0].user, LINE, "the carrier has to know whom it bills");
    assert!(shown.private);
    sim.act("bruno", Act::Cancel).assert_idle();
}
