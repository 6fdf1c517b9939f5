//! What two parties say inside their dialogs.

use super::*;

fn talking() -> Sim {
    let mut sim = bruno_answers();
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(up("maria")).run_until(up("bruno")).run_for(secs(1));
    sim
}

#[test]
fn hold_and_resume_cross_from_either_side() {
    let mut sim = talking();
    for (who, other) in [("bruno", "maria"), ("maria", "bruno")] {
        sim.act(who, Act::Hold).run_for(secs(1));
        assert_eq!(sim.party(other).last_offer(), "reinvite sendonly");
        let call = sim.calls.values().next().unwrap();
        assert_eq!(call.record_at(sim.now).state, crate::crm::model::CallState::Held);
        sim.act(who, Act::Resume).run_for(secs(1));
        assert_eq!(sim.party(other).last_offer(), "reinvite sendrecv");
    }
    sim.act("maria", Act::HangUp).assert_idle();
}

#[test]
fn an_offerless_reinvite_is_answered_with_the_other_sides_offer() {
    let mut sim = talking();
    sim.act("maria", Act::OfferlessReinvite).run_for(secs(1));
    assert_eq!(sim.party("bruno").log.last().unwrap(), "acked");
    assert!(sim.party("bruno").log.contains(&"reinvite offerless".to_owned()));
    assert!(sim.party("maria").log.contains(&"replied 200".to_owned()));
    sim.act("bruno", Act::HangUp).assert_idle();
}

#[test]
fn update_and_info_pass() {
    let mut sim = talking();
    sim.act("bruno", Act::Update).run_for(secs(1));
    assert_eq!(sim.party("maria").last_offer(), "update sendrecv");
    sim.act("maria", Act::Info).run_for(secs(1));
    assert_eq!(sim.party("bruno").log.last().unwrap(), "INFO");
    assert_eq!(sim.party("maria").log.last().unwrap(), "replied 200");
    sim.act("bruno", Act::HangUp).assert_idle();
}

#[test]
fn offers_from_both_sides_at_once_get_491_and_the_call_lives() {
    let mut sim = talking();
    sim.act("bruno", Act::Hold).act("maria", Act::Hold).run_for(secs(3));
    let refused = |who| sim.party(who).log.contains(&"replied 491".to_owned());
    assert!(refused("bruno") || refused("maria"), "{}", sim.ladders());
    assert_eq!(sim.party("maria").state, State::Up);
    sim.act("bruno", Act::HangUp).assert_idle();
}

#[test]
fn bye_from_both_sides_at_once_is_answered_on_both() {
    let mut sim = talking();
    sim.act("bruno", Act::HangUp).act("maria", Act::HangUp).assert_idle();
    assert_eq!(the_record(&sim).outcome, Some(Outcome::Answered));
    assert_eq!(sim.crm.activities.len(), 1);
}

#[test]
fn the_bye_to_the_other_side_does_not_wait_for_the_record_and_the_200_does() {
    let mut sim = talking();
    sim.act("maria", Act::HangUp).assert_idle();
    let ladder = sim.ladders();
    let bye_on = ladder.find("ramal → bruno      BYE").expect("a BYE to bruno");
    let ok = ladder.rfind("ramal → carrier    200").expect("a 200 to the carrier");
    assert!(bye_on < ok, "{ladder}");
}

#[test]
fn the_longest_call_allowed_is_cut() {
    let mut sim = talking();
    sim.run_for(secs(4 * 3600 + 60)).assert_idle();
    assert!(sim.party("maria").log.contains(&"bye".to_owned()));
    assert!(sim.party("bruno").log.contains(&"bye".to_owned()));
}

#[test]
fn a_fault_of_ours_while_two_talk_sends_both_a_bye_and_leaves_the_record() {
    let mut sim = talking();
    sim.wreck().assert_idle();
    for who in ["maria", "bruno"] {
        assert!(sim.party(who).log.contains(&"bye".to_owned()), "{who}\n{}", sim.ladders());
    }
    assert_answered_by(&sim, "bruno");
    assert_eq!(sim.crm.activities.len(), 1);
}

#[test]
fn a_fault_of_ours_while_it_rings_answers_500() {
    let mut sim = sim(house());
    sim.customer(Some(STRANGER), &[]);
    sim.run_until(ringing("bruno")).wreck().assert_idle();
    assert_eq!(sim.party("maria").state, State::Over(500));
    assert_eq!(sim.party("bruno").state, State::Over(487));
    assert_eq!(the_record(&sim).outcome, Some(Outcome::Missed));
}
