//! What somebody does in her call by herself.

use bytes::Bytes;

use super::{Party, State};
use crate::base::{LegId, Now};
use crate::sip::agent::{AgentOut, Body, CancelReason, ForkId, Reason, Transmit};

/// What somebody does by herself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// 180.
    Ring,
    /// 183 with her media.
    RingWithMedia,
    /// 200.
    Answer,
    /// This final answer.
    Reject(u16),
    /// 302 with these Contacts.
    Redirect(Vec<String>),
    /// BYE.
    HangUp,
    /// BYE that says why.
    HangUpBecause(Reason),
    /// CANCEL.
    Cancel,
    /// CANCEL that says why.
    CancelBecause(Reason),
    /// REFER to this URI.
    Refer(String),
    /// A second call, to this extension: done by who drives the phone, as are the next two.
    Consult(String),
    /// REFER in her first call, or in the second, that names the other one by Replaces.
    ReferToConsulted {
        /// In the second.
        on_second: bool,
    },
    /// An INVITE with Replaces: takes the place of this phone in its call.
    TakePlaceOf(String),
    /// Re-INVITE, sendonly.
    Hold,
    /// Re-INVITE with the connection address 0.0.0.0, as RFC 2543 held.
    HoldByAddress,
    /// Re-INVITE, sendrecv.
    Resume,
    /// Re-INVITE that says what was said.
    Refresh,
    /// Re-INVITE that leaves the offer to the other side.
    OfferlessReinvite,
    /// CANCEL of her re-INVITE.
    Withdraw,
    /// UPDATE with an offer.
    Update,
    /// The same before the answer.
    EarlyUpdate,
    /// UPDATE without one, that says who speaks now: an extension.
    UpdateIdentity(String),
    /// Re-INVITE that says who speaks now: an extension.
    ReinviteIdentity(String),
    /// INFO with a digit.
    Info,
}

impl Party {
    /// Does something; a script's act that finds her call in another state is not done.
    pub fn act(&mut self, now: Now, act: &Act) -> Vec<Transmit> {
        let mut out = AgentOut::default();
        match self.state {
            State::Calling | State::Ringing => self.act_before_the_answer(now, act, &mut out),
            State::Up if self.ua.is_up(self.leg) => self.act_in_the_call(now, act, &mut out),
            State::Up | State::Over(_) => {}
        }
        self.settle(now, out)
    }

    fn act_before_the_answer(&mut self, now: Now, act: &Act, out: &mut AgentOut) {
        let is_called = self.invitation.is_some();
        let fork = ForkId { leg: LegId::A, n: 0 };
        match act {
            Act::Ring if is_called => {
                self.state = State::Ringing;
                self.ua.progress(now, 180, None, None, out);
            }
            Act::RingWithMedia if is_called => {
                self.state = State::Ringing;
                let sdp = self.sdp();
                self.ua.progress(now, 183, Some(fork), Some(sdp), out);
            }
            Act::Answer if is_called => {
                self.state = State::Up;
                let sdp = self.sdp();
                self.ua.accept(now, fork, Some(sdp), out);
            }
            Act::Reject(status) if is_called => {
                self.state = State::Over(*status);
                self.ua.reject(now, *status, None, out);
            }
            Act::Redirect(contacts) if is_called => {
                self.state = State::Over(302);
                self.ua.redirect(now, contacts, out);
            }
            Act::Cancel => {
                self.ua.cancel(now, self.leg, CancelReason::CallerGaveUp, out);
            }
            Act::CancelBecause(why) => {
                self.ua.cancel(now, self.leg, CancelReason::Because(*why), out);
            }
            Act::EarlyUpdate if self.state == State::Ringing => {
                self.version += 1;
                let (fork, sdp) = (ForkId { leg: self.leg, n: 0 }, self.sdp());
                self.ua.update_early(now, self.leg, fork, sdp, out);
            }
            _ => {} // an act of another state
        }
    }

    fn act_in_the_call(&mut self, now: Now, act: &Act, out: &mut AgentOut) {
        let may_offer = self.ua.may_offer(self.leg);
        match act {
            Act::HangUpBecause(why) => {
                self.state = State::Over(0);
                self.ua.bye_because(now, self.leg, Some(*why), out);
            }
            Act::HangUp => {
                self.state = State::Over(0);
                self.ua.bye(now, self.leg, out);
            }
            Act::Refer(to) => {
                self.ua.refer(now, self.leg, to, out);
            }
            Act::Hold if may_offer => self.offer(now, "sendonly", out),
            Act::HoldByAddress if may_offer => {
                self.version += 1;
                let held = String::from_utf8_lossy(&self.sdp())
                    .replace(&format!("c=IN IP4 {}", self.at.ip()), "c=IN IP4 0.0.0.0");
                self.ua.reinvite(now, self.leg, Some(held.into()), out);
            }
            Act::Refresh if may_offer => {
                let sdp = self.sdp();
                self.ua.reinvite(now, self.leg, Some(sdp), out);
            }
            Act::Resume if may_offer => self.offer(now, "sendrecv", out),
            Act::OfferlessReinvite if may_offer => {
                self.ua.reinvite(now, self.leg, None, out);
            }
            Act::Withdraw => self.ua.withdraw(now, self.leg, out),
            Act::Update if may_offer => {
                self.version += 1;
                let sdp = self.sdp();
                self.ua.update(now, self.leg, sdp, out);
            }
            Act::UpdateIdentity(who) => {
                self.ua.identify_as(now, self.leg, (who, None), out);
            }
            Act::ReinviteIdentity(who) if may_offer => {
                self.version += 1;
                let sdp = self.sdp();
                self.ua.identify_as(now, self.leg, (who, Some(sdp)), out);
            }
            Act::Info => {
                let body = Body {
                    content_type: "application/dtmf-relay".to_owned(),
                    bytes: Bytes::from_static(b"Signal=5\r\nDuration=160\r\n"),
                };
                self.ua.pass(now, self.leg, "INFO", Some(body), None, out);
            }
            _ => {} // an act of another state
        }
    }

    fn offer(&mut self, now: Now, direction: &'static str, out: &mut AgentOut) {
        self.version += 1;
        self.direction = direction;
        let sdp = self.sdp();
        self.ua.reinvite(now, self.leg, Some(sdp), out);
    }
}
