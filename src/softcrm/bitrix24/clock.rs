//! The portal's clock: it goes as tokio's does, and forward by as much as a test wants.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::base::Wall;

/// See the module.
#[derive(Debug)]
pub(super) struct Clock {
    start: Wall,
    began: Instant,
    moved: AtomicU64,
}

impl Clock {
    pub(super) fn start(start: Wall) -> Self {
        Self { start, began: Instant::now(), moved: AtomicU64::new(0) }
    }

    pub(super) fn now(&self) -> Wall {
        let gone = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let gone = gone.saturating_add(self.moved.load(Ordering::Relaxed));
        Wall::from_unix_millis(self.start.unix_millis().saturating_add_unsigned(gone))
    }

    pub(super) fn advance(&self, by: Duration) {
        self.moved.fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// A date as the REST API writes it: `2026-11-24T14:00:00+00:00`.
pub(super) fn iso(at: Wall) -> String {
    let seconds = at.unix_millis().div_euclid(1000);
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| String::new(), |at| at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string())
}
