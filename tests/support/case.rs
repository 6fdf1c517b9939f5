//! A story's `case.toml`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// One story: what differs from the ordinary house, who acts, and what must be left.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// What happens, in a sentence.
    pub(crate) story: String,
    /// Keys of the operator's file that differ from `house.toml`.
    #[serde(default)]
    pub(crate) config: toml::Table,
    /// In the CRM before the call.
    #[serde(default, rename = "contact")]
    pub(crate) contacts: Vec<Contact>,
    /// On the exception list before the call.
    #[serde(default)]
    pub(crate) exceptions: Vec<String>,
    /// Employees who are away.
    #[serde(default)]
    pub(crate) away: Vec<String>,
    /// Employees whose phones may be rung and say nothing. A phone that is neither here nor in `phones` must not ring.
    #[serde(default)]
    pub(crate) silent: Vec<String>,
    /// Kamailio stands between the server and everybody else.
    #[serde(default)]
    pub(crate) proxy: bool,
    /// Who calls.
    pub(crate) caller: Caller,
    /// What the other parties do, by name: an employee, or `carrier`.
    #[serde(default)]
    pub(crate) phones: BTreeMap<String, Phone>,
    /// What must be left.
    pub(crate) expect: Expect,
    /// The story's folder.
    #[serde(skip)]
    pub(crate) folder: PathBuf,
}

/// A contact of the CRM.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contact {
    pub(crate) name: String,
    pub(crate) phone: String,
    pub(crate) responsible: String,
}

/// The party who starts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Caller {
    /// `carrier`, or the employee who dials.
    #[serde(default = "carrier")]
    pub(crate) party: String,
    /// The sipp scenario.
    pub(crate) does: String,
    /// Whom the From names, in turn from call to call.
    pub(crate) numbers: Vec<String>,
    /// Whom the Request-URI names.
    #[serde(default = "line")]
    pub(crate) dials: String,
    /// How many calls there are.
    #[serde(default = "one")]
    pub(crate) calls: u32,
    /// How many of them at once.
    #[serde(default = "one")]
    pub(crate) at_once: u32,
    /// `udp` or `tcp`.
    #[serde(default)]
    pub(crate) transport: Transport,
}

/// How the caller's messages travel.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Transport {
    #[default]
    Udp,
    Tcp,
}

/// What a phone does.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Phone {
    /// A sipp scenario, for one call.
    Once(String),
    /// For several.
    Often { does: String, calls: u32 },
}

/// Subsets of what must be there: keys not named are free, lists have as many entries in any order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    /// Ended calls, as `GET /api/calls` gives them.
    #[serde(default)]
    call: Vec<Value>,
    /// By phone number, as `ramal crm find --json` gives it.
    #[serde(default)]
    pub(crate) crm: BTreeMap<String, Value>,
    /// The in-dialog requests that the proxy must have passed by their route sets, `PORT METHOD`; others may be more.
    #[serde(default)]
    pub(crate) proxy: Vec<String>,
    /// Sums over all labels, at least.
    #[serde(default)]
    pub(crate) metrics: BTreeMap<String, f64>,
}

impl Case {
    /// Reads the story of a folder.
    pub(crate) fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join("case.toml");
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let case: Self = toml::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Self { folder: folder.to_owned(), ..case })
    }

    /// A scenario of this story, or of those that stories share.
    pub(crate) fn scenario(&self, name: &str) -> Result<PathBuf, String> {
        let shared = self.folder.with_file_name("common");
        [self.folder.join(name), shared.join(name)]
            .into_iter()
            .find(|path| path.is_file())
            .ok_or_else(|| format!("neither {} nor common/ has {name}", self.folder.display()))
    }
}

impl Expect {
    pub(crate) fn calls(&self) -> Value {
        Value::Array(self.call.clone())
    }
}

impl Phone {
    /// The scenario, and for how many calls.
    pub(crate) fn does(&self) -> (&str, u32) {
        match self {
            Self::Once(does) => (does, 1),
            Self::Often { does, calls } => (does, *calls),
        }
    }
}

fn carrier() -> String {
    "carrier".to_owned()
}

fn line() -> String {
    "+551140028922".to_owned()
}

fn one() -> u32 {
    1
}
