//! When each machine sends again and when it gives up.

use super::*;

/// Runs a machine until it has nothing to wait for; tells when it did what.
fn run(kind: &str, transport: Transport, events: &[(u64, &str)]) -> Vec<(u64, String)> {
    let mut seen = Vec::new();
    let mut out = Effects::new();
    let mut machine = Machine::start(kind, transport, &mut out);
    let mut note = |now: Now, out: &mut Effects, over: bool| {
        if !out.is_empty() {
            seen.push((now.mono.as_micros() / 1_000, effects(out)));
        } else if over {
            seen.push((now.mono.as_micros() / 1_000, "over".into()));
        }
        out.clear();
    };
    note(at(0), &mut out, false);
    let mut events = events.iter().peekable();
    loop {
        let due = machine.next_wakeup().map(|at| at.as_micros() / 1_000);
        let (millis, event) = match (events.peek(), due) {
            (Some((millis, event)), due) if due.is_none_or(|due| *millis <= due) => {
                events.next();
                (*millis, *event)
            }
            (_, Some(due)) => (due, "wake"),
            (_, None) => return seen,
        };
        machine.handle(at(millis), event, &mut out);
        note(at(millis), &mut out, machine.is_over());
    }
}

fn times(seen: &[(u64, String)]) -> Vec<u64> {
    seen.iter().map(|(millis, _)| *millis).collect()
}

#[test]
fn an_invite_is_resent_at_doubling_gaps_and_given_up_after_64_t1() {
    let seen = run("invite client", Transport::Udp, &[]);
    assert_eq!(times(&seen), [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500, 32_000]);
    assert_eq!(seen.last().unwrap().1, "timed out");
}

#[test]
fn a_reliable_transport_resends_nothing_and_gives_up_all_the_same() {
    for kind in ["invite client", "client"] {
        let seen = run(kind, Transport::Tcp, &[]);
        assert_eq!(times(&seen), [0, 32_000]);
        assert_eq!(seen[1].1, "timed out");
    }
}

#[test]
fn another_request_is_resent_at_gaps_of_at_most_t2() {
    let seen = run("client", Transport::Udp, &[]);
    assert_eq!(times(&seen), [0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500, 32_000]);
}

#[test]
fn after_a_provisional_another_request_is_resent_every_t2() {
    let seen = run("client", Transport::Udp, &[(600, "100"), (12_000, "200")]);
    assert_eq!(times(&seen), [0, 500, 600, 1_500, 5_500, 9_500, 12_000, 17_000]);
    assert_eq!(seen.last().unwrap().1, "over");
}

#[test]
fn a_ringing_invite_waits_for_ever() {
    let seen = run("invite client", Transport::Udp, &[(100, "180"), (600_000, "486")]);
    assert_eq!(times(&seen), [0, 100, 600_000, 632_000]);
    assert_eq!(seen[2].1, "send ACK, pass");
}

#[test]
fn a_refusal_is_resent_until_its_ack() {
    let seen = run("invite server", Transport::Udp, &[(0, "486"), (2_000, "ACK")]);
    assert_eq!(times(&seen), [0, 500, 1_500, 7_000]);
}

#[test]
fn a_refusal_without_an_ack_is_given_up_after_64_t1() {
    let seen = run("invite server", Transport::Udp, &[(0, "486")]);
    assert_eq!(times(&seen).first_chunk(), Some(&[0, 500, 1_500, 3_500, 7_500, 11_500]));
    assert_eq!(seen.last().unwrap(), &(32_000, "timed out".to_owned()));
}

#[test]
fn a_late_wake_up_resends_once_and_does_not_stretch_the_schedule() {
    let timers = Timers::default();
    let first = timers.doubling(at(0).mono);
    let second = first.next(at(700).mono);
    assert_eq!(second.at, at(1_500).mono, "700 ms is late by 200 ms, and 1.5 s stays 1.5 s");
    let third = second.next(at(9_000).mono);
    assert_eq!(third.at, at(11_000).mono, "3.5 s is past: a gap from now on");
}
