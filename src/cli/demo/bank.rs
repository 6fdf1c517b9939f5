//! Softphones on a real UDP socket: the customers at the demo's carrier, or the phones at its PBX.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::media::Media;
use crate::base::{CallId, Hop, Ids, Instant, LegId, Transport};
use crate::node::Clock;
use crate::sip::agent::{Received, Transmit, call_of};
use crate::sip::message::{Limits, Message, parse};
use crate::softphone::{Act, Party, State};

/// How long the demo waits for something that it promises.
const PATIENCE: Duration = Duration::from_secs(5);

/// One socket with everybody who is behind it. Dropped, its phones fall silent.
pub(super) struct Bank {
    shared: Arc<Shared>,
    reader: JoinHandle<()>,
}

struct Shared {
    socket: UdpSocket,
    at: SocketAddr,
    clock: Clock,
    /// Somebody's call changed, or there is something new to wait for.
    changed: Notify,
    state: Mutex<Phones>,
}

struct Phones {
    us: SocketAddr,
    ids: Ids,
    parties: Vec<(CallId, Party, Media)>,
    /// What phones do when they are called, by user part.
    scripts: BTreeMap<String, Vec<(Duration, Act)>>,
    due: Vec<(Instant, CallId, Act)>,
    names: BTreeMap<String, String>,
}

impl Bank {
    /// Binds a socket on loopback; `names` tells who answers to which user part.
    pub(super) async fn open(clock: Clock, ids: Ids, names: &[(&str, &str)]) -> io::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        let at = socket.local_addr()?;
        let names = names.iter().map(|(user, name)| ((*user).to_owned(), (*name).to_owned())).collect();
        let state =
            Mutex::new(Phones { us: at, ids, parties: Vec::new(), scripts: BTreeMap::new(), due: Vec::new(), names });
        let shared = Arc::new(Shared { socket, at, clock, changed: Notify::new(), state });
        let reader = tokio::spawn(run(shared.clone()));
        Ok(Self { shared, reader })
    }

    /// Its address.
    pub(super) fn at(&self) -> SocketAddr {
        self.shared.at
    }

    /// Where `ramal` listens.
    pub(super) fn serve(&self, us: SocketAddr) {
        self.shared.state.lock().us = us;
    }

    /// What this phone does whenever it is called.
    pub(super) fn script(&self, name: &str, script: &[(u64, Act)]) {
        let script = script.iter().map(|(ms, act)| (Duration::from_millis(*ms), act.clone())).collect();
        self.shared.state.lock().scripts.insert(name.to_owned(), script);
    }

    /// Somebody here calls `user`.
    pub(super) async fn call(&self, name: &str, user: &str, from: &str) -> io::Result<CallId> {
        let media = Media::open().await?;
        let sends;
        let id;
        {
            let mut phones = self.shared.state.lock();
            let us = phones.us;
            let (call, mut party) = Party::new(name, self.shared.at, us, &mut phones.ids, media.port());
            sends = party.call(self.shared.clock.now(), user, Some(from), true);
            phones.parties.push((call, party, media));
            id = call;
        }
        self.shared.send(&sends);
        self.shared.changed.notify_waiters();
        Ok(id)
    }

    /// Does something now in the last call of this party.
    pub(super) fn act(&self, name: &str, act: &Act) {
        let sends = {
            let mut phones = self.shared.state.lock();
            let now = self.shared.clock.now();
            let last = phones.parties.iter_mut().rev().find(|(_, p, _)| p.name == name);
            last.map(|(_, party, _)| party.act(now, act)).unwrap_or_default()
        };
        self.shared.send(&sends);
        self.shared.changed.notify_waiters();
    }

    /// Does something now in this call.
    pub(super) fn act_in(&self, call: CallId, act: &Act) {
        let sends = {
            let mut phones = self.shared.state.lock();
            let now = self.shared.clock.now();
            let found = phones.parties.iter_mut().find(|(id, _, _)| *id == call);
            found.map(|(_, party, _)| party.act(now, act)).unwrap_or_default()
        };
        self.shared.send(&sends);
        self.shared.changed.notify_waiters();
    }

    /// Waits until this party's last call is in such a state; false where it does not come.
    pub(super) async fn until(&self, name: &str, so: impl Fn(&Party) -> bool) -> bool {
        self.wait(|phones| phones.last(name).is_some_and(&so)).await
    }

    /// `so` is asked under the lock of the phones: it must not ask this bank for anything.
    async fn wait(&self, so: impl Fn(&Phones) -> bool) -> bool {
        let wait = async {
            loop {
                let changed = self.shared.changed.notified();
                if so(&self.shared.state.lock()) {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.is_ok()
    }

    /// Waits until this party has had so many calls.
    pub(super) async fn until_calls(&self, name: &str, count: usize) -> bool {
        self.wait(|phones| phones.calls_of(name) >= count).await
    }

    /// Waits until she talks.
    pub(super) async fn until_up(&self, name: &str) -> bool {
        self.until(name, |p| p.state == State::Up).await
    }

    /// Waits until her call is over.
    pub(super) async fn until_over(&self, name: &str) -> bool {
        self.until(name, |p| matches!(p.state, State::Over(_))).await
    }

    /// Whether this party's last call is in such a state.
    pub(super) fn is(&self, name: &str, so: impl Fn(&Party) -> bool) -> bool {
        self.shared.state.lock().last(name).is_some_and(so)
    }

    /// How many calls this party had.
    pub(super) fn calls_of(&self, name: &str) -> usize {
        self.shared.state.lock().calls_of(name)
    }

    /// What the last call of this party hears and says, with where its media go.
    pub(super) fn media(&self, name: &str) -> Option<(Media, SocketAddr)> {
        let phones = self.shared.state.lock();
        let (_, party, media) = phones.parties.iter().rev().find(|(_, p, _)| p.name == name)?;
        let to = crate::sdp::audio_address(party.heard.as_ref()?)?;
        Some((media.clone(), to))
    }
}

impl Phones {
    fn last(&self, name: &str) -> Option<&Party> {
        self.parties.iter().rev().find(|(_, p, _)| p.name == name).map(|(_, p, _)| p)
    }

    fn calls_of(&self, name: &str) -> usize {
        self.parties.iter().filter(|(_, p, _)| p.name == name).count()
    }
}

impl Drop for Bank {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Shared {
    fn send(&self, sends: &[Transmit]) {
        for transmit in sends {
            // a full loopback buffer is a lost datagram, which the transactions repeat
            drop(self.socket.try_send_to(&transmit.bytes, transmit.hop.remote));
        }
    }

    fn next_wakeup(&self) -> Option<Instant> {
        let phones = self.state.lock();
        let parties = phones.parties.iter().filter_map(|(_, p, _)| p.ua.next_wakeup());
        parties.chain(phones.due.iter().map(|d| d.0)).min()
    }

    fn wake(&self) {
        let mut sends = Vec::new();
        {
            let now = self.clock.now();
            let mut phones = self.state.lock();
            let (ready, later): (Vec<_>, Vec<_>) =
                std::mem::take(&mut phones.due).into_iter().partition(|(at, ..)| *at <= now.mono);
            phones.due = later;
            for (_, party, _) in &mut phones.parties {
                if party.ua.next_wakeup().is_some_and(|at| at <= now.mono) {
                    sends.extend(party.wake(now));
                }
            }
            for (_, call, act) in ready {
                if let Some((_, party, _)) = phones.parties.iter_mut().find(|(id, ..)| *id == call) {
                    sends.extend(party.act(now, &act));
                }
            }
        }
        self.send(&sends);
        self.changed.notify_waiters();
    }

    async fn receive(&self, bytes: Bytes, from: SocketAddr) {
        let Ok(mut message) = parse(&bytes, &Limits::default()) else { return };
        let known = self.call_of(&message);
        if let Message::Request(request) = &mut message {
            request.headers.stamp_source(from);
        }
        let call = match (known, &message) {
            (Some(call), _) => call,
            (None, Message::Request(request)) if request.is_invite() => {
                let user = request.uri.trim_start_matches("sip:").split('@').next().unwrap_or_default().to_owned();
                match self.ring(&user).await {
                    Some(call) => call,
                    None => return,
                }
            }
            _ => return, // of a call that is long over
        };
        let sends = {
            let mut phones = self.state.lock();
            let now = self.clock.now();
            let Some((_, party, _)) = phones.parties.iter_mut().find(|(id, ..)| *id == call) else { return };
            let hop = Hop { transport: Transport::Udp, local: self.at, remote: from, advertised: self.at, name: None };
            party.receive(now, &Received { message, hop })
        };
        self.send(&sends);
        self.changed.notify_waiters();
    }

    fn call_of(&self, message: &Message) -> Option<CallId> {
        call_of(message).or_else(|| {
            let call_id = message.headers().call_id()?;
            let phones = self.state.lock();
            let rang = |p: &Party| p.invitation.is_some() && p.ua.sip_call_id(LegId::A) == call_id.as_str();
            phones.parties.iter().find(|(_, p, _)| rang(p)).map(|(id, ..)| *id)
        })
    }

    async fn ring(&self, user: &str) -> Option<CallId> {
        let media = Media::open().await.ok()?;
        let mut phones = self.state.lock();
        let name = phones.names.get(user).cloned().unwrap_or_else(|| user.to_owned());
        let us = phones.us;
        let (call, party) = Party::new(&name, self.at, us, &mut phones.ids, media.port());
        phones.parties.push((call, party, media));
        let script = phones.scripts.get(&name).cloned().unwrap_or_default();
        let now = self.clock.now().mono;
        phones.due.extend(script.into_iter().map(|(after, act)| (now + after, call, act)));
        Some(call)
    }
}

async fn run(shared: Arc<Shared>) {
    let mut buffer = vec![0_u8; 65_535];
    loop {
        let changed = shared.changed.notified();
        let due = shared.next_wakeup().map(|at| at - shared.clock.now().mono);
        let sleep = tokio::time::sleep(due.unwrap_or(Duration::from_secs(3600)));
        tokio::select! {
            got = shared.socket.recv_from(&mut buffer) => {
                // an ICMP error of a closed peer is told by the next receive; the transactions find out by themselves
                if let Ok((n, from)) = got {
                    shared.receive(Bytes::copy_from_slice(&buffer[..n]), from).await;
                }
            }
            () = sleep => shared.wake(),
            () = changed => {}
        }
    }
}
