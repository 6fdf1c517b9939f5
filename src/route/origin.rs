//! From whom a request comes, by its source address: docs/routing.md, section 1.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::directory::{Directory, Peer};
use crate::base::{EmployeeId, PbxName, TrunkName};

/// Who sent a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A carrier.
    Trunk(TrunkName),
    /// A PBX.
    Pbx(PbxName),
    /// An employee's own phone, which has registered or shown her password.
    Phone(EmployeeId),
    /// Nobody whom the files know.
    Stranger,
}

impl Origin {
    /// How ladders call it: the trunk's or PBX's name, the employee's id.
    pub fn label(&self) -> &str {
        match self {
            Self::Trunk(name) => name.as_str(),
            Self::Pbx(name) => name.as_str(),
            Self::Phone(employee) => employee.as_str(),
            Self::Stranger => "",
        }
    }
}

/// Who sent a request from `source`.
///
/// A peer's own address and port come first; else the longest `accept` prefix, of two alike the first in the files
/// (`check` refuses those).
pub fn origin(dir: &Directory, source: SocketAddr) -> Origin {
    let source = canonical(source);
    if let Some(peer) = of_peer(dir, source) {
        return peer;
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

/// Who sent a request from `source`, where it is one peer's own address and port.
pub fn of_peer(dir: &Directory, source: SocketAddr) -> Option<Origin> {
    let source = canonical(source);
    gates(dir).find(|gate| gate.addresses().any(|peer| peer == source)).map(|gate| gate.origin)
}

/// Whether any `accept` or peer names this address: such a one is never banned.
pub fn is_named(dir: &Directory, source: IpAddr) -> bool {
    let source = source.to_canonical();
    gates(dir).any(|gate| gate.by_accept(source).is_some() || gate.addresses().any(|peer| peer.ip() == source))
}

/// Whether a request inside a dialog may come from `source`, where its far end is `expected` at these addresses: from
/// one of them, or from wherever else the trunk or PBX that has one of them may send.
///
/// Tags say which dialog a request means, and whoever has overheard them knows them too.
pub fn is_of_far_end(dir: &Directory, source: SocketAddr, expected: &[SocketAddr]) -> bool {
    if expected.iter().any(|address| canonical(*address) == canonical(source)) {
        return true;
    }
    let from = origin(dir, source);
    from != Origin::Stranger && expected.iter().any(|address| origin(dir, *address) == from)
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
        self.peers.iter().flat_map(|peer| &peer.ways).map(|way| canonical(way.address))
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

#[cfg(test)]
mod tests {
    use super::super::testing::{House, house, pbx, peer, trunk};
    use super::*;

    #[track_caller]
    fn from(house: House, source: &str) -> String {
        match origin(&house.build(), source.parse().expect("address and port")) {
            Origin::Trunk(name) => name.to_string(),
            Origin::Pbx(name) => name.to_string(),
            Origin::Phone(id) => id.to_string(),
            Origin::Stranger => "stranger".to_owned(),
        }
    }

    fn with_trunk(house: House, name: &str, peers: &[&str]) -> House {
        house.with(|dir| dir.trunks.push(trunk(name, peers).into()))
    }

    #[test]
    fn peers_are_known_by_their_address_at_any_port_and_others_are_strangers() {
        assert_eq!(from(house(), "203.0.113.5:5060"), "carrier");
        assert_eq!(from(house(), "203.0.113.5:40000"), "carrier");
        assert_eq!(from(house(), "10.0.0.5:5060"), "office");
        assert_eq!(from(house(), "203.0.113.6:5060"), "stranger");
        assert_eq!(from(house(), "[::ffff:203.0.113.5]:5060"), "carrier");
    }

    #[test]
    fn where_peers_share_an_address_the_port_counts() {
        let loopback =
            || with_trunk(house(), "a", &["127.0.0.1:5062"]).pbx(|pbx| pbx.peers = vec![peer("127.0.0.1:5064")]);
        assert_eq!(from(loopback(), "127.0.0.1:5062"), "a");
        assert_eq!(from(loopback(), "127.0.0.1:5064"), "office");
        assert_eq!(from(loopback(), "127.0.0.1:5066"), "stranger");
    }

    #[test]
    fn a_peers_own_address_and_port_come_before_any_accept() {
        let house = with_trunk(house(), "a", &["198.51.100.9:5060"]).trunk(|carrier| {
            carrier.accept = vec!["198.51.100.9/32".parse().unwrap()];
        });
        assert_eq!(from(house, "198.51.100.9:5060"), "a");
    }

    #[test]
    fn the_longest_accept_prefix_wins_over_all_trunks_and_pbxs() {
        let nets = || {
            let house = house().trunk(|carrier| carrier.accept = vec!["10.0.0.0/8".parse().unwrap()]);
            house.pbx(|office| office.accept = vec!["10.1.0.0/16".parse().unwrap()])
        };
        assert_eq!(from(nets(), "10.2.0.1:5060"), "carrier");
        assert_eq!(from(nets(), "10.1.0.1:5060"), "office");
        assert_eq!(from(nets(), "10.0.0.5:5060"), "office", "its peer");
        assert_eq!(from(nets(), "10.0.0.5:6000"), "carrier", "`accept` replaces the default");
        assert_eq!(from(nets(), "192.0.2.1:5060"), "stranger");
    }

    #[test]
    fn a_peer_whose_name_is_not_looked_up_yet_admits_nobody() {
        let house = house().trunk(|carrier| carrier.peers[0].ways.clear());
        assert_eq!(from(house, "203.0.113.5:5060"), "stranger");
    }

    #[test]
    fn a_dialogs_far_end_may_speak_from_all_its_gateways_addresses_and_nobody_else() {
        let dir = house().trunk(|carrier| carrier.accept = vec!["203.0.113.0/24".parse().unwrap()]).build();
        let expected = ["203.0.113.5:5060", "192.0.2.80:5070"].map(|address| address.parse().unwrap());
        for (source, is) in [
            ("203.0.113.5:5060", true),
            ("203.0.113.77:40000", true),
            ("192.0.2.80:5070", true), // the Contact of a phone that no proxy hides
            ("192.0.2.80:5071", false),
            ("10.0.0.5:5060", false), // another gateway
            ("198.51.100.1:5060", false),
        ] {
            assert_eq!(is_of_far_end(&dir, source.parse().unwrap(), &expected), is, "{source}");
        }
    }

    #[test]
    fn addresses_that_the_files_name_are_never_banned() {
        let house = house().with(|dir| dir.pbxs.push(pbx("b", &["127.0.0.1:5064"], "3xx").into()));
        let dir = house.trunk(|carrier| carrier.accept = vec!["198.51.100.0/24".parse().unwrap()]).build();
        for (source, named) in
            [("203.0.113.5", true), ("198.51.100.77", true), ("127.0.0.1", true), ("192.0.2.1", false)]
        {
            assert_eq!(is_named(&dir, source.parse().unwrap()), named, "{source}");
        }
    }
}
