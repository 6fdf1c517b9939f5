//! REGISTERs against one user's bindings.

use rsip::Method;

use super::*;

fn at(secs: u64) -> Instant {
    Instant::from_millis(secs * 1_000)
}

fn source() -> Way {
    Way { transport: Transport::Udp, address: "198.51.100.7:40123".parse().unwrap() }
}

fn register(call_id: &str, cseq: u32, contacts: &[&str]) -> Request {
    let request = Request::new(Method::Register, "sip:192.0.2.1")
        .with(Name::Via, "SIP/2.0/UDP 10.0.0.9:5070;branch=z9hG4bK1;rport")
        .with(Name::From, "<sip:201@192.0.2.1>;tag=1")
        .with(Name::To, "<sip:201@192.0.2.1>")
        .with(Name::CallId, call_id)
        .with(Name::CSeq, build::cseq(cseq, Method::Register));
    contacts.iter().fold(request, |request, contact| request.with(Name::Contact, *contact))
}

fn put(bindings: &mut Bindings, now: u64, request: &Request) -> Result<(), Refusal> {
    bindings.register(at(now), request, source(), "192.0.2.1:5060".parse().unwrap())
}

/// What the 200 lists.
fn list(bindings: &Bindings, now: u64) -> Vec<String> {
    let response = bindings.response(at(now), &register("x", 1, &[]), Transport::Udp);
    response.headers.all(&Name::Contact).map(ToString::to_string).collect()
}

#[test]
fn an_interval_comes_from_the_contact_else_the_header_else_the_default() {
    let mut phones = Bindings::default();
    let request = register("c", 1, &["<sip:201@10.0.0.9:5070>;expires=120", "<sip:201@10.0.0.8>;q=0.5"])
        .with(Name::Expires, "300");
    put(&mut phones, 0, &request).unwrap();
    put(&mut phones, 10, &register("d", 1, &["<sip:201@10.0.0.7>;expires=soon"])).unwrap();
    put(&mut phones, 10, &register("e", 1, &["<sip:201@10.0.0.6>;expires=9999999"])).unwrap();
    assert_eq!(
        list(&phones, 10),
        [
            "<sip:201@10.0.0.9:5070>;expires=110",
            "<sip:201@10.0.0.8>;expires=290;q=0.500",
            "<sip:201@10.0.0.7>;expires=3600",
            "<sip:201@10.0.0.6>;expires=7200",
        ]
    );
    assert_eq!(phones.all()[0].source, source());
    assert_eq!(phones.next_end(), Some(at(120)));
    phones.expire(at(120));
    assert_eq!(phones.all().len(), 3);
}

#[test]
fn a_brief_interval_is_refused_with_the_least_that_is_taken() {
    let mut phones = Bindings::default();
    let request = register("c", 1, &["<sip:201@10.0.0.9>", "<sip:201@10.0.0.8>;expires=59"]);
    assert_eq!(put(&mut phones, 0, &request), Err(Refusal::TooBrief));
    assert!(phones.is_empty(), "all of it or nothing");
    let response = Refusal::TooBrief.response(&request);
    assert_eq!(response.status, 423);
    assert_eq!(response.headers.get(&Name::MinExpires).unwrap(), "60");
}

#[test]
fn expires_0_takes_one_out_and_the_star_all_of_them() {
    let mut phones = Bindings::default();
    put(&mut phones, 0, &register("c", 1, &["<sip:201@10.0.0.9>", "<sip:201@10.0.0.8>"])).unwrap();
    put(&mut phones, 1, &register("c", 2, &["<sip:201@10.0.0.9>;expires=0"])).unwrap();
    assert_eq!(phones.all().len(), 1);
    let star = |cseq| register("c", cseq, &["*"]);
    assert!(matches!(put(&mut phones, 2, &star(3)), Err(Refusal::Malformed(_))), "without Expires: 0");
    let with_more = register("c", 3, &["*", "<sip:201@10.0.0.8>"]).with(Name::Expires, "0");
    assert!(matches!(put(&mut phones, 2, &with_more), Err(Refusal::Malformed(_))));
    assert_eq!(put(&mut phones, 2, &star(1).with(Name::Expires, "0")), Err(Refusal::OutOfOrder));
    assert_eq!(phones.all().len(), 1);
    put(&mut phones, 2, &star(3).with(Name::Expires, "0")).unwrap();
    assert!(phones.is_empty());
}

#[test]
fn an_older_register_of_the_same_call_id_changes_nothing_and_another_call_ids_does() {
    let mut phones = Bindings::default();
    put(&mut phones, 0, &register("c", 5, &["<sip:201@10.0.0.9>"])).unwrap();
    for cseq in [4, 5] {
        let old = register("c", cseq, &["<sip:201@10.0.0.8>", "<sip:201@10.0.0.9>;expires=0"]);
        assert_eq!(put(&mut phones, 1, &old), Err(Refusal::OutOfOrder));
    }
    assert_eq!(phones.all().len(), 1);
    put(&mut phones, 1, &register("after a restart", 1, &["<sip:201@10.0.0.9>"])).unwrap();
    assert_eq!((phones.all().len(), phones.all()[0].cseq), (1, 1));
}

#[test]
fn a_uri_is_the_same_however_it_is_written_and_another_transport_is_another_phone() {
    let mut phones = Bindings::default();
    put(&mut phones, 0, &register("c", 1, &["<sip:201@Phone.Example.com:5070;ob>"])).unwrap();
    put(&mut phones, 1, &register("c", 2, &["\"Ana\" <sip:201@phone.example.com:5070>"])).unwrap();
    assert_eq!(phones.all().len(), 1);
    put(&mut phones, 1, &register("c", 3, &["<sip:201@phone.example.com:5070;transport=tcp>"])).unwrap();
    assert_eq!(phones.all().len(), 2);
}

#[test]
fn a_device_that_changed_its_address_replaces_its_old_binding() {
    let mut phones = Bindings::default();
    let of = |host: &str, instance: &str| format!("<sip:201@{host}>;+sip.instance=\"<urn:uuid:{instance}>\"");
    put(&mut phones, 0, &register("c", 1, &[&format!("{};reg-id=1", of("10.0.0.9", "a"))])).unwrap();
    put(&mut phones, 1, &register("d", 1, &[&format!("{};reg-id=1", of("10.0.0.8", "a"))])).unwrap();
    put(&mut phones, 2, &register("e", 1, &[&format!("{};reg-id=2", of("10.0.0.7", "a"))])).unwrap();
    put(&mut phones, 3, &register("f", 1, &[&of("10.0.0.6", "b")])).unwrap();
    put(&mut phones, 4, &register("g", 1, &[&of("10.0.0.5", "b")])).unwrap();
    assert_eq!(
        list(&phones, 4),
        [
            "<sip:201@10.0.0.8>;expires=3597;+sip.instance=\"<urn:uuid:a>\";reg-id=1",
            "<sip:201@10.0.0.7>;expires=3598;+sip.instance=\"<urn:uuid:a>\";reg-id=2",
            "<sip:201@10.0.0.5>;expires=3600;+sip.instance=\"<urn:uuid:b>\"",
        ]
    );
}

#[test]
fn of_more_than_ten_the_one_that_would_end_first_goes() {
    let mut phones = Bindings::default();
    for n in 0..12_u32 {
        let contact = format!("<sip:201@10.0.0.{n}>;expires={}", 3_000 - n);
        put(&mut phones, 0, &register(&n.to_string(), 1, &[&contact])).unwrap();
    }
    assert_eq!(phones.all().len(), MOST);
    assert!(phones.all().iter().any(|phone| phone.contact == "sip:201@10.0.0.0"));
    let many: Vec<String> = (0..11).map(|n| format!("<sip:201@10.0.1.{n}>")).collect();
    let many = register("m", 1, &many.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(matches!(put(&mut phones, 0, &many), Err(Refusal::Malformed(_))));
}

#[test]
fn path_is_kept_repeated_and_becomes_the_route() {
    let mut phones = Bindings::default();
    let request = register("c", 1, &["<sip:201@10.0.0.9>"]).with(Name::Path, "<sip:edge.example.com;lr>, <sip:p2;lr>");
    put(&mut phones, 0, &request).unwrap();
    assert_eq!(phones.all()[0].path, ["<sip:edge.example.com;lr>", "<sip:p2;lr>"]);
    let response = phones.response(at(0), &request, Transport::Udp);
    assert_eq!(response.headers.get(&Name::Path).unwrap(), "<sip:edge.example.com;lr>, <sip:p2;lr>");
    assert!(response.headers.has_token(&Name::Supported, "path"));
    let long = request.with(Name::Path, "<sip:p;lr>, ".repeat(9));
    assert!(matches!(put(&mut phones, 1, &long), Err(Refusal::Malformed(_))));
}

#[test]
fn outbound_is_promised_where_flows_can_be_kept_alive() {
    let phones = Bindings::default();
    let request = register("c", 1, &["<sip:201@10.0.0.9>;+sip.instance=\"<urn:uuid:a>\";reg-id=1"])
        .with(Name::Supported, "path, outbound");
    let requires =
        |request: &Request, transport| phones.response(at(0), request, transport).headers.has(&Name::Require);
    assert!(requires(&request, Transport::Tcp));
    assert!(!requires(&request, Transport::Udp));
    assert!(!requires(&register("c", 1, &["<sip:201@10.0.0.9>"]), Transport::Tcp));
}

#[test]
fn what_is_no_address_to_call_is_refused() {
    let mut phones = Bindings::default();
    for contact in ["<tel:+5511987654321>", "<mailto:ana@example.com>", &format!("<sip:{}@h>", "x".repeat(2_000))] {
        let refused = put(&mut phones, 0, &register("c", 1, &[contact]));
        assert!(matches!(refused, Err(Refusal::Malformed(_))), "{contact}");
    }
    put(&mut phones, 0, &register("c", 1, &["<sip:201@10.0.0.9?Route=%3Csip:evil%3E>"])).unwrap();
    assert_eq!(phones.all()[0].contact, "sip:201@10.0.0.9");
    // A question without Contact changes nothing.
    put(&mut phones, 1, &register("q", 1, &[])).unwrap();
    assert_eq!(phones.all().len(), 1);
}
