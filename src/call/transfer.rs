//! A transfer by REFER (RFC 3515, RFC 5589 §6): the REFER ends here, the target is called with the customer's
//! identity, and when she answers the customer, who stayed up all through, is re-INVITEd once with her media.

use std::time::Duration;

use bytes::Bytes;

use super::bridge::Bridge;
use super::cx::Cx;
use super::ending::Reply;
use super::hunt::{Hunt, Progress, Quarry};
use super::join::Join;
use super::leg::LegState;
use super::{Call, CallAction, Phase};
use crate::base::{EmployeeId, Instant, LegId};
use crate::crm::model::Decision;
use crate::crm::policy::{self, Ending};
use crate::route::plan::Destination;
use crate::route::{Dialled, Dialler, dial, reach};
use crate::sdp;
use crate::sip::agent::{CancelReason, ForkId, LegEvent, OutgoingInvite, ReferTo, RequestId};

/// How long a transferor may stay after the final NOTIFY before we send her BYE.
const FAREWELL: Duration = Duration::from_secs(2);
/// A call that has called so many is handed on no more: every leg stays in its record.
const MOST_LEGS: usize = 200;

/// A transfer whose target has not answered yet.
#[derive(Debug)]
pub(super) struct Transfer {
    /// The REFER.
    refer: RequestId,
    /// Whether its sender wants NOTIFYs.
    subscribed: bool,
    /// The transferor's leg.
    by: LegId,
    /// The party handed on.
    pub(super) stays: LegId,
    /// The hunt for the target.
    hunt: Hunt,
    /// The target failed after the transferor had left: she is rung again.
    returning: bool,
}

impl Transfer {
    /// When the target's time is over.
    pub(super) fn next_wakeup(&self) -> Option<Instant> {
        (!self.hunt.ringing.is_empty()).then_some(self.hunt.until)
    }
}

/// A transferor whose work is done.
#[derive(Debug)]
pub(super) struct Leaving {
    leg: LegId,
    /// When she is sent BYE.
    at: Instant,
    /// The final NOTIFY, while it has no answer: a BYE that overtook it would reach her phone out of order, and be
    /// refused (RFC 3261 §12.2.2: "it is out of order and MUST be rejected with a 500").
    waits_for: Option<RequestId>,
}

impl Leaving {
    /// When her BYE is due; `None`: not before her phone has answered.
    pub(super) fn next_wakeup(&self) -> Option<Instant> {
        self.waits_for.is_none().then_some(self.at)
    }
}

/// What became of an event while a transfer may be under way.
#[derive(Debug)]
pub(super) enum Taken {
    /// It concerns no transfer.
    Not(LegEvent),
    /// It did, and the two go on.
    Done,
    /// It did, and the call is over.
    Over(Box<Phase>),
}

impl Taken {
    fn over(phase: Phase) -> Self {
        Self::Over(Box::new(phase))
    }
}

impl Call {
    /// An employee asks to hand the other party on.
    pub(super) fn referred(
        &mut self,
        bridge: &mut Bridge,
        request: RequestId,
        to: &ReferTo,
        referred_by: Option<String>,
        subscribed: bool,
        cx: &mut Cx<'_>,
    ) {
        let refuse = |call: &mut Self, status, why: &str, cx: &mut Cx<'_>| {
            call.decide(Decision::new(format!("refuse the REFER with {status}"), why.to_owned()), cx);
            call.ua.answer(cx.now, request, status, None, &mut cx.agent);
        };
        let (by, Some(stays)) = (request.leg, bridge.peer(request.leg)) else {
            return refuse(self, 603, "its sender is not in the call any more", cx);
        };
        let Some(employee) = self.leg(by).and_then(|l| l.employee.clone()) else {
            return refuse(self, 603, "only an employee may hand a call on", cx);
        };
        if to.replaces.is_some() {
            return refuse(self, 603, "a transfer with Replaces is not done by this release", cx);
        }
        if self.legs.len() >= MOST_LEGS {
            return refuse(self, 603, "the call has been handed on too often", cx);
        }
        if bridge.transfer.is_some() || bridge.join.is_some() {
            return refuse(self, 491, "another transfer is under way", cx);
        }
        let dir = cx.env.directory().clone();
        let Some(employee) = dir.employee(&employee) else {
            return refuse(self, 603, "the files don't know her any more", cx);
        };
        let target = dial(&dir, &Dialler::employee(&dir, employee), &to.party.user);
        self.ua.answer(cx.now, request, 202, None, &mut cx.agent);
        self.notify(request, subscribed, 100, false, cx);
        match target {
            Ok(dialled) => self.start_transfer(bridge, request, subscribed, stays, dialled, referred_by, cx),
            Err(refusal) => {
                self.decide(Decision::new("transfer refused", refusal.to_string()), cx);
                self.notify(request, subscribed, refusal.status(), true, cx);
                cx.out.push(CallAction::Transferred { kind: "blind", result: "failed" });
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the REFER's own parts, used once")]
    fn start_transfer(
        &mut self,
        bridge: &mut Bridge,
        refer: RequestId,
        subscribed: bool,
        stays: LegId,
        to: Dialled,
        referred_by: Option<String>,
        cx: &mut Cx<'_>,
    ) {
        let what = match &to {
            Dialled::Destination(d) => d.label().to_owned(),
            Dialled::Queue(q) => format!("queue {q}"),
        };
        self.decide(
            Decision::new(format!("transfer to {what}"), format!("{} asks by REFER", self.label(refer.leg))),
            cx,
        );
        // A queue passes over whom the call has rung before; a party named by herself is rung again all the same.
        let rung = match &to {
            Dialled::Queue(_) => self.rung_so_far().chain(self.way_back(refer.leg, cx)).collect(),
            Dialled::Destination(_) => Vec::new(),
        };
        let hunt = Hunt::new(Quarry::Transfer(to), self.invite_for(stays, referred_by), rung);
        let mut transfer = Transfer { refer, subscribed, by: refer.leg, stays, hunt, returning: false };
        if let Progress::Over(why) = self.ring_next(&mut transfer.hunt, cx) {
            // She has just sent the REFER, so she is up: the call goes back to her, and on.
            self.target_failed(bridge, &transfer, &why, cx);
            return;
        }
        bridge.transfer = Some(Box::new(transfer));
    }

    /// The INVITE by which somebody new is called for the party who stays.
    fn invite_for(&self, stays: LegId, referred_by: Option<String>) -> OutgoingInvite {
        let offer = self.leg(stays).and_then(|l| l.heard.as_ref()).map(|heard| sdp::without_hold(heard));
        OutgoingInvite {
            caller: self.identity_of(stays),
            private: false,
            max_forwards: self.facts.max_forwards,
            offer,
            referred_by,
            diversion: None,
        }
    }

    /// Tells the transferor how it goes, where she wants to know.
    fn notify(
        &mut self,
        refer: RequestId,
        subscribed: bool,
        status: u16,
        last: bool,
        cx: &mut Cx<'_>,
    ) -> Option<RequestId> {
        (subscribed && self.ua.is_up(refer.leg)).then(|| self.ua.notify(cx.now, refer, status, last, &mut cx.agent))
    }

    /// Takes what concerns a transfer out of a bridge's events.
    pub(super) fn transfer_event(&mut self, bridge: &mut Bridge, event: LegEvent, cx: &mut Cx<'_>) -> Taken {
        if self.farewell(bridge, &event, cx) {
            return Taken::Done;
        }
        if let Some(transfer) = bridge.transfer.take() {
            return self.during_transfer(bridge, *transfer, event, cx);
        }
        match event {
            LegEvent::Replied { request, status, sdp } if bridge.join.as_ref().is_some_and(|j| j.asked_by(request)) => {
                self.joined_reply(bridge, status, sdp, cx);
                Taken::Done
            }
            other => Taken::Not(other),
        }
    }

    /// What a transferor does whose work is done: true where this event is of one.
    fn farewell(&mut self, bridge: &mut Bridge, event: &LegEvent, cx: &mut Cx<'_>) -> bool {
        match *event {
            LegEvent::Replied { request, .. } => {
                let waiting = bridge.leaving.iter_mut().find(|l| l.waits_for == Some(request));
                waiting.map(|leaving| leaving.waits_for = None).is_some()
            }
            LegEvent::Bye { request } => {
                let Some(at) = bridge.leaving.iter().position(|l| l.leg == request.leg) else { return false };
                bridge.leaving.remove(at);
                self.leave(request, cx);
                true
            }
            _ => false, // nothing else of hers matters any more: `stray` answers it
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
            LegEvent::Progress { fork, sdp, .. } if transfer.hunt.ringing.contains(&fork.leg) => {
                if let Some(leg) = self.leg_mut(fork.leg) {
                    leg.rang.get_or_insert(cx.now.mono);
                    leg.hear(sdp.as_ref());
                }
            }
            LegEvent::Answered { fork, sdp } if transfer.hunt.has_called(fork.leg) => {
                self.target_answered(bridge, transfer, fork, sdp.as_ref(), cx);
                return Taken::Done;
            }
            LegEvent::Failed { leg, status, by, contacts } => {
                if self.ring_failed(&mut transfer.hunt, leg, (status, by, &contacts), cx) {
                    return self.next_target(bridge, transfer, cx).map_or(Taken::Done, Taken::over);
                }
            }
            // A transferor who hangs up after her 202 ends her own leg only: the customer waits for the target.
            LegEvent::Bye { request } if request.leg == transfer.by => self.leave(request, cx),
            LegEvent::Gone { leg } | LegEvent::NeverAcked { leg } if leg == transfer.by => self.end_leg(leg, cx),
            LegEvent::Bye { request } if request.leg == transfer.stays => {
                let label = self.label(request.leg);
                self.decide(Decision::new("end", format!("{label} hung up during the transfer")), cx);
                self.abandon(transfer, cx);
                return Taken::over(self.finish(Ending::Talked, Reply::Bye(request), cx));
            }
            other => {
                bridge.transfer = Some(Box::new(transfer));
                return Taken::Not(other);
            }
        }
        bridge.transfer = Some(Box::new(transfer));
        Taken::Done
    }

    /// The target's time is over, or the transferor's farewell, or a re-INVITE may be tried again.
    pub(super) fn bridge_is_due(&mut self, mut bridge: Bridge, cx: &mut Cx<'_>) -> Phase {
        let now = cx.now.mono;
        if bridge.longest <= now {
            return self.cut(Phase::Talking(bridge), "limits.longest_call is over", cx);
        }
        while let Some(at) = bridge.leaving.iter().position(|l| l.next_wakeup().is_some_and(|at| at <= now)) {
            let leg = bridge.leaving.remove(at).leg;
            self.decide(Decision::new(format!("send {} away", self.label(leg)), "2 s after the final NOTIFY"), cx);
            self.ua.bye(cx.now, leg, &mut cx.agent);
            self.end_leg(leg, cx);
        }
        if bridge.join.as_ref().is_some_and(|j| j.retry.is_some_and(|at| at <= now)) {
            self.try_join(&mut bridge, cx);
        }
        if let Some(mut transfer) = bridge.transfer.take_if(|t| t.next_wakeup().is_some_and(|at| at <= now)) {
            self.nobody_answered(&mut transfer.hunt, cx);
            if let Some(over) = self.next_target(&mut bridge, *transfer, cx) {
                return over;
            }
        }
        Phase::Talking(bridge)
    }

    fn next_target(&mut self, bridge: &mut Bridge, mut transfer: Transfer, cx: &mut Cx<'_>) -> Option<Phase> {
        match self.ring_next(&mut transfer.hunt, cx) {
            Progress::Rings => {
                bridge.transfer = Some(Box::new(transfer));
                None
            }
            Progress::Over(why) => self.target_failed(bridge, &transfer, &why, cx),
        }
    }

    /// Nobody took the call: it goes back to who gave it.
    fn target_failed(&mut self, bridge: &mut Bridge, transfer: &Transfer, why: &str, cx: &mut Cx<'_>) -> Option<Phase> {
        let status = transfer.hunt.last_final().unwrap_or(480);
        if transfer.returning {
            self.decide(Decision::new("end", format!("{} doesn't take the call back", self.label(transfer.by))), cx);
            return Some(self.finish(Ending::Talked, Reply::None, cx));
        }
        cx.out.push(CallAction::Transferred { kind: "blind", result: "failed" });
        self.decide(Decision::new(format!("transfer failed with {status}"), why.to_owned()), cx);
        self.notify(transfer.refer, transfer.subscribed, status, true, cx);
        if self.ua.is_up(transfer.by) {
            return None;
        }
        let back = self.way_back(transfer.by, cx);
        let Some(back) = back else {
            return Some(self.finish(Ending::Talked, Reply::None, cx));
        };
        self.decide(
            Decision::new(format!("ring {} again", back.label()), "the transfer failed after she had hung up"),
            cx,
        );
        let hunt =
            Hunt::new(Quarry::Transfer(Dialled::Destination(back)), self.invite_for(transfer.stays, None), Vec::new());
        self.next_target(bridge, Transfer { hunt, returning: true, ..*transfer }, cx)
    }

    fn rung_so_far(&self) -> impl Iterator<Item = Destination> {
        self.legs.iter().filter_map(|l| l.called.as_ref().map(|c| c.destination.clone()))
    }

    /// How the transferor is rung again.
    fn way_back(&self, by: LegId, cx: &Cx<'_>) -> Option<Destination> {
        let leg = self.leg(by)?;
        if let Some(called) = &leg.called {
            return Some(called.destination.clone());
        }
        let dir = cx.env.directory();
        reach::employee(dir, dir.employee(leg.employee.as_ref()?)?).ok()
    }

    fn target_answered(
        &mut self,
        bridge: &mut Bridge,
        mut transfer: Transfer,
        fork: ForkId,
        sdp: Option<&Bytes>,
        cx: &mut Cx<'_>,
    ) {
        let joined = fork.leg;
        transfer.hunt.ringing.retain(|l| *l != joined);
        self.stop_ringing(&mut transfer.hunt, CancelReason::AnsweredElsewhere, cx);
        let ack_owed = !transfer.hunt.offers();
        let Some(leg) = self.leg_mut(joined) else { return };
        leg.hear(sdp);
        leg.begin_talk(cx.now.mono);
        let to = leg.employee.clone();
        let last_notify = self.notify(transfer.refer, transfer.subscribed, 200, true, cx);
        bridge.pair = [transfer.stays, joined];
        bridge.leaving.extend(self.ua.is_up(transfer.by).then(|| Leaving {
            leg: transfer.by,
            at: cx.now.mono + FAREWELL,
            waits_for: last_notify,
        }));
        let from = self.leg(transfer.by).and_then(|l| l.employee.clone());
        if let Some(l) = self.leg_mut(transfer.by) {
            l.end_talk(cx.now.mono);
        }
        bridge.join = Some(Join::new(transfer.stays, joined, ack_owed));
        self.try_join(bridge, cx);
        self.decide(Decision::new(format!("{} answered", self.label(joined)), "the transfer is done"), cx);
        if transfer.returning {
            self.talks(joined, to, cx);
            return;
        }
        cx.out.push(CallAction::Transferred { kind: "blind", result: "answered" });
        self.handed_on(joined, from, to, "blind", cx);
    }

    pub(super) fn handed_on(
        &mut self,
        joined: LegId,
        from: Option<EmployeeId>,
        to: Option<EmployeeId>,
        kind: &'static str,
        cx: &mut Cx<'_>,
    ) {
        self.transferred_from = from.clone().or(self.transferred_from.take());
        let owner = self.facts.line.as_ref().and_then(|line| policy::owner_after_transfer(line, to.as_ref()));
        self.talks(joined, to.clone(), cx);
        if let Some(owner) = owner {
            self.owner_moves(owner, "transfer", cx);
        }
        self.publish_transfer(from, to, kind, cx);
    }

    /// A transferor's own BYE: her leg ends, the call goes on.
    fn leave(&mut self, request: RequestId, cx: &mut Cx<'_>) {
        self.ua.answer(cx.now, request, 200, None, &mut cx.agent);
        self.end_leg(request.leg, cx);
    }

    pub(super) fn end_leg(&mut self, leg: LegId, cx: &mut Cx<'_>) {
        let Some(l) = self.leg_mut(leg) else { return };
        l.end_talk(cx.now.mono);
        l.state = LegState::Over;
        l.channel = None;
        let employee = l.employee.clone();
        self.free(employee, leg, cx);
    }

    fn abandon(&mut self, mut transfer: Transfer, cx: &mut Cx<'_>) {
        self.stop_ringing(&mut transfer.hunt, CancelReason::CallerGaveUp, cx);
        if !transfer.returning {
            cx.out.push(CallAction::Transferred { kind: "blind", result: "failed" });
        }
    }

    /// The call ends while a transfer runs.
    pub(super) fn drop_transfer(&mut self, bridge: &mut Bridge, cx: &mut Cx<'_>) {
        if let Some(transfer) = bridge.transfer.take() {
            self.abandon(*transfer, cx);
        }
    }
}
