//! A leg's session: what its peer can do, which description of ours holds, and its timer (RFC 4028).

use std::time::Duration;

use bytes::Bytes;
use rsip::Method;

use super::leg::{Leg, Usage};
use super::transactions::Purpose;
use super::{AgentOut, LegEvent, Reason, RequestId, UserAgent, compose};
use crate::base::{Hop, Instant, LegId, Now};
use crate::sip::dialog::session_timer::{Due, MIN_SE, SessionExpires, TIMER, USUAL, Whose};
use crate::sip::dialog::{SessionTimer, Terms, back_off};
use crate::sip::message::{Headers, Name, Request, Response};

/// How long a refresh by re-INVITE waits where another offer is under way.
const SOON: Duration = Duration::from_secs(2);

/// How often one request is repeated with a longer interval: each 422 may ask for more than the one before.
const MOST_422: u8 = 3;

/// What belongs to a leg's session and not to its dialog.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// The peer takes UPDATE: its last Allow says so. Without one it is not known, and re-INVITE is sure to be taken.
    pub(super) updates: bool,
    /// The shortest interval that the peer takes, where a 422 told; and how many of them came since the last 2xx.
    min_se: Option<u32>,
    refusals: u8,
    /// The description of ours that holds: what a refresh by re-INVITE says again.
    said: Option<Bytes>,
    /// An offer of ours that has no answer yet.
    offered: Option<Bytes>,
    timer: Option<SessionTimer>,
    /// The refresh of ours that is under way, and the last that was taken.
    refresh: Option<RequestId>,
    refreshed: Option<RequestId>,
}

impl Session {
    /// Notes what the peer says that it can do.
    pub(super) fn hear(&mut self, headers: &Headers) {
        if headers.has(&Name::Allow) {
            self.updates = takes_update(headers);
        }
    }

    /// A request of ours has another number in the call that its leg has moved to.
    pub(super) fn renumber(&mut self, before: RequestId, now: RequestId) {
        if self.refresh == Some(before) {
            self.refresh = Some(now);
        }
    }

    /// The last refresh was the call's that the leg has moved from.
    pub(super) fn forget_refresh(&mut self) {
        self.refreshed = None;
    }

    /// An offer of ours goes.
    pub(super) fn offer(&mut self, sdp: Option<&Bytes>) {
        self.offered = sdp.cloned();
    }

    /// An answer of ours goes, or an offer in a 2xx of ours.
    pub(super) fn say(&mut self, sdp: Option<&Bytes>) {
        self.said = sdp.cloned().or(self.said.take());
    }

    /// The offer of ours was taken, or not.
    fn settle(&mut self, taken: bool) {
        let offered = self.offered.take();
        if taken {
            self.said = offered.or(self.said.take());
        }
    }

    /// Adds what an INVITE or UPDATE of ours asks about the timer.
    ///
    /// In each of them: RFC 4028 §7.4 takes one without Session-Expires for the wish that no timer runs any more.
    pub(super) fn ask(&self, request: Request) -> Request {
        let least = self.min_se.unwrap_or(MIN_SE);
        let asked = match &self.timer {
            Some(timer) => timer.terms.in_request(),
            // RFC 4028 §7.1: who refreshes is best left to the UAS.
            None => SessionExpires { seconds: USUAL, refresher: None },
        };
        let asked = SessionExpires { seconds: asked.seconds.max(least), ..asked };
        let request = request.with(Name::SessionExpires, asked.to_string());
        // RFC 4028 §7.3 wants Min-SE in what follows a 422, and in all that follows in the dialog.
        match self.min_se {
            Some(least) => request.with(Name::MinSe, least.to_string()),
            None => request,
        }
    }

    /// Takes the minimum of a 422; false where asking once more is no use.
    fn lengthen(&mut self, response: &Headers) -> bool {
        let Some(least) = response.number(&Name::MinSe) else { return false };
        self.refusals = self.refusals.saturating_add(1);
        let longer = self.min_se.is_none_or(|before| least > before) && self.refusals <= MOST_422;
        if longer {
            self.min_se = Some(least.max(MIN_SE));
        }
        longer
    }

    /// A 2xx to an INVITE or UPDATE of ours.
    pub(super) fn accepted(&mut self, now: Instant, response: &Headers) {
        self.hear(response);
        self.settle(true);
        (self.refreshed, self.refusals) = (self.refresh.take(), 0);
        self.timer = Terms::as_uac(response, self.updates).map(|terms| SessionTimer::start(terms, now));
    }

    /// We accept an INVITE or UPDATE of the peer's.
    fn accept(&mut self, now: Instant, request: &Headers) -> Option<Terms> {
        let terms = Terms::as_uas(request);
        self.timer = terms.map(|terms| SessionTimer::start(terms, now));
        terms
    }

    /// When its timer is due.
    pub(super) fn next_wakeup(&self) -> Option<Instant> {
        self.timer.as_ref().and_then(SessionTimer::next_wakeup)
    }
}

/// Whether these headers allow UPDATE.
pub(super) fn takes_update(headers: &Headers) -> bool {
    headers.has_token(&Name::Allow, "UPDATE")
}

impl UserAgent {
    /// Whether the peer of a leg takes UPDATE.
    pub(super) fn updates(&self, leg: LegId) -> bool {
        self.leg(leg).is_some_and(|leg| leg.session.updates)
    }

    /// Whether the last refresh of this leg's session that its peer took was this request.
    pub fn was_refresh(&self, request: RequestId) -> bool {
        self.leg(request.leg).is_some_and(|leg| leg.session.refreshed == Some(request))
    }

    /// Adds what a request of ours asks about the leg's session timer.
    pub(super) fn ask(&self, leg: LegId, request: Request) -> Request {
        match self.leg(leg) {
            Some(leg) => leg.session.ask(request),
            None => request,
        }
    }

    /// Adds to a 2xx of ours what holds for the session from now on, and starts its timer.
    pub(super) fn with_session(&mut self, now: Now, at: usize, response: Response, sdp: Option<&Bytes>) -> Response {
        let (leg, headers) = (self.servers[at].leg, self.servers[at].request.headers.clone());
        let Some(leg) = self.leg_mut(leg) else { return response };
        leg.session.hear(&headers);
        leg.session.say(sdp);
        let Some(terms) = leg.session.accept(now.mono, &headers) else { return response };
        let response = response.with(Name::SessionExpires, terms.in_response().to_string());
        // RFC 4028 §9: where the 2xx has refresher=uac, "the UAS MUST place a Require header field into the response with
        // the value 'timer'."
        if terms.whose == Whose::Theirs { response.with(Name::Require, TIMER) } else { response }
    }

    /// Does what the session timers want.
    pub(super) fn keep_sessions(&mut self, now: Now, out: &mut AgentOut) {
        for at in 0..self.legs.len() {
            let leg = &self.legs[at];
            let due = leg.session.timer.filter(|_| matches!(leg.usage, Usage::Up { .. }));
            let id = leg.id;
            match due.and_then(|timer| timer.due(now.mono)) {
                Some(Due::Refresh) => self.refresh_session(now, id, out),
                Some(Due::Expired) => self.expire(now, id, out),
                None => {}
            }
        }
    }

    /// Refreshes a session: by UPDATE where the peer takes it, else by a re-INVITE that says what was said.
    ///
    /// RFC 4028 §7.4: "It is RECOMMENDED that the UPDATE request not contain an offer, but a re-INVITE SHOULD contain
    /// one, even if the details of the session have not changed. In that case, the offer MUST indicate that it has not
    /// changed. In the case of SDP, this is accomplished by including the same value for the origin field as did previous
    /// SDP messages to its peer."
    fn refresh_session(&mut self, now: Now, leg: LegId, out: &mut AgentOut) {
        let said = self.leg(leg).and_then(|leg| leg.session.said.clone());
        let by_update = self.updates(leg);
        if !by_update && (said.is_none() || !self.may_offer(leg)) {
            return self.refresh_again(now, leg, Some(SOON));
        }
        let id = self.new_request(leg);
        if let Some(leg) = self.leg_mut(leg) {
            leg.session.refresh = Some(id);
            if let Some(timer) = &mut leg.session.timer {
                timer.sent();
            }
        }
        if by_update {
            let ask = self.ask(leg, Request::new(Method::Update, ""));
            let add =
                |request, hop: &Hop| with_asked(compose::with_abilities(compose::with_contact(request, hop)), &ask);
            self.request(now, (leg, id), (Method::Update, Purpose::Refresh(id)), add, out);
        } else {
            self.send_reinvite(now, (leg, id), said, out);
        }
    }

    /// The final response to a re-INVITE or UPDATE of ours. True: it is done with; the request went once more, or nobody
    /// but us has asked for it.
    pub(super) fn session_answered(
        &mut self,
        now: Now,
        (leg, purpose): (LegId, Purpose),
        response: &Response,
        out: &mut AgentOut,
    ) -> bool {
        let (id, is_update) = match purpose {
            Purpose::ReInvite { id, .. } => (id, false),
            Purpose::Update(id) | Purpose::Refresh(id) => (id, true),
            _ => return false,
        };
        let Some(Leg { session, .. }) = self.leg_mut(leg) else { return false };
        let ours = session.refresh == Some(id);
        if response.status.is_success() {
            session.accepted(now.mono, &response.headers);
            return matches!(purpose, Purpose::Refresh(_));
        }
        if response.status.code() == 422 && session.lengthen(&response.headers) {
            let offer = session.offered.take();
            self.once_more(now, (leg, purpose), offer, out);
            return true;
        }
        session.settle(false);
        if !ours {
            return false;
        }
        session.refresh = None;
        let alone = session.timer.is_some_and(|timer| timer.terms.whose == Whose::OursAlone);
        match response.status.code() {
            // The dialog is gone: whoever called us ends it.
            408 | 481 => return false,
            491 => {
                let wait = back_off(self.owns_call_id(leg), &mut self.ids);
                self.refresh_again(now, leg, Some(wait));
            }
            405 | 501 if is_update => {
                session.updates = false;
                // Toward a peer without timers we refresh only where it costs nothing.
                if alone { session.timer = None } else { self.refresh_again(now, leg, Some(Duration::ZERO)) }
            }
            _ if alone => session.timer = None,
            _ => self.refresh_again(now, leg, None),
        }
        true
    }

    /// A request that was refused with 422 goes once more, with the interval that it must have.
    fn once_more(&mut self, now: Now, (leg, purpose): (LegId, Purpose), offer: Option<Bytes>, out: &mut AgentOut) {
        match purpose {
            Purpose::ReInvite { id, .. } => self.send_reinvite(now, (leg, id), offer, out),
            Purpose::Update(id) => self.send_update(now, (leg, id), offer, out),
            _ => self.refresh_session(now, leg, out),
        }
    }

    /// A re-INVITE or UPDATE of ours got no answer at all.
    pub(super) fn refresh_failed(&mut self, now: Now, (leg, id): (LegId, RequestId)) {
        let Some(Leg { session, .. }) = self.leg_mut(leg) else { return };
        session.settle(false);
        if session.refresh.take_if(|refresh| *refresh == id).is_some() {
            self.refresh_again(now, leg, None);
        }
    }

    fn refresh_again(&mut self, now: Now, leg: LegId, wait: Option<Duration>) {
        if let Some(timer) = self.leg_mut(leg).and_then(|leg| leg.session.timer.as_mut()) {
            timer.again(now.mono, wait);
        }
    }

    /// Nobody has refreshed the session in time.
    fn expire(&mut self, now: Now, leg: LegId, out: &mut AgentOut) {
        if let Some(leg) = self.leg_mut(leg) {
            leg.session.timer = None;
            leg.reason.get_or_insert(Reason::EXPIRED);
        }
        self.bye(now, leg, out);
        out.events.push(LegEvent::Gone { leg });
    }

    /// The INVITE of ours met 422: RFC 4028 §7.3. True: it went once more.
    pub(super) fn invite_longer(&mut self, now: Now, leg: LegId, response: &Response, out: &mut AgentOut) -> bool {
        if response.status != compose::status(422) {
            return false;
        }
        let Some(Leg { session, .. }) = self.leg_mut(leg) else { return false };
        if !session.lengthen(&response.headers) {
            return false;
        }
        let ask = session.ask(Request::new(Method::Invite, ""));
        self.invite_again(now, leg, |invite| with_asked(invite, &ask), out)
    }
}

/// A request with the timer's headers of another.
pub(super) fn with_asked(mut request: Request, asked: &Request) -> Request {
    for name in [Name::SessionExpires, Name::MinSe] {
        if let Some(value) = asked.headers.get(&name) {
            request.headers.set(name, value.clone());
        }
    }
    request
}
