//! How many writes are under way at once: a few to a CRM that is well, one at a time to a CRM that is away.
//!
//! Without it a CRM that was down for ten minutes would be met by everything that was owed meanwhile, and go down again.

use super::waiting::wait;
use crate::base::{Ids, Instant};
use crate::crm::CrmError;

/// Under way at once to a CRM that is well.
pub(crate) const AT_ONCE: usize = 8;

/// Whether another write may be sent.
#[derive(Debug)]
pub(super) struct Gate {
    under_way: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Up to `room` at once; each that gets through makes room for one more.
    Open { room: usize },
    /// The last that came back did not get through: one is tried `again` then, and nothing else.
    Away { failures: u32, again: Instant, probing: bool },
}

impl Default for Gate {
    fn default() -> Self {
        Self { under_way: 0, state: State::Open { room: 1 } }
    }
}

impl Gate {
    /// From when on one more may go; `None`: not before one of those under way has come back.
    pub(super) fn opens(&self) -> Option<Instant> {
        match self.state {
            State::Open { room } => (self.under_way < room).then_some(Instant::default()),
            State::Away { again, probing, .. } => (!probing).then_some(again),
        }
    }

    /// One goes; true where it is the one that finds out whether the CRM is back.
    pub(super) fn goes(&mut self) -> bool {
        self.under_way += 1;
        match &mut self.state {
            State::Open { .. } => false,
            State::Away { probing, .. } => {
                *probing = true;
                true
            }
        }
    }

    /// One came back, and the CRM was there: it took it, or refused it for good.
    pub(super) fn heard(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
        let room = match self.state {
            State::Open { room } => (room + 1).min(AT_ONCE),
            State::Away { .. } => 1,
        };
        self.state = State::Open { room };
    }

    /// One came back without having got through. Others that went with it fail the same way, and tell nothing new.
    pub(super) fn failed(&mut self, probe: bool, error: &CrmError, now: Instant, ids: &mut Ids) {
        self.under_way = self.under_way.saturating_sub(1);
        let failures = match self.state {
            State::Open { .. } => 1,
            State::Away { failures, .. } if probe => failures.saturating_add(1),
            State::Away { .. } => return,
        };
        self.state = State::Away { failures, again: now + wait(failures, error, ids), probing: false };
    }

    /// One came back that says nothing of the CRM.
    pub(super) fn void(&mut self, probe: bool) {
        self.under_way = self.under_way.saturating_sub(1);
        if let State::Away { probing, .. } = &mut self.state
            && probe
        {
            *probing = false;
        }
    }

    /// Somebody says that the CRM is back: the next try need not wait.
    pub(super) fn hurry(&mut self, now: Instant) {
        if let State::Away { again, .. } = &mut self.state {
            *again = (*again).min(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn goes(gate: &mut Gate, now: Instant) -> Option<bool> {
        gate.opens().is_some_and(|at| at <= now).then(|| gate.goes())
    }

    #[test]
    fn a_crm_that_is_well_gets_twice_as_many_at_once_each_time_up_to_eight() {
        let (mut gate, now) = (Gate::default(), Instant::from_millis(1));
        for room in [1, 2, 4, 8, 8] {
            for _ in 0..room {
                assert_eq!(goes(&mut gate, now), Some(false));
            }
            assert_eq!(goes(&mut gate, now), None, "room for {room}");
            (0..room).for_each(|_| gate.heard());
        }
    }

    #[test]
    fn one_at_a_time_finds_out_whether_a_crm_is_back_later_and_later() {
        let (mut gate, mut ids, mut now) = (Gate::default(), Ids::seeded(1), Instant::from_millis(1));
        let down = CrmError::Unavailable;
        for _ in 0..AT_ONCE {
            goes(&mut gate, now);
            gate.heard();
        }
        for _ in 0..AT_ONCE {
            assert_eq!(goes(&mut gate, now), Some(false));
        }
        for _ in 0..AT_ONCE {
            gate.failed(false, &down, now, &mut ids);
        }
        let mut probes = 0;
        let end = now + Duration::from_secs(600);
        while let Some(at) = gate.opens().filter(|at| *at < end) {
            assert_eq!(goes(&mut gate, now), None, "not before its time");
            now = at;
            assert_eq!(goes(&mut gate, now), Some(true));
            assert_eq!(goes(&mut gate, now), None, "one at a time");
            gate.failed(true, &down, now, &mut ids);
            probes += 1;
        }
        assert!((20..60).contains(&probes), "{probes} probes in ten minutes");
    }

    #[test]
    fn a_crm_that_is_back_is_met_by_one_then_by_two() {
        let (mut gate, mut ids, now) = (Gate::default(), Ids::seeded(1), Instant::from_millis(1));
        gate.goes();
        gate.failed(false, &CrmError::Unavailable, now, &mut ids);
        let now = now + Duration::from_secs(60);
        assert_eq!(goes(&mut gate, now), Some(true));
        gate.heard();
        assert_eq!((goes(&mut gate, now), goes(&mut gate, now)), (Some(false), None));
        gate.heard();
        assert_eq!([(); 3].map(|()| goes(&mut gate, now)), [Some(false), Some(false), None]);
    }
}
