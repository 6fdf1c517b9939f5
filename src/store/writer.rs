//! The one writer: whatever came while it was busy goes into its next commit.
//!
//! It commits at once when it was idle, and rests for [`GATHER`] after each commit, so that under load the calls of
//! these milliseconds share one commit and one sync of the disk. A commit that fails is repeated with the same rows
//! until it succeeds: nothing is dropped, and what came meanwhile waits behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::{Notify, watch};

use super::lock::Lock;
use super::persist::Commit;
use super::rows::Rows;
use super::{OnNews, StoreError};

/// Between two commits: with the commit itself it stays under the contract's 20 ms.
const GATHER: Duration = Duration::from_millis(18);

/// Between two tries of a commit that fails.
const RETRY: [Duration; 4] =
    [Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(500), Duration::from_secs(1)];

/// What waits for the writer, shared with whoever adds to it.
pub(super) struct Queue {
    pending: Mutex<Rows>,
    wake: Notify,
    /// Call records in the commit under way.
    in_flight: AtomicUsize,
    /// Why the last commit failed, while that lasts.
    trouble: Mutex<Option<String>>,
    on_news: Mutex<Option<OnNews>>,
    closing: watch::Sender<bool>,
    /// The writer is gone: whoever waits for a commit is told so.
    ended: AtomicBool,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            pending: Mutex::default(),
            wake: Notify::new(),
            in_flight: AtomicUsize::new(0),
            trouble: Mutex::default(),
            on_news: Mutex::default(),
            closing: watch::Sender::new(false),
            ended: AtomicBool::new(false),
        }
    }

    /// Runs `decide` with the rows of the next commit, alone: what it reads and what it adds are one step.
    pub(super) fn append<T>(&self, decide: impl FnOnce(&mut Rows) -> T) -> T {
        let decided = decide(&mut self.pending.lock());
        if self.ended.load(Ordering::Acquire) {
            drop(self.take());
        }
        self.wake.notify_one();
        decided
    }

    pub(super) fn listen(&self, on_news: OnNews) {
        *self.on_news.lock() = Some(on_news);
    }

    /// Call records that are not committed yet.
    pub(super) fn waiting(&self) -> usize {
        self.pending.lock().calls.len() + self.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().clone()
    }

    pub(super) fn close(&self) {
        self.closing.send_replace(true);
        self.wake.notify_one();
    }

    #[cfg(test)]
    fn take_pragma(&self) -> Option<&'static str> {
        self.pending.lock().pragma.take()
    }

    fn take(&self) -> Rows {
        let mut pending = self.pending.lock();
        self.in_flight.store(pending.calls.len(), Ordering::Relaxed);
        std::mem::take(&mut *pending)
    }

    fn committed(&self, rows: Rows) {
        self.in_flight.store(0, Ordering::Relaxed);
        if self.trouble.lock().take().is_some() {
            tracing::info!("the store takes rows again");
        }
        for then in rows.after {
            then();
        }
        let on_news = self.on_news.lock().clone();
        if let Some(on_news) = on_news {
            rows.news.into_iter().for_each(|news| on_news(news));
        }
    }

    fn failed(&self, error: &StoreError) {
        let mut trouble = self.trouble.lock();
        if trouble.is_none() {
            tracing::error!(%error, "the store does not commit: records wait in memory; free its disk or mend its folder");
        }
        *trouble = Some(error.to_string());
    }
}

/// The task that commits.
pub(super) struct Writer {
    queue: Arc<Queue>,
    options: SqliteConnectOptions,
    db: SqliteConnection,
    /// Let go of when the last commit is through, or the task is aborted.
    _lock: Lock,
}

impl Writer {
    pub(super) fn new(queue: Arc<Queue>, options: SqliteConnectOptions, db: SqliteConnection, lock: Lock) -> Self {
        Self { queue, options, db, _lock: lock }
    }

    /// Runs until the queue is closed and empty.
    pub(super) async fn run(mut self) {
        let mut closing = self.queue.closing.subscribe();
        loop {
            let rows = self.queue.take();
            if !rows.is_empty() {
                if !self.commit(rows).await {
                    break;
                }
                tokio::select! {
                    () = tokio::time::sleep(GATHER) => {}
                    // A closing store does not rest. The sender lives in the queue, so the wait cannot fail.
                    _ = closing.wait_for(|closing| *closing) => {}
                }
            } else if *closing.borrow() {
                break;
            } else {
                self.queue.wake.notified().await;
            }
        }
        self.queue.ended.store(true, Ordering::Release);
        drop(self.queue.take());
        if let Err(error) = self.db.close().await {
            tracing::warn!(%error, "the store did not close cleanly; its journal will be read at the next start");
        }
    }

    /// Tries until it succeeds; false where the store is closed while it does not.
    async fn commit(&mut self, rows: Rows) -> bool {
        #[cfg(test)]
        if let Some(pragma) = rows.pragma {
            sqlx::raw_sql(pragma).execute(&mut self.db).await.unwrap();
        }
        let commit = Commit::of(&rows);
        for attempt in 0.. {
            let Err(error) = commit.run(&mut self.db).await else { break };
            self.queue.failed(&error);
            if *self.queue.closing.borrow() {
                tracing::error!(records = rows.calls.len(), %error, "the store was closed with records that it does not take");
                return false;
            }
            tokio::time::sleep(RETRY[attempt.min(RETRY.len() - 1)]).await;
            #[cfg(test)]
            if let Some(pragma) = self.queue.take_pragma() {
                sqlx::raw_sql(pragma).execute(&mut self.db).await.unwrap();
                continue;
            }
            self.reconnect_if_broken().await;
        }
        self.queue.committed(rows);
        true
    }

    /// A connection whose file or worker has gone does not come back by itself.
    async fn reconnect_if_broken(&mut self) {
        if self.db.ping().await.is_ok() {
            return;
        }
        match self.options.connect().await {
            Ok(db) => self.db = db,
            Err(error) => tracing::debug!(%error, "the store cannot be opened again yet"),
        }
    }
}
