//! The house at this moment: the files in force, who can be rung, who talks, who was rung last, which peers answer.
//! Calls look at it through [`Env`].

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use parking_lot::RwLock;

use super::live::FarEnd;
use crate::base::{EmployeeId, HostName, Instant, Transport, TrunkName, Wall, Way};
use crate::call::{Channel, Channels, Env};
use crate::net::outbound::Outbound;
use crate::route;
use crate::route::directory::{Directory, Gateway, Peer};
use crate::route::plan::{Destination, Live, Presence};
use crate::route::reach;
use crate::sip::agent::Target;
use crate::sip::message::build;

/// What calls may look at.
pub(super) struct House {
    directory: ArcSwap<Directory>,
    /// The files before, each with when it was replaced: the calls of then still go by whom they named.
    former: RwLock<Vec<(Instant, Arc<Directory>)>>,
    people: RwLock<HashMap<EmployeeId, Person>>,
    /// Peers that a message could not reach, and until when they come last.
    unreachable: RwLock<HashMap<SocketAddr, Instant>>,
    /// Calls up on each trunk.
    channels: Channels,
}

/// One employee, now.
#[derive(Debug, Clone, Copy, Default)]
struct Person {
    presence: Presence,
    /// Calls that she is in.
    calls: u32,
    /// Those that she placed.
    placed: u32,
    last_rung: Option<Wall>,
}

impl House {
    pub(super) fn new(
        directory: Arc<Directory>,
        presences: HashMap<EmployeeId, Presence>,
        last_rung: HashMap<EmployeeId, Wall>,
    ) -> Self {
        let mut people: HashMap<EmployeeId, Person> = HashMap::new();
        for (id, presence) in presences {
            people.entry(id).or_default().presence = presence;
        }
        for (id, at) in last_rung {
            people.entry(id).or_default().last_rung = Some(at);
        }
        Self {
            directory: ArcSwap::new(directory),
            former: RwLock::default(),
            people: RwLock::new(people),
            unreachable: RwLock::default(),
            channels: Channels::default(),
        }
    }

    /// What the files say, for a moment.
    pub(super) fn directory(&self) -> Guard<Arc<Directory>> {
        self.directory.load()
    }

    /// What the files say, to keep.
    pub(super) fn directory_kept(&self) -> Arc<Directory> {
        self.directory.load_full()
    }

    /// Other files are in force from now on. Where calls are up, the ones before are remembered for those.
    pub(super) fn set_directory(&self, directory: Arc<Directory>, now: Instant, calls_are_up: bool) {
        let before = self.directory.swap(directory);
        let mut former = self.former.write();
        if !calls_are_up {
            former.clear();
            return;
        }
        if former.len() >= FORMER {
            former.remove(0);
        }
        former.push((now, before));
    }

    /// Whether what comes from `source` may concern a call's dialog with this far end: by the files in force, or by those
    /// of when the call was up already.
    pub(super) fn is_of_far_end(&self, source: SocketAddr, far_end: &FarEnd) -> bool {
        let by = |directory: &Directory| route::origin::is_of_far_end(directory, source, &far_end.addresses);
        by(&self.directory())
            || self.former.read().iter().any(|(until, directory)| *until > far_end.since && by(directory))
    }

    pub(super) fn presence(&self, employee: &EmployeeId) -> Presence {
        self.person(employee).presence
    }

    pub(super) fn set_presence(&self, employee: &EmployeeId, presence: Presence) {
        self.people.write().entry(employee.clone()).or_default().presence = presence;
    }

    /// Her phone begins to ring.
    pub(super) fn rung(&self, employee: EmployeeId, at: Wall) {
        self.people.write().entry(employee).or_default().last_rung = Some(at);
    }

    /// She begins or ceases to be in a call.
    pub(super) fn count(&self, employee: EmployeeId, busy: bool, placed: bool) {
        let mut people = self.people.write();
        let person = people.entry(employee).or_default();
        let step = |n: u32| if busy { n + 1 } else { n.saturating_sub(1) };
        person.calls = step(person.calls);
        if placed {
            person.placed = step(person.placed);
        }
    }

    /// Calls that she placed and that are up.
    pub(super) fn placed(&self, employee: &EmployeeId) -> u32 {
        self.person(employee).placed
    }

    fn person(&self, employee: &EmployeeId) -> Person {
        self.people.read().get(employee).copied().unwrap_or_default()
    }

    /// A message could not reach this address: if it is a peer's, others come first for a while. Of strangers'
    /// addresses, which may be forged, nothing is remembered.
    pub(super) fn lost(&self, peer: SocketAddr, now: Instant) {
        let directory = self.directory();
        let peers = directory.trunks.iter().flat_map(|trunk| &trunk.peers);
        if !peers
            .chain(directory.pbxs.iter().flat_map(|pbx| &pbx.peers))
            .flat_map(|known| &known.ways)
            .any(|way| way.address == peer)
        {
            return;
        }
        let mut unreachable = self.unreachable.write();
        unreachable.retain(|_, until| *until > now);
        unreachable.insert(peer, now + AVOIDED);
    }

    fn is_reachable(&self, peer: SocketAddr, now: Instant) -> bool {
        self.unreachable.read().get(&peer).is_none_or(|until| *until <= now)
    }

    /// Whether each trunk has a peer that is not known to be unreachable.
    pub(super) fn trunks_up(&self, now: Instant) -> Vec<(String, bool)> {
        let directory = self.directory();
        let answers = |peer: &Peer| peer.ways.iter().any(|way| self.is_reachable(way.address, now));
        directory.trunks.iter().map(|trunk| (trunk.name.to_string(), trunk.peers.iter().any(answers))).collect()
    }

    /// The house as one step of a call sees it.
    pub(super) fn view<'a>(&'a self, out: &'a Outbound, now: Instant) -> View<'a> {
        View { house: self, directory: self.directory.load(), out, now }
    }
}

/// The house during one step: the files don't change under it.
pub(super) struct View<'a> {
    house: &'a House,
    directory: Guard<Arc<Directory>>,
    out: &'a Outbound,
    now: Instant,
}

impl Live for View<'_> {
    fn presence(&self, employee: &EmployeeId) -> Presence {
        self.house.presence(employee)
    }

    fn busy(&self, employee: &EmployeeId) -> bool {
        self.house.person(employee).calls > 0
    }

    fn last_rung(&self, employee: &EmployeeId) -> Option<Wall> {
        self.house.person(employee).last_rung
    }
}

impl Env for View<'_> {
    fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    fn channel(&self, trunk: &TrunkName, most: u32) -> Option<Channel> {
        self.house.channels.take(trunk, most)
    }

    fn target(&self, destination: &Destination, tried: &[Target]) -> Option<Target> {
        let (user, peers) = match destination {
            Destination::Employee { extension, pbx, .. } | Destination::Extension { extension, pbx } => {
                (extension, &self.directory.pbx(pbx)?.peers)
            }
            Destination::Outside { dial, gateway: Gateway::Trunk(trunk), .. } => {
                (dial, &self.directory.trunk(trunk)?.peers)
            }
            Destination::Outside { dial, gateway: Gateway::Pbx(pbx), .. } => (dial, &self.directory.pbx(pbx)?.peers),
        };
        let was_tried = |way: &Way| {
            let same = |target: &Target| target.hop.remote == way.address && target.hop.transport == way.transport;
            tried.iter().any(same)
        };
        let left = peers.iter().flat_map(|peer| peer.ways.iter().map(move |way| (peer, *way)));
        // In the files' order, but those that were just found unreachable come last: better than no way at all.
        let (peer, way) = left
            .filter(|(_, way)| !was_tried(way))
            .min_by_key(|(_, way)| !self.house.is_reachable(way.address, self.now))?;
        let hop = self.out.to(way.transport, way.address, Some(HostName::new(&peer.host)))?;
        let is_another = |(_, other): &(&Peer, Way)| *other != way && !was_tried(other);
        let more =
            peers.iter().flat_map(|peer| peer.ways.iter().map(move |way| (peer, *way))).any(|other| is_another(&other));
        Some(Target {
            account: reach::account(&self.directory, destination),
            silence: more.then(|| reach::failover_after(&self.directory, destination)),
            ..Target::new(build::sip_uri_by(user, &peer.host, peer.port, way.transport), hop)
        })
    }
}

/// Looks up the names among the peers. A name that nobody knows keeps the peer without an address, with a warning:
/// the other peers serve meanwhile, and a reload asks again.
pub(super) async fn resolve(directory: &Directory) -> Arc<Directory> {
    let mut resolved = directory.clone();
    for trunk in &mut resolved.trunks {
        if trunk.peers.iter().any(|peer| peer.ways.is_empty()) {
            resolve_peers(&mut Arc::make_mut(trunk).peers).await;
        }
    }
    for pbx in &mut resolved.pbxs {
        if pbx.peers.iter().any(|peer| peer.ways.is_empty()) {
            resolve_peers(&mut Arc::make_mut(pbx).peers).await;
        }
    }
    Arc::new(resolved)
}

async fn resolve_peers(peers: &mut [Peer]) {
    for peer in peers.iter_mut().filter(|peer| peer.ways.is_empty()) {
        let transport = peer.transport.unwrap_or(Transport::Udp);
        let port = peer.port.unwrap_or(transport.default_port());
        let asked = tokio::net::lookup_host((peer.host.as_str(), port));
        match tokio::time::timeout(LOOKUP, asked).await {
            Ok(Ok(found)) => peer.ways = found.take(1).map(|address| Way { transport, address }).collect(),
            Ok(Err(fault)) => {
                tracing::warn!(peer = peer.uri, %fault, "the peer's name is not found; `ramal reload` asks again");
            }
            Err(_) => tracing::warn!(peer = peer.uri, "nobody answers for the peer's name; `ramal reload` asks again"),
        }
    }
}

/// Reloads that calls may outlive and still be spoken to from a second address of a trunk that has gone.
const FORMER: usize = 16;
/// For how long a peer that could not be reached comes last.
const AVOIDED: Duration = Duration::from_secs(30);
/// How long a name may take.
const LOOKUP: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::PbxName;
    use crate::net::connections::{Connections, Patience};
    use crate::net::outbound::Naming;
    use crate::net::sink::{Path, Sink};
    use crate::net::udp::Udp;
    use crate::route::testing::{house, peer};
    use crate::sip::message::ParseError;

    struct Nobody;

    impl Sink for Nobody {
        fn received(&self, _: Path, _: bytes::Bytes) {}
        fn unframed(&self, _: Path, _: &ParseError) {}
        fn unreachable(&self, _: Path, _: &[u8]) {}
    }

    fn out() -> Outbound {
        let udp = vec![Udp::bind("0.0.0.0:0".parse().unwrap()).unwrap()];
        Outbound::new(udp, Vec::new(), Connections::new(Arc::new(Nobody), Patience::default()), Naming::default())
    }

    fn with_two_peers() -> House {
        let house = house().pbx(|pbx| pbx.peers = vec![peer("127.0.0.1:5070"), peer("127.0.0.2:5060")]);
        House::new(Arc::new(house.build()), HashMap::new(), HashMap::new())
    }

    fn ana() -> Destination {
        Destination::Employee { id: "ana".into(), extension: "201".into(), pbx: PbxName::from("office") }
    }

    #[tokio::test]
    async fn peers_are_tried_in_order_each_once() {
        let (house, out) = (with_two_peers(), out());
        let view = house.view(&out, Instant::default());
        let first = view.target(&ana(), &[]).unwrap();
        assert_eq!(first.uri, "sip:201@127.0.0.1:5070");
        let second = view.target(&ana(), std::slice::from_ref(&first)).unwrap();
        assert_eq!(second.uri, "sip:201@127.0.0.2");
        assert_eq!(view.target(&ana(), &[first, second]), None);
    }

    #[tokio::test]
    async fn a_peer_that_was_unreachable_comes_last_for_a_while() {
        let (house, out) = (with_two_peers(), out());
        let at = |secs: u64| Instant::from_millis(secs * 1000);
        house.lost("127.0.0.1:5070".parse().unwrap(), at(100));
        let first_at = |secs| house.view(&out, at(secs)).target(&ana(), &[]).unwrap().uri;
        assert_eq!(first_at(101), "sip:201@127.0.0.2");
        assert_eq!(first_at(131), "sip:201@127.0.0.1:5070");
        house.lost("198.51.100.1:5060".parse().unwrap(), at(100));
        assert_eq!(house.unreachable.read().len(), 1, "nothing is remembered of strangers");
    }

    #[test]
    fn a_call_hears_all_addresses_of_a_trunk_that_has_left_the_files_and_a_later_call_does_not() {
        let with = |peers: &[&str]| {
            let peers = peers.iter().map(|at| peer(at)).collect::<Vec<_>>();
            Arc::new(house().pbx(|pbx| pbx.peers = peers).build())
        };
        let house = House::new(with(&["192.0.2.1:5060", "192.0.2.2:5060"]), HashMap::new(), HashMap::new());
        let at = |secs: u64| Instant::from_millis(secs * 1000);
        house.set_directory(with(&["192.0.2.9:5060"]), at(10), true);
        let (one, other) = ("192.0.2.1:5060".parse().unwrap(), "192.0.2.2:5060".parse().unwrap());
        let far_end = |since| FarEnd { addresses: [one; 2], since };
        assert!(house.is_of_far_end(other, &far_end(at(5))));
        assert!(!house.is_of_far_end(other, &far_end(at(11))));
        assert!(!house.is_of_far_end("192.0.2.3:5060".parse().unwrap(), &far_end(at(5))));
        house.set_directory(with(&["192.0.2.9:5060"]), at(20), false);
        assert!(house.former.read().is_empty(), "nobody needs them any more");
    }

    #[test]
    fn whoever_is_in_two_calls_is_busy_until_both_are_over() {
        let house = with_two_peers();
        let ana = EmployeeId::from("ana");
        let busy = || house.person(&ana).calls > 0;
        house.count(ana.clone(), true, true);
        house.count(ana.clone(), true, false);
        house.count(ana.clone(), false, true);
        assert!(busy());
        assert_eq!(house.placed(&ana), 0);
        house.count(ana.clone(), false, false);
        assert!(!busy());
    }

    #[tokio::test]
    async fn a_name_among_the_peers_gets_its_address_and_an_unknown_one_none() {
        let named = |host: &str| Peer { host: host.to_owned(), ways: Vec::new(), ..peer("127.0.0.1:5070") };
        let house = house().pbx(|pbx| pbx.peers = vec![named("localhost"), named("nobody.invalid")]);
        let resolved = resolve(&house.build()).await;
        let peers = &resolved.pbxs[0].peers;
        assert!(peers[0].ways.iter().any(|way| way.address.ip().is_loopback() && way.address.port() == 5070));
        assert_eq!(peers[1].ways, []);
    }
}
