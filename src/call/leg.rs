//! One leg of a call: who is at its far end, what was last said about media, and how long it rang and talked.

use std::time::Duration;

use bytes::Bytes;

use super::Channel;
use super::lamp::Lamp;
use crate::base::{EmployeeId, Instant};
use crate::crm::model::{LegRecord, Outcome};
use crate::crm::policy::{self, LegEnding};
use crate::route::plan::Destination;
use crate::sdp;
use crate::sip::agent::{FailedBy, Target};

/// A leg, from its INVITE until the call is over.
#[derive(Debug)]
pub(super) struct Leg {
    /// How the ladder calls its far end: `carrier`, `ana`, `205`.
    pub(super) label: String,
    /// The employee at its far end.
    pub(super) employee: Option<EmployeeId>,
    /// Whom it called; `None` for the A leg.
    pub(super) called: Option<Called>,
    /// When it was called.
    began: Instant,
    /// The final answer of one of several phones.
    pub(super) said_no: Option<(u16, FailedBy)>,
    /// Where it is in its life.
    pub(super) state: LegState,
    /// When its own first 18x came.
    pub(super) rang: Option<Instant>,
    /// When its first 18x was followed by an answer or an end.
    rung_out: Option<Instant>,
    /// Talk that is over.
    talked: Duration,
    /// Since when it talks now.
    talks_since: Option<Instant>,
    /// How it came out, once that is known.
    outcome: Option<Outcome>,
    /// The last description that its far end sent.
    pub(super) heard: Option<Bytes>,
    /// What was last sent to its far end.
    said: Option<Said>,
    /// The far end refused what was last said: it is not what holds there.
    refused: bool,
    /// Its far end holds.
    pub(super) holds: bool,
    /// What colleagues' lamps were last told of it.
    pub(super) lamp: Lamp,
    /// Who was there before, where the PBX put somebody else there.
    before: Vec<LegRecord>,
    /// The channel that it takes of its trunk, while it is up or on its way.
    pub(super) channel: Option<Channel>,
    /// Whose phone sent the call here by a 3xx.
    pub(super) redirected_by: Option<EmployeeId>,
}

/// Whom a leg of ours called.
#[derive(Debug, Clone)]
pub(super) struct Called {
    /// Whom.
    pub(super) destination: Destination,
    /// By which targets, the current one last: for fail-over to the next peer.
    pub(super) tried: Vec<Target>,
    /// It is one of her own phones, of which there may be more.
    pub(super) is_phone: bool,
}

/// Where a leg is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LegState {
    /// Its INVITE has no final answer.
    Calling,
    /// We gave it up; a 200 may still cross our CANCEL.
    Cancelled,
    /// Answered.
    Up,
    /// Nothing more to come but retransmissions.
    Over,
}

/// The origin under which descriptions go to one far end: the same one for the whole dialog (RFC 3264 §8: "the o=
/// line of the new SDP MUST be identical to that in the previous SDP, except that the version in the origin field
/// MUST increment by one from the previous SDP").
#[derive(Debug, Clone)]
struct Said {
    username: String,
    session: String,
    version: u64,
    sdp: Bytes,
}

impl Leg {
    /// The caller's leg.
    pub(super) fn caller(label: String, employee: Option<EmployeeId>, offer: Option<Bytes>) -> Self {
        Self::new(label, employee, None, offer)
    }

    /// A leg to somebody called.
    pub(super) fn callee(called: Called, now: Instant) -> Self {
        let label = called.destination.label().to_owned();
        let employee = called.destination.employee().cloned();
        Self { began: now, ..Self::new(label, employee, Some(called), None) }
    }

    fn new(label: String, employee: Option<EmployeeId>, called: Option<Called>, heard: Option<Bytes>) -> Self {
        Self {
            label,
            employee,
            called,
            began: Instant::default(),
            said_no: None,
            state: LegState::Calling,
            rang: None,
            rung_out: None,
            talked: Duration::ZERO,
            talks_since: None,
            outcome: None,
            heard,
            said: None,
            refused: false,
            holds: false,
            lamp: Lamp::default(),
            before: Vec::new(),
            channel: None,
            redirected_by: None,
        }
    }

    /// A leg of somebody who calls in, to take a place.
    pub(super) fn comer(employee: EmployeeId, called: Option<Called>, offer: Option<Bytes>) -> Self {
        Self::new(employee.to_string(), Some(employee), called, offer)
    }

    /// Whether it still rings, or waits to.
    pub(super) fn is_calling(&self) -> bool {
        self.state == LegState::Calling
    }

    /// Whether it is somebody's who is being called.
    pub(super) fn is_called(&self) -> bool {
        self.called.is_some() && self.is_calling()
    }

    /// It talks from now on.
    pub(super) fn begin_talk(&mut self, now: Instant) {
        self.state = LegState::Up;
        self.rung_out.get_or_insert(now);
        self.outcome = Some(policy::leg_outcome(LegEnding::Answered));
        self.talks_since.get_or_insert(now);
    }

    /// It talks no longer.
    pub(super) fn end_talk(&mut self, now: Instant) {
        if let Some(since) = self.talks_since.take() {
            self.talked += now - since;
        }
    }

    /// It goes on in another call, as the leg that is given here: without its past, which stays in this one.
    pub(super) fn moves(&mut self, now: Instant) -> Self {
        let mut moved = Self::new(self.label.clone(), self.employee.clone(), self.called.clone(), self.heard.clone());
        moved.said.clone_from(&self.said);
        moved.state = self.state;
        moved.channel = self.channel.take();
        moved.redirected_by = self.redirected_by.take();
        moved.rang = self.rang.filter(|_| self.is_calling()).map(|_| now);
        self.end_talk(now);
        if self.is_calling() {
            // It was neither answered nor missed here.
            self.called = None;
        }
        self.state = LegState::Over;
        moved
    }

    /// Somebody else talks at its far end from now on.
    pub(super) fn becomes(&mut self, called: Called, now: Instant) {
        self.before.extend(one_record(&[&*self], now));
        let next = Self::new(
            called.destination.label().to_owned(),
            called.destination.employee().cloned(),
            Some(called),
            self.heard.clone(),
        );
        let (said, holds, before) = (self.said.take(), self.holds, std::mem::take(&mut self.before));
        let channel = self.channel.take();
        *self = Self { said, holds, before, channel, ..next };
        self.begin_talk(now);
    }

    /// Those who were there before.
    pub(super) fn before(&self) -> impl Iterator<Item = LegRecord> {
        self.before.iter().cloned()
    }

    /// We ring it no longer.
    pub(super) fn give_up(&mut self, now: Instant) {
        self.state = LegState::Cancelled;
        self.end_ring(now, LegEnding::Stopped);
    }

    /// It came to this final answer.
    pub(super) fn refused(&mut self, now: Instant, status: u16) {
        self.state = LegState::Over;
        self.channel = None;
        self.end_ring(now, LegEnding::Refused(status));
    }

    fn end_ring(&mut self, now: Instant, ending: LegEnding) {
        self.rung_out.get_or_insert(now);
        self.outcome.get_or_insert(policy::leg_outcome(ending));
    }

    /// From when to when it rang.
    fn ring(&self, now: Instant) -> Option<(Instant, Instant)> {
        self.rang.map(|from| (from, self.rung_out.unwrap_or(now)))
    }

    fn talk(&self, now: Instant) -> Duration {
        self.talked + self.talks_since.map_or(Duration::ZERO, |since| now - since)
    }

    /// Notes what its far end said of media.
    pub(super) fn hear(&mut self, sdp: Option<&Bytes>) {
        if let Some(sdp) = sdp {
            self.heard = Some(sdp.clone());
            self.holds = matches!(sdp::direction(sdp), sdp::Direction::SendOnly | sdp::Direction::Inactive);
        }
    }

    /// What was last said to its far end.
    pub(super) fn last_said(&self) -> Option<Bytes> {
        self.said.as_ref().map(|said| said.sdp.clone())
    }

    /// Whether the far end took the offer that was last said.
    pub(super) fn took(&mut self, ok: bool) {
        self.refused = !ok;
    }

    /// What was last said, where this offer says what its far end said before: it refreshes the session, and changes
    /// nothing of it.
    ///
    /// RFC 3264 §8: "When issuing an offer that modifies the session, the "o=" line of the new SDP MUST be identical to
    /// that in the previous SDP, except that the version …": byte for byte the same, it modifies nothing.
    pub(super) fn unchanged(&self, offer: &Bytes) -> Option<Bytes> {
        let said = self.said.as_ref().filter(|_| !self.refused)?;
        (self.heard.as_ref() == Some(offer)).then(|| said.sdp.clone())
    }

    /// The answer to an offer that nobody can be asked about: what was last said, held as the offer holds. `None`: it
    /// has not the offer's streams.
    pub(super) fn answer_alone(&self, offer: &Bytes) -> Option<Bytes> {
        let said = &self.said.as_ref()?.sdp;
        let fits = sdp::streams(said) == sdp::streams(offer);
        fits.then(|| sdp::fitted(offer, &sdp::without_hold(said)))
    }

    /// `sdp` as it may be sent to this leg's far end: untouched while its origin continues what was said before,
    /// under the dialog's own origin where it comes from somebody else.
    pub(super) fn say(&mut self, sdp: &Bytes) -> Bytes {
        let Some(origin) = sdp::origin(sdp) else { return sdp.clone() };
        let same_session = |s: &Said| s.username == origin.username && s.session == origin.session;
        let out = match &self.said {
            None => sdp.clone(),
            Some(said) if said.sdp == *sdp => return sdp.clone(),
            Some(said) if same_session(said) && origin.version == said.version.saturating_add(1) => sdp.clone(),
            Some(said) => {
                let as_before = sdp::with_origin(sdp, &said.username, &said.session, said.version);
                if as_before == said.sdp {
                    return as_before;
                }
                sdp::with_origin(sdp, &said.username, &said.session, said.version.saturating_add(1))
            }
        };
        let now = sdp::origin(&out).unwrap_or(origin);
        self.said = Some(Said { username: now.username, session: now.session, version: now.version, sdp: out.clone() });
        out
    }
}

/// What the record says of one employee, by all legs that called her, in the order in which they did. Her phones that ring
/// at once are rung once, for as long as any of them was.
pub(super) fn one_record(legs: &[&Leg], now: Instant) -> Option<LegRecord> {
    let mut rings: Vec<(Instant, Instant)> = legs.iter().filter_map(|leg| leg.ring(now)).collect();
    rings.sort_unstable();
    let (mut rung, mut to) = (Duration::ZERO, Instant::default());
    for (from, until) in rings {
        rung += until.since(from.max(to));
        to = to.max(until);
    }
    let talk = legs.iter().map(|leg| leg.talk(now)).sum();
    Some(LegRecord {
        employee: legs.first()?.employee.clone()?,
        outcome: outcome(legs),
        ring_seconds: whole_seconds(rung),
        talk_seconds: whole_seconds(talk),
    })
}

/// An answer counts; else what came of her last ringing, of phones that rang at once by the one that says most.
fn outcome(legs: &[&Leg]) -> Outcome {
    let of = |leg: &&Leg| leg.outcome.unwrap_or(Outcome::Missed);
    if legs.iter().any(|leg| of(leg) == Outcome::Answered) {
        return Outcome::Answered;
    }
    let Some(last) = legs.last() else { return Outcome::Missed };
    let at_once = legs.iter().filter(|leg| leg.began == last.began);
    let rank = |outcome: &Outcome| match outcome {
        Outcome::Declined => 0,
        Outcome::Missed => 1,
        Outcome::Busy => 2,
        _ => 3,
    };
    at_once.map(of).min_by_key(rank).unwrap_or(Outcome::Missed)
}

/// Durations in records are rounded down.
pub(super) fn whole_seconds(d: Duration) -> u32 {
    u32::try_from(d.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sdp(origin: &str, port: u16) -> Bytes {
        Bytes::from(format!("v=0\r\no={origin}\r\ns=-\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n"))
    }

    fn leg() -> Leg {
        Leg::caller("carrier".into(), None, None)
    }

    #[test]
    fn descriptions_of_one_far_end_pass_untouched() {
        let mut leg = leg();
        for version in 1..4 {
            let d = sdp(&format!("- 7 {version} IN IP4 10.0.0.1"), 4000 + version);
            assert_eq!(leg.say(&d), d);
        }
    }

    #[test]
    fn another_far_ends_description_continues_the_dialogs_origin_by_one() {
        let mut leg = leg();
        leg.say(&sdp("ana 7 3 IN IP4 10.0.0.1", 4000));
        let said = leg.say(&sdp("carla 900 1 IN IP4 10.0.0.2", 5000));
        assert_eq!(said, sdp("ana 7 4 IN IP4 10.0.0.2", 5000));
        // said again unchanged, the version stays
        assert_eq!(leg.say(&sdp("carla 900 1 IN IP4 10.0.0.2", 5000)), said);
        assert_eq!(leg.say(&sdp("carla 900 2 IN IP4 10.0.0.2", 5002)), sdp("ana 7 5 IN IP4 10.0.0.2", 5002));
    }

    #[test]
    fn seconds_are_rounded_down() {
        assert_eq!(whole_seconds(Duration::from_millis(2_999)), 2);
    }
}
