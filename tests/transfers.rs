//! Calls that become one, and places that are taken over, on the real server: its own part is whose a message is.

#![allow(clippy::unwrap_used, reason = "test code: what cannot go on fails")]

mod house;

use house::{House, SDP, header, invite};
use ramal::call::Publication;

/// A request of a phone in the dialog of an INVITE that it answered.
fn of_callee(at: std::net::SocketAddr, method: &str, cseq: u32, rung: &str, more: &str) -> String {
    let contact = header(rung, "Contact");
    let uri = contact.split('<').nth(1).and_then(|uri| uri.split('>').next()).unwrap();
    let (from, to, id) = (header(rung, "To"), header(rung, "From"), header(rung, "Call-ID"));
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{method}{cseq}{};rport\r\nMax-Forwards: 70\r\n\
         From: {from};tag=phone\r\nTo: {to}\r\nCall-ID: {id}\r\nCSeq: {cseq} {method}\r\nContact: <sip:phone@{at}>\r\n\
         {more}Content-Length: 0\r\n\r\n",
        id.split('@').next().unwrap()
    )
}

fn tag(address: &str) -> &str {
    address.split(";tag=").nth(1).unwrap()
}

/// A customer talks with bruno, who has called ana: the INVITEs that rang, and those that called with their 200s.
struct Consulting {
    house: House,
    /// bruno's and ana's.
    rung: [String; 2],
    customer: [String; 2],
    consultation: [String; 2],
}

async fn consulting() -> Consulting {
    let house = House::open("").await;
    let (carrier, office) = (&house.carrier, &house.office);
    let call = invite(carrier, "+551140028922", "+5521976543210", "m1");
    carrier.send(house.udp, &call).await;
    let brunos = office.expect("INVITE sip:202@").await;
    office.answer(house.udp, &brunos, 200, SDP).await;
    let answered = carrier.expect("SIP/2.0 200").await;
    carrier.ack(house.udp, &call, &answered).await;
    let consults = invite(office, "201", "202", "k1");
    office.send(house.udp, &consults).await;
    let anas = office.expect("INVITE sip:201@").await;
    office.answer(house.udp, &anas, 200, SDP).await;
    let up = office.expect_answer("SIP/2.0 200", "INVITE").await;
    office.ack(house.udp, &consults, &up).await;
    Consulting { house, rung: [brunos, anas], customer: [call, answered], consultation: [consults, up] }
}

/// Waits for a transfer to be told.
async fn told(
    events: &mut tokio::sync::broadcast::Receiver<std::sync::Arc<ramal::node::events::Event>>,
) -> Publication {
    loop {
        let event = tokio::time::timeout(house::SOON, events.recv()).await.expect("it is told").unwrap();
        if let Some(publication) = event.publication().filter(|publication| publication.event == "call.transferred") {
            return publication.clone();
        }
    }
}

#[tokio::test]
async fn the_far_end_of_a_consultation_call_moves_to_the_customers_and_is_found_there() {
    let Consulting { house, rung: [brunos, anas], customer: [call, answered], consultation: [consults, up] } =
        consulting().await;
    let handle = house.handle();
    let mut events = handle.events().subscribe(None).live;
    let (carrier, office) = (&house.carrier, &house.office);
    let (to_tag, from_tag) = (tag(header(&up, "To")), tag(header(&consults, "From")));
    let replaces = format!("k1%40carrier.example%3Bto-tag%3D{to_tag}%3Bfrom-tag%3D{from_tag}");
    let refer_to = format!("Refer-To: <sip:201@{}?Replaces={replaces}>\r\n", office.at());
    office.send(house.udp, &of_callee(office.at(), "REFER", 2, &brunos, &refer_to)).await;
    let reinvite = carrier.expect("INVITE ").await;
    carrier.answer(house.udp, &reinvite, 200, SDP).await;
    // bruno hears of it, and ana is told of the customer's media: by one socket, in whatever order
    let (mut notified, mut offered) = (Vec::new(), false);
    while notified.len() < 2 || !offered {
        let request = office.next().await;
        if request.starts_with("NOTIFY ") {
            notified.push(request.contains("SIP/2.0 200 OK"));
            office.answer(house.udp, &request, 200, "").await;
        } else if request.starts_with("INVITE ") && header(&request, "To").contains(";tag=") {
            assert_eq!(header(&request, "Call-ID"), header(&anas, "Call-ID"));
            office.answer(house.udp, &request, 200, SDP).await;
            offered = true;
        }
    }
    assert_eq!(notified, [false, true]);
    let transferred = told(&mut events).await;
    assert_eq!(transferred.kind, Some("attended"));
    assert_eq!(transferred.to_employee.unwrap().as_str(), "ana");
    // both of bruno's calls hang up; ana's leg is named after the second, which is over
    office.send(house.udp, &of_callee(office.at(), "BYE", 3, &brunos, "")).await;
    office.bye(house.udp, &consults, &up).await;
    for _ in 0..2 {
        office.expect_answer("SIP/2.0 200", "BYE").await;
    }
    assert_eq!(handle.live_calls().len(), 1);
    let id = handle.live_calls()[0].id;
    office.send(house.udp, &of_callee(office.at(), "BYE", 2, &anas, "")).await;
    let bye = carrier.expect("BYE ").await;
    carrier.answer(house.udp, &bye, 200, "").await;
    office.expect_answer("SIP/2.0 200", "BYE").await;
    let record = handle.store().reader().call(id).await.unwrap().expect("committed before the 200 to the BYE");
    assert_eq!(record.employee.unwrap().as_str(), "ana");
    assert_eq!(record.transferred_from.unwrap().as_str(), "bruno");
    let legs: Vec<_> = record.legs.iter().map(|leg| leg.employee.as_str()).collect();
    assert_eq!(legs, ["bruno", "ana"]);
    drop((call, answered));
    house.close().await;
}

#[tokio::test]
async fn an_invite_with_replaces_takes_a_place_and_its_repeats_take_no_second() {
    let Consulting { house, rung: [brunos, _], .. } = consulting().await;
    let handle = house.handle();
    let mut events = handle.events().subscribe(None).live;
    let (carrier, office) = (&house.carrier, &house.office);
    let replaces = format!("{};to-tag={};from-tag=phone", header(&brunos, "Call-ID"), tag(header(&brunos, "From")));
    let takes = |wire, by: &str, id: &str, more: &str| {
        let replaces = format!("Replaces: {replaces}{more}\r\nReferred-By: <sip:202@pbx>\r\nMax-Forwards");
        invite(wire, "ramal", by, id).replace("Max-Forwards", &replaces)
    };
    for (wire, by, more, status) in [
        (carrier, "201", "", "481"),
        (office, "299", "", "403"),
        (office, "201", ";early-only", "486"),
        (office, "201", "x", "481"),
    ] {
        let call = takes(wire, by, &format!("no{status}{}", more.len()), more);
        let id = header(&call, "Call-ID").to_owned();
        wire.send(house.udp, &call).await;
        let refused = loop {
            let answer = wire.expect("SIP/2.0 ").await;
            if header(&answer, "Call-ID") == id && !answer.starts_with("SIP/2.0 100") {
                break answer;
            }
        };
        assert!(refused.starts_with(&format!("SIP/2.0 {status} ")), "{by} {more}: {refused}");
    }
    let call = takes(office, "201", "yes", "");
    office.send(house.udp, &call).await;
    office.send(house.udp, &call).await;
    let reinvite = carrier.expect("INVITE ").await;
    carrier.answer(house.udp, &reinvite, 200, SDP).await;
    let answered = office.expect_answer("SIP/2.0 200", "INVITE").await;
    assert_eq!(header(&answered, "Call-ID"), "yes@carrier.example");
    office.ack(house.udp, &call, &answered).await;
    let bye = office.expect("BYE ").await;
    assert_eq!(header(&bye, "Call-ID"), header(&brunos, "Call-ID"), "bruno's phone is sent away");
    office.answer(house.udp, &bye, 200, "").await;
    let transferred = told(&mut events).await;
    assert_eq!((transferred.kind, transferred.to_employee.unwrap().as_str()), (Some("takeover"), "ana"));
    office.bye(house.udp, &call, &answered).await;
    carrier.expect("BYE ").await;
    house.close().await;
}
