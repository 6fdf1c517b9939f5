//! What the files say, checked: all that a process needs besides the [`Directory`].

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::certificate::Certificate;
use crate::base::{Secret, Transport};
use crate::route::directory::Directory;

/// The files of one operator.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `[sip]`.
    pub sip: Sip,
    /// `media.mode`.
    pub media: MediaMode,
    /// `[store]`.
    pub store: Store,
    /// `[trace]`.
    pub trace: Trace,
    /// `[log]`.
    pub log: Log,
    /// `[http]`.
    pub http: Http,
    /// `crm.backend` with its section.
    pub crm: CrmBackend,
    /// `security.unknown_source`.
    pub unknown_source: UnknownSource,
    /// Lines, queues, employees, trunks, PBXs, `[crm]`, `[limits]`, `[blacklist]`.
    pub directory: Arc<Directory>,
}

/// `[sip]`.
#[derive(Debug, Clone)]
pub struct Sip {
    /// Where it listens; at least one.
    pub listen: Vec<(Transport, SocketAddr)>,
    /// What Via, Contact and SDP say toward peers outside `local`.
    pub advertise: Option<IpAddr>,
    /// Networks that need no `advertise`.
    pub local: Vec<IpNet>,
    /// How long a drain waits for calls.
    pub drain: Duration,
    /// Whether requests too large for UDP go by TCP to peers that are known to take it.
    pub tcp_switch: bool,
    /// `[sip.tls]`.
    pub tls: Option<Certificate>,
    /// `[sip.timers]`.
    pub timers: SipTimers,
}

/// `[sip.timers]`: RFC 3261's T1, T2 and T4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the RFC's own names")]
pub struct SipTimers {
    pub t1: Duration,
    pub t2: Duration,
    pub t4: Duration,
}

/// How media flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaMode {
    /// Through us. Until the relay comes, calls run bypassed and `check` says so.
    Relay,
    /// End to end.
    Bypass,
}

/// `[store]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The SQLite file.
    pub path: PathBuf,
    /// How long calls stay in the call log.
    pub keep_calls: Duration,
}

/// `[trace]`: where ladders go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The folder.
    pub path: PathBuf,
    /// Bytes that it may take.
    pub size: u64,
    /// How long a ladder stays.
    pub keep: Duration,
}

/// `crm.backend` with its section.
#[derive(Debug, Clone)]
pub enum CrmBackend {
    /// Our own, in the store.
    Embedded,
    /// `[crm.bitrix24]`.
    Bitrix24(Box<Bitrix24>),
    /// `[crm.webhook]`.
    Webhook(Webhook),
}

/// `[crm.bitrix24]`.
#[derive(Debug, Clone)]
pub struct Bitrix24 {
    /// By what it is called.
    pub access: Bitrix24Access,
    /// `crm.bitrix24.application_token`: what the portal's own calls to us show.
    pub application_token: Option<Secret>,
    /// Requests a second.
    pub rate: u32,
    /// Phones and owners are kept here.
    pub mirror: bool,
}

/// How a portal is called.
#[derive(Debug, Clone)]
pub enum Bitrix24Access {
    /// An OAuth application: everything is open to it.
    Application {
        /// `crm.bitrix24.portal`, without a slash at its end.
        portal: String,
        /// `crm.bitrix24.client_id`.
        client_id: String,
        /// `crm.bitrix24.client_secret`.
        client_secret: Secret,
        /// `crm.bitrix24.token_url`.
        token_url: String,
        /// `crm.bitrix24.tokens`: the file with the rotating pair.
        tokens: PathBuf,
    },
    /// An inbound webhook's address, which is a secret, with a slash at its end.
    Webhook(Secret),
}

/// `[crm.webhook]`.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Where questions and news go.
    pub url: String,
    /// What signs them.
    pub secret: Secret,
}

/// `[log]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// What is worth a line.
    pub level: LogLevel,
    /// How a line looks.
    pub format: LogFormat,
}

/// `log.level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words say it")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// The word in the file, which is also the word that tracing's filters take.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// `log.format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words say it")]
pub enum LogFormat {
    Text,
    Json,
}

/// `[http]`.
#[derive(Debug, Clone)]
pub struct Http {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// The socket for the commands.
    pub control: PathBuf,
    /// The bearer token with the admin's rights; without one nobody has them.
    pub api_token: Option<Secret>,
}

/// What strangers get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownSource {
    /// 403.
    Forbid,
    /// Nothing.
    Drop,
}
