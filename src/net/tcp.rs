//! SIP over TCP: one task a connection that cuts its bytes into messages and writes what waits in a queue of its own,
//! so that one slow peer holds up nobody else.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::framing::{Frame, Framer, PONG};
use super::sink::{Path, Sink};
use crate::base::Transport;
use crate::sip::message::Limits;

/// A listener for TCP.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    local: SocketAddr,
}

impl Listener {
    /// Opens the socket; port 0 takes any.
    pub fn bind(at: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
        if at.is_ipv6() {
            // IPv4 has listeners of its own; mapped addresses would match no `accept` prefix.
            socket.set_only_v6(true)?;
        }
        // A restart need not wait for the connections of the process before.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&at.into())?;
        socket.listen(BACKLOG)?;
        let socket = TcpListener::from_std(socket.into())?;
        let local = socket.local_addr()?;
        Ok(Self { socket, local })
    }

    /// The address that it got.
    pub const fn local(&self) -> SocketAddr {
        self.local
    }
}

/// All connections, accepted and made.
pub struct Connections {
    open: DashMap<(SocketAddr, SocketAddr), Connection>,
    by_source: DashMap<IpAddr, u32>,
    next: AtomicU64,
    sink: Arc<dyn Sink>,
    patience: Patience,
}

/// How long a connection may keep us waiting.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For the connection to be made.
    pub connect: Duration,
    /// For the rest of a message that has begun, for the first message, and for room to write.
    pub message: Duration,
    /// For the next message or keep-alive.
    pub idle: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self { connect: secs(5), message: secs(20), idle: secs(15 * 60) }
    }
}

/// One connection, as senders see it.
struct Connection {
    /// Tells it from an earlier one with the same ends.
    number: u64,
    queue: mpsc::Sender<Bytes>,
}

/// The message was not taken: the connection does not keep up, and is being closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection does not keep up")]
pub struct Choked;

impl Connections {
    /// None yet; what comes in goes to `sink`.
    pub fn new(sink: Arc<dyn Sink>, patience: Patience) -> Arc<Self> {
        let (open, by_source, next) = (DashMap::new(), DashMap::new(), AtomicU64::new(0));
        Arc::new(Self { open, by_source, next, sink, patience })
    }

    /// Accepts connections, for ever.
    pub async fn accept(self: Arc<Self>, listener: Listener) {
        loop {
            match listener.socket.accept().await {
                Ok((stream, remote)) => self.accepted(stream, listener.local, remote),
                Err(fault) => {
                    // Out of file descriptors, mostly: ask again when some may have been freed.
                    tracing::debug!(local = %listener.local, %fault, "cannot accept");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn accepted(self: &Arc<Self>, stream: TcpStream, local: SocketAddr, remote: SocketAddr) {
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
        let path = Path { transport: Transport::Tcp, local, remote };
        let (connection, queued) = self.new_connection();
        let number = connection.number;
        self.open.insert((local, remote), connection);
        let mut task = Task { all: Arc::clone(self), path, number, queued };
        // Ends with the connection, which the table's queue and the idle limit end.
        tokio::spawn(async move {
            task.run(stream, task.all.patience.message).await;
            task.all.leave(remote.ip());
        });
    }

    /// Queues a message, on a new connection where there is none. Never waits; what does not get there is told to the
    /// sink.
    pub fn send(self: &Arc<Self>, local: SocketAddr, remote: SocketAddr, bytes: Bytes) -> Result<(), Choked> {
        let (number, queued) = match self.open.entry((local, remote)) {
            Entry::Occupied(mut open) => match open.get().queue.try_send(bytes) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(_)) => {
                    tracing::debug!(%remote, "a connection does not keep up: it is closed");
                    open.remove();
                    return Err(Choked);
                }
                // Its task is just ending: a new connection takes over.
                Err(TrySendError::Closed(bytes)) => {
                    let (connection, queued) = self.with_first(bytes);
                    let number = connection.number;
                    open.insert(connection);
                    (number, queued)
                }
            },
            Entry::Vacant(free) => {
                let (connection, queued) = self.with_first(bytes);
                let number = connection.number;
                free.insert(connection);
                (number, queued)
            }
        };
        self.spawn_connecting(Path { transport: Transport::Tcp, local, remote }, number, queued);
        Ok(())
    }

    fn spawn_connecting(self: &Arc<Self>, path: Path, number: u64, queued: mpsc::Receiver<Bytes>) {
        let mut task = Task { all: Arc::clone(self), path, number, queued };
        // Ends with the connection, which the table's queue and the idle limit end.
        tokio::spawn(async move {
            match timeout(task.all.patience.connect, TcpStream::connect(path.remote)).await {
                Ok(Ok(stream)) => task.run(stream, task.all.patience.idle).await,
                _ => task.give_up(None),
            }
        });
    }

    fn new_connection(&self) -> (Connection, mpsc::Receiver<Bytes>) {
        let (queue, queued) = mpsc::channel(QUEUE);
        (Connection { number: self.next.fetch_add(1, Ordering::Relaxed), queue }, queued)
    }

    fn with_first(&self, first: Bytes) -> (Connection, mpsc::Receiver<Bytes>) {
        let (connection, queued) = self.new_connection();
        connection.queue.try_send(first).expect("the queue is new and holds more than one");
        (connection, queued)
    }

    fn forget(&self, path: Path, number: u64) {
        self.open.remove_if(&(path.local, path.remote), |_, open| open.number == number);
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

/// The task of one connection.
struct Task {
    all: Arc<Connections>,
    path: Path,
    number: u64,
    queued: mpsc::Receiver<Bytes>,
}

impl Task {
    /// Reads and writes until either end closes, somebody loses patience, or the stream cannot be read.
    async fn run(&mut self, stream: TcpStream, first: Duration) {
        // Not fatal: messages then wait for each other's acknowledgement.
        let _ = stream.set_nodelay(true);
        let (mut from, mut to) = stream.into_split();
        let pong = self.all.open.get(&(self.path.local, self.path.remote)).map(|open| open.queue.downgrade());
        let write_patience = self.all.patience.message;
        let (all, path) = (&self.all, self.path);
        let unwritten = tokio::select! {
            () = read(&mut from, all, path, first, pong.as_ref()) => None,
            unwritten = write(&mut self.queued, &mut to, write_patience) => Some(unwritten),
        };
        // Nothing more is queued from here on; what is there already, an answer to a broken stream perhaps, goes out.
        self.all.forget(self.path, self.number);
        let unwritten = match unwritten {
            Some(unwritten) => unwritten,
            None => write(&mut self.queued, &mut to, write_patience).await,
        };
        self.give_up(unwritten);
    }

    /// Tells of everything that did not get there.
    fn give_up(&mut self, unwritten: Option<Bytes>) {
        self.all.forget(self.path, self.number);
        self.queued.close();
        for lost in unwritten.into_iter().chain(std::iter::from_fn(|| self.queued.try_recv().ok())) {
            self.all.sink.unreachable(self.path, &lost);
        }
    }
}

/// Writes what is queued until the queue is closed. Gives the message that could not be written.
async fn write(queued: &mut mpsc::Receiver<Bytes>, to: &mut OwnedWriteHalf, patience: Duration) -> Option<Bytes> {
    while let Some(bytes) = queued.recv().await {
        match timeout(patience, to.write_all(&bytes)).await {
            Ok(Ok(())) => {}
            _ => return Some(bytes),
        }
    }
    None
}

/// Cuts what comes into messages, until the stream ends or breaks.
async fn read(
    from: &mut OwnedReadHalf,
    all: &Connections,
    path: Path,
    first: Duration,
    pong: Option<&mpsc::WeakSender<Bytes>>,
) {
    let mut framer = Framer::new(Limits::default());
    let mut piece = BytesMut::with_capacity(PIECE);
    let mut until = Instant::now() + first;
    let mut inside = false;
    loop {
        piece.clear();
        match timeout_at(until, from.read_buf(&mut piece)).await {
            Ok(Ok(1..)) => framer.push(&piece),
            _ => return,
        }
        let mut whole = false;
        while let Some(frame) = framer.next() {
            match frame {
                Frame::Message(bytes) => {
                    whole = true;
                    all.sink.received(path, bytes);
                }
                Frame::Ping => {
                    whole = true;
                    if let Some(queue) = pong.and_then(mpsc::WeakSender::upgrade) {
                        // Full: the peer does not read; it gets no answer to its keep-alive, and rightly so.
                        let _ = queue.try_send(Bytes::from_static(PONG));
                    }
                }
                Frame::Fault(fault) => {
                    all.sink.unframed(path, &fault);
                    return;
                }
            }
        }
        // Not by every byte: a message that trickles in is still one message.
        if framer.is_inside_message() {
            if whole || !inside {
                until = Instant::now() + all.patience.message;
            }
        } else if whole || inside {
            until = Instant::now() + all.patience.idle;
        }
        inside = framer.is_inside_message();
    }
}

/// Connections at once, from everybody.
const LARGEST_NUMBER: usize = 8192;
/// Connections at once from one address.
const PER_SOURCE: u32 = 256;
/// Messages that may wait for one connection.
const QUEUE: usize = 256;
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;
/// Bytes read at once.
const PIECE: usize = 16 * 1024;
