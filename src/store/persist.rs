//! One commit: a statement for each table, each fed by one JSON array.
//!
//! Every statement replaces whole rows by key, so that a commit whose outcome is in doubt can be repeated.

use std::sync::LazyLock;

use serde::{Serialize, Serializer};
use serde_json::json;
use sqlx::sqlite::SqliteConnection;

use super::StoreError;
use super::rows::{ActivityRow, OutboxRow, Rows};
use super::words::{text_of, write_state};
use crate::base::{CallId, Wall};
use crate::crm::model::CallRecord;

/// A commit made ready: one script with the JSON array of each of its statements.
///
/// One script, because each statement by itself would be handed to the database's thread and back: at a few calls a
/// commit that costs more than the rows.
pub(super) struct Commit {
    script: &'static str,
    arrays: Vec<String>,
    forget_before: Option<Wall>,
}

impl Commit {
    /// Puts these rows in place.
    pub(super) fn of(rows: &Rows) -> Self {
        let mut arrays = of_calls(rows).to_vec();
        let rare = rare(rows);
        let script = if rare.iter().all(|array| array == "[]") {
            OF_CALLS.as_str()
        } else {
            arrays.extend(rare);
            ALL.as_str()
        };
        Self { script, arrays, forget_before: rows.forget_before }
    }

    /// All of it or nothing.
    pub(super) async fn run(&self, db: &mut SqliteConnection) -> Result<(), StoreError> {
        let mut query = sqlx::query(self.script);
        for array in &self.arrays {
            query = query.bind(array.as_str());
        }
        if let Err(error) = query.execute(&mut *db).await {
            if let Err(error) = sqlx::raw_sql("ROLLBACK").execute(&mut *db).await {
                // Disk full and the like end the transaction by themselves.
                tracing::debug!(%error, "no transaction was left to roll back");
            }
            return Err(error.into());
        }
        if let Some(before) = self.forget_before {
            for sql in [FORGET_OUTBOX, FORGET_CALL_RECORDS, FORGET_CALLS] {
                sqlx::query(sql).bind(before.unix_millis()).execute(&mut *db).await?;
            }
        }
        Ok(())
    }
}

/// What calls leave; in the order of [`CALL_STATEMENTS`].
fn of_calls(rows: &Rows) -> [String; 8] {
    let crm = &rows.crm;
    [
        array(crm.contacts.values()),
        array(crm.leads.values()),
        array(crm.phones.iter().map(|(phone, of)| (phone.digits(), of.kind, of.id))),
        array(&crm.call_records),
        array(crm.activities.iter().map(|(call, row)| activity(*call, row))),
        array(rows.calls.values().map(call)),
        array(rows.created.iter().map(|(call, created)| (call, text_of(created)))),
        array(rows.outbox.iter().filter_map(|(key, row)| Some(outbox(*key, row.as_ref()?)))),
    ]
}

/// What operators and late events leave; in the order of [`RARE_STATEMENTS`].
fn rare(rows: &Rows) -> [String; 13] {
    let crm = &rows.crm;
    [
        array(crm.companies.values()),
        array(crm.deals.values()),
        array(&crm.moved_activities),
        array(&crm.attached_activities),
        array(crm.exceptions.iter().filter(|(_, row)| row.is_none()).map(|(value, _)| value)),
        array(crm.exceptions.values().flatten()),
        array(rows.outbox.iter().filter(|(_, row)| row.is_none()).map(|(key, _)| key)),
        array(&rows.presence),
        array(rows.bindings.iter().filter(|(_, row)| row.is_none()).map(|(key, _)| key)),
        array(rows.bindings.iter().filter_map(|((employee, contact), row)| {
            let row = row.as_ref()?;
            Some((employee, contact, row.expires.unix_millis(), &row.binding))
        })),
        array(&rows.secrets),
        array(crm.notes.iter().filter(|(_, note)| note.is_none()).map(|(key, _)| key)),
        array(crm.notes.iter().filter_map(|(key, note)| Some((key, note.as_ref()?)))),
    ]
}

fn array<T: Serialize>(rows: impl IntoIterator<Item = T>) -> String {
    let mut json = Vec::with_capacity(256);
    serde_json::Serializer::new(&mut json).collect_seq(rows).expect("rows have a JSON form");
    String::from_utf8(json).expect("serde_json writes UTF-8")
}

/// Joins statements to one transaction; each one's `$1` becomes the parameter of its place.
fn script(statements: &[&str]) -> String {
    let mut script = String::from("BEGIN IMMEDIATE;\n");
    for (place, statement) in (1..).zip(statements) {
        script.push_str(&statement.replace("$1", &format!("${place}")));
        script.push_str(";\n");
    }
    script.push_str("COMMIT");
    script
}

static OF_CALLS: LazyLock<String> = LazyLock::new(|| script(&CALL_STATEMENTS));

static ALL: LazyLock<String> =
    LazyLock::new(|| script(&[CALL_STATEMENTS.as_slice(), RARE_STATEMENTS.as_slice()].concat()));

const CALL_STATEMENTS: [&str; 8] = [CONTACTS, LEADS, PHONES, CALL_RECORDS, ACTIVITIES, CALLS, CREATED, OUTBOX];

const RARE_STATEMENTS: [&str; 13] = [
    COMPANIES,
    DEALS,
    MOVED_ACTIVITIES,
    ATTACHED_ACTIVITIES,
    EXCEPTIONS_GONE,
    EXCEPTIONS,
    OUTBOX_GONE,
    PRESENCE,
    BINDINGS_GONE,
    BINDINGS,
    SECRETS,
    NOTES_GONE,
    NOTES,
];

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
    (id, name, responsible, set_by_calls, email, company, created, last_activity, call, source, line)
    SELECT value->>'id', value->>'name', value->>'responsible', value->>'set_by_calls', value->>'email',
        value->>'company', value->>'created', value->>'last_activity', value->>'call', value->>'source',
        value->>'line' FROM json_each($1)";

const COMPANIES: &str = "INSERT OR REPLACE INTO companies
    (id, name, responsible, set_by_calls, email, company, created, last_activity, call, source, line)
    SELECT value->>'id', value->>'name', value->>'responsible', value->>'set_by_calls', value->>'email',
        value->>'company', value->>'created', value->>'last_activity', value->>'call', value->>'source',
        value->>'line' FROM json_each($1)";

const LEADS: &str = "INSERT OR REPLACE INTO leads
    (id, name, responsible, set_by_calls, source, status, line, call, converted, created, last_activity)
    SELECT value->>'id', value->>'name', value->>'responsible', value->>'set_by_calls', value->>'source',
        value->>'status', value->>'line', value->>'call', value->>'converted', value->>'created',
        value->>'last_activity' FROM json_each($1)";

const DEALS: &str = "INSERT OR REPLACE INTO deals
    (id, responsible, set_by_calls, pipeline, stage, contact, company, lead, created, call, source)
    SELECT value->>'id', value->>'responsible', value->>'set_by_calls', value->>'pipeline', value->>'stage',
        value->>'contact', value->>'company', value->>'lead', value->>'created', value->>'call', value->>'source'
    FROM json_each($1)";

const PHONES: &str = "INSERT OR IGNORE INTO phones (digits, kind, id)
    SELECT value->>0, value->>1, value->>2 FROM json_each($1)";

const CALL_RECORDS: &str = "INSERT OR REPLACE INTO call_records (call, record)
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

const ATTACHED_ACTIVITIES: &str = "UPDATE activities SET attached_to = at.value->>1
    FROM json_each($1) AS at WHERE activities.call_id = at.value->>0 AND activities.attached_to IS NULL";

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

const BINDINGS_GONE: &str = "DELETE FROM bindings
    WHERE (employee, contact) IN (SELECT value->>0, value->>1 FROM json_each($1))";

const BINDINGS: &str = "INSERT OR REPLACE INTO bindings (employee, contact, expires, binding)
    SELECT value->>0, value->>1, value->>2, value->>3 FROM json_each($1)";

const SECRETS: &str = "INSERT OR IGNORE INTO meta (key, value)
    SELECT value->>0, value->>1 FROM json_each($1)";

const NOTES_GONE: &str = "DELETE FROM crm_notes WHERE key IN (SELECT value FROM json_each($1))";

const NOTES: &str = "INSERT OR REPLACE INTO crm_notes (key, value)
    SELECT value->>0, value->>1 FROM json_each($1)";

const FORGET_OUTBOX: &str = "DELETE FROM outbox
    WHERE state = 'written' AND call IN (SELECT id FROM calls WHERE started < $1)";

const FORGET_CALL_RECORDS: &str = "DELETE FROM call_records WHERE call IN (SELECT id FROM calls WHERE started < $1)";

// A call with writes still owed stays until they are delivered.
const FORGET_CALLS: &str = "DELETE FROM calls WHERE started < $1 AND id NOT IN (SELECT call FROM outbox)";
