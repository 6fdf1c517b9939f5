//! Where a message goes and comes from.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// How signalling travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the words say it")]
pub enum Transport {
    Udp,
    Tcp,
}

impl Transport {
    /// As Via writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }

    /// Whether the transport itself sees to it that messages arrive (RFC 3261 §17: no retransmissions then).
    pub const fn is_reliable(self) -> bool {
        matches!(self, Self::Tcp)
    }
}

/// One way to one peer: the socket here, the address there, and what we call ourselves toward it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Hop {
    /// By UDP or TCP.
    pub transport: Transport,
    /// The listener's socket that it uses (for TCP: whose listener it belongs to).
    pub local: SocketAddr,
    /// The peer.
    pub remote: SocketAddr,
    /// What stands in our Via and Contact toward that peer.
    pub advertised: SocketAddr,
}
