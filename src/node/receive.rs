//! What comes off the sockets: which call it belongs to, or what it begins, or what it is answered without any call.
//!
//! Answers given in here keep no state (RFC 3261 §8.2.7): a retransmission gets the same answer again, with the same
//! To-tag, and the ACK to a refusal finds nobody and needs nobody.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use rsip::Method;

use super::Inner;
use super::admission::{Full, Load};
use super::live::{Claim, InviteKeys};
use super::repeats::{Answer, Print};
use super::strangers::modest;
use super::surviving::surviving;
use super::who::{Who, wants_password};
use crate::base::{CallId, EmployeeId, Hop, Transport, Way};
use crate::call::{Beginning, Call, CallEvent, Replacing};
use crate::net::sink::{Path, Sink};
use crate::route::directory::Directory;
use crate::route::{self, Entry, Origin, Refusal};
use crate::sip::agent::{ALLOW, Received, SUPPORTED, call_of_branch, call_of_tag, is_loop};
use crate::sip::message::{
    self, Fault, Headers, Limits, Message, Name, ParseError, Replaces, Request, Response, Status, inspect, method_text,
    parse,
};
use crate::sip::outside::is_outside;
use crate::sip::subscription::Watched;
use crate::sip::transaction::ServerKey;

/// The node as its sockets know it; messages that come while it is being taken down go nowhere.
pub(super) struct Reception(pub(super) Weak<Inner>);

impl Sink for Reception {
    fn received(&self, path: Path, bytes: Bytes) {
        let Some(node) = self.0.upgrade() else { return };
        if node.is_dropped(path) {
            return;
        }
        tracing::trace!(from = %path.remote, message = %String::from_utf8_lossy(&bytes), "received");
        let print = (path.transport == Transport::Udp).then(|| node.repeats.print(path.remote, &bytes)).flatten();
        if print.is_some_and(|print| node.is_repeat(path, print)) {
            return;
        }
        let came = Came { path, size: bytes.len(), print };
        surviving(|| match parse(&bytes, &Limits::default()) {
            Ok(message) => node.received(came, message),
            Err(fault) => node.malformed(came, &fault),
        });
    }

    fn unframed(&self, path: Path, fault: &ParseError) {
        if let Some(node) = self.0.upgrade()
            && !node.is_dropped(path)
        {
            // On a stream: nobody forges its source, and its size does not matter.
            surviving(|| node.malformed(Came { path, size: 0, print: None }, fault));
        }
    }

    fn closed(&self, path: Path) {
        let Some(node) = self.0.upgrade() else { return };
        surviving(|| node.phone_left(path));
    }

    fn unreachable(&self, path: Path, sent: &[u8]) {
        let Some(node) = self.0.upgrade() else { return };
        tracing::debug!(to = %path.remote, "a message did not get there");
        if node.outbound.send_back(path, sent) {
            return;
        }
        node.lost(path);
        let branch = top_branch(sent);
        if branch.is_some_and(is_outside) {
            surviving(|| node.lost_beyond(path));
        } else if let Some(call) = branch.and_then(call_of_branch) {
            surviving(|| _ = node.tell(call, CallEvent::Unreachable(node.outbound.back(path))));
        }
    }
}

/// How a message came.
#[derive(Clone, Copy)]
pub(super) struct Came {
    pub(super) path: Path,
    /// Its bytes.
    pub(super) size: usize,
    /// What it is known by when it comes again, where it may be an INVITE.
    print: Option<Print>,
}

/// The branch of the topmost Via in the beginning of a message that we printed. Responses name no call by it.
fn top_branch(sent: &[u8]) -> Option<&str> {
    let from = memchr::memmem::find(sent, b";branch=")? + b";branch=".len();
    let rest = sent.get(from..)?;
    let end = rest.iter().position(|b| matches!(b, b';' | b'\r' | b',')).unwrap_or(rest.len());
    std::str::from_utf8(rest.get(..end)?).ok()
}

impl Inner {
    fn received(self: &Arc<Self>, came: Came, message: Message) {
        match message {
            Message::Response(response) => {
                let method = response.headers.cseq().map_or("OTHER", |(_, method)| method_text(method));
                self.metrics.received(method, Some(response.status.code()));
                // One that answers nothing of ours is dropped: nothing answers a response.
                let branch = response.headers.via().and_then(|via| via.branch);
                if branch.is_some_and(is_outside) {
                    self.hear_beyond(came.path, response);
                } else if let Some(call) = branch.and_then(call_of_branch)
                    && let call = self.home_of(call, &response.headers)
                    && self.may_answer(call, came.path, &response)
                {
                    self.hand_over(call, came.path, response.into());
                }
            }
            Message::Request(request) => {
                self.metrics.received(method_text(request.method), None);
                self.requested(came, request);
            }
        }
    }

    /// The call that has the leg of a message: one that has moved is not where its tags and branches say.
    fn home_of(&self, named: CallId, headers: &Headers) -> CallId {
        self.live.home_of(named, headers.call_id().map(AsRef::<str>::as_ref).unwrap_or_default())
    }

    /// Whether nothing that comes by this way is read, for it was refused too often.
    fn is_dropped(&self, path: Path) -> bool {
        let ip = path.remote.ip();
        let dropped = self.admission.is_dropped(ip) && !self.registrar.is_address(ip);
        if dropped {
            self.metrics.stranger_dropped();
        }
        dropped
    }

    /// Whether this datagram has been refused before: then it is told so again.
    fn is_repeat(&self, path: Path, print: Print) -> bool {
        let Some(Answer { target, bytes }) = self.repeats.find(print, self.clock.now().mono) else { return false };
        self.metrics.received("INVITE", None);
        self.answer_bytes(path, target, &bytes, true);
        true
    }

    /// Whether a response comes from where its request went, or from wherever else that trunk or PBX may send: who has
    /// overheard a branch answers nothing in somebody else's name.
    fn may_answer(&self, call: CallId, path: Path, response: &Response) -> bool {
        let Some(asked) = self.live.asked(call, response) else { return false };
        // RFC 3261 §18.2.2: where a connection is gone, the response comes by a new one, from any port.
        let by_new_connection = || asked.addresses.iter().any(|address| address.ip() == path.remote.ip());
        let may =
            (path.transport.is_reliable() && by_new_connection()) || self.house.is_of_far_end(path.remote, &asked);
        if !may {
            tracing::debug!(from = %path.remote, "a response comes from where its request did not go");
        }
        may
    }

    /// Gives a message to its call; false where that is gone.
    fn hand_over(self: &Arc<Self>, call: CallId, path: Path, message: Message) -> bool {
        let hop = self.outbound.back(path);
        self.tell(call, CallEvent::Received(Box::new(Received { message, hop })))
    }

    fn requested(self: &Arc<Self>, came: Came, request: Request) {
        let path = came.path;
        let known = match request.headers.to_tag() {
            // RFC 3261 §12.2.2: "If the request has a tag in the To header field", it is inside a dialog.
            Some(tag) => {
                call_of_tag(tag).map(|call| self.home_of(call, &request.headers)).filter(|call| self.live.has(*call))
            }
            None => match request.method {
                Method::Invite | Method::Ack => self.live.claimed(&ServerKey::of(&request)),
                Method::Cancel => self.live.claimed(&ServerKey::of_canceled(&request)),
                _ => None,
            },
        };
        match known.map(|call| self.home_of(call, &request.headers)) {
            Some(call) => {
                if !self.may_say(call, path, &request) {
                    return self.refuse_inside(came, &request);
                }
                if is_renegotiation(&request)
                    && let Some(objection) = inspect(&request, SUPPORTED)
                {
                    return self.answer(path, objection.response(&request));
                }
                // Gone between the two looks: as if it had come a moment later, when its retransmission will.
                self.hand_over(call, path, request.into());
            }
            None => self.outside(came, request),
        }
    }

    /// Refuses a stranger; her ACK is dropped.
    pub(super) fn forbid(&self, came: Came, request: &Request) {
        // RFC 3261 §17.1.1.3: an ACK is never answered.
        if request.method != Method::Ack {
            self.offended(came.path);
            self.answer_stranger(came, Response::to(request, Status::FORBIDDEN));
        }
    }

    /// A stranger wanted something of us.
    fn offended(&self, path: Path) {
        self.metrics.stranger_refused();
        let ip = path.remote.ip();
        // One at an address that the files name is somebody's mistake, or forged: the trunk there must be heard.
        let is_spared = self.registrar.is_address(ip) || route::origin::is_named(&self.house.directory(), ip);
        if !is_spared && self.admission.refused_stranger(ip) {
            tracing::debug!(%ip, "refused too often: it is not listened to for a while");
        }
    }

    /// Whether a request to a call comes from where its far end is. A call that has no such dialog says so by itself,
    /// to all but strangers; an ACK is never answered, and a retransmitted INVITE tells only what it was told before.
    fn may_say(&self, call: CallId, path: Path, request: &Request) -> bool {
        if request.method == Method::Ack || (request.method != Method::Cancel && request.headers.to_tag().is_none()) {
            return true;
        }
        match self.live.far_end(call, request) {
            Some(expected) => {
                self.house.is_of_far_end(path.remote, &expected) || self.registrar.are_of_one(path, &expected.addresses)
            }
            None => self.is_known(path),
        }
    }

    /// A request inside a dialog that is not there for whoever sent it.
    fn refuse_inside(&self, came: Came, request: &Request) {
        match self.is_known(came.path) {
            false => self.forbid(came, request),
            true => self.answer(came.path, Response::to(request, Status::CALL_DOES_NOT_EXIST)),
        }
    }

    /// A request that belongs to no call.
    fn outside(self: &Arc<Self>, came: Came, request: Request) {
        let path = came.path;
        // RFC 3261 §17.1.1.3: an ACK is never answered.
        if request.method == Method::Ack {
            return;
        }
        let begins = request.headers.to_tag().is_none();
        if begins && request.method == Method::Options {
            return self.asked_for_options(came, &request);
        }
        if begins && request.method == Method::Register {
            return self.registers(came, request);
        }
        if request.method == Method::Subscribe {
            return self.subscribes(came, request);
        }
        if !begins || !wants_password(request.method) {
            return self.refuse_inside(came, &request);
        }
        let keys = (request.method == Method::Invite).then(|| InviteKeys::of(&request));
        let origin = match self.who(path, &request) {
            Who::Known(Origin::Stranger) => return self.forbid(came, &request),
            Who::Known(origin) => origin,
            Who::Asked { stale } => return self.ask_for_password(came, &request, stale),
            Who::Wrong => return self.forbid_password(came, &request),
            Who::Ignored => return,
        };
        if needs_dialog(request.method) {
            return self.answer(path, Response::to(&request, Status::CALL_DOES_NOT_EXIST));
        }
        // A CANCEL is never inspected, and never gets here. Methods come before all else (RFC 3261 §8.2.1).
        let Some(keys) = keys else {
            return self.not_allowed(path, &request);
        };
        if let Some(objection) = inspect(&request, SUPPORTED) {
            return self.refuse(came, objection.response(&request));
        }
        if is_loop(&request) {
            return self.refuse(came, Response::to(&request, Status::LOOP_DETECTED));
        }
        if request.headers.has(&Name::Replaces) {
            return self.replacing(came, &origin, request, &keys);
        }
        self.invited(came, &origin, request, keys);
    }

    /// An INVITE that wants the place of a party of a call that is up.
    fn replacing(self: &Arc<Self>, came: Came, origin: &Origin, request: Request, keys: &InviteKeys) {
        let refuse = |node: &Self, request: &Request, status| node.refuse(came, Response::to(request, status));
        let replaces = one_replaces(&request);
        // RFC 3891 §3: "If more than one Replaces header field is present in an INVITE …, the UAS MUST reject the
        // request with a 400 Bad Request response."
        let Some(replaces) = replaces else { return refuse(self, &request, Status::BAD_REQUEST) };
        let call = call_of_tag(&replaces.to_tag)
            .or_else(|| call_of_tag(&replaces.from_tag))
            .map(|call| self.live.home_of(call, &replaces.call_id));
        // "If no match is found, the UAS rejects the INVITE and returns a 481 Call/Transaction Does Not Exist response."
        // Nobody at a trunk has a place in a call of ours to give away.
        let known = call.filter(|call| self.live.has(*call) && !matches!(origin, Origin::Trunk(_) | Origin::Stranger));
        let Some(call) = known else { return refuse(self, &request, Status::CALL_DOES_NOT_EXIST) };
        let directory = self.house.directory();
        let identities = message::identities(&request);
        let Some(by) = route::inbound::employee_of(&directory, origin, &identities).map(|e| e.id.clone()) else {
            return refuse(self, &request, Status::FORBIDDEN);
        };
        match self.live.claim(keys, call) {
            Claim::New => {}
            Claim::Known(_) => return,
            Claim::Merged => return refuse(self, &request, Status::LOOP_DETECTED),
        }
        if !self.live.keep_claim(keys, call) {
            return refuse(self, &request, Status::CALL_DOES_NOT_EXIST);
        }
        let referred_by = request.headers.address(&Name::ReferredBy).map(|address| message::party(&address).user);
        let received = Received { message: request.into(), hop: self.outbound.back(came.path) };
        let is_phone = matches!(origin, Origin::Phone(_));
        self.tell(call, CallEvent::Replacing(Box::new(Replacing { received, replaces, by, is_phone, referred_by })));
    }

    pub(super) fn not_allowed(&self, path: Path, request: &Request) {
        self.answer(path, Response::to(request, Status::METHOD_NOT_ALLOWED).with(Name::Allow, ALLOW));
    }

    fn asked_for_options(&self, came: Came, request: &Request) {
        let objection = inspect(request, SUPPORTED).map(|objection| objection.response(request));
        if !self.is_known(came.path) {
            // What we can do is none of her business.
            return self.answer_stranger(came, objection.unwrap_or_else(|| Response::to(request, Status::OK)));
        }
        // RFC 3261 §11.2: "Allow, Accept, Accept-Encoding, Accept-Language, and Supported header fields SHOULD be
        // present in a 200 (OK) response to an OPTIONS request."
        let able = || {
            Response::to(request, Status::OK)
                .with(Name::Allow, ALLOW)
                .with(Name::Accept, "application/sdp")
                .with(Name::AcceptEncoding, "identity")
                .with(Name::AcceptLanguage, "en")
                .with(Name::Supported, SUPPORTED.join(", "))
        };
        self.answer(came.path, objection.unwrap_or_else(able));
    }

    /// An INVITE that nobody has seen yet.
    fn invited(self: &Arc<Self>, came: Came, origin: &Origin, request: Request, keys: InviteKeys) {
        let path = came.path;
        let directory = self.house.directory_kept();
        let load = Load { calls: self.live.up(), most: directory.limits.calls, store_is_full: self.store.is_full() };
        let admitted = self.admission.admit(load);
        let invitation = message::invitation(&request);
        let routed = || route::inbound(&directory, origin, &invitation.identities);
        let routed = match admitted {
            Ok(()) => routed(),
            // Only of those that are past the limits it is asked before, whether somebody calls for help.
            Err(full) => match routed() {
                Ok(entry) if full.spares_emergencies() && is_emergency(&directory, &entry) => Ok(entry),
                _ => return self.refuse_for_now(came, &request, full),
            },
        };
        let (entry, blacklisted) = match routed {
            Ok(entry) => (entry, false),
            Err(Refusal::Blacklisted(incoming)) => (Entry::Incoming(*incoming), true),
            Err(refusal) => {
                tracing::debug!(from = %path.remote, %refusal, "an INVITE is refused");
                let status = Status::new(refusal.status()).unwrap_or(Status::FORBIDDEN);
                return self.refuse(came, Response::to(&request, status));
            }
        };
        if let Some(dialler) = dialler(&entry)
            && !is_emergency(&directory, &entry)
            && self.house.placed(dialler) >= directory.limits.per_employee
        {
            return self.refuse_for_now(came, &request, Full::Employee);
        }
        let now = self.clock.now();
        let (id, ids) = {
            let (ids, calls) = &mut *self.ids.lock();
            (calls.next(now.wall, ids), ids.fork())
        };
        // Of many copies on many threads one gets the claim; the others are answered by its first 100.
        match self.live.claim(&keys, id) {
            Claim::New => {}
            Claim::Known(_) => return,
            // RFC 3261 §8.2.2.2: "the UAS core SHOULD generate a 482 (Loop Detected) response".
            Claim::Merged => return self.refuse(came, Response::to(&request, Status::LOOP_DETECTED)),
        }
        let beginning = Beginning {
            id,
            ids,
            timers: self.sip_timers,
            entry,
            blacklisted,
            label: origin.label().to_owned(),
            trunk: if let Origin::Trunk(name) = origin { Some(name.clone()) } else { None },
            is_phone: matches!(origin, Origin::Phone(_)),
            now,
            max_forwards: invitation.max_forwards,
            offer: invitation.offer,
        };
        self.live.insert(Call::new(beginning, &directory), keys);
        self.hand_over(id, path, request.into());
    }

    fn refuse_for_now(&self, came: Came, request: &Request, full: Full) {
        tracing::debug!(from = %came.path.remote, why = %full, "an INVITE is refused for now");
        self.metrics.overloaded();
        let response = Response::to(request, Status::SERVICE_UNAVAILABLE);
        self.refuse(came, response.with(Name::RetryAfter, full.retry_after().to_string()));
    }

    /// Answers an INVITE without state, and its retransmissions without reading them.
    fn refuse(&self, came: Came, response: Response) {
        let response = located(came.path, response);
        let answer = Answer { target: response_target(came.path, &response), bytes: response.to_bytes() };
        self.answer_bytes(came.path, answer.target, &answer.bytes, false);
        if let Some(print) = came.print {
            self.repeats.keep(print, answer, self.clock.now().mono);
        }
    }

    /// A message that cannot be read.
    fn malformed(&self, came: Came, fault: &ParseError) {
        tracing::debug!(from = %came.path.remote, %fault, "a message cannot be read");
        self.metrics.received("OTHER", None);
        let is_stranger = !self.is_known(came.path);
        if is_stranger {
            self.offended(came.path);
        }
        let Some(response) = fault.response() else { return };
        if is_stranger {
            return self.answer_stranger(came, response);
        }
        let is_method = matches!(fault.fault, Fault::Method);
        self.answer(came.path, if is_method { response.with(Name::Allow, ALLOW) } else { response });
    }

    fn answer_stranger(&self, came: Came, response: Response) {
        if !self.admission.answers_stranger(came.path.remote.ip()) {
            return;
        }
        let response = located(came.path, response);
        let whole = came.path.transport.is_reliable();
        let target = response_target(came.path, &response);
        if let Some(bytes) = if whole { Some(response.to_bytes()) } else { modest(response, came.size) } {
            self.answer_bytes(came.path, target, &bytes, false);
        }
    }

    /// A message could not reach this address: if it is a peer's, others come first for a while; a phone there is gone.
    pub(super) fn lost(&self, path: Path) {
        let now = self.clock.now();
        self.house.lost(path.remote, now.mono);
        self.registrar.lost(now, Way { transport: path.transport, address: path.remote });
    }

    /// A connection has closed. What the phone at its far end was asked and has said nothing to, it will not: it is reached
    /// there by nothing else, and would keep a caller waiting. One that rings already may answer on a new connection.
    fn phone_left(self: &Arc<Self>, path: Path) {
        let way = Way { transport: path.transport, address: path.remote };
        let hers = self.registrar.lost(self.clock.now(), way);
        if hers.is_empty() {
            return;
        }
        let node = Arc::clone(self);
        // Not here: a call may be sending just now, and whoever goes through them all waits for it.
        tokio::spawn(async move {
            for employee in hers {
                for call in node.live.concerned(&Watched::Employee(employee)) {
                    surviving(|| _ = node.tell(call, CallEvent::Unreachable(node.outbound.back(path))));
                }
            }
        });
    }

    /// Answers without state.
    pub(super) fn answer(&self, path: Path, response: Response) {
        let response = located(path, response);
        self.answer_bytes(path, response_target(path, &response), &response.to_bytes(), false);
    }

    pub(super) fn answer_bytes(&self, path: Path, remote: SocketAddr, bytes: &Bytes, again: bool) {
        let hop = Hop { transport: path.transport, local: path.local, remote, advertised: path.local, name: None };
        self.metrics.sent(bytes, again);
        if self.outbound.send(&hop, bytes).is_err() {
            tracing::debug!(%remote, "an answer could not be sent");
        }
    }
}

/// A stateless answer with what it says of its request's source, and a To-tag.
pub(super) fn located(path: Path, mut response: Response) -> Response {
    response.headers.stamp_source(path.remote);
    response.with_stateless_to_tag()
}

/// RFC 3261 §18.2.2: over a reliable transport "the response MUST be sent using the existing connection".
pub(super) fn response_target(path: Path, response: &Response) -> SocketAddr {
    if path.transport.is_reliable() { path.remote } else { response.headers.response_target(path.remote) }
}

/// The one dialog that an INVITE wants to replace.
fn one_replaces(request: &Request) -> Option<Replaces> {
    let mut all = request.headers.all(&Name::Replaces);
    all.next().filter(|_| all.next().is_none()).and_then(|value| Replaces::parse(value))
}

/// The employee who calls a number outside.
fn dialler(entry: &Entry) -> Option<&EmployeeId> {
    match entry {
        Entry::Outgoing(outgoing) => outgoing.employee.as_ref().map(|employee| &employee.id),
        Entry::Incoming(_) | Entry::Internal(_) => None,
    }
}

/// Whether somebody calls for help: such a call goes past every limit.
fn is_emergency(directory: &Directory, entry: &Entry) -> bool {
    let Entry::Outgoing(outgoing) = entry else { return false };
    route::reach::is_emergency(directory, &outgoing.to)
}

/// What makes or changes a session inside a dialog; other requests may carry whatever the far end understands.
fn is_renegotiation(request: &Request) -> bool {
    matches!(request.method, Method::Invite | Method::Update | Method::PRack) && request.headers.to_tag().is_some()
}

/// Methods that mean nothing outside a dialog, or a transaction.
fn needs_dialog(method: Method) -> bool {
    matches!(
        method,
        Method::Bye
            | Method::Cancel
            | Method::Update
            | Method::PRack
            | Method::Info
            | Method::Message
            | Method::Notify
            | Method::Refer
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_of_a_lost_request_is_found_in_its_beginning() {
        let sent = b"INVITE sip:201@h SIP/2.0\r\nVia: SIP/2.0/UDP h:5060;branch=z9hG4bK00000000000000ab1.00000000000000cd;rport\r\n";
        assert_eq!(top_branch(sent).and_then(call_of_branch), Some(CallId::from_bits(0xab)));
        assert_eq!(
            top_branch(b"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n").and_then(call_of_branch),
            None
        );
        assert_eq!(top_branch(b"garbage"), None);
    }
}
