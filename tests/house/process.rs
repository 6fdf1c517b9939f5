//! The real server as a process of its own, killed when it is dropped; its files and its peers outlive it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::Instant;

use super::{SDP, Wire, file, invite};

/// The line of a house's file.
pub const LINE: &str = "+551140028922";

/// A folder with a house's files, and its peers.
pub struct Premises {
    pub folder: tempfile::TempDir,
    pub carrier: Wire,
    pub office: Wire,
}

/// `ramal serve` in it.
pub struct Serve {
    process: Child,
    pub udp: SocketAddr,
    pub http: SocketAddr,
}

/// A call that was answered.
pub struct Called {
    /// The INVITE that the first phone got.
    pub rung: String,
    /// How long that took from the customer's.
    pub took: Duration,
}

impl Drop for Serve {
    fn drop(&mut self) {
        // SIGKILL, as where it all ends at once; it may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Premises {
    /// With these lines more in the file.
    pub async fn new(more: &str) -> Self {
        let (carrier, office) = (Wire::new().await, Wire::new().await);
        let folder = tempfile::tempdir().unwrap();
        let text = file(folder.path(), carrier.at(), office.at(), more);
        std::fs::write(folder.path().join("ramal.toml"), text).unwrap();
        Self { folder, carrier, office }
    }

    /// A command beside the server, or without one.
    pub fn ramal(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ramal"));
        command.arg("--config").arg(self.config()).args(args).stdin(Stdio::null());
        command
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("ramal.toml")
    }

    /// Starts the server, up to where it listens.
    pub fn serve(&self) -> Serve {
        let mut process = self.ramal(&["serve"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let udp = lines.find_map(|line| Some(line.split_once("udp:")?.1.trim().parse().unwrap())).unwrap();
        let http = lines.find_map(|line| line.split_once("http://")?.1.trim_end_matches('/').parse().ok()).unwrap();
        lines.find(|line| line.starts_with("control")).unwrap();
        // Whatever else it says is read too: a pipe that nobody reads would stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Serve { process, udp, http }
    }

    /// One call from this number, answered by whom it rings first, and hung up by the customer.
    pub async fn call(&self, serve: &Serve, from: &str, id: &str) -> Called {
        let invite = invite(&self.carrier, LINE, from, id);
        let began = Instant::now();
        self.carrier.send(serve.udp, &invite).await;
        let rung = self.office.expect("INVITE ").await;
        let took = began.elapsed();
        self.office.answer(serve.udp, &rung, 200, SDP).await;
        let answered = self.carrier.expect_answer("SIP/2.0 200", "INVITE").await;
        self.carrier.ack(serve.udp, &invite, &answered).await;
        self.office.expect("ACK ").await;
        self.carrier.bye(serve.udp, &invite, &answered).await;
        let bye = self.office.expect("BYE ").await;
        self.office.answer(serve.udp, &bye, 200, "").await;
        self.carrier.expect_answer("SIP/2.0 200", "BYE").await;
        Called { rung, took }
    }
}
