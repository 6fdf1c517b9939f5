//! Cutting a byte stream into SIP messages by Content-Length (RFC 3261 §18.3), with RFC 5626's keep-alives; no I/O.

#![deny(clippy::indexing_slicing, clippy::string_slice)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::string_slice))]

use bytes::{Buf, Bytes, BytesMut};

use crate::sip::message::{Fault, Limits, ParseError, body_length, parse};

/// What came off the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// One whole message, for [`parse`].
    Message(Bytes),
    /// A keep-alive that wants its answer, [`PONG`].
    ///
    /// RFC 5626 §5.4: "When a server receives a double CRLF sequence between SIP messages on a connection-oriented
    /// transport …, it MUST immediately respond with a single CRLF over the same connection."
    Ping,
    /// Where the next message begins cannot be told: answer by [`ParseError::response`] if it has one, then close.
    Fault(Box<ParseError>),
}

/// The answer to a [`Frame::Ping`].
pub const PONG: &[u8] = b"\r\n";

/// One direction of one connection.
#[derive(Debug)]
pub struct Framer {
    limits: Limits,
    /// What has not been handed out.
    buffer: BytesMut,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Between messages; true after one CRLF, which is a pong, or half a ping.
    Idle { half_ping: bool },
    /// In a head; no line end before `scanned` ends it.
    Head { scanned: usize },
    /// The head is whole; the message will have this many bytes.
    Body { total: usize },
    /// After a fault nothing more is read.
    Broken,
}

impl Framer {
    /// For a new connection; `limits.message` bounds what it holds, but for one piece.
    pub fn new(limits: Limits) -> Self {
        Self { limits, buffer: BytesMut::new(), state: State::Idle { half_ping: false } }
    }

    /// Takes a piece of any size. Ask [`next`](Self::next) until it has no more before the next one.
    pub fn push(&mut self, piece: &[u8]) {
        if !matches!(self.state, State::Broken) {
            self.buffer.extend_from_slice(piece);
        }
    }

    /// Whether a message has begun and is not whole: then the idle limit runs.
    pub fn is_inside_message(&self) -> bool {
        matches!(self.state, State::Head { .. } | State::Body { .. })
    }

    fn idle(&mut self, half_ping: bool) -> Option<Frame> {
        match *self.buffer {
            [b'\r', b'\n', ..] => {
                self.buffer.advance(2);
                // RFC 5626 §3.5.1: a double CRLF is the ping, a single one the pong.
                self.state = State::Idle { half_ping: !half_ping };
                half_ping.then_some(Frame::Ping)
            }
            [b'\n', ..] => {
                self.buffer.advance(1);
                None
            }
            [] | [b'\r'] => None,
            _ => {
                self.state = State::Head { scanned: 0 };
                None
            }
        }
    }

    fn head(&mut self, scanned: usize) -> Option<Frame> {
        let (end, scanned) = end_of_head(&self.buffer, scanned);
        let Some(end) = end else {
            self.state = State::Head { scanned };
            return (self.buffer.len() > self.limits.message)
                .then(|| self.fault(Fault::MessageTooLarge, self.buffer.len()));
        };
        // Said before what the head says, so that the pieces it came in make no difference.
        if end > self.limits.message {
            return Some(self.fault(Fault::MessageTooLarge, end));
        }
        let head = self.buffer.get(..end).unwrap_or_default();
        let total = match body_length(head) {
            Ok(length) => end.saturating_add(length),
            Err(fault) => return Some(self.fault(fault, end)),
        };
        if total > self.limits.message {
            return Some(self.fault(Fault::MessageTooLarge, end));
        }
        self.state = State::Body { total };
        None
    }

    fn body(&mut self, total: usize) -> Option<Frame> {
        if self.buffer.len() < total {
            return None;
        }
        self.state = State::Idle { half_ping: false };
        Some(Frame::Message(self.buffer.split_to(total).freeze()))
    }

    fn fault(&mut self, fault: Fault, head: usize) -> Frame {
        self.state = State::Broken;
        let head = std::mem::take(&mut self.buffer).freeze().slice(..head);
        Frame::Fault(Box::new(match parse(&head, &self.limits) {
            Ok(message) => ParseError::new(fault, message),
            Err(mut error) => {
                error.fault = fault;
                error
            }
        }))
    }
}

impl Iterator for Framer {
    type Item = Frame;

    /// The next frame; `None`: more bytes are needed, or the stream broke.
    fn next(&mut self) -> Option<Frame> {
        loop {
            let before = (self.buffer.len(), std::mem::discriminant(&self.state));
            let frame = match self.state {
                State::Idle { half_ping } => self.idle(half_ping),
                State::Head { scanned } => self.head(scanned),
                State::Body { total } => self.body(total),
                State::Broken => return None,
            };
            if frame.is_some() {
                return frame;
            }
            if before == (self.buffer.len(), std::mem::discriminant(&self.state)) {
                return None;
            }
        }
    }
}

/// Where the head ends, its empty line included, or from where to look on once there is more.
fn end_of_head(buffer: &[u8], scanned: usize) -> (Option<usize>, usize) {
    for at in memchr::memchr_iter(b'\n', buffer.get(scanned..).unwrap_or_default()) {
        let line_end = scanned + at;
        match buffer.get(line_end + 1..).unwrap_or_default() {
            [b'\n', ..] => return (Some(line_end + 2), line_end),
            [b'\r', b'\n', ..] => return (Some(line_end + 3), line_end),
            // What follows decides, and is not here yet.
            [] | [b'\r'] => return (None, line_end),
            _ => {}
        }
    }
    (None, buffer.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: &str = "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKa\r\nFrom: <sip:a@h>;tag=1\r\n\
        To: <sip:b@h>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n";

    fn message(length: &str, body: &str) -> String {
        format!("{OPTIONS}{length}\r\n\r\n{body}")
    }

    fn frames(stream: &str, piece: usize) -> Vec<Frame> {
        let mut framer = Framer::new(Limits::default());
        let mut frames = Vec::new();
        for piece in stream.as_bytes().chunks(piece) {
            framer.push(piece);
            frames.extend(&mut framer);
        }
        frames
    }

    #[test]
    fn pieces_of_any_size_give_the_same_messages() {
        let first = message("l :\r\n 5", "a\r\n\r\nb\r\n".get(..5).unwrap());
        let second = message("Content-Length: 0", "").replace("\r\n", "\n");
        let stream = format!("\r\n{first}{second}\r\n\r\n\r\n{first}");
        let wanted = [
            Frame::Message(first.clone().into()),
            Frame::Message(second.into()),
            Frame::Ping,
            Frame::Message(first.into()),
        ];
        for piece in 1..=stream.len() {
            assert_eq!(frames(&stream, piece), wanted, "in pieces of {piece}");
        }
    }

    #[test]
    fn every_second_crlf_is_a_ping() {
        assert_eq!(frames("\r\n\r\n\r\n\r\n", 1), [Frame::Ping, Frame::Ping]);
        assert_eq!(frames("\r\n", 2), []);
    }

    #[track_caller]
    fn breaks(stream: &str, wanted: &Fault, code: u16) {
        let mut framer = Framer::new(Limits::default());
        framer.push(stream.as_bytes());
        let Some(Frame::Fault(error)) = framer.next() else { panic!("is framed") };
        assert_eq!(error.fault, *wanted);
        assert_eq!(error.response().map(|r| r.status.code()), Some(code));
        framer.push(OPTIONS.as_bytes());
        assert_eq!(framer.next(), None);
    }

    #[test]
    fn what_cannot_be_framed_is_answered_and_ends_the_stream() {
        use crate::sip::message::{Name, Syntax};
        breaks(&message("l: -999", "x"), &Fault::Header(Name::ContentLength, Syntax::Number), 400);
        breaks(&message("l: 13\r\nl: 5", "x"), &Fault::Repeated(Name::ContentLength), 400);
        breaks(&message("c: text/plain", "x"), &Fault::Missing(Name::ContentLength), 400);
        breaks(&message("l: 99999", "x"), &Fault::MessageTooLarge, 513);
        breaks(&message("l: 99999999999999999999999", "x"), &Fault::Header(Name::ContentLength, Syntax::Number), 400);
        breaks(&format!("{OPTIONS}X: {}", "x".repeat(70_000)), &Fault::MessageTooLarge, 513);
        breaks(&format!("{OPTIONS}l: x\r\nX: {}\r\n\r\n", "x".repeat(70_000)), &Fault::MessageTooLarge, 513);
    }

    #[test]
    fn a_missing_body_leaves_the_stream_inside_a_message() {
        let mut framer = Framer::new(Limits::default());
        framer.push(message("l: 5", "1234").as_bytes());
        assert_eq!(framer.next(), None);
        assert!(framer.is_inside_message());
        framer.push(b"5");
        assert!(framer.next().is_some() && !framer.is_inside_message());
    }

    #[test]
    fn long_heads_in_small_pieces_are_looked_at_once() {
        let mut framer = Framer::new(Limits { message: 1 << 20, ..Limits::default() });
        let line = format!("X: {}\r\n", "x".repeat(100));
        for _ in 0..5_000 {
            framer.push(line.as_bytes());
            assert_eq!(framer.next(), None);
            let State::Head { scanned } = framer.state else { panic!("in the head") };
            assert!(framer.buffer.len() - scanned <= 2);
        }
    }
}
