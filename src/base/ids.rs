//! Identifiers, and the one seeded source of chance that the core is handed.

use std::fmt;
use std::str::FromStr;

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Wall;

/// One call, from the first INVITE to the last record: 64 bits, printed as 16 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(u64);

impl CallId {
    /// The identifier with these bits.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Its bits.
    pub const fn bits(self) -> u64 {
        self.0
    }
}

/// Gives calls their identifiers: 40 bits of the date in milliseconds, then 24 random ones, and never one twice.
///
/// Calls that end together have identifiers that lie together, so that a commit of many writes few pages of the
/// store's indexes. Nobody has to guess an identifier to be kept out of a call: tags and branches carry 64 random bits
/// besides.
#[derive(Debug, Default)]
pub struct CallIds {
    last: u64,
}

impl CallIds {
    /// 2020-01-01T00:00:00Z in Unix milliseconds: 40 bits reach 2054 from there.
    const ORIGIN: i64 = 1_577_836_800_000;

    /// The identifier of a call that begins now.
    pub fn next(&mut self, now: Wall, ids: &mut Ids) -> CallId {
        let millis = u64::try_from(now.unix_millis().saturating_sub(Self::ORIGIN)).unwrap_or(0);
        let fresh = (millis << 24) | (ids.bits() >> 40);
        self.last = fresh.max(self.last.wrapping_add(1));
        CallId(self.last)
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a call's identifier: 16 lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a call's identifier is 16 hex digits")]
pub struct NotACallId;

impl FromStr for CallId {
    type Err = NotACallId;

    fn from_str(text: &str) -> Result<Self, NotACallId> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() != 16 || !text.bytes().all(hex) {
            return Err(NotACallId);
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| NotACallId)
    }
}

impl Serialize for CallId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CallId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// One leg of a call: 0 is the A leg, toward the caller; B legs, toward callees, count from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct LegId(pub u16);

impl LegId {
    /// The leg of the INVITE that began the call.
    pub const A: Self = Self(0);
}

/// The source of everything random in the core: identifiers, tags, branches, back-off jitter.
///
/// It is a CSPRNG, so that its tags meet RFC 3261 §19.3: "cryptographically random with at least 32 bits of randomness".
#[derive(Clone)]
pub struct Ids(StdRng);

impl Ids {
    /// The same seed gives the same identifiers: for tests and replay.
    pub fn seeded(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// Seeded by the operating system: for `serve`.
    pub fn from_os() -> Self {
        Self(StdRng::from_os_rng())
    }

    /// A source of its own for a part, so that parts don't disturb each other's sequence.
    pub fn fork(&mut self) -> Self {
        Self(StdRng::from_rng(&mut self.0))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A new call's identifier.
    pub fn call(&mut self) -> CallId {
        CallId(self.bits())
    }

    /// A number below `limit`; 0 where `limit` is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        if limit == 0 { 0 } else { self.bits() % limit }
    }
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ids")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_one_moment_and_of_a_clock_set_back_have_identifiers_of_their_own_in_order() {
        let (mut ids, mut calls) = (Ids::seeded(7), CallIds::default());
        let at = Wall::from_unix_millis(1_795_528_800_000);
        let earlier = Wall::from_unix_millis(1_795_528_000_000);
        let given: Vec<CallId> = (0..1_000).map(|n| calls.next(if n < 500 { at } else { earlier }, &mut ids)).collect();
        assert!(given.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(given[0].to_string().len(), 16);
    }
}
