//! The API, the events and the control socket of the real server.

#![allow(clippy::unwrap_used, reason = "test code: what cannot go on fails")]

mod house;

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use house::web::{Listener, Open, TOKEN, ask};
use house::{SDP, SOON, invite};
use ramal::cli::control::{Control, ControlError};
use ramal::http::PresenceBody;
use ramal::http::server::{self, ListenError};
use ramal::route::plan::Presence;
use serde_json::{Value, json};

const CLOSED: [(&str, &str); 9] = [
    ("GET", "/api"),
    ("GET", "/api/calls"),
    ("GET", "/api/calls/000000000000002a"),
    ("POST", "/api/calls/000000000000002a/hangup"),
    ("GET", "/api/events"),
    ("PUT", "/api/employees/ana/presence"),
    ("GET", "/api/outbox"),
    ("POST", "/api/reload"),
    ("DELETE", "/api/nothing/like/it"),
];

#[tokio::test]
async fn everything_under_api_but_its_description_asks_for_the_token() {
    let open = Open::with(TOKEN).await;
    for (method, path) in CLOSED {
        for head in [
            "",
            "Authorization: Bearer sesam\r\n",
            "Authorization: Bearer sesame2\r\n",
            "Authorization: Bearer\r\n",
            "Authorization: Basic sesame\r\n",
            "Authorization: sesame\r\n",
        ] {
            let answer = ask(open.at, method, path, head, "").await;
            assert_eq!((answer.status, answer.code().as_str()), (401, "unauthorized"), "{method} {path} {head}");
            assert!(answer.head.contains("www-authenticate: bearer"), "{answer:?}");
        }
    }
    for path in ["/healthz", "/readyz", "/metrics", "/api/openapi.json"] {
        let answer = ask(open.at, "GET", path, "", "").await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert!(answer.head.contains("x-content-type-options: nosniff"), "{path}: {answer:?}");
    }
    let small = ask(open.at, "GET", "/api/calls", "authorization: bearer sesame\r\n", "").await;
    assert_eq!(small.status, 200, "the scheme is written in whatever case");
    open.close().await;
}

#[tokio::test]
async fn without_a_token_in_the_file_nobody_gets_in_and_is_told_what_to_set() {
    let open = Open::with("").await;
    for (method, path) in CLOSED {
        let answer = ask(open.at, method, path, "Authorization: Bearer \r\n", "").await;
        assert_eq!(answer.status, 401, "{method} {path}");
        assert!(answer.body.contains("http.api_token"), "{answer:?}");
    }
    open.close().await;
}

#[tokio::test]
async fn faults_of_a_request_are_told_as_json() {
    let open = Open::with(TOKEN).await;
    for (path, status, code) in [
        ("/api/nothing", 404, "not_found"),
        ("/api", 404, "not_found"),
        ("/api/calls/xyz", 404, "not_found"),
        ("/api/calls/000000000000002a", 404, "not_found"),
        ("/api/employees/zoe/presence", 404, "not_found"),
        ("/api/calls?state=dead", 400, "bad_request"),
        ("/api/calls?limit=0", 400, "bad_request"),
        ("/api/calls?limit=many", 400, "bad_request"),
        ("/api/calls?cursor=7", 400, "bad_request"),
        ("/api/calls?since=yesterday", 400, "bad_request"),
        ("/api/calls?colour=red", 400, "bad_request"),
        ("/api/reload", 405, "method_not_allowed"),
    ] {
        let answer = open.get(path).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path}");
        assert!(answer.head.contains("content-type: application/json"), "{path}: {answer:?}");
    }
    let presence = "/api/employees/ana/presence";
    let long = format!("{{\"presence\":\"{}\"}}", "a".repeat(70_000));
    for (body, status) in [("{", 400), ("{}", 422), (r#"{"presence":"asleep"}"#, 422), (&long, 413)] {
        let answer = open.send("PUT", presence, body).await;
        assert_eq!(answer.status, status, "{answer:?}");
        answer.code();
    }
    assert!(open.get("/api/nothing").await.body.contains("/api/nothing"), "the whole path is named");
    assert_eq!(open.send("PUT", "/api/employees/zoe/presence", r#"{"presence":"off"}"#).await.status, 404);
    assert_eq!(open.send("POST", "/api/calls/000000000000002a/hangup", "").await.status, 404);
    assert_eq!(open.get("/").await.status, 404);
    open.close().await;
}

#[tokio::test]
async fn a_call_is_listed_shown_followed_and_hung_up() {
    let open = Open::with(TOKEN).await;
    let mut events = Listener::new(open.at, "").await;
    let (carrier, office) = (&open.house.carrier, &open.house.office);
    carrier.send(open.house.udp, &invite(carrier, "+551140028922", "+5521976543210", "h1")).await;
    let rung = office.expect("INVITE ").await;
    office.answer(open.house.udp, &rung, 180, "").await;
    let (first, ringing) = events.event("call.ringing").await;
    assert_eq!(ringing["call"]["from"], "+5521976543210");
    let id = ringing["call"]["id"].as_str().unwrap().to_owned();

    let listed = open.get("/api/calls?state=live&from=%2B5521976543210&line=+551140028922").await.json();
    assert_eq!((&listed["calls"][0]["id"], &listed["calls"][0]["state"]), (&json!(id), &json!("ringing")));
    assert_eq!(listed["next"], Value::Null);
    for none in ["state=ended", "from=201", "employee=ana", "direction=outgoing", "until=2020-01-01T00:00:00Z"] {
        assert_eq!(open.get(&format!("/api/calls?{none}")).await.json()["calls"], json!([]), "{none}");
    }
    let shown = open.get(&format!("/api/calls/{id}")).await.json();
    assert_eq!(shown["lookup"], "unknown");
    assert_eq!(shown["ladder"][0]["start_line"], "INVITE sip:+551140028922@ramal SIP/2.0");

    let hung_up = open.send("POST", &format!("/api/calls/{id}/hangup"), "").await;
    assert_eq!((hung_up.status, &hung_up.json()["id"]), (202, &json!(id)));
    office.expect("CANCEL ").await;
    carrier.expect("SIP/2.0 480").await;
    events.event("call.missed").await;
    let mut resumed = Listener::new(open.at, &format!("Last-Event-ID: {first}\r\n")).await;
    let (_, missed) = resumed.event("call.missed").await;
    assert_eq!(missed["call"]["outcome"], "missed");

    let ended = open.get("/api/calls?state=ended&outcome=missed&number=21976543210").await.json();
    assert_eq!((&ended["calls"][0]["id"], &ended["calls"][0]["state"]), (&json!(id), &json!("ended")));
    let again = open.send("POST", &format!("/api/calls/{id}/hangup"), "").await;
    assert_eq!((again.status, again.code().as_str()), (409, "ended"));
    open.close().await;
}

#[tokio::test]
async fn a_call_is_handed_on_by_a_button() {
    let open = Open::with(TOKEN).await;
    let mut events = Listener::new(open.at, "").await;
    let (carrier, office) = (&open.house.carrier, &open.house.office);
    let transfer = async |id: &str, to: &str| {
        let body = json!({ "to": to }).to_string();
        open.send("POST", &format!("/api/calls/{id}/transfer"), &body).await
    };
    assert_eq!(transfer("000000000000002a", "201").await.status, 404);
    let call = invite(carrier, "+551140028922", "+5521976543210", "t1");
    carrier.send(open.house.udp, &call).await;
    let rung = office.expect("INVITE ").await;
    office.answer(open.house.udp, &rung, 180, "").await;
    let (_, ringing) = events.event("call.ringing").await;
    let id = ringing["call"]["id"].as_str().unwrap().to_owned();
    let early = transfer(&id, "201").await;
    assert_eq!((early.status, early.code().as_str()), (409, "not_talking"));
    office.answer(open.house.udp, &rung, 200, SDP).await;
    let answered = carrier.expect("SIP/2.0 200").await;
    carrier.ack(open.house.udp, &call, &answered).await;
    assert_eq!(transfer(&id, "nobody").await.status, 422);
    let accepted = transfer(&id, "201").await;
    assert_eq!((accepted.status, &accepted.json()["id"]), (202, &json!(id)));
    assert_eq!(transfer(&id, "201").await.status, 409, "one at a time");
    let rung = office.expect("INVITE sip:201@").await;
    office.answer(open.house.udp, &rung, 200, SDP).await;
    let (_, handed) = events.event("call.transferred").await;
    assert_eq!((&handed["from_employee"], &handed["to_employee"]), (&json!("bruno"), &json!("ana")));
    assert_eq!((&handed["kind"], &handed["call"]["employee"]), (&json!("console"), &json!("ana")));
    office.expect("BYE ").await;
    assert!(open.get("/metrics").await.body.contains("ramal_transfers_total{kind=\"console\",result=\"answered\"} 1"));
    open.send("POST", &format!("/api/calls/{id}/hangup"), "").await;
    carrier.expect("BYE ").await;
    assert_eq!(transfer(&id, "201").await.status, 409, "it is over");
    open.close().await;
}

#[tokio::test]
async fn listeners_are_bounded_and_a_place_is_free_again_when_one_goes() {
    let open = Open::with(TOKEN).await;
    let mut listeners = Vec::new();
    for _ in 0..64 {
        listeners.push(Listener::new(open.at, "").await);
    }
    let refused = open.get("/api/events").await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "overloaded"));
    assert!(refused.head.contains("retry-after:"), "{refused:?}");
    let told = ask(open.at, "GET", "/api/events", "Authorization: Bearer sesame\r\nLast-Event-ID: x\r\n", "").await;
    assert_eq!(told.status, 400);
    drop(listeners);
    // The server notices when the connections' ends have come.
    let served = async { while !Listener::new(open.at, "").await.head.starts_with("HTTP/1.1 200") {} };
    tokio::time::timeout(SOON, served).await.expect("a place is free again");
    open.close().await;
}

#[tokio::test]
async fn presence_is_set_and_the_files_are_read_again_but_for_faulty_ones() {
    let open = Open::with(TOKEN).await;
    let presence = "/api/employees/ana/presence";
    assert_eq!(open.get(presence).await.json(), json!({"presence": "available"}));
    assert_eq!(open.send("PUT", presence, r#"{"presence":"away"}"#).await.json(), json!({"presence": "away"}));
    assert_eq!(open.get(presence).await.json(), json!({"presence": "away"}));
    assert_eq!(open.get("/api/outbox").await.json(), json!({"outbox": []}));

    assert!(open.send("POST", "/api/reload", "").await.json()["warnings"].is_array());
    let path = open.house.handle().config_path().to_owned();
    let good = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, good.replace("[\"bruno\", \"ana\"]", "[\"brun\"]")).unwrap();
    let refused = open.send("POST", "/api/reload", "").await;
    assert_eq!((refused.status, refused.code().as_str()), (422, "faults"));
    assert!(refused.body.contains("did you mean `bruno`?"), "{refused:?}");
    assert_eq!(open.house.handle().directory().queues[0].members.len(), 2, "the old files stay in force");
    open.close().await;
}

#[tokio::test]
async fn readyz_says_why_no_new_calls_are_welcome() {
    let open = Open::with(TOKEN).await;
    assert_eq!(open.get("/readyz").await.status, 200);
    assert!(open.get("/metrics").await.head.contains("content-type: text/plain; version=0.0.4"));
    open.house.handle().drain(Duration::ZERO).await;
    let answer = open.get("/readyz").await;
    assert_eq!(answer.status, 503);
    assert!(answer.body.starts_with("draining"), "{answer:?}");
    assert_eq!(open.get("/healthz").await.status, 200);
    open.close().await;
}

#[tokio::test]
async fn the_description_names_every_path_and_each_of_them_is_there() {
    let open = Open::with(TOKEN).await;
    let described = open.get("/api/openapi.json").await.json();
    assert!(described["openapi"].as_str().unwrap().starts_with("3."));
    let paths = described["paths"].as_object().unwrap();
    let mut named: Vec<&str> = paths.keys().map(String::as_str).collect();
    named.sort_unstable();
    assert_eq!(
        named,
        [
            "/api/calls",
            "/api/calls/{id}",
            "/api/calls/{id}/card",
            "/api/calls/{id}/hangup",
            "/api/calls/{id}/transfer",
            "/api/employees/{id}/presence",
            "/api/events",
            "/api/openapi.json",
            "/api/outbox",
            "/api/reload",
            "/api/session",
            "/healthz",
            "/metrics",
            "/readyz",
        ]
    );
    for (path, methods) in paths {
        let there = path.replace("{id}", "000000000000002a");
        for (method, operation) in methods.as_object().unwrap() {
            let needs_token = operation["security"].is_array();
            let answer = ask(open.at, &method.to_ascii_uppercase(), &there, "", "").await;
            assert_eq!(answer.status == 401, needs_token, "{method} {path}: {answer:?}");
            assert!(operation["summary"].is_string(), "{method} {path} says what it does");
        }
        let no_method = ask(open.at, "PATCH", &there, "Authorization: Bearer sesame\r\n", "").await;
        assert_eq!(no_method.status, 405, "{path} is a path: {no_method:?}");
    }
    let text = described.to_string();
    for reference in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(described["components"]["schemas"][name].is_object(), "{name} is described");
    }
    open.close().await;
}

#[tokio::test]
async fn the_control_socket_is_its_owners_alone_and_asks_for_no_token() {
    let open = Open::with("").await;
    let mode = std::fs::metadata(&open.control).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut control = Control::connect(&open.control).await.unwrap().expect("somebody listens");
    let away = PresenceBody { presence: Presence::Away };
    assert_eq!(control.put::<PresenceBody>("/api/employees/ana/presence", &away).await.unwrap(), away);
    let live: Value = control.get("/control/live").await.unwrap();
    assert_eq!(live["presence"]["ana"], "away");
    let asked = json!({"phone": "+5511987654321", "line": "+551140028922", "address": ""});
    let lookup: Value = control.post("/control/lookup", &asked).await.unwrap();
    assert_eq!(lookup, json!({"Unknown": {"fresh": null}}));
    let refused = control.get::<Value>("/control/nothing").await.unwrap_err();
    assert!(matches!(refused, ControlError::Refused { status: 404, .. }), "{refused}");
    assert_eq!(open.get("/control/live").await.status, 404, "nothing of it is served over TCP");
    open.close().await;
}

#[tokio::test]
async fn a_control_socket_that_nobody_answers_on_is_replaced_and_no_other_file_is() {
    let open = Open::with("").await;
    let second = server::listen_control(&open.control, &open.shared);
    assert!(matches!(second, Err(ListenError::Answered(_))), "{second:?}");
    let folder = tempfile::tempdir().unwrap();
    let stale = folder.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    assert!(Control::connect(&stale).await.unwrap().is_none(), "nobody is there");
    drop(server::listen_control(&stale, &open.shared).unwrap());
    let file = folder.path().join("notes.txt");
    std::fs::write(&file, "mine").unwrap();
    let refused = server::listen_control(&file, &open.shared);
    assert!(matches!(refused, Err(ListenError::NoSocket(_))), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    open.close().await;
}
