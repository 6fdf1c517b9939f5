//! Offers before the answer, and early dialogs that end.

use rsip::Method;

use super::script::{PEER, tag_of, with_sdp};
use super::*;
use crate::sip::message::{Name, Request, Response};

fn update(script: &mut Script, tag: &str, cseq: &str) -> Request {
    let update = script.peers(Method::Update, tag, cseq);
    with_sdp(update, offer())
}

/// A caller who requires 100rel and takes UPDATE; the reliable 183 that answers her offer.
fn rings_with_media() -> (Script, Response) {
    let mut script = Script::new();
    let invite = script.peers(Method::Invite, "", "1 INVITE");
    let invite = invite.with(Name::Require, "100rel").with(Name::Allow, "INVITE, ACK, BYE, UPDATE");
    script.say(&with_sdp(invite, offer()));
    script.act(|agent, now, out| agent.progress(now, 183, Some(FORK), answer(), out));
    let media = script.response();
    script.events();
    (script, media)
}

fn prack(script: &mut Script, to: &Response) {
    let rseq = to.headers.number(&Name::RSeq).unwrap();
    let prack = script.peers(Method::PRack, &tag_of(to), "2 PRACK").with(Name::RAck, format!("{rseq} 1 INVITE"));
    script.say(&prack);
    script.seen();
}

#[test]
fn an_early_offer_of_the_callers_is_taken_once_hers_has_its_answer() {
    let (mut script, media) = rings_with_media();
    let tag = tag_of(&media);
    let first = update(&mut script, &tag, "2 UPDATE");
    script.say(&first);
    let refusal = script.response();
    assert_eq!(refusal.status.code(), 500);
    assert!(refusal.headers.has(&Name::RetryAfter));
    let rseq = media.headers.number(&Name::RSeq).unwrap();
    let ack = script.peers(Method::PRack, &tag, "3 PRACK").with(Name::RAck, format!("{rseq} 1 INVITE"));
    script.say(&ack);
    let second = update(&mut script, &tag, "4 UPDATE");
    script.say(&second);
    let id = script.last_request();
    assert_eq!(script.events(), ["0 updated 1/0"]);
    assert!(!script.agent.may_update(LegId::A, FORK), "one at a time");
    let third = update(&mut script, &tag, "5 UPDATE");
    script.say(&third);
    assert_eq!(script.response().status.code(), 500);
    script.act(|agent, now, out| agent.answer(now, id, 200, answer(), out));
    assert_eq!(script.seen(), ["200 UPDATE"]);
}

#[test]
fn an_early_offer_of_ours_goes_where_the_caller_takes_it_and_crosses_hers_with_491() {
    let (mut script, media) = rings_with_media();
    assert!(!script.agent.may_update(LegId::A, FORK), "the answer has no PRACK yet");
    prack(&mut script, &media);
    assert!(script.agent.may_update(LegId::A, FORK));
    assert!(!script.agent.may_update(LegId::A, ForkId { leg: B, n: 1 }), "nobody was shown for that one");
    script.act(|agent, now, out| agent.update_early(now, LegId::A, FORK, offer().unwrap(), out));
    let ours = script.request();
    assert_eq!((ours.method, ours.headers.from_tag()), (Method::Update, Some(&*tag_of(&media))));
    let hers = update(&mut script, &tag_of(&media), "3 UPDATE");
    script.say(&hers);
    assert_eq!(script.response().status.code(), 491);
    script.answer(&ours, 200, "", answer());
    assert_eq!(script.events(), ["0 replied 200 sdp"]);
    script.act(|agent, now, out| agent.accept(now, FORK, answer(), out));
    let ok = script.response();
    let ack = script.peers(Method::Ack, &tag_of(&ok), "1 ACK");
    script.say(&ack);
    script.act(|agent, now, out| agent.bye(now, LegId::A, out));
    assert_eq!(script.request().headers.get(&Name::CSeq).unwrap(), "2 BYE", "the dialog counts on");
}

#[test]
fn a_callee_whose_answer_was_reliable_may_make_an_early_offer() {
    let mut script = Script::new();
    let invite = script.invite(offer());
    let reliable = |response: Response| {
        let response = response.with(Name::Contact, "<sip:ana@10.0.0.9>").with(Name::Allow, "INVITE, UPDATE");
        response.with(Name::Require, "100rel").with(Name::RSeq, "1")
    };
    script.answer_with(&invite, 183, "a", reliable, answer());
    script.answer(&invite, 183, "b", answer());
    script.events();
    let from = |tag: &str, cseq: &str| {
        Request::new(Method::Update, "sip:ramal@10.0.0.1")
            .with(Name::Via, format!("SIP/2.0/UDP {PEER};branch=z9hG4bKup{tag}{}", &cseq[..1]))
            .with(Name::MaxForwards, "70")
            .with(Name::From, format!("<sip:201@10.0.0.9>;tag={tag}"))
            .with(Name::To, invite.headers.get(&Name::From).unwrap().clone())
            .with(Name::CallId, invite.headers.call_id().unwrap().clone())
            .with(Name::CSeq, cseq)
            .with_body("application/sdp", offer().unwrap())
    };
    script.say(&from("b", "1 UPDATE"));
    assert_eq!(script.response().status.code(), 491, "an unreliable 183 settles nothing");
    script.say(&from("a", "1 UPDATE"));
    let id = script.last_request();
    assert_eq!(script.events(), ["1 updated 1/0"]);
    script.act(|agent, now, out| agent.answer(now, id, 200, answer(), out));
    assert_eq!(script.seen(), ["200 UPDATE"]);
    assert!(script.agent.may_update(B, FORK) && !script.agent.may_update(B, ForkId { leg: B, n: 1 }));
}

#[test]
fn a_199_ends_the_early_dialog_of_one_fork_and_only_who_knows_it_is_told() {
    for knows in [true, false] {
        let mut script = Script::new();
        let invite = script.peers(Method::Invite, "", "1 INVITE");
        let invite = if knows { invite.with(Name::Supported, "199") } else { invite };
        script.say(&with_sdp(invite, offer()));
        script.act(|agent, now, out| agent.progress(now, 183, Some(FORK), answer(), out));
        let media = script.response();
        script.act(|agent, now, out| agent.fork_is_over(now, LegId(2), None, out));
        assert_eq!(script.seen(), [""; 0], "another leg's");
        script.act(|agent, now, out| agent.fork_is_over(now, B, Some(0), out));
        script.act(|agent, now, out| agent.fork_is_over(now, B, None, out));
        if !knows {
            assert_eq!(script.seen(), [""; 0]);
            continue;
        }
        let over = script.response();
        assert_eq!((over.status.code(), tag_of(&over)), (199, tag_of(&media)));
        script.act(|agent, now, out| agent.progress(now, 180, None, None, out));
        assert_ne!(tag_of(&script.response()), tag_of(&media), "whoever rings next does it in another");
    }
}
