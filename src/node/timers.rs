//! When calls are to be woken: one queue of `(deadline, call)` in order, and the one task that waits for its head.
//!
//! A call's timers live in its own machines; here stands the earliest of them, once armed. Where that moves to a later
//! time it stays: when it comes due, the call is asked whether anything is due indeed (`Live::wake`), and put in again.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::clock::Clock;
use crate::base::{CallId, Instant};

/// Wake-ups that are owed.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: Mutex<BTreeSet<(Instant, CallId)>>,
    earlier: Notify,
}

impl Timers {
    /// Owes `call` a wake-up, instead of a later one where it had that.
    pub(super) fn arm(&self, at: Instant, call: CallId, instead_of: Option<Instant>) {
        let at = slot(at);
        let mut due = self.due.lock();
        if let Some(later) = instead_of {
            due.remove(&(slot(later), call));
        }
        let is_first = due.first().is_none_or(|(first, _)| at < *first);
        due.insert((at, call));
        drop(due);
        if is_first {
            self.earlier.notify_one();
        }
    }

    /// Owes `call` nothing more.
    pub(super) fn disarm(&self, at: Instant, call: CallId) {
        self.due.lock().remove(&(slot(at), call));
    }

    /// Takes out everything that is due at `now`, in order; gives when the next is.
    fn take_due(&self, now: Instant, into: &mut Vec<CallId>) -> Option<Instant> {
        let mut due = self.due.lock();
        while let Some((at, call)) = due.first().copied() {
            if at > now {
                return Some(at);
            }
            due.pop_first();
            into.push(call);
        }
        None
    }

    /// Wakes calls as they come due, for ever.
    pub(super) async fn run(&self, clock: Clock, wake: impl Fn(CallId)) {
        let mut calls = Vec::new();
        loop {
            // The clock decides, not the sleep: tokio's budget may wake us early or late.
            let next = self.take_due(clock.now().mono, &mut calls);
            for call in calls.drain(..) {
                wake(call);
            }
            match next {
                Some(at) => tokio::select! {
                    () = clock.sleep_until(at) => {}
                    () = self.earlier.notified() => {}
                },
                None => self.earlier.notified().await,
            }
        }
    }
}

/// The end of the slot in which a wake-up falls: many calls share one, and the machine sleeps in between. SIP's timers
/// are hundreds of milliseconds; none is harmed by a few.
fn slot(at: Instant) -> Instant {
    Instant::from_micros(at.as_micros().div_ceil(SLOT).saturating_mul(SLOT))
}

/// A slot's length in microseconds.
const SLOT: u64 = 8_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn wakes_in_order_of_deadlines_also_those_put_in_while_it_waits() {
        let clock = Clock::start();
        let timers = Timers::default();
        let woken = Mutex::new(Vec::new());
        let began = clock.now().mono;
        let call = CallId::from_bits;
        timers.arm(began + Duration::from_secs(3), call(3), None);
        timers.arm(began + Duration::from_secs(4), call(2), None);
        timers.arm(began + Duration::from_secs(2), call(2), Some(began + Duration::from_secs(4)));
        timers.arm(began + Duration::from_secs(1), call(1), None);
        timers.disarm(began + Duration::from_secs(1), call(1));
        let run = timers.run(clock, |call| {
            woken.lock().push((call.bits(), clock.now().mono.since(began).as_secs()));
            if call.bits() == 2 {
                timers.arm(began + Duration::from_millis(2500), CallId::from_bits(9), None);
            }
        });
        // Ends with the paused clock, not with the machine's.
        let ended = tokio::time::timeout(Duration::from_secs(10), run).await;
        assert!(ended.is_err());
        assert_eq!(*woken.lock(), [(2, 2), (9, 2), (3, 3)]);
    }
}
