//! Our requests inside a dialog, and what comes of them (RFC 3261 §12.2.1, §14.1, §15.1.1).

use bytes::Bytes;
use rsip::Method;

use super::leg::{Ack, Bye, Leg, Usage};
use super::transactions::Purpose;
use super::{AgentOut, Body, FailedBy, LegEvent, Reason, RequestId, UserAgent, compose, refusal, session, tokens};
use crate::base::{Hop, LegId, Now};
use crate::sip::dialog::Dialog;
use crate::sip::message::{Name, Request, Response, build};

impl UserAgent {
    /// BYE on a confirmed leg. Where an ACK is owed, its offer is answered with all streams refused first. A leg
    /// whose 200 has not been acknowledged yet is ended once the ACK came or timed out (RFC 3261 §15).
    pub fn bye(&mut self, now: Now, leg: LegId, out: &mut AgentOut) {
        let withheld = leg == LegId::A && self.withholds();
        let waits = withheld || self.unacked.iter().any(|unacked| unacked.leg == leg && unacked.makes_dialog);
        let Some(Leg { usage, .. }) = self.leg_mut(leg) else { return };
        let Usage::Up { dialog, .. } = usage else { return };
        if waits {
            // RFC 3261 §15: "the callee's UA MUST NOT send a BYE on a confirmed dialog until it has received an ACK for
            // its 2xx response or until the server transaction times out."
            *usage = Usage::ByeWaits(dialog.clone());
            return;
        }
        self.refuse_owed(now, leg, out);
        self.send_bye(now, leg, out);
    }

    /// The same, and why.
    pub fn bye_because(&mut self, now: Now, leg: LegId, why: Option<Reason>, out: &mut AgentOut) {
        self.note_reason(leg, why);
        self.bye(now, leg, out);
    }

    /// Sends the ACK that is owed, if one is, with all streams of the offer refused: the dialog ends.
    pub(super) fn refuse_owed(&mut self, now: Now, leg: LegId, out: &mut AgentOut) {
        if let Some(Leg { usage: Usage::Up { ack: Ack::Owed { offer, .. }, .. }, hop, .. }) = self.leg(leg) {
            let (offer, hop) = (offer.clone(), *hop);
            let answer = refusal::refusing_answer(&offer, &hop, self.ids.bits() >> 32);
            self.ack(now, leg, answer, out);
        }
    }

    /// A re-INVITE on a confirmed leg; `None`: the peer is to make the offer.
    pub fn reinvite(&mut self, now: Now, leg: LegId, offer: Option<Bytes>, out: &mut AgentOut) -> RequestId {
        let id = self.new_request(leg);
        if !self.may_offer(leg) {
            self.not_now(leg, id, out);
            return id;
        }
        self.send_reinvite(now, (leg, id), offer, out);
        id
    }

    pub(super) fn send_reinvite(
        &mut self,
        now: Now,
        (leg, id): (LegId, RequestId),
        offer: Option<Bytes>,
        out: &mut AgentOut,
    ) {
        let purpose = Purpose::ReInvite { id, offered: offer.is_some() };
        self.negotiate(now, (leg, id), (Method::Invite, purpose), offer, out);
    }

    pub(super) fn send_update(
        &mut self,
        now: Now,
        (leg, id): (LegId, RequestId),
        offer: Option<Bytes>,
        out: &mut AgentOut,
    ) {
        self.negotiate(now, (leg, id), (Method::Update, Purpose::Update(id)), offer, out);
    }

    /// A re-INVITE or UPDATE of ours: with what we can, what the session timer asks, and this offer.
    fn negotiate(
        &mut self,
        now: Now,
        (leg, id): (LegId, RequestId),
        what: (Method, Purpose),
        offer: Option<Bytes>,
        out: &mut AgentOut,
    ) {
        let asked = self.ask(leg, Request::new(what.0, ""));
        if let Some(leg) = self.leg_mut(leg) {
            leg.session.offer(offer.as_ref());
        }
        let add = |request, hop: &Hop| {
            let request = compose::with_abilities(compose::with_contact(request, hop));
            compose::with_sdp(session::with_asked(request, &asked), offer)
        };
        self.request(now, (leg, id), what, add, out);
    }

    /// An UPDATE with an offer; a re-INVITE in its place where the peer's Allow has no UPDATE.
    pub fn update(&mut self, now: Now, leg: LegId, offer: Bytes, out: &mut AgentOut) -> RequestId {
        let id = self.new_request(leg);
        if !self.may_offer(leg) {
            self.not_now(leg, id, out);
            return id;
        }
        if self.updates(leg) {
            self.send_update(now, (leg, id), Some(offer), out);
        } else {
            self.send_reinvite(now, (leg, id), Some(offer), out);
        }
        id
    }

    /// An INFO or MESSAGE.
    pub fn pass(
        &mut self,
        now: Now,
        leg: LegId,
        method: &'static str,
        body: Option<Body>,
        info_package: Option<String>,
        out: &mut AgentOut,
    ) -> RequestId {
        let id = self.new_request(leg);
        let add = |request: Request, _: &Hop| {
            let request = match info_package {
                Some(package) => request.with(Name::InfoPackage, package),
                None => request,
            };
            match body {
                Some(body) => request.with_body(body.content_type, body.bytes),
                None => request,
            }
        };
        let method = if method == "MESSAGE" { Method::Message } else { Method::Info };
        if self.leg(leg).is_none_or(Leg::is_over) {
            out.events.push(LegEvent::Replied { request: id, status: 481, sdp: None });
        } else {
            self.request(now, (leg, id), (method, Purpose::Pass(id)), add, out);
        }
        id
    }

    /// Sends a request in the dialog of a leg; where there is none, it is as if the peer had said so.
    pub(super) fn request(
        &mut self,
        now: Now,
        (leg, id): (LegId, RequestId),
        what: (Method, Purpose),
        add: impl FnOnce(Request, &Hop) -> Request,
        out: &mut AgentOut,
    ) {
        if !self.send(now, leg, what, add, out) {
            out.events.push(LegEvent::Replied { request: id, status: 481, sdp: None });
        }
    }

    /// Sends a request in the dialog of a leg; tells whether there is one.
    fn send(
        &mut self,
        now: Now,
        leg: LegId,
        what: (Method, Purpose),
        add: impl FnOnce(Request, &Hop) -> Request,
        out: &mut AgentOut,
    ) -> bool {
        let Some(this) = self.leg_mut(leg) else { return false };
        let hop = this.hop;
        let Some(mut dialog) = this.dialog_mut().cloned() else { return false };
        self.send_in(now, leg, (&mut dialog, hop), what, add, out);
        if let Some(kept) = self.leg_mut(leg).and_then(Leg::dialog_mut) {
            kept.local_cseq = dialog.local_cseq;
        }
        true
    }

    /// Sends a request in this dialog.
    pub(super) fn send_in(
        &mut self,
        now: Now,
        leg: LegId,
        (dialog, hop): (&mut Dialog, Hop),
        (method, purpose): (Method, Purpose),
        add: impl FnOnce(Request, &Hop) -> Request,
        out: &mut AgentOut,
    ) {
        let hop = compose::next_hop(dialog, hop);
        let cseq = dialog.local_cseq.take_next();
        let branch = tokens::branch(self.call, leg, &mut self.ids);
        let via = build::via(hop.transport, hop.advertised, &branch);
        let request = add(compose::in_dialog(method, dialog, cseq, &via), &hop);
        self.start(now, leg, hop, (&branch, cseq), (request, purpose), out);
    }

    fn send_bye(&mut self, now: Now, leg: LegId, out: &mut AgentOut) {
        self.end(now, leg, Bye::Ours, out);
        let reason = self.reason(leg).map(compose::reason_text);
        let add = |request: Request, _: &Hop| match reason {
            Some(reason) => request.with(Name::Reason, reason),
            None => request,
        };
        self.send(now, leg, (Method::Bye, Purpose::Bye), add, out);
    }

    /// Sends the BYE that waited for an ACK.
    pub(super) fn bye_if_waiting(&mut self, now: Now, leg: LegId, out: &mut AgentOut) {
        if self.leg(leg).is_some_and(|leg| matches!(leg.usage, Usage::ByeWaits(_))) {
            self.send_bye(now, leg, out);
        }
    }

    /// A response to a request of ours inside a dialog, the first provisional or final one, or a repeated 2xx to
    /// INVITE.
    pub(super) fn request_answered(&mut self, now: Now, at: usize, response: &Response, out: &mut AgentOut) {
        let (leg, purpose, cseq) = (self.clients[at].leg, self.clients[at].purpose, self.clients[at].cseq);
        let status = response.status;
        if status.is_provisional() {
            return;
        }
        if let Purpose::ReInvite { .. } = purpose
            && status.is_success()
        {
            let tag = response.headers.to_tag().unwrap_or_default();
            if self.leg(leg).is_some_and(|leg| leg.resend_ack(cseq, tag, out)) {
                return;
            }
        }
        if let Purpose::Refresh(_) = purpose
            && status.is_success()
        {
            self.refresh(leg, response);
        }
        if self.session_answered(now, (leg, purpose), response, out) {
            return;
        }
        let (id, sdp) = match purpose {
            Purpose::ReInvite { id, offered } if status.is_success() => {
                (id, self.reinvite_accepted(now, leg, (cseq, offered), response, out))
            }
            Purpose::Update(id) if status.is_success() => {
                self.refresh(leg, response);
                (id, compose::sdp_of(&response.headers, &response.body))
            }
            Purpose::ReInvite { id, .. } | Purpose::Update(id) | Purpose::Refresh(id) | Purpose::Pass(id) => (id, None),
            Purpose::Notify { id, refer } => return self.notified(now, (id, refer), status.code(), out),
            // Whatever the peer says to BYE, CANCEL or PRACK, nothing is left to do.
            Purpose::Bye | Purpose::Cancel | Purpose::Prack | Purpose::Invite => return,
        };
        // A challenge that was not met was meant for us, and not for whoever asked.
        let told = if matches!(status.code(), 401 | 407) { 503 } else { status.code() };
        out.events.push(LegEvent::Replied { request: id, status: told, sdp });
        // RFC 3261 §12.2.1.2: "If the response for a request within a dialog is a 481 … or a 408 …, the UAC SHOULD
        // terminate the dialog."
        if matches!(status.code(), 481 | 408) {
            self.gone(now, leg, out);
        }
    }

    /// A request of ours inside a dialog got no final response.
    pub(super) fn request_failed(&mut self, now: Now, at: usize, by: FailedBy, out: &mut AgentOut) {
        let (leg, purpose) = (self.clients[at].leg, self.clients[at].purpose);
        let status = if by == FailedBy::Timeout { 408 } else { 503 };
        match purpose {
            Purpose::ReInvite { id, .. } | Purpose::Update(id) | Purpose::Refresh(id) | Purpose::Pass(id) => {
                self.refresh_failed(now, (leg, id));
                out.events.push(LegEvent::Replied { request: id, status, sdp: None });
                // RFC 3261 §12.2.1.2: "A UAC SHOULD also terminate a dialog if no response at all is received for the
                // request".
                if by == FailedBy::Timeout {
                    self.gone(now, leg, out);
                }
            }
            Purpose::Notify { id, refer } => self.notified(now, (id, refer), status, out),
            Purpose::Bye | Purpose::Cancel | Purpose::Prack | Purpose::Invite => {}
        }
    }

    /// The first 2xx to a re-INVITE: acknowledged, unless it carries the offer. Gives its SDP.
    fn reinvite_accepted(
        &mut self,
        now: Now,
        leg: LegId,
        (cseq, offered): (u32, bool),
        response: &Response,
        out: &mut AgentOut,
    ) -> Option<Bytes> {
        self.refresh(leg, response);
        let sdp = compose::sdp_of(&response.headers, &response.body);
        let this = self.leg_mut(leg)?;
        let hop = this.hop;
        let dialog = this.dialog_mut()?.clone();
        match (sdp.clone().filter(|_| !offered), &mut this.usage) {
            (Some(offer), Usage::Up { ack, .. }) => {
                *ack = Ack::Owed { cseq, offer };
                self.note_ack(now, leg, (cseq, dialog.remote.tag), None);
            }
            // The dialog has ended meanwhile: its offer is nobody's, and is refused.
            (Some(offer), _) => {
                let answer = refusal::refusing_answer(&offer, &hop, self.ids.bits() >> 32);
                self.send_ack(now, leg, (&dialog, hop), (cseq, Some(answer)), out);
            }
            (None, _) => self.send_ack(now, leg, (&dialog, hop), (cseq, None), out),
        }
        sdp
    }

    fn refresh(&mut self, leg: LegId, response: &Response) {
        let headers = &response.headers;
        let call_id = headers.call_id().map(|id| &**id).unwrap_or_default();
        let (ours, theirs) = (headers.from_tag().unwrap_or_default(), headers.to_tag().unwrap_or_default());
        if let Some(dialog) = self.leg_mut(leg).and_then(|leg| leg.dialog_of(call_id, ours, theirs)) {
            dialog.refresh_target(response.headers.get(&Name::Contact).map(AsRef::as_ref));
        }
    }

    /// The peer knows nothing of the dialog, or is silent.
    ///
    /// RFC 3261 §12.2.1.2: "For INVITE initiated dialogs, terminating the dialog consists of sending a BYE."
    fn gone(&mut self, now: Now, leg: LegId, out: &mut AgentOut) {
        if self.is_up(leg) {
            self.send_bye(now, leg, out);
            out.events.push(LegEvent::Gone { leg });
        }
    }

    /// An offer that may not go now: as if the peer had said so, 491 in a dialog and 481 without one.
    fn not_now(&mut self, leg: LegId, request: RequestId, out: &mut AgentOut) {
        let status = if self.is_up(leg) { 491 } else { 481 };
        out.events.push(LegEvent::Replied { request, status, sdp: None });
    }
}
