//! An offer that came a moment too early: what it may not cross on the other leg is settled first, and then it goes.
//!
//! A phone that puts a call on hold right after it has answered has nothing under way with us. The caller's ACK may
//! still be on its way to us all the same, or a re-INVITE of ours there may still wait for its answer. 491 would tell
//! the phone of a glare that it has no part in, and many take that for the end of it.

use std::time::Duration;

use bytes::Bytes;

use super::Call;
use super::bridge::Bridge;
use super::cx::Cx;
use crate::base::{Instant, LegId};
use crate::sip::agent::RequestId;

/// How long a re-INVITE waits: a 200 whose ACK is lost is sent again after 500 and 1500 ms.
const INVITE_WAITS: Duration = Duration::from_secs(2);

/// How long an UPDATE does.
///
/// RFC 3311 §5.2 rules out to let a person decide, and RFC 4320 §4 to answer late: a second lets one lost ACK come again.
const UPDATE_WAITS: Duration = Duration::from_secs(1);

/// A re-INVITE or UPDATE that is kept until the other leg may be offered something.
#[derive(Debug)]
pub(super) struct Kept {
    /// Theirs, which waits for our answer.
    request: RequestId,
    offer: Option<Bytes>,
    by_invite: bool,
    /// When its sender is told 491 instead.
    pub(super) until: Instant,
}

impl Kept {
    /// Whether it came by this leg.
    pub(super) fn is_of(&self, leg: LegId) -> bool {
        self.request.leg == leg
    }
}

impl Call {
    /// An offer that may not go to `peer` now: kept where that will be over in a moment, else refused.
    pub(super) fn keep_or_refuse(
        &mut self,
        bridge: &mut Bridge,
        (request, peer): (RequestId, LegId),
        offer: Option<&Bytes>,
        by_invite: bool,
        cx: &mut Cx<'_>,
    ) {
        // RFC 3261 §14.1: "a UAC MUST NOT initiate a new INVITE transaction within a dialog while another INVITE
        // transaction is in progress in either direction": where both sides ask at once, this one is told so by 491.
        if !self.ua.settles_by_itself(peer) || bridge.kept.is_some() {
            return self.ua.answer(cx.now, request, 491, None, &mut cx.agent);
        }
        let until = cx.now.mono + if by_invite { INVITE_WAITS } else { UPDATE_WAITS };
        bridge.kept = Some(Kept { request, offer: offer.cloned(), by_invite, until });
    }

    /// Passes a kept offer on as soon as it may go; refuses it once it has waited for too long.
    pub(super) fn pass_kept(&mut self, bridge: &mut Bridge, cx: &mut Cx<'_>) {
        // The end of its sender's leg has answered it.
        bridge.kept.take_if(|kept| !self.ua.awaits(kept.request));
        let Some(Kept { request, until, .. }) = bridge.kept else { return };
        // Without another party who is up it is answered here.
        let waits = bridge.peer(request.leg).is_some_and(|peer| self.ua.is_up(peer) && !self.ua.may_offer(peer));
        // A join has something to say to the other party first.
        if (waits || bridge.join.is_some()) && cx.now.mono < until {
            return;
        }
        let Some(kept) = bridge.kept.take() else { return };
        match waits || bridge.join.is_some() {
            true => self.ua.answer(cx.now, request, 491, None, &mut cx.agent),
            false => self.relay_offer(bridge, request, kept.offer.as_ref(), kept.by_invite, cx),
        }
    }

    /// Its sender takes a re-INVITE back by CANCEL; one that was passed on already goes its way.
    pub(super) fn withdrawn(&mut self, bridge: &mut Bridge, request: RequestId, cx: &mut Cx<'_>) {
        if bridge.kept.take_if(|kept| kept.request == request).is_some() {
            // RFC 3261 §9.2: "the UAS SHOULD immediately respond to the INVITE with a 487 (Request Terminated)."
            self.ua.answer(cx.now, request, 487, None, &mut cx.agent);
        }
    }
}
