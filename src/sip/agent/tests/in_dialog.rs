//! Requests inside a dialog, both ways.

use rsip::Method;

use super::pair::Side::{Callee, Caller};
use super::script::{tag_of, with_sdp};
use super::*;
use crate::sip::message::{Name, Response};

/// A scripted call that is up; our tag.
fn up() -> (Script, String) {
    let mut script = Script::new();
    script.invited(offer());
    script.act(|agent, now, out| agent.accept(now, FORK, answer(), out));
    let tag = tag_of(&script.response());
    let ack = script.peers(Method::Ack, &tag, "1 ACK");
    script.say(&ack);
    script.events();
    (script, tag)
}

fn said(script: &mut Script, tag: &str, method: Method, cseq: &str) -> Response {
    let request = script.peers(method, tag, cseq);
    script.say(&request);
    script.response()
}

#[test]
fn a_reinvite_is_asked_about_answered_and_acknowledged() {
    let mut pair = Pair::up();
    let ours = pair.caller(|agent, now, out| agent.reinvite(now, B, offer(), out));
    let theirs = pair.last_request(Callee);
    assert!(!pair.caller.may_offer(B) && !pair.callee.may_offer(LegId::A));
    pair.callee(|agent, now, out| agent.answer(now, theirs, 200, answer(), out));
    assert_eq!(pair.seen(), ["> INVITE", "< 100 INVITE", "< 200 INVITE", "> ACK"]);
    assert_eq!(pair.last_request(Caller), ours);
    assert_eq!(pair.events(), ["< 0 reinvited sdp", "> 1 replied 200 sdp", "< 0 acked"]);
    assert!(pair.caller.may_offer(B) && pair.callee.may_offer(LegId::A));
}

#[test]
fn the_callee_may_reinvite_as_well() {
    let mut pair = Pair::up();
    pair.callee(|agent, now, out| agent.reinvite(now, LegId::A, offer(), out));
    let theirs = pair.last_request(Caller);
    pair.lose_next("ACK", 1);
    pair.caller(|agent, now, out| agent.answer(now, theirs, 200, answer(), out));
    pair.advance(500);
    assert_eq!(pair.seen(), ["< INVITE", "> 100 INVITE", "> 200 INVITE", "<x ACK", ">~ 200 INVITE", "<~ ACK"]);
    assert_eq!(pair.events(), ["> 1 reinvited sdp", "< 0 replied 200 sdp", "> 1 acked"]);
}

#[test]
fn an_offerless_reinvite_owes_the_answer_in_its_ack() {
    let mut pair = Pair::up();
    pair.caller(|agent, now, out| agent.reinvite(now, B, None, out));
    let theirs = pair.last_request(Callee);
    pair.callee(|agent, now, out| agent.answer(now, theirs, 200, offer(), out));
    assert_eq!(pair.events(), ["< 0 reinvited", "> 1 replied 200 sdp"]);
    assert!(!pair.caller.may_offer(B));
    pair.caller(|agent, now, out| agent.ack(now, B, answer().unwrap(), out));
    assert_eq!(pair.seen(), ["> INVITE", "< 100 INVITE", "< 200 INVITE", "> ACK"]);
    assert_eq!(pair.events(), ["< 0 acked sdp"]);
    assert!(pair.caller.may_offer(B) && pair.callee.may_offer(LegId::A));
}

#[test]
fn a_refused_reinvite_leaves_the_call_up() {
    let mut pair = Pair::up();
    pair.caller(|agent, now, out| agent.reinvite(now, B, offer(), out));
    let theirs = pair.last_request(Callee);
    pair.callee(|agent, now, out| agent.answer(now, theirs, 488, None, out));
    assert_eq!(pair.events(), ["< 0 reinvited sdp", "> 1 replied 488"]);
    assert!(pair.caller.may_offer(B) && pair.callee.may_offer(LegId::A));
}

#[test]
fn reinvites_that_cross_are_both_491() {
    let mut pair = Pair::up();
    pair.at_once(
        |agent, now, out| {
            agent.reinvite(now, B, offer(), out);
        },
        |agent, now, out| {
            agent.reinvite(now, LegId::A, offer(), out);
        },
    );
    assert_eq!(pair.events(), ["> 1 replied 491", "< 0 replied 491"]);
    assert!(pair.caller.may_offer(B) && pair.callee.may_offer(LegId::A));
}

#[test]
fn a_second_offer_of_ours_does_not_go_before_the_first_is_settled() {
    let mut pair = Pair::up();
    pair.caller(|agent, now, out| agent.reinvite(now, B, offer(), out));
    pair.seen();
    pair.events();
    pair.caller(|agent, now, out| agent.update(now, B, offer().unwrap(), out));
    assert_eq!((pair.seen(), pair.events()), (vec![], vec!["> 1 replied 491".to_owned()]));
}

#[test]
fn a_second_offer_of_the_peers_comes_too_soon() {
    let (mut script, tag) = up();
    let first = script.peers(Method::Invite, &tag, "2 INVITE");
    script.say(&with_sdp(first, offer()));
    script.seen();
    for (method, cseq) in [(Method::Invite, "3 INVITE"), (Method::Update, "4 UPDATE")] {
        let second = script.peers(method, &tag, cseq);
        script.say(&with_sdp(second, offer()));
        let refusal = script.response();
        assert_eq!(refusal.status.code(), 500);
        let after: u32 = refusal.headers.get(&Name::RetryAfter).unwrap().parse().unwrap();
        assert!(after <= 10);
    }
    assert_eq!(script.events(), ["0 reinvited sdp"]);
}

#[test]
fn an_update_with_an_offer_is_asked_about_and_one_without_is_not() {
    let mut pair = Pair::up();
    pair.caller(|agent, now, out| agent.update(now, B, offer().unwrap(), out));
    let theirs = pair.last_request(Callee);
    pair.callee(|agent, now, out| agent.answer(now, theirs, 200, answer(), out));
    assert_eq!(pair.seen(), ["> UPDATE", "< 200 UPDATE"]);
    assert_eq!(pair.events(), ["< 0 updated", "> 1 replied 200 sdp"]);

    let (mut script, tag) = up();
    let ok = said(&mut script, &tag, Method::Update, "2 UPDATE");
    assert_eq!(ok.status.code(), 200);
    assert!(ok.headers.has(&Name::Contact));
    assert_eq!(script.events(), [""; 0]);
}

#[test]
fn a_target_refresh_moves_where_our_requests_go() {
    let (mut script, tag) = up();
    let mut update = script.peers(Method::Update, &tag, "2 UPDATE");
    update.headers.set(Name::Contact, "<sip:maria@10.0.0.33:5099>");
    script.say(&update);
    script.transmits();
    script.act(|agent, now, out| agent.bye(now, LegId::A, out));
    let sent = script.transmits();
    assert_eq!(sent[0].hop.remote, "10.0.0.33:5099".parse().unwrap());
    let Message::Request(bye) = read(&sent[0].bytes) else { panic!("a request") };
    assert_eq!(bye.uri, "sip:maria@10.0.0.33:5099");
}

#[test]
fn an_info_passes_with_its_body_and_the_answer_comes_back() {
    let mut pair = Pair::up();
    let body = Body { content_type: "application/dtmf-relay".into(), bytes: Bytes::from_static(b"Signal=5\r\n") };
    pair.caller(|agent, now, out| agent.pass(now, B, "INFO", Some(body), None, out));
    let theirs = pair.last_request(Callee);
    pair.callee(|agent, now, out| agent.answer(now, theirs, 415, None, out));
    assert_eq!(pair.seen(), ["> INFO", "< 415 INFO"]);
    assert_eq!(pair.events(), ["< 0 passing INFO", "> 1 replied 415"]);
}

#[test]
fn a_dialog_that_the_peer_does_not_know_is_gone() {
    for (status, by) in [(481, "1 replied 481"), (408, "1 replied 408")] {
        let mut pair = Pair::up();
        pair.caller(|agent, now, out| agent.pass(now, B, "INFO", None, None, out));
        let theirs = pair.last_request(Callee);
        pair.callee(|agent, now, out| agent.answer(now, theirs, status, None, out));
        assert_eq!(pair.events()[1..], [format!("> {by}"), "> 1 gone".into(), "< 0 bye".into()]);
        assert!(!pair.caller.is_up(B));
    }
}

#[test]
fn a_silent_dialog_is_gone() {
    let mut pair = Pair::up();
    pair.lose_next("INVITE", 99);
    pair.caller(|agent, now, out| agent.reinvite(now, B, offer(), out));
    pair.advance(32_000);
    assert_eq!(pair.events(), ["> 1 replied 408", "> 1 gone", "< 0 bye"]);
}

#[test]
fn requests_out_of_order_are_500_and_gaps_are_fine() {
    let (mut script, tag) = up();
    assert_eq!(said(&mut script, &tag, Method::Options, "20 OPTIONS").status.code(), 200);
    assert_eq!(said(&mut script, &tag, Method::Options, "19 OPTIONS").status.code(), 500);
    assert_eq!(said(&mut script, &tag, Method::Options, "21 OPTIONS").status.code(), 200);
}

#[test]
fn what_needs_no_call_is_answered_here() {
    let (mut script, tag) = up();
    for (method, cseq, status, header) in [
        (Method::Options, "2 OPTIONS", 200, Name::Allow),
        (Method::Notify, "3 NOTIFY", 481, Name::CSeq),
        (Method::PRack, "4 PRACK", 481, Name::CSeq),
        (Method::Subscribe, "5 SUBSCRIBE", 489, Name::AllowEvents),
        (Method::Publish, "6 PUBLISH", 405, Name::Allow),
        (Method::Register, "7 REGISTER", 405, Name::Allow),
    ] {
        let response = said(&mut script, &tag, method, cseq);
        assert_eq!(response.status.code(), status, "{method}");
        assert!(response.headers.has(&header), "{method}");
    }
    assert_eq!(script.events(), [""; 0]);
}

#[test]
fn a_refused_target_refresh_moves_nothing() {
    let (mut script, tag) = up();
    let mut reinvite = with_sdp(script.peers(Method::Invite, &tag, "2 INVITE"), offer());
    reinvite.headers.set(Name::Contact, "<sip:maria@10.0.0.33:5099>");
    script.say(&reinvite);
    let id = script.last_request();
    script.act(|agent, now, out| agent.answer(now, id, 488, None, out));
    script.transmits();
    script.act(|agent, now, out| agent.bye(now, LegId::A, out));
    assert_eq!(script.transmits()[0].hop.remote, super::script::PEER.parse().unwrap());
}

#[test]
fn an_accepted_reinvite_moves_the_target() {
    let (mut script, tag) = up();
    let mut reinvite = with_sdp(script.peers(Method::Invite, &tag, "2 INVITE"), offer());
    reinvite.headers.set(Name::Contact, "<sip:maria@10.0.0.33:5099>");
    script.say(&reinvite);
    let id = script.last_request();
    script.act(|agent, now, out| agent.answer(now, id, 200, answer(), out));
    script.transmits();
    script.act(|agent, now, out| agent.bye(now, LegId::A, out));
    assert_eq!(script.transmits()[0].hop.remote, "10.0.0.33:5099".parse().unwrap());
}

#[test]
fn a_flood_inside_a_dialog_takes_no_more_memory_than_the_most_and_its_bye_is_heard() {
    let (mut script, tag) = up();
    for n in 2..2_000 {
        let info = script.peers(Method::Info, &tag, &format!("{n} INFO"));
        script.say(&info);
    }
    assert_eq!(script.agent.servers.len(), 256);
    assert_eq!(script.seen().iter().filter(|sent| *sent == "503 INFO").count(), 2_000 - 2 - 255); // the INVITE is one of them
    script.events();
    assert_eq!(said_bye(&mut script, &tag), ["0 bye"]);
    script.advance(40_000);
    assert_eq!(script.agent.servers.capacity(), 0, "the memory comes back");
}

fn said_bye(script: &mut Script, tag: &str) -> Vec<String> {
    let bye = script.peers(Method::Bye, tag, "5000 BYE");
    script.say(&bye);
    let bye = script.last_request();
    script.act(|agent, now, out| agent.answer(now, bye, 200, None, out));
    script.events()
}

#[test]
fn a_cancel_of_a_reinvite_has_its_200_and_is_told_while_the_reinvite_waits() {
    let (mut script, tag) = up();
    let reinvite = with_sdp(script.peers(Method::Invite, &tag, "2 INVITE"), offer());
    script.say(&reinvite);
    script.seen();
    let mut cancel = script.peers(Method::Cancel, &tag, "2 CANCEL");
    cancel.headers.set(Name::Via, reinvite.headers.get(&Name::Via).unwrap().clone());
    script.say(&cancel);
    assert_eq!(script.response().status.code(), 200);
    assert_eq!(script.events(), ["0 reinvited sdp", "0 withdrawn"]);
}
