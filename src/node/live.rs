//! The calls that are up, in one map; `claims` has the INVITEs that began them. No guard of either leaves its file;
//! nothing but a call's own step, and putting its messages on the wire, runs under one.
//!
//! Whoever has an event steps the call. Messages go out under the guard, so that one call's keep their order. All
//! else that a call wants is handed to whoever stepped it, unless somebody still performs an earlier step's: then it
//! waits for her, and keeps its order too.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;
use tokio::sync::Notify;

use super::cards::{CardError, Seen};
use super::claims::{Claim, Claims, InviteKeys};
use super::slot::{Busy, Owed, Slot, Turn, Wire};
use crate::base::{CallId, EmployeeId, Instant, Now};
use crate::call::card::Press;
use crate::call::{self, Call, CallEvent, Env};
use crate::crm::model::{CallRecord, CallState};
use crate::sip::message::{Request, Response};
use crate::sip::subscription::{DialogInfo, Watched};
use crate::sip::transaction::ServerKey;

/// All calls, and whose each INVITE is.
#[derive(Debug)]
pub(super) struct Live {
    calls: DashMap<CallId, Slot>,
    claims: Claims,
    /// Legs that have moved from one call to another: their tags and branches go on naming the first.
    moved: DashMap<(CallId, Box<str>), CallId>,
    /// Calls that are up for their parties: the others only wait for their last transactions to end.
    up: AtomicUsize,
    /// Calls that are up, or whose last answers wait for their commit.
    unsettled: AtomicUsize,
    settled: Notify,
}

/// A call that was taken out.
#[derive(Debug)]
pub(super) struct Removed {
    pub(super) call: Call,
    /// The wake-up that is still owed to it.
    pub(super) armed: Option<Instant>,
    /// Who is still counted as being in it.
    pub(super) busy: Vec<Busy>,
}

/// Where one who is in a call may be expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FarEnd {
    pub(super) addresses: [SocketAddr; 2],
    /// When the call began: it goes by the files of then, too.
    pub(super) since: Instant,
}

impl Live {
    pub(super) fn new() -> Self {
        Self {
            calls: DashMap::with_shard_amount(SHARDS),
            claims: Claims::new(),
            moved: DashMap::with_shard_amount(SHARDS),
            up: AtomicUsize::new(0),
            unsettled: AtomicUsize::new(0),
            settled: Notify::new(),
        }
    }

    /// Calls that are up for their parties.
    pub(super) fn up(&self) -> usize {
        self.up.load(Ordering::Acquire)
    }

    /// Calls that are up, or whose last answers wait for their commit.
    pub(super) fn unsettled(&self) -> usize {
        self.unsettled.load(Ordering::Acquire)
    }

    /// Resolves when no call is up and none waits for its commit.
    pub(super) async fn settled(&self) {
        loop {
            let settled = self.settled.notified();
            if self.unsettled() == 0 {
                return;
            }
            settled.await;
        }
    }

    /// Whether any call still waits for an answer of one of its parties.
    pub(super) fn any_asks(&self) -> bool {
        self.calls.iter().any(|slot| slot.call.asks())
    }

    /// Whether there is such a call.
    pub(super) fn has(&self, id: CallId) -> bool {
        self.calls.contains_key(&id)
    }

    /// Where the far end may be expected that a request to this call means; `None`: it means no dialog of the call.
    pub(super) fn far_end(&self, id: CallId, request: &Request) -> Option<FarEnd> {
        let mut slot = self.calls.get_mut(&id)?;
        Some(FarEnd { addresses: slot.call.far_end(request)?, since: slot.call.began() })
    }

    /// Where the request went that this response answers; `None`: the call has asked no such thing.
    pub(super) fn asked(&self, id: CallId, response: &Response) -> Option<FarEnd> {
        let slot = self.calls.get(&id)?;
        Some(FarEnd { addresses: slot.call.asked(response)?, since: slot.call.began() })
    }

    /// The call that this INVITE, or what goes with it, belongs to.
    pub(super) fn claimed(&self, key: &ServerKey) -> Option<CallId> {
        self.claims.owner(key)
    }

    /// Claims an INVITE for a call that is about to be [put in](Self::insert): of many who claim it at once, one wins.
    pub(super) fn claim(&self, keys: &InviteKeys, id: CallId) -> Claim {
        self.claims.claim(keys, id)
    }

    /// Makes an INVITE that was [claimed](Self::claim) for a call that is there its own; false: it is gone.
    pub(super) fn keep_claim(&self, keys: &InviteKeys, id: CallId) -> bool {
        if let Some(mut slot) = self.calls.get_mut(&id) {
            slot.claims.push(keys.clone());
            return true;
        }
        self.claims.forget(keys);
        false
    }

    /// The call that has the leg of this SIP Call-ID which tag or branch say is `named`'s.
    pub(super) fn home_of(&self, named: CallId, call_id: &str) -> CallId {
        if self.moved.is_empty() {
            return named;
        }
        self.moved.get(&(named, call_id.into())).map_or(named, |home| *home)
    }

    /// Legs of these SIP Call-IDs have moved from one call to another, which has them by now.
    pub(super) fn moved(&self, from: CallId, to: CallId, call_ids: Vec<Box<str>>) {
        for call_id in call_ids {
            // What named an earlier home names this one.
            for mut entry in self.moved.iter_mut().filter(|entry| entry.key().1 == call_id && *entry.value() == from) {
                *entry.value_mut() = to;
            }
            self.moved.insert((from, call_id), to);
        }
        if let Some(mut slot) = self.calls.get_mut(&to) {
            slot.has_adopted = true;
        }
    }

    /// Whose call it is to hand on at the console; `None`: there is no such call that is up, or nobody may now.
    pub(super) fn holder(&self, id: CallId) -> Option<EmployeeId> {
        self.calls.get(&id)?.call.may_be_handed_on_by().cloned()
    }

    /// One call as its card shows it.
    pub(super) fn card(&self, id: CallId, now: Now) -> Option<Seen> {
        let slot = self.calls.get(&id)?;
        let call = slot.call.record_at(now);
        let offer = slot.call.offers(&call);
        Some(Seen { lookup: slot.call.lookup().cloned(), offer, call })
    }

    /// Whether she is in it.
    pub(super) fn has_in(&self, id: CallId, employee: &EmployeeId) -> bool {
        self.calls.get(&id).is_some_and(|slot| slot.call.has(employee))
    }

    /// Decides on the card of a call that is up, where it may be decided and by her; `None`: it is not up. What is
    /// looked at and what follows are one step.
    pub(super) fn press(
        &self,
        id: CallId,
        now: Now,
        press: &Press,
        only_hers: bool,
        env: &dyn Env,
        wire: &dyn Wire,
    ) -> Option<Result<Turn, CardError>> {
        let mut slot = self.calls.get_mut(&id).filter(|slot| !slot.call.is_ended())?;
        if only_hers && !press.by.as_ref().is_some_and(|by| slot.call.concerns_now(by)) {
            return Some(Err(CardError::NotHers));
        }
        if let Err(why) = slot.call.would_make(press, now, &env.directory().crm.mode) {
            return Some(Err(CardError::NotOffered(why)));
        }
        let turn = slot.step(now, CallEvent::Card(Box::new(press.clone())), env, wire);
        self.count(&mut slot, false);
        Some(Ok(turn))
    }

    /// Puts in the call that claimed this INVITE.
    pub(super) fn insert(&self, call: Call, claim: InviteKeys) {
        let id = call.id();
        self.up.fetch_add(1, Ordering::AcqRel);
        self.unsettled.fetch_add(1, Ordering::AcqRel);
        self.calls.insert(id, Slot::new(call, claim));
    }

    /// Tells a call of an event.
    pub(super) fn step(&self, id: CallId, now: Now, event: CallEvent, env: &dyn Env, wire: &dyn Wire) -> Turn {
        let Some(mut slot) = self.calls.get_mut(&id) else { return Turn::Unknown(Box::new(event)) };
        let was_saved = matches!(event, CallEvent::Saved);
        let turn = slot.step(now, event, env, wire);
        self.count(&mut slot, was_saved);
        turn
    }

    /// Wakes a call whose wake-up came due; arms the next where it was not the call's time yet.
    pub(super) fn wake(&self, id: CallId, now: Now, env: &dyn Env, wire: &dyn Wire) -> Turn {
        let Some(mut slot) = self.calls.get_mut(&id) else { return Turn::Unknown(Box::new(CallEvent::Wake)) };
        slot.armed = None;
        if slot.call.next_wakeup().is_none_or(|at| at > now.mono) {
            return slot.turn(false);
        }
        let turn = slot.step(now, CallEvent::Wake, env, wire);
        self.count(&mut slot, false);
        turn
    }

    /// What came to be owed while the caller performed; `None`: nothing, and whoever steps next performs.
    pub(super) fn owed(&self, id: CallId) -> Option<Vec<Owed>> {
        let mut slot = self.calls.get_mut(&id)?;
        slot.performing = !slot.owed.is_empty();
        slot.performing.then(|| std::mem::take(&mut slot.owed))
    }

    /// Takes a call out, with its claim.
    pub(super) fn remove(&self, id: CallId) -> Option<Removed> {
        let (_, mut slot) = self.calls.remove(&id)?;
        for claim in &slot.claims {
            self.claims.forget(claim);
        }
        if slot.has_adopted {
            self.moved.retain(|_, home| *home != id);
        }
        self.leave_up(&mut slot);
        self.settle(&mut slot);
        Some(Removed { call: slot.call, armed: slot.armed, busy: slot.busy })
    }

    /// Counts a call out where it has just ended, or its record has just been committed.
    fn count(&self, slot: &mut Slot, was_saved: bool) {
        if slot.is_up && slot.call.is_ended() {
            self.leave_up(slot);
        }
        if was_saved {
            self.settle(slot);
        }
    }

    fn leave_up(&self, slot: &mut Slot) {
        if std::mem::replace(&mut slot.is_up, false) {
            self.up.fetch_sub(1, Ordering::AcqRel);
        }
    }

    fn settle(&self, slot: &mut Slot) {
        if !std::mem::replace(&mut slot.is_settled, true) && self.unsettled.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.settled.notify_waiters();
        }
    }

    /// One call as it is now, with its ladder.
    pub(super) fn look(&self, id: CallId, now: Now) -> Option<(CallRecord, Vec<call::ladder::Entry>)> {
        let slot = self.calls.get(&id)?;
        Some((slot.call.record_at(now), slot.call.ladder().to_vec()))
    }

    /// The calls that somebody who is watched is in, or rung by.
    pub(super) fn concerned(&self, watched: &Watched) -> BTreeSet<CallId> {
        let concerned = self.calls.iter().filter(|slot| slot.is_up && slot.call.concerns(watched));
        concerned.map(|slot| *slot.key()).collect()
    }

    /// Her dialogs in this call.
    pub(super) fn lamps(&self, id: CallId, watched: &Watched) -> Vec<DialogInfo> {
        self.calls.get(&id).map(|slot| slot.call.lamps(watched)).unwrap_or_default()
    }

    /// Every call's ladder so far.
    pub(super) fn ladders(&self) -> Vec<(CallId, Vec<call::ladder::Entry>)> {
        self.calls.iter().map(|slot| (*slot.key(), slot.call.ladder().to_vec())).collect()
    }

    /// The calls that are up for their parties, as they are now, in the order in which they began.
    pub(super) fn records(&self, now: Now) -> Vec<CallRecord> {
        let mut records: Vec<CallRecord> =
            self.calls.iter().filter(|slot| slot.is_up).map(|slot| slot.call.record_at(now)).collect();
        records.retain(|record| record.state != CallState::Ended);
        records.sort_by_key(|record| (record.started, record.id));
        records
    }
}

/// Shards of each map: with few cores most locks are taken by nobody else.
pub(super) const SHARDS: usize = 64;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;
    use crate::base::{Hop, Ids, Transport, TrunkName, Wall};
    use crate::call::{Beginning, CallAction, Channel, Channels};
    use crate::route::directory::Directory;
    use crate::route::plan::{Destination, Presence};
    use crate::route::testing::house;
    use crate::route::{self, Origin};
    use crate::sip::agent::{Received, Target, Transmit};
    use crate::sip::message::{self, Limits, Message, Name, parse};
    use crate::sip::transaction::Timers;

    #[test]
    fn of_many_threads_that_claim_an_invite_one_wins_and_all_others_learn_whose_it_is() {
        for round in 0..50 {
            let live = Live::new();
            let keys = InviteKeys::of(&invite(&format!("z9hG4bK{round}")));
            let claims: Vec<(CallId, Claim)> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..8)
                    .map(|n| {
                        let (live, keys) = (&live, &keys);
                        scope.spawn(move || (CallId::from_bits(n), live.claim(keys, CallId::from_bits(n))))
                    })
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let winners: Vec<CallId> =
                claims.iter().filter(|(_, claim)| *claim == Claim::New).map(|(id, _)| *id).collect();
            let [winner] = winners[..] else { panic!("{} owners", winners.len()) };
            let others = claims.iter().filter(|(id, _)| *id != winner);
            assert!(others.into_iter().all(|(_, claim)| *claim == Claim::Known(winner)));
            assert_eq!(live.claimed(&keys.transaction), Some(winner));
        }
    }

    /// The house, whose files break whoever looks at them where `broken`.
    struct Looks {
        directory: Arc<Directory>,
        broken: bool,
    }

    impl route::plan::Live for Looks {
        fn presence(&self, _: &EmployeeId) -> Presence {
            Presence::Available
        }
        fn busy(&self, _: &EmployeeId) -> bool {
            false
        }
        fn last_rung(&self, _: &EmployeeId) -> Option<Wall> {
            None
        }
        fn registered(&self, _: &EmployeeId) -> bool {
            false
        }
    }

    impl Env for Looks {
        fn directory(&self) -> &Arc<Directory> {
            assert!(!self.broken, "a fault that the test puts in");
            &self.directory
        }
        fn target(&self, _: &Destination, _: &[Target]) -> Option<Target> {
            None
        }
        fn channel(&self, trunk: &TrunkName, most: u32) -> Option<Channel> {
            Channels::default().take(trunk, most)
        }
        fn phones(&self, _: &EmployeeId) -> Vec<Target> {
            Vec::new()
        }
        fn watches(&self, _: &Watched) -> bool {
            false
        }
    }

    #[derive(Default)]
    struct Sent(Mutex<Vec<String>>);

    impl Wire for Sent {
        fn put(&self, transmit: &Transmit) -> bool {
            let line = transmit.bytes.split(|b| *b == b'\r').next().unwrap_or_default();
            self.0.lock().push(String::from_utf8_lossy(line).into_owned());
            true
        }
    }

    fn invite(branch: &str) -> Request {
        let bytes = format!(
            "INVITE sip:+551140028922@ramal SIP/2.0\r\nVia: SIP/2.0/UDP h:5060;branch={branch}\r\n\
             From: <sip:+5511987654321@h>;tag=1\r\nTo: <sip:+551140028922@ramal>\r\nCall-ID: {branch}\r\n\
             CSeq: 1 INVITE\r\nContact: <sip:h:5060>\r\nContent-Length: 0\r\n\r\n"
        );
        match parse(&bytes.into(), &Limits::default()).unwrap() {
            Message::Request(request) => request,
            Message::Response(_) => panic!("a request"),
        }
    }

    fn put_in(live: &Live, id: CallId, request: &Request, directory: &Directory) {
        let ids = message::invitation(request).identities;
        let entry = route::inbound(directory, &Origin::Trunk("carrier".into()), &ids).unwrap();
        let keys = InviteKeys::of(request);
        assert_eq!(live.claim(&keys, id), Claim::New);
        let beginning = Beginning {
            id,
            ids: Ids::seeded(id.bits()),
            timers: Timers::default(),
            entry,
            blacklisted: false,
            label: "carrier".to_owned(),
            trunk: None,
            is_phone: false,
            now: Now::default(),
            max_forwards: 70,
            offer: None,
        };
        live.insert(Call::new(beginning, directory), keys);
    }

    fn received(request: Request) -> CallEvent {
        let at = "127.0.0.1:5060".parse().unwrap();
        let hop = Hop { transport: Transport::Udp, local: at, remote: at, advertised: at, name: None };
        CallEvent::Received(Box::new(Received { message: request.into(), hop }))
    }

    #[test]
    fn the_same_request_by_another_way_is_merged_and_its_own_copy_is_known() {
        let live = Live::new();
        let (first, id) = (invite("z9hG4bKone"), CallId::from_bits(1));
        assert_eq!(live.claim(&InviteKeys::of(&first), id), Claim::New);
        let mut forked = first.clone();
        forked.headers.set(Name::Via, "SIP/2.0/UDP h:5060;branch=z9hG4bKother");
        let forked = InviteKeys::of(&forked);
        assert_eq!(live.claim(&forked, CallId::from_bits(2)), Claim::Merged);
        assert_eq!(live.claimed(&forked.transaction), None);
        assert_eq!(live.claim(&InviteKeys::of(&first), CallId::from_bits(3)), Claim::Known(id));
    }

    #[tokio::test]
    async fn a_fault_of_ours_ends_its_call_and_no_other() {
        let directory = Arc::new(house().build());
        let (live, sent) = (Live::new(), Sent::default());
        let (doomed, other) = (CallId::from_bits(1), CallId::from_bits(2));
        let (one, two) = (invite("z9hG4bKone"), invite("z9hG4bKtwo"));
        put_in(&live, doomed, &one, &directory);
        put_in(&live, other, &two, &directory);
        assert_eq!(live.up(), 2);
        let whole = Looks { directory: Arc::clone(&directory), broken: false };
        let broken = Looks { directory, broken: true };
        let turn = live.step(doomed, Now::default(), received(one.clone()), &broken, &sent);
        assert!(matches!(turn, Turn::Stepped { wrecked: true, .. }), "{turn:?}");
        assert_eq!(live.up(), 1, "the doomed one is over for its parties");
        live.step(doomed, Now::default(), CallEvent::Saved, &broken, &sent);
        assert_eq!(sent.0.lock().last().unwrap(), "SIP/2.0 500 Server Internal Error");
        live.remove(doomed).expect("it waits for its last transactions");
        assert_eq!(live.claimed(&ServerKey::of(&one)), None);
        sent.0.lock().clear();

        let turn = live.step(other, Now::default(), received(two), &whole, &sent);
        let Turn::Stepped { perform, arm, wrecked: false } = turn else { panic!("{turn:?}") };
        assert!(matches!(perform[0], Owed::Action(CallAction::Ask { .. })), "{perform:?}");
        assert!(arm.is_some(), "the lookup has a deadline");
        assert_eq!(*sent.0.lock(), ["SIP/2.0 100 Trying"]);
        // Until those are performed nobody else is handed what comes to be owed.
        let turn = live.step(other, Now::default(), CallEvent::HangUp, &whole, &sent);
        assert!(matches!(turn, Turn::Stepped { perform, .. } if perform.is_empty()));
        let owed = live.owed(other).expect("it waited");
        assert!(owed.iter().any(|owed| matches!(owed, Owed::Action(CallAction::Save { .. }))), "{owed:?}");
        assert!(live.owed(other).is_none());
        assert_eq!(live.up(), 0, "it is over for its parties");
        live.step(other, Now::default(), CallEvent::Saved, &whole, &sent);
        tokio::time::timeout(std::time::Duration::from_secs(1), live.settled())
            .await
            .expect("nothing is up or unsaved");
    }
}
