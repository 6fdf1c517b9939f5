//! What connections of every kind have in common, whole messages out and whole messages in; and the kind that is a
//! stream of bytes: TCP, and TLS over it.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::framing::{Frame, Framer};
use crate::sip::message::Limits;

/// How long a connection may keep us waiting.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a connection of ours to be made, with its handshakes.
    pub connect: Duration,
    /// For the handshakes of a peer's, for the rest of a message that has begun, for the first message, and for room to
    /// write.
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

/// The half of a connection that messages come by.
pub(super) trait Incoming: Send {
    /// The next message, keep-alive or fault; `None`: the connection ended, broke, or kept us waiting for too long.
    fn next(&mut self) -> impl Future<Output = Option<Frame>> + Send;
}

/// The half of a connection that messages go by.
pub(super) trait Outgoing: Send {
    /// Writes one message, and what waits before it.
    fn put(&mut self, message: Bytes) -> impl Future<Output = io::Result<()>> + Send;
    /// Says that nothing more comes.
    fn close(&mut self) -> impl Future<Output = io::Result<()>> + Send;
}

/// Messages cut out of a stream of bytes by their lengths.
pub(super) struct Cut<R> {
    from: R,
    framer: Framer,
    piece: BytesMut,
    patience: Patience,
    until: Instant,
    /// A message had begun when the last piece was looked at.
    inside: bool,
    /// A message, or a keep-alive, has become whole since.
    whole: bool,
}

impl<R> Cut<R> {
    /// Reads from a new connection, and waits so long for its first message.
    pub(super) fn new(from: R, patience: Patience, first: Duration) -> Self {
        Self {
            from,
            framer: Framer::new(Limits::default()),
            piece: BytesMut::with_capacity(PIECE),
            patience,
            until: Instant::now() + first,
            inside: false,
            whole: false,
        }
    }

    /// Sets until when the next piece has to come. Not by every byte: a message that trickles in is still one message.
    fn set_deadline(&mut self) {
        if self.framer.is_inside_message() {
            if self.whole || !self.inside {
                self.until = Instant::now() + self.patience.message;
            }
        } else if self.whole || self.inside {
            self.until = Instant::now() + self.patience.idle;
        }
        self.inside = self.framer.is_inside_message();
        self.whole = false;
    }
}

impl<R: AsyncRead + Unpin + Send> Incoming for Cut<R> {
    async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.framer.next() {
                self.whole = true;
                return Some(frame);
            }
            self.set_deadline();
            self.piece.clear();
            match timeout_at(self.until, self.from.read_buf(&mut self.piece)).await {
                Ok(Ok(1..)) => self.framer.push(&self.piece),
                _ => return None,
            }
        }
    }
}

/// Messages written one behind the other.
pub(super) struct Plain<W>(pub(super) W);

impl<W: AsyncWrite + Unpin + Send> Outgoing for Plain<W> {
    async fn put(&mut self, message: Bytes) -> io::Result<()> {
        self.0.write_all(&message).await?;
        // TLS keeps what it could not write at once.
        self.0.flush().await
    }

    async fn close(&mut self) -> io::Result<()> {
        self.0.shutdown().await
    }
}

/// Bytes read at once.
const PIECE: usize = 16 * 1024;
