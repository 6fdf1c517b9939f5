//! `ramal presence` and the API: what is set counts from the very next INVITE, also when no server was there to hear it.

#![allow(clippy::unwrap_used, reason = "test code: what cannot go on fails")]

mod house;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use house::{SDP, Wire, invite};

const LINE: &str = "+551140028922";
const MARIA: &str = "+5511987654321";

struct House {
    folder: tempfile::TempDir,
    carrier: Wire,
    office: Wire,
}

struct Serve {
    process: Child,
    udp: SocketAddr,
    http: SocketAddr,
}

impl Drop for Serve {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl House {
    async fn new() -> Self {
        let (carrier, office) = (Wire::new().await, Wire::new().await);
        let folder = tempfile::tempdir().unwrap();
        let file = house::file(folder.path(), carrier.at(), office.at(), "api_token = \"for-tests-only\"");
        std::fs::write(folder.path().join("ramal.toml"), file).unwrap();
        let house = Self { folder, carrier, office };
        house.says(&["crm", "add-contact", "--name", "Maria", "--phone", MARIA, "--responsible", "ana"]);
        house
    }

    fn ramal(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ramal"));
        command.arg("--config").arg(self.folder.path().join("ramal.toml")).args(args).stdin(Stdio::null());
        command
    }

    fn says(&self, args: &[&str]) -> String {
        let done = self.ramal(args).output().unwrap();
        assert!(done.status.success(), "{args:?}: {done:?}");
        String::from_utf8(done.stdout).unwrap()
    }

    fn serve(&self) -> Serve {
        let mut process = self.ramal(&["serve"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let udp = lines.find_map(|line| Some(line.split_once("udp:")?.1.trim().parse().unwrap())).unwrap();
        let http = lines.find_map(|line| line.split_once("http://")?.1.trim_end_matches('/').parse().ok()).unwrap();
        lines.find(|line| line.starts_with("control")).unwrap();
        Serve { process, udp, http }
    }

    /// Which extension Maria's next call rings first; it answers, and she hangs up.
    async fn rings(&self, serve: &Serve, call: &str) -> String {
        let invite = invite(&self.carrier, LINE, MARIA, call);
        self.carrier.send(serve.udp, &invite).await;
        let rung = self.office.expect("INVITE ").await;
        self.office.answer(serve.udp, &rung, 200, SDP).await;
        let answered = self.carrier.expect_answer("SIP/2.0 200", "INVITE").await;
        self.carrier.ack(serve.udp, &invite, &answered).await;
        self.office.expect("ACK ").await;
        self.carrier.bye(serve.udp, &invite, &answered).await;
        let bye = self.office.expect("BYE ").await;
        self.office.answer(serve.udp, &bye, 200, "").await;
        self.carrier.expect_answer("SIP/2.0 200", "BYE").await;
        rung.trim_start_matches("INVITE sip:").split('@').next().unwrap().to_owned()
    }
}

/// `PUT` of the API.
fn put(serve: &Serve, presence: &str) -> String {
    let body = format!("{{\"presence\":\"{presence}\"}}");
    let mut stream = TcpStream::connect(serve.http).unwrap();
    write!(
        stream,
        "PUT /api/employees/ana/presence HTTP/1.0\r\nHost: ramal\r\nAuthorization: Bearer for-tests-only\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn what_is_set_by_command_or_api_counts_from_the_next_invite_on_and_over_a_restart() {
    let house = House::new().await;
    assert_eq!(house.says(&["presence", "ana", "away"]), "ana is away\n", "beside no server");
    let serve = house.serve();
    assert_eq!(house.rings(&serve, "c1").await, "202", "the queue at once");
    house.says(&["presence", "ana", "available"]);
    assert_eq!(house.rings(&serve, "c2").await, "201", "her manager");
    assert!(put(&serve, "off").starts_with("HTTP/1.0 200"));
    assert_eq!(house.rings(&serve, "c3").await, "202");
    let explained = house.says(&["explain", "--line", LINE, "--from", MARIA]);
    assert!(explained.contains("passed over ana: off"), "{explained}");
    drop(serve);
    assert_eq!(house.says(&["presence", "ana"]), "ana is off\n");
    let serve = house.serve();
    assert_eq!(house.rings(&serve, "c4").await, "202", "what was set lives through a kill");
    house.says(&["presence", "ana", "available"]);
    drop(serve);
    let serve = house.serve();
    assert_eq!(house.rings(&serve, "c5").await, "201");
}
