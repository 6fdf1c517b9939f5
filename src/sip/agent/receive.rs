//! What a message belongs to: a transaction, a dialog, or nothing.

use rsip::Method;

use super::compose::{self, ack_to_refusal};
use super::transactions::{Incoming, Purpose, Wants, send_all};
use super::{AgentOut, FailedBy, Received, Transmit, UserAgent};
use crate::base::{Hop, LegId, Now};
use crate::sip::message::{Message, Request, Response, Status};
use crate::sip::transaction::{ClientEvent, Effect, Effects, ServerEvent, ServerKey};

impl UserAgent {
    /// Takes a message of this call.
    pub fn receive(&mut self, now: Now, received: &Received, out: &mut AgentOut) {
        match &received.message {
            Message::Request(request) => self.receive_request(now, request, received.hop, out),
            Message::Response(response) => self.receive_response(now, response, out),
        }
        self.sweep(now);
    }

    fn receive_request(&mut self, now: Now, request: &Request, hop: Hop, out: &mut AgentOut) {
        let key = ServerKey::of(request);
        let known = self.servers.iter_mut().find(|server| server.key == key);
        if request.method == Method::Ack {
            let news = known.and_then(|server| {
                let effects = server.handle(now, &self.timers, ServerEvent::Ack);
                send_all(effects, server.hop, server.leg, out)
            });
            // The ACK to a refusal ends with its transaction; all others are the dialog's, also those that repeat the
            // branch of the INVITE (RFC 2543).
            let is_refusals = news.is_none() && self.servers.iter().any(|server| server.key == key);
            if !is_refusals {
                self.receive_ack(now, request, out);
            }
            return;
        }
        if let Some(server) = known {
            let effects = server.handle(now, &self.timers, ServerEvent::Again);
            send_all(effects, server.hop, server.leg, out);
        } else if request.method == Method::Cancel {
            self.receive_cancel(now, key, request, hop, out);
        } else if request.headers.to_tag().is_some() {
            self.receive_in_dialog(now, key, request, hop, out);
        } else if request.method != Method::Invite {
            self.reply(request, hop, Status::CALL_DOES_NOT_EXIST, out);
        } else if self.leg(LegId::A).is_none() {
            self.receive_invite(now, key, request, hop, out);
        } else {
            // RFC 3261 §8.2.2.2: an INVITE that is no repeat of the first by its branch came by another way: "the UAS
            // core SHOULD generate a 482 (Loop Detected) response".
            self.reply(request, hop, compose::status(482), out);
        }
    }

    fn receive_response(&mut self, now: Now, response: &Response, out: &mut AgentOut) {
        let Some((branch, (cseq, method))) =
            response.headers.via().and_then(|via| via.branch).zip(response.headers.cseq())
        else {
            return;
        };
        // A response that matches no client transaction is dropped, a stray 2xx to INVITE too (RFC 6026 §7.2).
        let matches = |client: &super::Outgoing| client.cseq == cseq && client.key.matches(branch, method);
        let Some(at) = self.clients.iter().position(matches) else { return };
        let client = &mut self.clients[at];
        let head = client.head.take();
        let ack = || head.as_ref().map(|head| ack_to_refusal(head, cseq, response)).unwrap_or_default();
        let event = ClientEvent::Response { status: response.status.code(), ack: &ack };
        let effects = client.handle(now, &self.timers, event);
        client.head = head;
        self.after_client(now, at, effects, Some(response), out);
    }

    /// Sends what a client transaction sends, and tells its purpose what came of it.
    pub(super) fn after_client(
        &mut self,
        now: Now,
        at: usize,
        effects: Effects,
        response: Option<&Response>,
        out: &mut AgentOut,
    ) {
        let (leg, hop, purpose) = (self.clients[at].leg, self.clients[at].hop, self.clients[at].purpose);
        let failed = match (send_all(effects, hop, leg, out), response) {
            (Some(Effect::Pass), Some(response)) => {
                if self.challenged(now, at, response, out) {
                    return;
                }
                return match purpose {
                    Purpose::Invite => self.invite_answered(now, leg, response, out),
                    _ => self.request_answered(now, at, response, out),
                };
            }
            (Some(Effect::TimedOut), _) => FailedBy::Timeout,
            (Some(Effect::Unreachable), _) => FailedBy::Transport,
            _ => return,
        };
        match purpose {
            Purpose::Invite => self.invite_failed(leg, failed, out),
            _ => self.request_failed(now, at, failed, out),
        }
    }

    /// Opens a server transaction for a request that came.
    pub(super) fn open(&mut self, key: ServerKey, leg: LegId, hop: Hop, request: &Request, wants: Wants) -> usize {
        let mut request = request.clone();
        request.headers.stamp_source(hop.remote);
        let hop = compose::way_back(&request, hop);
        self.servers.push(Incoming::new(key, leg, hop, request, wants));
        self.servers.len() - 1
    }

    /// Responds by a server transaction.
    pub(super) fn respond(&mut self, now: Now, at: usize, response: &Response, out: &mut AgentOut) {
        let server = &mut self.servers[at];
        let event = ServerEvent::Respond { status: response.status.code(), bytes: response.to_bytes() };
        let effects = server.handle(now, &self.timers, event);
        send_all(effects, server.hop, server.leg, out);
    }

    /// Responds without a transaction, where the same request always gets the same response.
    ///
    /// As a stateless UAS does (RFC 3261 §8.2.7), so that a guessed tag costs us no memory.
    pub(super) fn reply(&mut self, request: &Request, hop: Hop, status: Status, out: &mut AgentOut) {
        let mut request = request.clone();
        request.headers.stamp_source(hop.remote);
        let hop = compose::way_back(&request, hop);
        let leg = request.headers.call_id().and_then(|id| self.legs.iter().find(|leg| *leg.call_id == **id));
        let leg = leg.map_or(LegId::A, |leg| leg.id);
        let response = Response::to(&request, status).with_stateless_to_tag();
        out.sends.push(Transmit { hop, bytes: response.to_bytes(), leg, again: false });
    }
}
