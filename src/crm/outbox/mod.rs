//! Every write to the CRM goes through here: committed with its call's record, then put into effect exactly once,
//! in the order of its call, whether the CRM is up, down, or answers twice.
//!
//! A CRM that lives in the store takes the write in the same transaction, and its row is born `written`. Otherwise,
//! or while that CRM is away, the row is born `owed` and the deliverer tries until the CRM takes it or refuses it
//! for good (`dead`, for an operator to retry or drop).

mod deliver;
mod owed;

use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use self::owed::{Owed, Waiting};
use super::model::{CallRecord, Effect, OwedWrite, WriteNews, WriteState};
use super::{Crm, CrmError};
use crate::base::{CallId, Wall};
use crate::store::rows::{OutboxRow, Rows};
use crate::store::{OnNews, OutboxCounts, OutboxEntry, Store, StoreError};

/// The way of writes to this CRM. Clones share it; with the last one the deliverer ends.
pub struct Outbox<C: Crm> {
    inner: Arc<Inner<C>>,
    deliverer: Arc<Deliverer>,
}

/// Which writes an operator means: all, a call's, or one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Which {
    /// Of this call only.
    pub call: Option<CallId>,
    /// Of these only the one at this place.
    pub seq: Option<u16>,
}

struct Inner<C> {
    store: Store,
    crm: C,
    /// Locked inside [`Store::append`] only, or alone: never around it.
    owed: Mutex<Owed>,
    wake: Notify,
}

struct Deliverer(JoinHandle<()>);

impl Drop for Deliverer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<C: Crm> Clone for Outbox<C> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), deliverer: Arc::clone(&self.deliverer) }
    }
}

impl<C: Crm> Outbox<C> {
    /// Takes up what is still owed from an earlier run. `on_news` hears of every write, after its commit.
    pub async fn start(store: &Store, crm: C, on_news: OnNews) -> Result<Self, StoreError> {
        let owed = Owed::from_store(store.reader().outbox().await?);
        store.listen(on_news);
        let inner = Arc::new(Inner { store: store.clone(), crm, owed: Mutex::new(owed), wake: Notify::new() });
        let deliverer = tokio::spawn(deliver::run(Arc::clone(&inner)));
        Ok(Self { inner, deliverer: Arc::new(Deliverer(deliverer)) })
    }

    /// The CRM behind it.
    pub fn crm(&self) -> &C {
        &self.inner.crm
    }

    /// Commits these writes of a call that goes on, to take effect now.
    pub fn tell(&self, writes: Vec<OwedWrite>) {
        self.inner.store.append(|rows| self.place(writes, true, rows));
    }

    /// Commits an ended call's record with what it still owes; resolves after the commit.
    pub fn save(&self, mut record: CallRecord, writes: Vec<OwedWrite>) -> oneshot::Receiver<()> {
        let call = record.id;
        self.inner.store.append(|rows| {
            self.inner.crm.call_ended(call);
            // The news of a lead made a moment ago may not have reached the call before it ended.
            let created = self.inner.crm.created(call).into_iter();
            let unheard: Vec<_> = created.filter(|at| !record.created.contains(at)).collect();
            record.created.extend(unheard);
            rows.calls.insert(call, record);
            self.place(writes, false, rows);
            if self.inner.owed.lock().end(call) {
                self.inner.crm.call_settled(call);
            }
            rows.wait()
        })
    }

    /// Commits what an ended call came to owe after its record, which is written anew; resolves after the commit.
    pub fn amend(&self, record: CallRecord, writes: Vec<OwedWrite>) -> oneshot::Receiver<()> {
        let call = record.id;
        self.inner.store.append(|rows| {
            rows.calls.insert(call, record);
            self.place(writes, false, rows);
            if self.inner.owed.lock().end(call) {
                self.inner.crm.call_settled(call);
            }
            rows.wait()
        })
    }

    /// A call has ended that leaves no record.
    pub fn call_ended(&self, call: CallId) {
        self.inner.crm.call_ended(call);
        if self.inner.owed.lock().end(call) {
            self.inner.crm.call_settled(call);
        }
    }

    /// All that is owed or given up.
    pub async fn list(&self) -> Result<Vec<OutboxEntry>, StoreError> {
        self.inner.store.reader().outbox().await
    }

    /// How much is owed, and since when.
    pub fn counts(&self) -> OutboxCounts {
        self.inner.owed.lock().counts()
    }

    /// Tries these again now, also those given up; returns how many.
    pub async fn retry(&self, which: Which) -> Result<usize, StoreError> {
        let dead: Vec<_> = self.list().await?.into_iter().filter(|e| e.state == WriteState::Dead).collect();
        let now = self.inner.store.now();
        let retried = self.inner.store.commit_soon(|rows| {
            let mut owed = self.inner.owed.lock();
            let revived = dead.into_iter().filter(|entry| which.means(entry.call, entry.seq));
            for waiting in revived.filter_map(|entry| Waiting::revived(entry, now)) {
                rows.outbox.insert(waiting.key(), Some(waiting.row()));
                owed.revive(waiting);
            }
            owed.hurry(now, which)
        });
        let retried = retried.await?;
        self.inner.wake.notify_one();
        Ok(retried)
    }

    /// Gives these up for good; returns how many.
    pub async fn drop_writes(&self, which: Which) -> Result<usize, StoreError> {
        let listed = self.list().await?;
        self.inner
            .store
            .commit_soon(|rows| {
                let mut owed = self.inner.owed.lock();
                let mut dropped = 0;
                for entry in listed.into_iter().filter(|entry| which.means(entry.call, entry.seq)) {
                    rows.outbox.insert((entry.call, entry.seq), None);
                    owed.forget(entry.call, entry.seq, entry.state);
                    dropped += 1;
                }
                dropped
            })
            .await
    }

    /// Puts each write into effect at once where the CRM is here and nothing of the call waits before it; else
    /// behind what waits.
    fn place(&self, writes: Vec<OwedWrite>, up: bool, rows: &mut Rows) {
        let inner = &self.inner;
        let now = inner.store.now();
        let mut owed = inner.owed.lock();
        for write in writes {
            if owed.knows(write.call, write.seq) {
                continue; // told twice
            }
            let effect = if owed.waits(write.call) { None } else { inner.crm.at_once(&write, up, rows) };
            match effect {
                Some(Ok(effect)) => written(&write, effect, 0, now, rows),
                Some(Err(error)) if !error.is_transient() => {
                    owed.died(write.call);
                    dead(Waiting::new(write, now), &error, rows);
                }
                other => {
                    let error = other.and_then(Result::err).map(|error| error.to_string());
                    let waiting = Waiting { error, ..Waiting::new(write, now) };
                    rows.news.push(news(&waiting.write, WriteState::Owed, None, waiting.error.clone()));
                    let (call, seq) = waiting.key();
                    rows.outbox.insert((call, seq), Some(waiting.row()));
                    owed.push(waiting);
                    let inner = Arc::downgrade(inner);
                    rows.after_commit(move || {
                        if let Some(inner) = inner.upgrade() {
                            inner.owed.lock().committed(call, seq);
                            inner.wake.notify_one();
                        }
                    });
                }
            }
        }
    }
}

impl Which {
    fn means(self, call: CallId, seq: u16) -> bool {
        self.call.is_none_or(|wanted| wanted == call) && self.seq.is_none_or(|wanted| wanted == seq)
    }
}

/// The row of a write in effect keeps its key, so that it stays what it is: done.
fn written(write: &OwedWrite, effect: Effect, attempts: u32, now: Wall, rows: &mut Rows) {
    let row = OutboxRow {
        write: write.write.kind(),
        state: WriteState::Written,
        payload: None,
        attempts,
        next_at: now,
        error: None,
        since: write.since,
        written_at: Some(now),
    };
    rows.outbox.insert((write.call, write.seq), Some(row));
    rows.news.push(news(write, WriteState::Written, Some(effect), None));
}

fn dead(waiting: Waiting, error: &CrmError, rows: &mut Rows) {
    let waiting = Waiting { error: Some(error.to_string()), ..waiting };
    rows.outbox.insert(waiting.key(), Some(OutboxRow { state: WriteState::Dead, ..waiting.row() }));
    rows.news.push(news(&waiting.write, WriteState::Dead, None, waiting.error));
}

fn news(write: &OwedWrite, state: WriteState, effect: Option<Effect>, error: Option<String>) -> WriteNews {
    WriteNews { call: write.call, seq: write.seq, kind: write.write.kind(), state, effect, error }
}

#[cfg(test)]
mod tests;
