//! Strangers who insist: how many answers an address gets, and which are not listened to for a while.
//!
//! An address is dropped for being nobody's who may call here, never for a wrong extension or a busy line: those are
//! mistakes of people. Over UDP it may be forged, so a ban is short, and whoever the files name has none.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::base::Instant;

/// The strangers of late, by address.
#[derive(Debug, Default)]
pub(super) struct Offenders {
    table: Mutex<Table>,
    /// How many have been dropped and are still in the table: while it is 0 nobody takes the lock to ask.
    banned: AtomicUsize,
}

#[derive(Debug, Default)]
struct Table {
    records: HashMap<Source, Record>,
    /// When the table was last swept because it was full.
    swept: Option<Instant>,
}

/// Whom we hold to account: an IPv4 address, or the /64 in which an IPv6 host picks addresses as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Source(IpAddr);

impl Source {
    fn of(ip: IpAddr) -> Self {
        Self(match ip.to_canonical() {
            v4 @ IpAddr::V4(_) => v4,
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        })
    }
}

#[derive(Debug, Clone, Copy)]
struct Record {
    /// When her last answers went out; the oldest stands at `next`.
    answered: [Option<Instant>; ANSWERS],
    next: usize,
    /// When the count of refusals began.
    since: Instant,
    refused: u32,
    bans: u32,
    /// Until when she is not listened to, where she was ever banned.
    until: Option<Instant>,
    last: Instant,
}

impl Record {
    const fn new(now: Instant) -> Self {
        Self { answered: [None; ANSWERS], next: 0, since: now, refused: 0, bans: 0, until: None, last: now }
    }

    fn is_banned(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// Whether it may be forgotten.
    fn is_stale(&self, now: Instant) -> bool {
        let kept = if self.until.is_some() { MEMORY } else { WINDOW };
        !self.is_banned(now) && now.since(self.last.max(self.until.unwrap_or_default())) > kept
    }
}

impl Offenders {
    /// Whether nothing of this address is even read now.
    pub(super) fn is_dropped(&self, ip: IpAddr, now: Instant) -> bool {
        self.banned.load(Ordering::Relaxed) > 0
            && self.table.lock().records.get(&Source::of(ip)).is_some_and(|record| record.is_banned(now))
    }

    /// Whether this address gets one more answer: [`ANSWERS`] in any second, for it may be somebody else's.
    pub(super) fn answers(&self, ip: IpAddr, now: Instant) -> bool {
        self.with(ip, now, |record| {
            let oldest = &mut record.answered[record.next];
            if oldest.is_some_and(|at| now.since(at) < SECOND) {
                return false;
            }
            *oldest = Some(now);
            record.next = (record.next + 1) % ANSWERS;
            true
        })
        // More strangers than we remember: silence costs nobody anything.
        .unwrap_or(false)
    }

    /// A stranger at this address was refused once more. True: that was once too often, and she is dropped from now on.
    pub(super) fn refused(&self, ip: IpAddr, now: Instant) -> bool {
        let was_first = self.with(ip, now, |record| {
            if now.since(record.since) > WINDOW {
                (record.since, record.refused) = (now, 0);
            }
            record.refused += 1;
            if record.refused < REFUSALS || record.is_banned(now) {
                return None;
            }
            let first = record.until.is_none();
            record.until = Some(now + BAN * (1 << record.bans.min(LONGEST)));
            record.bans += 1;
            record.refused = 0;
            Some(first)
        });
        let Some(Some(first)) = was_first else { return false };
        self.banned.fetch_add(usize::from(first), Ordering::Relaxed);
        true
    }

    /// Forgives the addresses that are named now.
    pub(super) fn pardon(&self, is_named: impl Fn(IpAddr) -> bool) {
        let mut table = self.table.lock();
        table.records.retain(|source, record| record.until.is_none() || !is_named(source.0));
        self.recount(&table);
    }

    fn with<T>(&self, ip: IpAddr, now: Instant, what: impl FnOnce(&mut Record) -> T) -> Option<T> {
        let mut table = self.table.lock();
        let source = Source::of(ip);
        if table.records.len() >= STRANGERS && !table.records.contains_key(&source) {
            if table.swept.is_some_and(|swept| now.since(swept) < SECOND) {
                return None;
            }
            table.swept = Some(now);
            table.records.retain(|_, record| !record.is_stale(now));
            self.recount(&table);
            if table.records.len() >= STRANGERS {
                return None;
            }
        }
        let record = table.records.entry(source).or_insert(Record::new(now));
        record.last = now;
        Some(what(record))
    }

    fn recount(&self, table: &Table) {
        let banned = table.records.values().filter(|record| record.until.is_some()).count();
        self.banned.store(banned, Ordering::Relaxed);
    }
}

/// Answers to one address in any second.
const ANSWERS: usize = 5;
const SECOND: Duration = Duration::from_secs(1);
/// So many refusals …
const REFUSALS: u32 = 20;
/// … in so long, and the address is dropped …
const WINDOW: Duration = Duration::from_secs(10);
/// … for so long, twice as long the next time …
const BAN: Duration = Duration::from_secs(60);
/// … and at most so many times twice.
const LONGEST: u32 = 4;
/// For how long after a ban the next one is longer.
const MEMORY: Duration = Duration::from_secs(3600);
/// Strangers remembered.
const STRANGERS: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(1_000 + millis)
    }

    fn ip(n: u8) -> IpAddr {
        [192, 0, 2, n].into()
    }

    #[test]
    fn five_answers_in_any_second_and_silence_beyond() {
        let offenders = Offenders::default();
        let answered = |from: u64, to: u64| (from..to).step_by(10).filter(|t| offenders.answers(ip(1), at(*t))).count();
        assert_eq!(answered(0, 1_000), 5);
        assert!(offenders.answers(ip(2), at(500)), "others still get theirs");
        assert_eq!(answered(1_000, 2_000), 5, "the second after has no more");
    }

    #[test]
    fn who_is_refused_too_often_is_dropped_for_a_while_and_longer_the_next_time() {
        let offenders = Offenders::default();
        let offend = |t: u64| (0..REFUSALS).any(|_| offenders.refused(ip(1), at(t)));
        assert!(offend(0));
        assert!(offenders.is_dropped(ip(1), at(59_999)) && !offenders.is_dropped(ip(2), at(1)));
        assert!(!offenders.is_dropped(ip(1), at(60_000)));
        assert!(offend(61_000));
        assert!(offenders.is_dropped(ip(1), at(61_000 + 119_000)));
    }

    #[test]
    fn a_refusal_now_and_then_is_a_mistake() {
        let offenders = Offenders::default();
        assert!((0..500).all(|n| !offenders.refused(ip(1), at(n * 1_000))));
    }

    #[test]
    fn whoever_the_files_name_meanwhile_is_heard_again() {
        let offenders = Offenders::default();
        assert!((0..REFUSALS).any(|_| offenders.refused(ip(1), at(0))));
        offenders.pardon(|named| named == ip(1));
        assert!(!offenders.is_dropped(ip(1), at(1)));
        assert_eq!(offenders.banned.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_host_that_changes_its_ipv6_address_is_the_same_host() {
        let offenders = Offenders::default();
        let host = |n: u16| IpAddr::from([0x2001, 0xdb8, 0, 7, 0, 0, 0, n]);
        assert!((0..u16::try_from(REFUSALS).unwrap()).any(|n| offenders.refused(host(n), at(0))));
        assert!(offenders.is_dropped(host(999), at(1)));
        assert!(!offenders.is_dropped([0x2001, 0xdb8, 0, 8, 0, 0, 0, 1].into(), at(1)));
    }

    #[test]
    fn more_strangers_than_we_remember_get_silence_and_take_no_memory() {
        let offenders = Offenders::default();
        let nth = |n: usize| IpAddr::from(u32::try_from(n).unwrap().to_be_bytes());
        assert!((0..STRANGERS).all(|n| offenders.answers(nth(n), at(0))));
        assert!(!offenders.answers(nth(STRANGERS), at(1)));
        assert!(!offenders.refused(nth(STRANGERS), at(1)));
        assert_eq!(offenders.table.lock().records.len(), STRANGERS);
        let later = at(20_000);
        assert!(offenders.answers(nth(STRANGERS), later), "those of long ago make room");
        assert_eq!(offenders.table.lock().records.len(), 1);
    }
}
