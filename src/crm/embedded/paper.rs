//! The embedded CRM without its store: the same decisions over the same index, for whole calls in the sim.

use super::index::Index;
use super::{Done, Edit, EditError, Rules};
use crate::base::{CallId, EmployeeId, Wall};
use crate::crm::WhoCalls;
use crate::crm::model::{Effect, EntityKind, EntityRef, Lookup, OwedWrite};
use crate::store::rows::{ClientRow, DealRow, Rows};

/// See the module. What would be committed is thrown away.
#[derive(Debug)]
pub(crate) struct Paper {
    index: Index,
    rules: Rules,
}

impl Paper {
    pub(crate) fn new(rules: Rules) -> Self {
        Self { index: Index::default(), rules }
    }

    pub(crate) fn who_calls(&self, asked: &WhoCalls) -> Lookup {
        self.index.look_up(asked.phone, &asked.address, &self.rules)
    }

    pub(crate) fn apply(&mut self, owed: &OwedWrite, up: bool, now: Wall) -> Effect {
        self.index.apply(owed, up, now, &self.rules, &mut Rows::default())
    }

    #[track_caller]
    pub(crate) fn edit(&mut self, edit: Edit, now: Wall) -> Done {
        let done: Result<Done, EditError> = self.index.edit(edit, &self.rules.country, now, &mut Rows::default());
        done.expect("an edit that can be made")
    }

    pub(crate) fn created(&self, call: CallId) -> Vec<EntityRef> {
        self.index.records(call).to_vec()
    }

    pub(crate) fn call_ended(&mut self, call: CallId) {
        self.index.up.remove(&call);
    }

    pub(crate) fn call_settled(&mut self, call: CallId) {
        self.index.up.remove(&call);
        self.index.records_of.remove(&call);
    }

    pub(crate) fn owner(&self, of: EntityRef) -> Option<EmployeeId> {
        self.index.owners(of)?.0.cloned()
    }

    /// Contacts or companies, by their numbers.
    pub(crate) fn clients(&self, kind: EntityKind) -> Vec<ClientRow> {
        let table = if kind == EntityKind::Company { &self.index.companies } else { &self.index.contacts };
        sorted(table.values(), |row| row.id)
    }

    /// By their numbers.
    pub(crate) fn deals(&self) -> Vec<DealRow> {
        sorted(self.index.deals.values(), |row| row.id)
    }
}

fn sorted<'a, T: Clone + 'a>(rows: impl Iterator<Item = &'a T>, id: impl Fn(&T) -> i64) -> Vec<T> {
    let mut all: Vec<T> = rows.cloned().collect();
    all.sort_by_key(id);
    all
}
