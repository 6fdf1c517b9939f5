//! Where what comes off the sockets goes: the one seam between the sockets and whoever understands messages.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::base::Transport;
use crate::sip::message::ParseError;

/// The way by which bytes came, or were to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Path {
    /// By which transport.
    pub transport: Transport,
    /// The listener.
    pub local: SocketAddr,
    /// The peer.
    pub remote: SocketAddr,
}

/// Takes what comes off the sockets. Its methods run in the sockets' own tasks: they must not wait for anything.
pub trait Sink: Send + Sync + 'static {
    /// One whole message, or one datagram.
    fn received(&self, path: Path, bytes: Bytes);
    /// A stream whose next message cannot be found. What is sent in here still goes out; then the connection closes.
    fn unframed(&self, path: Path, fault: &ParseError);
    /// A message that did not get there; `sent` is its beginning, with its topmost Via.
    fn unreachable(&self, path: Path, sent: &[u8]);
}
