use reqwest::Client;
use serde_json::{Value, json};

use super::*;

async fn fake() -> Fake {
    Fake::start(Options::default()).await.unwrap()
}

fn client() -> Client {
    // The same provider as the rest of the house; another test may have put it in already.
    drop(tokio_rustls::rustls::crypto::ring::default_provider().install_default());
    Client::new()
}

/// Asks as the application; the status, and the body.
async fn ask(fake: &Fake, token: &str, method: &str, params: Value) -> (u16, Value) {
    let address = format!("{}/rest/{method}.json", fake.url);
    let answer = client().post(address).bearer_auth(token).json(&params).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn call(external: &str, phone: &str) -> Value {
    json!({"USER_ID": BRUNO, "PHONE_NUMBER": phone, "TYPE": 2, "CRM_CREATE": 1, "LINE_NUMBER": "+551140028922",
           "EXTERNAL_CALL_ID": external, "CRM_SOURCE": "UC_SALES"})
}

#[tokio::test]
async fn a_call_from_a_new_number_makes_one_lead_however_often_it_is_registered() {
    let fake = fake().await;
    let token = fake.grant().access_token;
    let (_, first) = ask(&fake, &token, "telephony.externalCall.register", call("a", "+5521900000001")).await;
    let (_, again) = ask(&fake, &token, "telephony.externalCall.register", call("a", "+5521900000001")).await;
    assert_eq!(first["result"], again["result"]);
    let lead = first["result"]["CRM_CREATED_LEAD"].as_i64().unwrap();
    assert_eq!(fake.portal(|portal| portal.record(Kind::Lead, lead).unwrap().owner()), BRUNO);
    let id = first["result"]["CALL_ID"].clone();
    let end = json!({"CALL_ID": id, "USER_ID": CARLA, "DURATION": 12});
    let (status, done) = ask(&fake, &token, "telephony.externalCall.finish", end.clone()).await;
    assert_eq!((status, &done["result"]["CALL_FAILED_CODE"]), (200, &json!("200")));
    assert_eq!(fake.portal(|portal| portal.record(Kind::Lead, lead).unwrap().owner()), CARLA);
    let (status, twice) = ask(&fake, &token, "telephony.externalCall.finish", end).await;
    assert_eq!((status, &twice["error_description"]), (400, &json!("Call is not found")));
}

#[tokio::test]
async fn a_client_keeps_her_owner_whoever_finishes_the_call() {
    let fake = fake().await;
    let token = fake.grant().access_token;
    let (_, first) = ask(&fake, &token, "telephony.externalCall.register", call("a", "+5511987654321")).await;
    assert_eq!(first["result"]["CRM_CREATED_LEAD"], Value::Null);
    let end = json!({"CALL_ID": first["result"]["CALL_ID"], "USER_ID": CARLA, "DURATION": 12});
    ask(&fake, &token, "telephony.externalCall.finish", end).await;
    assert_eq!(fake.portal(|portal| portal.record(Kind::Contact, 1).unwrap().owner()), ANA);
}

#[tokio::test]
async fn after_thirty_minutes_the_same_registration_is_another_call() {
    let fake = fake().await;
    let token = fake.grant().access_token;
    let (_, first) = ask(&fake, &token, "telephony.externalCall.register", call("a", "+5511987654321")).await;
    fake.advance(Duration::from_secs(30 * 60));
    let (_, later) = ask(&fake, &token, "telephony.externalCall.register", call("a", "+5511987654321")).await;
    assert_ne!(first["result"]["CALL_ID"], later["result"]["CALL_ID"]);
}

#[tokio::test]
async fn a_refresh_token_dies_by_its_use_and_an_access_token_after_an_hour() {
    let fake = fake().await;
    let pair = fake.grant();
    fake.advance(Duration::from_secs(3600));
    let (status, body) = ask(&fake, &pair.access_token, "user.current", json!({})).await;
    assert_eq!((status, &body["error"]), (401, &json!("expired_token")));
    let (id, secret) = fake.application();
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", id),
        ("client_secret", secret),
        ("refresh_token", &pair.refresh_token),
    ];
    let first = client().post(fake.token_url()).form(&form).send().await.unwrap();
    let fresh: Value = first.json().await.unwrap();
    let (status, _) = ask(&fake, fresh["access_token"].as_str().unwrap(), "user.current", json!({})).await;
    assert_eq!(status, 200);
    let again = client().post(fake.token_url()).form(&form).send().await.unwrap();
    assert_eq!(again.status(), 400);
}

#[tokio::test]
async fn a_webhook_may_look_and_may_not_register() {
    let fake = fake().await;
    let found = client()
        .get(format!("{}telephony.externalCall.searchCrmEntities.json?PHONE_NUMBER=%2B5511987654321", fake.webhook()))
        .send()
        .await
        .unwrap();
    let found: Value = found.json().await.unwrap();
    assert_eq!(found["result"][0]["ASSIGNED_BY_ID"], ANA);
    let refused =
        client().post(format!("{}telephony.externalCall.register.json", fake.webhook())).send().await.unwrap();
    assert_eq!(refused.status(), 403);
}

#[tokio::test]
async fn above_its_rim_the_bucket_blocks_and_drains_two_a_second() {
    let fake = fake().await;
    let token = fake.grant().access_token;
    let mut last = 200;
    for _ in 0..60 {
        last = ask(&fake, &token, "user.current", json!({})).await.0;
        if last != 200 {
            break;
        }
    }
    assert_eq!(last, 503);
    fake.advance(Duration::from_secs(1));
    assert_eq!(ask(&fake, &token, "user.current", json!({})).await.0, 200);
}

#[tokio::test]
async fn an_answer_is_lost_after_the_work_was_done() {
    let fake = fake().await;
    let token = fake.grant().access_token;
    fake.fault(Fault::once("crm.lead.add", Ill::AnswerLost));
    let address = format!("{}/rest/crm.lead.add.json", fake.url);
    let body = json!({"fields": {"TITLE": "x", "PHONE": [{"VALUE": "+5521900000001"}]}});
    assert!(client().post(address).bearer_auth(&token).json(&body).send().await.is_err());
    assert_eq!(fake.portal(|portal| portal.all(Kind::Lead).count()), 2);
    let (_, found) =
        ask(&fake, &token, "crm.duplicate.findbycomm", json!({"type": "PHONE", "values": ["+5521900000001"]})).await;
    assert_eq!(found["result"], json!({"LEAD": [2]}));
    let (_, none) =
        ask(&fake, &token, "crm.duplicate.findbycomm", json!({"type": "PHONE", "values": ["+5521900000002"]})).await;
    assert_eq!(none["result"], json!([]));
}

#[tokio::test]
async fn a_batch_uses_what_its_commands_found_and_counts_once() {
    let fake = fake().await;
    let token = fake.grant().access_token;
    let commands = json!({"halt": 0, "cmd": {
        "who": "crm.item.list?entityTypeId=3&filter[%3Eid]=1&start=-1&select[]=id&select[]=assignedById",
        "a": "user.get?ID=$result[who][items][0][assignedById]",
    }});
    let (_, body) = ask(&fake, &token, "batch", commands).await;
    assert_eq!(body["result"]["result"]["who"]["items"][0]["id"], 2);
    assert_eq!(body["result"]["result"]["a"][0]["NAME"], "Bruno");
    assert_eq!(fake.asked().len(), 1);
}

#[tokio::test]
async fn offline_events_stay_until_they_are_cleared() {
    let fake = fake().await;
    let token = fake.grant().access_token;
    ask(&fake, &token, "event.bind", json!({"event": "OnCrmContactUpdate", "event_type": "offline"})).await;
    let now = fake.now();
    for owner in ["1270", "1271"] {
        fake.portal(|portal| {
            portal.change(Kind::Contact, 1, now, |one| {
                one.fields.insert("ASSIGNED_BY_ID".to_owned(), owner.to_owned());
            })
        });
    }
    let (_, taken) = ask(&fake, &token, "event.offline.get", json!({"clear": 0})).await;
    assert_eq!(taken["result"]["events"].as_array().unwrap().len(), 1);
    assert_eq!(fake.portal(|portal| portal.events_waiting()), 1);
    ask(&fake, &token, "event.offline.clear", json!({"process_id": taken["result"]["process_id"]})).await;
    assert_eq!(fake.portal(|portal| portal.events_waiting()), 0);
}
