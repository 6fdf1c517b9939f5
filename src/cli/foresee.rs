//! `ramal explain`: gathers what is true at this moment (from the running server, else from the store) and prints what
//! [`explain`](super::explain) makes of it.

use std::collections::HashMap;
use std::process::ExitCode;

use clap::Args;

use super::explain::Question;
use super::out;
use super::reach::{Failure, House, Reached};
use crate::base::phone::{self, Context};
use crate::base::{EmployeeId, PhoneNumber, Wall};
use crate::crm::WhoCalls;
use crate::crm::embedded::look_up_beside;
use crate::crm::model::{Lookup, NoAnswer};
use crate::http::LiveFacts;
use crate::node::Clock;
use crate::route::directory::Line;
use crate::route::plan::{Live, Presence};
use crate::store::Reader;

/// The call that is not placed.
#[derive(Debug, Clone, Args)]
pub struct Foreseen {
    /// The line that it would call
    #[arg(long, value_name = "NUMBER")]
    line: String,
    /// Who would call: a number as carriers send it, an address, or `anonymous`
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    from: String,
    /// When, as in 2026-11-24T14:00:00Z, or 2026-11-24T14:00 in the line's time zone; default: now
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// `down`: as if the CRM did not answer
    #[arg(long, value_parser = ["down"])]
    crm: Option<String>,
}

/// Explains it.
pub(super) fn run(house: &House, asked: &Foreseen, json: bool) -> Result<ExitCode, Failure> {
    let line = line(house, &asked.line)?;
    let at = match &asked.at {
        Some(text) => time(text, line)?,
        None => Clock::start().now().wall,
    };
    let question = Question { line, from: &asked.from, at };
    let caller = question.caller(house.directory());
    let who = match (caller.excluded, caller.number, &asked.crm) {
        (None, Some(phone), None) => Some(WhoCalls { phone, line: line.number, address: caller.address }),
        _ => None,
    };
    let (moment, lookup) = house.block_on(gather(house, who))?;
    let explained = question.explain(house.directory(), &moment, lookup);
    match json {
        true => out::json(&explained),
        false => out::text(&explained.to_string()),
    }
    Ok(ExitCode::SUCCESS)
}

/// What is true now, and what the CRM says of her; nobody is asked where there is nobody to ask about.
async fn gather(house: &House, who: Option<WhoCalls>) -> Result<(Moment, Lookup), Failure> {
    const DOWN: Lookup = Lookup::Undetermined(NoAnswer::Unavailable);
    match house.reach().await? {
        Reached::Server(mut control) => {
            let facts: LiveFacts = control.get("/control/live").await?;
            let lookup = match who {
                Some(who) => control.post("/control/lookup", &who).await?,
                None => DOWN,
            };
            Ok((facts.into(), lookup))
        }
        Reached::Nobody => {
            let reader = house.reader().await?;
            let moment = match &reader {
                Some(reader) => Moment::read(reader).await?,
                None => Moment::default(),
            };
            let lookup = match (who, &reader) {
                (None, _) => DOWN,
                (Some(who), Some(reader)) => look_up_beside(reader, &house.rules(), who.phone, &who.address).await?,
                // The store that `serve` will make is empty.
                (Some(_), None) => Lookup::Unknown { fresh: None },
            };
            Ok((moment, lookup))
        }
    }
}

fn line<'a>(house: &'a House, number: &str) -> Result<&'a Line, Failure> {
    let directory = house.directory();
    let lines: Vec<PhoneNumber> = directory.lines.iter().map(|line| line.number).collect();
    let context = Context { lines: &lines, ..Context::plain(&directory.crm.country) };
    let line = phone::read(number, &context).e164.and_then(|number| directory.line(number));
    line.map(|line| &**line).ok_or_else(|| {
        let known: Vec<String> = lines.iter().map(ToString::to_string).collect();
        Failure::No(format!("{number} is no line of the files; the lines are: {}", known.join(", ")))
    })
}

fn time(text: &str, line: &Line) -> Result<Wall, Failure> {
    let timestamp = text.parse::<jiff::Timestamp>().or_else(|_| {
        let zone = line.hours.as_ref().map_or_else(jiff::tz::TimeZone::system, |hours| hours.timezone.clone());
        zone.to_timestamp(text.parse()?)
    });
    timestamp.map(|at| Wall::from_unix_millis(at.as_millisecond())).map_err(|_: jiff::Error| {
        Failure::No(format!("--at {text}: write it as in 2026-11-24T14:00:00Z, or 2026-11-24T14:00 in the line's zone"))
    })
}

/// What is true at this moment besides the files.
#[derive(Default)]
struct Moment {
    presence: HashMap<EmployeeId, Presence>,
    busy: Vec<EmployeeId>,
    last_rung: HashMap<EmployeeId, Wall>,
    registered: Vec<EmployeeId>,
}

impl Moment {
    /// Without a server nobody talks.
    async fn read(reader: &Reader) -> Result<Self, Failure> {
        let written = reader.presences().await?.into_iter();
        // A word that is none of ours is nobody's presence, as when a server reads it.
        let presence = written.filter_map(|(id, word)| Some((id, word.parse().ok()?))).collect();
        let bindings = reader.bindings(Clock::start().now().wall).await?;
        let registered = bindings.into_iter().map(|(employee, _)| employee).collect();
        Ok(Self { presence, busy: Vec::new(), last_rung: reader.last_rung().await?, registered })
    }
}

impl From<LiveFacts> for Moment {
    fn from(facts: LiveFacts) -> Self {
        Self {
            presence: facts.presence.into_iter().collect(),
            busy: facts.busy,
            last_rung: facts.last_rung.into_iter().collect(),
            registered: facts.registered,
        }
    }
}

impl Live for Moment {
    fn presence(&self, employee: &EmployeeId) -> Presence {
        self.presence.get(employee).copied().unwrap_or_default()
    }

    fn busy(&self, employee: &EmployeeId) -> bool {
        self.busy.contains(employee)
    }

    fn last_rung(&self, employee: &EmployeeId) -> Option<Wall> {
        self.last_rung.get(employee).copied()
    }

    fn registered(&self, employee: &EmployeeId) -> bool {
        self.registered.contains(employee)
    }
}
