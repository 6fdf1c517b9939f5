//! Whether a peer is there: asked by OPTIONS every so often (RFC 3261 §11.1), and what its answers come to.
//!
//! One lost probe is a lost probe; two in a row are a peer that is down. Whatever a peer answers says that it is there,
//! but for 503, by which it says that it does not serve (RFC 3261 §21.5.4).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::{Ids, Instant};

/// What is thought of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Health {
    /// Nobody has asked yet: as good as up.
    Unknown,
    /// It answers.
    Up,
    /// Two probes in a row had no answer, or 503.
    Down,
}

/// What a probe came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A response with this code.
    Status(u16),
    /// None in time, or it could not be sent.
    Nothing,
}

/// One peer's probes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probed {
    health: Health,
    /// Probes in a row that came to nothing.
    misses: u32,
    next: Next,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Next {
    /// To be asked.
    Ask { at: Instant },
    /// Asked; no answer by then is none.
    GiveUp { at: Instant },
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Send the next probe.
    Ask,
    /// Wait for the last one no longer, then tell [`Probed::answered`] of nothing.
    GiveUp,
}

impl Probed {
    /// A peer to be asked within the first `every`: those of one house not all at once, and none before it is settled.
    pub fn new(now: Instant, every: Duration, ids: &mut Ids) -> Self {
        let half = every / 2;
        let at = now + half + Duration::from_millis(ids.below(u64::try_from(half.as_millis()).unwrap_or(u64::MAX)));
        Self { health: Health::Unknown, misses: 0, next: Next::Ask { at } }
    }

    /// What is thought of it.
    pub fn health(&self) -> Health {
        self.health
    }

    /// When [`due`](Self::due) has something.
    pub fn next_wakeup(&self) -> Instant {
        match self.next {
            Next::Ask { at } | Next::GiveUp { at } => at,
        }
    }

    /// What is due; a probe to be sent counts as sent.
    pub fn due(&mut self, now: Instant, every: Duration) -> Option<Due> {
        match self.next {
            Next::Ask { at } if at <= now => {
                self.next = Next::GiveUp { at: now + patience(every) };
                Some(Due::Ask)
            }
            Next::GiveUp { at } if at <= now => Some(Due::GiveUp),
            Next::Ask { .. } | Next::GiveUp { .. } => None,
        }
    }

    /// It is asked at another pace from now on.
    pub fn pace(&mut self, now: Instant, every: Duration) {
        if let Next::Ask { at } = &mut self.next {
            *at = (*at).min(now + every);
        }
    }

    /// What a probe came to. Gives what is thought now, where that has changed.
    pub fn answered(&mut self, now: Instant, every: Duration, answer: Answer) -> Option<Health> {
        let is_there = matches!(answer, Answer::Status(status) if status != 503);
        self.misses = if is_there { 0 } else { self.misses.saturating_add(1) };
        let health = match self.misses {
            0 => Health::Up,
            1 => self.health,
            _ => Health::Down,
        };
        // A peer that may be down is asked again soon, one that is down at the pace of all.
        let wait = if self.misses == 1 { every.min(SOON) } else { every };
        self.next = Next::Ask { at: now + wait };
        let has_changed = std::mem::replace(&mut self.health, health) != health;
        has_changed.then_some(health)
    }
}

/// How long one probe waits: some repeats of it, and never into the next.
fn patience(every: Duration) -> Duration {
    (every / 2).min(Duration::from_secs(5))
}

/// How long after a first miss the next probe goes out.
const SOON: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(30);

    /// Asks when it is due, and answers so.
    #[track_caller]
    fn probe(probed: &mut Probed, answer: Answer) -> Option<Health> {
        let at = probed.next_wakeup();
        assert_eq!(probed.due(at, EVERY), Some(Due::Ask));
        assert_eq!(probed.due(at, EVERY), None, "once");
        let at = match answer {
            Answer::Status(_) => at + Duration::from_millis(20),
            Answer::Nothing => {
                let at = probed.next_wakeup();
                assert_eq!(probed.due(at, EVERY), Some(Due::GiveUp));
                at
            }
        };
        probed.answered(at, EVERY, answer)
    }

    #[test]
    fn one_lost_probe_is_not_down_and_two_in_a_row_are() {
        let mut peer = Probed::new(Instant::default(), EVERY, &mut Ids::seeded(7));
        assert_eq!(peer.health(), Health::Unknown);
        assert_eq!(probe(&mut peer, Answer::Status(200)), Some(Health::Up));
        assert_eq!(probe(&mut peer, Answer::Nothing), None);
        assert_eq!(probe(&mut peer, Answer::Status(200)), None);
        assert_eq!(probe(&mut peer, Answer::Nothing), None);
        assert_eq!(probe(&mut peer, Answer::Nothing), Some(Health::Down));
        assert_eq!(probe(&mut peer, Answer::Nothing), None, "told once");
        assert_eq!(probe(&mut peer, Answer::Status(200)), Some(Health::Up), "asked also while it is down");
    }

    #[test]
    fn any_answer_but_503_says_that_it_is_there() {
        for status in [200, 401, 404, 405, 481, 500, 603] {
            let mut peer = Probed::new(Instant::default(), EVERY, &mut Ids::seeded(7));
            assert_eq!(probe(&mut peer, Answer::Status(status)), Some(Health::Up), "{status}");
        }
        let mut peer = Probed::new(Instant::default(), EVERY, &mut Ids::seeded(7));
        assert_eq!(probe(&mut peer, Answer::Status(503)), None);
        assert_eq!(probe(&mut peer, Answer::Status(503)), Some(Health::Down));
    }

    #[test]
    fn a_peer_that_may_be_down_is_asked_again_soon_and_one_that_is_down_at_the_pace_of_all() {
        let mut peer = Probed::new(Instant::default(), EVERY, &mut Ids::seeded(7));
        let now = Instant::from_millis(100_000);
        peer.answered(now, EVERY, Answer::Nothing);
        assert_eq!(peer.next_wakeup(), now + SOON);
        peer.answered(now, EVERY, Answer::Nothing);
        assert_eq!(peer.next_wakeup(), now + EVERY);
        let often = Duration::from_secs(2);
        peer.answered(now, often, Answer::Status(200));
        peer.due(now + often, often);
        assert_eq!(peer.next_wakeup(), now + often + Duration::from_secs(1), "never into the next");
        let mut slow = Probed::new(now, EVERY, &mut Ids::seeded(7));
        assert!(slow.next_wakeup() >= now + EVERY / 2);
        slow.pace(now, often);
        assert_eq!(slow.next_wakeup(), now + often, "as the files say now");
    }
}
