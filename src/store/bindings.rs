//! Phones that have registered here, over restarts; and secrets that the nodes of one store share.

use sqlx::Row;

use super::rows::BindingRow;
use super::{Reader, Store, StoreError};
use crate::base::{EmployeeId, Wall};

impl Reader {
    /// Every binding that had time left at `now`.
    pub async fn bindings(&self, now: Wall) -> Result<Vec<(EmployeeId, BindingRow)>, StoreError> {
        let sql = "SELECT employee, expires, binding FROM bindings WHERE expires > $1 ORDER BY employee, expires";
        let rows = sqlx::query(sql).bind(now.unix_millis()).fetch_all(&self.pool).await?;
        let read = |row: &sqlx::sqlite::SqliteRow| -> Result<_, StoreError> {
            let expires = Wall::from_unix_millis(row.try_get(1)?);
            Ok((EmployeeId::from(row.try_get::<&str, _>(0)?), BindingRow { expires, binding: row.try_get(2)? }))
        };
        rows.iter().map(read).collect()
    }
}

impl Store {
    /// The secret of this name: `fresh` becomes it where the store has none yet.
    pub async fn secret(&self, name: &'static str, fresh: String) -> Result<String, StoreError> {
        self.commit(|rows| rows.secrets.insert(name, fresh)).await?;
        let sql = "SELECT value FROM meta WHERE key = $1";
        Ok(sqlx::query_scalar(sql).bind(name).fetch_one(&self.reader().pool).await?)
    }
}
