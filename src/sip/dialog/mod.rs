//! What two ends of a leg agreed on: RFC 3261 §12.
//!
//! A [`Dialog`] is plain data: tags, sequence numbers, route set and remote target. Which requests are under way in it
//! is the user agent's; [`UnderWay`] is its question to this module.

mod cseq;
mod offer_answer;
pub mod reliable;
mod route_set;
pub mod session_timer;

pub use cseq::{LocalCseq, RemoteCseq};
pub use offer_answer::{OutOfTurn, UnderWay, back_off};
pub use reliable::{LastRSeq, RAck};
pub use route_set::{RouteSet, Routed, uri_of, without_params};
pub use session_timer::{SessionTimer, Terms};

/// One dialog, early or confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialog {
    /// The Call-ID.
    pub call_id: Box<str>,
    /// Us.
    pub local: End,
    /// The peer.
    pub remote: End,
    /// The numbers of our requests.
    pub local_cseq: LocalCseq,
    /// The numbers of the peer's.
    pub remote_cseq: RemoteCseq,
    /// The proxies between.
    pub route_set: RouteSet,
    /// The peer's Contact: where requests go in the end.
    pub remote_target: Box<str>,
}

/// One end of a dialog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The From or To value without its tag.
    pub address: Box<str>,
    /// The tag; empty for a peer of RFC 2543. RFC 3261 §12.1.1: "A UAS MUST be prepared to receive a request without a
    /// tag in the From field, in which case the tag is considered to have a value of null."
    pub tag: Box<str>,
}

impl Dialog {
    /// Whether a request with these tags and Call-ID belongs to it: all three, whole.
    pub fn is_of(&self, call_id: &str, local_tag: &str, remote_tag: &str) -> bool {
        // RFC 3261 §19.3: tags are compared as tokens; ours are lower case, the peer's come back as they went.
        *self.call_id == *call_id && *self.local.tag == *local_tag && *self.remote.tag == *remote_tag
    }

    /// How the next request of ours goes.
    pub fn route(&self) -> Routed<'_> {
        self.route_set.route(&self.remote_target)
    }

    /// A target refresh request or its 2xx carried this Contact.
    ///
    /// RFC 3261 §12.2.1.2: "When a UAC receives a 2xx response to a target refresh request, it MUST replace the
    /// dialog's remote target URI with the URI from the Contact header field in that response, if present." §12.2.2
    /// says it of a request that is accepted. The route set stays.
    pub fn refresh_target(&mut self, contact: Option<&str>) {
        if let Some(uri) = contact.map(uri_of).filter(|uri| !uri.is_empty()) {
            self.remote_target = uri.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialog() -> Dialog {
        Dialog {
            call_id: "c@h".into(),
            local: End { address: "<sip:us@h>".into(), tag: "ours".into() },
            remote: End { address: "<sip:them@h>".into(), tag: "theirs".into() },
            local_cseq: LocalCseq::after(0),
            remote_cseq: RemoteCseq::default(),
            route_set: RouteSet::default(),
            remote_target: "sip:them@192.0.2.1".into(),
        }
    }

    #[test]
    fn a_dialog_is_named_by_call_id_and_both_tags_whole() {
        let dialog = dialog();
        assert!(dialog.is_of("c@h", "ours", "theirs"));
        for (call_id, local, remote) in
            [("x@h", "ours", "theirs"), ("c@h", "our", "theirs"), ("c@h", "ours", ""), ("c@h", "ours", "theirs2")]
        {
            assert!(!dialog.is_of(call_id, local, remote));
        }
    }

    #[test]
    fn a_new_contact_moves_the_target_and_none_leaves_it() {
        let mut dialog = dialog();
        dialog.refresh_target(None);
        assert_eq!(dialog.route().request_uri, "sip:them@192.0.2.1");
        dialog.refresh_target(Some("\"Ana\" <sip:ana@192.0.2.2:5062>;expires=60"));
        assert_eq!(dialog.route().request_uri, "sip:ana@192.0.2.2:5062");
    }
}
