//! `[[trunk]]` and `[[pbx]]`, as written.

use std::time::Duration;

use ipnet::IpNet;

use crate::base::Secret;
use crate::config::fault::{At, List};
use crate::config::tree::{Section, word};
use crate::config::value;
use crate::route::directory::{IdentityHeader, NumbersOut, Peer};

/// `[[trunk]]`.
#[derive(Debug)]
pub(crate) struct RawTrunk {
    pub(crate) name: Option<At<String>>,
    pub(crate) peers: Option<List<Peer>>,
    pub(crate) accept: Option<List<IpNet>>,
    pub(crate) trusted: Option<At<bool>>,
    pub(crate) did_from: Option<List<IdentityHeader>>,
    pub(crate) caller_from: Option<List<IdentityHeader>>,
    pub(crate) area: Option<At<String>>,
    pub(crate) numbers_out: Option<At<NumbersOut>>,
    pub(crate) foreign_cli: Option<At<bool>>,
    pub(crate) channels: Option<At<u32>>,
    pub(crate) failover_after: Option<At<Duration>>,
    pub(crate) failover_on: Option<Vec<u16>>,
    pub(crate) username: Option<At<String>>,
    pub(crate) password: Option<At<Secret>>,
    pub(crate) register: Option<At<bool>>,
    pub(crate) options: Option<At<Duration>>,
    pub(crate) later: TrunkLater,
}

/// Keys of a trunk that this release reads and does not do.
#[derive(Debug)]
pub(crate) struct TrunkLater {
    pub(crate) codecs: Option<List<String>>,
    /// Whether media may come from anywhere.
    pub(crate) media_from: Option<At<bool>>,
}

/// Headers that may hold the number called.
const DID: &[(&str, IdentityHeader)] = &[
    ("request-uri", IdentityHeader::RequestUri),
    ("p-called-party-id", IdentityHeader::PCalledPartyId),
    ("to", IdentityHeader::To),
    ("diversion", IdentityHeader::Diversion),
];

/// Headers that may hold the caller.
const CALLER: &[(&str, IdentityHeader)] = &[
    ("p-asserted-identity", IdentityHeader::PAssertedIdentity),
    ("remote-party-id", IdentityHeader::RemotePartyId),
    ("from", IdentityHeader::From),
];

impl RawTrunk {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let name = name(&mut section, "trunk", "\"carrier\"");
        let peers = section.list("peers", value::peer);
        let later = TrunkLater {
            codecs: section.list("codecs", value::text),
            media_from: section.word("media_from", &[("signalling", false), ("any", true)]),
        };
        let this = Self {
            name,
            peers: section.required("peers", "[\"sip:203.0.113.5\"]", peers),
            accept: section.list("accept", value::network),
            trusted: section.flag("trusted"),
            did_from: section.list("did_from", |text| word(text, DID)),
            caller_from: section.list("caller_from", |text| word(text, CALLER)),
            area: section.parsed("area", value::digits),
            numbers_out: section.word("numbers_out", &[("e164", NumbersOut::E164), ("national", NumbersOut::National)]),
            foreign_cli: section.flag("foreign_cli"),
            channels: section.count("channels", 0..=100_000),
            failover_after: section.parsed("failover_after", value::some_time),
            failover_on: section.counts("failover_on", 300..=699),
            username: section.parsed("username", value::text),
            password: section.secret("password"),
            register: section.flag("register"),
            options: section.parsed("options", value::duration),
            later,
        };
        section.finish();
        this
    }
}

/// `pbx.outgoing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outgoing {
    Line,
    Refuse,
}

/// `[[pbx]]`.
#[derive(Debug)]
pub(crate) struct RawPbx {
    pub(crate) name: Option<At<String>>,
    pub(crate) peers: Option<List<Peer>>,
    pub(crate) extensions: Option<At<String>>,
    pub(crate) accept: Option<List<IpNet>>,
    pub(crate) connected_line: Option<At<bool>>,
    pub(crate) outgoing: Option<At<Outgoing>>,
    pub(crate) line: Option<At<String>>,
    pub(crate) dial_prefix: Option<List<String>>,
}

impl RawPbx {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let name = name(&mut section, "pbx", "\"office\"");
        let (peers, extensions) =
            (section.list("peers", value::peer), section.parsed("extensions", value::extension_pattern));
        let this = Self {
            name,
            peers: section.required("peers", "[\"sip:10.0.0.5\"]", peers),
            extensions: section.required("extensions", "\"2xx\"", extensions),
            accept: section.list("accept", value::network),
            connected_line: section.flag("connected_line"),
            outgoing: section.word("outgoing", &[("line", Outgoing::Line), ("refuse", Outgoing::Refuse)]),
            line: section.parsed("line", value::text),
            dial_prefix: section.list("dial_prefix", value::dial_prefix),
        };
        section.finish();
        this
    }
}

/// Reads the key that names a table, and lets its later faults say that name.
pub(super) fn named(section: &mut Section<'_>, kind: &str, key: &'static str, example: &str) -> Option<At<String>> {
    let name = section.parsed(key, value::text);
    if let Some(name) = &name {
        section.what = format!("{kind} `{}`", name.value);
    }
    section.required(key, example, name)
}

fn name(section: &mut Section<'_>, kind: &str, example: &str) -> Option<At<String>> {
    named(section, kind, "name", example)
}
