//! The sections that stand alone, with their defaults.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::gateways::{values, written};
use super::numbers::Numbers;
use crate::base::{PhoneNumber, Transport};
use crate::config::fault::{At, Fault, Report};
use crate::config::raw::{Raw, RawSip};
use crate::config::settings::{
    Http, Log, LogFormat, LogLevel, MediaMode, Settings, Sip, SipTimers, Store, Trace, UnknownSource,
};
use crate::config::value;
use crate::route::directory::{Directory, Limits};

const DAY: u64 = 24 * 3600;

/// Everything that stands alone, around the directory.
pub(super) fn settings(raw: &Raw, directory: Arc<Directory>, report: &Report) -> Settings {
    let (store, trace, log, http) = (raw.store.as_ref(), raw.trace.as_ref(), raw.log.as_ref(), raw.http.as_ref());
    Settings {
        sip: sip(raw.sip.as_ref(), report),
        media: written(raw.media.as_ref().and_then(|media| media.mode.as_ref()), MediaMode::Relay),
        store: Store {
            path: path(store.and_then(|store| store.path.as_ref()), "data/ramal.db"),
            keep_calls: time(store.and_then(|store| store.keep_calls.as_ref()), 5 * 365 * DAY),
        },
        trace: Trace {
            path: path(trace.and_then(|trace| trace.path.as_ref()), "data/trace"),
            size: written(trace.and_then(|trace| trace.size.as_ref()), 1 << 30),
            keep: time(trace.and_then(|trace| trace.keep.as_ref()), 30 * DAY),
        },
        log: Log {
            level: written(log.and_then(|log| log.level.as_ref()), LogLevel::Info),
            format: written(log.and_then(|log| log.format.as_ref()), LogFormat::Text),
        },
        http: Http {
            listen: written(http.and_then(|http| http.listen.as_ref()), SocketAddr::from(([127, 0, 0, 1], 8080))),
            control: path(http.and_then(|http| http.control.as_ref()), "data/ramal.sock"),
            api_token: http.and_then(|http| http.api_token.as_ref()).map(|token| token.value.clone()),
        },
        crm: super::crm::backend(raw, report),
        unknown_source: written(
            raw.security.as_ref().and_then(|security| security.unknown_source.as_ref()),
            UnknownSource::Forbid,
        ),
        directory,
    }
}

fn sip(raw: Option<&RawSip>, report: &Report) -> Sip {
    let timers = raw.map(|sip| &sip.timers);
    let listen = listen(raw, report);
    let listens = listen.iter().any(|(transport, _)| transport.is_secure());
    let this = Sip {
        listen,
        advertise: raw.and_then(|sip| sip.advertise.as_ref()).map(|address| address.value),
        local: values(raw.and_then(|sip| sip.local.as_ref())).unwrap_or_else(local),
        drain: time(raw.and_then(|sip| sip.drain.as_ref()), 60),
        tls: raw.and_then(|sip| sip.tls.as_ref()).and_then(|tls| tls.load(listens, report)),
        tcp_switch: written(raw.and_then(|sip| sip.tcp_switch.as_ref()), true),
        timers: SipTimers {
            t1: written(timers.and_then(|timers| timers.t1.as_ref()), Duration::from_millis(500)),
            t2: time(timers.and_then(|timers| timers.t2.as_ref()), 4),
            t4: time(timers.and_then(|timers| timers.t4.as_ref()), 5),
        },
    };
    let written_t1 = timers.and_then(|timers| timers.t1.as_ref().or(timers.t2.as_ref()));
    if let Some(at) = written_t1.filter(|_| this.timers.t1 > this.timers.t2) {
        let help = "t1 is the first gap between two sendings, t2 the longest";
        report.fault(Fault::new(&at.place, "[sip.timers]: `t1` is longer than `t2`").help(help));
    }
    this
}

fn listen(raw: Option<&RawSip>, report: &Report) -> Vec<(Transport, SocketAddr)> {
    let Some(list) = raw.and_then(|sip| sip.listen.as_ref()) else {
        let any = SocketAddr::from(([0, 0, 0, 0], 5060));
        return vec![(Transport::Udp, any), (Transport::Tcp, any)];
    };
    let mut all: Vec<(Transport, SocketAddr)> = Vec::new();
    for At { value: (transport, address), place } in &list.value {
        if all.contains(&(*transport, *address)) && address.port() != 0 {
            let message = format!("[sip]: {} {address} stands twice in `listen`", transport.as_str());
            report.fault(Fault::new(place, message).label("again").help("keep one of them"));
            continue;
        }
        if transport.is_secure() && raw.is_some_and(|sip| sip.tls.is_none()) {
            let name = transport.as_str().to_ascii_lowercase();
            let message = format!("[sip]: `listen`: {name} needs a certificate, and there is no [sip.tls]");
            report.fault(Fault::new(place, message).help("add [sip.tls] with `certificate` and `key`"));
        }
        all.push((*transport, *address));
    }
    if all.is_empty() && !report.has_faults() {
        let help = "add one, as in \"udp:0.0.0.0:5060\"";
        report.fault(Fault::new(&list.place, "[sip]: `listen` is empty").help(help));
    }
    all
}

fn local() -> Vec<IpNet> {
    ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fc00::/7", "fe80::/10"]
        .iter()
        .filter_map(|net| value::network(net).ok())
        .collect()
}

/// `[blacklist] numbers`.
pub(super) fn blacklist(raw: &Raw, numbers: &Numbers<'_>, report: &Report) -> Vec<PhoneNumber> {
    let list = raw.blacklist.iter().flat_map(|blacklist| &blacklist.numbers).flat_map(|list| &list.value);
    list.filter_map(|number| numbers.read(number, "[blacklist]", report)).collect()
}

/// `[limits]`.
pub(super) fn limits(raw: &Raw, numbers: &Numbers<'_>) -> Limits {
    let default = Limits { outgoing_countries: vec![numbers.country.to_owned()], ..Limits::default() };
    let Some(limits) = &raw.limits else { return default };
    Limits {
        calls: written(limits.calls.as_ref(), default.calls),
        calls_per_second: written(limits.calls_per_second.as_ref(), default.calls_per_second),
        per_employee: written(limits.per_employee.as_ref(), default.per_employee),
        longest_call: written(limits.longest_call.as_ref(), default.longest_call),
        unsaved: written(limits.unsaved.as_ref(), default.unsaved),
        owed_for: written(limits.owed_for.as_ref(), default.owed_for),
        outgoing_countries: values(limits.outgoing_countries.as_ref()).unwrap_or(default.outgoing_countries),
        emergency: values(limits.emergency.as_ref()).unwrap_or(default.emergency),
    }
}

fn path(found: Option<&At<PathBuf>>, default: &str) -> PathBuf {
    found.map_or_else(|| Path::new(default).to_owned(), |at| at.value.clone())
}

fn time(found: Option<&At<Duration>>, default_secs: u64) -> Duration {
    found.map_or(Duration::from_secs(default_secs), |at| at.value)
}
