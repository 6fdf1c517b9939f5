//! The composition of everything: sockets, live calls, timers, the CRM and the store around machines that do no I/O.
//!
//! A message comes in by `receive`, which finds its call or lets `admission` decide on a new one; `live` steps the call
//! under its lock and puts its messages on the wire; `perform` does what else the call wants; `timers` wakes it; `late`
//! takes news of calls that are gone. Outside of calls, `outside` keeps the trunks (`trunks`) and the phones
//! (`registrar`, behind the `doors`). Layers above see a [`Handle`].

mod admission;
mod answer;
mod begin;
pub mod cards;
mod claims;
mod clock;
mod digests;
mod doors;
pub mod events;
mod handle;
mod house;
mod late;
mod live;
mod metrics;
mod names;
mod offenders;
mod outside;
mod perform;
mod receive;
mod registrar;
mod repeats;
mod slot;
mod strangers;
mod subscriptions;
mod surviving;
mod timers;
pub mod trace;
mod trunks;
mod who;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;

pub use self::clock::Clock;
pub use self::handle::{HandOnError, Handle, NotReady, PresenceError, ReloadError};

use self::admission::Admission;
use self::cards::Cards;
use self::events::Events;
use self::house::House;
use self::late::NewsWire;
use self::live::Live;
use self::metrics::Metrics;
use self::names::Names;
use self::outside::Beyond;
use self::receive::Reception;
use self::registrar::Registrar;
use self::repeats::Repeats;
use self::subscriptions::Subscribers;
use self::surviving::surviving;
use self::timers::Timers;
use self::trace::{Trace, TraceRules};
use crate::base::{CallIds, EmployeeId, Ids, Transport, Wall};
use crate::config::{Certificate, Settings, UnknownSource};
use crate::crm::Backend;
use crate::crm::embedded::{Embedded, Rules};
use crate::crm::outbox::Outbox;
use crate::net::connections::{Connections, Patience};
use crate::net::listener::Listener;
use crate::net::outbound::{Naming, Outbound};
use crate::net::resolve::Resolver;
use crate::net::sink::Sink;
use crate::net::tls::Roots;
use crate::net::udp::Udp;
use crate::route::plan::Presence;
use crate::sip::transaction;
use crate::store::{Store, StoreError};

/// A running node. Dropped, it stops where it stands; [`Node::stop`] ends it in order.
pub struct Node {
    handle: Handle,
    tasks: JoinSet<()>,
}

/// What a node believes of the world around it.
pub struct World {
    /// Who knows names.
    pub resolver: Resolver,
    /// Who vouches for peers over TLS.
    pub roots: Roots,
}

impl World {
    /// As the system has it.
    pub fn of_system() -> Self {
        Self { resolver: Resolver::of_system(), roots: Roots::System }
    }
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener's address cannot be had.
    #[error("cannot listen on {transport}:{at}: {cause}; {mend}", mend = mend(.cause), transport = .transport.as_str().to_ascii_lowercase())]
    Listen {
        /// By which transport.
        transport: Transport,
        /// Where.
        at: SocketAddr,
        /// Why not.
        cause: io::Error,
    },
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The folder of ladders cannot be used.
    #[error("cannot keep ladders in {path}: {cause}; mend the folder or `trace.path`", path = .path.display())]
    Trace {
        /// `trace.path`.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
}

/// What to do about an address that is not to be had.
fn mend(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::AddrInUse => "stop what listens there (`ss -lntup` names it), or change sip.listen",
        io::ErrorKind::AddrNotAvailable => "this machine has no such address: change sip.listen",
        io::ErrorKind::PermissionDenied => "ports below 1024 need CAP_NET_BIND_SERVICE, or change sip.listen",
        _ => "change sip.listen",
    }
}

/// All that a node is, shared by its tasks and its handles.
struct Inner {
    clock: Clock,
    live: Live,
    timers: Timers,
    house: House,
    names: Names,
    admission: Admission,
    registrar: Registrar,
    beyond: Beyond,
    subscribers: Subscribers,
    repeats: Repeats,
    outbound: Outbound,
    store: Store,
    outbox: Outbox<Backend>,
    events: Events,
    cards: Cards,
    trace: Trace,
    metrics: Metrics,
    ids: Mutex<(Ids, CallIds)>,
    sip_timers: transaction::Timers,
    listening: Vec<(Transport, SocketAddr)>,
    path: PathBuf,
    began_with: Settings,
}

impl Node {
    /// Starts a node by these settings, which were read from `path`.
    pub async fn start(settings: Settings, path: PathBuf) -> Result<Self, StartError> {
        Self::start_in(World::of_system(), settings, path).await
    }

    /// The same, in a world of one's own.
    pub async fn start_in(world: World, settings: Settings, path: PathBuf) -> Result<Self, StartError> {
        let clock = Clock::start();
        let sockets = Sockets::bind(&settings.sip.listen)?;
        let rules = &settings.trace;
        let rules = TraceRules { path: rules.path.clone(), size: rules.size, keep: rules.keep };
        let trace = Trace::open(rules, clock)
            .map_err(|cause| StartError::Trace { path: settings.trace.path.clone(), cause })?;
        let mut ids = Ids::from_os();
        let names = Names::new(clock, world.resolver, sockets.listening.clone(), ids.fork());
        names.ask_all(&settings.directory).await;
        let directory = Arc::new(names.fill(&settings.directory));
        let store = open_store(&settings, clock).await?;
        let crm_rules = Rules::new(&directory.crm.prefer, &directory.crm.exceptions, &directory.crm.country);
        let crm = Backend::Embedded(Embedded::open(&store, crm_rules).await?);
        let news = Arc::new(NewsWire::default());
        let outbox = Outbox::start(&store, crm, {
            let news = Arc::clone(&news);
            Arc::new(move |write| news.hear(write))
        })
        .await?;
        let house = House::new(Arc::clone(&directory), presences(&store).await?, store.reader().last_rung().await?);
        let registrar = Registrar::open(&store, &sockets.listening, clock.now()).await?;
        // The files may have changed since these were written down.
        let has_password = |id: &EmployeeId| directory.employee(id).is_some_and(|employee| employee.password.is_some());
        registrar.keep_only(clock.now(), has_password);
        let admission = Admission::new(clock, directory.limits.calls_per_second);
        admission.set_silent(settings.unknown_source == UnknownSource::Drop);
        let t = settings.sip.timers;
        let sip_timers = transaction::Timers { t1: t.t1, t2: t.t2, t4: t.t4 };
        let naming = Naming { advertise: settings.sip.advertise, local: settings.sip.local.clone() };
        let node = Arc::new_cyclic(|node| {
            let sink: Arc<dyn Sink> = Arc::new(Reception(node.clone()));
            let connections = Connections::trusting(world.roots, sink, Patience::default());
            connections.tls().set_certificate(settings.sip.tls.as_ref().map(Certificate::key));
            let streams = sockets.streams.iter().map(|listener| (listener.transport(), listener.local())).collect();
            Inner {
                clock,
                live: Live::new(),
                timers: Timers::default(),
                house,
                names,
                admission,
                registrar,
                beyond: Beyond::new(Ids::from_os(), sip_timers),
                subscribers: Subscribers::new(Ids::from_os()),
                repeats: Repeats::new(t.t1),
                outbound: Outbound::new(sockets.udp.clone(), streams, connections, naming),
                store,
                outbox,
                events: Events::new(clock.now()),
                cards: Cards::default(),
                trace,
                metrics: Metrics::new(),
                ids: Mutex::new((ids, CallIds::default())),
                sip_timers,
                listening: sockets.listening.clone(),
                path,
                began_with: settings,
            }
        });
        news.connect(&node);
        node.outbound.set_tcp_switch(node.began_with.sip.tcp_switch);
        node.tell_of_peers();
        node.set_trunks(&node.house.directory_kept());
        let tasks = node.run(sockets);
        Ok(Self { handle: Handle { node }, tasks })
    }

    /// What layers above may see of it and ask of it.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Stops: no more messages, everything that waits is committed and written.
    pub async fn stop(mut self) {
        self.handle.node.end_subscriptions();
        self.handle.node.leave_trunks(LEAVE).await;
        self.tasks.shutdown().await;
        let node = &self.handle.node;
        // Calls that have ended keep their ladders for as long as their transactions linger.
        for (call, ladder) in node.live.ladders() {
            node.trace.keep(call, ladder);
        }
        node.store.close().await;
        node.trace.close();
    }
}

impl Inner {
    /// Starts the tasks that make it go.
    fn run(self: &Arc<Self>, sockets: Sockets) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for udp in sockets.udp {
            let sink = Reception(Arc::downgrade(self));
            tasks.spawn({
                let udp = Arc::clone(&udp);
                async move { udp.receive(&sink).await }
            });
            tasks.spawn(async move { udp.drain().await });
        }
        for listener in sockets.streams {
            let connections = self.outbound.connections();
            tasks.spawn(connections.accept(listener));
        }
        let node = Arc::clone(self);
        tasks.spawn(async move { node.timers.run(node.clock, |call| surviving(|| node.wake(call))).await });
        tasks.spawn(Arc::clone(self).run_beyond());
        tasks.spawn(Arc::clone(self).run_subscriptions());
        let node = Arc::clone(self);
        tasks.spawn(async move { node.keep_names().await });
        let node = Arc::clone(self);
        tasks.spawn(async move { node.forget_old_calls().await });
        tasks
    }

    /// `store.keep_calls`, looked at every hour.
    async fn forget_old_calls(&self) {
        let keep = i64::try_from(self.began_with.store.keep_calls.as_millis()).unwrap_or(i64::MAX);
        loop {
            let before = self.clock.now().wall.unix_millis().saturating_sub(keep);
            if let Err(fault) = self.store.forget_calls_before(Wall::from_unix_millis(before)).await {
                tracing::warn!(%fault, "old calls stay in the call log");
            }
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }
    }
}

/// How long carriers may take to let go of us at the end.
const LEAVE: Duration = Duration::from_secs(2);

/// The store that the files name, with this clock's dates.
async fn open_store(settings: &Settings, clock: Clock) -> Result<Store, StoreError> {
    let url = format!("sqlite:{}", settings.store.path.display());
    Store::open(&url, settings.directory.limits.unsaved, Arc::new(move || clock.now().wall)).await
}

/// What was set before; a word that is none of ours is nobody's presence.
async fn presences(store: &Store) -> Result<HashMap<EmployeeId, Presence>, StoreError> {
    let written = store.reader().presences().await?;
    Ok(written.into_iter().filter_map(|(id, word)| Some((id, word.parse().ok()?))).collect())
}

/// The listeners, bound.
struct Sockets {
    udp: Vec<Arc<Udp>>,
    /// TCP, and what runs over it.
    streams: Vec<Listener>,
    listening: Vec<(Transport, SocketAddr)>,
}

impl Sockets {
    fn bind(listen: &[(Transport, SocketAddr)]) -> Result<Self, StartError> {
        let mut sockets = Self { udp: Vec::new(), streams: Vec::new(), listening: Vec::new() };
        for &(transport, at) in listen {
            let fails = |cause| StartError::Listen { transport, at, cause };
            let local = match transport {
                Transport::Udp => {
                    let udp = Udp::bind(at).map_err(fails)?;
                    let local = udp.local();
                    sockets.udp.push(udp);
                    local
                }
                Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
                    let listener = Listener::bind(transport, at).map_err(fails)?;
                    let local = listener.local();
                    sockets.streams.push(listener);
                    local
                }
            };
            sockets.listening.push((transport, local));
        }
        Ok(sockets)
    }
}
