//! Whole calls on a virtual clock, over a seeded bad network, without a socket and without a sleep.
//!
//! A [`Sim`] is the house with its carrier and its phones. A test lets somebody call, runs until something is so, and
//! looks. The same seed gives the same run.
#![allow(clippy::needless_pass_by_value, reason = "tests say what happens: `act(\"bruno\", Act::Answer)`")]

mod crm;
mod house;
mod network;
mod people;
mod perform;
mod registrations;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub(crate) use crm::Crm;
pub(crate) use house::House;
pub(crate) use network::{Network, Weather};

use crate::base::{CallId, EmployeeId, Hop, Ids, Instant, Now, Transport, Wall};
use crate::call::{Beginning, Call, CallEvent, Publication, Replacing, Word};
use crate::crm::model::{Lookup, WriteNews};
use crate::route::directory::Directory;
use crate::route::plan::Presence;
use crate::route::{Origin, Refusal, inbound, origin};
use crate::sip::agent::{Received, Transmit, call_of, call_of_tag};
use crate::sip::message::{Limits, Message, Name, Replaces, Request, invitation, parse, party};
use crate::sip::outside::{Outside, is_outside};
use crate::sip::subscription::{DialogInfo, Watched};
use crate::sip::transaction::{ServerKey, Timers};
pub(crate) use crate::softphone::{Act, Party, State};

/// Where `ramal` listens.
pub(crate) const US: &str = "192.0.2.1:5060";
/// Where the carrier is.
pub(crate) const CARRIER: &str = "203.0.113.5:5060";
/// Where the PBX is.
pub(crate) const OFFICE: &str = "10.0.0.5:5060";

/// What happens at a time.
#[derive(Debug)]
enum Event {
    Datagram { from: SocketAddr, to: SocketAddr, bytes: Bytes },
    Act { party: CallId, act: Act },
    CrmSaid { call: CallId, lookup: Lookup },
    Saved { call: CallId },
    Wrote { call: CallId, news: WriteNews },
    Said { from: CallId, to: CallId, word: Word },
    Registers { phone: SocketAddr, expires: u32 },
    Vanishes { phone: SocketAddr },
}

/// The whole world of a test.
#[derive(Debug)]
pub(crate) struct Sim {
    pub now: Now,
    pub house: House,
    pub crm: Crm,
    pub calls: BTreeMap<CallId, Call>,
    /// Calls that are over, with their ladders.
    pub done: Vec<Call>,
    pub parties: Vec<(CallId, Party)>,
    pub published: Vec<Publication>,
    /// Everybody's lamps, as they were told of: who, by which call, and what it showed.
    pub lamps: Vec<(Watched, CallId, Vec<DialogInfo>)>,
    /// What phones do by themselves when they are called, by employee or extension.
    pub scripts: HashMap<String, Vec<(Duration, Act)>>,
    /// All phones and customers want their provisionals acknowledged.
    pub insist_on_prack: bool,
    /// Everything goes by streams: nothing is lost or overtaken, and nothing is sent twice.
    pub transport: Transport,
    /// How long what one call says to another is on its way: with threads to wait for, it is.
    pub words_take: Duration,
    /// Transfers that came to an end: kind and result.
    pub transfers: Vec<(&'static str, &'static str)>,
    /// What nobody's request was answered, by the shell.
    pub refused: Vec<u16>,
    said_to_carrier: Vec<Bytes>,
    /// Peers at which nothing arrives.
    dead: Vec<SocketAddr>,
    /// Whose registered phones are where, and how they are called.
    phone_names: HashMap<SocketAddr, (EmployeeId, String)>,
    /// The transactions of REGISTERs, the phones' and ours.
    outside: Outside,
    /// How many REGISTERs each phone has sent.
    cseqs: HashMap<String, u32>,
    /// What REGISTERs were answered.
    pub registered: Vec<u16>,
    network: Network,
    claims: HashMap<ServerKey, CallId>,
    /// Legs that are in another call than the one that their tags name.
    moved: HashMap<(CallId, Box<str>), CallId>,
    queue: BTreeMap<(Instant, u64), Event>,
    seq: u64,
    ids: Ids,
    us: SocketAddr,
}

impl Sim {
    pub(crate) fn new(seed: u64, directory: Directory) -> Self {
        let mut ids = Ids::seeded(seed);
        let us = US.parse().expect("an address");
        // 2026-11-24T14:00:00Z, a Tuesday morning in São Paulo
        let now = Now { mono: Instant::from_millis(1_000), wall: Wall::from_unix_millis(1_795_528_800_000) };
        let crm = Crm::new(&directory);
        Self {
            now,
            house: House {
                directory: Arc::new(directory),
                presence: HashMap::new(),
                busy: HashMap::new().into(),
                last_rung: HashMap::new().into(),
                phones: HashMap::new(),
                channels: crate::call::Channels::default(),
                us,
                transport: Transport::Udp,
                now: now.mono,
            },
            crm,
            calls: BTreeMap::new(),
            done: Vec::new(),
            parties: Vec::new(),
            published: Vec::new(),
            lamps: Vec::new(),
            scripts: HashMap::new(),
            insist_on_prack: false,
            transport: Transport::Udp,
            words_take: Duration::ZERO,
            transfers: Vec::new(),
            refused: Vec::new(),
            said_to_carrier: Vec::new(),
            dead: Vec::new(),
            phone_names: HashMap::new(),
            outside: Outside::new(Ids::seeded(seed), Timers::default()),
            cseqs: HashMap::new(),
            registered: Vec::new(),
            network: Network::new(ids.fork()),
            claims: HashMap::new(),
            moved: HashMap::new(),
            queue: BTreeMap::new(),
            seq: 0,
            ids,
            us,
        }
    }

    pub(crate) fn knows(mut self, phone: &str, name: &str, responsible: &str) -> Self {
        self.crm.knows(phone, name, responsible, self.now.wall);
        self
    }

    pub(crate) fn crm_after(mut self, delay: Duration) -> Self {
        self.crm.delay = delay;
        self
    }

    pub(crate) fn presence(mut self, employee: &str, presence: Presence) -> Self {
        self.house.presence.insert(employee.into(), presence);
        self
    }

    /// What this phone does whenever it is called.
    pub(crate) fn phone_does(mut self, name: &str, script: &[(u64, Act)]) -> Self {
        let script = script.iter().map(|(ms, act)| (Duration::from_millis(*ms), act.clone())).collect();
        self.scripts.insert(name.to_owned(), script);
        self
    }

    pub(crate) fn weather(mut self, weather: Weather) -> Self {
        self.network.set(weather);
        self
    }

    /// By streams, whatever the weather.
    pub(crate) fn by_tcp(mut self) -> Self {
        self.transport = Transport::Tcp;
        self.house.transport = Transport::Tcp;
        self.network.set(Weather::default());
        self
    }

    /// This peer hears nothing any more, or again.
    pub(crate) fn dies(&mut self, at: &str, is_dead: bool) -> &mut Self {
        let at = at.parse().expect("an address");
        self.dead.retain(|peer| *peer != at);
        self.dead.extend(is_dead.then_some(at));
        self
    }

    pub(crate) fn is_dead(&self, at: SocketAddr) -> bool {
        self.dead.contains(&at)
    }

    pub(crate) fn lose(&mut self, piece: &str, n: u32) {
        self.network.lose(piece, n);
    }

    fn schedule(&mut self, party: CallId, script: impl IntoIterator<Item = (Duration, Act)>) {
        for (after, act) in script {
            self.at(after, Event::Act { party, act });
        }
    }

    /// The last call that this phone (or customer) has.
    #[track_caller]
    pub(crate) fn party(&self, name: &str) -> &Party {
        let found = self.parties.iter().rev().find(|(_, p)| p.name == name);
        &found.unwrap_or_else(|| panic!("{name} has no call")).1
    }

    pub(crate) fn has_rung(&self, name: &str) -> bool {
        self.parties.iter().any(|(_, p)| p.name == name)
    }

    /// No leg is remembered to be elsewhere.
    pub(crate) fn homes_are_forgotten(&self) -> bool {
        self.moved.is_empty()
    }

    /// Every message that `ramal` has sent to the carrier.
    pub(crate) fn said_to_carrier(&self) -> &[Bytes] {
        &self.said_to_carrier
    }

    /// Runs until `so`, at most ten simulated minutes.
    #[track_caller]
    pub(crate) fn run_until(&mut self, so: impl Fn(&Self) -> bool) -> &mut Self {
        let end = self.now.mono + Duration::from_secs(600);
        while !so(self) {
            assert!(self.now.mono < end && self.step(end), "it never came to be so\n{}", self.ladders());
        }
        self
    }

    pub(crate) fn run_for(&mut self, time: Duration) -> &mut Self {
        let end = self.now.mono + time;
        while self.step(end) {}
        self.advance_to(end);
        self
    }

    /// Runs until nothing is left to happen, and asserts that nothing is left at all.
    #[track_caller]
    pub(crate) fn assert_idle(&mut self) -> &mut Self {
        let end = self.now.mono + Duration::from_secs(6 * 3600);
        while self.step(end) {}
        assert!(self.calls.is_empty(), "calls left\n{}", self.ladders());
        assert!(self.claims.is_empty(), "claims left: {:?}", self.claims);
        for (_, party) in &self.parties {
            assert!(
                party.ua.is_idle(),
                "{} has transactions or dialogs left: {:?}\n{}",
                party.name,
                party,
                self.ladders()
            );
            assert!(matches!(party.state, State::Over(_)), "{} is still {:?}", party.name, party.state);
        }
        let busy: Vec<_> = self.house.busy.borrow().iter().filter(|(_, n)| **n != 0).map(|(e, _)| e.clone()).collect();
        assert!(busy.is_empty(), "still counted as busy: {busy:?}");
        let last: HashMap<_, _> = self.lamps.iter().map(|(who, call, shown)| ((who, call), shown)).collect();
        let lit: Vec<_> = last.iter().filter(|(_, shown)| !shown.is_empty()).collect();
        assert!(lit.is_empty(), "lamps that stay lit: {lit:?}\n{}", self.ladders());
        self
    }

    /// All ladders, for a failing assert and for snapshots.
    pub(crate) fn ladders(&self) -> String {
        let calls = self.done.iter().chain(self.calls.values());
        calls.map(|c| crate::call::ladder::plain(c.ladder())).collect::<Vec<_>>().join("\n")
    }

    fn step(&mut self, end: Instant) -> bool {
        let queued = self.queue.keys().next().map(|k| k.0);
        let calls = self.calls.values().filter_map(Call::next_wakeup).min();
        let parties = self.parties.iter().filter_map(|(_, p)| p.ua.next_wakeup()).min();
        let outside = self.outside.next_wakeup();
        let Some(at) = [queued, calls, parties, outside].into_iter().flatten().min() else { return false };
        if at > end {
            return false;
        }
        self.advance_to(at);
        if queued == Some(at) {
            let (_, event) = self.queue.pop_first().expect("its key was just read");
            self.happen(event);
            return true;
        }
        if outside.is_some_and(|due| due <= at) {
            self.wake_outside();
        }
        let due: Vec<CallId> =
            self.calls.iter().filter(|(_, c)| c.next_wakeup().is_some_and(|t| t <= at)).map(|(id, _)| *id).collect();
        for id in due {
            self.tell(id, CallEvent::Wake);
        }
        for i in 0..self.parties.len() {
            if self.parties[i].1.ua.next_wakeup().is_some_and(|t| t <= at) {
                let sends = self.parties[i].1.wake(self.now);
                self.send_all(sends);
            }
        }
        true
    }

    fn advance_to(&mut self, at: Instant) {
        if at > self.now.mono {
            let ms = i64::try_from((at - self.now.mono).as_micros() / 1_000).expect("short");
            self.house.now = at;
            self.now = Now { mono: at, wall: Wall::from_unix_millis(self.now.wall.unix_millis() + ms) };
        }
    }

    fn at(&mut self, after: Duration, event: Event) {
        self.seq += 1;
        self.queue.insert((self.now.mono + after, self.seq), event);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Datagram { from, to, bytes } if to == self.us => self.arrive_here(from, bytes),
            Event::Datagram { from, to, bytes } => self.arrive_there(from, to, bytes),
            Event::Act { party, act } => {
                let Some(at) = self.parties.iter().position(|(id, _)| *id == party) else { return };
                self.act_at(at, &act);
            }
            Event::Registers { phone, expires } => self.phone_registers(phone, expires),
            Event::Vanishes { phone } => self.phone_vanishes(phone),
            Event::Said { from, to, word } => self.said(from, to, word),
            Event::CrmSaid { call, lookup } => self.tell(call, CallEvent::CrmSaid(lookup)),
            Event::Saved { call } => self.tell(call, CallEvent::Saved),
            Event::Wrote { call, news } => self.tell(call, CallEvent::CrmWrote(news)),
        }
    }

    fn send_all(&mut self, sends: Vec<Transmit>) {
        for transmit in sends {
            if transmit.hop.local == self.us && transmit.hop.remote == CARRIER.parse().expect("an address") {
                self.said_to_carrier.push(transmit.bytes.clone());
            }
            assert!(
                !(transmit.again && transmit.hop.transport.is_reliable() && is_request(&transmit.bytes)),
                "a stream needs no retransmission: {:?}",
                transmit.bytes
            );
            self.carry(&transmit.hop, &transmit.bytes);
        }
    }

    fn carry(&mut self, hop: &Hop, bytes: &Bytes) {
        // Who vanished says nothing more, either.
        if self.dead.contains(&hop.local) {
            return;
        }
        for after in self.network.carry(bytes) {
            self.at(after, Event::Datagram { from: hop.local, to: hop.remote, bytes: bytes.clone() });
        }
    }

    fn arrive_here(&mut self, from: SocketAddr, bytes: Bytes) {
        let Ok(mut message) = parse(&bytes, &Limits::default()) else { return };
        let hop = Hop { transport: self.transport, local: self.us, remote: from, advertised: self.us, name: None };
        if matches!(&message, Message::Request(request) if request.method == rsip::Method::Register) {
            return self.arrives_outside(message, hop);
        }
        let key = match &message {
            Message::Request(request) if request.method == rsip::Method::Cancel => {
                Some(ServerKey::of_canceled(request))
            }
            Message::Request(request) => Some(ServerKey::of(request)),
            Message::Response(_) => None,
        };
        let known = call_of(&message).or_else(|| key.as_ref().and_then(|k| self.claims.get(k).copied()));
        let known = known.map(|call| self.home_of(call, message.headers().call_id().map_or("", |id| &**id)));
        if let Message::Request(request) = &mut message {
            request.headers.stamp_source(from);
        }
        if let (None, Message::Request(request), Some(key)) = (known, &message, &key)
            && request.headers.has(&Name::Replaces)
        {
            return self.arrive_replacing(from, request, key.clone(), hop);
        }
        let id = match (known, &message, key) {
            (Some(id), _, _) => id,
            (None, Message::Request(request), Some(key)) if request.method == rsip::Method::Invite => {
                match self.begin(from, request) {
                    Some(id) => {
                        self.claims.insert(key, id);
                        id
                    }
                    None => return,
                }
            }
            _ => return, // nobody's: the shell answers 481, which no test here waits for
        };
        // As `node::receive` does it: a response that a call has not asked for is nobody's.
        if let (Message::Response(response), Some(call)) = (&message, self.calls.get(&id))
            && call.asked(response).is_none()
        {
            return;
        }
        self.tell(id, CallEvent::Received(Box::new(Received { message, hop })));
    }

    fn home_of(&self, named: CallId, call_id: &str) -> CallId {
        self.moved.get(&(named, call_id.into())).map_or(named, |home| *home)
    }

    /// As `node::receive` does it.
    fn arrive_replacing(&mut self, from: SocketAddr, request: &Request, key: ServerKey, hop: Hop) {
        let dir = self.house.directory.clone();
        let origin = self.origin(&dir, from);
        let value = request.headers.get(&Name::Replaces).map(|value| &**value).unwrap_or_default();
        let Some(replaces) = Replaces::parse(value) else { return self.refused.push(400) };
        let call = call_of_tag(&replaces.to_tag).map(|call| self.home_of(call, &replaces.call_id));
        let inside = !matches!(origin, Origin::Trunk(_) | Origin::Stranger);
        let Some(call) = call.filter(|call| inside && self.calls.contains_key(call)) else {
            return self.refused.push(481);
        };
        let by = crate::route::inbound::employee_of(&dir, &origin, &invitation(request).identities);
        let Some(by) = by.map(|e| e.id.clone()) else { return self.refused.push(403) };
        self.claims.insert(key, call);
        let is_phone = matches!(origin, Origin::Phone(_));
        let referred_by = request.headers.address(&Name::ReferredBy).map(|address| party(&address).user);
        let received = Received { message: request.clone().into(), hop };
        self.tell(call, CallEvent::Replacing(Box::new(Replacing { received, replaces, by, is_phone, referred_by })));
    }

    /// Who sends from there: phones are known by their addresses here, in the node by their passwords.
    fn origin(&self, dir: &Directory, from: SocketAddr) -> Origin {
        match self.phone_names.get(&from) {
            Some((employee, _)) => Origin::Phone(employee.clone()),
            None => origin(dir, from),
        }
    }

    /// As `node::perform` does it.
    fn said(&mut self, from: CallId, to: CallId, word: Word) {
        let to = match &word {
            Word::Asks { replaces, .. } => self.home_of(to, &replaces.call_id),
            _ => to,
        };
        let given: Vec<Box<str>> = match &word {
            Word::Gives(gift) => gift.sip_call_ids().map(Into::into).collect(),
            _ => Vec::new(),
        };
        if !self.calls.contains_key(&to) {
            return self.tell(from, CallEvent::Unheard(word));
        }
        self.tell(to, CallEvent::Said { from, word });
        for call_id in given {
            for (_, home) in self.moved.iter_mut().filter(|((_, id), home)| *id == call_id && **home == from) {
                *home = to;
            }
            self.moved.insert((from, call_id), to);
        }
    }

    fn begin(&mut self, from: SocketAddr, request: &Request) -> Option<CallId> {
        let invitation = invitation(request);
        let dir = self.house.directory.clone();
        let origin = self.origin(&dir, from);
        if origin == Origin::Stranger {
            return None;
        }
        let label = origin.label().to_owned();
        let (entry, blacklisted) = match inbound(&dir, &origin, &invitation.identities) {
            Ok(entry) => (entry, false),
            Err(Refusal::Blacklisted(incoming)) => (crate::route::Entry::Incoming(*incoming), true),
            Err(_) => return None,
        };
        let id = self.ids.call();
        let beginning = Beginning {
            id,
            ids: self.ids.fork(),
            timers: Timers::default(),
            entry,
            blacklisted,
            label,
            trunk: if let Origin::Trunk(name) = &origin { Some(name.clone()) } else { None },
            is_phone: matches!(origin, Origin::Phone(_)),
            now: self.now,
            max_forwards: invitation.max_forwards,
            offer: invitation.offer,
        };
        self.calls.insert(id, Call::new(beginning, &dir));
        Some(id)
    }

    fn arrive_there(&mut self, from: SocketAddr, to: SocketAddr, bytes: Bytes) {
        if self.dead.contains(&to) {
            return;
        }
        let Ok(mut message) = parse(&bytes, &Limits::default()) else {
            panic!("we sent what can't be read: {bytes:?}")
        };
        let hop = Hop { transport: self.transport, local: to, remote: from, advertised: to, name: None };
        if message.headers().via().and_then(|via| via.branch).is_some_and(is_outside) {
            return self.arrives_outside(message, hop);
        }
        let known = call_of(&message).or_else(|| self.party_of_invite(&message));
        if let Message::Request(request) = &mut message {
            request.headers.stamp_source(from);
        }
        let id = match known {
            Some(id) => id,
            None => match &message {
                Message::Request(r) if r.method == rsip::Method::Invite => self.ring(to, &r.uri),
                _ => return, // for a call that is long over
            },
        };
        let Some((_, party)) = self.parties.iter_mut().find(|(p, _)| *p == id) else { return };
        let sends = party.receive(self.now, &Received { message, hop });
        self.send_all(sends);
    }

    /// A repeated INVITE or a CANCEL belongs to the phone that had the INVITE: by Call-ID, which is enough here.
    fn party_of_invite(&self, message: &Message) -> Option<CallId> {
        let Message::Request(_) = message else { return None };
        let call_id = message.headers().call_id()?;
        let same =
            |p: &&(CallId, Party)| p.1.invitation.is_some() && *p.1.ua.sip_call_id(crate::base::LegId::A) == **call_id;
        self.parties.iter().find(same).map(|(id, _)| *id)
    }

    fn ring(&mut self, at: SocketAddr, uri: &str) -> CallId {
        let user = uri.trim_start_matches("sip:").split('@').next().unwrap_or_default().to_owned();
        let name = match self.phone_names.get(&at) {
            Some((_, name)) => name.clone(),
            None => self.house.directory.employee_at(&user).map_or(user, |e| e.id.to_string()),
        };
        let media = 40_000 + 2 * u16::try_from(self.parties.len()).expect("few");
        let (id, mut party) = Party::new(&name, at, self.us, &mut self.ids, media);
        if self.insist_on_prack {
            party.ua.insist_on_prack();
        }
        party.transport = self.transport;
        self.parties.push((id, party));
        let script = self.scripts.get(&name).cloned().unwrap_or_else(|| vec![(Duration::from_millis(20), Act::Ring)]);
        self.schedule(id, script);
        id
    }

    /// The machine of every call that is up panics.
    pub(crate) fn wreck(&mut self) -> &mut Self {
        let mut done = Vec::new();
        for (id, call) in &mut self.calls {
            let mut out = Vec::new();
            call.wreck(self.now, &self.house, &mut out);
            done.extend(out.into_iter().map(|action| (*id, action)));
        }
        for (id, action) in done {
            self.perform(id, action);
        }
        self
    }
}

fn is_request(bytes: &[u8]) -> bool {
    !bytes.starts_with(b"SIP/2.0")
}
