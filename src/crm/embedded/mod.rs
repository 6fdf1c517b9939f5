//! Our own CRM, in the store: contacts, companies, leads, deals, activities, and the exception list.
//!
//! Lookups are answered from an index in memory. What calls write and what operators edit is decided against that
//! index, one at a time, and committed with the write that asked for it.

mod activities;
mod apply;
mod attach;
mod convert;
mod create;
mod edit;
mod exceptions;
mod find;
mod import;
mod index;
mod lookup;
mod numbers;
mod owners;
#[cfg(test)]
mod paper;
mod share;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use parking_lot::RwLock;
use tokio::sync::{Notify, watch};

pub use self::edit::{Done, Edit, EditError};
pub use self::exceptions::ExceptionValue;
use self::exceptions::Exceptions;
pub use self::find::{Found, find, find_beside, look_up_beside};
pub use self::import::{Entry, ImportError, LARGEST_SLICE, Progress, Rejected, Sheet, is_under_way};
use self::index::Index;
#[cfg(test)]
pub(crate) use self::paper::Paper;
use super::model::{Effect, EntityKind, EntityRef, Lookup, OwedWrite};
use super::{Crm, CrmError, WhoCalls};
use crate::base::{CallId, PhoneNumber};
use crate::store::rows::Rows;
use crate::store::{Store, StoreError};

/// What the operator's file says to the embedded CRM.
#[derive(Clone, Debug)]
pub struct Rules {
    prefer: Vec<EntityKind>,
    exceptions: Exceptions,
    written: Vec<(String, Option<String>)>,
    country: String,
}

impl Rules {
    /// `crm.prefer`, `crm.exceptions` (value, and what stands behind its `;`) and `crm.country`.
    pub fn new(prefer: &[EntityKind], exceptions: &[(String, Option<String>)], country: &str) -> Self {
        let mut list = Exceptions::default();
        for (value, comment) in exceptions {
            match ExceptionValue::read(value, country) {
                Some(value) => list.insert(value, comment.as_deref()),
                None => tracing::warn!("crm.exceptions has an entry that is neither a number nor an address; left out"),
            }
        }
        Self { prefer: prefer.to_vec(), exceptions: list, written: exceptions.to_vec(), country: country.to_owned() }
    }

    /// The file's own exceptions, as they are written there.
    pub fn written(&self) -> &[(String, Option<String>)] {
        &self.written
    }

    /// Lower comes first; kinds that are not listed come last.
    fn rank(&self, kind: EntityKind) -> usize {
        self.prefer.iter().position(|k| *k == kind).unwrap_or(self.prefer.len() + kind as usize)
    }
}

/// The embedded CRM. Clones share it.
#[derive(Clone)]
pub struct Embedded {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    index: RwLock<Index>,
    rules: ArcSwap<Rules>,
    cut: AtomicBool,
    back: Notify,
    staging: import::Staging,
    /// A published import is being worked in.
    folding: watch::Sender<bool>,
}

impl Embedded {
    /// Reads the store into the index.
    pub async fn open(store: &Store, rules: Rules) -> Result<Self, StoreError> {
        let reader = store.reader();
        let mut index = Index::new(reader.crm().await?, reader.last_ids().await?);
        index.records_of = reader.records_of_owing_calls().await?;
        let inner = Inner {
            store: store.clone(),
            index: RwLock::new(index),
            rules: ArcSwap::from_pointee(rules),
            cut: AtomicBool::new(false),
            back: Notify::new(),
            staging: import::Staging::default(),
            folding: watch::Sender::new(false),
        };
        let inner = Arc::new(inner);
        import::resume(&inner).await?;
        Ok(Self { inner })
    }

    /// Takes the file's rules after a reload.
    pub fn set_rules(&self, rules: Rules) {
        self.inner.rules.store(Arc::new(rules));
    }

    /// The rules in force.
    pub fn rules(&self) -> Arc<Rules> {
        self.inner.rules.load_full()
    }

    /// Fault injection: while cut off it answers nothing and takes nothing, as a CRM whose line is down.
    pub fn cut_off(&self, cut: bool) {
        self.inner.cut.store(cut, Ordering::Release);
        if !cut {
            self.inner.back.notify_one();
        }
    }

    /// Works in what an import has of this number, where that has not had its turn yet.
    fn settle(&self, phone: PhoneNumber) {
        let inner = &self.inner;
        // Almost always there is nothing: others may read meanwhile.
        if inner.index.read().waits(phone) {
            inner.store.append(|rows| inner.index.write().settle(phone, inner.store.now(), rows));
        }
    }

    fn reach(&self) -> Result<(), CrmError> {
        if self.inner.cut.load(Ordering::Acquire) { Err(CrmError::Unavailable) } else { Ok(()) }
    }
}

impl Crm for Embedded {
    async fn who_calls(&self, asked: &WhoCalls) -> Result<Lookup, CrmError> {
        self.reach()?;
        self.settle(asked.phone);
        let rules = self.inner.rules.load();
        Ok(self.inner.index.read().look_up(asked.phone, &asked.address, &rules))
    }

    async fn deliver(&self, owed: &OwedWrite) -> Result<Effect, CrmError> {
        let decided = self.inner.store.commit(|rows| self.at_once(owed, false, rows)).await?;
        decided.unwrap_or(Err(CrmError::Unavailable))
    }

    fn at_once(&self, owed: &OwedWrite, up: bool, rows: &mut Rows) -> Option<Result<Effect, CrmError>> {
        if let Err(error) = self.reach() {
            return Some(Err(error));
        }
        let rules = self.inner.rules.load();
        let now = self.inner.store.now();
        let mut index = self.inner.index.write();
        let effect = index.apply(owed, up, now, &rules, rows);
        if !up {
            index.move_activity(owed, &effect, now, rows);
        }
        Some(Ok(effect))
    }

    fn created(&self, call: CallId) -> Vec<EntityRef> {
        self.inner.index.read().records(call).to_vec()
    }

    fn call_ended(&self, call: CallId) {
        self.inner.index.write().up.remove(&call);
    }

    fn call_settled(&self, call: CallId) {
        let mut index = self.inner.index.write();
        index.up.remove(&call);
        index.records_of.remove(&call);
    }

    async fn back(&self) {
        self.inner.back.notified().await;
    }
}

#[cfg(test)]
mod tests;
