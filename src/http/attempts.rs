//! How often somebody may try a password: per employee at an address, per address, and per employee from anywhere.
//!
//! Unknown employees are counted as known ones are, so that nothing tells them apart. Each try takes a place in all
//! three, and the right password gives them back.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use parking_lot::Mutex;

use crate::base::Instant;

/// A few tries at once, then one every so often.
#[derive(Debug, Clone, Copy)]
struct Limit {
    at_once: u32,
    every: Duration,
}

/// One employee from one address.
const PAIR: Limit = Limit { at_once: 5, every: Duration::from_secs(15) };
/// One address, whoever it tries to be.
const ADDRESS: Limit = Limit { at_once: 20, every: Duration::from_secs(6) };
/// One employee, from wherever: an office has many addresses, whoever guesses may have thousands.
const EMPLOYEE: Limit = Limit { at_once: 30, every: Duration::from_secs(20) };
/// Each kind remembers so many; the one who may try again first is forgotten first.
const MOST: usize = 10_000;

/// The wrong passwords of the last minutes.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    counts: Mutex<Counts>,
}

/// By whom: when all that was tried is forgotten.
#[derive(Debug, Default)]
struct Counts {
    pairs: HashMap<(String, IpAddr), Instant>,
    addresses: HashMap<IpAddr, Instant>,
    employees: HashMap<String, Instant>,
}

impl Attempts {
    /// Takes a place for a try of this employee's password from this address; else how long to wait for one.
    ///
    /// `trusted`: she is signed in from there already, so that nobody elsewhere can lock her out.
    pub(super) fn take(&self, now: Instant, employee: &str, from: IpAddr, trusted: bool) -> Result<(), Duration> {
        let from = network(from);
        let mut counts = self.counts.lock();
        let pair = (employee.to_owned(), from);
        let waits = [
            wait(&counts.pairs, &pair, now, PAIR),
            wait(&counts.addresses, &from, now, ADDRESS),
            if trusted { Duration::ZERO } else { wait(&counts.employees, &pair.0, now, EMPLOYEE) },
        ];
        let longest = waits.into_iter().max().unwrap_or_default();
        if !longest.is_zero() {
            return Err(longest);
        }
        put(&mut counts.employees, pair.0.clone(), now, EMPLOYEE);
        put(&mut counts.pairs, pair, now, PAIR);
        put(&mut counts.addresses, from, now, ADDRESS);
        Ok(())
    }

    /// The password was right: the try does not count.
    pub(super) fn give_back(&self, employee: &str, from: IpAddr) {
        let from = network(from);
        let mut counts = self.counts.lock();
        let back = |at: &mut Instant, every: Duration| {
            let micros = u64::try_from(every.as_micros()).unwrap_or(u64::MAX);
            *at = Instant::from_micros(at.as_micros().saturating_sub(micros));
        };
        counts.pairs.remove(&(employee.to_owned(), from));
        counts.addresses.entry(from).and_modify(|at| back(at, ADDRESS.every));
        counts.employees.entry(employee.to_owned()).and_modify(|at| back(at, EMPLOYEE.every));
    }
}

/// How long this one has to wait for a place.
fn wait<K: Hash + Eq>(counts: &HashMap<K, Instant>, key: &K, now: Instant, limit: Limit) -> Duration {
    let full = limit.every * (limit.at_once - 1);
    counts.get(key).map_or(Duration::ZERO, |until| until.since(now + full))
}

fn put<K: Hash + Eq + Clone>(counts: &mut HashMap<K, Instant>, key: K, now: Instant, limit: Limit) {
    if counts.len() >= MOST && !counts.contains_key(&key) {
        counts.retain(|_, until| *until > now);
        let first = counts.iter().min_by_key(|(_, until)| **until).map(|(key, _)| key.clone());
        if let Some(first) = first.filter(|_| counts.len() >= MOST) {
            counts.remove(&first);
        }
    }
    let until = counts.entry(key).or_insert(now);
    *until = (*until).max(now) + limit.every;
}

/// Who has one address of IPv6 has the other 2^64 of its network too.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(1_000_000 + seconds * 1_000)
    }

    fn address(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    #[test]
    fn five_tries_at_once_then_one_in_a_quarter_of_a_minute() {
        let attempts = Attempts::default();
        assert!((0..5).all(|_| attempts.take(at(0), "ana", address(1), false).is_ok()));
        assert_eq!(attempts.take(at(0), "ana", address(1), false), Err(PAIR.every));
        assert_eq!(attempts.take(at(10), "ana", address(1), false), Err(Duration::from_secs(5)));
        assert!(attempts.take(at(10), "bruno", address(1), false).is_ok(), "another employee");
        assert!(attempts.take(at(10), "ana", address(2), false).is_ok(), "from elsewhere");
        assert!(attempts.take(at(15), "ana", address(1), false).is_ok());
        assert!(attempts.take(at(15), "ana", address(1), false).is_err());
    }

    #[test]
    fn whoever_tries_many_employees_from_one_address_is_slowed_there_alone() {
        let attempts = Attempts::default();
        let tried = (0..100).take_while(|n| attempts.take(at(0), &format!("e{n}"), address(1), false).is_ok());
        assert_eq!(tried.count(), 20);
        assert!(attempts.take(at(0), "ana", address(2), false).is_ok());
        let v6 = |last: u16| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last]);
        let tried = (0..100).take_while(|n| attempts.take(at(0), &format!("e{n}"), v6(*n), false).is_ok());
        assert_eq!(tried.count(), 20, "one network of IPv6 is one address");
    }

    #[test]
    fn whoever_tries_one_employee_from_many_addresses_is_slowed_and_she_herself_is_not() {
        let attempts = Attempts::default();
        let tried = (0..200).take_while(|n| attempts.take(at(0), "ana", address(*n), false).is_ok());
        assert_eq!(tried.count(), 30);
        assert!(attempts.take(at(0), "ana", address(201), false).is_err());
        assert!(attempts.take(at(0), "ana", address(201), true).is_ok(), "where she is signed in already");
    }

    #[test]
    fn the_right_password_costs_nothing() {
        let attempts = Attempts::default();
        for _ in 0..1_000 {
            attempts.take(at(0), "ana", address(1), false).unwrap();
            attempts.give_back("ana", address(1));
        }
    }

    #[test]
    fn what_is_remembered_has_an_end_and_the_freshest_stay() {
        let attempts = Attempts::default();
        for n in 0..30_000_u32 {
            let from = IpAddr::from(n.to_be_bytes());
            attempts.take(at(0), &format!("nobody {n}"), from, false).unwrap();
        }
        let counts = attempts.counts.lock();
        assert_eq!((counts.pairs.len(), counts.addresses.len(), counts.employees.len()), (MOST, MOST, MOST));
    }
}
