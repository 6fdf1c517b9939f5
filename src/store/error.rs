//! What can go wrong with the store, and whether it may pass.

use std::io;
use std::path::PathBuf;

/// A fault of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The url names no kind of store that this binary knows.
    #[error("store.url `{0}` is not understood; write `sqlite:PATH`, as in sqlite:data/ramal.db")]
    UnknownUrl(String),
    /// The folder is missing and cannot be made.
    #[error("the store's folder {} cannot be made: {cause}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The file cannot be opened or written.
    #[error("the store {} cannot be written: {cause}; check the owner and the space of its folder", path.display())]
    Unwritable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another process holds it.
    #[error("the store {} is held by a running ramal", .0.display())]
    InUse(PathBuf),
    /// There is none.
    #[error("there is no store at {}", .0.display())]
    Missing(PathBuf),
    /// It was written by a later version of this program.
    #[error("the store has schema {found}, this ramal knows {known}: it was written by a newer one")]
    Newer {
        /// The schema found.
        found: i64,
        /// The latest schema that this binary knows.
        known: i64,
    },
    /// It must be brought up to date first, by a process that may write.
    #[error("the store has schema {found}, {known} is wanted: start `ramal serve` once")]
    Older {
        /// The schema found.
        found: i64,
        /// The schema wanted.
        known: i64,
    },
    /// The database said no.
    #[error("the store: {0}")]
    Sql(#[from] sqlx::Error),
    /// A row does not hold what this program wrote there.
    #[error("the store's table {table} holds what cannot be read: {cause}")]
    Unreadable {
        /// The table.
        table: &'static str,
        /// What is wrong.
        cause: String,
    },
    /// Somebody waited as long as a person does; what she asked for stands in memory and is committed when it can be.
    #[error("the store does not commit: {cause}; the change waits in memory and is kept once it does")]
    NotYet {
        /// What the database says.
        cause: String,
    },
    /// It was closed while somebody waited for it.
    #[error("the store was closed")]
    Closed,
}

impl StoreError {
    /// Whether the same may succeed later without anybody changing what is asked.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::InUse(_) | Self::NotYet { .. } => true,
            Self::Sql(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed) => true,
            Self::Sql(sqlx::Error::Database(error)) => error.code().is_some_and(|code| is_passing(&code)),
            _ => false,
        }
    }
}

/// SQLite's extended result codes keep the primary one in their low byte: BUSY 5, LOCKED 6, NOMEM 7, READONLY 8,
/// IOERR 10, FULL 13, CANTOPEN 14.
fn is_passing(code: &str) -> bool {
    code.parse::<i64>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 7 | 8 | 10 | 13 | 14))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_or_locked_database_may_pass_and_a_broken_constraint_does_not() {
        assert!(is_passing("13"));
        assert!(is_passing("261")); // SQLITE_BUSY_RECOVERY
        assert!(!is_passing("2067")); // SQLITE_CONSTRAINT_UNIQUE
        assert!(!is_passing("?"));
    }
}
