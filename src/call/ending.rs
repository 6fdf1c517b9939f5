//! The end of a call: legs ended, the record made and committed, and only then the last answer.

use super::cx::Cx;
use super::handover::Leaving;
use super::leg::LegState;
use super::transfer::{Refer, Report};
use super::{Call, CallAction, Phase};
use crate::base::{Instant, LegId};
use crate::crm::model::{Decision, Direction, Outcome};
use crate::crm::policy;
use crate::sip::agent::{CancelReason, LegEvent, RequestId};

/// After how many seconds it is worth trying again for a channel.
const TRY_AGAIN: u32 = 5;

/// What goes out once the record is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    /// The A leg's final answer.
    Reject(u16),
    /// The same, 503: no trunk has a channel left.
    NoRoom,
    /// 200 to this BYE.
    Bye(RequestId),
    /// Nothing: nobody waits.
    None,
}

/// A call that is over for its parties.
#[derive(Debug)]
pub(super) struct Closing {
    /// `None` once sent.
    reply: Option<Reply>,
    /// A transferor whose far end is in another call now.
    lingers: Option<Linger>,
}

/// The leg of a transferor who has not hung up yet in a call that is over.
#[derive(Debug)]
pub(super) struct Linger {
    /// When she is sent away.
    pub(super) leaving: Leaving,
    /// Her REFER, whose NOTIFYs are still to come.
    pub(super) refer: Option<Refer>,
}

impl Closing {
    /// One whose last answer is still to go.
    pub(super) fn that_owes(reply: Reply) -> Self {
        Self { reply: Some(reply), lingers: None }
    }

    /// The record is committed, and whoever waited has her answer.
    pub(super) fn is_done(&self) -> bool {
        self.reply.is_none() && self.lingers.is_none()
    }

    /// When a transferor has stayed too long.
    pub(super) fn next_wakeup(&self) -> Option<Instant> {
        self.lingers.as_ref().and_then(|linger| linger.leaving.next_wakeup())
    }
}

impl Call {
    /// Ends the call: everything that is still up gets its BYE or CANCEL now; `reply` waits for the commit.
    pub(super) fn finish(&mut self, ending: policy::Ending, reply: Reply, cx: &mut Cx<'_>) -> Phase {
        self.close(ending, reply, None, cx)
    }

    /// The same, but for one leg that stays up for a while.
    pub(super) fn close(
        &mut self,
        ending: policy::Ending,
        reply: Reply,
        lingers: Option<Linger>,
        cx: &mut Cx<'_>,
    ) -> Phase {
        let now = cx.now;
        let stays = lingers.as_ref().map(|linger| linger.leaving.leg);
        let outcome = policy::outcome(self.facts.direction, ending);
        let canceled = self.why_caller_gave_up();
        // Why the one hung up is what the other is told (RFC 3326).
        let why = match reply {
            Reply::Bye(request) => self.ua.reason(request.leg),
            Reply::Reject(_) | Reply::NoRoom | Reply::None => None,
        };
        for i in 0..self.legs.len() {
            let id = LegId(u16::try_from(i).expect("a call has fewer legs than 65,536"));
            if self.ua.is_up(id) && stays != Some(id) {
                self.ua.bye_because(now, id, why, &mut cx.agent);
            }
            let leg = &mut self.legs[i];
            leg.end_talk(now.mono);
            leg.channel = None;
            if leg.is_calling() && leg.called.is_some() {
                leg.give_up(now.mono);
                self.ua.cancel(now, id, canceled, &mut cx.agent);
            }
            if leg.state == LegState::Up {
                leg.state = LegState::Over;
            }
        }
        self.lookup_due = None; // an answer that comes now finds the record gone
        self.free_everybody(cx);
        self.ended = Some((now, outcome));
        let record = Box::new(self.record_at(now));
        let writes = self.owed_at_the_end(&record, cx);
        self.publish("call.ended", cx);
        if outcome == Outcome::Missed && self.facts.direction == Direction::Incoming {
            self.publish("call.missed", cx);
        }
        cx.out.push(CallAction::Save { record, writes });
        Phase::Ending(Closing { reply: Some(reply), lingers })
    }

    /// What concerns a call that is over.
    pub(super) fn closing(&mut self, mut closing: Closing, event: &LegEvent, cx: &mut Cx<'_>) -> Phase {
        let lingers = closing.lingers.as_ref().map(|linger| linger.leaving.leg);
        match (event, lingers, closing.reply) {
            // Her 200 waits for the record, as that of whoever ends a call.
            (LegEvent::Bye { request }, Some(leg), Some(Reply::None)) if request.leg == leg => {
                closing.lingers = None;
                closing.reply = Some(Reply::Bye(*request));
                return Phase::Ending(closing);
            }
            (LegEvent::Bye { request }, Some(leg), _) if request.leg == leg => closing.lingers = None,
            (LegEvent::Gone { leg } | LegEvent::NeverAcked { leg }, Some(lingers), _) if *leg == lingers => {
                closing.lingers = None;
            }
            (LegEvent::Replied { request, .. }, Some(_), _) => {
                if let Some(linger) = &mut closing.lingers
                    && linger.leaving.waits_for == Some(*request)
                {
                    linger.leaving.waits_for = None;
                }
            }
            _ => {} // nothing waits for the rest
        }
        self.stray(event, cx);
        Phase::Ending(closing)
    }

    /// How it goes with a party that this call has given to another: the NOTIFYs of the REFER that asked for it.
    pub(super) fn it_went(&mut self, mut closing: Closing, status: u16, last: bool, cx: &mut Cx<'_>) -> Phase {
        if let Some(linger) = &mut closing.lingers {
            let report = Report { refer: linger.refer, other: None };
            let notify = self.report(report, status, last, cx);
            if last {
                linger.leaving = self.farewell_after(linger.leaving.leg, notify, cx);
            }
        }
        Phase::Ending(closing)
    }

    /// She has not hung up by herself.
    pub(super) fn linger_is_over(&mut self, mut closing: Closing, cx: &mut Cx<'_>) -> Phase {
        if let Some(linger) = closing.lingers.take() {
            let leg = linger.leaving.leg;
            self.decide(
                Decision::new(format!("send {} away", self.label(leg)), "her part in the transfer is over"),
                cx,
            );
            self.ua.bye(cx.now, leg, &mut cx.agent);
            self.end_leg(leg, cx);
        }
        Phase::Ending(closing)
    }

    /// The record is committed (or its two seconds are over): what waited goes out.
    pub(super) fn saved(&mut self, mut ending: Closing, cx: &mut Cx<'_>) -> Phase {
        match ending.reply.take() {
            Some(Reply::Reject(status)) => self.ua.reject(cx.now, status, None, &mut cx.agent),
            Some(Reply::NoRoom) => self.ua.reject(cx.now, 503, Some(TRY_AGAIN), &mut cx.agent),
            Some(Reply::Bye(request)) => self.ua.answer(cx.now, request, 200, None, &mut cx.agent),
            Some(Reply::None) | None => {}
        }
        Phase::Ending(ending)
    }

    /// An operator, or the longest call allowed, ends it.
    pub(super) fn cut(&mut self, phase: Phase, why: &str, cx: &mut Cx<'_>) -> Phase {
        self.decide(Decision::new("hang up", why), cx);
        match phase {
            Phase::Ending(_) => phase,
            Phase::Talking(mut bridge) => {
                self.drop_transfer(&mut bridge, cx);
                self.finish(policy::Ending::Talked, Reply::None, cx)
            }
            Phase::Hunting(mut hunt) => {
                self.stop_ringing(&mut hunt, CancelReason::NextInTurn, cx);
                self.finish(policy::Ending::Unanswered(None), Reply::Reject(480), cx)
            }
            Phase::Fresh | Phase::Asking => self.finish(policy::Ending::Unanswered(None), Reply::Reject(480), cx),
        }
    }
}
