//! One connection: its handshakes, then a task that reads messages and writes what waits in its queue.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, split};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::connections::{Connections, Key};
use super::framing::{Frame, PONG};
use super::sink::Path;
use super::stream::{Cut, Incoming, Outgoing, Plain};
use super::websocket;
use crate::base::{HostName, Transport};

/// The task of one connection.
pub(super) struct Task {
    pub(super) all: Arc<Connections>,
    pub(super) key: Key,
    /// Tells it from others with the same key.
    pub(super) number: u64,
    pub(super) queued: mpsc::Receiver<Bytes>,
    /// Its own queue, for the answers to keep-alives; it does not keep the connection.
    pub(super) queue: mpsc::WeakSender<Bytes>,
    /// To be set when its handshakes are done.
    pub(super) is_up: Arc<AtomicBool>,
}

impl Task {
    const fn path(&self) -> Path {
        Path { transport: self.key.transport, local: self.key.local, remote: self.key.remote }
    }

    /// Serves a connection that a peer has made.
    pub(super) async fn serve(mut self, stream: TcpStream) {
        let patience = self.all.patience.message;
        without_delay(&stream);
        match self.key.transport {
            Transport::Udp | Transport::Tcp => self.speak_sip(stream, patience).await,
            Transport::Tls => match self.within(patience, self.all.tls.accept(stream)).await {
                Some(stream) => self.speak_sip(stream, patience).await,
                None => self.give_up(None),
            },
            Transport::Ws => match self.within(patience, websocket::accept(stream)).await {
                Some(socket) => self.speak_frames(socket, patience).await,
                None => self.give_up(None),
            },
            Transport::Wss => {
                let handshakes = async { websocket::accept(self.all.tls.accept(stream).await?).await };
                match self.within(patience, handshakes).await {
                    Some(socket) => self.speak_frames(socket, patience).await,
                    None => self.give_up(None),
                }
            }
        }
    }

    /// Makes a connection, and serves it; over TLS to whoever has this name.
    pub(super) async fn make(mut self, name: Option<HostName>) {
        let (patience, idle, remote) = (self.all.patience.connect, self.all.patience.idle, self.key.remote);
        let host = name.map_or_else(String::new, |name| name.as_str().to_owned());
        let connect = async {
            let made = connected(self.key.local, remote).await;
            self.all.note(self.key, made.is_ok());
            let stream = made?;
            without_delay(&stream);
            Ok(stream)
        };
        match self.key.transport {
            Transport::Udp | Transport::Tcp => match self.within(patience, connect).await {
                Some(stream) => self.speak_sip(stream, idle).await,
                None => self.give_up(None),
            },
            Transport::Tls => {
                let secured = async { self.all.tls.connect(connect.await?, &host).await };
                match self.within(patience, secured).await {
                    Some(stream) => self.speak_sip(stream, idle).await,
                    None => self.give_up(None),
                }
            }
            Transport::Ws => {
                let upgraded = async { websocket::connect(connect.await?, &host, remote.port()).await };
                match self.within(patience, upgraded).await {
                    Some(socket) => self.speak_frames(socket, idle).await,
                    None => self.give_up(None),
                }
            }
            Transport::Wss => {
                let upgraded = async {
                    let secured = self.all.tls.connect(connect.await?, &host).await?;
                    websocket::connect(secured, &host, remote.port()).await
                };
                match self.within(patience, upgraded).await {
                    Some(socket) => self.speak_frames(socket, idle).await,
                    None => self.give_up(None),
                }
            }
        }
    }

    /// What the handshakes give; `None` where they fail or take too long.
    async fn within<T>(&self, patience: Duration, handshakes: impl Future<Output = io::Result<T>>) -> Option<T> {
        let Path { transport, remote, .. } = self.path();
        match timeout(patience, handshakes).await {
            Ok(Ok(made)) => Some(made),
            Ok(Err(fault)) => {
                tracing::debug!(%remote, transport = transport.as_str(), %fault, "no connection");
                None
            }
            Err(_) => {
                tracing::debug!(%remote, transport = transport.as_str(), "no connection within its time");
                None
            }
        }
    }

    async fn speak_sip<S: AsyncRead + AsyncWrite + Send>(&mut self, stream: S, first: Duration) {
        let (from, to) = split(stream);
        self.run(Cut::new(from, self.all.patience, first), Plain(to)).await;
    }

    async fn speak_frames<S>(&mut self, socket: websocket::Socket<S>, first: Duration)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let (from, to) = websocket::split(socket, self.all.patience, first);
        self.run(from, to).await;
    }

    /// Reads and writes until either end closes, somebody loses patience, or the stream cannot be read.
    async fn run(&mut self, mut from: impl Incoming, mut to: impl Outgoing) {
        self.is_up.store(true, Ordering::Relaxed);
        let patience = self.all.patience.message;
        let (all, path) = (&self.all, self.path());
        let unwritten = tokio::select! {
            () = read(&mut from, all, path, &self.queue) => None,
            unwritten = write(&mut self.queued, &mut to, patience) => Some(unwritten),
        };
        // Nothing more is queued from here on; what is there already, an answer to a broken stream perhaps, goes out.
        self.all.forget(self.key, self.number);
        let unwritten = match unwritten {
            Some(unwritten) => unwritten,
            None => write(&mut self.queued, &mut to, patience).await,
        };
        self.give_up(unwritten);
        // Whether the peer hears the last word does not matter any more.
        let _ = timeout(patience, to.close()).await;
    }

    /// Tells of everything that did not get there.
    fn give_up(&mut self, unwritten: Option<Bytes>) {
        self.all.forget(self.key, self.number);
        self.queued.close();
        let path = self.path();
        for lost in unwritten.into_iter().chain(std::iter::from_fn(|| self.queued.try_recv().ok())) {
            self.all.sink.unreachable(path, &lost);
        }
    }
}

/// A connection that comes from the address of its listener, where that has one: on a machine with several addresses the
/// peer knows us by it, and Via names it.
async fn connected(local: SocketAddr, remote: SocketAddr) -> io::Result<TcpStream> {
    // From a loopback address nobody else is reached.
    if local.ip().is_unspecified() || (local.ip().is_loopback() && !remote.ip().is_loopback()) {
        return TcpStream::connect(remote).await;
    }
    let socket = if local.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    let mut from = local;
    from.set_port(0); // the listener has its own
    socket.bind(from)?;
    socket.connect(remote).await
}

/// Not fatal where it fails: messages then wait for each other's acknowledgement.
fn without_delay(stream: &TcpStream) {
    if let Err(fault) = stream.set_nodelay(true) {
        tracing::debug!(%fault, "TCP_NODELAY is not to be had");
    }
}

/// Writes what is queued until the queue is closed. Gives the message that could not be written.
async fn write(queued: &mut mpsc::Receiver<Bytes>, to: &mut impl Outgoing, patience: Duration) -> Option<Bytes> {
    while let Some(bytes) = queued.recv().await {
        match timeout(patience, to.put(bytes.clone())).await {
            Ok(Ok(())) => {}
            _ => return Some(bytes),
        }
    }
    None
}

/// Hands on what comes, until the connection ends or breaks.
async fn read(from: &mut impl Incoming, all: &Connections, path: Path, queue: &mpsc::WeakSender<Bytes>) {
    while let Some(frame) = from.next().await {
        match frame {
            Frame::Message(bytes) => all.sink.received(path, bytes),
            Frame::Ping => {
                if let Some(queue) = queue.upgrade() {
                    // Full: the peer does not read; it gets no answer to its keep-alive, and rightly so.
                    let _ = queue.try_send(Bytes::from_static(PONG));
                }
            }
            Frame::Fault(fault) => return all.sink.unframed(path, &fault),
        }
    }
}
