//! S11: calls at the house's cost.

use crate::attack::{Attack, CUSTOMER, LINE, Up};
use crate::house::{Wire, header, invite};

/// Premium, satellite, abroad, and an Italian number written as a national one.
const DEAR: &[&str] = &["+88216555000111", "+18095550100", "+393331234567", "0039333123456", "001188216555000111"];

/// A REFER by the employee's phone, or by the customer's side, of a call that is up.
fn refer(by: &Wire, call: &Up, to: &str, n: usize) -> String {
    let at = by.at();
    let (from, to_header) = (header(&call.rung, "To").to_owned() + ";tag=phone", header(&call.rung, "From"));
    let id = header(&call.rung, "Call-ID");
    format!(
        "REFER sip:ramal SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKre{n};rport\r\nFrom: {from}\r\nTo: {to_header}\r\n\
         Call-ID: {id}\r\nCSeq: {} REFER\r\nMax-Forwards: 70\r\nRefer-To: <sip:{to}@ramal>\r\nContact: <sip:{at}>\r\n\
         Content-Length: 0\r\n\r\n",
        10 + n
    )
}

#[tokio::test]
async fn an_extension_dials_only_the_countries_of_the_file() {
    let attack = Attack::on("").await;
    let office = &attack.house.office;
    for (n, dear) in DEAR.iter().enumerate() {
        let answer = office.ask_until(attack.udp(), &invite(office, dear, "201", &format!("d{n}")), "SIP/2.0 ").await;
        assert!(answer.starts_with("SIP/2.0 403 ") || answer.starts_with("SIP/2.0 404 "), "{dear}: {answer}");
    }
    attack.leaves_nothing().await;
}

#[tokio::test]
async fn an_employees_refer_to_a_dear_number_goes_nowhere_and_a_customers_refer_is_declined() {
    let attack = Attack::on("").await;
    let (carrier, office) = (&attack.house.carrier, &attack.house.office);
    let call = attack.call("r1").await;
    for (n, dear) in DEAR.iter().enumerate() {
        let answer = office.ask_until(attack.udp(), &refer(office, &call, dear, n), "SIP/2.0 ").await;
        assert!(!answer.starts_with("SIP/2.0 1"), "{answer}");
        // Accepted or not, its NOTIFY says so; nobody is called.
        if answer.starts_with("SIP/2.0 2") {
            let notify = office.expect("NOTIFY ").await;
            office.answer(attack.udp(), &notify, 200, "").await;
        }
    }
    let by_customer = carrier
        .in_dialog("REFER", 60, &call.invite, &call.answered)
        .replace("Content-Length", "Refer-To: <sip:+5521976543210@x>\r\nContent-Length");
    carrier.ask_until(attack.udp(), &by_customer, "SIP/2.0 603").await;
    attack.all_is_taken().await;
    assert!(!carrier.came().iter().any(|message| message.starts_with("INVITE ")), "nobody is called");
    for notify in office.came().iter().filter(|message| message.starts_with("NOTIFY ")) {
        office.answer(attack.udp(), notify, 200, "").await;
    }
    attack.ends_well(&call).await;
    attack.leaves_the_log_alone().await;
}

#[tokio::test]
async fn a_phone_that_forwards_to_a_dear_number_makes_nobody_pay() {
    let attack = Attack::on("").await;
    let (carrier, office) = (&attack.house.carrier, &attack.house.office);
    carrier.send(attack.udp(), &invite(carrier, LINE, CUSTOMER, "f1")).await;
    for _ in 0..2 {
        let rung = office.expect("INVITE ").await;
        let away = crate::house::answer(office.at(), &rung, 302, "").replace("<sip:phone@", "<sip:+88216555000111@");
        office.send(attack.udp(), &away).await;
    }
    let answer = loop {
        let message = carrier.next().await;
        assert!(!message.starts_with("INVITE "), "{message}");
        if !message.starts_with("SIP/2.0 1") {
            break message;
        }
    };
    assert!(answer.starts_with("SIP/2.0 480 "), "{answer}");
    attack.leaves_the_log_alone().await;
}

#[tokio::test]
async fn a_call_to_an_own_line_from_inside_is_no_detour_by_the_carrier() {
    let attack = Attack::on("").await;
    let (carrier, office) = (&attack.house.carrier, &attack.house.office);
    office.send(attack.udp(), &invite(office, LINE, "201", "o1")).await;
    let rung = office.expect("INVITE ").await;
    assert!(rung.starts_with("INVITE sip:202@"), "the line's queue: {rung}");
    assert_eq!(carrier.came(), Vec::<String>::new());
    attack.leaves_the_log_alone().await;
}

#[tokio::test]
async fn a_call_with_no_hops_left_goes_no_further() {
    let attack = Attack::on("").await;
    let carrier = &attack.house.carrier;
    let tired = invite(carrier, LINE, CUSTOMER, "z1").replace("Max-Forwards: 70", "Max-Forwards: 0");
    carrier.ask_until(attack.udp(), &tired, "SIP/2.0 483").await;
    attack.leaves_nothing().await;
}
