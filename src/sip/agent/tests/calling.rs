//! B legs: what a callee sees of us, and what we make of several answers.

use super::script::{PEER, tag_of};
use super::*;
use crate::sip::message::{Name, Request};

fn requests(script: &mut Script) -> Vec<Request> {
    let requests = script.sent().into_iter().filter_map(|message| match message {
        Message::Request(request) => Some(request),
        Message::Response(_) => None,
    });
    requests.collect()
}

#[test]
fn an_invite_says_who_calls_and_what_we_can() {
    let mut script = Script::new();
    let invite = script.invite(offer());
    let text = |name: &Name| invite.headers.get(name).map(ToString::to_string).unwrap_or_default();
    assert_eq!(invite.uri, "sip:201@10.0.0.9");
    assert!(text(&Name::From).starts_with("\"Maria Souza\" <sip:+5511987654321@10.0.0.1>;tag="));
    assert_eq!(text(&Name::To), "<sip:201@10.0.0.9>");
    assert_eq!(text(&Name::PAssertedIdentity), "\"Maria Souza\" <sip:+5511987654321@10.0.0.1>");
    assert_eq!(text(&Name::Contact), "<sip:ramal@10.0.0.1>");
    assert_eq!(text(&Name::MaxForwards), "69");
    assert_eq!(text(&Name::CSeq), "1 INVITE");
    assert_eq!(text(&Name::Allow), ALLOW);
    assert_eq!(text(&Name::Supported), "replaces, 100rel, timer, 199, norefersub");
    assert_eq!(text(&Name::SessionExpires), "1800");
    assert!(!invite.headers.has(&Name::Privacy));
    assert!(text(&Name::CallId).ends_with("@10.0.0.1"));
    let via = invite.headers.via().unwrap();
    assert_eq!(via.rport, Some(None));
    assert_eq!(call_of_branch(via.branch.unwrap()), Some(script.agent.call));
}

#[test]
fn an_anonymous_caller_stays_so() {
    let mut script = Script::new();
    let target = Target::new("sip:201@10.0.0.9".into(), hop("10.0.0.1:5060", PEER));
    let invite = OutgoingInvite { caller: CallerId { display: "Maria".into(), user: None }, ..outgoing(None) };
    script.act(|agent, now, out| agent.invite(now, &target, &invite, out));
    let invite = script.request();
    assert!(
        invite.headers.get(&Name::From).unwrap().starts_with("\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=")
    );
    assert_eq!(invite.headers.get(&Name::Privacy).unwrap(), "id");
    assert!(!invite.headers.has(&Name::PAssertedIdentity));
}

#[test]
fn pitfall_31_who_asks_for_privacy_is_anonymous_in_from_and_asserted_to_the_trusted_peer() {
    let mut script = Script::new();
    let target = Target::new("sip:+5521@10.0.0.9".into(), hop("10.0.0.1:5060", PEER));
    let invite = OutgoingInvite { private: true, ..outgoing(None) };
    script.act(|agent, now, out| agent.invite(now, &target, &invite, out));
    let invite = script.request();
    let text = |name: &Name| invite.headers.get(name).map(ToString::to_string).unwrap_or_default();
    assert!(text(&Name::From).starts_with("\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag="));
    assert_eq!(text(&Name::Privacy), "id");
    assert_eq!(text(&Name::PAssertedIdentity), "\"Maria Souza\" <sip:+5511987654321@10.0.0.1>");
}

#[test]
fn a_call_sent_on_says_by_whom_in_diversion_and_history_info() {
    let mut script = Script::new();
    let target = Target::new("sip:+5511955554444@10.0.0.9".into(), hop("10.0.0.1:5060", PEER));
    let invite = OutgoingInvite { diversion: Some("+551140028922".into()), ..outgoing(None) };
    script.act(|agent, now, out| agent.invite(now, &target, &invite, out));
    let invite = script.request();
    assert_eq!(invite.headers.get(&Name::Diversion).unwrap(), "<sip:+551140028922@10.0.0.1>");
    let history: Vec<_> = invite.headers.all(&Name::HistoryInfo).map(ToString::to_string).collect();
    assert_eq!(history, ["<sip:+551140028922@10.0.0.1>;index=1", "<sip:+5511955554444@10.0.0.9>;index=1.1;mp=1"]);
}

#[test]
fn each_leg_has_a_call_id_a_tag_and_a_branch_of_its_own() {
    let mut script = Script::new();
    let (one, two) = (script.invite(offer()), script.invite(offer()));
    assert_ne!(one.headers.call_id(), two.headers.call_id());
    assert_ne!(one.headers.from_tag(), two.headers.from_tag());
    assert_ne!(one.headers.via().unwrap().branch, two.headers.via().unwrap().branch);
}

#[test]
fn forks_are_told_apart_by_their_tags() {
    let mut script = Script::new();
    let invite = script.invite(offer());
    script.answer(&invite, 180, "a", None);
    script.answer(&invite, 183, "b", answer());
    script.answer(&invite, 180, "a", None);
    script.answer(&invite, 200, "c", answer());
    assert_eq!(script.events(), ["1/0 180", "1/1 183 sdp", "1/0 180", "1/2 answered sdp"]);
}

#[test]
fn a_ringing_without_a_tag_is_the_first_fork_also_once_it_has_one() {
    let mut script = Script::new();
    let invite = script.invite(offer());
    script.answer(&invite, 180, "", None);
    script.answer(&invite, 183, "a", answer());
    script.answer(&invite, 180, "", None);
    script.answer(&invite, 200, "a", answer());
    assert_eq!(script.events(), ["1/0 180", "1/0 183 sdp", "1/0 180", "1/0 answered sdp"]);
    assert_eq!(script.request().headers.to_tag(), Some("a"));
}

#[test]
fn a_second_forks_200_is_acknowledged_and_ended_without_a_word() {
    let mut script = Script::new();
    let invite = script.invite(offer());
    script.answer(&invite, 200, "a", answer());
    script.seen();
    script.events();
    script.answer(&invite, 200, "b", answer());
    let sent = requests(&mut script);
    assert_eq!(sent.iter().map(|r| r.method.to_string()).collect::<Vec<_>>(), ["ACK", "BYE"]);
    for request in &sent {
        assert_eq!((&*request.uri, request.headers.to_tag()), ("sip:ana-b@10.0.0.9:5060", Some("b")));
    }
    assert_eq!(sent[0].headers.get(&Name::CSeq).unwrap(), "1 ACK");
    assert_eq!(sent[1].headers.get(&Name::CSeq).unwrap(), "2 BYE");
    assert!(sent[0].body.is_empty());
    script.answer(&invite, 200, "b", answer());
    script.answer(&invite, 200, "a", answer());
    assert_eq!(script.seen(), ["ACK", "ACK"], "each repeat has its own ACK again, and no second BYE");
    assert_eq!(script.events(), [""; 0]);
    assert!(script.agent.is_up(B));
}

#[test]
fn a_losing_forks_offer_is_answered_with_its_streams_refused() {
    let mut script = Script::new();
    let invite = script.invite(None);
    script.answer(&invite, 200, "a", offer());
    script.answer(&invite, 200, "b", offer());
    let sent = requests(&mut script);
    assert_eq!(sent.iter().map(|r| r.method.to_string()).collect::<Vec<_>>(), ["ACK", "BYE"]);
    assert!(String::from_utf8_lossy(&sent[0].body).contains("m=audio 0 RTP/AVP 8\r\n"));
    assert_eq!(sent[0].headers.to_tag(), Some("b"));
    assert_eq!(script.events(), ["1/0 answered sdp"], "the winner's answer is still owed");
}

#[test]
fn bye_with_an_ack_owed_refuses_the_offer_first() {
    let mut script = Script::new();
    let invite = script.invite(None);
    script.answer(&invite, 200, "a", offer());
    script.act(|agent, now, out| agent.bye(now, B, out));
    let sent = requests(&mut script);
    assert_eq!(sent.iter().map(|r| r.method.to_string()).collect::<Vec<_>>(), ["ACK", "BYE"]);
    assert!(String::from_utf8_lossy(&sent[0].body).contains("m=audio 0 RTP/AVP 8\r\n"));
}

#[test]
fn the_cancel_repeats_the_invites_branch_and_says_why() {
    for (why, reason) in [
        (CancelReason::AnsweredElsewhere, Some("SIP;cause=200;text=\"Call completed elsewhere\"")),
        (CancelReason::CallerGaveUp, Some("SIP;cause=487")),
        (CancelReason::NextInTurn, None),
    ] {
        let mut script = Script::new();
        let invite = script.invite(offer());
        script.answer(&invite, 180, "a", None);
        script.act(|agent, now, out| agent.cancel(now, B, why, out));
        let cancel = script.request();
        assert_eq!(cancel.headers.get(&Name::Reason).map(ToString::to_string).as_deref(), reason);
        for name in [Name::Via, Name::From, Name::To, Name::CallId] {
            assert_eq!(cancel.headers.get(&name), invite.headers.get(&name), "{name}");
        }
        assert_eq!(cancel.uri, invite.uri);
        assert_eq!(cancel.headers.get(&Name::CSeq).unwrap(), "1 CANCEL");
        assert!(cancel.body.is_empty());
    }
}

#[test]
fn a_final_answer_that_is_no_2xx_is_acknowledged_with_its_own_tag() {
    let mut script = Script::new();
    let invite = script.invite(offer());
    let contacts = |response: crate::sip::message::Response| {
        response.with(Name::Contact, "<sip:202@10.0.0.8>;q=0.5").with(Name::Contact, "\"M\" <tel:+551199>")
    };
    script.answer_with(&invite, 302, "x", contacts, None);
    let ack = script.request();
    assert_eq!(ack.method, rsip::Method::Ack);
    assert_eq!(ack.headers.to_tag(), Some("x"));
    assert_eq!(ack.headers.via(), invite.headers.via());
    assert_eq!(script.events(), ["1 failed 302 Peer tel:+551199 sip:202@10.0.0.8"]);
}

#[test]
fn silence_is_a_408_and_no_way_is_a_503() {
    let mut script = Script::new();
    script.invite(offer());
    script.advance(32_000);
    assert_eq!(script.events(), ["1 failed 408 Timeout"]);
    assert!(script.agent.is_idle());

    let mut script = Script::new();
    script.invite(offer());
    script.act(|agent, now, out| agent.unreachable(now, hop("10.0.0.1:5060", "10.0.0.8:5060"), out));
    assert_eq!(script.events(), [""; 0], "another hop");
    script.act(|agent, now, out| agent.unreachable(now, hop("10.0.0.1:5060", PEER), out));
    assert_eq!(script.events(), ["1 failed 503 Transport"]);
    assert!(script.agent.is_idle());
}

#[test]
fn the_ack_visits_the_route_that_the_200_recorded() {
    let mut script = Script::new();
    let invite = script.invite(offer());
    let routed = |response: crate::sip::message::Response| {
        response
            .with(Name::RecordRoute, "<sip:far;lr>")
            .with(Name::RecordRoute, "<sip:10.0.0.50;lr>")
            .with(Name::Contact, "<sip:ana@10.7.7.7>")
    };
    script.answer_with(&invite, 200, "a", routed, answer());
    let sent = script.transmits();
    assert_eq!(sent[0].hop.remote, "10.0.0.50:5060".parse().unwrap());
    let Message::Request(ack) = read(&sent[0].bytes) else { panic!("a request") };
    assert_eq!(ack.uri, "sip:ana@10.7.7.7");
    let routes: Vec<_> = ack.headers.all(&Name::Route).map(ToString::to_string).collect();
    assert_eq!(routes, ["<sip:10.0.0.50;lr>", "<sip:far;lr>"]);
}

#[test]
fn a_strayed_response_is_nothing() {
    let mut script = Script::new();
    let mut invite = script.invite(offer());
    invite.headers.set(Name::Via, "SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKguessed");
    script.answer(&invite, 200, "a", answer());
    assert_eq!((script.seen(), script.events()), (vec![], vec![]));
}

#[test]
fn an_early_update_crosses_our_offer_and_an_empty_one_passes() {
    let mut script = Script::new();
    let invite = script.invite(offer());
    script.answer(&invite, 183, "a", answer());
    let update = |cseq: &str, branch: &str| {
        Request::new(rsip::Method::Update, "sip:ramal@10.0.0.1")
            .with(Name::Via, format!("SIP/2.0/UDP {PEER};branch=z9hG4bK{branch}"))
            .with(Name::MaxForwards, "70")
            .with(Name::From, "<sip:201@10.0.0.9>;tag=a")
            .with(Name::To, invite.headers.get(&Name::From).unwrap().clone())
            .with(Name::CallId, invite.headers.call_id().unwrap().clone())
            .with(Name::CSeq, cseq)
            .with(Name::Contact, "<sip:ana@10.0.0.77>")
    };
    script.say(&update("1 UPDATE", "u1").with_body("application/sdp", offer().unwrap()));
    assert_eq!(script.response().status.code(), 491);
    script.say(&update("2 UPDATE", "u2"));
    let ok = script.response();
    assert_eq!((ok.status.code(), tag_of(&ok).as_str()), (200, invite.headers.from_tag().unwrap()));
    script.answer_with(&invite, 200, "a", |response| response, answer());
    assert_eq!(script.events(), ["1/0 183 sdp", "1 identified", "1/0 answered sdp"]);
}

#[test]
fn a_callee_that_invents_tags_takes_no_more_memory_than_the_most() {
    let mut script = Script::new();
    let invite = script.invite(offer());
    for n in 0..1_000 {
        script.answer(&invite, 183, &format!("t{n}"), answer());
    }
    let super::super::leg::Usage::Calling(calling) = &script.agent.legs[0].usage else { panic!("it rings") };
    assert_eq!(calling.forks.len(), 32);
    for n in 1_000..2_000 {
        script.answer(&invite, 200, &format!("t{n}"), answer());
    }
    assert_eq!(script.agent.legs[0].acks.len(), 32);
    assert!(script.agent.is_up(B));
    let seen = script.seen();
    assert_eq!(seen.iter().filter(|sent| *sent == "ACK").count(), 32);
    assert_eq!(seen.iter().filter(|sent| *sent == "BYE").count(), 31);
}
