//! What a call says of itself: its record, its events, who is busy with it, and the lines of its ladder.

use super::cx::Cx;
use super::ladder::{self, Entry, What};
use super::leg::{self, Leg, whole_seconds};
use super::machine::Phase;
use super::{Call, CallAction, Publication};
use crate::base::{EmployeeId, LegId, Now};
use crate::crm::model::{CallRecord, CallState, Decision, Direction, LegRecord, Lookup, LookupKind};
use crate::sip::agent::{Received, Transmit};

/// How the ladder calls us.
const US: &str = "ramal";

impl Call {
    /// The call as `GET /api/calls` shows it.
    pub fn record_at(&self, now: Now) -> CallRecord {
        let until = self.ended.map_or(now, |(at, _)| at);
        let rung = self.rang.map(|from| self.answered.map_or(until.mono, |a| a.mono) - from);
        let talked = self.answered.map(|from| until.mono - from.mono);
        let state = self.state();
        CallRecord {
            id: self.id,
            state,
            direction: self.facts.direction,
            from: self.facts.from.clone(),
            to: self.facts.to.clone(),
            // A call between colleagues is by no line; its caller's own is only for what a queue forwards.
            line: self.facts.line.as_ref().filter(|_| self.facts.direction != Direction::Internal).map(|l| l.number),
            lookup: match (&self.facts.lookup, self.ended) {
                (None, _) if self.facts.blacklisted => None, // a refused call asks nothing
                (None, None) => None,
                _ => Some(self.lookup_kind()),
            },
            client: self.card.attached.or_else(|| self.facts.client()),
            client_name: self.facts.client_name().map(str::to_owned),
            dialler: self.facts.dialler.clone(),
            employee: self.employee.clone().or_else(|| self.rings_alone()),
            started: self.started.wall,
            answered: self.answered.map(|n| n.wall),
            ended: self.ended.map(|(at, _)| at.wall),
            outcome: self.ended.map(|(_, outcome)| outcome),
            ring_seconds: rung.map_or(0, whole_seconds),
            talk_seconds: talked.map_or(0, whole_seconds),
            transferred_from: self.transferred_from.clone(),
            created: self.owing.created.clone(),
            card: self.card.decided.clone(),
            legs: self.leg_records(until),
        }
    }

    /// What the CRM said of the customer; `None` while it is asked.
    pub fn lookup(&self) -> Option<&Lookup> {
        self.facts.lookup.as_ref()
    }

    /// What the lookup counts as: one that never had an answer is undetermined.
    pub(super) fn lookup_kind(&self) -> LookupKind {
        self.facts.lookup.as_ref().map_or(LookupKind::Undetermined, Lookup::kind)
    }

    fn state(&self) -> CallState {
        match &self.phase {
            _ if self.ended.is_some() => CallState::Ended,
            // between two states, while one is being left: the times say where the call is
            Phase::Fresh if self.answered.is_some() => CallState::Talking,
            Phase::Fresh | Phase::Hunting(_) if self.rang.is_some() => CallState::Ringing,
            Phase::Fresh | Phase::Asking | Phase::Hunting(_) => CallState::Routing,
            Phase::Talking(bridge) => {
                let held = |leg: &LegId| self.leg(*leg).is_some_and(|l| l.holds);
                if bridge.pair.iter().any(held) { CallState::Held } else { CallState::Talking }
            }
            Phase::Ending(_) => CallState::Ended,
        }
    }

    /// The one employee who rings now, while the call is up.
    fn rings_alone(&self) -> Option<EmployeeId> {
        if self.ended.is_some() {
            return None;
        }
        let mut ringing = self.legs.iter().filter(|l| l.called.is_some() && l.is_calling());
        let employee = ringing.next()?.employee.clone();
        // Her other phones are no second party.
        if ringing.all(|leg| employee.is_some() && leg.employee == employee) { employee } else { None }
    }

    /// One entry for each employee who was rung, in the order in which they first were.
    fn leg_records(&self, until: Now) -> Vec<LegRecord> {
        let mut rung: Vec<(EmployeeId, Vec<&Leg>)> = Vec::new();
        for leg in self.legs.iter().filter(|leg| leg.called.is_some()) {
            let Some(employee) = &leg.employee else { continue };
            match rung.iter_mut().find(|(known, _)| known == employee) {
                Some((_, legs)) => legs.push(leg),
                None => rung.push((employee.clone(), vec![leg])),
            }
        }
        let before = self.legs.iter().flat_map(Leg::before);
        let now = rung.iter().filter_map(|(_, legs)| leg::one_record(legs, until.mono));
        let mut records: Vec<LegRecord> = Vec::with_capacity(rung.len());
        for record in before.chain(now) {
            match records.iter_mut().find(|known| known.employee == record.employee) {
                Some(known) => known.add(&record),
                None => records.push(record),
            }
        }
        records
    }

    /// Tells the world.
    pub(super) fn publish(&mut self, event: &'static str, cx: &mut Cx<'_>) {
        let to_employee = self.employee.clone().or_else(|| self.rings_alone());
        cx.out.push(CallAction::Publish(Box::new(Publication {
            event,
            call: self.record_at(cx.now),
            record: None,
            from_employee: None,
            to_employee,
            kind: None,
        })));
    }

    /// Tells the world that the call was handed on.
    pub(super) fn publish_transfer(
        &mut self,
        from: Option<EmployeeId>,
        to: Option<EmployeeId>,
        kind: &'static str,
        cx: &mut Cx<'_>,
    ) {
        cx.out.push(CallAction::Publish(Box::new(Publication {
            event: "call.transferred",
            call: self.record_at(cx.now),
            record: None,
            from_employee: from,
            to_employee: to,
            kind: Some(kind),
        })));
    }

    /// This leg's employee talks: the last who did is the call's.
    pub(super) fn talks(&mut self, leg: LegId, employee: Option<EmployeeId>, cx: &mut Cx<'_>) {
        // An outgoing call's employee is the one who dialled, until she hands it on.
        let Some(employee) = employee.or_else(|| self.facts.dialler.clone().filter(|_| self.employee.is_none())) else {
            return;
        };
        self.employee = Some(employee.clone());
        self.take_busy(leg, employee, cx);
    }

    /// Counts her as being in this call.
    pub(super) fn take_busy(&mut self, leg: LegId, employee: EmployeeId, cx: &mut Cx<'_>) {
        if self.busy.iter().any(|(_, e)| *e == employee) {
            return;
        }
        let placed = self.placed(leg);
        self.busy.push((leg, employee.clone()));
        cx.out.push(CallAction::Busy { employee, busy: true, placed });
    }

    /// Counts her out again, where it was by this leg.
    pub(super) fn free(&mut self, employee: Option<EmployeeId>, leg: LegId, cx: &mut Cx<'_>) {
        let Some(employee) = employee else { return };
        let Some(at) = self.busy.iter().position(|(l, e)| *l == leg && *e == employee) else { return };
        self.busy.remove(at);
        let placed = self.placed(leg);
        cx.out.push(CallAction::Busy { employee, busy: false, placed });
    }

    /// Whether this leg's employee placed the call herself, outside: what `limits.per_employee` counts.
    fn placed(&self, leg: LegId) -> bool {
        leg == LegId::A && self.facts.direction == Direction::Outgoing
    }

    /// The call is over for everybody.
    pub(super) fn free_everybody(&mut self, cx: &mut Cx<'_>) {
        for (leg, employee) in std::mem::take(&mut self.busy) {
            let placed = self.placed(leg);
            cx.out.push(CallAction::Busy { employee, busy: false, placed });
        }
    }

    /// Writes a decision into the ladder.
    pub(super) fn decide(&mut self, decision: Decision, cx: &Cx<'_>) {
        let Decision { what, why, passed_over } = decision;
        self.ladder.push(cx.now.wall, What::Decision { what, why, passed_over });
    }

    /// The same, unless the ladder has it: a plan is made anew for each step, and what leads to a queue is said once.
    pub(super) fn decide_once(&mut self, decision: &Decision, cx: &Cx<'_>) {
        let has_it = |entry: &Entry| matches!(&entry.what, What::Decision { what, why, .. } if *what == decision.what && *why == decision.why);
        if !self.ladder.entries().iter().any(has_it) {
            self.decide(decision.clone(), cx);
        }
    }

    pub(super) fn note_received(&mut self, received: &Received, cx: &Cx<'_>) {
        let call_id = received.message.headers().call_id().map(ToString::to_string).unwrap_or_default();
        let leg = (0..self.legs.len())
            .filter_map(|i| u16::try_from(i).ok().map(LegId))
            .find(|leg| self.ua.sip_call_id(*leg) == call_id)
            .unwrap_or(LegId::A);
        let from = self.label(leg);
        let start_line = ladder::shown(&received.message.start_line());
        self.ladder.push(cx.now.wall, What::Sip { from, to: US.to_owned(), start_line, call_id, again: false });
    }

    pub(super) fn note_sent(&mut self, transmit: &Transmit, cx: &Cx<'_>) {
        let end = memchr::memchr(b'\r', &transmit.bytes).unwrap_or(transmit.bytes.len());
        let start_line = ladder::shown(&String::from_utf8_lossy(&transmit.bytes[..end]));
        let call_id = self.ua.sip_call_id(transmit.leg).to_owned();
        let to = self.label(transmit.leg);
        self.ladder
            .push(cx.now.wall, What::Sip { from: US.to_owned(), to, start_line, call_id, again: transmit.again });
    }
}
