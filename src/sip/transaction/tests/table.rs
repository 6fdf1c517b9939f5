//! Every state × every event, as a table to be read against the RFC's figures 5 to 8: a change to a machine shows here.

use std::fmt::Write as _;

use super::*;

/// Prints what `kind` does at 2 s with every event, in every state that `ways` lead to by events at 1 s.
fn table(kind: &str, ways: &[&[&str]], events: &[&str]) -> String {
    let mut text = String::new();
    for transport in [Transport::Udp, Transport::Tcp] {
        for way in ways {
            let mut ignored = Effects::new();
            let mut machine = Machine::start(kind, transport, &mut ignored);
            way.iter().for_each(|event| machine.handle(at(1_000), event, &mut ignored));
            for event in events {
                let (mut next, mut out) = (machine.clone(), Effects::new());
                next.handle(at(2_000), event, &mut out);
                let from = machine.state();
                let wakeup = next.next_wakeup().map_or("-".to_owned(), |at| format!("{at:?}"));
                writeln!(
                    text,
                    "{} {from:<10} {event:<11} => {:<10} | {:<20} | wake {wakeup}",
                    transport.as_str(),
                    next.state(),
                    effects(&out),
                )
                .unwrap();
            }
        }
    }
    text
}

#[test]
fn invite_client() {
    let ways: &[&[&str]] = &[&[], &["180"], &["486"], &["200"], &["unreachable"]];
    let events = &["100", "180", "200", "302", "486", "603", "wake", "unreachable"];
    insta::assert_snapshot!(table("invite client", ways, events));
}

#[test]
fn client() {
    let ways: &[&[&str]] = &[&[], &["100"], &["200"], &["unreachable"]];
    insta::assert_snapshot!(table("client", ways, &["100", "200", "481", "wake", "unreachable"]));
}

#[test]
fn invite_server() {
    let ways: &[&[&str]] = &[&[], &["180"], &["486"], &["486", "ACK"], &["200"]];
    insta::assert_snapshot!(table("invite server", ways, &["again", "ACK", "180", "200", "486", "wake"]));
}

#[test]
fn server() {
    let ways: &[&[&str]] = &[&[], &["100"], &["200"]];
    insta::assert_snapshot!(table("server", ways, &["again", "ACK", "100", "200", "481", "wake"]));
}
