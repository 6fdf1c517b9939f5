//! The commands: each a function that prints and says how it went; none of them decides anything itself.
//!
//! Exit code 1: the answer is no, or it failed, with one line on standard error that says what to do; 2: wrong usage.

pub mod calls;
pub mod check;
pub mod control;
pub mod crm;
pub mod demo;
pub mod explain;
mod fake_bitrix24;
pub mod foresee;
mod import;
mod log;
pub mod number;
mod out;
mod paint;
pub mod presence;
mod reach;
pub mod reload;
pub mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use self::crm::{Asked, CrmCommand, OutboxCommand};
use self::reach::House;
use crate::base::{CallId, EmployeeId};
use crate::http::page::CallQuery;
use crate::route::plan::Presence;

/// A SIP B2BUA that asks the CRM while the call is still an INVITE.
#[derive(Debug, Parser)]
#[command(name = "ramal", version)]
pub struct Ramal {
    /// The operator's file
    #[arg(long, global = true, value_name = "FILE", default_value = "config/ramal.toml")]
    config: PathBuf,
    /// Print one JSON document on standard output, and nothing else
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts the real server on loopback with sample data, places the showcase calls, and checks what came of them
    Demo {
        /// Stay up afterwards, until Ctrl-C
        #[arg(long)]
        keep: bool,
    },
    /// Runs the server; SIGHUP reloads, SIGTERM drains, a second SIGTERM stops
    Serve,
    /// Reads the files and names every fault, with its place and a mend
    Check,
    /// Says where a call would go, rule by rule, and what the CRM would record
    Explain(foresee::Foreseen),
    /// All that the CRM knows, and edits to it
    #[command(subcommand)]
    Crm(CrmCommand),
    /// Says how a number is read: E.164, the variants it is searched by, and why
    Number {
        /// The number
        #[arg(allow_hyphen_values = true)]
        value: String,
        /// As it would be read on this line
        #[arg(long, value_name = "NUMBER")]
        line: Option<String>,
    },
    /// Lists calls, live and ended, newest first
    Calls(Box<CallQuery>),
    /// Prints one call's ladder with its decisions, live or ended
    Call {
        /// The call, as `ramal calls` names it
        id: CallId,
    },
    /// Has the running server read its files again
    Reload,
    /// Shows or sets whether an employee can be rung
    Presence(PresenceArgs),
    /// Plays a Bitrix24 portal on loopback: for the backend to come, so it is not listed
    #[command(name = "fake-bitrix24", hide = true)]
    FakeBitrix24 {
        /// Where it listens
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
        listen: std::net::SocketAddr,
        /// Contacts to begin with: a file with the columns name, phone and responsible (a user's number)
        #[arg(long, value_name = "FILE.csv")]
        contacts: Option<PathBuf>,
    },
    /// The writes that the CRM is owed
    #[command(subcommand)]
    Outbox(OutboxCommand),
}

#[derive(Debug, Args)]
struct PresenceArgs {
    /// The employee's id in the file
    employee: EmployeeId,
    /// Whether she can be rung from the next INVITE on
    #[arg(value_parser = presences())]
    presence: Option<Presence>,
}

fn presences() -> impl TypedValueParser<Value = Presence> {
    PossibleValuesParser::new(["available", "away", "off"]).try_map(|word| word.parse::<Presence>())
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let Ramal { config, json, command } = match Ramal::try_parse() {
        Ok(asked) => asked,
        Err(fault) => return usage(&fault),
    };
    let done = match command {
        Command::Check => Ok(check::run(&config, json)),
        Command::Number { value, line } => Ok(number::run(&config, &value, line.as_deref(), json)),
        Command::Demo { keep } => Ok(demo::run(keep)),
        Command::Serve => serve::run(&config),
        Command::FakeBitrix24 { listen, contacts } => fake_bitrix24::run(listen, contacts.as_deref()),
        Command::Explain(asked) => House::open(&config).and_then(|house| foresee::run(&house, &asked, json)),
        Command::Crm(command) => House::open(&config).and_then(|house| {
            let request = match command.asked() {
                Asked::Request(request) => request,
                Asked::Import(file) => return import::run(&house, &file, json),
            };
            if let Some(note) = crm::nobody(&request, house.directory()) {
                eprintln!("{note}");
            }
            house.desk(request, json)
        }),
        Command::Outbox(command) => House::open(&config).and_then(|house| house.desk(command.request(), json)),
        Command::Calls(query) => House::open(&config).and_then(|house| calls::list(&house, &query, json)),
        Command::Call { id } => House::open(&config).and_then(|house| calls::one(&house, id, json)),
        Command::Reload => House::open(&config).and_then(|house| reload::run(&house, json)),
        Command::Presence(PresenceArgs { employee, presence }) => {
            House::open(&config).and_then(|house| presence::run(&house, &employee, presence, json))
        }
    };
    done.unwrap_or_else(|failure| {
        eprintln!("{}", failure.to_string().trim_end());
        ExitCode::FAILURE
    })
}

/// Help, the version, or in one line what is wrong with the command line: 2.
fn usage(fault: &clap::Error) -> ExitCode {
    if matches!(
        fault.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        // Where nobody reads on, there is nobody to tell.
        let _ = fault.print();
    } else {
        eprintln!("{}", in_one_line(&fault.to_string()));
    }
    ExitCode::from(u8::try_from(fault.exit_code()).unwrap_or(2))
}

/// The words of a fault in front of its usage, and where to read on.
fn in_one_line(words: &str) -> String {
    let mut line = String::new();
    for part in words.lines().map(str::trim).take_while(|part| !part.starts_with("Usage:")) {
        match part {
            "" | "For more information, try '--help'." => continue,
            _ if line.is_empty() => {}
            _ if part.starts_with("tip:") => line.push_str("; "),
            _ => line.push(' '),
        }
        line.push_str(part);
    }
    line + "; --help behind the command says more"
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Ramal::command().debug_assert();
    }

    #[test]
    fn the_file_and_json_may_stand_before_or_behind_the_command() {
        for line in
            ["ramal --config x.toml --json call 000000000000002a", "ramal call 000000000000002a --json --config x.toml"]
        {
            let read = Ramal::try_parse_from(line.split(' ')).unwrap();
            assert_eq!((read.config, read.json), (PathBuf::from("x.toml"), true), "{line}");
        }
    }

    #[test]
    fn wrong_usage_is_told_in_one_line_with_what_would_be_right() {
        for (line, told) in [
            (
                "ramal cals",
                "error: unrecognized subcommand 'cals'; tip: some similar subcommands exist: 'call', 'calls'",
            ),
            ("ramal call xyz", "error: invalid value 'xyz' for '<ID>': a call's identifier is 16 hex digits"),
            (
                "ramal explain",
                "error: the following required arguments were not provided: --line <NUMBER> --from <NUMBER>",
            ),
            (
                "ramal presence ana asleep",
                "error: invalid value 'asleep' for '[PRESENCE]' [possible values: available, away, off]",
            ),
        ] {
            let fault = Ramal::try_parse_from(line.split(' ')).unwrap_err();
            assert_eq!(in_one_line(&fault.to_string()), format!("{told}; --help behind the command says more"));
        }
    }

    #[test]
    fn wrong_usage_is_told_apart_from_no() {
        for line in [
            "ramal",
            "ramal dance",
            "ramal call xyz",
            "ramal presence ana asleep",
            "ramal explain --line +551140028922",
            "ramal explain --line +551140028922 --from +5511987654321 --crm up",
        ] {
            assert_eq!(Ramal::try_parse_from(line.split(' ')).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
