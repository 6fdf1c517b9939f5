//! Where a message goes and comes from.

use std::fmt;
use std::net::SocketAddr;

use parking_lot::RwLock;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How signalling travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the words say it")]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
    /// RFC 7118.
    Ws,
    /// RFC 7118, over TLS.
    Wss,
}

impl Transport {
    /// As Via writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// Whether the transport itself sees to it that messages arrive (RFC 3261 §17: no retransmissions then).
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Self::Udp)
    }

    /// Whether nobody on the way can read it.
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    /// The `transport` parameter of a URI; `None` where UDP, the default, need not be written.
    pub const fn uri_parameter(self) -> Option<&'static str> {
        match self {
            Self::Udp => None,
            Self::Tcp => Some("tcp"),
            Self::Tls => Some("tls"),
            // RFC 7118 §5.2.4: one word for both; `sips:` tells them apart.
            Self::Ws | Self::Wss => Some("ws"),
        }
    }

    /// The port where none is written: RFC 3261 §19.1.2, RFC 7118 §5.3.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }
}

/// A transport and an address: one way to somebody, as the files or DNS give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Way {
    /// How.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
}

/// One way to one peer: the socket here, the address there, and what we call ourselves toward it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Hop {
    /// How.
    pub transport: Transport,
    /// The listener's socket that it uses (for streams: whose listener it belongs to).
    pub local: SocketAddr,
    /// The peer.
    pub remote: SocketAddr,
    /// What stands in our Via and Contact toward that peer.
    pub advertised: SocketAddr,
    /// Whose certificate a TLS connection that we make has to show; `None`: no connection is made to it, it comes from
    /// there. A connection is never reused under another name.
    pub name: Option<HostName>,
}

/// The name of a host that the files name; small, so that a [`Hop`] stays a copy.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HostName(&'static str);

/// Every name met so far. They come from the operator's files alone, so they are few, and are kept for ever.
static NAMES: RwLock<Vec<&'static str>> = RwLock::new(Vec::new());

impl HostName {
    /// This name, in small letters. Only for names out of the operator's files: each is kept for ever.
    pub fn new(name: &str) -> Self {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let known = |names: &[&'static str]| names.iter().find(|known| **known == name).copied();
        if let Some(known) = known(&NAMES.read()) {
            return Self(known);
        }
        let mut names = NAMES.write();
        let name = known(&names).unwrap_or_else(|| Box::leak(name.clone().into_boxed_str()));
        if !names.contains(&name) {
            names.push(name);
        }
        Self(name)
    }

    /// The name.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Serialize for HostName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for HostName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::new(&String::deserialize(deserializer)?))
    }
}
