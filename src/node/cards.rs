//! What is decided on call cards: of calls that are up in the call itself, of calls that have ended in the store.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::Inner;
use super::handle::Handle;
use crate::base::{CallId, EmployeeId};
use crate::call::CallEvent;
use crate::call::card::{Making, NoOffer, Offer, Press, Wish};
use crate::crm::model::{CallRecord, CardDecision, Lookup, OwedWrite};
use crate::crm::policy;
use crate::store::StoreError;

/// Who waits for what was decided, and whose turn it is.
#[derive(Debug, Default)]
pub(super) struct Cards {
    waiting: Mutex<HashMap<CallId, oneshot::Sender<()>>>,
    /// Of calls that have ended one decision at a time: each reads the record that it writes.
    ended: tokio::sync::Mutex<()>,
}

impl Cards {
    /// What was decided is asked for.
    pub(super) fn taken(&self, call: CallId) {
        if let Some(waits) = self.waiting.lock().remove(&call) {
            // Whoever decided may have hung up meanwhile.
            let _ = waits.send(());
        }
    }
}

/// A call as its card shows it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The call.
    pub call: CallRecord,
    /// What the CRM said in time, where the call is up.
    pub lookup: Option<Lookup>,
    /// What the card offers.
    pub offer: Offer,
}

/// Why nothing came of a decision.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// There is no such call.
    #[error("there is no call {0}")]
    NoSuchCall(CallId),
    /// She has no part in it.
    #[error("the call concerns other employees")]
    NotHers,
    /// The card does not offer it, or no more.
    #[error("{0}")]
    NotOffered(NoOffer),
    /// The store did not take it.
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl Handle {
    /// A call as its card shows it, live or ended; `None`: there is none.
    pub async fn card(&self, id: CallId) -> Result<Option<Seen>, StoreError> {
        let node = &self.node;
        if let Some(seen) = node.live.card(id, node.clock.now())
            && seen.call.ended.is_none()
        {
            return Ok(Some(seen));
        }
        let Some(call) = node.store.reader().call(id).await? else {
            // It may have ended a moment ago, and its record be on its way.
            return Ok(node.live.card(id, node.clock.now()));
        };
        let offer = node.offer_of(&call);
        Ok(Some(Seen { call, lookup: None, offer }))
    }

    /// Decides on a call's card. `only_hers`: `press.by` may do so only where the call concerns her.
    pub async fn press(&self, id: CallId, press: Press, only_hers: bool) -> Result<(), CardError> {
        let node = &self.node;
        let (told, taken) = oneshot::channel();
        match node.press_live(id, &press, only_hers, told) {
            Some(pressed) => {
                pressed?;
                // An error says that the call ended badly: what it had asked for is committed all the same.
                let _ = tokio::time::timeout(PATIENCE, taken).await;
            }
            None => node.press_ended(id, press, only_hers).await?,
        }
        // Committed once this is; what came of it is told behind that commit, and so before the next.
        node.store.commit_soon(|_| ()).await?;
        Ok(node.store.commit_soon(|_| ()).await?)
    }

    /// Whether she is in this call: who talks, and who dialled and waits.
    pub fn is_in(&self, id: CallId, employee: &EmployeeId) -> bool {
        self.node.live.has_in(id, employee)
    }

    /// Whose it is to hand this call on.
    pub fn holder(&self, id: CallId) -> Option<EmployeeId> {
        self.node.live.holder(id)
    }
}

impl Inner {
    /// `None`: the call is not up.
    fn press_live(
        self: &Arc<Self>,
        id: CallId,
        press: &Press,
        only_hers: bool,
        told: oneshot::Sender<()>,
    ) -> Option<Result<(), CardError>> {
        let now = self.clock.now();
        let view = self.house.view(&self.outbound, Some(&self.registrar), now.mono);
        // Before the step: what it wants done may be done by somebody else at once.
        self.cards.waiting.lock().insert(id, told);
        let pressed = self.live.press(id, now, press, only_hers, &view, &**self);
        let Some(Ok(turn)) = pressed else {
            self.cards.waiting.lock().remove(&id);
            return pressed.map(|refused| refused.map(|_| ()));
        };
        self.follow(id, turn);
        Some(Ok(()))
    }

    async fn press_ended(self: &Arc<Self>, id: CallId, press: Press, only_hers: bool) -> Result<(), CardError> {
        let _turn = self.cards.ended.lock().await;
        let reader = self.store.reader();
        // A call that ended a moment ago may wait for its commit.
        let found = match reader.call(id).await? {
            None if self.live.has(id) => {
                self.store.commit_soon(|_| ()).await?;
                reader.call(id).await?
            }
            found => found,
        };
        let mut call = found.ok_or(CardError::NoSuchCall(id))?;
        if only_hers && !press.by.as_ref().is_some_and(|by| call.concerns(by)) {
            return Err(CardError::NotHers);
        }
        let offer = self.offer_of(&call).refusal().map_err(CardError::NotOffered)?;
        let directory = self.house.directory_kept();
        let line = call.line.and_then(|number| directory.line(number));
        let (Some(line), Some(phone)) = (line, call.customer()) else {
            return Err(CardError::NotOffered(NoOffer::NoLine));
        };
        let hers = press.by.clone().filter(|by| call.concerns(by));
        let owner = hers.or_else(|| policy::owner_at_first(&directory, line, call.direction, call.dialler.as_ref()));
        let making = Making { phone, line, owner, mode: &directory.crm.mode };
        let writes = making.writes(&press.wish).map_err(CardError::NotOffered)?;
        let now = self.clock.now().wall;
        let after_lookup = (offer == Offer::AfterLookup).then_some(phone);
        let owed = (AFTER_THE_END..).zip(writes).map(|(seq, write)| OwedWrite {
            call: id,
            seq,
            since: now,
            after_lookup,
            client: Some(phone),
            write,
        });
        call.card = Some(CardDecision { action: press.wish.action(), by: press.by.clone(), at: now });
        if let Wish::Attach(to) = &press.wish {
            call.client = Some(*to);
        }
        self.outbox.amend(call, owed.collect()).await.map_err(|_| StoreError::Closed)?;
        // It lingers for its transactions, and is shown as it is there. False: it does no more.
        let _ = self.tell(id, CallEvent::Card(Box::new(press)));
        Ok(())
    }

    fn offer_of(&self, call: &CallRecord) -> Offer {
        if self.is_past(call) {
            return Offer::No(NoOffer::TooLate);
        }
        let directory = self.house.directory_kept();
        Offer::of(call, call.line.and_then(|number| directory.line(number)).map(|line| &**line))
    }

    fn is_past(&self, call: &CallRecord) -> bool {
        let ended = call.ended.unwrap_or(call.started).unix_millis();
        let since = self.clock.now().wall.unix_millis().saturating_sub(ended);
        u64::try_from(since).is_ok_and(|since| Duration::from_millis(since) > DECIDED_WITHIN)
    }
}

/// The places of what is decided after the end of a call, behind all that the call itself can have owed. One decision a
/// call: none is taken twice.
const AFTER_THE_END: u16 = 1 << 14;
/// How long after its end a call's card may be used.
const DECIDED_WITHIN: Duration = Duration::from_secs(24 * 3600);
/// How long whoever decides waits until the call has asked for what follows.
const PATIENCE: Duration = Duration::from_secs(5);
