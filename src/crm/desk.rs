//! What an operator asks of the CRM, as data: the commands put it to the store or send it to a running server, and
//! either answers by the same function.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Backend;
use super::embedded::{Done, Edit, EditError, Embedded, Found, Rules, find, find_beside, is_under_way};
use super::outbox::{Outbox, Which};
use crate::base::{PhoneNumber, Wall};
use crate::store::{OutboxEntry, Reader, Store, StoreError};

/// Tells numbers that the files keep out of the CRM: employees' own, and our lines.
pub type OfTheHouse<'a> = &'a (dyn Fn(PhoneNumber) -> bool + Sync);

/// One request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Request {
    /// All that the CRM knows of a number.
    Find {
        /// As a person writes it.
        phone: String,
    },
    /// The exception list, with what the file adds.
    Exceptions,
    /// What is owed or given up.
    OutboxList,
    /// Try again now.
    OutboxRetry(Which),
    /// Give up for good.
    OutboxDrop(Which),
    /// A change.
    Edit(Edit),
}

/// Its answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// To `Find`.
    Found(Found),
    /// To `Exceptions`.
    Exceptions(Vec<ListedException>),
    /// To `OutboxList`.
    Outbox(Vec<OutboxEntry>),
    /// To `OutboxRetry`: how many.
    Retried(usize),
    /// To `OutboxDrop`: how many.
    Dropped(usize),
    /// To `Edit`.
    Done(Done),
}

/// An exception as it is listed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ListedException {
    /// A number or an address.
    pub value: String,
    /// Why it stands there.
    pub comment: Option<String>,
    /// Since when; `None` for those of the file.
    pub added: Option<Wall>,
}

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// It is about the embedded CRM, and another is in use.
    #[error("crm.backend is not `embedded`: change this in that CRM itself")]
    Elsewhere,
    /// The change was refused.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The store was not to be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Request {
    /// Whether it changes nothing, so that it can be answered beside a running server.
    pub const fn only_reads(&self) -> bool {
        matches!(self, Self::Find { .. } | Self::Exceptions | Self::OutboxList)
    }
}

/// Answers by the process that holds the store.
pub async fn answer(
    outbox: &Outbox<Backend>,
    reader: &Reader,
    request: Request,
    of_the_house: OfTheHouse<'_>,
) -> Result<Answer, DeskError> {
    let embedded = || outbox.crm().embedded().ok_or(DeskError::Elsewhere);
    Ok(match request {
        Request::Find { phone } => Answer::Found(find(embedded()?, &phone, of_the_house).await?),
        Request::Exceptions => Answer::Exceptions(exceptions(reader, &embedded()?.rules()).await?),
        Request::OutboxList => Answer::Outbox(outbox.list().await?),
        Request::OutboxRetry(which) => Answer::Retried(outbox.retry(which).await?),
        Request::OutboxDrop(which) => Answer::Dropped(outbox.drop_writes(which).await?),
        Request::Edit(edit) => Answer::Done(embedded()?.edit(edit).await?),
    })
}

/// Answers what only reads, beside whoever holds the store; `None` to what changes it.
pub async fn answer_beside(
    reader: &Reader,
    rules: &Rules,
    request: &Request,
    of_the_house: OfTheHouse<'_>,
) -> Result<Option<Answer>, DeskError> {
    Ok(match request {
        Request::Find { .. } if is_under_way(reader).await? => None,
        Request::Find { phone } => Some(Answer::Found(find_beside(reader, rules, phone, of_the_house).await?)),
        Request::Exceptions => Some(Answer::Exceptions(exceptions(reader, rules).await?)),
        Request::OutboxList => Some(Answer::Outbox(reader.outbox().await?)),
        Request::OutboxRetry(_) | Request::OutboxDrop(_) | Request::Edit(_) => None,
    })
}

async fn exceptions(reader: &Reader, rules: &Rules) -> Result<Vec<ListedException>, StoreError> {
    let listed = reader.exceptions().await?.into_iter();
    let listed = listed.map(|row| ListedException { value: row.value, comment: row.comment, added: Some(row.added) });
    let of_file = rules.written().iter().cloned();
    let of_file = of_file.map(|(value, comment)| ListedException { value, comment, added: None });
    Ok(listed.chain(of_file).collect())
}

impl Backend {
    /// The embedded CRM, where it is the one in use.
    pub const fn embedded(&self) -> Option<&Embedded> {
        match self {
            Self::Embedded(crm) => Some(crm),
        }
    }
}

/// The embedded CRM over a store that this process has open, with its outbox: for commands without a server.
pub async fn open(store: &Store, rules: Rules) -> Result<Outbox<Backend>, StoreError> {
    let crm = Backend::Embedded(Embedded::open(store, rules).await?);
    Outbox::start(store, crm, Arc::new(|_| {})).await
}
