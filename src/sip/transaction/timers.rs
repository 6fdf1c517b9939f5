//! The timer values of RFC 3261 §17 (table 4 of appendix A), and the doubling of gaps between retransmissions.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::{Instant, Transport};

/// The three values that all of SIP's timers are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timers {
    /// An estimate of the round trip.
    pub t1: Duration,
    /// The longest gap between retransmissions of a non-INVITE request or of a response to INVITE.
    pub t2: Duration,
    /// The longest that a message stays in the network.
    pub t4: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) }
    }
}

impl Timers {
    /// How long a transaction waits for its end: timers B, F, H, J, L, M.
    pub fn give_up(&self) -> Duration {
        self.t1 * 64
    }

    /// How long an INVITE client absorbs repeats of the final response: timer D.
    ///
    /// RFC 3261 §17.1.1.2: "at least 32 seconds for unreliable transports, and a value of zero seconds for reliable
    /// transports". 64 T1 is 32 s at the default T1, and follows it where the operator shortens it.
    pub fn absorb_final(&self, transport: Transport) -> Duration {
        if transport.is_reliable() { Duration::ZERO } else { self.give_up() }
    }

    /// How long a server repeats the final response to repeats of its request: timer J.
    pub fn absorb_request(&self, transport: Transport) -> Duration {
        self.absorb_final(transport)
    }

    /// How long what may still be in the network is absorbed: timers I and K.
    pub fn absorb_late(&self, transport: Transport) -> Duration {
        if transport.is_reliable() { Duration::ZERO } else { self.t4 }
    }

    /// Gaps that double without end: timer A.
    pub fn doubling(&self, now: Instant) -> Backoff {
        Backoff { at: now + self.t1, gap: self.t1, longest: None }
    }

    /// Gaps that double up to T2: timers E and G, and a 2xx to INVITE.
    pub fn doubling_to_t2(&self, now: Instant) -> Backoff {
        Backoff { at: now + self.t1, gap: self.t1, longest: Some(self.t2) }
    }
}

/// When the next retransmission is due, and how the gap to the one after it grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backoff {
    /// When.
    pub at: Instant,
    gap: Duration,
    longest: Option<Duration>,
}

impl Backoff {
    /// The one after this, counted from when this was due, so that a late wake-up does not stretch the schedule; but
    /// never in the past, so that a machine that slept long sends one copy and not a burst.
    #[must_use]
    pub fn next(self, now: Instant) -> Self {
        let gap = self.longest.map_or(self.gap * 2, |longest| longest.min(self.gap * 2));
        let at = self.at + gap;
        Self { at: if at > now { at } else { now + gap }, gap, ..self }
    }

    /// The same, its gaps from here on the longest.
    #[must_use]
    pub fn at_its_longest(self) -> Self {
        Self { gap: self.longest.unwrap_or(self.gap), ..self }
    }
}
