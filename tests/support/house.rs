//! The operator's files of one story, on a loopback address and in a folder of its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process;

use tempfile::TempDir;
use toml::{Table, Value};

/// Where things are while a story runs.
pub(crate) struct House {
    folder: TempDir,
    address: Ipv4Addr,
}

/// The server's own port; the parties' follow from who they are.
pub(crate) const SERVER: u16 = 5060;
const HTTP: u16 = 8080;
pub(crate) const CARRIER: u16 = 5080;
/// A proxy's: what the carrier and the phones see of it, and what the server takes for carrier and office.
pub(crate) const PROXY: u16 = 5070;
pub(crate) const PROXY_TRUNK: u16 = 5071;
pub(crate) const PROXY_OFFICE: u16 = 5072;

impl House {
    /// Writes `house.toml` of `sip-scenarios/`, with what the story changes.
    pub(crate) fn new(story: &Path, changes: &Table) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let house = Self { folder, address: own_address(story) };
        let common = story.with_file_name("house.toml");
        let text = fs::read_to_string(&common).map_err(|e| format!("{}: {e}", common.display()))?;
        let mut files: Table =
            toml::from_str(&house.fill_in(&text)).map_err(|e| format!("{}: {e}", common.display()))?;
        merge(&mut files, changes);
        let written = toml::to_string(&files).map_err(|e| e.to_string())?;
        fs::write(house.config(), house.fill_in(&written)).map_err(|e| e.to_string())?;
        Ok(house)
    }

    /// The folder of this run: files, logs, store, control socket.
    pub(crate) fn dir(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir().join("ramal.toml")
    }

    pub(crate) fn sip(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.address, SERVER)
    }

    pub(crate) fn proxy(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.address, PROXY)
    }

    /// The text of a file with this run's own address and folder.
    pub(crate) fn fill_in(&self, text: &str) -> String {
        text.replace("@ADDRESS@", &self.address.to_string()).replace("@FOLDER@", &self.dir().to_string_lossy())
    }

    pub(crate) fn http(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.address, HTTP)
    }

    /// Where a party is: `carrier`, an employee of `house.toml`, or `stranger`, whom it doesn't name.
    pub(crate) fn party(&self, name: &str) -> Result<SocketAddrV4, String> {
        let port = match name {
            "carrier" => CARRIER,
            "ana" => 5201,
            "bruno" => 5202,
            "carla" => 5203,
            "stranger" => 5099,
            other => return Err(format!("house.toml has no {other}")),
        };
        Ok(SocketAddrV4::new(self.address, port))
    }
}

/// All of 127/8 is this machine: a story and process of its own have an address of their own, so that ports are fixed
/// and nobody takes another's.
fn own_address(story: &Path) -> Ipv4Addr {
    let name = story.file_name().expect("a story is a folder").to_string_lossy();
    let number: u8 = name.get(..2).and_then(|digits| digits.parse().ok()).unwrap_or(1);
    let [.., high, low] = process::id().to_be_bytes();
    Ipv4Addr::new(127, number, high, low)
}

/// Tables are merged, lists of tables by the key that names an entry, all else is replaced.
fn merge(into: &mut Table, changes: &Table) {
    for (key, change) in changes {
        match (into.get_mut(key), change) {
            (Some(Value::Table(old)), Value::Table(new)) => merge(old, new),
            (Some(Value::Array(old)), Value::Array(new)) if new.iter().all(Value::is_table) => {
                for entry in new.iter().filter_map(Value::as_table) {
                    match old.iter_mut().filter_map(Value::as_table_mut).find(|o| name_of(o) == name_of(entry)) {
                        Some(same) => merge(same, entry),
                        None => old.push(Value::Table(entry.clone())),
                    }
                }
            }
            _ => {
                into.insert(key.clone(), change.clone());
            }
        }
    }
}

fn name_of(entry: &Table) -> Option<&str> {
    ["name", "id", "number"].iter().find_map(|key| entry.get(*key)).and_then(Value::as_str)
}
