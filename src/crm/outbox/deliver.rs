//! The deliverer: tries what is owed, each call in its order, until the CRM has taken or refused it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};

use super::owed::Owed;
use super::{Inner, Which, dead, written};
use crate::base::{CallId, Wall};
use crate::crm::model::{Effect, OwedWrite};
use crate::crm::{Crm, CrmError};
use crate::store::rows::Rows;

/// Calls whose writes are under way to a CRM elsewhere at once.
const AT_ONCE: usize = 8;

/// Runs until it is aborted.
pub(super) async fn run<C: Crm>(inner: Arc<Inner<C>>) {
    loop {
        let now = inner.store.now();
        let (due, next) = inner.owed.lock().all_due(now);
        if !due.is_empty() {
            stream::iter(due).for_each_concurrent(AT_ONCE, |call| inner.deliver_of(call)).await;
            continue;
        }
        tokio::select! {
            () = inner.wake.notified() => {}
            () = inner.crm.back() => drop(inner.owed.lock().hurry(inner.store.now(), Which::default())),
            () = rest(now, next) => {}
        }
    }
}

/// Until the next try, as far as the date tells; woken at least each minute, because dates jump.
async fn rest(now: Wall, next: Option<Wall>) {
    let millis = next.map_or(60_000, |next| next.unix_millis().saturating_sub(now.unix_millis()).clamp(1, 60_000));
    tokio::time::sleep(Duration::from_millis(u64::try_from(millis).unwrap_or(1))).await;
}

impl<C: Crm> Inner<C> {
    /// Delivers what the call owes, in order, until nothing is due or the CRM is away.
    async fn deliver_of(&self, call: CallId) {
        loop {
            let due = self.owed.lock().due(call, self.store.now()).cloned();
            let Some(write) = due else { return };
            let here = self.store.append(|rows| {
                let mut owed = self.owed.lock();
                let up = owed.is_up(call);
                let result = self.crm.at_once(&write, up, rows)?;
                Some(self.note(&mut owed, &write, result, rows))
            });
            let went_on = match here {
                Some(went_on) => went_on,
                None => {
                    let result = self.crm.deliver(&write).await;
                    self.store.append(|rows| self.note(&mut self.owed.lock(), &write, result, rows))
                }
            };
            if !went_on {
                return;
            }
        }
    }

    /// Writes down what a try came to; true where the call's next write may follow.
    fn note(&self, owed: &mut Owed, write: &OwedWrite, result: Result<Effect, CrmError>, rows: &mut Rows) -> bool {
        let now = self.store.now();
        let Some(waiting) = owed.waiting_mut(write.call, write.seq) else {
            return true; // an operator dropped it meanwhile
        };
        match result {
            Ok(effect) => {
                written(write, effect, waiting.attempts + 1, now, rows);
                if owed.remove(write.call, write.seq) {
                    self.crm.call_settled(write.call);
                }
                true
            }
            Err(error) if error.is_transient() => {
                waiting.put_off(now, error.to_string());
                rows.outbox.insert(waiting.key(), Some(waiting.row()));
                false
            }
            Err(error) => {
                tracing::error!(call = %write.call, write = write.write.kind().as_str(), %error, "the CRM refuses a write; see `ramal outbox list`");
                dead(waiting.clone(), &error, rows);
                owed.died(write.call);
                owed.remove(write.call, write.seq);
                true
            }
        }
    }
}
