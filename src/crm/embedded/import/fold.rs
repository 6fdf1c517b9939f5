//! Published contacts worked into the index and the tables, a few at a time, or at once where somebody asks for them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use smallvec::SmallVec;

use super::{Entry, Progress};
use crate::base::{PhoneNumber, Wall};
use crate::crm::embedded::edit::client;
use crate::crm::embedded::index::Index;
use crate::crm::embedded::{Inner, numbers};
use crate::crm::model::{EntityKind, EntityRef};
use crate::store::StoreError;
use crate::store::rows::{ClientRow, Rows};

/// Contacts worked in while nobody else has the index: calls' lookups wait for a millisecond or two.
const AT_ONCE: usize = 25;

/// Contacts of an import that are not worked in yet.
#[derive(Debug, Default)]
pub(in crate::crm::embedded) struct Pending {
    /// In the file's order; `None` once worked in.
    entries: Vec<Option<Entry>>,
    /// Where each number stands among them.
    by_phone: BTreeMap<PhoneNumber, SmallVec<[u32; 1]>>,
    /// How many entries each slice has, in their order.
    slices: Vec<usize>,
    /// Companies by name, as they were when the import was published and as it makes them.
    companies: HashMap<String, i64>,
    added: usize,
    updated: usize,
}

impl Pending {
    /// Adds a slice.
    pub(super) fn push(&mut self, slice: Vec<Entry>) {
        self.slices.push(slice.len());
        for entry in slice {
            let at = u32::try_from(self.entries.len()).expect("an import has at most MOST_CONTACTS");
            self.by_phone.entry(entry.phone).or_default().push(at);
            self.entries.push(Some(entry));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn slices(&self) -> usize {
        self.slices.len()
    }

    fn progress(&self) -> Progress {
        let (added, updated) = (self.added, self.updated);
        Progress { staged: self.len(), taken_in: added + updated, added, updated, done: false }
    }

    /// Where a number stands, by any of its forms.
    fn having(&self, phone: PhoneNumber) -> SmallVec<[u32; 1]> {
        let mut at: SmallVec<[u32; 1]> =
            numbers::keys(phone).iter().filter_map(|form| self.by_phone.get(form)).flatten().copied().collect();
        at.sort_unstable(); // one of the file's two rows of one person is a later word than the other
        at
    }
}

impl Index {
    /// Makes these contacts count from now on.
    pub(super) fn publish(&mut self, mut pending: Pending) {
        pending.companies = self.companies.values().map(|row| (row.name.clone(), row.id)).collect();
        self.pending = Some(Box::new(pending));
    }

    /// Whether a contact with this number waits to be worked in.
    pub(in crate::crm::embedded) fn waits(&self, phone: PhoneNumber) -> bool {
        let at = |pending: &Pending| pending.having(phone).iter().any(|at| pending.entries[*at as usize].is_some());
        self.pending.as_deref().is_some_and(at)
    }

    /// Works in what an import has of this number.
    pub(in crate::crm::embedded) fn settle(&mut self, phone: PhoneNumber, now: Wall, rows: &mut Rows) {
        if self.waits(phone)
            && let Some(mut pending) = self.pending.take()
        {
            for at in pending.having(phone) {
                self.take_in_one(&mut pending, at as usize, now, rows);
            }
            self.pending = Some(pending);
        }
    }

    /// Works in these entries.
    fn take_in(&mut self, range: std::ops::Range<usize>, now: Wall, rows: &mut Rows) -> Progress {
        let Some(mut pending) = self.pending.take() else { return Progress { done: true, ..Progress::default() } };
        for at in range {
            self.take_in_one(&mut pending, at, now, rows);
        }
        let progress = pending.progress();
        self.pending = Some(pending);
        progress
    }

    /// One of the same name and number is brought up to date, so that a file can be imported again.
    fn take_in_one(&mut self, pending: &mut Pending, at: usize, now: Wall, rows: &mut Rows) {
        let Some(entry) = pending.entries.get_mut(at).and_then(Option::take) else { return };
        let new = self.take_in_entry(entry, &mut pending.companies, now, rows);
        *(if new { &mut pending.added } else { &mut pending.updated }) += 1;
    }

    /// True where the contact is new.
    pub(in crate::crm::embedded) fn take_in_entry(
        &mut self,
        entry: Entry,
        companies: &mut HashMap<String, i64>,
        now: Wall,
        rows: &mut Rows,
    ) -> bool {
        let company = entry.company.map(|name| {
            *companies.entry(name).or_insert_with_key(|name| {
                let row = client(name.clone(), Some(entry.responsible.clone()), now);
                self.add_client(EntityKind::Company, row, rows).id
            })
        });
        let same = |at: &EntityRef| {
            at.kind == EntityKind::Contact && self.contacts.get(&at.id).is_some_and(|row| row.name == entry.name)
        };
        let Some(at) = self.having(entry.phone).into_iter().find(same) else {
            let row = ClientRow { email: entry.email, company, ..client(entry.name, Some(entry.responsible), now) };
            let at = self.add_client(EntityKind::Contact, row, rows);
            self.give_number(entry.phone, at, rows);
            return true;
        };
        let as_it_is = |row: &ClientRow| {
            row.responsible.as_ref() == Some(&entry.responsible)
                && (entry.email.is_none() || row.email == entry.email)
                && (company.is_none() || row.company == company)
        };
        if self.client(at).is_some_and(as_it_is) {
            return false; // a file that is imported again writes what has changed
        }
        self.change_client(at, rows, |row| {
            if row.responsible.as_ref() != Some(&entry.responsible) {
                row.set_by_calls = None;
            }
            row.responsible = Some(entry.responsible);
            row.email = entry.email.or(row.email.take());
            row.company = company.or(row.company);
        });
        false
    }
}

/// Works in all that is published, slice by slice, each with its note taken away in one commit; tells how far it is.
pub(super) async fn fold(inner: &Arc<Inner>, tell: impl Fn(Progress)) -> Result<(), StoreError> {
    let slices = inner.index.read().pending.as_ref().map(|pending| pending.slices.clone()).unwrap_or_default();
    let mut from = 0;
    for (n, len) in slices.into_iter().enumerate() {
        for at in (from..from + len).step_by(AT_ONCE) {
            let range = at..(at + AT_ONCE).min(from + len);
            tell(inner.store.append(|rows| inner.index.write().take_in(range, inner.store.now(), rows)));
            tokio::task::yield_now().await;
        }
        from += len;
        // Whatever of the slice somebody asked for before is committed by now, or goes with this.
        inner.store.commit(|rows| rows.crm.notes.insert(super::resume::slice(n), None)).await?;
    }
    let last = inner.store.commit(|rows| {
        rows.crm.notes.insert(super::resume::PUBLISHED.to_owned(), None);
        inner.index.write().pending.take()
    });
    // What is left of it is freed where nobody waits.
    let last = last.await?.map(|pending| pending.progress());
    tell(Progress { done: true, ..last.unwrap_or_default() });
    Ok(())
}
