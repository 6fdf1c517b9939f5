//! Branches, tags and Call-IDs of ours: each names its call, so that the shell finds the call by it alone, and carries
//! 64 random bits, so that nobody guesses one (RFC 3261 §19.3).

use crate::base::{CallId, Hop, Ids, LegId};
use crate::sip::message::build::{MAGIC_COOKIE, host};
use crate::sip::message::{Message, Name, Request, party, uri_party};

/// A new branch of a transaction of this leg: cookie, call, leg, `.`, 16 random hex digits.
///
/// RFC 3261 §8.1.1.7: "The branch parameter value MUST be unique across space and time for all requests sent by the
/// UA."
pub(super) fn branch(call: CallId, leg: LegId, ids: &mut Ids) -> String {
    format!("{MAGIC_COOKIE}{call}{}.{:016x}", leg.0, ids.bits())
}

/// A new tag: call, `-`, 16 random hex digits.
pub(super) fn tag(call: CallId, ids: &mut Ids) -> Box<str> {
    format!("{call}-{:016x}", ids.bits()).into()
}

/// A new Call-ID. It names no call: the peer of one leg learns nothing of the other.
pub(super) fn call_id(hop: &Hop, ids: &mut Ids) -> Box<str> {
    format!("{:016x}{:016x}@{}", ids.bits(), ids.bits(), host(hop.advertised.ip())).into()
}

/// The call of a response, from the branch in its top Via; `None` where it is no branch of ours.
pub fn call_of_branch(branch: &str) -> Option<CallId> {
    let (call, rest) = branch.strip_prefix(MAGIC_COOKIE)?.split_at_checked(16)?;
    let (leg, random) = rest.split_once('.')?;
    let is_leg = (1..=5).contains(&leg.len()) && leg.bytes().all(|b| b.is_ascii_digit());
    if is_leg && is_random(random) { call.parse().ok() } else { None }
}

/// The call of a request inside a dialog, from the tag in its To; `None` where it is no tag of ours.
pub fn call_of_tag(tag: &str) -> Option<CallId> {
    let (call, rest) = tag.split_at_checked(16)?;
    if is_random(rest.strip_prefix('-')?) { call.parse().ok() } else { None }
}

/// The parameter of our INVITEs' Via by which a call of ours that comes back is known.
const LOOP: &str = "loop";

/// What stands in that parameter of an INVITE that we send for this one: whom it asked for, and for whom.
pub(super) fn loop_cookie(invite: &Request) -> u64 {
    let from = invite.headers.from().map(|from| party(&from).user).unwrap_or_default();
    let to = uri_party(&invite.uri.as_str().into()).user;
    // FNV-1a: the same on every node and in every release, which the standard library's hashes are not.
    to.bytes()
        .chain([0])
        .chain(from.bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A Via of an INVITE of ours, with that parameter.
pub(super) fn with_loop_cookie(via: &str, cookie: Option<u64>) -> String {
    cookie.map_or_else(|| via.to_owned(), |cookie| format!("{via};{LOOP}={cookie:016x}"))
}

/// Whether an INVITE is one that we have sent for this same caller to this same callee: a proxy has brought it back.
///
/// RFC 3261 §16.3: "The request may contain a Via header field with a sent-by value that equals a value placed into
/// previous requests by the proxy": "the request has been forwarded by this element before. The request has either
/// looped or is legitimately spiraling through the element." Asked for somebody else it spirals, as a forward does, and
/// is a call. One that comes back through a B2BUA has no Via of ours any more; it ends by Max-Forwards, which
/// goes on counting through us.
pub fn is_loop(invite: &Request) -> bool {
    let ours = format!("{:016x}", loop_cookie(invite));
    invite.headers.all(&Name::Via).any(|via| {
        let mut params = via.split(';').skip(1).filter_map(|param| param.split_once('='));
        params.any(|(name, value)| name.trim() == LOOP && value.trim() == ours)
    })
}

/// The call that a message names by itself: a response by its branch, a request inside a dialog by its tag.
pub fn call_of(message: &Message) -> Option<CallId> {
    match message {
        Message::Response(response) => response.headers.via().and_then(|via| via.branch.and_then(call_of_branch)),
        Message::Request(request) => request.headers.to_tag().and_then(call_of_tag),
    }
}

fn is_random(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_and_tags_name_their_call() {
        let mut ids = Ids::seeded(7);
        for _ in 0..100 {
            let call = ids.call();
            assert_eq!(call_of_branch(&branch(call, LegId(12), &mut ids)), Some(call));
            assert_eq!(call_of_tag(&tag(call, &mut ids)), Some(call));
        }
    }

    #[test]
    fn what_is_not_ours_names_none() {
        for foreign in [
            "",
            "z9hG4bK",
            "z9hG4bK0123456789abcdef",
            "z9hG4bK0123456789abcdef.0123456789abcdef",
            "z9hG4bK0123456789abcdefx.0123456789abcdef",
            "z9hG4bK0123456789abcdef1.0123456789ABCDEF",
            "z9hG4bK0123456789abcdef123456.0123456789abcdef",
            "z9hG4bK0123456789abcdéf1.0123456789abcdef",
            "0123456789abcdef-0123456789abcde",
            "0123456789abcdef-0123456789abcdef0",
            "0123456789abcdeé-0123456789abcdef",
            "0123456789ABCDEF-0123456789abcdef",
        ] {
            assert_eq!(call_of_branch(foreign), None, "{foreign}");
            assert_eq!(call_of_tag(foreign), None, "{foreign}");
        }
    }
}
