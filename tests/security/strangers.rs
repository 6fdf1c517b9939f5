//! S1, S2, S4, S9 and classes 3, 10, 14, 15: people whom the files don't know.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::attack::{Attack, CUSTOMER, LINE, head, options, request};
use crate::house::{Wire, header, invite};

/// Far abroad, by satellite: what toll fraud dials.
const ABROAD: &str = "+88216555000111";

#[tokio::test]
async fn a_call_from_nowhere_to_a_line_and_far_abroad_gets_403_and_nothing_else() {
    let attack = Attack::on("").await;
    for (n, to) in [LINE, ABROAD, "201", "0000"].iter().enumerate() {
        let stranger = Wire::on(("127.0.0.2", 0)).await;
        let call = invite(&stranger, to, CUSTOMER, &format!("n{n}"));
        let answer = stranger.ask_until(attack.udp(), &call, "SIP/2.0 ").await;
        assert!(answer.starts_with("SIP/2.0 403 "), "{to}: {answer}");
        assert_eq!((header(&answer, "Allow"), header(&answer, "Content-Length")), ("", "0"), "{answer}");
        assert!(answer.len() <= call.len());
    }
    assert_eq!(attack.metric("ramal_strangers_refused_total"), 4);
    attack.leaves_nothing().await;
}

#[tokio::test]
async fn a_call_from_nowhere_gets_silence_where_the_file_says_so_and_is_counted() {
    let attack = Attack::on("[security]\nunknown_source = \"drop\"").await;
    let stranger = Wire::on(("127.0.0.2", 0)).await;
    stranger.send(attack.udp(), &invite(&stranger, LINE, CUSTOMER, "d1")).await;
    stranger.send(attack.udp(), "INVITE nonsense").await;
    attack.all_is_taken().await;
    assert_eq!(stranger.came(), Vec::<String>::new());
    assert_eq!(attack.metric("ramal_strangers_refused_total"), 2);
    attack.leaves_nothing().await;
}

#[tokio::test]
async fn who_insists_is_not_even_read_for_a_while_and_the_trunk_never_suffers() {
    let attack = Attack::on("").await;
    let stranger = Wire::on(("127.0.0.2", 0)).await;
    for n in 0..300 {
        stranger.send(attack.udp(), &invite(&stranger, LINE, CUSTOMER, &format!("i{n}"))).await;
        if n % 50 == 0 {
            attack.all_is_taken().await;
        }
    }
    attack.all_is_taken().await;
    assert!(stranger.came().len() <= 10, "five answers in any second");
    assert_eq!(attack.metric("ramal_strangers_refused_total"), 20);
    assert_eq!(attack.metric("ramal_strangers_dropped_total"), 280);
    // Her neighbour is nobody's fault.
    let other = Wire::on(("127.0.0.3", 0)).await;
    other.ask_until(attack.udp(), &options(&other, "o"), "SIP/2.0 200").await;
    attack.leaves_nothing().await;
}

#[tokio::test]
async fn at_a_trunks_own_address_nobody_is_banned_whatever_somebody_there_does() {
    let attack = Attack::on("").await;
    // As the carrier's address forged: it has the trunk's IP, and another port.
    let forger = Wire::new().await;
    for n in 0..100 {
        forger.send(attack.udp(), &invite(&forger, LINE, CUSTOMER, &format!("b{n}"))).await;
    }
    attack.all_is_taken().await;
    assert!(forger.came().len() <= 10, "five answers in any second, there too");
    assert_eq!(attack.metric("ramal_strangers_dropped_total"), 0);
    // A wrong extension and a wrong line are people's mistakes, not attacks: any number of them.
    for n in 0..100 {
        let wrong = invite(&attack.house.carrier, "+551140020000", CUSTOMER, &format!("w{n}"));
        attack.house.carrier.ask_until(attack.udp(), &wrong, "SIP/2.0 404").await;
    }
    let call = attack.call("good").await;
    attack.ends_well(&call).await;
    attack.leaves_the_log_alone().await;
}

#[tokio::test]
async fn headers_that_name_a_trunk_an_employee_or_a_proxy_open_no_door() {
    let attack = Attack::on("").await;
    let stranger = Wire::on(("127.0.0.2", 0)).await;
    let (carrier, office) = (attack.house.carrier.at(), attack.house.office.at());
    let call = invite(&stranger, ABROAD, "201", "h1")
        .replace("carrier.example", &office.to_string())
        .replace(&format!("UDP {}", stranger.at()), &format!("UDP {carrier};received={office}"))
        .replace(
            "Content-Type",
            &format!(
                "P-Asserted-Identity: <sip:201@{office}>\r\nRemote-Party-ID: <sip:201@{office}>;party=calling\r\n\
                 Record-Route: <sip:{office};lr>\r\nX-Forwarded-For: {office}\r\nReferred-By: <sip:201@{office}>\r\n\
                 Content-Type"
            ),
        );
    let answer = stranger.ask_until(attack.udp(), &call, "SIP/2.0 ").await;
    assert!(answer.starts_with("SIP/2.0 403 "), "{answer}");
    attack.leaves_nothing().await;
}

#[tokio::test]
async fn a_customer_who_calls_herself_an_employee_has_none_of_her_rights() {
    let attack = Attack::on("[limits]\noutgoing_countries = [\"BR\"]").await;
    let carrier = &attack.house.carrier;
    let forged = |to: &str, id: &str| {
        invite(carrier, to, "201", id).replace("Content-Type", "P-Asserted-Identity: <sip:201@ramal>\r\nContent-Type")
    };
    // To a number outside: the trunk has no such line.
    carrier.ask_until(attack.udp(), &forged("+5511912345678", "e1"), "SIP/2.0 404").await;
    // To a colleague's extension: neither.
    carrier.ask_until(attack.udp(), &forged("202", "e2"), "SIP/2.0 404").await;
    attack.leaves_nothing().await;
}

#[tokio::test]
async fn a_customers_call_to_a_line_stays_a_customers_whoever_she_says_she_is() {
    let attack = Attack::on("").await;
    let carrier = &attack.house.carrier;
    carrier.send(attack.udp(), &invite(carrier, LINE, "201", "e3")).await;
    attack.house.office.expect("INVITE ").await;
    let calls = attack.house.handle().live_calls();
    assert_eq!(calls[0].direction.as_str(), "incoming");
    assert_ne!(calls[0].employee.as_ref().map(|e| e.as_str()), Some("ana"), "the caller is not ana");
    attack.leaves_the_log_alone().await;
}

#[tokio::test]
async fn a_small_request_with_a_forged_via_makes_no_answer_larger_or_elsewhere() {
    let attack = Attack::on("").await;
    let victim = Wire::on(("127.0.0.9", 0)).await;
    for (n, method) in
        ["OPTIONS", "SUBSCRIBE", "REGISTER", "INVITE", "PUBLISH", "MESSAGE", "NOTIFY", "FROB", "BYE"].iter().enumerate()
    {
        let stranger = Wire::on((format!("127.0.0.{}", 20 + n), 0)).await;
        let at = stranger.at().to_string();
        let id = format!("r{n}");
        for forged in [
            // Answers go to the address that it came from, whatever Via says.
            request(&stranger, method, &id).replace(&format!("UDP {at}"), &format!("UDP {}", victim.at())),
            request(&stranger, method, &id).replace("rport", &format!("received=127.0.0.9;maddr=127.0.0.9;rport")),
            request(&stranger, method, &id).replace("rport", &format!("rport={}", victim.at().port())),
            // The shortest that may be answered at all.
            format!(
                "{method} sip:r SIP/2.0\r\nv:SIP/2.0/UDP {at};branch=z9hG4bK{n};rport\r\nf:<sip:p>;tag=1\r\nt:<sip:r>\r\n\
                 i:{n}\r\nCSeq:1 {method}\r\nl:0\r\n\r\n"
            ),
        ] {
            stranger.send(attack.udp(), &forged).await;
            attack.all_is_taken().await;
            for answer in stranger.came() {
                assert!(answer.len() <= forged.len(), "{} > {}: {answer}", answer.len(), forged.len());
                assert!(head(&answer).len() + 4 == answer.len(), "a body: {answer}");
                for name in ["Allow", "Accept", "Supported", "Server", "User-Agent"] {
                    assert_eq!(header(&answer, name), "", "{answer}");
                }
            }
        }
    }
    assert_eq!(victim.came(), Vec::<String>::new());
    attack.leaves_nothing().await;
}

#[tokio::test]
async fn a_burst_of_questions_from_one_address_gets_five_answers_a_second() {
    let attack = Attack::on("").await;
    let stranger = Wire::on(("127.0.0.2", 0)).await;
    let began = Instant::now();
    for n in 0..100 {
        stranger.send(attack.udp(), &options(&stranger, &format!("f{n}"))).await;
    }
    attack.all_is_taken().await;
    let most = 5 * (usize::try_from(began.elapsed().as_secs()).unwrap() + 1);
    let answers = stranger.came().len();
    assert!((1..=most).contains(&answers), "{answers} answers");
    attack.leaves_nothing().await;
}

#[tokio::test]
async fn unsubscribing_and_unregistering_what_is_not_there_is_refused_alike() {
    let attack = Attack::on("").await;
    let (stranger, carrier) = (Wire::on(("127.0.0.2", 0)).await, &attack.house.carrier);
    for method in ["SUBSCRIBE", "REGISTER"] {
        let gone = |wire: &Wire, id: &str| {
            request(wire, method, id)
                .replace("Content-Length", "Event: presence\r\nExpires: 0\r\nContact: *\r\nContent-Length")
        };
        let answer = stranger.ask_until(attack.udp(), &gone(&stranger, method), "SIP/2.0 4").await;
        assert!(answer.starts_with("SIP/2.0 403 ") || answer.starts_with("SIP/2.0 401 "), "{answer}");
        carrier.ask_until(attack.udp(), &gone(carrier, &format!("c{method}")), "SIP/2.0 4").await;
    }
    attack.leaves_nothing().await;
}

#[tokio::test]
async fn neither_code_nor_time_tells_which_numbers_exist() {
    let attack = Attack::on("").await;
    let mut times = [Vec::new(), Vec::new()];
    let mut answers = HashSet::new();
    for n in 0..400_u32 {
        let [_, _, c, d] = n.to_be_bytes();
        let stranger = Wire::on((format!("127.3.{c}.{}", d.max(1)), 0)).await;
        let exists = usize::from(n % 2 == 0);
        let to = [["999", "+551140020000"], ["201", LINE]][exists][usize::from(n % 4 < 2)];
        let call = invite(&stranger, to, CUSTOMER, "t");
        let asked = Instant::now();
        let answer = stranger.ask_until(attack.udp(), &call, "SIP/2.0 ").await;
        times[exists].push(asked.elapsed());
        answers.insert(answer.lines().next().unwrap().to_owned());
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    // By the median: a machine that is busy with something else has its outliers on both sides.
    let [unknown, known] = times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    });
    assert!(known.abs_diff(unknown) < Duration::from_millis(1), "{known:?} and {unknown:?}");
    attack.leaves_nothing().await;
}
