//! The lock beside the database: one process writes, so that what it holds in memory stays true.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use super::{StoreError, private};

/// Held by the one process that writes; the system lets go of it when that process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "open for as long as the lock is held")] File);

impl Lock {
    /// Takes the lock of this database, or says who is in the way.
    pub(super) fn take(database: &Path) -> Result<Self, StoreError> {
        let path = beside(database);
        let file = private::open_file(&path)
            .map_err(|cause| StoreError::Unwritable { path: database.to_owned(), cause: cause.into() })?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse(database.to_owned())),
            Err(TryLockError::Error(cause)) => Err(StoreError::Unwritable { path, cause: cause.into() }),
        }
    }

    /// Whether some process holds the lock now.
    pub(super) fn is_held(database: &Path) -> bool {
        let Ok(file) = File::open(beside(database)) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }
}

fn beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}
