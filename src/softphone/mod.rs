//! The far end of a call: a customer at the carrier, a phone at the PBX. Without I/O: the demo puts it on sockets, the
//! sim on a virtual network. Each call is one user agent of our own kind, so that it keeps RFC 3261's schedule too.

mod act;

use std::net::SocketAddr;

use bytes::Bytes;

pub use act::Act;

use crate::base::{CallId, Hop, Ids, LegId, Now, Transport};
use crate::sip::agent::{
    AgentOut, CallerId, Invitation, LegEvent, OutgoingInvite, Reason, Received, RequestId, Target, Transmit, UserAgent,
};
use crate::sip::message::{Name, Replaces};
use crate::sip::transaction::Timers;

/// Where her call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// No answer yet.
    Calling,
    /// An 18x went or came.
    Ringing,
    /// Answered.
    Up,
    /// Over: by this final answer, or 0 by a BYE.
    Over(u16),
}

/// One call of one peer.
#[derive(Debug)]
pub struct Party {
    /// Who she is.
    pub name: String,
    /// Her address.
    pub at: SocketAddr,
    /// Where `ramal` is.
    pub us: SocketAddr,
    /// Her user agent.
    pub ua: UserAgent,
    /// Where her call is.
    pub state: State,
    /// What her INVITE said, where she was called.
    pub invitation: Option<Invitation>,
    /// The Replaces of her INVITE, where she was called.
    pub replaces: Option<String>,
    /// The last description that the other side sent: where her voice goes.
    pub heard: Option<Bytes>,
    /// What happened to her, for asserts: `180`, `200`, `reinvite sendonly`, `notify 100`.
    pub log: Vec<String>,
    /// How many final answers her INVITE had.
    pub finals: u32,
    media: u16,
    version: u64,
    leg: LegId,
    /// She refuses every offer inside her dialog with 488.
    pub refuses_offers: bool,
    /// By what she calls.
    pub transport: Transport,
    /// She answers an offer with her own media as they are.
    direction: &'static str,
}

impl Party {
    /// Somebody with no call yet, and by what her tags and branches name her.
    pub fn new(name: &str, at: SocketAddr, us: SocketAddr, ids: &mut Ids, media: u16) -> (CallId, Self) {
        let call = ids.call();
        let ua = UserAgent::new(call, ids.fork(), Timers::default());
        let party = Self {
            name: name.to_owned(),
            at,
            us,
            ua,
            state: State::Calling,
            invitation: None,
            replaces: None,
            heard: None,
            log: Vec::new(),
            finals: 0,
            media,
            version: 1,
            leg: LegId::A,
            refuses_offers: false,
            transport: Transport::Udp,
            direction: "sendrecv",
        };
        (call, party)
    }

    fn hop(&self) -> Hop {
        Hop { transport: self.transport, local: self.at, remote: self.us, advertised: self.at, name: None }
    }

    /// What she says of her media.
    pub fn sdp(&self) -> Bytes {
        let (name, ip, port) = (&self.name, self.at.ip(), self.media);
        Bytes::from(format!(
            "v=0\r\no={name} {port} {} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8 101\r\n\
             a=rtpmap:101 telephone-event/8000\r\na={}\r\n",
            self.version, self.direction
        ))
    }

    /// Calls `user`; `offer` false: leaves the offer to the other side.
    pub fn call(&mut self, now: Now, user: &str, from: Option<&str>, offer: bool) -> Vec<Transmit> {
        self.invite(now, user, from, (false, offer), (None, None))
    }

    /// Calls `user` and asks that nobody beyond `ramal` is told who calls, where `private`.
    pub fn call_privately(&mut self, now: Now, user: &str, asserted: &str, private: bool) -> Vec<Transmit> {
        self.invite(now, user, Some(asserted), (private, true), (None, None))
    }

    /// Calls to take this place, and says who sent her.
    pub fn call_in_place(
        &mut self,
        now: Now,
        from: &str,
        replaces: Replaces,
        referred_by: Option<String>,
    ) -> Vec<Transmit> {
        self.invite(now, "ramal", Some(from), (false, true), (Some(replaces), referred_by))
    }

    fn invite(
        &mut self,
        now: Now,
        user: &str,
        from: Option<&str>,
        (private, offer): (bool, bool),
        (replaces, referred_by): (Option<Replaces>, Option<String>),
    ) -> Vec<Transmit> {
        let mut out = AgentOut::default();
        let target = Target::new(format!("sip:{user}@{}", self.us), self.hop());
        let invite = OutgoingInvite {
            caller: CallerId { display: String::new(), user: from.map(str::to_owned) },
            private,
            max_forwards: 70,
            offer: offer.then(|| self.sdp()),
            referred_by,
            diversion: None,
            replaces,
        };
        self.leg = self.ua.invite(now, &target, &invite, &mut out);
        out.sends
    }

    /// Takes a message.
    pub fn receive(&mut self, now: Now, received: &Received) -> Vec<Transmit> {
        let mut out = AgentOut::default();
        if self.invitation.is_none()
            && let Some(replaces) = received.message.headers().get(&Name::Replaces)
        {
            self.replaces = Some(replaces.to_string());
        }
        self.ua.receive(now, received, &mut out);
        self.settle(now, out)
    }

    /// Does what is due.
    pub fn wake(&mut self, now: Now) -> Vec<Transmit> {
        let mut out = AgentOut::default();
        self.ua.wake(now, &mut out);
        self.settle(now, out)
    }

    /// Her dialog, as the other side sees it: what a Replaces names it by.
    pub fn replaced_by(&self) -> Option<Replaces> {
        self.ua.dialog_named(self.leg)
    }

    fn settle(&mut self, now: Now, mut out: AgentOut) -> Vec<Transmit> {
        let mut sends = std::mem::take(&mut out.sends);
        while !out.events.is_empty() {
            for event in std::mem::take(&mut out.events) {
                self.hear(now, event, &mut out);
            }
            sends.append(&mut out.sends);
        }
        sends
    }

    fn hear(&mut self, now: Now, event: LegEvent, out: &mut AgentOut) {
        match event {
            LegEvent::Invited { invitation } => {
                self.log.push("invited".to_owned());
                self.heard.clone_from(&invitation.offer);
                self.invitation = Some(*invitation);
            }
            LegEvent::Canceled { .. } => {
                self.log.push("canceled".to_owned());
                self.state = State::Over(487);
                self.ua.reject(now, 487, None, out);
            }
            LegEvent::Progress { status, sdp, .. } => {
                self.state = State::Ringing;
                self.log.push(format!("{status}{}", if sdp.is_some() { " sdp" } else { "" }));
            }
            LegEvent::Answered { fork, sdp } => {
                self.state = State::Up;
                self.finals += 1;
                self.log.push("200".to_owned());
                self.heard = sdp.clone().or(self.heard.take());
                if sdp.is_some() && self.ua.owes_ack(fork.leg) {
                    let answer = self.sdp();
                    self.ua.ack(now, fork.leg, answer, out);
                }
            }
            LegEvent::Failed { status, .. } => {
                self.finals += 1;
                self.log.push(status.to_string());
                self.state = State::Over(status);
            }
            LegEvent::Acked { answer, .. } => {
                self.log.push("acked".to_owned());
                self.heard = answer.or(self.heard.take());
            }
            LegEvent::NeverAcked { leg } | LegEvent::Gone { leg } => {
                self.log.push("gone".to_owned());
                self.state = State::Over(481);
                self.ua.bye(now, leg, out);
                self.ua.reject(now, 504, None, out);
            }
            LegEvent::ReInvited { request, offer } => self.answer_offer(now, request, offer.as_ref(), "reinvite", out),
            LegEvent::Updated { request, offer, .. } => self.answer_offer(now, request, Some(&offer), "update", out),
            LegEvent::Passing { request, method, body, .. } => {
                let fragment =
                    body.filter(|_| method == "NOTIFY").map(|b| String::from_utf8_lossy(&b.bytes).into_owned());
                self.log.push(match fragment {
                    Some(line) => format!("notify {}", line.split(' ').nth(1).unwrap_or_default()),
                    None => method.to_owned(),
                });
                self.ua.answer(now, request, 200, None, out);
            }
            LegEvent::Identified { .. } | LegEvent::Withdrawn { .. } => {}
            LegEvent::Referred { request, .. } => self.ua.answer(now, request, 603, None, out),
            LegEvent::Bye { request } => {
                self.log.push("bye".to_owned());
                self.state = State::Over(0);
                self.ua.answer(now, request, 200, None, out);
            }
            LegEvent::Replied { request, status, sdp } => {
                self.log.push(format!("replied {status}"));
                self.heard = sdp.clone().or(self.heard.take());
                if self.ua.owes_ack(request.leg) && (200..300).contains(&status) && sdp.is_some() {
                    let answer = self.sdp();
                    self.ua.ack(now, request.leg, answer, out);
                }
            }
        }
    }

    fn answer_offer(&mut self, now: Now, request: RequestId, offer: Option<&Bytes>, what: &str, out: &mut AgentOut) {
        let way = offer.map_or("offerless".to_owned(), |o| format!("{:?}", crate::sdp::direction(o)).to_lowercase());
        self.log.push(format!("{what} {way}"));
        if self.refuses_offers {
            return self.ua.answer(now, request, 488, None, out);
        }
        self.heard = offer.cloned().or(self.heard.take());
        self.version += 1;
        let sdp = self.sdp();
        self.ua.answer(now, request, 200, Some(sdp), out);
    }

    /// The last offer that came to her inside a dialog.
    pub fn last_offer(&self) -> &str {
        let is_offer = |l: &&String| l.starts_with("reinvite") || l.starts_with("update");
        self.log.iter().rev().find(is_offer).map_or("none", String::as_str)
    }

    /// Why her call ended, as the other side's CANCEL or BYE said.
    pub fn reason(&self) -> Option<Reason> {
        self.ua.reason(self.leg)
    }

    /// What the NOTIFYs of her REFER said, in order.
    pub fn notified(&self) -> Vec<&str> {
        self.log.iter().filter_map(|l| l.strip_prefix("notify ")).collect()
    }
}
