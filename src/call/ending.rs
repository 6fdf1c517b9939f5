//! The end of a call: legs ended, the record made and committed, and only then the last answer.

use super::cx::Cx;
use super::leg::LegState;
use super::{Call, CallAction, Phase};
use crate::base::LegId;
use crate::crm::model::{Decision, Direction, Outcome};
use crate::crm::policy;
use crate::sip::agent::{CancelReason, RequestId};

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
}

impl Closing {
    /// One whose last answer is still to go.
    pub(super) fn that_owes(reply: Reply) -> Self {
        Self { reply: Some(reply) }
    }

    /// The record is committed, and whoever waited has her answer.
    pub(super) fn is_done(&self) -> bool {
        self.reply.is_none()
    }
}

impl Call {
    /// Ends the call: everything that is still up gets its BYE or CANCEL now; `reply` waits for the commit.
    pub(super) fn finish(&mut self, ending: policy::Ending, reply: Reply, cx: &mut Cx<'_>) -> Phase {
        let now = cx.now;
        let outcome = policy::outcome(self.facts.direction, ending);
        let canceled = self.why_caller_gave_up();
        // Why the one hung up is what the other is told (RFC 3326).
        let why = match reply {
            Reply::Bye(request) => self.ua.reason(request.leg),
            Reply::Reject(_) | Reply::NoRoom | Reply::None => None,
        };
        for i in 0..self.legs.len() {
            let id = LegId(u16::try_from(i).expect("a call has fewer legs than 65,536"));
            if self.ua.is_up(id) {
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
        Phase::Ending(Closing::that_owes(reply))
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
