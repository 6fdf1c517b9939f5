//! Requests outside of calls, both ways, on a clock of the test's own.

use std::time::Duration;

use super::*;
use crate::base::Transport;
use crate::sip::agent::call_of_branch;
use crate::sip::message::{Limits, Status, parse};

fn hop(transport: Transport) -> Hop {
    let at = |text: &str| text.parse().unwrap();
    let (local, remote) = (at("192.0.2.1:5060"), at("203.0.113.5:5060"));
    Hop { transport, local, remote, advertised: local, name: None }
}

fn at(ms: u64) -> Now {
    Now { mono: Instant::from_millis(1_000 + ms), ..Now::default() }
}

fn outside() -> Outside {
    Outside::new(Ids::seeded(7), Timers::default())
}

fn options() -> Request {
    Request::new(Method::Options, "sip:203.0.113.5")
        .with(Name::From, "<sip:ramal@192.0.2.1>;tag=1")
        .with(Name::To, "<sip:203.0.113.5>")
        .with(Name::CallId, "x")
        .with(Name::CSeq, "1 OPTIONS")
}

fn register(branch: &str) -> Request {
    Request::new(Method::Register, "sip:192.0.2.1")
        .with(Name::Via, format!("SIP/2.0/UDP 10.0.0.9:5070;branch=z9hG4bK{branch};rport"))
        .with(Name::From, "<sip:201@192.0.2.1>;tag=1")
        .with(Name::To, "<sip:201@192.0.2.1>")
        .with(Name::CallId, "r")
        .with(Name::CSeq, "1 REGISTER")
}

fn request_of(bytes: &Bytes) -> Request {
    match parse(bytes, &Limits::default()).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => panic!("a request"),
    }
}

#[test]
fn a_request_is_repeated_until_its_answer_comes_which_is_told_once() {
    let (mut outside, mut out) = (outside(), OutsideOut::default());
    let id = outside.request(at(0), hop(Transport::Udp), options(), &mut out).unwrap();
    outside.wake(at(500), &mut out);
    assert_eq!(out.sends.iter().map(|letter| letter.again).collect::<Vec<_>>(), [false, true]);
    let sent = request_of(&out.sends[0].bytes);
    let branch = sent.headers.via().unwrap().branch.unwrap().to_owned();
    assert!(is_outside(&branch));
    assert_eq!(call_of_branch(&branch), None, "no call's");
    for _ in 0..2 {
        let answer = Response::to(&sent, Status::OK);
        assert!(outside.receive(at(600), answer.into(), hop(Transport::Udp), &mut out));
    }
    assert!(matches!(&out.events[..], [OutsideEvent::Response { id: told, .. }] if *told == id));
    outside.wake(at(600 + 5_000), &mut out);
    assert!(outside.is_empty());
    assert_eq!(outside.next_wakeup(), None);
}

#[test]
fn silence_and_a_dead_way_are_told() {
    let (mut outside, mut out) = (outside(), OutsideOut::default());
    let silent = outside.request(at(0), hop(Transport::Tcp), options(), &mut out).unwrap();
    assert_eq!(outside.next_wakeup(), Some(at(32_000).mono), "no repeats by TCP");
    outside.wake(at(32_000), &mut out);
    let dead = outside.request(at(40_000), hop(Transport::Udp), options(), &mut out).unwrap();
    outside.unreachable(at(40_001), hop(Transport::Udp), &mut out);
    let failed = |id, why| OutsideEvent::Failed { id, why };
    assert_eq!(out.events, [failed(silent, Silence::Timeout), failed(dead, Silence::Unreachable)]);
    assert!(outside.is_empty());
}

#[test]
fn a_response_under_a_guessed_branch_or_to_another_method_is_nobodys() {
    let (mut outside, mut out) = (outside(), OutsideOut::default());
    outside.request(at(0), hop(Transport::Udp), options(), &mut out).unwrap();
    let mut sent = request_of(&out.sends[0].bytes);
    sent.headers.set(Name::CSeq, "1 REGISTER");
    outside.receive(at(1), Response::to(&sent, Status::OK).into(), hop(Transport::Udp), &mut out);
    sent.headers.set(Name::CSeq, "1 OPTIONS");
    let branch = format!("z9hG4bKo{:016x}.{:016x}", 1, 0);
    sent.headers.set(Name::Via, build::via(Transport::Udp, hop(Transport::Udp).local, &branch));
    outside.receive(at(1), Response::to(&sent, Status::OK).into(), hop(Transport::Udp), &mut out);
    assert_eq!(out.events, []);
}

#[test]
fn what_is_forgotten_is_heard_of_no_more() {
    let (mut outside, mut out) = (outside(), OutsideOut::default());
    let id = outside.request(at(0), hop(Transport::Udp), options(), &mut out).unwrap();
    outside.forget(id);
    outside.wake(at(60_000), &mut out);
    assert_eq!((out.sends.len(), out.events.len(), outside.next_wakeup()), (1, 0, None));
}

#[test]
fn a_peers_request_is_told_once_and_its_repeats_get_the_same_answer() {
    let (mut outside, mut out) = (outside(), OutsideOut::default());
    let came = || Message::from(register("a"));
    assert!(outside.receive(at(0), came(), hop(Transport::Udp), &mut out));
    assert!(outside.receive(at(10), came(), hop(Transport::Udp), &mut out), "absorbed: it waits for its answer");
    let [OutsideEvent::Request { id, request, .. }] = &out.events[..] else { panic!("{:?}", out.events) };
    let (id, answer) = (*id, Response::to(request, Status::OK));
    outside.respond(at(20), id, &answer, &mut out);
    outside.respond(at(21), id, &answer, &mut out);
    outside.receive(at(500), came(), hop(Transport::Udp), &mut out);
    assert_eq!(out.events.len(), 1);
    assert_eq!(out.sends.iter().map(|letter| letter.again).collect::<Vec<_>>(), [false, true]);
    assert_eq!(out.sends[0].bytes, out.sends[1].bytes);
    assert_eq!(out.sends[0].hop.remote, hop(Transport::Udp).remote, "rport: back to its source");
    outside.wake(at(20) + Duration::from_secs(32), &mut out);
    assert!(outside.is_empty() && outside.by_key.is_empty() && outside.by_source.is_empty());
}

#[test]
fn one_source_fills_no_more_than_its_share() {
    let (mut outside, mut out) = (outside(), OutsideOut::default());
    let taken = |outside: &mut Outside, out: &mut OutsideOut, n: u32, from: &str| {
        let hop = Hop { remote: from.parse().unwrap(), ..hop(Transport::Udp) };
        outside.receive(at(0), register(&n.to_string()).into(), hop, out)
    };
    let of_one = (0..1_000).filter(|n| taken(&mut outside, &mut out, *n, "198.51.100.1:5060")).count();
    assert_eq!(of_one, MOST_PER_SOURCE as usize);
    assert!(taken(&mut outside, &mut out, 5_000, "198.51.100.2:5060"));
}

impl std::ops::Add<Duration> for Now {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        Self { mono: self.mono + by, ..self }
    }
}
