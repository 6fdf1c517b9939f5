//! The numbers by which we ask for a password: signed instead of remembered, and counted so that nothing is replayed.
//!
//! RFC 7616 §3.3: a nonce is "uniquely generated each time a 401 response is made". Ours says when it was made and is
//! signed over that, the source's address and the user it was made for, with a secret that all nodes of a store share.
//! What has to be remembered is only which counts of it were used: [`MOST`] nonces, each for [`FRESH`].

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::digest::hex;
use crate::base::{Now, Wall};

/// How long a nonce is good for.
pub const FRESH: Duration = Duration::from_secs(5 * 60);

/// Nonces whose counts are remembered at once; the oldest go first.
pub const MOST: usize = 50_000;

/// What makes and checks nonces.
pub struct Nonces {
    secret: [u8; 32],
    /// How many were made, over and over: tells apart those of one millisecond.
    made: u8,
    /// What was made before is old: which of its counts were used, only the process before has known.
    since: Wall,
    /// By nonce: which of its counts were used.
    used: HashMap<Box<str>, Used>,
    /// The same in order of age.
    ages: BTreeMap<(i64, Box<str>), ()>,
}

/// Which counts of a nonce were used: the highest, and of the 64 below it each.
#[derive(Debug, Clone, Copy)]
struct Used {
    highest: u32,
    /// Bit n: `highest - 1 - n`.
    below: u64,
}

/// What a nonce is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worth {
    /// Ours, fresh, and its count is new.
    Good,
    /// Ours, but old: the client may answer a new one with the same password.
    Stale,
    /// Not ours, or not for this source and user.
    Foreign,
    /// It has been used with this count, or without one.
    Replayed,
}

// Whoever knew the secret could make nonces.
impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nonces").field("used", &self.used.len()).finish_non_exhaustive()
    }
}

impl Nonces {
    /// Nonces by this secret, made from now on.
    pub fn new(secret: [u8; 32], since: Wall) -> Self {
        Self { secret, made: 0, since, used: HashMap::new(), ages: BTreeMap::new() }
    }

    /// A nonce for this user at this address: 11 hex digits of the date in milliseconds, 2 of a count, 30 of the
    /// signature. No two are alike: a phone that subscribes to twenty lamps at once counts each of them from 1.
    pub fn make(&mut self, now: Now, source: IpAddr, user: &str) -> String {
        self.made = self.made.wrapping_add(1);
        let begins = format!("{:011x}{:02x}", now.wall.unix_millis().max(0), self.made);
        let signature = self.signature(&begins, source, user);
        begins + &signature
    }

    /// What a nonce is worth that came with right credentials, and notes its count.
    pub fn spend(&mut self, now: Now, source: IpAddr, user: &str, nonce: &str, count: Option<u32>) -> Worth {
        let worth = self.look(now, source, user, nonce);
        if worth != Worth::Good {
            return worth;
        }
        // Without qop there is no count: then a nonce is good for one request.
        let count = count.unwrap_or(1);
        match self.used.get_mut(nonce) {
            Some(used) => match used.take(count) {
                true => Worth::Good,
                false => Worth::Replayed,
            },
            None if count == 0 => Worth::Replayed,
            None => {
                self.remember(now.wall, nonce, count);
                Worth::Good
            }
        }
    }

    /// What a nonce is worth, whatever its count.
    pub fn look(&self, now: Now, source: IpAddr, user: &str, nonce: &str) -> Worth {
        let Some((begins, signature)) = nonce.split_at_checked(DATE + COUNT) else { return Worth::Foreign };
        let date = begins.get(..DATE).unwrap_or_default();
        let Ok(made) = i64::from_str_radix(date, 16) else { return Worth::Foreign };
        let wanted = self.signature(begins, source, user);
        if !bool::from(wanted.as_bytes().ct_eq(signature.as_bytes())) {
            return Worth::Foreign;
        }
        let fresh = i64::try_from(FRESH.as_millis()).unwrap_or(i64::MAX);
        let age = now.wall.unix_millis().saturating_sub(made);
        // One of the future: another node's clock is a little ahead, or ours was set back.
        let is_before_us = made < self.since.unix_millis();
        if is_before_us || age > fresh || age < -fresh { Worth::Stale } else { Worth::Good }
    }

    fn remember(&mut self, now: Wall, nonce: &str, count: u32) {
        let fresh = i64::try_from(FRESH.as_millis()).unwrap_or(i64::MAX);
        let oldest = now.unix_millis().saturating_sub(fresh * 2);
        while let Some(((at, _), ())) = self.ages.first_key_value()
            && (*at < oldest || self.used.len() >= MOST)
        {
            if let Some(((_, forgotten), ())) = self.ages.pop_first() {
                self.used.remove(&forgotten);
            }
        }
        self.used.insert(nonce.into(), Used { highest: count, below: 0 });
        self.ages.insert((now.unix_millis(), nonce.into()), ());
    }

    fn signature(&self, begins: &str, source: IpAddr, user: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes keys of every length");
        mac.update(begins.as_bytes());
        match source.to_canonical() {
            IpAddr::V4(ip) => mac.update(&ip.octets()),
            IpAddr::V6(ip) => mac.update(&ip.octets()),
        }
        mac.update(user.as_bytes());
        let signed = mac.finalize().into_bytes();
        hex(signed.get(..SIGNATURE / 2).unwrap_or(&signed))
    }
}

impl Used {
    /// Takes a count that has not been used: datagrams may overtake each other, so a lower one is not wrong by itself.
    fn take(&mut self, count: u32) -> bool {
        if count > self.highest {
            let ahead = count - self.highest;
            self.below = self.below.checked_shl(ahead).unwrap_or(0);
            self.below |= 1_u64.checked_shl(ahead - 1).unwrap_or(0);
            self.highest = count;
            return true;
        }
        let Some(bit) = self.highest.checked_sub(count).and_then(|back| back.checked_sub(1)) else { return false };
        let Some(bit) = 1_u64.checked_shl(bit).filter(|bit| count > 0 && self.below & bit == 0) else { return false };
        self.below |= bit;
        true
    }
}

/// Digits of the date.
const DATE: usize = 11;
/// Digits of the count.
const COUNT: usize = 2;
/// Digits of the signature: 120 bits.
const SIGNATURE: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Now {
        Now { wall: Wall::from_unix_millis(1_795_528_800_000 + secs * 1_000), ..Now::default() }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn nonces() -> Nonces {
        Nonces::new([7; 32], at(0).wall)
    }

    #[test]
    fn a_nonce_belongs_to_one_source_and_user_and_grows_old() {
        let mut nonces = nonces();
        let here = ip("192.0.2.9");
        let nonce = nonces.make(at(0), here, "201");
        assert_eq!(nonce.len(), DATE + COUNT + SIGNATURE);
        assert_eq!(nonces.spend(at(1), ip("192.0.2.8"), "201", &nonce, Some(1)), Worth::Foreign);
        assert_eq!(nonces.spend(at(1), here, "202", &nonce, Some(1)), Worth::Foreign);
        assert_eq!(nonces.spend(at(300), here, "201", &nonce, Some(1)), Worth::Good);
        assert_eq!(nonces.spend(at(301), here, "201", &nonce, Some(2)), Worth::Stale);
        for forged in ["", "x", &"0".repeat(43), &nonce.replace('a', "b")[..42], "ééééééé"] {
            assert_eq!(nonces.spend(at(1), here, "201", forged, Some(9)), Worth::Foreign, "{forged}");
        }
        let of_another_node = Nonces::new([7; 32], at(0).wall).make(at(0), here, "201");
        assert_eq!(nonces.look(at(0), here, "201", &of_another_node), Worth::Good);
        let of_strangers = Nonces::new([8; 32], at(0).wall).make(at(0), here, "201");
        assert_eq!(nonces.look(at(0), here, "201", &of_strangers), Worth::Foreign);
        let after_a_restart = Nonces::new([7; 32], at(2).wall);
        assert_eq!(after_a_restart.look(at(3), here, "201", &nonce), Worth::Stale, "its counts are forgotten");
    }

    #[test]
    fn of_many_nonces_made_in_one_moment_each_is_counted_by_itself() {
        let mut nonces = nonces();
        let here = ip("192.0.2.9");
        let made: Vec<_> = (0..200).map(|_| nonces.make(at(0), here, "201")).collect();
        assert!(made.iter().all(|nonce| nonces.spend(at(0), here, "201", nonce, Some(1)) == Worth::Good));
    }

    #[test]
    fn the_secret_is_never_shown() {
        assert_eq!(format!("{:?}", nonces()), "Nonces { used: 0, .. }");
    }

    #[test]
    fn no_count_is_taken_twice_and_those_overtaken_are_taken_once() {
        let mut nonces = nonces();
        let here = ip("192.0.2.9");
        let nonce = nonces.make(at(0), here, "201");
        let mut good = |count| nonces.spend(at(1), here, "201", &nonce, Some(count)) == Worth::Good;
        let wanted = [
            (1, true),
            (1, false),
            (2, true),
            (5, true),
            (3, true),
            (4, true),
            (3, false),
            (2, false),
            (0, false),
            (100, true),
            (5, false),
            (99, true),
            (99, false),
            (36, true),
            (35, false),
            (u32::MAX, true),
            (100, false),
        ];
        for (count, is_good) in wanted {
            assert_eq!(good(count), is_good, "{count}");
        }
    }

    #[test]
    fn without_a_count_a_nonce_is_good_once() {
        let mut nonces = nonces();
        let here = ip("192.0.2.9");
        let nonce = nonces.make(at(0), here, "201");
        assert_eq!(nonces.spend(at(1), here, "201", &nonce, None), Worth::Good);
        assert_eq!(nonces.spend(at(1), here, "201", &nonce, None), Worth::Replayed);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_goes_with_its_age() {
        let mut nonces = nonces();
        for n in 0..1_000_u32 {
            let source = IpAddr::from(n.to_be_bytes());
            let nonce = nonces.make(at(0), source, "201");
            nonces.spend(at(0), source, "201", &nonce, Some(1));
        }
        assert_eq!((nonces.used.len(), nonces.ages.len()), (1_000, 1_000));
        let nonce = nonces.make(at(700), ip("192.0.2.9"), "201");
        nonces.spend(at(700), ip("192.0.2.9"), "201", &nonce, Some(1));
        assert_eq!((nonces.used.len(), nonces.ages.len()), (1, 1));
    }
}
