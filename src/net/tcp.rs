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
        for frame in framer.by_ref() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::ParseError;

    #[derive(Debug)]
    enum Seen {
        Received(Path, Bytes),
        Unframed,
        Lost(Bytes),
    }

    struct Watcher(mpsc::UnboundedSender<Seen>);

    impl Sink for Watcher {
        fn received(&self, path: Path, bytes: Bytes) {
            self.0.send(Seen::Received(path, bytes)).unwrap();
        }
        fn unframed(&self, _: Path, _: &ParseError) {
            self.0.send(Seen::Unframed).unwrap();
        }
        fn unreachable(&self, _: Path, sent: &[u8]) {
            self.0.send(Seen::Lost(Bytes::copy_from_slice(sent))).unwrap();
        }
    }

    const MESSAGE: &str = "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nContent-Length: 0\r\n\r\n";

    struct Bench {
        all: Arc<Connections>,
        local: SocketAddr,
        seen: mpsc::UnboundedReceiver<Seen>,
        _accepting: tokio::task::JoinSet<()>,
    }

    fn bench(patience: Patience) -> Bench {
        let (tell, seen) = mpsc::unbounded_channel();
        let all = Connections::new(Arc::new(Watcher(tell)), patience);
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let local = listener.local();
        let mut accepting = tokio::task::JoinSet::new();
        accepting.spawn(Arc::clone(&all).accept(listener));
        Bench { all, local, seen, _accepting: accepting }
    }

    impl Bench {
        async fn next(&mut self) -> Seen {
            timeout(Duration::from_secs(5), self.seen.recv()).await.expect("it comes").expect("the sink lives")
        }
    }

    fn short() -> Patience {
        Patience { message: Duration::from_millis(100), ..Patience::default() }
    }

    async fn is_closed(stream: &mut TcpStream) -> bool {
        timeout(Duration::from_secs(5), stream.read(&mut [0; 64])).await.is_ok_and(|read| !matches!(read, Ok(1..)))
    }

    #[tokio::test]
    async fn an_answer_goes_back_on_the_connection_of_its_request() {
        let mut bench = bench(Patience::default());
        let mut stream = TcpStream::connect(bench.local).await.unwrap();
        for piece in MESSAGE.as_bytes().chunks(7) {
            stream.write_all(piece).await.unwrap();
        }
        let Seen::Received(path, bytes) = bench.next().await else { panic!("a message") };
        assert_eq!(bytes, MESSAGE);
        assert_eq!(path.remote, stream.local_addr().unwrap());
        bench.all.send(path.local, path.remote, Bytes::from_static(b"answer")).unwrap();
        let mut answer = [0; 6];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"answer");
    }

    #[tokio::test]
    async fn a_message_to_nobody_is_told_of() {
        let mut bench = bench(Patience::default());
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        bench.all.send(bench.local, closed, Bytes::from_static(b"one")).unwrap();
        assert!(matches!(bench.next().await, Seen::Lost(bytes) if bytes == "one"));
        assert!(bench.all.open.is_empty());
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_loses_its_connection_and_holds_up_nobody() {
        let mut bench = bench(Patience::default());
        let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let hearing = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (deaf_at, hearing_at) = (deaf.local_addr().unwrap(), hearing.local_addr().unwrap());
        let large = Bytes::from(vec![b'x'; 60_000]);
        let mut sent = 0;
        while bench.all.send(bench.local, deaf_at, large.clone()).is_ok() {
            sent += 1;
            assert!(sent < 10_000, "its queue has an end");
            tokio::task::yield_now().await;
        }
        bench.all.send(bench.local, hearing_at, Bytes::from_static(MESSAGE.as_bytes())).unwrap();
        let (mut stream, _) = hearing.accept().await.unwrap();
        let mut heard = vec![0; MESSAGE.len()];
        stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, MESSAGE.as_bytes());
        drop(deaf);
        assert!(matches!(bench.next().await, Seen::Lost(_)), "what it did not take is told of");
    }

    #[tokio::test]
    async fn silence_and_half_a_message_end_a_connection() {
        let mut bench = bench(short());
        let mut silent = TcpStream::connect(bench.local).await.unwrap();
        let mut half = TcpStream::connect(bench.local).await.unwrap();
        half.write_all(&MESSAGE.as_bytes()[..20]).await.unwrap();
        assert!(is_closed(&mut silent).await && is_closed(&mut half).await);
        // One that has said something has the idle limit's time.
        let mut talking = TcpStream::connect(bench.local).await.unwrap();
        talking.write_all(MESSAGE.as_bytes()).await.unwrap();
        assert!(matches!(bench.next().await, Seen::Received(..)));
        assert!(timeout(Duration::from_millis(300), talking.read(&mut [0; 1])).await.is_err());
    }

    #[tokio::test]
    async fn a_stream_that_cannot_be_framed_is_told_of_and_closed() {
        let mut bench = bench(Patience::default());
        let mut stream = TcpStream::connect(bench.local).await.unwrap();
        stream.write_all(b"OPTIONS sip:x SIP/2.0\r\nContent-Length: -5\r\n\r\n").await.unwrap();
        assert!(matches!(bench.next().await, Seen::Unframed));
        assert!(is_closed(&mut stream).await);
    }

    #[tokio::test]
    async fn one_address_may_not_take_all_connections_and_gets_its_places_back() {
        let bench = bench(short());
        let mut streams = Vec::new();
        for _ in 0..=PER_SOURCE {
            streams.push(TcpStream::connect(bench.local).await.unwrap());
        }
        // The one too many is closed at once, the others when they have been silent too long.
        for stream in &mut streams {
            assert!(is_closed(stream).await);
        }
        let places = async {
            while !bench.all.by_source.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(5), places).await.expect("every place comes back");
    }
}
