//! S10 and class 16: what a caller writes into names and headers, on its way to the CRM, the console and the log.

use std::process::Command;

use ramal::crm::Backend;
use ramal::crm::embedded::find;
use ramal::http::{Shared, server};

use crate::attack::{Attack, CUSTOMER, LINE};
use crate::house::{header, invite};

/// Names that do harm where they are believed.
const NAMES: &[&str] = &[
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd",
    "\\\"><img src=x onerror=alert(1)>",
    "'; DROP TABLE leads; --",
    "%0d%0aBcc: x",
    "\u{1b}[2J\u{1b}]0;owned\u{7}",
    "gpj\u{202e}exe.\u{2066}",
    "{{7*7}} ${jndi:ldap://x}",
];

#[tokio::test]
async fn scripts_formulas_and_escapes_in_a_name_reach_phone_api_and_terminal_as_mere_text() {
    let attack = Attack::on("").await;
    let (carrier, office, handle) = (&attack.house.carrier, &attack.house.office, attack.house.handle());
    let settings = ramal::config::load(handle.config_path()).unwrap().settings;
    let shared = Shared::new(handle.clone(), settings.http.api_token);
    let control = server::listen_control(&settings.http.control, &shared).unwrap();
    for (n, name) in NAMES.iter().enumerate() {
        let call = invite(carrier, LINE, CUSTOMER, &format!("j{n}"));
        let call = call.replace("From: <", &format!("Subject: {name}\r\nFrom: \"{name}\" <"));
        carrier.send(attack.udp(), &call).await;
        let rung = office.expect("INVITE ").await;
        let harmful = |text: &str| text.chars().filter(|c| ramal::base::is_harmful(*c) && !"\r\n".contains(*c)).count();
        assert_eq!(harmful(&rung), 0, "{rung:?}");
        let names: Vec<_> = rung.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
        assert!(!names.contains(&"Bcc"), "{rung}");
        let id = handle.live_calls()[0].id;
        let (record, _) = handle.live_call(id).unwrap();
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(harmful(&json), 0, "{json}");
        let config = handle.config_path().to_owned();
        let show = move || {
            Command::new(env!("CARGO_BIN_EXE_ramal")).args(["call", &id.to_string(), "--config"]).arg(config).output()
        };
        let shown = tokio::task::spawn_blocking(show).await.unwrap().unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(shown.contains("INVITE"), "{shown}");
        assert_eq!(harmful(&shown), 0, "{shown:?}");
        office.answer(attack.udp(), &rung, 180, "").await;
        carrier.expect("SIP/2.0 180").await;
        handle.hang_up(id);
        office.expect("CANCEL ").await;
    }
    let Backend::Embedded(crm) = handle.crm();
    let found = find(crm, CUSTOMER, &|_| false).await.unwrap();
    let json = serde_json::to_string(&found).unwrap();
    assert!(!json.chars().any(ramal::base::is_harmful), "{json}");
    shared.close();
    control.ended().await;
    attack.leaves_the_log_alone().await;
}

#[tokio::test]
async fn line_ends_in_a_quoted_name_or_a_user_part_start_no_header() {
    let attack = Attack::on("").await;
    let (carrier, office) = (&attack.house.carrier, &attack.house.office);
    for (n, user) in ["%0d%0aX-Evil:1", "a%0aX-Evil:1", "+5521976543210%00"].iter().enumerate() {
        let call = invite(carrier, LINE, user, &format!("k{n}"));
        let call = call
            .replace("From: <", "From: \"a\\\r\n X-Evil: 1\" <")
            .replace(&format!("Contact: <sip:{user}"), "Contact: <sip:a");
        carrier.send(attack.udp(), &call).await;
        attack.all_is_taken().await;
        for message in office.came() {
            assert_eq!(header(&message, "X-Evil"), "", "{message}");
            assert!(!message.split("\r\n").any(|line| line.starts_with("X-Evil") || line.contains('\n')), "{message}");
        }
        for call in attack.house.handle().live_calls() {
            attack.house.handle().hang_up(call.id);
        }
    }
    attack.leaves_the_log_alone().await;
}

#[tokio::test]
async fn ten_kilobytes_of_name_are_refused_and_one_less_than_the_limit_is_cut_nowhere_harmful() {
    let attack = Attack::on("").await;
    let (carrier, office) = (&attack.house.carrier, &attack.house.office);
    let long = invite(carrier, LINE, CUSTOMER, "g1").replace("From: <", &format!("From: \"{}\" <", "x".repeat(10_240)));
    let answer = carrier.ask_until(attack.udp(), &long, "SIP/2.0 ").await;
    assert!(
        ["400", "413", "431", "513"].iter().any(|code| answer.starts_with(&format!("SIP/2.0 {code} "))),
        "{answer}"
    );
    let call = attack.call("g2").await;
    for (n, value) in
        ["x".repeat(10_240), format!("<sip:{}@x>", "9".repeat(10_240)), format!("<sip:201@x?{}>", "a=b&".repeat(2_000))]
            .iter()
            .enumerate()
    {
        let at = office.at();
        let refer = format!(
            "REFER sip:ramal SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKg{n};rport\r\nFrom: {}\r\nTo: {}\r\n\
             Call-ID: {}\r\nCSeq: {} REFER\r\nMax-Forwards: 70\r\nRefer-To: {value}\r\nContact: <sip:{at}>\r\nContent-Length: 0\r\n\r\n",
            header(&call.rung, "To").to_owned() + ";tag=phone",
            header(&call.rung, "From"),
            header(&call.rung, "Call-ID"),
            10 + n
        );
        let answer = office.ask_until(attack.udp(), &refer, "SIP/2.0 ").await;
        assert!(!answer.starts_with("SIP/2.0 5"), "{answer}");
    }
    let diverted = invite(carrier, LINE, CUSTOMER, "g3")
        .replace("Content-Type", &format!("Diversion: <sip:{}@x>;reason=a\r\nContent-Type", "1".repeat(9_000)));
    carrier.send(attack.udp(), &diverted).await;
    attack.all_is_taken().await;
    attack.ends_well(&call).await;
    attack.leaves_the_log_alone().await;
}
