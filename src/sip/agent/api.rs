//! The words between a call and its user agent.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::base::{Account, Hop, Identities, LegId, Party};
use crate::sip::message::{Message, Replaces};

/// A message and the way it came by; answers go back along it.
#[derive(Debug, Clone)]
pub struct Received {
    /// The message, parsed and within limits.
    pub message: Message,
    /// `remote` is the source that the socket saw.
    pub hop: Hop,
}

/// A message on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub hop: Hop,
    /// The whole message.
    pub bytes: Bytes,
    /// The leg it belongs to.
    pub leg: LegId,
    /// Sent before, byte for byte.
    pub again: bool,
}

/// What the agent pushes: sends in order, and what happened on the legs, in order.
#[derive(Debug, Default)]
pub struct AgentOut {
    /// To be sent.
    pub sends: Vec<Transmit>,
    /// To be looked at by the call.
    pub events: Vec<LegEvent>,
}

/// One early or confirmed dialog of a leg that we called: downstream forks give several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ForkId {
    /// The leg.
    pub leg: LegId,
    /// Which of its dialogs, by the order in which their tags came.
    pub n: u16,
}

/// A request of a peer inside a dialog that waits for the call's answer, or one of ours that waits for the peer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RequestId {
    /// The leg.
    pub leg: LegId,
    /// Which, within the call.
    pub n: u32,
}

/// A body with its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// Content-Type, as in `application/sdp`.
    pub content_type: String,
    /// The bytes.
    pub bytes: Bytes,
}

/// What an INVITE that begins a call asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Who calls whom.
    pub identities: Identities,
    /// How many hops it may still go; 70 where it doesn't say.
    pub max_forwards: u8,
    /// Its SDP, where it carries the offer.
    pub offer: Option<Bytes>,
}

/// Whom a leg calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The Request-URI, and To.
    pub uri: String,
    /// Where the INVITE is sent.
    pub hop: Hop,
    /// Route values that it goes with: the Path of a registration (RFC 3327 §5.3).
    pub routes: Vec<String>,
    /// What answers a 401 or 407 of the peer's, in this request and in all that follow in its dialog.
    pub account: Option<Arc<Account>>,
    /// How long the peer may be silent, without any response at all, before it counts as dead; `None`: 64 T1.
    pub silence: Option<Duration>,
    /// Its hop is where a phone registered from: what follows in the dialog goes there too, whatever its Contact says.
    pub is_flow: bool,
}

impl Target {
    /// This URI by this way, with nothing else about it.
    pub const fn new(uri: String, hop: Hop) -> Self {
        Self { uri, hop, routes: Vec::new(), account: None, silence: None, is_flow: false }
    }
}

/// Who a leg says is calling: From, and P-Asserted-Identity unless anonymous.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerId {
    /// The name shown; `user` alone where empty.
    pub display: String,
    /// The number shown; `None`: anonymous.
    pub user: Option<String>,
}

/// Why a session ended: the first cause of a Reason header (RFC 3326) that another network can be told. Its text stays
/// behind: it may say anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// `Q.850;cause=…`, of a telephone network.
    Q850(u8),
    /// `SIP;cause=…`, a status.
    Sip(u16),
}

impl Reason {
    /// Nobody refreshed the session in time (RFC 4028 §10).
    pub(super) const EXPIRED: Self = Self::Sip(408);
}

/// Why an INVITE of ours is cancelled: the Reason header of its CANCEL (RFC 3326).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelReason {
    /// Somebody else answered: `SIP;cause=200;text="Call completed elsewhere"`.
    AnsweredElsewhere,
    /// The caller gave up: `SIP;cause=487`.
    CallerGaveUp,
    /// Her time is over, the next is rung: no Reason.
    NextInTurn,
    /// The caller gave up, and said why.
    Because(Reason),
}

/// How a call of ours to a leg failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailedBy {
    /// The peer said so.
    Peer,
    /// Nothing came for 64 T1 (timer B), seen as 408.
    Timeout,
    /// The message could not be sent, seen as 503 (RFC 3261 §8.1.3.1).
    Transport,
    /// Nothing at all came for as long as [`Target::silence`], seen as 408. A late answer is still told.
    Silence,
}

/// A REFER's target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferTo {
    /// The URI as it stands.
    pub uri: String,
    /// Its parts.
    pub party: Party,
    /// The dialog that her phone is to give up for the call: a Replaces among its headers.
    pub replaces: Option<Replaces>,
}

/// What a peer did. Everything that names a [`RequestId`] waits for [`UserAgent::answer`](super::UserAgent).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LegEvent {
    /// The A leg's INVITE; 100 has been sent.
    Invited {
        /// What it asks.
        invitation: Box<Invitation>,
    },
    /// The A leg's caller gave up; the CANCEL has its 200, the INVITE waits for the call's 487.
    Canceled {
        /// The leg.
        leg: LegId,
    },
    /// The first ACK to a 200 of ours, to the INVITE or a re-INVITE.
    Acked {
        /// The leg.
        leg: LegId,
        /// The answer, where our 200 carried the offer.
        answer: Option<Bytes>,
    },
    /// No ACK came within 64 T1 (RFC 3261 §13.3.1.4: "it SHOULD terminate the dialog" with a BYE); before the answer:
    /// no PRACK to a provisional of ours (RFC 3262 §3: "the UAS SHOULD reject the original request with a 5xx").
    NeverAcked {
        /// The leg.
        leg: LegId,
    },
    /// An 18x on a leg that we called (100 is not told).
    Progress {
        /// Whose.
        fork: ForkId,
        /// 180, 181, 182, 183, 199.
        status: u16,
        /// Its SDP.
        sdp: Option<Bytes>,
    },
    /// The first 2xx on a leg that we called; acknowledged already unless its SDP is the offer: then by `ack`.
    Answered {
        /// Whose.
        fork: ForkId,
        /// Its SDP: the answer, or the offer where our INVITE had none.
        sdp: Option<Bytes>,
    },
    /// A leg that we called came to a final answer other than 2xx (or to none); it is over.
    Failed {
        /// The leg.
        leg: LegId,
        /// The code.
        status: u16,
        /// Where from.
        by: FailedBy,
        /// The Contacts of a 3xx, best first.
        contacts: Vec<String>,
    },
    /// A re-INVITE.
    ReInvited {
        /// To be answered.
        request: RequestId,
        /// The offer; `None`: we are to make one.
        offer: Option<Bytes>,
    },
    /// A CANCEL of a re-INVITE that has no final answer yet: 487 to it, where nothing has come of it so far.
    Withdrawn {
        /// The re-INVITE.
        request: RequestId,
    },
    /// An UPDATE that carries an offer (one without has had its 200), or a PRACK that does.
    Updated {
        /// To be answered.
        request: RequestId,
        /// The offer.
        offer: Bytes,
        /// Before the answer: the callee's early dialog that it concerns, on whichever leg it came; on the A leg `None`
        /// where it was shown none.
        fork: Option<ForkId>,
    },
    /// An INFO, MESSAGE or whatever else may pass through in a dialog.
    Passing {
        /// To be answered.
        request: RequestId,
        /// `INFO` or `MESSAGE`.
        method: &'static str,
        /// What it carries.
        body: Option<Body>,
        /// Info-Package, where it names one.
        info_package: Option<String>,
    },
    /// A REFER.
    Referred {
        /// To be answered: 202, or a refusal.
        request: RequestId,
        /// Whom to call.
        refer_to: ReferTo,
        /// Referred-By, as it stands.
        referred_by: Option<String>,
        /// False: `Refer-Sub: false` (RFC 4488), no NOTIFYs wanted.
        subscribed: bool,
    },
    /// A BYE. To be answered; the dialog is over in any case.
    Bye {
        /// To be answered.
        request: RequestId,
    },
    /// The final answer to a request of ours inside a dialog.
    Replied {
        /// Ours.
        request: RequestId,
        /// The code; 408 for silence, 503 where it could not be sent.
        status: u16,
        /// Its SDP: the answer, or the offer where our re-INVITE had none (then `ack` is owed).
        sdp: Option<Bytes>,
    },
    /// A re-INVITE or UPDATE that is not refused here says who speaks at the far end now; comes before its own event.
    Identified {
        /// The leg.
        leg: LegId,
        /// P-Asserted-Identity, else Remote-Party-ID.
        asserted: Option<Party>,
        /// Who stands in From and Contact, where that differs from what stood there before.
        shown: Vec<Party>,
    },
    /// The dialog is gone without a BYE: 481 or 408 to a request of ours (RFC 3261 §12.2.1.2).
    Gone {
        /// The leg.
        leg: LegId,
    },
}

/// What an INVITE of ours says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingInvite {
    /// From and P-Asserted-Identity.
    pub caller: CallerId,
    /// She asked that nobody behind a trusted peer is told: From is anonymous, P-Asserted-Identity is not.
    pub private: bool,
    /// The A leg's, less one.
    pub max_forwards: u8,
    /// The offer; `None`: the callee makes it.
    pub offer: Option<Bytes>,
    /// Referred-By, on a leg that a REFER asked for.
    pub referred_by: Option<String>,
    /// Diversion: the number that sends the call on.
    pub diversion: Option<String>,
    /// Replaces: the dialog that the callee is to give up for this one.
    pub replaces: Option<Replaces>,
}
