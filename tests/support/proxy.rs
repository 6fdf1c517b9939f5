//! Kamailio as a Record-Routing proxy between the server and everybody else (`tests/kamailio/proxy.cfg`).

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::eventually;
use super::house::{CARRIER, House, PROXY, PROXY_OFFICE, PROXY_TRUNK, SERVER};
use super::sipp::listens;

/// Whether Debian's `kamailio` is there.
pub(crate) fn is_installed() -> bool {
    Command::new("kamailio").arg("-v").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// A running Kamailio; stopped when dropped.
pub(crate) struct Proxy {
    process: Child,
    log: PathBuf,
    address: Ipv4Addr,
}

impl Proxy {
    /// Starts it, and waits until it listens.
    pub(crate) fn start(house: &House) -> Result<Self, String> {
        let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kamailio/proxy.cfg");
        let mut text = fs::read_to_string(&template).map_err(|e| format!("{}: {e}", template.display()))?;
        let ports = [
            ("OUTSIDE", PROXY),
            ("TRUNK", PROXY_TRUNK),
            ("OFFICE", PROXY_OFFICE),
            ("CARRIER", CARRIER),
            ("RAMAL", SERVER),
        ];
        for (name, port) in ports {
            text = text.replace(&format!("@{name}@"), &port.to_string());
        }
        let config = house.dir().join("kamailio.cfg");
        fs::write(&config, house.fill_in(&text)).map_err(|e| e.to_string())?;
        let log = log_of(house.dir());
        let output = File::create(&log).map_err(|e| e.to_string())?;
        let mut kamailio = Command::new("kamailio");
        kamailio.args(["-DD", "-E", "-m", "16", "-M", "4"]).arg("-f").arg(&config).arg("-Y").arg(house.dir());
        kamailio.stdin(Stdio::null()).stdout(output.try_clone().map_err(|e| e.to_string())?).stderr(output);
        let process = kamailio.spawn().map_err(|e| format!("kamailio: {e}"))?;
        let proxy = Self { process, log, address: *house.sip().ip() };
        for port in [PROXY, PROXY_TRUNK, PROXY_OFFICE] {
            let at = SocketAddrV4::new(proxy.address, port);
            eventually("kamailio listens", || listens(at)).map_err(|fault| format!("{fault}\n{}", proxy.said()))?;
        }
        Ok(proxy)
    }

    /// Which in-dialog requests passed it, `PORT METHOD`, each by a whole route set; a fault if one came without.
    pub(crate) fn passed(&self) -> Result<BTreeSet<String>, String> {
        let said = self.said();
        if let Some((_, lost)) = said.split_once(": lost ") {
            return Err(format!("lost its route set: {}", lost.lines().next().unwrap_or_default()));
        }
        let mut passed = BTreeSet::new();
        for line in said.lines().filter_map(|line| line.split_once(": passed ")).map(|(_, line)| line) {
            let [method, "of", port, "by", routes] = line.splitn(5, ' ').collect::<Vec<_>>()[..] else {
                return Err(format!("kamailio says {line}"));
            };
            // The nearest hop stands first: toward ramal's peers that is the inner port, toward ramal the outer one.
            let inner = [PROXY_TRUNK, PROXY_OFFICE].map(|port| self.route(port));
            let outer = self.route(PROXY);
            let order = |route: &str| match port == SERVER.to_string() {
                true => format!("{route},{outer}"),
                false => format!("{outer},{route}"),
            };
            if !inner.iter().any(|inner| order(inner) == routes.replace(", ", ",")) {
                return Err(format!("not the route set that Kamailio recorded: {line}"));
            }
            passed.insert(format!("{port} {method}"));
        }
        Ok(passed)
    }

    fn route(&self, port: u16) -> String {
        format!("<sip:{}:{port};r2=on;lr>", self.address)
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It is the parent of its workers: SIGKILL would orphan them. An error means that it has ended.
        let _ = Command::new("kill").arg("-TERM").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

/// What it said, for a story that failed; nothing where it took no part.
pub(crate) fn log(folder: &Path) -> String {
    fs::read_to_string(log_of(folder)).map(|said| format!("--- kamailio\n{said}")).unwrap_or_default()
}

fn log_of(folder: &Path) -> PathBuf {
    folder.join("kamailio.log")
}
