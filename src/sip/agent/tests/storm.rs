//! Two user agents on a bad network, with calls above them that do what they like: nothing panics, nothing is left.

use super::pair::Side::{self, Callee, Caller};
use super::*;

/// A message on its way.
struct Flying {
    arrives: u64,
    to: Side,
    message: Bytes,
    hop: Hop,
}

struct Storm {
    agents: [UserAgent; 2],
    flying: Vec<Flying>,
    todo: Vec<(u64, Side, LegEvent)>,
    millis: u64,
    chance: Ids,
    /// Of a thousand messages.
    lost: u64,
    finals: u32,
    byes: u32,
}

const LEG: [LegId; 2] = [B, LegId::A];

impl Storm {
    fn new(seed: u64) -> Self {
        let mut ids = Ids::seeded(seed);
        let mut agents = [(); 2].map(|()| UserAgent::new(ids.call(), ids.fork(), Timers::default()));
        // Half of them have every provisional acknowledged.
        agents.iter_mut().filter(|_| seed % 2 == 1).for_each(UserAgent::insist_on_prack);
        let lost = ids.below(300);
        Self { agents, flying: vec![], todo: vec![], millis: 0, chance: ids, lost, finals: 0, byes: 0 }
    }

    fn odds(&mut self, of_thousand: u64) -> bool {
        self.chance.below(1_000) < of_thousand
    }

    fn act(&mut self, side: Side, what: impl FnOnce(&mut UserAgent, Now, &mut AgentOut)) {
        let mut out = AgentOut::default();
        what(&mut self.agents[side as usize], at(self.millis), &mut out);
        for sent in out.sends {
            let to = if side == Caller { Callee } else { Caller };
            let hop = Hop { local: sent.hop.remote, remote: sent.hop.local, advertised: sent.hop.remote, ..sent.hop };
            let copies = if self.odds(self.lost) { 0 } else { 1 + u64::from(self.odds(100)) };
            for _ in 0..copies {
                let delay = if self.odds(300) { self.chance.below(800) } else { 10 };
                self.flying.push(Flying { arrives: self.millis + delay, to, message: sent.bytes.clone(), hop });
            }
        }
        for event in out.events {
            let when = self.millis + self.chance.below(400);
            self.todo.push((when, side, event));
        }
    }

    /// What the call above does about an event, some time later.
    fn decide(&mut self, side: Side, event: &LegEvent) {
        let leg = LEG[side as usize];
        match event {
            LegEvent::Invited { invitation } => {
                let sdp = if invitation.offer.is_some() { answer() } else { offer() };
                if self.odds(700) {
                    self.act(side, |agent, now, out| agent.progress(now, 180, None, None, out));
                }
                if self.odds(500) {
                    let sdp = sdp.clone();
                    self.act(side, |agent, now, out| agent.progress(now, 183, Some(FORK), sdp, out));
                }
                if self.odds(300) {
                    return self.todo.push((self.millis + self.chance.below(3_000), side, event.clone()));
                }
                if self.odds(800) {
                    self.act(side, |agent, now, out| agent.accept(now, FORK, sdp, out));
                } else {
                    self.act(side, |agent, now, out| agent.reject(now, 486, None, out));
                }
            }
            LegEvent::Canceled { .. } => self.act(side, |agent, now, out| agent.reject(now, 487, None, out)),
            LegEvent::Answered { .. } => {
                self.finals += 1;
                self.act(side, |agent, now, out| agent.ack(now, leg, answer().unwrap(), out));
            }
            LegEvent::Failed { .. } => self.finals += 1,
            LegEvent::Replied { sdp: Some(_), .. } => {
                self.act(side, |agent, now, out| agent.ack(now, leg, answer().unwrap(), out));
            }
            LegEvent::NeverAcked { leg } => self.act(side, |agent, now, out| {
                agent.bye(now, *leg, out);
                agent.reject(now, 504, None, out);
            }),
            LegEvent::ReInvited { request, offer: theirs } => {
                let sdp = if theirs.is_some() { answer() } else { offer() };
                let status = if self.odds(800) { 200 } else { 488 };
                self.act(side, |agent, now, out| agent.answer(now, *request, status, sdp, out));
            }
            LegEvent::Updated { request, .. } => {
                self.act(side, |agent, now, out| agent.answer(now, *request, 200, answer(), out));
            }
            LegEvent::Passing { request, .. } => {
                self.act(side, |agent, now, out| agent.answer(now, *request, 200, None, out));
            }
            LegEvent::Bye { request } => {
                self.byes += 1;
                self.act(side, |agent, now, out| agent.answer(now, *request, 200, None, out));
            }
            LegEvent::Acked { .. }
            | LegEvent::Progress { .. }
            | LegEvent::Identified { .. }
            | LegEvent::Replied { sdp: None, .. }
            | LegEvent::Referred { .. }
            | LegEvent::Withdrawn { .. }
            | LegEvent::Gone { .. } => {}
        }
    }

    /// Something that nobody asked for.
    fn whim(&mut self) {
        let side = if self.odds(500) { Caller } else { Callee };
        let leg = LEG[side as usize];
        let sdp = if self.odds(700) { offer() } else { None };
        match self.chance.below(6) {
            0 | 1 => self.act(side, |agent, now, out| {
                agent.reinvite(now, leg, sdp, out);
            }),
            2 => self.act(side, |agent, now, out| {
                agent.update(now, leg, offer().unwrap(), out);
            }),
            4 => self.act(side, |agent, now, out| {
                agent.update_early(now, leg, ForkId { leg, n: 0 }, offer().unwrap(), out);
            }),
            3 => self.act(side, |agent, now, out| {
                agent.pass(now, leg, "INFO", None, None, out);
            }),
            _ => {
                // A mangled copy of what flies: it must do no harm.
                let Some(flying) = self.flying.last() else { return };
                let (mut bytes, to, hop) = (flying.message.to_vec(), flying.to, flying.hop);
                let at_byte = usize::try_from(self.chance.below(bytes.len() as u64)).unwrap();
                bytes[at_byte] = u8::try_from(self.chance.below(256)).unwrap();
                if let Ok(message) = parse(&bytes.into(), &Limits::default()) {
                    self.act(to, |agent, now, out| agent.receive(now, &Received { message, hop }, out));
                }
            }
        }
    }

    /// Lets everything happen that is due by `end`.
    fn run(&mut self, end: u64, whims: bool) {
        loop {
            let flying = self.flying.iter().map(|f| f.arrives).min();
            let todo = self.todo.iter().map(|(when, ..)| *when).min();
            let woken = self.agents.iter().filter_map(UserAgent::next_wakeup).min();
            let woken = woken.map(|due| due.as_micros().div_ceil(1_000));
            let next = [flying, todo, woken].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.millis = self.millis.max(next);
            if let Some(at_index) = self.flying.iter().position(|f| f.arrives <= self.millis) {
                let Flying { to, message, hop, .. } = self.flying.remove(at_index);
                let received = Received { message: read(&message), hop };
                self.act(to, |agent, now, out| agent.receive(now, &received, out));
            } else if let Some(at_index) = self.todo.iter().position(|(when, ..)| *when <= self.millis) {
                let (_, side, event) = self.todo.remove(at_index);
                self.decide(side, &event);
            } else {
                self.act(Caller, UserAgent::wake);
                self.act(Callee, UserAgent::wake);
            }
            if whims && self.odds(100) {
                self.whim();
            }
        }
        self.millis = end;
    }
}

#[test]
fn whatever_happens_each_invite_has_one_end_and_nothing_is_left() {
    let mut answered = 0;
    for seed in 0..300 {
        let mut storm = Storm::new(seed);
        let target = Target::new("sip:201@10.0.0.2".into(), hop("10.0.0.1:5060", "10.0.0.2:5060"));
        let invite = outgoing(if seed % 3 == 0 { None } else { offer() });
        storm.act(Caller, |agent, now, out| {
            agent.invite(now, &target, &invite, out);
        });
        if seed % 7 == 0 {
            storm.run(300, false);
            storm.act(Caller, |agent, now, out| agent.cancel(now, B, CancelReason::CallerGaveUp, out));
        }
        storm.run(60_000, true);
        answered += u32::from(storm.agents[0].is_up(B));
        storm.act(Caller, |agent, now, out| agent.cancel(now, B, CancelReason::CallerGaveUp, out));
        storm.act(Caller, |agent, now, out| agent.bye(now, B, out));
        if seed % 2 == 0 {
            storm.act(Callee, |agent, now, out| agent.bye(now, LegId::A, out));
        }
        storm.run(400_000, false);
        // A BYE that was lost for 64 T1 leaves the other side up: its call would end it.
        storm.act(Callee, |agent, now, out| agent.bye(now, LegId::A, out));
        storm.act(Caller, |agent, now, out| agent.bye(now, B, out));
        storm.run(800_000, false);
        assert_eq!(storm.finals, 1, "seed {seed}: the INVITE has one end");
        assert!(storm.byes <= 2, "seed {seed}");
        for (name, agent) in ["caller", "callee"].iter().zip(&storm.agents) {
            assert!(agent.is_idle(), "seed {seed}: the {name} keeps {agent:?}");
            assert_eq!(agent.next_wakeup(), None, "seed {seed}");
        }
    }
    assert!(answered > 50, "most calls live through it: {answered}");
}
