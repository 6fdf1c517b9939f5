//! Which transaction a message belongs to: RFC 3261 §17.1.3 and §17.2.3, RFC 2543 peers included.

use rsip::Method;

use crate::sip::message::build::MAGIC_COOKIE;
use crate::sip::message::{Name, Request, method_text};

/// What names a client transaction: our branch, and the method of the request.
///
/// RFC 3261 §17.1.3: "The method is needed since a CANCEL request constitutes a different transaction, but shares the
/// same value of the branch parameter."
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientKey {
    branch: Box<str>,
    method: Method,
}

impl ClientKey {
    /// Of a request that carries this branch.
    pub fn new(branch: &str, method: Method) -> Self {
        Self { branch: branch.into(), method }
    }

    /// Of the request that a response with this top Via branch and this CSeq answers.
    pub fn matches(&self, branch: &str, cseq_method: Method) -> bool {
        // RFC 3261 §7.3.1: parameter values that are tokens are case-insensitive.
        self.method == cseq_method && self.branch.eq_ignore_ascii_case(branch)
    }

    /// The branch that CANCEL shares (RFC 3261 §9.1).
    pub fn branch(&self) -> &str {
        &self.branch
    }

    /// The request's method.
    pub fn method(&self) -> Method {
        self.method
    }
}

/// What names a server transaction. ACK has the key of its INVITE; CANCEL names the request that it cancels by
/// [`ServerKey::of_canceled`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ServerKey {
    /// RFC 3261 §17.2.3: the branch begins with the magic cookie, so it is unique.
    Branch {
        /// The branch in the top Via, in lower case.
        branch: Box<str>,
        /// "the sent-by value in the top Via", in lower case: two clients may choose one branch.
        sent_by: Box<str>,
        /// The method, ACK's being INVITE.
        method: &'static str,
    },
    /// RFC 3261 §17.2.3, for RFC 2543 peers: what else of a request stays the same when it is repeated. The To tag is
    /// left out: an ACK has the one that our response gave, its INVITE none.
    Rfc2543 {
        /// The Request-URI.
        uri: Box<str>,
        /// The top Via, whole.
        via: Box<str>,
        /// Call-ID.
        call_id: Box<str>,
        /// From's tag.
        from_tag: Box<str>,
        /// The number in CSeq.
        cseq: u32,
        /// The method, ACK's being INVITE.
        method: &'static str,
    },
}

impl ServerKey {
    /// Of this request, as it came: before anything is written into its Via.
    pub fn of(request: &Request) -> Self {
        // RFC 3261 §17.2.3: "the method of the request matches the one that created the transaction, except for ACK,
        // where the method of the request that created the transaction is INVITE".
        let method = if request.method == Method::Ack { Method::Invite } else { request.method };
        Self::with_method(request, method)
    }

    /// Of the INVITE that this CANCEL cancels.
    ///
    /// RFC 3261 §9.2: it is found by "assuming that the request method is anything but CANCEL or ACK"; only an
    /// INVITE lasts long enough to be worth it.
    pub fn of_canceled(cancel: &Request) -> Self {
        Self::with_method(cancel, Method::Invite)
    }

    fn with_method(request: &Request, method: Method) -> Self {
        let method = method_text(method);
        let via = request.headers.via();
        if let Some((via, branch)) = via.and_then(|via| Some((via, via.branch?)))
            && branch.get(..MAGIC_COOKIE.len()).is_some_and(|start| start.eq_ignore_ascii_case(MAGIC_COOKIE))
        {
            // The port that is not written is the transport's own, which the peer does not change between messages.
            let sent_by = format!("{}:{}", via.host.to_ascii_lowercase(), via.port.unwrap_or_default());
            return Self::Branch { branch: branch.to_ascii_lowercase().into(), sent_by: sent_by.into(), method };
        }
        let text = |text: Option<&str>| text.unwrap_or_default().into();
        Self::Rfc2543 {
            uri: (*request.uri).into(),
            via: text(request.headers.get(&Name::Via).map(AsRef::as_ref)),
            call_id: text(request.headers.call_id().map(AsRef::as_ref)),
            from_tag: text(request.headers.from_tag()),
            cseq: request.headers.cseq().map_or(0, |(number, _)| number),
            method,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: Method, via: &str) -> Request {
        Request::new(method, "sip:100@h")
            .with(Name::Via, via)
            .with(Name::From, "<sip:a@h>;tag=f")
            .with(Name::To, "<sip:100@h>")
            .with(Name::CallId, "c")
            .with(Name::CSeq, format!("1 {}", method_text(method)))
    }

    fn changed(mut request: Request, name: Name, value: &str) -> Request {
        request.headers.set(name, value);
        request
    }

    const NEW: &str = "SIP/2.0/UDP h:5060;branch=z9hG4bKabc";
    const OLD: &str = "SIP/2.0/UDP h:5060;branch=1";
    const NONE: &str = "SIP/2.0/UDP h:5060";

    #[test]
    fn the_ack_to_a_refusal_has_its_invites_key() {
        for via in [NEW, OLD, NONE] {
            let invite = ServerKey::of(&request(Method::Invite, via));
            let ack = changed(request(Method::Ack, via), Name::To, "<sip:100@h>;tag=ours");
            assert_eq!(ServerKey::of(&ack), invite);
        }
    }

    #[test]
    fn a_cancel_has_a_key_of_its_own_and_names_its_invite() {
        for via in [NEW, OLD, NONE] {
            let invite = ServerKey::of(&request(Method::Invite, via));
            assert_ne!(ServerKey::of(&request(Method::Cancel, via)), invite);
            assert_eq!(ServerKey::of_canceled(&request(Method::Cancel, via)), invite);
        }
    }

    #[test]
    fn with_the_magic_cookie_branch_and_sent_by_decide_alone() {
        let one = ServerKey::of(&request(Method::Invite, NEW));
        let same = request(Method::Invite, "SIP/2.0/UDP H:5060;rport;branch=Z9HG4BKABC");
        assert_eq!(ServerKey::of(&changed(same, Name::CallId, "d")), one);
        assert_ne!(ServerKey::of(&request(Method::Invite, "SIP/2.0/UDP i:5060;branch=z9hG4bKabc")), one);
        assert_ne!(ServerKey::of(&request(Method::Invite, "SIP/2.0/UDP h:5060;branch=z9hG4bKabd")), one);
    }

    #[test]
    fn without_it_all_that_a_repeat_keeps_decides() {
        let one = request(Method::Invite, OLD);
        let key = ServerKey::of(&one);
        assert_eq!(ServerKey::of(&one.clone()), key);
        let mut elsewhere = one.clone();
        elsewhere.uri = "sip:x@y".into();
        for other in [
            changed(one.clone(), Name::CSeq, "2 INVITE"),
            changed(one.clone(), Name::Via, "SIP/2.0/UDP i"),
            changed(one.clone(), Name::From, "<sip:a@h>;tag=g"),
            changed(one, Name::CallId, "d"),
            elsewhere,
        ] {
            assert_ne!(ServerKey::of(&other), key);
        }
    }

    #[test]
    fn a_response_is_matched_by_branch_and_method() {
        let invite = ClientKey::new("z9hG4bKx", Method::Invite);
        assert!(invite.matches("z9hG4bKx", Method::Invite));
        assert!(!invite.matches("z9hG4bKx", Method::Cancel));
        assert!(!invite.matches("z9hG4bKy", Method::Invite));
    }
}
