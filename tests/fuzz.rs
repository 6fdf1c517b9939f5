//! Seeded mutations of the corpus through everything that reads peers' bytes: `ramal::fuzz` says what must hold.
//!
//! `RAMAL_FUZZ_ROUNDS` and `RAMAL_FUZZ_SEED` make a longer or another run of it. What a run finds goes into the corpus.

#![allow(clippy::unwrap_used, reason = "test code: what cannot go on fails")]

use std::path::Path;

use ramal::fuzz::{TARGETS, Target};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// Texts that parsers trip over.
const SPICE: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\r\n ",
    b"\t",
    b" ",
    b":",
    b";",
    b",",
    b"<",
    b">",
    b"\"",
    b"\\",
    b"@",
    b"?",
    b"=",
    b"%",
    b"[",
    b"]",
    b"/",
    b"\0",
    b"\xff",
    b"\xc3",
    "é".as_bytes(),
    b"SIP/2.0",
    b"sip:",
    b"tel:",
    b"[::1]",
    b"Via:",
    b"v:",
    b"l: 5\r\n",
    b"Contact: *\r\n",
    b"-1",
    b"4294967296",
    b"18446744073709551616",
    b";tag=",
    b";rport",
    b"%00",
    b"--",
];

fn env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The corpus of a target: its own folder, and of messages RFC 4475's cases, too.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut folders = vec![tests.join("corpus").join(target)];
    if matches!(target, "message" | "stream") {
        folders.push(tests.join("torture"));
    }
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let mut paths: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.retain(|path| path.extension().is_none_or(|e| e == "sip"));
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn mutate(message: &mut Vec<u8>, seeds: &[Vec<u8>], rng: &mut StdRng) {
    let at = rng.random_range(0..=message.len());
    let end = (at + rng.random_range(0..40)).min(message.len());
    match rng.random_range(0..7) {
        0 => message.splice(at..at, SPICE.choose(rng).unwrap().iter().copied()).for_each(drop),
        1 => message.splice(at..end, SPICE.choose(rng).unwrap().iter().copied()).for_each(drop),
        2 => message.drain(at..end).for_each(drop),
        3 => {
            let copy = message[at..end].to_vec();
            message.splice(at..at, copy).for_each(drop);
        }
        4 => message.iter_mut().skip(at).take(1).for_each(|b| *b = rng.random()),
        5 if rng.random_ratio(1, 4) => message.truncate(at),
        _ => {
            let other = seeds.choose(rng).unwrap();
            let from = rng.random_range(0..=other.len());
            let until = (from + rng.random_range(0..80)).min(other.len());
            message.splice(at..end, other[from..until].iter().copied()).for_each(drop);
        }
    }
}

/// Runs one target; each side, what it takes and what it refuses, must still be reached.
fn run(name: &str, share: u64) {
    let target: Target = TARGETS.iter().find(|(target, _)| *target == name).unwrap().1;
    let (seeds, rounds) = (seeds(name), env("RAMAL_FUZZ_ROUNDS", 60_000) / share);
    let mut rng = StdRng::seed_from_u64(env("RAMAL_FUZZ_SEED", 7));
    let mut taken = seeds.iter().map(|seed| u64::from(target(seed))).sum::<u64>();
    for round in 0..rounds {
        let mut bytes = seeds.choose(&mut rng).unwrap().clone();
        for _ in 0..rng.random_range(1..4) {
            mutate(&mut bytes, &seeds, &mut rng);
        }
        let kept = bytes.clone();
        match std::panic::catch_unwind(|| target(&bytes)) {
            Ok(good) => taken += u64::from(good),
            Err(_) => panic!("round {round}: {}", kept.escape_ascii()),
        }
    }
    assert!(taken > rounds / 20 && rounds - taken > rounds / 20, "both sides are still reached: {taken} of {rounds}");
}

#[test]
fn mutated_messages_break_nothing() {
    run("message", 1);
}

#[test]
fn mutated_streams_give_the_same_frames_in_any_pieces() {
    run("stream", 10);
}

#[test]
fn mutated_descriptions_break_nothing() {
    run("sdp", 1);
}

#[test]
fn mutated_credentials_and_challenges_break_nothing() {
    run("digest", 2);
}

#[test]
fn mutated_numbers_break_nothing() {
    run("number", 10);
}

#[test]
fn every_target_has_a_corpus() {
    for (name, _) in TARGETS {
        assert!(seeds(name).len() >= 4, "{name}");
    }
}

/// Deeper than any stack would bear that reads by recursion, and wider than any table.
#[test]
fn depth_and_width_cost_no_stack() {
    let deep = |open: &str, close: &str| open.repeat(20_000) + &close.repeat(20_000);
    for (_, target) in TARGETS {
        for (open, close) in [("<", ">"), ("\"(", ")"), ("[", "]"), ("a=b;", ""), ("\\", ""), ("(", ")"), (",", "")] {
            target(deep(open, close).as_bytes());
            let header = format!("INVITE sip:x SIP/2.0\r\nTo: {}\r\n\r\n", deep(open, close));
            target(header.as_bytes());
        }
        target("Via: SIP/2.0/UDP h\r\n".repeat(3_000).as_bytes());
        target("--b\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n".repeat(1_200).as_bytes());
    }
}
