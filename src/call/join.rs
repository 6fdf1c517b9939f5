//! The media of somebody new agreed with the party who stayed: she is re-INVITEd once, and what she answers reaches
//! the new one.

use std::time::Duration;

use bytes::Bytes;

use super::Call;
use super::bridge::Bridge;
use super::cx::Cx;
use super::transfer::{Goal, Next};
use crate::base::{Instant, LegId};
use crate::crm::model::Decision;
use crate::sdp;
use crate::sip::agent::RequestId;
use crate::sip::dialog::back_off;

/// How long a re-INVITE waits where another offer is under way on that leg.
const SOON: Duration = Duration::from_millis(200);

/// Media of a new party being agreed with the one who stayed.
#[derive(Debug)]
pub(super) struct Join {
    stays: LegId,
    joined: LegId,
    step: Step,
    /// The re-INVITE under way.
    request: Option<RequestId>,
    /// When to try (again).
    pub(super) retry: Option<Instant>,
}

/// What the new party knows of the media of the one who stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NewParty {
    /// She was called with them as the offer, and has answered.
    Called,
    /// Her 200 carried the offer: its ACK waits for the answer.
    OwesAck,
    /// Nothing: she has talked with the transferor so far.
    Moved,
    /// Nothing: her INVITE waits for the answer.
    Waits,
}

/// Where it is.
#[derive(Debug)]
enum Step {
    /// The one who stays is offered the new party's media.
    Asks(NewParty),
    /// The new party is offered what the one who stays has answered.
    Tells(Bytes),
}

impl Join {
    /// One whose re-INVITE is still to go.
    pub(super) fn new(stays: LegId, joined: LegId, how: NewParty) -> Self {
        Self { stays, joined, step: Step::Asks(how), request: None, retry: None }
    }

    /// Whether its re-INVITE is this one.
    pub(super) fn asked_by(&self, request: RequestId) -> bool {
        self.request == Some(request)
    }
}

impl Call {
    /// How far the media of somebody who has answered are agreed.
    pub(super) fn how_new(&self, joined: LegId, moved: bool) -> NewParty {
        match (self.ua.owes_ack(joined), moved) {
            (true, _) => NewParty::OwesAck,
            (false, true) => NewParty::Moved,
            (false, false) => NewParty::Called,
        }
    }

    /// Sends the re-INVITE that is next, as soon as no other offer is under way there.
    pub(super) fn try_join(&mut self, bridge: &mut Bridge, cx: &mut Cx<'_>) {
        let Some(mut join) = bridge.join.take() else { return };
        let to = if matches!(join.step, Step::Asks(_)) { join.stays } else { join.joined };
        join.request = None;
        if !self.ua.is_up(to) {
            return; // her BYE says the rest
        }
        if self.ua.may_offer(to) {
            let offer = match &join.step {
                Step::Asks(how) => {
                    let heard = self.leg(join.joined).and_then(|l| l.heard.clone());
                    // The transferor may have put her on hold; nobody has for the one who stays.
                    let held = *how == NewParty::Moved;
                    heard.map(|heard| if held { sdp::without_hold(&heard) } else { heard })
                }
                Step::Tells(answer) => Some(answer.clone()),
            };
            let offer = offer.map(|offer| self.say(to, &offer));
            join.retry = None;
            join.request = Some(self.ua.reinvite(cx.now, to, offer, &mut cx.agent));
        } else {
            join.retry = Some(cx.now.mono + SOON);
        }
        bridge.join = Some(join);
    }

    /// What a re-INVITE of a join came to.
    pub(super) fn joined_reply(
        &mut self,
        bridge: &mut Bridge,
        status: u16,
        sdp: Option<Bytes>,
        cx: &mut Cx<'_>,
    ) -> Next {
        let Some(mut join) = bridge.join.take() else { return Next::GoesOn };
        let asked = join.request.take().map_or(join.stays, |request| request.leg);
        if status == 491 {
            let wait = back_off(self.ua.owns_call_id(asked), &mut self.ids);
            join.retry = Some(cx.now.mono + wait);
            bridge.join = Some(join);
            return Next::GoesOn;
        }
        let ok = (200..300).contains(&status);
        if let Some(leg) = self.leg_mut(asked) {
            leg.took(ok);
        }
        if !ok {
            let why = format!("{} refused the new media with {status}", self.label(asked));
            self.decide(Decision::new("go on", why), cx);
        }
        let before = self.leg(asked).and_then(|l| l.heard.clone());
        let answer = sdp.filter(|_| ok);
        if let Some(leg) = self.leg_mut(asked) {
            leg.hear(answer.as_ref());
        }
        match join.step {
            Step::Asks(NewParty::Waits) => return self.who_came_may_in(bridge, &join, (status, answer), cx),
            Step::Asks(how) => {
                let Some(answer) = answer.or_else(|| before.clone()) else { return Next::GoesOn };
                match how {
                    NewParty::OwesAck => {
                        let said = self.say(join.joined, &answer);
                        self.ua.ack(cx.now, join.joined, said, &mut cx.agent);
                        return Next::GoesOn;
                    }
                    // She was offered them, and they are what they were.
                    NewParty::Called if before.is_some_and(|before| sdp::same_media(&before, &answer)) => {
                        return Next::GoesOn;
                    }
                    // She offers something herself: what comes of that agrees the media both ways.
                    _ if bridge.kept.as_ref().is_some_and(|kept| kept.is_of(join.joined)) => return Next::GoesOn,
                    NewParty::Called | NewParty::Moved | NewParty::Waits => {}
                }
                bridge.join = Some(Join { step: Step::Tells(answer), ..join });
                self.try_join(bridge, cx);
            }
            // Where the one who stays had left the offer to us, this is its answer.
            Step::Tells(_) if self.ua.owes_ack(join.stays) => {
                let said = self.say(join.stays, &answer.or(before).unwrap_or_default());
                self.ua.ack(cx.now, join.stays, said, &mut cx.agent);
            }
            Step::Tells(_) => {}
        }
        Next::GoesOn
    }

    /// The one who stays has answered what somebody offers who calls in.
    fn who_came_may_in(
        &mut self,
        bridge: &mut Bridge,
        join: &Join,
        (status, answer): (u16, Option<Bytes>),
        cx: &mut Cx<'_>,
    ) -> Next {
        let is_it = |goal: &Goal| matches!(goal, Goal::Comes(leg) if *leg == join.joined);
        let Some(transfer) = bridge.transfer.take_if(|transfer| is_it(&transfer.goal)) else {
            // She has given up meanwhile: who stays hears the transferor again, if she is still there.
            if let Some(peer) = bridge.peer(join.stays).filter(|peer| self.ua.is_up(*peer)) {
                bridge.join = Some(Join::new(join.stays, peer, NewParty::Called));
                self.try_join(bridge, cx);
            }
            return Next::GoesOn;
        };
        let Some(answer) = answer else {
            let status = if status < 300 { 488 } else { status };
            self.turn_away(join.joined, status, cx);
            return self.target_failed(bridge, *transfer, (status, "the other side refused the new media"), cx);
        };
        let said = self.say(join.joined, &answer);
        self.ua.accept_on(cx.now, join.joined, None, Some(said), &mut cx.agent);
        if self.ua.owes_ack(join.stays) {
            bridge.expect_answer(join.joined, join.stays);
        }
        self.arrived(bridge, *transfer, join.joined, None, cx);
        Next::GoesOn
    }
}
