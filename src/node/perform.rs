//! What calls want done, done: lookups, writes to the CRM, records, events, counters, and the end.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::Inner;
use super::live::Removed;
use super::slot::{Arm, Busy, Owed, Turn, Wire};
use crate::base::{CallId, Instant, Pii, Way};
use crate::call::{CallAction, CallEvent, Word};
use crate::crm::model::{CallRecord, Lookup, NoAnswer, OwedWrite};
use crate::crm::{Crm, WhoCalls};
use crate::net::sink::Path;
use crate::sip::agent::Transmit;
use crate::sip::subscription::Watched;

impl Wire for Inner {
    fn put(&self, transmit: &Transmit) -> bool {
        self.metrics.sent(&transmit.bytes, transmit.again);
        tracing::trace!(to = %transmit.hop.remote, message = %String::from_utf8_lossy(&transmit.bytes), "sent");
        self.outbound.send(&transmit.hop, &transmit.bytes).is_ok()
    }
}

impl Inner {
    /// Tells a call of an event and does all that comes of it. False: there is no such call.
    pub(super) fn tell(self: &Arc<Self>, call: CallId, event: CallEvent) -> bool {
        let now = self.clock.now();
        let turn = self.live.step(
            call,
            now,
            event,
            &self.house.view(&self.outbound, Some(&self.registrar), now.mono),
            &**self,
        );
        self.follow(call, turn)
    }

    /// One call says something to another.
    fn say(self: &Arc<Self>, from: CallId, to: CallId, word: Word) {
        let to = match &word {
            Word::Asks { replaces, .. } => self.live.home_of(to, &replaces.call_id),
            _ => to,
        };
        let given: Vec<Box<str>> = match &word {
            Word::Gives(gift) => gift.sip_call_ids().map(Into::into).collect(),
            _ => Vec::new(),
        };
        let now = self.clock.now();
        let view = self.house.view(&self.outbound, Some(&self.registrar), now.mono);
        match self.live.step(to, now, CallEvent::Said { from, word }, &view, &**self) {
            Turn::Unknown(event) => {
                if let CallEvent::Said { word, .. } = *event {
                    // Its actions are owed behind this one.
                    self.tell(from, CallEvent::Unheard(word));
                }
            }
            turn => {
                // Not before the other call has them: until then this one passes on what comes for them.
                if !given.is_empty() {
                    self.live.moved(from, to, given);
                }
                self.follow(to, turn);
            }
        }
    }

    /// A call's wake-up came due.
    pub(super) fn wake(self: &Arc<Self>, call: CallId) {
        let now = self.clock.now();
        let turn =
            self.live.wake(call, now, &self.house.view(&self.outbound, Some(&self.registrar), now.mono), &**self);
        self.follow(call, turn);
    }

    pub(super) fn follow(self: &Arc<Self>, call: CallId, turn: Turn) -> bool {
        let (mut perform, arm) = match turn {
            Turn::Unknown(_) => return false,
            Turn::Crashed => {
                self.crashed(call);
                return true;
            }
            Turn::Stepped { perform, arm, wrecked } => {
                if wrecked {
                    tracing::error!(call_id = %call, "a fault of ours ended this call");
                    self.metrics.call_crashed();
                }
                (perform, arm)
            }
        };
        if let Some(Arm { at, instead_of }) = arm {
            self.timers.arm(at, call, instead_of);
        }
        while !perform.is_empty() {
            for owed in perform {
                match owed {
                    Owed::Action(action) => self.perform(call, action),
                    Owed::Unreachable(hop) => {
                        self.lost(Path { transport: hop.transport, local: hop.local, remote: hop.remote });
                        // Its actions are owed behind these: this step performs for all.
                        self.tell(call, CallEvent::Unreachable(hop));
                    }
                }
            }
            perform = self.live.owed(call).unwrap_or_default();
        }
        true
    }

    fn crashed(&self, call: CallId) {
        tracing::error!(call_id = %call, "a fault of ours ended this call, and its parties could not be told");
        self.metrics.call_crashed();
        let Some(Removed { armed, busy, .. }) = self.live.remove(call) else { return };
        if let Some(at) = armed {
            self.timers.disarm(at, call);
        }
        for Busy { employee, placed } in busy {
            self.lamp_changed(call, &Watched::Employee(employee.clone()));
            self.house.count(employee, false, placed);
        }
        self.outbox.call_ended(call);
    }

    fn perform(self: &Arc<Self>, call: CallId, action: CallAction) {
        match action {
            // Sent under the guard already.
            CallAction::Send(transmit) => debug_assert!(false, "{transmit:?} was to be sent by the step"),
            CallAction::Ask { phone, line, address } => self.ask(call, WhoCalls { phone, line, address }),
            CallAction::Tell(writes) => self.outbox.tell(writes),
            CallAction::Save { record, writes } => self.save(*record, writes),
            CallAction::Publish(publication) => self.events.publish(*publication),
            CallAction::Rung(employee) => self.house.rung(employee, self.clock.now().wall),
            CallAction::Busy { employee, busy, placed } => self.house.count(employee, busy, placed),
            CallAction::Lamp(watched) => self.lamp_changed(call, &watched),
            CallAction::PhoneGone(hop) => {
                let way = Way { transport: hop.transport, address: hop.remote };
                self.registrar.lost(self.clock.now(), way);
            }
            CallAction::Transferred { kind, result } => self.metrics.transferred(kind, result),
            CallAction::Silent(hop) => self.house.lost(hop.remote, self.clock.now().mono),
            CallAction::Say { to, word } => self.say(call, to, word),
            CallAction::PostDialDelay(delay) => self.metrics.rang(delay),
            CallAction::CardTaken => self.cards.taken(call),
            CallAction::Finish => self.finish(call),
        }
    }

    /// Asks the CRM. One that knows at once answers here; another is waited for by a task of its own.
    fn ask(self: &Arc<Self>, call: CallId, asked: WhoCalls) {
        let began = self.clock.now().mono;
        let node = Arc::clone(self);
        let mut answer = Box::pin(async move {
            let answer = node.outbox.crm().who_calls(&asked).await;
            answer.unwrap_or_else(|fault| {
                tracing::debug!(call_id = %call, %fault, "no answer from the CRM");
                Lookup::Undetermined(NoAnswer::Unavailable)
            })
        });
        match pin!(&mut answer).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(lookup) => self.answered(call, began, lookup),
            Poll::Pending => {
                let node = Arc::clone(self);
                // Ends with the backend's own time limit; the call has a deadline of its own.
                tokio::spawn(async move { node.answered(call, began, answer.await) });
            }
        }
    }

    fn answered(self: &Arc<Self>, call: CallId, began: Instant, lookup: Lookup) {
        self.metrics.looked_up(lookup.kind(), self.clock.now().mono.since(began));
        self.tell(call, CallEvent::CrmSaid(lookup));
    }

    /// Commits a call's record; its last answers wait for that, but not for ever.
    fn save(self: &Arc<Self>, record: CallRecord, writes: Vec<OwedWrite>) {
        let call = record.id;
        self.metrics.call_ended(&record);
        log_end(&record);
        let committed = self.outbox.save(record, writes);
        let node = Arc::clone(self);
        // Ends by itself within the limit.
        tokio::spawn(async move {
            match tokio::time::timeout(COMMIT, committed).await {
                Ok(Ok(())) => {}
                // An error: the store is being closed, and has said so itself.
                Ok(Err(_)) => tracing::debug!(call_id = %call, "the store closed before the call was saved"),
                // `/readyz` says it to the operator; the record waits in memory.
                Err(_) => tracing::debug!(call_id = %call, "the call is not saved yet; its last answer goes out"),
            }
            node.tell(call, CallEvent::Saved);
        });
    }

    fn finish(&self, call: CallId) {
        let Some(Removed { call: ended, armed, .. }) = self.live.remove(call) else { return };
        if let Some(at) = armed {
            self.timers.disarm(at, call);
        }
        if !ended.is_ended() {
            // It left no record, so nobody else tells the CRM that it is over.
            self.outbox.call_ended(call);
        }
        self.trace.keep(call, ended.into_ladder());
    }
}

/// The one line that a call leaves in the log.
fn log_end(record: &CallRecord) {
    tracing::info!(
        call_id = %record.id,
        direction = record.direction.as_str(),
        outcome = record.outcome.map_or("", |outcome| outcome.as_str()),
        lookup = record.lookup.map_or("", |lookup| lookup.as_str()),
        from = %Pii(&record.from),
        to = %Pii(&record.to),
        employee = record.employee.as_ref().map_or("", |employee| employee.as_str()),
        ring_seconds = record.ring_seconds,
        talk_seconds = record.talk_seconds,
        "call ended"
    );
}

/// How long a call's last answer waits for the commit of its record.
const COMMIT: Duration = Duration::from_secs(2);
