//! Connections of every kind: one table of those accepted and made, each with a queue of its own, so that one slow peer
//! holds up nobody else.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::sleep;

use super::connection::Task;
use super::listener::Listener;
use super::sink::Sink;
pub use super::stream::Patience;
use super::tls::{Roots, Tls};
use crate::base::{Hop, HostName, Transport};

/// All connections, accepted and made.
pub struct Connections {
    open: DashMap<Key, Connection>,
    by_source: DashMap<IpAddr, u32>,
    next: AtomicU64,
    pub(super) sink: Arc<dyn Sink>,
    pub(super) patience: Patience,
    pub(super) tls: Tls,
}

/// What a connection is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) transport: Transport,
    /// The listener that it belongs to.
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    /// Whose certificate it has shown: a connection that we have made over TLS serves no other name, though it were at
    /// the same address. `None`: whatever goes back to where something came from.
    pub(super) name: Option<HostName>,
}

/// One connection, as senders see it.
#[derive(Clone)]
struct Connection {
    /// Tells it from an earlier one with the same key.
    number: u64,
    queue: mpsc::Sender<Bytes>,
}

/// The message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsent {
    /// The connection is being closed.
    #[error("the connection does not keep up")]
    Choked,
    /// It came from a connection that is gone, and none can be made to there.
    #[error("the connection is gone")]
    Gone,
}

impl Connections {
    /// None yet; what comes in goes to `sink`. Peers' names are believed by the system's root certificates.
    pub fn new(sink: Arc<dyn Sink>, patience: Patience) -> Arc<Self> {
        Self::trusting(Roots::System, sink, patience)
    }

    /// None yet, with root certificates of one's own.
    pub fn trusting(roots: Roots, sink: Arc<dyn Sink>, patience: Patience) -> Arc<Self> {
        let (open, by_source, next) = (DashMap::new(), DashMap::new(), AtomicU64::new(0));
        Arc::new(Self { open, by_source, next, sink, patience, tls: Tls::new(roots) })
    }

    /// What TLS needs.
    pub const fn tls(&self) -> &Tls {
        &self.tls
    }

    /// Accepts connections, for ever.
    pub async fn accept(self: Arc<Self>, listener: Listener) {
        loop {
            match listener.accept().await {
                Ok((stream, remote)) => self.accepted(stream, &listener, remote),
                Err(fault) => {
                    // Out of file descriptors, mostly: ask again when some may have been freed.
                    tracing::debug!(local = %listener.local(), %fault, "cannot accept");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn accepted(self: &Arc<Self>, stream: TcpStream, listener: &Listener, remote: SocketAddr) {
        let admitted = self.open.len() < LARGEST_NUMBER && {
            let mut from_there = self.by_source.entry(remote.ip()).or_insert(0);
            let fits = *from_there < PER_SOURCE;
            *from_there += u32::from(fits);
            fits
        };
        if !admitted {
            tracing::debug!(%remote, "too many connections: this one is closed");
            return;
        }
        let key = Key { transport: listener.transport(), local: listener.local(), remote, name: None };
        let (connection, task) = self.new_connection(key);
        self.open.insert(key, connection);
        let all = Arc::clone(self);
        // Ends with the connection, which the table's queue and the idle limit end.
        tokio::spawn(async move {
            task.serve(stream).await;
            all.leave(remote.ip());
        });
    }

    /// Queues a message, on a new connection where there is none and one can be made. Never waits; what does not get
    /// there is told to the sink.
    pub fn send(self: &Arc<Self>, hop: &Hop, bytes: Bytes) -> Result<(), Unsent> {
        let Hop { transport, local, remote, .. } = *hop;
        let key = Key { transport, local, remote, name: hop.name.filter(|_| transport.is_secure()) };
        // Without a name nobody could tell who is there; and whoever came by WebSocket listens nowhere.
        let may_connect = transport == Transport::Tcp || hop.name.is_some();
        let (task, alias) = match self.open.entry(key) {
            Entry::Occupied(mut open) => match open.get().queue.try_send(bytes) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(_)) => {
                    tracing::debug!(%remote, "a connection does not keep up: it is closed");
                    let number = open.remove().number;
                    self.forget(key, number);
                    return Err(Unsent::Choked);
                }
                // Its task is just ending: a new connection takes over.
                Err(TrySendError::Closed(bytes)) if may_connect => {
                    let (connection, task) = self.with_first(key, bytes);
                    open.insert(connection.clone());
                    (task, connection)
                }
                Err(TrySendError::Closed(_)) => return Err(Unsent::Gone),
            },
            Entry::Vacant(free) if may_connect => {
                let (connection, task) = self.with_first(key, bytes);
                free.insert(connection.clone());
                (task, connection)
            }
            Entry::Vacant(_) => return Err(Unsent::Gone),
        };
        if key.name.is_some() {
            // What its peer sends by it is answered by it.
            self.open.insert(Key { name: None, ..key }, alias);
        }
        // Ends with the connection, which the table's queue and the idle limit end.
        tokio::spawn(task.make(hop.name));
        Ok(())
    }

    fn new_connection(self: &Arc<Self>, key: Key) -> (Connection, Task) {
        let (queue, queued) = mpsc::channel(QUEUE);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let task = Task { all: Arc::clone(self), key, number, queued, queue: queue.downgrade() };
        (Connection { number, queue }, task)
    }

    fn with_first(self: &Arc<Self>, key: Key, first: Bytes) -> (Connection, Task) {
        let (connection, task) = self.new_connection(key);
        connection.queue.try_send(first).expect("the queue is new and holds more than one");
        (connection, task)
    }

    pub(super) fn forget(&self, key: Key, number: u64) {
        for key in [key, Key { name: None, ..key }] {
            self.open.remove_if(&key, |_, open| open.number == number);
        }
    }

    /// Keys in the table, and addresses that connections came from.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.open.len(), self.by_source.len())
    }

    fn leave(&self, source: IpAddr) {
        if let Entry::Occupied(mut left) = self.by_source.entry(source) {
            *left.get_mut() -= 1;
            if *left.get() == 0 {
                left.remove();
            }
        }
    }
}

/// Connections at once, from everybody.
const LARGEST_NUMBER: usize = 8192;
/// Connections at once from one address.
pub(super) const PER_SOURCE: u32 = 256;
/// Messages that may wait for one connection.
const QUEUE: usize = 256;
