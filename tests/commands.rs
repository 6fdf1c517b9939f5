//! The program itself: what its commands print, and how they end.

#![allow(clippy::unwrap_used, reason = "test code: what cannot go on fails")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

const LINE: &str = "+551140028922";
const MARIA: &str = "+5511987654321";

const FILE: &str = r#"
[sip]
listen = ["udp:127.0.0.1:0"]
[media]
mode = "bypass"
[http]
listen = "127.0.0.1:0"
[[trunk]]
name = "carrier"
peers = ["sip:127.0.0.1:9"]
[[pbx]]
name = "office"
peers = ["sip:127.0.0.1:19"]
extensions = "2xx"
[[employee]]
id = "ana"
extension = "201"
[[employee]]
id = "bruno"
extension = "202"
[[queue]]
name = "sales"
members = ["bruno", "ana"]
[[line]]
number = "+551140028922"
trunk = "carrier"
queue = "sales"
"#;

/// A folder with a file, in which commands run.
struct Office(TempDir);

impl Office {
    fn new() -> Self {
        let office = Self(tempfile::tempdir().unwrap());
        office.write(FILE);
        office
    }

    fn write(&self, text: &str) {
        std::fs::create_dir_all(self.path().join("config")).unwrap();
        std::fs::write(self.path().join("config/ramal.toml"), text).unwrap();
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ramal"));
        command.args(line.split(' ')).current_dir(self.path()).env_remove("RAMAL_LOG");
        command
    }

    #[track_caller]
    fn run(&self, line: &str, exit: i32) -> Output {
        let output = self.command(line).output().unwrap();
        assert_eq!(output.status.code(), Some(exit), "{line}: {output:?}");
        output
    }

    /// What it prints, where it goes well.
    #[track_caller]
    fn says(&self, line: &str) -> String {
        let output = self.run(line, 0);
        assert!(output.stderr.is_empty(), "{line}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn json(&self, line: &str) -> Value {
        let text = self.says(&format!("{line} --json"));
        serde_json::from_str(&text).unwrap_or_else(|fault| panic!("{line}: {fault}: {text}"))
    }

    /// What it says on standard error, where it fails; nothing else is printed.
    #[track_caller]
    fn fails(&self, line: &str) -> String {
        let output = self.run(line, 1);
        assert!(output.stdout.is_empty(), "{line}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// A running server, once its listeners are there.
    fn serve(&self) -> Server {
        let mut child = self.command("serve").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let err = BufReader::new(child.stderr.take().unwrap());
        let mut server = Server { out, err, child, sip: String::new(), http: String::new() };
        server.sip = until(&mut server.out, "sip      udp:");
        server.http = until(&mut server.out, "http     http://");
        until(&mut server.out, "control");
        server
    }
}

struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    err: BufReader<ChildStderr>,
    /// Its address for UDP.
    sip: String,
    /// Its address for HTTP.
    http: String,
}

/// What follows `start` in the next line that has it.
#[track_caller]
fn until(from: &mut impl BufRead, start: &str) -> String {
    let mut said = String::new();
    loop {
        let mut line = String::new();
        assert!(from.read_line(&mut line).unwrap() > 0, "it ended before it said {start}: {said}");
        if let Some((_, rest)) = line.split_once(start) {
            return rest.trim_end().to_owned();
        }
        said.push_str(&line);
    }
}

impl Server {
    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Its exit code, and what it said on standard error.
    fn end(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.err.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails where it has ended, as it should have.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn wrong_usage_exits_2_and_a_no_exits_1() {
    let office = Office::new();
    for line in ["dance", "call nonsense", "presence ana asleep", "explain", "crm convert-lead 1"] {
        let output = office.run(line, 2);
        assert!(output.stdout.is_empty(), "{line}: {output:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap().lines().count(), 1, "{line}");
    }
    for (line, mend) in [
        ("call 000000000000002a", "`ramal calls` lists them"),
        ("presence zoe away", "the files have ana, bruno"),
        ("explain --line +551199990000 --from 1", "the lines are: +551140028922"),
        ("calls --state dead", "write live or ended"),
        ("reload", "start `ramal serve`"),
        ("crm import nothing.csv", "nothing.csv"),
    ] {
        let said = office.fails(line);
        assert!(said.contains(mend), "{line}: {said}");
        assert_eq!(said.lines().count(), 1, "{line}: {said}");
    }
    let nobody = office.run(&format!("crm add-contact --name Maria --phone {MARIA} --responsible zoe --json"), 0);
    assert_eq!(serde_json::from_slice::<Value>(&nobody.stdout).unwrap()["record"], "contact:1");
    assert!(String::from_utf8(nobody.stderr).unwrap().contains("the files have ana, bruno"));
    std::fs::write(office.path().join("many.csv"), format!("nome;name;phone;responsible\n;Jo;{MARIA};Zoe\n")).unwrap();
    let many = office.run("crm import many.csv", 0);
    assert!(String::from_utf8(many.stderr).unwrap().starts_with("note: no employee `Zoe`, "));
    assert!(office.says("check").starts_with("ok: config/ramal.toml: "));
}

#[test]
fn faults_of_the_file_stop_every_command_that_reads_it() {
    let office = Office::new();
    office.write(&FILE.replace("\"bruno\", \"ana\"", "\"brun\", \"anna\""));
    for line in ["check", "serve", "calls", "presence ana", "reload"] {
        let said = office.fails(line);
        assert!(said.contains("did you mean `bruno`?") && said.contains("did you mean `ana`?"), "{line}: {said}");
    }
    assert!(!office.path().join("data").exists(), "nothing was started");
    assert!(office.fails("calls --config lost.toml").contains("--config FILE"));
}

#[test]
fn without_a_server_the_commands_change_the_store_and_a_server_finds_it_so() {
    let office = Office::new();
    assert_eq!(office.json("calls"), json!({"calls": [], "next": null}));
    assert_eq!(office.json("presence ana"), json!({"presence": "available"}));
    assert_eq!(office.says("presence ana away"), "ana is away\n");
    assert_eq!(office.says("presence ana"), "ana is away\n");
    office.says(&format!("crm add-contact --name Maria --phone {MARIA} --responsible ana"));
    let explain = format!("explain --line {LINE} --from {MARIA}");
    let alone = office.json(&explain);
    assert_eq!((&alone["lookup"], &alone["steps"][0]["queue"]), (&json!("known"), &json!("sales")), "ana is away");
    let down = office.json(&format!("{explain} --crm down"));
    assert_eq!((&down["lookup"], &down["creates"]), (&json!("undetermined"), &json!([])));

    let server = office.serve();
    assert_eq!(office.json(&explain), alone, "with a server as without");
    assert_eq!(office.json("presence ana available"), json!({"presence": "available"}));
    assert_eq!(office.json(&explain)["steps"][0]["ring"], json!(["ana"]));
    office.says(&format!("crm add-exception {MARIA}"));
    assert_eq!(office.json(&explain)["lookup"], "excluded");
    assert_eq!(office.json(&format!("crm find {MARIA}"))["known"], false);
    assert_eq!(office.json("outbox list"), json!({"outbox": []}));
    assert_eq!(office.says("reload"), "reloaded\n");
    server.signal("TERM");
    let (code, said) = server.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(!office.path().join("data/ramal.sock").exists());
    assert_eq!(office.says("presence ana"), "ana is available\n");
}

#[test]
fn a_server_out_of_reach_is_told_with_a_mend() {
    let office = Office::new();
    let _server = office.serve();
    std::fs::remove_file(office.path().join("data/ramal.sock")).unwrap();
    for line in ["calls", "presence ana away", "call 000000000000002a", "crm add-exception +5511987654321"] {
        let said = office.fails(line);
        assert!(said.contains("holds the store") && said.contains("--config"), "{line}: {said}");
    }
}

#[test]
fn sighup_reloads_and_a_faulty_file_changes_nothing() {
    let office = Office::new();
    let mut server = office.serve();
    office.write(&FILE.replace("\"bruno\", \"ana\"", "\"ana\", \"brun\""));
    server.signal("HUP");
    until(&mut server.err, "the old ones stay in force");
    until(&mut server.err, "did you mean `bruno`?");
    office.write(&FILE.replace("id = \"ana\"", "id = \"ana\"\nname = \"Ana Souza\""));
    server.signal("HUP");
    until(&mut server.err, "the files were read again");
    server.signal("INT");
    let (code, said) = server.end();
    assert_eq!(code, Some(0), "{said}");
}

/// The sockets of a carrier and a PBX.
struct Peers {
    carrier: UdpSocket,
    pbx: UdpSocket,
}

impl Peers {
    /// Opens them, and names them in the office's file.
    fn of(office: &Office) -> Self {
        let socket = || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            socket
        };
        let peers = Self { carrier: socket(), pbx: socket() };
        let at = |socket: &UdpSocket| format!("{}\"", socket.local_addr().unwrap());
        let file = FILE.replace("127.0.0.1:9\"", &at(&peers.carrier)).replace("127.0.0.1:19\"", &at(&peers.pbx));
        office.write(&file);
        peers
    }

    /// The carrier sends a request of this call.
    fn send(&self, method: &str, id: &str, server: &Server) {
        let at = self.carrier.local_addr().unwrap();
        let request = format!(
            "{method} sip:{LINE}@ramal SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{id};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{MARIA}@carrier.example>;tag={id}\r\nTo: <sip:{LINE}@ramal>\r\nCall-ID: {id}\r\n\
             CSeq: 1 {method}\r\nContact: <sip:{at}>\r\nContent-Length: 0\r\n\r\n"
        );
        self.carrier.send_to(request.as_bytes(), &server.sip).unwrap();
    }
}

/// Waits for a message that begins so.
fn receive(socket: &UdpSocket, start: &str) {
    let mut buffer = [0; 65_535];
    loop {
        let length = socket.recv(&mut buffer).unwrap();
        if buffer[..length].starts_with(start.as_bytes()) {
            return;
        }
    }
}

#[test]
fn a_drain_waits_for_calls_and_takes_no_new_ones_and_a_second_signal_ends_it() {
    let office = Office::new();
    let peers = Peers::of(&office);
    let mut server = office.serve();
    peers.send("INVITE", "first", &server);
    receive(&peers.pbx, "INVITE sip:202@");
    server.signal("TERM");
    until(&mut server.out, "draining");
    peers.send("INVITE", "second", &server);
    receive(&peers.carrier, "SIP/2.0 503");
    let mut web = TcpStream::connect(&server.http).unwrap();
    web.write_all(b"GET /readyz HTTP/1.1\r\nHost: ramal\r\nConnection: close\r\n\r\n").unwrap();
    let mut ready = String::new();
    web.read_to_string(&mut ready).unwrap();
    assert!(ready.starts_with("HTTP/1.1 503") && ready.ends_with("draining: 1 calls are still up\n"), "{ready}");
    server.signal("TERM");
    receive(&peers.carrier, "SIP/2.0 480");
    let (code, said) = server.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(office.json("calls")["calls"][0]["outcome"], "missed", "what the end cut off left its record");
}

#[test]
fn a_call_that_outlives_the_drain_is_hung_up_and_leaves_its_record() {
    let office = Office::new();
    let peers = Peers::of(&office);
    let file = std::fs::read_to_string(office.path().join("config/ramal.toml")).unwrap();
    office.write(&file.replace("[sip]", "[sip]\ndrain = \"100ms\""));
    let server = office.serve();
    peers.send("INVITE", "long", &server);
    receive(&peers.pbx, "INVITE sip:202@");
    server.signal("TERM");
    receive(&peers.carrier, "SIP/2.0 480");
    let (code, said) = server.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("outlived sip.drain"), "{said}");
    let ended = office.json("calls");
    assert_eq!((&ended["calls"][0]["state"], &ended["calls"][0]["outcome"]), (&json!("ended"), &json!("missed")));
    let found = office.json(&format!("crm find {MARIA}"));
    assert_eq!(found["activities"][0]["outcome"], "missed", "and the CRM its activity");
}

#[test]
fn a_call_is_shown_with_its_ladder_while_it_is_up_and_when_the_server_has_gone() {
    let office = Office::new();
    let peers = Peers::of(&office);
    let mut server = office.serve();
    peers.send("INVITE", "shown", &server);
    receive(&peers.pbx, "INVITE sip:202@");
    let listed = office.json("calls --state live");
    assert_eq!(listed["calls"][0]["from"], MARIA);
    let id = listed["calls"][0]["id"].as_str().unwrap().to_owned();
    let text = office.says(&format!("call {id}"));
    assert!(text.starts_with(&format!("call {id}  incoming, routing\n  {MARIA} calls {LINE}  (unknown)\n")), "{text}");
    assert!(text.contains("carrier → ramal      INVITE") && text.contains("ring bruno"), "{text}");
    assert!(!text.contains('\u{1b}'), "no colours where no terminal is: {text}");

    peers.send("CANCEL", "shown", &server);
    receive(&peers.carrier, "SIP/2.0 487");
    server.signal("TERM");
    until(&mut server.out, "draining");
    server.signal("TERM");
    server.end();
    let ended = office.json("calls --outcome missed");
    assert_eq!(ended["calls"][0]["id"], id);
    assert!(office.says("calls").contains(&id));
    let shown = office.json(&format!("call {id}"));
    assert_eq!(shown["state"], "ended");
    let ladder = shown["ladder"].as_array().unwrap();
    assert!(ladder.iter().any(|line| line["start_line"] == "SIP/2.0 487 Request Terminated"), "{ladder:#?}");
}

#[test]
fn without_bypass_check_and_serve_say_once_that_media_flows_end_to_end_and_go_on() {
    let office = Office::new();
    office.write(&FILE.replace("[media]\nmode = \"bypass\"\n", ""));
    let checked = office.run("check", 0);
    assert_eq!(String::from_utf8_lossy(&checked.stderr).matches("media is not relayed").count(), 1, "{checked:?}");
    let server = office.serve();
    server.signal("TERM");
    let (code, said) = server.end();
    assert_eq!((code, said.matches("media is not relayed").count()), (Some(0), 1), "{said}");
}

#[test]
fn a_store_or_an_address_that_is_not_to_be_had_stops_the_start() {
    let office = Office::new();
    std::fs::write(office.path().join("data"), "a file where the folder should be").unwrap();
    let said = office.fails("serve");
    assert!(said.contains("data"), "{said}");
    std::fs::remove_file(office.path().join("data")).unwrap();

    let _server = office.serve();
    assert!(office.fails("serve").contains("held by a running ramal"));

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let other = Office::new();
    other
        .write(&FILE.replace("\"127.0.0.1:0\"\n[[trunk]]", &format!("\"{}\"\n[[trunk]]", taken.local_addr().unwrap())));
    let said = other.run("serve", 1);
    assert!(String::from_utf8_lossy(&said.stderr).contains("http.listen"), "{said:?}");
}

#[test]
fn a_bad_filter_of_the_log_is_named() {
    let office = Office::new();
    let output = office.command("serve").env("RAMAL_LOG", "ramal=loud").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("RAMAL_LOG: "), "{output:?}");
}

#[test]
fn a_server_whose_log_cannot_be_written_serves_and_drains_all_the_same() {
    let office = Office::new();
    // Without `mode` it warns at once.
    office.write(&FILE.replace("[media]\nmode = \"bypass\"\n", ""));
    let full = std::fs::File::options().write(true).open("/dev/full").expect("Linux has it");
    let mut child = office.command("serve").stdout(Stdio::piped()).stderr(full).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    until(&mut out, "control");
    office.says("calls");
    let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(told.success());
    assert_eq!(child.wait().unwrap().code(), Some(0), "it drains");
}
