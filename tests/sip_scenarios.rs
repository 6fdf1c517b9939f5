//! Every folder of `sip-scenarios/` is a test: sipp plays the carrier and the phones against the real server, and the
//! CRM must then hold the rows that the folder's `case.toml` promises.
//!
//! Without sipp (Debian's `sip-tester`) the stories fail under `CI` and are skipped elsewhere.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use support::case::Case;
use support::house::House;
use support::matching::{Mismatch, matches};
use support::sipp::{self, Phones};
use support::{Server, eventually};

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let can_run = sipp::is_installed();
    if !can_run && !args.list {
        eprintln!("sipp isn't installed (apt-get install sip-tester): the stories of sip-scenarios/ are skipped");
    }
    let must_run = std::env::var_os("CI").is_some();
    let trials = stories()
        .into_iter()
        .map(|folder| {
            let name = folder.file_name().expect("it is a folder").to_string_lossy().into_owned();
            Trial::test(name, move || match can_run {
                true => play(&folder),
                false => Err("sipp isn't installed; CI is set, so that is a failure".into()),
            })
            .with_ignored_flag(!can_run && !must_run)
        })
        .collect();
    libtest_mimic::run(&args, trials).exit_code()
}

fn stories() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("sip-scenarios");
    let mut folders: Vec<PathBuf> = fs::read_dir(&root)
        .expect("sip-scenarios/ is part of the repository")
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.join("case.toml").is_file())
        .collect();
    folders.sort();
    folders
}

/// Starts a server with the story's house, lets the parties act, and compares what the CRM and the call log then say.
fn play(folder: &Path) -> Result<(), Failed> {
    let case = Case::read(folder)?;
    let house = House::new(folder, &case.config)?;
    let mut server = Server::start(&house)?;
    seed(&server, &case)?;
    let phones = Phones::start(&house, &case)?;
    let played = phones.caller_acts(&house, &case).and_then(|ended| {
        ended.done()?;
        phones.all_have_acted()
    });
    let told = played.and_then(|()| compare(&server, &case));
    let told = told.and_then(|()| server.stops_on_term());
    told.map_err(|fault| {
        format!("{}\n{fault}\n{}\n{}", case.story, sipp::logs(house.dir()), server.account_of_itself()).into()
    })
}

fn seed(server: &Server, case: &Case) -> Result<(), String> {
    for contact in &case.contacts {
        let (name, phone, responsible) = (&contact.name, &contact.phone, &contact.responsible);
        server.run(&["crm", "add-contact", "--name", name, "--phone", phone, "--responsible", responsible])?;
    }
    for value in &case.exceptions {
        server.run(&["crm", "add-exception", value])?;
    }
    for employee in &case.away {
        server.run(&["presence", employee, "away"])?;
    }
    Ok(())
}

/// The rows follow the last answer by a moment: the outbox delivers them.
fn compare(server: &Server, case: &Case) -> Result<(), String> {
    eventually("calls and rows as promised", || {
        let mut mismatches = Vec::new();
        matches("calls", &case.expect.calls(), &server.ended_calls()?, &mut mismatches);
        for (phone, rows) in &case.expect.crm {
            matches(phone, rows, &server.json(&["crm", "find", phone, "--json"])?, &mut mismatches);
        }
        for (metric, at_least) in &case.expect.metrics {
            let found = server.metric(metric)?;
            if found < *at_least {
                mismatches.push(Mismatch::new(metric, format!("at least {at_least}"), found));
            }
        }
        match mismatches.is_empty() {
            true => Ok(()),
            false => Err(mismatches.iter().map(|m| format!("  {m}\n")).collect()),
        }
    })
}
