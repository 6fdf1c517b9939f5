//! Calling a leg: INVITE, its responses, CANCEL, ACK (RFC 3261 §9.1, §13.2).

use bytes::Bytes;
use rsip::Method;

use super::credentials::{Wallet, with_credentials_of};
use super::leg::{Ack, Bye, Calling, Cancel, Fork, Leg, SentAck, SentInvite, Usage};
use super::session::Session;
use super::transactions::{ClientMachine, Outgoing, Purpose, send_all};
use super::{
    AgentOut, CancelReason, FailedBy, ForkId, LegEvent, OutgoingInvite, Target, Transmit, UserAgent, compose, refusal,
    tokens,
};
use crate::base::{Hop, LegId, Now};
use crate::sip::dialog::reliable::RELIABLE;
use crate::sip::dialog::{Dialog, End, LastRSeq, LocalCseq, RemoteCseq, RouteSet, uri_of};
use crate::sip::message::{Address, Name, Request, Response, build};
use crate::sip::transaction::{ClientKey, Effects};

/// The number of an INVITE that calls.
const FIRST_CSEQ: u32 = 1;

/// How many early dialogs of one INVITE are kept, and how many 2xx are acknowledged.
const MOST_FORKS: usize = 32;

impl UserAgent {
    /// A leg for an INVITE of ours; sends it.
    pub fn invite(&mut self, now: Now, target: &Target, invite: &OutgoingInvite, out: &mut AgentOut) -> LegId {
        self.last_leg = self.last_leg.saturating_add(1);
        let (id, hop) = (LegId(self.last_leg), target.hop);
        let call_id = tokens::call_id(&hop, &mut self.ids);
        let mut sent = SentInvite {
            uri: target.uri.as_str().into(),
            from: compose::from(invite, &hop).into(),
            tag: tokens::tag(self.call, &mut self.ids),
            to: build::name_addr("", &target.uri).into(),
            cseq: FIRST_CSEQ,
            offered: invite.offer.is_some(),
            request: None,
        };
        let branch = tokens::branch(self.call, id, &mut self.ids);
        let parts = compose::Parts {
            uri: &sent.uri,
            via: &tokens::with_loop_cookie(&build::via(hop.transport, hop.advertised, &branch), self.loop_cookie),
            max_forwards: invite.max_forwards,
            from: &sent.from,
            tag: &sent.tag,
            to: &sent.to,
            call_id: &call_id,
            cseq: sent.cseq,
        };
        let request = compose::with_contact(compose::request(Method::Invite, &parts), &hop);
        let request = compose::with_identity(compose::with_abilities(request), invite, &hop);
        let request = target.routes.iter().fold(request, |request, route| request.with(Name::Route, route.as_str()));
        let request = with_history(request, invite, &target.uri, &hop);
        let request = if sent.offered { compose::with_reliable(request) } else { request };
        let request = if self.insists_on_prack { request.with(Name::Require, RELIABLE) } else { request };
        let mut session = Session::default();
        session.offer(invite.offer.as_ref());
        let request = compose::with_sdp(session.ask(request), invite.offer.clone());
        sent.request = Some(request.clone());
        let silence = target.silence.map(|after| now.mono + after);
        let usage = Usage::Calling(Calling { forks: Vec::new(), cancel: Cancel::No, silence });
        let wallet = Wallet::new(target.account.clone());
        if target.is_flow {
            self.flows.push(id);
        }
        self.legs.push(Leg {
            id,
            call_id,
            hop,
            usage,
            sent: Some(Box::new(sent)),
            acks: Vec::new(),
            refers: 0,
            wallet,
            session,
            reason: None,
        });
        self.start(now, id, hop, (&branch, FIRST_CSEQ), (request, Purpose::Invite), out);
        id
    }

    /// Cancels an INVITE of ours, as soon as RFC 3261 §9.1 lets it (not before a provisional came). A leg that then
    /// answers all the same says so by `Answered`.
    pub fn cancel(&mut self, now: Now, leg: LegId, why: CancelReason, out: &mut AgentOut) {
        if let Some(Leg { usage: Usage::Calling(calling), .. }) = self.leg_mut(leg)
            && calling.cancel == Cancel::No
        {
            calling.cancel = Cancel::WithProvisional(why);
            self.cancel_if_due(now, leg, out);
        }
    }

    /// The ACK that is owed because the 200 carried the offer.
    pub fn ack(&mut self, now: Now, leg: LegId, answer: Bytes, out: &mut AgentOut) {
        if let Some(Leg { usage: Usage::Up { dialog, ack }, hop, session, .. }) = self.leg_mut(leg)
            && let Ack::Owed { cseq, .. } = *ack
        {
            *ack = Ack::Settled;
            session.say(Some(&answer));
            let (dialog, hop) = (dialog.clone(), *hop);
            self.send_ack(now, leg, (&dialog, hop), (cseq, Some(answer)), out);
        }
    }

    /// Sends the INVITE that calls a leg once more, changed, in a transaction of its own. False: it is too late for that.
    ///
    /// RFC 3261 §8.1.3.5: "The new request … SHOULD have the same value of the Call-ID, To, and From of the previous
    /// request, but the CSeq should contain a new sequence number that is one higher than the previous."
    pub(super) fn invite_again(
        &mut self,
        now: Now,
        id: LegId,
        change: impl FnOnce(Request) -> Request,
        out: &mut AgentOut,
    ) -> bool {
        let (branch, cookie) = (tokens::branch(self.call, id, &mut self.ids), self.loop_cookie);
        let Some(Leg { usage: Usage::Calling(calling), sent: Some(sent), hop, .. }) = self.leg_mut(id) else {
            return false;
        };
        let Some(request) = sent.request.take().filter(|_| calling.cancel == Cancel::No) else { return false };
        let hop = *hop;
        calling.forks.clear();
        sent.cseq += 1;
        let mut request = change(request);
        let via = tokens::with_loop_cookie(&build::via(hop.transport, hop.advertised, &branch), cookie);
        request.headers.set(Name::Via, via);
        request.headers.set(Name::CSeq, build::cseq(sent.cseq, Method::Invite));
        sent.request = Some(request.clone());
        let cseq = sent.cseq;
        self.start(now, id, hop, (&branch, cseq), (request, Purpose::Invite), out);
        true
    }

    /// Starts a client transaction.
    pub(super) fn start(
        &mut self,
        now: Now,
        leg: LegId,
        hop: Hop,
        (branch, cseq): (&str, u32),
        (request, purpose): (Request, Purpose),
        out: &mut AgentOut,
    ) {
        let (request, retry) = self.signed(leg, &hop, request);
        let method = request.method;
        let head = (method == Method::Invite).then(|| compose::head(&request));
        let mut effects = Effects::new();
        let machine = ClientMachine::start(now, &self.timers, &hop, (method, request.to_bytes()), &mut effects);
        send_all(effects, hop, leg, out);
        let key = ClientKey::new(branch, method);
        self.clients.push(Outgoing { key, leg, hop, cseq, machine, purpose, head, orphaned: None, retry });
    }

    /// A response to an INVITE that calls.
    pub(super) fn invite_answered(&mut self, now: Now, leg: LegId, response: &Response, out: &mut AgentOut) {
        if let Some(Leg { usage: Usage::Calling(calling), .. }) = self.leg_mut(leg) {
            calling.silence = None;
        }
        match response.status.code() {
            // RFC 3261 §8.1.3.2: a 1xx other than 100 that isn't known is a 183.
            status @ 0..200 => {
                if status > 100 {
                    self.progressed(now, leg, response, out);
                }
                self.cancel_if_due(now, leg, out);
            }
            200..300 => self.answered(now, leg, response, out),
            422 if self.invite_longer(now, leg, response, out) => {}
            status => {
                self.terminate_pending(now, leg, out);
                let Some(leg) = self.leg_mut(leg) else { return };
                leg.end(Bye::None);
                let contacts = match status {
                    300..400 => by_preference(response.headers.contacts()),
                    _ => Vec::new(),
                };
                out.events.push(LegEvent::Failed { leg: leg.id, status, by: FailedBy::Peer, contacts });
            }
        }
    }

    /// An INVITE that calls got no final response.
    pub(super) fn invite_failed(&mut self, now: Now, leg: LegId, by: FailedBy, out: &mut AgentOut) {
        if !matches!(self.leg(leg), Some(Leg { usage: Usage::Calling(_), .. })) {
            return;
        }
        self.terminate_pending(now, leg, out);
        let Some(leg) = self.leg_mut(leg) else { return };
        leg.end(Bye::None);
        // RFC 3261 §8.1.3.1: a timeout is treated as a 408 (Request Timeout), a transport error as a 503 (Service
        // Unavailable).
        let status = if by == FailedBy::Timeout { 408 } else { 503 };
        out.events.push(LegEvent::Failed { leg: leg.id, status, by, contacts: Vec::new() });
    }

    /// Gives up INVITEs whose CANCEL had no effect.
    pub(super) fn give_up_canceled(&mut self, now: Now, out: &mut AgentOut) {
        for at in 0..self.legs.len() {
            let leg = &self.legs[at];
            let Usage::Calling(Calling { cancel: Cancel::Sent(give_up), .. }) = leg.usage else { continue };
            if now.mono < give_up {
                continue;
            }
            self.terminate_pending(now, leg.id, out);
            let leg = &mut self.legs[at];
            // RFC 3261 §9.1: "If there is no final response for the original request in 64*T1 seconds …, the client
            // SHOULD then consider the original transaction cancelled and SHOULD destroy the client transaction
            // handling the original request."
            leg.end(Bye::None);
            self.clients.retain(|client| !(client.leg == leg.id && client.purpose == Purpose::Invite));
            out.events.push(LegEvent::Failed { leg: leg.id, status: 487, by: FailedBy::Timeout, contacts: Vec::new() });
        }
    }

    /// Gives up peers that have said nothing at all for as long as their target allows. Their INVITE ends by itself: a
    /// provisional that comes late gets CANCEL, a 2xx is told like any other.
    pub(super) fn give_up_silent(&mut self, now: Now, out: &mut AgentOut) {
        for leg in &mut self.legs {
            let Usage::Calling(calling) = &mut leg.usage else { continue };
            if calling.silence.take_if(|due| now.mono >= *due).is_none() || calling.cancel != Cancel::No {
                continue;
            }
            calling.cancel = Cancel::WithProvisional(CancelReason::NextInTurn);
            out.events.push(LegEvent::Failed { leg: leg.id, status: 408, by: FailedBy::Silence, contacts: Vec::new() });
        }
    }

    /// Sends the CANCEL that is wanted, once a provisional has come.
    ///
    /// RFC 3261 §9.1: "If no provisional response has been received, the CANCEL request MUST NOT be sent; rather, the
    /// client MUST wait for the arrival of a provisional response".
    fn cancel_if_due(&mut self, now: Now, leg: LegId, out: &mut AgentOut) {
        // One that was challenged has a transaction too, which is over but for repeats of the challenge.
        let is_it = |client: &&Outgoing| client.leg == leg && client.purpose == Purpose::Invite && client.may_cancel();
        let Some(invite) = self.clients.iter().find(is_it) else { return };
        let Some(head) = &invite.head else { return };
        let (hop, cseq, branch) = (invite.hop, invite.cseq, invite.key.branch().to_owned());
        let mut cancel = compose::with_head(head, Method::Cancel, cseq);
        let give_up = now.mono + self.timers.give_up();
        let Some(Leg { usage: Usage::Calling(calling), .. }) = self.leg_mut(leg) else { return };
        let Cancel::WithProvisional(why) = calling.cancel else { return };
        calling.cancel = Cancel::Sent(give_up);
        if let Some(reason) = compose::reason(why) {
            cancel = cancel.with(Name::Reason, reason);
        }
        self.start(now, leg, hop, (&branch, cseq), (cancel, Purpose::Cancel), out);
    }

    fn progressed(&mut self, now: Now, leg: LegId, response: &Response, out: &mut AgentOut) {
        let Some(leg) = self.leg_mut(leg) else { return };
        let Some(dialog) = leg.dialog_by(response) else { return };
        let Usage::Calling(calling) = &mut leg.usage else { return };
        let n = calling.fork(dialog);
        // A leg that is being cancelled is nobody's news any more, unless it answers.
        let is_wanted = calling.cancel == Cancel::No;
        let fork = ForkId { leg: leg.id, n };
        self.hear_fork(fork, &response.headers);
        if self.acknowledge(now, fork, response, out) && is_wanted {
            let sdp = compose::sdp_of(&response.headers, &response.body);
            out.events.push(LegEvent::Progress { fork, status: response.status.code(), sdp });
        }
    }

    fn answered(&mut self, now: Now, id: LegId, response: &Response, out: &mut AgentOut) {
        let Some(leg) = self.leg_mut(id) else { return };
        let Some((dialog, sent)) = leg.dialog_by(response).zip(leg.sent.as_ref()) else { return };
        let (cseq, offered, hop) = (sent.cseq, sent.offered, leg.hop);
        if leg.resend_ack(cseq, &dialog.remote.tag, out) {
            return;
        }
        let sdp = compose::sdp_of(&response.headers, &response.body);
        let offer = sdp.clone().filter(|_| !offered);
        let Usage::Calling(calling) = &mut leg.usage else {
            // Unanswered, the 2xx of further ones time out by themselves.
            if leg.acks.len() < MOST_FORKS {
                self.refuse_fork(now, id, (dialog, hop), (cseq, offer), out);
            }
            return;
        };
        let n = calling.fork(dialog);
        let dialog = calling.forks.swap_remove(usize::from(n)).dialog;
        leg.session.accepted(now.mono, &response.headers);
        sent_is_done(leg);
        let fork = ForkId { leg: id, n };
        match offer {
            Some(offer) => {
                let tag = dialog.remote.tag.clone();
                leg.usage = Usage::Up { dialog, ack: Ack::Owed { cseq, offer } };
                self.note_ack(now, id, (cseq, tag), None);
            }
            None => {
                leg.usage = Usage::Up { dialog: dialog.clone(), ack: Ack::Settled };
                // RFC 3261 §13.2.2.4: "The UAC core MUST generate an ACK request for each 2xx received from the
                // transaction layer."
                self.send_ack(now, id, (&dialog, hop), (cseq, None), out);
            }
        }
        out.events.push(LegEvent::Answered { fork, sdp });
    }

    /// Acknowledges the 2xx of a fork that lost, and ends its dialog.
    ///
    /// RFC 3261 §13.2.2.4: "If, after acknowledging any 2xx response to an INVITE, the UAC does not want to continue
    /// with that dialog, then the UAC MUST terminate the dialog by sending a BYE request".
    fn refuse_fork(
        &mut self,
        now: Now,
        leg: LegId,
        (mut dialog, hop): (Dialog, Hop),
        (cseq, offer): (u32, Option<Bytes>),
        out: &mut AgentOut,
    ) {
        let answer = offer.map(|offer| refusal::refusing_answer(&offer, &hop, self.ids.bits() >> 32));
        self.send_ack(now, leg, (&dialog, hop), (cseq, answer), out);
        self.send_in(now, leg, (&mut dialog, hop), (Method::Bye, Purpose::Bye), |request, _| request, out);
    }

    /// Sends the ACK to a 2xx, and keeps it for repeats of that.
    ///
    /// RFC 3261 §13.2.2.4: "The header fields of the ACK are constructed in the same way as for any request sent within
    /// a dialog …. The sequence number of the CSeq header field MUST be the same as the INVITE being acknowledged".
    /// "The ACK MUST be passed to the client transport every time a retransmission of the 2xx final response that
    /// triggered the ACK arrives."
    pub(super) fn send_ack(
        &mut self,
        now: Now,
        leg: LegId,
        (dialog, hop): (&Dialog, Hop),
        (cseq, answer): (u32, Option<Bytes>),
        out: &mut AgentOut,
    ) {
        let hop = self.next_hop(leg, dialog, hop);
        let branch = tokens::branch(self.call, leg, &mut self.ids);
        let via = build::via(hop.transport, hop.advertised, &branch);
        let ack = compose::in_dialog(Method::Ack, dialog, cseq, &via);
        let ack = self.acknowledging(leg, &hop, cseq, ack);
        let bytes = compose::with_sdp(ack, answer).to_bytes();
        out.sends.push(Transmit { hop, bytes: bytes.clone(), leg, again: false });
        self.note_ack(now, leg, (cseq, dialog.remote.tag.clone()), Some((hop, bytes)));
    }

    /// The ACK with the credentials of its INVITE, where it goes to whom those were meant for.
    fn acknowledging(&self, leg: LegId, hop: &Hop, cseq: u32, ack: Request) -> Request {
        let is_its = |client: &&Outgoing| client.leg == leg && client.cseq == cseq;
        let invite = self.clients.iter().filter(is_its).find_map(|client| client.head.as_ref());
        let same = self.leg(leg).is_some_and(|leg| leg.hop.remote.ip() == hop.remote.ip());
        match invite.filter(|_| same) {
            Some(invite) => with_credentials_of(ack, invite),
            None => ack,
        }
    }

    /// Remembers an ACK that went, or is owed.
    pub(super) fn note_ack(&mut self, now: Now, leg: LegId, (cseq, tag): (u32, Box<str>), sent: Option<(Hop, Bytes)>) {
        let until = now.mono + self.timers.give_up();
        let Some(leg) = self.leg_mut(leg) else { return };
        leg.acks.retain(|ack| (ack.cseq, &*ack.tag) != (cseq, &*tag));
        leg.acks.push(SentAck { cseq, tag, sent, until });
    }
}

impl Calling {
    /// Which fork speaks in this dialog; its dialog is kept up to date.
    fn fork(&mut self, dialog: Dialog) -> u16 {
        let tag = &dialog.remote.tag;
        // A peer of RFC 2543 rings without a tag; what it says afterwards with one is still the first fork.
        let same = |known: &Dialog| known.remote.tag == *tag || known.remote.tag.is_empty() || tag.is_empty();
        let at = match self.forks.iter().position(|known| known.dialog.remote.tag == *tag) {
            Some(at) => Some(at),
            None => self.forks.first().filter(|first| same(&first.dialog)).map(|_| 0),
        };
        let at = at.unwrap_or_else(|| {
            // Past the most, each new one takes the place of the last: a peer that invents tags takes no memory.
            if self.forks.len() < MOST_FORKS {
                self.forks.push(Fork::new(dialog.clone()));
            }
            self.forks.len() - 1
        });
        let fork = &mut self.forks[at];
        let (known, empty) = (&fork.dialog.remote.tag, tag.is_empty());
        if !empty && !known.is_empty() && known != tag {
            *fork = Fork::new(dialog); // the last of too many
            return u16::try_from(at).unwrap_or(u16::MAX);
        }
        let known = &mut fork.dialog;
        let tag = if empty { known.remote.tag.clone() } else { tag.clone() };
        let (local_cseq, remote_cseq) = (known.local_cseq, known.remote_cseq);
        *known = Dialog { local_cseq, remote_cseq, ..dialog };
        known.remote.tag = tag;
        u16::try_from(at).unwrap_or(u16::MAX)
    }
}

impl Fork {
    fn new(dialog: Dialog) -> Self {
        Self { dialog, last: LastRSeq::default(), answered: false, updates: false }
    }
}

/// An INVITE that has its answer goes no more.
fn sent_is_done(leg: &mut Leg) {
    if let Some(sent) = &mut leg.sent {
        sent.request = None;
    }
}

impl Leg {
    /// The dialog that a response to our INVITE makes: RFC 3261 §12.1.2.
    fn dialog_by(&self, response: &Response) -> Option<Dialog> {
        let sent = self.sent.as_ref()?;
        let contact = response.headers.get(&Name::Contact).map(|contact| uri_of(contact)).filter(|c| c.contains(':'));
        Some(Dialog {
            call_id: self.call_id.clone(),
            local: End { address: sent.from.clone(), tag: sent.tag.clone() },
            remote: End { address: sent.to.clone(), tag: response.headers.to_tag().unwrap_or_default().into() },
            local_cseq: LocalCseq::after(sent.cseq),
            remote_cseq: RemoteCseq::default(),
            route_set: RouteSet::of_uac(response.headers.all(&Name::RecordRoute).map(AsRef::as_ref)),
            remote_target: contact.unwrap_or(&sent.uri).into(),
        })
    }

    /// Sends the ACK to this 2xx once more, if it was seen before.
    pub(super) fn resend_ack(&self, cseq: u32, tag: &str, out: &mut AgentOut) -> bool {
        let Some(ack) = self.acks.iter().find(|ack| ack.cseq == cseq && *ack.tag == *tag) else { return false };
        if let Some((hop, bytes)) = &ack.sent {
            out.sends.push(Transmit { hop: *hop, bytes: bytes.clone(), leg: self.id, again: true });
        }
        true
    }
}

/// The URIs of Contacts, best first: RFC 3261 §20.10, "q"; of two alike the one that came first.
fn by_preference(mut contacts: Vec<Address>) -> Vec<String> {
    let q = |contact: &Address| contact.param("q").and_then(|q| q.parse::<f32>().ok()).filter(|q| q.is_finite());
    let thousandths = |contact: &Address| (q(contact).unwrap_or(1.0).clamp(0.0, 1.0) * 1_000.0) as u16;
    contacts.sort_by_key(|contact| std::cmp::Reverse(thousandths(contact)));
    contacts.iter().map(|contact| contact.uri_text.to_string()).collect()
}

/// Adds who sent the call on: Referred-By (RFC 3892), Diversion (RFC 5806), and the same as History-Info (RFC 7044 §5);
/// and in whose stead: Replaces (RFC 3891).
fn with_history(mut request: Request, invite: &OutgoingInvite, target: &str, hop: &Hop) -> Request {
    if let Some(referred_by) = &invite.referred_by {
        request = request.with(Name::ReferredBy, referred_by.as_str());
    }
    if let Some(replaces) = &invite.replaces {
        request = request.with(Name::Replaces, replaces.to_string());
    }
    if let Some(number) = &invite.diversion {
        let from = build::name_addr("", &build::sip_uri(number, hop.advertised));
        request = request.with(Name::Diversion, from.as_str());
        // RFC 7044 §10.3: "index=1" is the number first called; "mp" says that the target is another user, and whose
        // entry it came from.
        request = request.with(Name::HistoryInfo, format!("{from};index=1"));
        request = request.with(Name::HistoryInfo, format!("{};index=1.1;mp=1", build::name_addr("", target)));
    }
    request
}
