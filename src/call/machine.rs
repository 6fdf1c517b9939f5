//! The call itself: its state, and which part of it an event concerns.

use std::net::SocketAddr;

use bytes::Bytes;

use super::bridge::Bridge;
use super::card::Card;
use super::cx::Cx;
use super::ending::{Closing, Reply};
use super::facts::Facts;
use super::hunt::Hunt;
use super::ladder::{Entry, Ladder};
use super::leg::{Leg, LegState};
use super::owing::Owing;
use super::{CallAction, CallEvent, Env, Word};
use crate::base::{CallId, EmployeeId, Hop, Ids, Instant, LegId, Now, TrunkName};
use crate::crm::model::{Decision, Outcome};
use crate::crm::policy::{self, Ending};
use crate::route::Entry as Inbound;
use crate::route::directory::Directory;
use crate::route::plan::Destination;
use crate::sip::agent::{AgentOut, CallerId, LegEvent, Received, UserAgent};
use crate::sip::message::{Request, Response};
use crate::sip::transaction::Timers;

/// One call, from its INVITE to its record.
#[derive(Debug)]
pub struct Call {
    pub(super) id: CallId,
    pub(super) ids: Ids,
    pub(super) ua: UserAgent,
    pub(super) facts: Facts,
    /// Index is the leg's number.
    pub(super) legs: Vec<Leg>,
    pub(super) phase: Phase,
    pub(super) owing: Owing,
    pub(super) card: Card,
    pub(super) ladder: Ladder,
    pub(super) started: Now,
    /// When the CRM was asked.
    pub(super) asked_at: Option<Instant>,
    /// When the lookup's deadline is, while it runs.
    pub(super) lookup_due: Option<Instant>,
    /// When the caller first heard it ring.
    pub(super) rang: Option<Instant>,
    /// The leg and code of the last 18x without SDP that the caller was shown.
    pub(super) shown: Option<(LegId, u16)>,
    pub(super) answered: Option<Now>,
    /// When it was over for its parties, and how it came out.
    pub(super) ended: Option<(Now, Outcome)>,
    /// Who talked last.
    pub(super) employee: Option<EmployeeId>,
    /// Who is counted as being in this call, by which leg.
    pub(super) busy: Vec<(LegId, EmployeeId)>,
    pub(super) transferred_from: Option<EmployeeId>,
    /// Legs that another call has now, by their SIP Call-ID: what still comes for them here is passed on.
    pub(super) moved: Vec<Moved>,
    /// How many 3xx it has followed.
    pub(super) redirects: u8,
}

/// A leg that another call has now.
#[derive(Debug)]
pub(super) struct Moved {
    /// By what it is known.
    pub(super) sip_call_id: Box<str>,
    pub(super) to: CallId,
    /// Where its far end may be expected: what comes from there for it is ours to pass on.
    pub(super) far_end: [SocketAddr; 2],
}

/// Where a call is.
#[derive(Debug)]
pub(super) enum Phase {
    /// Its INVITE has not been looked at.
    Fresh,
    /// The INVITE waits for the CRM, until `lookup_due`.
    Asking,
    /// Phones ring.
    Hunting(Hunt),
    /// Somebody answered.
    Talking(Bridge),
    /// Over for its parties.
    Ending(Closing),
}

/// What a call begins with, besides its INVITE.
#[derive(Debug)]
pub struct Beginning {
    /// The call's own identifier.
    pub id: CallId,
    /// Its source of chance.
    pub ids: Ids,
    /// `[sip.timers]`.
    pub timers: Timers,
    /// What routing made of the INVITE.
    pub entry: Inbound,
    /// Its caller is on the blacklist: the call is a row and a 603.
    pub blacklisted: bool,
    /// How the ladder calls the far end of the A leg: the trunk's or PBX's name.
    pub label: String,
    /// The trunk that it came by.
    pub trunk: Option<TrunkName>,
    /// It came from a registered phone.
    pub is_phone: bool,
    /// When the INVITE came.
    pub now: Now,
    /// How many hops the INVITE may still go.
    pub max_forwards: u8,
    /// The INVITE's SDP, where it carries the offer.
    pub offer: Option<Bytes>,
}

impl Call {
    /// A call whose INVITE is about to be given to [`handle`](Self::handle) as its first event.
    pub fn new(beginning: Beginning, dir: &Directory) -> Self {
        let Beginning { id, mut ids, timers, entry, blacklisted, label, trunk, is_phone, now, max_forwards, offer } =
            beginning;
        // The trunk may challenge what we ask on the leg that it has opened.
        let account = trunk.as_ref().and_then(|trunk| dir.trunk(trunk)?.account.clone());
        let mut ua = UserAgent::new(id, ids.fork(), timers).with_account(account);
        if is_phone {
            ua.keep_to_source(LegId::A);
        }
        let facts = Facts::read(entry, blacklisted, max_forwards);
        let first_owner = facts
            .line
            .as_ref()
            .and_then(|line| policy::owner_at_first(dir, line, facts.direction, facts.dialler.as_ref()));
        let a = Leg::caller(label, facts.dialler.clone(), offer);
        let by = trunk.as_ref().and_then(|name| dir.trunk(name));
        let name = policy::name_given(by.map(AsRef::as_ref), &facts.caller_id.display);
        let facts = Facts { trunk, ..facts };
        Self {
            id,
            ids,
            ua,
            facts,
            legs: vec![a],
            phase: Phase::Fresh,
            owing: Owing::of(first_owner, dir.crm.mode.clone(), name),
            card: Card::default(),
            ladder: Ladder::default(),
            started: now,
            asked_at: None,
            lookup_due: None,
            rang: None,
            shown: None,
            answered: None,
            ended: None,
            employee: None,
            busy: Vec::new(),
            transferred_from: None,
            moved: Vec::new(),
            redirects: 0,
        }
    }

    /// Its identifier.
    pub fn id(&self) -> CallId {
        self.id
    }

    /// Whether one of its parties still owes it an answer.
    pub fn asks(&self) -> bool {
        self.ua.asks()
    }

    /// When it began.
    pub fn began(&self) -> Instant {
        self.started.mono
    }

    /// Where the request went that this response answers, or may have gone, where the leg is another call's by now and
    /// what comes for it is passed on; `None`: nothing of ours.
    pub fn asked(&self, response: &Response) -> Option<[SocketAddr; 2]> {
        let asked = self.ua.asked(response).map(|at| [at; 2]);
        asked.or_else(|| self.gone(&response.headers).map(|moved| moved.far_end))
    }

    /// Where the far end of the dialog (or, for a CANCEL, the INVITE) that a request means may be expected; `None`: the
    /// call has no such dialog.
    pub fn far_end(&mut self, request: &Request) -> Option<[SocketAddr; 2]> {
        let here = self.ua.far_end(request);
        here.or_else(|| self.gone(&request.headers).map(|moved| moved.far_end))
    }

    /// Whether it is over for its parties; what is left are transactions and a commit.
    pub fn is_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// What has been said and decided so far.
    pub fn ladder(&self) -> &[Entry] {
        self.ladder.entries()
    }

    /// Takes the ladder of a call that is finished.
    pub fn into_ladder(self) -> Vec<Entry> {
        self.ladder.into_entries()
    }

    /// Takes one event; total: whatever a peer did is an event, never an error.
    pub fn handle(&mut self, now: Now, event: CallEvent, env: &dyn Env, out: &mut Vec<CallAction>) {
        let mut cx = Cx { now, env, out, agent: AgentOut::default() };
        match event {
            CallEvent::Received(received) => match self.moved_to(&received) {
                Some(to) => cx.out.push(CallAction::Say { to, word: Word::Passes(received) }),
                None => self.received(&received, &mut cx),
            },
            CallEvent::Wake => self.wake(&mut cx),
            CallEvent::Unreachable(hop) => self.unreachable(hop, &mut cx),
            CallEvent::CrmWrote(news) => self.crm_wrote(news, &mut cx),
            CallEvent::CrmSaid(lookup) => self.turn(&mut cx, |call, phase, cx| call.crm_said(phase, lookup, cx)),
            CallEvent::Saved => self.turn(&mut cx, |call, phase, cx| match phase {
                Phase::Ending(ending) => call.saved(ending, cx),
                other => other, // nothing else waits for a commit
            }),
            CallEvent::Said { from, word } => self.turn(&mut cx, |call, phase, cx| call.heard(phase, from, word, cx)),
            CallEvent::Unheard(word) => self.turn(&mut cx, |call, phase, cx| call.unheard(phase, word, cx)),
            CallEvent::Replacing(replacing) => {
                self.note_received(&replacing.received, &cx);
                self.turn(&mut cx, |call, phase, cx| call.replacing(phase, &replacing, cx));
            }
            CallEvent::HandOn(to) => self.turn(&mut cx, |call, phase, cx| call.hand_on(phase, to, cx)),
            CallEvent::Card(press) => self.pressed(*press, &mut cx),
            CallEvent::HangUp => self.turn(&mut cx, |call, phase, cx| call.cut(phase, "an operator ends the call", cx)),
        }
        self.drain(&mut cx);
        self.show_card(&mut cx);
        self.light_lamps(&mut cx);
        if matches!(&self.phase, Phase::Ending(e) if e.is_done()) && self.ua.is_idle() {
            cx.out.push(CallAction::Finish);
        }
    }

    /// Ends the call after a panic in [`handle`](Self::handle): 500 to a caller who waits, BYE to whoever talks, and
    /// the record. Relies on as little of the call's state as it can.
    pub fn wreck(&mut self, now: Now, env: &dyn Env, out: &mut Vec<CallAction>) {
        let mut cx = Cx { now, env, out, agent: AgentOut::default() };
        self.decide(Decision::new("end", "a fault of ours"), &cx);
        let (ending, reply) = match self.answered {
            Some(_) => (Ending::Talked, Reply::None),
            None => (Ending::Unanswered(None), Reply::Reject(500)),
        };
        if self.ended.is_none() {
            self.phase = self.finish(ending, reply, &mut cx);
        } else {
            self.phase = Phase::Ending(Closing::that_owes(reply));
            self.turn(&mut cx, |call, phase, cx| match phase {
                Phase::Ending(closing) => call.saved(closing, cx),
                other => other, // it was set to be ending just now
            });
        }
        self.drain(&mut cx);
        self.light_lamps(&mut cx);
    }

    /// When [`CallEvent::Wake`] is due.
    pub fn next_wakeup(&self) -> Option<Instant> {
        let own = match &self.phase {
            Phase::Fresh | Phase::Asking => None,
            Phase::Ending(closing) => closing.next_wakeup(),
            Phase::Hunting(hunt) => Some(hunt.until),
            Phase::Talking(bridge) => Some(bridge.next_wakeup()),
        };
        [own, self.lookup_due, self.ua.next_wakeup()].into_iter().flatten().min()
    }

    pub(super) fn received(&mut self, received: &Received, cx: &mut Cx<'_>) {
        self.note_received(received, cx);
        self.ua.receive(cx.now, received, &mut cx.agent);
    }

    fn wake(&mut self, cx: &mut Cx<'_>) {
        self.ua.wake(cx.now, &mut cx.agent);
        self.drain(cx);
        let now = cx.now.mono;
        if self.lookup_due.is_some_and(|at| at <= now) {
            self.turn(cx, Self::crm_is_late);
        }
        self.turn(cx, |call, phase, cx| match phase {
            Phase::Hunting(hunt) if hunt.until <= now => call.ring_is_over(hunt, cx),
            Phase::Talking(bridge) if bridge.next_wakeup() <= now => call.bridge_is_due(bridge, cx),
            Phase::Ending(closing) if closing.next_wakeup().is_some_and(|at| at <= now) => {
                call.linger_is_over(closing, cx)
            }
            other => other, // not due yet
        });
    }

    fn unreachable(&mut self, hop: Hop, cx: &mut Cx<'_>) {
        self.ua.unreachable(cx.now, hop, &mut cx.agent);
    }

    /// Sends what the agent pushed and looks at what happened on the legs, until nothing more comes of it.
    fn drain(&mut self, cx: &mut Cx<'_>) {
        loop {
            for transmit in std::mem::take(&mut cx.agent.sends) {
                self.note_sent(&transmit, cx);
                cx.out.push(CallAction::Send(transmit));
            }
            let events = std::mem::take(&mut cx.agent.events);
            if events.is_empty() {
                return;
            }
            for event in events {
                self.turn(cx, |call, phase, cx| call.leg_event(phase, event, cx));
            }
        }
    }

    /// One step of the phase: state consumed, next state returned.
    fn turn(&mut self, cx: &mut Cx<'_>, step: impl FnOnce(&mut Self, Phase, &mut Cx<'_>) -> Phase) {
        let phase = std::mem::replace(&mut self.phase, Phase::Fresh);
        self.phase = step(self, phase, cx);
    }

    fn leg_event(&mut self, phase: Phase, event: LegEvent, cx: &mut Cx<'_>) -> Phase {
        match (phase, event) {
            (Phase::Fresh, LegEvent::Invited { .. }) => self.invited(cx),
            (Phase::Asking, LegEvent::Canceled { .. }) => self.caller_gave_up(cx),
            (Phase::Hunting(hunt), event) => self.hunting(hunt, event, cx),
            (Phase::Talking(bridge), event) => self.talking(bridge, event, cx),
            (Phase::Ending(closing), event) => self.closing(closing, &event, cx),
            (phase, event) => {
                self.stray(&event, cx);
                phase
            }
        }
    }

    /// What concerns a leg that has no part in the call (any more).
    pub(super) fn stray(&mut self, event: &LegEvent, cx: &mut Cx<'_>) {
        match *event {
            // A 200 that crossed our CANCEL, or came second: acknowledged by the agent, ended here.
            LegEvent::Answered { fork, .. } => {
                self.ua.bye(cx.now, fork.leg, &mut cx.agent);
                if let Some(leg) = self.leg_mut(fork.leg) {
                    leg.state = LegState::Over;
                    leg.channel = None;
                }
            }
            LegEvent::Failed { leg, status, .. } => self.leg_failed(leg, status, cx),
            LegEvent::Gone { leg } | LegEvent::NeverAcked { leg } => {
                self.ua.bye(cx.now, leg, &mut cx.agent);
                self.end_leg(leg, cx);
            }
            LegEvent::Bye { request } => {
                self.ua.answer(cx.now, request, 200, None, &mut cx.agent);
                self.end_leg(request.leg, cx);
            }
            LegEvent::ReInvited { request, .. } | LegEvent::Updated { request, .. } => {
                self.ua.answer(cx.now, request, 491, None, &mut cx.agent);
            }
            LegEvent::Passing { request, .. } => self.ua.answer(cx.now, request, 480, None, &mut cx.agent),
            LegEvent::Referred { request, .. } => self.ua.answer(cx.now, request, 603, None, &mut cx.agent),
            LegEvent::Canceled { leg } if leg != LegId::A => self.turn_away(leg, 487, cx),
            // A caller who gives up while the end is under way has her final answer coming; the rest is old news of
            // legs that are done.
            LegEvent::Invited { .. }
            | LegEvent::Canceled { .. }
            | LegEvent::Acked { .. }
            | LegEvent::Progress { .. }
            | LegEvent::Identified { .. }
            | LegEvent::Withdrawn { .. }
            | LegEvent::Replied { .. } => {}
        }
    }

    pub(super) fn leg(&self, id: LegId) -> Option<&Leg> {
        self.legs.get(usize::from(id.0))
    }

    pub(super) fn leg_mut(&mut self, id: LegId) -> Option<&mut Leg> {
        self.legs.get_mut(usize::from(id.0))
    }

    pub(super) fn label(&self, id: LegId) -> String {
        self.leg(id).map(|l| l.label.clone()).unwrap_or_default()
    }

    /// `sdp` as it may be sent to this leg.
    pub(super) fn say(&mut self, leg: LegId, sdp: &Bytes) -> Bytes {
        match self.leg_mut(leg) {
            Some(leg) => leg.say(sdp),
            None => sdp.clone(),
        }
    }

    /// Who this leg's far end is, as somebody newly called for it is shown.
    pub(super) fn identity_of(&self, leg: LegId) -> CallerId {
        match self.leg(leg).and_then(|l| l.called.as_ref()) {
            None => self.facts.caller_id.clone(),
            Some(called) => {
                let user = match &called.destination {
                    Destination::Employee { extension, .. } | Destination::Extension { extension, .. } => {
                        extension.clone()
                    }
                    Destination::Outside { number, dial, .. } => number.map_or_else(|| dial.clone(), |n| n.to_string()),
                };
                CallerId { display: self.facts.client_name().unwrap_or_default().to_owned(), user: Some(user) }
            }
        }
    }
}
