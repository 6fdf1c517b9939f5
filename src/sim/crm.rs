//! A CRM for whole calls: it answers when it is told to, and keeps what it is given.

use std::collections::HashMap;
use std::time::Duration;

use crate::base::{CallId, EmployeeId, PhoneNumber};
use crate::crm::model::{
    CallRecord, Effect, EntityKind, EntityRef, Known, Lookup, NoAnswer, OwedWrite, Write, WriteNews, WriteState,
};

/// A lead as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lead {
    pub phone: PhoneNumber,
    pub owner: EmployeeId,
    /// The calls that have it.
    pub calls: Vec<CallId>,
}

/// What the CRM knows, how fast it is, and what it was told.
#[derive(Debug, Default)]
pub(crate) struct Crm {
    known: HashMap<PhoneNumber, Known>,
    pub delay: Duration,
    pub down: bool,
    pub leads: Vec<Lead>,
    pub activities: Vec<CallRecord>,
    /// All records saved, those that never enter the CRM included.
    pub records: Vec<CallRecord>,
    /// All writes, in order.
    pub writes: Vec<OwedWrite>,
}

impl Crm {
    pub(crate) fn knows(&mut self, phone: &str, name: &str, responsible: &str) {
        let phone = phone.parse().expect("E.164");
        let id = 1 + i64::try_from(self.known.len()).expect("few");
        let known = Known {
            entity: EntityRef { kind: EntityKind::Contact, id },
            name: Some(name.to_owned()),
            responsible: Some(responsible.into()),
            absent: None,
            why: "the only match".to_owned(),
            passed_over: Vec::new(),
        };
        self.known.insert(phone, known);
    }

    /// Her responsible is not at work, in these words.
    pub(crate) fn is_absent(&mut self, phone: &str, why: &str) {
        let known = self.known.get_mut(&phone.parse().expect("E.164")).expect("it knows her");
        known.absent = Some(why.to_owned());
    }

    pub(crate) fn who_calls(&self, phone: PhoneNumber) -> Lookup {
        if self.down {
            return Lookup::Undetermined(NoAnswer::Unavailable);
        }
        match self.known.get(&phone) {
            Some(known) => Lookup::Known(known.clone()),
            None => Lookup::Unknown { fresh: None },
        }
    }

    /// Takes writes in order, each to effect.
    pub(crate) fn take(&mut self, writes: Vec<OwedWrite>) -> Vec<WriteNews> {
        writes.into_iter().map(|owed| self.apply(owed)).collect()
    }

    fn apply(&mut self, owed: OwedWrite) -> WriteNews {
        let effect = match &owed.write {
            Write::LeadCreate(new) => self.lead(owed.call, new.phone, &new.owner),
            Write::LeadReassign { to, .. } => self.reassign(owed.call, to),
            Write::ActivityCreate(record) => {
                self.activities.push((**record).clone());
                let id = i64::try_from(self.activities.len()).expect("few");
                Effect::Activity { id, attached_to: record.client }
            }
            other => unreachable!("the sim's CRM is a classic one that hears of no calls: {}", other.kind().as_str()),
        };
        let (call, seq, kind) = (owed.call, owed.seq, owed.write.kind());
        self.writes.push(owed);
        WriteNews { call, seq, kind, state: WriteState::Written, effect: Some(effect), error: None }
    }

    fn lead(&mut self, call: CallId, phone: PhoneNumber, owner: &EmployeeId) -> Effect {
        let at = self.leads.iter().position(|l| l.phone == phone);
        let made = at.is_none();
        let at = at.unwrap_or_else(|| {
            self.leads.push(Lead { phone, owner: owner.clone(), calls: Vec::new() });
            self.leads.len() - 1
        });
        self.leads[at].calls.push(call);
        Effect::Created { record: entity(at), made }
    }

    fn reassign(&mut self, call: CallId, to: &EmployeeId) -> Effect {
        match self.leads.iter_mut().enumerate().find(|(_, l)| l.calls.contains(&call)) {
            Some((at, lead)) => {
                let from = std::mem::replace(&mut lead.owner, to.clone());
                Effect::Reassigned { moved: vec![(entity(at), from)], to: to.clone() }
            }
            None => Effect::Void("this call created nothing".to_owned()),
        }
    }
}

fn entity(at: usize) -> EntityRef {
    EntityRef { kind: EntityKind::Lead, id: 1 + i64::try_from(at).expect("few") }
}
