//! Two legs joined: what one party asks for inside its dialog is asked of the other, and the answer carried back.

use bytes::Bytes;
use smallvec::SmallVec;

use super::cx::Cx;
use super::ending::Reply;
use super::handover::Leaving;
use super::join::Join;
use super::patience::Kept;
use super::transfer::{Taken, Transfer};
use super::{Call, Phase};
use crate::base::{Instant, LegId};
use crate::crm::model::Decision;
use crate::crm::policy::Ending;
use crate::sdp;
use crate::sip::agent::{LegEvent, RequestId};

/// Who talks with whom, and what is under way between them.
#[derive(Debug)]
pub(super) struct Bridge {
    /// The two who are joined.
    pub(super) pair: [LegId; 2],
    /// Requests passed on that wait for the other side's answer.
    relays: SmallVec<[Relay; 2]>,
    /// A 200 that carried an offer was passed on: the ACK that brings the answer is passed on too.
    late_acks: SmallVec<[LateAck; 1]>,
    /// Re-INVITEs that told one side what the other's refresh changed.
    told: SmallVec<[RequestId; 1]>,
    /// An offer that waits until the other leg may be offered something.
    pub(super) kept: Option<Kept>,
    /// A transfer under way.
    pub(super) transfer: Option<Box<Transfer>>,
    /// A new party who has answered and gets her media agreed with the one who stayed.
    pub(super) join: Option<Join>,
    /// Transferors whose work is done, and when each is sent away.
    pub(super) leaving: SmallVec<[Leaving; 1]>,
    /// When `limits.longest_call` is over.
    pub(super) longest: Instant,
}

/// A request passed on.
#[derive(Debug, Clone, Copy)]
struct Relay {
    /// Theirs, which waits for our answer.
    from: RequestId,
    /// Ours, on the other leg.
    to: RequestId,
    /// It had no offer: the other side's 200 brings one, and the asker's ACK the answer.
    offerless: bool,
}

/// An answer that is still to come by ACK (RFC 3261 §13.2.1: "If the initial offer is in the first reliable non-failure
/// message from the UAS back to UAC, the answer MUST be in the acknowledgement for that message").
#[derive(Debug, Clone, Copy)]
struct LateAck {
    /// The leg whose ACK brings it.
    from: LegId,
    /// The leg whose 200 waits for it.
    to: LegId,
}

impl Bridge {
    /// Joins two legs; `offered` is false where the callee's 200 carried the offer, whose answer comes by the
    /// caller's ACK.
    pub(super) fn new(left: LegId, right: LegId, offered: bool, longest: Instant) -> Self {
        let mut late_acks = SmallVec::new();
        if !offered {
            late_acks.push(LateAck { from: left, to: right });
        }
        Self {
            pair: [left, right],
            relays: SmallVec::new(),
            late_acks,
            told: SmallVec::new(),
            kept: None,
            transfer: None,
            join: None,
            leaving: SmallVec::new(),
            longest,
        }
    }

    /// The other one of the pair.
    pub(super) fn peer(&self, leg: LegId) -> Option<LegId> {
        match self.pair {
            [a, b] if a == leg => Some(b),
            [a, b] if b == leg => Some(a),
            _ => None,
        }
    }

    /// Whether somebody is being handed on, or has just been: one at a time.
    pub(super) fn is_changing_hands(&self) -> bool {
        self.transfer.is_some() || self.join.is_some()
    }

    /// The ACK of one leg brings the answer to an offer that the other one's 200 made.
    pub(super) fn expect_answer(&mut self, from: LegId, to: LegId) {
        self.late_acks.push(LateAck { from, to });
    }

    /// When something of this bridge is due.
    pub(super) fn next_wakeup(&self) -> Instant {
        let transfer = self.transfer.as_ref().and_then(|t| t.next_wakeup());
        let join = self.join.as_ref().and_then(|j| j.retry);
        let kept = self.kept.as_ref().map(|kept| kept.until);
        let leaving = self.leaving.iter().filter_map(Leaving::next_wakeup);
        [transfer, join, kept].into_iter().flatten().chain(leaving).fold(self.longest, Instant::min)
    }
}

impl Call {
    /// While two talk.
    pub(super) fn talking(&mut self, bridge: Bridge, event: LegEvent, cx: &mut Cx<'_>) -> Phase {
        match self.talk(bridge, event, cx) {
            Phase::Talking(mut bridge) => {
                self.pass_kept(&mut bridge, cx);
                Phase::Talking(bridge)
            }
            other => other, // the end of its sender's leg has answered what was kept
        }
    }

    fn talk(&mut self, mut bridge: Bridge, event: LegEvent, cx: &mut Cx<'_>) -> Phase {
        let event = match self.transfer_event(&mut bridge, event, cx) {
            Taken::Not(event) => event,
            Taken::Done(next) => return next.phase(bridge),
        };
        match event {
            LegEvent::ReInvited { request, offer } => self.relay_offer(&mut bridge, request, offer.as_ref(), true, cx),
            LegEvent::Updated { request, offer, .. } => self.relay_offer(&mut bridge, request, Some(&offer), false, cx),
            LegEvent::Withdrawn { request } => self.withdrawn(&mut bridge, request, cx),
            LegEvent::Passing { request, method, body, info_package } => match bridge.peer(request.leg) {
                Some(peer) if self.ua.is_up(peer) => {
                    let to = self.ua.pass(cx.now, peer, method, body, info_package, &mut cx.agent);
                    bridge.relays.push(Relay { from: request, to, offerless: false });
                }
                _ => self.ua.answer(cx.now, request, 480, None, &mut cx.agent),
            },
            LegEvent::Replied { request, status, sdp } => self.carry_back(&mut bridge, request, status, sdp, cx),
            LegEvent::Acked { leg, answer } => self.carry_ack(&mut bridge, leg, answer, cx),
            LegEvent::Referred { request, refer_to, referred_by, subscribed } => {
                let next = self.referred(&mut bridge, (request, subscribed), &refer_to, referred_by, cx);
                return next.phase(bridge);
            }
            LegEvent::Identified { leg, asserted, shown } => self.identified(&bridge, leg, (asserted, shown), cx),
            LegEvent::Bye { request } if bridge.pair.contains(&request.leg) => {
                let label = self.label(request.leg);
                self.decide(Decision::new("end", format!("{label} hung up")), cx);
                self.drop_transfer(&mut bridge, cx);
                return self.finish(Ending::Talked, Reply::Bye(request), cx);
            }
            LegEvent::Gone { leg } | LegEvent::NeverAcked { leg } if bridge.pair.contains(&leg) => {
                let label = self.label(leg);
                self.decide(Decision::new("end", format!("{label} doesn't answer inside the dialog any more")), cx);
                self.drop_transfer(&mut bridge, cx);
                return self.finish(Ending::Talked, Reply::None, cx);
            }
            other => self.stray(&other, cx),
        }
        Phase::Talking(bridge)
    }

    pub(super) fn relay_offer(
        &mut self,
        bridge: &mut Bridge,
        request: RequestId,
        offer: Option<&Bytes>,
        by_invite: bool,
        cx: &mut Cx<'_>,
    ) {
        // A carrier's refresh of its session (RFC 4028) is between it and us: the other side has nothing to say to it.
        if let Some(said) = offer.and_then(|offer| self.leg(request.leg)?.unchanged(offer)) {
            return self.ua.answer(cx.now, request, 200, Some(said), &mut cx.agent);
        }
        let Some(peer) = bridge.peer(request.leg).filter(|peer| self.ua.is_up(*peer)) else {
            return self.answer_alone(request, offer, cx);
        };
        if !self.ua.may_offer(peer) {
            return self.keep_or_refuse(bridge, (request, peer), offer, by_invite, cx);
        }
        if let Some(leg) = self.leg_mut(request.leg) {
            leg.hear(offer);
        }
        let said = offer.map(|o| self.say(peer, o));
        let to = match said {
            Some(offer) if !by_invite => self.ua.update(cx.now, peer, offer, &mut cx.agent),
            said => self.ua.reinvite(cx.now, peer, said, &mut cx.agent),
        };
        bridge.relays.push(Relay { from: request, to, offerless: offer.is_none() });
    }

    /// An offer of somebody whose other party is gone, or not there yet: 491 would only have it come again, for ever.
    fn answer_alone(&mut self, request: RequestId, offer: Option<&Bytes>, cx: &mut Cx<'_>) {
        let Some(leg) = self.leg_mut(request.leg) else {
            return self.ua.answer(cx.now, request, 481, None, &mut cx.agent);
        };
        let answer = match offer {
            Some(offer) => leg.answer_alone(offer),
            // Asked for an offer, we say what holds.
            None => leg.heard.clone().and_then(|heard| leg.answer_alone(&heard)),
        };
        if answer.is_some() {
            leg.hear(offer);
        }
        let said = answer.map(|answer| self.say(request.leg, &answer));
        self.ua.answer(cx.now, request, if said.is_some() { 200 } else { 488 }, said, &mut cx.agent);
    }

    /// A refresh of ours was answered: what that changes is told to the other side, once.
    fn refreshed(&mut self, bridge: &mut Bridge, request: RequestId, sdp: Option<Bytes>, cx: &mut Cx<'_>) {
        let heard = self.leg(request.leg).and_then(|l| l.heard.clone());
        let Some((sdp, before)) = sdp.zip(heard) else { return };
        if let Some(leg) = self.leg_mut(request.leg) {
            leg.hear(Some(&sdp));
        }
        let same = sdp::same_media(&before, &sdp) && sdp::direction(&before) == sdp::direction(&sdp);
        let peer = bridge.peer(request.leg).filter(|peer| bridge.join.is_none() && self.ua.may_offer(*peer));
        if let Some(peer) = peer.filter(|_| !same && self.ua.was_refresh(request)) {
            let said = self.say(peer, &sdp);
            let request = self.ua.reinvite(cx.now, peer, Some(said), &mut cx.agent);
            bridge.told.push(request);
        }
    }

    fn carry_back(
        &mut self,
        bridge: &mut Bridge,
        request: RequestId,
        status: u16,
        sdp: Option<Bytes>,
        cx: &mut Cx<'_>,
    ) {
        let Some(at) = bridge.relays.iter().position(|r| r.to == request) else {
            let told = bridge.told.iter().position(|told| *told == request).map(|at| bridge.told.remove(at));
            if told.is_some() || self.ua.was_refresh(request) {
                return self.refreshed(bridge, request, sdp.filter(|_| (200..300).contains(&status)), cx);
            }
            return self.settle_offer(request.leg, sdp.as_ref(), cx);
        };
        let relay = bridge.relays.remove(at);
        let ok = (200..300).contains(&status);
        if let Some(leg) = self.leg_mut(request.leg) {
            leg.hear(sdp.as_ref());
            leg.took(ok);
        }
        if ok && relay.offerless {
            bridge.late_acks.push(LateAck { from: relay.from.leg, to: request.leg });
        }
        let said = sdp.filter(|_| ok).map(|sdp| match relay.offerless {
            true => self.say(relay.from.leg, &sdp),
            false => self.answer_for(relay.from.leg, &sdp),
        });
        self.ua.answer(cx.now, relay.from, if ok { 200 } else { status }, said, &mut cx.agent);
    }

    /// A re-INVITE whose asker is in another call now has got an offer for answer: what was last said answers it.
    fn settle_offer(&mut self, leg: LegId, sdp: Option<&Bytes>, cx: &mut Cx<'_>) {
        if self.ua.owes_ack(leg) {
            let Some(l) = self.leg_mut(leg) else { return };
            l.hear(sdp);
            let said = l.last_said().unwrap_or_default();
            self.ua.ack(cx.now, leg, said, &mut cx.agent);
        }
    }

    fn carry_ack(&mut self, bridge: &mut Bridge, leg: LegId, answer: Option<Bytes>, cx: &mut Cx<'_>) {
        if let Some(l) = self.leg_mut(leg) {
            l.hear(answer.as_ref());
        }
        let Some(at) = bridge.late_acks.iter().position(|a| a.from == leg) else { return };
        let late = bridge.late_acks.remove(at);
        // An ACK that brings no answer to an offer leaves the other side nothing to go by but what was said before.
        let answer = answer.or_else(|| self.leg(leg).and_then(|l| l.heard.clone())).unwrap_or_default();
        let said = self.say(late.to, &answer);
        self.ua.ack(cx.now, late.to, said, &mut cx.agent);
    }
}
