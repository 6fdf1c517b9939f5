//! Reliable provisional responses, by their numbers: RFC 3262.

use rsip::Method;

use crate::sip::message::{Headers, Name, method_text};

/// The option tag.
pub const RELIABLE: &str = "100rel";

/// The most that the first RSeq may be. RFC 3262 §3: "The value of the header field MUST be between 1 and 2**31 - 1".
pub const MOST_FIRST_RSEQ: u64 = (1 << 31) - 1;

/// What a PRACK acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RAck {
    /// RSeq of the provisional.
    pub rseq: u32,
    /// CSeq of the INVITE that it answers.
    pub cseq: u32,
}

impl RAck {
    /// Reads it; `None` where it is absent, broken, or means another method.
    pub fn of(headers: &Headers) -> Option<Self> {
        let mut words = headers.get(&Name::RAck)?.split_ascii_whitespace();
        let (rseq, cseq, method) = (words.next()?, words.next()?, words.next()?);
        if words.next().is_some() || method != method_text(Method::Invite) {
            return None;
        }
        Some(Self { rseq: rseq.parse().ok()?, cseq: cseq.parse().ok()? })
    }

    /// The value of RAck.
    pub fn text(self) -> String {
        format!("{} {} {}", self.rseq, self.cseq, method_text(Method::Invite))
    }
}

/// The number of a response that wants a PRACK.
pub fn rseq_of(response: &Headers) -> Option<u32> {
    response.has_token(&Name::Require, RELIABLE).then(|| response.number(&Name::RSeq)).flatten()
}

/// The number of the last reliable provisional that came in order, in one early dialog; empty until the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LastRSeq(Option<u32>);

impl LastRSeq {
    /// Whether a response with this number is the next one; if so it is the last from now on.
    ///
    /// RFC 3262 §4: "Once a reliable provisional response is received, retransmissions of that response MUST be
    /// discarded." "If the UAC receives another reliable provisional response to the same request, and its RSeq value is
    /// not one higher than the value of the sequence number, that response MUST NOT be acknowledged with a PRACK, and
    /// MUST NOT be processed further by the UAC."
    #[must_use]
    pub fn admit(&mut self, rseq: u32) -> bool {
        let in_order = self.0.is_none_or(|last| last.checked_add(1) == Some(rseq));
        if in_order {
            self.0 = Some(rseq);
        }
        in_order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_is_any_and_each_next_one_higher() {
        let mut last = LastRSeq::default();
        assert!(last.admit(988_789));
        assert!(!last.admit(988_789), "a repeat");
        assert!(!last.admit(988_791), "a gap");
        assert!(last.admit(988_790));
        assert!(last.admit(988_791));
        let mut end = LastRSeq(Some(u32::MAX));
        assert!(!end.admit(0));
    }

    #[test]
    fn a_rack_names_the_provisional_and_the_invite() {
        let of = |value: &str| {
            let mut headers = Headers::new();
            headers.push(Name::RAck, value);
            RAck::of(&headers)
        };
        assert_eq!(of("776656 \t1  INVITE"), Some(RAck { rseq: 776_656, cseq: 1 }));
        assert_eq!(RAck { rseq: 2, cseq: 3 }.text(), "2 3 INVITE");
        for broken in
            ["", "1", "1 2", "1 2 UPDATE", "x 2 INVITE", "1 2 INVITE x", "-1 2 INVITE", "1 99999999999 INVITE"]
        {
            assert_eq!(of(broken), None, "{broken}");
        }
    }
}
