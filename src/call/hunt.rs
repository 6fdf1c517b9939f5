//! A hunt: ringing whom a plan names, step by step, until somebody answers or nobody is left.
//!
//! The first plan of an incoming call, a dialled number and the target of a transfer are all hunted the same way.

use std::time::Duration;

use smallvec::SmallVec;

use super::cx::Cx;
use super::leg::{Called, Leg};
use super::{Call, CallAction};
use crate::base::{Instant, LegId};
use crate::crm::model::{Decision, Direction, Lookup, NoAnswer};
use crate::route::plan::{Asked, Destination, Plan, Ring, Step, next, next_in_queue};
use crate::route::{Dialled, reach};
use crate::sip::agent::{CallerId, CancelReason, FailedBy, OutgoingInvite};

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
    invite: OutgoingInvite,
    /// The legs that ring now.
    pub(super) ringing: SmallVec<[LegId; 4]>,
    /// All legs that it called, those that it gave up included: one of them may answer all the same.
    called: SmallVec<[LegId; 4]>,
    /// When their time is over.
    pub(super) until: Instant,
    /// Who was rung already.
    pub(super) rung: Vec<Destination>,
    /// For each party that was rung and rings no more: its own final code, `None` where we stopped ringing it.
    pub(super) finals: SmallVec<[Option<u16>; 4]>,
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
        Self { quarry, invite, ringing, called, until: Instant::default(), rung, finals }
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

    fn rings(&mut self, leg: LegId) {
        self.ringing.push(leg);
        self.called.push(leg);
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
                Step::Hangup { .. } | Step::Voicemail { .. } | Step::Queue { .. } => {
                    return Progress::Over(step.why().to_owned());
                }
            }
        }
        Progress::Over("nobody is left".to_owned())
    }

    fn ring_one(&mut self, hunt: &mut Hunt, to: Destination, cx: &mut Cx<'_>) {
        hunt.rung.push(to.clone());
        let invite = self.dressed(&hunt.invite, &to, cx);
        let called = Called { destination: to, tried: Vec::new() };
        if let Some(leg) = self.call_leg(called, &invite, cx) {
            hunt.rings(leg);
        }
    }

    /// What this destination is to be shown: outside, the line's number instead of the customer's, unless the trunk lets
    /// a forwarded customer's own stand there.
    fn dressed(&self, invite: &OutgoingInvite, to: &Destination, cx: &Cx<'_>) -> OutgoingInvite {
        let mut invite = invite.clone();
        if let Destination::Outside { .. } = to {
            let shown = reach::shown_outside(cx.env.directory(), to);
            let forwarded = self.facts.direction == Direction::Incoming;
            if forwarded {
                invite.diversion = Some(shown.clone());
            }
            let own = self.facts.customer.filter(|_| forwarded && invite.caller.user.is_some());
            let user = own.and_then(|number| reach::foreign_cli(cx.env.directory(), to, number)).unwrap_or(shown);
            invite.caller = CallerId { display: String::new(), user: Some(user) };
        }
        invite
    }

    /// Calls a destination by the next target that has not been tried; `None`: there is none.
    fn call_leg(&mut self, mut called: Called, invite: &OutgoingInvite, cx: &mut Cx<'_>) -> Option<LegId> {
        let Some(target) = cx.env.target(&called.destination, &called.tried) else {
            let what = format!("{} passed over", called.destination.label());
            self.decide(Decision::new(what, "no peer by which she could be reached"), cx);
            return None;
        };
        called.tried.push(target.clone());
        let employee = called.destination.employee().cloned();
        let mut leg = Leg::callee(called);
        let mut invite = invite.clone();
        invite.offer = invite.offer.map(|offer| leg.say(&offer));
        // The leg stands in the list before its INVITE goes out, so that the ladder knows its name.
        self.legs.push(leg);
        let id = self.ua.invite(cx.now, &target, &invite, &mut cx.agent);
        debug_assert_eq!(usize::from(id.0) + 1, self.legs.len(), "legs and the agent's usages count alike");
        if let Some(employee) = employee {
            cx.out.push(CallAction::Rung(employee));
        }
        Some(id)
    }

    /// A leg came to a final answer. True: it was the last of the hunt's that rang.
    pub(super) fn ring_failed(
        &mut self,
        hunt: &mut Hunt,
        leg: LegId,
        status: u16,
        by: FailedBy,
        cx: &mut Cx<'_>,
    ) -> bool {
        self.leg_failed(leg, status, cx);
        let Some(at) = hunt.ringing.iter().position(|l| *l == leg) else { return false };
        hunt.ringing.remove(at);
        if let Some(next) = self.fail_over(hunt, leg, status, by, cx) {
            hunt.rings(next);
            return false;
        }
        hunt.finals.push(Some(status));
        hunt.ringing.is_empty()
    }

    /// The next peer of the same trunk or PBX, where this failure is the peer's and not the callee's.
    fn fail_over(&mut self, hunt: &Hunt, leg: LegId, status: u16, by: FailedBy, cx: &mut Cx<'_>) -> Option<LegId> {
        let called = self.leg(leg)?.called.clone()?;
        let by_code = reach::fails_over(cx.env.directory(), &called.destination, status);
        if by == FailedBy::Peer && !by_code {
            return None;
        }
        cx.env.target(&called.destination, &called.tried)?;
        self.decide(Decision::new("next peer", format!("{status} from the one before")), cx);
        let invite = self.dressed(&hunt.invite, &called.destination, cx);
        self.call_leg(called, &invite, cx)
    }

    /// The time of all who ring is over.
    pub(super) fn nobody_answered(&mut self, hunt: &mut Hunt, cx: &mut Cx<'_>) {
        for leg in hunt.ringing.clone() {
            hunt.finals.push(None);
            let what = format!("stop ringing {}", self.label(leg));
            self.decide(Decision::new(what, "her time is over"), cx);
        }
        self.stop_ringing(hunt, CancelReason::NextInTurn, cx);
    }

    /// Gives up every leg that still rings.
    pub(super) fn stop_ringing(&mut self, hunt: &mut Hunt, why: CancelReason, cx: &mut Cx<'_>) {
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
