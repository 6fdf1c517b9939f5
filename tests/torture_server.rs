//! RFC 4475's messages over UDP and TCP against the running server, beside a call that must not notice.

#![allow(clippy::unwrap_used, reason = "test code: what cannot go on fails")]

mod house;
#[path = "torture/table.rs"]
mod table;

use std::net::SocketAddr;

use bytes::Bytes;
use house::{House, SDP, SOON, Wire, header, invite};
use ramal::net::framing::{Frame, Framer};
use ramal::sip::message::{Limits, Message, parse};
use table::{DROPPED, OWN, RFC, TAKEN, Verdict, own, rfcs};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

/// A message of the table: its name, its bytes, what is right to make of it.
struct Case {
    name: &'static str,
    bytes: Bytes,
    right: Vec<Verdict>,
}

fn cases() -> Vec<Case> {
    let ours = OWN.iter().map(|(name, right)| Case { name, bytes: own(name).into(), right: vec![*right] });
    let theirs =
        RFC.iter().filter_map(|(name, right)| Some(Case { name, bytes: rfcs(name)?.into(), right: right.to_vec() }));
    ours.chain(theirs).collect()
}

impl Case {
    fn is(&self, names: &[&str]) -> bool {
        names.contains(&self.name)
    }

    fn method(&self) -> &str {
        let end = self.bytes.iter().position(|b| *b == b' ').unwrap_or_default();
        std::str::from_utf8(&self.bytes[..end]).unwrap_or_default()
    }

    /// What a trunk is answered that sends it: none of these, silence.
    fn answers(&self) -> Vec<Verdict> {
        let mut answers: Vec<_> = self.right.iter().copied().filter(|code| *code > DROPPED).collect();
        if self.right.contains(&TAKEN) {
            answers.extend(match self.method() {
                // To lines and extensions that there are none of.
                "INVITE" => vec![403, 404, 481],
                // Nobody registers from a trunk's address.
                "REGISTER" => vec![401, 403, 404, 405],
                "OPTIONS" => vec![200],
                "MESSAGE" => vec![405, 481],
                _ => Vec::new(),
            });
        }
        // What only a registrar reads is refused before that.
        if self.is(&["unksm2", "regaut01", "app-foreign-schemes-in-register", "app-unknown-credentials"]) {
            answers.extend([403, 405]);
        }
        // To us: it goes no hop further.
        if self.is(&["zeromf", "app-no-hops-left"]) {
            answers.push(200);
        }
        answers
    }

    /// Where the answer goes that is sent by UDP from this address.
    fn answered_at(&self, ip: [u8; 4]) -> SocketAddr {
        let source = SocketAddr::from((ip, 5060));
        let mut headers = match parse(&self.bytes, &Limits::default()) {
            Ok(Message::Request(request)) => request.headers,
            Ok(Message::Response(_)) => return source,
            Err(error) => match error.response() {
                Some(response) => response.headers,
                None => return source,
            },
        };
        headers.stamp_source(source);
        headers.response_target(source)
    }

    fn on_streams(&self) -> OnStream {
        let text = head(&self.bytes);
        let has_length = text.lines().any(|line| {
            let name = line.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
            matches!(name.as_str(), "content-length" | "l")
        });
        // The RFC's baddn has no empty line behind its head.
        let is_cut = !self.bytes.windows(4).any(|end| end == b"\r\n\r\n");
        if is_cut || self.is(&["clerr", "invalid-length-too-large"]) {
            OnStream::Waits
        } else if self.is(&["dblreq", "valid-second-request-behind"]) {
            OnStream::Two
        } else if !has_length || self.is(&["ncl", "mcl01", "invalid-length-negative", "app-two-lengths"]) {
            OnStream::Ends
        } else {
            OnStream::Same
        }
    }
}

fn head(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).split("\r\n\r\n").next().unwrap_or_default().to_owned()
}

/// How a message fares on a stream.
#[derive(Debug, PartialEq)]
enum OnStream {
    /// As over UDP.
    Same,
    /// There is more to come of it, and it does not.
    Waits,
    /// It is two messages.
    Two,
    /// Where the next begins cannot be told: 400, and the stream ends.
    Ends,
}

/// A house with a trunk that may send from all of 127.77.0.0/16, and a call that is up.
struct Bench {
    house: House,
    call: String,
    answered: String,
}

impl Bench {
    async fn open() -> Self {
        let trunk = "[[trunk]]\nname = \"torture\"\npeers = [\"sip:127.77.255.1\"]\naccept = [\"127.77.0.0/16\"]\n";
        let house = House::open(trunk).await;
        let call = invite(&house.carrier, "+551140028922", "+5521976543210", "up");
        house.carrier.send(house.udp, &call).await;
        let rung = house.office.expect("INVITE ").await;
        house.office.answer(house.udp, &rung, 200, SDP).await;
        let answered = house.carrier.expect_answer("SIP/2.0 200", "INVITE").await;
        house.carrier.ack(house.udp, &call, &answered).await;
        house.office.expect("ACK ").await;
        Self { house, call, answered }
    }

    /// The call is as it was, passes a message on, and ends as calls do.
    async fn close(self) {
        let Self { house, call, answered } = self;
        assert_eq!(house.handle().live_calls().len(), 1, "the call alone is up");
        assert_eq!(house.office.came(), Vec::<String>::new(), "nobody is rung");
        let info = house.carrier.in_dialog("INFO", 2, &call, &answered);
        house.carrier.send(house.udp, &info).await;
        let passed = house.office.expect("INFO ").await;
        house.office.answer(house.udp, &passed, 200, "").await;
        house.carrier.expect_answer("SIP/2.0 200", "INFO").await;
        house.carrier.send(house.udp, &house.carrier.in_dialog("BYE", 3, &call, &answered)).await;
        let bye = house.office.expect("BYE ").await;
        house.office.answer(house.udp, &bye, 200, "").await;
        house.carrier.expect_answer("SIP/2.0 200", "BYE").await;
        house.close().await;
    }
}

/// A question whose answer shows that everything before it has been taken.
fn fence(at: SocketAddr, transport: &str) -> String {
    format!(
        "OPTIONS sip:ramal SIP/2.0\r\nVia: SIP/2.0/{transport} {at};branch=z9hG4bKfence;rport\r\nMax-Forwards: 70\r\n\
         From: <sip:f@f>;tag=f\r\nTo: <sip:ramal>\r\nCall-ID: fence\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

/// The code of an answer. (Ours to requests with several Vias is none that our own parser would take.)
fn code(message: &[u8]) -> Verdict {
    let text = String::from_utf8_lossy(message);
    text.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or_else(|| panic!("{text}"))
}

fn is_fences(message: &[u8]) -> bool {
    header(&String::from_utf8_lossy(message), "Call-ID") == "fence"
}

#[tokio::test]
async fn over_udp_each_is_answered_as_it_should_be_and_the_call_beside_them_stays_up() {
    let bench = Bench::open().await;
    let mut wrong = Vec::new();
    for (n, case) in (0_u8..).zip(cases()) {
        let ip = [127, 77, 1, n];
        let wire = Wire::on(case.answered_at(ip)).await;
        wire.send_bytes(bench.house.udp, &case.bytes).await;
        wire.send(bench.house.udp, &fence(wire.at(), "UDP")).await;
        let mut got = Vec::new();
        loop {
            let message = wire.next().await;
            if is_fences(message.as_bytes()) {
                break;
            }
            got.push(code(message.as_bytes()));
        }
        let right = case.answers();
        let is_right = match got[..] {
            [] => right.is_empty(),
            [code] => right.contains(&code),
            _ => false,
        };
        if !is_right {
            wrong.push((case.name, right, got));
        }
    }
    assert_eq!(wrong, [], "(name, right, got)");
    bench.close().await;
}

/// What came over a stream, in order, up to the fence's answer or the end; and whether it ended.
async fn over_tcp(bench: &Bench, n: u8, case: &Case) -> (Vec<Verdict>, bool) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 77, 2, n], 0))).unwrap();
    let mut stream = socket.connect(bench.house.tcp).await.unwrap();
    let at = stream.local_addr().unwrap();
    stream.write_all(&case.bytes).await.unwrap();
    match case.on_streams() {
        OnStream::Waits => stream.shutdown().await.unwrap(),
        // The server may have closed it already.
        _ => drop(stream.write_all(fence(at, "TCP").as_bytes()).await),
    }
    let (mut framer, mut got, mut piece) = (Framer::new(Limits::default()), Vec::new(), [0; 4096]);
    loop {
        let length = match tokio::time::timeout(SOON, stream.read(&mut piece)).await.expect(case.name) {
            Ok(0) | Err(_) => return (got, true),
            Ok(length) => length,
        };
        framer.push(&piece[..length]);
        for frame in framer.by_ref() {
            let Frame::Message(message) = frame else { panic!("{}: {frame:?}", case.name) };
            if is_fences(&message) {
                return (got, false);
            }
            got.push(code(&message));
        }
    }
}

#[tokio::test]
async fn over_tcp_each_is_answered_as_on_a_stream_and_the_call_beside_them_stays_up() {
    let bench = Bench::open().await;
    let mut wrong = Vec::new();
    for (n, case) in (0_u8..).zip(cases()) {
        let (got, ended) = over_tcp(&bench, n, &case).await;
        let right = case.answers();
        let is_right = match (case.on_streams(), &got[..]) {
            (OnStream::Waits, []) => ended,
            (OnStream::Ends, [400]) => ended,
            (OnStream::Two, [first, _]) => right.contains(first) && !ended,
            (OnStream::Same, []) => right.is_empty() && !ended,
            (OnStream::Same, [code]) => right.contains(code) && !ended,
            _ => false,
        };
        if !is_right {
            wrong.push((case.name, case.on_streams(), right, got, ended));
        }
    }
    assert_eq!(wrong, [], "(name, on streams, right, got, ended)");
    bench.close().await;
}
