//! Contacts from a CSV file, in portions, so that calls' writes pass between them.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::edit::{Done, EditError, client};
use super::index::Index;
use super::{Embedded, numbers};
use crate::base::{EmployeeId, PhoneNumber, Wall};
use crate::crm::model::{EntityKind, EntityRef};
use crate::store::rows::{ClientRow, Rows};

/// Rows that go into one step; decided in about a millisecond.
const PORTION: usize = 500;

/// A row that was left out, and why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rejected {
    /// Its line in the file, from 1.
    pub line: u64,
    /// Why.
    pub why: String,
}

/// A row that can be taken in.
struct Entry {
    name: String,
    phone: PhoneNumber,
    responsible: EmployeeId,
    email: Option<String>,
    company: Option<String>,
}

/// Reads all, then takes in what can be, and returns once it is committed.
pub(super) async fn run(crm: &Embedded, csv: &str, country: &str) -> Result<Done, EditError> {
    let (entries, rejected) = read(csv, country)?;
    let mut companies: HashMap<String, i64> =
        crm.inner.index.read().companies.values().map(|row| (row.name.clone(), row.id)).collect();
    let (mut added, mut updated) = (0, 0);
    let mut entries = entries.into_iter().peekable();
    let mut waits = Vec::new();
    while entries.peek().is_some() {
        let portion: Vec<Entry> = entries.by_ref().take(PORTION).collect();
        let inner = &crm.inner;
        let now = inner.store.now();
        waits.push(inner.store.append(|rows| {
            let mut index = inner.index.write();
            for entry in portion {
                let new = index.take_in(entry, &mut companies, now, rows);
                *(if new { &mut added } else { &mut updated }) += 1;
            }
            rows.wait()
        }));
        tokio::task::yield_now().await;
    }
    for done in waits {
        done.await.map_err(|_| crate::store::StoreError::Closed)?;
    }
    Ok(Done::Imported { added, updated, rejected })
}

/// The file's rows; a file without the columns is refused whole.
fn read(csv: &str, country: &str) -> Result<(Vec<Entry>, Vec<Rejected>), EditError> {
    // With one byte a line's end, the reader's line numbers are those of the file.
    let csv = csv.replace("\r\n", "\n");
    let mut rows = table(&csv);
    let titles = rows.headers().map_err(|error| EditError::NotCsv(error.to_string()))?.clone();
    let column = |title: &str| titles.iter().position(|t| t.eq_ignore_ascii_case(title));
    let wanted = |title: &str| column(title).ok_or_else(|| EditError::NotCsv(format!("no column `{title}`")));
    let (name, phone, responsible) = (wanted("name")?, wanted("phone")?, wanted("responsible")?);
    let (email, company) = (column("email"), column("company"));
    let (mut entries, mut rejected) = (Vec::new(), Vec::new());
    for row in rows.records() {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                rejected.push(Rejected { line, why: error.to_string() });
                continue;
            }
        };
        let cell = |at: usize| row.get(at).filter(|cell| !cell.is_empty());
        let entry = || {
            let number = cell(phone).ok_or("no phone")?;
            Ok(Entry {
                name: cell(name).ok_or("no name")?.to_owned(),
                phone: numbers::read(number, country).ok_or("the phone cannot be read")?,
                responsible: cell(responsible).ok_or("no responsible")?.into(),
                email: email.and_then(cell).map(str::to_owned),
                company: company.and_then(cell).map(str::to_owned),
            })
        };
        match entry() {
            Ok(entry) => entries.push(entry),
            Err(why) => {
                let why: &str = why;
                let line = row.position().map_or(0, csv::Position::line);
                rejected.push(Rejected { line, why: why.to_owned() });
            }
        }
    }
    Ok((entries, rejected))
}

fn table(csv: &str) -> csv::Reader<&[u8]> {
    let csv = csv.strip_prefix('\u{feff}').unwrap_or(csv);
    let head = csv.lines().next().unwrap_or_default();
    // Spreadsheets of this part of the world separate by semicolons.
    let delimiter = if head.contains(';') && !head.contains(',') { b';' } else { b',' };
    csv::ReaderBuilder::new().delimiter(delimiter).trim(csv::Trim::All).flexible(true).from_reader(csv.as_bytes())
}

/// Whom a CSV file names as responsible; nobody where it cannot be read.
pub fn responsibles(csv: &str) -> BTreeSet<EmployeeId> {
    let mut rows = table(csv);
    let Ok(titles) = rows.headers() else { return BTreeSet::new() };
    let Some(at) = titles.iter().position(|title| title.eq_ignore_ascii_case("responsible")) else {
        return BTreeSet::new();
    };
    let named = |row: csv::StringRecord| row.get(at).filter(|cell| !cell.is_empty()).map(EmployeeId::from);
    rows.records().filter_map(|row| named(row.ok()?)).collect()
}

impl Index {
    /// True where the contact is new: one of the same name and number is brought up to date instead, so that a file
    /// can be imported again.
    fn take_in(&mut self, entry: Entry, companies: &mut HashMap<String, i64>, now: Wall, rows: &mut Rows) -> bool {
        let company = entry.company.map(|name| {
            *companies.entry(name).or_insert_with_key(|name| {
                let row = client(name.clone(), Some(entry.responsible.clone()), now);
                self.add_client(EntityKind::Company, row, rows).id
            })
        });
        let same = |at: &EntityRef| {
            at.kind == EntityKind::Contact && self.contacts.get(&at.id).is_some_and(|row| row.name == entry.name)
        };
        if let Some(at) = self.having(entry.phone).into_iter().find(same) {
            self.change_client(at, rows, |row| {
                if row.responsible.as_ref() != Some(&entry.responsible) {
                    row.set_by_calls = None;
                }
                row.responsible = Some(entry.responsible);
                row.email = entry.email.or(row.email.take());
                row.company = company.or(row.company);
            });
            return false;
        }
        let row = ClientRow { email: entry.email, company, ..client(entry.name, Some(entry.responsible), now) };
        let at = self.add_client(EntityKind::Contact, row, rows);
        self.give_number(entry.phone, at, rows);
        true
    }
}
