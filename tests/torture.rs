//! RFC 4475's torture test: messages of our own for each of its cases, and the RFC's, where a folder with them is near.
//!
//! The RFC's own files are looked for in `RAMAL_TORTURE`, else in `../shared/torture` beside the checkout.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use ramal::sip::message::{Limits, Message, Name, inspect, parse};

/// What becomes of a message: 0 is taken, 1 dropped in silence, else the code of its answer.
type Verdict = u16;
const TAKEN: Verdict = 0;
const DROPPED: Verdict = 1;

const SUPPORTED: &[&str] = &["timer", "replaces", "100rel", "norefersub"];

/// Each of RFC 4475's files and the verdicts that are right.
const RFC: &[(&str, &[Verdict])] = &[
    ("wsinv", &[TAKEN]),
    ("intmeth", &[501, 405]),
    ("esc01", &[TAKEN]),
    ("escnull", &[TAKEN]),
    ("esc02", &[501, 405]),
    ("lwsdisp", &[TAKEN]),
    ("longreq", &[TAKEN]),
    ("dblreq", &[TAKEN]),
    ("semiuri", &[TAKEN]),
    ("transports", &[TAKEN]),
    ("mpart01", &[TAKEN]),
    ("unreason", &[TAKEN]),
    ("noreason", &[TAKEN]),
    ("badinv01", &[400]),
    ("clerr", &[400]),
    ("ncl", &[400]),
    ("scalar02", &[400]),
    ("scalarlg", &[DROPPED]),
    ("quotbal", &[400]),
    ("ltgtruri", &[400]),
    ("lwsruri", &[400]),
    ("lwsstart", &[400]),
    ("trws", &[400]),
    ("escruri", &[400]),
    ("baddate", &[400, TAKEN]),
    ("regbadct", &[400]),
    ("badaspec", &[400]),
    ("baddn", &[400, TAKEN]),
    ("badvers", &[505]),
    ("mismatch01", &[400]),
    ("mismatch02", &[400, 501]),
    ("bigcode", &[DROPPED]),
    ("badbranch", &[400, TAKEN]),
    ("insuf", &[400]),
    ("unkscm", &[416]),
    ("novelsc", &[416]),
    ("unksm2", &[400]),
    ("bext01", &[420]),
    ("invut", &[415]),
    ("regaut01", &[401]),
    ("multi01", &[400]),
    ("mcl01", &[400]),
    ("bcast", &[DROPPED]),
    ("zeromf", &[483]),
    ("cparam01", &[TAKEN]),
    ("cparam02", &[TAKEN]),
    ("regescrt", &[TAKEN]),
    ("sdp01", &[406]),
    ("inv2543", &[TAKEN]),
];

/// Our own messages, in the order of RFC 4475's cases.
const OWN: &[(&str, Verdict)] = &[
    ("valid-white-space", TAKEN),
    ("valid-odd-method-and-characters", 501),
    ("valid-escapes-in-user-parts", TAKEN),
    ("valid-escaped-null", TAKEN),
    ("valid-percent-is-no-escape-in-tokens", 501),
    ("valid-no-space-before-bracket", TAKEN),
    ("valid-long-values", TAKEN),
    ("valid-second-request-behind", TAKEN),
    ("valid-semicolon-in-user-part", TAKEN),
    ("valid-unknown-transports", TAKEN),
    ("valid-binary-multipart", TAKEN),
    ("valid-reason-in-utf8", TAKEN),
    ("valid-reason-empty", TAKEN),
    ("invalid-separators", 400),
    ("invalid-length-too-large", 400),
    ("invalid-length-negative", 400),
    ("invalid-scalars-in-request", 400),
    ("invalid-scalars-in-response", DROPPED),
    ("invalid-open-quote", 400),
    ("invalid-request-uri-in-brackets", 400),
    ("invalid-space-in-request-uri", 400),
    ("invalid-double-spaces-in-request-line", 400),
    ("invalid-space-after-version", 400),
    ("invalid-headers-in-request-uri", 400),
    ("invalid-date-zone", 400),
    ("invalid-contact-headers-without-brackets", 400),
    ("invalid-spaces-in-address", 400),
    ("lenient-comma-in-bare-name", TAKEN),
    ("invalid-version", 505),
    ("invalid-method-differs-from-cseq", 400),
    ("invalid-unknown-method-differs-from-cseq", 400),
    ("invalid-status-code", DROPPED),
    ("invalid-branch-cookie-alone", 400),
    ("app-mandatory-headers-missing", 400),
    ("app-unknown-scheme", 416),
    ("app-unknown-hierarchical-scheme", 416),
    ("app-foreign-schemes-in-register", 400),
    ("app-unknown-requirements", 420),
    ("app-unknown-content-type", 415),
    ("app-unknown-credentials", 401),
    ("app-repeated-headers", 400),
    ("app-two-lengths", 400),
    ("app-foreign-response", DROPPED),
    ("app-no-hops-left", 483),
    ("app-unknown-contact-parameter", TAKEN),
    ("app-unknown-uri-parameter", TAKEN),
    ("app-headers-in-contact", TAKEN),
    ("app-no-sdp-accepted", 406),
    ("old-rfc-2543", TAKEN),
];

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

fn own(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture").join(name).with_extension("sip");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
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
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/torture");
    let folder = std::env::var_os("RAMAL_TORTURE").map_or_else(beside, PathBuf::from);
    if !folder.is_dir() {
        println!("skipped: no folder with RFC 4475's messages; RAMAL_TORTURE names one");
        return;
    }
    let wrong: Vec<_> = RFC
        .iter()
        .map(|&(name, right)| {
            let path = folder.join(name).with_extension("dat");
            let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
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
