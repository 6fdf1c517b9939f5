//! The way out: which listener a message to a peer leaves by, and what we call ourselves toward that peer.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use bytes::Bytes;
use dashmap::DashMap;
use ipnet::IpNet;

use super::connections::Connections;
use super::sink::Path;
use super::udp::Udp;
use crate::base::{Hop, HostName, Transport};

/// All sockets, for sending.
pub struct Outbound {
    udp: Vec<Arc<Udp>>,
    /// The listeners of all other transports.
    streams: Vec<(Transport, SocketAddr)>,
    connections: Arc<Connections>,
    naming: Naming,
    /// The source address that the system picks toward each peer.
    routes: DashMap<IpAddr, IpAddr>,
}

/// `sip.advertise` and `sip.local`.
#[derive(Debug, Clone, Default)]
pub struct Naming {
    /// What peers outside `local` are told.
    pub advertise: Option<IpAddr>,
    /// Networks that are told the address that the route picks.
    pub local: Vec<IpNet>,
}

/// The message cannot have got there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot be sent there")]
pub struct Unreachable;

impl Outbound {
    /// By these UDP listeners, and for all else by connections of these listeners.
    pub fn new(
        udp: Vec<Arc<Udp>>,
        streams: Vec<(Transport, SocketAddr)>,
        connections: Arc<Connections>,
        naming: Naming,
    ) -> Self {
        Self { udp, streams, connections, naming, routes: DashMap::new() }
    }

    /// The connections that messages leave by where they don't leave by UDP.
    pub fn connections(&self) -> Arc<Connections> {
        Arc::clone(&self.connections)
    }

    /// Sends, or queues; never waits.
    pub fn send(&self, hop: &Hop, bytes: &Bytes) -> Result<(), Unreachable> {
        match hop.transport {
            Transport::Udp => {
                let socket = self.udp.iter().find(|socket| socket.local() == hop.local).ok_or(Unreachable)?;
                socket.send(hop.remote, bytes).map_err(|fault| {
                    tracing::debug!(remote = %hop.remote, %fault, "cannot send");
                    Unreachable
                })
            }
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
                self.connections.send(hop, bytes.clone()).map_err(|fault| {
                    tracing::debug!(remote = %hop.remote, %fault, "cannot send");
                    Unreachable
                })
            }
        }
    }

    /// The way back to where something came from.
    pub fn back(&self, path: Path) -> Hop {
        let Path { transport, local, remote } = path;
        Hop { transport, local, remote, advertised: self.advertised(local, remote), name: None }
    }

    /// The way to a peer that is to be called; `None`: no listener has its transport and family.
    pub fn to(&self, transport: Transport, remote: SocketAddr, name: Option<HostName>) -> Option<Hop> {
        let udp = self.udp.iter().filter(|_| transport == Transport::Udp).map(|socket| socket.local());
        let streams = self.streams.iter().filter(|(spoken, _)| *spoken == transport).map(|(_, local)| *local);
        let locals = udp.chain(streams);
        let source = self.route(remote.ip());
        // The listener at the very address that the route picks, else one at all addresses, else any.
        let fitness = |local: &SocketAddr| match local.ip() {
            ip if Some(ip) == source => 0,
            ip if ip.is_unspecified() => 1,
            ip if ip.is_loopback() == remote.ip().is_loopback() => 2,
            _ => 3,
        };
        let same_family = locals.filter(|local| local.is_ipv4() == remote.is_ipv4());
        let local = same_family.min_by_key(fitness)?;
        Some(Hop { name, ..self.back(Path { transport, local, remote }) })
    }

    /// What stands in Via and Contact toward this peer.
    fn advertised(&self, local: SocketAddr, remote: SocketAddr) -> SocketAddr {
        let is_local = self.naming.local.iter().any(|net| net.contains(&remote.ip()));
        let ip = match self.naming.advertise {
            Some(advertise) if !is_local && advertise.is_ipv4() == remote.is_ipv4() => advertise,
            _ if !local.ip().is_unspecified() => local.ip(),
            _ => self.route(remote.ip()).unwrap_or(local.ip()),
        };
        SocketAddr::new(ip, local.port())
    }

    /// The source address that the system picks toward this peer.
    fn route(&self, remote: IpAddr) -> Option<IpAddr> {
        if let Some(known) = self.routes.get(&remote) {
            return Some(*known);
        }
        let picked = picked_toward(remote)?;
        if self.routes.len() >= ROUTES {
            self.routes.clear();
        }
        self.routes.insert(remote, picked);
        Some(picked)
    }
}

/// Asks the system by connecting a UDP socket, which sends nothing.
fn picked_toward(remote: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = if remote.is_ipv4() { [0, 0, 0, 0].into() } else { [0; 16].into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((remote, 5060)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// How many routes are remembered before all are asked again.
const ROUTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::super::connections::Patience;
    use super::super::sink::Sink;
    use super::*;
    use crate::sip::message::ParseError;

    struct Nobody;

    impl Sink for Nobody {
        fn received(&self, _: Path, _: Bytes) {}
        fn unframed(&self, _: Path, _: &ParseError) {}
        fn unreachable(&self, _: Path, _: &[u8]) {}
    }

    fn outbound(listen: &[&str], naming: Naming) -> Outbound {
        let udp = listen.iter().map(|at| Udp::bind(at.parse().unwrap()).unwrap()).collect();
        Outbound::new(udp, Vec::new(), Connections::new(Arc::new(Nobody), Patience::default()), naming)
    }

    #[tokio::test]
    async fn peers_outside_local_are_told_the_advertised_address_and_others_the_routes() {
        let naming =
            Naming { advertise: Some("203.0.113.10".parse().unwrap()), local: vec!["127.0.0.0/8".parse().unwrap()] };
        let out = outbound(&["0.0.0.0:0"], naming);
        let inside = out.to(Transport::Udp, "127.0.0.2:5060".parse().unwrap(), None).unwrap();
        assert_eq!(inside.advertised.ip(), "127.0.0.1".parse::<IpAddr>().unwrap());
        assert_eq!(inside.advertised.port(), inside.local.port());
        let path =
            Path { transport: Transport::Udp, local: inside.local, remote: "198.51.100.7:5060".parse().unwrap() };
        assert_eq!(out.back(path).advertised.ip(), "203.0.113.10".parse::<IpAddr>().unwrap());
    }

    #[tokio::test]
    async fn a_peer_is_called_by_the_listener_that_its_route_picks() {
        let out = outbound(&["0.0.0.0:0", "127.0.0.1:0"], Naming::default());
        let hop = out.to(Transport::Udp, "127.0.0.1:5060".parse().unwrap(), None).unwrap();
        assert_eq!(hop.local.ip(), "127.0.0.1".parse::<IpAddr>().unwrap());
        assert!(out.to(Transport::Udp, "[::1]:5060".parse().unwrap(), None).is_none(), "no listener of that family");
        assert!(
            out.to(Transport::Tcp, "127.0.0.1:5060".parse().unwrap(), None).is_none(),
            "no listener of that transport"
        );
    }
}
