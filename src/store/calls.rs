//! The call log: ended calls, by id or newest first, page by page.

use std::fmt;
use std::str::FromStr;

use super::words::Cells;
use super::{Reader, Store, StoreError};
use crate::base::{CallId, EmployeeId, Wall};
use crate::crm::model::{CallRecord, Direction, Outcome};

/// Which ended calls are wanted; what is `None` does not matter.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallFilter {
    /// In which way.
    pub direction: Option<Direction>,
    /// How it came out.
    pub outcome: Option<Outcome>,
    /// By which line, in E.164.
    pub line: Option<String>,
    /// Who talked last, or was rung.
    pub employee: Option<EmployeeId>,
    /// From or to this number.
    pub number: Option<String>,
    /// From this number.
    pub from: Option<String>,
    /// To this number.
    pub to: Option<String>,
    /// Begun at or after.
    pub since: Option<Wall>,
    /// Begun before.
    pub until: Option<Wall>,
}

/// Where a page ends: the last call on it, printed `1764000000000-0123456789abcdef`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor {
    /// When that call began.
    pub started: Wall,
    /// That call.
    pub id: CallId,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.started.unix_millis(), self.id)
    }
}

/// The text is no cursor that this program gave out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the cursor is not one that was given with a page")]
pub struct NotACursor;

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let (started, id) = text.rsplit_once('-').ok_or(NotACursor)?;
        let started = started.parse().map(Wall::from_unix_millis).map_err(|_| NotACursor)?;
        Ok(Self { started, id: id.parse().map_err(|_| NotACursor)? })
    }
}

impl Reader {
    /// One page of ended calls, newest first, and where the next one starts.
    pub async fn calls(
        &self,
        filter: &CallFilter,
        after: Option<Cursor>,
        limit: u16,
    ) -> Result<(Vec<CallRecord>, Option<Cursor>), StoreError> {
        let rows = sqlx::query(PAGE)
            .bind(after.map(|cursor| cursor.started.unix_millis()))
            .bind(after.map(|cursor| cursor.id.to_string()))
            .bind(filter.direction.map(Direction::as_str))
            .bind(filter.outcome.map(Outcome::as_str))
            .bind(filter.line.as_deref())
            .bind(filter.employee.as_ref().map(EmployeeId::as_str))
            .bind(filter.number.as_deref())
            .bind(filter.since.map(Wall::unix_millis))
            .bind(filter.until.map(Wall::unix_millis))
            .bind(i64::from(limit))
            .bind(filter.from.as_deref())
            .bind(filter.to.as_deref())
            .fetch_all(&self.pool)
            .await?;
        let calls = rows.iter().map(|row| record(&Cells { table: "calls", row })).collect::<Result<Vec<_>, _>>()?;
        let full = calls.len() == usize::from(limit);
        let next = calls.last().filter(|_| full).map(|call| Cursor { started: call.started, id: call.id });
        Ok((calls, next))
    }

    /// The ended call with this id.
    pub async fn call(&self, id: CallId) -> Result<Option<CallRecord>, StoreError> {
        let sql = "SELECT record, created FROM calls WHERE id = $1";
        let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(&self.pool).await?;
        row.map(|row| record(&Cells { table: "calls", row: &row })).transpose()
    }
}

impl Store {
    /// Forgets calls that began before this (`store.keep_calls`), but for those that still owe the CRM something.
    pub async fn forget_calls_before(&self, before: Wall) -> Result<(), StoreError> {
        self.commit(|rows| rows.forget_before = rows.forget_before.max(Some(before))).await
    }
}

/// What the call created may have become known after the record was written: that column counts.
fn record(cells: &Cells<'_>) -> Result<CallRecord, StoreError> {
    let mut record: CallRecord = cells.json(0)?;
    record.created = cells.json(1)?;
    Ok(record)
}

const PAGE: &str = "SELECT record, created FROM calls
    WHERE ($1 IS NULL OR (started, id) < ($1, $2))
      AND ($3 IS NULL OR direction = $3)
      AND ($4 IS NULL OR outcome = $4)
      AND ($5 IS NULL OR line = $5)
      AND ($6 IS NULL OR employee = $6 OR EXISTS (
            SELECT 1 FROM json_each(record, '$.legs') AS leg WHERE leg.value->>'employee' = $6))
      AND ($7 IS NULL OR from_number = $7 OR to_number = $7)
      AND ($8 IS NULL OR started >= $8)
      AND ($9 IS NULL OR started < $9)
      AND ($11 IS NULL OR from_number = $11)
      AND ($12 IS NULL OR to_number = $12)
    ORDER BY started DESC, id DESC LIMIT $10";
