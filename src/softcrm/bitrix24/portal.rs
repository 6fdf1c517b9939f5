//! What a portal holds: people, sources, records by kind and number, what happened to them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::clock::iso;
use super::events::{Offline, What};
use super::record::{Kind, Multi, Record};
use super::telephony::Call;
use crate::base::Wall;

/// An employee.
#[derive(Debug, Clone)]
pub struct User {
    /// Her number.
    pub id: i64,
    /// First name.
    pub name: String,
    /// Last name.
    pub last_name: String,
    /// Her extension: `UF_PHONE_INNER`.
    pub extension: String,
    /// `PERSONAL_MOBILE`.
    pub mobile: String,
    /// Whether she may be given anything.
    pub active: bool,
    /// `OPENED`, `CLOSED`, `PAUSED` or `EXPIRED`: her workday.
    pub workday: String,
}

/// How a portal works with new clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the words say it")]
pub enum Mode {
    #[default]
    Classic,
    Simple,
}

/// A portal's state. What the methods of the REST API do to it stands beside them.
#[derive(Debug, Default)]
pub struct Portal {
    /// Employees.
    pub users: Vec<User>,
    /// Sources: `STATUS_ID` and name.
    pub sources: Vec<(String, String)>,
    /// Pipelines of deals: number and name.
    pub pipelines: Vec<(i64, String)>,
    /// How it works with new clients.
    pub mode: Mode,
    /// Activities by number, by their fields.
    pub activities: BTreeMap<i64, Map<String, Value>>,
    /// Registered calls by `CALL_ID`.
    pub calls: BTreeMap<String, Call>,
    /// The rows of the telephony statistics, by their fields.
    pub statistics: Vec<Map<String, Value>>,
    /// External lines: number, and name.
    pub lines: Vec<(String, String)>,
    pub(super) records: BTreeMap<(Kind, i64), Record>,
    pub(super) offline: Offline,
    pub(super) last_multi: i64,
    pub(super) last_file: i64,
    pub(super) last: HashMap<Kind, i64>,
    pub(super) phones: HashMap<String, BTreeSet<(Kind, i64)>>,
}

impl Portal {
    /// The records of a kind, oldest first.
    pub fn all(&self, kind: Kind) -> impl DoubleEndedIterator<Item = &Record> {
        self.records.range((kind, i64::MIN)..=(kind, i64::MAX)).map(|(_, record)| record)
    }

    /// One record.
    pub fn record(&self, kind: Kind, id: i64) -> Option<&Record> {
        self.records.get(&(kind, id))
    }

    /// Puts in a client or lead with these numbers, as somebody at the portal would; gives its number.
    pub fn add(&mut self, kind: Kind, name: &str, phones: &[&str], owner: i64, now: Wall) -> i64 {
        let mut record = Record::new(kind, 0);
        let key = if kind == Kind::Contact { "NAME" } else { "TITLE" };
        record.fields.insert(key.to_owned(), name.to_owned());
        record.fields.insert("ASSIGNED_BY_ID".to_owned(), owner.to_string());
        for phone in phones {
            self.last_multi += 1;
            let (id, field, kind) = (self.last_multi, "PHONE".to_owned(), "WORK".to_owned());
            record.multi.push(Multi { id, field, kind, value: (*phone).to_owned() });
        }
        self.insert(record, owner, now, None)
    }

    /// Changes a record as somebody at the portal would. False: there is none.
    pub fn change(&mut self, kind: Kind, id: i64, now: Wall, change: impl FnOnce(&mut Record)) -> bool {
        let Some(mut record) = self.records.get(&(kind, id)).cloned() else { return false };
        change(&mut record);
        self.replace(record, now, None);
        true
    }

    /// Deletes a record as somebody at the portal would. False: there is none.
    pub fn delete(&mut self, kind: Kind, id: i64, now: Wall) -> bool {
        self.remove(kind, id, now, None)
    }

    /// A new record; its number, dates and what every record has are put in.
    pub(super) fn insert(&mut self, mut record: Record, by: i64, now: Wall, connector: Option<&str>) -> i64 {
        let last = self.last.entry(record.kind).or_insert(0);
        *last += 1;
        record.id = *last;
        let (kind, id) = (record.kind, record.id);
        let mut default = |key: &str, value: String| {
            let held = record.fields.entry(key.to_owned()).or_default();
            if held.is_empty() {
                *held = value;
            }
        };
        default("ASSIGNED_BY_ID", by.to_string());
        default("CREATED_BY_ID", by.to_string());
        default("OPENED", "Y".to_owned());
        for date in ["DATE_CREATE", "DATE_MODIFY", "LAST_ACTIVITY_TIME"] {
            default(date, iso(now));
        }
        match kind {
            Kind::Lead => {
                default("STATUS_ID", "NEW".to_owned());
                default("TITLE", format!("Lead #{id}"));
            }
            Kind::Deal => {
                default("CATEGORY_ID", "0".to_owned());
                default("TITLE", format!("Deal #{id}"));
            }
            Kind::Contact | Kind::Company => {}
        }
        if kind == Kind::Deal {
            let category = record.field("CATEGORY_ID").unwrap_or("0").to_owned();
            let stage = if category == "0" { "NEW".to_owned() } else { format!("C{category}:NEW") };
            record.fields.entry("STAGE_ID".to_owned()).or_insert(stage);
        }
        self.index(&record, true);
        self.records.insert((kind, id), record);
        self.offline.happened(kind, id, What::Add, now, connector);
        id
    }

    /// A changed record in the place of the old one.
    pub(super) fn replace(&mut self, mut record: Record, now: Wall, connector: Option<&str>) {
        let (kind, id) = (record.kind, record.id);
        record.fields.insert("DATE_MODIFY".to_owned(), iso(now));
        if let Some(old) = self.records.remove(&(kind, id)) {
            self.index(&old, false);
        }
        self.index(&record, true);
        self.records.insert((kind, id), record);
        self.offline.happened(kind, id, What::Update, now, connector);
    }

    pub(super) fn remove(&mut self, kind: Kind, id: i64, now: Wall, connector: Option<&str>) -> bool {
        let Some(old) = self.records.remove(&(kind, id)) else { return false };
        self.index(&old, false);
        self.offline.happened(kind, id, What::Delete, now, connector);
        true
    }

    /// The records with this number. A number is found only as it was stored, signs and blanks aside: with another
    /// prefix it is another one.
    pub(super) fn having(&self, phone: &str) -> Vec<&Record> {
        let Some(found) = self.phones.get(&digits(phone)) else { return Vec::new() };
        found.iter().filter_map(|at| self.records.get(at)).collect()
    }

    /// Offline events that wait, taken or not.
    pub fn events_waiting(&self) -> usize {
        self.offline.len()
    }

    pub(super) fn user(&self, id: i64) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    /// Whether a number is an employee's own.
    pub(super) fn is_users(&self, phone: &str) -> bool {
        let asked = digits(phone);
        self.users
            .iter()
            .any(|user| [&user.mobile, &user.extension].into_iter().any(|own| !own.is_empty() && digits(own) == asked))
    }

    fn index(&mut self, record: &Record, there: bool) {
        for phone in record.phones() {
            let all = self.phones.entry(digits(phone)).or_default();
            if there {
                all.insert((record.kind, record.id));
            } else {
                all.remove(&(record.kind, record.id));
            }
        }
    }
}

/// The digits of a number; what stands behind an extension's mark is no part of it.
pub(super) fn digits(phone: &str) -> String {
    let end = phone.find([';', ',', '#', 'x']).unwrap_or(phone.len());
    phone[..end].chars().filter(char::is_ascii_digit).collect()
}
