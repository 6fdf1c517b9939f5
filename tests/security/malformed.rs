//! Classes 1, 2, 7, 8 and 17: messages made to overrun whoever reads them, from a trunk that has lost its mind.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::attack::{Attack, CUSTOMER, LINE};
use crate::house::{SDP, invite};

/// An INVITE with this body of this type.
fn with_body(call: &str, kind: &str, body: &str) -> String {
    let head = call.split("Content-Type").next().unwrap();
    format!("{head}Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn floods_of_headers_vias_and_parts_are_refused_and_the_call_beside_them_goes_on() {
    let attack = Attack::on("").await;
    let call = attack.call("m0").await;
    let carrier = &attack.house.carrier;
    let plain = |id: &str| invite(carrier, LINE, CUSTOMER, id);
    let many = |line: &str, count: usize| line.repeat(count) + "Max-Forwards";
    let via = format!("Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKdeep\r\n");
    let deep = (0..2_000)
        .map(|n| format!("--b{n}\r\nContent-Type: multipart/mixed;boundary=b{}\r\n\r\n", n + 1))
        .collect::<String>();
    let nested = format!("{}{}{}", "<".repeat(7_000), "\"(".repeat(400), ">".repeat(300));
    for hostile in [
        plain("m1").replace("Max-Forwards", &many(&via, 100)),
        plain("m2").replace("Max-Forwards", &many("X-Flood: x\r\n", 2_000)),
        plain("m3").replace("Max-Forwards", &format!("X-Long: {}\r\nMax-Forwards", "x".repeat(50_000))),
        plain("m4").replace("Max-Forwards", &format!("Route: {nested}\r\nMax-Forwards")),
        plain("m5").replace("Max-Forwards", &format!("Via: {}\r\nMax-Forwards", "SIP/2.0/UDP h,".repeat(500))),
        with_body(&plain("m6"), "multipart/mixed;boundary=b0", &deep[..deep.len().min(60_000)]),
        with_body(&plain("m7"), "multipart/mixed;boundary=\"\"", "--\r\n--\r\n----"),
        with_body(&plain("m8"), "multipart/mixed;boundary=b", "--b"),
        with_body(&plain("m9"), "application/sdp", &"a=x\r\n".repeat(10_000)),
        with_body(&plain("m10"), "application/sdp", &format!("v=0\r\n{}", "m=audio 1 RTP/AVP 0\r\n".repeat(2_000))),
        plain("m11").replace(&format!("Content-Length: {}", SDP.len()), "Content-Length: -1"),
        plain("m12").replace(&format!("Content-Length: {}", SDP.len()), "Content-Length: 18446744073709551616"),
        plain("m13").replace(&format!("Content-Length: {}", SDP.len()), "Content-Length: 4000000000"),
        plain("m14").replace("CSeq: 1 ", "CSeq: 4294967296 "),
        plain("m15").replace("Max-Forwards: 70", "Max-Forwards: 99999999999999999999"),
        "\0".repeat(65_507),
        "INVITE ".repeat(9_000),
    ] {
        carrier.send(attack.udp(), &hostile).await;
    }
    attack.all_is_taken().await;
    attack.ends_well(&call).await;
    attack.leaves_the_log_alone().await;
}

#[tokio::test]
async fn descriptions_with_numbers_that_overflow_pass_or_fail_and_break_nothing() {
    let attack = Attack::on("").await;
    let (carrier, office) = (&attack.house.carrier, &attack.house.office);
    let lines = [
        "a=ptime:4294967296\r\na=maxptime:-1",
        "a=rtpmap:99999999999 X/0/0",
        "a=fmtp:8 \0",
        "b=AS:18446744073709551616",
        "m=audio 99999 RTP/AVP 8",
        "m=audio 4000/4294967295 RTP/AVP 8",
        "c=IN IP4 999.999.999.999",
        "o=- 99999999999999999999999 0 IN IP4 x",
        "t=-1 -1",
    ];
    for (n, line) in lines.iter().enumerate() {
        let call = with_body(
            &invite(carrier, LINE, CUSTOMER, &format!("p{n}")),
            "application/sdp",
            &format!("{SDP}{line}\r\n"),
        );
        carrier.send(attack.udp(), &call).await;
        attack.all_is_taken().await;
        for rung in office.came().iter().filter(|message| message.starts_with("INVITE ")) {
            // The phone answers in kind; our side of it must not care either.
            office.answer(attack.udp(), rung, 200, &format!("{SDP}{line}\r\n")).await;
        }
        attack.all_is_taken().await;
        for call in attack.house.handle().live_calls() {
            attack.house.handle().hang_up(call.id);
        }
    }
    attack.leaves_the_log_alone().await;
}

#[tokio::test]
async fn a_stream_with_no_length_a_negative_or_an_absurd_one_is_answered_and_closed() {
    let attack = Attack::on("").await;
    let call = attack.call("s0").await;
    let head = invite(&attack.house.carrier, LINE, CUSTOMER, "s1");
    let head = head.split("Content-Length").next().unwrap();
    for length in [
        "",
        "Content-Length: -5\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length: 65600\r\n",
        "l: 1\r\nl: 2\r\n",
    ] {
        let mut stream = TcpStream::connect(attack.house.tcp).await.unwrap();
        stream.write_all(format!("{head}{length}\r\n{SDP}").as_bytes()).await.unwrap();
        let mut answer = String::new();
        let read = tokio::time::timeout(crate::house::SOON, stream.read_to_string(&mut answer)).await;
        read.expect("it is closed").unwrap();
        assert!(answer.starts_with("SIP/2.0 4") || answer.starts_with("SIP/2.0 513"), "{length}: {answer}");
    }
    attack.ends_well(&call).await;
    attack.leaves_the_log_alone().await;
}
