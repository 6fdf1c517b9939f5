//! From the INVITE to the answer: ask the CRM, then hunt.

use bytes::Bytes;

use super::bridge::Bridge;
use super::cx::Cx;
use super::ending::Reply;
use super::hunt::{Hunt, Progress, Quarry};
use super::{Call, CallAction, Phase};
use crate::base::{Instant, LegId};
use crate::crm::model::{Decision, Direction, Known, Lookup, NoAnswer};
use crate::crm::policy::{self, Ending};
use crate::route::refuse_blacklisted;
use crate::sip::agent::{CancelReason, ForkId, LegEvent, OutgoingInvite};

impl Call {
    /// The INVITE is in: look the customer up, and ring at once where the answer changes nothing.
    pub(super) fn invited(&mut self, cx: &mut Cx<'_>) -> Phase {
        if self.facts.blacklisted {
            if let Some(decision) = self.facts.line.as_deref().map(refuse_blacklisted) {
                self.decide(decision, cx);
            }
            return self.finish(Ending::Blacklisted, Reply::Reject(603), cx);
        }
        if let Some(trunk) = self.facts.trunk.clone() {
            // Counted, and never refused for it: the carrier knows how many it lets through.
            let channel = cx.env.channel(&trunk, 0);
            self.legs[0].channel = channel;
        }
        if let Some(dialler) = self.facts.dialler.clone() {
            self.take_busy(LegId::A, dialler, cx);
        }
        if let (Some(phone), Some(line), None) = (self.facts.customer, &self.facts.line, &self.facts.lookup) {
            let line = line.number;
            cx.out.push(CallAction::Ask { phone, line, address: self.facts.address.clone() });
            self.asked_at = Some(cx.now.mono);
        }
        if let Some(lookup) = self.facts.lookup.clone() {
            self.note_lookup(&lookup, cx);
            return self.begin(cx);
        }
        let deadline = cx.now.mono + cx.env.directory().crm.deadline;
        self.lookup_due = Some(deadline);
        if self.facts.direction == Direction::Incoming { Phase::Asking } else { self.begin(cx) }
    }

    /// The lookup is settled, one way or the other, or the call doesn't wait for it.
    fn begin(&mut self, cx: &mut Cx<'_>) -> Phase {
        if self.facts.direction == Direction::Incoming {
            self.create_if_wanted(cx);
        }
        let quarry = match &self.facts.dialled {
            Some(dialled) => Quarry::Dialled(dialled.clone()),
            None => Quarry::Line,
        };
        let invite = OutgoingInvite {
            caller: self.facts.caller_id.clone(),
            private: self.facts.private,
            max_forwards: self.facts.max_forwards,
            offer: self.leg(LegId::A).and_then(|a| a.heard.clone()),
            referred_by: None,
            diversion: None,
            replaces: None,
        };
        self.hunt_on(Hunt::new(quarry, invite, Vec::new()), cx)
    }

    /// Rings the next, or ends the call unanswered.
    fn hunt_on(&mut self, mut hunt: Hunt, cx: &mut Cx<'_>) -> Phase {
        match self.ring_next(&mut hunt, cx) {
            Progress::Rings => Phase::Hunting(hunt),
            Progress::Over(why) => self.unanswered(&hunt, &why, cx),
        }
    }

    /// Nobody answered, and nobody is left to be rung.
    fn unanswered(&mut self, hunt: &Hunt, why: &str, cx: &mut Cx<'_>) -> Phase {
        let status = policy::final_status(self.facts.direction, false, &hunt.finals);
        self.decide(Decision::new(format!("answer {status}"), why.to_owned()), cx);
        let reply = if hunt.no_room && status == 503 { Reply::NoRoom } else { Reply::Reject(status) };
        self.finish(Ending::Unanswered(hunt.last_final()), reply, cx)
    }

    /// What the CRM said of the caller, in whatever phase the answer finds the call.
    pub(super) fn crm_said(&mut self, phase: Phase, lookup: Lookup, cx: &mut Cx<'_>) -> Phase {
        match (phase, &self.facts.lookup) {
            (Phase::Asking, None) => {
                self.settle(lookup, cx);
                self.begin(cx)
            }
            (phase, None) => {
                self.settle(lookup, cx);
                self.create_if_wanted(cx);
                phase
            }
            (phase, Some(Lookup::Undetermined(_))) => {
                self.late_answer(&lookup, cx);
                phase
            }
            // a second answer to a settled question changes nothing
            (phase, Some(_)) => phase,
        }
    }

    /// The deadline has passed without an answer: an INVITE that waited goes on.
    pub(super) fn crm_is_late(&mut self, phase: Phase, cx: &mut Cx<'_>) -> Phase {
        self.settle(Lookup::Undetermined(NoAnswer::Deadline), cx);
        if matches!(phase, Phase::Asking) { self.begin(cx) } else { phase }
    }

    /// The caller hangs up before anybody has answered.
    pub(super) fn caller_gave_up(&mut self, cx: &mut Cx<'_>) -> Phase {
        let status = policy::final_status(self.facts.direction, true, &[]);
        self.finish(Ending::CallerGaveUp, Reply::Reject(status), cx)
    }

    /// What the callees are told of a caller who gave up: what she said herself, where she said why.
    pub(super) fn why_caller_gave_up(&self) -> CancelReason {
        self.ua.reason(LegId::A).map_or(CancelReason::CallerGaveUp, CancelReason::Because)
    }

    fn settle(&mut self, lookup: Lookup, cx: &mut Cx<'_>) {
        self.lookup_due = None;
        self.note_lookup(&lookup, cx);
        if let Lookup::Known(Known { name: Some(name), .. }) = &lookup
            && self.facts.direction == Direction::Incoming
        {
            self.facts.caller_id.display = name.clone();
        }
        self.facts.lookup = Some(lookup);
    }

    fn note_lookup(&mut self, lookup: &Lookup, cx: &mut Cx<'_>) {
        let mut decision = lookup.decision();
        if let Some(at) = self.asked_at {
            decision.why = format!("{} ({} ms)", decision.why, (cx.now.mono - at).as_millis());
        }
        self.decide(decision, cx);
    }

    /// While phones ring.
    pub(super) fn hunting(&mut self, mut hunt: Hunt, event: LegEvent, cx: &mut Cx<'_>) -> Phase {
        match event {
            LegEvent::Progress { fork, status, sdp } if hunt.ringing.contains(&fork.leg) => {
                self.leg_rings(fork, status, sdp, cx);
                Phase::Hunting(hunt)
            }
            // The first 200 wins, also one that crosses the CANCEL of her turn's end: the caller still waits, and her
            // phone believes that it answered.
            LegEvent::Answered { fork, sdp } => self.connect(hunt, fork, sdp.as_ref(), cx),
            LegEvent::Failed { leg, status, by, contacts } => {
                let last = self.ring_failed(&mut hunt, leg, (status, by, &contacts), cx);
                let phase = if last { self.hunt_on(hunt, cx) } else { Phase::Hunting(hunt) };
                // The call goes on without her: the caller need not wait for her media any more.
                if matches!(phase, Phase::Hunting(_)) {
                    self.ua.fork_is_over(cx.now, leg, None, &mut cx.agent);
                }
                phase
            }
            LegEvent::Canceled { .. } => {
                let why = self.why_caller_gave_up();
                self.stop_ringing(&mut hunt, why, cx);
                self.decide(Decision::new("answer 487", "the caller gave up"), cx);
                self.caller_gave_up(cx)
            }
            LegEvent::NeverAcked { leg: LegId::A } => {
                self.stop_ringing(&mut hunt, CancelReason::CallerGaveUp, cx);
                self.decide(Decision::new("answer 504", "the caller requires 100rel and sends no PRACK"), cx);
                self.finish(Ending::CallerGaveUp, Reply::Reject(504), cx)
            }
            LegEvent::Updated { request, offer, fork } => {
                self.early_offer(&mut hunt, request, &offer, fork, cx);
                Phase::Hunting(hunt)
            }
            LegEvent::Replied { request, status, sdp } => {
                self.early_reply(&mut hunt, request, status, sdp, cx);
                Phase::Hunting(hunt)
            }
            other => {
                self.stray(&other, cx);
                Phase::Hunting(hunt)
            }
        }
    }

    /// Their time is over: the next.
    pub(super) fn ring_is_over(&mut self, mut hunt: Hunt, cx: &mut Cx<'_>) -> Phase {
        self.nobody_answered(&mut hunt, cx);
        self.hunt_on(hunt, cx)
    }

    fn leg_rings(&mut self, fork: ForkId, status: u16, sdp: Option<Bytes>, cx: &mut Cx<'_>) {
        let now = cx.now.mono;
        if status == 199 {
            // RFC 6228: one early dialog is over; it says nothing of the call.
            return self.ua.fork_is_over(cx.now, fork.leg, Some(fork.n), &mut cx.agent);
        }
        let Some(leg) = self.leg_mut(fork.leg) else { return };
        leg.rang.get_or_insert(now);
        leg.hear(sdp.as_ref());
        self.caller_hears_ring(now, cx);
        if self.facts.direction == Direction::Outgoing {
            self.create_if_wanted(cx);
        }
        match sdp {
            Some(sdp) => self.ua.progress(cx.now, status, Some(fork), Some(sdp), &mut cx.agent),
            None if self.shown == Some((fork.leg, status)) || self.shown.map(|s| s.1) != Some(status) => {
                self.shown = Some((fork.leg, status));
                self.ua.progress(cx.now, status, None, None, &mut cx.agent);
            }
            // the same word from one more phone of the same ring says nothing new to the caller
            None => {}
        }
    }

    fn caller_hears_ring(&mut self, now: Instant, cx: &mut Cx<'_>) {
        if self.rang.is_some() {
            return;
        }
        self.rang = Some(now);
        cx.out.push(CallAction::PostDialDelay(now - self.started.mono));
        self.publish("call.ringing", cx);
    }

    /// Somebody answered: join her with the caller.
    fn connect(&mut self, mut hunt: Hunt, fork: ForkId, sdp: Option<&Bytes>, cx: &mut Cx<'_>) -> Phase {
        let winner = fork.leg;
        hunt.ringing.retain(|l| *l != winner);
        self.stop_ringing(&mut hunt, CancelReason::AnsweredElsewhere, cx);
        self.drop_early(&mut hunt, cx);
        let Some(leg) = self.leg_mut(winner) else { return Phase::Hunting(hunt) };
        leg.hear(sdp);
        // an answer that came in an early 183 only is what the 200 means
        let body = leg.heard.clone();
        let offered = !self.ua.owes_ack(winner);
        self.connected(fork, body, offered, cx)
    }

    /// The caller gets her 200, with this answer (or offer, where not `offered`), and talks with this leg.
    pub(super) fn connected(&mut self, fork: ForkId, body: Option<Bytes>, offered: bool, cx: &mut Cx<'_>) -> Phase {
        let winner = fork.leg;
        let Some(leg) = self.leg_mut(winner) else { return Phase::Fresh };
        leg.begin_talk(cx.now.mono);
        let employee = leg.employee.clone();
        let label = leg.label.clone();
        let body = body.map(|b| self.say(LegId::A, &b));
        self.ua.accept(cx.now, fork, body, &mut cx.agent);
        if let Some(a) = self.leg_mut(LegId::A) {
            a.begin_talk(cx.now.mono);
        }
        self.answered = Some(cx.now);
        self.owns_on_answer(employee.as_ref(), cx);
        self.decide(Decision::new(format!("{label} answered"), "the first answer wins"), cx);
        self.talks(winner, employee, cx);
        self.publish("call.answered", cx);
        self.keep_channel(winner, cx);
        self.redirect_answered(winner, cx);
        let longest = cx.now.mono + cx.env.directory().limits.longest_call;
        Phase::Talking(Bridge::new(LegId::A, winner, offered, longest))
    }
}
