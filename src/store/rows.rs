//! What waits to be committed: rows by table, each once, and who is to be told afterwards.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer};
use tokio::sync::oneshot;

use crate::base::{CallId, EmployeeId, PhoneNumber, Wall};
use crate::crm::model::{CallRecord, EntityRef, WriteKind, WriteNews, WriteState};

/// A contact or a company.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ClientRow {
    /// Its number in its table.
    pub id: i64,
    /// The name on it.
    pub name: String,
    /// Who owns it.
    pub responsible: Option<EmployeeId>,
    /// The owner that calls gave to the lead it was made from; calls may move it while this equals `responsible`.
    pub set_by_calls: Option<EmployeeId>,
    /// For exceptions by address.
    pub email: Option<String>,
    /// The company that a contact belongs to.
    pub company: Option<i64>,
    /// The call that made it, in simple mode.
    pub call: Option<CallId>,
    /// The line's `source`, of one that a call made.
    pub source: Option<String>,
    /// The line that it came by, of one that a call made.
    pub line: Option<PhoneNumber>,
    /// When it was made.
    #[serde(serialize_with = "millis")]
    pub created: Wall,
    /// When its latest activity ended.
    #[serde(serialize_with = "millis_or_null")]
    pub last_activity: Option<Wall>,
}

/// A lead.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LeadRow {
    /// Its number.
    pub id: i64,
    /// The name on it, where somebody wrote one.
    pub name: Option<String>,
    /// Who owns it.
    pub responsible: Option<EmployeeId>,
    /// The owner that calls gave it last; calls may move it while this equals `responsible`.
    pub set_by_calls: Option<EmployeeId>,
    /// The line's `source`.
    pub source: Option<String>,
    /// `new`, `junk`, `converted`, or what else an operator wrote.
    pub status: String,
    /// The line that it came by.
    pub line: Option<PhoneNumber>,
    /// The call that made it.
    pub call: Option<CallId>,
    /// What it was converted to: contact, company, deal.
    #[serde(serialize_with = "json_text")]
    pub converted: Vec<EntityRef>,
    /// When it was made.
    #[serde(serialize_with = "millis")]
    pub created: Wall,
    /// When its latest activity ended.
    #[serde(serialize_with = "millis_or_null")]
    pub last_activity: Option<Wall>,
}

/// A deal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DealRow {
    /// Its number.
    pub id: i64,
    /// Who owns it.
    pub responsible: Option<EmployeeId>,
    /// The owner that calls gave to the lead it was made from; calls may move it while this equals `responsible`.
    pub set_by_calls: Option<EmployeeId>,
    /// Its pipeline.
    pub pipeline: String,
    /// Its stage there.
    pub stage: String,
    /// Its contact.
    pub contact: Option<i64>,
    /// Its company.
    pub company: Option<i64>,
    /// The lead it came from.
    pub lead: Option<i64>,
    /// The call that made it, in simple mode.
    pub call: Option<CallId>,
    /// The line's `source`, of one that a call made.
    pub source: Option<String>,
    /// When it was made.
    #[serde(serialize_with = "millis")]
    pub created: Wall,
}

/// An activity: its call's record and what it stands at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ActivityRow {
    /// Its number.
    pub id: i64,
    /// The customer's number, where the call had one.
    pub phone: Option<PhoneNumber>,
    /// The client or lead.
    pub attached_to: Option<EntityRef>,
    /// What it says.
    pub record: CallRecord,
}

/// An entry of the exception list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ExceptionRow {
    /// A number in E.164, or an address in lower case.
    pub value: String,
    /// `number` or `address`.
    pub kind: &'static str,
    /// Why it stands there.
    pub comment: Option<String>,
    /// Since when.
    #[serde(serialize_with = "millis")]
    pub added: Wall,
}

/// One write in the outbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutboxRow {
    /// Which kind.
    pub write: WriteKind,
    /// How far it has come.
    pub state: WriteState,
    /// The [`OwedWrite`](crate::crm::model::OwedWrite) as JSON, until it is in effect.
    pub payload: Option<String>,
    /// How often the CRM was tried.
    pub attempts: u32,
    /// When it is tried next.
    pub next_at: Wall,
    /// What the CRM said last.
    pub error: Option<String>,
    /// When it came to be owed.
    pub since: Wall,
    /// When it took effect.
    pub written_at: Option<Wall>,
}

/// What the CRM's tables get.
#[derive(Default)]
pub struct CrmRows {
    /// Contacts, new or changed.
    pub contacts: BTreeMap<i64, ClientRow>,
    /// Companies, new or changed.
    pub companies: BTreeMap<i64, ClientRow>,
    /// Leads, new or changed.
    pub leads: BTreeMap<i64, LeadRow>,
    /// Deals, new or changed.
    pub deals: BTreeMap<i64, DealRow>,
    /// Whose numbers these are.
    pub phones: BTreeSet<(PhoneNumber, EntityRef)>,
    /// What each of these calls made or shares.
    pub call_records: BTreeSet<(CallId, EntityRef)>,
    /// Activities, one a call; one that stands there already stays.
    pub activities: BTreeMap<CallId, ActivityRow>,
    /// All activities at the one go to the other.
    pub moved_activities: BTreeMap<EntityRef, EntityRef>,
    /// The activities of these calls, where they stand at nobody, go there.
    pub attached_activities: BTreeMap<CallId, EntityRef>,
    /// Exceptions by value; `None` takes one away.
    pub exceptions: BTreeMap<String, Option<ExceptionRow>>,
    /// What a CRM wants kept here, by its own keys; `None` takes one away.
    pub notes: BTreeMap<String, Option<String>>,
}

/// A phone that has registered here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BindingRow {
    /// Until when.
    pub expires: Wall,
    /// The binding itself, as whoever keeps it writes it: JSON.
    pub binding: String,
}

/// Everything that goes into one commit, and what follows it.
#[derive(Default)]
pub struct Rows {
    /// The CRM's tables.
    pub crm: CrmRows,
    /// Ended calls.
    pub calls: BTreeMap<CallId, CallRecord>,
    /// What calls that may be committed already turned out to have created.
    pub created: BTreeMap<CallId, Vec<EntityRef>>,
    /// The outbox by idempotency key; `None` takes a row away.
    pub outbox: BTreeMap<(CallId, u16), Option<OutboxRow>>,
    /// Who can be rung.
    pub presence: BTreeMap<EmployeeId, String>,
    /// Phones by employee and Contact; `None` takes one away.
    pub bindings: BTreeMap<(EmployeeId, String), Option<BindingRow>>,
    /// Secrets by name; one that stands there already stays.
    pub secrets: BTreeMap<&'static str, String>,
    /// Calls that began before this are forgotten, with their rows in the outbox.
    pub forget_before: Option<Wall>,
    /// Told to whoever listens once this is committed.
    pub news: Vec<WriteNews>,
    pub(super) after: Vec<Box<dyn FnOnce() + Send + Sync>>,
    #[cfg(test)]
    pub(super) pragma: Option<&'static str>,
}

impl Rows {
    /// Resolves once all that is in here by now is committed; to an error where the store is closed before.
    pub fn wait(&mut self) -> oneshot::Receiver<()> {
        let (done, wait) = oneshot::channel();
        // Whoever asked may have stopped waiting, as the node does after two seconds: nobody is to be told then.
        self.after_commit(move || {
            let _ = done.send(());
        });
        wait
    }

    /// Runs `f` once all that is in here by now is committed.
    pub fn after_commit(&mut self, f: impl FnOnce() + Send + Sync + 'static) {
        self.after.push(Box::new(f));
    }

    /// Puts a number on a record.
    pub fn phone(&mut self, phone: PhoneNumber, of: EntityRef) {
        self.crm.phones.insert((phone, of));
    }

    pub(super) fn is_empty(&self) -> bool {
        let crm = &self.crm;
        let no_crm = crm.contacts.is_empty()
            && crm.companies.is_empty()
            && crm.leads.is_empty()
            && crm.deals.is_empty()
            && crm.phones.is_empty()
            && crm.call_records.is_empty()
            && crm.activities.is_empty()
            && crm.moved_activities.is_empty()
            && crm.attached_activities.is_empty()
            && crm.exceptions.is_empty()
            && crm.notes.is_empty();
        let no_log = self.calls.is_empty() && self.created.is_empty() && self.outbox.is_empty();
        let nobody_waits = self.news.is_empty() && self.after.is_empty();
        let no_phones = self.bindings.is_empty() && self.secrets.is_empty();
        no_crm && no_log && no_phones && nobody_waits && self.presence.is_empty() && self.forget_before.is_none()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn millis<S: Serializer>(at: &Wall, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_i64(at.unix_millis())
}

#[expect(clippy::ref_option, reason = "serde's signature")]
fn millis_or_null<S: Serializer>(at: &Option<Wall>, to: S) -> Result<S::Ok, S::Error> {
    at.map(Wall::unix_millis).serialize(to)
}

fn json_text<S: Serializer>(list: &[EntityRef], to: S) -> Result<S::Ok, S::Error> {
    let text = serde_json::to_string(list).map_err(serde::ser::Error::custom)?;
    to.serialize_str(&text)
}
