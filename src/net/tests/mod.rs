//! Connections of every kind against peers of the tests' own.

mod names;
mod secure;
mod tcp;
mod websocket;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::connections::{Connections, Patience, Unsent};
use super::listener::Listener;
use super::sink::{Path, Sink};
use super::tls::Roots;
use crate::base::{Hop, HostName, Transport};
use crate::sip::message::ParseError;

/// What came out of the connections.
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

/// Connections with one listener.
struct Bench {
    all: Arc<Connections>,
    transport: Transport,
    local: SocketAddr,
    seen: mpsc::UnboundedReceiver<Seen>,
    _accepting: tokio::task::JoinSet<()>,
}

impl Bench {
    fn of(transport: Transport, patience: Patience) -> Self {
        Self::trusting(Roots::System, transport, patience)
    }

    fn trusting(roots: Roots, transport: Transport, patience: Patience) -> Self {
        Self::at("127.0.0.1:0", roots, transport, patience)
    }

    fn at(listen: &str, roots: Roots, transport: Transport, patience: Patience) -> Self {
        let (tell, seen) = mpsc::unbounded_channel();
        let all = Connections::trusting(roots, Arc::new(Watcher(tell)), patience);
        let listener = Listener::bind(transport, listen.parse().unwrap()).unwrap();
        let local = listener.local();
        let mut accepting = tokio::task::JoinSet::new();
        accepting.spawn(Arc::clone(&all).accept(listener));
        Self { all, transport, local, seen, _accepting: accepting }
    }

    /// Back to where something came from.
    fn send(&self, remote: SocketAddr, bytes: Bytes) -> Result<(), Unsent> {
        self.send_to(remote, None, bytes)
    }

    fn send_to(&self, remote: SocketAddr, name: Option<&str>, bytes: Bytes) -> Result<(), Unsent> {
        let (transport, local, name) = (self.transport, self.local, name.map(HostName::new));
        self.all.send(&Hop { transport, local, remote, advertised: local, name }, bytes)
    }

    async fn next(&mut self) -> Seen {
        timeout(Duration::from_secs(5), self.seen.recv()).await.expect("it comes").expect("the sink lives")
    }

    async fn received(&mut self) -> (Path, Bytes) {
        match self.next().await {
            Seen::Received(path, bytes) => (path, bytes),
            other => panic!("a message, not {other:?}"),
        }
    }
}

fn short() -> Patience {
    Patience { message: Duration::from_millis(100), ..Patience::default() }
}

async fn is_closed(stream: &mut (impl AsyncRead + Unpin)) -> bool {
    timeout(Duration::from_secs(5), stream.read(&mut [0; 64])).await.is_ok_and(|read| !matches!(read, Ok(1..)))
}
