//! A hunt: ringing whom a plan names, step by step, until somebody answers or nobody is left.
//!
//! The first plan of an incoming call, a dialled number and the target of a transfer are all hunted the same way.

use std::time::Duration;

use smallvec::SmallVec;

use super::cx::Cx;
use super::early::EarlyRelay;
use super::leg::{Called, Leg};
use super::outside::WayOut;
use super::redirect::Redirect;
use super::{Call, CallAction};
use crate::base::{Instant, LegId, QueueName};
use crate::crm::model::{Decision, Lookup, NoAnswer};
use crate::route::plan::{Asked, Destination, Plan, Ring, Step, next, next_in_queue};
use crate::route::{Dialled, reach};
use crate::sip::agent::{CancelReason, FailedBy, OutgoingInvite, Target};

/// How long somebody dialled by hand rings: RFC 3261 §16.6's timer C, "MUST be larger than 3 minutes".
const DIALLED_RING: Duration = Duration::from_secs(185);
/// How long the target of a transfer rings before the call goes back.
const TRANSFER_RING: Duration = Duration::from_secs(30);

/// What a lookup without an answer counts as.
static NO_ANSWER: Lookup = Lookup::Undetermined(NoAnswer::Deadline);

/// Who is hunted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Quarry {
    /// Whom the line's plan names.
    Line,
    /// Whom somebody inside dialled.
    Dialled(Dialled),
    /// The target of a transfer.
    Transfer(Dialled),
}

impl Quarry {
    /// The same, for a transfer.
    pub(super) fn for_transfer(&self) -> Self {
        match self {
            Self::Dialled(dialled) | Self::Transfer(dialled) => Self::Transfer(dialled.clone()),
            Self::Line => Self::Line,
        }
    }
}

/// A hunt under way.
#[derive(Debug)]
pub(super) struct Hunt {
    pub(super) quarry: Quarry,
    /// What the legs say: who calls, the offer, who referred.
    invite: Box<OutgoingInvite>,
    /// The legs that ring now.
    pub(super) ringing: SmallVec<[LegId; 4]>,
    /// All legs that it called, those that it gave up included: one of them may answer all the same.
    called: SmallVec<[LegId; 4]>,
    /// Early offers that wait for the other side's answer.
    pub(super) early: Vec<EarlyRelay>,
    /// When their time is over.
    pub(super) until: Instant,
    /// Who was rung already.
    pub(super) rung: Vec<Destination>,
    /// For each party that was rung and rings no more: its own final code, `None` where we stopped ringing it.
    pub(super) finals: SmallVec<[Option<u16>; 4]>,
    /// Redirects of phones that are being followed, the innermost last.
    pub(super) redirects: Vec<Redirect>,
    /// The queue to which a phone has redirected the call: its members come before whatever else was planned.
    pub(super) detour: Option<QueueName>,
    /// Somebody outside was not called because no trunk had a channel left.
    pub(super) no_room: bool,
}

/// What a step of a hunt came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Somebody's phone is being called.
    Rings,
    /// Nobody is left, for this reason.
    Over(String),
}

impl Hunt {
    /// A hunt that passes over whom the call has rung already.
    pub(super) fn new(quarry: Quarry, invite: OutgoingInvite, rung: Vec<Destination>) -> Self {
        let (ringing, called, finals) = (SmallVec::new(), SmallVec::new(), SmallVec::new());
        let invite = Box::new(invite);
        let (redirects, detour, no_room, early) = (Vec::new(), None, false, Vec::new());
        let until = Instant::default();
        Self { quarry, invite, ringing, called, early, until, rung, finals, redirects, detour, no_room }
    }

    /// One that goes on with legs that ring already, called for another call.
    pub(super) fn taken_over(
        quarry: Quarry,
        invite: OutgoingInvite,
        (rung, until): (Vec<Destination>, Instant),
        legs: &[LegId],
        now: Instant,
    ) -> Self {
        let mut hunt = Self::new(quarry, invite, rung);
        legs.iter().for_each(|leg| hunt.rings(*leg));
        hunt.until = until.min(now + TRANSFER_RING);
        hunt
    }

    pub(super) fn rings(&mut self, leg: LegId) {
        self.ringing.push(leg);
        self.called.push(leg);
    }

    /// All legs that it called.
    pub(super) fn called(&self) -> impl Iterator<Item = LegId> {
        self.called.iter().copied()
    }

    /// Whether it called this leg, rings it or not.
    pub(super) fn has_called(&self, leg: LegId) -> bool {
        self.called.contains(&leg)
    }

    /// The last code that a party gave by itself.
    pub(super) fn last_final(&self) -> Option<u16> {
        self.finals.iter().rev().find_map(|code| *code)
    }

    fn plan(&self, call: &Call, cx: &Cx<'_>) -> Plan {
        let dir = cx.env.directory();
        if let Some(queue) = &self.detour {
            return next_in_queue(dir, queue, call.facts.line.as_deref(), &self.rung, cx.env);
        }
        match (&self.quarry, &call.facts.line) {
            (Quarry::Line, Some(line)) => {
                let lookup = call.facts.lookup.as_ref().unwrap_or(&NO_ANSWER);
                let ask = Asked { line, lookup, rung: &self.rung, now: call.started.wall };
                next(dir, &ask, cx.env)
            }
            (Quarry::Line, None) => Plan::default(),
            (Quarry::Dialled(Dialled::Queue(name)) | Quarry::Transfer(Dialled::Queue(name)), line) => {
                next_in_queue(dir, name, line.as_deref(), &self.rung, cx.env)
            }
            (Quarry::Dialled(Dialled::Destination(to)), _) => self.single(to, DIALLED_RING, "dialled"),
            (Quarry::Transfer(Dialled::Destination(to)), _) => self.single(to, TRANSFER_RING, "the transfer's target"),
        }
    }

    fn single(&self, to: &Destination, ring: Duration, why: &str) -> Plan {
        let (step, what, why) = if !self.rung.contains(to) {
            let step = Step::Ring(Ring { who: vec![to.clone()], ring, why: why.to_owned(), queue: None });
            (step, format!("ring {}", to.label()), why)
        } else {
            let why = "nobody else was dialled";
            (Step::Hangup { why: why.to_owned() }, "no more to ring".to_owned(), why)
        };
        Plan { steps: vec![step], decisions: vec![Decision::new(what, why)] }
    }
}

impl Call {
    /// Rings whom the plan names next, passing over those who can't be reached.
    pub(super) fn ring_next(&mut self, hunt: &mut Hunt, cx: &mut Cx<'_>) -> Progress {
        // Each turn rings somebody new or ends; the plan of a house is finite, the bound only guards against a fault.
        for _ in 0..64 {
            let plan = hunt.plan(self, cx);
            let Some((step, decisions)) = plan.first() else { break };
            for decision in decisions {
                self.decide_once(decision, cx);
            }
            match step {
                Step::Ring(ring) => {
                    let until = cx.now.mono + ring.ring;
                    for to in &ring.who {
                        self.ring_one(hunt, to.clone(), cx);
                    }
                    if !hunt.ringing.is_empty() {
                        hunt.until = until;
                        return Progress::Rings;
                    }
                }
                // The queue of a detour is through: on with what was planned.
                Step::Hangup { .. } | Step::Voicemail { .. } | Step::Queue { .. } if hunt.detour.take().is_some() => {}
                Step::Hangup { .. } | Step::Voicemail { .. } | Step::Queue { .. } => {
                    return Progress::Over(step.why().to_owned());
                }
            }
        }
        Progress::Over("nobody is left".to_owned())
    }

    fn ring_one(&mut self, hunt: &mut Hunt, to: Destination, cx: &mut Cx<'_>) {
        if let Some(leg) = self.ring_at(hunt, to, cx) {
            hunt.rings(leg);
        }
    }

    /// Calls whom the hunt has come to; `None`: there is no way, or none that has room.
    pub(super) fn ring_at(&mut self, hunt: &mut Hunt, to: Destination, cx: &mut Cx<'_>) -> Option<LegId> {
        hunt.rung.push(to.clone());
        let Some(mut way) = self.way_out(hunt, to, cx) else {
            hunt.finals.push(Some(503));
            return None;
        };
        loop {
            let to = way.to.clone();
            if let Some(leg) = self.call_by(hunt, way, cx) {
                return Some(leg);
            }
            way = self.next_way_for_emergency(&to, cx)?;
        }
    }

    fn call_by(&mut self, hunt: &mut Hunt, way: WayOut, cx: &mut Cx<'_>) -> Option<LegId> {
        let invite = self.dressed(&hunt.invite, &way.to, cx);
        if let Some(leg) = self.call_phones(hunt, &way.to, &invite, cx) {
            return Some(leg);
        }
        let leg = self.call_leg(Called { destination: way.to, tried: Vec::new(), is_phone: false }, &invite, cx)?;
        if let Some(leg) = self.leg_mut(leg) {
            leg.channel = way.channel;
        }
        Some(leg)
    }

    /// Calls a destination by the next target that has not been tried; `None`: there is none.
    fn call_leg(&mut self, mut called: Called, invite: &OutgoingInvite, cx: &mut Cx<'_>) -> Option<LegId> {
        let Some(target) = cx.env.target(&called.destination, &called.tried) else {
            let what = format!("{} passed over", called.destination.label());
            self.decide(Decision::new(what, "no peer by which she could be reached"), cx);
            return None;
        };
        let target = impatient_for_emergency(target, &called.destination, cx);
        called.is_phone = false;
        called.tried.push(target.clone());
        Some(self.call_at(called, &target, invite, cx))
    }

    /// Calls it at this target.
    pub(super) fn call_at(
        &mut self,
        called: Called,
        target: &Target,
        invite: &OutgoingInvite,
        cx: &mut Cx<'_>,
    ) -> LegId {
        let employee = called.destination.employee().cloned();
        let mut leg = Leg::callee(called, cx.now.mono);
        let mut invite = invite.clone();
        invite.offer = invite.offer.map(|offer| leg.say(&offer));
        // The leg stands in the list before its INVITE goes out, so that the ladder knows its name.
        self.legs.push(leg);
        let id = self.ua.invite(cx.now, target, &invite, &mut cx.agent);
        debug_assert_eq!(usize::from(id.0) + 1, self.legs.len(), "legs and the agent's usages count alike");
        if let Some(employee) = employee {
            cx.out.push(CallAction::Rung(employee));
        }
        id
    }

    /// A leg came to a final answer. True: it was the last of the hunt's that rang.
    pub(super) fn ring_failed(
        &mut self,
        hunt: &mut Hunt,
        leg: LegId,
        (status, by, contacts): (u16, FailedBy, &[String]),
        cx: &mut Cx<'_>,
    ) -> bool {
        self.leg_failed(leg, status, cx);
        let Some(at) = hunt.ringing.iter().position(|l| *l == leg) else { return false };
        hunt.ringing.remove(at);
        let Some((status, by)) = self.phone_failed(hunt, leg, (status, by, contacts), cx) else { return false };
        let next = self.fail_over(hunt, leg, status, by, cx);
        if let Some(next) = next.or_else(|| self.follow_redirect(hunt, leg, (status, contacts), cx)) {
            hunt.rings(next);
            return false;
        }
        // Whoever sends the call on to a queue has not refused it.
        if hunt.detour.is_none() {
            hunt.finals.push(Some(status));
        }
        hunt.ringing.is_empty()
    }

    /// The next peer of the same trunk or PBX, where this failure is the peer's and not the callee's; for an emergency
    /// code the next gateway after that.
    fn fail_over(&mut self, hunt: &mut Hunt, leg: LegId, status: u16, by: FailedBy, cx: &mut Cx<'_>) -> Option<LegId> {
        let (called, redirected_by) = self.leg(leg).map(|l| (l.called.clone(), l.redirected_by.clone()))?;
        let called = called?;
        let dir = cx.env.directory().clone();
        let to = called.destination.clone();
        let is_peers = by != FailedBy::Peer || (!called.is_phone && reach::fails_over(&dir, &to, status));
        if let (FailedBy::Silence | FailedBy::Timeout, Some(silent)) = (by, called.tried.last()) {
            cx.out.push(CallAction::Silent(silent.hop));
        }
        let mut next = None;
        if is_peers && cx.env.target(&to, &called.tried).is_some() {
            self.decide(Decision::new("next peer", why_next_peer(status, by)), cx);
            let invite = self.dressed(&hunt.invite, &to, cx);
            next = self.call_leg(called, &invite, cx);
            // It goes on by the trunk that it has a channel of.
            let channel = reach::trunk(&dir, &to).and_then(|trunk| cx.env.channel(&trunk.name, 0));
            if let Some(next) = next.and_then(|next| self.leg_mut(next)) {
                next.channel = channel;
            }
        }
        if next.is_none() && (is_peers || !matches!(status, 486 | 600 | 603)) && reach::is_emergency(&dir, &to) {
            let mut to = to;
            while next.is_none() {
                let way = self.next_way_for_emergency(&to, cx)?;
                to = way.to.clone();
                next = self.call_by(hunt, way, cx);
            }
        }
        let next = next?;
        hunt.redirects.iter_mut().filter(|redirect| redirect.leg == leg).for_each(|redirect| redirect.leg = next);
        if let Some(leg) = self.leg_mut(next) {
            leg.redirected_by = redirected_by;
        }
        Some(next)
    }

    /// The time of all who ring is over.
    pub(super) fn nobody_answered(&mut self, hunt: &mut Hunt, cx: &mut Cx<'_>) {
        for leg in self.parties(&hunt.ringing) {
            hunt.finals.push(None);
            let what = format!("stop ringing {}", self.label(leg));
            self.decide(Decision::new(what, "her time is over"), cx);
        }
        self.stop_ringing(hunt, CancelReason::NextInTurn, cx);
    }

    /// Gives up every leg that still rings.
    pub(super) fn stop_ringing(&mut self, hunt: &mut Hunt, why: CancelReason, cx: &mut Cx<'_>) {
        if why != CancelReason::AnsweredElsewhere {
            Self::drop_redirects(hunt, cx);
        }
        for leg in std::mem::take(&mut hunt.ringing) {
            if let Some(l) = self.leg_mut(leg) {
                l.give_up(cx.now.mono);
            }
            self.ua.cancel(cx.now, leg, why, &mut cx.agent);
        }
    }

    /// Books the end of a leg that was not answered.
    pub(super) fn leg_failed(&mut self, leg: LegId, status: u16, cx: &Cx<'_>) {
        if let Some(l) = self.leg_mut(leg) {
            l.refused(cx.now.mono, status);
        }
    }
}

fn why_next_peer(status: u16, by: FailedBy) -> String {
    match by {
        FailedBy::Peer => format!("{status} from the one before"),
        FailedBy::Timeout | FailedBy::Silence => "nothing at all came from the one before".to_owned(),
        FailedBy::Transport => "the one before could not be reached".to_owned(),
    }
}

/// An emergency code waits for no silent peer while there is another gateway, even where this one has no other peer.
fn impatient_for_emergency(target: Target, to: &Destination, cx: &Cx<'_>) -> Target {
    let dir = cx.env.directory();
    match target.silence {
        None if reach::next_for_emergency(dir, to).is_some() => {
            Target { silence: Some(reach::failover_after(dir, to)), ..target }
        }
        _ => target,
    }
}
