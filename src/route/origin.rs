//! From whom a request comes, by its source address: CONTRACT section 1, "Origin".

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::directory::{Directory, Peer};
use crate::base::{PbxName, TrunkName};

/// Who sent a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A carrier.
    Trunk(TrunkName),
    /// A PBX.
    Pbx(PbxName),
    /// Nobody whom the files know.
    Stranger,
}

/// Who sent a request from `source`.
///
/// A peer's own address and port come first; else the longest `accept` prefix, of two alike the first in the files
/// (`check` refuses those).
pub fn origin(dir: &Directory, source: SocketAddr) -> Origin {
    let source = canonical(source);
    if let Some(gate) = gates(dir).find(|gate| gate.addresses().any(|peer| peer == source)) {
        return gate.origin;
    }
    let mut best: Option<(u8, Origin)> = None;
    for gate in gates(dir) {
        let longest =
            if gate.accept.is_empty() { gate.by_peers(dir, source.ip()) } else { gate.by_accept(source.ip()) };
        if let Some(len) = longest
            && best.as_ref().is_none_or(|(best, _)| len > *best)
        {
            best = Some((len, gate.origin));
        }
    }
    best.map_or(Origin::Stranger, |(_, origin)| origin)
}

/// Whether any `accept` or peer names this address: such a one is never banned.
pub fn is_named(dir: &Directory, source: IpAddr) -> bool {
    let source = source.to_canonical();
    gates(dir).any(|gate| gate.by_accept(source).is_some() || gate.addresses().any(|peer| peer.ip() == source))
}

/// What a trunk and a PBX have in common here.
struct Gate<'a> {
    origin: Origin,
    peers: &'a [Peer],
    accept: &'a [IpNet],
}

fn gates(dir: &Directory) -> impl Iterator<Item = Gate<'_>> {
    let trunks =
        dir.trunks.iter().map(|t| Gate { origin: Origin::Trunk(t.name.clone()), peers: &t.peers, accept: &t.accept });
    let pbxs =
        dir.pbxs.iter().map(|p| Gate { origin: Origin::Pbx(p.name.clone()), peers: &p.peers, accept: &p.accept });
    trunks.chain(pbxs)
}

impl Gate<'_> {
    fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.peers.iter().filter_map(|peer| peer.address).map(canonical)
    }

    fn by_accept(&self, source: IpAddr) -> Option<u8> {
        self.accept.iter().filter(|net| net.contains(&source)).map(IpNet::prefix_len).max()
    }

    /// The default of `accept`: the peers' addresses, any port, except where another peer shares the address: there
    /// the port counts, and this one's had come first.
    fn by_peers(&self, dir: &Directory, source: IpAddr) -> Option<u8> {
        let ours = self.addresses().any(|peer| peer.ip() == source);
        let sharing: Vec<SocketAddr> =
            gates(dir).flat_map(|gate| gate.addresses().collect::<Vec<_>>()).filter(|a| a.ip() == source).collect();
        let shared = sharing.iter().any(|address| address != &sharing[0]);
        (ours && !shared).then(|| IpNet::from(source).prefix_len())
    }
}

/// A dual-stack socket shows IPv4 peers as `::ffff:…`.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
