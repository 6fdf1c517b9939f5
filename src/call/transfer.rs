//! A transfer: an employee hands the other party of her call on. However it begins (by REFER, by an INVITE with
//! Replaces, by the console's button), it is this one machine: who hands on, who stays, who is to come, who hears
//! how it goes. `handing` begins it, `handover` books how it ended.

use bytes::Bytes;
use smallvec::SmallVec;

use super::bridge::Bridge;
use super::cx::Cx;
use super::ending::Reply;
use super::hunt::{Hunt, Progress};
use super::{Call, Phase};
use crate::base::{CallId, Instant, LegId};
use crate::crm::model::Decision;
use crate::crm::policy::Ending;
use crate::sip::agent::{CancelReason, LegEvent, RequestId};

/// A call that has called so many is handed on no more: every leg stays in its record.
pub(super) const MOST_LEGS: usize = 200;

/// How a call is handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// REFER.
    Blind,
    /// REFER with Replaces.
    Attended,
    /// INVITE with Replaces of an established dialog.
    Takeover,
    /// A 3xx from a phone.
    Redirect,
    /// A transfer inside the PBX, seen by a changed identity.
    Pbx,
    /// The console's button.
    Console,
}

impl Kind {
    /// As events and metrics name it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Blind => "blind",
            Self::Attended => "attended",
            Self::Takeover => "takeover",
            Self::Redirect => "redirect",
            Self::Pbx => "pbx",
            Self::Console => "console",
        }
    }
}

/// A transfer whose target has not answered yet.
#[derive(Debug)]
pub(super) struct Transfer {
    /// How it is done.
    pub(super) kind: Kind,
    /// The transferor's leg.
    pub(super) by: LegId,
    /// The party handed on.
    pub(super) stays: LegId,
    /// Who hears how it goes.
    pub(super) report: Report,
    /// Who is to come.
    pub(super) goal: Goal,
}

/// Who hears how a transfer goes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Report {
    /// The transferor, by the NOTIFYs of her REFER in this call.
    pub(super) refer: Option<Refer>,
    /// Her other call, which has given its far end to this one.
    pub(super) other: Option<CallId>,
}

/// A REFER that was accepted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refer {
    /// Which.
    pub(super) request: RequestId,
    /// Whether its sender wants NOTIFYs.
    pub(super) subscribed: bool,
}

/// Who is to come.
#[derive(Debug)]
pub(super) enum Goal {
    /// The far end of the transferor's other call, which has been asked for it.
    Sought,
    /// Whoever of these answers; those of `moved` have been offered the transferor's media and not those of who stays.
    Rung { hunt: Hunt, moved: SmallVec<[LegId; 1]> },
    /// The target failed after the transferor had left: she is rung again.
    Returning(Hunt),
    /// Somebody who calls in by an INVITE with Replaces, and waits for the answer of the one who stays.
    Comes(LegId),
}

impl Goal {
    /// Whoever this hunt finds.
    pub(super) fn rung(hunt: Hunt) -> Self {
        Self::Rung { hunt, moved: SmallVec::new() }
    }
}

impl Transfer {
    /// When the target's time is over.
    pub(super) fn next_wakeup(&self) -> Option<Instant> {
        self.hunt().filter(|hunt| !hunt.ringing.is_empty()).map(|hunt| hunt.until)
    }

    fn hunt(&self) -> Option<&Hunt> {
        match &self.goal {
            Goal::Rung { hunt, .. } | Goal::Returning(hunt) => Some(hunt),
            Goal::Sought | Goal::Comes(_) => None,
        }
    }

    pub(super) fn hunt_mut(&mut self) -> Option<&mut Hunt> {
        match &mut self.goal {
            Goal::Rung { hunt, .. } | Goal::Returning(hunt) => Some(hunt),
            Goal::Sought | Goal::Comes(_) => None,
        }
    }

    /// Whether this leg rings for it.
    pub(super) fn rings(&self, leg: LegId) -> bool {
        self.hunt().is_some_and(|hunt| hunt.ringing.contains(&leg))
    }

    fn has_called(&self, leg: LegId) -> bool {
        self.hunt().is_some_and(|hunt| hunt.has_called(leg))
    }

    fn comes(&self, leg: LegId) -> bool {
        matches!(self.goal, Goal::Comes(comes) if comes == leg)
    }

    /// Whether the target has failed already, and its transferor is rung.
    pub(super) fn is_returning(&self) -> bool {
        matches!(self.goal, Goal::Returning(_))
    }
}

/// Whether a call goes on after a step of a transfer.
#[derive(Debug)]
#[must_use]
pub(super) enum Next {
    /// It does.
    GoesOn,
    /// It is over.
    Over(Box<Phase>),
}

impl Next {
    pub(super) fn over(phase: Phase) -> Self {
        Self::Over(Box::new(phase))
    }

    /// The phase that comes of it.
    pub(super) fn phase(self, bridge: Bridge) -> Phase {
        match self {
            Self::GoesOn => Phase::Talking(bridge),
            Self::Over(phase) => *phase,
        }
    }
}

/// What became of an event while a transfer may be under way.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it lives for one match; a box would cost every event an allocation")]
pub(super) enum Taken {
    /// It concerns no transfer.
    Not(LegEvent),
    /// It did.
    Done(Next),
}

const DONE: Taken = Taken::Done(Next::GoesOn);

impl Call {
    /// Takes what concerns a transfer out of a bridge's events.
    pub(super) fn transfer_event(&mut self, bridge: &mut Bridge, event: LegEvent, cx: &mut Cx<'_>) -> Taken {
        if self.farewell(bridge, &event, cx) {
            return DONE;
        }
        if let LegEvent::Replied { request, status, ref sdp } = event
            && bridge.join.as_ref().is_some_and(|join| join.asked_by(request))
        {
            return Taken::Done(self.joined_reply(bridge, status, sdp.clone(), cx));
        }
        match bridge.transfer.take() {
            Some(transfer) => self.during_transfer(bridge, *transfer, event, cx),
            None => Taken::Not(event),
        }
    }

    fn during_transfer(
        &mut self,
        bridge: &mut Bridge,
        mut transfer: Transfer,
        event: LegEvent,
        cx: &mut Cx<'_>,
    ) -> Taken {
        match event {
            LegEvent::Progress { fork, sdp, .. } if transfer.rings(fork.leg) => {
                if let Some(leg) = self.leg_mut(fork.leg) {
                    leg.rang.get_or_insert(cx.now.mono);
                    leg.hear(sdp.as_ref());
                }
            }
            LegEvent::Answered { fork, sdp } if transfer.has_called(fork.leg) => {
                self.target_answered(bridge, transfer, fork.leg, sdp.as_ref(), cx);
                return DONE;
            }
            LegEvent::Failed { leg, status, by, contacts } => {
                let over = match transfer.hunt_mut() {
                    Some(hunt) => self.ring_failed(hunt, leg, (status, by, &contacts), cx),
                    None => {
                        self.leg_failed(leg, status, cx);
                        false
                    }
                };
                if over {
                    return Taken::Done(self.next_target(bridge, transfer, cx));
                }
            }
            LegEvent::Canceled { leg } if transfer.comes(leg) => {
                self.turn_away(leg, 487, cx);
                return Taken::Done(self.target_failed(bridge, transfer, (487, "whoever came gave up"), cx));
            }
            // A transferor who hangs up after her 202 ends her own leg only: the customer waits for the target.
            LegEvent::Bye { request } if request.leg == transfer.by => self.leave(request, cx),
            LegEvent::Gone { leg } | LegEvent::NeverAcked { leg } if leg == transfer.by => self.end_leg(leg, cx),
            LegEvent::Bye { request } if request.leg == transfer.stays => {
                let label = self.label(request.leg);
                self.decide(Decision::new("end", format!("{label} hung up during the transfer")), cx);
                self.abandon(transfer, cx);
                return Taken::Done(Next::over(self.finish(Ending::Talked, Reply::Bye(request), cx)));
            }
            other => {
                bridge.transfer = Some(Box::new(transfer));
                return Taken::Not(other);
            }
        }
        bridge.transfer = Some(Box::new(transfer));
        DONE
    }

    /// The target's time is over, or the transferor's farewell, or a re-INVITE may be tried again.
    pub(super) fn bridge_is_due(&mut self, mut bridge: Bridge, cx: &mut Cx<'_>) -> Phase {
        let now = cx.now.mono;
        if bridge.longest <= now {
            return self.cut(Phase::Talking(bridge), "limits.longest_call is over", cx);
        }
        self.send_away_who_is_due(&mut bridge, cx);
        if bridge.join.as_ref().is_some_and(|j| j.retry.is_some_and(|at| at <= now)) {
            self.try_join(&mut bridge, cx);
        }
        self.pass_kept(&mut bridge, cx);
        let mut next = Next::GoesOn;
        if let Some(mut transfer) = bridge.transfer.take_if(|t| t.next_wakeup().is_some_and(|at| at <= now)) {
            if let Some(hunt) = transfer.hunt_mut() {
                self.nobody_answered(hunt, cx);
            }
            next = self.next_target(&mut bridge, *transfer, cx);
        }
        next.phase(bridge)
    }

    /// Rings the next; where nobody is left, the transfer has failed.
    pub(super) fn next_target(&mut self, bridge: &mut Bridge, mut transfer: Transfer, cx: &mut Cx<'_>) -> Next {
        let Some(hunt) = transfer.hunt_mut() else { return Next::GoesOn };
        match self.ring_next(hunt, cx) {
            Progress::Rings => {
                bridge.transfer = Some(Box::new(transfer));
                Next::GoesOn
            }
            Progress::Over(why) => {
                let status = hunt.last_final().unwrap_or(480);
                self.target_failed(bridge, transfer, (status, &why), cx)
            }
        }
    }

    fn target_answered(
        &mut self,
        bridge: &mut Bridge,
        mut transfer: Transfer,
        joined: LegId,
        sdp: Option<&Bytes>,
        cx: &mut Cx<'_>,
    ) {
        if let Some(hunt) = transfer.hunt_mut() {
            hunt.ringing.retain(|leg| *leg != joined);
            self.stop_ringing(hunt, CancelReason::AnsweredElsewhere, cx);
        }
        if let Some(leg) = self.leg_mut(joined) {
            leg.hear(sdp);
        }
        let moved = matches!(&transfer.goal, Goal::Rung { moved, .. } if moved.contains(&joined));
        let how = self.how_new(joined, moved);
        self.arrived(bridge, transfer, joined, Some(how), cx);
    }
}
