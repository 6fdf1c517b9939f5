//! The A leg: what a caller sees of us.

use rsip::Method;

use super::script::{PEER, US, tag_of};
use super::*;
use crate::sip::message::{Name, Response};

fn fork(n: u16) -> ForkId {
    ForkId { leg: LegId(n), n: 0 }
}

fn progress(script: &mut Script, status: u16, fork: Option<ForkId>, sdp: Option<Bytes>) -> Response {
    script.act(|agent, now, out| agent.progress(now, status, fork, sdp, out));
    script.response()
}

#[test]
fn an_invite_gets_100_at_once_and_its_repeats_get_the_same() {
    let mut script = Script::new();
    let invite = script.invited(offer());
    assert_eq!(script.seen(), ["100 INVITE"]);
    script.say(&invite);
    let again = script.transmits();
    assert_eq!(again.len(), 1);
    assert!(again[0].again && again[0].hop == hop(US, PEER));
    assert_eq!(script.events(), ["invited sdp"]);
}

#[test]
fn each_callee_with_sdp_has_a_tag_of_its_own_and_without_sdp_the_last_one_stays() {
    let mut script = Script::new();
    script.invited(offer());
    let ringing = tag_of(&progress(&mut script, 180, None, None));
    let ana = tag_of(&progress(&mut script, 183, Some(fork(1)), answer()));
    let bruno = tag_of(&progress(&mut script, 183, Some(fork(2)), answer()));
    let still = tag_of(&progress(&mut script, 180, None, None));
    let ana_again = tag_of(&progress(&mut script, 183, Some(fork(1)), answer()));
    assert_eq!(ringing, ana, "the first tag had no fork yet");
    assert_ne!(ana, bruno);
    assert_eq!(still, bruno);
    assert_eq!(ana_again, ana);
    for tag in [&ana, &bruno] {
        assert_eq!(call_of_tag(tag), Some(script.agent.call));
    }
}

#[test]
fn a_200_carries_its_own_legs_tag() {
    let mut script = Script::new();
    script.invited(offer());
    let ana = tag_of(&progress(&mut script, 183, Some(fork(1)), answer()));
    progress(&mut script, 183, Some(fork(2)), answer());
    script.act(|agent, now, out| agent.accept(now, fork(1), answer(), out));
    assert_eq!(tag_of(&script.response()), ana);

    let mut script = Script::new();
    script.invited(offer());
    let ana = tag_of(&progress(&mut script, 183, Some(fork(1)), answer()));
    script.act(|agent, now, out| agent.accept(now, fork(9), answer(), out));
    assert_ne!(tag_of(&script.response()), ana, "a callee never shown is a dialog of her own");
}

#[test]
fn a_200_to_a_call_that_only_rang_keeps_the_ringings_tag() {
    let mut script = Script::new();
    script.invited(offer());
    let ringing = tag_of(&progress(&mut script, 180, None, None));
    script.act(|agent, now, out| agent.accept(now, fork(3), answer(), out));
    assert_eq!(tag_of(&script.response()), ringing);
}

#[test]
fn responses_that_make_a_dialog_copy_record_route_and_carry_contact() {
    let mut script = Script::new();
    let invite = script
        .peers(Method::Invite, "", "1 INVITE")
        .with(Name::RecordRoute, "<sip:p1;lr>, <sip:p2;lr>")
        .with_body("application/sdp", offer().unwrap());
    script.say(&invite);
    script.seen();
    let ringing = progress(&mut script, 180, None, None);
    script.act(|agent, now, out| agent.accept(now, fork(1), answer(), out));
    let ok = script.response();
    for response in [&ringing, &ok] {
        let routes: Vec<_> = response.headers.all(&Name::RecordRoute).map(ToString::to_string).collect();
        assert_eq!(routes, ["<sip:p1;lr>", "<sip:p2;lr>"]);
        assert_eq!(response.headers.get(&Name::Contact).unwrap(), "<sip:ramal@10.0.0.1>");
    }
    assert_eq!(ok.headers.get(&Name::Allow).unwrap(), ALLOW);
    assert_eq!(ok.body, ANSWER);
}

#[test]
fn a_bye_of_ours_goes_to_the_callers_contact_by_her_route() {
    let mut script = Script::new();
    let invite = script
        .peers(Method::Invite, "", "1 INVITE")
        .with(Name::RecordRoute, "<sip:10.0.0.50:5070;lr>")
        .with(Name::RecordRoute, "<sip:p2;lr>")
        .with_body("application/sdp", offer().unwrap());
    script.say(&invite);
    script.act(|agent, now, out| agent.accept(now, fork(1), answer(), out));
    let tag = tag_of(&script.response());
    let ack = script.peers(Method::Ack, &tag, "1 ACK");
    script.say(&ack);
    script.act(|agent, now, out| agent.bye(now, LegId::A, out));
    let sent = script.transmits();
    assert_eq!(sent[0].hop.remote, "10.0.0.50:5070".parse().unwrap());
    let Message::Request(bye) = read(&sent[0].bytes) else { panic!("a request") };
    assert_eq!(bye.uri, "sip:maria@10.0.0.9:5060");
    let routes: Vec<_> = bye.headers.all(&Name::Route).map(ToString::to_string).collect();
    assert_eq!(routes, ["<sip:10.0.0.50:5070;lr>", "<sip:p2;lr>"]);
    assert_eq!(bye.headers.from_tag(), Some(&*tag));
    assert_eq!(bye.headers.to_tag(), Some("theirs"));
    assert_eq!(bye.headers.get(&Name::To).unwrap(), "\"Maria\" <sip:+5511987654321@10.0.0.9>;tag=theirs");
    assert_eq!(bye.headers.get(&Name::CallId).unwrap(), "peer-call-id");
    assert_eq!(bye.headers.get(&Name::CSeq).unwrap(), "1 BYE");
}

fn cancel_of(script: &mut Script, invite: &crate::sip::message::Request) -> crate::sip::message::Request {
    let mut cancel = script.peers(Method::Cancel, "", "1 CANCEL");
    cancel.headers.set(Name::Via, invite.headers.get(&Name::Via).unwrap().clone());
    cancel
}

#[test]
fn cancel_is_told_once_and_has_the_200_with_the_tag_of_the_487() {
    let mut script = Script::new();
    let invite = script.invited(offer());
    script.events();
    let cancel = cancel_of(&mut script, &invite);
    script.say(&cancel);
    let ok = script.response();
    assert_eq!((ok.status.code(), ok.headers.cseq()), (200, Some((1, Method::Cancel))));
    script.say(&cancel);
    assert_eq!(script.events(), ["0 canceled"]);
    script.act(|agent, now, out| agent.reject(now, 487, None, out));
    let gone = script.response();
    assert_eq!((gone.status.code(), tag_of(&gone)), (487, tag_of(&ok)));
    script.say(&cancel);
    assert_eq!(script.seen(), ["200 CANCEL"]);
    assert_eq!(script.events(), [""; 0]);
}

#[test]
fn cancel_after_the_200_has_no_effect_and_one_for_nothing_is_481() {
    let mut script = Script::new();
    let invite = script.invited(offer());
    script.act(|agent, now, out| agent.accept(now, fork(1), answer(), out));
    script.events();
    let cancel = cancel_of(&mut script, &invite);
    script.say(&cancel);
    assert_eq!(script.response().status.code(), 200);
    let stray = script.peers(Method::Cancel, "", "1 CANCEL");
    script.say(&stray);
    assert_eq!(script.response().status.code(), 481);
    assert_eq!(script.events(), [""; 0]);
    assert!(script.agent.is_up(LegId::A));
}

#[test]
fn the_ack_to_a_refusal_is_absorbed() {
    let mut script = Script::new();
    let invite = script.invited(offer());
    script.act(|agent, now, out| agent.reject(now, 486, None, out));
    let busy = script.response();
    let mut ack = script.peers(Method::Ack, &tag_of(&busy), "1 ACK");
    ack.headers.set(Name::Via, invite.headers.get(&Name::Via).unwrap().clone());
    script.say(&ack);
    script.events();
    script.advance(5_000);
    assert_eq!(script.seen(), [""; 0], "the ACK stopped it");
    assert_eq!(script.events(), [""; 0]);
    assert!(script.agent.is_idle());
}

#[test]
fn an_invite_repeated_after_its_final_answer_gets_the_refusal_again_and_nothing_after_a_200() {
    let mut script = Script::new();
    let invite = script.invited(offer());
    script.act(|agent, now, out| agent.reject(now, 486, None, out));
    script.seen();
    script.say(&invite);
    assert_eq!(script.seen(), ["486 INVITE"]);
    let mut script = Script::new();
    let invite = script.invited(offer());
    script.act(|agent, now, out| agent.accept(now, fork(1), answer(), out));
    script.seen();
    script.say(&invite);
    assert_eq!(script.seen(), [""; 0], "the 200 is repeated by its own clock");
    assert_eq!(script.events(), ["invited sdp"]);
}

#[test]
fn the_same_invite_by_another_way_is_a_loop() {
    let mut script = Script::new();
    script.invited(offer());
    let other_way = script.peers(Method::Invite, "", "1 INVITE");
    script.say(&other_way);
    assert_eq!(script.response().status.code(), 482);
}

#[test]
fn a_caller_may_give_up_by_bye_in_an_early_dialog() {
    let mut script = Script::new();
    script.invited(offer());
    let tag = tag_of(&progress(&mut script, 180, None, None));
    script.events();
    let bye = script.peers(Method::Bye, &tag, "2 BYE");
    script.say(&bye);
    assert_eq!(script.response().status.code(), 200);
    assert_eq!(script.events(), ["0 canceled"]);
}

#[test]
fn an_answer_goes_where_rport_and_received_say() {
    let mut script = Script::new();
    let invite = script.peers(Method::Invite, "", "1 INVITE");
    let mut behind_nat = invite;
    behind_nat.headers.set(Name::Via, "SIP/2.0/UDP 192.168.0.7:5071;branch=z9hG4bKnat");
    script.say(&behind_nat);
    let sent = script.transmits();
    assert_eq!(sent[0].hop.remote, "10.0.0.9:5071".parse().unwrap(), "no rport: the port that Via names");
    let Message::Response(trying) = read(&sent[0].bytes) else { panic!("a response") };
    assert_eq!(trying.headers.via().unwrap().received, Some("10.0.0.9"));
}

#[test]
fn an_invite_that_rings_for_long_is_rung_again_every_minute() {
    let mut script = Script::new();
    script.invited(offer());
    script.advance(90_000);
    assert_eq!(script.seen(), ["100 INVITE"], "100 is no reminder");
    progress(&mut script, 180, None, None);
    script.advance(59_999);
    assert_eq!(script.seen(), [""; 0]);
    script.advance(60_001);
    assert_eq!(script.seen(), ["180 INVITE", "180 INVITE"]);
    script.act(|agent, now, out| agent.reject(now, 480, None, out));
    script.advance(120_000);
    assert!(!script.seen().contains(&"180 INVITE".to_owned()));
}
