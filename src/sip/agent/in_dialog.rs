//! The peer's requests inside a dialog, and our answers (RFC 3261 §12.2.2, §14.2, §15.1.2).

use bytes::Bytes;
use rsip::Method;

use super::accept::with_sdp;
use super::leg::{Bye, Leg, Usage};
use super::transactions::{Purpose, Wants};
use super::{AgentOut, Body, LegEvent, RequestId, UserAgent, compose, refer};
use crate::base::{Hop, LegId, Now, Party};
use crate::sip::dialog::{OutOfTurn, uri_of};
use crate::sip::message::{Name, Request, Response, Status, identities, uri_party};
use crate::sip::transaction::ServerKey;

/// How many requests of its peers a call keeps at once. Over UDP each is kept for 64 T1: DTMF by INFO, dialled as fast
/// as anybody does, is half as many.
const MOST_REQUESTS: usize = 256;

impl UserAgent {
    /// The final answer to a request that an event named. `sdp` goes with a 200 to a re-INVITE or UPDATE.
    pub fn answer(&mut self, now: Now, request: RequestId, status: u16, sdp: Option<Bytes>, out: &mut AgentOut) {
        let is_it = |server: &super::Incoming| server.wants.id() == Some(request) && server.is_open();
        // What the end of the dialog has answered already, with 487, is nobody's question any more.
        let Some(at) = self.servers.iter().position(is_it) else { return };
        let (wants, status) = (self.servers[at].wants, compose::status(status));
        match wants {
            Wants::ReInvite(_) if status.is_success() => {
                self.refresh_by_request(at);
                let offers =
                    compose::sdp_of(&self.servers[at].request.headers, &self.servers[at].request.body).is_none();
                self.accept_invite(now, at, (sdp, offers, false), out);
            }
            Wants::Update(_) if status.is_success() => {
                self.refresh_by_request(at);
                self.accept_update(now, at, sdp, out);
            }
            Wants::Refer(_) => self.answer_refer(now, at, (request, status), out),
            Wants::ReInvite(_) | Wants::Update(_) | Wants::Pass(_) | Wants::Bye(_) | Wants::Call | Wants::Nothing => {
                self.answer_at(now, at, status, out);
            }
        }
    }

    /// A request with a tag of ours in To.
    pub(super) fn receive_in_dialog(
        &mut self,
        now: Now,
        key: ServerKey,
        request: &Request,
        hop: Hop,
        out: &mut AgentOut,
    ) {
        let headers = &request.headers;
        let call_id = headers.call_id().map(|id| &**id).unwrap_or_default();
        let (ours, theirs) = (headers.to_tag().unwrap_or_default(), headers.from_tag().unwrap_or_default());
        let found = self.legs.iter_mut().find_map(|leg| leg.dialog_of(call_id, ours, theirs).is_some().then_some(leg));
        let Some(leg) = found else {
            if self.acknowledges(request) {
                return self.reply(request, hop, Status::OK, out);
            }
            // RFC 3261 §12.2.2: "If the UAS wishes to reject the request because it does not wish to recreate the
            // dialog, it MUST respond to the request with a 481".
            return self.reply(request, hop, Status::CALL_DOES_NOT_EXIST, out);
        };
        let id = leg.id;
        let is_bye = request.method == Method::Bye;
        let over = match leg.usage {
            Usage::Ended { bye: Bye::Ours, .. } => true,
            Usage::ByeWaits(_) if is_bye => {
                leg.end(Bye::Theirs);
                self.unacked.retain(|unacked| unacked.leg != id);
                true
            }
            // It brings the 200 on its way that the BYE waits for.
            Usage::ByeWaits(_) if request.method == Method::PRack => false,
            Usage::ByeWaits(_) | Usage::Ended { .. } => {
                return self.reply(request, hop, Status::CALL_DOES_NOT_EXIST, out);
            }
            Usage::Ringing(_) | Usage::Calling(_) | Usage::Up { .. } => false,
        };
        if over {
            // Two BYEs that cross: theirs finds what it wants done already.
            let status = if is_bye { Status::OK } else { Status::CALL_DOES_NOT_EXIST };
            return self.reply(request, hop, status, out);
        }
        if self.servers.len() >= MOST_REQUESTS && !is_bye {
            // Before the dialog takes its number, so that it may be sent again.
            return self.reply(request, hop, Status::SERVICE_UNAVAILABLE, out);
        }
        let number = headers.cseq().map_or(0, |(number, _)| number);
        let Some(dialog) = self.leg_mut(id).and_then(|leg| leg.dialog_of(call_id, ours, theirs)) else { return };
        if !dialog.remote_cseq.admit(number) {
            let at = self.open(key, id, hop, request, Wants::Nothing);
            return self.answer_at(now, at, Status::SERVER_INTERNAL_ERROR, out);
        }
        self.dispatch(now, (key, id), request, hop, out);
    }

    /// A target refresh request of the peer's (INVITE, and UPDATE by RFC 3311) is about to be accepted.
    ///
    /// RFC 3261 §12.2.2: "If the request is rejected, none of the state changes are performed": so not before.
    pub(super) fn refresh_by_request(&mut self, at: usize) {
        let (leg, headers) = (self.servers[at].leg, self.servers[at].request.headers.clone());
        let call_id = headers.call_id().map(|id| &**id).unwrap_or_default();
        let (ours, theirs) = (headers.to_tag().unwrap_or_default(), headers.from_tag().unwrap_or_default());
        if let Some(dialog) = self.leg_mut(leg).and_then(|leg| leg.dialog_of(call_id, ours, theirs)) {
            dialog.refresh_target(headers.get(&Name::Contact).map(AsRef::as_ref));
        }
    }

    /// 200 to an UPDATE, or to a PRACK with an offer.
    fn accept_update(&mut self, now: Now, at: usize, sdp: Option<Bytes>, out: &mut AgentOut) {
        let server = &self.servers[at];
        let response = Response::to(&server.request, Status::OK).with(Name::Contact, compose::contact(&server.hop));
        let response = match server.request.method {
            // RFC 3311 §5.2: its 2xx SHOULD list what we take, as that to INVITE; RFC 4028 §9: and renews the session.
            Method::Update => self.with_session(now, at, response.with(Name::Allow, compose::ALLOW), sdp.as_ref()),
            _ => response,
        };
        self.respond(now, at, &with_sdp(response, sdp), out);
    }

    /// A request in order, of a dialog that is not over.
    fn dispatch(&mut self, now: Now, (key, leg): (ServerKey, LegId), request: &Request, hop: Hop, out: &mut AgentOut) {
        match request.method {
            Method::Invite => self.receive_reinvite(now, (key, leg), request, hop, out),
            Method::Update => self.receive_update(now, (key, leg), request, hop, out),
            Method::PRack => self.receive_prack(now, (key, leg), request, hop, out),
            Method::Bye => self.receive_bye(now, (key, leg), request, hop, out),
            Method::Info | Method::Message => {
                let id = self.new_request(leg);
                self.open(key, leg, hop, request, Wants::Pass(id));
                let method = if request.method == Method::Info { "INFO" } else { "MESSAGE" };
                let info_package = request.headers.get(&Name::InfoPackage).map(ToString::to_string);
                out.events.push(LegEvent::Passing { request: id, method, body: body_of(request), info_package });
            }
            Method::Refer => self.receive_refer(now, (key, leg), request, hop, out),
            Method::Notify if self.is_phone => self.receive_notify((key, leg), request, hop, out),
            method => {
                let at = self.open(key, leg, hop, request, Wants::Nothing);
                let response = Response::to(&self.servers[at].request, refusal_of(method));
                let response = match method {
                    // RFC 3261 §11.2: "Allow, Accept, Accept-Encoding, Accept-Language, and Supported header fields
                    // SHOULD be present in a 200 (OK) response to an OPTIONS request."
                    Method::Options => response
                        .with(Name::Allow, compose::ALLOW)
                        .with(Name::Accept, compose::SDP)
                        .with(Name::Supported, compose::supported()),
                    // RFC 6665 §4.2.1.1 asks for Allow-Events with 489; REFER is the only way to a subscription here.
                    Method::Subscribe => response.with(Name::AllowEvents, refer::EVENT),
                    // RFC 3261 §21.4.6: "The response MUST include an Allow header field".
                    _ if response.status == Status::METHOD_NOT_ALLOWED => response.with(Name::Allow, compose::ALLOW),
                    _ => response,
                };
                self.respond(now, at, &response, out);
            }
        }
    }

    fn receive_reinvite(
        &mut self,
        now: Now,
        (key, leg): (ServerKey, LegId),
        request: &Request,
        hop: Hop,
        out: &mut AgentOut,
    ) {
        if let Err(why) = self.under_way(leg).admit() {
            return self.out_of_turn(now, (key, leg), (request, hop), why, out);
        }
        let id = self.new_request(leg);
        self.identify(leg, request, out);
        let at = self.open(key, leg, hop, request, Wants::ReInvite(id));
        self.trying(now, at, out);
        let offer = compose::sdp_of(&request.headers, &request.body);
        out.events.push(LegEvent::ReInvited { request: id, offer });
    }

    fn receive_update(
        &mut self,
        now: Now,
        (key, leg): (ServerKey, LegId),
        request: &Request,
        hop: Hop,
        out: &mut AgentOut,
    ) {
        let Some(offer) = compose::sdp_of(&request.headers, &request.body) else {
            self.identify(leg, request, out);
            let at = self.open(key, leg, hop, request, Wants::Nothing);
            self.refresh_by_request(at);
            return self.accept_update(now, at, None, out);
        };
        let fork = match self.admit_early(leg, request) {
            Ok(fork) => fork,
            Err(why) => return self.out_of_turn(now, (key, leg), (request, hop), why, out),
        };
        let id = self.new_request(leg);
        self.identify(leg, request, out);
        self.open(key, leg, hop, request, Wants::Update(id));
        out.events.push(LegEvent::Updated { request: id, offer, fork });
    }

    /// Tells who speaks at the far end now, where the request says so (RFC 3325, RFC 4916).
    fn identify(&mut self, leg: LegId, request: &Request, out: &mut AgentOut) {
        let said = identities(request);
        let asserted = said.asserted.into_iter().next().or(said.remote_party);
        let Some(dialog) = self.leg_mut(leg).and_then(Leg::dialog_mut) else { return };
        let before = [&dialog.remote.address, &dialog.remote_target].map(|address| uri_party(&uri_of(address).into()));
        let contact = request.headers.contact().map(|contact| uri_party(&contact.uri_text));
        let now = [Some(said.from), contact];
        let changed = now.into_iter().zip(before).filter_map(|(now, before)| now.filter(|n| n.user != before.user));
        let shown: Vec<Party> = changed.collect();
        if asserted.is_some() || !shown.is_empty() {
            out.events.push(LegEvent::Identified { leg, asserted, shown });
        }
    }

    fn receive_bye(
        &mut self,
        now: Now,
        (key, leg): (ServerKey, LegId),
        request: &Request,
        hop: Hop,
        out: &mut AgentOut,
    ) {
        let Some(Leg { usage, reason, .. }) = self.leg_mut(leg) else { return };
        *reason = compose::reason_of(&request.headers).or(*reason);
        match usage {
            // RFC 3261 §15: "The caller's UA MAY send a BYE for either confirmed or early dialogs": it gives up.
            Usage::Ringing(ringing) => {
                let first = !std::mem::replace(&mut ringing.canceled, true);
                let at = self.open(key, leg, hop, request, Wants::Nothing);
                self.answer_at(now, at, Status::OK, out);
                if first {
                    out.events.push(LegEvent::Canceled { leg });
                }
            }
            // "the callee's UA MAY send a BYE on confirmed dialogs, but MUST NOT send a BYE on early dialogs."
            Usage::Calling(_) => {
                let at = self.open(key, leg, hop, request, Wants::Nothing);
                self.answer_at(now, at, Status::CALL_DOES_NOT_EXIST, out);
            }
            Usage::Up { .. } | Usage::ByeWaits(_) | Usage::Ended { .. } => {
                self.refuse_owed(now, leg, out);
                self.end(now, leg, Bye::Theirs, out);
                let id = self.new_request(leg);
                self.open(key, leg, hop, request, Wants::Bye(id));
                out.events.push(LegEvent::Bye { request: id });
            }
        }
    }

    /// Ends a leg's INVITE usage: what waits for an answer in it gets one.
    ///
    /// RFC 3261 §15.1.2: "The UAS MUST still respond to any pending requests received for that dialog. It is
    /// RECOMMENDED that a 487 (Request Terminated) response be generated to those pending requests."
    pub(super) fn end(&mut self, now: Now, id: LegId, bye: Bye, out: &mut AgentOut) {
        self.terminate_pending(now, id, out);
        self.unacked.retain(|unacked| unacked.leg != id);
        if id == LegId::A && self.withholds() {
            self.refuse_withheld(now, Status::REQUEST_TERMINATED, out);
        }
        let give_up = now.mono + self.timers.give_up();
        for client in self.clients.iter_mut().filter(|c| c.leg == id && matches!(c.purpose, Purpose::ReInvite { .. })) {
            client.orphaned.get_or_insert(give_up);
        }
        if let Some(leg) = self.leg_mut(id) {
            leg.end(bye);
        }
    }

    /// The 487 of RFC 3261 §15.1.2; also where an early dialog ends, and an UPDATE still waits in it.
    pub(super) fn terminate_pending(&mut self, now: Now, id: LegId, out: &mut AgentOut) {
        for at in 0..self.servers.len() {
            let server = &self.servers[at];
            if server.leg == id && server.is_open() && server.wants.id().is_some() {
                if let Wants::Refer(refer) = server.wants {
                    self.drop_subscription(refer, out);
                }
                self.answer_at(now, at, Status::REQUEST_TERMINATED, out);
            }
        }
    }

    fn out_of_turn(
        &mut self,
        now: Now,
        (key, leg): (ServerKey, LegId),
        (request, hop): (&Request, Hop),
        why: OutOfTurn,
        out: &mut AgentOut,
    ) {
        let at = self.open(key, leg, hop, request, Wants::Nothing);
        let response = match why {
            OutOfTurn::Glare => Response::to(&self.servers[at].request, Status::REQUEST_PENDING),
            // RFC 3261 §14.2: "MUST include a Retry-After header field with a randomly chosen value of between 0 and 10
            // seconds."
            OutOfTurn::TooSoon => Response::to(&self.servers[at].request, Status::SERVER_INTERNAL_ERROR)
                .with(Name::RetryAfter, self.ids.below(11).to_string()),
        };
        self.respond(now, at, &response, out);
    }

    /// Responds with a bare status.
    pub(super) fn answer_at(&mut self, now: Now, at: usize, status: Status, out: &mut AgentOut) {
        let response = Response::to(&self.servers[at].request, status);
        self.respond(now, at, &response, out);
    }
}

/// What a request gets that nobody has to be asked about.
fn refusal_of(method: Method) -> Status {
    match method {
        Method::Options => Status::OK,
        // RFC 6665 §4.1.3: a NOTIFY that matches no subscription gets 481.
        Method::Notify => Status::CALL_DOES_NOT_EXIST,
        // RFC 6665 §4.2.1.1: an event package that isn't understood: 489 (Bad Event).
        Method::Subscribe => compose::status(489),
        _ => Status::METHOD_NOT_ALLOWED,
    }
}

pub(super) fn body_of(request: &Request) -> Option<Body> {
    let content_type = request.headers.get(&Name::ContentType).map(ToString::to_string).unwrap_or_default();
    (!request.body.is_empty()).then(|| Body { content_type, bytes: request.body.clone() })
}
