//! What a portal lets through: the leaky bucket of all requests, and each method's budget of operating time.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::Wall;

/// A leaky bucket: each request fills it by one, it drains all the time, and blocks above its rim.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// Requests that drain away in a second: 2, or 5 with the Enterprise plan.
    pub drain: f64,
    /// Requests that it holds: 50, or 250.
    pub rim: f64,
}

impl Default for Bucket {
    fn default() -> Self {
        Self { drain: 2.0, rim: 50.0 }
    }
}

/// How full the bucket is, and what each method has used of its time.
#[derive(Debug, Default)]
pub(super) struct Use {
    level: f64,
    at: Wall,
    operating: BTreeMap<String, Window>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    since: Wall,
    used: f64,
}

impl Use {
    /// Whether one more request goes in. One that is refused fills nothing.
    pub(super) fn admits(&mut self, bucket: Bucket, now: Wall) -> bool {
        let gone = now.unix_millis().saturating_sub(self.at.unix_millis()).max(0);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of one run")]
        let drained = gone as f64 / 1000.0 * bucket.drain;
        self.level = (self.level - drained).max(0.0);
        self.at = now;
        if self.level + 1.0 > bucket.rim {
            return false;
        }
        self.level += 1.0;
        true
    }

    /// Books a method's time; gives what it has used in its ten minutes (seconds), and when they begin anew.
    pub(super) fn operates(&mut self, method: &str, now: Wall) -> (f64, Wall) {
        let window = self.operating.entry(method.to_owned()).or_insert(Window { since: now, used: 0.0 });
        if now.unix_millis() - window.since.unix_millis() >= TEN_MINUTES {
            *window = Window { since: now, used: 0.0 };
        }
        window.used += cost(method);
        (window.used, Wall::from_unix_millis(window.since.unix_millis() + TEN_MINUTES))
    }

    /// Whether a method has used up a budget; gives when it may go on.
    pub(super) fn spent(&self, method: &str, budget: Duration, now: Wall) -> Option<Wall> {
        let window = self.operating.get(method)?;
        let reset = window.since.unix_millis() + TEN_MINUTES;
        (window.used >= budget.as_secs_f64() && now.unix_millis() < reset).then(|| Wall::from_unix_millis(reset))
    }
}

const TEN_MINUTES: i64 = 600_000;

/// What a call of a method is booked with: the durations that its documentation's own examples print, seconds.
fn cost(method: &str) -> f64 {
    match method {
        "telephony.externalcall.searchcrmentities" => 0.40,
        "telephony.externalcall.register" => 1.12,
        "telephony.externalcall.finish" => 2.30,
        "telephony.externalcall.attachrecord" => 2.40,
        _ => 0.05,
    }
}
