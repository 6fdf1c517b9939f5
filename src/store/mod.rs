//! The durable side: calls, the embedded CRM's tables, the outbox, who can be rung.
//!
//! A [`Store`] belongs to one process, which holds the lock beside the database; its one writer gathers what calls
//! leave into commits of a few milliseconds each. A [`Reader`] looks at the same file from anywhere, also beside a
//! running server. Nothing here decides: what a row says is the business of `crm`.

mod bindings;
mod calls;
mod crm;
mod error;
mod lock;
mod outbox;
mod persist;
mod presence;
pub mod private;
mod reader;
pub mod rows;
mod schema;
mod words;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use self::calls::{CallFilter, Cursor};
pub use self::crm::{CrmTables, FoundActivity, LastIds};
pub use self::error::StoreError;
use self::lock::Lock;
pub use self::outbox::{OutboxCounts, OutboxEntry};
pub use self::reader::Reader;
use self::rows::Rows;
use self::writer::{Queue, Writer};
use crate::base::Wall;
use crate::crm::model::WriteNews;

/// Where the date comes from.
pub type Clock = Arc<dyn Fn() -> Wall + Send + Sync>;

/// Who is told of writes, in order, each after its commit.
pub type OnNews = Arc<dyn Fn(WriteNews) + Send + Sync>;

/// The store, open for writing. Clones share it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    queue: Arc<Queue>,
    reader: Reader,
    clock: Clock,
    unsaved: usize,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// Why new calls cannot be taken on, or soon cannot.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{waiting} records wait: {cause}")]
pub struct Unhealthy {
    /// Call records in memory only.
    pub waiting: usize,
    /// What the database says.
    pub cause: String,
}

impl Store {
    /// Opens the store of this `store.url`, made if missing, and takes its lock.
    ///
    /// `unsaved` is `limits.unsaved`; `clock` gives the dates that the store writes itself.
    pub async fn open(url: &str, unsaved: usize, clock: Clock) -> Result<Self, StoreError> {
        let path = path_of(url)?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            private::make_folder(folder).map_err(|cause| StoreError::Folder { path: folder.to_owned(), cause })?;
        }
        let lock = Lock::take(&path)?;
        // Made before SQLite does, which would let everybody read it; its -wal and -shm take the mode over.
        private::open_file(&path)
            .map_err(|cause| StoreError::Unwritable { path: path.clone(), cause: cause.into() })?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full) // a commit survives power loss
            .busy_timeout(Duration::from_secs(2))
            .pragma("temp_store", "memory") // a statement's own journal is no file each time
            .optimize_on_close(true, None)
            .disable_statement_logging();
        let db = prepare(&options, clock()).await.map_err(|cause| refine(cause, &path))?;
        let queue = Arc::new(Queue::new());
        let reader = Reader::beside_writer(&path);
        let writer = tokio::spawn(Writer::new(Arc::clone(&queue), options, db, lock).run());
        let inner = Inner { queue, reader, clock, unsaved, writer: Mutex::new(Some(writer)) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Opens as [`Store::open`] does, and waits up to `patience` for a command that holds the store for a moment.
    pub async fn open_patiently(
        url: &str,
        unsaved: usize,
        clock: Clock,
        patience: Duration,
    ) -> Result<Self, StoreError> {
        const LOOK_AGAIN: Duration = Duration::from_millis(20);
        let mut waited = Duration::ZERO;
        loop {
            match Self::open(url, unsaved, Arc::clone(&clock)).await {
                Err(StoreError::InUse(_)) if waited < patience => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                    waited += LOOK_AGAIN;
                }
                opened => return opened,
            }
        }
    }

    /// Runs `decide` with the rows of the next commit while nobody else can: what it reads of the state that goes
    /// with them and what it adds are one step. It must be quick, and must not call the store.
    pub fn append<T>(&self, decide: impl FnOnce(&mut Rows) -> T) -> T {
        self.inner.queue.append(decide)
    }

    /// Runs `decide` as [`Store::append`] does and waits until what it added is committed.
    pub async fn commit<T>(&self, decide: impl FnOnce(&mut Rows) -> T) -> Result<T, StoreError> {
        let (decided, done): (T, oneshot::Receiver<()>) = self.append(|rows| (decide(rows), rows.wait()));
        done.await.map_err(|_| StoreError::Closed)?;
        Ok(decided)
    }

    /// Runs `decide` as [`Store::commit`] does, for a person: she is told where it takes longer than she would wait.
    pub async fn commit_soon<T>(&self, decide: impl FnOnce(&mut Rows) -> T) -> Result<T, StoreError> {
        let waited = tokio::time::timeout(A_PERSONS_PATIENCE, self.commit(decide)).await;
        waited.unwrap_or_else(|_| {
            let cause = self.health().err().map_or_else(|| "it is slow".to_owned(), |ill| ill.cause);
            Err(StoreError::NotYet { cause })
        })
    }

    /// Sends the news of writes here from now on.
    pub fn listen(&self, on_news: OnNews) {
        self.inner.queue.listen(on_news);
    }

    /// Queries.
    pub fn reader(&self) -> &Reader {
        &self.inner.reader
    }

    /// The date.
    pub fn now(&self) -> Wall {
        (self.inner.clock)()
    }

    /// Call records that are in memory only.
    pub fn waiting(&self) -> usize {
        self.inner.queue.waiting()
    }

    /// Whether `limits.unsaved` is reached: no new calls.
    pub fn is_full(&self) -> bool {
        self.waiting() >= self.inner.unsaved
    }

    /// Whether commits succeed, for `/readyz`.
    pub fn health(&self) -> Result<(), Unhealthy> {
        match self.inner.queue.trouble() {
            None => Ok(()),
            Some(cause) => Err(Unhealthy { waiting: self.waiting(), cause }),
        }
    }

    /// Commits what waits, ends the writer and lets go of the lock.
    pub async fn close(&self) {
        self.inner.queue.close();
        let writer = self.inner.writer.lock().take();
        if let Some(writer) = writer
            && let Err(error) = writer.await
        {
            tracing::error!(%error, "the store's writer ended badly");
        }
        self.inner.reader.close().await;
    }

    /// Ends the writer where it stands, as a kill would.
    #[cfg(test)]
    pub(crate) async fn kill(&self) {
        let writer = self.inner.writer.lock().take();
        if let Some(writer) = writer {
            writer.abort();
            // Aborted is what it was meant to be.
            drop(writer.await);
        }
        self.inner.reader.close().await;
    }

    /// Runs this on the writer's connection before its next try.
    #[cfg(test)]
    pub(crate) fn pragma(&self, sql: &'static str) {
        self.append(|rows| rows.pragma = Some(sql));
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// How long a command waits for its commit.
const A_PERSONS_PATIENCE: Duration = Duration::from_secs(5);

/// Opens for writing and proves it: the schema is brought up to date, and this run's start is noted.
async fn prepare(options: &SqliteConnectOptions, now: Wall) -> Result<SqliteConnection, StoreError> {
    let mut db = options.connect().await?;
    schema::migrate(&mut db).await?;
    sqlx::query("INSERT OR REPLACE INTO meta (key, value) VALUES ('started', $1)")
        .bind(now.unix_millis().to_string())
        .execute(&mut db)
        .await?;
    Ok(db)
}

/// At the start a database that says no is a file that cannot be written.
fn refine(cause: StoreError, path: &Path) -> StoreError {
    match cause {
        StoreError::Sql(cause) => StoreError::Unwritable { path: path.to_owned(), cause: cause.into() },
        other => other,
    }
}

/// The file that a `store.url` names.
pub fn path_of(url: &str) -> Result<PathBuf, StoreError> {
    let path = url.strip_prefix("sqlite:").map(|rest| rest.strip_prefix("//").unwrap_or(rest));
    match path {
        Some(path) if !path.is_empty() => Ok(path.into()),
        _ => Err(StoreError::UnknownUrl(url.to_owned())),
    }
}

#[cfg(test)]
mod tests;
