//! INVITEs that were refused without any call: their retransmissions are known by their bytes and get the same answer
//! again, before anybody reads them.
//!
//! RFC 3261 §8.2.7: a stateless UAS gives the same answer to the same request. So does this one, also where a moment
//! later it would take the call: whoever was told 503 is calling elsewhere already.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::base::Instant;

/// The answers of late.
#[derive(Debug)]
pub(super) struct Repeats {
    /// Keyed anew in each process, so that nobody can make two requests alike.
    hasher: RandomState,
    kept: Mutex<Kept>,
    /// For how long a client sends the same request: 64 T1.
    lifetime: Duration,
}

#[derive(Debug, Default)]
struct Kept {
    answers: HashMap<Print, Answer>,
    /// In the order in which they were given.
    order: VecDeque<(Instant, Print)>,
}

/// A datagram and where it came from, in few bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Print(u64, usize);

/// What a request was answered.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) target: SocketAddr,
    pub(super) bytes: Bytes,
}

impl Repeats {
    /// For clients with this T1.
    pub(super) fn new(t1: Duration) -> Self {
        Self { hasher: RandomState::new(), kept: Mutex::default(), lifetime: t1 * 64 }
    }

    /// Of a datagram that may be an INVITE; all others come through whole.
    pub(super) fn print(&self, source: SocketAddr, datagram: &[u8]) -> Option<Print> {
        datagram.starts_with(b"INVITE ").then(|| Print(self.hasher.hash_one((source, datagram)), datagram.len()))
    }

    /// What this datagram was answered when it came first.
    pub(super) fn find(&self, print: Print, now: Instant) -> Option<Answer> {
        let mut kept = self.kept.lock();
        kept.forget_before(now, self.lifetime);
        kept.answers.get(&print).cloned()
    }

    /// Keeps an answer; the oldest goes where there are too many.
    pub(super) fn keep(&self, print: Print, answer: Answer, now: Instant) {
        let mut kept = self.kept.lock();
        kept.forget_before(now, self.lifetime);
        if kept.answers.len() >= MOST {
            kept.forget_oldest();
        }
        if kept.answers.insert(print, answer).is_none() {
            kept.order.push_back((now, print));
        }
    }
}

impl Kept {
    fn forget_before(&mut self, now: Instant, lifetime: Duration) {
        while self.order.front().is_some_and(|(at, _)| now.since(*at) >= lifetime) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, print)) = self.order.pop_front() {
            self.answers.remove(&print);
        }
    }
}

/// Answers kept: some seconds' worth of a flood, and a few megabytes.
const MOST: usize = 8_192;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Instant {
        Instant::from_millis(secs * 1_000)
    }

    fn source() -> SocketAddr {
        "192.0.2.1:5060".parse().unwrap()
    }

    fn answer(text: &'static str) -> Answer {
        Answer { target: source(), bytes: Bytes::from_static(text.as_bytes()) }
    }

    #[test]
    fn the_same_bytes_from_the_same_source_get_the_same_answer_for_as_long_as_clients_repeat_them() {
        let repeats = Repeats::new(Duration::from_millis(500));
        let print = repeats.print(source(), b"INVITE one").unwrap();
        repeats.keep(print, answer("503"), at(1));
        assert_eq!(repeats.find(print, at(32)).unwrap().bytes, "503");
        let elsewhere = repeats.print("192.0.2.2:5060".parse().unwrap(), b"INVITE one").unwrap();
        let other = repeats.print(source(), b"INVITE two").unwrap();
        assert!(repeats.find(elsewhere, at(2)).is_none() && repeats.find(other, at(2)).is_none());
        assert!(repeats.find(print, at(33)).is_none());
        assert!(repeats.kept.lock().order.is_empty());
        assert!(repeats.print(source(), b"BYE sip:x SIP/2.0").is_none());
    }

    #[test]
    fn a_flood_takes_no_more_than_its_room() {
        let repeats = Repeats::new(Duration::from_millis(500));
        for n in 0..2 * MOST {
            let print = repeats.print(source(), format!("INVITE {n}").as_bytes()).unwrap();
            repeats.keep(print, answer("503"), at(1));
            assert!(repeats.find(print, at(1)).is_some());
        }
        let kept = repeats.kept.lock();
        assert_eq!((kept.answers.len(), kept.order.len()), (MOST, MOST));
    }
}
