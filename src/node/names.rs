//! The names among the peers: asked at start and at each reload, and again whenever what DNS said has run out. What
//! cannot be found keeps the addresses that it had.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::Inner;
use super::clock::Clock;
use crate::base::{HostName, Ids, Instant, Transport, Way};
use crate::net::resolve::{Resolver, Wanted};
use crate::route::directory::{Directory, Peer};

/// What DNS said of each name.
pub(super) struct Names {
    clock: Clock,
    resolver: ArcSwap<Resolver>,
    /// Ways that no listener can go are left out.
    listening: Vec<(Transport, SocketAddr)>,
    /// By the peers' URIs.
    known: Mutex<HashMap<Box<str>, Known>>,
    chance: Mutex<Ids>,
    /// Held while a directory is filled and put in force, so that none is filled with what another has outdated.
    filling: Mutex<()>,
    asked: Notify,
}

/// What is known of one name.
#[derive(Debug, Clone)]
struct Known {
    /// The last that was found.
    ways: Vec<Way>,
    /// When to ask again.
    due: Instant,
    /// Times that nothing was found since.
    failures: u32,
}

impl Names {
    pub(super) fn new(clock: Clock, resolver: Resolver, listening: Vec<(Transport, SocketAddr)>, chance: Ids) -> Self {
        Self {
            clock,
            resolver: ArcSwap::from_pointee(resolver),
            listening,
            known: Mutex::default(),
            chance: Mutex::new(chance),
            filling: Mutex::new(()),
            asked: Notify::new(),
        }
    }

    /// Asks for every name, and waits a little for the answers: a name that takes longer gets its addresses later.
    pub(super) async fn ask_all(&self, directory: &Directory) {
        let named: Vec<&Peer> = peers(directory).filter(|peer| is_named(peer)).collect();
        let all: HashSet<&str> = named.iter().map(|peer| &*peer.uri).collect();
        self.known.lock().retain(|uri, _| all.contains(&**uri));
        let asked = join_all(named.into_iter().map(|peer| self.ask(peer)));
        if timeout(AT_START, asked).await.is_err() {
            tracing::warn!("DNS is slow: some peers have no address yet");
        }
        self.asked.notify_one();
    }

    /// Asks for one name, and keeps the answer.
    async fn ask(&self, peer: &Peer) {
        let wanted = Wanted {
            host: &peer.host,
            port: peer.port,
            transport: peer.transport,
            secure: peer.uri.starts_with("sips:"),
        };
        let speaks = |transport| self.listening.iter().any(|(spoken, _)| *spoken == transport);
        let resolver = self.resolver.load_full();
        let found = resolver.find(wanted, speaks, |below| self.chance.lock().below(below)).await;
        let now = self.clock.now().mono;
        let mut known = self.known.lock();
        let known = known.entry(peer.uri.as_str().into()).or_insert(Known { ways: Vec::new(), due: now, failures: 0 });
        match found {
            Ok(found) => {
                if known.failures > 0 {
                    tracing::info!(peer = peer.uri, "the peer's name is found again");
                }
                let ways = found.ways.into_iter().filter(|way| self.can_go(way)).collect();
                *known = Known { ways, due: now + found.lasts, failures: 0 };
            }
            Err(fault) => {
                if known.failures == 0 {
                    let mend = "look for a slip in `peers`, and at this machine's DNS; it is asked for again by itself";
                    tracing::warn!(peer = peer.uri, %fault, kept = known.ways.len(), "the peer's name is not found: {mend}");
                }
                known.due = now + SOONEST.saturating_mul(1 << known.failures.min(7)).min(LATEST);
                known.failures = known.failures.saturating_add(1);
            }
        }
    }

    fn can_go(&self, way: &Way) -> bool {
        let fits = |(spoken, local): &(Transport, SocketAddr)| {
            *spoken == way.transport && local.is_ipv4() == way.address.is_ipv4()
        };
        self.listening.iter().any(fits)
    }

    /// The directory with the addresses that are known.
    pub(super) fn fill(&self, directory: &Directory) -> Directory {
        let mut filled = directory.clone();
        let known = self.known.lock();
        let is_old = |peer: &Peer| is_named(peer) && known.get(&*peer.uri).is_none_or(|known| known.ways != peer.ways);
        let fill = |peers: &mut Vec<Peer>| {
            for peer in peers.iter_mut().filter(|peer| is_named(peer)) {
                peer.ways = known.get(&*peer.uri).map(|known| known.ways.clone()).unwrap_or_default();
            }
        };
        for trunk in filled.trunks.iter_mut().filter(|trunk| trunk.peers.iter().any(is_old)) {
            fill(&mut Arc::make_mut(trunk).peers);
        }
        for pbx in filled.pbxs.iter_mut().filter(|pbx| pbx.peers.iter().any(is_old)) {
            fill(&mut Arc::make_mut(pbx).peers);
        }
        filled
    }

    /// When the next name is to be asked for.
    fn next_due(&self) -> Option<Instant> {
        self.known.lock().values().map(|known| known.due).min()
    }

    fn is_due(&self, peer: &Peer) -> bool {
        let now = self.clock.now().mono;
        is_named(peer) && self.known.lock().get(&*peer.uri).is_none_or(|known| known.due <= now)
    }
}

impl Inner {
    /// Puts what files say in force, with the addresses of their names.
    pub(super) async fn put_in_force(&self, directory: &Directory) -> Arc<Directory> {
        self.names.resolver.store(Arc::new(self.names.resolver.load().again()));
        self.names.ask_all(directory).await;
        let _alone = self.names.filling.lock();
        let filled = Arc::new(self.names.fill(directory));
        self.house.set_directory(Arc::clone(&filled), self.clock.now().mono, self.live.up() > 0);
        self.tell_of_peers();
        self.set_trunks(&filled);
        filled
    }

    /// Tells the way out where the peers are.
    pub(super) fn tell_of_peers(&self) {
        let directory = self.house.directory();
        let named = |peer: &Peer| {
            let name = HostName::new(&peer.host);
            peer.ways.clone().into_iter().map(move |way| (way, name))
        };
        self.outbound.set_peers(peers(&directory).flat_map(named));
    }

    /// Asks for names again when their time is over, for ever.
    pub(super) async fn keep_names(&self) {
        loop {
            match self.names.next_due() {
                Some(due) => {
                    let left = due.since(self.clock.now().mono);
                    tokio::select! {
                        () = sleep(left) => {}
                        () = self.names.asked.notified() => continue,
                    }
                }
                None => {
                    self.names.asked.notified().await;
                    continue;
                }
            }
            let directory = self.house.directory_kept();
            join_all(peers(&directory).filter(|peer| self.names.is_due(peer)).map(|peer| self.names.ask(peer))).await;
            self.take_addresses();
        }
    }

    /// Puts new addresses in force, where they are new.
    fn take_addresses(&self) {
        let _alone = self.names.filling.lock();
        let before = self.house.directory_kept();
        let filled = Arc::new(self.names.fill(&before));
        let ways = |directory: &Directory| peers(directory).map(|peer| peer.ways.clone()).collect::<Vec<_>>();
        if ways(&before) == ways(&filled) {
            return;
        }
        let addresses = |directory: &Directory| {
            peers(directory).flat_map(|peer| &peer.ways).map(|way| way.address).collect::<HashSet<_>>()
        };
        if addresses(&before) == addresses(&filled) {
            // The order alone: calls that are up need not be told apart from those to come.
            self.house.reorder(Arc::clone(&filled));
        } else {
            tracing::debug!("names have moved");
            self.house.set_directory(Arc::clone(&filled), self.clock.now().mono, self.live.up() > 0);
        }
        self.tell_of_peers();
        self.set_trunks(&filled);
    }
}

/// All peers of all trunks and PBXs.
fn peers(directory: &Directory) -> impl Iterator<Item = &Peer> {
    let trunks = directory.trunks.iter().flat_map(|trunk| &trunk.peers);
    trunks.chain(directory.pbxs.iter().flat_map(|pbx| &pbx.peers))
}

fn is_named(peer: &Peer) -> bool {
    peer.host.parse::<IpAddr>().is_err()
}

/// How long a start or a reload waits for names.
const AT_START: Duration = Duration::from_secs(3);
/// When a name that was not found is asked for again: after so long, then after twice that, and so on up to the latest.
const SOONEST: Duration = Duration::from_secs(2);
const LATEST: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::dns::Dns;
    use crate::route::testing::{house, peer};

    fn names(dns: &Dns) -> Names {
        let any = |transport, at: &str| (transport, at.parse().unwrap());
        let listening = vec![any(Transport::Udp, "0.0.0.0:5060"), any(Transport::Tcp, "0.0.0.0:5060")];
        let resolver = Resolver::at(dns.at(), Duration::from_millis(200));
        Names::new(Clock::start(), resolver, listening, Ids::seeded(7))
    }

    fn directory(host: &str) -> Directory {
        let named = Peer {
            uri: format!("sip:{host}"),
            host: host.to_owned(),
            port: None,
            ways: Vec::new(),
            ..peer("127.0.0.1:9")
        };
        house().pbx(|pbx| pbx.peers = vec![peer("192.0.2.7:5060"), Peer { transport: None, ..named.clone() }]).build()
    }

    fn addresses(directory: &Directory) -> Vec<String> {
        peers(directory).flat_map(|peer| &peer.ways).map(|way| way.address.to_string()).collect()
    }

    #[tokio::test]
    async fn a_name_gets_the_addresses_that_a_listener_can_reach_and_keeps_them_when_dns_fails() {
        let dns = Dns::new().await;
        dns.srv("_sip._udp.office.test", 60, (0, 0), 5070, "a.test");
        dns.srv("_sips._tcp.office.test", 60, (0, 0), 5061, "a.test");
        dns.address("a.test", 60, "192.0.2.1");
        dns.address("a.test", 60, "2001:db8::1");
        let (names, files) = (names(&dns), directory("office.test"));
        let others = addresses(&files).into_iter().filter(|at| at != "192.0.2.7:5060").collect::<Vec<_>>();
        let of_office = |names: &Names| {
            let all = addresses(&names.fill(&files)).into_iter();
            all.filter(|at| !others.contains(at)).collect::<Vec<_>>()
        };
        names.ask_all(&files).await;
        assert_eq!(of_office(&names), ["192.0.2.7:5060", "192.0.2.1:5070"]);
        let due = names.next_due().unwrap();
        assert!(due.since(names.clock.now().mono) > Duration::from_secs(50), "as long as the records last");
        dns.forget("_sip._udp.office.test");
        dns.forget("_sips._tcp.office.test");
        names.ask_all(&files).await;
        assert_eq!(of_office(&names), ["192.0.2.7:5060", "192.0.2.1:5070"]);
        let first = names.next_due().unwrap().since(names.clock.now().mono);
        assert!(first <= SOONEST);
        names.ask_all(&files).await;
        let second = names.next_due().unwrap().since(names.clock.now().mono);
        assert!(second > first && second <= 2 * SOONEST, "less and less often");
    }

    #[tokio::test]
    async fn a_name_that_left_the_files_is_forgotten() {
        let dns = Dns::new().await;
        dns.address("office.test", 60, "192.0.2.1");
        let names = names(&dns);
        names.ask_all(&directory("office.test")).await;
        assert!(names.known.lock().contains_key("sip:office.test"));
        names.ask_all(&directory("other.test")).await;
        assert!(!names.known.lock().contains_key("sip:office.test"));
    }
}
