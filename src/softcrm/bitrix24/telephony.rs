//! `telephony.externalCall.*`: a call registered, shown on cards, finished; and what that leaves in the CRM.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::clock::iso;
use super::crm::insert_activity;
use super::listing;
use super::methods::{Answer, Asker, Refusal, Result, field_of_map};
use super::params::{Params, number, text};
use super::portal::{Mode, Portal, User, digits};
use super::record::{Kind, Multi, Record};
use crate::base::Wall;

/// A call that was registered.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its `CALL_ID`.
    pub id: String,
    /// What a repeated registration is known by.
    pub key: Key,
    /// For whom it was registered.
    pub user: i64,
    /// `CALL_START_DATE`, as it was said.
    pub started: String,
    /// When it was registered.
    pub registered: Wall,
    /// What it stands at.
    pub entity: Option<(Kind, i64)>,
    /// What it created.
    pub created: Vec<(Kind, i64)>,
    /// Whose screens show its card now.
    pub shown: BTreeSet<i64>,
    /// Whose screens ever showed it.
    pub ever_shown: BTreeSet<i64>,
    /// How it ended.
    pub end: Option<End>,
    /// The files of its recording, with their sizes as sent.
    pub recordings: Vec<(String, usize)>,
}

/// What a registration is known by, for thirty minutes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// `PHONE_NUMBER`, its digits.
    pub phone: String,
    /// `TYPE`.
    pub kind: i64,
    /// `USER_ID`, or who has `USER_PHONE_INNER`.
    pub user: i64,
    /// `LINE_NUMBER`.
    pub line: String,
    /// `EXTERNAL_CALL_ID`.
    pub external: String,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// `USER_ID`.
    pub user: i64,
    /// `DURATION`, seconds.
    pub duration: i64,
    /// `STATUS_CODE`.
    pub status: String,
    /// Its activity, where it stands at somebody.
    pub activity: Option<i64>,
}

/// Who has a number: contacts, companies, leads. A converted or junk lead is not among them (this is a reading: the
/// documentation does not say).
pub(super) fn search(portal: &Portal, asked: &Params) -> Result {
    let phone = phone_of(asked)?;
    let found: Vec<Value> = found(portal, &phone).into_iter().map(|record| shown(portal, record)).collect();
    Ok(json!(found).into())
}

fn found<'a>(portal: &'a Portal, phone: &str) -> Vec<&'a Record> {
    let mut found = portal.having(phone);
    found
        .retain(|record| record.kind != Kind::Deal && !matches!(record.field("STATUS_ID"), Some("CONVERTED" | "JUNK")));
    let rank = |kind| [Kind::Contact, Kind::Company, Kind::Lead].iter().position(|one| *one == kind);
    found.sort_by_key(|record| (rank(record.kind), record.id));
    found
}

fn shown(portal: &Portal, record: &Record) -> Value {
    let owner = portal.user(record.owner());
    json!({
        "CRM_ENTITY_TYPE": record.kind.as_str(),
        "CRM_ENTITY_ID": record.id,
        "ASSIGNED_BY_ID": record.owner(),
        "NAME": record.name(),
        "ASSIGNED_BY": owner.map(|user| json!({
            "ID": user.id.to_string(),
            "TIMEMAN_STATUS": user.workday,
            "USER_PHONE_INNER": user.extension,
            "WORK_PHONE": "",
            "PERSONAL_PHONE": "",
            "PERSONAL_MOBILE": user.mobile,
        })),
    })
}

fn phone_of(asked: &Params) -> Result<String> {
    let phone = asked.text("PHONE_NUMBER").unwrap_or_default();
    let is_right = phone.chars().all(|c| c.is_ascii_digit() || "+-() ".contains(c)) && digits(&phone).len() >= 3;
    if is_right { Ok(phone) } else { Err(Refusal::core("Unsupported phone number format")) }
}

fn user_of<'a>(portal: &'a Portal, asked: &Params) -> Result<&'a User> {
    let by_id = asked.number("USER_ID").and_then(|id| portal.user(id));
    let by_extension = || {
        let extension = asked.text("USER_PHONE_INNER").filter(|extension| !extension.is_empty())?;
        portal.users.iter().find(|user| user.extension == extension)
    };
    let user = by_id.or_else(by_extension).filter(|user| user.active);
    user.ok_or_else(|| Refusal::core("User is not found or is not active"))
}

pub(super) fn register(portal: &mut Portal, asked: &Params, by: Asker<'_>) -> Result {
    let phone = phone_of(asked)?;
    let user = user_of(portal, asked)?.id;
    let Some(kind) = asked.number("TYPE").filter(|kind| (1..=5).contains(kind)) else {
        return Err(Refusal::core("Unknown TYPE"));
    };
    let word = |name: &str| asked.text(name).unwrap_or_default();
    let key = Key { phone: digits(&phone), kind, user, line: word("LINE_NUMBER"), external: word("EXTERNAL_CALL_ID") };
    // A call that is finished is no longer there to be found again.
    let held = |call: &&Call| {
        call.key == key && call.end.is_none() && by.now.unix_millis() - call.registered.unix_millis() < THIRTY_MINUTES
    };
    if let Some(call) = portal.calls.values().find(held) {
        return Ok(registered(call, None));
    }
    let number = portal.calls.len() + 1;
    let id = format!("externalCall.{number:032x}.{}", by.now.unix_millis() / 1000);
    let mut call = Call {
        id: id.clone(),
        key,
        user,
        started: asked.text("CALL_START_DATE").unwrap_or_else(|| iso(by.now)),
        registered: by.now,
        entity: entity_of(portal, asked, &phone),
        created: Vec::new(),
        shown: BTreeSet::new(),
        ever_shown: BTreeSet::new(),
        end: None,
        recordings: Vec::new(),
    };
    let mut error = None;
    if call.entity.is_none() && asked.is_yes("CRM_CREATE") {
        if portal.is_users(&phone) {
            error = Some("Lead creation is disabled for local users");
        } else {
            create(portal, &mut call, &phone, &word("CRM_SOURCE"), by);
        }
    }
    if asked.text("SHOW").is_none_or(|word| word != "0") {
        call.shown.insert(user);
        call.ever_shown.insert(user);
    }
    let answer = registered(&call, error);
    portal.calls.insert(id, call);
    Ok(answer)
}

fn entity_of(portal: &Portal, asked: &Params, phone: &str) -> Option<(Kind, i64)> {
    let named = asked.text("CRM_ENTITY_TYPE").and_then(|word| Kind::by_word(&word)).zip(asked.number("CRM_ENTITY_ID"));
    named
        .filter(|(kind, id)| portal.record(*kind, *id).is_some())
        .or_else(|| found(portal, phone).first().map(|record| (record.kind, record.id)))
}

/// A lead; in simple mode one that is converted at once, to a contact and a deal.
fn create(portal: &mut Portal, call: &mut Call, phone: &str, source: &str, by: Asker<'_>) {
    let title = format!("{phone} - {}", if call.key.kind == 1 { "Outgoing call" } else { "Incoming call" });
    let mut one = |portal: &mut Portal, kind: Kind, more: &[(&str, String)]| {
        let mut record = Record::new(kind, 0);
        let source = if source.is_empty() { "CALL" } else { source };
        let fields =
            [("TITLE", title.clone()), ("SOURCE_ID", source.to_owned()), ("ASSIGNED_BY_ID", call.user.to_string())];
        record.fields.extend(fields.iter().chain(more).map(|(key, value)| ((*key).to_owned(), value.clone())));
        if kind != Kind::Deal {
            portal.last_multi += 1;
            let (id, field, kind) = (portal.last_multi, "PHONE".to_owned(), "WORK".to_owned());
            record.multi.push(Multi { id, field, kind, value: phone.to_owned() });
        }
        record.made_by = Some(call.id.clone());
        let id = portal.insert(record, call.user, by.now, by.connector);
        call.created.push((kind, id));
        id
    };
    if portal.mode == Mode::Classic {
        let id = one(portal, Kind::Lead, &[]);
        call.entity = Some((Kind::Lead, id));
        return;
    }
    let lead = one(portal, Kind::Lead, &[("STATUS_ID", "CONVERTED".to_owned())]);
    let contact = one(portal, Kind::Contact, &[("NAME", phone.to_owned()), ("LEAD_ID", lead.to_string())]);
    one(portal, Kind::Deal, &[("CONTACT_ID", contact.to_string()), ("LEAD_ID", lead.to_string())]);
    call.entity = Some((Kind::Contact, contact));
}

fn registered(call: &Call, error: Option<&str>) -> Answer {
    let lead = call.created.iter().find(|(kind, _)| *kind == Kind::Lead).map(|(_, id)| *id);
    let created: Vec<Value> =
        call.created.iter().map(|(kind, id)| json!({"ENTITY_TYPE": kind.as_str(), "ENTITY_ID": id})).collect();
    let mut answer = json!({
        "CALL_ID": call.id,
        "CRM_CREATED_LEAD": lead,
        "CRM_CREATED_ENTITIES": created,
        "CRM_ENTITY_TYPE": call.entity.map(|(kind, _)| kind.as_str()),
        "CRM_ENTITY_ID": call.entity.map(|(_, id)| id),
    });
    if let Some(error) = error {
        answer["LEAD_CREATION_ERROR"] = error.into();
    }
    answer.into()
}

fn no_call() -> Refusal {
    Refusal::new(400, "ERROR_NOT_FOUND", "Call is not found")
}

fn call_of<'a>(portal: &'a mut Portal, asked: &Params) -> Result<&'a mut Call> {
    asked.text("CALL_ID").and_then(|id| portal.calls.get_mut(&id)).ok_or_else(no_call)
}

pub(super) fn show(portal: &mut Portal, asked: &Params, on: bool) -> Result {
    let users: Vec<i64> = asked.several("USER_ID").iter().filter_map(number).collect();
    let call = call_of(portal, asked)?;
    if call.end.is_some() {
        return Err(no_call());
    }
    // Without users: whoever the call was registered for.
    let users = if users.is_empty() { vec![call.user] } else { users };
    for user in users {
        if on {
            call.shown.insert(user);
            call.ever_shown.insert(user);
        } else {
            call.shown.remove(&user);
        }
    }
    Ok(json!(true).into())
}

pub(super) fn finish(portal: &mut Portal, asked: &Params, by: Asker<'_>) -> Result {
    let user = user_of(portal, asked)?.id;
    let call = call_of(portal, asked)?;
    if call.end.is_some() {
        return Err(no_call());
    }
    let duration = asked.number("DURATION").unwrap_or(0);
    let status = asked.text("STATUS_CODE").filter(|code| !code.is_empty());
    let status = status.unwrap_or_else(|| if duration > 0 { "200" } else { "304" }.to_owned());
    call.shown.clear();
    let mut call = call.clone();
    for (kind, id) in &call.created {
        if let Some(mut record) = portal.record(*kind, *id).cloned() {
            record.fields.insert("ASSIGNED_BY_ID".to_owned(), user.to_string());
            portal.replace(record, by.now, by.connector);
        }
    }
    let activity = call.entity.map(|(kind, id)| {
        let fields = json!({
            "OWNER_TYPE_ID": (kind as i64).to_string(),
            "OWNER_ID": id.to_string(),
            "TYPE_ID": "2",
            "PROVIDER_ID": "VOXIMPLANT_CALL",
            "PROVIDER_TYPE_ID": "CALL",
            "SUBJECT": format!("{} {}", if call.key.kind == 1 { "Outgoing call to" } else { "Incoming call from" }, call.key.phone),
            "RESPONSIBLE_ID": user.to_string(),
            "DIRECTION": if call.key.kind == 1 { "2" } else { "1" },
            "START_TIME": call.started,
            "COMPLETED": if status == "200" { "Y" } else { "N" },
            "ORIGIN_ID": format!("VI_{}", call.id),
        });
        insert_activity(portal, super::params::as_map(&fields), by)
    });
    call.end = Some(End { user, duration, status, activity });
    let row = statistic(portal.statistics.len() + 1, &call, asked);
    portal.statistics.push(row.clone());
    portal.calls.insert(call.id.clone(), call);
    Ok(Value::Object(row).into())
}

/// The row of the statistics, which is also the answer.
fn statistic(number: usize, call: &Call, asked: &Params) -> Map<String, Value> {
    let end = call.end.as_ref().expect("it has just ended");
    let row = json!({
        "ID": number.to_string(),
        "CALL_ID": call.id,
        "EXTERNAL_CALL_ID": call.key.external,
        "CALL_CATEGORY": "external",
        "PORTAL_USER_ID": end.user.to_string(),
        "PORTAL_NUMBER": call.key.line,
        "PHONE_NUMBER": call.key.phone,
        "CALL_TYPE": call.key.kind.to_string(),
        "CALL_DURATION": end.duration.to_string(),
        "CALL_START_DATE": call.started,
        "CALL_FAILED_CODE": end.status,
        "CALL_FAILED_REASON": asked.text("FAILED_REASON").unwrap_or_default(),
        "CRM_ENTITY_TYPE": call.entity.map(|(kind, _)| kind.as_str()),
        "CRM_ENTITY_ID": call.entity.map(|(_, id)| id.to_string()),
        "CRM_ACTIVITY_ID": end.activity.map(|id| id.to_string()),
        "REST_APP_NAME": "ramal",
    });
    super::params::as_map(&row)
}

pub(super) fn statistics(portal: &Portal, asked: &Params) -> Answer {
    let show = |row: &Map<String, Value>| Value::Object(row.clone());
    let (rows, mut answer) = listing::page(portal.statistics.iter(), asked, &field_of_map, show);
    answer.result = rows.into();
    answer
}

/// The content with the call, or a place to send it to. A second one replaces the first.
pub(super) fn attach_record(portal: &mut Portal, asked: &Params) -> Result {
    let file = asked.text("FILENAME").unwrap_or_default();
    let content = asked.text("FILE_CONTENT");
    let is_sound = [".wav", ".mp3"].iter().any(|end| file.to_ascii_lowercase().ends_with(end));
    let call = call_of(portal, asked)?;
    if call.end.is_none() {
        return Err(no_call());
    }
    if !is_sound {
        return Err(Refusal::core("Unsupported file type"));
    }
    call.recordings = vec![(file, content.as_ref().map_or(0, String::len))];
    let id = call.id.clone();
    portal.last_file += 1;
    Ok(match content {
        Some(_) => json!({"FILE_ID": portal.last_file}).into(),
        None => json!({"uploadUrl": format!("/_upload?call={id}"), "fieldName": "file"}).into(),
    })
}

/// What came to a place for a recording.
pub(super) fn uploaded(portal: &mut Portal, call: &str, size: usize) {
    if let Some((_, held)) = portal.calls.get_mut(call).and_then(|call| call.recordings.last_mut()) {
        *held = size;
    }
}

pub(super) fn add_line(portal: &mut Portal, asked: &Params) -> Result {
    let number = asked.text("NUMBER").filter(|number| !number.is_empty());
    let Some(number) = number else { return Err(Refusal::core("NUMBER should not be empty")) };
    if portal.lines.iter().any(|(held, _)| *held == number) {
        return Err(Refusal::core("Line already exists"));
    }
    portal.lines.push((number, asked.text("NAME").unwrap_or_default()));
    Ok(json!({"ID": portal.lines.len()}).into())
}

pub(super) fn lines(portal: &Portal) -> Answer {
    let one = |(number, name): &(String, String)| json!({"NUMBER": number, "NAME": name, "CRM_AUTO_CREATE": "Y"});
    portal.lines.iter().map(one).collect::<Value>().into()
}

const THIRTY_MINUTES: i64 = 30 * 60_000;

/// The value of a field of a row of the statistics.
pub(super) fn of_row(row: &Map<String, Value>, name: &str) -> String {
    row.get(name).and_then(text).unwrap_or_default()
}
