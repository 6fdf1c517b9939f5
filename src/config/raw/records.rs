//! `[store]`, `[trace]`, `[log]`, `[http]`, `[recording]` and `[voicemail]`, as written.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::base::Secret;
use crate::config::fault::{At, Place};
use crate::config::settings::{LogFormat, LogLevel};
use crate::config::tree::Section;
use crate::config::value::{self, Wrong};

/// `[store]`.
#[derive(Debug)]
pub(crate) struct RawStore {
    pub(crate) place: Place,
    pub(crate) path: Option<At<PathBuf>>,
    pub(crate) keep_calls: Option<At<Duration>>,
}

impl RawStore {
    pub(super) fn read(section: Section<'_>) -> Self {
        let this = Self {
            place: section.place.clone(),
            path: section.parsed("url", store_url),
            keep_calls: section.parsed("keep_calls", value::some_time),
        };
        section.finish();
        this
    }
}

/// The file behind `sqlite:`.
fn store_url(text: &str) -> Result<PathBuf, Wrong> {
    let help = "write sqlite: and a path, as in \"sqlite:data/ramal.db\"";
    if text.starts_with("postgres:") || text.starts_with("postgresql:") {
        return Err(Wrong::new("PostgreSQL comes with a later release", help));
    }
    let path = text.strip_prefix("sqlite:").ok_or_else(|| Wrong::new(format!("`{text}` is no store"), help))?;
    match path.strip_prefix("//").unwrap_or(path) {
        "" => Err(Wrong::new("the path of the store is missing", help)),
        ":memory:" => Err(Wrong::new("a store in memory loses every record", help)),
        path => Ok(PathBuf::from(path)),
    }
}

/// `[trace]`.
#[derive(Debug)]
pub(crate) struct RawTrace {
    pub(crate) place: Place,
    pub(crate) path: Option<At<PathBuf>>,
    pub(crate) size: Option<At<u64>>,
    pub(crate) keep: Option<At<Duration>>,
    pub(crate) pcap: Option<At<bool>>,
}

impl RawTrace {
    pub(super) fn read(section: Section<'_>) -> Self {
        let this = Self {
            place: section.place.clone(),
            path: path(&section, "path"),
            size: section.parsed("size", value::size),
            keep: section.parsed("keep", value::some_time),
            pcap: section.flag("pcap"),
        };
        section.finish();
        this
    }
}

/// `[log]`.
#[derive(Debug)]
pub(crate) struct RawLog {
    pub(crate) place: Place,
    pub(crate) level: Option<At<LogLevel>>,
    pub(crate) format: Option<At<LogFormat>>,
}

impl RawLog {
    pub(super) fn read(section: Section<'_>) -> Self {
        let levels = [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];
        let this = Self {
            place: section.place.clone(),
            level: section.word("level", &levels.map(|level| (level.as_str(), level))),
            format: section.word("format", &[("text", LogFormat::Text), ("json", LogFormat::Json)]),
        };
        section.finish();
        this
    }
}

/// `[http]`.
#[derive(Debug)]
pub(crate) struct RawHttp {
    pub(crate) place: Place,
    pub(crate) listen: Option<At<SocketAddr>>,
    pub(crate) control: Option<At<PathBuf>>,
    pub(crate) api_token: Option<At<Secret>>,
}

impl RawHttp {
    pub(super) fn read(section: Section<'_>) -> Self {
        let this = Self {
            place: section.place.clone(),
            listen: section.parsed("listen", value::socket),
            control: path(&section, "control"),
            api_token: section.secret("api_token"),
        };
        section.finish();
        this
    }
}

/// `[recording]`: of use once media passes through us.
#[derive(Debug)]
pub(crate) struct RawRecording {
    pub(crate) place: Place,
}

impl RawRecording {
    pub(super) fn read(section: Section<'_>) -> Self {
        drop((path(&section, "path"), section.flag("announce"), section.parsed("keep", value::some_time)));
        let this = Self { place: section.place.clone() };
        section.finish();
        this
    }
}

/// `[voicemail]`: of use once media passes through us.
#[derive(Debug)]
pub(crate) struct RawVoicemail {
    pub(crate) place: Place,
}

impl RawVoicemail {
    pub(super) fn read(section: Section<'_>) -> Self {
        drop((path(&section, "path"), path(&section, "greeting"), section.parsed("longest", value::some_time)));
        let this = Self { place: section.place.clone() };
        section.finish();
        this
    }
}

fn path(section: &Section<'_>, key: &'static str) -> Option<At<PathBuf>> {
    section.parsed(key, value::text).map(|at| at.map(PathBuf::from))
}
