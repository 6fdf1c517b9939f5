//! An INVITE with Replaces (RFC 3891): a colleague picks up a phone that rings, or somebody takes the place of a party
//! who talks. The one who stays is re-INVITEd with the media of who came; what she answers is the answer of the INVITE.

use super::bridge::Bridge;
use super::cx::Cx;
use super::hunt::Hunt;
use super::join::{Join, NewParty};
use super::leg::{Called, Leg, LegState};
use super::transfer::{Goal, Kind, MOST_LEGS, Report, Transfer};
use super::{Call, Phase};
use crate::base::{EmployeeId, LegId};
use crate::crm::model::Decision;
use crate::route::reach;
use crate::sdp;
use crate::sip::agent::{CancelReason, ForkId, Received, Stage};
use crate::sip::message::{Message, Replaces};

/// An INVITE that wants the place of a party of this call.
#[derive(Debug)]
pub struct Replacing {
    /// The INVITE.
    pub received: Received,
    /// Whose place.
    pub replaces: Replaces,
    /// The employee who sends it.
    pub by: EmployeeId,
    /// By a phone of her own, which is reached where its INVITE came from.
    pub is_phone: bool,
    /// The user part of its Referred-By.
    pub referred_by: Option<String>,
}

impl Call {
    /// Somebody wants the place of a party of this call.
    pub(super) fn replacing(&mut self, phase: Phase, replacing: &Replacing, cx: &mut Cx<'_>) -> Phase {
        let Replacing { received, replaces, by, is_phone, referred_by } = replacing;
        let Message::Request(request) = &received.message else { return phase };
        let named = self.ua.named_by(replaces);
        let (id, invitation) = self.ua.join(cx.now, request, received.hop, &mut cx.agent);
        if *is_phone {
            self.ua.keep_to_source(id);
        }
        let dir = cx.env.directory();
        let destination = dir.employee(by).and_then(|employee| reach::employee(dir, employee).ok());
        let called = destination.map(|destination| Called { destination, tried: Vec::new(), is_phone: false });
        self.legs.push(Leg::comer(by.clone(), called, invitation.offer));
        let outcome = match named {
            Some((leg, Stage::Up)) => {
                self.takes_over(phase, id, leg, (replaces.early_only, referred_by.as_deref()), cx)
            }
            Some((leg, Stage::WeCall)) => self.picks_up(phase, id, leg, cx),
            // RFC 3891 §3: one that has already terminated gets 603, an early one that the UA did not initiate 481, and
            // so does what matches nothing.
            Some((_, Stage::Over)) => Err((phase.into(), 603, "the call that it replaces is over")),
            Some((_, Stage::CallsUs)) => Err((phase.into(), 481, "nobody rings there")),
            None => Err((phase.into(), 481, "the call that it replaces is none of ours")),
        };
        outcome.unwrap_or_else(|(phase, status, why)| {
            self.decide(Decision::new(format!("refuse the INVITE with {status}"), why.to_owned()), cx);
            self.turn_away(id, status, cx);
            *phase
        })
    }

    /// `id` takes the place of `replaced`, who talks.
    fn takes_over(
        &mut self,
        phase: Phase,
        id: LegId,
        replaced: LegId,
        (early_only, referred_by): (bool, Option<&str>),
        cx: &mut Cx<'_>,
    ) -> Result<Phase, Refused> {
        // RFC 3891 §3: with early-only, a confirmed dialog is not replaced: 486.
        if early_only {
            return Err((phase.into(), 486, "it wants a call that rings, and this one talks"));
        }
        let stays = match &phase {
            Phase::Talking(bridge) if bridge.is_changing_hands() || self.legs.len() > MOST_LEGS => {
                return Err((phase.into(), 491, "a transfer is under way"));
            }
            Phase::Talking(bridge) => bridge.peer(replaced),
            _ => None,
        };
        let Some(stays) = stays else { return Err((phase.into(), 481, "its party is not in the call any more")) };
        if !self.may_take(id, replaced, referred_by, cx) {
            return Err((phase.into(), 403, "she was not handed the call"));
        }
        let Phase::Talking(mut bridge) = phase else { return Ok(phase) };
        let what = format!("{} takes the place of {}", self.label(id), self.label(replaced));
        self.decide(Decision::new(what, "INVITE with Replaces"), cx);
        let report = Report::default();
        let transfer = Transfer { kind: Kind::Takeover, by: replaced, stays, report, goal: Goal::Comes(id) };
        self.comes(&mut bridge, transfer, id, cx);
        Ok(Phase::Talking(bridge))
    }

    /// Who may take the place of somebody who talks: she herself by another phone, or whom she has sent.
    fn may_take(&self, id: LegId, replaced: LegId, referred_by: Option<&str>, cx: &Cx<'_>) -> bool {
        let Some(owner) = self.leg(replaced).and_then(|l| l.employee.as_ref()) else { return false };
        let sent_by = referred_by.and_then(|user| cx.env.directory().employee_at(user));
        self.leg(id).and_then(|l| l.employee.as_ref()) == Some(owner) || sent_by.is_some_and(|by| by.id == *owner)
    }

    /// Offers the one who stays the media of who came.
    fn comes(&mut self, bridge: &mut Bridge, transfer: Transfer, id: LegId, cx: &mut Cx<'_>) {
        bridge.join = Some(Join::new(transfer.stays, id, NewParty::Waits));
        bridge.transfer = Some(Box::new(transfer));
        self.try_join(bridge, cx);
    }

    /// `id` answers for `rings`.
    fn picks_up(&mut self, phase: Phase, id: LegId, rings: LegId, cx: &mut Cx<'_>) -> Result<Phase, Refused> {
        match phase {
            Phase::Hunting(hunt) if hunt.ringing.contains(&rings) => self.picks_up_call(hunt, id, rings, cx),
            Phase::Talking(mut bridge) => {
                let Some(mut transfer) = bridge.transfer.take_if(|transfer| transfer.rings(rings)) else {
                    return Err((Phase::Talking(bridge).into(), 481, "nobody rings there any more"));
                };
                self.picked(id, rings, cx);
                if let Some(hunt) = transfer.hunt_mut() {
                    self.stop_ringing(hunt, CancelReason::AnsweredElsewhere, cx);
                }
                let goal = Goal::Comes(id);
                self.comes(&mut bridge, Transfer { goal, ..*transfer }, id, cx);
                Ok(Phase::Talking(bridge))
            }
            other => Err((other.into(), 481, "nobody rings there any more")),
        }
    }

    /// A colleague answers a call that rings elsewhere: no transfer. Caller and she have both made an offer, so that
    /// each is answered with what the other offered, as far as it fits.
    fn picks_up_call(&mut self, mut hunt: Hunt, id: LegId, rings: LegId, cx: &mut Cx<'_>) -> Result<Phase, Refused> {
        let offers = [LegId::A, id].map(|leg| self.leg(leg).and_then(|l| l.heard.clone()));
        let [Some(callers), Some(hers)] = offers else {
            return Err((Phase::Hunting(hunt).into(), 488, "one of the two has made no offer"));
        };
        let answers = sdp::as_answer(&callers, &hers).zip(sdp::as_answer(&hers, &callers));
        let Some((for_caller, for_her)) = answers else {
            return Err((Phase::Hunting(hunt).into(), 488, "they have no codec in common"));
        };
        self.picked(id, rings, cx);
        self.stop_ringing(&mut hunt, CancelReason::AnsweredElsewhere, cx);
        let said = self.say(id, &for_her);
        self.ua.accept_on(cx.now, id, None, Some(said), &mut cx.agent);
        let fork = ForkId { leg: id, n: 0 };
        Ok(self.connected(fork, Some(for_caller), true, cx))
    }

    fn picked(&mut self, id: LegId, rings: LegId, cx: &Cx<'_>) {
        let what = format!("{} picks up for {}", self.label(id), self.label(rings));
        self.decide(Decision::new(what, "INVITE with Replaces"), cx);
    }

    /// Refuses somebody who called in.
    pub(super) fn turn_away(&mut self, id: LegId, status: u16, cx: &mut Cx<'_>) {
        self.ua.reject_on(cx.now, id, (status, None), &mut cx.agent);
        if let Some(leg) = self.leg_mut(id) {
            leg.state = LegState::Over;
        }
    }
}

/// The phase as it was, the final answer, and why.
type Refused = (Box<Phase>, u16, &'static str);
