//! Two calls of one employee made one: she talks with a customer in one and with a colleague in the other, and hands
//! the one on to the other (RFC 5589 §7.3: REFER with Replaces).
//!
//! Calls know nothing of each other but what they say by [`Word`]s, which the shell carries. The call that outranks
//! the other survives and gets its far end: a leg with its dialog and all that is open in it. The other is over then,
//! with a record of its own; it keeps the transferor's leg until she hangs up.

use smallvec::SmallVec;

use super::bridge::Bridge;
use super::cx::Cx;
use super::ending::{Linger, Reply};
use super::handover::{FAREWELL, Leaving};
use super::hunt::{Hunt, Quarry};
use super::leg::Leg;
use super::machine::Moved;
use super::transfer::{Goal, Kind, Next, Report, Transfer};
use super::{Call, CallAction, Phase};
use crate::base::{CallId, EmployeeId, Instant, LegId, Wall};
use crate::crm::model::{Decision, Direction};
use crate::crm::policy::Ending;
use crate::route::plan::Destination;
use crate::sip::agent::{CancelReason, MovedLeg, Received, Stage};
use crate::sip::message::{Headers, Replaces};

/// What one call says to another.
#[derive(Debug)]
pub enum Word {
    /// I hold a REFER of hers that names a dialog of yours.
    Asks {
        /// The dialog, which must be her own.
        replaces: Replaces,
        /// Who wants to hand on.
        by: EmployeeId,
        /// Which of us survives.
        rank: Rank,
    },
    /// You outrank me not: give me your far end.
    Wants,
    /// Here is my far end.
    Gives(Box<Gift>),
    /// No: this is the REFER's final code.
    Refuses(u16),
    /// So it goes, with whom you gave: for the NOTIFYs of your REFER.
    Went {
        /// The code.
        status: u16,
        /// Nothing comes after it.
        last: bool,
    },
    /// A message to a leg that you have from me.
    Passes(Box<Received>),
}

/// Which of two calls survives: the one with a customer, of two such the one begun first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    has_customer: bool,
    older: std::cmp::Reverse<(Wall, CallId)>,
}

/// A far end on its way to another call.
#[derive(Debug)]
pub struct Gift {
    legs: Vec<(Leg, MovedLeg)>,
    /// They still ring.
    hunt: Option<Rung>,
}

/// What was being rung.
#[derive(Debug)]
struct Rung {
    quarry: Quarry,
    rung: Vec<Destination>,
    until: Instant,
}

impl Gift {
    /// The SIP Call-IDs of its legs: from now on they are the other call's.
    pub fn sip_call_ids(&self) -> impl Iterator<Item = &str> {
        self.legs.iter().map(|(_, moved)| moved.sip_call_id())
    }
}

impl Call {
    /// How this call stands to another that it is to be made one with.
    pub(super) fn rank(&self) -> Rank {
        let has_customer = self.facts.direction != Direction::Internal;
        Rank { has_customer, older: std::cmp::Reverse((self.started.wall, self.id)) }
    }

    /// Where the leg of a message has gone.
    pub(super) fn moved_to(&self, received: &Received) -> Option<CallId> {
        self.gone(received.message.headers()).map(|moved| moved.to)
    }

    /// The leg of these headers, where another call has it.
    pub(super) fn gone(&self, headers: &Headers) -> Option<&Moved> {
        if self.moved.is_empty() {
            return None;
        }
        let call_id = headers.call_id()?;
        self.moved.iter().find(|moved| *moved.sip_call_id == **call_id)
    }

    /// Another call says something.
    pub(super) fn heard(&mut self, phase: Phase, from: CallId, word: Word, cx: &mut Cx<'_>) -> Phase {
        match word {
            Word::Asks { replaces, by, rank } => match self.asked_for(phase, from, (&replaces, &by), rank, cx) {
                Ok(phase) => phase,
                Err((phase, status)) => {
                    cx.out.push(CallAction::Say { to: from, word: Word::Refuses(status) });
                    *phase
                }
            },
            Word::Wants => self.wanted(phase, from, cx),
            Word::Gives(gift) => self.given(phase, from, *gift, cx),
            Word::Refuses(status) => self.refused(phase, status, cx),
            Word::Went { status, last } => match phase {
                Phase::Ending(closing) => self.it_went(closing, status, last, cx),
                other => other, // its transferor's leg is in a call that goes on: nothing to tell
            },
            Word::Passes(received) => {
                match self.moved_to(&received) {
                    // It has gone on to a third meanwhile.
                    Some(to) => cx.out.push(CallAction::Say { to, word: Word::Passes(received) }),
                    None => self.received(&received, cx),
                }
                phase
            }
        }
    }

    /// What this call said found nobody: the other one is gone.
    pub(super) fn unheard(&mut self, phase: Phase, word: Word, cx: &mut Cx<'_>) -> Phase {
        match word {
            Word::Asks { .. } | Word::Wants => self.refused(phase, 481, cx),
            Word::Gives(gift) => {
                self.take_in(*gift, cx).into_iter().for_each(|leg| self.drop_leg(leg, cx));
                phase
            }
            Word::Refuses(_) | Word::Went { .. } | Word::Passes(_) => phase,
        }
    }

    /// Another call has a REFER that names a dialog of this one.
    fn asked_for(
        &mut self,
        phase: Phase,
        from: CallId,
        (replaces, by): (&Replaces, &EmployeeId),
        rank: Rank,
        cx: &mut Cx<'_>,
    ) -> Result<Phase, (Box<Phase>, u16)> {
        let named = self.ua.named_by(replaces);
        if let Some((leg, _)) = named
            && self.leg(leg).and_then(|l| l.employee.as_ref()) != Some(by)
        {
            return Err((Box::new(phase), 603));
        }
        match (phase, named) {
            (Phase::Talking(bridge), Some(_)) if bridge.is_changing_hands() => {
                Err((Box::new(Phase::Talking(bridge)), 491))
            }
            (Phase::Talking(mut bridge), Some((leg, Stage::Up))) if bridge.pair.contains(&leg) => {
                if rank > self.rank() {
                    return Ok(self.give(bridge, from, leg, None, cx));
                }
                let Some(stays) = bridge.peer(leg) else { return Err((Box::new(Phase::Talking(bridge)), 481)) };
                self.decide(Decision::new("transfer", format!("{by} asks by REFER in call {from}")), cx);
                let report = Report { refer: None, other: Some(from) };
                let transfer = Transfer { kind: Kind::Attended, by: leg, stays, report, goal: Goal::Sought };
                bridge.transfer = Some(Box::new(transfer));
                cx.out.push(CallAction::Say { to: from, word: Word::Wants });
                Ok(Phase::Talking(bridge))
            }
            // She has not waited for the answer: whoever rings goes on ringing, for the other call.
            (Phase::Hunting(hunt), Some((leg, Stage::CallsUs))) if rank > self.rank() => {
                self.decide(Decision::new("transfer", format!("{} hands on who still rings", self.label(leg))), cx);
                let ringing = hunt.ringing.to_vec();
                let rung = Rung { quarry: hunt.quarry, rung: hunt.rung, until: hunt.until };
                let legs = self.pack(from, &ringing, cx);
                cx.out.push(CallAction::Say { to: from, word: Word::Gives(Box::new(Gift { legs, hunt: Some(rung) })) });
                Ok(self.finish(Ending::CallerGaveUp, Reply::Reject(487), cx))
            }
            (phase @ Phase::Hunting(_), Some(_)) => Err((Box::new(phase), 603)),
            (phase, _) => Err((Box::new(phase), 481)),
        }
    }

    /// The other call survives, and wants the far end of this one.
    fn wanted(&mut self, phase: Phase, from: CallId, cx: &mut Cx<'_>) -> Phase {
        let transfer = match phase {
            Phase::Talking(mut bridge) => match bridge.transfer.take_if(|t| matches!(t.goal, Goal::Sought)) {
                Some(transfer) => (bridge, transfer),
                None => return self.cannot_give(Phase::Talking(bridge), from, cx),
            },
            other => return self.cannot_give(other, from, cx),
        };
        let (bridge, transfer) = transfer;
        self.give(bridge, from, transfer.by, Some(*transfer), cx)
    }

    fn cannot_give(&mut self, phase: Phase, to: CallId, cx: &mut Cx<'_>) -> Phase {
        cx.out.push(CallAction::Say { to, word: Word::Refuses(481) });
        phase
    }

    /// Gives the far end of `by` to another call; this one is over, but for her leg.
    fn give(&mut self, bridge: Bridge, to: CallId, by: LegId, asked: Option<Transfer>, cx: &mut Cx<'_>) -> Phase {
        let Some(far) = bridge.peer(by) else { return self.cannot_give(Phase::Talking(bridge), to, cx) };
        let why = format!("{} hands {} on to it", self.label(by), self.label(far));
        self.decide(Decision::new(format!("go on as call {to}"), why), cx);
        let legs = self.pack(to, &[far], cx);
        cx.out.push(CallAction::Say { to, word: Word::Gives(Box::new(Gift { legs, hunt: None })) });
        for leaving in bridge.leaving {
            self.ua.bye(cx.now, leaving.leg, &mut cx.agent);
            self.end_leg(leaving.leg, cx);
        }
        let linger = self.ua.is_up(by).then(|| Linger {
            // The other call says when; should it not, the end of the longest call is the end of this too.
            leaving: Leaving { leg: by, at: bridge.longest, waits_for: None },
            refer: asked.and_then(|transfer| transfer.report.refer),
        });
        self.close(Ending::Talked, Reply::None, linger, cx)
    }

    /// Takes legs out of this call.
    fn pack(&mut self, to: CallId, legs: &[LegId], cx: &mut Cx<'_>) -> Vec<(Leg, MovedLeg)> {
        let mut packed = Vec::with_capacity(legs.len());
        for &id in legs {
            // RFC 3261 §14.1 lets its far end ask again.
            for request in self.ua.waiting(id) {
                self.ua.answer(cx.now, request, 491, None, &mut cx.agent);
            }
            let Some((moved, leg)) = self.ua.release(id).zip(self.leg_mut(id)) else { continue };
            let traveller = leg.moves(cx.now.mono);
            let employee = leg.employee.clone();
            self.moved.push(Moved { sip_call_id: moved.sip_call_id().into(), to, far_end: moved.far_end });
            self.free(employee, id, cx);
            packed.push((traveller, moved));
        }
        packed
    }

    /// Takes legs of another call into this one.
    fn take_in(&mut self, gift: Gift, cx: &Cx<'_>) -> Vec<LegId> {
        let mut ids = Vec::with_capacity(gift.legs.len());
        for (leg, moved) in gift.legs {
            self.moved.retain(|gone| *gone.sip_call_id != *moved.sip_call_id());
            self.legs.push(leg);
            let id = self.ua.adopt(moved);
            debug_assert_eq!(usize::from(id.0) + 1, self.legs.len(), "legs and the agent's usages count alike");
            self.decide(Decision::new(format!("{} comes in", self.label(id)), "from the transferor's other call"), cx);
            ids.push(id);
        }
        ids
    }

    /// The far end of the transferor's other call is here.
    fn given(&mut self, phase: Phase, from: CallId, gift: Gift, cx: &mut Cx<'_>) -> Phase {
        let hunt = gift.hunt.as_ref().map(|r| (r.quarry.for_transfer(), r.rung.clone(), r.until));
        let legs = self.take_in(gift, cx);
        let (mut bridge, mut transfer) = match phase {
            Phase::Talking(mut bridge) => match bridge.transfer.take_if(|t| matches!(t.goal, Goal::Sought)) {
                Some(transfer) => (bridge, *transfer),
                None => return self.unwanted(Phase::Talking(bridge), legs, cx),
            },
            other => return self.unwanted(other, legs, cx),
        };
        transfer.report.other = Some(from);
        let next = match (hunt, legs.first()) {
            (Some((quarry, rung, until)), Some(_)) => {
                let invite = self.invite_for(transfer.stays, None);
                let hunt = Hunt::taken_over(quarry, invite, (rung, until), &legs, cx.now.mono);
                transfer.goal = Goal::Rung { hunt, moved: SmallVec::from_vec(legs) };
                bridge.transfer = Some(Box::new(transfer));
                Next::GoesOn
            }
            (None, Some(&joined)) if self.ua.is_up(joined) => {
                let how = self.how_new(joined, true);
                self.arrived(&mut bridge, transfer, joined, Some(how), cx);
                Next::GoesOn
            }
            _ => self.target_failed(&mut bridge, transfer, (481, "whom she talked with has hung up"), cx),
        };
        next.phase(bridge)
    }

    fn unwanted(&mut self, phase: Phase, legs: Vec<LegId>, cx: &mut Cx<'_>) -> Phase {
        legs.into_iter().for_each(|leg| self.drop_leg(leg, cx));
        phase
    }

    /// Ends a leg that has no place here.
    fn drop_leg(&mut self, leg: LegId, cx: &mut Cx<'_>) {
        self.ua.bye(cx.now, leg, &mut cx.agent);
        self.ua.cancel(cx.now, leg, CancelReason::CallerGaveUp, &mut cx.agent);
        if let Some(l) = self.leg_mut(leg) {
            l.give_up(cx.now.mono);
        }
    }

    /// The other call gives nothing.
    fn refused(&mut self, phase: Phase, status: u16, cx: &mut Cx<'_>) -> Phase {
        let Phase::Talking(mut bridge) = phase else { return phase };
        let Some(transfer) = bridge.transfer.take_if(|t| matches!(t.goal, Goal::Sought)) else {
            return Phase::Talking(bridge);
        };
        let next = self.target_failed(&mut bridge, *transfer, (status, "her other call cannot be joined to this"), cx);
        next.phase(bridge)
    }

    /// Her BYE is due soon after the final NOTIFY, as in the call that goes on.
    pub(super) fn farewell_after(
        &self,
        leg: LegId,
        waits_for: Option<crate::sip::agent::RequestId>,
        cx: &Cx<'_>,
    ) -> Leaving {
        Leaving { leg, at: cx.now.mono + FAREWELL, waits_for }
    }
}
