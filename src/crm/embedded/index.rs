//! The CRM in memory: what lookups read, and what decisions are made against.
//!
//! It runs ahead of the store by what waits to be committed. Nothing is ever undone here: a commit that fails is
//! repeated until it succeeds.

use std::collections::{BTreeMap, HashMap, HashSet};

use smallvec::SmallVec;

use super::exceptions::{ExceptionValue, Exceptions};
use super::import::Pending;
use super::numbers;
use crate::base::{CallId, EmployeeId, PhoneNumber, Wall};
use crate::crm::model::{EntityKind, EntityRef};
use crate::store::rows::{ClientRow, DealRow, LeadRow, Rows};
use crate::store::{CrmTables, LastIds};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Index {
    // Trees: a hash table of a million rows that grows would move them all at once, and calls would wait.
    by_phone: BTreeMap<PhoneNumber, SmallVec<[EntityRef; 1]>>,
    pub(super) contacts: BTreeMap<i64, ClientRow>,
    pub(super) companies: BTreeMap<i64, ClientRow>,
    pub(super) leads: BTreeMap<i64, LeadRow>,
    pub(super) deals: BTreeMap<i64, DealRow>,
    pub(super) exceptions: Exceptions,
    /// Calls that wrote something and go on. None is up after a restart.
    pub(super) up: HashSet<CallId>,
    /// What a call made or shares, in its order, until the call is settled.
    pub(super) records_of: HashMap<CallId, Vec<EntityRef>>,
    /// The deal that calls opened for a client: there is one at most.
    pub(super) deal_of: HashMap<EntityRef, i64>,
    pub(super) last: LastIds,
    /// Contacts of an import that count and are not worked in yet.
    pub(super) pending: Option<Box<Pending>>,
}

impl Index {
    pub(super) fn new(tables: CrmTables, last: LastIds) -> Self {
        let mut by_phone: BTreeMap<PhoneNumber, SmallVec<[EntityRef; 1]>> = BTreeMap::new();
        for (phone, of) in tables.phones {
            by_phone.entry(phone).or_default().push(of);
        }
        let mut exceptions = Exceptions::default();
        for row in tables.exceptions {
            // What stands in the store was read once already; E.164 needs no country.
            if let Some(value) = ExceptionValue::read(&row.value, "") {
                exceptions.insert(value, row.comment.as_deref());
            }
        }
        let deal_of = tables.deals.iter().filter(|deal| deal.call.is_some());
        let deal_of = deal_of.flat_map(|deal| clients_of(deal).map(|client| (client, deal.id))).collect();
        Self {
            by_phone,
            deal_of,
            contacts: by_id(tables.contacts, |row| row.id),
            companies: by_id(tables.companies, |row| row.id),
            leads: by_id(tables.leads, |row| row.id),
            deals: by_id(tables.deals, |row| row.id),
            exceptions,
            last,
            ..Self::default()
        }
    }

    /// Everything that has this number, in any of its forms; each once, by kind and number.
    pub(super) fn having(&self, phone: PhoneNumber) -> Vec<EntityRef> {
        let forms = numbers::keys(phone);
        let mut found: Vec<_> = forms.iter().filter_map(|form| self.by_phone.get(form)).flatten().copied().collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// All numbers of a record: rare, so no second map is kept.
    pub(super) fn numbers_of(&self, of: EntityRef) -> Vec<PhoneNumber> {
        let mut numbers: Vec<_> =
            self.by_phone.iter().filter(|(_, owners)| owners.contains(&of)).map(|(phone, _)| *phone).collect();
        numbers.sort_unstable();
        numbers
    }

    /// A contact or a company.
    pub(super) fn client(&self, at: EntityRef) -> Option<&ClientRow> {
        match at.kind {
            EntityKind::Contact => self.contacts.get(&at.id),
            EntityKind::Company => self.companies.get(&at.id),
            EntityKind::Lead | EntityKind::Deal => None,
        }
    }

    /// Whether the call that made a record goes on.
    pub(super) fn is_fresh(&self, made_by: Option<CallId>) -> bool {
        made_by.is_some_and(|call| self.up.contains(&call))
    }

    /// What a call made or shares.
    pub(super) fn records(&self, call: CallId) -> &[EntityRef] {
        self.records_of.get(&call).map_or(&[], Vec::as_slice)
    }

    /// The call that made a record; `None` where a person did.
    pub(super) fn made_by(&self, at: EntityRef) -> Option<CallId> {
        match at.kind {
            EntityKind::Contact | EntityKind::Company => self.client(at)?.call,
            EntityKind::Lead => self.leads.get(&at.id)?.call,
            EntityKind::Deal => self.deals.get(&at.id)?.call,
        }
    }

    /// What stands for a record now: a converted lead's client, else itself. `None` where it is gone.
    pub(super) fn standing(&self, at: EntityRef) -> Option<EntityRef> {
        match at.kind {
            EntityKind::Lead => {
                let lead = self.leads.get(&at.id)?;
                let client = |r: &&EntityRef| matches!(r.kind, EntityKind::Contact | EntityKind::Company);
                Some(lead.converted.iter().find(client).copied().unwrap_or(at))
            }
            EntityKind::Contact | EntityKind::Company => self.client(at).map(|_| at),
            EntityKind::Deal => self.deals.contains_key(&at.id).then_some(at),
        }
    }

    /// Gives a record a number, here and in the store.
    pub(super) fn give_number(&mut self, phone: PhoneNumber, to: EntityRef, rows: &mut Rows) {
        let owners = self.by_phone.entry(phone).or_default();
        if !owners.contains(&to) {
            owners.push(to);
        }
        rows.phone(phone, to);
    }

    /// Notes that an activity ended, which decides among several records.
    pub(super) fn touch(&mut self, at: EntityRef, ended: Wall, rows: &mut Rows) {
        let later = |last: &mut Option<Wall>| *last = (*last).max(Some(ended));
        match at.kind {
            EntityKind::Contact | EntityKind::Company => {
                self.change_client(at, rows, |row| later(&mut row.last_activity));
            }
            EntityKind::Lead => self.change_lead(at.id, rows, |row| later(&mut row.last_activity)),
            EntityKind::Deal => {}
        }
    }

    /// Who owns a record: its owner, and the one whom calls set.
    pub(super) fn owners(&self, at: EntityRef) -> Option<(Option<&EmployeeId>, Option<&EmployeeId>)> {
        match at.kind {
            EntityKind::Contact | EntityKind::Company => {
                self.client(at).map(|row| (row.responsible.as_ref(), row.set_by_calls.as_ref()))
            }
            EntityKind::Lead => self.leads.get(&at.id).map(|row| (row.responsible.as_ref(), row.set_by_calls.as_ref())),
            EntityKind::Deal => self.deals.get(&at.id).map(|row| (row.responsible.as_ref(), row.set_by_calls.as_ref())),
        }
    }

    /// Gives a record an owner; `by_calls` where a call does, so that calls may move it on.
    pub(super) fn give_owner(&mut self, at: EntityRef, to: &EmployeeId, by_calls: bool, rows: &mut Rows) {
        let set = |responsible: &mut Option<EmployeeId>, set_by_calls: &mut Option<EmployeeId>| {
            *responsible = Some(to.clone());
            *set_by_calls = by_calls.then(|| to.clone());
        };
        match at.kind {
            EntityKind::Contact | EntityKind::Company => {
                self.change_client(at, rows, |row| set(&mut row.responsible, &mut row.set_by_calls));
            }
            EntityKind::Lead => self.change_lead(at.id, rows, |row| set(&mut row.responsible, &mut row.set_by_calls)),
            EntityKind::Deal => {
                if let Some(row) = self.deals.get_mut(&at.id) {
                    set(&mut row.responsible, &mut row.set_by_calls);
                    rows.crm.deals.insert(row.id, row.clone());
                }
            }
        }
    }

    /// Changes a client, here and in the store.
    pub(super) fn change_client(&mut self, at: EntityRef, rows: &mut Rows, change: impl FnOnce(&mut ClientRow)) {
        let (table, out) = match at.kind {
            EntityKind::Contact => (&mut self.contacts, &mut rows.crm.contacts),
            EntityKind::Company => (&mut self.companies, &mut rows.crm.companies),
            EntityKind::Lead | EntityKind::Deal => return,
        };
        if let Some(row) = table.get_mut(&at.id) {
            change(row);
            out.insert(row.id, row.clone());
        }
    }

    /// Changes a lead, here and in the store.
    pub(super) fn change_lead(&mut self, id: i64, rows: &mut Rows, change: impl FnOnce(&mut LeadRow)) {
        if let Some(row) = self.leads.get_mut(&id) {
            change(row);
            rows.crm.leads.insert(id, row.clone());
        }
    }

    /// Adds a client under the next number of its table.
    pub(super) fn add_client(&mut self, kind: EntityKind, mut row: ClientRow, rows: &mut Rows) -> EntityRef {
        let (last, table, out) = match kind {
            EntityKind::Company => (&mut self.last.company, &mut self.companies, &mut rows.crm.companies),
            _ => (&mut self.last.contact, &mut self.contacts, &mut rows.crm.contacts),
        };
        *last += 1;
        row.id = *last;
        out.insert(row.id, row.clone());
        table.insert(row.id, row);
        EntityRef { kind: if kind == EntityKind::Company { kind } else { EntityKind::Contact }, id: *last }
    }

    /// Adds a lead under the next number.
    pub(super) fn add_lead(&mut self, mut row: LeadRow, rows: &mut Rows) -> i64 {
        self.last.lead += 1;
        row.id = self.last.lead;
        rows.crm.leads.insert(row.id, row.clone());
        self.leads.insert(row.id, row);
        self.last.lead
    }

    /// Adds a deal under the next number.
    pub(super) fn add_deal(&mut self, mut row: DealRow, rows: &mut Rows) -> EntityRef {
        self.last.deal += 1;
        row.id = self.last.deal;
        if row.call.is_some() {
            self.deal_of.extend(clients_of(&row).map(|client| (client, row.id)));
        }
        rows.crm.deals.insert(row.id, row.clone());
        self.deals.insert(row.id, row);
        EntityRef { kind: EntityKind::Deal, id: self.last.deal }
    }
}

/// Whose deal it is.
fn clients_of(deal: &DealRow) -> impl Iterator<Item = EntityRef> + use<> {
    let contact = deal.contact.map(|id| EntityRef { kind: EntityKind::Contact, id });
    let company = deal.company.map(|id| EntityRef { kind: EntityKind::Company, id });
    contact.into_iter().chain(company)
}

fn by_id<T>(rows: Vec<T>, id: impl Fn(&T) -> i64) -> BTreeMap<i64, T> {
    rows.into_iter().map(|row| (id(&row), row)).collect()
}
