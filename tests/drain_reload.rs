//! `ramal serve` under SIGTERM and SIGHUP, with calls up: the real binary between the sockets of its carrier and its PBX.

#![allow(clippy::unwrap_used, reason = "test code: what cannot go on fails")]

mod house;

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use house::{House, SDP, SOON, Wire, answer, header, invite};
use ramal::crm::model::{CallRecord, Outcome};
use ramal::store::{CallFilter, Reader};
use tokio::sync::mpsc;
use tokio::time::Instant;

const LINE: &str = "+551140028922";
const CUSTOMER: &str = "+5521976543210";

/// A running `ramal serve`.
struct Serve {
    process: Child,
    folder: tempfile::TempDir,
    /// What it says, on standard output and in its log.
    said: mpsc::UnboundedReceiver<String>,
    udp: SocketAddr,
    carrier: Wire,
    office: Wire,
}

/// The house's file, for a server that listens by UDP alone and waits so long for its calls when it is to stop.
fn files(folder: &std::path::Path, carrier: SocketAddr, office: SocketAddr, drain: &str) -> String {
    let text = house::file(folder, carrier, office, "");
    text.replace(", \"tcp:127.0.0.1:0\"]", &format!("]\ndrain = \"{drain}\""))
}

impl Serve {
    async fn start(drain: &str) -> Self {
        let (carrier, office) = (Wire::new().await, Wire::new().await);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ramal.toml");
        std::fs::write(&path, files(folder.path(), carrier.at(), office.at(), drain)).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_ramal"))
            .arg("--config")
            .arg(&path)
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, said) = mpsc::unbounded_channel();
        listen(process.stdout.take().unwrap(), tell.clone());
        listen(process.stderr.take().unwrap(), tell);
        let udp = carrier.at();
        let mut serve = Self { process, folder, said, udp, carrier, office };
        let listening = serve.says("udp:").await;
        serve.udp = listening.split("udp:").nth(1).unwrap().trim().parse().unwrap();
        serve.says("control ").await;
        serve
    }

    /// Waits until it says something with this in it.
    async fn says(&mut self, what: &str) -> String {
        let mut before = Vec::new();
        loop {
            match tokio::time::timeout(SOON, self.said.recv()).await {
                Ok(Some(line)) if line.contains(what) => return line,
                Ok(Some(line)) => before.push(line),
                _ => panic!("it does not say `{what}`, but {before:#?}"),
            }
        }
    }

    fn signal(&self, name: &str) {
        let told = Command::new("kill").arg(format!("-{name}")).arg(self.process.id().to_string()).status();
        assert!(told.unwrap().success());
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("ramal.toml")
    }

    /// Other files, taken.
    async fn reload(&mut self, change: impl Fn(String) -> String) {
        let text = std::fs::read_to_string(self.path()).unwrap();
        std::fs::write(self.path(), change(text)).unwrap();
        self.signal("HUP");
        self.says("the files were read again").await;
    }

    /// A customer's call that bruno's phone has answered.
    async fn call(&self, id: &str) -> Call {
        let invite = invite(&self.carrier, LINE, CUSTOMER, id);
        self.carrier.send(self.udp, &invite).await;
        let rung = self.office.expect("INVITE ").await;
        self.office.answer(self.udp, &rung, 200, SDP).await;
        let answered = self.carrier.expect_answer("SIP/2.0 200", "INVITE").await;
        self.carrier.ack(self.udp, &invite, &answered).await;
        self.office.expect("ACK ").await;
        Call { invite, answered }
    }

    /// What is said in a call comes through.
    async fn passes(&self, call: &Call, cseq: u32) {
        let info = self.carrier.in_dialog("INFO", cseq, &call.invite, &call.answered);
        self.carrier.send(self.udp, &info.replace("z9hG4bKINFO", &format!("z9hG4bKINFO{cseq}"))).await;
        let passed = self.office.expect("INFO ").await;
        self.office.answer(self.udp, &passed, 200, "").await;
        self.carrier.expect_answer("SIP/2.0 200", "INFO").await;
    }

    /// The customer hangs up.
    async fn hang_up(&self, call: &Call) {
        self.carrier.send(self.udp, &self.carrier.in_dialog("BYE", 90, &call.invite, &call.answered)).await;
        let bye = self.office.expect("BYE ").await;
        self.office.answer(self.udp, &bye, 200, "").await;
        self.carrier.expect_answer("SIP/2.0 200", "BYE").await;
    }

    /// Waits for its end; what it leaves in the call log.
    async fn ends(mut self) -> (ExitStatus, Vec<CallRecord>) {
        // Its pipes close with it.
        while tokio::time::timeout(SOON, self.said.recv()).await.expect("it ends").is_some() {}
        let status = self.process.wait().unwrap();
        let reader = Reader::open(&format!("sqlite:{}/ramal.db", self.folder.path().display())).await.unwrap();
        let (calls, _) = reader.calls(&CallFilter::default(), None, 10).await.unwrap();
        (status, calls)
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        // It has ended already where the test was good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Call {
    invite: String,
    answered: String,
}

fn listen(pipe: impl Read + Send + 'static, tell: mpsc::UnboundedSender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                return;
            }
        }
    });
}

#[tokio::test]
async fn sigterm_takes_no_new_call_and_lets_the_one_that_is_up_end_by_itself() {
    let mut serve = Serve::start("60s").await;
    let call = serve.call("d1").await;
    serve.signal("TERM");
    serve.says("draining").await;
    let late = invite(&serve.carrier, LINE, CUSTOMER, "late");
    let refused = serve.carrier.ask_until(serve.udp, &late, "SIP/2.0 ").await;
    assert!(refused.starts_with("SIP/2.0 503 "), "{refused}");
    assert_eq!(header(&refused, "Retry-After"), "60");
    serve.passes(&call, 2).await;
    serve.hang_up(&call).await;
    let (status, calls) = serve.ends().await;
    assert_eq!(status.code(), Some(0));
    assert_eq!(calls.iter().map(|call| call.outcome).collect::<Vec<_>>(), [Some(Outcome::Answered)]);
}

#[tokio::test]
async fn calls_that_outlive_the_drain_are_hung_up_on_both_sides_and_stand_in_the_log() {
    let mut serve = Serve::start("300ms").await;
    let _call = serve.call("o1").await;
    let waiting = invite(&serve.carrier, LINE, "+5521976543211", "o2");
    serve.carrier.send(serve.udp, &waiting).await;
    let rung = serve.office.expect("INVITE ").await;
    serve.office.answer(serve.udp, &rung, 180, "").await;
    serve.carrier.expect("SIP/2.0 180").await;
    serve.signal("TERM");
    serve.says("draining").await;
    serve.says("outlived").await;
    let (mut byes, mut canceled, mut refused) = (0, false, false);
    while byes < 2 || !canceled || !refused {
        let (wire, message) = tokio::select! {
            message = serve.carrier.next() => (&serve.carrier, message),
            message = serve.office.next() => (&serve.office, message),
        };
        if message.starts_with("BYE ") {
            byes += 1;
            wire.answer(serve.udp, &message, 200, "").await;
        } else if message.starts_with("CANCEL ") {
            canceled = true;
            wire.answer(serve.udp, &message, 200, "").await;
            wire.send(serve.udp, &answer(wire.at(), &rung, 487, "")).await;
        } else if message.starts_with("SIP/2.0 4") || message.starts_with("SIP/2.0 503") {
            refused |= header(&message, "Call-ID") == header(&waiting, "Call-ID");
        }
    }
    let (status, calls) = serve.ends().await;
    assert_eq!(status.code(), Some(0));
    let mut outcomes: Vec<_> = calls.iter().map(|call| call.outcome).collect();
    outcomes.sort_by_key(|outcome| outcome.map(ramal::crm::model::Outcome::as_str));
    assert_eq!(outcomes, [Some(Outcome::Answered), Some(Outcome::Missed)]);
}

#[tokio::test]
async fn a_second_sigterm_waits_for_nobody() {
    let mut serve = Serve::start("60s").await;
    let _call = serve.call("s1").await;
    serve.signal("TERM");
    serve.says("draining").await;
    let began = Instant::now();
    serve.signal("TERM");
    for wire in [&serve.carrier, &serve.office] {
        let bye = wire.expect("BYE ").await;
        wire.answer(serve.udp, &bye, 200, "").await;
    }
    let (status, calls) = serve.ends().await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(status.code(), Some(0));
    assert_eq!(calls.iter().map(|call| call.outcome).collect::<Vec<_>>(), [Some(Outcome::Answered)]);
}

#[tokio::test]
async fn a_bye_that_is_lost_at_the_end_is_sent_again_before_the_process_goes() {
    let mut serve = Serve::start("100ms").await;
    let _call = serve.call("b1").await;
    serve.signal("TERM");
    serve.says("draining").await;
    let bye = serve.carrier.expect("BYE ").await;
    serve.carrier.answer(serve.udp, &bye, 200, "").await;
    let lost = serve.office.expect("BYE ").await;
    let again = serve.office.expect("BYE ").await;
    assert_eq!(again, lost);
    serve.office.answer(serve.udp, &again, 200, "").await;
    assert_eq!(serve.ends().await.0.code(), Some(0));
}

#[tokio::test]
async fn parties_that_answer_no_bye_hold_up_no_end() {
    let mut serve = Serve::start("100ms").await;
    let _call = serve.call("m1").await;
    serve.signal("TERM");
    serve.says("draining").await;
    let (status, calls) = serve.ends().await;
    assert_eq!((status.code(), calls.len()), (Some(0), 1));
}

#[tokio::test]
async fn sighup_changes_lines_queues_people_and_trunks_under_calls_that_go_on() {
    let mut serve = Serve::start("60s").await;
    let call = serve.call("h1").await;
    let (carrier, rival) = (serve.carrier.at().to_string(), Wire::new().await);
    let new = rival.at().to_string();
    serve
        .reload(|text| {
            let bruno = "[[employee]]\nid = \"bruno\"\nextension = \"202\"\n";
            text.replace(&carrier, &new)
                .replace("\"carrier\"", "\"rival\"")
                .replace(LINE, "+551140029999")
                .replace(bruno, "[[employee]]\nid = \"carla\"\nextension = \"203\"\n")
                .replace("\"sales\"", "\"support\"")
                .replace("[\"bruno\", \"ana\"]", "[\"carla\"]")
        })
        .await;
    // New calls go by the new files alone.
    let old_line = invite(&serve.carrier, LINE, "+5521976543212", "h2");
    serve.carrier.ask_until(serve.udp, &old_line, "SIP/2.0 403 ").await;
    rival.send(serve.udp, &invite(&rival, "+551140029999", "+5521976543213", "h3")).await;
    let rung = serve.office.expect("INVITE ").await;
    assert!(rung.starts_with("INVITE sip:203@"), "{rung}");
    serve.office.answer(serve.udp, &rung, 486, "").await;
    rival.expect("SIP/2.0 4").await;
    // The one that is up talks on by a trunk, to a man, and over a line that are no more.
    serve.passes(&call, 2).await;
    serve.hang_up(&call).await;
    serve.signal("TERM");
    let (status, calls) = serve.ends().await;
    assert_eq!(status.code(), Some(0));
    let first = calls.iter().find(|call| call.outcome == Some(Outcome::Answered)).expect("it was answered");
    assert_eq!(first.line.map(|line| line.to_string()).as_deref(), Some(LINE));
    assert_eq!(first.employee.as_ref().map(ramal::base::EmployeeId::as_str), Some("bruno"));
}

#[tokio::test]
async fn a_faulty_file_on_sighup_keeps_the_old_one_and_says_what_is_wrong() {
    let mut serve = Serve::start("60s").await;
    let call = serve.call("f1").await;
    let text = std::fs::read_to_string(serve.path()).unwrap();
    for faulty in [text.replace("queue = \"sales\"", "queue = \"sails\""), "[sip".to_owned()] {
        std::fs::write(serve.path(), &faulty).unwrap();
        serve.signal("HUP");
        serve.says("the old ones stay in force").await;
    }
    std::fs::remove_file(serve.path()).unwrap();
    serve.signal("HUP");
    serve.says("the old ones stay in force").await;
    serve.passes(&call, 2).await;
    let another = serve.call("f2").await;
    serve.hang_up(&another).await;
    serve.hang_up(&call).await;
    serve.signal("TERM");
    let (status, calls) = serve.ends().await;
    assert_eq!((status.code(), calls.len()), (Some(0), 2));
}

#[tokio::test]
async fn a_thousand_calls_live_through_a_reload_and_a_drain_loses_none() {
    const CALLS: usize = 1_000;
    let house = House::open("[limits]\ncalls_per_second = 5000").await;
    let (handle, carrier, office) = (house.handle(), &house.carrier, &house.office);
    for batch in 0..CALLS / 50 {
        let number = |n: usize| format!("+55219765{:05}", 10_000 + batch * 50 + n);
        let calls: Vec<_> = (0..50).map(|n| invite(carrier, LINE, &number(n), &format!("k{batch}-{n}"))).collect();
        for call in &calls {
            carrier.send(house.udp, call).await;
        }
        for _ in &calls {
            let rung = office.expect("INVITE ").await;
            office.answer(house.udp, &rung, 200, SDP).await;
        }
        for _ in &calls {
            let answered = carrier.expect_answer("SIP/2.0 200", "INVITE").await;
            let call = calls.iter().find(|call| header(call, "Call-ID") == header(&answered, "Call-ID")).unwrap();
            carrier.ack(house.udp, call, &answered).await;
        }
    }
    assert_eq!(handle.live_calls().len(), CALLS);
    let text = std::fs::read_to_string(handle.config_path()).unwrap();
    std::fs::write(handle.config_path(), text.replace("[\"bruno\", \"ana\"]", "[\"ana\"]")).unwrap();
    handle.reload().await.unwrap();
    assert_eq!(handle.live_calls().len(), CALLS);
    assert_eq!(handle.drain(Duration::from_millis(1)).await, CALLS);
    let (mut from_carrier, mut from_office) = (HashSet::new(), HashSet::new());
    let answer_byes = async {
        while from_carrier.len() < CALLS || from_office.len() < CALLS {
            let (wire, message, told) = tokio::select! {
                message = carrier.next() => (carrier, message, &mut from_carrier),
                message = office.next() => (office, message, &mut from_office),
            };
            if message.starts_with("BYE ") {
                told.insert(header(&message, "Call-ID").to_owned());
                wire.answer(house.udp, &message, 200, "").await;
            }
        }
    };
    let (unsaved, ()) = tokio::join!(handle.hang_up_all(Duration::from_secs(30)), answer_byes);
    assert_eq!(unsaved, 0);
    let reader = handle.store().reader();
    let (mut saved, mut after) = (0, None);
    loop {
        let (page, next) = reader.calls(&CallFilter::default(), after, 200).await.unwrap();
        saved += page.iter().filter(|call| call.outcome == Some(Outcome::Answered)).count();
        match next {
            Some(cursor) => after = Some(cursor),
            None => break,
        }
    }
    assert_eq!(saved, CALLS);
    house.close().await;
}
