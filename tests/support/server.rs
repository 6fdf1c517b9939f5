//! The real server, and the commands that ask it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::eventually;
use super::house::House;

const BINARY: &str = env!("CARGO_BIN_EXE_ramal");
/// As `house.toml` has it.
const TOKEN: &str = "for-tests-only";

/// `ramal serve`, stopped when dropped.
pub(crate) struct Server {
    process: Child,
    config: PathBuf,
    log: PathBuf,
    http: SocketAddrV4,
}

impl Server {
    /// Starts it and waits until it is ready.
    pub(crate) fn start(house: &House) -> Result<Self, String> {
        let log = house.dir().join("serve.log");
        let output = File::create(&log).map_err(|e| e.to_string())?;
        let process = Command::new(BINARY)
            .arg("--config")
            .arg(house.config())
            .arg("serve")
            .current_dir(house.dir())
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(|e| e.to_string())?)
            .stderr(output)
            .spawn()
            .map_err(|e| format!("{BINARY}: {e}"))?;
        let mut server = Self { process, config: house.config(), log, http: house.http() };
        let ready = eventually("ramal serve is ready", || {
            if let Some(status) = server.process.try_wait().map_err(|e| e.to_string())? {
                return Ok(Err(format!("ramal serve ended at once: {status}")));
            }
            server.get("/readyz").map(|_| Ok(()))
        });
        match ready.and_then(|ended| ended) {
            Ok(()) => Ok(server),
            Err(fault) => Err(format!("{fault}\n{}", server.account_of_itself())),
        }
    }

    /// Runs a command against it; its standard output.
    pub(crate) fn run(&self, args: &[&str]) -> Result<String, String> {
        let mut command = Command::new(BINARY);
        command.args(args).arg("--config").arg(&self.config);
        let output = command.stdin(Stdio::null()).output().map_err(|e| format!("{BINARY}: {e}"))?;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        match output.status.success() {
            true => Ok(out.into_owned()),
            false => Err(format!("ramal {}: {}\n{out}{err}", args.join(" "), output.status)),
        }
    }

    /// Runs a command that prints JSON.
    pub(crate) fn json(&self, args: &[&str]) -> Result<Value, String> {
        let text = self.run(args)?;
        serde_json::from_str(&text).map_err(|e| format!("ramal {}: {e}: {text}", args.join(" ")))
    }

    /// The call log, once no call is live.
    pub(crate) fn ended_calls(&self) -> Result<Value, String> {
        let calls = |state| -> Result<Value, String> {
            let path = format!("/api/calls?state={state}");
            let text = self.get(&path)?;
            let mut page: Value = serde_json::from_str(&text).map_err(|e| format!("{path}: {e}: {text}"))?;
            Ok(page["calls"].take())
        };
        let live = calls("live")?;
        match live.as_array().is_some_and(Vec::is_empty) {
            true => calls("ended"),
            false => Err(format!("still live: {live}")),
        }
    }

    /// The sum of a metric over all its labels.
    pub(crate) fn metric(&self, name: &str) -> Result<f64, String> {
        let text = self.get("/metrics")?;
        Ok(text
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum())
    }

    /// `GET`; the body of a 200. HTTP/1.0, so that the end of the body is the end of the stream.
    pub(crate) fn get(&self, path: &str) -> Result<String, String> {
        let asked = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(self.http)?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n", self.http)?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        let answer = asked().map_err(|e| format!("GET {path}: {e}"))?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("GET {path}: {answer}"))?;
        match head.split(' ').nth(1) {
            Some("200") => Ok(body.to_owned()),
            _ => Err(format!("GET {path}: {answer}")),
        }
    }

    /// SIGTERM with no call up: it drains at once and says that all is well.
    pub(crate) fn stops_on_term(&mut self) -> Result<(), String> {
        let told = Command::new("kill").arg("-TERM").arg(self.process.id().to_string()).status();
        told.map_err(|e| format!("kill: {e}"))?;
        let status = eventually("ramal serve ends on SIGTERM", || {
            self.process.try_wait().map_err(|e| e.to_string())?.ok_or_else(|| "it still runs".to_owned())
        })?;
        match status.success() {
            true => Ok(()),
            false => Err(format!("ramal serve ended on SIGTERM with {status}")),
        }
    }

    /// Its log and the ladders of its calls, for a story that failed.
    pub(crate) fn account_of_itself(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let mut account = format!("--- ramal serve\n{log}");
        for state in ["live", "ended"] {
            let page = self.get(&format!("/api/calls?state={state}")).unwrap_or_default();
            let page: Value = serde_json::from_str(&page).unwrap_or_default();
            for call in page["calls"].as_array().into_iter().flatten() {
                let id = call["id"].as_str().unwrap_or_default();
                let ladder = self.run(&["call", id]).unwrap_or_else(|fault| fault);
                account.push_str(&format!("--- ramal call {id}\n{ladder}\n"));
            }
        }
        account
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already ended: then there is nothing to kill, and nobody to tell.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
