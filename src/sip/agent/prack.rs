//! Reliable provisional responses, each leg apart (RFC 3262): ours to a caller who requires them, and the callee's.

use std::collections::VecDeque;

use bytes::Bytes;
use rsip::Method;

use super::accept::with_sdp;
use super::leg::{Bye, Calling, Leg, Usage};
use super::transactions::{Purpose, Wants};
use super::{AgentOut, ForkId, LegEvent, Transmit, UserAgent, compose};
use crate::base::{Hop, Instant, LegId, Now};
use crate::sip::dialog::RAck;
use crate::sip::dialog::reliable::{self, MOST_FIRST_RSEQ, RELIABLE};
use crate::sip::message::{Headers, Name, Request, Response, Status};
use crate::sip::transaction::{Backoff, ServerKey};

/// How many provisionals wait for the PRACK of the one before; a caller who sends none gets no more.
const MOST_WAITING: usize = 8;

/// Our provisionals to a caller whose INVITE has `Require: 100rel`. Where it only supports it they go as ever: the
/// callee behind us sends hers as she likes, and each one lost costs a ringback tone, not the call.
#[derive(Debug, Default)]
pub(super) struct Reliable {
    /// The one that waits for its PRACK.
    ///
    /// RFC 3262 §3: "The UAS MUST NOT send a second reliable provisional response until the first is acknowledged."
    in_flight: Option<Unpracked>,
    /// Those after it.
    waiting: VecDeque<Provisional>,
    /// The 200 that waits for the PRACK to the answer: its SDP.
    withheld: Option<Option<Bytes>>,
}

/// A provisional to be sent.
#[derive(Debug)]
pub(super) struct Provisional {
    pub(super) status: u16,
    pub(super) fork: Option<ForkId>,
    pub(super) sdp: Option<Bytes>,
}

/// A reliable provisional without its PRACK.
#[derive(Debug)]
struct Unpracked {
    /// Our tag in it.
    tag: Box<str>,
    rack: RAck,
    hop: Hop,
    response: Bytes,
    /// It carries the answer.
    answers: bool,
    /// RFC 3262 §3: "The reliable provisional response is passed to the transaction layer periodically with an interval
    /// that starts at T1 seconds and doubles for each retransmission". `None`: the final response went, and only its
    /// PRACK is still answered.
    resend: Option<Backoff>,
    give_up: Instant,
}

impl Reliable {
    /// For this INVITE; `None` where its caller doesn't require it, and, to one who insists, can't.
    pub(super) fn wanted_by(invite: &Headers, insists: bool) -> Option<Box<Self>> {
        let is_possible = insists && invite.has_token(&Name::Supported, RELIABLE);
        (is_possible || invite.has_token(&Name::Require, RELIABLE)).then(Box::default)
    }

    /// When something of it is due.
    pub(super) fn next_wakeup(&self) -> Option<Instant> {
        let flying = self.in_flight.as_ref()?;
        flying.resend.map(|resend| resend.at.min(flying.give_up))
    }
}

impl UserAgent {
    /// Keeps a provisional back until the one before has its PRACK. Gives it back where it may go at once.
    pub(super) fn wait_for_prack(&mut self, provisional: Provisional) -> Option<Provisional> {
        let Some(reliable) = &mut self.reliable else { return Some(provisional) };
        if reliable.in_flight.is_none() {
            return Some(provisional);
        }
        if reliable.waiting.len() < MOST_WAITING {
            reliable.waiting.push_back(provisional);
        }
        None
    }

    /// Makes a provisional reliable, where the caller requires it; it is about to be sent by `hop`.
    pub(super) fn made_reliable(&mut self, now: Now, cseq: u32, hop: Hop, response: Response) -> Response {
        let first = u32::try_from(1 + self.ids.below(MOST_FIRST_RSEQ)).unwrap_or(1);
        let give_up = now.mono + self.timers.give_up();
        let resend = Some(self.timers.doubling(now.mono));
        if self.reliable.is_none() {
            return response;
        }
        let Some(Leg { usage: Usage::Ringing(ringing), .. }) = self.leg_mut(LegId::A) else { return response };
        let Some(early) = ringing.current_mut() else { return response };
        // Each of our tags is a UAS of its own to the caller, who counts by them.
        let rseq = early.rseq.map_or(first, |last| last.wrapping_add(1));
        early.rseq = Some(rseq);
        let tag = early.dialog.local.tag.clone();
        // RFC 3311 §4: by Allow in a reliable provisional the caller learns that she may UPDATE before the answer.
        let response = response.with(Name::Allow, compose::ALLOW);
        let response = response.with(Name::Require, RELIABLE).with(Name::RSeq, rseq.to_string());
        if let Some(reliable) = &mut self.reliable {
            let (bytes, answers) = (response.to_bytes(), !response.body.is_empty());
            let rack = RAck { rseq, cseq };
            reliable.in_flight = Some(Unpracked { tag, rack, hop, response: bytes, answers, resend, give_up });
        }
        response
    }

    /// The INVITE's 200 waits where it must. RFC 3262 §3: "if any of the unacknowledged reliable provisional responses
    /// contained a session description …, it MUST NOT send a final response until those provisional responses are
    /// acknowledged."
    pub(super) fn withhold(&mut self, sdp: Option<&Bytes>) -> bool {
        let Some(reliable) = &mut self.reliable else { return false };
        // "A UAS MUST NOT send new reliable provisional responses (as opposed to retransmissions of unacknowledged
        // ones) after sending a final response to a request."
        reliable.waiting.clear();
        let Some(flying) = &mut reliable.in_flight else { return false };
        if flying.answers {
            reliable.withheld = Some(sdp.cloned());
        } else {
            flying.resend = None;
        }
        flying.answers
    }

    /// Whether a 200 waits for a PRACK.
    pub(super) fn withholds(&self) -> bool {
        self.reliable.as_ref().is_some_and(|reliable| reliable.withheld.is_some())
    }

    /// A final refusal goes. RFC 3262 §3: the UAS "SHOULD NOT continue to retransmit the unacknowledged reliable provisional
    /// responses, but it MUST be prepared to process PRACK requests for those outstanding responses."
    pub(super) fn stop_provisionals(&mut self) {
        let Some(reliable) = &mut self.reliable else { return };
        reliable.waiting.clear();
        reliable.withheld = None;
        if let Some(flying) = &mut reliable.in_flight {
            flying.resend = None;
        }
    }

    /// A PRACK. RFC 3262 §3: "If a PRACK request is received by the UA core that does not match any unacknowledged
    /// reliable provisional response, the UAS MUST respond to the PRACK with a 481 response."
    pub(super) fn receive_prack(
        &mut self,
        now: Now,
        (key, leg): (ServerKey, LegId),
        request: &Request,
        hop: Hop,
        out: &mut AgentOut,
    ) {
        let Some(flying) = self.acknowledged(request) else {
            let at = self.open(key, leg, hop, request, Wants::Nothing);
            return self.answer_at(now, at, Status::CALL_DOES_NOT_EXIST, out);
        };
        let tag = &flying.tag;
        let mut fork = None;
        if let Some(Leg { usage: Usage::Ringing(ringing), .. }) = self.leg_mut(leg)
            && let Some(early) = ringing.early.iter_mut().find(|early| early.dialog.local.tag == *tag)
        {
            early.answered |= flying.answers;
            fork = early.fork;
        }
        match compose::sdp_of(&request.headers, &request.body) {
            // RFC 3262 §5: "it MAY generate an additional offer in the PRACK": the other side's to answer, as the
            // offer of an UPDATE.
            // deviates: where it is refused the PRACK is too ("it MUST be responded to with a 2xx"), and has done its
            // work all the same; a 2xx has no way to refuse an offer.
            Some(offer) => {
                let id = self.new_request(leg);
                self.open(key, leg, hop, request, Wants::Update(id));
                out.events.push(LegEvent::Updated { request: id, offer, fork });
            }
            None => {
                let at = self.open(key, leg, hop, request, Wants::Nothing);
                self.answer_at(now, at, Status::OK, out);
            }
        }
        self.after_prack(now, out);
    }

    /// Whether a PRACK that no dialog has is for a provisional of an INVITE that was refused meanwhile.
    pub(super) fn acknowledges(&mut self, request: &Request) -> bool {
        request.method == Method::PRack && self.acknowledged(request).is_some()
    }

    /// Takes the provisional that this PRACK acknowledges.
    fn acknowledged(&mut self, request: &Request) -> Option<Unpracked> {
        let (rack, to) = (RAck::of(&request.headers)?, request.headers.to_tag()?);
        let is_ours = |flying: &mut Unpracked| flying.rack == rack && *flying.tag == *to;
        self.reliable.as_mut()?.in_flight.take_if(is_ours)
    }

    /// What waited for a PRACK goes.
    fn after_prack(&mut self, now: Now, out: &mut AgentOut) {
        let Some(reliable) = &mut self.reliable else { return };
        if let Some(sdp) = reliable.withheld.take() {
            if let Some(at) = self.call_to_answer(LegId::A) {
                let offers =
                    compose::sdp_of(&self.servers[at].request.headers, &self.servers[at].request.body).is_none();
                self.accept_invite(now, at, (sdp, offers, true), out);
            }
        } else if let Some(next) = reliable.waiting.pop_front() {
            self.send_progress(now, next, out);
        }
    }

    /// Repeats the provisional without PRACK, or gives the call up.
    pub(super) fn resend_provisional(&mut self, now: Now, out: &mut AgentOut) {
        let Some(reliable) = &mut self.reliable else { return };
        let Some(flying) = &mut reliable.in_flight else { return };
        let Some(resend) = flying.resend.as_mut() else { return };
        if now.mono < flying.give_up {
            if now.mono >= resend.at {
                *resend = resend.next(now.mono);
                let (hop, bytes) = (flying.hop, flying.response.clone());
                out.sends.push(Transmit { hop, bytes, leg: LegId::A, again: true });
            }
            return;
        }
        // RFC 3262 §3: "If a reliable provisional response is retransmitted for 64*T1 seconds without reception of a
        // corresponding PRACK, the UAS SHOULD reject the original request with a 5xx response." The call does so.
        reliable.in_flight = None;
        reliable.waiting.clear();
        if reliable.withheld.take().is_some() {
            self.refuse_withheld(now, compose::status(504), out);
        }
        out.events.push(LegEvent::NeverAcked { leg: LegId::A });
    }

    /// The caller's 200 was never sent, and never will be.
    pub(super) fn refuse_withheld(&mut self, now: Now, status: Status, out: &mut AgentOut) {
        if let Some(at) = self.call_to_answer(LegId::A) {
            let tag = self.leg_mut(LegId::A).and_then(Leg::dialog_mut).map(|dialog| dialog.local.tag.clone());
            let response = Response::to(&self.servers[at].request, status);
            self.respond(now, at, &response.with_to_tag(tag.as_deref().unwrap_or_default()), out);
        }
        self.stop_provisionals();
        if let Some(leg) = self.leg_mut(LegId::A) {
            leg.end(Bye::None);
        }
    }

    /// A provisional to an INVITE of ours that came in the early dialog of fork `n`. True: it is news.
    pub(super) fn acknowledge(&mut self, now: Now, fork: ForkId, response: &Response, out: &mut AgentOut) -> bool {
        let Some(rseq) = reliable::rseq_of(&response.headers) else { return true };
        let Some(Leg { usage: Usage::Calling(Calling { forks, .. }), hop, sent: Some(sent), .. }) =
            self.leg_mut(fork.leg)
        else {
            return true;
        };
        let Some(known) = forks.get_mut(usize::from(fork.n)) else { return true };
        // One whose peer was not told that we can, or that makes no dialog to acknowledge it in, is as any other.
        if !sent.offered || known.dialog.remote.tag.is_empty() {
            return true;
        }
        if !known.last.admit(rseq) {
            return false;
        }
        known.answered |= !response.body.is_empty();
        let (hop, rack) = (*hop, RAck { rseq, cseq: sent.cseq });
        let mut dialog = known.dialog.clone();
        let add = |request: Request, _: &Hop| request.with(Name::RAck, rack.text());
        self.send_in(now, fork.leg, (&mut dialog, hop), (Method::PRack, Purpose::Prack), add, out);
        self.keep_cseq(fork, &dialog);
        true
    }

    /// Sends a provisional now.
    pub(super) fn send_progress(&mut self, now: Now, provisional: Provisional, out: &mut AgentOut) {
        let Provisional { status, fork, sdp } = provisional;
        let Some(at) = self.call_to_answer(LegId::A) else { return };
        self.choose_tag(LegId::A, fork);
        let Some(Leg { usage: Usage::Ringing(ringing), .. }) = self.leg(LegId::A) else { return };
        let server = &self.servers[at];
        // Sent reliably, the SDP would be the offer of an INVITE without one, to be answered in the PRACK: but our own
        // INVITE to the callee, without an offer as well, did not let her ask for that.
        let sdp = sdp.filter(|_| ringing.offered || self.reliable.is_none());
        let response = Response::to(&server.request, compose::status(status));
        let response = response.with_to_tag(&ringing.dialog().local.tag);
        let response = with_sdp(compose::with_dialog(response, &server.request, &server.hop), sdp);
        let (cseq, hop) = (server.request.headers.cseq().map_or(0, |(number, _)| number), server.hop);
        let response = self.made_reliable(now, cseq, hop, response);
        self.respond(now, at, &response, out);
        self.remind_later(now);
    }
}
