//! The call card over the API of the real server: who may see it, what it offers, and what comes of a decision.

#![allow(clippy::unwrap_used, reason = "test code: what cannot go on fails")]

mod house;

use house::web::{Answer, Listener, Open, TOKEN, ask};
use house::{House, SDP, Wire, invite};
use serde_json::{Value, json};

const PAULO: &str = "+5521976543210";
const LINE: &str = "+551140028922";

/// A house whose line offers: ana and bruno are in its queue, carla is an admin.
async fn open() -> Open {
    let peers = (Wire::new().await, Wire::new().await);
    let house = House::open_with(peers, TOKEN, |_, text| {
        let text = text
            .replace("id = \"ana\"\n", "id = \"ana\"\nlogin = \"ana's own\"\n")
            .replace("id = \"bruno\"\n", "id = \"bruno\"\nlogin = \"bruno's own\"\n")
            .replace("[[queue]]", "[[employee]]\nid = \"carla\"\nrole = \"admin\"\nlogin = \"carla's own\"\n[[queue]]");
        format!("{text}unknown_client = \"offer\"\n")
    });
    Open::of(house.await).await
}

/// Somebody who has signed in.
struct Person {
    head: String,
}

impl Person {
    async fn signs_in(open: &Open, id: &str) -> Self {
        let answer = signs_in(open, id, &format!("{id}'s own")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let cookie = answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
        for part in ["httponly", "samesite=strict", "path=/"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        let (cookie, csrf) = (cookie.split(';').next().unwrap(), answer.json()["csrf"].clone());
        let csrf = csrf.as_str().unwrap();
        Self { head: format!("Cookie: {cookie}\r\nX-CSRF-Token: {csrf}\r\n") }
    }

    async fn get(&self, open: &Open, path: &str) -> Answer {
        ask(open.at, "GET", path, &self.head, "").await
    }

    async fn post(&self, open: &Open, path: &str, body: &Value) -> Answer {
        let head = format!("{}Content-Type: application/json\r\n", self.head);
        ask(open.at, "POST", path, &head, &body.to_string()).await
    }
}

async fn signs_in(open: &Open, id: &str, password: &str) -> Answer {
    let body = json!({ "employee": id, "password": password }).to_string();
    ask(open.at, "POST", "/api/session", "Content-Type: application/json\r\n", &body).await
}

/// Paulo calls, and bruno's phone rings: his INVITE and the call's id.
async fn rings(open: &Open, id: &str) -> (String, String) {
    let House { carrier, office, udp, .. } = &open.house;
    carrier.send(*udp, &invite(carrier, LINE, PAULO, id)).await;
    let rung = office.expect("INVITE sip:202@").await;
    office.answer(*udp, &rung, 180, "").await;
    carrier.expect("SIP/2.0 180").await;
    let live = open.get("/api/calls?state=live").await.json();
    (rung, live["calls"][0]["id"].as_str().unwrap().to_owned())
}

async fn found(open: &Open) -> Value {
    let crm = open.house.handle().outbox().crm().clone();
    let crm = crm.embedded().unwrap();
    serde_json::to_value(ramal::crm::embedded::find(crm, PAULO, &|_| false).await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_card_is_offered_while_the_phone_rings_and_makes_a_lead_whose_owner_follows_the_transfer() {
    let open = open().await;
    let bruno = Person::signs_in(&open, "bruno").await;
    let mut events = Listener::of(open.at, &bruno.head).await;
    let (rung, id) = rings(&open, "offered").await;
    let (_, offered) = events.event("card.offered").await;
    assert_eq!(
        (&offered["to_employee"], &offered["call"]["id"], &offered["record"]),
        (&json!("bruno"), &json!(id), &json!(null))
    );
    let path = format!("/api/calls/{id}/card");
    let card = bruno.get(&open, &path).await.json();
    assert_eq!(card["offered"], json!(["lead", "contact", "attach", "ignore"]));
    assert_eq!((&card["client"], &card["history"]), (&json!(null), &json!([])));
    assert_eq!(found(&open).await["leads"], json!([]), "nothing by itself");

    let pressed = bruno.post(&open, &path, &json!({ "action": "lead", "name": "Paulo Lima" })).await;
    assert_eq!(pressed.status, 200, "{pressed:?}");
    assert_eq!(pressed.json()["call"]["created"], json!(["lead:1"]));
    assert_eq!(found(&open).await["leads"][0]["responsible"], "bruno", "while it still rings");
    let again = bruno.post(&open, &path, &json!({ "action": "ignore" })).await;
    assert_eq!((again.status, again.code().as_str()), (409, "decided"));
    assert!(again.body.contains("bruno has chosen `lead` already"), "{again:?}");

    let House { carrier, office, udp, .. } = &open.house;
    office.answer(*udp, &rung, 200, SDP).await;
    office.expect("ACK").await;
    let answered = carrier.expect_answer("SIP/2.0 200", "INVITE").await;
    carrier.ack(*udp, &invite(carrier, LINE, PAULO, "offered"), &answered).await;
    let handed = open.send("POST", &format!("/api/calls/{id}/transfer"), "{\"to\": \"201\"}").await;
    assert_eq!(handed.status, 202, "{handed:?}");
    let ana = office.expect("INVITE sip:201@").await;
    office.answer(*udp, &ana, 200, SDP).await;
    let (_, moved) = events.event("lead.reassigned").await;
    assert_eq!((&moved["record"], &moved["to_employee"]), (&json!("lead:1"), &json!("ana")));
    assert_eq!(found(&open).await["leads"][0]["responsible"], "ana");
    open.close().await;
}

#[tokio::test]
async fn a_card_is_for_the_employee_concerned_and_admins_alone() {
    let open = open().await;
    let (_, id) = rings(&open, "whose").await;
    let path = format!("/api/calls/{id}/card");
    let ana = Person::signs_in(&open, "ana").await;
    let ignore = json!({ "action": "ignore" });
    assert_eq!(ana.get(&open, &path).await.code(), "forbidden");
    assert_eq!(ana.post(&open, &path, &ignore).await.code(), "forbidden");
    assert_eq!(ask(open.at, "GET", &path, "", "").await.status, 401);
    let carla = Person::signs_in(&open, "carla").await;
    assert_eq!(carla.get(&open, &path).await.status, 200);
    let pressed = carla.post(&open, &path, &ignore).await;
    assert_eq!((pressed.status, &pressed.json()["offered"]), (200, &json!([])), "{pressed:?}");
    assert_eq!(found(&open).await["leads"], json!([]));
    open.close().await;
}

#[tokio::test]
async fn a_number_is_attached_to_the_client_whose_it_is_and_she_is_known_from_then_on() {
    let open = open().await;
    let add = r#"{"ask": "edit", "edit": "add-client", "kind": "contact", "name": "Maria", "phones": ["+5511987654321"], "responsible": "ana", "email": null}"#;
    let crm = open.house.handle().outbox().crm().clone();
    let edit: ramal::crm::embedded::Edit = serde_json::from_str(&add.replace("\"ask\": \"edit\", ", "")).unwrap();
    crm.embedded().unwrap().edit(edit).await.unwrap();
    let bruno = Person::signs_in(&open, "bruno").await;
    let (_, id) = rings(&open, "attach").await;
    let path = format!("/api/calls/{id}/card");
    for (to, status) in [("contact:9", 422), ("deal:1", 422), ("Maria", 422), ("contact:1", 200)] {
        let answer = bruno.post(&open, &path, &json!({ "action": "attach", "to": to })).await;
        assert_eq!(answer.status, status, "{to}: {answer:?}");
    }
    let found = found(&open).await;
    assert_eq!((&found["lookup"], &found["contacts"][0]["name"]), (&json!("known"), &json!("Maria")));
    open.close().await;
}

#[tokio::test]
async fn after_the_hang_up_a_card_may_still_be_decided() {
    let open = open().await;
    let bruno = Person::signs_in(&open, "bruno").await;
    let (_, id) = rings(&open, "late").await;
    let House { carrier, udp, .. } = &open.house;
    let cancel = invite(carrier, LINE, PAULO, "late").replace("INVITE", "CANCEL");
    carrier.send(*udp, &cancel).await;
    carrier.expect("SIP/2.0 487").await;
    let path = format!("/api/calls/{id}/card");
    let pressed = bruno.post(&open, &path, &json!({ "action": "contact", "name": "Paulo" })).await;
    assert_eq!(pressed.status, 200, "{pressed:?}");
    let found = found(&open).await;
    assert_eq!(found["contacts"][0]["name"], "Paulo", "{found}");
    assert_eq!(found["activities"][0]["attached_to"], "contact:1", "{found}");
    let (_, id) = rings_again(&open).await;
    let card = bruno.get(&open, &format!("/api/calls/{id}/card")).await.json();
    assert_eq!(card["client"]["record"], "contact:1", "{card}");
    assert_eq!((&card["offered"], &card["history"][0]["outcome"]), (&json!([]), &json!("missed")));
    open.close().await;
}

/// Paulo, who is bruno's client by now, calls again.
async fn rings_again(open: &Open) -> (String, String) {
    rings(open, "again").await
}

#[tokio::test]
async fn an_employee_reaches_her_own_things_and_no_others() {
    let open = open().await;
    let (_, id) = rings(&open, "roles").await;
    let [ana, bruno, carla] = [
        Person::signs_in(&open, "ana").await,
        Person::signs_in(&open, "bruno").await,
        Person::signs_in(&open, "carla").await,
    ];
    let hers = |who: &Value| who["calls"].as_array().unwrap().len();
    assert_eq!(hers(&ana.get(&open, "/api/calls").await.json()), 0);
    assert_eq!(hers(&bruno.get(&open, "/api/calls").await.json()), 1);
    assert_eq!(hers(&carla.get(&open, "/api/calls").await.json()), 1);
    let (one, hang_up) = (format!("/api/calls/{id}"), format!("/api/calls/{id}/hangup"));
    for (path, statuses) in [
        ("/api/calls?employee=bruno", [403, 200, 200]),
        (one.as_str(), [403, 200, 200]),
        ("/api/employees/bruno/presence", [403, 200, 200]),
        ("/api/outbox", [403, 403, 200]),
    ] {
        for (person, status) in [&ana, &bruno, &carla].into_iter().zip(statuses) {
            assert_eq!(person.get(&open, path).await.status, status, "{path}");
        }
    }
    for (path, statuses) in [("/api/reload", [403, 403, 200]), (hang_up.as_str(), [403, 403, 202])] {
        for (person, status) in [&ana, &bruno, &carla].into_iter().zip(statuses) {
            assert_eq!(person.post(&open, path, &json!({})).await.status, status, "{path}");
        }
    }
    open.close().await;
}

#[tokio::test]
async fn a_session_wants_its_csrf_token_ends_when_it_is_told_and_wrong_passwords_are_slowed() {
    let open = open().await;
    let bruno = Person::signs_in(&open, "bruno").await;
    let cookie = bruno.head.lines().next().unwrap();
    let without = ask(open.at, "DELETE", "/api/session", &format!("{cookie}\r\n"), "").await;
    assert_eq!((without.status, without.code().as_str()), (403, "csrf"));
    assert_eq!(bruno.get(&open, "/api/session").await.json()["employee"], "bruno");
    assert_eq!(ask(open.at, "DELETE", "/api/session", &bruno.head, "").await.status, 204);
    assert_eq!(bruno.get(&open, "/api/session").await.status, 401);
    let mut slowed = None;
    for _ in 0..30 {
        let answer = signs_in(&open, "ana", "guess").await;
        if answer.status == 429 {
            slowed = Some(answer);
            break;
        }
        assert_eq!(answer.status, 401);
    }
    assert!(slowed.expect("it is slowed").head.contains("retry-after: "));
    open.close().await;
}
