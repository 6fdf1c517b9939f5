//! Lost, doubled and overtaken messages.

use super::*;
use crate::route::directory::Distribution;
use crate::sim::Weather;

#[test]
fn a_lost_200_is_sent_again_until_it_is_acknowledged() {
    let mut sim = bruno_answers();
    sim.lose("SIP/2.0 200", 3);
    sim.customer(Some(STRANGER), &[(15_000, Act::HangUp)]);
    sim.assert_idle();
    assert_answered_by(&sim, "bruno");
    assert_eq!(sim.party("maria").finals, 1);
}

#[test]
fn a_lost_ack_is_sent_again_for_every_repeated_200() {
    let mut sim = bruno_answers();
    sim.lose("ACK", 4);
    sim.customer(Some(STRANGER), &[(20_000, Act::HangUp)]);
    sim.assert_idle();
    assert_answered_by(&sim, "bruno");
}

#[test]
fn a_caller_who_never_acknowledges_ends_the_call() {
    let mut sim = bruno_answers();
    sim.lose("ACK", 100);
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(up("maria")).run_for(secs(40));
    assert!(sim.calls.values().all(|c| c.record_at(sim.now).ended.is_some()));
}

#[test]
fn a_retransmitted_invite_starts_no_second_call() {
    let mut sim = sim(house());
    sim.lose("SIP/2.0 100", 3);
    sim.customer(Some(STRANGER), &[(6_000, Act::Cancel)]);
    sim.run_for(secs(2));
    assert_eq!(sim.calls.len(), 1);
    sim.assert_idle();
    assert_eq!(sim.crm.records.len(), 1);
}

/// What must be so whatever the network does.
fn sweep(seeds: std::ops::Range<u64>, weather: Weather) {
    for seed in seeds {
        let mut chance = crate::base::Ids::seeded(seed);
        let house = house().queue("sales", |q| {
            q.distribution =
                [Distribution::AsEnqueued, Distribution::Evenly, Distribution::Everybody][(seed % 3) as usize];
        });
        let mut sim = Sim::new(seed, house.build()).knows(MARIA, "Maria", "ana").weather(weather);
        // Every other house has all its provisionals acknowledged, and phones that change their minds while they ring.
        sim.insist_on_prack = seed % 4 >= 2;
        for who in ["ana", "bruno", "carla"] {
            let ring = chance.below(300);
            let then = 500 + chance.below(6_000);
            let act = match chance.below(5) {
                0 => Act::Reject(486),
                1 => Act::Reject(603),
                _ => Act::Answer,
            };
            let first = if chance.below(2) == 0 { Act::Ring } else { Act::RingWithMedia };
            let more = match chance.below(4) {
                0 => vec![(then + 2_000, Act::Refer("sip:203@pbx".into()))],
                1 => vec![(then + 1_500, Act::Hold), (then + 4_000, Act::Resume)],
                _ => vec![(then + 1_000 + chance.below(9_000), Act::HangUp)],
            };
            let early = (ring + 300, Act::EarlyUpdate);
            let script: Vec<_> = [(ring, first), early, (then, act)].into_iter().chain(more).collect();
            sim = sim.phone_does(who, &script);
        }
        for i in 0..2 {
            let from = if chance.below(2) == 0 { MARIA } else { STRANGER };
            let gives_up = (1_000 + chance.below(30_000), Act::Cancel);
            let hangs_up = (15_000 + chance.below(60_000) + i, Act::HangUp);
            // whoever is still up after two minutes hangs up, again and again until it is heard
            let at_last = (0..4).map(|n| (120_000 + 40_000 * n, Act::HangUp));
            let script: Vec<_> = [gives_up, hangs_up].into_iter().chain(at_last).collect();
            sim.customer(Some(from), &script);
        }
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            sim.run_for(secs(400));
            invariants(&mut sim);
        }));
        assert!(failed.is_ok(), "seed {seed} fails");
    }
}

fn invariants(sim: &mut Sim) {
    let end = sim.now.mono + secs(6 * 3600);
    sim.run_for(end - sim.now.mono);
    assert!(sim.calls.is_empty(), "calls left\n{}", sim.ladders());
    for (_, party) in sim.parties.iter().filter(|(_, p)| p.name == "maria") {
        assert!(party.finals <= 1, "more than one final answer\n{}", sim.ladders());
    }
    // Whoever hears nothing any more does not hear that it is over.
    for (_, party) in sim.parties.iter().filter(|(_, party)| !sim.is_dead(party.at)) {
        assert!(party.ua.is_idle(), "{} has something left: {party:?}\n{}", party.name, sim.ladders());
    }
    // a call whose every INVITE was lost never was one
    assert_eq!(sim.crm.records.len(), sim.done.len(), "one record a call\n{}", sim.ladders());
    let outside = sim.crm.records.iter().filter(|r| r.direction != crate::crm::model::Direction::Internal).count();
    assert_eq!(sim.crm.activities.len(), outside, "one activity a call\n{}", sim.ladders());
    assert!(sim.homes_are_forgotten());
    assert!(sim.house.busy.borrow().values().all(|n| *n == 0), "somebody still counts as busy");
}

/// What somebody does with a call once she has answered it, and when after that.
fn whim(chance: &mut crate::base::Ids) -> Vec<(u64, Act)> {
    let soon = 300 + chance.below(3_000);
    let later = soon + chance.below(4_000);
    let to = ["201", "202", "203", "204", "31988887777"][chance.below(5) as usize].to_owned();
    let other = ["ana", "bruno", "carla", "dora"][chance.below(4) as usize].to_owned();
    let mut acts = match chance.below(9) {
        0 => vec![(soon, Act::Refer(format!("sip:{to}@pbx")))],
        1 => vec![(soon, Act::Refer(format!("sip:{to}@pbx?Replaces=a%40b%3Bto-tag%3Dx%3Bfrom-tag%3Dy")))],
        2..5 => {
            let refer = Act::ReferToConsulted { on_second: chance.below(2) == 0 };
            vec![(soon, Act::Hold), (soon + 100, Act::Consult(to)), (later + 100, refer)]
        }
        5 => vec![(soon, Act::TakePlaceOf(other))],
        6 => vec![(soon, Act::ReinviteIdentity(to))],
        7 => vec![(soon, Act::UpdateIdentity(to))],
        _ => vec![(soon, Act::Hold), (later, Act::Resume)],
    };
    if chance.below(3) == 0 {
        acts.push((later + chance.below(1_000), Act::HangUp));
    }
    acts
}

/// What a phone does that is called.
fn script(chance: &mut crate::base::Ids) -> Vec<(u64, Act)> {
    let (ring, then) = (chance.below(300), 400 + chance.below(4_000));
    match chance.below(8) {
        0 => vec![(ring, Act::Redirect(vec!["sip:204@pbx".into()]))],
        1 => vec![(ring, Act::Ring), (then, Act::Reject(486))],
        2 => vec![(ring, Act::Ring), (then, Act::TakePlaceOf("bruno".into()))],
        _ => {
            let acts = whim(chance).into_iter().map(|(after, act)| (then + after, act));
            [(ring, Act::Ring), (then, Act::Answer)].into_iter().chain(acts).collect()
        }
    }
}

/// The house in this weather or by streams; what one call says to another is under way for a while.
fn with(seed: u64, weather: Option<Weather>, chance: &mut crate::base::Ids) -> Sim {
    let sim = Sim::new(seed, house().build()).knows(MARIA, "Maria", "ana");
    let mut sim = match weather {
        Some(weather) => sim.weather(weather),
        None => sim.by_tcp(),
    };
    sim.words_take = ms(chance.below(5));
    sim
}

fn two_customers(sim: &mut Sim, chance: &mut crate::base::Ids) {
    for _ in 0..2 {
        let from = if chance.below(2) == 0 { MARIA } else { STRANGER };
        let script = [(1_000 + chance.below(30_000), Act::Cancel), (9_000 + chance.below(40_000), Act::HangUp)];
        sim.customer(Some(from), &script[chance.below(2) as usize..]);
    }
}

/// Calls that are handed on in every way, in this weather or by streams.
fn transfers(seed: u64, weather: Option<Weather>) {
    let mut chance = crate::base::Ids::seeded(seed);
    let mut sim = with(seed, weather, &mut chance);
    for who in ["ana", "bruno", "carla", "dora", "+5531988887777"] {
        sim = sim.phone_does(who, &script(&mut chance));
    }
    two_customers(&mut sim, &mut chance);
    let pressed = chance.below(4) == 0;
    sim.run_for(ms(3_000 + chance.below(6_000)));
    if pressed {
        sim.hand_on_all(["203", "204"][chance.below(2) as usize]);
    }
    sim.run_for(secs(80));
    at_an_end(&mut sim);
}

/// Everybody gives up, and all has come to its end as it must.
fn at_an_end(sim: &mut Sim) {
    for _ in 0..6 {
        sim.everybody_gives_up().run_for(secs(60));
    }
    invariants(sim);
    let told = sim.published.iter().filter(|p| p.event == "call.transferred").count();
    let answered = sim.transfers.iter().filter(|(_, result)| *result == "answered").count();
    assert_eq!(told, answered, "each transfer is told and counted\n{}", sim.ladders());
}

/// The life of a phone: it registers, and later it registers again, leaves, vanishes, or comes up elsewhere.
fn life(sim: &mut Sim, who: &str, name: &str, (net, host): (u64, u64), chance: &mut crate::base::Ids) {
    let at = |port| format!("10.0.{net}.{host}:{port}").parse().expect("an address");
    let (here, there) = (at(5060), at(40_000));
    sim.has_phone(who, name, here);
    sim.registers(chance.below(3_000), here, 60 + u32::try_from(chance.below(600)).expect("small"));
    let later = 5_000 + chance.below(30_000);
    match chance.below(5) {
        0 => sim.registers(later, here, 300),
        1 => sim.registers(later, here, 0),
        2 => sim.vanishes(later, here),
        3 => {
            // Its NAT has forgotten it: the same device from another port, after a while in which nothing reaches it.
            sim.has_phone(who, name, there);
            sim.vanishes(later, here);
            sim.registers(later + chance.below(8_000), there, 300);
        }
        _ => {} // its binding ends by itself
    }
}

/// Phones that register, are called and call, hand calls on, and are gone in the middle of it; then the same after a
/// restart.
fn registrations(seed: u64, weather: Option<Weather>) {
    let mut chance = crate::base::Ids::seeded(seed);
    let mut sim = with(seed, weather, &mut chance);
    let people = ["ana", "bruno", "carla", "dora"];
    for who in people.into_iter().chain(["+5531988887777"]) {
        sim = sim.phone_does(who, &script(&mut chance));
    }
    for (net, who) in (1..).zip(people) {
        for host in 1..=chance.below(3) {
            let name = format!("{who}-{host}");
            sim = sim.phone_does(&name, &script(&mut chance));
            life(&mut sim, who, &name, (net, host), &mut chance);
        }
    }
    for _ in 0..2 {
        sim.run_for(ms(chance.below(4_000)));
        two_customers(&mut sim, &mut chance);
        let to = ["201", "203", "+5531988887777"][chance.below(3) as usize];
        let hangs_up = (4_000 + chance.below(30_000), Act::HangUp);
        sim.caller("bruno-1", "10.0.2.1:5060", to, None, true, &[hangs_up]);
        sim.run_for(secs(80));
        at_an_end(&mut sim);
        sim.restart();
        // Phones find out that it is anew, each in its time.
        for (net, who) in (1..).zip(people) {
            if chance.below(2) == 0 {
                life(&mut sim, who, &format!("{who}-1"), (net, 1), &mut chance);
            }
        }
    }
    let loses = weather.is_some_and(|weather| weather.loss > 0);
    assert!(loses || sim.registered.iter().all(|code| matches!(code, 200 | 408)), "{:?}", sim.registered);
}

/// How many seeds; `RAMAL_SWEEP_SEEDS` asks for more.
fn seeds(usual: u64) -> u64 {
    let asked = std::env::var("RAMAL_SWEEP_SEEDS").ok().and_then(|n| n.parse::<u64>().ok());
    asked.map_or(usual, |n| n.max(usual))
}

#[test]
fn two_hundred_seeds_of_bad_weather_keep_the_invariants() {
    sweep(0..seeds(200), Weather { loss: 10, duplication: 5, reordering: 10 });
}

#[test]
fn fifty_seeds_of_foul_weather_keep_the_invariants() {
    sweep(1_000_000..1_000_000 + seeds(50), Weather { loss: 25, duplication: 20, reordering: 30 });
}

/// Four sorts of network; whatever a seed of these has found is a test of its own.
fn sweep_all(seeds: std::ops::Range<u64>, what: fn(u64, Option<Weather>)) {
    for seed in seeds {
        let weather = match seed % 4 {
            0 => Some(Weather::default()),
            1 => None,
            2 => Some(Weather { loss: 10, duplication: 5, reordering: 10 }),
            _ => Some(Weather { loss: 20, duplication: 20, reordering: 30 }),
        };
        let outcome = std::panic::catch_unwind(|| what(seed, weather));
        assert!(outcome.is_ok(), "seed {seed} fails");
    }
}

// In two halves, so that two cores share them.
#[test]
fn a_hundred_and_fifty_seeds_of_transfers_keep_the_invariants() {
    sweep_all(0..seeds(300) / 2, transfers);
}

#[test]
fn a_hundred_and_fifty_more_seeds_of_transfers_keep_the_invariants() {
    sweep_all(2_000_000..2_000_000 + seeds(300) / 2, transfers);
}

#[test]
fn a_hundred_and_fifty_seeds_of_registrations_keep_the_invariants() {
    sweep_all(0..seeds(300) / 2, registrations);
}

#[test]
fn a_hundred_and_fifty_more_seeds_of_registrations_keep_the_invariants() {
    sweep_all(3_000_000..3_000_000 + seeds(300) / 2, registrations);
}
