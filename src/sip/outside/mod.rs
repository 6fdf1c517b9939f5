//! Transactions outside of calls: what we ask peers (REGISTER, OPTIONS, NOTIFY) and what they ask us (REGISTER,
//! SUBSCRIBE), on the machines of [`transaction`](super::transaction). No I/O, no clock.
//!
//! [`Outside`] knows no method's meaning: whoever holds it says what to send and how to answer, and hears what came by
//! [`OutsideEvent`]. Its branches say that they are its own ([`is_outside`]), so that the shell hands responses over.
//! Everything in it is bounded: [`MOST`] transactions, [`MOST_PER_SOURCE`] of one address.

mod transactions;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use bytes::Bytes;
use rsip::Method;

use crate::base::{Hop, Ids, Instant, Now};
use crate::sip::message::build::{self, MAGIC_COOKIE};
use crate::sip::message::{Message, Name, Request, Response};
use crate::sip::transaction::{ClientEvent, Effect, Effects, ServerEvent, ServerKey, Timers};
use transactions::{Asked, Served};

/// Transactions at once, ours and theirs each.
pub const MOST: usize = 8192;

/// Requests of one address that wait or are remembered at once: an office's phones behind one NAT, registering anew
/// after a power cut.
pub const MOST_PER_SOURCE: u32 = 512;

/// One transaction, ours or theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OutsideId(u64);

/// A message on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Where to.
    pub hop: Hop,
    /// The whole message.
    pub bytes: Bytes,
    /// Sent before, byte for byte.
    pub again: bool,
}

/// Why a request of ours had no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// Nothing came for 64 T1 (timer F), seen as 408.
    Timeout,
    /// It could not be sent, seen as 503 (RFC 3261 §8.1.3.1).
    Unreachable,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutsideEvent {
    /// A peer asks; to be answered by [`Outside::respond`].
    Request {
        /// To be named in the answer.
        id: OutsideId,
        /// What it asks, with its source written into its top Via.
        request: Box<Request>,
        /// The way it came by.
        hop: Hop,
    },
    /// The final response to a request of ours.
    Response {
        /// Which.
        id: OutsideId,
        /// The response.
        response: Box<Response>,
    },
    /// A request of ours has no response.
    Failed {
        /// Which.
        id: OutsideId,
        /// Why.
        why: Silence,
    },
}

/// What is pushed: sends in order, and what happened, in order.
#[derive(Debug, Default)]
pub struct OutsideOut {
    /// To be sent.
    pub sends: Vec<Letter>,
    /// To be looked at.
    pub events: Vec<OutsideEvent>,
}

/// All transactions outside of calls.
#[derive(Debug)]
pub struct Outside {
    ids: Ids,
    timers: Timers,
    last: u64,
    asked: HashMap<OutsideId, Asked>,
    served: HashMap<OutsideId, Served>,
    by_key: HashMap<ServerKey, OutsideId>,
    by_source: HashMap<IpAddr, u32>,
    /// When each of them is to be woken.
    due: BTreeSet<(Instant, OutsideId)>,
}

impl Outside {
    /// None yet.
    pub fn new(ids: Ids, timers: Timers) -> Self {
        Self {
            ids,
            timers,
            last: 0,
            asked: HashMap::new(),
            served: HashMap::new(),
            by_key: HashMap::new(),
            by_source: HashMap::new(),
            due: BTreeSet::new(),
        }
    }

    /// Sends a request, which gets its Via here. `None`: too many are under way.
    pub fn request(&mut self, now: Now, hop: Hop, mut request: Request, out: &mut OutsideOut) -> Option<OutsideId> {
        if self.asked.len() >= MOST || request.method == Method::Invite {
            return None;
        }
        let id = self.next_id();
        let branch = format!("{MAGIC_COOKIE}{MARK}{:016x}.{:016x}", id.0, self.ids.bits());
        request.headers.push_front(Name::Via, build::via(hop.transport, hop.advertised, &branch));
        let (asked, effects) = Asked::start(now, &self.timers, hop, &branch, &request);
        self.asked.insert(id, asked);
        self.after_asked(id, None, effects, None, out);
        Some(id)
    }

    /// Where the request of ours went that has this branch.
    pub fn went_to(&self, branch: &str) -> Option<Hop> {
        self.asked.get(&id_of(branch)?).map(|asked| asked.hop)
    }

    /// Waits no longer for the response to a request of ours; a late one goes nowhere.
    pub fn forget(&mut self, id: OutsideId) {
        if let Some(asked) = self.asked.remove(&id) {
            self.rearm(id, asked.next_wakeup(), None);
        }
    }

    /// Answers a peer's request: a provisional, or its final response. Of one that is gone nothing comes.
    pub fn respond(&mut self, now: Now, id: OutsideId, response: &Response, out: &mut OutsideOut) {
        let event = ServerEvent::Respond { status: response.status.code(), bytes: response.to_bytes() };
        self.step_served(now, id, event, out);
    }

    /// Whether a request is one that it has seen already; then its repeat has been dealt with.
    pub fn again(&mut self, now: Now, request: &Request, out: &mut OutsideOut) -> bool {
        let Some(id) = self.by_key.get(&ServerKey::of(request)).copied() else { return false };
        self.step_served(now, id, ServerEvent::Again, out);
        true
    }

    /// Takes a message: a response to a request of ours, or a request that is not [known](Self::again). False: a request
    /// for which there is no room now, from this source or at all.
    pub fn receive(&mut self, now: Now, message: Message, hop: Hop, out: &mut OutsideOut) -> bool {
        match message {
            Message::Response(response) => {
                self.receive_response(now, response, out);
                true
            }
            Message::Request(request) => self.again(now, &request, out) || self.receive_request(request, hop, out),
        }
    }

    fn receive_response(&mut self, now: Now, response: Response, out: &mut OutsideOut) {
        let Some((branch, (cseq, method))) =
            response.headers.via().and_then(|via| via.branch).zip(response.headers.cseq())
        else {
            return;
        };
        let Some(id) = id_of(branch) else { return };
        let Some(asked) = self.asked.get_mut(&id).filter(|asked| asked.matches(branch, cseq, method)) else { return };
        let before = asked.next_wakeup();
        let event = ClientEvent::Response { status: response.status.code(), ack: &Bytes::new };
        let effects = asked.handle(now, &self.timers, event);
        self.after_asked(id, before, effects, Some(response), out);
    }

    fn receive_request(&mut self, mut request: Request, hop: Hop, out: &mut OutsideOut) -> bool {
        let of_source = self.by_source.entry(hop.remote.ip()).or_insert(0);
        if self.served.len() >= MOST || *of_source >= MOST_PER_SOURCE {
            if *of_source == 0 {
                self.by_source.remove(&hop.remote.ip());
            }
            return false;
        }
        *of_source += 1;
        let key = ServerKey::of(&request);
        request.headers.stamp_source(hop.remote);
        let id = self.next_id();
        self.by_key.insert(key.clone(), id);
        self.served.insert(id, Served::start(key, &request, hop));
        out.events.push(OutsideEvent::Request { id, request: Box::new(request), hop });
        true
    }

    /// What was sent to this hop did not get there: requests of ours to it have failed.
    pub fn unreachable(&mut self, now: Now, hop: Hop, out: &mut OutsideOut) {
        let there = |asked: &Asked| asked.hop.transport == hop.transport && asked.hop.remote == hop.remote;
        let mut lost: Vec<_> = self.asked.iter().filter(|(_, asked)| there(asked)).map(|(id, _)| *id).collect();
        lost.sort_unstable();
        for id in lost {
            self.step_asked(now, id, ClientEvent::Unreachable, out);
        }
    }

    /// When [`wake`](Self::wake) is due.
    pub fn next_wakeup(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Does what is due.
    pub fn wake(&mut self, now: Now, out: &mut OutsideOut) {
        while let Some((at, id)) = self.due.first().copied()
            && at <= now.mono
        {
            if self.asked.contains_key(&id) {
                self.step_asked(now, id, ClientEvent::Wake, out);
            } else {
                self.step_served(now, id, ServerEvent::Wake, out);
            }
            // A machine that was due has moved on; should one not, it must not hold up the others.
            self.due.remove(&(at, id));
        }
    }

    /// How many transactions there are.
    pub fn len(&self) -> usize {
        self.asked.len() + self.served.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn step_asked(&mut self, now: Now, id: OutsideId, event: ClientEvent<'_>, out: &mut OutsideOut) {
        let Some(asked) = self.asked.get_mut(&id) else { return };
        let before = asked.next_wakeup();
        let effects = asked.handle(now, &self.timers, event);
        self.after_asked(id, before, effects, None, out);
    }

    /// Sends what a request of ours sends, tells what came of it, and keeps its wake-up.
    fn after_asked(
        &mut self,
        id: OutsideId,
        before: Option<Instant>,
        effects: Effects,
        response: Option<Response>,
        out: &mut OutsideOut,
    ) {
        let Some(asked) = self.asked.get(&id) else { return };
        let why = match (send_all(effects, asked.hop, out), response) {
            // A provisional is nobody's news here.
            (Some(Effect::Pass), Some(response)) if !response.status.is_provisional() => {
                out.events.push(OutsideEvent::Response { id, response: Box::new(response) });
                None
            }
            (Some(Effect::TimedOut), _) => Some(Silence::Timeout),
            (Some(Effect::Unreachable), _) => Some(Silence::Unreachable),
            _ => None,
        };
        out.events.extend(why.map(|why| OutsideEvent::Failed { id, why }));
        let after = asked.next_wakeup();
        if asked.is_over() {
            self.asked.remove(&id);
        }
        self.rearm(id, before, after);
    }

    fn step_served(&mut self, now: Now, id: OutsideId, event: ServerEvent, out: &mut OutsideOut) {
        let Some(served) = self.served.get_mut(&id) else { return };
        let before = served.next_wakeup();
        let effects = served.handle(now, &self.timers, event);
        send_all(effects, served.hop, out);
        let after = served.next_wakeup();
        if served.is_over() {
            self.leave(id);
        }
        self.rearm(id, before, after);
    }

    /// Forgets a request of a peer's.
    fn leave(&mut self, id: OutsideId) {
        let Some(served) = self.served.remove(&id) else { return };
        self.by_key.remove(&served.key);
        if let Some(left) = self.by_source.get_mut(&served.source) {
            *left -= 1;
            if *left == 0 {
                self.by_source.remove(&served.source);
            }
        }
    }

    fn rearm(&mut self, id: OutsideId, before: Option<Instant>, after: Option<Instant>) {
        if before == after {
            return;
        }
        if let Some(at) = before {
            self.due.remove(&(at, id));
        }
        if let Some(at) = after {
            self.due.insert((at, id));
        }
    }

    fn next_id(&mut self) -> OutsideId {
        self.last += 1;
        OutsideId(self.last)
    }
}

/// Whether a branch is one of a request outside of calls.
pub fn is_outside(branch: &str) -> bool {
    id_of(branch).is_some()
}

fn id_of(branch: &str) -> Option<OutsideId> {
    // RFC 3261 §7.3.1: parameter values that are tokens are case-insensitive; ours has small letters, and comes back as
    // it went, or is not ours.
    let (id, random) = branch.strip_prefix(MAGIC_COOKIE)?.strip_prefix(MARK)?.split_once('.')?;
    let is_hex = |text: &str| text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if is_hex(id) && is_hex(random) { u64::from_str_radix(id, 16).ok().map(OutsideId) } else { None }
}

/// Puts what effects send into `out`; gives the rest: [`Effect::Pass`], a failure, or nothing.
fn send_all(effects: Effects, hop: Hop, out: &mut OutsideOut) -> Option<Effect> {
    let mut news = None;
    for effect in effects {
        match effect {
            Effect::Send(bytes) => out.sends.push(Letter { hop, bytes, again: false }),
            Effect::Resend(bytes) => out.sends.push(Letter { hop, bytes, again: true }),
            other => news = Some(other),
        }
    }
    news
}

/// What stands behind the cookie where a call's branch has its call: no hex digit, so that neither is taken for the
/// other.
const MARK: char = 'o';
