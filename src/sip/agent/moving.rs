//! A leg that moves from one call to another, with all that is open in it: what a transfer with Replaces does to the
//! party who was consulted.
//!
//! Its tags, and the branches of what it has sent so far, go on naming the call that it began in; whoever hands
//! messages to calls has to know that (`node::live`).

use std::net::SocketAddr;

use super::leg::{Leg, Unacked, Usage};
use super::transactions::{Incoming, Outgoing, Purpose, Wants};
use super::{RequestId, UserAgent, next_hop};
use crate::base::{CallId, LegId};
use crate::sip::message::Replaces;

/// A leg on its way from one call to another: plain data.
#[derive(Debug)]
pub struct MovedLeg {
    /// The call that gives it.
    pub from: CallId,
    /// Where its far end may be expected.
    pub far_end: [SocketAddr; 2],
    leg: Leg,
    clients: Vec<Outgoing>,
    servers: Vec<Incoming>,
    unacked: Vec<Unacked>,
    is_flow: bool,
}

impl MovedLeg {
    /// Its SIP Call-ID.
    pub fn sip_call_id(&self) -> &str {
        &self.leg.call_id
    }
}

/// How far the dialog has come that a Replaces names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The far end called, and has no final answer.
    CallsUs,
    /// We call, and it has given no final answer.
    WeCall,
    /// It is confirmed.
    Up,
    /// It is over.
    Over,
}

impl UserAgent {
    /// The leg whose dialog this names, as we see it: RFC 3891 §3: "the to-tag and from-tag parameters are matched to
    /// the local and remote tags". A phone that picks up what a colleague's lamp showed her (RFC 4235) writes the tags
    /// as that colleague sees them, the other way round.
    pub fn named_by(&mut self, replaces: &Replaces) -> Option<(LegId, Stage)> {
        let Replaces { call_id, to_tag, from_tag, .. } = replaces;
        let leg = self.legs.iter_mut().find_map(|leg| {
            let is_it = leg.dialog_of(call_id, to_tag, from_tag).is_some()
                || leg.dialog_of(call_id, from_tag, to_tag).is_some();
            is_it.then_some(leg)
        })?;
        let stage = match leg.usage {
            Usage::Ringing(_) => Stage::CallsUs,
            Usage::Calling(_) => Stage::WeCall,
            Usage::Up { .. } => Stage::Up,
            Usage::ByeWaits(_) | Usage::Ended { .. } => Stage::Over,
        };
        Some((leg.id, stage))
    }

    /// Gives a leg away, with everything that is open in it; `None`: there is none that could go on.
    pub fn release(&mut self, id: LegId) -> Option<MovedLeg> {
        let at = self.legs.iter().position(|leg| leg.id == id && !leg.is_over())?;
        if id == LegId::A {
            self.reliable = None;
        }
        self.subscriptions.retain(|subscription| subscription.leg() != id);
        let mut leg = self.legs.remove(at);
        let hop = leg.hop;
        let target = leg.dialog_mut().map_or(hop, |dialog| next_hop(&self.flows, id, dialog, hop));
        Some(MovedLeg {
            from: self.call,
            far_end: [hop.remote, target.remote],
            leg,
            clients: self.clients.extract_if(.., |client| client.leg == id).collect(),
            servers: self.servers.extract_if(.., |server| server.leg == id).collect(),
            is_flow: self.flows.contains(&id),
            unacked: self.unacked.extract_if(.., |unacked| unacked.leg == id).collect(),
        })
    }

    /// Takes a leg over. What its call had asked for in it is answered under numbers that nobody here waits for.
    pub fn adopt(&mut self, moved: MovedLeg) -> LegId {
        self.last_leg = self.last_leg.saturating_add(1);
        let id = LegId(self.last_leg);
        let MovedLeg { mut leg, clients, servers, unacked, is_flow, .. } = moved;
        leg.id = id;
        if is_flow {
            self.flows.push(id);
        }
        for mut client in clients {
            client.leg = id;
            let before = client.purpose.id();
            client.purpose = self.renumbered(id, client.purpose);
            if let Some((before, now)) = before.zip(client.purpose.id()) {
                leg.session.renumber(before, now);
            }
            self.clients.push(client);
        }
        leg.session.forget_refresh();
        self.legs.push(leg);
        for mut server in servers {
            server.leg = id;
            server.wants = self.wanted_anew(id, server.wants);
            self.servers.push(server);
        }
        self.unacked.extend(unacked.into_iter().map(|unacked| Unacked { leg: id, ..unacked }));
        id
    }

    /// The requests of a leg that its peer waits for: to be answered before it is given away, for nobody will after.
    pub fn waiting(&self, leg: LegId) -> Vec<RequestId> {
        let theirs = self.servers.iter().filter(|server| server.leg == leg && server.is_open());
        theirs.filter_map(|server| server.wants.id()).collect()
    }

    fn renumbered(&mut self, leg: LegId, purpose: Purpose) -> Purpose {
        match purpose {
            Purpose::ReInvite { offered, .. } => Purpose::ReInvite { id: self.new_request(leg), offered },
            Purpose::Update(_) => Purpose::Update(self.new_request(leg)),
            Purpose::Refresh(_) => Purpose::Refresh(self.new_request(leg)),
            Purpose::Pass(_) => Purpose::Pass(self.new_request(leg)),
            // No subscription has moved with it: its answer is nobody's news.
            Purpose::Notify { .. } => {
                let id = self.new_request(leg);
                Purpose::Notify { id, refer: id }
            }
            Purpose::Invite | Purpose::Cancel | Purpose::Prack | Purpose::Bye => purpose,
        }
    }

    fn wanted_anew(&mut self, leg: LegId, wants: Wants) -> Wants {
        match wants {
            Wants::ReInvite(_) => Wants::ReInvite(self.new_request(leg)),
            Wants::Update(_) => Wants::Update(self.new_request(leg)),
            Wants::Pass(_) => Wants::Pass(self.new_request(leg)),
            Wants::Refer(_) => Wants::Refer(self.new_request(leg)),
            Wants::Bye(_) => Wants::Bye(self.new_request(leg)),
            Wants::Call | Wants::Nothing => wants,
        }
    }
}
