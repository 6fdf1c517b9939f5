//! What is owed, in memory: by call, in order, with when each is tried next.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Which;
use crate::base::{CallId, Wall};
use crate::crm::model::{OwedWrite, WriteState};
use crate::store::rows::OutboxRow;
use crate::store::{OutboxCounts, OutboxEntry};

/// The first wait before a write is tried again; it doubles up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A write that is not in effect.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) write: OwedWrite,
    pub(super) attempts: u32,
    pub(super) next_at: Wall,
    /// What the CRM said last.
    pub(super) error: Option<String>,
    /// Its row is committed: it may be sent.
    pub(super) committed: bool,
}

/// The writes that one call owes.
#[derive(Debug, Default)]
struct Line {
    writes: BTreeMap<u16, Waiting>,
    /// The call is over.
    ended: bool,
    /// One was given up: an operator may bring it back, so the call is never settled.
    lost: bool,
}

/// All that is owed.
#[derive(Debug, Default)]
pub(super) struct Owed {
    calls: BTreeMap<CallId, Line>,
    dead: usize,
}

impl Waiting {
    pub(super) fn new(write: OwedWrite, now: Wall) -> Self {
        Self { write, attempts: 0, next_at: now, error: None, committed: false }
    }

    /// A write that was given up, owed again.
    pub(super) fn revived(entry: OutboxEntry, now: Wall) -> Option<Self> {
        Some(Self {
            write: entry.payload?,
            attempts: entry.attempts,
            next_at: now,
            error: entry.error,
            committed: true,
        })
    }

    pub(super) fn key(&self) -> (CallId, u16) {
        (self.write.call, self.write.seq)
    }

    /// As it stands in the store while it is owed.
    pub(super) fn row(&self) -> OutboxRow {
        OutboxRow {
            write: self.write.write.kind(),
            state: WriteState::Owed,
            payload: Some(serde_json::to_string(&self.write).expect("plain data with text for keys has a JSON form")),
            attempts: self.attempts,
            next_at: self.next_at,
            error: self.error.clone(),
            since: self.write.since,
            written_at: None,
        }
    }

    /// Its time has come; or the machine's date was set back, so that it would not come for long.
    fn is_due(&self, now: Wall) -> bool {
        let longest = i64::try_from(LONGEST_WAIT.as_millis()).unwrap_or(i64::MAX);
        !(1..=longest).contains(&(self.next_at.unix_millis() - now.unix_millis()))
    }

    /// Puts the next try off.
    pub(super) fn put_off(&mut self, now: Wall, error: String) {
        let wait = FIRST_WAIT.saturating_mul(1 << self.attempts.min(16)).min(LONGEST_WAIT);
        self.attempts += 1;
        self.next_at = Wall::from_unix_millis(now.unix_millis() + i64::try_from(wait.as_millis()).unwrap_or(0));
        self.error = Some(error);
    }
}

impl Owed {
    /// No call is up after a restart, and every row that was read is committed.
    pub(super) fn from_store(entries: Vec<OutboxEntry>) -> Self {
        let mut owed = Self::default();
        for entry in entries {
            if entry.state == WriteState::Dead {
                owed.died(entry.call);
                continue;
            }
            let next_at = entry.next_at;
            if let Some(waiting) = Waiting::revived(entry, next_at) {
                let line = owed.calls.entry(waiting.write.call).or_default();
                line.ended = true;
                line.writes.insert(waiting.write.seq, waiting);
            }
        }
        owed
    }

    pub(super) fn waits(&self, call: CallId) -> bool {
        self.calls.get(&call).is_some_and(|line| !line.writes.is_empty())
    }

    pub(super) fn knows(&self, call: CallId, seq: u16) -> bool {
        self.calls.get(&call).is_some_and(|line| line.writes.contains_key(&seq))
    }

    pub(super) fn is_up(&self, call: CallId) -> bool {
        self.calls.get(&call).is_some_and(|line| !line.ended)
    }

    pub(super) fn push(&mut self, waiting: Waiting) {
        self.calls.entry(waiting.write.call).or_default().writes.insert(waiting.write.seq, waiting);
    }

    /// Takes a dead write back in.
    pub(super) fn revive(&mut self, waiting: Waiting) {
        self.dead = self.dead.saturating_sub(1);
        let line = self.calls.entry(waiting.write.call).or_default();
        line.ended = true;
        line.writes.insert(waiting.write.seq, waiting);
    }

    pub(super) fn committed(&mut self, call: CallId, seq: u16) {
        if let Some(waiting) = self.calls.get_mut(&call).and_then(|line| line.writes.get_mut(&seq)) {
            waiting.committed = true;
        }
    }

    /// The call is over; true where nothing of it can come any more.
    pub(super) fn end(&mut self, call: CallId) -> bool {
        match self.calls.get_mut(&call) {
            None => true,
            Some(line) => {
                line.ended = true;
                self.is_settled(call)
            }
        }
    }

    /// Takes a write out; true where nothing of its call can come any more.
    pub(super) fn remove(&mut self, call: CallId, seq: u16) -> bool {
        if let Some(line) = self.calls.get_mut(&call) {
            line.writes.remove(&seq);
        }
        self.is_settled(call)
    }

    pub(super) fn forget(&mut self, call: CallId, seq: u16, state: WriteState) {
        if state == WriteState::Dead {
            self.dead = self.dead.saturating_sub(1);
        }
        self.remove(call, seq);
    }

    pub(super) fn died(&mut self, call: CallId) {
        self.dead += 1;
        self.calls.entry(call).or_default().lost = true;
    }

    pub(super) fn waiting_mut(&mut self, call: CallId, seq: u16) -> Option<&mut Waiting> {
        self.calls.get_mut(&call)?.writes.get_mut(&seq)
    }

    /// The call's first write, where it may be tried now.
    pub(super) fn due(&self, call: CallId, now: Wall) -> Option<&OwedWrite> {
        let first = self.calls.get(&call)?.writes.values().next()?;
        (first.committed && first.is_due(now)).then_some(&first.write)
    }

    /// The calls whose first write may be tried now, and when the next one of the others may.
    pub(super) fn all_due(&self, now: Wall) -> (Vec<CallId>, Option<Wall>) {
        let mut due = Vec::new();
        let mut next: Option<Wall> = None;
        for first in self.calls.values().filter_map(|line| line.writes.values().next()).filter(|first| first.committed)
        {
            if first.is_due(now) {
                due.push(first.write.call);
            } else {
                next = Some(next.map_or(first.next_at, |next| next.min(first.next_at)));
            }
        }
        (due, next)
    }

    /// Lets these be tried now; returns how many.
    pub(super) fn hurry(&mut self, now: Wall, which: Which) -> usize {
        let all = self.calls.values_mut().flat_map(|line| line.writes.values_mut());
        let meant = all.filter(|waiting| which.means(waiting.write.call, waiting.write.seq));
        meant.map(|waiting| waiting.next_at = waiting.next_at.min(now)).count()
    }

    pub(super) fn counts(&self) -> OutboxCounts {
        let all = || self.calls.values().flat_map(|line| line.writes.values());
        OutboxCounts { owed: all().count(), oldest: all().map(|waiting| waiting.write.since).min(), dead: self.dead }
    }

    /// Forgets a call that owes nothing and is over; one that lost a write stays, a few bytes.
    fn is_settled(&mut self, call: CallId) -> bool {
        let over = self.calls.get(&call).is_none_or(|line| line.ended && line.writes.is_empty());
        let lost = self.calls.get(&call).is_some_and(|line| line.lost);
        if over && !lost {
            self.calls.remove(&call);
        }
        over && !lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crm::testing::{PAULO, START, create};

    fn wall(seconds: i64) -> Wall {
        Wall::from_unix_millis(START + seconds * 1000)
    }

    #[test]
    fn tries_are_put_off_twice_as_long_each_time_up_to_half_a_minute() {
        let mut waiting = Waiting::new(create(1, PAULO, "bruno"), wall(0));
        let gaps = std::iter::repeat_with(|| {
            waiting.put_off(wall(0), "down".to_owned());
            waiting.next_at.unix_millis() - START
        });
        let gaps: Vec<_> = gaps.take(10).collect();
        assert_eq!(gaps, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
    }

    #[test]
    fn a_date_set_back_by_an_hour_puts_nothing_off() {
        let mut waiting = Waiting::new(create(1, PAULO, "bruno"), wall(3600));
        waiting.put_off(wall(3600), "down".to_owned());
        assert!(!waiting.is_due(wall(3600)));
        assert!(waiting.is_due(wall(0)));
    }
}
