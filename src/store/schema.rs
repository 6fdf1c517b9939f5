//! The schema's versions, in the binary, and how a database is brought up to the latest.

use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Row};

use super::StoreError;

/// One entry a version, oldest first; released ones are never edited.
const MIGRATIONS: [&str; 3] = [
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_bindings.sql"),
    include_str!("migrations/0003_crms.sql"),
];

/// The version that this binary reads and writes.
pub(super) const LATEST: i64 = MIGRATIONS.len() as i64;

/// Which version the database has; 0 where it is empty.
pub(super) async fn version(db: &mut SqliteConnection) -> Result<i64, StoreError> {
    Ok(sqlx::query("PRAGMA user_version").fetch_one(db).await?.try_get(0)?)
}

/// Applies what is missing, all in one transaction: a kill leaves the old version whole.
pub(super) async fn migrate(db: &mut SqliteConnection) -> Result<(), StoreError> {
    let found = version(db).await?;
    if found > LATEST {
        return Err(StoreError::Newer { found, known: LATEST });
    }
    let missing = MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0));
    let mut tx = db.begin_with("BEGIN IMMEDIATE").await?;
    for sql in missing {
        sqlx::raw_sql(*sql).execute(&mut *tx).await?;
    }
    sqlx::raw_sql(SET_LATEST).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(())
}

/// `PRAGMA` takes no parameter; the test below keeps it equal to [`LATEST`].
const SET_LATEST: &str = "PRAGMA user_version = 3";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_empty_database_is_brought_to_the_latest_version_and_a_second_run_changes_nothing() {
        let mut db = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        migrate(&mut db).await.unwrap();
        assert_eq!(version(&mut db).await.unwrap(), LATEST);
        migrate(&mut db).await.unwrap();
    }

    #[tokio::test]
    async fn a_database_of_a_newer_version_is_refused() {
        let mut db = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::raw_sql("PRAGMA user_version = 99").execute(&mut db).await.unwrap();
        assert!(matches!(migrate(&mut db).await, Err(StoreError::Newer { found: 99, .. })));
    }
}
