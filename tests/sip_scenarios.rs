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
use support::proxy::{self, Proxy};
use support::sipp::{self, Phones};
use support::{Server, eventually};

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let (sipp, kamailio) = (sipp::is_installed(), proxy::is_installed());
    for (there, what) in [(sipp, "sipp (sip-tester): all stories"), (kamailio, "kamailio: the stories with a proxy")] {
        if !there && !args.list {
            eprintln!("not installed: {what} of sip-scenarios/ are skipped");
        }
    }
    let must_run = std::env::var_os("CI").is_some();
    let trials = stories()
        .into_iter()
        .map(|folder| {
            let name = folder.file_name().expect("it is a folder").to_string_lossy().into_owned();
            let can_run = sipp && (kamailio || !Case::read(&folder).is_ok_and(|case| case.proxy));
            Trial::test(name, move || match can_run {
                true => play(&folder),
                false => Err("sipp or kamailio isn't installed; CI is set, so that is a failure".into()),
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
    let proxy = if case.proxy { Some(Proxy::start(&house)?) } else { None };
    let phones = Phones::start(&house, &case)?;
    let played = phones.caller_acts(&house, &case).and_then(|ended| {
        ended.done()?;
        phones.all_have_acted()
    });
    let told = played.and_then(|()| compare(&server, &case));
    let told = told.and_then(|()| proxy.as_ref().map_or(Ok(()), |proxy| has_passed(proxy, &case)));
    let told = told.and_then(|()| server.stops_on_term());
    told.map_err(|fault| {
        let (parties, proxy) = (sipp::logs(house.dir()), proxy::log(house.dir()));
        format!("{}\n{fault}\n{parties}\n{proxy}\n{}", case.story, server.account_of_itself()).into()
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

/// What the proxy has seen: nothing without its route set, and at least what the story names.
fn has_passed(proxy: &Proxy, case: &Case) -> Result<(), String> {
    let passed = proxy.passed()?;
    match case.expect.proxy.iter().find(|named| !passed.contains(*named)) {
        Some(missing) => Err(format!("no {missing} passed the proxy, but: {passed:?}")),
        None => Ok(()),
    }
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
