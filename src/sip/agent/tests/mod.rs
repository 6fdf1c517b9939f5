//! Whole conversations on a virtual clock: two user agents with each other, and one with a scripted peer.

mod called;
mod calling;
mod credentials;
mod early;
mod ending;
mod in_dialog;
mod pair;
mod prack;
mod refer;
mod script;
mod session;
mod storm;

use bytes::Bytes;

use super::*;
use crate::base::{Transport, Wall};
use crate::sip::message::{Limits, Message, parse};
use pair::Pair;
use script::Script;

const OFFER: &[u8] =
    b"v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";
const ANSWER: &[u8] =
    b"v=0\r\no=- 2 2 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\nm=audio 4002 RTP/AVP 8\r\n";

fn offer() -> Option<Bytes> {
    Some(Bytes::from_static(OFFER))
}

fn answer() -> Option<Bytes> {
    Some(Bytes::from_static(ANSWER))
}

fn at(millis: u64) -> Now {
    Now { mono: Instant::from_millis(millis), wall: Wall::default() }
}

fn hop(local: &str, remote: &str) -> Hop {
    let local = local.parse().unwrap();
    Hop { transport: Transport::Udp, local, remote: remote.parse().unwrap(), advertised: local, name: None }
}

fn read(bytes: &Bytes) -> Message {
    parse(bytes, &Limits::default()).unwrap_or_else(|fault| panic!("{fault}:\n{}", String::from_utf8_lossy(bytes)))
}

/// `INVITE`, `200 INVITE`: what a test says of a message.
fn short(message: &Message) -> String {
    let method = message.headers().cseq().map_or("?", |(_, method)| crate::sip::message::method_text(method));
    match message {
        Message::Request(request) => crate::sip::message::method_text(request.method).to_owned(),
        Message::Response(response) => format!("{} {method}", response.status),
    }
}

/// What the call sees of an event, without what is random in it.
fn told(event: &LegEvent) -> String {
    let sdp = |sdp: &Option<Bytes>| if sdp.is_some() { " sdp" } else { "" };
    match event {
        LegEvent::Invited { invitation } => format!("invited{}", sdp(&invitation.offer)),
        LegEvent::Identified { leg, .. } => format!("{} identified", leg.0),
        LegEvent::Canceled { leg } => format!("{} canceled", leg.0),
        LegEvent::Acked { leg, answer } => format!("{} acked{}", leg.0, sdp(answer)),
        LegEvent::NeverAcked { leg } => format!("{} never acked", leg.0),
        LegEvent::Progress { fork, status, sdp: body } => format!("{}/{} {status}{}", fork.leg.0, fork.n, sdp(body)),
        LegEvent::Answered { fork, sdp: body } => format!("{}/{} answered{}", fork.leg.0, fork.n, sdp(body)),
        LegEvent::Failed { leg, status, by, contacts } => {
            let contacts = if contacts.is_empty() { String::new() } else { format!(" {}", contacts.join(" ")) };
            format!("{} failed {status} {by:?}{contacts}", leg.0)
        }
        LegEvent::ReInvited { request, offer } => format!("{} reinvited{}", request.leg.0, sdp(offer)),
        LegEvent::Updated { request, fork, .. } => {
            let fork = fork.map(|fork| format!(" {}/{}", fork.leg.0, fork.n)).unwrap_or_default();
            format!("{} updated{fork}", request.leg.0)
        }
        LegEvent::Passing { request, method, .. } => format!("{} passing {method}", request.leg.0),
        LegEvent::Referred { request, refer_to, subscribed, .. } => {
            format!("{} referred {} {subscribed}", request.leg.0, refer_to.uri)
        }
        LegEvent::Bye { request } => format!("{} bye", request.leg.0),
        LegEvent::Replied { request, status, sdp: body } => format!("{} replied {status}{}", request.leg.0, sdp(body)),
        LegEvent::Gone { leg } => format!("{} gone", leg.0),
        LegEvent::Withdrawn { request } => format!("{} withdrawn", request.leg.0),
    }
}

fn request_of(event: &LegEvent) -> RequestId {
    match event {
        LegEvent::ReInvited { request, .. }
        | LegEvent::Updated { request, .. }
        | LegEvent::Passing { request, .. }
        | LegEvent::Referred { request, .. }
        | LegEvent::Bye { request }
        | LegEvent::Replied { request, .. } => *request,
        other => panic!("{other:?} names no request"),
    }
}

fn outgoing(offer: Option<Bytes>) -> OutgoingInvite {
    OutgoingInvite {
        caller: CallerId { display: "Maria Souza".into(), user: Some("+5511987654321".into()) },
        private: false,
        max_forwards: 69,
        offer,
        referred_by: None,
        diversion: None,
        replaces: None,
    }
}

/// The first leg that is called.
const B: LegId = LegId(1);

/// Its first fork.
const FORK: ForkId = ForkId { leg: B, n: 0 };
