//! Being called: the A leg's INVITE and those that join by Replaces, our responses, CANCEL and ACK (RFC 3261 §9.2,
//! §13.3).

use std::time::Duration;

use bytes::Bytes;
use rsip::Method;

use super::credentials::Wallet;
use super::leg::{Ack, Bye, Leg, Ringing, Unacked, Usage};
use super::prack::{Provisional, Reliable};
use super::session::Session;
use super::transactions::{Wants, send_all};
use super::{AgentOut, ForkId, Invitation, LegEvent, Transmit, UserAgent, compose, tokens};
use crate::base::{Hop, LegId, Now};
use crate::sip::dialog::{Dialog, End, LocalCseq, RemoteCseq, RouteSet, uri_of, without_params};
use crate::sip::message::{Name, Request, Response, Status, invitation};
use crate::sip::transaction::{ServerEvent, ServerKey};

/// How long a provisional lasts before it is sent once more.
const REMIND: Duration = Duration::from_secs(60);

impl UserAgent {
    /// A provisional answer to the A leg. `fork` chooses the early dialog: each fork has a To-tag of its own; `None`
    /// keeps the tag that was last used.
    pub fn progress(&mut self, now: Now, status: u16, fork: Option<ForkId>, sdp: Option<Bytes>, out: &mut AgentOut) {
        if !matches!(self.leg(LegId::A), Some(Leg { usage: Usage::Ringing(_), .. })) {
            return;
        }
        if let Some(provisional) = self.wait_for_prack(Provisional { status, fork, sdp }) {
            self.send_progress(now, provisional, out);
        }
    }

    /// 200 to the A leg, with the To-tag of `fork`; once the PRACK came to a provisional that carried the answer.
    pub fn accept(&mut self, now: Now, fork: ForkId, sdp: Option<Bytes>, out: &mut AgentOut) {
        self.accept_on(now, LegId::A, Some(fork), sdp, out);
    }

    /// 200 to the INVITE by which this leg came.
    pub fn accept_on(&mut self, now: Now, id: LegId, fork: Option<ForkId>, sdp: Option<Bytes>, out: &mut AgentOut) {
        let Some(at) = self.call_to_answer(id) else { return };
        self.choose_tag(id, fork);
        let Some(leg) = self.leg_mut(id) else { return };
        let Usage::Ringing(ringing) = &leg.usage else { return };
        let (dialog, offered) = (ringing.dialog().clone(), ringing.offered);
        leg.usage = Usage::Up { dialog, ack: Ack::Settled };
        self.loop_cookie = None; // who is called from now on is called by somebody else's wish
        if id == LegId::A && self.withhold(sdp.as_ref()) {
            return;
        }
        self.accept_invite(now, at, (sdp, !offered, true), out);
    }

    /// A final refusal of the A leg's INVITE. `retry_after` in seconds.
    pub fn reject(&mut self, now: Now, status: u16, retry_after: Option<u32>, out: &mut AgentOut) {
        self.reject_on(now, LegId::A, (status, retry_after), out);
    }

    /// A final refusal of the INVITE by which this leg came.
    pub fn reject_on(&mut self, now: Now, leg: LegId, (status, retry_after): (u16, Option<u32>), out: &mut AgentOut) {
        self.refuse(now, (leg, status), out, |response| match retry_after {
            Some(seconds) => response.with(Name::RetryAfter, seconds.to_string()),
            None => response,
        });
    }

    /// A 302 to the A leg's INVITE: these Contacts, as they stand.
    pub fn redirect(&mut self, now: Now, contacts: &[String], out: &mut AgentOut) {
        let add = |response: Response, contact: &String| response.with(Name::Contact, contact.as_str());
        self.refuse(now, (LegId::A, 302), out, |response| contacts.iter().fold(response, add));
    }

    fn refuse(
        &mut self,
        now: Now,
        (id, status): (LegId, u16),
        out: &mut AgentOut,
        add: impl FnOnce(Response) -> Response,
    ) {
        let Some(at) = self.call_to_answer(id) else { return };
        self.choose_tag(id, None);
        let Some(leg) = self.leg_mut(id) else { return };
        let Usage::Ringing(ringing) = &leg.usage else { return };
        let tag = ringing.dialog().local.tag.clone();
        leg.end(Bye::None);
        self.terminate_pending(now, id, out);
        if id == LegId::A {
            self.stop_provisionals();
        }
        let response = Response::to(&self.servers[at].request, compose::status(status)).with_to_tag(&tag);
        self.respond(now, at, &add(response), out);
    }

    /// The INVITE that begins the call.
    pub(super) fn receive_invite(&mut self, now: Now, key: ServerKey, request: &Request, hop: Hop, out: &mut AgentOut) {
        let invitation = self.called_by(now, LegId::A, key, request, hop, out);
        out.events.push(LegEvent::Invited { invitation: Box::new(invitation) });
    }

    /// One more INVITE that is this call's, by its Replaces: a leg of its own, and what it asks for. 100 goes at once.
    pub fn join(&mut self, now: Now, request: &Request, hop: Hop, out: &mut AgentOut) -> (LegId, Invitation) {
        self.last_leg = self.last_leg.saturating_add(1);
        let leg = LegId(self.last_leg);
        let invitation = self.called_by(now, leg, ServerKey::of(request), request, hop, out);
        (leg, invitation)
    }

    fn called_by(
        &mut self,
        now: Now,
        id: LegId,
        key: ServerKey,
        request: &Request,
        hop: Hop,
        out: &mut AgentOut,
    ) -> Invitation {
        let invitation = invitation(request);
        let knows_199 = request.headers.has_token(&Name::Supported, "199");
        let ringing = Ringing::new(dialog_of(request), invitation.offer.is_some(), knows_199);
        let mut session = Session::default();
        session.hear(&request.headers);
        if id == LegId::A {
            self.loop_cookie = Some(tokens::loop_cookie(request));
            self.reliable = Reliable::wanted_by(&request.headers, self.insists_on_prack);
        }
        self.legs.push(Leg {
            id,
            call_id: ringing.blank.call_id.clone(),
            hop,
            usage: Usage::Ringing(ringing),
            sent: None,
            acks: Vec::new(),
            refers: 0,
            wallet: Wallet::new(self.caller_account.clone()),
            session,
            reason: None,
        });
        let at = self.open(key, id, hop, request, Wants::Call);
        self.trying(now, at, out);
        invitation
    }

    /// RFC 3261 §17.2.1: "The server transaction MUST generate a 100 (Trying) response unless it knows that the TU will
    /// generate a provisional or final response within 200 ms": the CRM alone may take most of that.
    pub(super) fn trying(&mut self, now: Now, at: usize, out: &mut AgentOut) {
        let response = Response::to(&self.servers[at].request, Status::TRYING);
        self.respond(now, at, &response, out);
    }

    /// A CANCEL: RFC 3261 §9.2.
    pub(super) fn receive_cancel(&mut self, now: Now, key: ServerKey, request: &Request, hop: Hop, out: &mut AgentOut) {
        let canceled = ServerKey::of_canceled(request);
        let Some(invite) = self.servers.iter().find(|server| server.key == canceled) else {
            // "If the UAS did not find a matching transaction for the CANCEL …, it SHOULD respond to the CANCEL with a
            // 481".
            return self.reply(request, hop, Status::CALL_DOES_NOT_EXIST, out);
        };
        let (leg, wants, is_open) = (invite.leg, invite.wants, invite.is_open());
        let calls = wants == Wants::Call;
        let reason = compose::reason_of(&request.headers);
        if calls && is_open {
            self.choose_tag(leg, None);
        }
        // "The To tag of the response to the CANCEL and the To tag in the response to the original request SHOULD be
        // the same."
        let tag = self.leg_mut(leg).and_then(Leg::dialog_mut).map(|dialog| dialog.local.tag.clone());
        let tag = tag.unwrap_or_else(|| tokens::tag(self.call, &mut self.ids));
        let at = self.open(key, leg, hop, request, Wants::Nothing);
        let response = Response::to(&self.servers[at].request, Status::OK).with_to_tag(&tag);
        self.respond(now, at, &response, out);
        // "If the original request was an INVITE, the UAS SHOULD immediately respond to the INVITE with a 487".
        // deviates: a re-INVITE that was passed on goes on. 487 would leave the legs with different descriptions: the
        // other one has the offer by now.
        if let Some(Leg { usage: Usage::Ringing(ringing), .. }) = self.leg_mut(leg)
            && calls
            && is_open
            && !ringing.canceled
        {
            ringing.canceled = true;
            self.note_reason(leg, reason);
            out.events.push(LegEvent::Canceled { leg });
        } else if calls && is_open && self.withholds() {
            // Answered, but she has not been told yet: to her the call never was.
            self.refuse_withheld(now, Status::REQUEST_TERMINATED, out);
            self.note_reason(leg, reason);
            out.events.push(LegEvent::Gone { leg });
        } else if let Wants::ReInvite(request) = wants
            && is_open
        {
            out.events.push(LegEvent::Withdrawn { request });
        }
    }

    /// Keeps why the peer ends a leg.
    pub(super) fn note_reason(&mut self, leg: LegId, reason: Option<super::Reason>) {
        if let Some(leg) = self.leg_mut(leg) {
            leg.reason = reason.or(leg.reason);
        }
    }

    /// 2xx to an INVITE, by its server transaction the first time and by us until the ACK comes. `offers`: the SDP is
    /// an offer, the INVITE had none.
    pub(super) fn accept_invite(
        &mut self,
        now: Now,
        at: usize,
        (sdp, offers, makes_dialog): (Option<Bytes>, bool, bool),
        out: &mut AgentOut,
    ) {
        let server = &self.servers[at];
        let (leg, hop) = (server.leg, server.hop);
        let tag = self.leg_mut(leg).and_then(Leg::dialog_mut).map(|dialog| dialog.local.tag.clone());
        let request = &self.servers[at].request;
        let response = Response::to(request, Status::OK).with_to_tag(tag.as_deref().unwrap_or_default());
        let has_sdp = sdp.is_some();
        let response = compose::with_dialog(response, request, &hop);
        let response = with_sdp(self.with_session(now, at, response, sdp.as_ref()), sdp);
        let request = &self.servers[at].request;
        self.unacked.push(Unacked {
            leg,
            cseq: request.headers.cseq().map_or(0, |(number, _)| number),
            hop,
            response: response.to_bytes(),
            resend: self.timers.doubling_to_t2(now.mono),
            give_up: now.mono + self.timers.give_up(),
            offers: offers && has_sdp,
            makes_dialog,
        });
        self.respond(now, at, &response, out);
    }

    /// An ACK to a 2xx of ours.
    pub(super) fn receive_ack(&mut self, now: Now, request: &Request, out: &mut AgentOut) {
        let headers = &request.headers;
        let Some(((cseq, _), call_id)) = headers.cseq().zip(headers.call_id()) else { return };
        let tags = (headers.to_tag().unwrap_or_default(), headers.from_tag().unwrap_or_default());
        let leg =
            self.legs.iter_mut().find_map(|leg| leg.dialog_of(call_id, tags.0, tags.1).is_some().then_some(leg.id));
        let Some(leg) = leg else { return };
        // A repeat, or one that nobody waits for.
        let Some(at) = self.unacked.iter().position(|unacked| unacked.leg == leg && unacked.cseq == cseq) else {
            return;
        };
        let unacked = self.unacked.remove(at);
        let answer = compose::sdp_of(headers, &request.body).filter(|_| unacked.offers);
        out.events.push(LegEvent::Acked { leg, answer });
        self.bye_if_waiting(now, leg, out);
    }

    /// Repeats what has no ACK: RFC 3261 §13.3.1.4.
    pub(super) fn resend_unacked(&mut self, now: Now, out: &mut AgentOut) {
        let mut never = Vec::new();
        self.unacked.retain_mut(|unacked| {
            if now.mono >= unacked.give_up {
                never.push(unacked.leg);
                return false;
            }
            if now.mono >= unacked.resend.at {
                unacked.resend = unacked.resend.next(now.mono);
                let (hop, bytes, leg) = (unacked.hop, unacked.response.clone(), unacked.leg);
                out.sends.push(Transmit { hop, bytes, leg, again: true });
            }
            true
        });
        for leg in never {
            out.events.push(LegEvent::NeverAcked { leg });
            self.bye_if_waiting(now, leg, out);
        }
    }

    /// Repeats the last provisional of an INVITE that rings for long.
    ///
    /// RFC 3261 §13.3.1.1: "To prevent cancellation, the UAS MUST send a non-100 provisional response at every minute, to
    /// handle the possibility of lost provisional responses."
    pub(super) fn remind(&mut self, now: Now, out: &mut AgentOut) {
        let Some(Leg { usage: Usage::Ringing(ringing), .. }) = self.leg(LegId::A) else { return };
        let due = ringing.remind.is_some_and(|due| now.mono >= due);
        let Some(at) = self.call_to_answer(LegId::A).filter(|_| due) else { return };
        let server = &mut self.servers[at];
        let effects = server.handle(now, &self.timers, ServerEvent::Again);
        send_all(effects, server.hop, server.leg, out);
        self.remind_later(now);
    }

    pub(super) fn remind_later(&mut self, now: Now) {
        if let Some(Leg { usage: Usage::Ringing(ringing), .. }) = self.leg_mut(LegId::A) {
            ringing.remind = Some(now.mono + REMIND);
        }
    }

    /// The server transaction of the INVITE by which this leg came, while it is without a final response.
    pub(super) fn call_to_answer(&self, leg: LegId) -> Option<usize> {
        self.servers.iter().position(|s| s.wants == Wants::Call && s.leg == leg && s.is_open())
    }

    /// Makes the fork's tag the one last used, a new one where it has none yet.
    pub(super) fn choose_tag(&mut self, leg: LegId, fork: Option<ForkId>) {
        let fresh = tokens::tag(self.call, &mut self.ids);
        if let Some(Leg { usage: Usage::Ringing(ringing), .. }) = self.leg_mut(leg) {
            ringing.show(fork, fresh);
        }
    }
}

/// The dialog that an INVITE would make, without our tag yet: RFC 3261 §12.1.1.
fn dialog_of(invite: &Request) -> Dialog {
    let headers = &invite.headers;
    let text = |name: Name| headers.get(&name).map(|value| &**value).unwrap_or_default().to_owned();
    let (from, to, contact) = (text(Name::From), text(Name::To), text(Name::Contact));
    // A request without Contact cannot make a dialog; one whose Contact is missing all the same is reached by From.
    let target = [&contact, &from].map(|address| uri_of(address)).into_iter().find(|uri| uri.contains(':'));
    let cseq = headers.cseq().filter(|(_, method)| *method == Method::Invite).map_or(0, |(number, _)| number);
    Dialog {
        call_id: text(Name::CallId).into(),
        local: End { address: without_params(&to).into(), tag: "".into() },
        remote: End { address: without_params(&from).into(), tag: headers.from_tag().unwrap_or_default().into() },
        local_cseq: LocalCseq::after(0),
        remote_cseq: RemoteCseq::after(cseq),
        route_set: RouteSet::of_uas(headers.all(&Name::RecordRoute).map(AsRef::as_ref)),
        remote_target: target.unwrap_or_default().into(),
    }
}

/// Adds SDP, where there is any.
pub(super) fn with_sdp(response: Response, sdp: Option<Bytes>) -> Response {
    match sdp {
        Some(sdp) => response.with_body(compose::SDP, sdp),
        None => response,
    }
}
