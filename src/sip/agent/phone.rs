//! What only the far end of a call does, and `ramal` never: for the softphones of the demo and the sim.

use bytes::Bytes;
use rsip::Method;

use super::in_dialog::body_of;
use super::leg::{Ack, Usage};
use super::transactions::{Outgoing, Purpose, Wants};
use super::{AgentOut, LegEvent, RequestId, UserAgent, compose};
use crate::base::{Hop, LegId, Now};
use crate::sip::message::{Name, Replaces, Request, build};
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

    /// The dialog of a leg, as its far end sees it.
    pub fn dialog_named(&self, leg: LegId) -> Option<Replaces> {
        let dialog = match &self.leg(leg)?.usage {
            Usage::Ringing(ringing) => ringing.dialog(),
            Usage::Calling(calling) => &calling.forks.last()?.dialog,
            Usage::Up { dialog, .. } => dialog,
            Usage::ByeWaits(_) | Usage::Ended { .. } => return None,
        };
        let (call_id, to_tag) = (dialog.call_id.to_string(), dialog.remote.tag.to_string());
        Some(Replaces { call_id, to_tag, from_tag: dialog.local.tag.to_string(), early_only: false })
    }

    /// Says who speaks at this end now: by a re-INVITE with this offer, by an UPDATE without one.
    pub fn identify_as(&mut self, now: Now, leg: LegId, (who, offer): (&str, Option<Bytes>), out: &mut AgentOut) {
        let id = self.new_request(leg);
        let what = match &offer {
            Some(_) => (Method::Invite, Purpose::ReInvite { id, offered: true }),
            None => (Method::Update, Purpose::Update(id)),
        };
        let add = |request: Request, hop: &Hop| {
            let asserted = build::name_addr("", &build::sip_uri(who, hop.advertised));
            let request = compose::with_contact(request, hop).with(Name::PAssertedIdentity, asserted);
            compose::with_sdp(request, offer)
        };
        self.request(now, (leg, id), what, add, out);
    }

    /// Takes a re-INVITE of hers back that has no final answer yet.
    pub fn withdraw(&mut self, now: Now, leg: LegId, out: &mut AgentOut) {
        let is_it = |client: &&Outgoing| {
            client.leg == leg && matches!(client.purpose, Purpose::ReInvite { .. }) && client.may_cancel()
        };
        let Some(invite) = self.clients.iter().find(is_it) else { return };
        let Some(head) = &invite.head else { return };
        let (hop, cseq, branch) = (invite.hop, invite.cseq, invite.key.branch().to_owned());
        let cancel = compose::with_head(head, Method::Cancel, cseq);
        self.start(now, leg, hop, (&branch, cseq), (cancel, Purpose::Cancel), out);
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
