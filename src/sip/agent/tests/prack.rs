//! Reliable provisionals (RFC 3262), each leg apart.

use rsip::Method;

use super::script::{tag_of, with_sdp};
use super::*;
use crate::sip::message::{Name, Request, Response};

fn fork(n: u16) -> ForkId {
    ForkId { leg: LegId(n), n: 0 }
}

fn reliable(rseq: u32) -> impl Fn(Response) -> Response {
    move |response| {
        let response = response.with(Name::Contact, "<sip:ana@10.0.0.9>");
        response.with(Name::Require, "100rel").with(Name::RSeq, rseq.to_string())
    }
}

/// What the PRACKs among the sent messages say: To-tag, CSeq, RAck.
fn pracks(script: &mut Script) -> Vec<String> {
    let sent = script.sent();
    let pracks = sent.iter().filter_map(|message| match message {
        Message::Request(prack) if prack.method == Method::PRack => {
            let text = |name: &Name| prack.headers.get(name).map(ToString::to_string).unwrap_or_default();
            let to = prack.headers.to_tag().unwrap_or_default();
            Some(format!("{to}: {} RAck {}", text(&Name::CSeq), text(&Name::RAck)))
        }
        _ => None,
    });
    pracks.collect()
}

/// A caller who requires 100rel calls.
fn required(offer: Option<Bytes>) -> Script {
    let mut script = Script::new();
    let invite = script.peers(Method::Invite, "", "1 INVITE").with(Name::Require, "100rel");
    script.say(&with_sdp(invite, offer));
    script.seen();
    script.events();
    script
}

fn progress(script: &mut Script, status: u16, fork: Option<ForkId>, sdp: Option<Bytes>) {
    script.act(|agent, now, out| agent.progress(now, status, fork, sdp, out));
}

fn rseq(response: &Response) -> u32 {
    assert!(response.headers.has_token(&Name::Require, "100rel"));
    response.headers.number(&Name::RSeq).expect("RSeq")
}

fn prack(script: &mut Script, to: &Response, cseq: u32) -> Request {
    let prack = script.peers(Method::PRack, &tag_of(to), &format!("{cseq} PRACK"));
    prack.with(Name::RAck, format!("{} 1 INVITE", rseq(to)))
}

#[test]
fn only_an_invite_with_an_offer_lets_provisionals_be_reliable() {
    let mut script = Script::new();
    assert!(script.invite(offer()).headers.has_token(&Name::Supported, "100rel"));
    assert!(!script.invite(None).headers.has_token(&Name::Supported, "100rel"));
}

#[test]
fn a_reliable_provisional_is_acknowledged_in_its_own_early_dialog_and_its_repeats_and_gaps_are_dropped() {
    let mut script = Script::new();
    let invite = script.invite(offer());
    script.answer_with(&invite, 180, "a", reliable(5), None);
    assert_eq!(pracks(&mut script), ["a: 2 PRACK RAck 5 1 INVITE"]);
    script.answer_with(&invite, 180, "a", reliable(5), None);
    script.answer_with(&invite, 183, "a", reliable(7), answer());
    assert_eq!(pracks(&mut script), [""; 0]);
    assert_eq!(script.events(), ["1/0 180"], "a provisional out of order is not looked at");
    script.answer_with(&invite, 183, "b", reliable(900), answer());
    script.answer_with(&invite, 183, "a", reliable(6), answer());
    assert_eq!(pracks(&mut script), ["b: 2 PRACK RAck 900 1 INVITE", "a: 3 PRACK RAck 6 1 INVITE"]);
    script.answer(&invite, 200, "a", None);
    script.act(|agent, now, out| agent.bye(now, B, out));
    assert_eq!(script.request().headers.get(&Name::CSeq).unwrap(), "4 BYE", "the dialog counts on");
    assert_eq!(script.events(), ["1/1 183 sdp", "1/0 183 sdp", "1/0 answered"]);
}

#[test]
fn a_prack_is_sent_again_until_it_is_answered_and_its_refusal_harms_nothing() {
    let mut script = Script::new();
    let invite = script.invite(offer());
    script.answer_with(&invite, 180, "a", reliable(1), None);
    let sent = script.request();
    script.advance(1_600);
    assert_eq!(script.seen(), ["PRACK", "PRACK"]);
    script.answer(&sent, 481, "", None);
    script.advance(40_000);
    assert_eq!(script.seen(), [""; 0]);
    script.answer(&invite, 200, "a", answer());
    assert!(script.agent.is_up(B));
}

#[test]
fn provisionals_to_who_requires_100rel_go_one_after_the_other_each_until_its_prack() {
    let mut script = required(offer());
    progress(&mut script, 180, None, None);
    progress(&mut script, 183, Some(fork(1)), answer());
    let ringing = script.response();
    assert_eq!(ringing.status.code(), 180, "the 183 waits");
    script.advance(3_600);
    assert_eq!(script.seen(), ["180 INVITE"; 3], "after 0.5, 1.5 and 3.5 s");
    let ack = prack(&mut script, &ringing, 2);
    script.say(&ack);
    let sent = script.sent();
    assert_eq!(sent.iter().map(short).collect::<Vec<_>>(), ["200 PRACK", "183 INVITE"]);
    let Message::Response(media) = &sent[1] else { panic!("a response") };
    assert_eq!(rseq(media), rseq(&ringing) + 1);
    script.say(&ack);
    assert_eq!(script.seen(), ["200 PRACK"], "a repeat of the PRACK");
    let again = prack(&mut script, &ringing, 3);
    script.say(&again);
    assert_eq!(script.seen(), ["481 PRACK"]);
}

#[test]
fn who_does_not_require_100rel_has_no_reliable_provisionals() {
    let mut script = Script::new();
    let invite = script.peers(Method::Invite, "", "1 INVITE").with(Name::Supported, "100rel");
    script.say(&with_sdp(invite, offer()));
    progress(&mut script, 180, None, None);
    assert!(!script.response().headers.has(&Name::RSeq));
}

#[test]
fn two_early_dialogs_count_their_provisionals_and_requests_apart() {
    let mut script = required(offer());
    progress(&mut script, 183, Some(fork(1)), answer());
    let ana = script.response();
    let ack = prack(&mut script, &ana, 2);
    script.say(&ack);
    progress(&mut script, 183, Some(fork(2)), answer());
    let bruno = script.response();
    assert_ne!(tag_of(&ana), tag_of(&bruno));
    let ack = prack(&mut script, &bruno, 2);
    script.say(&ack);
    assert_eq!(script.response().status.code(), 200, "CSeq 2 is in order in each");
    progress(&mut script, 180, Some(fork(1)), None);
    assert_eq!(rseq(&script.response()), rseq(&ana) + 1);
}

#[test]
fn a_200_waits_for_the_prack_of_the_provisional_that_carried_the_answer() {
    let mut script = required(offer());
    progress(&mut script, 183, Some(fork(1)), answer());
    let media = script.response();
    script.act(|agent, now, out| agent.accept(now, fork(1), answer(), out));
    assert_eq!(script.seen(), [""; 0]);
    let ack = prack(&mut script, &media, 2);
    script.say(&ack);
    assert_eq!(script.seen(), ["200 PRACK", "200 INVITE"]);
    let ack = script.peers(Method::Ack, &tag_of(&media), "1 ACK");
    script.say(&ack);
    assert_eq!(script.events(), ["0 acked"]);
    assert!(script.agent.may_offer(LegId::A));
}

#[test]
fn a_200_does_not_wait_for_the_prack_of_a_mere_ringing_and_that_is_still_answered() {
    let mut script = required(offer());
    progress(&mut script, 180, None, None);
    let ringing = script.response();
    script.act(|agent, now, out| agent.accept(now, fork(1), answer(), out));
    assert_eq!(script.seen(), ["200 INVITE"]);
    let ack = prack(&mut script, &ringing, 2);
    script.say(&ack);
    assert_eq!(script.seen(), ["200 PRACK"]);
    script.advance(600);
    assert_eq!(script.seen(), ["200 INVITE"], "the 180 is repeated no more");
}

#[test]
fn a_bye_of_ours_while_the_200_waits_goes_after_the_ack() {
    let mut script = required(offer());
    progress(&mut script, 183, Some(fork(1)), answer());
    let media = script.response();
    script.act(|agent, now, out| agent.accept(now, fork(1), answer(), out));
    script.act(|agent, now, out| agent.bye(now, LegId::A, out));
    assert_eq!(script.seen(), [""; 0]);
    let ack = prack(&mut script, &media, 2);
    script.say(&ack);
    let ack = script.peers(Method::Ack, &tag_of(&media), "1 ACK");
    script.say(&ack);
    assert_eq!(script.seen(), ["200 PRACK", "200 INVITE", "BYE"]);
}

#[test]
fn a_caller_who_gives_up_while_her_200_waits_never_had_it() {
    for by_bye in [false, true] {
        let mut script = required(offer());
        let invite_via = script.agent.servers[0].request.headers.get(&Name::Via).unwrap().clone();
        progress(&mut script, 183, Some(fork(1)), answer());
        let media = script.response();
        script.act(|agent, now, out| agent.accept(now, fork(1), answer(), out));
        if by_bye {
            let bye = script.peers(Method::Bye, &tag_of(&media), "2 BYE");
            script.say(&bye);
            let id = script.last_request();
            script.act(|agent, now, out| agent.answer(now, id, 200, None, out));
            assert_eq!(script.seen(), ["487 INVITE", "200 BYE"]);
            assert_eq!(script.events(), ["0 bye"]);
        } else {
            let mut cancel = script.peers(Method::Cancel, "", "1 CANCEL");
            cancel.headers.set(Name::Via, invite_via);
            script.say(&cancel);
            assert_eq!(script.seen(), ["200 CANCEL", "487 INVITE"]);
            assert_eq!(script.events(), ["0 gone"]);
        }
        script.advance(70_000);
        assert!(script.agent.is_idle() && script.agent.next_wakeup().is_none());
    }
}

#[test]
fn a_provisional_without_prack_for_64_t1_ends_the_call_with_a_5xx() {
    let mut script = required(offer());
    progress(&mut script, 180, None, None);
    script.advance(31_999);
    assert_eq!(script.events(), [""; 0]);
    script.advance(1);
    assert_eq!(script.events(), ["0 never acked"]);
    script.seen();
    script.act(|agent, now, out| agent.reject(now, 504, None, out));
    assert_eq!(script.seen(), ["504 INVITE"]);

    let mut script = required(offer());
    progress(&mut script, 183, Some(fork(1)), answer());
    script.act(|agent, now, out| agent.accept(now, fork(1), answer(), out));
    script.seen();
    script.advance(32_000);
    assert_eq!(script.seen().last().unwrap(), "504 INVITE");
    assert_eq!(script.events(), ["0 never acked"]);
}

#[test]
fn the_prack_of_a_provisional_whose_call_was_refused_meanwhile_is_answered() {
    let mut script = required(offer());
    progress(&mut script, 180, None, None);
    let ringing = script.response();
    script.act(|agent, now, out| agent.reject(now, 486, None, out));
    script.seen();
    let ack = prack(&mut script, &ringing, 2);
    script.say(&ack);
    assert_eq!(script.response().status.code(), 200);
    let stray = prack(&mut script, &ringing, 3);
    script.say(&stray);
    assert_eq!(script.response().status.code(), 481);
}

#[test]
fn an_offer_in_a_prack_is_the_calls_to_answer() {
    let mut script = required(offer());
    progress(&mut script, 183, Some(fork(1)), answer());
    let media = script.response();
    let ack = prack(&mut script, &media, 2).with_body("application/sdp", offer().unwrap());
    script.say(&ack);
    assert_eq!(script.seen(), [""; 0]);
    let id = script.last_request();
    assert_eq!(script.events(), ["0 updated 1/0"]);
    script.act(|agent, now, out| agent.answer(now, id, 200, answer(), out));
    let ok = script.response();
    assert_eq!((ok.status.code(), &ok.body[..]), (200, ANSWER));
    assert_eq!(ok.headers.get(&Name::CSeq).unwrap(), "2 PRACK");
}

#[test]
fn the_description_in_a_reliable_provisional_to_an_invite_without_offer_stays_here() {
    let mut script = required(None);
    progress(&mut script, 183, Some(fork(1)), offer());
    let media = script.response();
    assert!(media.body.is_empty() && media.headers.has(&Name::RSeq));
}

#[test]
fn a_caller_who_sends_no_prack_takes_no_more_memory_than_the_most() {
    let mut script = required(offer());
    for n in 0..1_000 {
        progress(&mut script, 183, Some(fork(n)), answer());
    }
    assert!(format!("{:?}", script.agent.reliable).matches("Provisional {").count() <= 8);
}

#[test]
fn two_who_insist_on_prack_have_every_provisional_acknowledged_whatever_is_lost() {
    let mut pair = Pair::new();
    pair.caller(|agent, _, _| agent.insist_on_prack());
    pair.callee(|agent, _, _| agent.insist_on_prack());
    pair.lose_next("180 INVITE", 2);
    pair.lose_next("PRACK", 1);
    pair.lose_next("200 PRACK", 1);
    pair.invite(offer());
    pair.callee(|agent, now, out| {
        agent.progress(now, 180, None, None, out);
        agent.progress(now, 183, Some(FORK), answer(), out);
    });
    pair.advance(10_000);
    pair.callee(|agent, now, out| agent.accept(now, FORK, answer(), out));
    pair.advance(10_000);
    let seen = pair.seen();
    assert_eq!(seen.last().unwrap(), "> ACK");
    assert_eq!(
        pair.events(),
        ["< invited sdp", "> 1/0 180", "> 1/0 183 sdp", "> 1/0 answered sdp", "< 0 acked"],
        "{seen:?}"
    );
}
