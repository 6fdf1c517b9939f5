//! What is owed, as a machine without a clock: in what order it goes, when each is tried next, and what follows.
//!
//! Writes about one client stand in one lane and go one after the other, over all calls; lanes go side by side, as many
//! as the [`Gate`] lets through, the one that has waited longest first. Nothing here looks at all that is owed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Which;
use super::gate::Gate;
use super::waiting::{Key, Waiting};
use crate::base::{CallId, Ids, Instant, Now, PhoneNumber, Wall};
use crate::crm::CrmError;
use crate::crm::model::{OwedWrite, WriteKind, WriteState};
use crate::store::rows::OutboxRow;
use crate::store::{OutboxCounts, OutboxEntry};

/// Of so many writes the contents are kept in memory; those of more stay in the store until their turn comes.
const KEPT: usize = 10_000;

/// Who waits for whom.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum LaneKey {
    /// All writes about this number.
    Client(PhoneNumber),
    /// Those of a call without one.
    Call(CallId),
}

/// A place in a lane: by the date, and of one call in its own order.
type Place = (Wall, CallId, u16);

/// When the first write of a lane may be tried, and since when it waits: of those due at once, the oldest goes first.
type Due = (Instant, Wall, LaneKey);

/// Writes of which one follows the other.
#[derive(Debug, Default)]
struct Lane {
    writes: BTreeMap<Place, Waiting>,
    now: Goes,
}

/// What the first write of a lane does.
#[derive(Debug, Default, Clone, Copy)]
enum Goes {
    /// It is not committed yet.
    #[default]
    No,
    /// It stands there in the queue.
    At(Due),
    /// It is being tried.
    UnderWay,
}

/// A call of which something is owed or given up, or that was told of while that was so.
#[derive(Debug, Default)]
struct OfCall {
    /// Where its writes wait.
    waiting: BTreeMap<u16, (LaneKey, Place)>,
    /// Given up: an operator may bring them back.
    dead: BTreeMap<u16, WriteKind>,
    ended: bool,
}

/// A write whose turn has come.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) key: Key,
    /// `None`: it is to be read from the store.
    pub(crate) write: Option<OwedWrite>,
}

/// All that is owed.
#[derive(Debug)]
pub(crate) struct Owed {
    lanes: HashMap<LaneKey, Lane>,
    calls: HashMap<CallId, OfCall>,
    /// Lanes by when their first write may be tried.
    due: BTreeSet<Due>,
    /// What is being tried, of which lane, and whether to find out if the CRM is back.
    under_way: HashMap<Key, (LaneKey, bool)>,
    gate: Gate,
    /// How many came to be owed when.
    ages: BTreeMap<Wall, usize>,
    /// Writes whose contents are in memory.
    kept: usize,
    owed: usize,
    dead: usize,
    ids: Ids,
}

impl Owed {
    pub(crate) fn new(ids: Ids) -> Self {
        Self {
            lanes: HashMap::new(),
            calls: HashMap::new(),
            due: BTreeSet::new(),
            under_way: HashMap::new(),
            gate: Gate::default(),
            ages: BTreeMap::new(),
            kept: 0,
            owed: 0,
            dead: 0,
            ids,
        }
    }

    /// What an earlier run left. No call is up after a restart, and every row that was read is committed.
    pub(super) fn from_store(entries: Vec<OutboxEntry>, now: Now, ids: Ids) -> Self {
        let mut owed = Self::new(ids);
        let mut left = Vec::with_capacity(entries.len());
        for entry in entries {
            if entry.state == WriteState::Dead {
                owed.died((entry.call, entry.seq), entry.write);
                owed.calls.entry(entry.call).or_default().ended = true;
            } else if let Some(waiting) = Self::again(entry, now) {
                left.push(waiting);
            }
        }
        // Of calls that went on beside each other: in the order in which they came to owe.
        left.sort_by_key(|(key, waiting)| (waiting.since, *key));
        for ((call, seq), waiting) in left {
            owed.calls.entry(call).or_default().ended = true;
            owed.put((call, seq), waiting, false);
        }
        owed
    }

    /// A row of the store, owed again from now on.
    pub(super) fn again(entry: OutboxEntry, now: Now) -> Option<(Key, Waiting)> {
        let (key, attempts, error) = ((entry.call, entry.seq), entry.attempts, entry.error);
        Some((key, Waiting { attempts, error, committed: true, ..Waiting::new(entry.payload?, now) }))
    }

    /// Whether this write, not owed yet, would have to wait for others.
    pub(crate) fn waits(&self, write: &OwedWrite) -> bool {
        self.calls.get(&write.call).is_some_and(|call| !call.waiting.is_empty())
            || self.lanes.contains_key(&lane_of(write))
    }

    /// Whether it is owed or given up already.
    pub(crate) fn knows(&self, (call, seq): Key) -> bool {
        self.calls.get(&call).is_some_and(|call| call.waiting.contains_key(&seq) || call.dead.contains_key(&seq))
    }

    pub(super) fn is_up(&self, call: CallId) -> bool {
        self.calls.get(&call).is_some_and(|call| !call.ended)
    }

    /// What this write builds on and its call has given up: nobody but an operator can bring it back.
    pub(crate) fn lost_before(&self, write: &OwedWrite) -> Option<WriteKind> {
        use WriteKind::{CompanyCreate, ContactCreate, DealCreate, LeadCreate, LeadReassign};
        let needs: &[WriteKind] = match write.write.kind() {
            DealCreate => &[ContactCreate, CompanyCreate],
            LeadReassign => &[LeadCreate, ContactCreate, CompanyCreate, DealCreate],
            _ => &[],
        };
        let dead = &self.calls.get(&write.call)?.dead;
        dead.range(..write.seq).map(|(_, kind)| *kind).find(|kind| needs.contains(kind))
    }

    /// Owes one more, behind all that its client is owed. It is tried when its row is [`Self::committed`].
    pub(crate) fn push(&mut self, waiting: Waiting) -> Key {
        let write = waiting.write.as_deref().expect("a write that comes has its contents");
        let key = (write.call, write.seq);
        self.put(key, waiting, true);
        key
    }

    /// Takes a dead write back in.
    pub(super) fn revive(&mut self, key: Key, waiting: Waiting) {
        self.bury(key);
        self.put(key, waiting, false);
    }

    /// `newest`: it comes last in its lane, whatever the machine's date does; else it goes where its date belongs, after
    /// what its call owes before it and before what comes after.
    fn put(&mut self, key: Key, mut waiting: Waiting, newest: bool) {
        let (call, seq) = key;
        let write = waiting.write.as_deref().expect("a write that comes has its contents");
        let of_call = self.calls.entry(call).or_default();
        let lane_key = of_call.waiting.values().next().map_or_else(|| lane_of(write), |(lane, _)| *lane);
        let lane = self.lanes.entry(lane_key).or_default();
        let date = |(_, (_, place)): (&u16, &(LaneKey, Place))| place.0;
        let before = if newest {
            let last = lane.writes.keys().next_back();
            // One of the same millisecond too: calls that began later may have owed earlier.
            last.map(|last| Wall::from_unix_millis(last.0.unix_millis() + i64::from(last.1 != call)))
        } else {
            of_call.waiting.range(..seq).next_back().map(date)
        };
        let after = of_call.waiting.range(seq..).next().map(date);
        let at =
            before.unwrap_or(waiting.since).max(waiting.since).min(after.unwrap_or(Wall::from_unix_millis(i64::MAX)));
        let place = (at, call, seq);
        of_call.waiting.insert(seq, (lane_key, place));
        *self.ages.entry(waiting.since).or_default() += 1;
        self.owed += 1;
        if waiting.committed && self.kept >= KEPT {
            waiting.write = None;
        } else {
            self.kept += 1;
        }
        lane.writes.insert(place, waiting);
        self.arrange(lane_key);
    }

    /// Its row is in the store.
    pub(crate) fn committed(&mut self, key: Key) {
        let too_many = self.kept > KEPT;
        let Some((lane_key, waiting)) = self.waiting_mut(key) else { return };
        waiting.committed = true;
        if too_many && waiting.write.take().is_some() {
            self.kept -= 1;
        }
        self.arrange(lane_key);
    }

    /// The next write that may be tried now. It is under way until it [`Self::took`], was [`Self::put_off`] or
    /// [`Self::gave_up`].
    pub(crate) fn take(&mut self, now: Now) -> Option<Taken> {
        if self.gate.opens()? > now.mono {
            return None;
        }
        let (at, _, lane_key) = self.due.first().copied()?;
        if at > now.mono {
            return None;
        }
        self.due.pop_first();
        let lane = self.lanes.get_mut(&lane_key).expect("a lane in the queue is there");
        lane.now = Goes::UnderWay;
        let ((_, call, seq), first) = lane.writes.first_key_value().expect("a lane in the queue has a write");
        let taken = Taken { key: (*call, *seq), write: first.write.as_deref().cloned() };
        self.under_way.insert(taken.key, (lane_key, self.gate.goes()));
        Some(taken)
    }

    /// When [`Self::take`] has something next; `None`: not before one under way has come back, or another is owed.
    pub(crate) fn next_wakeup(&self) -> Option<Instant> {
        let (due, ..) = self.due.first()?;
        Some(self.gate.opens()?.max(*due))
    }

    /// The CRM took it. Gives how often it was tried; `None`: an operator dropped it meanwhile.
    pub(crate) fn took(&mut self, key: Key) -> Option<u32> {
        self.comes_back(key);
        self.gate.heard();
        Some(self.remove(key)?.attempts + 1)
    }

    /// It did not get through; gives its row, for it is owed still. `write`: as it was sent.
    pub(crate) fn put_off(&mut self, write: &OwedWrite, error: &CrmError, now: Now) -> Option<OutboxRow> {
        let key = (write.call, write.seq);
        let probe = self.comes_back(key);
        self.gate.failed(probe, error, now.mono, &mut self.ids);
        let mut chance = self.ids.fork();
        let (lane, waiting) = self.waiting_mut(key)?;
        waiting.put_off(error, now, &mut chance);
        let row = waiting.row(write, WriteState::Owed, now);
        self.arrange(lane);
        Some(row)
    }

    /// The CRM refused it for good; gives it. What stands behind it goes on.
    pub(crate) fn gave_up(&mut self, key: Key, error: &CrmError) -> Option<Waiting> {
        self.comes_back(key);
        self.gate.heard();
        self.lays_down(key, error)
    }

    /// Given up with what was given up before it; gives it. The CRM was not asked, so this says nothing of it.
    pub(crate) fn went_with(&mut self, key: Key, error: &CrmError) -> Option<Waiting> {
        let probe = self.comes_back(key);
        self.gate.void(probe);
        self.lays_down(key, error)
    }

    fn lays_down(&mut self, key: Key, error: &CrmError) -> Option<Waiting> {
        let mut waiting = self.remove(key)?;
        waiting.attempts += 1;
        waiting.error = Some(error.to_string());
        self.died(key, waiting.kind);
        Some(waiting)
    }

    /// It was not sent after all: the store could not be read, and is asked `again` then; or has it no more.
    pub(super) fn was_not_sent(&mut self, key: Key, again: Option<Instant>) {
        let probe = self.comes_back(key);
        self.gate.void(probe);
        match again {
            Some(at) => {
                let Some((lane, waiting)) = self.waiting_mut(key) else { return };
                waiting.next_at = at;
                self.arrange(lane);
            }
            None => _ = self.remove(key),
        }
    }

    /// Counts a write as given up.
    pub(crate) fn died(&mut self, (call, seq): Key, kind: WriteKind) {
        self.dead += usize::from(self.calls.entry(call).or_default().dead.insert(seq, kind).is_none());
    }

    /// The call is over.
    pub(super) fn end(&mut self, call: CallId) {
        if let Some(call) = self.calls.get_mut(&call) {
            call.ended = true;
        }
    }

    /// Whether nothing of an ended call can come any more; then it is forgotten.
    pub(super) fn settles(&mut self, call: CallId) -> bool {
        let is_over = |call: &OfCall| call.ended && call.waiting.is_empty() && call.dead.is_empty();
        let settled = self.calls.get(&call).is_none_or(is_over);
        if settled {
            self.calls.remove(&call);
        }
        settled
    }

    /// An operator gives it up for good.
    pub(super) fn forget(&mut self, key: Key) {
        self.bury(key);
        self.remove(key);
    }

    /// Lets these be tried now; returns how many are meant.
    pub(crate) fn hurry(&mut self, now: Now, which: Which) -> usize {
        self.gate.hurry(now.mono);
        let calls = self.calls.iter().filter(|(call, _)| which.call.is_none_or(|wanted| wanted == **call));
        let all = calls.flat_map(|(call, of)| of.waiting.iter().map(|(seq, at)| ((*call, *seq), *at)));
        let meant: Vec<_> = all.filter(|((call, seq), _)| which.means(*call, *seq)).collect();
        for (_, (lane_key, place)) in &meant {
            if let Some(waiting) = self.lanes.get_mut(lane_key).and_then(|lane| lane.writes.get_mut(place))
                && waiting.next_at > now.mono
            {
                waiting.next_at = now.mono;
                self.arrange(*lane_key);
            }
        }
        meant.len()
    }

    pub(crate) fn counts(&self) -> OutboxCounts {
        OutboxCounts { owed: self.owed, oldest: self.ages.keys().next().copied(), dead: self.dead }
    }

    fn bury(&mut self, (call, seq): Key) {
        let dead = self.calls.get_mut(&call).and_then(|call| call.dead.remove(&seq));
        self.dead -= usize::from(dead.is_some());
    }

    /// Frees its lane; true where it was to find out whether the CRM is back.
    fn comes_back(&mut self, key: Key) -> bool {
        let Some((lane_key, probe)) = self.under_way.remove(&key) else { return false };
        if let Some(lane) = self.lanes.get_mut(&lane_key) {
            lane.now = Goes::No;
        }
        self.arrange(lane_key);
        probe
    }

    fn waiting_mut(&mut self, (call, seq): Key) -> Option<(LaneKey, &mut Waiting)> {
        let (lane, place) = *self.calls.get(&call)?.waiting.get(&seq)?;
        Some((lane, self.lanes.get_mut(&lane)?.writes.get_mut(&place)?))
    }

    fn remove(&mut self, (call, seq): Key) -> Option<Waiting> {
        let (lane_key, place) = self.calls.get_mut(&call)?.waiting.remove(&seq)?;
        let waiting = self.lanes.get_mut(&lane_key)?.writes.remove(&place)?;
        self.owed -= 1;
        self.kept -= usize::from(waiting.write.is_some());
        if let Some(count) = self.ages.get_mut(&waiting.since) {
            *count -= 1;
            if *count == 0 {
                self.ages.remove(&waiting.since);
            }
        }
        self.arrange(lane_key);
        Some(waiting)
    }

    /// Puts a lane where it belongs in the queue.
    fn arrange(&mut self, lane_key: LaneKey) {
        let Some(lane) = self.lanes.get_mut(&lane_key) else { return };
        match lane.now {
            Goes::UnderWay => return,
            Goes::At(due) => _ = self.due.remove(&due),
            Goes::No => {}
        }
        lane.now = Goes::No;
        match lane.writes.first_key_value() {
            None => _ = self.lanes.remove(&lane_key),
            Some(((since, ..), first)) if first.committed => {
                let due = (first.next_at, *since, lane_key);
                lane.now = Goes::At(due);
                self.due.insert(due);
            }
            Some(_) => {}
        }
    }
}

/// Whose turn a write waits for.
fn lane_of(write: &OwedWrite) -> LaneKey {
    write.client.map_or(LaneKey::Call(write.call), LaneKey::Client)
}

#[cfg(test)]
mod tests;
