//! An employee with several phones: all of them ring, and she is one party all the same (RFC 3261 §16.7's forking, as far
//! as a house of phones needs it).

use smallvec::SmallVec;

use super::cx::Cx;
use super::hunt::Hunt;
use super::leg::Called;
use super::{Call, CallAction};
use crate::base::{Hop, LegId};
use crate::route::plan::Destination;
use crate::sip::agent::{CancelReason, FailedBy, OutgoingInvite};

impl Call {
    /// Calls all phones of hers that have registered, at once. Gives the first leg; the hunt rings the others already.
    /// `None`: none has.
    pub(super) fn call_phones(
        &mut self,
        hunt: &mut Hunt,
        to: &Destination,
        invite: &OutgoingInvite,
        cx: &mut Cx<'_>,
    ) -> Option<LegId> {
        let Destination::Employee { id, .. } = to else { return None };
        let mut legs: SmallVec<[LegId; 4]> = SmallVec::new();
        for target in cx.env.phones(id) {
            let called = Called { destination: to.clone(), tried: vec![target.clone()], is_phone: true };
            legs.push(self.call_at(called, &target, invite, cx));
        }
        let (first, others) = legs.split_first()?;
        others.iter().for_each(|leg| hunt.rings(*leg));
        Some(*first)
    }

    /// One of a party's phones came to a final answer. Gives what she says by all of them once none rings any more, else
    /// `None`.
    pub(super) fn phone_failed(
        &mut self,
        hunt: &mut Hunt,
        leg: LegId,
        (status, by, contacts): (u16, FailedBy, &[String]),
        cx: &mut Cx<'_>,
    ) -> Option<(u16, FailedBy)> {
        let Some(hop) = self.phone(leg) else { return Some((status, by)) };
        if let Some(leg) = self.leg_mut(leg) {
            leg.said_no = Some((status, by));
        }
        if is_gone(status, by) {
            cx.out.push(CallAction::PhoneGone(hop));
        }
        let others = self.phones_of(hunt, leg);
        if matches!(status, 600 | 603) {
            // RFC 3261 §16.7: "If a 6xx response is received, it is not immediately forwarded, but the stateful proxy SHOULD
            // cancel all client pending transactions": she will not be reached at another phone either.
            self.stop(hunt, &others, CancelReason::NextInTurn, cx);
            return Some((status, by));
        }
        if others.is_empty() {
            let hers = hunt.called().filter(|fork| self.is_same_party(*fork, leg));
            return hers.filter_map(|fork| self.leg(fork)?.said_no).min_by_key(|(status, by)| rank(*status, *by));
        }
        // A phone that sends the call on does so while her others still ring.
        if let Some(next) = self.follow_redirect(hunt, leg, (status, contacts), cx) {
            hunt.rings(next);
            return None;
        }
        // What a redirect led to is still being tried by her other phones.
        if let Some(other) = others.first() {
            hunt.redirects.iter_mut().filter(|redirect| redirect.leg == leg).for_each(|redirect| redirect.leg = *other);
        }
        None
    }

    /// Her phones that ring besides this one.
    pub(super) fn phones_of(&self, hunt: &Hunt, leg: LegId) -> SmallVec<[LegId; 4]> {
        let is_other = |other: &&LegId| **other != leg && self.is_same_party(**other, leg);
        hunt.ringing.iter().filter(is_other).copied().collect()
    }

    /// One of these legs for each party among them.
    pub(super) fn parties(&self, legs: &[LegId]) -> SmallVec<[LegId; 4]> {
        let mut parties: SmallVec<[LegId; 4]> = SmallVec::new();
        for leg in legs {
            if !parties.iter().any(|other| self.is_same_party(*other, *leg)) {
                parties.push(*leg);
            }
        }
        parties
    }

    fn stop(&mut self, hunt: &mut Hunt, legs: &[LegId], why: CancelReason, cx: &mut Cx<'_>) {
        hunt.ringing.retain(|leg| !legs.contains(leg));
        for leg in legs {
            if let Some(l) = self.leg_mut(*leg) {
                l.give_up(cx.now.mono);
            }
            self.ua.cancel(cx.now, *leg, why, &mut cx.agent);
        }
    }

    /// Where one of her own phones is called, where this leg calls one.
    fn phone(&self, leg: LegId) -> Option<Hop> {
        let called = self.leg(leg)?.called.as_ref().filter(|called| called.is_phone)?;
        called.tried.last().map(|target| target.hop)
    }

    fn is_same_party(&self, one: LegId, other: LegId) -> bool {
        let phone_of = |leg: LegId| self.leg(leg)?.called.as_ref().filter(|called| called.is_phone);
        match (phone_of(one), phone_of(other)) {
            (Some(one), Some(other)) => one.destination == other.destination,
            _ => one == other,
        }
    }
}

/// Whether such an end says that nobody is at the address that registered: nothing came, or a proxy on the path says that
/// it has lost the phone (RFC 5626 §11.5: 430).
fn is_gone(status: u16, by: FailedBy) -> bool {
    by != FailedBy::Peer || status == 430
}

/// What tells most of what she wants comes first: RFC 3261 §16.7 step 6, and before other codes that she is busy. A phone
/// that is not there tells nothing.
fn rank(status: u16, by: FailedBy) -> u8 {
    match status {
        _ if is_gone(status, by) => 5,
        600..=699 => 0,
        486 => 1,
        300..=407 | 409..=499 => 2,
        500..=599 => 3,
        _ => 4,
    }
}
