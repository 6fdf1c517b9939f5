//! The deliverer: hands over what the machine says is due, and tells it how that went. A thin shell around [`Owed`].

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::oneshot;

use super::owed::{Owed, Taken};
use super::waiting::Key;
use super::{Inner, Which, dead, written};
use crate::base::Instant;
use crate::crm::model::{Effect, OwedWrite};
use crate::crm::{Crm, CrmError};
use crate::store::rows::Rows;

/// Writes that a CRM in the store takes in one commit.
const IN_ONE_COMMIT: usize = 256;
/// How long a CRM elsewhere may take over one write; one that takes longer is away.
const PATIENCE: Duration = Duration::from_secs(60);
/// Until a store that cannot be read is asked again.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// Runs until it is aborted, or the store is closed.
pub(super) async fn run<C: Crm>(inner: Arc<Inner<C>>) {
    let mut under_way = FuturesUnordered::new();
    loop {
        let Round { elsewhere, committed } = inner.round();
        under_way.extend(elsewhere.into_iter().map(|taken| inner.hand_over(taken)));
        if let Some(committed) = committed {
            if committed.await.is_err() {
                return;
            }
            continue; // there may be more at once
        }
        let next = inner.owed.lock().next_wakeup();
        tokio::select! {
            Some(()) = under_way.next() => {}
            () = inner.wake.notified() => {}
            () = inner.crm.back() => drop(inner.owed.lock().hurry(inner.now(), Which::default())),
            () = inner.rest_until(next) => {}
        }
    }
}

/// What came of looking at what is due.
struct Round {
    /// To be handed to a CRM elsewhere.
    elsewhere: Vec<Taken>,
    /// The commit of what a CRM in the store took.
    committed: Option<oneshot::Receiver<()>>,
}

impl<C: Crm> Inner<C> {
    /// Takes what is due: a CRM in the store has it at once, much in one commit.
    fn round(&self) -> Round {
        self.store.append(|rows| {
            let mut owed = self.owed.lock();
            let mut round = Round { elsewhere: Vec::new(), committed: None };
            for _ in 0..IN_ONE_COMMIT {
                let Some(taken) = owed.take(self.now()) else { break };
                let result = taken.write.as_ref().and_then(|write| self.here(&owed, write, rows));
                match (result, &taken.write) {
                    (Some(result), Some(write)) => {
                        self.note(&mut owed, write, result, rows);
                        round.committed.get_or_insert_with(|| rows.wait());
                    }
                    _ => round.elsewhere.push(taken),
                }
            }
            round
        })
    }

    /// What a CRM in the store says, or what is clear without asking any.
    fn here(&self, owed: &Owed, write: &OwedWrite, rows: &mut Rows) -> Option<Result<Effect, CrmError>> {
        match self.lost_before(owed, write) {
            Some(error) => Some(Err(error)),
            None => self.crm.at_once(write, owed.is_up(write.call), rows),
        }
    }

    /// Hands one write to the CRM, and notes what came of it.
    async fn hand_over(&self, taken: Taken) {
        let key = taken.key;
        let (write, fresh) = match taken.write {
            Some(write) => (write, false),
            None => match self.read(key).await {
                Some(write) => (write, true),
                None => return,
            },
        };
        if fresh && self.note_here(&write) {
            return;
        }
        let result = tokio::time::timeout(PATIENCE, self.crm.deliver(&write)).await;
        let result = result.unwrap_or(Err(CrmError::Unavailable));
        self.store.append(|rows| self.note(&mut self.owed.lock(), &write, result, rows));
    }

    /// For a write whose contents were in the store: [`Self::round`] could not ask for it.
    fn note_here(&self, write: &OwedWrite) -> bool {
        self.store.append(|rows| {
            let mut owed = self.owed.lock();
            let Some(result) = self.here(&owed, write, rows) else { return false };
            self.note(&mut owed, write, result, rows);
            true
        })
    }

    /// The contents that were left in the store.
    async fn read(&self, key: Key) -> Option<OwedWrite> {
        let read = self.store.reader().owed_write(key.0, key.1).await;
        let again = match read {
            Ok(Some(write)) => return Some(write),
            Ok(None) => None, // an operator dropped it meanwhile
            Err(error) => {
                tracing::error!(call_id = %key.0, %error, "cannot read a write that the CRM is owed; it stays owed");
                Some(self.now().mono + READ_AGAIN)
            }
        };
        self.owed.lock().was_not_sent(key, again);
        None
    }

    /// Writes down what a try came to.
    fn note(&self, owed: &mut Owed, write: &OwedWrite, result: Result<Effect, CrmError>, rows: &mut Rows) {
        let key = (write.call, write.seq);
        let now = self.now();
        match result {
            Ok(effect) => {
                let Some(attempts) = owed.took(key) else { return }; // an operator dropped it meanwhile
                written(write, effect, attempts, now.wall, rows);
                if owed.settles(write.call) {
                    self.crm.call_settled(write.call);
                }
            }
            Err(error) if error.is_transient() => {
                if let Some(row) = owed.put_off(write, &error, now) {
                    rows.outbox.insert(key, Some(row));
                }
            }
            Err(error) => {
                let waiting = match self.lost_before(owed, write) {
                    Some(_) => owed.went_with(key, &error),
                    None => owed.gave_up(key, &error),
                };
                let Some(waiting) = waiting else { return };
                tracing::error!(call_id = %write.call, write = write.write.kind().as_str(), %error,
                    "the CRM refuses a write; see `ramal outbox list`");
                dead(write, &waiting, now, rows);
            }
        }
    }

    async fn rest_until(&self, next: Option<Instant>) {
        match next {
            Some(at) => tokio::time::sleep_until(self.began + Duration::from_micros(at.as_micros())).await,
            None => std::future::pending().await,
        }
    }
}
