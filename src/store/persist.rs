//! One commit: a statement for each table that has rows, each fed by one JSON array.
//!
//! Every statement replaces whole rows by key, so that a commit whose outcome is in doubt can be repeated.

use serde::Serialize;
use serde_json::json;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use super::StoreError;
use super::rows::{ActivityRow, OutboxRow, Rows};
use super::words::{text_of, write_state};
use crate::base::{CallId, Wall};
use crate::crm::model::CallRecord;

/// A commit made ready: statements with their JSON arrays, in order.
pub(super) struct Statements {
    puts: Vec<(&'static str, String)>,
    forget_before: Option<Wall>,
}

impl Statements {
    /// Those that put these rows in place.
    pub(super) fn of(rows: &Rows) -> Self {
        let mut statements = Self { puts: Vec::with_capacity(8), forget_before: rows.forget_before };
        statements.crm(rows);
        statements.log(rows);
        statements
    }

    /// Commits all of them or none.
    pub(super) async fn commit(&self, db: &mut SqliteConnection) -> Result<(), StoreError> {
        let mut tx = db.begin_with("BEGIN IMMEDIATE").await?;
        for (sql, rows) in &self.puts {
            sqlx::query(*sql).bind(rows.as_str()).execute(&mut *tx).await?;
        }
        if let Some(before) = self.forget_before {
            for sql in [FORGET_OUTBOX, FORGET_LEAD_CALLS, FORGET_CALLS] {
                sqlx::query(sql).bind(before.unix_millis()).execute(&mut *tx).await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }

    fn crm(&mut self, rows: &Rows) {
        let crm = &rows.crm;
        self.put(CONTACTS, crm.contacts.values());
        self.put(COMPANIES, crm.companies.values());
        self.put(LEADS, crm.leads.values());
        self.put(DEALS, crm.deals.values());
        self.put(PHONES, crm.phones.iter().map(|(phone, of)| (phone.digits(), of.kind, of.id)));
        self.put(LEAD_CALLS, crm.lead_calls.iter());
        self.put(ACTIVITIES, crm.activities.iter().map(|(call, row)| activity(*call, row)));
        self.put(MOVED_ACTIVITIES, crm.moved_activities.iter());
        let gone = crm.exceptions.iter().filter(|(_, row)| row.is_none()).map(|(value, _)| value);
        self.put(EXCEPTIONS_GONE, gone);
        self.put(EXCEPTIONS, crm.exceptions.values().flatten());
    }

    fn log(&mut self, rows: &Rows) {
        self.put(CALLS, rows.calls.values().map(call));
        self.put(CREATED, rows.created.iter().map(|(call, created)| (call, text_of(created))));
        let gone = rows.outbox.iter().filter(|(_, row)| row.is_none()).map(|(key, _)| key);
        self.put(OUTBOX_GONE, gone);
        self.put(OUTBOX, rows.outbox.iter().filter_map(|(key, row)| Some(outbox(*key, row.as_ref()?))));
        self.put(PRESENCE, rows.presence.iter());
    }

    /// Feeds the rows to the statement; no rows, no statement.
    fn put<T: Serialize>(&mut self, sql: &'static str, rows: impl Iterator<Item = T>) {
        let mut rows = rows.peekable();
        if rows.peek().is_some() {
            let all: Vec<T> = rows.collect();
            self.puts.push((sql, text_of(&all)));
        }
    }
}

fn call(record: &CallRecord) -> impl Serialize + use<> {
    #[derive(Serialize)]
    struct Row {
        id: CallId,
        started: i64,
        direction: &'static str,
        from: String,
        to: String,
        line: Option<String>,
        employee: Option<String>,
        outcome: Option<&'static str>,
        created: String,
        record: String,
    }
    Row {
        id: record.id,
        started: record.started.unix_millis(),
        direction: record.direction.as_str(),
        from: record.from.clone(),
        to: record.to.clone(),
        line: record.line.map(|line| line.to_string()),
        employee: record.employee.as_ref().map(ToString::to_string),
        outcome: record.outcome.map(crate::crm::model::Outcome::as_str),
        created: text_of(&record.created),
        record: text_of(record),
    }
}

fn activity(call: CallId, row: &ActivityRow) -> impl Serialize + use<> {
    let record = &row.record;
    json!({
        "id": row.id,
        "call_id": call,
        "phone": row.phone.map(crate::base::PhoneNumber::digits),
        "direction": record.direction,
        "outcome": record.outcome.unwrap_or(crate::crm::model::Outcome::Failed),
        "started": record.started.unix_millis(),
        "ended": record.ended.unwrap_or(record.started).unix_millis(),
        "ring_seconds": record.ring_seconds,
        "talk_seconds": record.talk_seconds,
        "employee": record.employee,
        "line": record.line,
        "attached_to": row.attached_to,
        "transferred_from": record.transferred_from,
        "legs": text_of(&record.legs),
    })
}

fn outbox((call, seq): (CallId, u16), row: &OutboxRow) -> impl Serialize + use<> {
    json!({
        "call": call,
        "seq": seq,
        "write": row.write,
        "state": write_state(row.state),
        "payload": row.payload,
        "attempts": row.attempts,
        "next_at": row.next_at.unix_millis(),
        "error": row.error,
        "since": row.since.unix_millis(),
        "written_at": row.written_at.map(Wall::unix_millis),
    })
}

const CONTACTS: &str = "INSERT OR REPLACE INTO contacts
    (id, name, responsible, set_by_calls, email, company, created, last_activity)
    SELECT value->>'id', value->>'name', value->>'responsible', value->>'set_by_calls', value->>'email',
        value->>'company', value->>'created', value->>'last_activity' FROM json_each($1)";

const COMPANIES: &str = "INSERT OR REPLACE INTO companies
    (id, name, responsible, set_by_calls, email, company, created, last_activity)
    SELECT value->>'id', value->>'name', value->>'responsible', value->>'set_by_calls', value->>'email',
        value->>'company', value->>'created', value->>'last_activity' FROM json_each($1)";

const LEADS: &str = "INSERT OR REPLACE INTO leads
    (id, name, responsible, set_by_calls, source, status, line, call, converted, created, last_activity)
    SELECT value->>'id', value->>'name', value->>'responsible', value->>'set_by_calls', value->>'source',
        value->>'status', value->>'line', value->>'call', value->>'converted', value->>'created',
        value->>'last_activity' FROM json_each($1)";

const DEALS: &str = "INSERT OR REPLACE INTO deals
    (id, responsible, set_by_calls, pipeline, stage, contact, company, lead, created)
    SELECT value->>'id', value->>'responsible', value->>'set_by_calls', value->>'pipeline', value->>'stage',
        value->>'contact', value->>'company', value->>'lead', value->>'created' FROM json_each($1)";

const PHONES: &str = "INSERT OR IGNORE INTO phones (digits, kind, id)
    SELECT value->>0, value->>1, value->>2 FROM json_each($1)";

const LEAD_CALLS: &str = "INSERT OR REPLACE INTO lead_calls (call, lead)
    SELECT value->>0, value->>1 FROM json_each($1)";

// A call's activity is never written over: the first delivery is the one that counts.
const ACTIVITIES: &str = "INSERT OR IGNORE INTO activities
    (id, call_id, phone, direction, outcome, started, ended, ring_seconds, talk_seconds, employee, line, attached_to,
        recording, transferred_from, legs)
    SELECT value->>'id', value->>'call_id', value->>'phone', value->>'direction', value->>'outcome',
        value->>'started', value->>'ended', value->>'ring_seconds', value->>'talk_seconds', value->>'employee',
        value->>'line', value->>'attached_to', NULL, value->>'transferred_from', value->>'legs' FROM json_each($1)";

const MOVED_ACTIVITIES: &str = "UPDATE activities SET attached_to = moved.value->>1
    FROM json_each($1) AS moved WHERE activities.attached_to = moved.value->>0";

const EXCEPTIONS: &str = "INSERT OR REPLACE INTO exceptions (value, kind, comment, added)
    SELECT value->>'value', value->>'kind', value->>'comment', value->>'added' FROM json_each($1)";

const EXCEPTIONS_GONE: &str = "DELETE FROM exceptions WHERE value IN (SELECT value FROM json_each($1))";

const CALLS: &str = "INSERT OR REPLACE INTO calls
    (id, started, direction, from_number, to_number, line, employee, outcome, created, record)
    SELECT value->>'id', value->>'started', value->>'direction', value->>'from', value->>'to', value->>'line',
        value->>'employee', value->>'outcome', value->>'created', value->>'record' FROM json_each($1)";

const CREATED: &str = "UPDATE calls SET created = late.value->>1
    FROM json_each($1) AS late WHERE calls.id = late.value->>0";

const OUTBOX: &str = "INSERT OR REPLACE INTO outbox
    (call, seq, write, state, payload, attempts, next_at, error, since, written_at)
    SELECT value->>'call', value->>'seq', value->>'write', value->>'state', value->>'payload', value->>'attempts',
        value->>'next_at', value->>'error', value->>'since', value->>'written_at' FROM json_each($1)";

const OUTBOX_GONE: &str = "DELETE FROM outbox
    WHERE (call, seq) IN (SELECT value->>0, value->>1 FROM json_each($1))";

const PRESENCE: &str = "INSERT OR REPLACE INTO presence (employee, state)
    SELECT value->>0, value->>1 FROM json_each($1)";

const FORGET_OUTBOX: &str = "DELETE FROM outbox
    WHERE state = 'written' AND call IN (SELECT id FROM calls WHERE started < $1)";

const FORGET_LEAD_CALLS: &str = "DELETE FROM lead_calls WHERE call IN (SELECT id FROM calls WHERE started < $1)";

// A call with writes still owed stays until they are delivered.
const FORGET_CALLS: &str = "DELETE FROM calls WHERE started < $1 AND id NOT IN (SELECT call FROM outbox)";
