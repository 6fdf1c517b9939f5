//! Whether an offer may go or come now: RFC 3264 §4, RFC 3261 §14, RFC 3311 §5, RFC 6337.

use std::time::Duration;

use crate::base::Ids;

/// How long an offer waits that met 491, by who owns the Call-ID: whoever sent the INVITE that began the dialog.
///
/// RFC 3261 §14.1: "If the UAC is the owner of the Call-ID of the dialog ID …, T has a randomly chosen value between 2.1
/// and 4 seconds in units of 10 ms", else "between 0 and 2 seconds in units of 10 ms".
pub fn back_off(owns_call_id: bool, ids: &mut Ids) -> Duration {
    let (from, span) = if owns_call_id { (2_100, 191) } else { (0, 201) };
    Duration::from_millis(from + 10 * ids.below(span))
}

/// What of INVITE, UPDATE and their offers is under way in one dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UnderWay {
    /// An INVITE of ours has no final response yet.
    pub our_invite: bool,
    /// An offer of ours, in whatever message, has no answer yet.
    pub our_offer: bool,
    /// An INVITE of the peer's has no final response yet.
    pub their_invite: bool,
    /// An offer of the peer's has no answer yet.
    pub their_offer: bool,
    /// A 200 of ours to INVITE has no ACK yet.
    pub our_200: bool,
}

/// Why an offer or an INVITE of the peer's cannot be taken now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutOfTurn {
    /// 491: it crossed one of ours.
    Glare,
    /// 500 with Retry-After: one of its own is not settled yet.
    TooSoon,
}

impl UnderWay {
    /// Whether we may send an INVITE or an offer now.
    ///
    /// RFC 3261 §14.1: "a UAC MUST NOT initiate a new INVITE transaction within a dialog while another INVITE
    /// transaction is in progress in either direction"; RFC 3264 §4: one offer at a time.
    pub fn may_offer(self) -> bool {
        self == Self::default()
    }

    /// Whether a re-INVITE of the peer's, or an UPDATE of its with an offer, may be taken now.
    ///
    /// # Errors
    /// RFC 3261 §14.2: "A UAS that receives a second INVITE before it sends the final response to a first INVITE with a
    /// lower CSeq sequence number on the same dialog MUST return a 500"; "A UAS that receives an INVITE on a dialog
    /// while an INVITE it had sent on that dialog is in progress MUST return a 491".
    ///
    /// RFC 3311 §5.2, of UPDATE: where an offer of ours has no answer, "the UAS MUST reject the UPDATE with a 491
    /// response"; where one of the peer's has none, "the UAS MUST reject the UPDATE with a 500 response, and MUST
    /// include a Retry-After". It would let an UPDATE pass an INVITE without an offer: here that has to wait as well, as
    /// the answer to one may be the other leg's business.
    pub fn admit(self) -> Result<(), OutOfTurn> {
        if self.our_invite || self.our_offer {
            Err(OutOfTurn::Glare)
        } else if self.their_invite || self.their_offer {
            Err(OutOfTurn::TooSoon)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_owns_the_call_id_waits_longer_after_491_than_who_does_not() {
        let mut ids = Ids::seeded(7);
        for _ in 0..1_000 {
            let (ours, theirs) = (back_off(true, &mut ids).as_millis(), back_off(false, &mut ids).as_millis());
            assert!((2_100..=4_000).contains(&ours) && theirs <= 2_000 && ours % 10 == 0 && theirs % 10 == 0);
        }
    }

    #[test]
    fn nothing_under_way_lets_every_offer_pass() {
        let idle = UnderWay::default();
        assert!(idle.may_offer());
        assert_eq!(idle.admit(), Ok(()));
    }

    #[test]
    fn ours_under_way_is_glare_and_theirs_is_too_soon() {
        let idle = UnderWay::default();
        for ours in [UnderWay { our_invite: true, ..idle }, UnderWay { our_offer: true, ..idle }] {
            assert!(!ours.may_offer());
            assert_eq!(ours.admit(), Err(OutOfTurn::Glare));
        }
        for theirs in [UnderWay { their_invite: true, ..idle }, UnderWay { their_offer: true, ..idle }] {
            assert!(!theirs.may_offer());
            assert_eq!(theirs.admit(), Err(OutOfTurn::TooSoon));
        }
    }

    #[test]
    fn a_200_without_its_ack_holds_back_our_offers_but_not_the_peers() {
        let unacked = UnderWay { our_200: true, ..UnderWay::default() };
        assert!(!unacked.may_offer());
        assert_eq!(unacked.admit(), Ok(()), "the ACK may have been lost");
    }
}
