//! Read-only queries on the store, by the process that writes it or beside it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};

use super::lock::Lock;
use super::{StoreError, path_of, schema};
use crate::base::Wall;

/// A few connections that only read.
#[derive(Clone, Debug)]
pub struct Reader {
    pub(super) pool: SqlitePool,
    path: PathBuf,
}

impl Reader {
    /// Looks at the store of this url, whether a server runs or not.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let path = path_of(url)?;
        if !path.exists() {
            return Err(StoreError::Missing(path));
        }
        let reader = Self::beside_writer(&path);
        let found = schema::version(&mut *reader.pool.acquire().await?).await?;
        match found.cmp(&schema::LATEST) {
            std::cmp::Ordering::Less => Err(StoreError::Older { found, known: schema::LATEST }),
            std::cmp::Ordering::Greater => Err(StoreError::Newer { found, known: schema::LATEST }),
            std::cmp::Ordering::Equal => Ok(reader),
        }
    }

    pub(super) fn beside_writer(path: &Path) -> Self {
        let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(Duration::from_secs(2));
        let pool = SqlitePoolOptions::new().max_connections(2).min_connections(0).connect_lazy_with(options);
        Self { pool, path: path.to_owned() }
    }

    /// Since when the process that holds the store has run; `None` where none holds it.
    pub async fn running_since(&self) -> Result<Option<Wall>, StoreError> {
        if !Lock::is_held(&self.path) {
            return Ok(None);
        }
        let started: Option<String> =
            sqlx::query_scalar("SELECT value FROM meta WHERE key = 'started'").fetch_optional(&self.pool).await?;
        Ok(started.and_then(|text| text.parse().ok()).map(Wall::from_unix_millis))
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}
