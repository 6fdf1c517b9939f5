//! BYE, from either side and from both.

use rsip::Method;

use super::pair::Side::{Callee, Caller};
use super::script::tag_of;
use super::*;
use crate::sip::message::Name;

#[test]
fn two_byes_that_cross_are_both_answered_and_nobody_is_told() {
    let mut pair = Pair::up();
    pair.at_once(|agent, now, out| agent.bye(now, B, out), |agent, now, out| agent.bye(now, LegId::A, out));
    assert_eq!(pair.seen(), ["> BYE", "< BYE", "< 200 BYE", "> 200 BYE"]);
    assert_eq!(pair.events(), [""; 0]);
    pair.assert_over();
}

#[test]
fn a_second_bye_on_a_leg_is_none() {
    let mut pair = Pair::up();
    pair.caller(|agent, now, out| agent.bye(now, B, out));
    pair.caller(|agent, now, out| agent.bye(now, B, out));
    assert_eq!(pair.seen(), ["> BYE"]);
    let bye = pair.last_request(Callee);
    pair.callee(|agent, now, out| agent.bye(now, LegId::A, out));
    pair.callee(|agent, now, out| agent.answer(now, bye, 200, None, out));
    pair.callee(|agent, now, out| agent.answer(now, bye, 200, None, out));
    assert_eq!(pair.seen(), ["< 200 BYE"]);
    pair.assert_over();
}

#[test]
fn a_bye_waits_for_its_answer_without_a_second_event() {
    let mut pair = Pair::up();
    pair.callee(|agent, now, out| agent.bye(now, LegId::A, out));
    pair.advance(2_000);
    assert_eq!(pair.seen(), ["< BYE", "<~ BYE", "<~ BYE"]);
    let bye = pair.last_request(Caller);
    assert_eq!(pair.events(), ["> 1 bye"]);
    pair.lose_next("200 BYE", 1);
    pair.caller(|agent, now, out| agent.answer(now, bye, 200, None, out));
    pair.advance(2_000);
    assert_eq!(pair.seen(), [">x 200 BYE", "<~ BYE", ">~ 200 BYE"]);
    pair.assert_over();
}

#[test]
fn a_bye_that_nobody_answers_is_over_after_64_t1() {
    let mut pair = Pair::up();
    pair.lose_next("BYE", 99);
    pair.caller(|agent, now, out| agent.bye(now, B, out));
    pair.advance(32_000);
    assert!(pair.caller.is_idle());
    assert_eq!(pair.events(), [""; 0]);
}

#[test]
fn a_leg_without_its_ack_is_ended_once_the_ack_came() {
    let mut pair = Pair::new();
    pair.invite(offer());
    pair.lose_next("ACK", 1);
    pair.callee(|agent, now, out| agent.accept(now, FORK, answer(), out));
    pair.callee(|agent, now, out| agent.bye(now, LegId::A, out));
    assert!(!pair.callee.is_up(LegId::A));
    assert!(!pair.seen().contains(&"< BYE".to_owned()));
    pair.advance(500);
    assert_eq!(pair.seen(), ["<~ 200 INVITE", ">~ ACK", "< BYE"]);
    let bye = pair.last_request(Caller);
    pair.caller(|agent, now, out| agent.answer(now, bye, 200, None, out));
    pair.assert_over();
}

#[test]
fn or_once_it_did_not_come_for_64_t1() {
    let mut pair = Pair::new();
    pair.invite(offer());
    pair.lose_next("ACK", 99);
    pair.callee(|agent, now, out| agent.accept(now, FORK, answer(), out));
    pair.callee(|agent, now, out| agent.bye(now, LegId::A, out));
    pair.advance(31_999);
    assert!(!pair.seen().contains(&"< BYE".to_owned()));
    pair.advance(1);
    assert_eq!(pair.seen(), ["< BYE"]);
}

#[test]
fn a_caller_may_end_what_she_has_not_acknowledged() {
    let mut pair = Pair::new();
    pair.invite(offer());
    pair.lose_next("ACK", 99);
    pair.callee(|agent, now, out| agent.accept(now, FORK, answer(), out));
    pair.callee(|agent, now, out| agent.bye(now, LegId::A, out));
    pair.events();
    pair.seen();
    pair.caller(|agent, now, out| agent.bye(now, B, out));
    pair.advance(5_000);
    assert_eq!(pair.seen(), ["> BYE", "< 200 BYE"], "the 200 to INVITE is repeated no more");
    assert_eq!(pair.events(), [""; 0], "the callee's side had its bye already");
    pair.assert_over();
}

#[test]
fn what_waits_for_an_answer_gets_487_when_the_peer_hangs_up() {
    let mut pair = Pair::up();
    let reinvite = pair.caller(|agent, now, out| agent.reinvite(now, B, offer(), out));
    let theirs = pair.last_request(Callee);
    pair.caller(|agent, now, out| agent.bye(now, B, out));
    assert_eq!(pair.seen(), ["> INVITE", "< 100 INVITE", "> BYE", "< 487 INVITE", "> ACK"]);
    assert_eq!(pair.events(), ["< 0 reinvited sdp", "< 0 bye", "> 1 replied 487"]);
    assert_ne!(reinvite.leg, theirs.leg);
    pair.callee(|agent, now, out| agent.answer(now, theirs, 200, answer(), out));
    assert_eq!(pair.seen(), [""; 0], "the call's own answer comes too late");
}

#[test]
fn requests_in_a_dialog_that_is_over_find_none() {
    let mut script = Script::new();
    script.invited(offer());
    script.act(|agent, now, out| agent.accept(now, FORK, answer(), out));
    let tag = tag_of(&script.response());
    let ack = script.peers(Method::Ack, &tag, "1 ACK");
    script.say(&ack);
    let bye = script.peers(Method::Bye, &tag, "2 BYE");
    script.say(&bye);
    let id = script.last_request();
    script.act(|agent, now, out| agent.answer(now, id, 200, None, out));
    script.seen();
    script.events();
    for (method, cseq) in [(Method::Info, "3 INFO"), (Method::Invite, "4 INVITE"), (Method::Bye, "5 BYE")] {
        let late = script.peers(method, &tag, cseq);
        script.say(&late);
        assert_eq!(script.response().status.code(), 481, "{method}");
    }
    script.say(&bye);
    assert_eq!(script.response().status.code(), 200, "a repeat of the BYE itself");
    assert_eq!(script.events(), [""; 0]);
}

#[test]
fn guessed_tags_find_nothing_and_cost_nothing() {
    let mut script = Script::new();
    script.invited(offer());
    script.act(|agent, now, out| agent.accept(now, FORK, answer(), out));
    let tag = tag_of(&script.response());
    let ack = script.peers(Method::Ack, &tag, "1 ACK");
    script.say(&ack);
    script.events();
    let before = script.agent.servers.len();
    let call = script.agent.call;
    let guesses = [format!("{call}-0000000000000000"), tag[..tag.len() - 1].to_owned(), format!("{tag}0"), "x".into()];
    for guess in &guesses {
        for (method, cseq) in [(Method::Bye, "9 BYE"), (Method::Invite, "9 INVITE"), (Method::Refer, "9 REFER")] {
            let guessed = script.peers(method, guess, cseq);
            script.say(&guessed);
            assert_eq!(script.response().status.code(), 481, "{guess}");
        }
    }
    let mut from = script.peers(Method::Bye, &tag, "9 BYE");
    from.headers.set(Name::From, "<sip:+5511987654321@10.0.0.9>;tag=other");
    script.say(&from);
    assert_eq!(script.response().status.code(), 481);
    let mut call_id = script.peers(Method::Bye, &tag, "9 BYE");
    call_id.headers.set(Name::CallId, "other");
    script.say(&call_id);
    assert_eq!(script.response().status.code(), 481);
    assert_eq!(script.agent.servers.len(), before);
    assert_eq!(script.events(), [""; 0]);
    assert!(script.agent.is_up(LegId::A));
}
