//! Challenges: each method answered once, remembered for the dialog, and never for whom it is not meant.

use std::sync::Arc;
use std::time::Duration;

use rsip::Method;

use super::script::{PEER, US, tag_of};
use super::*;
use crate::base::{Account, Secret};
use crate::sip::digest::Credentials;
use crate::sip::message::{Name, Request, Response};

const NONCE_1: &str = "Digest realm=\"carrier, Inc.\", nonce=\"one\", qop=\"auth\", opaque=\"o\"";
const NONCE_2: &str = "Digest realm=\"carrier, Inc.\", nonce=\"two\", qop=\"auth\"";

fn account() -> Option<Arc<Account>> {
    Some(Arc::new(Account { username: "acme".to_owned(), password: password() }))
}

fn password() -> Secret {
    Secret::new("geheim".to_owned())
}

fn call(script: &mut Script) -> Request {
    let target = Target { account: account(), ..Target::new("sip:+5521@10.0.0.9".into(), hop(US, PEER)) };
    script.act(|agent, now, out| agent.invite(now, &target, &outgoing(offer()), out));
    script.request()
}

fn challenge(script: &mut Script, request: &Request, status: u16, challenges: &[&str]) {
    let name = if status == 401 { Name::WwwAuthenticate } else { Name::ProxyAuthenticate };
    let add =
        |response: Response| challenges.iter().fold(response, |response, value| response.with(name.clone(), *value));
    script.answer_with(request, status, "challenger", add, None);
}

/// The credentials of a request, which must be right.
#[track_caller]
fn credentials(request: &Request, name: &Name) -> Credentials {
    let all: Vec<_> = request.headers.all(name).collect();
    assert_eq!(all.len(), 1, "{request:?}");
    let said = Credentials::parse(all[0]).expect("they can be read");
    let method = crate::sip::message::method_text(request.method);
    assert!(said.are_right(&password(), method), "{}", all[0]);
    assert!(said.are_for(&request.uri));
    said
}

fn is_bare(request: &Request) -> bool {
    !request.headers.has(&Name::Authorization) && !request.headers.has(&Name::ProxyAuthorization)
}

fn cseq(request: &Request) -> u32 {
    request.headers.cseq().expect("it has one").0
}

#[test]
fn a_challenged_invite_is_acknowledged_and_sent_again_with_credentials() {
    let mut script = Script::new();
    let first = call(&mut script);
    assert!(is_bare(&first));
    challenge(&mut script, &first, 407, &[NONCE_1]);
    let sent: Vec<Request> = script
        .sent()
        .into_iter()
        .filter_map(|message| if let Message::Request(request) = message { Some(request) } else { None })
        .collect();
    let [ack, again] = &*sent else { panic!("{sent:?}") };
    assert_eq!((ack.method, cseq(ack), again.method, cseq(again)), (Method::Ack, 1, Method::Invite, 2));
    assert_eq!(ack.headers.via().unwrap().branch, first.headers.via().unwrap().branch);
    assert_ne!(again.headers.via().unwrap().branch, first.headers.via().unwrap().branch);
    assert_eq!(again.headers.call_id(), first.headers.call_id());
    assert_eq!(again.headers.get(&Name::From), first.headers.get(&Name::From));
    assert_eq!(again.headers.get(&Name::To), first.headers.get(&Name::To));
    assert_eq!(again.body, first.body);
    let said = credentials(again, &Name::ProxyAuthorization);
    assert_eq!((&*said.nonce, said.count, said.opaque.as_deref()), ("one", Some(1), Some("o")));
    // The challenge once more gets its ACK once more, and nothing else.
    challenge(&mut script, &first, 407, &[NONCE_1]);
    assert_eq!(script.seen(), ["ACK"]);
    script.answer(again, 180, "a", None);
    script.answer(again, 200, "a", answer());
    assert_eq!(script.events(), ["1/0 180", "1/0 answered sdp"]);
    let ack = script.request();
    assert_eq!((ack.method, cseq(&ack)), (Method::Ack, 2));
    // "UACs creating an ACK message will duplicate all of the … header field values that appeared in the INVITE".
    assert_eq!(ack.headers.get(&Name::ProxyAuthorization), again.headers.get(&Name::ProxyAuthorization));
}

#[test]
fn every_request_in_the_dialog_brings_credentials_with_a_rising_count_and_answers_a_new_nonce() {
    let mut script = Script::new();
    let first = call(&mut script);
    challenge(&mut script, &first, 401, &[NONCE_1]);
    let again = script.request();
    script.answer(&again, 200, "a", answer());
    script.sent();
    script.act(|agent, now, out| agent.pass(now, B, "INFO", None, None, out));
    let info = script.request();
    let said = credentials(&info, &Name::Authorization);
    assert_eq!((cseq(&info), &*said.nonce, said.count), (3, "one", Some(2)));
    // Its nonce has run out, whether the peer says so or not.
    challenge(&mut script, &info, 401, &[NONCE_2]);
    let info = script.request();
    let said = credentials(&info, &Name::Authorization);
    assert_eq!((cseq(&info), &*said.nonce, said.count), (4, "two", Some(1)));
    script.answer(&info, 200, "a", None);
    script.events();
    for count in 2..4 {
        let request = match count {
            2 => {
                script.act(|agent, now, out| agent.reinvite(now, B, offer(), out));
                let request = script.request();
                script.answer(&request, 200, "a", answer());
                assert_eq!(credentials(&request, &Name::Authorization).count, Some(count));
                script.request()
            }
            _ => {
                script.act(|agent, now, out| agent.update(now, B, offer().unwrap(), out));
                let request = script.request();
                script.answer(&request, 200, "a", answer());
                assert_eq!(credentials(&request, &Name::Authorization).count, Some(count));
                request
            }
        };
        assert!(!is_bare(&request), "{:?}", request.method);
    }
    script.act(|agent, now, out| agent.bye(now, B, out));
    let bye = script.request();
    assert_eq!(credentials(&bye, &Name::Authorization).count, Some(4));
    challenge(&mut script, &bye, 401, &["Digest realm=\"carrier, Inc.\", nonce=\"three\", qop=\"auth\", stale=true"]);
    let bye_again = script.request();
    assert_eq!((bye_again.method, cseq(&bye_again)), (Method::Bye, cseq(&bye) + 1));
    assert_eq!(credentials(&bye_again, &Name::Authorization).nonce, "three");
    script.answer(&bye_again, 200, "a", None);
    script.advance(64_000);
    assert!(script.agent.is_idle());
}

#[test]
fn requests_on_the_callers_leg_are_answered_by_the_callers_trunk_account() {
    let mut script = Script::new();
    script.agent = UserAgent::new(CallId::from_bits(7), Ids::seeded(1), Timers::default()).with_account(account());
    let invite = script.invited(offer());
    script.act(|agent, now, out| agent.accept(now, FORK, answer(), out));
    let tag = tag_of(&script.response());
    let ack = script.peers(Method::Ack, &tag, "1 ACK");
    script.say(&ack);
    script.act(|agent, now, out| agent.bye(now, LegId::A, out));
    let bye = script.request();
    assert!(is_bare(&bye));
    challenge(&mut script, &bye, 407, &[NONCE_1]);
    let again = script.request();
    assert_eq!(credentials(&again, &Name::ProxyAuthorization).count, Some(1));
    assert_eq!(again.headers.call_id(), invite.headers.call_id());
}

#[test]
fn a_challenge_on_a_leg_without_an_account_is_an_answer_like_any_other() {
    let mut script = Script::new();
    let invite = script.invite(offer());
    challenge(&mut script, &invite, 401, &[NONCE_1]);
    assert_eq!((script.events(), script.seen()), (vec!["1 failed 401 Peer".to_owned()], vec!["ACK".to_owned()]));
}

#[test]
fn who_leads_our_requests_elsewhere_and_challenges_them_there_learns_nothing() {
    let mut script = Script::new();
    let invite = call(&mut script);
    let lead_away = |response: Response| response.with(Name::Contact, "<sip:thief@10.0.0.66>");
    script.answer_with(&invite, 200, "a", lead_away, answer());
    script.sent();
    script.act(|agent, now, out| agent.pass(now, B, "INFO", None, None, out));
    let info = script.request();
    challenge(&mut script, &info, 407, &[NONCE_1]);
    assert_eq!(script.seen(), Vec::<String>::new());
    assert_eq!(script.events(), ["1/0 answered sdp", "1 replied 503"]);
}

#[test]
fn a_wrong_password_ends_after_one_answer_and_a_stale_nonce_does_not() {
    for (second, ends) in [
        (NONCE_1, true),
        (NONCE_2, true),
        ("Digest realm=\"carrier, Inc.\", nonce=\"one\", stale=true", true),
        ("Digest realm=\"carrier, Inc.\", nonce=\"two\", stale=true", false),
        ("Digest realm=\"another\", nonce=\"two\"", false),
        ("Basic realm=\"another\"", true),
    ] {
        let mut script = Script::new();
        let invite = call(&mut script);
        challenge(&mut script, &invite, 407, &[NONCE_1]);
        let again = script.request();
        challenge(&mut script, &again, 407, &[second]);
        let expected = if ends { vec!["1 failed 407 Peer".to_owned()] } else { Vec::new() };
        assert_eq!(script.events(), expected, "{second}");
        assert_eq!(script.seen().len(), if ends { 1 } else { 2 }, "{second}");
    }
}

#[test]
fn a_peer_that_finds_every_nonce_stale_is_given_up() {
    let mut script = Script::new();
    let mut invite = call(&mut script);
    for n in 0..6 {
        assert_eq!(script.events(), Vec::<String>::new(), "{n}");
        challenge(&mut script, &invite, 401, &[&format!("Digest realm=\"x\", nonce=\"{n}\", stale=true")]);
        invite = script.request();
    }
    challenge(&mut script, &invite, 401, &["Digest realm=\"x\", nonce=\"more\", stale=true"]);
    assert_eq!(script.events(), ["1 failed 401 Peer"]);
}

#[test]
fn a_proxy_and_the_carrier_behind_it_are_both_answered_by_the_strongest_hash() {
    let mut script = Script::new();
    let invite = call(&mut script);
    let strong = "Digest realm=\"carrier, Inc.\", nonce=\"s\", qop=\"auth\", algorithm=SHA-256";
    challenge(&mut script, &invite, 407, &["Digest realm=\"proxy\", nonce=\"p\""]);
    let again = script.request();
    challenge(&mut script, &again, 401, &[NONCE_1, strong]);
    let third = script.request();
    assert_eq!(credentials(&third, &Name::ProxyAuthorization).nonce, "p");
    assert_eq!(credentials(&third, &Name::Authorization).nonce, "s");
    assert_eq!(cseq(&third), 3);
}

#[test]
fn an_invite_taken_back_while_it_is_challenged_is_not_sent_again() {
    let mut script = Script::new();
    let invite = call(&mut script);
    script.act(|agent, now, out| agent.cancel(now, B, CancelReason::CallerGaveUp, out));
    challenge(&mut script, &invite, 407, &[NONCE_1]);
    assert_eq!(script.seen(), ["ACK"]);
    script.advance(64_000);
    assert!(script.agent.is_idle());
    assert_eq!(script.seen(), Vec::<String>::new());
}

#[test]
fn the_cancel_of_a_challenged_invite_cancels_the_second_one_and_brings_no_credentials() {
    let mut script = Script::new();
    let invite = call(&mut script);
    challenge(&mut script, &invite, 407, &[NONCE_1]);
    let again = script.request();
    script.answer(&again, 183, "a", None);
    script.act(|agent, now, out| agent.cancel(now, B, CancelReason::NextInTurn, out));
    let cancel = script.request();
    assert_eq!((cancel.method, cseq(&cancel)), (Method::Cancel, 2));
    assert_eq!(cancel.headers.via().unwrap().branch, again.headers.via().unwrap().branch);
    assert!(is_bare(&cancel));
    script.answer(&again, 487, "a", None);
    let ack = script.request();
    assert_eq!((ack.method, cseq(&ack)), (Method::Ack, 2));
    // The challenge of a CANCEL is never met (RFC 3261 §22.1).
    challenge(&mut script, &cancel, 401, &[NONCE_1]);
    assert_eq!(script.seen(), Vec::<String>::new());
}

#[test]
fn a_target_goes_by_its_routes() {
    let mut script = Script::new();
    let routes = vec!["<sip:edge@10.0.0.9;lr>".to_owned(), "<sip:10.0.0.10;lr>".to_owned()];
    let target = Target { routes: routes.clone(), ..Target::new("sip:201@10.0.0.20".into(), hop(US, PEER)) };
    script.act(|agent, now, out| agent.invite(now, &target, &outgoing(offer()), out));
    let invite = script.request();
    let found: Vec<String> = invite.headers.all(&Name::Route).map(ToString::to_string).collect();
    assert_eq!(found, routes);
}

/// A peer is given three seconds.
fn call_impatiently(script: &mut Script) -> Request {
    let silence = Some(Duration::from_secs(3));
    let target = Target { silence, ..Target::new("sip:+5521@10.0.0.9".into(), hop(US, PEER)) };
    script.act(|agent, now, out| agent.invite(now, &target, &outgoing(offer()), out));
    script.request()
}

#[test]
fn a_silent_peer_is_given_up_in_time_and_a_late_answer_is_cancelled_or_told() {
    let mut script = Script::new();
    let invite = call_impatiently(&mut script);
    script.advance(2_999);
    assert_eq!(script.events(), Vec::<String>::new());
    script.advance(1);
    assert_eq!(script.events(), ["1 failed 408 Silence"]);
    script.sent();
    script.answer(&invite, 180, "a", None);
    assert_eq!((script.events(), script.seen()), (Vec::new(), vec!["CANCEL".to_owned()]));
    script.answer(&invite, 200, "a", answer());
    assert_eq!((script.events(), script.seen()), (vec!["1/0 answered sdp".to_owned()], vec!["ACK".to_owned()]));
}

#[test]
fn a_peer_that_says_as_much_as_100_is_not_silent() {
    let mut script = Script::new();
    let invite = call_impatiently(&mut script);
    script.answer(&invite, 100, "", None);
    script.advance(60_000);
    assert_eq!(script.events(), Vec::<String>::new());
}
