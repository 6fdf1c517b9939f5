//! Every write to the CRM goes through here: committed with its call's record, then put into effect exactly once,
//! in the order of its client, whether the CRM is up, down, or answers twice.
//!
//! A CRM that lives in the store takes the write in the same transaction, and its row is born `written`. Otherwise,
//! or while that CRM is away, the row is born `owed` and the deliverer tries until the CRM takes it or refuses it
//! for good (`dead`, for an operator to retry or drop).
//!
//! `owed` is the machine: order, tries, what follows from what. `gate` says how many go at once, `deliver` is the
//! task that does it.

mod deliver;
mod gate;
mod owed;
mod waiting;

use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant as Tick;

pub(crate) use self::owed::Owed;
pub(crate) use self::waiting::Waiting;
use super::model::{CallRecord, Effect, OwedWrite, WriteNews, WriteState};
use super::{Crm, CrmError};
use crate::base::{CallId, Ids, Instant, Now, Wall};
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
    /// The origin of the clock that tries are put off by: the date may jump.
    began: Tick,
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
        let now = Now { mono: Instant::default(), wall: store.now() };
        let owed = Mutex::new(Owed::from_store(store.reader().outbox().await?, now, Ids::from_os()));
        store.listen(on_news);
        let inner = Arc::new(Inner { store: store.clone(), crm, owed, wake: Notify::new(), began: Tick::now() });
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
            self.inner.ends(call);
            rows.wait()
        })
    }

    /// Commits what an ended call came to owe after its record, which is written anew; resolves after the commit.
    pub fn amend(&self, record: CallRecord, writes: Vec<OwedWrite>) -> oneshot::Receiver<()> {
        let call = record.id;
        self.inner.store.append(|rows| {
            rows.calls.insert(call, record);
            self.place(writes, false, rows);
            self.inner.ends(call);
            rows.wait()
        })
    }

    /// A call has ended that leaves no record.
    pub fn call_ended(&self, call: CallId) {
        self.inner.crm.call_ended(call);
        self.inner.ends(call);
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
        let now = self.inner.now();
        let retried = self.inner.store.commit_soon(|rows| {
            let mut owed = self.inner.owed.lock();
            let revived = dead.into_iter().filter(|entry| which.means(entry.call, entry.seq));
            for (key, waiting) in revived.filter_map(|entry| Owed::again(entry, now)) {
                if let Some(write) = &waiting.write {
                    rows.outbox.insert(key, Some(waiting.row(write, WriteState::Owed, now)));
                }
                owed.revive(key, waiting);
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
                    owed.forget((entry.call, entry.seq));
                    if owed.settles(entry.call) {
                        self.inner.crm.call_settled(entry.call);
                    }
                    dropped += 1;
                }
                dropped
            })
            .await
    }

    /// Puts each write into effect at once where the CRM is here and nothing about the client waits before it; else
    /// behind what waits.
    fn place(&self, writes: Vec<OwedWrite>, up: bool, rows: &mut Rows) {
        let inner = &self.inner;
        let now = inner.now();
        let mut owed = inner.owed.lock();
        for write in writes {
            if owed.knows((write.call, write.seq)) {
                continue; // told twice
            }
            let effect = if owed.waits(&write) {
                None
            } else if let Some(error) = inner.lost_before(&owed, &write) {
                Some(Err(error))
            } else {
                inner.crm.at_once(&write, up, rows)
            };
            match effect {
                Some(Ok(effect)) => written(&write, effect, 0, now.wall, rows),
                Some(Err(error)) if !error.is_transient() => {
                    owed.died((write.call, write.seq), write.write.kind());
                    let waiting = Waiting { error: Some(error.to_string()), ..Waiting::new(write.clone(), now) };
                    dead(&write, &waiting, now, rows);
                }
                other => {
                    let error = other.and_then(Result::err).map(|error| error.to_string());
                    inner.owe(&mut owed, &write, error, rows);
                }
            }
        }
    }
}

impl<C: Crm> Inner<C> {
    /// The time: a clock that never goes back, and the store's date.
    fn now(&self) -> Now {
        let mono = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        Now { mono: Instant::from_micros(mono), wall: self.store.now() }
    }

    /// Puts a write behind what waits; it is sent once it is committed.
    fn owe(self: &Arc<Self>, owed: &mut Owed, write: &OwedWrite, error: Option<String>, rows: &mut Rows) {
        let now = self.now();
        rows.news.push(news(write, WriteState::Owed, None, error.clone()));
        let waiting = Waiting { error, ..Waiting::new(write.clone(), now) };
        rows.outbox.insert((write.call, write.seq), Some(waiting.row(write, WriteState::Owed, now)));
        let key = owed.push(waiting);
        let inner = Arc::downgrade(self);
        rows.after_commit(move || {
            if let Some(inner) = inner.upgrade() {
                inner.owed.lock().committed(key);
                inner.wake.notify_one();
            }
        });
    }

    fn ends(&self, call: CallId) {
        let mut owed = self.owed.lock();
        owed.end(call);
        if owed.settles(call) {
            self.crm.call_settled(call);
        }
    }

    /// Why a write cannot be put into effect whatever the CRM says: what it is about was given up. It is given up with
    /// it, so that an operator brings both back, in their order; a call's activity is of use without.
    fn lost_before(&self, owed: &Owed, write: &OwedWrite) -> Option<CrmError> {
        let lost = owed.lost_before(write)?;
        let created = self.crm.created(write.call);
        created.is_empty().then(|| CrmError::Refused(format!("the call's {} was given up before it", lost.as_str())))
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

fn dead(write: &OwedWrite, waiting: &Waiting, now: Now, rows: &mut Rows) {
    rows.outbox.insert((write.call, write.seq), Some(waiting.row(write, WriteState::Dead, now)));
    rows.news.push(news(write, WriteState::Dead, None, waiting.error.clone()));
}

fn news(write: &OwedWrite, state: WriteState, effect: Option<Effect>, error: Option<String>) -> WriteNews {
    WriteNews { call: write.call, seq: write.seq, kind: write.write.kind(), state, effect, error }
}

#[cfg(test)]
mod tests;
