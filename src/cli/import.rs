//! `ramal crm import`: reads the file, brings it slice by slice to whoever holds the store, and has all of it count at
//! once.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tokio::time::Instant;

use super::control::{Control, ControlError};
use super::crm::Inert;
use super::reach::{Failure, House};
use super::{crm, out};
use crate::base::EmployeeId;
use crate::crm::embedded::{Embedded, Entry, LARGEST_SLICE, Progress, Rejected, Sheet};
use crate::store::{Store, StoreError};

/// Rows that are named on the screen; more go to a file.
const NAMED: usize = 20;

/// Between two looks at how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Between two lines where there is no terminal to draw on.
const A_LINE_EVERY: Duration = Duration::from_secs(3);

/// How long to wait for another import: one whose command was killed is given up within it.
const PATIENCE: Duration = Duration::from_secs(15);

/// What became of it, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Imported<'a> {
    done: &'static str,
    added: usize,
    updated: usize,
    rejected: &'a [Rejected],
    /// Where the rows stand that were left out, when they are many.
    rejected_file: Option<&'a Path>,
}

pub(super) fn run(house: &House, file: &Path, json: bool) -> Result<ExitCode, Failure> {
    let bytes = fs::read(file)
        .map_err(|cause| Failure::No(format!("{} cannot be read: {cause}; name a CSV file", file.display())))?;
    let mut sheet = Sheet::open(&bytes, &house.directory().crm.country)?;
    drop(bytes);
    let mut teller = Teller::new(json);
    let (progress, named) = house.block_on(async {
        let mut target = Target::find(house).await?;
        let brought = tokio::select! {
            brought = bring(&mut target, &mut sheet, &mut teller) => brought,
            // Whatever came so far is forgotten by whoever holds it.
            stopped = tokio::signal::ctrl_c() => Err(match stopped {
                Ok(()) => Failure::No("stopped; look with `ramal crm find` whether it was published already".to_owned()),
                Err(cause) => cause.into(),
            }),
        };
        target.close().await;
        brought
    })?;
    teller.end();
    let rejected_file = match sheet.rejected().len() > NAMED {
        true => Some(write_rejected(file, &sheet)?),
        false => None,
    };
    if let Some(note) = crm::strangers(&named, house.directory()) {
        eprintln!("{note}");
    }
    let (added, updated, rejected) = (progress.added, progress.updated, sheet.rejected());
    let imported = Imported { done: "imported", added, updated, rejected, rejected_file: rejected_file.as_deref() };
    match json {
        true => out::json(&imported),
        false => out::text(&text(&imported)),
    }
    // Nothing of the file could be taken in: the answer is no.
    Ok(if added + updated == 0 && !rejected.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Brings the whole file, publishes it, and waits until it is worked in; and whom it names as responsible.
async fn bring(
    target: &mut Target,
    sheet: &mut Sheet,
    teller: &mut Teller,
) -> Result<(Progress, BTreeSet<EmployeeId>), Failure> {
    let import = target.begin().await?;
    let mut named = BTreeSet::new();
    let mut staged = 0;
    loop {
        let slice = sheet.next(LARGEST_SLICE);
        if slice.is_empty() {
            break;
        }
        for entry in &slice {
            if !named.contains(&entry.responsible) {
                named.insert(entry.responsible.clone());
            }
        }
        let sent = target.slice(import, slice).await;
        staged = match sent {
            Ok(progress) => progress.staged,
            Err(fault) => {
                target.give_up(import).await;
                return Err(fault.and("nothing of the file is in the CRM"));
            }
        };
        let (read, of) = sheet.read_so_far();
        teller.reads(staged, read, of);
    }
    if staged == 0 {
        target.give_up(import).await;
        return Ok((Progress::default(), named));
    }
    const LATER: &str = "if `ramal crm find` knows the file's last contact, all of it counts; else start it again";
    target.publish(import).await.map_err(|fault| fault.and(LATER))?;
    loop {
        let progress = target.progress(import).await.map_err(|fault| fault.and(LATER))?;
        if progress.done {
            return Ok((progress, named));
        }
        teller.takes_in(progress.taken_in, progress.staged);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Who takes the file.
enum Target {
    /// The server that holds the store.
    Server(Control),
    /// This process does.
    Alone(Store, Embedded),
}

impl Target {
    async fn find(house: &House) -> Result<Self, Failure> {
        match house.open_store().await {
            Ok(store) => {
                let crm = Embedded::open(&store, house.rules()).await?;
                Ok(Self::Alone(store, crm))
            }
            Err(StoreError::InUse(_)) => match Control::connect(&house.settings.http.control).await? {
                Some(control) => Ok(Self::Server(control)),
                None => Err(house.out_of_reach()),
            },
            Err(fault) => Err(fault.into()),
        }
    }

    /// Begins, and waits for a while where another import is under way.
    async fn begin(&mut self) -> Result<u64, Failure> {
        let began = Instant::now();
        loop {
            let begun = match self {
                Self::Server(control) => control.post("/control/import", &()).await,
                Self::Alone(_, crm) => return Ok(crm.begin_import()?),
            };
            match begun {
                Err(ControlError::Refused { status: 409, .. }) if began.elapsed() < PATIENCE => {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                begun => return Ok(begun?),
            }
        }
    }

    async fn slice(&mut self, import: u64, slice: Vec<Entry>) -> Result<Progress, Failure> {
        Ok(match self {
            Self::Server(control) => control.post(&format!("/control/import/{import}"), &slice).await?,
            Self::Alone(_, crm) => crm.import_slice(import, slice).await?,
        })
    }

    async fn publish(&mut self, import: u64) -> Result<(), Failure> {
        match self {
            Self::Server(control) => control.post(&format!("/control/import/{import}/publish"), &()).await?,
            Self::Alone(_, crm) => crm.publish_import(import).await?,
        }
        Ok(())
    }

    async fn progress(&mut self, import: u64) -> Result<Progress, Failure> {
        Ok(match self {
            Self::Server(control) => control.get(&format!("/control/import/{import}")).await?,
            Self::Alone(_, crm) => crm.import_progress(import)?,
        })
    }

    /// Takes back what came so far; where that fails too, it is forgotten in a few seconds.
    async fn give_up(&mut self, import: u64) {
        let gone = match self {
            Self::Server(control) => control.delete(&format!("/control/import/{import}")).await.map_err(Failure::from),
            Self::Alone(_, crm) => crm.drop_import(import).await.map_err(Failure::from),
        };
        drop(gone); // the fault that led here is the one to be told
    }

    async fn close(self) {
        if let Self::Alone(store, _) = self {
            store.close().await;
        }
    }
}

impl Failure {
    fn and(self, what: &str) -> Self {
        Self::No(format!("{self}; {what}"))
    }
}

/// Says how far it is: a bar on a terminal, else a line now and then; nothing beside a JSON document.
enum Teller {
    Silent,
    Bar(ProgressBar),
    Lines(Instant),
}

impl Teller {
    fn new(json: bool) -> Self {
        match (json, io::stderr().is_terminal()) {
            (true, _) => Self::Silent,
            (false, true) => {
                let style = ProgressStyle::with_template("{msg} [{bar:40}] {percent}% {elapsed}");
                Self::Bar(ProgressBar::new(100).with_style(style.expect("the template is right")))
            }
            (false, false) => Self::Lines(Instant::now()),
        }
    }

    fn reads(&mut self, staged: usize, read: u64, of: u64) {
        let percent = read.saturating_mul(100).checked_div(of).unwrap_or(100);
        self.tell(&format!("{staged} contacts read"), percent);
    }

    fn takes_in(&mut self, taken_in: usize, of: usize) {
        let percent = (taken_in as u64).saturating_mul(100).checked_div(of as u64).unwrap_or(100);
        self.tell(&format!("all {of} count; {taken_in} filed"), percent);
    }

    fn tell(&mut self, what: &str, percent: u64) {
        match self {
            Self::Silent => {}
            Self::Bar(bar) => {
                bar.set_message(what.to_owned());
                bar.set_position(percent.min(100));
            }
            Self::Lines(last) if last.elapsed() >= A_LINE_EVERY => {
                eprintln!("{what}: {} %", percent.min(100));
                *last = Instant::now();
            }
            Self::Lines(_) => {}
        }
    }

    fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// Writes what was left out beside the file: with its lines and reasons in front, so that it can be mended and imported.
fn write_rejected(file: &Path, sheet: &Sheet) -> Result<PathBuf, Failure> {
    let path = beside(file);
    let fault =
        |cause: String| Failure::No(format!("{} cannot be written: {cause}; the rest is imported", path.display()));
    let mut rows =
        csv::WriterBuilder::new().flexible(true).from_path(&path).map_err(|cause| fault(cause.to_string()))?;
    let head = ["line", "reason"].into_iter().chain(sheet.titles().iter().map(String::as_str));
    rows.write_record(head).map_err(|cause| fault(cause.to_string()))?;
    for Rejected { line, why, cells } in sheet.rejected() {
        let line = line.to_string();
        let row = [line.as_str(), why].into_iter().chain(cells.iter().map(String::as_str));
        rows.write_record(row).map_err(|cause| fault(cause.to_string()))?;
    }
    rows.flush().map_err(|cause| fault(cause.to_string()))?;
    drop(rows);
    Ok(path)
}

/// `FILE.rejected.csv` for `FILE.csv`.
fn beside(file: &Path) -> PathBuf {
    file.with_extension("rejected.csv")
}

fn text(imported: &Imported<'_>) -> String {
    use std::fmt::Write as _;
    let Imported { added, updated, rejected, rejected_file, .. } = imported;
    let mut out = format!("{added} added, {updated} brought up to date, {} left out\n", rejected.len());
    for row in rejected.iter().take(NAMED) {
        writeln!(out, "  line {}: {}", row.line, Inert(&row.why)).expect("a String takes all");
    }
    if let Some(file) = rejected_file {
        writeln!(out, "  all {} are in {}", rejected.len(), file.display()).expect("a String takes all");
    }
    out
}
