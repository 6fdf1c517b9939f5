//! What a call's write does to the CRM, decided against the index and added to the write's own transaction.

use super::Rules;
use super::index::Index;
use crate::base::{CallId, Wall};
use crate::crm::model::{Effect, EntityKind, EntityRef, Lookup, OwedWrite, Write};
use crate::store::rows::Rows;

/// What the number was found to be before the write took effect.
enum Finding {
    /// Nobody; or nobody asked, because the call's own lookup had an answer.
    Nobody,
    /// A client, or somebody's lead.
    Client(EntityRef),
    /// On the exception list.
    Excluded,
}

/// The call that writes, as far as what it makes depends on it.
pub(super) struct By {
    pub(super) call: CallId,
    /// It goes on.
    pub(super) up: bool,
    pub(super) now: Wall,
    /// Whose the number proved to be, by a lookup that the call's own could not give.
    pub(super) found: Option<EntityRef>,
}

impl Index {
    /// Puts one write into effect. `up`: its call goes on.
    pub(super) fn apply(&mut self, owed: &OwedWrite, up: bool, now: Wall, rules: &Rules, rows: &mut Rows) -> Effect {
        self.settle_client(owed, now, rows);
        let found = match self.find_first(owed, rules) {
            Finding::Excluded => return Effect::Void("the number is on the exception list".to_owned()),
            Finding::Client(client) => Some(client),
            Finding::Nobody => None,
        };
        let by = By { call: owed.call, up, now, found };
        match &owed.write {
            Write::LeadCreate(new) => self.create(EntityKind::Lead, new, &by, rows),
            Write::ContactCreate(new) => self.create(EntityKind::Contact, new, &by, rows),
            Write::CompanyCreate(new) => self.create(EntityKind::Company, new, &by, rows),
            Write::DealCreate { new, pipeline } => self.open_deal(new, pipeline, &by, rows),
            Write::LeadReassign { to, .. } => self.reassign(owed.call, to, rows),
            Write::ClientAttach { phone, to } => match found {
                Some(client) => Effect::Void(format!("the number belongs to {client}")),
                None => self.attach(*phone, *to, rows),
            },
            Write::ActivityCreate(record) => self.add_activity(record, found, rows),
        }
    }

    /// An import's word on the customer counts before the call's.
    fn settle_client(&mut self, owed: &OwedWrite, now: Wall, rows: &mut Rows) {
        if self.pending.is_some() {
            let of_record = match &owed.write {
                Write::ActivityCreate(record) => record.customer(),
                Write::LeadCreate(new) | Write::ContactCreate(new) | Write::CompanyCreate(new) => Some(new.phone),
                _ => None,
            };
            for phone in [owed.after_lookup, owed.client, of_record].into_iter().flatten() {
                self.settle(phone, now, rows);
            }
        }
    }

    /// The lookup that the call's own could not give: not again once the call has made something, or shares it.
    fn find_first(&self, owed: &OwedWrite, rules: &Rules) -> Finding {
        let Some(phone) = owed.after_lookup else { return Finding::Nobody };
        if !self.records(owed.call).is_empty() {
            return Finding::Nobody;
        }
        match self.look_up(phone, "", rules) {
            Lookup::Known(known) => Finding::Client(known.entity),
            Lookup::Excluded(_) => Finding::Excluded,
            Lookup::Unknown { .. } | Lookup::Undetermined(_) => Finding::Nobody,
        }
    }
}
