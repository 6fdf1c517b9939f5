//! One request of ours, one of a peer's: its machine, the way that it goes, and by what it is known.

use std::net::IpAddr;

use rsip::Method;

use crate::base::{Hop, Instant, Now};
use crate::sip::message::Request;
use crate::sip::transaction::{Client, ClientEvent, ClientKey, Effects, Server, ServerEvent, ServerKey, Timers};

/// A request of ours.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) hop: Hop,
    key: ClientKey,
    cseq: u32,
    machine: Client,
}

impl Asked {
    pub(super) fn start(now: Now, timers: &Timers, hop: Hop, branch: String, request: &Request) -> (Self, Effects) {
        let mut effects = Effects::new();
        let machine = Client::start(now, timers, hop.transport, request.to_bytes(), &mut effects);
        let cseq = request.headers.cseq().map_or(0, |(number, _)| number);
        (Self { hop, key: ClientKey::new(&branch, request.method), cseq, machine }, effects)
    }

    /// Whether a response with these answers it.
    pub(super) fn matches(&self, branch: &str, cseq: u32, method: Method) -> bool {
        self.cseq == cseq && self.key.matches(branch, method)
    }

    pub(super) fn handle(&mut self, now: Now, timers: &Timers, event: ClientEvent<'_>) -> Effects {
        let mut effects = Effects::new();
        self.machine.handle(now, timers, event, &mut effects);
        effects
    }

    pub(super) fn next_wakeup(&self) -> Option<Instant> {
        self.machine.next_wakeup()
    }

    pub(super) fn is_over(&self) -> bool {
        self.machine.is_over()
    }
}

/// A request of a peer's.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) key: ServerKey,
    /// The way that its responses go.
    pub(super) hop: Hop,
    /// Whose it counts as.
    pub(super) source: IpAddr,
    machine: Server,
}

impl Served {
    /// Of a request that has its source in its top Via already.
    pub(super) fn start(key: ServerKey, request: &Request, hop: Hop) -> Self {
        // RFC 3261 §18.2.2: over a reliable transport "the response MUST be sent using the existing connection to the
        // source of the original request that created the transaction, if that connection is still open".
        let remote = if hop.transport.is_reliable() { hop.remote } else { request.headers.response_target(hop.remote) };
        let machine = Server::start(hop.transport);
        Self { key, hop: Hop { remote, ..hop }, source: hop.remote.ip(), machine }
    }

    pub(super) fn handle(&mut self, now: Now, timers: &Timers, event: ServerEvent) -> Effects {
        let mut effects = Effects::new();
        self.machine.handle(now, timers, event, &mut effects);
        effects
    }

    pub(super) fn next_wakeup(&self) -> Option<Instant> {
        self.machine.next_wakeup()
    }

    pub(super) fn is_over(&self) -> bool {
        self.machine.is_over()
    }
}
