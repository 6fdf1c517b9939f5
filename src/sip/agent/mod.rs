//! The user agent of one call: all its transactions and dialogs, one INVITE usage a leg.
//!
//! The call above says what it wants in SIP's own verbs ([`UserAgent`]) and hears what the peers did ([`LegEvent`]).
//! What is mere protocol stays here: 100 Trying, retransmissions, ACKs (also of repeated 200s), 200 to CANCEL,
//! a second fork's 200 (ACK, then BYE), 481, 491 and 500 to requests that come out of turn.

mod api;

use bytes::Bytes;

pub use api::*;

use crate::base::{CallId, Ids, Instant, LegId, Now};

/// Placeholder until `sip::transaction` has it.
#[derive(Debug, Clone, Copy)]
pub struct Timers;

/// All transactions and dialogs of one call.
#[derive(Debug)]
pub struct UserAgent;

#[expect(unused_variables, reason = "signatures agreed on; the bodies are being written")]
impl UserAgent {
    /// Of a call whose first INVITE is about to be given to [`receive`](Self::receive).
    pub fn new(call: CallId, ids: Ids, timers: Timers) -> Self {
        todo!()
    }

    /// Takes a message of this call.
    pub fn receive(&mut self, now: Now, received: &Received, out: &mut AgentOut) {
        todo!()
    }

    /// Does what is due.
    pub fn wake(&mut self, now: Now, out: &mut AgentOut) {
        todo!()
    }

    /// When [`wake`](Self::wake) is due.
    pub fn next_wakeup(&self) -> Option<Instant> {
        todo!()
    }

    /// No transaction and no dialog is left.
    pub fn is_idle(&self) -> bool {
        todo!()
    }

    /// What was sent to this hop did not get there: open client transactions to it fail as by 503.
    pub fn unreachable(&mut self, now: Now, hop: crate::base::Hop, out: &mut AgentOut) {
        todo!()
    }

    /// The SIP Call-ID of a leg.
    pub fn sip_call_id(&self, leg: LegId) -> &str {
        todo!()
    }

    /// A leg for an INVITE of ours; sends it.
    pub fn invite(&mut self, now: Now, target: &Target, invite: &OutgoingInvite, out: &mut AgentOut) -> LegId {
        todo!()
    }

    /// Cancels an INVITE of ours, as soon as RFC 3261 §9.1 lets it (not before a provisional came). A leg that then
    /// answers all the same says so by `Answered`.
    pub fn cancel(&mut self, now: Now, leg: LegId, why: CancelReason, out: &mut AgentOut) {
        todo!()
    }

    /// A provisional answer to the A leg. `fork` chooses the early dialog: each fork has a To-tag of its own; `None`
    /// keeps the tag that was last used.
    pub fn progress(&mut self, now: Now, status: u16, fork: Option<ForkId>, sdp: Option<Bytes>, out: &mut AgentOut) {
        todo!()
    }

    /// 200 to the A leg, with the To-tag of `fork`.
    pub fn accept(&mut self, now: Now, fork: ForkId, sdp: Option<Bytes>, out: &mut AgentOut) {
        todo!()
    }

    /// A final refusal of the A leg's INVITE. `retry_after` in seconds.
    pub fn reject(&mut self, now: Now, status: u16, retry_after: Option<u32>, out: &mut AgentOut) {
        todo!()
    }

    /// The ACK that is owed because the 200 carried the offer.
    pub fn ack(&mut self, now: Now, leg: LegId, answer: Bytes, out: &mut AgentOut) {
        todo!()
    }

    /// BYE on a confirmed leg. Where an ACK is owed, its offer is answered with all streams refused first. A leg
    /// whose 200 has not been acknowledged yet is ended once the ACK came or timed out (RFC 3261 §15).
    pub fn bye(&mut self, now: Now, leg: LegId, out: &mut AgentOut) {
        todo!()
    }

    /// A re-INVITE on a confirmed leg; `None`: the peer is to make the offer.
    pub fn reinvite(&mut self, now: Now, leg: LegId, offer: Option<Bytes>, out: &mut AgentOut) -> RequestId {
        todo!()
    }

    /// An UPDATE with an offer.
    pub fn update(&mut self, now: Now, leg: LegId, offer: Bytes, out: &mut AgentOut) -> RequestId {
        todo!()
    }

    /// An INFO or MESSAGE.
    pub fn pass(
        &mut self,
        now: Now,
        leg: LegId,
        method: &'static str,
        body: Option<Body>,
        info_package: Option<String>,
        out: &mut AgentOut,
    ) -> RequestId {
        todo!()
    }

    /// A NOTIFY of a REFER's progress: `message/sipfrag` with `SIP/2.0 {status} …`; `last` ends the subscription.
    pub fn notify(&mut self, now: Now, refer: RequestId, status: u16, last: bool, out: &mut AgentOut) -> RequestId {
        todo!()
    }

    /// The final answer to a request that an event named. `sdp` goes with a 200 to a re-INVITE or UPDATE.
    pub fn answer(&mut self, now: Now, request: RequestId, status: u16, sdp: Option<Bytes>, out: &mut AgentOut) {
        todo!()
    }

    /// Whether this leg's dialog is confirmed and neither side has ended it.
    pub fn is_up(&self, leg: LegId) -> bool {
        todo!()
    }

    /// Whether an offer may be sent on this leg now: none is under way in either direction.
    pub fn may_offer(&self, leg: LegId) -> bool {
        todo!()
    }

    /// Whether we own the leg's Call-ID: for the back-off after 491 (RFC 3261 §14.1).
    pub fn owns_call_id(&self, leg: LegId) -> bool {
        todo!()
    }
}
