//! RFC 4475's torture test: messages of our own for each of its cases, and the RFC's, where a folder with them is near.

#[path = "torture/table.rs"]
mod table;

use std::path::Path;

use bytes::Bytes;
use ramal::sip::message::{Limits, Message, Name, inspect, parse};
use table::{DROPPED, OWN, RFC, TAKEN, Verdict, own, rfcs};

const SUPPORTED: &[&str] = &["timer", "replaces", "100rel", "norefersub"];

/// Parses, objects, and checks on the way that what was taken reads back the same and what is answered prints.
fn verdict(name: &str, bytes: &[u8]) -> Verdict {
    let limits = Limits::default();
    let message = match parse(&Bytes::copy_from_slice(bytes), &limits) {
        Ok(message) => message,
        Err(error) => {
            let answer = error.response();
            if let Some(answer) = &answer {
                assert!(
                    !answer.headers.has(&Name::Contact) && answer.headers.has(&Name::Via),
                    "{name}: copies no more than due"
                );
            }
            return answer.map_or(DROPPED, |answer| answer.status.code());
        }
    };
    assert_eq!(parse(&message.to_bytes(), &limits).as_ref(), Ok(&message), "{name} reads back the same");
    match message {
        Message::Request(request) => inspect(&request, SUPPORTED).map_or(TAKEN, |objection| objection.status().code()),
        Message::Response(_) => TAKEN,
    }
}

fn own_message(name: &str) -> Message {
    parse(&own(name).into(), &Limits::default()).expect("a valid message")
}

#[test]
fn our_own_messages_come_out_right() {
    let wrong: Vec<_> = OWN
        .iter()
        .map(|&(name, wanted)| (name, wanted, verdict(name, &own(name))))
        .filter(|(_, wanted, got)| wanted != got)
        .collect();
    assert_eq!(wrong, [], "(name, wanted, got)");
}

#[test]
fn every_message_in_the_folder_is_in_the_table() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture");
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "sip"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let mut named: Vec<_> = OWN.iter().map(|(name, _)| (*name).to_owned()).collect();
    found.sort();
    named.sort();
    assert_eq!(found, named);
}

#[test]
fn the_rfcs_own_messages_come_out_right() {
    if rfcs(RFC[0].0).is_none() {
        println!("skipped: no folder with RFC 4475's messages; RAMAL_TORTURE names one");
        return;
    }
    let wrong: Vec<_> = RFC
        .iter()
        .map(|&(name, right)| {
            let bytes = rfcs(name).expect("the folder is there");
            (name, right, verdict(name, &bytes))
        })
        .filter(|(_, right, got)| !right.contains(got))
        .collect();
    assert_eq!(wrong, [], "(name, right, got)");
}

#[test]
fn white_space_and_folds_leave_the_values() {
    let Message::Request(request) = own_message("valid-white-space") else { panic!("a request") };
    let headers = &request.headers;
    let from = headers.from().unwrap();
    assert_eq!((from.display.as_str(), from.tag()), (r#"Jo"ao \"#, Some("origem-1")));
    assert_eq!((headers.to_tag(), headers.max_forwards()), (Some("destino-1"), Some(7)));
    assert_eq!(headers.cseq(), Some((12, rsip::Method::Invite)));
    assert_eq!(headers.get(&Name::parse("x-campo-novo").unwrap()).unwrap(), "uma linha e outra");
    assert_eq!(headers.get(&Name::Subject).unwrap(), "");
    let branches: Vec<_> = headers
        .all(&Name::Via)
        .map(|via| ramal::sip::message::Via::parse(via).unwrap())
        .map(|via| (via.transport, via.host, via.branch.unwrap()))
        .collect();
    assert_eq!(
        branches,
        [
            ("UDP", "198.51.100.20", "z9hG4bK-um"),
            ("TCP", "meio.example", "z9hG4bK-dois"),
            ("UDP", "192.0.2.77", "z9hG4bK-tres")
        ]
    );
    assert_eq!(headers.contact().unwrap().display, r#"aspas "dentro""#);
}

#[test]
fn of_two_requests_in_one_datagram_the_first_is_taken() {
    let Message::Request(request) = own_message("valid-second-request-behind") else { panic!("a request") };
    assert_eq!((request.method, request.body.len()), (rsip::Method::Register, 0));
}

#[test]
fn binary_bodies_keep_every_byte() {
    let message = own_message("valid-binary-multipart");
    let every: Vec<u8> = (0..=255).collect();
    assert!(message.body().windows(256).any(|window| window == every));
}

#[test]
fn the_answer_to_a_missing_to_still_finds_its_way() {
    let error = parse(&own("app-mandatory-headers-missing").into(), &Limits::default()).unwrap_err();
    let answer = error.response().unwrap();
    assert_eq!(answer.reason, "Missing From header field");
    assert_eq!(answer.headers.via().unwrap().branch, Some("z9hG4bK-ramal-1"));
}
