//! What a call makes of a client whom nobody knows: a lead; or a contact, a company or both, and a deal.

use super::apply::By;
use super::edit::client;
use super::index::Index;
use super::share::Share;
use crate::base::{CallId, phone};
use crate::crm::model::{Effect, EntityKind, EntityRef, NewRecord};
use crate::store::rows::{ClientRow, DealRow, LeadRow, Rows};

impl Index {
    /// The call's lead, contact or company: made, unless the call has it, another call has just made it, or the number
    /// has become somebody's.
    pub(super) fn create(&mut self, kind: EntityKind, new: &NewRecord, by: &By, rows: &mut Rows) -> Effect {
        if let Some(own) = self.own(by.call, kind) {
            return self.has(by.call, own);
        }
        if let Some(client) = by.found {
            return belongs_to(client);
        }
        if by.up {
            self.up.insert(by.call);
        }
        match self.share(by.call, kind, new.phone) {
            Share::Taken(client) => belongs_to(client),
            Share::With(record) => {
                self.join(by, record, rows);
                if record.kind != kind {
                    self.join_what_goes_with(by, record, rows);
                }
                self.has(by.call, record)
            }
            Share::Nobody => {
                let record = match kind {
                    EntityKind::Contact | EntityKind::Company => self.make_client(kind, new, by, rows),
                    EntityKind::Lead | EntityKind::Deal => self.make_lead(new, by, rows),
                };
                self.give_number(new.phone, record, rows);
                self.join(by, record, rows);
                self.has(by.call, record)
            }
        }
    }

    /// The deal of the client that the call has made or shares; one a client, however many calls come at once.
    pub(super) fn open_deal(&mut self, new: &NewRecord, pipeline: &str, by: &By, rows: &mut Rows) -> Effect {
        let own = |kind| self.records(by.call).iter().find(|at| at.kind == kind).copied();
        if let Some(deal) = own(EntityKind::Deal) {
            return self.has(by.call, deal);
        }
        if let Some(client) = by.found {
            return belongs_to(client);
        }
        let (contact, company) = (own(EntityKind::Contact), own(EntityKind::Company));
        let Some(client) = contact.or(company) else {
            // Before a reload the mode was another, and a call of then has made the lead.
            let why = own(EntityKind::Lead).map(|lead| format!("the call shares {lead}, which has no deal"));
            return Effect::Void(why.unwrap_or_else(|| "the call has made no client".to_owned()));
        };
        let deal = match self.deal_of.get(&client) {
            Some(id) => EntityRef { kind: EntityKind::Deal, id: *id },
            None => self.add_deal(
                DealRow {
                    id: 0, // given by `add_deal`
                    responsible: Some(new.owner.clone()),
                    set_by_calls: Some(new.owner.clone()),
                    pipeline: pipeline.to_owned(),
                    stage: "new".to_owned(),
                    contact: contact.map(|at| at.id),
                    company: company.map(|at| at.id),
                    lead: None,
                    call: Some(by.call),
                    source: new.source.clone(),
                    created: by.now,
                },
                rows,
            ),
        };
        self.join(by, deal, rows);
        self.has(by.call, deal)
    }

    fn make_lead(&mut self, new: &NewRecord, by: &By, rows: &mut Rows) -> EntityRef {
        let row = LeadRow {
            id: 0, // given by `add_lead`
            name: new.name.clone(),
            responsible: Some(new.owner.clone()),
            set_by_calls: Some(new.owner.clone()),
            source: new.source.clone(),
            status: "new".to_owned(),
            line: Some(new.line),
            call: Some(by.call),
            converted: Vec::new(),
            created: by.now,
            last_activity: None,
        };
        EntityRef { kind: EntityKind::Lead, id: self.add_lead(row, rows) }
    }

    /// Nobody has said a name: the number is one, as a person reads it.
    fn make_client(&mut self, kind: EntityKind, new: &NewRecord, by: &By, rows: &mut Rows) -> EntityRef {
        let name = new.name.clone().unwrap_or_else(|| phone::spaced(new.phone));
        let company = self.records(by.call).iter().find(|at| at.kind == EntityKind::Company);
        let company = company.filter(|_| kind == EntityKind::Contact).map(|at| at.id);
        let row = ClientRow {
            set_by_calls: Some(new.owner.clone()),
            company,
            call: Some(by.call),
            source: new.source.clone(),
            line: Some(new.line),
            ..client(name, Some(new.owner.clone()), by.now)
        };
        self.add_client(kind, row, rows)
    }

    fn has(&self, call: CallId, record: EntityRef) -> Effect {
        Effect::Created { record, made: self.made_by(record) == Some(call) }
    }
}

fn belongs_to(client: EntityRef) -> Effect {
    Effect::Void(format!("the number belongs to {client}"))
}
