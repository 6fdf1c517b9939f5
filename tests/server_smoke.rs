//! The real server on loopback sockets: what it answers without any call, and one call from end to end.

mod house;

use std::time::Duration;

use house::{House, Wire, header, invite};
use ramal::call::ladder::{Entry, What};
use ramal::crm::Backend;
use ramal::crm::model::{Outcome, WriteState};
use ramal::route::plan::Presence;

const OPTIONS: &str = "OPTIONS sip:ramal SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKo1;rport\r\n\
    Max-Forwards: 70\r\nFrom: <sip:probe@example.com>;tag=p1\r\nTo: <sip:ramal>\r\nCall-ID: o1@example.com\r\n\
    CSeq: 7 OPTIONS\r\nContent-Length: 0\r\n\r\n";

fn as_method(method: &str) -> String {
    OPTIONS.replace("OPTIONS", method)
}

#[tokio::test]
async fn options_gets_200_with_allow_and_accept() {
    let house = House::open("").await;
    let answer = house.ask(&house.carrier, OPTIONS).await;
    assert!(answer.starts_with("SIP/2.0 200 OK\r\n"), "{answer}");
    assert!(header(&answer, "Allow").contains("INVITE"), "{answer}");
    assert_eq!(header(&answer, "Accept"), "application/sdp");
    assert!(answer.contains("Supported:"), "{answer}");
    assert_eq!(header(&answer, "CSeq"), "7 OPTIONS");
    house.close().await;
}

#[tokio::test]
async fn tags_and_branches_repeated_from_elsewhere_get_403_and_leave_the_call_alone() {
    let house = House::open("").await;
    let (carrier, office, stranger) = (&house.carrier, &house.office, Wire::new().await);
    let call = invite(carrier, "+551140028922", "+5521976543210", "s1");
    carrier.send(house.udp, &call).await;
    let rung = office.expect("INVITE ").await;
    let cancel = call.split("Contact:").next().unwrap().replace("INVITE sip", "CANCEL sip");
    let cancel = format!("{}Content-Length: 0\r\n\r\n", cancel.replace("1 INVITE", "1 CANCEL"));
    assert!(house.ask(&stranger, &cancel).await.starts_with("SIP/2.0 403 "));
    office.answer(house.udp, &rung, 200, house::SDP).await;
    let answered = carrier.expect("SIP/2.0 200").await;
    carrier.ack(house.udp, &call, &answered).await;
    for method in ["INFO", "UPDATE", "REFER", "BYE"] {
        let request = stranger.in_dialog(method, 50, &call, &answered);
        let answer = house.ask(&stranger, &request).await;
        assert!(answer.starts_with("SIP/2.0 403 "), "{method}: {answer}");
    }
    // Her numbers have not moved the dialog's.
    carrier.bye(house.udp, &call, &answered).await;
    carrier.expect_answer("SIP/2.0 200", "BYE").await;
    house.close().await;
}

#[tokio::test]
async fn a_call_that_is_up_goes_on_when_its_trunk_leaves_the_files() {
    let house = House::open("").await;
    let (carrier, office) = (&house.carrier, &house.office);
    let call = invite(carrier, "+551140028922", "+5521976543210", "g1");
    carrier.send(house.udp, &call).await;
    let rung = office.expect("INVITE ").await;
    office.answer(house.udp, &rung, 200, house::SDP).await;
    let answered = carrier.expect("SIP/2.0 200").await;
    carrier.ack(house.udp, &call, &answered).await;
    let path = house.handle().config_path().to_owned();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace(&carrier.at().to_string(), "192.0.2.1:5060")).unwrap();
    house.handle().reload().await.unwrap();
    carrier.bye(house.udp, &call, &answered).await;
    carrier.expect_answer("SIP/2.0 200", "BYE").await;
    house.close().await;
}

#[tokio::test]
async fn garbage_of_all_kinds_is_survived() {
    let house = House::open("").await;
    for garbage in
        ["", "\0\0\0", "\r\n\r\n", "INVITE", "SIP/2.0 200 OK\r\n\r\n", "INVITE sip: SIP/2.0\r\nVia: x\r\n\r\n"]
    {
        house.carrier.send(house.udp, garbage).await;
    }
    house.carrier.send(house.udp, &"x".repeat(60_000)).await;
    let answer = house.carrier.ask_until(house.udp, OPTIONS, "SIP/2.0 200").await;
    assert_eq!(header(&answer, "CSeq"), "7 OPTIONS");
    house.close().await;
}

#[tokio::test]
async fn an_invite_that_would_take_a_call_over_gets_481_and_rings_nobody() {
    let house = House::open("").await;
    let call = invite(&house.carrier, "+551140028922", "+5521976543210", "r1")
        .replace("Max-Forwards", "Replaces: 7@h;to-tag=1;from-tag=2\r\nMax-Forwards");
    let answer = house.ask(&house.carrier, &call).await;
    assert!(answer.starts_with("SIP/2.0 481 "), "{answer}");
    house.close().await;
}

#[tokio::test]
async fn methods_without_meaning_here_get_405_or_501_with_allow_and_strangers_403() {
    let house = House::open("").await;
    for (method, status) in [("REGISTER", "405"), ("SUBSCRIBE", "405"), ("FROBNICATE", "501"), ("BYE", "481")] {
        let answer = house.ask(&house.carrier, &as_method(method)).await;
        assert!(answer.starts_with(&format!("SIP/2.0 {status} ")), "{method}: {answer}");
        assert_eq!(answer.contains("Allow:"), status != "481", "{method}: {answer}");
    }
    let stranger = Wire::new().await;
    for method in ["REGISTER", "BYE"] {
        let answer = house.ask(&stranger, &as_method(method)).await;
        assert!(answer.starts_with("SIP/2.0 403 "), "{method}: {answer}");
    }
    house.close().await;
}

#[tokio::test]
async fn an_invite_to_no_line_gets_404_with_the_same_tag_each_time_and_a_strangers_403() {
    let house = House::open("").await;
    let lost = invite(&house.carrier, "5511999990000", "+5511987654321", "n1");
    let first = house.ask(&house.carrier, &lost).await;
    assert!(first.starts_with("SIP/2.0 404 "), "{first}");
    assert!(header(&first, "To").contains(";tag="), "{first}");
    assert_eq!(house.ask(&house.carrier, &lost).await, first);
    let stranger = Wire::new().await;
    let answer = house.ask(&stranger, &invite(&stranger, "+551140028922", "+5511987654321", "n2")).await;
    assert!(answer.starts_with("SIP/2.0 403 "), "{answer}");
    assert!(house.handle().live_calls().is_empty());
    house.close().await;
}

#[tokio::test]
async fn strangers_get_silence_where_the_file_says_so() {
    let house = House::open("[security]\nunknown_source = \"drop\"\n").await;
    let stranger = Wire::new().await;
    stranger.send(house.udp, &invite(&stranger, "+551140028922", "+5511987654321", "n3")).await;
    stranger.send(house.udp, OPTIONS).await;
    // What the carrier asks afterwards is answered, and nothing has gone to the stranger before it.
    house.ask(&house.carrier, OPTIONS).await;
    assert!(stranger.received_nothing());
    house.close().await;
}

#[tokio::test]
async fn past_the_rate_and_during_a_drain_an_invite_gets_503_with_retry_after() {
    let house = House::open("[limits]\ncalls_per_second = 1\n").await;
    let first = invite(&house.carrier, "+551140028922", "+5511987654321", "r1");
    house.carrier.ask_until(house.udp, &first, "SIP/2.0 100").await;
    let second = invite(&house.carrier, "+551140028922", "+5511987654321", "r2");
    let answer = house.carrier.ask_until(house.udp, &second, "SIP/2.0 503").await;
    assert!(!header(&answer, "Retry-After").is_empty(), "{answer}");
    let handle = house.handle();
    assert_eq!(handle.live_calls().len(), 1);
    assert_eq!(handle.drain(Duration::ZERO).await, 1);
    assert!(handle.ready().is_err());
    assert!(handle.metrics_text().contains("ramal_overload_rejected_total 1"), "{}", handle.metrics_text());
    house.close().await;
}

#[tokio::test]
async fn tcp_takes_messages_in_pieces_and_answers_a_ping() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let house = House::open("").await;
    let mut stream = tokio::net::TcpStream::connect(house.tcp).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(b"\r\n\r\n").await.unwrap();
    let mut pong = [0; 2];
    stream.read_exact(&mut pong).await.unwrap();
    assert_eq!(&pong, b"\r\n");
    let twice = [OPTIONS, &OPTIONS.replace("o1", "o2")].concat().replace("UDP", "TCP");
    for piece in twice.as_bytes().chunks(17) {
        stream.write_all(piece).await.unwrap();
        stream.flush().await.unwrap();
    }
    let mut answers = String::new();
    let mut piece = [0; 4096];
    while answers.matches("SIP/2.0 200 OK").count() < 2 || !answers.ends_with("\r\n\r\n") {
        let n = tokio::time::timeout(house::SOON, stream.read(&mut piece)).await.expect("it answers").unwrap();
        assert!(n > 0, "closed after {answers}");
        answers.push_str(std::str::from_utf8(&piece[..n]).unwrap());
    }
    assert!(answers.contains("o1@example.com") && answers.contains("o2@example.com"));
    // A head with such a length cannot be framed: it is answered, and the connection closes.
    stream
        .write_all(as_method("OPTIONS").replace("UDP", "TCP").replace("Length: 0", "Length: -5").as_bytes())
        .await
        .unwrap();
    let mut rest = String::new();
    tokio::time::timeout(house::SOON, stream.read_to_string(&mut rest)).await.expect("it closes").unwrap();
    assert!(rest.starts_with("SIP/2.0 4"), "{rest}");
    house.close().await;
}

#[tokio::test]
async fn a_new_customer_reaches_the_queue_and_leaves_a_record_a_ladder_and_a_lead() {
    let house = House::open("").await;
    let handle = house.handle();
    let mut events = handle.events().subscribe(None).live;
    let (carrier, office) = (&house.carrier, &house.office);
    let call = invite(carrier, "+551140028922", "+5521976543210", "c1");
    carrier.send(house.udp, &call).await;
    carrier.send(house.udp, &call).await;
    let rung = office.expect("INVITE ").await;
    assert!(rung.starts_with("INVITE sip:202@"), "bruno is first in the queue: {rung}");
    assert_eq!(handle.live_calls().len(), 1, "a retransmission starts no second call");
    office.answer(house.udp, &rung, 180, "").await;
    carrier.expect("SIP/2.0 180").await;
    office.answer(house.udp, &rung, 200, house::SDP).await;
    let answered = carrier.expect("SIP/2.0 200").await;
    office.expect("ACK ").await;
    carrier.ack(house.udp, &call, &answered).await;
    let id = handle.live_calls()[0].id;
    carrier.bye(house.udp, &call, &answered).await;
    let bye = office.expect("BYE ").await;
    office.answer(house.udp, &bye, 200, "").await;
    carrier.expect_answer("SIP/2.0 200", "BYE").await;

    let record = handle.store().reader().call(id).await.unwrap().expect("committed before the 200 to the BYE");
    assert_eq!(record.outcome, Some(Outcome::Answered));
    assert_eq!(record.employee.unwrap().as_str(), "bruno");
    let mut told = Vec::new();
    while !["call.ended", "lead.created"].iter().all(|event| told.contains(event)) {
        told.push(tokio::time::timeout(house::SOON, events.recv()).await.expect("it is told").unwrap().name());
    }
    tokio::time::timeout(house::SOON, handle.drain(house::SOON)).await.expect("nothing is up");
    let (_, ladder) = handle.live_call(id).expect("its transactions linger");
    assert!(ladder.len() > 10);
    house.close().await;
}

#[tokio::test]
async fn a_call_hears_no_cancel_and_no_bye_from_elsewhere_whatever_tags_it_has() {
    let house = House::open("").await;
    let (carrier, office, stranger) = (&house.carrier, &house.office, Wire::new().await);
    let call = invite(carrier, "+551140028922", "+5521976543210", "s1");
    carrier.send(house.udp, &call).await;
    let rung = office.expect("INVITE ").await;
    let cancel = call.split("Contact:").next().unwrap().replace("INVITE", "CANCEL") + "Content-Length: 0\r\n\r\n";
    stranger.ask_until(house.udp, &cancel, "SIP/2.0 403 ").await;
    office.answer(house.udp, &rung, 200, house::SDP).await;
    let answered = carrier.expect_answer("SIP/2.0 200", "INVITE").await;
    carrier.ack(house.udp, &call, &answered).await;
    stranger.bye(house.udp, &call, &answered).await;
    stranger.expect("SIP/2.0 403 ").await;
    office.bye(house.udp, &call, &answered).await;
    office.expect("SIP/2.0 481 ").await;
    assert!(house.handle().live_calls().iter().all(|call| call.ended.is_none()));
    carrier.bye(house.udp, &call, &answered).await;
    office.expect("BYE ").await;
    carrier.expect_answer("SIP/2.0 200", "BYE").await;
    house.close().await;
}

#[tokio::test]
async fn a_request_that_comes_by_two_ways_makes_one_call() {
    let house = House::open("").await;
    let call = invite(&house.carrier, "+551140028922", "+5521976543210", "m1");
    house.carrier.ask_until(house.udp, &call, "SIP/2.0 100").await;
    let forked = call.replace("branch=z9hG4bKm1", "branch=z9hG4bKm1b");
    house.carrier.ask_until(house.udp, &forked, "SIP/2.0 482").await;
    assert_eq!(house.handle().live_calls().len(), 1);
    house.close().await;
}

#[tokio::test]
async fn a_pbx_that_is_down_is_noticed_at_once() {
    let mut house = House::open("").await;
    let nobody_listens = Wire::new().await;
    drop(std::mem::replace(&mut house.office, nobody_listens));
    let call = invite(&house.carrier, "+551140028922", "+5521976543210", "d1");
    // By timer B it would take 32 seconds for each member of the queue.
    let answer = house.carrier.ask_until(house.udp, &call, "SIP/2.0 4").await;
    assert!(answer.starts_with("SIP/2.0 480 "), "{answer}");
    house.close().await;
}

#[tokio::test]
async fn a_pbx_is_called_over_one_tcp_connection_where_its_peer_says_so() {
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
    let house = House::open("").await;
    let handle = house.handle();
    let office = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let at = office.local_addr().expect("it has one");
    let text = std::fs::read_to_string(handle.config_path()).expect("the file is there");
    let by_tcp = text.replace(&format!("sip:{}", house.office.at()), &format!("sip:{at};transport=tcp"));
    std::fs::write(handle.config_path(), by_tcp).expect("it can be written");
    handle.reload().await.expect("nothing is wrong");
    house.carrier.send(house.udp, &invite(&house.carrier, "+551140028922", "+5521976543210", "t1")).await;
    let (stream, _) = tokio::time::timeout(house::SOON, office.accept()).await.expect("it is called").expect("so");
    let mut stream = BufReader::new(stream);
    for extension in ["202", "201"] {
        let mut request = String::new();
        // An ACK to the refusal before may come first.
        while !request.starts_with("INVITE ") {
            request.clear();
            while !request.ends_with("\r\n\r\n") {
                let line = tokio::time::timeout(house::SOON, stream.read_line(&mut request)).await;
                assert!(line.expect("a request comes").expect("whole") > 0, "closed after {request}");
            }
            let length = header(&request, "Content-Length").parse().expect("a number");
            stream.read_exact(&mut vec![0; length]).await.expect("the body comes");
        }
        assert!(request.starts_with(&format!("INVITE sip:{extension}@{at};transport=tcp ")), "{request}");
        assert!(header(&request, "Via").starts_with("SIP/2.0/TCP "), "{request}");
        assert!(header(&request, "Contact").contains("transport=tcp"), "{request}");
        let busy = house::answer(at, &request, 486, "");
        stream.get_mut().write_all(busy.as_bytes()).await.expect("it reads");
    }
    house.carrier.expect("SIP/2.0 480").await;
    house.close().await;
}

#[tokio::test]
async fn a_finished_calls_ladder_is_found_in_the_trace() {
    let house = House::open("[sip.timers]\nt1 = \"10ms\"\nt2 = \"20ms\"\nt4 = \"20ms\"\n").await;
    let handle = house.handle();
    let call = invite(&house.carrier, "+551140028922", "+5521976543210", "l1");
    house.carrier.send(house.udp, &call).await;
    let rung = house.office.expect("INVITE ").await;
    house.office.answer(house.udp, &rung, 180, "").await;
    house.carrier.expect("SIP/2.0 180").await;
    let id = handle.live_calls()[0].id;
    assert!(handle.hang_up(id));
    house.office.expect("CANCEL ").await;
    let finished = async {
        while handle.live_call(id).is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(house::SOON, finished).await.expect("nothing is left of it");
    let ladder = handle.ended_ladder(id).await.expect("it is kept");
    assert!(ladder.len() > 5, "{ladder:?}");
    assert!(!handle.hang_up(id), "there is no such call any more");
    house.close().await;
}

#[tokio::test]
async fn other_files_are_in_force_for_the_next_invite_and_faulty_ones_are_not() {
    let house = House::open("").await;
    let handle = house.handle();
    let path = handle.config_path().to_owned();
    let text = std::fs::read_to_string(&path).expect("the file is there");
    std::fs::write(&path, text.replace("queue = \"sales\"", "queue = \"sails\"")).expect("it can be written");
    let fault = handle.reload().await.expect_err("no such queue").to_string();
    assert!(fault.contains("sails"), "{fault}");
    std::fs::write(&path, text.replace("[\"bruno\", \"ana\"]", "[\"ana\"]")).expect("it can be written");
    assert_eq!(handle.reload().await.expect("nothing is wrong"), Vec::<String>::new());
    house.carrier.send(house.udp, &invite(&house.carrier, "+551140028922", "+5521976543210", "f1")).await;
    let rung = house.office.expect("INVITE ").await;
    assert!(rung.starts_with("INVITE sip:201@"), "{rung}");
    house.close().await;
}

#[tokio::test]
async fn who_is_away_is_not_rung_also_after_a_restart() {
    let house = House::open("").await;
    let (ana, bruno) = ("ana".into(), "bruno".into());
    house.handle().set_presence(&bruno, Presence::Away).await.expect("he is known");
    assert!(house.handle().set_presence(&"nobody".into(), Presence::Away).await.is_err());
    let house = house.restart().await;
    assert_eq!(house.handle().presence(&bruno), Presence::Away);
    assert_eq!(house.handle().presence(&ana), Presence::Available);
    house.carrier.send(house.udp, &invite(&house.carrier, "+551140028922", "+5521976543210", "p1")).await;
    let rung = house.office.expect("INVITE ").await;
    assert!(rung.starts_with("INVITE sip:201@"), "{rung}");
    house.close().await;
}

#[tokio::test]
async fn what_the_crm_missed_takes_effect_after_the_call_and_stands_in_its_ladder() {
    let house = House::open("[sip.timers]\nt1 = \"10ms\"\nt2 = \"20ms\"\nt4 = \"20ms\"\n").await;
    let handle = house.handle();
    let mut events = handle.events().subscribe(None).live;
    let Backend::Embedded(crm) = handle.crm();
    crm.cut_off(true);
    house.carrier.send(house.udp, &invite(&house.carrier, "+551140028922", "+5521976543210", "x1")).await;
    let rung = house.office.expect("INVITE ").await;
    house.office.answer(house.udp, &rung, 180, "").await;
    house.carrier.expect("SIP/2.0 180").await;
    let id = handle.live_calls()[0].id;
    assert!(handle.hang_up(id));
    let finished = async {
        while handle.live_call(id).is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(house::SOON, finished).await.expect("nothing is left of it");
    assert!(handle.outbox().counts().owed > 0);
    crm.cut_off(false);
    let created = async {
        loop {
            let event = events.recv().await.expect("the node lives");
            if event.name() == "lead.created" {
                return event;
            }
        }
    };
    let created = tokio::time::timeout(house::SOON, created).await.expect("it is told");
    assert!(created.json().contains("\"record\":\"lead:"), "{}", created.json());
    let ladder = handle.ended_ladder(id).await.expect("it is kept");
    let is_written = |entry: &Entry| matches!(&entry.what, What::Crm { state: WriteState::Written, .. });
    assert!(ladder.iter().any(is_written), "{ladder:?}");
    house.close().await;
}
