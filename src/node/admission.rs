//! Who may begin a call: limits, overload and drain before anything is asked of anybody, and how much strangers may
//! make us answer.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use super::clock::Clock;
use super::offenders::Offenders;

/// The doors of a node.
pub(super) struct Admission {
    clock: Clock,
    draining: AtomicBool,
    /// `security.unknown_source = "drop"`.
    silent: AtomicBool,
    /// A bucket one second deep, with the rate it was made for.
    rate: ArcSwap<(u32, Bucket)>,
    offenders: Offenders,
}

type Bucket = RateLimiter<NotKeyed, InMemoryState, Clock, NoOpMiddleware<Nanos>>;

/// Why no call begins now, though it might later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Full {
    #[error("the node drains")]
    Draining,
    #[error("too many records wait for the store")]
    Unsaved,
    #[error("limits.calls is reached")]
    Calls,
    #[error("limits.calls_per_second is reached")]
    Rate,
    #[error("limits.per_employee is reached")]
    Employee,
}

impl Full {
    /// Whether a call for help goes on all the same: it does, but to a node that is about to be gone.
    pub(super) const fn spares_emergencies(self) -> bool {
        match self {
            Self::Unsaved | Self::Calls | Self::Rate | Self::Employee => true,
            Self::Draining => false,
        }
    }

    /// Seconds after which it is worth trying again: the value of Retry-After.
    pub(super) const fn retry_after(self) -> u32 {
        match self {
            Self::Rate => 1,
            Self::Unsaved | Self::Calls | Self::Employee => 5,
            Self::Draining => 60,
        }
    }
}

/// What the doors look at besides their own state.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// Calls that are up.
    pub(super) calls: usize,
    /// `limits.calls`.
    pub(super) most: usize,
    /// Whether `limits.unsaved` is reached.
    pub(super) store_is_full: bool,
}

impl governor::clock::Clock for Clock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(Clock::now(self).mono.as_micros().saturating_mul(1_000))
    }
}

impl Admission {
    pub(super) fn new(clock: Clock, calls_per_second: u32) -> Self {
        Self {
            clock,
            draining: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            rate: ArcSwap::from_pointee((calls_per_second, bucket(clock, calls_per_second))),
            offenders: Offenders::default(),
        }
    }

    /// Takes `limits.calls_per_second` after a reload; the same rate keeps its bucket.
    pub(super) fn set_rate(&self, calls_per_second: u32) {
        if self.rate.load().0 != calls_per_second {
            self.rate.store((calls_per_second, bucket(self.clock, calls_per_second)).into());
        }
    }

    /// Takes `security.unknown_source`: whether strangers get no answer at all.
    pub(super) fn set_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::Relaxed);
    }

    /// No new calls from now on.
    pub(super) fn begin_drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether the node drains.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Whether one more call may begin; takes a token where it may.
    pub(super) fn admit(&self, load: Load) -> Result<(), Full> {
        if self.is_draining() {
            return Err(Full::Draining);
        }
        if load.store_is_full {
            return Err(Full::Unsaved);
        }
        if load.calls >= load.most {
            return Err(Full::Calls);
        }
        self.rate.load().1.check().map_err(|_not_until| Full::Rate)
    }

    /// Whether strangers get answers at all.
    fn answers_strangers(&self) -> bool {
        !self.silent.load(Ordering::Relaxed)
    }

    /// Whether a stranger at this address gets one more answer. Beyond some a second she gets silence: whoever forges
    /// addresses must not make us an amplifier.
    pub(super) fn answers_stranger(&self, source: IpAddr) -> bool {
        self.answers_strangers() && self.offenders.answers(source, self.clock.now().mono)
    }

    /// A stranger at this address, which the files do not name, was refused. True: once too often.
    pub(super) fn refused_stranger(&self, source: IpAddr) -> bool {
        self.offenders.refused(source, self.clock.now().mono)
    }

    /// Whether nothing that comes from this address is even read now.
    pub(super) fn is_dropped(&self, source: IpAddr) -> bool {
        self.offenders.is_dropped(source, self.clock.now().mono)
    }

    /// Other files are in force: whoever they name is listened to.
    pub(super) fn pardon(&self, is_named: impl Fn(IpAddr) -> bool) {
        self.offenders.pardon(is_named);
    }
}

/// As deep as one second's calls; 0 admits one a second, since a house that takes no calls has no use for us.
fn bucket(clock: Clock, calls_per_second: u32) -> Bucket {
    let rate = NonZeroU32::new(calls_per_second).unwrap_or(NonZeroU32::MIN);
    RateLimiter::direct_with_clock(Quota::per_second(rate), clock)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ROOM: Load = Load { calls: 0, most: 10, store_is_full: false };

    fn admitted(admission: &Admission, tries: u32) -> u32 {
        (0..tries).map(|_| u32::from(admission.admit(ROOM).is_ok())).sum()
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_one_second_deep_fills_again_at_its_rate() {
        let admission = Admission::new(Clock::start(), 20);
        assert_eq!(admitted(&admission, 100), 20);
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(admitted(&admission, 100), 10);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(admitted(&admission, 100), 20);
    }

    #[tokio::test(start_paused = true)]
    async fn drain_a_full_store_and_a_full_house_refuse_and_take_no_token() {
        let admission = Admission::new(Clock::start(), 1);
        assert_eq!(admission.admit(Load { calls: 10, ..ROOM }), Err(Full::Calls));
        assert_eq!(admission.admit(Load { store_is_full: true, ..ROOM }), Err(Full::Unsaved));
        assert_eq!(admission.admit(ROOM), Ok(()));
        assert_eq!(admission.admit(ROOM), Err(Full::Rate));
        admission.begin_drain();
        assert_eq!(admission.admit(ROOM), Err(Full::Draining));
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_rate_is_in_force_at_once_and_the_same_keeps_its_bucket() {
        let admission = Admission::new(Clock::start(), 5);
        assert_eq!(admitted(&admission, 10), 5);
        admission.set_rate(5);
        assert_eq!(admitted(&admission, 10), 0);
        admission.set_rate(7);
        assert_eq!(admitted(&admission, 10), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stranger_who_insists_gets_silence_and_another_still_an_answer() {
        let admission = Admission::new(Clock::start(), 1);
        let (one, other) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        assert_eq!((0..100).filter(|_| admission.answers_stranger(one)).count(), 5);
        assert!(admission.answers_stranger(other));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(admission.answers_stranger(one));
        admission.set_silent(true);
        assert!(!admission.answers_stranger(one) && !admission.answers_stranger([192, 0, 2, 3].into()));
    }
}
