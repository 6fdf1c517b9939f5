//! One write that is not in effect, and how long it waits from try to try.

use std::time::Duration;

use crate::base::{CallId, Ids, Instant, Now, Wall};
use crate::crm::CrmError;
use crate::crm::model::{OwedWrite, WriteKind, WriteState};
use crate::store::rows::OutboxRow;

/// A write's idempotency key: its call, and its place among the call's writes.
pub(crate) type Key = (CallId, u16);

/// A write that is not in effect.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(super) kind: WriteKind,
    /// When it came to be owed.
    pub(super) since: Wall,
    /// What; `None` where so much is owed that it stays in the store until its turn comes.
    pub(super) write: Option<Box<OwedWrite>>,
    pub(super) attempts: u32,
    /// On the outbox's own clock.
    pub(super) next_at: Instant,
    /// What the CRM said last.
    pub(super) error: Option<String>,
    /// Its row is committed: it may be sent.
    pub(super) committed: bool,
}

impl Waiting {
    pub(crate) fn new(write: OwedWrite, now: Now) -> Self {
        Self {
            kind: write.write.kind(),
            since: write.since,
            write: Some(Box::new(write)),
            attempts: 0,
            next_at: now.mono,
            error: None,
            committed: false,
        }
    }

    /// It failed for now: the next try comes after this. `after`: the CRM said so.
    pub(super) fn put_off(&mut self, error: &CrmError, now: Now, ids: &mut Ids) {
        self.attempts = self.attempts.saturating_add(1);
        self.next_at = now.mono + wait(self.attempts, error, ids);
        self.error = Some(error.to_string());
    }

    /// As it stands in the store.
    pub(super) fn row(&self, write: &OwedWrite, state: WriteState, now: Now) -> OutboxRow {
        let rest = i64::try_from(self.next_at.since(now.mono).as_millis()).unwrap_or(i64::MAX);
        OutboxRow {
            write: self.kind,
            state,
            payload: Some(serde_json::to_string(write).expect("plain data with text for keys has a JSON form")),
            attempts: self.attempts,
            next_at: Wall::from_unix_millis(now.wall.unix_millis().saturating_add(rest)),
            error: self.error.clone(),
            since: self.since,
            written_at: None,
        }
    }
}

/// How long to wait after so many failures in a row: twice as long each time, at most half a minute, and somewhere in
/// the second half of that, so that what failed together does not come back together. A CRM that names a time is given
/// that.
pub(super) fn wait(failures: u32, error: &CrmError, ids: &mut Ids) -> Duration {
    let whole = match error {
        CrmError::Later { after } => return (*after).min(LONGEST_ASKED) + portion(FIRST_WAIT, ids),
        CrmError::Unavailable | CrmError::Refused(_) => {
            FIRST_WAIT.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST_WAIT)
        }
    };
    whole / 2 + portion(whole / 2, ids)
}

/// A part of it, by chance.
fn portion(of: Duration, ids: &mut Ids) -> Duration {
    Duration::from_millis(ids.below(u64::try_from(of.as_millis()).unwrap_or(u64::MAX).saturating_add(1)))
}

/// The first wait before a write is tried again; it doubles up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Longer than this no CRM is left alone, whatever it says.
const LONGEST_ASKED: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_put_off_up_to_twice_as_long_each_time_and_by_half_a_minute_at_most() {
        let mut ids = Ids::seeded(1);
        for (failures, most) in (1..).zip([250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]) {
            for _ in 0..100 {
                let waits = wait(failures, &CrmError::Unavailable, &mut ids).as_millis();
                assert!((most / 2..=most).contains(&waits), "{failures} failures: {waits} ms");
            }
        }
        assert!(wait(u32::MAX, &CrmError::Unavailable, &mut ids) <= LONGEST_WAIT);
    }

    #[test]
    fn what_failed_together_does_not_come_back_together() {
        let mut ids = Ids::seeded(1);
        let waits: std::collections::BTreeSet<_> = (0..50).map(|_| wait(5, &CrmError::Unavailable, &mut ids)).collect();
        assert!(waits.len() > 40, "{waits:?}");
    }

    #[test]
    fn a_crm_that_names_a_time_is_left_alone_for_so_long_but_not_for_ever() {
        let mut ids = Ids::seeded(1);
        let asked = |seconds| CrmError::Later { after: Duration::from_secs(seconds) };
        let waits = wait(1, &asked(20), &mut ids);
        assert!(waits >= Duration::from_secs(20) && waits < Duration::from_secs(21), "{waits:?}");
        assert!(wait(1, &asked(86_400), &mut ids) < Duration::from_secs(601));
    }
}
