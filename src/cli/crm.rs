//! `ramal crm …` and `ramal outbox …`: what is asked, who answers, and how the answer is shown.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::future::Future;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::base::{CallId, EmployeeId, is_harmful};
use crate::crm::desk::{self, Answer, DeskError, ListedException, OfTheHouse, Request};
use crate::crm::embedded::{Done, Edit, Found, Rules};
use crate::crm::model::{EntityKind, EntityRef};
use crate::crm::outbox::Which;
use crate::route::directory::Directory;
use crate::store::{Clock, FoundActivity, OutboxEntry, Reader, Store, StoreError};

/// `ramal crm …`
#[derive(Subcommand, Debug, Clone)]
pub enum CrmCommand {
    /// All that the CRM knows of a number
    Find {
        /// The number, in E.164 or the national way
        phone: String,
    },
    /// Adds a person who is a client
    AddContact(NewClient),
    /// Adds a firm that is a client
    AddCompany(NewClient),
    /// Makes a lead a client, who keeps its owner, history and number
    ConvertLead {
        /// The lead's number
        id: i64,
        /// What it becomes, separated by commas: contact, or company, or both, and deal beside them
        #[arg(long, value_delimiter = ',', required = true, value_parser = kind)]
        to: Vec<EntityKind>,
        /// The client's name; the lead's, or its number, where it is left out
        #[arg(long)]
        name: Option<String>,
        /// The deal's pipeline; General where it is left out
        #[arg(long)]
        pipeline: Option<String>,
    },
    /// Gives a lead another status, such as junk
    SetStatus {
        /// The lead's number
        id: i64,
        /// The status
        status: String,
    },
    /// Gives a record another owner; calls move it no more
    SetOwner {
        /// The record, as in lead:3
        record: EntityRef,
        /// The owner's id
        #[arg(long)]
        responsible: EmployeeId,
    },
    /// Keeps a number or an address out of the CRM
    AddException {
        /// A number, or an address such as joao@example.com
        value: String,
        /// Why
        #[arg(long)]
        comment: Option<String>,
    },
    /// Takes a number or an address off the exception list
    RemoveException {
        /// The number or address
        value: String,
    },
    /// Lists the exceptions, those of the file too
    Exceptions,
    /// Adds contacts from a CSV file with the columns name, phone, responsible and, where wanted, email, company
    Import {
        /// The file
        file: PathBuf,
    },
}

/// What is not one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// To be put to the CRM.
    Request(Request),
    /// A file to be imported.
    Import(PathBuf),
}

/// A client to be added.
#[derive(Args, Debug, Clone)]
pub struct NewClient {
    /// The name on it
    #[arg(long)]
    name: String,
    /// Its number; may be given several times
    #[arg(long, required = true)]
    phone: Vec<String>,
    /// The owner's id
    #[arg(long)]
    responsible: EmployeeId,
    /// An e-mail address
    #[arg(long)]
    email: Option<String>,
}

/// `ramal outbox …`
#[derive(Subcommand, Debug, Clone)]
pub enum OutboxCommand {
    /// Lists CRM writes that are owed or given up
    List,
    /// Tries them again now, those given up too
    Retry(Chosen),
    /// Gives them up for good
    Drop(Chosen),
}

/// Which writes; all where none is named.
#[derive(Args, Debug, Clone)]
pub struct Chosen {
    /// Of this call only
    call: Option<CallId>,
    /// Of its writes only the one at this place
    seq: Option<u16>,
}

impl CrmCommand {
    /// What it asks.
    pub fn asked(self) -> Asked {
        let add = |kind, new: NewClient| Edit::AddClient {
            kind,
            name: new.name,
            phones: new.phone,
            responsible: new.responsible,
            email: new.email,
        };
        Asked::Request(match self {
            Self::Import { file } => return Asked::Import(file),
            Self::Find { phone } => Request::Find { phone },
            Self::Exceptions => Request::Exceptions,
            Self::AddContact(new) => Request::Edit(add(EntityKind::Contact, new)),
            Self::AddCompany(new) => Request::Edit(add(EntityKind::Company, new)),
            Self::ConvertLead { id, to, name, pipeline } => {
                Request::Edit(Edit::ConvertLead { lead: id, to, name, pipeline })
            }
            Self::SetStatus { id, status } => Request::Edit(Edit::SetStatus { lead: id, status }),
            Self::SetOwner { record, responsible } => Request::Edit(Edit::SetOwner { record, responsible }),
            Self::AddException { value, comment } => Request::Edit(Edit::AddException { value, comment }),
            Self::RemoveException { value } => Request::Edit(Edit::RemoveException { value }),
        })
    }
}

impl OutboxCommand {
    /// What it asks.
    pub fn request(self) -> Request {
        let which = |chosen: Chosen| Which { call: chosen.call, seq: chosen.seq };
        match self {
            Self::List => Request::OutboxList,
            Self::Retry(chosen) => Request::OutboxRetry(which(chosen)),
            Self::Drop(chosen) => Request::OutboxDrop(which(chosen)),
        }
    }
}

/// Where the store is, and by what rules it is read.
pub struct Access<'a> {
    /// `store.url`
    pub url: &'a str,
    /// What the file says to the embedded CRM.
    pub rules: &'a Rules,
    /// Numbers that the files keep out of the CRM.
    pub of_the_house: OfTheHouse<'a>,
    /// The date.
    pub clock: Clock,
}

/// Answers from the store: what only reads beside whoever holds it, what changes it where nobody does. Where a
/// server holds it, `server` puts the request to it.
pub async fn ask<E, F>(access: &Access<'_>, request: Request, server: impl FnOnce(Request) -> F) -> Result<Answer, E>
where
    E: From<DeskError>,
    F: Future<Output = Result<Answer, E>>,
{
    if request.only_reads() {
        match Reader::open(access.url).await {
            Ok(reader) => {
                let answer = desk::answer_beside(&reader, access.rules, &request, access.of_the_house).await?;
                if let Some(answer) = answer {
                    return Ok(answer);
                }
            }
            // Made, or brought up to date, below.
            Err(StoreError::Missing(_) | StoreError::Older { .. }) => {}
            Err(error) => return Err(DeskError::from(error).into()),
        }
    }
    let store = match Store::open(access.url, usize::MAX, access.clock.clone()).await {
        Ok(store) => store,
        Err(StoreError::InUse(_)) => return server(request).await,
        Err(error) => return Err(DeskError::from(error).into()),
    };
    let answer = answer_alone(&store, access, request).await;
    store.close().await;
    Ok(answer?)
}

async fn answer_alone(store: &Store, access: &Access<'_>, request: Request) -> Result<Answer, DeskError> {
    let outbox = desk::open(store, access.rules.clone()).await?;
    desk::answer(&outbox, store.reader(), request, access.of_the_house).await
}

/// The answer as `--json` prints it.
pub fn json(answer: &Answer) -> serde_json::Value {
    let value = match answer {
        Answer::Found(found) => serde_json::to_value(found),
        Answer::Exceptions(list) => Ok(serde_json::json!({ "exceptions": list })),
        Answer::Outbox(list) => Ok(serde_json::json!({ "outbox": list })),
        Answer::Retried(count) => Ok(serde_json::json!({ "retried": count })),
        Answer::Dropped(count) => Ok(serde_json::json!({ "dropped": count })),
        Answer::Done(done) => serde_json::to_value(done),
    };
    value.expect("answers are plain data with text for keys")
}

/// What to say of owners who are none of the house: nothing is wrong, but no phone of theirs will ring.
pub(super) fn nobody(request: &Request, directory: &Directory) -> Option<String> {
    match request {
        Request::Edit(Edit::AddClient { responsible, .. } | Edit::SetOwner { responsible, .. }) => {
            strangers(&BTreeSet::from([responsible.clone()]), directory)
        }
        _ => None,
    }
}

/// The same of those that a file names.
pub(super) fn strangers(named: &BTreeSet<EmployeeId>, directory: &Directory) -> Option<String> {
    let strangers: Vec<String> = named
        .iter()
        .filter(|id| directory.employee(id).is_none())
        .map(|id| format!("`{}`", Inert(id.as_str())))
        .collect();
    let (first, more) = (strangers.get(..5).unwrap_or(&strangers), strangers.len().saturating_sub(5));
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let known: Vec<&str> = directory.employees.iter().map(|known| known.id.as_str()).collect();
    let known = if known.is_empty() { "nobody".to_owned() } else { known.join(", ") };
    (!strangers.is_empty()).then(|| {
        format!(
            "note: no employee {}{more}, so calls of such clients go to the line's queue; the files have {known}",
            first.join(", ")
        )
    })
}

/// The answer as a person reads it.
pub fn text(answer: &Answer) -> String {
    let mut out = String::new();
    let written = match answer {
        Answer::Found(found) => write_found(&mut out, found),
        Answer::Exceptions(list) => write_list(&mut out, list, "no exceptions", write_exception),
        Answer::Outbox(list) => write_list(&mut out, list, "nothing is owed", write_owed),
        Answer::Retried(count) => writeln!(out, "{count} tried again"),
        Answer::Dropped(count) => writeln!(out, "{count} dropped"),
        Answer::Done(done) => write_done(&mut out, done),
    };
    written.expect("a String takes all");
    out
}

fn write_found(out: &mut String, found: &Found) -> fmt::Result {
    writeln!(out, "{}: {}", found.phone, found.lookup.as_str())?;
    let owner = |owner: &Option<EmployeeId>| owner.as_ref().map_or("nobody".to_owned(), ToString::to_string);
    let clients = found.contacts.iter().map(|c| ("contact", c)).chain(found.companies.iter().map(|c| ("company", c)));
    for (kind, client) in clients {
        write!(out, "  {kind}:{}  {}, responsible {}", client.id, Inert(&client.name), owner(&client.responsible))?;
        write_source(out, client.source.as_deref())?;
    }
    for lead in &found.leads {
        write!(out, "  lead:{}  {}, responsible {}", lead.id, Inert(&lead.status), owner(&lead.responsible))?;
        write_source(out, lead.source.as_deref())?;
    }
    for deal in &found.deals {
        let (pipeline, stage) = (Inert(&deal.pipeline), Inert(&deal.stage));
        write!(out, "  deal:{}  {pipeline}, {stage}, responsible {}", deal.id, owner(&deal.responsible))?;
        write_source(out, deal.source.as_deref())?;
    }
    found.activities.iter().try_for_each(|activity| write_activity(out, activity))
}

fn write_source(out: &mut String, source: Option<&str>) -> fmt::Result {
    match source {
        Some(source) => writeln!(out, ", from {}", Inert(source)),
        None => writeln!(out),
    }
}

fn write_activity(out: &mut String, activity: &FoundActivity) -> fmt::Result {
    let (direction, outcome) = (activity.direction.as_str(), activity.outcome.as_str());
    write!(out, "  activity:{}  {}  {direction}, {outcome}", activity.id, activity.started)?;
    if let Some(employee) = &activity.employee {
        write!(out, " by {employee}")?;
    }
    write!(out, ", rang {} s, talked {} s", activity.ring_seconds, activity.talk_seconds)?;
    match &activity.attached_to {
        Some(at) => writeln!(out, ", at {at}"),
        None => writeln!(out),
    }
}

fn write_list<T>(
    out: &mut String,
    list: &[T],
    nothing: &str,
    write: impl Fn(&mut String, &T) -> fmt::Result,
) -> fmt::Result {
    if list.is_empty() {
        return writeln!(out, "{nothing}");
    }
    list.iter().try_for_each(|entry| write(out, entry))
}

fn write_exception(out: &mut String, exception: &ListedException) -> fmt::Result {
    write!(out, "{}", Inert(&exception.value))?;
    if let Some(comment) = &exception.comment {
        write!(out, "  {}", Inert(comment))?;
    }
    match exception.added {
        Some(at) => writeln!(out, "  since {at}"),
        None => writeln!(out, "  in the file"),
    }
}

fn write_owed(out: &mut String, entry: &OutboxEntry) -> fmt::Result {
    let state = serde_json::to_value(entry.state).map_err(|_| fmt::Error)?;
    let state = state.as_str().unwrap_or_default();
    write!(out, "{} {}  {}  {state} since {}", entry.call, entry.seq, entry.write.as_str(), entry.since)?;
    if let Some(client) = entry.client {
        write!(out, ", about {client}")?;
    }
    write!(out, ", {} tries", entry.attempts)?;
    match &entry.error {
        Some(error) => writeln!(out, ": {}", Inert(error)),
        None => writeln!(out),
    }
}

fn write_done(out: &mut String, done: &Done) -> fmt::Result {
    match done {
        Done::Added { record } => writeln!(out, "{record} added"),
        Done::Changed { record } => writeln!(out, "{record} changed"),
        Done::Converted { lead, to } => {
            let to: Vec<String> = to.iter().map(ToString::to_string).collect();
            writeln!(out, "{lead} is now {}", to.join(", "))
        }
        Done::Excepted { value } => writeln!(out, "{} stays out of the CRM", Inert(value)),
        Done::Unexcepted { value } => writeln!(out, "{} is no exception any more", Inert(value)),
    }
}

/// Text from outside on its way to a terminal: nothing in it moves the cursor or colours the screen.
pub(super) struct Inert<'a>(pub(super) &'a str);

impl fmt::Display for Inert<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| f.write_char(if is_harmful(c) { char::REPLACEMENT_CHARACTER } else { c }))
    }
}

fn kind(text: &str) -> Result<EntityKind, String> {
    match text.trim() {
        "contact" => Ok(EntityKind::Contact),
        "company" => Ok(EntityKind::Company),
        "deal" => Ok(EntityKind::Deal),
        other => Err(format!("`{other}` is not contact, company or deal")),
    }
}

#[cfg(test)]
mod tests;
