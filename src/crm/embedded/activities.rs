//! A call's activity, and where it stands.

use super::index::Index;
use crate::base::PhoneNumber;
use crate::crm::model::{CallRecord, Effect, EntityKind, EntityRef};
use crate::store::rows::{ActivityRow, Rows};

impl Index {
    /// The call's one activity: at the client known when it began, else at what it made, else at whom a later lookup
    /// `found`, else at whoever has the number now.
    pub(super) fn add_activity(&mut self, record: &CallRecord, found: Option<EntityRef>, rows: &mut Rows) -> Effect {
        let phone = record.customer();
        let has_number = || phone.and_then(|phone| self.best_having(phone));
        let first = record.client.or_else(|| self.client_made(record)).or(found);
        let attached_to = first.and_then(|at| self.standing(at)).or_else(has_number);
        if let Some(at) = attached_to {
            self.touch(at, record.ended.unwrap_or(record.started), rows);
        }
        self.last.activity += 1;
        let id = self.last.activity;
        rows.crm.activities.insert(record.id, ActivityRow { id, phone, attached_to, record: record.clone() });
        Effect::Activity { id, attached_to }
    }

    /// Of what the call made the client, else the lead: a contact before its company, never a deal.
    fn client_made(&self, record: &CallRecord) -> Option<EntityRef> {
        self.records(record.id).iter().filter(|at| at.kind != EntityKind::Deal).min().copied()
    }

    /// Whoever has this number by now: a client before a lead, no junk.
    fn best_having(&self, phone: PhoneNumber) -> Option<EntityRef> {
        let is_junk = |at: &EntityRef| {
            at.kind == EntityKind::Lead && self.leads.get(&at.id).is_none_or(|lead| lead.status == "junk")
        };
        self.having(phone).into_iter().find(|at| !is_junk(at)).and_then(|at| self.standing(at))
    }
}
