//! Session timers (RFC 4028), each leg apart.

use rsip::Method;

use super::script::{tag_of, with_sdp};
use super::*;
use crate::sip::message::{Name, Request, Response};

/// A caller's INVITE with these headers is answered; our 200, its ACK has come.
fn answered(headers: &[(Name, &str)]) -> (Script, Response) {
    let mut script = Script::new();
    let invite = script.peers(Method::Invite, "", "1 INVITE");
    let invite = headers.iter().fold(invite, |invite, (name, value)| invite.with(name.clone(), *value));
    script.say(&with_sdp(invite, offer()));
    script.act(|agent, now, out| agent.accept(now, FORK, answer(), out));
    let ok = script.response();
    let ack = script.peers(Method::Ack, &tag_of(&ok), "1 ACK");
    script.say(&ack);
    script.events();
    (script, ok)
}

/// A callee answers with these headers; the ACK went.
fn answers(headers: &[(Name, &str)]) -> Script {
    let mut script = Script::new();
    let invite = script.invite(offer());
    let add = |response: Response| headers.iter().fold(response, |r, (name, value)| r.with(name.clone(), *value));
    script.answer_with(&invite, 200, "a", add, answer());
    script.seen();
    script.events();
    script
}

fn text(headers: &crate::sip::message::Headers, name: &Name) -> String {
    headers.get(name).map(ToString::to_string).unwrap_or_default()
}

const EVERY_90: (Name, &str) = (Name::SessionExpires, "90;refresher=uac");
const KNOWS: (Name, &str) = (Name::Supported, "timer");
const TAKES_UPDATE: (Name, &str) = (Name::Allow, "INVITE, ACK, BYE, UPDATE");

#[test]
fn a_caller_who_promised_to_refresh_and_does_not_is_hung_up_on_shortly_before_the_end() {
    let (mut script, ok) = answered(&[KNOWS, EVERY_90]);
    assert_eq!(text(&ok.headers, &Name::SessionExpires), "90;refresher=uac");
    assert!(ok.headers.has_token(&Name::Require, "timer"));
    script.advance(59_999);
    assert_eq!(script.seen(), [""; 0]);
    script.advance(1);
    let bye = script.request();
    assert_eq!((bye.method, text(&bye.headers, &Name::Reason)), (Method::Bye, "SIP;cause=408".to_owned()));
    assert_eq!(script.events(), ["0 gone"]);
}

#[test]
fn each_refresh_of_the_peers_keeps_the_session_for_another_interval() {
    let (mut script, ok) = answered(&[KNOWS, EVERY_90]);
    for n in 2..20 {
        script.advance(45_000);
        let update = script.peers(Method::Update, &tag_of(&ok), &format!("{n} UPDATE"));
        script.say(&update.with(Name::Supported, "timer").with(Name::SessionExpires, "90;refresher=uac"));
        let ok = script.response();
        assert_eq!(text(&ok.headers, &Name::SessionExpires), "90;refresher=uac");
    }
    assert!(script.agent.is_up(LegId::A));
    let reinvite = script.peers(Method::Invite, &tag_of(&ok), "20 INVITE");
    let reinvite = reinvite.with(Name::Supported, "timer").with(Name::SessionExpires, "600;refresher=uas");
    script.say(&with_sdp(reinvite, offer()));
    let id = script.last_request();
    script.act(|agent, now, out| agent.answer(now, id, 200, answer(), out));
    assert_eq!(text(&script.response().headers, &Name::SessionExpires), "600;refresher=uas", "it hands the duty over");
    let ack = script.peers(Method::Ack, &tag_of(&ok), "20 ACK");
    script.say(&ack);
    script.advance(300_000);
    assert_eq!(script.request().method, Method::Invite);
}

#[test]
fn as_refresher_we_send_update_at_half_where_the_peer_takes_it() {
    let (mut script, ok) = answered(&[KNOWS, (Name::SessionExpires, "90;refresher=uas"), TAKES_UPDATE]);
    assert_eq!(text(&ok.headers, &Name::SessionExpires), "90;refresher=uas");
    assert!(!ok.headers.has(&Name::Require));
    for _ in 0..10 {
        script.advance(44_999);
        assert_eq!(script.seen(), [""; 0]);
        script.advance(1);
        let update = script.request();
        assert_eq!((update.method, update.body.len()), (Method::Update, 0));
        assert_eq!(text(&update.headers, &Name::SessionExpires), "90;refresher=uac");
        let renewed =
            |r: Response| r.with(Name::SessionExpires, "90;refresher=uac").with(Name::Contact, "<sip:x@10.0.0.9>");
        script.answer_with(&update, 200, "", renewed, None);
    }
    assert_eq!(script.events(), [""; 0], "the call hears nothing of it");
}

#[test]
fn without_update_we_refresh_by_a_reinvite_that_says_what_was_said_byte_for_byte() {
    let (mut script, _) = answered(&[KNOWS, (Name::SessionExpires, "90;refresher=uas")]);
    script.advance(45_000);
    let reinvite = script.request();
    assert_eq!((reinvite.method, &reinvite.body[..]), (Method::Invite, ANSWER));
    script.answer_with(&reinvite, 200, "", |r| r.with(Name::SessionExpires, "90;refresher=uac"), offer());
    assert_eq!(script.seen(), ["ACK"]);
    assert_eq!(script.events(), ["0 replied 200 sdp"]);
    script.advance(45_000);
    assert_eq!(&script.request().body[..], ANSWER);
}

#[test]
fn a_refresh_that_meets_491_waits_by_who_owns_the_call_id_and_is_not_forgotten() {
    let (mut script, _) = answered(&[KNOWS, (Name::SessionExpires, "90;refresher=uas"), TAKES_UPDATE]);
    script.advance(45_000);
    let update = script.request();
    script.answer(&update, 491, "", None);
    script.advance(2_000);
    assert_eq!(script.seen()[0], "UPDATE", "the peer owns the Call-ID: at most 2 s");

    let mut script = answers(&[EVERY_90, TAKES_UPDATE]);
    script.advance(45_000);
    let update = script.request();
    script.answer(&update, 491, "", None);
    script.advance(2_099);
    assert_eq!(script.seen(), [""; 0], "we own it: at least 2.1 s");
    script.advance(1_901);
    assert_eq!(script.seen()[0], "UPDATE");
}

#[test]
fn a_refresh_that_is_never_taken_ends_the_session() {
    let mut script = answers(&[EVERY_90, TAKES_UPDATE]);
    for _ in 0..20 {
        script.advance(1_000);
        let sent = script.sent();
        if let Some(Message::Request(update)) = sent.iter().find(|m| short(m) == "UPDATE") {
            script.answer(update, 500, "", None);
        }
        script.advance(2_000);
    }
    let sent = script.seen();
    assert!(sent.contains(&"BYE".to_owned()) || !script.agent.is_up(B), "{sent:?}");
    assert!(script.events().contains(&"1 gone".to_owned()));

    let mut script = answers(&[EVERY_90, TAKES_UPDATE]);
    script.advance(45_000);
    let update = script.request();
    script.answer(&update, 481, "", None);
    assert_eq!(script.seen(), ["BYE"]);
    assert_eq!(script.events(), ["1 replied 481", "1 gone"]);
}

#[test]
fn a_peer_that_refuses_update_after_all_is_refreshed_by_reinvite() {
    let mut script = answers(&[EVERY_90, TAKES_UPDATE]);
    script.advance(45_000);
    let update = script.request();
    script.answer(&update, 501, "", None);
    script.advance(1);
    let reinvite = script.request();
    assert_eq!((reinvite.method, &reinvite.body[..]), (Method::Invite, OFFER));
}

#[test]
fn a_callee_that_refreshes_is_watched() {
    let mut script = answers(&[(Name::SessionExpires, "180;refresher=uas"), TAKES_UPDATE]);
    script.advance(147_999);
    assert_eq!(script.seen(), [""; 0]);
    script.advance(1);
    assert_eq!(script.seen(), ["BYE"], "32 s before the end");
}

#[test]
fn a_peer_without_timers_is_asked_by_update_whether_it_is_there_and_else_left_alone() {
    let mut script = answers(&[TAKES_UPDATE]);
    script.advance(900_000);
    let update = script.request();
    assert_eq!(update.method, Method::Update);
    script.answer(&update, 405, "", None);
    script.advance(7_200_000);
    assert_eq!(script.seen(), [""; 0], "no re-INVITE for one who asked for none, and no BYE");

    let mut script = answers(&[]);
    script.advance(7_200_000);
    assert_eq!(script.seen(), [""; 0]);
    let (mut script, ok) = answered(&[]);
    assert!(!ok.headers.has(&Name::SessionExpires));
    script.advance(7_200_000);
    assert!(script.seen().is_empty() && script.agent.is_up(LegId::A));
}

#[test]
fn a_422_has_the_invite_go_again_with_the_interval_that_it_names() {
    let mut script = Script::new();
    let first = script.invite(offer());
    script.answer(&first, 180, "a", None);
    script.answer_with(&first, 422, "a", |r| r.with(Name::MinSe, "3600"), None);
    let sent = script.sent();
    assert_eq!(sent.iter().map(short).collect::<Vec<_>>(), ["ACK", "INVITE"]);
    let Message::Request(second) = &sent[1] else { panic!("a request") };
    for name in [Name::CallId, Name::From, Name::To] {
        assert_eq!(second.headers.get(&name), first.headers.get(&name), "{name}");
    }
    assert_eq!(text(&second.headers, &Name::CSeq), "2 INVITE");
    assert_ne!(second.headers.via().unwrap().branch, first.headers.via().unwrap().branch);
    assert_eq!(text(&second.headers, &Name::SessionExpires), "3600");
    assert_eq!(text(&second.headers, &Name::MinSe), "3600");
    assert_eq!(second.body, first.body);
    script.act(|agent, now, out| agent.cancel(now, B, CancelReason::CallerGaveUp, out));
    script.answer(second, 180, "b", None);
    let cancel = script.request();
    assert_eq!(text(&cancel.headers, &Name::CSeq), "2 CANCEL", "it is the second that is cancelled");
    assert_eq!(script.events(), ["1/0 180"]);
}

#[test]
fn a_422_that_asks_for_no_more_than_it_had_is_a_refusal() {
    let mut script = Script::new();
    let mut invite = script.invite(offer());
    for least in ["2000", "3000", "3000"] {
        script.events();
        script.answer_with(&invite, 422, "a", |r| r.with(Name::MinSe, least), None);
        invite = script.request();
    }
    assert_eq!(script.events(), ["1 failed 422 Peer"]);
    let mut script = Script::new();
    let mut invite = script.invite(offer());
    for least in 2_000..2_004 {
        script.answer_with(&invite, 422, "a", |r| r.with(Name::MinSe, least.to_string()), None);
        invite = script.request();
    }
    assert_eq!(script.events(), ["1 failed 422 Peer"], "nor does it go on for ever");
}

#[test]
fn a_422_to_a_reinvite_is_settled_here() {
    let mut script = answers(&[EVERY_90]);
    let id = script.act(|agent, now, out| agent.reinvite(now, B, offer(), out));
    let first = script.request();
    script.answer_with(&first, 422, "", |r| r.with(Name::MinSe, "120"), None);
    let second = script.request();
    assert_eq!(
        (second.method, text(&second.headers, &Name::SessionExpires)),
        (Method::Invite, "120;refresher=uac".into())
    );
    assert_eq!(&second.body[..], OFFER);
    script.answer_with(&second, 200, "", |r| r.with(Name::SessionExpires, "120;refresher=uac"), answer());
    assert_eq!(script.last_request(), id);
    assert_eq!(script.events(), ["1 replied 200 sdp"]);
}

#[test]
fn an_offer_for_a_peer_that_takes_no_update_goes_by_reinvite() {
    let mut script = answers(&[(Name::Allow, "INVITE, ACK, BYE, CANCEL")]);
    script.act(|agent, now, out| agent.update(now, B, offer().unwrap(), out));
    assert_eq!(script.request().method, Method::Invite);
    let mut script = answers(&[TAKES_UPDATE]);
    script.act(|agent, now, out| agent.update(now, B, offer().unwrap(), out));
    assert_eq!(script.request().method, Method::Update);
}

#[test]
fn our_own_invite_that_a_proxy_brings_back_is_a_loop_and_a_forward_of_it_is_none() {
    let mut script = Script::new();
    let called = script.invited(offer());
    let ours = script.invite(offer());
    let back = |uri: &str, from: &str| {
        let via = ours.headers.get(&Name::Via).unwrap().clone();
        Request::new(Method::Invite, uri)
            .with(Name::Via, "SIP/2.0/UDP 10.0.0.50;branch=z9hG4bKproxy")
            .with(Name::Via, format!("{via};received=10.0.0.1"))
            .with(Name::From, format!("<sip:{from}@10.0.0.1>;tag=x"))
    };
    assert!(!is_loop(&called));
    assert!(is_loop(&back("sip:100@somewhere", "+5511987654321")));
    assert!(!is_loop(&back("sip:201@somewhere", "+5511987654321")), "it spirals: somebody else is asked for");
    assert!(!is_loop(&back("sip:100@somewhere", "+5511900000000")), "another call");
    script.act(|agent, now, out| agent.accept(now, FORK, answer(), out));
    let later = script.invite(offer());
    assert!(!later.headers.get(&Name::Via).unwrap().contains("loop="), "a transfer's target is a wish of its own");
}

#[test]
fn a_reason_is_read_by_its_cause_and_its_text_stays_behind() {
    for (value, reason) in [
        ("Q.850;cause=16;text=\"Normal\"", Some(Reason::Q850(16))),
        ("SIP ;cause=200 ;text=\"x\", Q.850;cause=1", Some(Reason::Sip(200))),
        ("Preemption;cause=1, q.850;CAUSE=\t31", Some(Reason::Q850(31))),
        ("Q.850;cause=0", None),
        ("Q.850;cause=200", None),
        ("SIP;cause=99999", None),
        ("SIP", None),
        (";;;=,", None),
    ] {
        let (mut script, ok) = answered(&[]);
        let bye = script.peers(Method::Bye, &tag_of(&ok), "2 BYE").with(Name::Reason, value);
        script.say(&bye);
        assert_eq!(script.agent.reason(LegId::A), reason, "{value}");
    }
}
