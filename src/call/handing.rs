//! How a transfer begins, where somebody in the call asks for it: by REFER, or by the console's button.

use super::bridge::Bridge;
use super::cx::Cx;
use super::hunt::{Hunt, Quarry};
use super::transfer::{Goal, Kind, MOST_LEGS, Next, Refer, Report, Transfer};
use super::{Call, CallAction, Phase, Word};
use crate::base::{CallId, EmployeeId, LegId};
use crate::crm::model::Decision;
use crate::route::plan::Destination;
use crate::route::{Dialled, Dialler, dial};
use crate::sdp;
use crate::sip::agent::{OutgoingInvite, ReferTo, RequestId, call_of_tag};
use crate::sip::message::Replaces;

impl Call {
    /// An employee asks by REFER to hand the other party on.
    pub(super) fn referred(
        &mut self,
        bridge: &mut Bridge,
        (request, subscribed): (RequestId, bool),
        to: &ReferTo,
        referred_by: Option<String>,
        cx: &mut Cx<'_>,
    ) -> Next {
        let (by, employee, stays) = match self.may_refer(bridge, request.leg, cx) {
            Ok(who) => who,
            Err((status, why)) => {
                self.decide(Decision::new(format!("refuse the REFER with {status}"), why.to_owned()), cx);
                self.ua.answer(cx.now, request, status, None, &mut cx.agent);
                return Next::GoesOn;
            }
        };
        self.ua.answer(cx.now, request, 202, None, &mut cx.agent);
        let refer = Refer { request, subscribed };
        let report = Report { refer: Some(refer), other: None };
        self.report(report, 100, false, cx);
        let kind = if to.replaces.is_some() { Kind::Attended } else { Kind::Blind };
        let transfer = Transfer { kind, by, stays, report, goal: Goal::Sought };
        if let Some(replaces) = &to.replaces
            && let Some(other) = call_of_tag(&replaces.to_tag)
        {
            self.seek(bridge, transfer, other, replaces.clone(), cx);
            return Next::GoesOn;
        }
        let dialled = match dial(cx.env.directory(), &employee, &to.party.user) {
            Ok(dialled) => dialled,
            Err(refusal) => {
                self.decide(Decision::new("transfer refused", refusal.to_string()), cx);
                return self.target_failed(bridge, transfer, (refusal.status(), "nobody can be rung"), cx);
            }
        };
        self.start_transfer(bridge, transfer, dialled, (referred_by, to.replaces.clone()), cx)
    }

    /// Who sends a REFER by this leg, and who stays where she hands on; else the refusal.
    fn may_refer(
        &self,
        bridge: &Bridge,
        by: LegId,
        cx: &Cx<'_>,
    ) -> Result<(LegId, Dialler, LegId), (u16, &'static str)> {
        let stays = bridge.peer(by).ok_or((603, "its sender is not in the call any more"))?;
        let employee = self.leg(by).and_then(|l| l.employee.as_ref());
        let employee = employee.ok_or((603, "only an employee may hand a call on"))?;
        if self.legs.len() >= MOST_LEGS {
            return Err((603, "the call has been handed on too often"));
        }
        if bridge.is_changing_hands() {
            return Err((491, "another transfer is under way"));
        }
        let dir = cx.env.directory();
        let employee = dir.employee(employee).ok_or((603, "the files don't know her any more"))?;
        Ok((by, Dialler::employee(dir, employee), stays))
    }

    /// Whose call it is to hand on at the console: the employee who talks, and the other party stays.
    pub fn may_be_handed_on_by(&self) -> Option<&EmployeeId> {
        match &self.phase {
            Phase::Talking(bridge) if !bridge.is_changing_hands() => self.holder(bridge).map(|(_, employee)| employee),
            _ => None,
        }
    }

    fn holder(&self, bridge: &Bridge) -> Option<(LegId, &EmployeeId)> {
        let of = |leg: &LegId| Some((*leg, self.leg(*leg)?.employee.as_ref()?));
        let mut employees = bridge.pair.iter().filter_map(of);
        let first = employees.next()?;
        // Between two colleagues it is hers who was called.
        Some(employees.next().filter(|(_, employee)| Some(*employee) == self.employee.as_ref()).unwrap_or(first))
    }

    /// The console's button.
    pub(super) fn hand_on(&mut self, phase: Phase, to: Dialled, cx: &mut Cx<'_>) -> Phase {
        let Phase::Talking(mut bridge) = phase else { return phase };
        let by = self.holder(&bridge).map(|(leg, _)| leg).filter(|_| self.legs.len() < MOST_LEGS);
        let Some((by, stays)) = by.and_then(|by| Some((by, bridge.peer(by)?))).filter(|_| !bridge.is_changing_hands())
        else {
            return Phase::Talking(bridge); // what was so when the button was pressed is no longer
        };
        let transfer = Transfer { kind: Kind::Console, by, stays, report: Report::default(), goal: Goal::Sought };
        self.start_transfer(&mut bridge, transfer, to, (None, None), cx).phase(bridge)
    }

    /// Asks the transferor's other call for its far end.
    fn seek(&mut self, bridge: &mut Bridge, transfer: Transfer, to: CallId, replaces: Replaces, cx: &mut Cx<'_>) {
        let Some(by) = self.leg(transfer.by).and_then(|l| l.employee.clone()) else { return };
        let what = format!("transfer to whom {by} talks with in call {to}");
        self.decide(Decision::new(what, "asked by REFER with Replaces"), cx);
        cx.out.push(CallAction::Say { to, word: Word::Asks { replaces, by, rank: self.rank() } });
        bridge.transfer = Some(Box::new(transfer));
    }

    /// Rings whom the transfer goes to; with a Replaces, in the stead of a call of hers that is none of ours.
    #[expect(clippy::needless_pass_by_value, reason = "the transfer ends here")]
    pub(super) fn start_transfer(
        &mut self,
        bridge: &mut Bridge,
        transfer: Transfer,
        to: Dialled,
        (referred_by, replaces): (Option<String>, Option<Replaces>),
        cx: &mut Cx<'_>,
    ) -> Next {
        let what = match &to {
            Dialled::Destination(d) => d.label().to_owned(),
            Dialled::Queue(q) => format!("queue {q}"),
        };
        let how = match (transfer.kind, &replaces) {
            (Kind::Console, _) => "asked at the console".to_owned(),
            (_, Some(_)) => {
                format!("{} asks by REFER; the call that it replaces is none of ours", self.label(transfer.by))
            }
            (_, None) => format!("{} asks by REFER", self.label(transfer.by)),
        };
        self.decide(Decision::new(format!("transfer to {what}"), how), cx);
        // A queue passes over whom the call has rung before; a party named by herself is rung again all the same.
        let rung = match &to {
            Dialled::Queue(_) => self.rung_so_far().chain(self.way_back(transfer.by, cx)).collect(),
            Dialled::Destination(_) => Vec::new(),
        };
        let mut invite = self.invite_for(transfer.stays, referred_by);
        // Tags of a dialog inside go to nobody outside.
        invite.replaces = replaces.filter(|_| !matches!(to, Dialled::Destination(Destination::Outside { .. })));
        let goal = Goal::rung(Hunt::new(Quarry::Transfer(to), invite, rung));
        self.next_target(bridge, Transfer { goal, ..transfer }, cx)
    }

    /// The INVITE by which somebody new is called for the party who stays.
    pub(super) fn invite_for(&self, stays: LegId, referred_by: Option<String>) -> OutgoingInvite {
        let offer = self.leg(stays).and_then(|l| l.heard.as_ref()).map(|heard| sdp::without_hold(heard));
        OutgoingInvite {
            caller: self.identity_of(stays),
            private: false,
            max_forwards: self.facts.max_forwards,
            offer,
            referred_by,
            diversion: None,
            replaces: None,
        }
    }

    fn rung_so_far(&self) -> impl Iterator<Item = Destination> {
        self.legs.iter().filter_map(|l| l.called.as_ref().map(|c| c.destination.clone()))
    }
}
