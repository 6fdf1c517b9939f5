//! A lead becomes a contact, a company or both, and a deal beside them: they keep its owner, history, numbers and source.

use super::edit::{Done, EditError, client};
use super::index::Index;
use crate::base::{Wall, phone};
use crate::crm::model::{EntityKind, EntityRef};
use crate::store::rows::{ClientRow, DealRow, LeadRow, Rows};

/// The pipeline of a deal where nobody names another.
const PIPELINE: &str = "General";

/// Which lead becomes what.
pub(super) struct Conversion {
    pub(super) lead: i64,
    /// At least a contact or a company.
    pub(super) to: Vec<EntityKind>,
    /// Of the client; the lead's own, else its number, where it is left out.
    pub(super) name: Option<String>,
    pub(super) pipeline: Option<String>,
}

impl Index {
    /// From now on the number is known as the client's, also while the call that made the lead is up.
    pub(super) fn convert(&mut self, asked: Conversion, now: Wall, rows: &mut Rows) -> Result<Done, EditError> {
        let Conversion { lead: id, to, name, pipeline } = asked;
        let lead = EntityRef { kind: EntityKind::Lead, id };
        let row = self.leads.get(&id).ok_or(EditError::NoSuchRecord(lead))?.clone();
        if !row.converted.is_empty() {
            return Err(EditError::Converted(lead));
        }
        let is_client = |kind: &EntityKind| matches!(kind, EntityKind::Contact | EntityKind::Company);
        if !to.iter().any(is_client) || to.contains(&EntityKind::Lead) {
            return Err(EditError::NoClient);
        }
        let phones = self.numbers_of(lead);
        let called = written(name).or_else(|| row.name.clone());
        let called = called.or_else(|| phones.first().map(|phone| phone::spaced(*phone))).ok_or(EditError::NoName)?;
        let base = like(&row, called, now);
        let company = to.contains(&EntityKind::Company);
        let company = company.then(|| self.add_client(EntityKind::Company, base.clone(), rows));
        let contact = to.contains(&EntityKind::Contact);
        let contact = contact.then(|| {
            let row = ClientRow { company: company.map(|at| at.id), ..base };
            self.add_client(EntityKind::Contact, row, rows)
        });
        // The contact first: it is the one that stands for the lead.
        let mut made: Vec<EntityRef> = contact.into_iter().chain(company).collect();
        for at in &made {
            phones.iter().for_each(|phone| self.give_number(*phone, *at, rows));
        }
        if to.contains(&EntityKind::Deal) {
            let deal = DealRow {
                id: 0, // given by `add_deal`
                responsible: row.responsible,
                set_by_calls: row.set_by_calls,
                pipeline: written(pipeline).unwrap_or_else(|| PIPELINE.to_owned()),
                stage: "new".to_owned(),
                contact: contact.map(|at| at.id),
                company: company.map(|at| at.id),
                lead: Some(id),
                call: None,
                source: row.source,
                created: now,
            };
            made.push(self.add_deal(deal, rows));
        }
        self.change_lead(id, rows, |row| {
            "converted".clone_into(&mut row.status);
            row.converted.clone_from(&made);
        });
        rows.crm.moved_activities.insert(lead, made[0]);
        Ok(Done::Converted { lead, to: made })
    }
}

/// A client with all that the lead was, but no call of its own: it is nobody's but a person's decision.
fn like(lead: &LeadRow, name: String, now: Wall) -> ClientRow {
    ClientRow {
        set_by_calls: lead.set_by_calls.clone(),
        source: lead.source.clone(),
        line: lead.line,
        last_activity: lead.last_activity,
        ..client(name, lead.responsible.clone(), now)
    }
}

/// What somebody wrote, where it is more than blanks.
fn written(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}
