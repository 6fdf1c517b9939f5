//! Requests that belong to no call: what they begin, or what they are answered without one.

use std::sync::Arc;

use rsip::Method;

use super::Inner;
use super::admission::{Full, Load};
use super::claims::{Claim, InviteKeys};
use super::receive::Came;
use super::who::{Who, wants_password};
use crate::base::EmployeeId;
use crate::call::{Beginning, Call, CallEvent, Replacing};
use crate::net::sink::Path;
use crate::route::directory::Directory;
use crate::route::{self, Entry, Origin, Refusal};
use crate::sip::agent::{ALLOW, Received, SUPPORTED, call_of_tag, is_loop};
use crate::sip::message::{self, Name, Replaces, Request, Response, Status, inspect};

impl Inner {
    /// A request that belongs to no call.
    pub(super) fn outside(self: &Arc<Self>, came: Came, request: Request) {
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
