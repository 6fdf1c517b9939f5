//! Which transaction a message belongs to: RFC 3261 §17.1.3 and §17.2.3, RFC 2543 peers included.

use rsip::Method;

/// What names a client transaction: our branch, and the method of the request.
///
/// RFC 3261 §17.1.3: "the branch parameter in the top Via header field", and "the method parameter in the CSeq header
/// field … is needed since a CANCEL request constitutes a different transaction, but shares the same value".
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

/// What of a request names its server transaction.
#[derive(Debug, Clone, Copy)]
pub struct RequestLine<'a> {
    /// The method.
    pub method: Method,
    /// The Request-URI.
    pub uri: &'a str,
    /// The top Via, whole.
    pub via: &'a str,
    /// Its branch; empty where it has none.
    pub branch: &'a str,
    /// Its host and port, as they stand.
    pub sent_by: &'a str,
    /// Call-ID.
    pub call_id: &'a str,
    /// From's tag.
    pub from_tag: &'a str,
    /// To's tag.
    pub to_tag: &'a str,
    /// The number in CSeq.
    pub cseq: u32,
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
        method: MethodName,
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
        method: MethodName,
    },
}

/// A method that can be hashed, which rsip's cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MethodName(pub Method);

impl std::hash::Hash for MethodName {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        std::mem::discriminant(&self.0).hash(state);
    }
}

const MAGIC_COOKIE: &str = "z9hG4bK";

impl ServerKey {
    /// Of this request.
    pub fn of(request: &RequestLine<'_>) -> Self {
        // RFC 3261 §17.2.3: "the method of the request matches the one that created the transaction, except for ACK,
        // where the method of the request that created the transaction is INVITE".
        let method = if request.method == Method::Ack { Method::Invite } else { request.method };
        Self::with_method(request, method)
    }

    /// Of the INVITE that this CANCEL cancels.
    ///
    /// RFC 3261 §9.2: "the transaction … is … found by … assuming the request method is anything but CANCEL or ACK";
    /// only INVITE is worth it.
    pub fn of_canceled(cancel: &RequestLine<'_>) -> Self {
        Self::with_method(cancel, Method::Invite)
    }

    fn with_method(request: &RequestLine<'_>, method: Method) -> Self {
        let method = MethodName(method);
        let cookie = request.branch.get(..MAGIC_COOKIE.len());
        if cookie.is_some_and(|start| start.eq_ignore_ascii_case(MAGIC_COOKIE)) {
            return Self::Branch {
                branch: request.branch.to_ascii_lowercase().into(),
                sent_by: request.sent_by.to_ascii_lowercase().into(),
                method,
            };
        }
        Self::Rfc2543 {
            uri: request.uri.into(),
            via: request.via.into(),
            call_id: request.call_id.into(),
            from_tag: request.from_tag.into(),
            cseq: request.cseq,
            method,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(method: Method, branch: &'static str) -> RequestLine<'static> {
        RequestLine {
            method,
            uri: "sip:100@h",
            via: "SIP/2.0/UDP h:5060",
            branch,
            sent_by: "h:5060",
            call_id: "c",
            from_tag: "f",
            to_tag: "",
            cseq: 1,
        }
    }

    #[test]
    fn the_ack_to_a_refusal_has_its_invites_key() {
        for branch in ["z9hG4bK1", "old", ""] {
            let invite = ServerKey::of(&line(Method::Invite, branch));
            assert_eq!(ServerKey::of(&line(Method::Ack, branch)), invite);
            assert_eq!(ServerKey::of(&RequestLine { to_tag: "ours", ..line(Method::Ack, branch) }), invite);
        }
    }

    #[test]
    fn a_cancel_has_a_key_of_its_own_and_names_its_invite() {
        for branch in ["z9hG4bK1", "old"] {
            let invite = ServerKey::of(&line(Method::Invite, branch));
            assert_ne!(ServerKey::of(&line(Method::Cancel, branch)), invite);
            assert_eq!(ServerKey::of_canceled(&line(Method::Cancel, branch)), invite);
        }
    }

    #[test]
    fn with_the_magic_cookie_branch_and_sent_by_decide_alone() {
        let one = ServerKey::of(&line(Method::Invite, "z9hG4bKabc"));
        assert_eq!(ServerKey::of(&RequestLine { cseq: 2, uri: "sip:x@y", ..line(Method::Invite, "Z9HG4bKABC") }), one);
        assert_ne!(ServerKey::of(&RequestLine { sent_by: "other", ..line(Method::Invite, "z9hG4bKabc") }), one);
    }

    #[test]
    fn without_it_all_that_a_repeat_keeps_decides() {
        let one = ServerKey::of(&line(Method::Invite, "1"));
        assert_eq!(ServerKey::of(&line(Method::Invite, "1")), one);
        for other in [
            RequestLine { cseq: 2, ..line(Method::Invite, "1") },
            RequestLine { uri: "sip:x@y", ..line(Method::Invite, "1") },
            RequestLine { via: "SIP/2.0/UDP i", ..line(Method::Invite, "1") },
            RequestLine { from_tag: "g", ..line(Method::Invite, "1") },
            RequestLine { call_id: "d", ..line(Method::Invite, "1") },
        ] {
            assert_ne!(ServerKey::of(&other), one);
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
