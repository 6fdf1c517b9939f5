//! The clock: the only reader of the machine's time.

use std::time::{Duration, SystemTime};

use tokio::time::Instant as Tick;

use crate::base::{Instant, Now, Wall};

/// The time since the node began, on tokio's clock (so that a test may pause it), and the date.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    began: Tick,
}

impl Clock {
    /// A clock whose origin is a little before now, so that `Instant::default()` is past for everybody.
    pub fn start() -> Self {
        Self { began: Tick::now() - Duration::from_millis(1) }
    }

    /// What the time is.
    #[expect(clippy::disallowed_methods, reason = "this is the reader of the clock")]
    pub fn now(&self) -> Now {
        let mono = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        // A date before 1970 is a broken machine clock; records then say 1970.
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let millis = i64::try_from(unix.as_millis()).unwrap_or(i64::MAX);
        Now { mono: Instant::from_micros(mono), wall: Wall::from_unix_millis(millis) }
    }

    /// Waits until a point of this clock.
    pub async fn sleep_until(&self, at: Instant) {
        tokio::time::sleep_until(self.began + Duration::from_micros(at.as_micros())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn sleeps_until_a_point_of_its_own() {
        let clock = Clock::start();
        let due = clock.now().mono + Duration::from_secs(32);
        clock.sleep_until(due).await;
        assert!(clock.now().mono >= due);
    }
}
