//! The parties of a story, each a sipp process (or a socket that says nothing).

use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddrV4, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::case::{Case, Transport};
use super::eventually;
use super::house::House;

/// After so many seconds a sipp that still waits for something has failed.
const PATIENCE: &str = "30";
/// The password of every phone that registers.
const SECRET: &str = "it is a secret";
/// Everybody in `house.toml`.
const PARTIES: [&str; 9] =
    ["carrier", "carrier-2", "ana", "bruno", "carla", "ana-phone", "bruno-phone", "bruno-mobile", "carla-phone"];

/// Whether Debian's `sip-tester` is there.
pub(crate) fn is_installed() -> bool {
    Command::new("sipp").arg("-v").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// All parties but the one who starts.
pub(crate) struct Phones {
    act: Vec<Party>,
    quiet: Vec<Quiet>,
}

/// A running sipp; killed when dropped.
pub(crate) struct Party {
    name: String,
    process: Child,
}

/// A phone that is not to be rung, or that doesn't answer.
struct Quiet {
    name: &'static str,
    may_ring: bool,
    socket: UdpSocket,
}

impl Phones {
    /// Starts them, and waits until each listens.
    pub(crate) fn start(house: &House, case: &Case) -> Result<Self, String> {
        let mut act = Vec::new();
        let mut quiet = Vec::new();
        for name in &case.registered {
            let mut sipp = sipp(house, name, &case.scenario("registers.xml")?)?;
            sipp.args(["-m", "1"]).arg(house.sip().to_string());
            Party::start(name, sipp)?.done()?;
        }
        let others = PARTIES.into_iter().filter(|name| *name != case.caller.party);
        for name in others.filter(|name| !case.dead.iter().any(|dead| dead == name)) {
            let address = house.party(name)?;
            if let Some(phone) = case.phones.get(name) {
                let (does, calls, transport) = phone.does();
                let mut sipp = sipp(house, name, &case.scenario(does)?)?;
                sipp.args(["-m", &calls.to_string()]).args(transport.sipp());
                act.push(Party::start(name, sipp)?);
                eventually(&format!("{name} listens"), || listens(address))?;
            } else {
                let socket = UdpSocket::bind(address).map_err(|e| format!("{name} at {address}: {e}"))?;
                socket.set_nonblocking(true).map_err(|e| e.to_string())?;
                quiet.push(Quiet { name, may_ring: case.silent.iter().any(|s| s == name), socket });
            }
        }
        Ok(Self { act, quiet })
    }

    /// Lets the caller call, to the end of her part.
    pub(crate) fn caller_acts(&self, house: &House, case: &Case) -> Result<Party, String> {
        let caller = &case.caller;
        let numbers = house.dir().join("numbers.csv");
        let rows = caller.numbers.iter().fold("SEQUENTIAL\n".to_owned(), |rows, number| rows + number + ";\n");
        fs::write(&numbers, rows).map_err(|e| e.to_string())?;
        let mut sipp = sipp(house, &caller.party, &case.scenario(&caller.does)?)?;
        sipp.arg("-inf").arg(numbers).args(["-key", "dialled", &caller.dials]);
        // Calls at once begin in the same tick.
        let (calls, at_once) = (caller.calls.to_string(), caller.at_once.to_string());
        sipp.args(["-m", &calls, "-l", &at_once, "-r", &at_once, "-rp", "20"]);
        sipp.args(caller.transport.sipp());
        let next = if case.proxy { house.proxy() } else { house.sip() };
        // What credentials are made for; sipp would leave the user out.
        sipp.args(["-auth_uri", &format!("{}@{next}", caller.dials)]);
        sipp.arg(next.to_string());
        Party::start(&caller.party, sipp)
    }

    /// Every phone has done its part, and none was rung that should not be.
    pub(crate) fn all_have_acted(self) -> Result<(), String> {
        for party in self.act {
            party.done()?;
        }
        for quiet in self.quiet.iter().filter(|quiet| !quiet.may_ring) {
            if let Some(invite) = quiet.invite()? {
                return Err(format!("{} must not ring, but got:\n{invite}", quiet.name));
            }
        }
        Ok(())
    }
}

impl Party {
    fn start(name: &str, mut sipp: Command) -> Result<Self, String> {
        let process = sipp.spawn().map_err(|e| format!("sipp: {e}"))?;
        Ok(Self { name: name.to_owned(), process })
    }

    /// Waits for its end (sipp has a time limit of its own) and asks whether all went by its scenario.
    pub(crate) fn done(mut self) -> Result<(), String> {
        let status = self.process.wait().map_err(|e| e.to_string())?;
        match status.success() {
            true => Ok(()),
            false => Err(format!("{}'s sipp didn't see what its scenario asks for: {status}", self.name)),
        }
    }
}

impl Drop for Party {
    fn drop(&mut self) {
        // Mostly it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Quiet {
    fn invite(&self) -> Result<Option<String>, String> {
        let mut buffer = vec![0; 65_536];
        loop {
            match self.socket.recv(&mut buffer) {
                Ok(length) if buffer[..length].starts_with(b"INVITE ") => {
                    return Ok(Some(String::from_utf8_lossy(&buffer[..length]).into_owned()));
                }
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(e) => return Err(e.to_string()),
            }
        }
    }
}

/// What sipp processes wrote down: faults first, then the messages of each.
pub(crate) fn logs(folder: &Path) -> String {
    let mut account = String::new();
    for kind in ["errors", "messages"] {
        for party in PARTIES {
            let text = fs::read_to_string(folder.join(format!("{party}-{kind}.log"))).unwrap_or_default();
            if !text.is_empty() {
                writeln!(account, "--- {party}'s {kind}\n{text}").expect("a String takes all");
            }
        }
    }
    account
}

fn sipp(house: &House, name: &str, scenario: &Path) -> Result<Command, String> {
    let address = house.party(name)?;
    let mut sipp = Command::new("sipp");
    sipp.arg("-sf").arg(scenario);
    sipp.args(["-i", &address.ip().to_string(), "-p", &address.port().to_string()]);
    // A party's SDP names a port of its own, so that a scenario can tell whose media it was given.
    sipp.args(["-key", "media", &(address.port() + 35_000).to_string()]);
    // sipp takes the blanks off the beginning of a line: a folded header needs one.
    sipp.args(["-key", "fold", " "]);
    // Who it says that it is when it is asked.
    let user = (address.port() % 10 + 200).to_string();
    sipp.args(["-key", "user", &user, "-au", &user, "-ap", SECRET]);
    sipp.args(["-nostdin", "-timeout", PATIENCE, "-timeout_error", "-trace_err", "-trace_msg"]);
    sipp.arg("-error_file").arg(house.dir().join(format!("{name}-errors.log")));
    sipp.arg("-message_file").arg(house.dir().join(format!("{name}-messages.log")));
    sipp.current_dir(house.dir()).env("TERM", "xterm");
    sipp.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(sipp)
}

impl Transport {
    fn sipp(self) -> &'static [&'static str] {
        match self {
            Self::Udp => &[],
            Self::Tcp => &["-t", "t1"],
        }
    }
}

/// Whether somebody has bound an address: the kernel's own tables say it without disturbing them.
pub(crate) fn listens(address: SocketAddrV4) -> Result<(), String> {
    let read = |table| fs::read_to_string(table).map_err(|e| format!("{table}: {e}"));
    let table = read("/proc/net/udp")? + &read("/proc/net/tcp")?;
    let local = format!(" {:08X}:{:04X} ", u32::from_ne_bytes(address.ip().octets()), address.port());
    match table.contains(&local) {
        true => Ok(()),
        false => Err(format!("nobody at {address}")),
    }
}
