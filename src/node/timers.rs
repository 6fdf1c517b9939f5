//! When calls are to be woken: one queue of `(deadline, call)` in order, and the one task that waits for its head.
//!
//! A call's timers live in its own machines; here stands at most the earliest of them. An entry is never taken back:
//! when it comes due, the call is asked whether anything is due indeed (`Live::wake`), and put in again where not.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::clock::Clock;
use crate::base::{CallId, Instant};

/// Wake-ups that are owed.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: Mutex<BinaryHeap<Reverse<(Instant, CallId)>>>,
    earlier: Notify,
}

impl Timers {
    /// Owes `call` a wake-up.
    pub(super) fn arm(&self, at: Instant, call: CallId) {
        let mut due = self.due.lock();
        let is_first = due.peek().is_none_or(|Reverse((first, _))| at < *first);
        due.push(Reverse((at, call)));
        drop(due);
        if is_first {
            self.earlier.notify_one();
        }
    }

    /// Takes out everything that is due at `now`, in order.
    fn take_due(&self, now: Instant, into: &mut Vec<CallId>) -> Option<Instant> {
        let mut due = self.due.lock();
        while let Some(Reverse((at, call))) = due.peek().copied() {
            if at > now {
                return Some(at);
            }
            due.pop();
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
        timers.arm(began + Duration::from_secs(3), call(3));
        timers.arm(began + Duration::from_secs(2), call(2));
        let run = timers.run(clock, |call| {
            woken.lock().push((call.bits(), clock.now().mono.since(began).as_secs()));
            if call.bits() == 2 {
                timers.arm(began + Duration::from_millis(2500), CallId::from_bits(9));
            }
        });
        // Ends with the paused clock, not with the machine's.
        let ended = tokio::time::timeout(Duration::from_secs(10), run).await;
        assert!(ended.is_err());
        assert_eq!(*woken.lock(), [(2, 2), (9, 2), (3, 3)]);
    }
}
