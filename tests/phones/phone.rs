//! One real phone: its driver (a Python script beside this file), told what to do and asked what happened by JSON lines.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::house::House;

/// So long an event may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// And so long a phone may take to end.
const FAREWELL: Duration = Duration::from_secs(3);

/// Whose software it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Pjsip,
    Baresip,
    Linphone,
}

/// How its messages travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Udp,
    Tcp,
    Tls,
}

/// A running phone; ended when dropped.
pub(crate) struct Phone {
    pub(crate) name: &'static str,
    driver: Child,
    /// Closed when it is to end.
    commands: Option<ChildStdin>,
    events: Receiver<Value>,
    log: PathBuf,
}

impl Phone {
    /// Starts it at the address that the house gives the party; with a password it registers.
    pub(crate) fn start(
        house: &House,
        kind: Kind,
        name: &'static str,
        user: &str,
        over: Over,
        password: Option<&str>,
    ) -> Result<Self, String> {
        let log = house.dir().join(format!("{name}.log"));
        let mut driver = Command::new(python());
        driver.arg(scripts().join(kind.script()));
        driver.arg("--at").arg(house.party(name)?.to_string());
        driver.arg("--server").arg(over.server(house).to_string());
        driver.args(["--user", user, "--transport", over.word()]).arg("--log").arg(&log);
        if let Some(password) = password {
            driver.args(["--password", password]);
        }
        if over == Over::Tls {
            driver.arg("--ca").arg(house.dir().join("ca.pem"));
        }
        let errors = fs::File::create(log.with_extension("err")).map_err(|e| e.to_string())?;
        driver.current_dir(house.dir()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let mut driver = driver.spawn().map_err(|e| format!("{}: {e}", python().display()))?;
        let (commands, output) = (driver.stdin.take(), driver.stdout.take());
        let output = output.expect("it is piped");
        let (out, events) = mpsc::channel();
        // Ends with the driver's output, or when nobody listens any more.
        thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            let events =
                lines.map(|line| serde_json::from_str(&line).unwrap_or(json!({ "event": "failed", "why": line })));
            for event in events {
                if out.send(event).is_err() {
                    break;
                }
            }
        });
        let mut phone = Self { name, driver, commands, events, log };
        let ready = phone.sees("ready").and_then(|_| match password {
            Some(_) => phone.sees("registered").map(|_| ()),
            None => Ok(()),
        });
        ready.map_err(|fault| format!("{fault}\n{}", phone.said()))?;
        Ok(phone)
    }

    /// Tells it to do something.
    pub(crate) fn does(&mut self, command: &Value) -> Result<(), String> {
        let mut commands = self.commands.as_ref().ok_or_else(|| format!("{} was sent away", self.name))?;
        writeln!(commands, "{command}").map_err(|e| format!("{} is gone: {e}", self.name))
    }

    /// Waits for an event; what came before it is passed over, but a fault or an end that nobody waits for.
    pub(crate) fn sees(&mut self, event: &str) -> Result<Value, String> {
        self.sees_that(event, |_| true)
    }

    /// Waits for an event of which more is asked.
    pub(crate) fn sees_that(&mut self, event: &str, fits: impl Fn(&Value) -> bool) -> Result<Value, String> {
        let mut passed = Vec::new();
        loop {
            let Ok(seen) = self.events.recv_timeout(PATIENCE) else {
                return Err(format!("{} doesn't see `{event}`, only {passed:?}", self.name));
            };
            match seen["event"].as_str() {
                Some(name) if name == event && fits(&seen) => return Ok(seen),
                Some("failed" | "refused") => return Err(format!("{} waits for `{event}`: {seen}", self.name)),
                _ => passed.push(seen.to_string()),
            }
        }
    }

    /// Whether an event came meanwhile that nobody has waited for.
    pub(crate) fn has_seen(&self, event: &str) -> bool {
        self.events.try_iter().any(|seen| seen["event"] == event)
    }

    /// Its own log, for a test that failed. It ends by that: only then has it written all.
    pub(crate) fn said(&mut self) -> String {
        self.commands = None;
        while self.events.recv_timeout(FAREWELL).is_ok() {}

        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        format!("--- {}\n{}{}", self.name, read(&self.log), read(&self.log.with_extension("err")))
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        // The phone itself dies with its driver; an error means that it has ended already.
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Kind {
    fn script(self) -> &'static str {
        match self {
            Self::Pjsip => "pjsip.py",
            Self::Baresip => "baresip.py",
            Self::Linphone => "linphone.py",
        }
    }

    /// Whether what `make test` installs for it is there.
    pub(crate) fn is_installed(self) -> bool {
        let mut asked = match self {
            Self::Pjsip => Command::new(python()),
            Self::Baresip => Command::new("baresip"),
            Self::Linphone => Command::new("linphonec"),
        };
        match self {
            Self::Pjsip => asked.args(["-c", "import pjsua2"]),
            Self::Baresip => asked.arg("-h"),
            Self::Linphone => asked.arg("-v"),
        };
        let asked = asked.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| self != Self::Pjsip || status.success())
    }
}

impl Over {
    fn word(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    /// As a URI names it.
    pub(crate) fn parameter(self) -> &'static str {
        match self {
            Self::Udp => "",
            Self::Tcp => ";transport=tcp",
            Self::Tls => ";transport=tls",
        }
    }

    /// Where the server takes this transport.
    pub(crate) fn server(self, house: &House) -> std::net::SocketAddrV4 {
        let mut at = house.sip();
        if self == Self::Tls {
            at.set_port(at.port() + 1);
        }
        at
    }
}

/// The interpreter that has PJSIP: `make test` makes it.
fn python() -> PathBuf {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/.venv/bin/python");
    if made.is_file() { made } else { PathBuf::from("python3") }
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/phones")
}
