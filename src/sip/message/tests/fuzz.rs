//! Seeded mutations of the torture messages: nothing panics, and what is taken reads back the same.
//!
//! `RAMAL_FUZZ_ROUNDS` and `RAMAL_FUZZ_SEED` make a longer or another run of it.

use std::path::Path;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::super::{Limits, Message, Name, Response, Status, identities, inspect, invitation, parse};
use crate::net::framing::{Frame, Framer};

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

fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.retain(|path| path.extension().is_some_and(|e| e == "sip"));
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

/// Reads all that anybody reads.
fn read_everything(message: &Message) {
    let headers = message.headers();
    for header in headers {
        headers.addresses(header.name());
        headers.tokens(header.name()).count();
        headers.number(header.name());
    }
    headers.via();
    headers.cseq();
    headers.contact();
    let source = "[2001:db8::7]:5070".parse().unwrap();
    let mut stamped = headers.clone();
    stamped.stamp_source(source);
    if headers.via().is_some_and(|via| via.rport.is_some()) {
        assert_eq!(stamped.response_target(source), source, "{:?}", headers.get(&Name::Via));
    }
    if let Message::Request(request) = message {
        identities(request);
        invitation(request);
        assert!(request.uri().is_ok());
        if let Some(objection) = inspect(request, &["timer"]) {
            objection.response(request).to_bytes();
        }
        let response = Response::to(request, Status::OK).with_to_tag("ours").with_record_routes(request);
        assert!(response.headers.to_tag().is_some());
    }
}

#[test]
fn mutated_messages_never_panic_and_read_back_the_same() {
    let (seeds, limits) = (seeds(), Limits::default());
    let mut rng = StdRng::seed_from_u64(env("RAMAL_FUZZ_SEED", 7));
    let (mut taken, mut answered) = (0, 0);
    for round in 0..env("RAMAL_FUZZ_ROUNDS", 60_000) {
        let mut bytes = seeds.choose(&mut rng).unwrap().clone();
        for _ in 0..rng.random_range(1..4) {
            mutate(&mut bytes, &seeds, &mut rng);
        }
        match parse(&Bytes::from(bytes), &limits) {
            Ok(message) => {
                taken += 1;
                read_everything(&message);
                let printed = message.to_bytes();
                assert_eq!(parse(&printed, &limits).as_ref(), Ok(&message), "round {round}: {printed:?}");
                let mut framer = Framer::new(limits);
                framer.push(&printed);
                assert_eq!(framer.next(), Some(Frame::Message(printed)), "round {round}: parser and framer agree");
            }
            Err(error) => answered += usize::from(error.response().is_some_and(|r| !r.to_bytes().is_empty())),
        }
    }
    assert!(taken > 5_000 && answered > 5_000, "the mutations still reach both sides: {taken} {answered}");
}

#[test]
fn mutated_streams_give_the_same_frames_in_any_pieces() {
    let (seeds, limits) = (seeds(), Limits { message: 4096, ..Limits::default() });
    let mut rng = StdRng::seed_from_u64(env("RAMAL_FUZZ_SEED", 7));
    for round in 0..env("RAMAL_FUZZ_ROUNDS", 60_000) / 20 {
        let mut stream = Vec::new();
        for _ in 0..rng.random_range(1..4) {
            stream.extend_from_slice(seeds.choose(&mut rng).unwrap());
        }
        (0..rng.random_range(0..3)).for_each(|_| mutate(&mut stream, &seeds, &mut rng));
        let mut whole = Framer::new(limits);
        whole.push(&stream);
        let (mut pieces, mut rest, mut frames) = (Framer::new(limits), &stream[..], Vec::new());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rng.random_range(1..=rest.len().min(300)));
            pieces.push(piece);
            frames.extend(&mut pieces);
            rest = after;
        }
        let kind = |frame: &Frame| match frame {
            Frame::Message(bytes) => (bytes.clone(), None),
            Frame::Ping => (Bytes::new(), None),
            Frame::Fault(error) => (Bytes::new(), Some(error.fault.clone())),
        };
        assert_eq!(
            frames.iter().map(kind).collect::<Vec<_>>(),
            whole.map(|f| kind(&f)).collect::<Vec<_>>(),
            "round {round}"
        );
    }
}
