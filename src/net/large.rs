//! Requests that are too large for UDP, and go by TCP to peers that are known to take it (`sip.tcp_switch`).
//!
//! RFC 3261 §18.1.1: "If a request is within 200 bytes of the path MTU, or if it is larger than 1300 bytes and the path
//! MTU is unknown, the request MUST be sent using an RFC 2914 congestion controlled transport protocol, such as TCP."
//! The transaction above goes on as over UDP: its retransmissions end here while TCP does the work, and are the way back
//! to UDP where it does not.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::{Bytes, BytesMut};
use dashmap::DashMap;
use tokio::time::Instant;

/// What is known of peers that take TCP, and what went by it instead of UDP.
pub(super) struct Switch {
    on: AtomicBool,
    /// Addresses that the files or DNS name for TCP.
    named: ArcSwap<HashSet<SocketAddr>>,
    /// Addresses that refused it, or were silent, and until when that is remembered.
    refused: DashMap<SocketAddr, Instant>,
    /// Requests that went by TCP.
    went: DashMap<Went, Going>,
}

/// How a request goes that was sent by TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Going {
    since: Instant,
    /// It goes by UDP now.
    back: bool,
}

/// What comes of a message that did not get there by TCP.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// It was for TCP from the beginning.
    ForTcp,
    /// It goes by UDP already.
    IsBack,
    /// This is to go by UDP.
    SendBack(Bytes),
}

/// A transaction of ours: its branch, and the method, for ACK and CANCEL repeat the branch of their INVITE.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Went {
    branch: Box<[u8]>,
    method: Box<[u8]>,
}

/// What to do with a request for a peer that is reached by UDP.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// As it is.
    ByUdp,
    /// This instead, by TCP.
    ByTcp(Bytes),
    /// Nothing: TCP carries it already.
    Carried,
}

/// How a connection to the peer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tcp {
    /// It is made.
    Up,
    /// There is none now, but there has been one, or there may soon be.
    Known,
    /// Nothing is known of any.
    Unknown,
}

impl Switch {
    pub(super) fn new() -> Self {
        Self { on: AtomicBool::new(false), named: ArcSwap::default(), refused: DashMap::new(), went: DashMap::new() }
    }

    /// `sip.tcp_switch`.
    pub(super) fn set(&self, on: bool) {
        self.on.store(on, Ordering::Relaxed);
    }

    /// The addresses that the files or DNS name for TCP.
    pub(super) fn set_named(&self, named: HashSet<SocketAddr>) {
        self.named.store(named.into());
    }

    /// Decides on a message; `tcp` is asked only where it matters.
    pub(super) fn choose(&self, remote: SocketAddr, bytes: &Bytes, tcp: impl Fn() -> Tcp) -> Choice {
        if bytes.len() <= LARGE && self.went.is_empty() {
            return Choice::ByUdp;
        }
        let Some(request) = Stamped::read(bytes, UDP) else { return Choice::ByUdp };
        let went = request.went();
        if let Some(going) = self.going(&went) {
            // RFC 3261 §17.1.1.2: over a reliable transport nothing is sent again; unless the connection is not made.
            if !going.back && (tcp() == Tcp::Up || going.since.elapsed() < SILENCE) {
                return Choice::Carried;
            }
            if !going.back {
                self.refuse(remote, went);
            }
            return Choice::ByUdp;
        }
        // RFC 3261 §17.1.1.3: the ACK to a refusal "MUST be sent to the same address, port, and transport to which the
        // original request was sent"; §9.1 has it of CANCEL.
        let follows = matches!(request.method, b"ACK" | b"CANCEL")
            && self.going(&request.invites()).is_some_and(|going| !going.back);
        if follows || (bytes.len() > LARGE && self.may_go_by_tcp(remote, &tcp)) {
            let stamped = request.with(TCP);
            self.remember(went);
            return Choice::ByTcp(stamped);
        }
        Choice::ByUdp
    }

    fn may_go_by_tcp(&self, remote: SocketAddr, tcp: &impl Fn() -> Tcp) -> bool {
        let refuses = || self.refused.get(&remote).is_some_and(|until| *until > Instant::now());
        self.on.load(Ordering::Relaxed) && !refuses() && (self.named.load().contains(&remote) || tcp() != Tcp::Unknown)
    }

    /// A message did not get there by TCP.
    pub(super) fn take_back(&self, remote: SocketAddr, sent: &[u8]) -> Lost {
        if self.went.is_empty() {
            return Lost::ForTcp;
        }
        let Some(request) = Stamped::read(sent, TCP) else { return Lost::ForTcp };
        let went = request.went();
        match self.going(&went) {
            None => Lost::ForTcp,
            Some(Going { back: true, .. }) => Lost::IsBack,
            Some(_) => {
                self.refuse(remote, went);
                Lost::SendBack(request.with(UDP))
            }
        }
    }

    fn going(&self, went: &Went) -> Option<Going> {
        self.went.get(went).map(|going| *going)
    }

    fn refuse(&self, remote: SocketAddr, went: Went) {
        tracing::debug!(%remote, "no TCP there: large requests go by UDP for a while");
        let now = Instant::now();
        self.went.insert(went, Going { since: now, back: true });
        if self.refused.len() >= MOST {
            self.refused.clear();
        }
        self.refused.insert(remote, now + REFUSED);
    }

    fn remember(&self, went: Went) {
        if self.went.len() >= MOST {
            self.went.clear();
        }
        let now = Instant::now();
        self.went.retain(|_, going| now.duration_since(going.since) < KEPT);
        self.went.insert(went, Going { since: now, back: false });
    }
}

/// A request that we printed, by what of it matters here.
struct Stamped<'a> {
    bytes: &'a [u8],
    method: &'a [u8],
    branch: &'a [u8],
    /// Where its topmost Via names the transport.
    at: usize,
}

impl<'a> Stamped<'a> {
    /// `None`: a response, or its transport is another.
    fn read(bytes: &'a [u8], transport: &[u8; 3]) -> Option<Self> {
        let method = bytes.get(..memchr::memchr(b' ', bytes)?)?;
        let at = memchr::memmem::find(bytes, VIA)? + VIA.len();
        if method.contains(&b'/') || bytes.get(at..at + transport.len())? != transport {
            return None;
        }
        let rest = bytes.get(at..)?;
        let from = memchr::memmem::find(rest, BRANCH)? + BRANCH.len();
        let branch = rest.get(from..)?;
        let end = branch.iter().position(|b| matches!(b, b';' | b'\r' | b','))?;
        Some(Self { bytes, method, branch: branch.get(..end)?, at })
    }

    fn went(&self) -> Went {
        Went { branch: self.branch.into(), method: self.method.into() }
    }

    /// The INVITE with the same branch.
    fn invites(&self) -> Went {
        Went { branch: self.branch.into(), method: (*b"INVITE").into() }
    }

    /// RFC 3261 §18.1.1: "If this causes a change in the transport protocol from the one indicated in the top Via, the
    /// value in the top Via MUST be changed."
    fn with(&self, transport: &[u8; 3]) -> Bytes {
        let mut bytes = BytesMut::from(self.bytes);
        if let Some(place) = bytes.get_mut(self.at..self.at + transport.len()) {
            place.copy_from_slice(transport);
        }
        bytes.freeze()
    }
}

const UDP: &[u8; 3] = b"UDP";
const TCP: &[u8; 3] = b"TCP";
const VIA: &[u8] = b"\r\nVia: SIP/2.0/";
const BRANCH: &[u8] = b";branch=";
/// Requests of more bytes are large.
const LARGE: usize = 1300;
/// How long a connection may take until UDP is tried: 500 ms, and the first retransmission comes just then.
const SILENCE: Duration = Duration::from_millis(490);
/// How long a refusal is remembered.
const REFUSED: Duration = Duration::from_secs(600);
/// How long a request that went by TCP may have an ACK or a CANCEL.
const KEPT: Duration = Duration::from_secs(300);
/// Requests, and refusals, that are remembered.
const MOST: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, size: usize) -> Bytes {
        let head =
            format!("{method} sip:x SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1;rport\r\nContact: <sip:h>\r\n\r\n");
        Bytes::from(format!("{head:<size$}"))
    }

    fn by_tcp(bytes: &Bytes) -> Choice {
        Choice::ByTcp(Bytes::from(String::from_utf8(bytes.to_vec()).unwrap().replace("2.0/UDP", "2.0/TCP")))
    }

    fn on() -> Switch {
        let switch = Switch::new();
        switch.set(true);
        switch
    }

    fn peer() -> SocketAddr {
        "192.0.2.1:5060".parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_request_goes_by_tcp_where_the_peer_is_known_to_take_it_and_a_small_one_does_not() {
        let (large, small) = (request("INVITE", 1301), request("INVITE", 1300));
        assert_eq!(on().choose(peer(), &small, || Tcp::Up), Choice::ByUdp);
        assert_eq!(on().choose(peer(), &large, || Tcp::Unknown), Choice::ByUdp);
        assert_eq!(on().choose(peer(), &large, || Tcp::Known), by_tcp(&large), "by past traffic");
        let named = on();
        named.set_named([peer()].into());
        assert_eq!(named.choose(peer(), &large, || Tcp::Unknown), by_tcp(&large), "by its name");
        let never = on();
        never.set(false);
        assert_eq!(never.choose(peer(), &large, || Tcp::Up), Choice::ByUdp);
        let response = Bytes::from(format!("{:<1400}", "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\r\n"));
        assert_eq!(on().choose(peer(), &response, || Tcp::Up), Choice::ByUdp);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_sent_again_while_tcp_carries_it_and_500_ms_without_a_connection_lead_back_for_10_minutes() {
        let (switch, large) = (on(), request("INVITE", 2000));
        assert_eq!(switch.choose(peer(), &large, || Tcp::Known), by_tcp(&large));
        tokio::time::advance(Duration::from_millis(100)).await;
        assert_eq!(switch.choose(peer(), &large, || Tcp::Known), Choice::Carried);
        tokio::time::advance(Duration::from_millis(400)).await;
        assert_eq!(switch.choose(peer(), &large, || Tcp::Up), Choice::Carried);
        assert_eq!(switch.choose(peer(), &large, || Tcp::Known), Choice::ByUdp);
        let next = Bytes::from(String::from_utf8(large.to_vec()).unwrap().replace("bK1", "bK2"));
        assert_eq!(switch.choose(peer(), &next, || Tcp::Known), Choice::ByUdp, "remembered");
        tokio::time::advance(Duration::from_secs(601)).await;
        assert_eq!(switch.choose(peer(), &next, || Tcp::Known), by_tcp(&next));
    }

    #[tokio::test(start_paused = true)]
    async fn cancel_and_ack_follow_their_invite_and_nobody_elses() {
        let (switch, large) = (on(), request("INVITE", 2000));
        let (cancel, ack) = (request("CANCEL", 300), request("ACK", 300));
        assert_eq!(switch.choose(peer(), &cancel, || Tcp::Up), Choice::ByUdp);
        assert_eq!(switch.choose(peer(), &large, || Tcp::Up), by_tcp(&large));
        assert_eq!(switch.choose(peer(), &cancel, || Tcp::Up), by_tcp(&cancel));
        assert_eq!(switch.choose(peer(), &ack, || Tcp::Up), by_tcp(&ack));
        let others = Bytes::from(String::from_utf8(ack.to_vec()).unwrap().replace("bK1", "bK2"));
        assert_eq!(switch.choose(peer(), &others, || Tcp::Up), Choice::ByUdp);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_by_tcp_comes_back_as_it_was() {
        let (switch, large) = (on(), request("INVITE", 2000));
        let Choice::ByTcp(sent) = switch.choose(peer(), &large, || Tcp::Known) else { panic!("by TCP") };
        assert_eq!(switch.take_back(peer(), &sent), Lost::SendBack(large.clone()));
        assert_eq!(switch.take_back(peer(), &sent), Lost::IsBack, "once");
        assert_eq!(switch.take_back(peer(), b"SIP/2.0 200 OK"), Lost::ForTcp);
        assert_eq!(switch.choose(peer(), &large, || Tcp::Known), Choice::ByUdp);
    }
}
