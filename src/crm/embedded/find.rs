//! `ramal crm find`: all that the CRM knows of a number, as the command prints it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::edit::EditError;
use super::index::Index;
use super::{Embedded, Rules, edit, import, numbers};
use crate::base::{CallId, EmployeeId, PhoneNumber, Wall};
use crate::crm::model::{EntityKind, EntityRef, Lookup, LookupKind};
use crate::store::rows::{ClientRow, Rows};
use crate::store::{CrmTables, FoundActivity, LastIds, Reader, StoreError};

/// What there is of a number.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each field is the key of `crm find --json` that has its name")]
pub struct Found {
    pub phone: PhoneNumber,
    pub known: bool,
    pub lookup: LookupKind,
    pub contacts: Vec<FoundClient>,
    pub companies: Vec<FoundClient>,
    pub leads: Vec<FoundLead>,
    pub deals: Vec<FoundDeal>,
    pub activities: Vec<FoundActivity>,
}

/// A contact or a company.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each field is the key of `crm find --json` that has its name")]
pub struct FoundClient {
    pub id: i64,
    pub name: String,
    pub responsible: Option<EmployeeId>,
    /// Of one that a call made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<PhoneNumber>,
}

/// A lead.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each field is the key of `crm find --json` that has its name")]
pub struct FoundLead {
    pub id: i64,
    pub responsible: Option<EmployeeId>,
    pub source: Option<String>,
    pub status: String,
    pub line: Option<PhoneNumber>,
}

/// A deal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each field is the key of `crm find --json` that has its name")]
pub struct FoundDeal {
    pub id: i64,
    pub responsible: Option<EmployeeId>,
    pub pipeline: String,
    pub stage: String,
    /// Of one that a call opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

impl Found {
    /// Its leads that are neither junk nor converted, and its deals.
    pub fn open(&self) -> Vec<EntityRef> {
        let leads = self.leads.iter().filter(|lead| !matches!(lead.status.as_str(), "junk" | "converted"));
        let leads = leads.map(|lead| EntityRef { kind: EntityKind::Lead, id: lead.id });
        leads.chain(self.deals.iter().map(|deal| EntityRef { kind: EntityKind::Deal, id: deal.id })).collect()
    }

    /// Who owns one of its records.
    pub fn responsible(&self, of: EntityRef) -> Option<EmployeeId> {
        let client =
            |all: &[FoundClient]| all.iter().find(|one| one.id == of.id).and_then(|one| one.responsible.clone());
        match of.kind {
            EntityKind::Contact => client(&self.contacts),
            EntityKind::Company => client(&self.companies),
            EntityKind::Lead => self.leads.iter().find(|lead| lead.id == of.id)?.responsible.clone(),
            EntityKind::Deal => self.deals.iter().find(|deal| deal.id == of.id)?.responsible.clone(),
        }
    }
}

/// Finds a number in the store that this process has open.
///
/// `of_the_house` tells numbers that the files keep out of the CRM: employees' own, and our lines.
pub async fn find(
    crm: &Embedded,
    phone: &str,
    of_the_house: &(dyn Fn(PhoneNumber) -> bool + Sync),
) -> Result<Found, EditError> {
    let rules = crm.inner.rules.load_full();
    let phone = edit::number(phone, &rules.country)?;
    if crm.inner.index.read().waits(phone) {
        let inner = &crm.inner;
        inner.store.commit_soon(|rows| inner.index.write().settle(phone, inner.store.now(), rows)).await?;
    }
    let lookup = crm.inner.index.read().look_up(phone, "", &rules);
    Ok(found(crm.inner.store.reader(), phone, &lookup, of_the_house).await?)
}

/// Looks a number up in a store that another process may have open, as a call would.
pub async fn look_up_beside(
    reader: &Reader,
    rules: &Rules,
    phone: PhoneNumber,
    address: &str,
) -> Result<Lookup, StoreError> {
    let tables = reader.crm_of(&numbers::keys(phone)).await?;
    let up = calls_that_may_be_up(reader, &tables).await?;
    let mut index = Index::new(tables, reader.last_ids().await?);
    index.up.extend(up);
    for entry in import::published(reader, phone).await? {
        // For this look alone: whoever opens the store next does it for good.
        index.take_in_entry(entry, &mut HashMap::new(), Wall::default(), &mut Rows::default());
    }
    Ok(index.look_up(phone, address, rules))
}

/// Finds a number in a store that another process may have open.
pub async fn find_beside(
    reader: &Reader,
    rules: &Rules,
    phone: &str,
    of_the_house: &(dyn Fn(PhoneNumber) -> bool + Sync),
) -> Result<Found, EditError> {
    let phone = edit::number(phone, &rules.country)?;
    let tables = reader.crm_of(&numbers::keys(phone)).await?;
    let up = calls_that_may_be_up(reader, &tables).await?;
    let mut index = Index::new(tables, LastIds::default());
    index.up.extend(up);
    let lookup = index.look_up(phone, "", rules);
    Ok(found(reader, phone, &lookup, of_the_house).await?)
}

/// A call that made something since the server runs, and has no record yet, goes on.
async fn calls_that_may_be_up(reader: &Reader, tables: &CrmTables) -> Result<Vec<CallId>, StoreError> {
    let Some(since) = reader.running_since().await? else { return Ok(Vec::new()) };
    let mut up = Vec::new();
    let leads = tables.leads.iter().map(|row| (row.created, row.call));
    let clients = tables.contacts.iter().chain(&tables.companies).map(|row| (row.created, row.call));
    for call in leads.chain(clients).filter(|(created, _)| *created >= since).filter_map(|(_, call)| call) {
        if reader.call(call).await?.is_none() {
            up.push(call);
        }
    }
    Ok(up)
}

async fn found(
    reader: &Reader,
    phone: PhoneNumber,
    lookup: &Lookup,
    of_the_house: &(dyn Fn(PhoneNumber) -> bool + Sync),
) -> Result<Found, StoreError> {
    let forms = numbers::keys(phone);
    let tables = reader.crm_of(&forms).await?;
    let lookup = if forms.iter().any(|form| of_the_house(*form)) { LookupKind::Excluded } else { lookup.kind() };
    let mut at: Vec<EntityRef> = tables.phones.iter().map(|(_, at)| *at).collect();
    at.extend(tables.deals.iter().map(|deal| EntityRef { kind: EntityKind::Deal, id: deal.id }));
    let activities = reader.activities(&forms, &at).await?;
    let client = |row: ClientRow| FoundClient {
        id: row.id,
        name: row.name,
        responsible: row.responsible,
        source: row.source,
        line: row.line,
    };
    Ok(Found {
        phone,
        known: lookup == LookupKind::Known,
        lookup,
        contacts: tables.contacts.into_iter().map(client).collect(),
        companies: tables.companies.into_iter().map(client).collect(),
        leads: tables
            .leads
            .into_iter()
            .map(|row| FoundLead {
                id: row.id,
                responsible: row.responsible,
                source: row.source,
                status: row.status,
                line: row.line,
            })
            .collect(),
        deals: tables
            .deals
            .into_iter()
            .map(|row| FoundDeal {
                id: row.id,
                responsible: row.responsible,
                pipeline: row.pipeline,
                stage: row.stage,
                source: row.source,
            })
            .collect(),
        activities,
    })
}
