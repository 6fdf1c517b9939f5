//! What a node says and hears outside of calls, under one lock with one timer: trunks are registered and probed, phones
//! register.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Inner;
use super::surviving::surviving;
use super::trunks::{Change, Hands, Trunks};
use crate::base::{Hop, Ids, Instant, Now};
use crate::net::sink::Path;
use crate::route;
use crate::route::directory::Directory;
use crate::sip::message::{Message, Request, Response};
use crate::sip::outside::{Letter, Outside, OutsideEvent, OutsideId, OutsideOut};
use crate::sip::transaction::Timers;

/// All that goes on outside of calls.
pub(super) struct Beyond {
    state: Mutex<State>,
    /// Something is due earlier than was thought.
    earlier: Notify,
    /// A binding of ours was taken out.
    left: Notify,
}

struct State {
    outside: Outside,
    trunks: Trunks,
    /// What the task that waits knows of.
    armed: Option<Instant>,
}

/// A request that waits for its answer.
pub(super) struct Waiting {
    id: OutsideId,
    pub(super) request: Box<Request>,
}

impl Beyond {
    pub(super) fn new(mut ids: Ids, timers: Timers) -> Self {
        let outside = Outside::new(ids.fork(), timers);
        let state = State { outside, trunks: Trunks::new(ids), armed: None };
        Self { state: Mutex::new(state), earlier: Notify::new(), left: Notify::new() }
    }
}

impl Inner {
    /// Does what is due outside of calls, for ever.
    pub(super) async fn run_beyond(self: Arc<Self>) {
        loop {
            let mut next = None;
            surviving(|| {
                self.registrar.expire(self.clock.now());
                self.beyond(|trunks, hands| {
                    hands.outside.wake(hands.now, hands.letters);
                    trunks.wake(hands);
                });
                next = self.next_beyond();
            });
            match next {
                Some(at) => tokio::select! {
                    () = self.clock.sleep_until(at) => {}
                    () = self.beyond.earlier.notified() => {}
                },
                None => self.beyond.earlier.notified().await,
            }
        }
    }

    /// Trunks are those of these files from now on.
    pub(super) fn set_trunks(&self, dir: &Directory) {
        self.beyond(|trunks, hands| trunks.take(hands.now, dir));
    }

    /// A response to a request of ours outside of calls.
    ///
    /// It counts from the host that its request went to, or from a trunk or PBX: whoever has overheard a REGISTER answers
    /// nothing in the carrier's name.
    pub(super) fn hear_beyond(&self, path: Path, response: Response) {
        let branch = response.headers.via().and_then(|via| via.branch).unwrap_or_default();
        let Some(asked) = self.beyond.state.lock().outside.went_to(branch) else { return };
        let ip = path.remote.ip();
        if asked.remote.ip() != ip && !route::origin::is_named(&self.house.directory(), ip) {
            tracing::debug!(from = %path.remote, "a response comes from where its request did not go");
            return;
        }
        let hop = self.outbound.back(path);
        self.beyond(|_, hands| hands.outside.receive(hands.now, response.into(), hop, hands.letters));
    }

    /// A request of ours outside of calls did not get there.
    pub(super) fn lost_beyond(&self, path: Path) {
        let hop = self.outbound.back(path);
        self.beyond(|_, hands| hands.outside.unreachable(hands.now, hop, hands.letters));
    }

    /// Whether a request outside of calls has come before; its repeat is dealt with.
    pub(super) fn is_beyond_repeat(&self, request: &Request) -> bool {
        self.beyond(|_, hands| hands.outside.again(hands.now, request, hands.letters))
    }

    /// Takes a request on that is to be answered by [`answer_waiting`](Self::answer_waiting); `None`: no room, or it is a
    /// repeat that came at the same moment.
    pub(super) fn take_on(&self, path: Path, request: Request) -> Option<Waiting> {
        let hop = self.outbound.back(path);
        self.beyond(|_, hands| {
            let message = Message::from(request);
            hands.outside.receive(hands.now, message, hop, hands.letters);
            let asked = hands.letters.events.iter().position(|event| matches!(event, OutsideEvent::Request { .. }))?;
            match hands.letters.events.remove(asked) {
                OutsideEvent::Request { id, request, .. } => Some(Waiting { id, request }),
                OutsideEvent::Response { .. } | OutsideEvent::Failed { .. } => None, // it was a request's place
            }
        })
    }

    /// Answers a request that was [taken on](Self::take_on).
    pub(super) fn answer_waiting(&self, waiting: &Waiting, response: Response) {
        let response = response.with_stateless_to_tag();
        self.beyond(|_, hands| hands.outside.respond(hands.now, waiting.id, &response, hands.letters));
        self.beyond.earlier.notify_one(); // bindings have ends of their own
    }

    /// Takes our bindings out at the carriers', and waits for that, at most so long.
    pub(super) async fn leave_trunks(&self, at_most: Duration) {
        self.beyond(|trunks, hands| {
            trunks.leave(hands.now);
            trunks.wake(hands);
        });
        let left = async {
            loop {
                let left = self.beyond.left.notified();
                if self.beyond.state.lock().trunks.has_left() {
                    return;
                }
                left.await;
            }
        };
        if tokio::time::timeout(at_most, left).await.is_err() {
            tracing::info!("a carrier does not answer: our registration there ends by itself");
        }
    }

    fn next_beyond(&self) -> Option<Instant> {
        let mut state = self.beyond.state.lock();
        let next = [state.outside.next_wakeup(), state.trunks.next_wakeup(), self.registrar.next_end()];
        state.armed = next.into_iter().flatten().min();
        state.armed
    }

    /// Does something under the lock, then sends and hears whatever came of it.
    pub(super) fn beyond<T>(&self, what: impl FnOnce(&mut Trunks, &mut Hands<'_>) -> T) -> T {
        let now = self.clock.now();
        let mut state = self.beyond.state.lock();
        let State { outside, trunks, armed } = &mut *state;
        let mut letters = OutsideOut::default();
        let mut hands = Hands { now, out: &self.outbound, outside, letters: &mut letters };
        let told = what(trunks, &mut hands);
        self.settle_beyond(now, trunks, outside, &mut letters);
        let changes = trunks.changes(now.mono);
        self.house.set_known(trunks.down(), trunks.unregistered(now.mono));
        let next = [outside.next_wakeup(), trunks.next_wakeup()].into_iter().flatten().min();
        let is_earlier = next.is_some_and(|next| armed.is_none_or(|armed| next < armed));
        if is_earlier {
            *armed = next;
        }
        drop(state);
        if is_earlier {
            self.beyond.earlier.notify_one();
        }
        self.beyond.left.notify_waiters();
        changes.iter().for_each(|change| self.tell_of_trunk(change));
        told
    }

    fn settle_beyond(&self, now: Now, trunks: &mut Trunks, outside: &mut Outside, letters: &mut OutsideOut) {
        // Each turn sends or hears something new; the bound only guards against a fault.
        for _ in 0..64 {
            let sends = std::mem::take(&mut letters.sends);
            let lost: Vec<Hop> =
                sends.into_iter().filter(|letter| !self.post(letter)).map(|letter| letter.hop).collect();
            lost.into_iter().for_each(|hop| outside.unreachable(now, hop, letters));
            for event in std::mem::take(&mut letters.events) {
                match event {
                    OutsideEvent::Response { id, response } => {
                        trunks.heard(now, id, Some(&response));
                        self.subscribers.hear(id, Some(*response));
                    }
                    OutsideEvent::Failed { id, .. } => {
                        trunks.heard(now, id, None);
                        self.subscribers.hear(id, None);
                    }
                    // Taken by whoever took it on.
                    OutsideEvent::Request { .. } => {}
                }
            }
            // What goes on at once does: a challenge is answered, the next peer asked.
            if trunks.next_wakeup().is_some_and(|at| at <= now.mono) {
                trunks.wake(&mut Hands { now, out: &self.outbound, outside, letters });
            }
            if letters.sends.is_empty() && letters.events.is_empty() {
                return;
            }
        }
    }

    fn post(&self, letter: &Letter) -> bool {
        self.metrics.sent(&letter.bytes, letter.again);
        tracing::trace!(to = %letter.hop.remote, message = %String::from_utf8_lossy(&letter.bytes), "sent");
        self.outbound.send(&letter.hop, &letter.bytes).is_ok()
    }

    fn tell_of_trunk(&self, change: &Change) {
        let trunk = &change.trunk;
        match change {
            Change { is_up: true, .. } => tracing::warn!(%trunk, "the trunk is up again"),
            // What to do about it was said when the REGISTER failed.
            Change { by_registration: true, .. } => tracing::debug!(%trunk, "the trunk is down: it is not registered"),
            Change { .. } => {
                tracing::warn!(%trunk, "the trunk is down, nobody answers: look at its `peers` and at the network");
            }
        }
        self.events.publish_trunk(if change.is_up { "trunk.up" } else { "trunk.down" }, trunk.clone());
    }
}
