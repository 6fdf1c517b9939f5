//! What reads peers' bytes, as functions that a fuzzer calls: nothing panics, and what is taken reads back the same.
//!
//! `tests/fuzz.rs` runs each by seed on stable; the folder `fuzz/` is a wrapper for cargo-fuzz.

use bytes::Bytes;

use crate::base::phone;
use crate::base::{Account, Secret};
use crate::net::framing::{Frame, Framer};
use crate::sdp;
use crate::sip::digest::{Algorithm, Challenge, Credentials, Session, challenges};
use crate::sip::message::{
    self, Headers, Limits, Message, Name, Response, Status, identities, inspect, invitation, parse,
};

/// Takes bytes; whether they were any good. It panics where we are wrong.
pub type Target = fn(&[u8]) -> bool;

/// All of them, each by the name of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("message", one_message),
    ("stream", one_stream),
    ("sdp", one_description),
    ("digest", one_digest),
    ("number", one_number),
];

/// A datagram: the lexer, the checks, and everything that anybody reads of a message.
pub fn one_message(bytes: &[u8]) -> bool {
    let limits = Limits::default();
    let message = match parse(&Bytes::copy_from_slice(bytes), &limits) {
        Ok(message) => message,
        Err(error) => {
            if let Some(response) = error.response() {
                assert!(!response.to_bytes().is_empty(), "an answer prints");
            }
            return false;
        }
    };
    read_everything(&message);
    let printed = message.to_bytes();
    assert_eq!(parse(&printed, &limits).as_ref(), Ok(&message), "{printed:?} reads back the same");
    let mut framer = Framer::new(limits);
    framer.push(&printed);
    assert_eq!(framer.next(), Some(Frame::Message(printed)), "parser and framer agree");
    true
}

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
    message::sdp(headers, message.body());
    let source = ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 7], 5070).into();
    let mut stamped = headers.clone();
    stamped.stamp_source(source);
    if headers.via().is_some_and(|via| via.rport.is_some()) {
        assert_eq!(stamped.response_target(source), source, "{:?}", headers.get(&Name::Via));
    }
    if let Message::Request(request) = message {
        identities(request);
        invitation(request);
        assert!(request.uri().is_ok(), "what is taken has a Request-URI");
        if let Some(objection) = inspect(request, &["timer"]) {
            objection.response(request).to_bytes();
        }
        let response = Response::to(request, Status::OK).with_to_tag("ours").with_record_routes(request);
        assert!(response.headers.to_tag().is_some(), "a tag stays");
    }
}

/// A stream, in pieces whose length the first byte says: the same frames as in one piece.
pub fn one_stream(bytes: &[u8]) -> bool {
    let (size, stream) = bytes.split_first().map_or((1, bytes), |(first, rest)| (usize::from(*first).max(1), rest));
    let limits = Limits { message: 4096, ..Limits::default() };
    let mut whole = Framer::new(limits);
    whole.push(stream);
    let whole: Vec<_> = whole.map(|frame| kind(&frame)).collect();
    let (mut framer, mut pieces) = (Framer::new(limits), Vec::new());
    for piece in stream.chunks(size) {
        framer.push(piece);
        pieces.extend(framer.by_ref().map(|frame| kind(&frame)));
    }
    assert_eq!(pieces, whole, "in pieces of {size}");
    whole.iter().any(|(_, fault)| fault.is_none())
}

fn kind(frame: &Frame) -> (Bytes, Option<message::Fault>) {
    match frame {
        Frame::Message(bytes) => (bytes.clone(), None),
        Frame::Ping => (Bytes::new(), None),
        Frame::Fault(error) => (Bytes::new(), Some(error.fault.clone())),
    }
}

/// A session description: read, and changed as a call changes it.
pub fn one_description(bytes: &[u8]) -> bool {
    let origin = sdp::origin(bytes);
    sdp::direction(bytes);
    sdp::audio_address(bytes);
    assert!(sdp::same_media(bytes, bytes), "it is its own");
    let released = sdp::without_hold(bytes);
    assert_eq!(sdp::without_hold(&released), released, "once is enough");
    if origin.is_some() {
        let ours = sdp::with_origin(bytes, "ramal", "7", 9);
        let read = sdp::origin(&ours).expect("we have just written it");
        assert_eq!((&*read.username, &*read.session, read.version), ("ramal", "7", 9), "{ours:?}");
        assert!(sdp::same_media(&ours, bytes), "only the origin has changed");
    }
    origin.is_some()
}

/// The value of an Authorization, and of a WWW-Authenticate, which is answered.
pub fn one_digest(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let password = Secret::new("sesame".to_owned());
    let credentials = Credentials::parse(&text);
    if let Ok(credentials) = &credentials {
        credentials.are_right(&password, "REGISTER");
        credentials.are_for("sip:example.com");
    }
    let mut headers = Headers::new();
    headers.push(Name::WwwAuthenticate, &*text);
    let account = Account { username: "acme".to_owned(), password };
    let session = Session { cnonce: "0a4f113b".to_owned(), count: 1 };
    let challenges = challenges(&headers, &Name::WwwAuthenticate);
    for challenge in &challenges {
        let answer = challenge.answer(&account, "REGISTER", "sip:example.com", &session);
        assert!(!answer.contains(['\r', '\n']), "no answer ends its header: {answer}");
        assert!(!answer.contains("sesame"), "nor says the password");
    }
    let ours = Challenge::new("example.com", "n", Algorithm::Sha256, false).text();
    assert!(!ours.contains(['\r', '\n']), "no challenge ends its header");
    credentials.is_ok() || !challenges.is_empty()
}

/// A number as it stands in a user part.
pub fn one_number(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    ["BR", "PT", "US"]
        .iter()
        .filter(|country| phone::read(&text, &phone::Context::plain(country)).e164.is_some())
        .count()
        > 0
}
