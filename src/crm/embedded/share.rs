//! One client a number, however many calls come from it at once: what one call has made, the others share.

use super::apply::By;
use super::index::Index;
use crate::base::{CallId, PhoneNumber};
use crate::crm::model::{EntityKind, EntityRef};
use crate::store::rows::Rows;

/// Whether a new record for a number would be a second one.
pub(super) enum Share {
    /// This one is it.
    With(EntityRef),
    /// The number has become somebody's.
    Taken(EntityRef),
    /// A new one it is.
    Nobody,
}

impl Index {
    /// Whether a new record of this kind for this number would be a second one.
    ///
    /// The call's lookup said unknown, so what a call made came about at the same time: it is shared, also where that
    /// call ended in between. A lead too where a client is wanted, and the other way round: then the mode has changed
    /// between the two calls, and what was first stays the only one.
    pub(super) fn share(&self, call: CallId, kind: EntityKind, phone: PhoneNumber) -> Share {
        let mut by_calls = Vec::new();
        for at in self.having(phone) {
            match self.leads.get(&at.id).filter(|_| at.kind == EntityKind::Lead).map(|lead| lead.status.as_str()) {
                Some("junk") => {}
                Some("converted") => return Share::Taken(self.standing(at).unwrap_or(at)),
                _ if self.made_by(at).is_some() => by_calls.push(at),
                _ => return Share::Taken(at),
            }
        }
        let own = self.records(call);
        let same = by_calls.iter().rfind(|at| at.kind == kind);
        // A company of its own is no reason not to make the contact that belongs to it.
        let other = || by_calls.iter().find(|at| !own.contains(at));
        same.or_else(other).map_or(Share::Nobody, |at| Share::With(*at))
    }

    /// What the call has already in the place of such a record: one of its kind; or, where it shares what was made in
    /// another mode, that.
    pub(super) fn own(&self, call: CallId, kind: EntityKind) -> Option<EntityRef> {
        let own = self.records(call);
        let is_lead = |kind| kind == EntityKind::Lead;
        let in_its_place = |at: &&EntityRef| at.kind != EntityKind::Deal && is_lead(at.kind) != is_lead(kind);
        own.iter().find(|at| at.kind == kind).or_else(|| own.iter().find(in_its_place)).copied()
    }

    /// Notes that the call has this record; in its own record too, where that is written already.
    pub(super) fn join(&mut self, by: &By, record: EntityRef, rows: &mut Rows) {
        let own = self.records_of.entry(by.call).or_default();
        if !own.contains(&record) {
            own.push(record);
        }
        rows.crm.call_records.insert((by.call, record));
        if !by.up {
            rows.created.insert(by.call, own.clone());
        }
    }

    /// A call that wanted another kind of record shares all that there is: a contact's company, and their deal.
    pub(super) fn join_what_goes_with(&mut self, by: &By, record: EntityRef, rows: &mut Rows) {
        let company = self.client(record).and_then(|row| row.company);
        let company = company.map(|id| EntityRef { kind: EntityKind::Company, id });
        let deal = self.deal_of.get(&record).map(|id| EntityRef { kind: EntityKind::Deal, id: *id });
        for more in company.into_iter().chain(deal) {
            self.join(by, more, rows);
        }
    }
}
