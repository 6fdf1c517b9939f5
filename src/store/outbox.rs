//! The outbox's rows as they are read back: what is owed, and what was given up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::words::Cells;
use super::{Reader, StoreError};
use crate::base::{CallId, PhoneNumber, Wall};
use crate::crm::model::{OwedWrite, WriteKind, WriteState};

/// A write that is not in effect.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OutboxEntry {
    /// The call that owes it.
    pub call: CallId,
    /// Its place among the call's writes.
    pub seq: u16,
    /// Which kind.
    pub write: WriteKind,
    /// `owed` or `dead`.
    pub state: WriteState,
    /// How often the CRM was tried.
    pub attempts: u32,
    /// When it is tried next.
    pub next_at: Wall,
    /// What the CRM said last.
    pub error: Option<String>,
    /// When it came to be owed.
    pub since: Wall,
    /// The customer's number.
    #[serde(default)]
    pub client: Option<PhoneNumber>,
    /// The write itself.
    #[serde(skip)]
    pub payload: Option<OwedWrite>,
}

/// How much the CRM is owed, for the metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OutboxCounts {
    /// Writes not in effect yet.
    pub owed: usize,
    /// Since when the oldest of them is owed.
    pub oldest: Option<Wall>,
    /// Writes given up.
    pub dead: usize,
}

impl OutboxCounts {
    /// How long the oldest has been owed by now; no time where nothing is.
    pub fn oldest_for(&self, now: Wall) -> Duration {
        let age = self.oldest.map(|since| now.unix_millis().saturating_sub(since.unix_millis()));
        Duration::from_millis(age.and_then(|millis| u64::try_from(millis).ok()).unwrap_or_default())
    }
}

impl Reader {
    /// All writes that are not in effect, by call and order.
    pub async fn outbox(&self) -> Result<Vec<OutboxEntry>, StoreError> {
        let sql = "SELECT call, seq, write, state, attempts, next_at, error, since, payload FROM outbox
            WHERE state <> 'written' ORDER BY call, seq";
        let rows = sqlx::query(sql).fetch_all(&self.pool).await?;
        rows.iter().map(|row| entry(&Cells { table: "outbox", row })).collect()
    }

    /// What one of them wants done; `None` where it is not owed any more.
    pub async fn owed_write(&self, call: CallId, seq: u16) -> Result<Option<OwedWrite>, StoreError> {
        let sql = "SELECT payload FROM outbox WHERE call = $1 AND seq = $2 AND state = 'owed'";
        let row = sqlx::query(sql).bind(call.to_string()).bind(i64::from(seq)).fetch_optional(&self.pool).await?;
        let Some(row) = row else { return Ok(None) };
        payload(&Cells { table: "outbox", row: &row }, 0)
    }
}

fn entry(cells: &Cells<'_>) -> Result<OutboxEntry, StoreError> {
    let payload = payload(cells, 8)?;
    Ok(OutboxEntry {
        call: cells.parse(0)?,
        seq: u16::try_from(cells.int(1)?).unwrap_or(u16::MAX),
        write: cells.word(2)?,
        state: cells.word(3)?,
        attempts: u32::try_from(cells.int(4)?).unwrap_or(u32::MAX),
        next_at: cells.wall(5)?,
        error: cells.maybe_text(6)?,
        since: cells.wall(7)?,
        client: payload.as_ref().and_then(|write| write.client),
        payload,
    })
}

fn payload(cells: &Cells<'_>, column: usize) -> Result<Option<OwedWrite>, StoreError> {
    let read = cells.maybe_text(column)?.map(|text| serde_json::from_str(&text)).transpose();
    read.map_err(|cause| StoreError::Unreadable { table: "outbox", cause: cause.to_string() })
}
