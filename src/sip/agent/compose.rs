//! The headers of our requests and responses, and the way that each goes.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use rsip::Method;

use super::credentials::with_credentials_of;
use super::{CancelReason, OutgoingInvite, Reason};
use crate::base::{Hop, Transport};
use crate::sip::dialog::Dialog;
use crate::sip::dialog::reliable::RELIABLE;
pub(super) use crate::sip::message::sdp as sdp_of;
use crate::sip::message::{Headers, Name, Request, Response, Status, build, parse_uri};

/// The methods that we take: Allow.
pub const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, MESSAGE, REFER, NOTIFY";

/// The extensions that we understand: Supported. `replaces` (RFC 3891) stands first: phones that do not see it hand calls
/// on blindly. `100rel` is RFC 3262's PRACK, `timer` RFC 4028's session timers, `199` RFC 6228's end of an early dialog,
/// `norefersub` RFC 4488's REFER without NOTIFYs.
pub const SUPPORTED: &[&str] = &["replaces", "100rel", "timer", "199", "norefersub"];

/// What we are called in User-Agent.
pub const USER_AGENT: &str = concat!("ramal/", env!("CARGO_PKG_VERSION"));

/// The type of a session description.
pub(super) const SDP: &str = "application/sdp";

/// The user part of our Contact.
const CONTACT_USER: &str = "ramal";

/// RFC 3261 §8.1.1.6: "A UAC MUST insert a Max-Forwards header field into each request it originates with a value that
/// SHOULD be 70".
pub(super) const MAX_FORWARDS: u8 = 70;

/// What a request outside a dialog is made of.
pub(super) struct Parts<'a> {
    pub(super) uri: &'a str,
    pub(super) via: &'a str,
    pub(super) max_forwards: u8,
    pub(super) from: &'a str,
    pub(super) tag: &'a str,
    pub(super) to: &'a str,
    pub(super) call_id: &'a str,
    pub(super) cseq: u32,
}

/// A request with what RFC 3261 §8.1.1 wants in each: To, From, CSeq, Call-ID, Max-Forwards, Via.
pub(super) fn request(method: Method, parts: &Parts<'_>) -> Request {
    Request::new(method, parts.uri)
        .with(Name::Via, parts.via)
        .with(Name::MaxForwards, parts.max_forwards.to_string())
        .with(Name::From, build::tagged(parts.from, parts.tag))
        .with(Name::To, parts.to)
        .with(Name::CallId, parts.call_id)
        .with(Name::CSeq, build::cseq(parts.cseq, method))
}

/// A request inside a dialog: RFC 3261 §12.2.1.1.
pub(super) fn in_dialog(method: Method, dialog: &Dialog, cseq: u32, via: &str) -> Request {
    let routed = dialog.route();
    let to = match &*dialog.remote.tag {
        "" => dialog.remote.address.to_string(),
        tag => build::tagged(&dialog.remote.address, tag).to_string(),
    };
    let parts = Parts {
        uri: routed.request_uri,
        via,
        max_forwards: MAX_FORWARDS,
        from: &dialog.local.address,
        tag: &dialog.local.tag,
        to: &to,
        call_id: &dialog.call_id,
        cseq,
    };
    routed.routes.into_iter().fold(request(method, &parts), |request, route| request.with(Name::Route, route))
}

/// What the ACK to an INVITE's refusal and its CANCEL have in common with it.
///
/// RFC 3261 §17.1.1.3: "The ACK request constructed by the client transaction MUST contain values for the Call-ID,
/// From, and Request-URI that are equal to the values of those header fields in the request"; "The ACK MUST contain a
/// single Via header field, and this MUST be equal to the top Via header field of the original request"; its Route
/// fields "MUST appear in the ACK". §9.1 says the same of CANCEL.
pub(super) fn head(invite: &Request) -> Request {
    let mut head = Request::new(invite.method, invite.uri.clone());
    for name in [Name::Via, Name::MaxForwards, Name::Route, Name::From, Name::To, Name::CallId, Name::CSeq] {
        head.headers.copy(&name, &invite.headers);
    }
    with_credentials_of(head, invite)
}

/// A request of another method with this head.
pub(super) fn with_head(head: &Request, method: Method, cseq: u32) -> Request {
    let mut request = head.clone();
    request.method = method;
    request.headers.set(Name::CSeq, build::cseq(cseq, method));
    request.headers.set(Name::MaxForwards, MAX_FORWARDS.to_string());
    request
}

/// The ACK to a refusal. RFC 3261 §17.1.1.3: "The To header field in the ACK MUST equal the To header field in the
/// response being acknowledged".
pub(super) fn ack_to_refusal(head: &Request, cseq: u32, response: &Response) -> Bytes {
    let mut ack = with_head(head, Method::Ack, cseq);
    if let Some(to) = response.headers.get(&Name::To) {
        ack.headers.set(Name::To, to.clone());
    }
    ack.to_bytes()
}

/// From without its tag.
pub(super) fn from(invite: &OutgoingInvite, hop: &Hop) -> String {
    match identity(invite, hop) {
        Some(identity) if !invite.private => identity,
        // RFC 3323 §4.1: "Anonymous" <sip:anonymous@anonymous.invalid>.
        _ => build::name_addr("Anonymous", "sip:anonymous@anonymous.invalid"),
    }
}

/// Adds who is calling, and that nobody behind the peer is to know it where that is so.
///
/// From and Privacy always say the same. RFC 3325 §7: the identity itself still goes to whoever is trusted, which
/// removes it before the call goes on.
pub(super) fn with_identity(request: Request, invite: &OutgoingInvite, hop: &Hop) -> Request {
    let identity = identity(invite, hop);
    let is_private = invite.private || identity.is_none();
    let request = match identity {
        Some(identity) => request.with(Name::PAssertedIdentity, identity),
        None => request,
    };
    if is_private { request.with(Name::Privacy, "id") } else { request }
}

fn identity(invite: &OutgoingInvite, hop: &Hop) -> Option<String> {
    let user = invite.caller.user.as_ref()?;
    Some(build::name_addr(&invite.caller.display, &build::sip_uri(user, hop.advertised)))
}

/// Our Contact toward the peer of this hop.
pub(super) fn contact(hop: &Hop) -> String {
    build::contact(CONTACT_USER, hop.advertised, hop.transport)
}

/// Adds Contact, as INVITE, UPDATE, NOTIFY and their 2xx must have it (RFC 3261 §12.1.2, RFC 3265 §3.1).
pub(super) fn with_contact(request: Request, hop: &Hop) -> Request {
    request.with(Name::Contact, contact(hop))
}

/// Adds what we can do, and who we are. Not that provisionals may be reliable: see [`with_reliable`].
pub(super) fn with_abilities(request: Request) -> Request {
    let request = request.with(Name::Allow, ALLOW);
    let supported = SUPPORTED.iter().filter(|tag| **tag != RELIABLE).copied().collect::<Vec<_>>().join(", ");
    request.with(Name::Supported, supported).with(Name::UserAgent, USER_AGENT)
}

/// Adds that provisionals may be reliable.
///
/// Only to an INVITE that calls and carries the offer. In the reliable provisional to one without, RFC 3262 §5 puts the
/// callee's offer, to be answered in the PRACK: but the answer is the caller's, who has not heard of it yet.
pub(super) fn with_reliable(mut invite: Request) -> Request {
    invite.headers.set(Name::Supported, supported());
    invite
}

/// The value of Supported.
pub(super) fn supported() -> String {
    SUPPORTED.join(", ")
}

/// Adds SDP, where there is any.
pub(super) fn with_sdp(request: Request, sdp: Option<Bytes>) -> Request {
    match sdp {
        Some(sdp) => request.with_body(SDP, sdp),
        None => request,
    }
}

/// A response that makes a dialog, or a 2xx that refreshes its target.
pub(super) fn with_dialog(response: Response, request: &Request, hop: &Hop) -> Response {
    let is_success = response.status.is_success();
    // RFC 3261 §12.1.1: "The UAS MUST add a Contact header field to the response."
    let response = response.with_record_routes(request).with(Name::Contact, contact(hop));
    // RFC 3261 §13.3.1.4: "A 2xx response to an INVITE SHOULD contain the Allow header field and the Supported header
    // field".
    if is_success { response.with(Name::Allow, ALLOW).with(Name::Supported, supported()) } else { response }
}

/// The status with that code. The call asks for codes of SIP; should it not, the response is still one.
pub(super) fn status(code: u16) -> Status {
    Status::new(code).unwrap_or(Status::SERVER_INTERNAL_ERROR)
}

/// The value of Reason in a CANCEL: RFC 3326 §2.
pub(super) fn reason(why: CancelReason) -> Option<String> {
    match why {
        CancelReason::AnsweredElsewhere => Some("SIP;cause=200;text=\"Call completed elsewhere\"".to_owned()),
        CancelReason::CallerGaveUp => Some("SIP;cause=487".to_owned()),
        CancelReason::NextInTurn => None,
        CancelReason::Because(reason) => Some(reason_text(reason)),
    }
}

/// The value of Reason.
pub(super) fn reason_text(reason: Reason) -> String {
    match reason {
        Reason::Q850(cause) => format!("Q.850;cause={cause}"),
        Reason::Sip(cause) => format!("SIP;cause={cause}"),
    }
}

/// The first Reason of a message that says a cause which can be passed on; a cause that its protocol doesn't have is
/// none.
pub(super) fn reason_of(headers: &Headers) -> Option<Reason> {
    headers.all(&Name::Reason).flat_map(|value| value.split(',')).find_map(|value| {
        let mut parts = value.split(';').map(str::trim);
        let protocol = parts.next()?;
        let cause = parts.find_map(|param| {
            let (name, value) = param.split_once('=')?;
            name.trim().eq_ignore_ascii_case("cause").then(|| value.trim())
        })?;
        if protocol.eq_ignore_ascii_case("Q.850") {
            cause.parse().ok().filter(|cause| (1..=127).contains(cause)).map(Reason::Q850)
        } else if protocol.eq_ignore_ascii_case("SIP") {
            cause.parse().ok().filter(|cause| (200..700).contains(cause)).map(Reason::Sip)
        } else {
            None
        }
    })
}

/// The hop that a response to this request goes by: RFC 3261 §18.2.2, RFC 3581 §4.
pub(super) fn way_back(request: &Request, hop: Hop) -> Hop {
    // "If the "sent-protocol" is a reliable transport protocol …, the response MUST be sent using the existing
    // connection to the source".
    if hop.transport.is_reliable() {
        return hop;
    }
    Hop { remote: request.headers.response_target(hop.remote), ..hop }
}

/// The hop that a request in a dialog goes by: the address in the next URI, by the transport that the leg has.
///
/// A name instead of an address would have to be resolved, and what can't be sent to (no port, the other family of
/// addresses) can't be right: then the hop that the dialog was set up by.
///
/// Whoever came by TLS or WebSocket is reached by her own connection alone: nobody has told the name that a certificate
/// at another address would have to show, and WebSocket clients listen nowhere (RFC 7118 §5.4: their Contact is
/// ".invalid").
pub(super) fn next_hop(dialog: &Dialog, hop: Hop) -> Hop {
    if hop.name.is_none() && !matches!(hop.transport, Transport::Udp | Transport::Tcp) {
        return hop;
    }
    match socket_of(dialog.route().next) {
        Some(remote) if remote.is_ipv4() == hop.local.is_ipv4() => Hop { remote, ..hop },
        _ => hop,
    }
}

fn socket_of(uri: &str) -> Option<SocketAddr> {
    let at = parse_uri(uri).ok()?.host_with_port;
    let host = at.host.to_string();
    let ip: IpAddr = host.trim_matches(['[', ']']).parse().ok()?;
    let port = at.port.map_or(5060, |port| *port.value());
    (port != 0 && !ip.is_unspecified()).then(|| SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_uri_is_where_its_host_is_one() {
        for (uri, socket) in [
            ("sip:ana@192.0.2.7:5070;transport=udp", Some("192.0.2.7:5070")),
            ("sip:192.0.2.7", Some("192.0.2.7:5060")),
            ("sip:ana@[2001:db8::1]", Some("[2001:db8::1]:5060")),
            ("sip:ana@pbx.example.com", None),
            ("sip:ana@0.0.0.0", None),
            ("sip:ana@192.0.2.7:0", None),
            ("tel:+5511", None),
            ("", None),
        ] {
            assert_eq!(socket_of(uri), socket.map(|s| s.parse().unwrap()), "{uri}");
        }
    }
}
