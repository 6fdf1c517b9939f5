//! The media of somebody new agreed with the party who stayed: she is re-INVITEd once, and what she answers reaches
//! the new one.

use std::time::Duration;

use bytes::Bytes;

use super::Call;
use super::bridge::Bridge;
use super::cx::Cx;
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
    /// The re-INVITE under way.
    request: Option<RequestId>,
    /// When to try (again).
    pub(super) retry: Option<Instant>,
    /// The new party's 200 carried the offer: its ACK waits for the answer.
    ack_owed: bool,
}

impl Join {
    /// One whose re-INVITE is still to go.
    pub(super) fn new(stays: LegId, joined: LegId, ack_owed: bool) -> Self {
        Self { stays, joined, request: None, retry: None, ack_owed }
    }

    /// Whether its re-INVITE is this one.
    pub(super) fn asked_by(&self, request: RequestId) -> bool {
        self.request == Some(request)
    }
}

impl Call {
    /// Re-INVITEs the one who stayed with the new party's media, as soon as no other offer is under way there.
    pub(super) fn try_join(&mut self, bridge: &mut Bridge, cx: &mut Cx<'_>) {
        let Some(join) = &mut bridge.join else { return };
        if !self.ua.may_offer(join.stays) {
            join.retry = Some(cx.now.mono + SOON);
            return;
        }
        let (stays, joined) = (join.stays, join.joined);
        let heard = self.leg(joined).and_then(|l| l.heard.clone());
        let offer = heard.map(|h| self.say(stays, &h));
        join.retry = None;
        join.request = Some(self.ua.reinvite(cx.now, stays, offer, &mut cx.agent));
    }

    pub(super) fn joined_reply(&mut self, bridge: &mut Bridge, status: u16, sdp: Option<Bytes>, cx: &mut Cx<'_>) {
        let Some(mut join) = bridge.join.take() else { return };
        if status == 491 {
            let wait = back_off(self.ua.owns_call_id(join.stays), &mut self.ids);
            join.request = None;
            join.retry = Some(cx.now.mono + wait);
            bridge.join = Some(join);
            return;
        }
        let ok = (200..300).contains(&status);
        if let Some(leg) = self.leg_mut(join.stays) {
            leg.took(ok);
        }
        if !ok {
            let why = format!("{} refused the new media with {status}", self.label(join.stays));
            self.decide(Decision::new("go on", why), cx);
        }
        let before = self.leg(join.stays).and_then(|l| l.heard.clone());
        let answer = sdp.filter(|_| ok).or_else(|| before.clone());
        if let Some(leg) = self.leg_mut(join.stays) {
            leg.hear(answer.as_ref());
        }
        let Some(answer) = answer else { return };
        if join.ack_owed {
            let said = self.say(join.joined, &answer);
            self.ua.ack(cx.now, join.joined, said, &mut cx.agent);
        } else if before.is_none_or(|b| !sdp::same_media(&b, &answer)) && self.ua.may_offer(join.joined) {
            // The one who stayed answered with other media than the new party was offered: she is told, once.
            let said = self.say(join.joined, &answer);
            self.ua.reinvite(cx.now, join.joined, Some(said), &mut cx.agent);
        }
    }
}
