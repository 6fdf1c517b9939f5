//! The real server between an office and a carrier that challenges, that is dead, or that limits leave no room for.

mod house;

use house::{House, SDP, Wire, answer, header, invite};
use ramal::base::Secret;
use ramal::sip::digest::Credentials;

const CHALLENGES: &str = "Proxy-Authenticate: Digest realm=\"carrier\", nonce=\"n1\", qop=\"auth\", algorithm=MD5\r\n\
    Proxy-Authenticate: Digest realm=\"carrier\", nonce=\"n2\", qop=\"auth\", algorithm=SHA-256, opaque=\"o\"\r\n";

/// Writes more about the trunk into the house's file, and has it taken.
async fn trunk_has(house: &House, keys: &str) {
    let path = house.handle().config_path().to_owned();
    let text = std::fs::read_to_string(&path).expect("the house wrote it");
    std::fs::write(&path, text.replace("name = \"carrier\"\n", &format!("name = \"carrier\"\n{keys}\n")))
        .expect("its folder is ours");
    house.handle().reload().await.expect("the keys are right");
}

/// Somebody at the office dials.
async fn dial(house: &House, number: &str, id: &str) -> String {
    let call = invite(&house.office, number, "201", id);
    house.office.send(house.udp, &call).await;
    call
}

/// Challenges a request; gives the ACK and what comes after it.
async fn challenge(house: &House, request: &str) -> (String, String) {
    let refused =
        answer(house.carrier.at(), request, 407, "").replacen("Contact:", &format!("{CHALLENGES}Contact:"), 1);
    house.carrier.send(house.udp, &refused).await;
    (house.carrier.expect("ACK ").await, house.carrier.next().await)
}

fn credentials(request: &str) -> Credentials {
    Credentials::parse(header(request, "Proxy-Authorization")).unwrap_or_else(|fault| panic!("{fault}: {request}"))
}

#[tokio::test]
async fn a_carrier_that_challenges_gets_the_trunks_password_by_sha_256() {
    let house = House::open("").await;
    trunk_has(&house, "username = \"acme\"\npassword = \"geheim\"").await;
    let (carrier, office) = (&house.carrier, &house.office);
    let call = dial(&house, "+5521976543210", "d1").await;
    let first = carrier.expect("INVITE ").await;
    let (ack, again) = challenge(&house, &first).await;
    assert_eq!(header(&ack, "CSeq"), "1 ACK");
    assert_eq!((header(&again, "CSeq"), header(&again, "Call-ID")), ("2 INVITE", header(&first, "Call-ID")));
    let said = credentials(&again);
    assert_eq!((&*said.username, &*said.nonce, said.count, said.opaque.as_deref()), ("acme", "n2", Some(1), Some("o")));
    assert!(said.are_right(&Secret::new("geheim".to_owned()), "INVITE"));
    carrier.answer(house.udp, &again, 200, SDP).await;
    assert_eq!(credentials(&carrier.expect("ACK ").await).nonce, "n2");
    let answered = office.expect("SIP/2.0 200").await;
    office.ack(house.udp, &call, &answered).await;
    office.bye(house.udp, &call, &answered).await;
    let bye = credentials(&carrier.expect("BYE ").await);
    assert_eq!(bye.count, Some(2));
    assert!(bye.are_right(&Secret::new("geheim".to_owned()), "BYE"));
    house.close().await;
}

#[tokio::test]
async fn a_carrier_that_does_not_take_the_password_is_503_to_the_caller() {
    let house = House::open("").await;
    trunk_has(&house, "username = \"acme\"\npassword = \"wrong\"").await;
    dial(&house, "+5521976543210", "d2").await;
    let first = house.carrier.expect("INVITE ").await;
    let (_, again) = challenge(&house, &first).await;
    let refused = answer(house.carrier.at(), &again, 407, "").replacen("Contact:", &format!("{CHALLENGES}Contact:"), 1);
    house.carrier.send(house.udp, &refused).await;
    house.office.expect("SIP/2.0 503").await;
    house.close().await;
}

#[tokio::test]
async fn no_limit_keeps_an_emergency_call_back() {
    let house = House::open("[limits]\ncalls = 1\nper_employee = 1\ncalls_per_second = 1\n").await;
    dial(&house, "+5521976543210", "e1").await;
    house.carrier.expect("INVITE ").await;
    let second = dial(&house, "+5521976543211", "e2").await;
    let refused = house.office.expect("SIP/2.0 503").await;
    assert_eq!(header(&refused, "Call-ID"), header(&second, "Call-ID"));
    dial(&house, "190", "e3").await;
    let help = house.carrier.expect("INVITE sip:190@").await;
    assert!(header(&help, "From").contains("+551140028922"), "{help}");
    house.close().await;
}

#[tokio::test]
async fn a_call_past_the_channels_is_503_with_retry_after() {
    let house = House::open("").await;
    trunk_has(&house, "channels = 1").await;
    dial(&house, "+5521976543210", "f1").await;
    house.carrier.expect("INVITE ").await;
    dial(&house, "+5521976543211", "f2").await;
    let refused = house.office.expect("SIP/2.0 503").await;
    assert_eq!(header(&refused, "Retry-After"), "5", "{refused}");
    house.close().await;
}

#[tokio::test]
async fn pitfall_28_a_peer_that_was_silent_comes_last_for_the_next_call() {
    let house = House::open("").await;
    let (silent, second) = (Wire::new().await, &house.carrier);
    let path = house.handle().config_path().to_owned();
    let text = std::fs::read_to_string(&path).expect("the house wrote it");
    let peers = format!("peers = [\"sip:{}\", \"sip:{}\"]\nfailover_after = \"200ms\"", silent.at(), second.at());
    std::fs::write(&path, text.replace(&format!("peers = [\"sip:{}\"]", second.at()), &peers)).unwrap();
    house.handle().reload().await.unwrap();
    dial(&house, "+5521976543210", "g1").await;
    let unanswered = silent.expect("INVITE ").await;
    let rung = second.expect("INVITE ").await;
    assert_ne!(header(&rung, "Call-ID"), header(&unanswered, "Call-ID"));
    // The next one knows, and what reaches the silent one is nothing but the first once more.
    dial(&house, "+5521976543211", "g2").await;
    second.expect("INVITE sip:+5521976543211@").await;
    house.close().await;
    while !silent.received_nothing() {
        assert!(silent.next().await.contains("+5521976543210"));
    }
}
