//! What comes off the sockets: which call it belongs to, and whether whoever sent it may say that there. What belongs to
//! none is `begin`'s.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use rsip::Method;

use super::Inner;
use super::repeats::{Answer, Print};
use super::surviving::surviving;
use crate::base::{CallId, Transport, Way};
use crate::call::CallEvent;
use crate::net::sink::{Path, Sink};
use crate::sip::agent::{ALLOW, Received, SUPPORTED, call_of_branch, call_of_tag};
use crate::sip::message::{
    Fault, Headers, Limits, Message, Name, ParseError, Request, Response, Status, inspect, method_text, parse,
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
    pub(super) print: Option<Print>,
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
    pub(super) fn hand_over(self: &Arc<Self>, call: CallId, path: Path, message: Message) -> bool {
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
    pub(super) fn refuse_inside(&self, came: Came, request: &Request) {
        match self.is_known(came.path) {
            false => self.forbid(came, request),
            true => self.answer(came.path, Response::to(request, Status::CALL_DOES_NOT_EXIST)),
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
}

/// What makes or changes a session inside a dialog; other requests may carry whatever the far end understands.
fn is_renegotiation(request: &Request) -> bool {
    matches!(request.method, Method::Invite | Method::Update | Method::PRack) && request.headers.to_tag().is_some()
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
