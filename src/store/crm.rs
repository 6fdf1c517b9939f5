//! The embedded CRM's tables, read whole for its index or for one number.

use std::collections::HashMap;

use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};

use super::rows::{ClientRow, DealRow, ExceptionRow, LeadRow};
use super::words::Cells;
use super::{Reader, StoreError};
use crate::base::{CallId, EmployeeId, PhoneNumber, Wall};
use crate::crm::model::{Direction, EntityKind, EntityRef, LegRecord, Outcome};

/// Everything of the CRM but its activities; or of it, what belongs to one number.
#[derive(Debug, Default)]
pub struct CrmTables {
    /// Contacts.
    pub contacts: Vec<ClientRow>,
    /// Companies.
    pub companies: Vec<ClientRow>,
    /// Leads.
    pub leads: Vec<LeadRow>,
    /// Deals.
    pub deals: Vec<DealRow>,
    /// Whose numbers these are.
    pub phones: Vec<(PhoneNumber, EntityRef)>,
    /// The exception list, whole.
    pub exceptions: Vec<ExceptionRow>,
}

/// An activity as `crm find` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each field is the key of `crm find --json` that has its name")]
pub struct FoundActivity {
    pub id: i64,
    pub call_id: CallId,
    pub direction: Direction,
    pub outcome: Outcome,
    pub started: Wall,
    pub ended: Wall,
    pub ring_seconds: u32,
    pub talk_seconds: u32,
    pub employee: Option<EmployeeId>,
    pub line: Option<PhoneNumber>,
    pub attached_to: Option<EntityRef>,
    pub recording: Option<String>,
    pub transferred_from: Option<EmployeeId>,
    pub legs: Vec<LegRecord>,
}

/// The highest number that each table has given out.
#[derive(Debug, Clone, Copy, Default)]
#[allow(missing_docs, reason = "the tables' own names")]
pub struct LastIds {
    pub contact: i64,
    pub company: i64,
    pub lead: i64,
    pub deal: i64,
    pub activity: i64,
}

impl Reader {
    /// The whole CRM but its activities.
    pub async fn crm(&self) -> Result<CrmTables, StoreError> {
        Ok(CrmTables {
            contacts: self.all("contacts", ALL_CONTACTS, None, client).await?,
            companies: self.all("companies", ALL_COMPANIES, None, client).await?,
            leads: self.all("leads", ALL_LEADS, None, lead).await?,
            deals: self.all("deals", ALL_DEALS, None, deal).await?,
            phones: self.all("phones", ALL_PHONES, None, phone).await?,
            exceptions: self.exceptions().await?,
        })
    }

    /// What belongs to a number, by any of its forms.
    pub async fn crm_of(&self, forms: &[PhoneNumber]) -> Result<CrmTables, StoreError> {
        let digits: Vec<u64> = forms.iter().map(|form| form.digits()).collect();
        let of = Some(super::words::text_of(&digits));
        let mut found = CrmTables {
            contacts: self.all("contacts", CONTACTS_OF, of.clone(), client).await?,
            companies: self.all("companies", COMPANIES_OF, of.clone(), client).await?,
            leads: self.all("leads", LEADS_OF, of.clone(), lead).await?,
            phones: self.all("phones", PHONES_OF, of, phone).await?,
            exceptions: self.exceptions().await?,
            deals: Vec::new(),
        };
        let owners: Vec<EntityRef> = found.phones.iter().map(|(_, of)| *of).collect();
        found.deals = self.all("deals", DEALS_OF, Some(super::words::text_of(&owners)), deal).await?;
        Ok(found)
    }

    /// The activities of a number, by any of its forms, and those at these records; by their numbers.
    pub async fn activities(&self, forms: &[PhoneNumber], at: &[EntityRef]) -> Result<Vec<FoundActivity>, StoreError> {
        let digits: Vec<u64> = forms.iter().map(|form| form.digits()).collect();
        let (digits, at) = (super::words::text_of(&digits), super::words::text_of(at));
        let rows = sqlx::query(ACTIVITIES_OF).bind(digits).bind(at).fetch_all(&self.pool).await?;
        rows.iter().map(|row| activity(&Cells { table: "activities", row })).collect()
    }

    /// The exception list.
    pub async fn exceptions(&self) -> Result<Vec<ExceptionRow>, StoreError> {
        let sql = "SELECT value, kind, comment, added FROM exceptions ORDER BY value";
        self.all("exceptions", sql, None, |cells| {
            let kind = if cells.text(1)? == "number" { "number" } else { "address" };
            Ok(ExceptionRow { value: cells.text(0)?, kind, comment: cells.maybe_text(2)?, added: cells.wall(3)? })
        })
        .await
    }

    /// The highest number in each table.
    pub async fn last_ids(&self) -> Result<LastIds, StoreError> {
        let row = sqlx::query(LAST_IDS).fetch_one(&self.pool).await?;
        let cells = Cells { table: "(highest numbers)", row: &row };
        Ok(LastIds {
            contact: cells.int(0)?,
            company: cells.int(1)?,
            lead: cells.int(2)?,
            deal: cells.int(3)?,
            activity: cells.int(4)?,
        })
    }

    /// What calls made or share which still owe something.
    pub async fn records_of_owing_calls(&self) -> Result<HashMap<CallId, Vec<EntityRef>>, StoreError> {
        let sql = "SELECT call, record FROM call_records
            WHERE call IN (SELECT call FROM outbox WHERE state <> 'written') ORDER BY call, record";
        let pairs = self.all("call_records", sql, None, |cells| Ok((cells.parse(0)?, cells.parse(1)?))).await?;
        let mut records: HashMap<CallId, Vec<EntityRef>> = HashMap::new();
        for (call, record) in pairs {
            records.entry(call).or_default().push(record);
        }
        Ok(records)
    }

    /// what a CRM has left here under keys that begin so.
    pub async fn notes(&self, prefix: &str) -> Result<Vec<(String, String)>, StoreError> {
        let sql = "SELECT key, value FROM crm_notes WHERE substr(key, 1, length($1)) = $1 ORDER BY key";
        let note = |cells: &Cells<'_>| Ok((cells.text(0)?, cells.text(1)?));
        self.all("crm_notes", sql, Some(prefix.to_owned()), note).await
    }

    /// Row by row, so that a large table is never in memory twice.
    async fn all<T>(
        &self,
        table: &'static str,
        sql: &'static str,
        of: Option<String>,
        read: impl Fn(&Cells<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let query = sqlx::query(sql);
        let query = if let Some(of) = of { query.bind(of) } else { query };
        let mut rows = query.fetch(&self.pool);
        let mut all = Vec::new();
        while let Some(row) = rows.try_next().await? {
            all.push(read(&Cells { table, row: &row })?);
        }
        Ok(all)
    }
}

fn client(cells: &Cells<'_>) -> Result<ClientRow, StoreError> {
    Ok(ClientRow {
        id: cells.int(0)?,
        name: cells.text(1)?,
        responsible: cells.employee(2)?,
        set_by_calls: cells.employee(3)?,
        email: cells.maybe_text(4)?,
        company: cells.maybe_int(5)?,
        created: cells.wall(6)?,
        last_activity: cells.maybe_wall(7)?,
        call: cells.maybe_parse(8)?,
        source: cells.maybe_text(9)?,
        line: cells.maybe_parse(10)?,
    })
}

fn lead(cells: &Cells<'_>) -> Result<LeadRow, StoreError> {
    Ok(LeadRow {
        id: cells.int(0)?,
        name: cells.maybe_text(1)?,
        responsible: cells.employee(2)?,
        set_by_calls: cells.employee(3)?,
        source: cells.maybe_text(4)?,
        status: cells.text(5)?,
        line: cells.maybe_parse(6)?,
        call: cells.maybe_parse(7)?,
        converted: cells.json(8)?,
        created: cells.wall(9)?,
        last_activity: cells.maybe_wall(10)?,
    })
}

fn deal(cells: &Cells<'_>) -> Result<DealRow, StoreError> {
    Ok(DealRow {
        id: cells.int(0)?,
        responsible: cells.employee(1)?,
        set_by_calls: cells.employee(2)?,
        pipeline: cells.text(3)?,
        stage: cells.text(4)?,
        contact: cells.maybe_int(5)?,
        company: cells.maybe_int(6)?,
        lead: cells.maybe_int(7)?,
        created: cells.wall(8)?,
        call: cells.maybe_parse(9)?,
        source: cells.maybe_text(10)?,
    })
}

fn phone(cells: &Cells<'_>) -> Result<(PhoneNumber, EntityRef), StoreError> {
    Ok((cells.phone(0)?, EntityRef { kind: cells.word::<EntityKind>(1)?, id: cells.int(2)? }))
}

fn activity(cells: &Cells<'_>) -> Result<FoundActivity, StoreError> {
    let seconds = |at| cells.int(at).map(|s| u32::try_from(s).unwrap_or(u32::MAX));
    Ok(FoundActivity {
        id: cells.int(0)?,
        call_id: cells.parse(1)?,
        direction: cells.word(2)?,
        outcome: cells.word(3)?,
        started: cells.wall(4)?,
        ended: cells.wall(5)?,
        ring_seconds: seconds(6)?,
        talk_seconds: seconds(7)?,
        employee: cells.employee(8)?,
        line: cells.maybe_parse(9)?,
        attached_to: cells.maybe_parse(10)?,
        recording: cells.maybe_text(11)?,
        transferred_from: cells.employee(12)?,
        legs: cells.json(13)?,
    })
}

macro_rules! client_columns {
    () => {
        "SELECT id, name, responsible, set_by_calls, email, company, created, last_activity, call, source, line FROM "
    };
}
macro_rules! lead_columns {
    () => {
        "SELECT id, name, responsible, set_by_calls, source, status, line, call, converted, created, last_activity FROM "
    };
}
macro_rules! deal_columns {
    () => {
        "SELECT id, responsible, set_by_calls, pipeline, stage, contact, company, lead, created, call, source FROM deals "
    };
}
macro_rules! with_a_number {
    ($kind:literal) => {
        concat!(
            " WHERE id IN (SELECT id FROM phones WHERE kind = '",
            $kind,
            "' AND digits IN (SELECT value FROM json_each($1))) ORDER BY id"
        )
    };
}

const ALL_CONTACTS: &str = concat!(client_columns!(), "contacts");
const ALL_COMPANIES: &str = concat!(client_columns!(), "companies");
const ALL_LEADS: &str = concat!(lead_columns!(), "leads");
const ALL_DEALS: &str = deal_columns!();
const ALL_PHONES: &str = "SELECT digits, kind, id FROM phones";

const CONTACTS_OF: &str = concat!(client_columns!(), "contacts", with_a_number!("contact"));
const COMPANIES_OF: &str = concat!(client_columns!(), "companies", with_a_number!("company"));
const LEADS_OF: &str = concat!(lead_columns!(), "leads", with_a_number!("lead"));
const PHONES_OF: &str = "SELECT digits, kind, id FROM phones WHERE digits IN (SELECT value FROM json_each($1))";
const DEALS_OF: &str = concat!(
    deal_columns!(),
    "WHERE 'contact:' || contact IN (SELECT value FROM json_each($1))
        OR 'company:' || company IN (SELECT value FROM json_each($1))
        OR 'lead:' || lead IN (SELECT value FROM json_each($1))
     ORDER BY id"
);

const ACTIVITIES_OF: &str = "SELECT id, call_id, direction, outcome, started, ended, ring_seconds, talk_seconds,
        employee, line, attached_to, recording, transferred_from, legs FROM activities
    WHERE phone IN (SELECT value FROM json_each($1)) OR attached_to IN (SELECT value FROM json_each($2))
    ORDER BY id";

const LAST_IDS: &str =
    "SELECT (SELECT coalesce(max(id), 0) FROM contacts), (SELECT coalesce(max(id), 0) FROM companies),
    (SELECT coalesce(max(id), 0) FROM leads), (SELECT coalesce(max(id), 0) FROM deals),
    (SELECT coalesce(max(id), 0) FROM activities)";
