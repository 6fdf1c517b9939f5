//! Two user agents that talk to each other: what one calls as its leg 1 is the other's A leg.

use super::*;

/// One of the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    Caller,
    Callee,
}

use Side::{Callee, Caller};

/// Both, the wire between them, and a clock.
pub(super) struct Pair {
    pub(super) caller: UserAgent,
    pub(super) callee: UserAgent,
    pub(super) millis: u64,
    transport: Transport,
    /// What was sent since the last look: `> INVITE`, `< 200 INVITE`; `x` where it was lost, `~` where it is a repeat.
    seen: Vec<String>,
    told: Vec<(Side, LegEvent)>,
    /// How many of the next messages with this name are lost.
    lose: Vec<(String, usize)>,
}

impl Pair {
    pub(super) fn new() -> Self {
        Self::by(Transport::Udp)
    }

    pub(super) fn by(transport: Transport) -> Self {
        let mut ids = Ids::seeded(7);
        let agent = |ids: &mut Ids| UserAgent::new(ids.call(), ids.fork(), Timers::default());
        Self {
            caller: agent(&mut ids),
            callee: agent(&mut ids),
            millis: 0,
            transport,
            seen: Vec::new(),
            told: Vec::new(),
            lose: Vec::new(),
        }
    }

    /// One whose call is up: caller and callee know each other's descriptions, the ACK has come.
    pub(super) fn up() -> Self {
        let mut pair = Self::new();
        pair.invite(offer());
        pair.callee(|agent, now, out| agent.accept(now, FORK, answer(), out));
        assert!(pair.caller.is_up(B) && pair.callee.is_up(LegId::A));
        pair.seen();
        pair.events();
        pair
    }

    pub(super) fn invite(&mut self, offer: Option<Bytes>) {
        let hop = Hop { transport: self.transport, ..hop("10.0.0.1:5060", "10.0.0.2:5060") };
        let target = Target::new("sip:201@10.0.0.2".into(), hop);
        self.caller(|agent, now, out| {
            agent.invite(now, &target, &outgoing(offer), out);
        });
    }

    pub(super) fn lose_next(&mut self, name: &str, count: usize) {
        self.lose.push((name.to_owned(), count));
    }

    pub(super) fn caller<T>(&mut self, what: impl FnOnce(&mut UserAgent, Now, &mut AgentOut) -> T) -> T {
        let mut out = AgentOut::default();
        let result = what(&mut self.caller, at(self.millis), &mut out);
        self.carry(Caller, out);
        result
    }

    pub(super) fn callee<T>(&mut self, what: impl FnOnce(&mut UserAgent, Now, &mut AgentOut) -> T) -> T {
        let mut out = AgentOut::default();
        let result = what(&mut self.callee, at(self.millis), &mut out);
        self.carry(Callee, out);
        result
    }

    /// Both act before either's messages arrive.
    pub(super) fn at_once(
        &mut self,
        caller: impl FnOnce(&mut UserAgent, Now, &mut AgentOut),
        callee: impl FnOnce(&mut UserAgent, Now, &mut AgentOut),
    ) {
        let (mut first, mut second) = (AgentOut::default(), AgentOut::default());
        caller(&mut self.caller, at(self.millis), &mut first);
        callee(&mut self.callee, at(self.millis), &mut second);
        let mut flying = self.launch(Caller, first);
        flying.extend(self.launch(Callee, second));
        self.deliver(flying);
    }

    /// Lets the time pass, with all that becomes due in it.
    pub(super) fn advance(&mut self, millis: u64) {
        let end = self.millis + millis;
        loop {
            let due = [self.caller.next_wakeup(), self.callee.next_wakeup()].into_iter().flatten().min();
            let Some(due) = due.map(|due| due.as_micros().div_ceil(1_000)).filter(|due| *due <= end) else { break };
            self.millis = self.millis.max(due);
            self.caller(UserAgent::wake);
            self.callee(UserAgent::wake);
        }
        self.millis = end;
    }

    /// What was sent since the last look.
    pub(super) fn seen(&mut self) -> Vec<String> {
        std::mem::take(&mut self.seen)
    }

    /// What was told since the last look, the caller's side with `>`.
    pub(super) fn events(&mut self) -> Vec<String> {
        let mark = |side| if side == Caller { "> " } else { "< " };
        self.told.drain(..).map(|(side, event)| format!("{}{}", mark(side), told(&event))).collect()
    }

    /// The request that was last told to this side.
    pub(super) fn last_request(&self, side: Side) -> RequestId {
        request_of(&self.told.iter().rfind(|(told, _)| *told == side).expect("something was told").1)
    }

    /// All is over, and nothing is left on either side once the last timer is through.
    #[track_caller]
    pub(super) fn assert_over(&mut self) {
        self.advance(70_000);
        assert!(self.caller.is_idle(), "the caller keeps something: {:?}", self.caller);
        assert!(self.callee.is_idle(), "the callee keeps something: {:?}", self.callee);
        assert_eq!((self.caller.next_wakeup(), self.callee.next_wakeup()), (None, None));
    }

    fn carry(&mut self, from: Side, out: AgentOut) {
        let flying = self.launch(from, out);
        self.deliver(flying);
    }

    fn launch(&mut self, from: Side, out: AgentOut) -> Vec<(Side, Transmit)> {
        self.told.extend(out.events.into_iter().map(|event| (from, event)));
        let mut flying = Vec::new();
        for sent in out.sends {
            let name = short(&read(&sent.bytes));
            let lost = self.lose.iter_mut().find(|(lost, left)| *lost == name && *left > 0);
            let is_lost = lost.map(|(_, left)| *left -= 1).is_some();
            let way = if from == Caller { ">" } else { "<" };
            let (again, lost) = (if sent.again { "~" } else { "" }, if is_lost { "x" } else { "" });
            self.seen.push(format!("{way}{again}{lost} {name}"));
            if !is_lost {
                flying.push((from, sent));
            }
        }
        flying
    }

    fn deliver(&mut self, flying: Vec<(Side, Transmit)>) {
        let mut flying = std::collections::VecDeque::from(flying);
        while let Some((from, sent)) = flying.pop_front() {
            let (to, agent) = if from == Caller { (Callee, &mut self.callee) } else { (Caller, &mut self.caller) };
            let here = sent.hop.remote;
            let hop = Hop {
                transport: sent.hop.transport,
                local: here,
                remote: sent.hop.local,
                advertised: here,
                name: None,
            };
            let mut out = AgentOut::default();
            agent.receive(at(self.millis), &Received { message: read(&sent.bytes), hop }, &mut out);
            flying.extend(self.launch(to, out));
        }
    }
}

#[test]
fn an_ordinary_call_rings_is_answered_and_ended() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut pair = Pair::by(transport);
        pair.invite(offer());
        assert_eq!(pair.events(), ["< invited sdp"]);
        pair.advance(100);
        pair.callee(|agent, now, out| agent.progress(now, 180, None, None, out));
        pair.callee(|agent, now, out| agent.accept(now, FORK, answer(), out));
        assert_eq!(pair.seen(), ["> INVITE", "< 100 INVITE", "< 180 INVITE", "< 200 INVITE", "> ACK"]);
        assert_eq!(pair.events(), ["> 1/0 180", "> 1/0 answered sdp", "< 0 acked"]);
        assert!(pair.caller.is_up(B) && pair.callee.is_up(LegId::A));

        pair.caller(|agent, now, out| agent.bye(now, B, out));
        assert!(!pair.caller.is_up(B) && !pair.callee.is_up(LegId::A));
        let bye = pair.last_request(Callee);
        pair.advance(1_200);
        pair.callee(|agent, now, out| agent.answer(now, bye, 200, None, out));
        let repeats: &[&str] =
            if transport == Transport::Udp { &["> BYE", ">~ BYE", "< 200 BYE"] } else { &["> BYE", "< 200 BYE"] };
        assert_eq!(pair.seen(), repeats);
        assert_eq!(pair.events(), ["< 0 bye"]);
        pair.assert_over();
    }
}

#[test]
fn both_legs_have_tags_and_call_ids_that_name_their_calls_only_to_us() {
    let pair = Pair::up();
    assert_eq!(pair.caller.sip_call_id(B), pair.callee.sip_call_id(LegId::A));
    assert!(pair.caller.owns_call_id(B) && !pair.callee.owns_call_id(LegId::A));
    assert!(!pair.caller.sip_call_id(B).contains(&pair.caller.call.to_string()));
}

#[test]
fn a_lost_200_is_repeated_and_acknowledged_once() {
    let mut pair = Pair::new();
    pair.invite(offer());
    pair.lose_next("200 INVITE", 2);
    pair.callee(|agent, now, out| agent.accept(now, FORK, answer(), out));
    pair.advance(40_000);
    assert_eq!(pair.seen()[2..], ["<x 200 INVITE", "<~x 200 INVITE", "<~ 200 INVITE", "> ACK"]);
    assert_eq!(pair.events(), ["< invited sdp", "> 1/0 answered sdp", "< 0 acked"]);
}

#[test]
fn a_lost_ack_is_sent_again_for_every_repeat_of_the_200() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut pair = Pair::by(transport);
        pair.invite(offer());
        pair.lose_next("ACK", 3);
        pair.callee(|agent, now, out| agent.accept(now, FORK, answer(), out));
        pair.advance(40_000);
        assert_eq!(
            pair.seen()[2..],
            [
                "< 200 INVITE",
                ">x ACK",
                "<~ 200 INVITE",
                ">~x ACK",
                "<~ 200 INVITE",
                ">~x ACK",
                "<~ 200 INVITE",
                ">~ ACK"
            ]
        );
        assert_eq!(pair.events(), ["< invited sdp", "> 1/0 answered sdp", "< 0 acked"]);
        pair.caller(|agent, now, out| agent.bye(now, B, out));
        let bye = pair.last_request(Callee);
        pair.callee(|agent, now, out| agent.answer(now, bye, 200, None, out));
        pair.assert_over();
    }
}

#[test]
fn a_200_that_is_never_acknowledged_is_told_after_64_t1() {
    let mut pair = Pair::new();
    pair.invite(offer());
    pair.lose_next("ACK", 99);
    pair.callee(|agent, now, out| agent.accept(now, FORK, answer(), out));
    pair.advance(31_999);
    assert_eq!(pair.events(), ["< invited sdp", "> 1/0 answered sdp"]);
    pair.advance(1);
    assert_eq!(pair.events(), ["< 0 never acked"]);
    pair.callee(|agent, now, out| agent.bye(now, LegId::A, out));
    assert_eq!(pair.events(), ["> 1 bye"]);
}

#[test]
fn an_offerless_call_is_acknowledged_with_the_answer() {
    let mut pair = Pair::new();
    pair.invite(None);
    assert_eq!(pair.events(), ["< invited"]);
    pair.callee(|agent, now, out| agent.accept(now, FORK, offer(), out));
    pair.advance(600);
    assert_eq!(pair.seen()[2..], ["< 200 INVITE", "<~ 200 INVITE"], "nothing meets a repeat while the answer is owed");
    assert!(!pair.caller.may_offer(B) && !pair.callee.may_offer(LegId::A));
    pair.caller(|agent, now, out| agent.ack(now, B, answer().unwrap(), out));
    pair.advance(5_000);
    assert_eq!(pair.seen(), ["> ACK"]);
    assert_eq!(pair.events(), ["> 1/0 answered sdp", "< 0 acked sdp"]);
    assert!(pair.caller.may_offer(B) && pair.callee.may_offer(LegId::A));
}

#[test]
fn a_refusal_is_acknowledged_by_the_transaction() {
    let mut pair = Pair::new();
    pair.invite(offer());
    pair.lose_next("ACK", 1);
    pair.callee(|agent, now, out| agent.reject(now, 503, Some(7), out));
    pair.advance(1_000);
    assert_eq!(pair.seen()[2..], ["< 503 INVITE", ">x ACK", "<~ 503 INVITE", ">~ ACK"]);
    assert_eq!(pair.events(), ["< invited sdp", "> 1 failed 503 Peer"]);
    pair.assert_over();
}

#[test]
fn a_lost_invite_starts_one_call() {
    let mut pair = Pair::new();
    pair.lose_next("100 INVITE", 3);
    pair.invite(offer());
    pair.advance(4_000);
    assert_eq!(pair.events(), ["< invited sdp"]);
    let count = pair.seen().iter().filter(|line| line.contains("100 INVITE")).count();
    assert_eq!(count, 4, "each repeat gets the 100 again, nothing else");
}

#[test]
fn cancel_waits_for_a_provisional() {
    let mut pair = Pair::new();
    pair.lose_next("INVITE", 1);
    pair.invite(offer());
    pair.caller(|agent, now, out| agent.cancel(now, B, CancelReason::CallerGaveUp, out));
    assert_eq!(pair.seen(), [">x INVITE"]);
    pair.advance(500);
    assert_eq!(pair.seen(), [">~ INVITE", "< 100 INVITE", "> CANCEL", "< 200 CANCEL"]);
    assert_eq!(pair.events(), ["< invited sdp", "< 0 canceled"]);
    pair.callee(|agent, now, out| agent.reject(now, 487, None, out));
    assert_eq!(pair.events(), ["> 1 failed 487 Peer"]);
    pair.assert_over();
}

#[test]
fn a_cancel_that_crosses_the_200_leaves_both_sides_to_their_calls() {
    let mut pair = Pair::new();
    pair.invite(offer());
    pair.events();
    pair.seen();
    pair.at_once(
        |agent, now, out| agent.cancel(now, B, CancelReason::NextInTurn, out),
        |agent, now, out| agent.accept(now, FORK, answer(), out),
    );
    assert_eq!(pair.seen(), ["> CANCEL", "< 200 INVITE", "< 200 CANCEL", "> ACK"]);
    assert_eq!(pair.events(), ["> 1/0 answered sdp", "< 0 acked"]);
    pair.caller(|agent, now, out| agent.bye(now, B, out));
    let bye = pair.last_request(Callee);
    pair.callee(|agent, now, out| agent.answer(now, bye, 200, None, out));
    pair.assert_over();
}

#[test]
fn whoever_cancels_and_hears_nothing_gives_up_after_64_t1() {
    let mut pair = Pair::new();
    pair.invite(offer());
    pair.lose_next("487 INVITE", 99);
    pair.caller(|agent, now, out| agent.cancel(now, B, CancelReason::NextInTurn, out));
    pair.callee(|agent, now, out| agent.reject(now, 487, None, out));
    pair.advance(32_000);
    assert_eq!(pair.events(), ["< invited sdp", "< 0 canceled", "> 1 failed 487 Timeout"]);
    pair.assert_over();
}
