//! REFER, and the NOTIFYs that tell how it goes on (RFC 3515, RFC 4488).

use std::collections::VecDeque;

use bytes::Bytes;
use rsip::Method;

use super::leg::Leg;
use super::transactions::{Purpose, Wants};
use super::{AgentOut, LegEvent, ReferTo, RequestId, UserAgent, compose};
use crate::base::{Hop, LegId, Now};
use crate::sip::message::{Name, Replaces, Request, Response, Status, party, reason_phrase};
use crate::sip::transaction::ServerKey;

/// The event package of a REFER.
pub(super) const EVENT: &str = "refer";

/// How long a subscription lasts unless it ends before, in seconds.
const EXPIRES: u32 = 60;

/// What a REFER subscribed to, until its last NOTIFY has been answered.
#[derive(Debug)]
pub(super) struct Subscription {
    refer: RequestId,
    leg: LegId,
    /// The Event of its NOTIFYs.
    event: String,
    state: Notifying,
    queue: VecDeque<Notice>,
}

/// Whether a NOTIFY may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notifying {
    /// The REFER has no 202 yet.
    NotAccepted,
    /// It may.
    Ready,
    /// One is on its way.
    Busy {
        /// It ends the subscription.
        last: bool,
    },
}

/// One NOTIFY to be sent.
#[derive(Debug)]
struct Notice {
    id: RequestId,
    status: u16,
    last: bool,
}

impl Subscription {
    /// The leg whose REFER it is of.
    pub(super) fn leg(&self) -> LegId {
        self.leg
    }
}

impl UserAgent {
    /// A NOTIFY of a REFER's progress: `message/sipfrag` with `SIP/2.0 {status} …`; `last` ends the subscription.
    ///
    /// They go one after the other, each when the one before has its answer, and none before the 202: a network may
    /// overtake, and a phone that reads 200 before 100 takes the transfer for hung.
    pub fn notify(&mut self, now: Now, refer: RequestId, status: u16, last: bool, out: &mut AgentOut) -> RequestId {
        let id = self.new_request(refer.leg);
        match self.subscriptions.iter_mut().find(|subscription| subscription.refer == refer) {
            Some(subscription) => {
                subscription.queue.push_back(Notice { id, status, last });
                self.notify_next(now, refer, out);
            }
            None => out.events.push(LegEvent::Replied { request: id, status: 481, sdp: None }),
        }
        id
    }

    pub(super) fn receive_refer(
        &mut self,
        now: Now,
        (key, leg): (ServerKey, LegId),
        request: &Request,
        hop: Hop,
        out: &mut AgentOut,
    ) {
        let Some(refer_to) = self.is_up(leg).then(|| refer_to(request)) else {
            // Nothing to transfer yet: a call that only rings has no second party for it.
            let at = self.open(key, leg, hop, request, Wants::Nothing);
            return self.answer_at(now, at, Status::DECLINE, out);
        };
        let Some(refer_to) = refer_to else {
            // RFC 3515 §2.4.2: "An agent responding to a REFER method MUST return a 400 (Bad Request) if the request
            // contained zero or more than one Refer-To header field values."
            let at = self.open(key, leg, hop, request, Wants::Nothing);
            return self.answer_at(now, at, Status::BAD_REQUEST, out);
        };
        let id = self.new_request(leg);
        self.open(key, leg, hop, request, Wants::Refer(id));
        // RFC 4488 §4: "Refer-Sub: false" asks for no implicit subscription.
        let wish = request.headers.get(&Name::ReferSub).and_then(|value| value.split(';').next());
        let subscribed = wish.is_none_or(|wish| !wish.trim().eq_ignore_ascii_case("false"));
        if subscribed {
            let event = self.event_of(leg, request);
            let (state, queue) = (Notifying::NotAccepted, VecDeque::new());
            self.subscriptions.push(Subscription { refer: id, leg, event, state, queue });
        }
        let referred_by = request.headers.get(&Name::ReferredBy).map(ToString::to_string);
        out.events.push(LegEvent::Referred { request: id, refer_to, referred_by, subscribed });
    }

    /// 202 to a REFER lets its NOTIFYs go; a refusal ends the matter.
    pub(super) fn answer_refer(
        &mut self,
        now: Now,
        at: usize,
        (refer, status): (RequestId, Status),
        out: &mut AgentOut,
    ) {
        let server = &self.servers[at];
        let mut response = Response::to(&server.request, status);
        let subscription = self.subscriptions.iter_mut().find(|subscription| subscription.refer == refer);
        if status.is_success() {
            // RFC 3515 §2.2: the 2xx to REFER has a Contact; RFC 4488 §4: Refer-Sub says whether NOTIFYs will come.
            response = response.with(Name::Contact, compose::contact(&server.hop));
            if subscription.is_none() {
                response = response.with(Name::ReferSub, "false");
            }
        }
        match subscription {
            Some(subscription) if status.is_success() => subscription.state = Notifying::Ready,
            _ => self.drop_subscription(refer, out),
        }
        self.respond(now, at, &response, out);
        self.notify_next(now, refer, out);
    }

    /// The final response to a NOTIFY, or what stands for it.
    pub(super) fn notified(&mut self, now: Now, (id, refer): (RequestId, RequestId), status: u16, out: &mut AgentOut) {
        out.events.push(LegEvent::Replied { request: id, status, sdp: None });
        let Some(subscription) = self.subscriptions.iter_mut().find(|subscription| subscription.refer == refer) else {
            return;
        };
        let was_last = subscription.state == Notifying::Busy { last: true };
        subscription.state = Notifying::Ready;
        // RFC 6665 §4.2.2: a NOTIFY that fails, 481 above all, ends the subscription. Only that: RFC 5057 §5.1.
        if was_last || status >= 300 {
            self.drop_subscription(refer, out);
        } else {
            self.notify_next(now, refer, out);
        }
    }

    fn notify_next(&mut self, now: Now, refer: RequestId, out: &mut AgentOut) {
        let Some(subscription) = self.subscriptions.iter_mut().find(|subscription| subscription.refer == refer) else {
            return;
        };
        if subscription.state != Notifying::Ready {
            return;
        }
        let Some(Notice { id, status, last }) = subscription.queue.pop_front() else { return };
        subscription.state = Notifying::Busy { last };
        let (leg, event) = (subscription.leg, subscription.event.clone());
        let add = move |request: Request, hop: &Hop| {
            compose::with_contact(request, hop)
                .with(Name::Event, event)
                .with(Name::SubscriptionState, subscription_state(last))
                .with_body("message/sipfrag;version=2.0", sipfrag(status))
        };
        self.request(now, (leg, id), (Method::Notify, Purpose::Notify { id, refer }), add, out);
    }

    /// Forgets a subscription; what it had still to say is lost.
    pub(super) fn drop_subscription(&mut self, refer: RequestId, out: &mut AgentOut) {
        let Some(at) = self.subscriptions.iter().position(|subscription| subscription.refer == refer) else { return };
        let unsaid = self.subscriptions.remove(at).queue;
        out.events.extend(unsaid.into_iter().map(|n| LegEvent::Replied { request: n.id, status: 481, sdp: None }));
    }

    /// RFC 3515 §2.4.6: NOTIFYs of the second and later REFERs in a dialog "MUST include an "id" parameter in the Event
    /// header field …. The value of this "id" parameter MUST be the sequence number from the CSeq header field".
    fn event_of(&mut self, leg: LegId, refer: &Request) -> String {
        let cseq = refer.headers.cseq().map_or(0, |(number, _)| number);
        let Some(Leg { refers, .. }) = self.leg_mut(leg) else { return EVENT.to_owned() };
        *refers = refers.saturating_add(1);
        if *refers == 1 { EVENT.to_owned() } else { format!("{EVENT};id={cseq}") }
    }
}

/// The one target of a REFER.
fn refer_to(request: &Request) -> Option<ReferTo> {
    let all = request.headers.addresses(&Name::ReferTo);
    let [address] = all.as_slice() else { return None };
    if request.headers.all(&Name::ReferTo).count() != 1 {
        return None;
    }
    // One that names no dialog is no Replaces that could be done without.
    let replaces = match address.uri_header("Replaces") {
        Some(text) => Some(Replaces::parse(&text)?),
        None => None,
    };
    Some(ReferTo { uri: address.uri_text.to_string(), party: party(address), replaces })
}

/// RFC 3515 §2.4.5: "The body of a NOTIFY MUST begin with a SIP Response Status-Line".
fn sipfrag(status: u16) -> Bytes {
    format!("SIP/2.0 {status} {}\r\n", reason_phrase(status)).into()
}

/// RFC 3515 §2.4.7: the last NOTIFY says `terminated` with `reason=noresource`.
fn subscription_state(last: bool) -> String {
    if last { "terminated;reason=noresource".to_owned() } else { format!("active;expires={EXPIRES}") }
}
