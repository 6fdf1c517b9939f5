//! Phones register with the real server over real sockets, are asked for passwords, are rung and call; trunks are
//! registered with and probed.

#![allow(clippy::unwrap_used, reason = "test code")]

mod house;

use std::net::SocketAddr;
use std::time::Duration;

use house::{House, SOON, Wire, header, invite};
use ramal::base::{Account, Secret};
use ramal::sip::digest::{Session, best, challenges};
use ramal::sip::message::{Limits, Message, Name, parse};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Erika has phones of her own and no PBX; her line rings her alone.
const ERIKA: &str = r#"
[[employee]]
id = "erika"
extension = "301"
password = "secret"
[[queue]]
name = "own"
members = ["erika"]
[[line]]
number = "+551140028923"
trunk = "carrier"
queue = "own"
"#;

/// A phone's side of digest.
#[derive(Clone)]
struct Phone {
    at: SocketAddr,
    user: &'static str,
    password: &'static str,
    transport: &'static str,
    cseq: u32,
}

impl Phone {
    fn new(at: SocketAddr, user: &'static str, password: &'static str) -> Self {
        Self { at, user, password, transport: "UDP", cseq: 0 }
    }

    /// A REGISTER with these fields more, e.g. its Contact.
    fn register(&mut self, more: &str) -> String {
        self.cseq += 1;
        let Self { at, user, transport, cseq, .. } = self;
        format!(
            "REGISTER sip:ramal SIP/2.0\r\nVia: SIP/2.0/{transport} {at};branch=z9hG4bKr{user}{}{cseq};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@ramal>;tag=f{cseq}\r\nTo: <sip:{user}@ramal>\r\n\
             Call-ID: {user}@{at}\r\nCSeq: {cseq} REGISTER\r\nUser-Agent: a phone of a test\r\n\
             Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, MESSAGE, REFER, NOTIFY\r\n{more}\
             Content-Length: 0\r\n\r\n",
            at.port()
        )
    }

    /// The same request once more, with the answer to this 401.
    fn answer(&mut self, request: &str, asked: &str) -> String {
        self.cseq += 1;
        let method = request.split(' ').next().unwrap();
        let uri = request.split(' ').nth(1).unwrap();
        let Message::Response(asked) = parse(&asked.to_owned().into(), &Limits::default()).unwrap() else {
            panic!("{asked}")
        };
        let challenge = best(challenges(&asked.headers, &Name::WwwAuthenticate)).expect("it asks");
        let account = Account { username: self.user.to_owned(), password: Secret::new(self.password.to_owned()) };
        let session = Session { cnonce: "0a4f113b".to_owned(), count: 1 };
        let credentials = challenge.answer(&account, method, uri, &session);
        let old = header(request, "CSeq").to_owned();
        let request = request.replace(&old, &format!("{} {method}", self.cseq));
        with_branch(&request, self.cseq)
            .replace("Max-Forwards:", &format!("Authorization: {credentials}\r\nMax-Forwards:"))
    }
}

/// Under another branch.
fn with_branch(request: &str, n: u32) -> String {
    request.replacen("branch=z9hG4bK", &format!("branch=z9hG4bK{n}a"), 1)
}

/// Registers this phone by UDP; the last answer.
async fn register(house: &House, wire: &Wire, phone: &mut Phone, more: &str) -> String {
    let first = phone.register(more);
    let asked = house.ask(wire, &first).await;
    assert!(asked.starts_with("SIP/2.0 401 "), "{asked}");
    let second = phone.answer(&first, &asked);
    house.ask(wire, &second).await
}

fn registrations(house: &House) -> String {
    let text = house.handle().metrics_text();
    text.lines().find(|line| line.starts_with("ramal_registrations ")).unwrap().to_owned()
}

/// Until it is so, within reason.
async fn eventually(what: &str, so: impl Fn() -> bool) {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let found = tokio::time::timeout(SOON, async {
        while !so() {
            tick.tick().await;
        }
    });
    found.await.unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test]
async fn a_phone_registers_is_listed_rung_where_it_came_from_and_forgotten() {
    let house = House::open(ERIKA).await;
    let wire = Wire::new().await;
    let mut phone = Phone::new(wire.at(), "301", "secret");
    // Behind a NAT: its Contact is nobody's address here.
    let contact = "Contact: <sip:301@10.9.9.9:5070>;expires=120\r\n";
    let done = register(&house, &wire, &mut phone, contact).await;
    assert!(done.starts_with("SIP/2.0 200 "), "{done}");
    assert_eq!(header(&done, "Contact"), "<sip:301@10.9.9.9:5070>;expires=120");
    assert_eq!(registrations(&house), "ramal_registrations 1");
    let call = invite(&house.carrier, "+551140028923", "+5521976543210", "c1");
    house.carrier.send(house.udp, &call).await;
    let rung = wire.expect("INVITE ").await;
    assert!(rung.starts_with("INVITE sip:301@10.9.9.9:5070 SIP/2.0"), "{rung}");
    let answer = house::answer("10.9.9.9:5070".parse().unwrap(), &rung, 200, house::SDP);
    wire.send(house.udp, &answer).await;
    let answered = house.carrier.expect("SIP/2.0 200").await;
    house.carrier.ack(house.udp, &call, &answered).await;
    wire.expect("ACK ").await;
    house.carrier.bye(house.udp, &call, &answered).await;
    let bye = wire.expect("BYE ").await;
    wire.send(house.udp, &house::answer(wire.at(), &bye, 200, "")).await;
    let done = register(&house, &wire, &mut phone, "Contact: *\r\nExpires: 0\r\n").await;
    assert!(done.starts_with("SIP/2.0 200 ") && header(&done, "Contact").is_empty(), "{done}");
    assert_eq!(registrations(&house), "ramal_registrations 0");
    let call = invite(&house.carrier, "+551140028923", "+5521976543210", "c2");
    house.carrier.send(house.udp, &call).await;
    house.carrier.expect("SIP/2.0 480").await;
    house.close().await;
}

#[tokio::test]
async fn both_algorithms_are_offered_and_a_wrong_password_is_answered_like_an_unknown_user_then_not_at_all() {
    let house = House::open(ERIKA).await;
    let wire = Wire::on("127.0.0.3:0").await;
    let mut answers = Vec::new();
    for user in ["301", "999"] {
        let mut phone = Phone::new(wire.at(), user, "wrong");
        let first = phone.register("Contact: <sip:x@127.0.0.3>\r\n");
        let asked = house.ask(&wire, &first).await;
        assert!(asked.contains("algorithm=SHA-256") && asked.contains("algorithm=MD5"), "{asked}");
        let second = phone.answer(&first, &asked);
        let refused = house.ask(&wire, &second).await;
        answers.push((asked.lines().next().unwrap().to_owned(), refused.lines().next().unwrap().to_owned()));
    }
    assert_eq!(answers[0], answers[1], "nobody learns who exists");
    assert!(answers[0].1.contains("403"), "{answers:?}");
    let mut phone = Phone::new(wire.at(), "301", "wrong");
    let first = phone.register("");
    wire.send(house.udp, &first).await;
    let asked = wire.expect("SIP/2.0 401").await;
    for _ in 0..10 {
        let again = phone.answer(&first, &asked);
        wire.send(house.udp, &again).await;
    }
    // The right password from another address is still served, after all of those.
    let other = Wire::on("127.0.0.4:0").await;
    let mut right = Phone::new(other.at(), "301", "secret");
    let done = register(&house, &other, &mut right, "Contact: <sip:301@127.0.0.4>\r\n").await;
    assert!(done.starts_with("SIP/2.0 200 "), "{done}");
    assert!(wire.came().len() <= 4, "five a minute, the first of them counted above");
    house.close().await;
}

#[tokio::test]
async fn whoever_forges_a_phones_address_cannot_lock_it_out() {
    let house = House::open(ERIKA).await;
    let wire = Wire::new().await;
    let mut phone = Phone::new(wire.at(), "301", "secret");
    let contact = "Contact: <sip:301@127.0.0.1>\r\n";
    register(&house, &wire, &mut phone, contact).await;
    let first = phone.register(contact);
    let asked = house.ask(&wire, &first).await;
    // The forger has no nonce of this address: what was made for hers came to her, and only he knows of his own.
    let nonce = asked.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
    let made_up = asked.replace(nonce, &"0".repeat(nonce.len()));
    let mut forger = Phone { password: "guessed", ..phone.clone() };
    for _ in 0..30 {
        let guess = forger.answer(&first, &made_up);
        let refused = house.ask(&wire, &guess).await;
        assert!(refused.starts_with("SIP/2.0 401 ") && refused.contains("stale=true"), "{refused}");
    }
    phone.cseq = 100;
    let done = register(&house, &wire, &mut phone, contact).await;
    assert!(done.starts_with("SIP/2.0 200 "), "{done}");
    house.close().await;
}

#[tokio::test]
async fn a_replayed_answer_is_asked_anew_and_its_repeat_gets_the_same_200() {
    let house = House::open(ERIKA).await;
    let wire = Wire::new().await;
    let mut phone = Phone::new(wire.at(), "301", "secret");
    let first = phone.register("Contact: <sip:301@127.0.0.1>\r\n");
    let asked = house.ask(&wire, &first).await;
    let second = phone.answer(&first, &asked);
    let done = house.ask(&wire, &second).await;
    assert!(done.starts_with("SIP/2.0 200 "), "{done}");
    assert_eq!(house.ask(&wire, &second).await, done, "its repeat");
    let replayed = house.ask(&wire, &with_branch(&second, 9)).await;
    assert!(replayed.starts_with("SIP/2.0 401 ") && replayed.contains("stale=true"), "{replayed}");
    // Overheard, it is worth nothing from elsewhere, nor for another request.
    let thief = Wire::on("127.0.0.5:0").await;
    let stolen = house.ask(&thief, &with_branch(&second, 10)).await;
    assert!(stolen.starts_with("SIP/2.0 401 "), "{stolen}");
    assert_eq!(registrations(&house), "ramal_registrations 1");
    house.close().await;
}

#[tokio::test]
async fn who_registers_for_somebody_else_gets_403_and_a_brief_interval_423() {
    let house = House::open(ERIKA).await;
    let wire = Wire::new().await;
    let mut phone = Phone::new(wire.at(), "301", "secret");
    let brief = register(&house, &wire, &mut phone, "Contact: <sip:301@127.0.0.1>;expires=10\r\n").await;
    assert!(brief.starts_with("SIP/2.0 423 ") && header(&brief, "Min-Expires") == "60", "{brief}");
    let first = phone.register("Contact: <sip:301@127.0.0.1>\r\n").replace("To: <sip:301", "To: <sip:201");
    let asked = house.ask(&wire, &first).await;
    let second = phone.answer(&first, &asked);
    let refused = house.ask(&wire, &second).await;
    assert!(refused.starts_with("SIP/2.0 403 "), "{refused}");
    house.close().await;
}

#[tokio::test]
async fn registrations_live_through_a_restart() {
    let house = House::open(ERIKA).await;
    // The same port again: a phone behind a NAT is reached from no other.
    let path = house.handle().config_path().to_owned();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("udp:127.0.0.1:0", &format!("udp:{}", house.udp))).unwrap();
    let wire = Wire::new().await;
    let mut phone = Phone::new(wire.at(), "301", "secret");
    let done = register(&house, &wire, &mut phone, "Contact: <sip:301@127.0.0.1>\r\n").await;
    assert!(done.starts_with("SIP/2.0 200 "), "{done}");
    let house = house.restart().await;
    assert_eq!(registrations(&house), "ramal_registrations 1");
    let call = invite(&house.carrier, "+551140028923", "+5521976543210", "c1");
    house.carrier.send(house.udp, &call).await;
    let rung = wire.expect("INVITE ").await;
    wire.answer(house.udp, &rung, 486, "").await;
    house.carrier.expect("SIP/2.0 486").await;
    house.close().await;
}

#[tokio::test]
async fn whoever_left_the_files_while_the_server_was_down_has_no_phone() {
    let house = House::open(ERIKA).await;
    let path = house.handle().config_path().to_owned();
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("udp:127.0.0.1:0", &format!("udp:{}", house.udp));
    let wire = Wire::new().await;
    let mut phone = Phone::new(wire.at(), "301", "secret");
    register(&house, &wire, &mut phone, "Contact: <sip:301@127.0.0.1>\r\n").await;
    std::fs::write(&path, text.replace("password = \"secret\"\n", "")).unwrap();
    let house = house.restart().await;
    assert_eq!(registrations(&house), "ramal_registrations 0");
    house.close().await;
}

#[tokio::test]
async fn who_has_another_password_has_no_phone_until_it_is_shown() {
    let house = House::open(ERIKA).await;
    let wire = Wire::new().await;
    let mut phone = Phone::new(wire.at(), "301", "secret");
    register(&house, &wire, &mut phone, "Contact: <sip:301@127.0.0.1>\r\n").await;
    let path = house.handle().config_path().to_owned();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"secret\"", "\"another\"")).unwrap();
    house.handle().reload().await.unwrap();
    assert_eq!(registrations(&house), "ramal_registrations 0");
    phone.password = "another";
    let done = register(&house, &wire, &mut phone, "Contact: <sip:301@127.0.0.1>\r\n").await;
    assert!(done.starts_with("SIP/2.0 200 "), "{done}");
    house.handle().reload().await.unwrap();
    assert_eq!(registrations(&house), "ramal_registrations 1", "the same files cost nobody her phone");
    house.close().await;
}

#[tokio::test]
async fn who_has_no_password_in_the_files_any_more_has_no_phone() {
    let house = House::open(ERIKA).await;
    let wire = Wire::new().await;
    let mut phone = Phone::new(wire.at(), "301", "secret");
    register(&house, &wire, &mut phone, "Contact: <sip:301@127.0.0.1>\r\n").await;
    assert_eq!(registrations(&house), "ramal_registrations 1");
    let path = house.handle().config_path().to_owned();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("password = \"secret\"\n", "")).unwrap();
    house.handle().reload().await.unwrap();
    assert_eq!(registrations(&house), "ramal_registrations 0");
    house.close().await;
}

#[tokio::test]
async fn a_phone_calls_with_its_password_alone_and_as_itself_whatever_from_says() {
    let house = House::open(ERIKA).await;
    let wire = Wire::new().await;
    let mut phone = Phone::new(wire.at(), "301", "secret");
    register(&house, &wire, &mut phone, "Contact: <sip:301@127.0.0.1>\r\n").await;
    // As ana, who has none: From is not believed.
    let call = invite(&wire, "+5521976543210", "201", "p1");
    let asked = house.ask(&wire, &call).await;
    assert!(asked.starts_with("SIP/2.0 401 "), "{asked}");
    let ack = call.replace("INVITE sip", "ACK sip").replace("1 INVITE", "1 ACK");
    wire.send(house.udp, ack.split("Content-Type").next().unwrap()).await;
    phone.cseq = 1;
    // The first was made for ana: it belongs to one user, as to one source.
    let asked = house.ask(&wire, &phone.answer(&call, &asked)).await;
    assert!(asked.starts_with("SIP/2.0 401 ") && asked.contains("stale=true"), "{asked}");
    wire.send(house.udp, &phone.answer(&call, &asked)).await;
    let outgoing = house.carrier.expect("INVITE ").await;
    assert!(outgoing.starts_with("INVITE sip:+5521976543210@"), "{outgoing}");
    let live = house.handle().live_calls();
    assert_eq!((live.len(), live[0].from.as_str()), (1, "301"));
    house.carrier.answer(house.udp, &outgoing, 486, "").await;
    wire.expect("SIP/2.0 486").await;
    // The same address at another port: asked as well. Elsewhere: a stranger.
    let neighbour = Wire::new().await;
    assert!(house.ask(&neighbour, &invite(&neighbour, "202", "301", "p2")).await.starts_with("SIP/2.0 401 "));
    // And whoever does not even call herself what a phone would, one that there is not told from one that is not.
    assert!(house.ask(&neighbour, &invite(&neighbour, "202", "399", "p4")).await.starts_with("SIP/2.0 401 "));
    for (from, id) in [("+5521976543210", "p5"), ("mallory", "p6")] {
        let answer = house.ask(&neighbour, &invite(&neighbour, "202", from, id)).await;
        assert!(answer.starts_with("SIP/2.0 403 "), "{answer}");
    }
    let stranger = Wire::on("127.0.0.6:0").await;
    assert!(house.ask(&stranger, &invite(&stranger, "202", "301", "p3")).await.starts_with("SIP/2.0 403 "));
    house.close().await;
}

/// An OPTIONS, to know that all before it was read.
fn options(wire: &Wire) -> String {
    let at = wire.at();
    format!(
        "OPTIONS sip:ramal SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKo{};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:x@{at}>;tag=o\r\nTo: <sip:ramal>\r\nCall-ID: o@{at}\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n",
        at.port()
    )
}

/// One message off a stream.
async fn read_message(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let read = tokio::time::timeout(SOON, stream.read(&mut piece)).await.expect("an answer comes").unwrap();
        bytes.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.len() >= header(head, "Content-Length").parse().unwrap_or(0)
        {
            return text;
        }
        assert!(read > 0, "the stream ended: {text}");
    }
}

#[tokio::test]
async fn a_phone_by_tcp_is_rung_on_its_connection_and_gone_with_it() {
    let house = House::open(ERIKA).await;
    let mut stream = TcpStream::connect(house.tcp).await.unwrap();
    let at = stream.local_addr().unwrap();
    let mut phone = Phone { transport: "TCP", ..Phone::new(at, "301", "secret") };
    let contact = "Contact: <sip:301@10.9.9.9:5070;transport=tcp>;+sip.instance=\"<urn:uuid:1>\";reg-id=1\r\n\
                   Supported: path, outbound\r\n";
    let first = phone.register(contact);
    stream.write_all(first.as_bytes()).await.unwrap();
    let asked = read_message(&mut stream).await;
    let second = phone.answer(&first, &asked);
    stream.write_all(second.as_bytes()).await.unwrap();
    let done = read_message(&mut stream).await;
    assert!(done.starts_with("SIP/2.0 200 ") && header(&done, "Require") == "outbound", "{done}");
    let call = invite(&house.carrier, "+551140028923", "+5521976543210", "t1");
    house.carrier.send(house.udp, &call).await;
    let rung = read_message(&mut stream).await;
    assert!(rung.starts_with("INVITE sip:301@10.9.9.9:5070;transport=tcp SIP/2.0"), "{rung}");
    stream.write_all(house::answer(at, &rung, 486, "").as_bytes()).await.unwrap();
    house.carrier.expect("SIP/2.0 486").await;
    drop(stream);
    let call = invite(&house.carrier, "+551140028923", "+5521976543210", "t2");
    house.carrier.send(house.udp, &call).await;
    let refused = house.carrier.expect("SIP/2.0 4").await;
    assert!(!refused.starts_with("SIP/2.0 486"), "{refused}");
    eventually("the registration is dropped", || registrations(&house) == "ramal_registrations 0").await;
    house.close().await;
}

#[tokio::test]
async fn a_phone_whose_connection_closes_before_it_says_a_word_keeps_no_caller_waiting() {
    let house = House::open(ERIKA).await;
    let mut stream = TcpStream::connect(house.tcp).await.unwrap();
    let at = stream.local_addr().unwrap();
    let mut phone = Phone { transport: "TCP", ..Phone::new(at, "301", "secret") };
    let first = phone.register("Contact: <sip:301@10.9.9.9:5070;transport=tcp>\r\n");
    stream.write_all(first.as_bytes()).await.unwrap();
    let asked = read_message(&mut stream).await;
    let second = phone.answer(&first, &asked);
    stream.write_all(second.as_bytes()).await.unwrap();
    assert!(read_message(&mut stream).await.starts_with("SIP/2.0 200 "));
    let call = invite(&house.carrier, "+551140028923", "+5521976543210", "l1");
    house.carrier.send(house.udp, &call).await;
    assert!(read_message(&mut stream).await.starts_with("INVITE "));
    drop(stream);
    // Without a word about the connection it would be 8 s.
    let answer = tokio::time::timeout(Duration::from_secs(5), house.carrier.expect("SIP/2.0 480")).await;
    answer.expect("at once");
    house.close().await;
}

/// Changes the carrier's lines of the house's file, and has it read again.
async fn change_trunk(house: &House, keys: &str) {
    let path = house.handle().config_path().to_owned();
    let text = std::fs::read_to_string(&path).unwrap();
    let from = text.find("[[trunk]]\nname = \"carrier\"\n").unwrap();
    let peers = text[from..].lines().find(|line| line.starts_with("peers")).unwrap().to_owned();
    let to = from + text[from..].find("[[pbx]]").unwrap();
    let changed = format!("{}[[trunk]]\nname = \"carrier\"\n{peers}\n{keys}\n{}", &text[..from], &text[to..]);
    std::fs::write(&path, changed).unwrap();
    house.handle().reload().await.unwrap();
}

#[tokio::test]
async fn a_trunk_is_registered_with_kept_through_a_reload_and_left_at_the_end() {
    let house = House::open("").await;
    let keys = "options = \"0s\"\nregister = true\nusername = \"acme\"\npassword = \"secret\"";
    change_trunk(&house, keys).await;
    let first = house.carrier.expect("REGISTER ").await;
    assert!(first.starts_with("REGISTER sip:127.0.0.1:"), "{first}");
    // Who has overheard it says nothing in the carrier's name.
    let stranger = Wire::on("127.0.0.7:0").await;
    stranger.send(house.udp, &house::answer(house.carrier.at(), &first, 403, "")).await;
    assert!(house.ask(&stranger, &options(&stranger)).await.starts_with("SIP/2.0 200"), "it was read");
    let challenge = house::answer(house.carrier.at(), &first, 401, "").replace(
        "Contact:",
        "WWW-Authenticate: Digest realm=\"carrier\", nonce=\"n1\", algorithm=MD5, qop=\"auth\"\r\nX-Contact:",
    );
    house.carrier.send(house.udp, &challenge).await;
    let second = house.carrier.expect("REGISTER ").await;
    assert_eq!(header(&first, "Call-ID"), header(&second, "Call-ID"));
    assert_eq!((header(&first, "CSeq"), header(&second, "CSeq")), ("1 REGISTER", "2 REGISTER"));
    assert!(header(&second, "Authorization").contains("username=\"acme\""), "{second}");
    let taken = house::answer(house.carrier.at(), &second, 200, "");
    let contact = header(&taken, "Contact").to_owned();
    let ours = format!("{};expires=3600", header(&second, "Contact"));
    house.carrier.send(house.udp, &taken.replace(&contact, &ours)).await;
    // A reload that does not concern it sends nothing; what comes next is the farewell.
    change_trunk(&house, &format!("{keys}\nchannels = 7")).await;
    let text = house.handle().metrics_text();
    assert!(text.contains("ramal_trunk_up{trunk=\"carrier\"} 1"), "{text}");
    let farewell = house.close_hearing("REGISTER ").await;
    assert_eq!(header(&farewell, "Expires"), "0");
    assert_eq!(header(&farewell, "Call-ID"), header(&first, "Call-ID"));
    assert_eq!(header(&farewell, "CSeq"), "3 REGISTER");
}

#[tokio::test]
async fn a_trunk_that_answers_no_options_is_down_and_up_again_and_both_are_told_once() {
    let house = House::open("").await;
    let mut events = house.handle().events().subscribe(None).live;
    change_trunk(&house, "options = \"200ms\"").await;
    let next = |event: &'static str| {
        let mut live = events.resubscribe();
        async move {
            loop {
                let told = tokio::time::timeout(SOON, live.recv()).await.expect("it is told").unwrap();
                if told.name() == event {
                    return told.json().to_owned();
                }
            }
        }
    };
    let (down, up) = (next("trunk.down"), next("trunk.up"));
    let told = down.await;
    assert!(told.contains("\"trunk\":\"carrier\"") && told.contains("\"call\":null"), "{told}");
    assert!(house.handle().metrics_text().contains("ramal_trunk_up{trunk=\"carrier\"} 0"));
    // Whatever it answers, it is there.
    let answering = async {
        loop {
            let probe = house.carrier.expect("OPTIONS ").await;
            house.carrier.answer(house.udp, &probe, 404, "").await;
        }
    };
    tokio::select! {
        told = up => assert!(told.contains("\"trunk\":\"carrier\""), "{told}"),
        () = answering => {}
    }
    assert!(events.try_recv().is_ok());
    assert!(house.handle().metrics_text().contains("ramal_trunk_up{trunk=\"carrier\"} 1"));
    house.close().await;
}

#[tokio::test]
async fn a_trunk_that_is_not_registered_does_not_come_up_because_we_leave_it() {
    let house = House::open("").await;
    let mut events = house.handle().events().subscribe(None).live;
    let keys = "options = \"0s\"\nregister = true\nusername = \"acme\"\npassword = \"secret\"";
    change_trunk(&house, keys).await;
    let register = house.carrier.expect("REGISTER ").await;
    house.carrier.answer(house.udp, &register, 403, "").await;
    eventually("the trunk is down", || house.handle().metrics_text().contains("ramal_trunk_up{trunk=\"carrier\"} 0"))
        .await;
    house.close().await;
    let mut told = Vec::new();
    while let Ok(event) = events.try_recv() {
        told.push(event.name().to_owned());
    }
    assert_eq!(told, ["trunk.down"]);
}
