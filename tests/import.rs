//! `ramal crm import` of a large file into a running server: calls go on, and a kill at any moment leaves all or nothing.

#![allow(clippy::unwrap_used, reason = "test code: what cannot go on fails")]

mod house;

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use house::process::{Premises, Serve};
use ramal::crm::model::{LookupKind, Outcome};
use ramal::store::{CallFilter, Reader};
use serde_json::Value;
use tokio::time::Instant;

/// A house into which contacts come.
struct House(Premises);

impl House {
    async fn new() -> Self {
        Self(Premises::new("").await)
    }

    fn ramal(&self, args: &[&str]) -> Command {
        self.0.ramal(args)
    }

    fn serve(&self) -> Serve {
        self.0.serve()
    }

    fn folder(&self) -> &Path {
        self.0.folder.path()
    }

    /// A file of so many clients of this owner, and what it is called.
    fn file(&self, clients: usize, owner: &str) -> PathBuf {
        let mut text = String::from("name;phone;responsible;company\r\n");
        for i in 0..clients {
            writeln!(text, "Client {i};(11) 9{:04}-{:04};{owner};\r", 8_000 + i / 10_000, i % 10_000).unwrap();
        }
        let path = self.folder().join("clients.csv");
        std::fs::write(&path, text).unwrap();
        path
    }

    fn importing(&self, file: &Path) -> Child {
        let file = file.display().to_string();
        self.ramal(&["crm", "import", &file, "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn knows(&self, client: usize) -> bool {
        let phone = format!("+55119{:04}{:04}", 8_000 + client / 10_000, client % 10_000);
        let said = self.ramal(&["crm", "find", &phone, "--json"]).output().unwrap();
        let found: Value = serde_json::from_slice(&said.stdout).unwrap_or_else(|fault| panic!("{fault}: {said:?}"));
        assert_eq!(found["contacts"].as_array().unwrap().len(), usize::from(found["known"] == true));
        found["known"] == true
    }

    /// Waits until the import has left this in the store.
    async fn has_come_to(&self, note: &str) {
        let url = format!("sqlite:{}/ramal.db", self.folder().display());
        let reader = Reader::open(&url).await.unwrap();
        let began = Instant::now();
        while reader.notes(note).await.unwrap().is_empty() {
            assert!(began.elapsed() < Duration::from_secs(60), "no {note}");
            tokio::task::yield_now().await;
        }
    }

    /// One call of somebody new, answered and hung up; how long it took from her INVITE to the phone's.
    async fn call(&self, serve: &Serve, n: u64) -> Duration {
        self.0.call(serve, &format!("+55219700{n:05}"), &format!("call{n}")).await.took
    }
}

/// Into which bucket of the lookups' histogram the slowest one fell, in seconds.
fn slowest_lookup(serve: &Serve) -> f64 {
    let mut stream = TcpStream::connect(serve.http).unwrap();
    write!(stream, "GET /metrics HTTP/1.0\r\nHost: ramal\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let value = |line: &str| line.rsplit(' ').next()?.parse::<f64>().ok();
    let of = |name: &str| text.lines().filter(move |line| line.starts_with(name)).collect::<Vec<_>>();
    let all = value(of("ramal_crm_lookup_seconds_count")[0]).unwrap();
    let buckets = of("ramal_crm_lookup_seconds_bucket");
    let full = buckets.into_iter().find(|line| value(line) == Some(all)).unwrap_or_else(|| panic!("{text}"));
    full.split("le=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
}

fn json(done: &Output) -> Value {
    assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
    serde_json::from_slice(&done.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_on_while_a_hundred_thousand_contacts_come_in() {
    let house = House::new().await;
    let serve = house.serve();
    let file = house.file(100_000, "ana");
    house.call(&serve, 99_999).await; // the first call of a server takes longer
    let began = Instant::now();
    let mut import = house.importing(&file);
    let mut took = Vec::new();
    while import.try_wait().unwrap().is_none() {
        took.push(house.call(&serve, took.len() as u64).await);
    }
    let all = began.elapsed();
    let done = json(&import.wait_with_output().unwrap());
    assert_eq!((&done["added"], &done["updated"]), (&100_000.into(), &0.into()), "{done}");
    assert!(all < Duration::from_secs(30), "{all:?}");
    assert!([0, 50_000, 99_999].into_iter().all(|client| house.knows(client)));

    // Not one call lost, and no lookup late: past the deadline of 150 ms it would be undetermined.
    let reader = Reader::open(&format!("sqlite:{}/ramal.db", house.folder().display())).await.unwrap();
    let (calls, _) = reader.calls(&CallFilter::default(), None, 60_000).await.unwrap();
    assert_eq!(calls.len(), took.len() + 1);
    for call in &calls {
        assert_eq!((call.lookup, call.outcome), (Some(LookupKind::Unknown), Some(Outcome::Answered)));
        assert_eq!(call.created.len(), 1, "a lead each");
    }
    took.sort_unstable();
    let of = |share: usize| took[(took.len() - 1) * share / 100];
    let slowest = slowest_lookup(&serve);
    assert!(slowest < 0.05, "a lookup took up to {slowest} s");
    println!("no lookup took longer than {slowest} s");
    println!("{} calls in {all:?}; INVITE to INVITE {:?}, at most {:?}", took.len(), of(50), of(100));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_killed_leaves_nothing_and_the_next_one_succeeds() {
    let house = House::new().await;
    let serve = house.serve();
    let file = house.file(30_000, "ana");
    let mut import = house.importing(&file);
    house.has_come_to("import:slice:00000020").await;
    import.kill().unwrap();
    import.wait().unwrap();
    assert!(!house.knows(0) && !house.knows(9_999));
    // It waits until the one that was killed is given up.
    let done = json(&house.importing(&file).wait_with_output().unwrap());
    assert_eq!(done["added"], 30_000, "{done}");
    assert!(house.knows(0) && house.knows(29_999));
    drop(serve);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_while_contacts_come_has_none_of_them() {
    let house = House::new().await;
    let serve = house.serve();
    let import = house.importing(&house.file(30_000, "ana"));
    house.has_come_to("import:slice:00000030").await;
    drop(serve);
    let told = import.wait_with_output().unwrap();
    let words = String::from_utf8(told.stderr).unwrap();
    assert!(!told.status.success() && words.contains("nothing of the file is in the CRM"), "{words}");
    assert!(!house.knows(0));
    let serve = house.serve();
    assert!(!house.knows(0) && !house.knows(9_999));
    drop(serve);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_when_they_count_has_them_all_even_before_it_runs_again() {
    let house = House::new().await;
    let serve = house.serve();
    let import = house.importing(&house.file(30_000, "ana"));
    house.has_come_to("import:published").await;
    drop(serve);
    let told = import.wait_with_output().unwrap();
    assert!(!told.status.success() && !told.stderr.is_empty(), "{told:?}");
    assert!([29_999, 0, 15_000].into_iter().all(|client| house.knows(client)));
    let serve = house.serve();
    assert!([29_999, 0, 15_000].into_iter().all(|client| house.knows(client)));
    let again = json(&house.importing(&house.file(30_000, "bruno")).wait_with_output().unwrap());
    assert_eq!((&again["added"], &again["updated"]), (&0.into(), &30_000.into()));
    drop(serve);
}

#[tokio::test]
async fn rows_that_are_left_out_are_named_and_many_go_to_a_file_that_can_be_mended() {
    let house = House::new().await;
    let file = house.folder().join("clients.csv");
    let import = || house.ramal(&["crm", "import", &file.display().to_string()]).output().unwrap();
    let said = |done: &Output| String::from_utf8(done.stdout.clone()).unwrap();
    let nobodys: String = (0..25).map(|i| format!("Nobody {i};none;ana\r\n")).collect();
    std::fs::write(&file, format!("name;phone;responsible\r\nMaria;11 98765-4321;zoe\r\n{nobodys}")).unwrap();
    let done = import();
    assert!(done.status.success(), "{done:?}");
    let words = said(&done);
    assert!(words.starts_with("1 added, 0 brought up to date, 25 left out\n  line 3: the phone cannot be read\n"));
    assert!(words.contains("  line 22: ") && !words.contains("  line 23: "), "{words}");
    assert!(words.ends_with("clients.rejected.csv\n"), "{words}");
    let notes = String::from_utf8(done.stderr).unwrap();
    assert!(notes.starts_with("note: no employee `zoe`"), "{notes}");

    let rejected = std::fs::read_to_string(house.folder().join("clients.rejected.csv")).unwrap();
    let lines: Vec<_> = rejected.lines().collect();
    assert_eq!((lines[0], lines.len()), ("line,reason,name,phone,responsible", 26));
    assert_eq!(lines[25], "27,the phone cannot be read,Nobody 24,none,ana");
    std::fs::write(&file, rejected.replace(",none,", ",11 98765-4322,")).unwrap();
    assert!(said(&import()).starts_with("25 added, 0 brought up to date, 0 left out\n"));

    std::fs::write(&file, "name;phone;responsible\nJoana;none;ana\n").unwrap();
    assert_eq!(import().status.code(), Some(1), "nothing could be taken in");
    std::fs::write(&file, "name;phone\nJoana;11 98765-4321\n").unwrap();
    let refused = import();
    let words = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(1) && words.contains("no column `responsible`"), "{words}");
}
