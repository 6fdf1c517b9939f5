//! Offers that come while the other leg still waits for something: an ACK, a PRACK, the answer to a re-INVITE of ours.

use super::*;
use crate::sdp::Direction;
use crate::sim::Weather;

/// The caller's ACKs, by their first line: they go to our Contact.
const CALLERS_ACK: &str = "ACK sip:ramal@192.0.2.1";

/// Bruno has answered, and of the caller's ACKs the first `lost` don't arrive: our 200 is sent again after 500, 1500 and
/// 3500 ms.
fn unacknowledged(lost: u32) -> Sim {
    let mut sim = bruno_answers();
    sim.lose(CALLERS_ACK, lost);
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(up("maria")).run_for(ms(10));
    assert!(sim.calls.values().next().unwrap().record_at(sim.now).answered.is_some());
    sim
}

fn replies(sim: &Sim, who: &str) -> Vec<String> {
    sim.party(who).log.iter().filter(|l| l.starts_with("replied")).cloned().collect()
}

#[track_caller]
fn assert_both_talk_and_hang_up(sim: &mut Sim) {
    assert_eq!((sim.party("maria").state, sim.party("bruno").state), (State::Up, State::Up), "{}", sim.ladders());
    sim.act("bruno", Act::HangUp).assert_idle();
    assert_answered_by(sim, "bruno");
}

#[test]
fn a_hold_right_after_the_answer_waits_for_the_callers_ack() {
    let mut sim = unacknowledged(1);
    sim.act("bruno", Act::Hold).run_for(ms(400));
    assert!(replies(&sim, "bruno").is_empty(), "the ACK is lost so far");
    sim.run_for(secs(1));
    assert_eq!(replies(&sim, "bruno"), ["replied 200"]);
    assert_eq!(sim.party("maria").last_offer(), "reinvite sendonly");
    assert!(!sim.ladders().contains("491 Request"), "{}", sim.ladders());
    sim.act("bruno", Act::Resume).run_for(secs(1));
    assert_eq!(sim.party("maria").last_offer(), "reinvite sendrecv");
    assert_both_talk_and_hang_up(&mut sim);
}

#[test]
fn an_update_right_after_the_answer_waits_for_the_callers_ack() {
    let mut sim = unacknowledged(1);
    sim.act("bruno", Act::Update).run_for(secs(1));
    assert_eq!(replies(&sim, "bruno"), ["replied 200"]);
    assert_eq!(sim.party("maria").last_offer(), "update sendrecv");
    assert_both_talk_and_hang_up(&mut sim);
}

#[test]
fn an_offerless_reinvite_right_after_the_answer_waits_for_the_callers_ack() {
    let mut sim = unacknowledged(1);
    sim.act("bruno", Act::OfferlessReinvite).run_for(secs(2));
    assert_eq!(replies(&sim, "bruno"), ["replied 200"]);
    assert!(sim.party("maria").log.contains(&"reinvite offerless".to_owned()));
    assert_eq!(sim.party("maria").log.last().unwrap(), "acked");
    assert_both_talk_and_hang_up(&mut sim);
}

#[test]
fn a_hold_whose_other_sides_ack_stays_out_is_told_491_after_two_seconds_and_may_come_again() {
    let mut sim = unacknowledged(3);
    sim.act("bruno", Act::Hold).run_for(ms(1_980));
    assert!(replies(&sim, "bruno").is_empty());
    sim.run_for(ms(40));
    assert_eq!(replies(&sim, "bruno"), ["replied 491"]);
    sim.run_for(secs(3)).act("bruno", Act::Hold).run_for(secs(1));
    assert_eq!(replies(&sim, "bruno"), ["replied 491", "replied 200"]);
    assert_both_talk_and_hang_up(&mut sim);
}

#[test]
fn an_update_whose_other_sides_ack_stays_out_is_told_491_within_a_second() {
    let mut sim = unacknowledged(2);
    sim.act("bruno", Act::Update).run_for(ms(1_020));
    assert_eq!(replies(&sim, "bruno"), ["replied 491"]);
    sim.run_for(secs(2));
    assert_both_talk_and_hang_up(&mut sim);
}

#[test]
fn a_hold_that_is_taken_back_while_it_waits_is_answered_487_and_crosses_nothing() {
    let mut sim = unacknowledged(1);
    sim.act("bruno", Act::Hold).run_for(ms(20)).act("bruno", Act::Withdraw).run_for(secs(2));
    assert_eq!(replies(&sim, "bruno"), ["replied 487"]);
    assert!(!sim.party("maria").log.iter().any(|l| l.starts_with("reinvite")));
    sim.act("bruno", Act::Hold).run_for(secs(1));
    assert_eq!(sim.party("maria").last_offer(), "reinvite sendonly");
    assert_both_talk_and_hang_up(&mut sim);
}

#[test]
fn a_hold_that_is_taken_back_after_it_was_passed_on_goes_its_way() {
    let mut sim = unacknowledged(0);
    sim.run_for(secs(1)).lose("INVITE sip:maria", 1);
    sim.act("bruno", Act::Hold).run_for(ms(20)).act("bruno", Act::Withdraw).run_for(secs(2));
    assert_eq!(replies(&sim, "bruno"), ["replied 200"]);
    assert_eq!(sim.party("maria").last_offer(), "reinvite sendonly");
    assert_both_talk_and_hang_up(&mut sim);
}

#[test]
fn whoever_hangs_up_while_a_hold_waits_ends_the_call() {
    for who in ["bruno", "maria"] {
        let mut sim = unacknowledged(2);
        sim.act("bruno", Act::Hold).run_for(ms(50)).act(who, Act::HangUp).assert_idle();
        assert!(!sim.party("maria").log.iter().any(|l| l.starts_with("reinvite")), "{}", sim.ladders());
        assert!(sim.ladders().contains("487 Request"), "{}", sim.ladders());
        assert_answered_by(&sim, "bruno");
    }
}

#[test]
fn a_caller_who_never_acknowledges_ends_the_call_that_was_to_be_held() {
    let mut sim = unacknowledged(100);
    sim.act("bruno", Act::Hold).run_for(secs(40));
    assert_eq!(replies(&sim, "bruno"), ["replied 491"]);
    assert!(sim.calls.values().all(|c| c.record_at(sim.now).ended.is_some()));
}

#[test]
fn a_callers_own_offer_that_overtakes_her_ack_meets_a_waiting_one_with_491() {
    let mut sim = unacknowledged(1);
    sim.act("bruno", Act::Hold).run_for(ms(20)).act("maria", Act::Hold).run_for(secs(2));
    assert_eq!(
        (replies(&sim, "maria"), replies(&sim, "bruno")),
        (vec!["replied 491".into()], vec!["replied 200".into()])
    );
    assert_both_talk_and_hang_up(&mut sim);
}

#[test]
fn a_hold_waits_for_the_prack_that_holds_the_200_back() {
    let mut sim = sim(house()).phone_does("bruno", &[(20, Act::RingWithMedia), (100, Act::Answer), (120, Act::Hold)]);
    sim.insist_on_prack = true;
    sim.lose("PRACK sip:ramal@192.0.2.1", 1);
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(up("bruno")).run_for(secs(3));
    assert_eq!(sim.party("maria").last_offer(), "reinvite sendonly", "{}", sim.ladders());
    assert!(!sim.ladders().contains("491 Request"), "{}", sim.ladders());
    assert_both_talk_and_hang_up(&mut sim);
}

/// Bruno has handed maria on to carla, who holds her as soon as she has answered.
fn handed_on_and_held_at_once(then: impl Fn(&mut Sim)) -> Sim {
    let script = [(20, Act::Ring), (1_000, Act::Answer), (1_006, Act::Hold)];
    let mut sim = bruno_answers().phone_does("carla", &script);
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(up("maria")).run_for(secs(1));
    then(&mut sim);
    sim.act("bruno", Act::Refer("sip:203@pbx".into())).run_until(up("carla")).run_for(secs(8));
    sim
}

#[test]
fn a_hold_of_who_was_handed_the_call_waits_until_her_media_are_agreed() {
    let mut sim = handed_on_and_held_at_once(|sim| sim.lose("INVITE sip:maria", 1));
    assert_eq!(replies(&sim, "carla"), ["replied 200"], "{}", sim.ladders());
    assert_eq!(sim.party("maria").last_offer(), "reinvite sendonly");
    let heard = |who| crate::sdp::direction(sim.party(who).heard.as_ref().unwrap());
    assert_eq!((heard("maria"), heard("carla")), (Direction::SendOnly, Direction::RecvOnly));
    sim.act("carla", Act::HangUp).assert_idle();
    assert_answered_by(&sim, "carla");
}

#[test]
fn a_hold_of_who_stays_waits_for_the_ack_of_who_took_the_call_over() {
    let mut sim = bruno_answers();
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(up("maria")).run_for(secs(1));
    sim.caller("carla", "10.0.0.5:5061", "201", Some("203"), true, &[]);
    sim.lose(CALLERS_ACK, 1);
    sim.act("carla", Act::TakePlaceOf("bruno".into()));
    sim.run_for(ms(50));
    sim.act("maria", Act::Hold).run_for(secs(3));
    assert!(!sim.ladders().contains("491 Request"), "{}", sim.ladders());
    sim.everybody_gives_up().assert_idle();
}

/// The employee holds within a moment of her answer, whatever becomes of the ACKs.
#[test]
fn five_hundred_seeds_of_late_acks_let_every_early_hold_pass() {
    for seed in 0..500 {
        let mut chance = crate::base::Ids::seeded(seed);
        let hold = 1_500 + chance.below(40);
        let script = [(20, Act::Ring), (1_500, Act::Answer), (hold, Act::Hold), (hold + 900, Act::Hold)];
        let mut sim = Sim::new(seed, house().build()).phone_does("bruno", &script).weather(Weather {
            loss: 0,
            duplication: seed % 3 * 20,
            reordering: 60,
        });
        sim.lose(CALLERS_ACK, u32::try_from(seed % 2).unwrap());
        sim.customer(Some(STRANGER), &[]);
        sim.run_until(up("maria")).run_for(secs(8));
        assert!(!sim.ladders().contains("491 Request"), "seed {seed}\n{}", sim.ladders());
        assert!(replies(&sim, "bruno").iter().any(|r| r == "replied 200"), "seed {seed}\n{}", sim.ladders());
        sim.act("bruno", Act::HangUp).assert_idle();
    }
}

#[test]
fn two_hundred_seeds_of_lost_acks_leave_nothing_behind() {
    for seed in 0..200 {
        let mut chance = crate::base::Ids::seeded(seed);
        let at = |chance: &mut crate::base::Ids, span| 1_500 + chance.below(span);
        let acts = [Act::Hold, Act::Update, Act::OfferlessReinvite, Act::Withdraw, Act::HangUp, Act::Resume];
        let mut script = vec![(20, Act::Ring), (1_500, Act::Answer)];
        for _ in 0..3 {
            script.push((at(&mut chance, 2_500), acts[chance.below(6) as usize].clone()));
        }
        let hers = [(2_000 + chance.below(9_000), Act::Hold), (20_000, Act::HangUp), (60_000, Act::HangUp)];
        let mut sim = Sim::new(seed, house().build()).phone_does("bruno", &script).weather(Weather {
            loss: 15,
            duplication: 10,
            reordering: 20,
        });
        sim.lose(CALLERS_ACK, u32::try_from(chance.below(5)).unwrap());
        sim.customer(Some(STRANGER), &hers);
        sim.run_for(secs(90));
        for _ in 0..4 {
            sim.everybody_gives_up().run_for(secs(60));
        }
        assert!(sim.calls.is_empty(), "seed {seed}\n{}", sim.ladders());
    }
}
