//! `ramal calls` and `ramal call`: what goes on, and what went on in one call.

use std::fmt::Write as _;
use std::process::ExitCode;

use super::control::{Control, ControlError, escape};
use super::reach::{Failure, House, Reached};
use super::{out, paint};
use crate::base::CallId;
use crate::crm::model::CallRecord;
use crate::http::page::{self, CallQuery, Page, Whole};
use crate::node::Clock;
use crate::node::trace::{Trace, TraceRules};

/// Lists calls, newest first.
pub(super) fn list(house: &House, query: &CallQuery, json: bool) -> Result<ExitCode, Failure> {
    let page = house.block_on(async {
        let wanted = query.read(&house.directory().crm.country).map_err(|fault| Failure::No(fault.to_string()))?;
        match house.reach().await? {
            Reached::Server(mut control) => Ok::<_, Failure>(control.get(&path(query)?).await?),
            Reached::Nobody => match house.reader().await? {
                Some(reader) => Ok(page::page(Vec::new(), &reader, &wanted).await?),
                None => Ok(Page { calls: Vec::new(), next: None }),
            },
        }
    })?;
    match json {
        true => out::json(&page),
        false => out::text(&table(&page)),
    }
    Ok(ExitCode::SUCCESS)
}

/// The path of a page: every flag that was given, as a query.
fn path(query: &CallQuery) -> Result<String, ControlError> {
    let mut path = "/api/calls".to_owned();
    let serde_json::Value::Object(flags) = serde_json::to_value(query)? else {
        unreachable!("a struct is an object");
    };
    for (key, value) in flags {
        let text = match value {
            serde_json::Value::Null => continue,
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        let before = if path.contains('?') { '&' } else { '?' };
        path.push(before);
        path.push_str(&key);
        path.push('=');
        path.push_str(&escape(&text));
    }
    Ok(path)
}

fn table(page: &Page) -> String {
    if page.calls.is_empty() {
        return "no calls\n".to_owned();
    }
    let mut out = format!(
        "{:<16}  {:<7}  {:<8}  {:<9}  {:<16}  {:<16}  {:<10}  {:>5}  {}\n",
        "CALL", "STATE", "WAY", "OUTCOME", "FROM", "TO", "EMPLOYEE", "TALK", "STARTED"
    );
    for call in &page.calls {
        let (state, outcome) = words(call);
        let employee = call.employee.as_ref().map_or("-", |id| id.as_str());
        let (from, to) = (paint::inert(&call.from), paint::inert(&call.to));
        let (direction, talk) =
            (call.direction.as_str(), format!("{}:{:02}", call.talk_seconds / 60, call.talk_seconds % 60));
        writeln!(
            out,
            "{:<16}  {state:<7}  {direction:<8}  {outcome:<9}  {from:<16}  {to:<16}  {employee:<10}  {talk:>5}  {}",
            call.id.to_string(),
            call.started
        )
        .expect("a String takes all text");
    }
    if let Some(next) = &page.next {
        writeln!(out, "more: ramal calls --cursor {next}").expect("a String takes all text");
    }
    out
}

/// State and outcome, in their JSON words.
fn words(call: &CallRecord) -> (String, &'static str) {
    let state = serde_json::to_value(call.state).ok(); // a word, by its type
    let state = state.as_ref().and_then(|word| word.as_str()).unwrap_or("-");
    (state.to_owned(), call.outcome.map_or("-", |outcome| outcome.as_str()))
}

/// Prints one call and its ladder.
pub(super) fn one(house: &House, id: CallId, json: bool) -> Result<ExitCode, Failure> {
    let found = house.block_on(async {
        match house.reach().await? {
            Reached::Server(control) => from_server(control, id).await,
            Reached::Nobody => from_files(house, id).await,
        }
    })?;
    let unknown = || Failure::No(format!("there is no call {id}; `ramal calls` lists them"));
    let whole = found.ok_or_else(unknown)?;
    match json {
        true => out::json(&whole),
        false => out::text(&text(&whole)),
    }
    Ok(ExitCode::SUCCESS)
}

async fn from_server(mut control: Control, id: CallId) -> Result<Option<Whole>, Failure> {
    match control.get(&format!("/api/calls/{id}")).await {
        Ok(whole) => Ok(Some(whole)),
        Err(ControlError::Refused { status: 404, .. }) => Ok(None),
        Err(fault) => Err(fault.into()),
    }
}

async fn from_files(house: &House, id: CallId) -> Result<Option<Whole>, Failure> {
    let Some(reader) = house.reader().await? else { return Ok(None) };
    let Some(call) = reader.call(id).await? else { return Ok(None) };
    let rules = &house.settings.trace;
    let rules = TraceRules { path: rules.path.clone(), size: rules.size, keep: rules.keep };
    let trace = Trace::open(rules, Clock::start())?;
    trace.close(); // waits until it knows where every ladder stands
    Ok(Some(Whole { call, ladder: trace.find(id).await }))
}

fn text(whole: &Whole) -> String {
    let call = &whole.call;
    let (state, outcome) = words(call);
    let mut out = format!("call {}  {}, {state}", call.id, call.direction.as_str());
    if call.outcome.is_some() {
        out.push_str(&format!(", {outcome}"));
    }
    let lookup = call.lookup.map_or("not yet looked up", |lookup| lookup.as_str());
    let name = call.client_name.as_deref().map(paint::inert).unwrap_or_default();
    let client = call.client.map_or_else(String::new, |client| format!(": {client} {name}"));
    out.push_str(&format!("\n  {} calls {}  ({lookup}{client})\n", paint::inert(&call.from), paint::inert(&call.to)));
    out.push_str(&format!("  began {}, rang {} s, talked {} s", call.started, call.ring_seconds, call.talk_seconds));
    if let Some(employee) = &call.employee {
        out.push_str(&format!(", with {employee}"));
    }
    let created: Vec<String> = call.created.iter().map(ToString::to_string).collect();
    if !created.is_empty() {
        out.push_str(&format!(", created {}", created.join(", ")));
    }
    out.push_str("\n\n");
    match &whole.ladder {
        Some(entries) => out.push_str(&paint::ladder(entries)),
        None => out.push_str("its ladder has rolled away: [trace] size and keep say how much is kept\n"),
    }
    out
}
