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

/// The INVITE by which a phone picks up what a lamp shows, with more headers.
fn picks_up(phone: &Phone, replaces: &str, id: &str, more: &str) -> String {
    let call = invite(&phone.wire, "203", &phone.account.username, id);
    call.replace("Max-Forwards", &format!("Replaces: {replaces}\r\n{more}Max-Forwards"))
}

/// Sends an INVITE, again with the password once it is asked for; gives it as it went, and its final answer.
async fn calls(house: &House, phone: &Phone, call: &str) -> (String, String) {
    let mut call = call.to_owned();
    for n in 0..3 {
        phone.wire.send(house.udp, &call).await;
        let answer = loop {
            let answer = phone.wire.expect_answer("SIP/2.0 ", "INVITE").await;
            if !answer.starts_with("SIP/2.0 1") && header(&answer, "Call-ID") == header(&call, "Call-ID") {
                break answer;
            }
        };
        if !answer.starts_with("SIP/2.0 401") {
            return (call, answer);
        }
        let Ok(Message::Response(response)) = parse(&answer.into(), &Limits::default()) else { panic!("a response") };
        let challenge = best(challenges(&response.headers, &Name::WwwAuthenticate)).expect("a challenge");
        let session = Session { cnonce: "c".to_owned(), count: 1 };
        let uri = call.split(' ').nth(1).expect("a request").to_owned();
        let credentials = challenge.answer(&phone.account, "INVITE", &uri, &session);
        call = call.replacen("branch=z9hG4bK", &format!("branch=z9hG4bK{n}x"), 1);
        call = call.replace("CSeq: 1 INVITE", &format!("CSeq: 1 INVITE\r\nAuthorization: {credentials}"));
    }
    panic!("the password is not taken")
}

/// Waits until a transfer is told; gives its kind, and who has it.
async fn told(events: &mut Told) -> (Option<&'static str>, String) {
    loop {
        let event = tokio::time::timeout(house::SOON, events.recv()).await.expect("it is told").expect("it goes on");
        if let Some(told) = event.publication().filter(|publication| publication.event == "call.transferred") {
            return (told.kind, told.to_employee.clone().expect("whoever has it").to_string());
        }
    }
}

type Told = tokio::sync::broadcast::Receiver<std::sync::Arc<ramal::node::events::Event>>;

#[tokio::test]
async fn a_phone_picks_up_what_a_lamp_shows_with_the_tags_in_either_order() {
    for in_order in [true, false] {
        let house = House::open(PEOPLE).await;
        let mut events = house.handle().events().subscribe(None).live;
        let carla = Phone::of(&house, "203", "carla's own").await;
        let dora = Phone::of(&house, "204", "dora's own").await;
        assert!(dora.subscribe(&house, "203", "dialog", 600).await.starts_with("SIP/2.0 200"));
        dora.notified(&house).await;
        let call = invite(&house.carrier, "+551140028923", "+5511987654321", "pick");
        house.carrier.send(house.udp, &call).await;
        let rung = carla.wire.expect("INVITE ").await;
        carla.wire.answer(house.udp, &rung, 180, "").await;
        let rings = dora.notified(&house).await;
        let (local, remote) = (attribute(&rings, "local-tag"), attribute(&rings, "remote-tag"));
        let (to, from) = if in_order { (remote, local) } else { (local, remote) };
        let replaces = format!("{};to-tag={to};from-tag={from};early-only", attribute(&rings, "call-id"));
        let (hers, answered) = calls(&house, &dora, &picks_up(&dora, &replaces, "up", "")).await;
        assert!(answered.starts_with("SIP/2.0 200"), "{answered}");
        dora.wire.ack(house.udp, &hers, &answered).await;
        let cancel = carla.wire.expect("CANCEL ").await;
        assert!(header(&cancel, "Reason").contains("cause=200"), "answered elsewhere: {cancel}");
        carla.wire.answer(house.udp, &cancel, 200, "").await;
        carla.wire.answer(house.udp, &rung, 487, "").await;
        let up = house.carrier.expect("SIP/2.0 200").await;
        house.carrier.ack(house.udp, &call, &up).await;
        let id = house.handle().live_calls()[0].id;
        house.carrier.bye(house.udp, &call, &up).await;
        house.carrier.expect_answer("SIP/2.0 200", "BYE").await;
        let record = house.handle().store().reader().call(id).await.unwrap().expect("committed before the 200");
        assert_eq!((record.employee.unwrap().as_str(), record.transferred_from), ("dora", None), "it is no transfer");
        house.close().await;
        while let Ok(event) = events.try_recv() {
            let told = event.publication().is_some_and(|told| told.event == "call.transferred");
            assert!(!told, "nobody has handed anything on");
        }
    }
}

#[tokio::test]
async fn a_call_that_talks_is_taken_by_her_other_phone_and_by_whom_she_sends() {
    let house = House::open(PEOPLE).await;
    let mut events = house.handle().events().subscribe(None).live;
    let carla = Phone::of(&house, "203", "carla's own").await;
    let call = invite(&house.carrier, "+551140028923", "+5511987654321", "take");
    house.carrier.send(house.udp, &call).await;
    let rung = carla.wire.expect("INVITE ").await;
    carla.wire.answer(house.udp, &rung, 200, SDP).await;
    let up = house.carrier.expect("SIP/2.0 200").await;
    house.carrier.ack(house.udp, &call, &up).await;
    // Whoever takes it offers her media, which the customer is told of.
    let mobile = Phone::of(&house, "203", "carla's own").await;
    let dora = Phone::of(&house, "204", "dora's own").await;
    let of_carla = format!("{};to-tag={};from-tag=phone", header(&rung, "Call-ID"), tag(header(&rung, "From")));
    let (_, refused) = calls(&house, &dora, &picks_up(&dora, &of_carla, "no", "")).await;
    assert!(refused.starts_with("SIP/2.0 403"), "nobody has sent her: {refused}");
    let takes = picks_up(&mobile, &of_carla, "mobile", "");
    let customer = async {
        let reinvite = house.carrier.expect("INVITE ").await;
        house.carrier.answer(house.udp, &reinvite, 200, SDP).await;
    };
    let ((hers, answered), ()) = tokio::join!(calls(&house, &mobile, &takes), customer);
    assert!(answered.starts_with("SIP/2.0 200"), "{answered}");
    mobile.wire.ack(house.udp, &hers, &answered).await;
    let bye = carla.wire.expect("BYE ").await;
    carla.wire.answer(house.udp, &bye, 200, "").await;

    let of_mobile = format!("mobile@carrier.example;to-tag={};from-tag=mobile", tag(header(&answered, "To")));
    let takes = picks_up(&dora, &of_mobile, "dora", "Referred-By: <sip:203@ramal>\r\n");
    let customer = async {
        let reinvite = house.carrier.expect("INVITE ").await;
        house.carrier.answer(house.udp, &reinvite, 200, SDP).await;
    };
    let ((hers, answered), ()) = tokio::join!(calls(&house, &dora, &takes), customer);
    assert!(answered.starts_with("SIP/2.0 200"), "{answered}");
    dora.wire.ack(house.udp, &hers, &answered).await;
    let bye = mobile.wire.expect("BYE ").await;
    mobile.wire.answer(house.udp, &bye, 200, "").await;
    // From one phone of hers to another is no transfer; this is the only one.
    assert_eq!(told(&mut events).await, (Some("takeover"), "dora".to_owned()));
    house.close().await;
}
