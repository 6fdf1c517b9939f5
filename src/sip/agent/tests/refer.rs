//! REFER and its NOTIFYs.

use rsip::Method;

use super::script::tag_of;
use super::*;
use crate::sip::message::{Name, Request};

/// A scripted call that is up; our tag.
fn up() -> (Script, String) {
    let mut script = Script::new();
    script.invited(offer());
    script.act(|agent, now, out| agent.accept(now, FORK, answer(), out));
    let tag = tag_of(&script.response());
    let ack = script.peers(Method::Ack, &tag, "1 ACK");
    script.say(&ack);
    script.events();
    script.transmits();
    (script, tag)
}

fn refer(script: &mut Script, tag: &str, cseq: u32, refer_to: &[&str]) -> Request {
    let request = script.peers(Method::Refer, tag, &format!("{cseq} REFER"));
    refer_to.iter().fold(request, |request, value| request.with(Name::ReferTo, *value))
}

fn notify(script: &mut Script, refer: RequestId, status: u16, last: bool) {
    script.act(|agent, now, out| agent.notify(now, refer, status, last, out));
}

#[test]
fn notifies_go_one_after_the_other_and_none_before_the_202() {
    let (mut script, tag) = up();
    let request = refer(&mut script, &tag, 2, &["<sip:202@10.0.0.1>"]);
    script.say(&request);
    let id = script.last_request();
    assert_eq!(script.events(), ["0 referred sip:202@10.0.0.1 true"]);
    notify(&mut script, id, 100, false);
    notify(&mut script, id, 200, true);
    assert_eq!(script.seen(), [""; 0]);
    script.act(|agent, now, out| agent.answer(now, id, 202, None, out));
    let sent = script.sent();
    assert_eq!(sent.iter().map(short).collect::<Vec<_>>(), ["202 REFER", "NOTIFY"]);
    let Message::Request(first) = &sent[1] else { panic!("a request") };
    assert_eq!(first.headers.get(&Name::Event).unwrap(), "refer");
    assert_eq!(first.headers.get(&Name::SubscriptionState).unwrap(), "active;expires=60");
    assert_eq!(first.headers.get(&Name::ContentType).unwrap(), "message/sipfrag;version=2.0");
    assert!(first.headers.has(&Name::Contact));
    assert_eq!(first.body, "SIP/2.0 100 Trying\r\n");

    script.answer(first, 200, "", None);
    let last = script.request();
    assert_eq!(last.headers.get(&Name::SubscriptionState).unwrap(), "terminated;reason=noresource");
    assert_eq!(last.body, "SIP/2.0 200 OK\r\n");
    script.answer(&last, 200, "", None);
    assert_eq!(script.events(), ["0 replied 200", "0 replied 200"]);
    notify(&mut script, id, 200, true);
    assert_eq!((script.seen(), script.events()), (vec![], vec!["0 replied 481".to_owned()]));
}

#[test]
fn a_notify_that_fails_ends_the_subscription_and_not_the_call() {
    let (mut script, tag) = up();
    let request = refer(&mut script, &tag, 2, &["<sip:202@10.0.0.1>"]);
    script.say(&request);
    let id = script.last_request();
    script.act(|agent, now, out| agent.answer(now, id, 202, None, out));
    notify(&mut script, id, 100, false);
    notify(&mut script, id, 200, true);
    let first = script.request();
    script.events();
    script.answer(&first, 481, "", None);
    assert_eq!(script.events(), ["0 replied 481", "0 replied 481"]);
    assert!(script.agent.is_up(LegId::A));
}

#[test]
fn notifies_still_go_after_the_transferors_bye() {
    let (mut script, tag) = up();
    let request = refer(&mut script, &tag, 2, &["<sip:202@10.0.0.1>"]);
    script.say(&request);
    let id = script.last_request();
    script.act(|agent, now, out| agent.answer(now, id, 202, None, out));
    let bye = script.peers(Method::Bye, &tag, "3 BYE");
    script.say(&bye);
    let ended = script.last_request();
    script.act(|agent, now, out| agent.answer(now, ended, 200, None, out));
    script.seen();
    notify(&mut script, id, 200, true);
    let last = script.request();
    script.answer(&last, 481, "", None);
    script.advance(40_000);
    assert!(script.agent.is_idle());
}

#[test]
fn a_second_refer_in_the_dialog_is_named_by_its_cseq() {
    let (mut script, tag) = up();
    for (cseq, event) in [(2, "refer"), (3, "refer;id=3")] {
        let request = refer(&mut script, &tag, cseq, &["<sip:202@10.0.0.1>"]);
        script.say(&request);
        let id = script.last_request();
        script.act(|agent, now, out| agent.answer(now, id, 202, None, out));
        notify(&mut script, id, 100, false);
        let sent = script.request();
        assert_eq!(sent.headers.get(&Name::Event).unwrap(), event);
    }
}

#[test]
fn a_refer_without_one_target_is_a_bad_request() {
    let (mut script, tag) = up();
    for (cseq, targets) in
        [(2, vec![]), (3, vec!["<sip:1@h>", "<sip:2@h>"]), (4, vec!["<sip:1@h>, <sip:2@h>"]), (5, vec!["\u{0}<<"])]
    {
        let mut request = refer(&mut script, &tag, cseq, &[]);
        for target in &targets {
            request = request.with(Name::ReferTo, *target);
        }
        let received = Received { message: request.into(), hop: hop(super::script::US, super::script::PEER) };
        script.act(|agent, now, out| agent.receive(now, &received, out));
        assert_eq!(script.response().status.code(), 400, "{targets:?}");
    }
    assert_eq!(script.events(), [""; 0]);
}

#[test]
fn the_target_is_read_with_its_replaces() {
    let (mut script, tag) = up();
    let target = "\"Ana\" <sip:201@10.0.0.1?Replaces=x%40y%3Bto-tag%3D1%3Bfrom-tag%3D2>";
    let request = refer(&mut script, &tag, 2, &[target]).with(Name::ReferredBy, "<sip:ana@h>");
    let mut out = AgentOut::default();
    let received = Received { message: read(&request.to_bytes()), hop: hop(super::script::US, super::script::PEER) };
    script.agent.receive(at(0), &received, &mut out);
    let [LegEvent::Referred { refer_to, referred_by, .. }] = out.events.as_slice() else { panic!("{:?}", out.events) };
    assert_eq!(refer_to.replaces.as_ref().map(ToString::to_string).as_deref(), Some("x@y;to-tag=1;from-tag=2"));
    assert_eq!((refer_to.party.user.as_str(), refer_to.party.display.as_str()), ("201", "Ana"));
    assert_eq!(referred_by.as_deref(), Some("<sip:ana@h>"));
}

#[test]
fn refer_sub_false_wants_no_notifies() {
    let (mut script, tag) = up();
    let request = refer(&mut script, &tag, 2, &["<sip:202@10.0.0.1>"]).with(Name::ReferSub, "False ;x");
    script.say(&request);
    let id = script.last_request();
    assert_eq!(script.events(), ["0 referred sip:202@10.0.0.1 false"]);
    script.act(|agent, now, out| agent.answer(now, id, 202, None, out));
    assert_eq!(script.response().headers.get(&Name::ReferSub).unwrap(), "false");
    notify(&mut script, id, 100, false);
    assert_eq!(script.seen(), [""; 0]);
}

#[test]
fn a_refused_refer_has_no_subscription() {
    let (mut script, tag) = up();
    let request = refer(&mut script, &tag, 2, &["<sip:202@10.0.0.1>"]);
    script.say(&request);
    let id = script.last_request();
    script.act(|agent, now, out| agent.answer(now, id, 603, None, out));
    assert_eq!(script.seen(), ["603 REFER"]);
    notify(&mut script, id, 100, false);
    assert_eq!(script.seen(), [""; 0]);
}

#[test]
fn a_refer_before_the_answer_is_declined() {
    let mut script = Script::new();
    script.invited(offer());
    script.act(|agent, now, out| agent.progress(now, 180, None, None, out));
    let tag = tag_of(&script.response());
    let request = refer(&mut script, &tag, 2, &["<sip:202@10.0.0.1>"]);
    script.say(&request);
    assert_eq!(script.response().status.code(), 603);
}

#[test]
fn a_refer_that_the_transferors_bye_overtakes_is_487_and_forgotten() {
    let (mut script, tag) = up();
    let request = refer(&mut script, &tag, 2, &["<sip:202@10.0.0.1>"]);
    script.say(&request);
    let id = script.last_request();
    notify(&mut script, id, 100, false);
    script.events();
    let bye = script.peers(Method::Bye, &tag, "3 BYE");
    script.say(&bye);
    assert_eq!(script.seen(), ["487 REFER"]);
    assert_eq!(script.events(), ["0 replied 481", "0 bye"]);
    assert!(script.agent.subscriptions.is_empty());
}
