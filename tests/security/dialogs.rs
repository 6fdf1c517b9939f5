//! S5, S6 and classes 9, 11, 12: whoever speaks into a call that is not hers.

use crate::attack::{Attack, CUSTOMER, LINE, Up};
use crate::house::{SDP, Wire, header, invite};

/// Another trunk of the house.
async fn with_a_rival() -> (Attack, Wire) {
    let rival = Wire::on(("127.0.0.5", 0)).await;
    let attack = Attack::on(&format!("[[trunk]]\nname = \"rival\"\npeers = [\"sip:{}\"]\n", rival.at())).await;
    (attack, rival)
}

/// Requests that would harm the customer's side of a call, as if they came in its dialog.
fn inside(wire: &Wire, call: &Up) -> Vec<String> {
    let mut requests: Vec<_> = ["INVITE", "UPDATE", "INFO", "REFER", "BYE", "MESSAGE", "NOTIFY", "PRACK"]
        .iter()
        .map(|method| wire.in_dialog(method, 50, &call.invite, &call.answered))
        .collect();
    let refer = requests[3].replace("Content-Length", "Refer-To: <sip:+88216555000111@x>\r\nContent-Length");
    requests.push(refer.replace("z9hG4bKREFER", "z9hG4bKREFER2"));
    let steal = requests[0].replace("Content-Length: 0\r\n\r\n", &with_sdp("198.51.100.66"));
    requests.push(steal.replace("z9hG4bKINVITE", "z9hG4bKINVITE2"));
    requests
}

fn with_sdp(at: &str) -> String {
    let sdp = SDP.replace("127.0.0.1", at);
    format!("Contact: <sip:me@{at}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len())
}

#[tokio::test]
async fn requests_with_overheard_tags_from_a_stranger_get_403_and_the_call_is_unharmed() {
    let attack = Attack::on("").await;
    let call = attack.call("o1").await;
    for (n, request) in (0..).zip(inside(&attack.house.carrier, &call)) {
        // Each from an address of its own: five answers a second are all that one has.
        let stranger = Wire::on((format!("127.0.1.{}", 1 + n), 0)).await;
        let request = request.replace(&attack.house.carrier.at().to_string(), &stranger.at().to_string());
        let answer = stranger.ask_until(attack.udp(), &request, "SIP/2.0 ").await;
        assert!(answer.starts_with("SIP/2.0 403 "), "{request}{answer}");
    }
    assert_eq!(attack.house.office.came(), Vec::<String>::new(), "nothing goes through");
    attack.ends_well(&call).await;
    attack.leaves_the_log_alone().await;
}

#[tokio::test]
async fn requests_with_overheard_tags_from_another_trunk_or_the_other_side_get_481() {
    let (attack, rival) = with_a_rival().await;
    let call = attack.call("o2").await;
    for wire in [&rival, &attack.house.office] {
        for request in inside(wire, &call) {
            let answer = wire.ask_until(attack.udp(), &request, "SIP/2.0 ").await;
            assert!(answer.starts_with("SIP/2.0 481 "), "{request}{answer}");
        }
    }
    assert_eq!(attack.house.carrier.came(), Vec::<String>::new(), "nothing goes through");
    attack.ends_well(&call).await;
    attack.leaves_the_log_alone().await;
}

#[tokio::test]
async fn guessed_tags_get_481_from_the_trunk_and_403_from_strangers() {
    let attack = Attack::on("").await;
    let call = attack.call("o3").await;
    let stranger = Wire::on(("127.0.0.2", 0)).await;
    let to = header(&call.answered, "To");
    let (address, tag) = to.split_once(";tag=").unwrap();
    let digit = if tag.ends_with('0') { "1" } else { "0" };
    for guess in [format!("{}{digit}", &tag[..tag.len() - 1]), "1".to_owned(), "0".repeat(64), tag.to_uppercase() + "x"]
    {
        let guessed = call.answered.replace(to, &format!("{address};tag={guess}"));
        for (wire, wanted) in [(&attack.house.carrier, "SIP/2.0 481 "), (&stranger, "SIP/2.0 403 ")] {
            let bye = wire.in_dialog("BYE", 50, &call.invite, &guessed);
            let answer = wire.ask_until(attack.udp(), &bye, "SIP/2.0 ").await;
            assert!(answer.starts_with(wanted), "{guess}: {answer}");
        }
    }
    attack.ends_well(&call).await;
    attack.leaves_the_log_alone().await;
}

#[tokio::test]
async fn an_answer_in_the_phones_name_from_elsewhere_is_not_heard() {
    let (attack, rival) = with_a_rival().await;
    let (carrier, office) = (&attack.house.carrier, &attack.house.office);
    let call = invite(carrier, LINE, CUSTOMER, "a1");
    carrier.send(attack.udp(), &call).await;
    let rung = office.expect("INVITE ").await;
    let stranger = Wire::on(("127.0.0.2", 0)).await;
    for forger in [&stranger, &rival, carrier] {
        for status in [180, 200, 302, 404, 603] {
            forger.answer(attack.udp(), &rung, status, if status == 200 { SDP } else { "" }).await;
        }
    }
    attack.all_is_taken().await;
    assert!(carrier.came().iter().all(|message| message.starts_with("SIP/2.0 100")), "nobody has answered");
    assert_eq!(office.came(), Vec::<String>::new(), "no ACK, no other phone is rung");
    office.answer(attack.udp(), &rung, 200, SDP).await;
    let answered = carrier.expect_answer("SIP/2.0 200", "INVITE").await;
    carrier.ack(attack.udp(), &call, &answered).await;
    office.expect("ACK ").await;
    // Nor are answers to what is asked later: a BYE is repeated until the office itself says 200.
    attack.ends_well(&Up { invite: call, answered, rung }).await;
    attack.leaves_the_log_alone().await;
}

#[tokio::test]
async fn a_call_is_taken_over_by_nobody_who_only_knows_its_tags() {
    let (attack, rival) = with_a_rival().await;
    let call = attack.call("t1").await;
    let of = |message: &str| {
        let (from, to) = (header(message, "From"), header(message, "To"));
        let tag = |address: &str| address.split(";tag=").nth(1).unwrap().to_owned();
        (header(message, "Call-ID").to_owned(), tag(to), tag(from))
    };
    let (id, ours, theirs) = of(&call.answered);
    let stranger = Wire::on(("127.0.0.2", 0)).await;
    for (n, early) in ["", ";early-only"].iter().enumerate() {
        let replaces = format!("Replaces: {id};to-tag={ours};from-tag={theirs}{early}\r\nContent-Type");
        for (wire, wanted) in [(&stranger, ["403", "403"]), (&rival, ["403", "481"])] {
            let takes = invite(wire, LINE, CUSTOMER, &format!("t2{n}")).replace("Content-Type", &replaces);
            let answer = wire.ask_until(attack.udp(), &takes, "SIP/2.0 ").await;
            assert!(wanted.iter().any(|code| answer.starts_with(&format!("SIP/2.0 {code} "))), "{answer}");
        }
    }
    assert_eq!(attack.house.handle().live_calls().len(), 1);
    assert_eq!(attack.house.office.came(), Vec::<String>::new(), "nobody is rung or hung up");
    attack.ends_well(&call).await;
    attack.leaves_the_log_alone().await;
}

#[tokio::test]
async fn a_peer_that_asks_for_a_password_in_a_call_gets_none() {
    let attack = Attack::on(
        "[[trunk]]\nname = \"paid\"\npeers = [\"sip:127.0.0.6:5999\"]\nusername = \"acme\"\npassword = \"sesame\"\n",
    )
    .await;
    let (carrier, office) = (&attack.house.carrier, &attack.house.office);
    carrier.send(attack.udp(), &invite(carrier, LINE, CUSTOMER, "l1")).await;
    let rung = office.expect("INVITE ").await;
    let challenge = |request: &str| {
        crate::house::answer(office.at(), request, 407, "").replace(
            "Content-Length",
            "Proxy-Authenticate: Digest realm=\"x\", nonce=\"00\", algorithm=MD5, qop=\"auth\"\r\nContent-Length",
        )
    };
    office.send(attack.udp(), &challenge(&rung)).await;
    // The next in the queue is rung instead.
    let next = office.expect("INVITE ").await;
    office.answer(attack.udp(), &next, 200, SDP).await;
    carrier.expect_answer("SIP/2.0 200", "INVITE").await;
    for call in attack.house.handle().live_calls() {
        attack.house.handle().hang_up(call.id);
    }
    let bye = office.expect("BYE ").await;
    office.send(attack.udp(), &challenge(&bye)).await;
    attack.all_is_taken().await;
    let asked = [rung, next, bye].concat() + &office.came().concat() + &carrier.came().concat();
    assert!(!asked.contains("Authorization") && !asked.contains("acme") && !asked.contains("response="), "{asked}");
    attack.leaves_the_log_alone().await;
}

#[tokio::test]
async fn bye_cancel_and_reinvites_that_race_in_every_order_leave_no_call_and_no_fault() {
    let attack = Attack::on("").await;
    let (carrier, office) = (&attack.house.carrier, &attack.house.office);
    for round in 0..24_usize {
        let invite = invite(carrier, LINE, CUSTOMER, &format!("x{round}"));
        carrier.send(attack.udp(), &invite).await;
        let rung = office.expect("INVITE ").await;
        office.answer(attack.udp(), &rung, 200, SDP).await;
        let answered = carrier.expect_answer("SIP/2.0 200", "INVITE").await;
        let cancel = invite.split("Contact:").next().unwrap().replace("INVITE", "CANCEL") + "Content-Length: 0\r\n\r\n";
        let mut race = vec![
            carrier.in_dialog("ACK", 1, &invite, &answered),
            carrier
                .in_dialog("INVITE", 2, &invite, &answered)
                .replace("Content-Length: 0\r\n\r\n", &with_sdp("127.0.0.1")),
            cancel,
            carrier.in_dialog("BYE", 3, &invite, &answered),
        ];
        // All 24 orders of four, by the factorial digits of the round.
        let mut order = Vec::new();
        let mut left = round;
        for n in (1..=4).rev() {
            order.push(race.remove(left % n));
            left /= n;
        }
        for request in &order {
            carrier.send(attack.udp(), request).await;
        }
        carrier.expect_answer("SIP/2.0 200", "BYE").await;
        attack.all_is_taken().await;
        assert_eq!(attack.house.handle().live_calls(), [], "{order:#?}");
        for request in office.came() {
            if request.starts_with("BYE ") {
                office.answer(attack.udp(), &request, 200, "").await;
            }
        }
    }
    attack.leaves_the_log_alone().await;
}
