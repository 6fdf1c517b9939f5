//! The user agent of one call: all its transactions and dialogs, one INVITE usage a leg.
//!
//! The call above says what it wants in SIP's own verbs ([`UserAgent`]) and hears what the peers did ([`LegEvent`]).
//! What is mere protocol stays here: 100 Trying, retransmissions, ACKs (also of repeated 200s), 200 to CANCEL,
//! a second fork's 200 (ACK, then BYE), 481, 491 and 500 to requests that come out of turn.
//!
//! One file for each thing that a leg can do: `receive` finds out what a message belongs to, `invite` calls,
//! `accept` is called, `in_dialog` takes the peer's requests in a dialog, `requests` makes ours, `refer` tells how a
//! REFER goes on, `credentials` answers challenges, `prack` makes provisionals reliable, `early` is what early dialogs
//! say besides them, `session` keeps what is up alive.

mod accept;
mod api;
mod compose;
mod credentials;
mod dialog_ids;
mod early;
mod in_dialog;
mod invite;
mod leg;
mod moving;
mod phone;
mod prack;
mod receive;
mod refer;
mod refusal;
mod requests;
mod session;
mod tokens;
mod transactions;

#[cfg(test)]
mod tests;

pub use api::*;
pub use compose::{ALLOW, SUPPORTED, USER_AGENT};
pub use dialog_ids::DialogIds;
pub use moving::{MovedLeg, Stage};
pub use tokens::{call_of, call_of_branch, call_of_tag, is_loop};

use std::net::SocketAddr;
use std::sync::Arc;

use rsip::Method;

use crate::base::{Account, CallId, Hop, Ids, Instant, LegId, Now};
use crate::sip::dialog::{Dialog, UnderWay};
use crate::sip::message::{Request, Response};
pub use crate::sip::transaction::Timers;
use crate::sip::transaction::{ClientEvent, ServerEvent, ServerKey};
use leg::{Ack, Leg, Unacked, Usage};
use prack::Reliable;
use refer::Subscription;
use transactions::{Incoming, Outgoing, Purpose, Wants};

/// All transactions and dialogs of one call.
///
/// Plain data: whoever holds it feeds it messages and time, and gets what to send and what happened by [`AgentOut`].
/// [`next_wakeup`](Self::next_wakeup) may change with every call that takes `now`.
#[derive(Debug)]
pub struct UserAgent {
    call: CallId,
    ids: Ids,
    timers: Timers,
    legs: Vec<Leg>,
    clients: Vec<Outgoing>,
    servers: Vec<Incoming>,
    unacked: Vec<Unacked>,
    subscriptions: Vec<Subscription>,
    /// What our INVITEs for the A leg's carry, so that they are known should they come back.
    loop_cookie: Option<u64>,
    /// The A leg's caller requires 100rel.
    reliable: Option<Box<Reliable>>,
    /// The last [`RequestId::n`] given away.
    last_request: u32,
    /// The last leg but the A leg: each that is called, calls in, or moves here gets the next number.
    last_leg: u16,
    /// Legs whose far ends are reached where they came from, whatever their Contacts say.
    flows: Vec<LegId>,
    /// It has sent a REFER, as only phones do: it takes NOTIFYs.
    is_phone: bool,
    /// It is a phone that has all its provisionals acknowledged, and requires the same of whom it calls.
    insists_on_prack: bool,
    /// What answers challenges on the A leg.
    caller_account: Option<Arc<Account>>,
}

impl UserAgent {
    /// Of a call whose first INVITE is about to be given to [`receive`](Self::receive).
    pub fn new(call: CallId, ids: Ids, timers: Timers) -> Self {
        Self {
            call,
            ids,
            timers,
            // Most calls are of two.
            legs: Vec::with_capacity(2),
            clients: Vec::new(),
            servers: Vec::new(),
            unacked: Vec::new(),
            subscriptions: Vec::new(),
            loop_cookie: None,
            reliable: None,
            last_request: 0,
            last_leg: 0,
            flows: Vec::new(),
            is_phone: false,
            insists_on_prack: false,
            caller_account: None,
        }
    }

    /// Does what is due.
    pub fn wake(&mut self, now: Now, out: &mut AgentOut) {
        // By index, and to the count of now: what is due may start transactions, which are not due yet.
        for at in 0..self.clients.len() {
            if self.clients[at].next_wakeup().is_some_and(|due| now.mono >= due) {
                let effects = self.clients[at].handle(now, &self.timers, ClientEvent::Wake);
                self.after_client(now, at, effects, None, out);
            }
        }
        for server in &mut self.servers {
            if server.next_wakeup().is_some_and(|due| now.mono >= due) {
                // A refusal whose ACK never comes (timer H) is nobody's news: the leg is over already.
                let effects = server.handle(now, &self.timers, ServerEvent::Wake);
                transactions::send_all(effects, server.hop, server.leg, out);
            }
        }
        self.resend_unacked(now, out);
        self.resend_provisional(now, out);
        self.keep_sessions(now, out);
        self.give_up_canceled(now, out);
        self.give_up_silent(now, out);
        self.clients.retain(|c| !(c.is_open() && c.orphaned.is_some_and(|due| now.mono >= due)));
        self.remind(now, out);
        self.sweep(now);
    }

    /// When [`wake`](Self::wake) is due.
    pub fn next_wakeup(&self) -> Option<Instant> {
        let clients = self.clients.iter().filter_map(Outgoing::next_wakeup);
        let servers = self.servers.iter().filter_map(Incoming::next_wakeup);
        let unacked = self.unacked.iter().map(|unacked| unacked.resend.at.min(unacked.give_up));
        let legs = self.legs.iter().filter_map(Leg::next_wakeup);
        let reliable = self.reliable.as_ref().and_then(|reliable| reliable.next_wakeup());
        clients.chain(servers).chain(unacked).chain(legs).chain(reliable).min()
    }

    /// No transaction and no dialog is left.
    pub fn is_idle(&self) -> bool {
        self.clients.iter().all(Outgoing::is_over)
            && self.servers.iter().all(Incoming::is_over)
            && self.unacked.is_empty()
            && self.legs.iter().all(Leg::is_over)
    }

    /// What was sent to this hop did not get there: open client transactions to it fail as by 503.
    pub fn unreachable(&mut self, now: Now, hop: Hop, out: &mut AgentOut) {
        for at in 0..self.clients.len() {
            let client = &mut self.clients[at];
            if client.hop.transport == hop.transport && client.hop.remote == hop.remote {
                let effects = client.handle(now, &self.timers, ClientEvent::Unreachable);
                self.after_client(now, at, effects, None, out);
            }
        }
        self.sweep(now);
    }

    /// The SIP Call-ID of a leg.
    pub fn sip_call_id(&self, leg: LegId) -> &str {
        self.leg(leg).map_or("", |leg| &leg.call_id)
    }

    /// Whether this leg's dialog is confirmed and neither side has ended it.
    pub fn is_up(&self, leg: LegId) -> bool {
        self.leg(leg).is_some_and(|leg| matches!(leg.usage, Usage::Up { .. }))
    }

    /// Where the far end of the dialog that a request means may be expected: at the address that its INVITE came from or
    /// went to, or at its remote target's. A CANCEL means its INVITE. `None`: there is no such dialog.
    pub fn far_end(&mut self, request: &Request) -> Option<[SocketAddr; 2]> {
        if request.method == Method::Cancel {
            let canceled = ServerKey::of_canceled(request);
            let leg = self.servers.iter().find(|server| server.key == canceled).map_or(LegId::A, |invite| invite.leg);
            return self.leg(leg).map(|leg| [leg.hop.remote; 2]);
        }
        let headers = &request.headers;
        let call_id = headers.call_id().map(|id| &**id).unwrap_or_default();
        let (ours, theirs) = (headers.to_tag().unwrap_or_default(), headers.from_tag().unwrap_or_default());
        let flows = &self.flows;
        self.legs.iter_mut().find_map(|leg| {
            let (id, hop) = (leg.id, leg.hop);
            let dialog = leg.dialog_of(call_id, ours, theirs)?;
            Some([hop.remote, next_hop(flows, id, dialog, hop).remote])
        })
    }

    /// Where its INVITE came from or went to.
    pub fn remote(&self, leg: LegId) -> Option<SocketAddr> {
        self.leg(leg).map(|leg| leg.hop.remote)
    }

    /// Where the request went that this response answers; `None`: nothing of ours.
    pub fn asked(&self, response: &Response) -> Option<SocketAddr> {
        let (branch, (cseq, method)) =
            response.headers.via().and_then(|via| via.branch).zip(response.headers.cseq())?;
        let mut asked = self.clients.iter().filter(|client| client.cseq == cseq && client.key.matches(branch, method));
        asked.next().map(|client| client.hop.remote)
    }

    /// Whether a request of ours waits for its final answer.
    pub fn asks(&self) -> bool {
        self.clients.iter().any(transactions::Outgoing::is_open)
    }

    /// This leg is of a registered phone that calls in: requests to it go where its INVITE came from.
    pub fn keep_to_source(&mut self, leg: LegId) {
        self.flows.push(leg);
    }

    /// The way of a request in a leg's dialog.
    fn next_hop(&self, leg: LegId, dialog: &Dialog, hop: Hop) -> Hop {
        next_hop(&self.flows, leg, dialog, hop)
    }

    /// Whether an offer may be sent on this leg now: none is under way in either direction.
    pub fn may_offer(&self, leg: LegId) -> bool {
        self.is_up(leg) && self.under_way(leg).may_offer()
    }

    /// Whether what keeps offers back on this leg will be settled by what its peer owes us, an ACK, a PRACK or the answer
    /// to a request of ours: nothing of its own is under way that an offer of somebody else's would cross.
    pub fn settles_by_itself(&self, leg: LegId) -> bool {
        self.is_up(leg) && !self.under_way(leg).their_offer
    }

    /// Whether this request of a peer's still waits for [`answer`](Self::answer).
    pub fn awaits(&self, request: RequestId) -> bool {
        self.servers.iter().any(|server| server.wants.id() == Some(request) && server.is_open())
    }

    /// Whether we own the leg's Call-ID: for the back-off after 491 (RFC 3261 §14.1).
    pub fn owns_call_id(&self, leg: LegId) -> bool {
        self.leg(leg).is_some_and(|leg| leg.sent.is_some())
    }

    /// Why a leg ended, as its peer's BYE or CANCEL said, or ours.
    pub fn reason(&self, leg: LegId) -> Option<Reason> {
        self.leg(leg).and_then(|leg| leg.reason)
    }

    fn leg(&self, id: LegId) -> Option<&Leg> {
        self.legs.iter().find(|leg| leg.id == id)
    }

    fn leg_mut(&mut self, id: LegId) -> Option<&mut Leg> {
        self.legs.iter_mut().find(|leg| leg.id == id)
    }

    fn new_request(&mut self, leg: LegId) -> RequestId {
        self.last_request = self.last_request.wrapping_add(1);
        RequestId { leg, n: self.last_request }
    }

    /// What of INVITE, UPDATE and offers is under way on a leg: read off its transactions, so that it cannot differ
    /// from them.
    fn under_way(&self, leg: LegId) -> UnderWay {
        let ours = || self.clients.iter().filter(move |client| client.leg == leg && client.is_open());
        let theirs = || self.servers.iter().filter(move |server| server.leg == leg && server.is_open());
        let mut unacked = self.unacked.iter().filter(|unacked| unacked.leg == leg);
        let this = self.leg(leg);
        let invite_offers = this.and_then(|leg| leg.sent.as_ref()).is_some_and(|sent| sent.offered);
        let owes_answer = this.is_some_and(|leg| matches!(leg.usage, Usage::Up { ack: Ack::Owed { .. }, .. }));
        UnderWay {
            our_invite: ours().any(|client| matches!(client.purpose, Purpose::Invite | Purpose::ReInvite { .. })),
            our_offer: ours().any(|client| match client.purpose {
                Purpose::Invite => invite_offers,
                Purpose::ReInvite { offered, .. } => offered,
                Purpose::Update(_) => true,
                Purpose::Cancel
                | Purpose::Pass(_)
                | Purpose::Refresh(_)
                | Purpose::Prack
                | Purpose::Notify { .. }
                | Purpose::Bye => false,
            }) || unacked.clone().any(|unacked| unacked.offers),
            their_invite: theirs().any(|server| matches!(server.wants, Wants::Call | Wants::ReInvite(_))),
            their_offer: owes_answer || theirs().any(|server| server.wants.negotiates()),
            our_200: unacked.next().is_some(),
        }
    }

    /// Forgets what is over.
    fn sweep(&mut self, now: Now) {
        self.clients.retain(|client| !client.is_over());
        self.servers.retain(|server| !server.is_over());
        self.legs.iter_mut().for_each(|leg| leg.acks.retain(|ack| ack.until > now.mono));
        // A call that is up has no transaction for most of its life: it need not keep their room.
        if self.clients.is_empty() {
            self.clients = Vec::new();
        }
        if self.servers.is_empty() {
            self.servers = Vec::new();
        }
    }
}

/// The way of a request in a dialog. A phone behind a NAT is reached by its flow and no other way (RFC 5626 §4.3), unless a
/// proxy has put itself on the path.
fn next_hop(flows: &[LegId], leg: LegId, dialog: &Dialog, hop: Hop) -> Hop {
    if flows.contains(&leg) && dialog.route().routes.is_empty() { hop } else { compose::next_hop(dialog, hop) }
}
