//! Lamps by real sockets: a registered phone subscribes to a colleague, whose phone rings and talks.

mod house;

use std::cell::RefCell;

use house::{House, SDP, Wire, header, invite};
use ramal::base::{Account, Secret};
use ramal::sip::digest::{Challenge, Session, best, challenges};
use ramal::sip::message::{Limits, Message, Name, parse};

const PEOPLE: &str = r#"
[[employee]]
id = "carla"
name = "Carla"
extension = "203"
password = "carla's own"
[[employee]]
id = "dora"
name = "Dora"
extension = "204"
password = "dora's own"
[[queue]]
name = "shop"
members = ["carla"]
[[line]]
number = "+551140028923"
trunk = "carrier"
queue = "shop"
"#;

/// A phone of an employee's.
struct Phone {
    wire: Wire,
    account: Account,
    sent: RefCell<u32>,
    /// What it was asked last, and how often it has answered that.
    asked: RefCell<Option<(Challenge, u32)>>,
}

impl Phone {
    /// A phone of hers, registered.
    async fn of(house: &House, extension: &str, password: &str) -> Self {
        let account = Account { username: extension.to_owned(), password: Secret::new(password.to_owned()) };
        let phone = Self { wire: Wire::new().await, account, sent: RefCell::default(), asked: RefCell::default() };
        let to = format!("<sip:{extension}@ramal>");
        let answer = phone.ask(house, "REGISTER", ("sip:ramal", &to), "reg", "Expires: 600\r\n").await;
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
        phone
    }

    /// Asks, with the password once it is asked for.
    async fn ask(&self, house: &House, method: &str, (uri, to): (&str, &str), id: &str, more: &str) -> String {
        for _ in 0..3 {
            let credentials = self.credentials(method, uri);
            let request = self.request(method, (uri, to), id, &format!("{more}{credentials}"));
            self.wire.send(house.udp, &request).await;
            let answer = self.wire.expect_answer("SIP/2.0 ", method).await;
            if !answer.starts_with("SIP/2.0 401") {
                return answer;
            }
            let Ok(Message::Response(response)) = parse(&answer.into(), &Limits::default()) else {
                panic!("a response")
            };
            let challenge = best(challenges(&response.headers, &Name::WwwAuthenticate)).expect("a challenge");
            let mut asked = self.asked.borrow_mut();
            let count =
                asked.take().filter(|(before, _)| before.nonce == challenge.nonce).map_or(0, |(_, count)| count);
            *asked = Some((challenge, count));
        }
        panic!("the password is not taken")
    }

    fn credentials(&self, method: &str, uri: &str) -> String {
        let mut asked = self.asked.borrow_mut();
        let Some((challenge, count)) = asked.as_mut() else { return String::new() };
        *count += 1;
        let session = Session { cnonce: "c".to_owned(), count: *count };
        format!("Authorization: {}\r\n", challenge.answer(&self.account, method, uri, &session))
    }

    fn request(&self, method: &str, (uri, to): (&str, &str), id: &str, more: &str) -> String {
        let (at, user) = (self.wire.at(), &self.account.username);
        *self.sent.borrow_mut() += 1;
        let cseq = *self.sent.borrow();
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{user}{cseq};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@ramal>;tag={user}\r\nTo: {to}\r\nCall-ID: {id}-{user}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:{user}@{at}>\r\n{more}Content-Length: 0\r\n\r\n"
        )
    }

    async fn subscribe(&self, house: &House, extension: &str, event: &str, expires: u32) -> String {
        let (uri, to) = (format!("sip:{extension}@ramal"), format!("<sip:{extension}@ramal>"));
        let more = format!("Event: {event}\r\nExpires: {expires}\r\n");
        self.ask(house, "SUBSCRIBE", (&uri, &to), &format!("{event}-{extension}"), &more).await
    }

    /// The next NOTIFY, answered.
    async fn notified(&self, house: &House) -> String {
        let notify = self.wire.expect("NOTIFY ").await;
        self.wire.answer(house.udp, &notify, 200, "").await;
        notify
    }
}

/// A colleague's lamp, as phones read it: the value of an attribute.
fn attribute<'a>(document: &'a str, name: &str) -> &'a str {
    let (_, rest) = document.split_once(&format!(" {name}=\"")).unwrap_or_default();
    rest.split('"').next().unwrap_or_default()
}

fn tag(address: &str) -> &str {
    address.split_once(";tag=").map_or("", |(_, tag)| tag)
}

#[tokio::test]
async fn a_lamp_shows_a_colleague_who_rings_who_talks_and_who_is_free_again() {
    let house = House::open(PEOPLE).await;
    let carla = Phone::of(&house, "203", "carla's own").await;
    let dora = Phone::of(&house, "204", "dora's own").await;
    let answer = dora.subscribe(&house, "203", "dialog", 600).await;
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    assert_eq!(header(&answer, "Expires"), "600");
    let first = dora.notified(&house).await;
    assert_eq!(header(&first, "Subscription-State"), "active;expires=600");
    assert_eq!(tag(header(&first, "From")), tag(header(&answer, "To")), "{first}");
    assert!(first.contains("version=\"0\" state=\"full\"") && !first.contains("<dialog "), "{first}");

    let call = invite(&house.carrier, "+551140028923", "+5511987654321", "lamp");
    house.carrier.send(house.udp, &call).await;
    let rung = carla.wire.expect("INVITE ").await;
    carla.wire.answer(house.udp, &rung, 180, "").await;
    let rings = dora.notified(&house).await;
    assert!(rings.contains("version=\"1\"") && rings.contains("<state>early</state>"), "{rings}");
    assert_eq!(attribute(&rings, "direction"), "recipient");
    // By what her phone knows the dialog: its own tag is the local one.
    assert_eq!(attribute(&rings, "call-id"), header(&rung, "Call-ID"));
    assert_eq!(attribute(&rings, "remote-tag"), tag(header(&rung, "From")));
    assert_eq!(attribute(&rings, "local-tag"), "phone");
    assert!(rings.contains(">sip:+5511987654321@ramal</identity>"), "{rings}");

    carla.wire.answer(house.udp, &rung, 200, SDP).await;
    let answered = house.carrier.expect("SIP/2.0 200").await;
    house.carrier.ack(house.udp, &call, &answered).await;
    let talks = dora.notified(&house).await;
    assert!(talks.contains("version=\"2\"") && talks.contains("<state>confirmed</state>"), "{talks}");
    // A phone that comes now is told what is.
    let late = dora.subscribe(&house, "203", "dialog;id=2", 600).await;
    assert!(late.starts_with("SIP/2.0 200"), "{late}");
    let now = dora.notified(&house).await;
    assert!(now.contains("version=\"0\"") && now.contains("<state>confirmed</state>"), "{now}");
    assert_eq!(header(&now, "Event"), "dialog;id=2");

    house.carrier.bye(house.udp, &call, &answered).await;
    let free = [dora.notified(&house).await, dora.notified(&house).await];
    assert!(free.iter().all(|notify| notify.contains("<state>terminated</state>")), "{free:?}");
    house.close().await;
}

#[tokio::test]
async fn who_calls_out_is_seen_to_talk_and_an_extension_of_the_pbx_too() {
    let house = House::open(PEOPLE).await;
    let dora = Phone::of(&house, "204", "dora's own").await;
    assert!(dora.subscribe(&house, "201", "dialog", 600).await.starts_with("SIP/2.0 200"));
    dora.notified(&house).await;
    assert!(dora.subscribe(&house, "250", "dialog", 600).await.starts_with("SIP/2.0 200"));
    dora.notified(&house).await;
    let call = invite(&house.office, "250", "201", "inside");
    house.office.send(house.udp, &call).await;
    let calls = dora.notified(&house).await;
    assert!(calls.contains("entity=\"sip:201@ramal\"") && calls.contains("<state>trying</state>"), "{calls}");
    assert_eq!(attribute(&calls, "direction"), "initiator");
    assert_eq!(attribute(&calls, "call-id"), "inside@carrier.example");
    assert!(calls.contains(">sip:250@ramal</identity>"), "{calls}");
    let rung = house.office.expect("INVITE ").await;
    house.office.answer(house.udp, &rung, 180, "").await;
    loop {
        let rings = dora.notified(&house).await;
        if rings.contains("entity=\"sip:250@ramal\"") {
            assert!(rings.contains("<state>early</state>") && rings.contains(">sip:201@ramal</identity>"), "{rings}");
            break;
        }
    }
    house.close().await;
}

#[tokio::test]
async fn a_subscription_is_given_up_and_others_are_refused_by_their_own_codes() {
    let house = House::open(PEOPLE).await;
    let dora = Phone::of(&house, "204", "dora's own").await;
    let answer = dora.subscribe(&house, "204", "message-summary", 600).await;
    let first = dora.notified(&house).await;
    assert!(first.contains("Messages-Waiting: no\r\n") && first.contains("Voice-Message: 0/0 (0/0)\r\n"), "{first}");
    let (uri, to) = (header(&answer, "Contact").trim_matches(['<', '>']), header(&answer, "To"));
    let give_up = "Event: message-summary\r\nExpires: 0\r\n";
    let gone = dora.ask(&house, "SUBSCRIBE", (uri, to), "message-summary-204", give_up).await;
    assert!(gone.starts_with("SIP/2.0 200"), "{gone}");
    assert_eq!(header(&dora.notified(&house).await, "Subscription-State"), "terminated;reason=timeout");
    let again = dora.ask(&house, "SUBSCRIBE", (uri, to), "message-summary-204", give_up).await;
    assert!(again.starts_with("SIP/2.0 481"), "{again}");

    let other = dora.subscribe(&house, "203", "presence", 600).await;
    assert!(other.starts_with("SIP/2.0 489"), "{other}");
    assert_eq!(header(&other, "Allow-Events"), "dialog, message-summary, refer");
    let brief = dora.subscribe(&house, "203", "dialog", 30).await;
    assert!(brief.starts_with("SIP/2.0 423") && header(&brief, "Min-Expires") == "60", "{brief}");
    assert!(dora.subscribe(&house, "999", "dialog", 600).await.starts_with("SIP/2.0 404"));
    assert!(dora.subscribe(&house, "203", "message-summary", 600).await.starts_with("SIP/2.0 403"));
    house.close().await;
}

#[tokio::test]
async fn strangers_subscribe_to_nothing_and_one_phone_not_to_everything() {
    let house = House::open(PEOPLE).await;
    let dora = Phone::of(&house, "204", "dora's own").await;
    for n in 0..50 {
        let answer = dora.subscribe(&house, "203", &format!("dialog;id={n}"), 600).await;
        assert!(answer.starts_with("SIP/2.0 200"), "{n}: {answer}");
        dora.notified(&house).await;
    }
    assert!(dora.subscribe(&house, "202", "dialog", 600).await.starts_with("SIP/2.0 403"));
    let stranger = Wire::on("127.0.0.2:0").await;
    let more = "Event: dialog\r\nExpires: 600\r\n";
    let request = dora.request("SUBSCRIBE", ("sip:203@ramal", "<sip:203@ramal>"), "strange", more);
    let answer = house.ask(&stranger, &request).await;
    assert!(answer.starts_with("SIP/2.0 403"), "{answer}");
    assert!(answer.len() * 2 <= request.len() * 3, "{answer}");
    house.close().await;
}

#[tokio::test]
async fn who_leaves_the_files_is_watched_no_more_and_a_stop_asks_phones_to_come_again() {
    let house = House::open(PEOPLE).await;
    let dora = Phone::of(&house, "204", "dora's own").await;
    for extension in ["203", "201"] {
        assert!(dora.subscribe(&house, extension, "dialog", 600).await.starts_with("SIP/2.0 200"));
        dora.notified(&house).await;
    }
    let path = house.handle().config_path().to_owned();
    let text = std::fs::read_to_string(&path).unwrap();
    let carla = "[[employee]]\nid = \"carla\"\nname = \"Carla\"\nextension = \"203\"\npassword = \"carla's own\"\n";
    let text = text.replace(carla, "").replace("members = [\"carla\"]", "members = [\"dora\"]");
    std::fs::write(&path, text).unwrap();
    house.handle().reload().await.unwrap();
    let gone = dora.notified(&house).await;
    assert_eq!(header(&gone, "Subscription-State"), "terminated;reason=noresource");
    assert!(gone.contains("entity=\"sip:203@ramal\""), "{gone}");
    house.close().await;
    let stopped = dora.wire.expect("NOTIFY ").await;
    assert_eq!(header(&stopped, "Subscription-State"), "terminated;reason=deactivated");
    assert!(stopped.contains("entity=\"sip:201@ramal\""), "{stopped}");
}
