//! How a transfer ends: somebody new talks with the one who stayed, or the call goes back to who gave it. Here, and
//! nowhere else, is booked what follows: owner, record, event, metric.

use std::time::Duration;

use super::bridge::Bridge;
use super::cx::Cx;
use super::ending::Reply;
use super::hunt::{Hunt, Quarry};
use super::join::{Join, NewParty};
use super::leg::LegState;
use super::transfer::{Goal, Kind, Next, Report, Transfer};
use super::{Call, CallAction, Word};
use crate::base::{EmployeeId, Instant, LegId};
use crate::crm::model::Decision;
use crate::crm::policy::{self, Ending};
use crate::route::plan::Destination;
use crate::route::{Dialled, reach};
use crate::sip::agent::{CancelReason, LegEvent, RequestId};

/// How long a transferor may stay after the final NOTIFY before we send her BYE.
pub(super) const FAREWELL: Duration = Duration::from_secs(2);

/// A transferor whose work is done.
#[derive(Debug)]
pub(super) struct Leaving {
    pub(super) leg: LegId,
    /// When she is sent BYE.
    pub(super) at: Instant,
    /// The final NOTIFY, while it has no answer: a BYE that overtook it would reach her phone out of order, and be
    /// refused (RFC 3261 §12.2.2: "it is out of order and MUST be rejected with a 500").
    pub(super) waits_for: Option<RequestId>,
}

impl Leaving {
    /// When her BYE is due; `None`: not before her phone has answered.
    pub(super) fn next_wakeup(&self) -> Option<Instant> {
        self.waits_for.is_none().then_some(self.at)
    }
}

impl Call {
    /// Somebody new talks with the one who stays; `how` her media are to be agreed, `None` where they are.
    #[expect(clippy::needless_pass_by_value, reason = "the transfer ends here")]
    pub(super) fn arrived(
        &mut self,
        bridge: &mut Bridge,
        transfer: Transfer,
        joined: LegId,
        how: Option<NewParty>,
        cx: &mut Cx<'_>,
    ) {
        let Transfer { kind, by, stays, report, .. } = transfer;
        let Some(leg) = self.leg_mut(joined) else { return };
        leg.begin_talk(cx.now.mono);
        let to = leg.employee.clone();
        let waits_for = self.report(report, 200, true, cx);
        bridge.pair = [stays, joined];
        // Who asked for it by a message of hers sends her own BYE then, as a rule.
        let stay = if report.refer.is_some() || report.other.is_some() { FAREWELL } else { Duration::ZERO };
        if self.ua.is_up(by) {
            bridge.leaving.push(Leaving { leg: by, at: cx.now.mono + stay, waits_for });
        }
        let from = self.leg(by).and_then(|l| l.employee.clone());
        if let Some(l) = self.leg_mut(by) {
            l.end_talk(cx.now.mono);
        }
        if let Some(how) = how {
            bridge.join = Some(Join::new(stays, joined, how));
            self.try_join(bridge, cx);
        }
        self.decide(Decision::new(format!("{} answered", self.label(joined)), "the transfer is done"), cx);
        // She has the call back, or has only taken up another phone of hers: nobody has handed anything on.
        if transfer.is_returning() || (kind == Kind::Takeover && from == to) {
            return self.talks(joined, to, cx);
        }
        self.handed_on(joined, kind, from, cx);
    }

    /// The call is another's from now on: whoever is at this leg has taken it.
    pub(super) fn handed_on(&mut self, leg: LegId, kind: Kind, from: Option<EmployeeId>, cx: &mut Cx<'_>) {
        let to = self.leg(leg).and_then(|l| l.employee.clone());
        self.transferred_from = from.clone().or(self.transferred_from.take());
        let owner = self.facts.line.as_ref().and_then(|line| policy::owner_after_transfer(line, to.as_ref()));
        self.talks(leg, to.clone(), cx);
        if let Some(owner) = owner {
            self.owner_moves(owner, "transfer", cx);
        }
        cx.out.push(CallAction::Transferred { kind: kind.as_str(), result: "answered" });
        self.publish_transfer(from, to, kind.as_str(), cx);
    }

    /// Nobody took the call, for this reason: it goes back to who gave it.
    #[expect(clippy::needless_pass_by_value, reason = "the transfer ends here")]
    pub(super) fn target_failed(
        &mut self,
        bridge: &mut Bridge,
        transfer: Transfer,
        (status, why): (u16, &str),
        cx: &mut Cx<'_>,
    ) -> Next {
        if transfer.is_returning() {
            self.decide(Decision::new("end", format!("{} doesn't take the call back", self.label(transfer.by))), cx);
            return Next::over(self.finish(Ending::Talked, Reply::None, cx));
        }
        cx.out.push(CallAction::Transferred { kind: transfer.kind.as_str(), result: "failed" });
        self.decide(Decision::new(format!("transfer failed with {status}"), why.to_owned()), cx);
        self.report(transfer.report, status, true, cx);
        if self.ua.is_up(transfer.by) {
            return Next::GoesOn;
        }
        let Some(back) = self.way_back(transfer.by, cx) else {
            return Next::over(self.finish(Ending::Talked, Reply::None, cx));
        };
        let why = "the transfer failed after she had hung up";
        self.decide(Decision::new(format!("ring {} again", back.label()), why), cx);
        let quarry = Quarry::Transfer(Dialled::Destination(back));
        let goal = Goal::Returning(Hunt::new(quarry, self.invite_for(transfer.stays, None), Vec::new()));
        self.next_target(bridge, Transfer { goal, report: Report::default(), ..transfer }, cx)
    }

    /// The call ends while a transfer runs.
    pub(super) fn drop_transfer(&mut self, bridge: &mut Bridge, cx: &mut Cx<'_>) {
        if let Some(transfer) = bridge.transfer.take() {
            self.abandon(*transfer, cx);
        }
    }

    pub(super) fn abandon(&mut self, mut transfer: Transfer, cx: &mut Cx<'_>) {
        if let Some(hunt) = transfer.hunt_mut() {
            self.stop_ringing(hunt, CancelReason::CallerGaveUp, cx);
        }
        if let Goal::Comes(leg) = transfer.goal {
            self.turn_away(leg, 480, cx);
        }
        if !transfer.is_returning() {
            cx.out.push(CallAction::Transferred { kind: transfer.kind.as_str(), result: "failed" });
            self.report(transfer.report, 480, true, cx);
        }
    }

    /// How the transferor is rung again.
    pub(super) fn way_back(&self, by: LegId, cx: &Cx<'_>) -> Option<Destination> {
        let leg = self.leg(by)?;
        if let Some(called) = &leg.called {
            return Some(called.destination.clone());
        }
        let dir = cx.env.directory();
        reach::employee(dir, dir.employee(leg.employee.as_ref()?)?).ok()
    }

    /// Tells the transferor how it goes, where she wants to know, and her other call; gives the NOTIFY.
    pub(super) fn report(&mut self, report: Report, status: u16, last: bool, cx: &mut Cx<'_>) -> Option<RequestId> {
        if let Some(to) = report.other {
            cx.out.push(CallAction::Say { to, word: Word::Went { status, last } });
        }
        let refer = report.refer.filter(|refer| refer.subscribed && self.ua.is_up(refer.request.leg))?;
        Some(self.ua.notify(cx.now, refer.request, status, last, &mut cx.agent))
    }

    /// What a transferor does whose work is done: true where this event is of one.
    pub(super) fn farewell(&mut self, bridge: &mut Bridge, event: &LegEvent, cx: &mut Cx<'_>) -> bool {
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

    /// Sends BYE to transferors who have stayed too long.
    pub(super) fn send_away_who_is_due(&mut self, bridge: &mut Bridge, cx: &mut Cx<'_>) {
        let now = cx.now.mono;
        while let Some(at) = bridge.leaving.iter().position(|l| l.next_wakeup().is_some_and(|at| at <= now)) {
            let leg = bridge.leaving.remove(at).leg;
            self.decide(
                Decision::new(format!("send {} away", self.label(leg)), "her part in the transfer is over"),
                cx,
            );
            self.ua.bye(cx.now, leg, &mut cx.agent);
            self.end_leg(leg, cx);
        }
    }

    /// A transferor's own BYE: her leg ends, the call goes on.
    pub(super) fn leave(&mut self, request: RequestId, cx: &mut Cx<'_>) {
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
}
