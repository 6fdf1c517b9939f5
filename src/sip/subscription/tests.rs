//! Subscriptions, on a clock and a house of the test's own.

use std::cell::RefCell;

use super::*;
use crate::base::Transport;
use crate::sip::agent::{CallerId, call_of_tag};

/// What the house has to tell.
#[derive(Default)]
struct House {
    dialogs: RefCell<Vec<DialogInfo>>,
}

impl Source for House {
    fn dialogs(&self, _: &Watched) -> Vec<DialogInfo> {
        self.dialogs.borrow().clone()
    }
    fn messages(&self, _: &Watched) -> Messages {
        Messages::default()
    }
}

fn dialog(id: &str, state: DialogState) -> DialogInfo {
    DialogInfo {
        id: id.to_owned(),
        call_id: format!("{id}@192.0.2.1"),
        local_tag: Some("hers".to_owned()),
        remote_tag: Some("ours".to_owned()),
        direction: Direction::Recipient,
        state,
        peer: CallerId { display: String::new(), user: Some("+5511987654321".to_owned()) },
    }
}

fn at(ms: u64) -> Now {
    Now { mono: Instant::from_millis(100_000 + ms), ..Now::default() }
}

fn hop(port: u16) -> Hop {
    let local = "192.0.2.1:5060".parse().unwrap();
    let remote = ([203, 0, 113, 7], port).into();
    Hop { transport: Transport::Udp, local, remote, advertised: local, name: None }
}

/// Ana's phone asks.
fn ask(event: &str, expires: u32) -> Request {
    Request::new(rsip::Method::Subscribe, "sip:202@pbx.example.com")
        .with(Name::Via, "SIP/2.0/UDP 203.0.113.7:5070;branch=z9hG4bK1;rport")
        .with(Name::From, "\"Ana\" <sip:201@pbx.example.com>;tag=phone")
        .with(Name::To, "<sip:202@pbx.example.com>")
        .with(Name::CallId, "sub-1")
        .with(Name::CSeq, "7 SUBSCRIBE")
        .with(Name::Contact, "<sip:201@10.0.0.9:5070>")
        .with(Name::Event, event)
        .with(Name::Expires, expires.to_string())
}

fn bruno() -> Watched {
    Watched::Employee("bruno".into())
}

/// Subscriptions with a house to tell of.
struct Notifier {
    all: Subscriptions,
    house: House,
}

impl Notifier {
    fn new() -> Self {
        Self { all: Subscriptions::new(Ids::seeded(7)), house: House::default() }
    }

    fn subscribe_as(&mut self, ms: u64, watcher: &str, watched: Option<Watched>, request: &Request) -> Response {
        let asked = Asked { request, hop: hop(5070), watcher: &watcher.into(), watched };
        self.all.subscribe(at(ms), asked)
    }

    fn subscribe(&mut self, ms: u64, request: &Request) -> Response {
        self.subscribe_as(ms, "ana", Some(bruno()), request)
    }

    /// One that holds, with its first NOTIFY answered; its tag.
    fn subscribed(ms: u64) -> (Self, String) {
        let mut notifier = Self::new();
        let response = notifier.subscribe(ms, &ask("dialog", 600));
        let tag = response.headers.to_tag().unwrap().to_owned();
        let [first] = &notifier.due(ms)[..] else { panic!("one NOTIFY") };
        notifier.answer(ms, first, 200);
        (notifier, tag)
    }

    fn due(&mut self, ms: u64) -> Vec<Notification> {
        let mut out = Vec::new();
        self.all.wake(at(ms), &self.house, usize::MAX, &mut out);
        out
    }

    fn answer(&mut self, ms: u64, notification: &Notification, status: u16) {
        let response = Response::to(&notification.request, Status::new(status).unwrap());
        self.all.answered(at(ms), notification.id, &response);
    }

    fn change(&mut self, ms: u64, dialogs: Vec<DialogInfo>) {
        *self.house.dialogs.borrow_mut() = dialogs;
        self.all.changed(at(ms), &bruno(), Package::Dialog);
    }
}

fn inside(mut request: Request, tag: &str, cseq: u32) -> Request {
    request.headers.set(Name::To, format!("<sip:202@pbx.example.com>;tag={tag}"));
    request.headers.set(Name::CSeq, format!("{cseq} SUBSCRIBE"));
    request
}

fn state(notification: &Notification) -> String {
    notification.request.headers.get(&Name::SubscriptionState).unwrap().to_string()
}

fn body(notification: &Notification) -> String {
    String::from_utf8(notification.request.body.to_vec()).unwrap()
}

#[test]
fn a_subscribe_has_its_200_and_a_notify_at_once_in_its_dialog() {
    let mut notifier = Notifier::new();
    let mut request = ask("dialog;id=4", 600);
    request.headers.push(Name::RecordRoute, "<sip:198.51.100.1;lr>, <sip:198.51.100.2;lr>");
    let response = notifier.subscribe(0, &request);
    assert_eq!((response.status.code(), response.headers.number(&Name::Expires)), (200, Some(600)));
    assert!(response.headers.has(&Name::Contact) && response.headers.has(&Name::RecordRoute));
    let tag = response.headers.to_tag().unwrap();
    assert!(is_subscription(tag) && call_of_tag(tag).is_none(), "{tag}");
    let [first] = &notifier.due(0)[..] else { panic!("one NOTIFY") };
    let notify = &first.request;
    assert_eq!(&*notify.uri, "sip:201@10.0.0.9:5070");
    let value = |name| notify.headers.get(&name).unwrap().to_string();
    assert_eq!(value(Name::From), format!("<sip:202@pbx.example.com>;tag={tag}"));
    assert_eq!(value(Name::To), "\"Ana\" <sip:201@pbx.example.com>;tag=phone");
    assert_eq!((value(Name::CallId), value(Name::CSeq)), ("sub-1".to_owned(), "1 NOTIFY".to_owned()));
    assert_eq!((value(Name::Event), state(first)), ("dialog;id=4".to_owned(), "active;expires=600".to_owned()));
    assert_eq!(value(Name::ContentType), "application/dialog-info+xml");
    let routes: Vec<String> = notify.headers.routes().iter().map(|route| route.uri_text.to_string()).collect();
    assert_eq!(routes, ["sip:198.51.100.1;lr", "sip:198.51.100.2;lr"]);
    assert!(body(first).contains("version=\"0\" state=\"full\" entity=\"sip:202@pbx.example.com\""));
    assert_eq!(first.hop, hop(5070), "back the way that the SUBSCRIBE came by");
}

#[test]
fn what_is_asked_for_wrongly_is_refused_by_its_own_code() {
    let without = |name| {
        let mut request = ask("dialog", 600);
        request.headers.remove(&name);
        request
    };
    let picky = ask("dialog", 600).with(Name::Accept, "application/pidf+xml");
    for (request, watched, status, header) in [
        (ask("presence", 600), Some(bruno()), 489, Some((Name::AllowEvents, ALLOW_EVENTS))),
        (without(Name::Event), Some(bruno()), 489, Some((Name::AllowEvents, ALLOW_EVENTS))),
        (ask("refer", 600), Some(bruno()), 403, None),
        (ask("dialog", 59), Some(bruno()), 423, Some((Name::MinExpires, "60"))),
        (picky, Some(bruno()), 406, Some((Name::Accept, "application/dialog-info+xml"))),
        (ask("dialog", 600), None, 404, None),
        (ask("message-summary", 600), Some(bruno()), 403, None),
        (without(Name::Contact), Some(bruno()), 400, None),
        (inside(ask("dialog", 600), "s0000000000000001-0000000000000001", 8), Some(bruno()), 481, None),
        (inside(ask("dialog", 600), "foreign", 8), Some(bruno()), 481, None),
    ] {
        let mut notifier = Notifier::new();
        let response = notifier.subscribe_as(0, "ana", watched, &request);
        assert_eq!(response.status.code(), status, "{request:?}");
        if let Some((name, value)) = header {
            assert_eq!(response.headers.get(&name).map(|v| &**v), Some(value));
        }
        assert!(notifier.due(0).is_empty() && notifier.all.is_empty());
    }
}

#[test]
fn an_hour_is_the_most_and_what_is_given_where_nothing_is_asked_for() {
    let mut unsaid = ask("dialog", 0);
    unsaid.headers.remove(&Name::Expires);
    for (request, given) in
        [(unsaid, 3600), (ask("dialog", 86_400), 3600), (ask("dialog", 60), 60), (ask("dialog", u32::MAX), 3600)]
    {
        let response = Notifier::new().subscribe(0, &request);
        assert_eq!((response.status.code(), response.headers.number(&Name::Expires)), (200, Some(given)));
    }
}

#[test]
fn her_own_messages_are_none_yet() {
    let mut notifier = Notifier::new();
    let response = notifier.subscribe_as(0, "bruno", Some(bruno()), &ask("message-summary", 600));
    assert_eq!(response.status, Status::OK);
    let [first] = &notifier.due(0)[..] else { panic!("one NOTIFY") };
    assert_eq!(first.request.headers.content_type().as_deref(), Some("application/simple-message-summary"));
    assert!(body(first).starts_with("Messages-Waiting: no\r\n"));
}

#[test]
fn changes_are_told_at_most_once_a_second_and_the_last_state_wins() {
    let (mut notifier, _) = Notifier::subscribed(0);
    notifier.change(5_000, vec![dialog("a", DialogState::Early)]);
    let [rings] = &notifier.due(5_000)[..] else { panic!("at once after a silence") };
    assert!(body(rings).contains("version=\"1\"") && body(rings).contains("<state>early</state>"));
    notifier.answer(5_010, rings, 200);
    notifier.change(5_100, vec![dialog("a", DialogState::Confirmed)]);
    notifier.change(5_200, vec![dialog("a", DialogState::Confirmed), dialog("b", DialogState::Early)]);
    notifier.change(5_300, vec![dialog("a", DialogState::Confirmed)]);
    assert!(notifier.due(5_999).is_empty());
    assert_eq!(notifier.all.next_wakeup(), Some(at(6_000).mono));
    let [talks] = &notifier.due(6_000)[..] else { panic!("one for all three") };
    assert!(body(talks).contains("version=\"2\"") && body(talks).contains("<state>confirmed</state>"));
    assert!(!body(talks).contains("<state>early</state>"));
}

#[test]
fn a_dialog_that_is_over_is_said_to_be_once() {
    let (mut notifier, _) = Notifier::subscribed(0);
    notifier.change(2_000, vec![dialog("a", DialogState::Confirmed)]);
    for (ms, now, terminated) in
        [(2_000, vec![dialog("a", DialogState::Confirmed)], 0), (4_000, vec![], 1), (6_000, vec![], 0)]
    {
        notifier.change(ms, now);
        let [told] = &notifier.due(ms)[..] else { panic!("told at {ms}") };
        assert_eq!(body(told).matches("<state>terminated</state>").count(), terminated, "{}", body(told));
        notifier.answer(ms, told, 200);
    }
}

#[test]
fn notifies_of_one_subscription_go_one_after_another() {
    let (mut notifier, tag) = Notifier::subscribed(0);
    notifier.change(2_000, vec![dialog("a", DialogState::Early)]);
    let [first] = &notifier.due(2_000)[..] else { panic!("one") };
    notifier.change(9_000, vec![]);
    assert_eq!(notifier.subscribe(9_000, &inside(ask("dialog", 600), &tag, 8)).status, Status::OK);
    assert!(notifier.due(9_000).is_empty(), "the one before has no answer yet");
    notifier.answer(9_500, first, 200);
    let [second] = &notifier.due(9_500)[..] else { panic!("now") };
    assert!(body(second).contains("<state>terminated</state>"));
    assert_eq!(second.request.headers.cseq().unwrap().0, 3);
}

#[test]
fn a_refresh_lasts_anew_by_the_way_that_it_came_and_says_the_state() {
    let (mut notifier, tag) = Notifier::subscribed(0);
    let mut refresh = inside(ask("dialog", 300), &tag, 8);
    refresh.headers.set(Name::Contact, "<sip:201@10.0.0.9:6000>");
    let asked = Asked { request: &refresh, hop: hop(6000), watcher: &"ana".into(), watched: None };
    assert_eq!(notifier.all.subscribe(at(200), asked).status, Status::OK);
    let [told] = &notifier.due(200)[..] else { panic!("at once, however short ago the last went") };
    assert_eq!((state(told), told.hop), ("active;expires=300".to_owned(), hop(6000)));
    assert_eq!(&*told.request.uri, "sip:201@10.0.0.9:6000");
    notifier.answer(300, told, 200);
    assert!(notifier.due(300_199).is_empty());
    // An older one, and somebody else's, change nothing.
    assert_eq!(notifier.subscribe(300, &inside(ask("dialog", 0), &tag, 8)).status.code(), 500);
    assert_eq!(notifier.subscribe_as(300, "carla", None, &inside(ask("dialog", 0), &tag, 9)).status.code(), 481);
    assert_eq!(notifier.subscribe(300, &inside(ask("dialog;id=2", 0), &tag, 9)).status.code(), 481);
    let [last] = &notifier.due(300_200)[..] else { panic!("it has run out") };
    assert_eq!(state(last), "terminated;reason=timeout");
    assert!(notifier.all.is_empty() && notifier.all.next_wakeup().is_none());
}

#[test]
fn giving_it_up_has_a_last_notify_and_asking_once_too() {
    let (mut notifier, tag) = Notifier::subscribed(0);
    let response = notifier.subscribe(100, &inside(ask("dialog", 0), &tag, 8));
    assert_eq!((response.status.code(), response.headers.number(&Name::Expires)), (200, Some(0)));
    let [last] = &notifier.due(100)[..] else { panic!("the last") };
    assert_eq!(state(last), "terminated;reason=timeout");
    notifier.answer(200, last, 200);
    assert!(notifier.all.is_empty() && !notifier.all.is_watched(&bruno(), Package::Dialog));
    *notifier.house.dialogs.borrow_mut() = vec![dialog("a", DialogState::Confirmed)];
    assert_eq!(notifier.subscribe(300, &ask("dialog", 0)).status, Status::OK);
    let [only] = &notifier.due(300)[..] else { panic!("one NOTIFY") };
    assert!(state(only).starts_with("terminated") && body(only).contains("<state>confirmed</state>"));
    assert!(notifier.all.is_empty());
}

#[test]
fn a_notify_that_fails_ends_it_unless_it_is_only_put_off() {
    for status in [481, 404, 401, 407, 500, 603] {
        let (mut notifier, _) = Notifier::subscribed(0);
        notifier.change(2_000, vec![]);
        let [told] = &notifier.due(2_000)[..] else { panic!("one") };
        notifier.answer(2_000, told, status);
        assert!(notifier.all.is_empty() && notifier.all.next_wakeup().is_none(), "{status}");
    }
    let (mut notifier, _) = Notifier::subscribed(0);
    notifier.change(2_000, vec![]);
    let [told] = &notifier.due(2_000)[..] else { panic!("one") };
    notifier.all.failed(told.id);
    assert!(notifier.all.is_empty());

    let (mut notifier, _) = Notifier::subscribed(0);
    notifier.change(2_000, vec![]);
    let [told] = &notifier.due(2_000)[..] else { panic!("one") };
    let later = Response::to(&told.request, Status::SERVICE_UNAVAILABLE).with(Name::RetryAfter, "5");
    notifier.all.answered(at(2_000), told.id, &later);
    assert!(notifier.due(6_999).is_empty());
    assert_eq!(notifier.due(7_000).len(), 1);
}

#[test]
fn reload_and_stop_end_it_with_their_reasons() {
    let (mut notifier, _) = Notifier::subscribed(0);
    notifier.all.revise(at(100), |_, _| None);
    assert!(notifier.due(100).is_empty());
    notifier.all.revise(at(100), |_, watched| (*watched == bruno()).then_some(Reason::NoResource));
    let [last] = &notifier.due(100)[..] else { panic!("the last") };
    assert_eq!(state(last), "terminated;reason=noresource");

    let (mut notifier, _) = Notifier::subscribed(0);
    notifier.change(2_000, vec![]);
    let [_unanswered] = &notifier.due(2_000)[..] else { panic!("one") };
    notifier.all.end_all(at(2_100), Reason::Deactivated);
    let [last] = &notifier.due(2_100)[..] else { panic!("nobody waits for an answer any more") };
    assert_eq!(state(last), "terminated;reason=deactivated");
    assert!(notifier.all.is_empty());
}

#[test]
fn one_user_has_fifty_and_her_phone_that_comes_anew_takes_its_old_ones_place() {
    let mut notifier = Notifier::new();
    let watched = |n: usize| Some(Watched::Extension(n.to_string().into()));
    for n in 0..MOST_PER_WATCHER {
        assert_eq!(notifier.subscribe_as(0, "ana", watched(n), &ask("dialog", 600)).status, Status::OK);
    }
    assert_eq!(notifier.subscribe_as(1, "ana", watched(99), &ask("dialog", 600)).status.code(), 403);
    assert_eq!(notifier.subscribe_as(1, "bruno", watched(99), &ask("dialog", 600)).status, Status::OK);
    // The same phone, the same key: it was switched off and on.
    assert_eq!(notifier.subscribe_as(2, "ana", watched(7), &ask("dialog", 600)).status, Status::OK);
    let mut other_phone = ask("dialog", 600);
    other_phone.headers.set(Name::Contact, "<sip:201@10.0.0.10:5070>");
    assert_eq!(notifier.subscribe_as(2, "ana", watched(8), &other_phone).status.code(), 403);
    assert_eq!(notifier.all.len(), MOST_PER_WATCHER + 1);
}

#[test]
fn the_house_has_room_for_so_many() {
    let mut notifier = Notifier::new();
    for n in 0..MOST {
        let watcher = (n / MOST_PER_WATCHER).to_string();
        assert_eq!(notifier.subscribe_as(0, &watcher, Some(bruno()), &ask("dialog", 600)).status, Status::OK);
    }
    let full = notifier.subscribe_as(0, "late", Some(bruno()), &ask("dialog", 600));
    assert_eq!((full.status.code(), full.headers.number(&Name::RetryAfter)), (503, Some(RETRY_AFTER)));
    assert_eq!(notifier.due(0).len(), MOST);
}
