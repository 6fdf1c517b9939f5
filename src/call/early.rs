//! Before the answer: what caller and callee agree on about media in an early dialog, by UPDATE (RFC 3311).

use bytes::Bytes;

use super::Call;
use super::cx::Cx;
use super::hunt::Hunt;
use crate::base::LegId;
use crate::sdp;
use crate::sip::agent::{ForkId, RequestId};

/// An early offer passed on.
#[derive(Debug, Clone, Copy)]
pub(super) struct EarlyRelay {
    /// Theirs, which waits for our answer.
    from: RequestId,
    /// Ours, on the other leg.
    to: RequestId,
}

impl Call {
    /// An offer in an early dialog: the other side's matter, where she can be asked.
    ///
    /// RFC 3311 §5.2: "If the UAS cannot change the session parameters without prompting the user, it SHOULD reject the
    /// request with a 504": here it is the other leg that cannot be asked, as nothing reliable has been said there, or it
    /// takes no UPDATE.
    pub(super) fn early_offer(
        &mut self,
        hunt: &mut Hunt,
        request: RequestId,
        offer: &Bytes,
        fork: Option<ForkId>,
        cx: &mut Cx<'_>,
    ) {
        let other = fork.map(|fork| (if request.leg == LegId::A { fork.leg } else { LegId::A }, fork));
        let Some((other, fork)) = other.filter(|(other, fork)| self.ua.may_update(*other, *fork)) else {
            return self.ua.answer(cx.now, request, 504, None, &mut cx.agent);
        };
        if let Some(leg) = self.leg_mut(request.leg) {
            leg.hear(Some(offer));
        }
        let said = self.say(other, offer);
        let to = self.ua.update_early(cx.now, other, fork, said, &mut cx.agent);
        hunt.early.push(EarlyRelay { from: request, to });
    }

    /// The other side's answer to an early offer.
    pub(super) fn early_reply(
        &mut self,
        hunt: &mut Hunt,
        request: RequestId,
        status: u16,
        answer: Option<Bytes>,
        cx: &mut Cx<'_>,
    ) {
        let Some(at) = hunt.early.iter().position(|relay| relay.to == request) else { return };
        let from = hunt.early.remove(at).from;
        let answer = answer.filter(|_| (200..300).contains(&status));
        if let Some(leg) = self.leg_mut(request.leg) {
            leg.hear(answer.as_ref());
        }
        let said = answer.map(|answer| self.answer_for(from.leg, &answer));
        self.ua.answer(cx.now, from, if said.is_some() { 200 } else { status.max(300) }, said, &mut cx.agent);
    }

    /// Somebody answered while an early offer was under way: it may be made again.
    pub(super) fn drop_early(&mut self, hunt: &mut Hunt, cx: &mut Cx<'_>) {
        for relay in std::mem::take(&mut hunt.early) {
            self.ua.answer(cx.now, relay.from, 500, None, &mut cx.agent);
        }
    }

    /// An answer as it may be sent to this leg: with directions that its offer allows.
    pub(super) fn answer_for(&mut self, leg: LegId, answer: &Bytes) -> Bytes {
        let offer = self.leg(leg).and_then(|l| l.heard.clone());
        let fitted = offer.map_or_else(|| answer.clone(), |offer| sdp::fitted(&offer, answer));
        self.say(leg, &fitted)
    }
}
