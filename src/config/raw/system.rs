//! `[sip]`, `[sip.timers]`, `[sip.tls]`, `[media]` and `[security]`, as written.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use crate::base::Transport;
use crate::config::fault::{At, List, Place};
use crate::config::settings::{MediaMode, UnknownSource};
use crate::config::tree::Section;
use crate::config::value::{self, Wrong};

/// `[sip]`.
#[derive(Debug)]
pub(crate) struct RawSip {
    pub(crate) place: Place,
    pub(crate) listen: Option<List<(Transport, SocketAddr)>>,
    pub(crate) advertise: Option<At<IpAddr>>,
    pub(crate) local: Option<List<IpNet>>,
    pub(crate) domain: Option<At<String>>,
    pub(crate) drain: Option<At<Duration>>,
    pub(crate) tcp_switch: Option<At<bool>>,
    pub(crate) timers: RawTimers,
    pub(crate) tls: Option<RawTls>,
}

/// `[sip.timers]`.
#[derive(Debug, Default)]
pub(crate) struct RawTimers {
    pub(crate) t1: Option<At<Duration>>,
    pub(crate) t2: Option<At<Duration>>,
    pub(crate) t4: Option<At<Duration>>,
}

impl RawSip {
    pub(super) fn read(section: Section<'_>) -> Self {
        let timers = section.table("timers", "[sip.timers]").map(RawTimers::read).unwrap_or_default();
        let tls = section.table("tls", "[sip.tls]").map(RawTls::read);
        let this = Self {
            place: section.place.clone(),
            listen: section.list("listen", value::listener),
            advertise: section.parsed("advertise", value::address),
            local: section.list("local", value::network),
            domain: section.parsed("domain", value::text),
            drain: section.parsed("drain", value::duration),
            tcp_switch: section.word("tcp_switch", &[("auto", true), ("never", false)]),
            timers,
            tls,
        };
        section.finish();
        this
    }
}

impl RawTimers {
    fn read(section: Section<'_>) -> Self {
        let timer = |key| section.parsed(key, value::some_time);
        let this = Self { t1: timer("t1"), t2: timer("t2"), t4: timer("t4") };
        section.finish();
        this
    }
}

/// `[sip.tls]`.
#[derive(Debug)]
pub(crate) struct RawTls {
    pub(crate) certificate: Option<At<String>>,
    pub(crate) key: Option<At<String>>,
}

impl RawTls {
    fn read(section: Section<'_>) -> Self {
        let (certificate, key) = (section.parsed("certificate", value::text), section.parsed("key", value::text));
        let certificate = section.required("certificate", "\"tls/fullchain.pem\"", certificate);
        let key = section.required("key", "\"tls/key.pem\"", key);
        section.finish();
        Self { certificate, key }
    }
}

/// `[media]`.
#[derive(Debug)]
pub(crate) struct RawMedia {
    pub(crate) place: Place,
    pub(crate) mode: Option<At<MediaMode>>,
    /// The relay's own keys that are written: used by nothing until it comes.
    pub(crate) relay: Vec<(&'static str, Place)>,
}

impl RawMedia {
    pub(super) fn read(section: Section<'_>) -> Self {
        let mode = section.word("mode", &[("relay", MediaMode::Relay), ("bypass", MediaMode::Bypass)]);
        let ports = section.parsed("ports", port_range).map(|at| ("ports", at.place));
        let timeout = section.parsed("timeout", value::duration).map(|at| ("timeout", at.place));
        let this = Self { place: section.place.clone(), mode, relay: ports.into_iter().chain(timeout).collect() };
        section.finish();
        this
    }
}

fn port_range(text: &str) -> Result<(u16, u16), Wrong> {
    let ends = text.split_once('-').and_then(|(from, to)| Some((from.trim().parse().ok()?, to.trim().parse().ok()?)));
    match ends {
        Some((from, to)) if from > 0 && from < to => Ok((from, to)),
        _ => Err(Wrong::new(
            format!("`{text}` is no range of ports"),
            "write the first and the last, as in \"30000-39999\"",
        )),
    }
}

/// `[security]`.
#[derive(Debug)]
pub(crate) struct RawSecurity {
    pub(crate) place: Place,
    pub(crate) unknown_source: Option<At<UnknownSource>>,
}

impl RawSecurity {
    pub(super) fn read(section: Section<'_>) -> Self {
        let words = [("403", UnknownSource::Forbid), ("drop", UnknownSource::Drop)];
        let this = Self { place: section.place.clone(), unknown_source: section.word("unknown_source", &words) };
        section.finish();
        this
    }
}
