//! What operators change in the embedded CRM: the bodies of `ramal crm …`, here or sent to a running server.

use serde::{Deserialize, Serialize};

use super::convert::Conversion;
use super::exceptions::ExceptionValue;
use super::import::ImportError;
use super::index::Index;
use super::{Embedded, numbers};
use crate::base::{EmployeeId, PhoneNumber, Wall};
use crate::crm::model::{EntityKind, EntityRef};
use crate::store::StoreError;
use crate::store::rows::{ClientRow, ExceptionRow, Rows};

/// One change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "edit", rename_all = "kebab-case")]
pub enum Edit {
    /// A new contact or company.
    AddClient {
        /// Which of the two.
        kind: EntityKind,
        /// The name on it.
        name: String,
        /// Its numbers, as a person writes them.
        phones: Vec<String>,
        /// Who owns it.
        responsible: EmployeeId,
        /// For exceptions by address.
        email: Option<String>,
    },
    /// A lead becomes clients, with its owner, history and number.
    ConvertLead {
        /// Which lead.
        lead: i64,
        /// What it becomes: at least a contact or a company.
        to: Vec<EntityKind>,
        /// The name of the client, where the lead has none.
        name: Option<String>,
        /// The pipeline of the deal; `General` where it is left out.
        #[serde(default)]
        pipeline: Option<String>,
    },
    /// Another status for a lead: `new`, `junk`, or an operator's own word.
    SetStatus {
        /// Which lead.
        lead: i64,
        /// The status.
        status: String,
    },
    /// Another owner, by hand: calls move it no more.
    SetOwner {
        /// Of which record.
        record: EntityRef,
        /// The owner.
        responsible: EmployeeId,
    },
    /// A number or an address of whom nothing enters the CRM.
    AddException {
        /// The number or address.
        value: String,
        /// Why.
        comment: Option<String>,
    },
    /// The opposite.
    RemoveException {
        /// The number or address.
        value: String,
    },
}

/// What a change came to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "done", rename_all = "kebab-case")]
pub enum Done {
    /// A record was made.
    Added {
        /// It.
        record: EntityRef,
    },
    /// A lead was converted.
    Converted {
        /// The lead.
        lead: EntityRef,
        /// What stands for it now.
        to: Vec<EntityRef>,
    },
    /// A record was changed.
    Changed {
        /// It.
        record: EntityRef,
    },
    /// The exception stands in the list.
    Excepted {
        /// As it stands there.
        value: String,
    },
    /// The exception is gone.
    Unexcepted {
        /// As it stood there.
        value: String,
    },
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// What was given for a number is none.
    #[error("`{0}` is not a phone number; write it as +5511987654321, or the national way")]
    NotANumber(String),
    /// What was given for an exception is neither a number nor an address.
    #[error("`{0}` is neither a phone number nor an address such as joao@example.com")]
    NotAnException(String),
    /// A name is wanted.
    #[error("the name is empty")]
    NoName,
    /// There is no such record.
    #[error("there is no {0}; `ramal crm find PHONE` lists what there is")]
    NoSuchRecord(EntityRef),
    /// It was converted before.
    #[error("{0} is converted already")]
    Converted(EntityRef),
    /// A lead becomes at least a contact or a company.
    #[error("a lead is converted to a contact or a company, and a deal beside it: --to contact,deal")]
    NoClient,
    /// The file cannot be read.
    #[error("the file is not CSV with the columns name, phone, responsible[, email, company]: {0}")]
    NotCsv(String),
    /// It is not on the list.
    #[error("`{0}` is not on the list; `ramal crm exceptions` shows it")]
    NoSuchException(String),
    /// An import does not go on.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// It could not be committed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Embedded {
    /// Makes one change; returns once it is committed.
    pub async fn edit(&self, edit: Edit) -> Result<Done, EditError> {
        let country = self.inner.rules.load().country.clone();
        self.folded().await;
        self.change(|index, now, rows| index.edit(edit, &country, now, rows)).await?
    }

    /// Changes index and rows as one step, and waits for the commit.
    pub(super) async fn change<T>(
        &self,
        change: impl FnOnce(&mut Index, Wall, &mut Rows) -> T,
    ) -> Result<T, StoreError> {
        let inner = &self.inner;
        inner.store.commit_soon(|rows| change(&mut inner.index.write(), inner.store.now(), rows)).await
    }
}

impl Index {
    pub(super) fn edit(&mut self, edit: Edit, country: &str, now: Wall, rows: &mut Rows) -> Result<Done, EditError> {
        match edit {
            Edit::AddClient { kind, name, phones, responsible, email } => {
                let name = Some(name.trim().to_owned()).filter(|name| !name.is_empty()).ok_or(EditError::NoName)?;
                let read =
                    |text: &String| numbers::read(text, country).ok_or_else(|| EditError::NotANumber(text.clone()));
                let phones = phones.iter().map(read).collect::<Result<Vec<_>, _>>()?;
                let row = ClientRow { email, ..client(name, Some(responsible), now) };
                let record = self.add_client(kind, row, rows);
                for phone in phones {
                    self.give_number(phone, record, rows);
                }
                Ok(Done::Added { record })
            }
            Edit::ConvertLead { lead, to, name, pipeline } => {
                self.convert(Conversion { lead, to, name, pipeline }, now, rows)
            }
            Edit::SetStatus { lead, status } => {
                let record = EntityRef { kind: EntityKind::Lead, id: lead };
                let row = self.leads.get(&lead).ok_or(EditError::NoSuchRecord(record))?;
                if !row.converted.is_empty() {
                    return Err(EditError::Converted(record));
                }
                self.change_lead(lead, rows, |row| row.status = status);
                Ok(Done::Changed { record })
            }
            Edit::SetOwner { record, responsible } => {
                self.owners(record).ok_or(EditError::NoSuchRecord(record))?;
                self.give_owner(record, &responsible, false, rows);
                Ok(Done::Changed { record })
            }
            Edit::AddException { value, comment } => {
                let value = exception(&value, country)?;
                let (text, kind) = (value.text(), value.kind());
                self.exceptions.insert(value, comment.as_deref());
                let row = ExceptionRow { value: text.clone(), kind, comment, added: now };
                rows.crm.exceptions.insert(text.clone(), Some(row));
                Ok(Done::Excepted { value: text })
            }
            Edit::RemoveException { value } => {
                let value = exception(&value, country)?;
                if !self.exceptions.remove(&value) {
                    return Err(EditError::NoSuchException(value.text()));
                }
                rows.crm.exceptions.insert(value.text(), None);
                Ok(Done::Unexcepted { value: value.text() })
            }
        }
    }
}

/// A client whom no call has touched yet.
pub(super) fn client(name: String, responsible: Option<EmployeeId>, created: Wall) -> ClientRow {
    ClientRow {
        id: 0, // given by `add_client`
        name,
        responsible,
        set_by_calls: None,
        email: None,
        company: None,
        call: None,
        source: None,
        line: None,
        created,
        last_activity: None,
    }
}

fn exception(text: &str, country: &str) -> Result<ExceptionValue, EditError> {
    ExceptionValue::read(text, country).ok_or_else(|| EditError::NotAnException(text.to_owned()))
}

/// Reads the number of a command line; here so that every command reads it the same way.
pub(super) fn number(text: &str, country: &str) -> Result<PhoneNumber, EditError> {
    numbers::read(text, country).ok_or_else(|| EditError::NotANumber(text.to_owned()))
}
