//! SIP over UDP: one socket a listener, one task that reads it, and sends that never wait.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::Notify;

use super::icmp;
use super::sink::{Path, Sink};
use crate::base::Transport;

/// A UDP listener, and what waits for room in its socket.
#[derive(Debug)]
pub struct Udp {
    socket: UdpSocket,
    local: SocketAddr,
    overflow: Mutex<VecDeque<(SocketAddr, Bytes)>>,
    overflowed: Notify,
}

impl Udp {
    /// Opens the socket; port 0 takes any.
    pub fn bind(at: SocketAddr) -> io::Result<Arc<Self>> {
        let socket = Socket::new(Domain::for_address(at), Type::DGRAM, Some(Protocol::UDP))?;
        if at.is_ipv6() {
            // IPv4 has listeners of its own; mapped addresses would match no `accept` prefix.
            socket.set_only_v6(true)?;
        }
        if let Err(fault) = icmp::keep_errors(&socket, at.is_ipv6()) {
            tracing::debug!(%fault, "the system does not tell of datagrams that did not get there");
        }
        socket.set_nonblocking(true)?;
        // Not fatal where the system allows less: a burst then costs retransmissions.
        let _ = socket.set_recv_buffer_size(BUFFER);
        let _ = socket.set_send_buffer_size(BUFFER);
        socket.bind(&at.into())?;
        let socket = UdpSocket::from_std(socket.into())?;
        let local = socket.local_addr()?;
        Ok(Arc::new(Self { socket, local, overflow: Mutex::default(), overflowed: Notify::new() }))
    }

    /// The address that it got.
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Sends without waiting: what finds the socket full goes out behind what is waiting already.
    pub fn send(&self, remote: SocketAddr, bytes: &Bytes) -> io::Result<()> {
        let mut overflow = self.overflow.lock();
        if overflow.is_empty() {
            match self.try_send(remote, bytes) {
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
        if overflow.len() < OVERFLOW {
            overflow.push_back((remote, bytes.clone()));
        } else {
            // As if lost on the way: retransmission mends it.
            tracing::debug!(local = %self.local, "the socket stays full: a datagram is dropped");
        }
        self.overflowed.notify_one();
        Ok(())
    }

    /// One attempt, and a second where the first only fetched an error that ICMP had left at the socket for an earlier
    /// datagram, perhaps to somebody else.
    fn try_send(&self, remote: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        match self.socket.try_send_to(bytes, remote) {
            Err(fault) if is_left_by_icmp(&fault) => self.socket.try_send_to(bytes, remote).map(drop),
            sent => sent.map(drop),
        }
    }

    /// Hands every datagram to `sink`, for ever.
    pub async fn receive(&self, sink: &dyn Sink) {
        let mut buffer = vec![0; LARGEST];
        loop {
            match self.socket.ready(Interest::READABLE | Interest::ERROR).await {
                Ok(ready) if ready.is_error() => self.report_lost(&mut buffer, sink),
                Ok(_) => {}
                Err(fault) => tracing::error!(local = %self.local, %fault, "cannot wait for the UDP socket"),
            }
            if self.receive_some(&mut buffer, sink) {
                // Timers and other listeners have their turn under a flood too.
                tokio::task::yield_now().await;
            }
        }
    }

    /// Reads what is there, but not for ever; true: there may be more.
    fn receive_some(&self, buffer: &mut [u8], sink: &dyn Sink) -> bool {
        for _ in 0..AT_A_TIME {
            match self.socket.try_recv_from(buffer) {
                Ok((length, remote)) => sink.received(self.path(remote), Bytes::copy_from_slice(&buffer[..length])),
                Err(fault) if is_left_by_icmp(&fault) => self.report_lost(buffer, sink),
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => return false,
                Err(fault) => tracing::error!(local = %self.local, %fault, "cannot read the UDP socket"),
            }
        }
        true
    }

    /// Tells of the datagrams that ICMP sent back.
    fn report_lost(&self, buffer: &mut [u8], sink: &dyn Sink) {
        while let Ok((length, remote)) =
            self.socket.try_io(Interest::ERROR, || icmp::next_lost(&self.socket, &mut *buffer))
        {
            if let Some(remote) = remote {
                sink.unreachable(self.path(remote), &buffer[..length]);
            }
        }
    }

    const fn path(&self, remote: SocketAddr) -> Path {
        Path { transport: Transport::Udp, local: self.local, remote }
    }

    /// Sends what had to wait, for ever.
    pub async fn drain(&self) {
        loop {
            self.overflowed.notified().await;
            while self.next_fits().await {}
        }
    }

    /// Waits for room and sends the first that waits; false where none does.
    async fn next_fits(&self) -> bool {
        if self.overflow.lock().is_empty() {
            return false;
        }
        if let Err(fault) = self.socket.writable().await {
            tracing::error!(local = %self.local, %fault, "cannot write the UDP socket");
            return false;
        }
        let mut overflow = self.overflow.lock();
        if let Some((remote, bytes)) = overflow.front()
            && !matches!(self.try_send(*remote, bytes), Err(fault) if fault.kind() == io::ErrorKind::WouldBlock)
        {
            overflow.pop_front();
        }
        true
    }
}

fn is_left_by_icmp(fault: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    matches!(fault.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable)
}

/// The largest datagram that there is.
const LARGEST: usize = 65_535;
/// Asked of the system for a socket's buffers: a burst of some thousand messages.
const BUFFER: usize = 4 << 20;
/// How many datagrams are read before others have their turn.
const AT_A_TIME: usize = 64;
/// How many datagrams may wait for room in the socket.
const OVERFLOW: usize = 4096;

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[derive(Debug, PartialEq)]
    enum Seen {
        Received(SocketAddr, Bytes),
        Lost(SocketAddr, Vec<u8>),
    }

    struct Watcher(mpsc::UnboundedSender<Seen>);

    impl Sink for Watcher {
        fn received(&self, path: Path, bytes: Bytes) {
            self.0.send(Seen::Received(path.remote, bytes)).unwrap();
        }
        fn unframed(&self, _: Path, _: &crate::sip::message::ParseError) {}
        fn unreachable(&self, path: Path, sent: &[u8]) {
            self.0.send(Seen::Lost(path.remote, sent.to_vec())).unwrap();
        }
    }

    async fn soon<T>(event: impl Future<Output = T>) -> T {
        tokio::time::timeout(std::time::Duration::from_secs(5), event).await.expect("it comes at once")
    }

    fn any() -> SocketAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    #[tokio::test]
    async fn tells_of_a_datagram_to_a_closed_port_and_still_hears_others() {
        let (udp, peer) = (Udp::bind(any()).unwrap(), Udp::bind(any()).unwrap());
        let closed = std::net::UdpSocket::bind(any()).unwrap().local_addr().unwrap();
        let (tell, mut seen) = mpsc::unbounded_channel();
        let mut tasks = tokio::task::JoinSet::new();
        for udp in [Arc::clone(&udp), Arc::clone(&peer)] {
            tasks.spawn(async move { udp.drain().await });
        }
        tasks.spawn({
            let udp = Arc::clone(&udp);
            async move { udp.receive(&Watcher(tell)).await }
        });
        udp.send(closed, &Bytes::from_static(b"INVITE to nobody")).unwrap();
        assert_eq!(soon(seen.recv()).await, Some(Seen::Lost(closed, b"INVITE to nobody".to_vec())));
        peer.send(udp.local(), &Bytes::from_static(b"hello")).unwrap();
        assert_eq!(soon(seen.recv()).await, Some(Seen::Received(peer.local(), Bytes::from_static(b"hello"))));
    }
}
