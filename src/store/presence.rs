//! Who can be rung, and when each was rung last.

use std::collections::HashMap;

use sqlx::Row;

use super::words::Cells;
use super::{Reader, Store, StoreError};
use crate::base::{EmployeeId, Wall};
use crate::crm::model::LegRecord;

/// How many of the latest calls are read for [`Reader::last_rung`]: whoever was rung in none of them comes first in
/// an `evenly` queue, as if she never was.
const CALLS_FOR_LAST_RUNG: i64 = 5_000;

impl Store {
    /// Writes down whether she can be rung, and waits for the commit.
    pub async fn set_presence(&self, employee: &EmployeeId, state: &str) -> Result<(), StoreError> {
        self.commit_soon(|rows| drop(rows.presence.insert(employee.clone(), state.to_owned()))).await
    }
}

impl Reader {
    /// What was written down for each; whoever is absent is available.
    pub async fn presences(&self) -> Result<HashMap<EmployeeId, String>, StoreError> {
        let rows = sqlx::query("SELECT employee, state FROM presence").fetch_all(&self.pool).await?;
        rows.iter().map(|row| Ok((EmployeeId::from(row.try_get::<&str, _>(0)?), row.try_get(1)?))).collect()
    }

    /// When each employee was last rung, by the call log, to the start of the call.
    pub async fn last_rung(&self) -> Result<HashMap<EmployeeId, Wall>, StoreError> {
        let sql = "SELECT started, json_extract(record, '$.legs') FROM calls ORDER BY started DESC LIMIT $1";
        let rows = sqlx::query(sql).bind(CALLS_FOR_LAST_RUNG).fetch_all(&self.pool).await?;
        let mut rung = HashMap::new();
        for row in &rows {
            let cells = Cells { table: "calls", row };
            let at = cells.wall(0)?;
            for leg in cells.json::<Vec<LegRecord>>(1)? {
                rung.entry(leg.employee).or_insert(at);
            }
        }
        Ok(rung)
    }
}
