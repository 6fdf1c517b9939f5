//! What is printed reads back the same, whatever the values are.

use bytes::Bytes;
use proptest::prelude::*;
use rsip::Method;

use super::super::{
    Address, Limits, Message, Name, Request, Response, Status, Text, build, method_text, parse, uri_party,
};
use crate::base::is_harmful;

fn method() -> impl Strategy<Value = Method> {
    proptest::sample::select(Method::all())
}

/// Header names whose values nobody checks on the way in.
fn free_name() -> impl Strategy<Value = Name> {
    prop_oneof![
        proptest::sample::select(vec![Name::Subject, Name::UserAgent, Name::Supported, Name::Reason, Name::Diversion]),
        "[A-Za-z][A-Za-z0-9.!%*_+`'~-]{2,20}".prop_map(|text| Name::parse(&format!("X-{text}")).expect("a token")),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let fields = proptest::collection::vec((free_name(), any::<String>()), 0..12);
    let people = (any::<String>(), any::<String>(), "[a-z0-9.]{1,12}");
    (method(), people, fields, any::<u16>(), proptest::collection::vec(any::<u8>(), 0..200)).prop_map(
        |(method, (display, user, host), fields, number, body)| {
            let address = build::name_addr(&display, &build::sip_uri_at(&user, &host));
            let mut request = Request::new(method, build::sip_uri_at(&user, &host))
                .with(Name::Via, "SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKx;rport")
                .with(Name::From, build::tagged(&address, "f"))
                .with(Name::To, address.clone())
                .with(Name::CallId, "c@h")
                .with(Name::CSeq, build::cseq(number.into(), method))
                .with(Name::Contact, address);
            fields.into_iter().for_each(|(name, value)| request.headers.push(name, value));
            request.body = body.into();
            request
        },
    )
}

fn read(bytes: &Bytes) -> Message {
    parse(bytes, &Limits { line: 1 << 20, ..Limits::default() }).unwrap_or_else(|error| panic!("{error}: {bytes:?}"))
}

proptest! {
    #[test]
    fn requests_read_back_as_they_were_made(request in request()) {
        prop_assert_eq!(read(&request.to_bytes()), Message::Request(request));
    }

    #[test]
    fn responses_read_back_as_they_were_made(request in request(), code in 100_u16..700, reason in "[^\r\n]{0,40}") {
        let response = Response::to(&request, Status::new(code).unwrap()).with_to_tag("t").with_reason(reason);
        prop_assert_eq!(response.headers.to_tag(), Some("t"));
        prop_assert_eq!(read(&response.to_bytes()), Message::Response(response));
    }

    #[test]
    fn no_text_becomes_a_line_of_its_own(evil in any::<String>(), uri in any::<String>(), reason in any::<String>()) {
        let request = Request::new(Method::Invite, uri)
            .with(Name::Subject, format!("{evil}\r\nRoute: <sip:evil>\n\n"))
            .with_body(format!("a/b\r\n{evil}"), Bytes::new());
        let printed = request.to_bytes();
        prop_assert_eq!(printed.iter().filter(|b| **b == b'\n').count(), 1 + 2 + 1 + 1);
        let printed = Response::to(&request, Status::OK).with_reason(reason).to_bytes();
        prop_assert_eq!(printed.iter().filter(|b| **b == b'\n').count(), 1 + 1 + 1);
    }

    #[test]
    fn names_and_users_survive_their_quoting(display in any::<String>(), user in "[^;,\\p{Cc}\\s]{1,20}") {
        let text = Text::from(build::name_addr(&display, &build::sip_uri_at(&user, "h")));
        let address = Address::parse(&text).unwrap();
        let shown: String = display.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        prop_assert_eq!(address.display, shown);
        // What turns a line round goes on to nobody.
        let kept: String = user.chars().filter(|c| !is_harmful(*c)).collect();
        prop_assert_eq!(uri_party(&address.uri_text).user, kept);
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _unread = parse(&bytes.into(), &Limits::default());
    }
}

#[test]
fn a_printed_request_looks_like_this() {
    let request = Request::new(Method::Invite, "sip:+551140028922@h")
        .with(Name::Via, "SIP/2.0/UDP h;branch=z9hG4bKa")
        .with(Name::MaxForwards, "70")
        .with_body("application/sdp", "v=0\r\n".into());
    assert_eq!(
        request.to_bytes(),
        "INVITE sip:+551140028922@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\nMax-Forwards: 70\r\n\
         Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n"
    );
    assert_eq!(method_text(request.method), "INVITE");
}

#[test]
fn a_printed_response_looks_like_this() {
    let request = Request::new(Method::Invite, "sip:h")
        .with(Name::Via, "v1")
        .with(Name::Subject, "left out")
        .with(Name::Via, "v2")
        .with(Name::Timestamp, "54")
        .with(Name::RecordRoute, "<sip:p;lr>")
        .with(Name::To, "<sip:h>");
    let ringing = Response::to(&request, Status::RINGING).with_to_tag("t").with_record_routes(&request);
    assert_eq!(
        ringing.to_bytes(),
        "SIP/2.0 180 Ringing\r\nVia: v1\r\nVia: v2\r\nTo: <sip:h>;tag=t\r\nRecord-Route: <sip:p;lr>\r\n\
         Content-Length: 0\r\n\r\n"
    );
    let stateless = || Response::to(&request, Status::FORBIDDEN).with_stateless_to_tag().to_bytes();
    assert_eq!(stateless(), stateless());
    assert_eq!(Response::to(&request, Status::TRYING).headers.get(&Name::Timestamp).unwrap(), "54");
}
