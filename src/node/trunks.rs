//! The trunks of a node, outside of calls: registered where `register = true`, probed every `options`, and what is
//! thought of them told once a change.
//!
//! The machines are [`sip::registration`](crate::sip::registration) and [`sip::health`](crate::sip::health); here is
//! which of them there are, by the files in force, and whose each answer is.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use rsip::Method;

use crate::base::{Hop, HostName, Ids, Instant, Now, Transport, TrunkName, Way};
use crate::net::outbound::Outbound;
use crate::route::directory::{Directory, Peer, Trunk};
use crate::sip::agent::USER_AGENT;
use crate::sip::health::{Answer, Due, Health, Probed};
use crate::sip::message::{Name, Request, Response, build, uri_party};
use crate::sip::outside::{Outside, OutsideId, OutsideOut};
use crate::sip::registration::{Outcome, Registration, Server};

/// All trunks.
pub(super) struct Trunks {
    ids: Ids,
    trunks: BTreeMap<TrunkName, Standing>,
    /// Registrations that the files no longer ask for, until they are taken out.
    leaving: Vec<Registered>,
    asked: HashMap<OutsideId, Purpose>,
    last: u64,
}

/// One trunk.
struct Standing {
    trunk: Arc<Trunk>,
    registered: Option<Registered>,
    probes: Vec<Probe>,
    /// As it was last told.
    is_up: bool,
}

/// A registration and the peers that it goes to.
struct Registered {
    trunk: TrunkName,
    number: u64,
    machine: Registration,
    peers: Vec<Peer>,
    /// It was told that it failed.
    is_told: bool,
}

struct Probe {
    way: Way,
    peer: String,
    probed: Probed,
    waits_for: Option<OutsideId>,
}

/// What a request of ours is for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Purpose {
    Register(u64),
    Probe(TrunkName, Way),
}

/// What the trunks do things with.
pub(super) struct Hands<'a> {
    pub(super) now: Now,
    pub(super) out: &'a Outbound,
    pub(super) outside: &'a mut Outside,
    pub(super) letters: &'a mut OutsideOut,
}

/// A change of what is thought of a trunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) trunk: TrunkName,
    pub(super) is_up: bool,
    /// It is its registration that is lost, not its peers.
    pub(super) by_registration: bool,
}

impl Trunks {
    pub(super) fn new(ids: Ids) -> Self {
        Self { ids, trunks: BTreeMap::new(), leaving: Vec::new(), asked: HashMap::new(), last: 0 }
    }

    /// Other files are in force. Whatever they leave as it was is not touched: a registration keeps its Call-ID, its
    /// CSeq and its binding, a probe what it has found out.
    pub(super) fn take(&mut self, now: Now, dir: &Directory) {
        let mut before = std::mem::take(&mut self.trunks);
        for trunk in &dir.trunks {
            let old = before.remove(&trunk.name);
            let (registered, probes, is_up) =
                old.map_or((None, Vec::new(), true), |old| (old.registered, old.probes, old.is_up));
            let registered = self.registered(now, trunk, registered);
            let probes = self.probes(now, trunk, probes);
            let standing = Standing { trunk: Arc::clone(trunk), registered, probes, is_up };
            self.trunks.insert(trunk.name.clone(), standing);
        }
        for (_, gone) in before {
            self.forsake(now, gone.registered);
        }
    }

    fn registered(&mut self, now: Now, trunk: &Trunk, old: Option<Registered>) -> Option<Registered> {
        let account = trunk.account.as_ref().filter(|_| trunk.register);
        let servers: Vec<Server> = trunk.peers.iter().map(server).collect();
        match (old, account) {
            (Some(old), Some(account)) if old.machine.is_for(account, &servers) => {
                Some(Registered { trunk: trunk.name.clone(), peers: trunk.peers.clone(), ..old })
            }
            (old, account) => {
                self.forsake(now, old);
                let account = account?;
                self.last += 1;
                let machine = Registration::new(now.mono, (**account).clone(), servers, self.ids.fork());
                let (trunk, peers) = (trunk.name.clone(), trunk.peers.clone());
                Some(Registered { trunk, number: self.last, machine, peers, is_told: false })
            }
        }
    }

    fn probes(&mut self, now: Now, trunk: &Trunk, mut old: Vec<Probe>) -> Vec<Probe> {
        if trunk.options.is_zero() {
            return Vec::new();
        }
        let mut probes: Vec<Probe> = Vec::new();
        for peer in &trunk.peers {
            for way in &peer.ways {
                if probes.iter().any(|probe| probe.way == *way) {
                    continue;
                }
                let kept = old.iter().position(|probe| probe.way == *way).map(|at| old.swap_remove(at));
                let mut probe = kept.unwrap_or_else(|| Probe {
                    way: *way,
                    peer: peer.uri.clone(),
                    probed: Probed::new(now.mono, trunk.options, &mut self.ids),
                    waits_for: None,
                });
                probe.probed.pace(now.mono, trunk.options);
                probes.push(probe);
            }
        }
        probes
    }

    fn forsake(&mut self, now: Now, registered: Option<Registered>) {
        if let Some(mut registered) = registered {
            registered.machine.leave(now.mono);
            self.leaving.push(registered);
        }
    }

    /// Takes every binding out, for the node is about to end.
    pub(super) fn leave(&mut self, now: Now) {
        let all: Vec<Registered> = self.trunks.values_mut().filter_map(|standing| standing.registered.take()).collect();
        all.into_iter().for_each(|registered| self.forsake(now, Some(registered)));
        // Nobody probes any more, and a trunk that was not registered is not up for having been left.
        self.trunks.clear();
        self.leaving.retain(|registered| !registered.machine.is_gone());
    }

    /// Whether no binding waits to be taken out.
    pub(super) fn has_left(&self) -> bool {
        self.leaving.iter().all(|registered| registered.machine.is_gone())
    }

    /// When [`wake`](Self::wake) is due.
    pub(super) fn next_wakeup(&self) -> Option<Instant> {
        let registered = self.all_registered().filter_map(|registered| registered.machine.next_wakeup());
        let probes = self.trunks.values().flat_map(|standing| &standing.probes);
        registered.chain(probes.map(|probe| probe.probed.next_wakeup())).min()
    }

    /// Does what is due.
    pub(super) fn wake(&mut self, hands: &mut Hands<'_>) {
        let now = hands.now.mono;
        let Self { trunks, leaving, asked, ids, .. } = self;
        let registered = trunks.values_mut().filter_map(|standing| standing.registered.as_mut());
        for registered in registered.chain(leaving.iter_mut()) {
            // More than once only where peers have no way to them: those are passed over at once.
            for _ in 0..=registered.peers.len() {
                if registered.machine.next_wakeup().is_none_or(|at| at > now) {
                    break;
                }
                registered.send(hands, asked);
            }
        }
        leaving.retain(|registered| !registered.machine.is_gone());
        for (name, standing) in trunks {
            let every = standing.trunk.options;
            for probe in &mut standing.probes {
                match probe.probed.due(now, every) {
                    Some(Due::Ask) => {
                        probe.waits_for = probe.ask(hands, ids);
                        match probe.waits_for {
                            Some(id) => {
                                asked.insert(id, Purpose::Probe(name.clone(), probe.way));
                            }
                            None => probe.answered(now, every, Answer::Nothing),
                        }
                    }
                    Some(Due::GiveUp) => {
                        if let Some(id) = probe.waits_for.take() {
                            hands.outside.forget(id);
                            asked.remove(&id);
                        }
                        probe.answered(now, every, Answer::Nothing);
                    }
                    None => {}
                }
            }
        }
    }

    /// A request of ours has its answer, or none; `None`: none.
    pub(super) fn heard(&mut self, now: Now, id: OutsideId, response: Option<&Response>) {
        match self.asked.remove(&id) {
            Some(Purpose::Register(number)) => {
                let mut all = self
                    .trunks
                    .values_mut()
                    .filter_map(|standing| standing.registered.as_mut())
                    .chain(self.leaving.iter_mut());
                if let Some(registered) = all.find(|registered| registered.number == number) {
                    registered.heard(now.mono, response);
                }
            }
            Some(Purpose::Probe(trunk, way)) => {
                let Some(standing) = self.trunks.get_mut(&trunk) else { return };
                let every = standing.trunk.options;
                let Some(probe) = standing.probes.iter_mut().find(|probe| probe.way == way) else { return };
                probe.waits_for = None;
                let answer = response.map_or(Answer::Nothing, |response| Answer::Status(response.status.code()));
                probe.answered(now.mono, every, answer);
            }
            None => {}
        }
    }

    /// What changed since it was last asked.
    pub(super) fn changes(&mut self, now: Instant) -> Vec<Change> {
        let mut changes = Vec::new();
        for (name, standing) in &mut self.trunks {
            let answers = standing.answers();
            let is_up = answers && !standing.is_unregistered(now);
            if std::mem::replace(&mut standing.is_up, is_up) != is_up {
                changes.push(Change { trunk: name.clone(), is_up, by_registration: answers });
            }
        }
        changes
    }

    /// The ways on which nobody answers.
    pub(super) fn down(&self) -> HashSet<Way> {
        let probes = self.trunks.values().flat_map(|standing| &standing.probes);
        probes.filter(|probe| probe.probed.health() == Health::Down).map(|probe| probe.way).collect()
    }

    /// The trunks that have lost their registration.
    pub(super) fn unregistered(&self, now: Instant) -> HashSet<TrunkName> {
        let lost = self.trunks.iter().filter(|(_, standing)| standing.is_unregistered(now));
        lost.map(|(name, _)| name.clone()).collect()
    }

    fn all_registered(&self) -> impl Iterator<Item = &Registered> {
        self.trunks.values().filter_map(|standing| standing.registered.as_ref()).chain(&self.leaving)
    }
}

impl Standing {
    /// Whether some peer is not known to be down.
    fn answers(&self) -> bool {
        self.probes.is_empty() || self.probes.iter().any(|probe| probe.probed.health() != Health::Down)
    }

    fn is_unregistered(&self, now: Instant) -> bool {
        self.registered.as_ref().is_some_and(|registered| registered.machine.is_lost(now))
    }
}

impl Registered {
    fn send(&mut self, hands: &mut Hands<'_>, asked: &mut HashMap<OutsideId, Purpose>) {
        let Self { machine, peers, .. } = self;
        let way = |peer: usize| hop(hands.out, peers.get(peer)?);
        let Some(outgoing) = machine.wake(hands.now.mono, way) else { return };
        match hands.outside.request(hands.now, outgoing.hop, outgoing.request, hands.letters) {
            Some(id) => {
                asked.insert(id, Purpose::Register(self.number));
            }
            None => self.heard(hands.now.mono, None),
        }
    }

    fn heard(&mut self, now: Instant, response: Option<&Response>) {
        let outcome = match response {
            Some(response) => self.machine.answered(now, response),
            None => self.machine.failed(now),
        };
        // Not the account: many a carrier's is a phone number.
        let trunk = &self.trunk;
        match outcome {
            Outcome::Registered { expires } if std::mem::take(&mut self.is_told) => {
                tracing::info!(%trunk, seconds = expires.as_secs(), "registered again with the carrier");
            }
            Outcome::Registered { expires } => {
                tracing::debug!(%trunk, seconds = expires.as_secs(), "registered with the carrier");
            }
            // One that does not say a word to a whole turn of peers, or says no.
            Outcome::Refused { status, again_in } if again_in > Duration::ZERO => {
                if !std::mem::replace(&mut self.is_told, true) {
                    let status = status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
                    tracing::warn!(
                        %trunk,
                        status,
                        again_in_seconds = again_in.as_secs(),
                        "the carrier does not register us, and may send no calls: {}",
                        mend(&status)
                    );
                }
            }
            Outcome::Refused { .. } | Outcome::Again | Outcome::Gone => {}
        }
    }
}

/// What to do about a REGISTER that failed.
fn mend(status: &str) -> &'static str {
    match status {
        "401" | "403" | "407" => "look at the trunk's `username` and `password`",
        "404" => "look at the trunk's `username` and at the host in `peers`",
        "no answer" => "look at the trunk's `peers`, and at the network",
        _ => "ask the carrier",
    }
}

impl Probe {
    fn ask(&self, hands: &mut Hands<'_>, ids: &mut Ids) -> Option<OutsideId> {
        let peer = self.peer.as_str();
        let name = uri_party(&peer.into()).host;
        let hop = hands.out.to(self.way.transport, self.way.address, Some(HostName::new(&name)))?;
        let from = build::name_addr("", &build::sip_uri("ramal", hop.advertised));
        let request = Request::new(Method::Options, peer)
            .with(Name::MaxForwards, "70")
            .with(Name::From, build::tagged(&from, &format!("{:016x}", ids.bits())))
            .with(Name::To, build::name_addr("", peer))
            .with(Name::CallId, format!("{:016x}{:016x}", ids.bits(), ids.bits()))
            .with(Name::CSeq, build::cseq(1, Method::Options))
            .with(Name::Contact, build::contact("ramal", hop.advertised, hop.transport))
            // RFC 3261 §11.1: "An Accept header field SHOULD be included".
            .with(Name::Accept, "application/sdp")
            .with(Name::UserAgent, USER_AGENT);
        hands.outside.request(hands.now, hop, request, hands.letters)
    }

    fn answered(&mut self, now: Instant, every: Duration, answer: Answer) {
        if let Some(health) = self.probed.answered(now, every, answer) {
            tracing::debug!(peer = self.peer, address = %self.way.address, ?health, "a peer's health has changed");
        }
    }
}

fn server(peer: &Peer) -> Server {
    let transport = peer.transport.unwrap_or(Transport::Udp);
    Server { uri: build::sip_uri_by("", &peer.host, peer.port, transport), host: peer.host.clone() }
}

/// The first way to a peer for which there is a listener.
fn hop(out: &Outbound, peer: &Peer) -> Option<Hop> {
    let name = HostName::new(&peer.host);
    peer.ways.iter().find_map(|way| out.to(way.transport, way.address, Some(name)))
}
