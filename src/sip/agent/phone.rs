//! What only the far end of a call does, and `ramal` never: for the softphones of the demo and the sim.

use rsip::Method;

use super::in_dialog::body_of;
use super::leg::{Ack, Usage};
use super::transactions::{Purpose, Wants};
use super::{AgentOut, LegEvent, RequestId, UserAgent};
use crate::base::{Hop, LegId, Now};
use crate::sip::message::{Name, Request};
use crate::sip::transaction::ServerKey;

impl UserAgent {
    /// A REFER; what comes of it is told by `Replied` and by `Passing` NOTIFYs.
    pub fn refer(&mut self, now: Now, leg: LegId, to: &str, out: &mut AgentOut) -> RequestId {
        self.is_phone = true;
        let id = self.new_request(leg);
        let to = format!("<{to}>");
        let add = |request: Request, _: &Hop| request.with(Name::ReferTo, to);
        self.request(now, (leg, id), (Method::Refer, Purpose::Pass(id)), add, out);
        id
    }

    /// From now on its INVITEs have `Require: 100rel`, and its own provisionals are reliable wherever the caller can.
    pub fn insist_on_prack(&mut self) {
        self.insists_on_prack = true;
    }

    /// Whether a 200 came that carried the offer, and its ACK waits for our answer.
    pub fn owes_ack(&self, leg: LegId) -> bool {
        matches!(self.leg(leg).map(|l| &l.usage), Some(Usage::Up { ack: Ack::Owed { .. }, .. }))
    }

    pub(super) fn receive_notify(
        &mut self,
        (key, leg): (ServerKey, LegId),
        request: &Request,
        hop: Hop,
        out: &mut AgentOut,
    ) {
        let id = self.new_request(leg);
        self.open(key, leg, hop, request, Wants::Pass(id));
        let body = body_of(request);
        out.events.push(LegEvent::Passing { request: id, method: "NOTIFY", body, info_package: None });
    }
}
