//! What a call owes the CRM: a lead, or a client and a deal, while phones ring; their owner as the call changes hands;
//! an activity at the end.

use super::cx::Cx;
use super::ladder::What;
use super::{Call, CallAction, Publication};
use crate::base::{EmployeeId, PhoneNumber};
use crate::crm::model::{
    CallRecord, Decision, Direction, Effect, EntityRef, Lookup, LookupKind, NewRecord, OwedWrite, Write, WriteNews,
    WriteState,
};
use crate::crm::policy::{self, Creation};
use crate::route::directory::CrmMode;

/// The writes of one call, counted, and what they came to.
#[derive(Debug)]
pub(super) struct Owing {
    /// `crm.mode`, as it was when the call began: what comes of its client does not change under it.
    mode: CrmMode,
    /// The name that the caller's phone gave, where it counts.
    name: Option<String>,
    /// The next write's place.
    seq: u16,
    /// What it creates has been asked for.
    told: bool,
    /// Who owns, or would own, what this call creates.
    owner: Option<EmployeeId>,
    /// What it has created, or shares.
    pub(super) created: Vec<EntityRef>,
    /// A late answer has settled what the deadline left open.
    late: Option<LookupKind>,
}

impl Owing {
    /// Nothing yet; what comes would at first be this one's.
    pub(super) fn of(owner: Option<EmployeeId>, mode: CrmMode, name: Option<String>) -> Self {
        Self { mode, name, seq: 0, told: false, owner, created: Vec::new(), late: None }
    }

    /// Whether what the call creates has been asked for.
    pub(super) fn is_told(&self) -> bool {
        self.told
    }

    /// Who owns, or would own, what it creates.
    pub(super) fn owner(&self) -> Option<&EmployeeId> {
        self.owner.as_ref()
    }

    /// What an answer after the deadline has settled.
    pub(super) fn settled(&self) -> Option<LookupKind> {
        self.late
    }

    /// The call card asks for it, and it is this one's at first.
    pub(super) fn promise(&mut self, owner: Option<EmployeeId>) {
        self.told = true;
        self.owner = owner;
    }
}

impl Call {
    /// Asks for what the line wants made of this call's client, where it is time.
    pub(super) fn create_if_wanted(&mut self, cx: &mut Cx<'_>) {
        let known = self.facts.lookup.as_ref().map(Lookup::kind);
        if known == Some(LookupKind::Unknown) {
            self.create(cx);
        }
    }

    /// The number is nobody's: asks for what the line wants, unless that is done.
    fn create(&mut self, cx: &mut Cx<'_>) {
        if self.owing.told {
            return;
        }
        let wanted = self.creates();
        if !wanted.is_empty() {
            self.owing.told = true;
            // At once, so that they are made in one commit.
            let owed = wanted.into_iter().map(|write| self.owed(write, None, cx)).collect();
            cx.out.push(CallAction::Tell(owed));
        }
    }

    /// The records that this call creates once its number is known to be unknown, in their order.
    fn creates(&self) -> Vec<Write> {
        let direction = self.facts.direction;
        let begun = direction == Direction::Incoming || self.rang.is_some() || self.answered.is_some();
        let (Some(line), Some(phone), true) = (&self.facts.line, self.facts.customer, begun) else {
            return Vec::new();
        };
        let Creation::AtOnce(becomes) = policy::creation(&self.owing.mode, line, direction, LookupKind::Unknown) else {
            return Vec::new();
        };
        let Some(owner) = self.owing.owner.clone() else { return Vec::new() };
        let name = self.owing.name.clone();
        becomes.writes(&NewRecord { phone, line: line.number, source: line.source.clone(), owner, name })
    }

    /// Somebody answered the call itself: on some lines she owns the lead from now on.
    pub(super) fn owns_on_answer(&mut self, employee: Option<&EmployeeId>, cx: &mut Cx<'_>) {
        self.create_if_wanted(cx);
        let (Some(line), Some(employee)) = (&self.facts.line, employee) else { return };
        if let Some(owner) = policy::owner_after_answer(line, self.facts.direction, employee) {
            self.owner_moves(owner, "answered-by", cx);
        }
    }

    /// The owner of what this call creates is another from now on.
    pub(super) fn owner_moves(&mut self, to: EmployeeId, why: &str, cx: &mut Cx<'_>) {
        let from = self.owing.owner.replace(to.clone());
        if self.owing.told && from.as_ref() != Some(&to) {
            self.tell(Write::LeadReassign { to, why: why.to_owned() }, None, cx);
        }
    }

    /// An answer that came after the deadline: never re-routes, but settles what may be created.
    pub(super) fn late_answer(&mut self, lookup: &Lookup, cx: &mut Cx<'_>) {
        if self.owing.late.is_some() || self.is_ended() {
            return; // settled already, or the record has gone and asks again by itself
        }
        let why = match lookup {
            Lookup::Known(known) => {
                self.facts.late_client = Some(known.entity);
                format!("known: {}: nothing is created, the activity goes there", known.entity)
            }
            Lookup::Unknown { .. } => "unknown: what the line creates is created now".to_owned(),
            Lookup::Excluded(_) => "excluded: nothing of this call enters the CRM".to_owned(),
            Lookup::Undetermined(_) => return, // still no answer
        };
        self.decide(Decision::new("late answer of the CRM", why), cx);
        self.owing.late = Some(lookup.kind());
        if lookup.kind() == LookupKind::Unknown {
            self.create(cx);
        }
    }

    /// What is committed with the record: the activity, and whatever still waits for a lookup's answer.
    pub(super) fn owed_at_the_end(&mut self, record: &CallRecord, cx: &mut Cx<'_>) -> Vec<OwedWrite> {
        let kind = self.lookup_kind();
        let settled = self.owing.late.unwrap_or(kind);
        let outside = self.facts.blacklisted || !policy::enters_crm(settled, self.facts.direction);
        if outside || self.facts.line.is_none() {
            return Vec::new();
        }
        let open = (settled == LookupKind::Undetermined).then_some(self.facts.customer).flatten();
        let waiting = if open.is_some() && !self.owing.told { self.creates() } else { Vec::new() };
        let mut writes: Vec<_> = waiting.into_iter().map(|write| self.owed(write, open, cx)).collect();
        writes.push(self.owed(Write::ActivityCreate(Box::new(record.clone())), open, cx));
        writes
    }

    /// News of a write: into the ladder, the record and the world.
    pub(super) fn crm_wrote(&mut self, news: WriteNews, cx: &mut Cx<'_>) {
        let detail = told(&news);
        self.ladder.push(cx.now.wall, What::Crm { write: news.kind, state: news.state, detail });
        if news.state == WriteState::Dead {
            self.publish("crm.write_failed", cx);
        }
        match news.effect {
            Some(Effect::Created { record, made }) => {
                if !self.owing.created.contains(&record) {
                    self.owing.created.push(record);
                }
                if made {
                    let event = record.kind.created_event();
                    self.publish_record(event, record, None, self.owing.owner.clone(), cx);
                }
            }
            Some(Effect::Reassigned { moved, to }) => {
                for (record, from) in moved {
                    self.publish_record("lead.reassigned", record, Some(from), Some(to.clone()), cx);
                }
            }
            Some(Effect::Attached(_) | Effect::Void(_) | Effect::Activity { .. }) | None => {}
        }
    }

    fn publish_record(
        &mut self,
        event: &'static str,
        record: EntityRef,
        from: Option<EmployeeId>,
        to: Option<EmployeeId>,
        cx: &mut Cx<'_>,
    ) {
        cx.out.push(CallAction::Publish(Box::new(Publication {
            event,
            call: self.record_at(cx.now),
            record: Some(record),
            from_employee: from,
            to_employee: to,
            kind: None,
        })));
    }

    fn tell(&mut self, write: Write, after_lookup: Option<PhoneNumber>, cx: &mut Cx<'_>) {
        let owed = self.owed(write, after_lookup, cx);
        cx.out.push(CallAction::Tell(vec![owed]));
    }

    /// Asks for these, in this order.
    pub(super) fn tell_all(&mut self, writes: Vec<Write>, after_lookup: Option<PhoneNumber>, cx: &mut Cx<'_>) {
        if !writes.is_empty() {
            let owed = writes.into_iter().map(|write| self.owed(write, after_lookup, cx)).collect();
            cx.out.push(CallAction::Tell(owed));
        }
    }

    fn owed(&mut self, write: Write, after_lookup: Option<PhoneNumber>, cx: &Cx<'_>) -> OwedWrite {
        let seq = self.owing.seq;
        self.owing.seq += 1;
        OwedWrite { call: self.id, seq, since: cx.now.wall, after_lookup, client: self.facts.customer, write }
    }
}

/// What the news of a write say, for a ladder.
pub(crate) fn told(news: &WriteNews) -> String {
    let Some(effect) = &news.effect else { return news.error.clone().unwrap_or_default() };
    match effect {
        Effect::Created { record, made: true } => format!("{record} created"),
        Effect::Created { record, made: false } => format!("{record} shared with the call that made it"),
        Effect::Reassigned { moved, to } => {
            let records: Vec<_> = moved.iter().map(|(record, from)| format!("{record} from {from}")).collect();
            format!("{} to {to}", records.join(", "))
        }
        Effect::Attached(to) => format!("the number stands on {to} now"),
        Effect::Void(why) => why.clone(),
        Effect::Activity { id, attached_to: Some(at) } => format!("activity:{id} at {at}"),
        Effect::Activity { id, attached_to: None } => format!("activity:{id}"),
    }
}
