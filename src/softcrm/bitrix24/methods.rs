//! The methods by name, what each is told of who asks, and what it answers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::clock::iso;
use super::params::{Params, text};
use super::portal::{Mode, Portal, User};
use super::{crm, listing, telephony};
use crate::base::Wall;

/// Who asks, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker<'a> {
    /// By whose rights.
    pub(super) user: i64,
    /// An application, with all that is open to one; else an inbound webhook.
    pub(super) application: bool,
    /// `auth_connector`: whose writes these are.
    pub(super) connector: Option<&'a str>,
    pub(super) now: Wall,
}

/// What a method answers.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) result: Value,
    pub(super) next: Option<usize>,
    pub(super) total: Option<usize>,
}

impl From<Value> for Answer {
    fn from(result: Value) -> Self {
        Self { result, ..Self::default() }
    }
}

/// Why a method will not.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) description: String,
}

impl Refusal {
    pub(super) fn new(status: u16, code: &'static str, description: impl Into<String>) -> Self {
        Self { status, code, description: description.into() }
    }

    /// The kind that most methods know.
    pub(super) fn core(description: impl Into<String>) -> Self {
        Self::new(400, "ERROR_CORE", description)
    }
}

pub(super) type Result<T = Answer> = std::result::Result<T, Refusal>;

/// Does what a method does; its name is in small letters.
pub(super) fn call(portal: &mut Portal, method: &str, asked: &Params, by: Asker<'_>) -> Result {
    if FOR_APPLICATIONS.contains(&method) && !by.application {
        let description = "Current authorization type is denied for this method Application context required";
        return Err(Refusal::new(403, "WRONG_AUTH_TYPE", description));
    }
    match method {
        "telephony.externalcall.searchcrmentities" => telephony::search(portal, asked),
        "telephony.externalcall.register" => telephony::register(portal, asked, by),
        "telephony.externalcall.finish" => telephony::finish(portal, asked, by),
        "telephony.externalcall.show" => telephony::show(portal, asked, true),
        "telephony.externalcall.hide" => telephony::show(portal, asked, false),
        "telephony.externalcall.attachrecord" => telephony::attach_record(portal, asked),
        "telephony.externalline.add" => telephony::add_line(portal, asked),
        "telephony.externalline.get" => Ok(telephony::lines(portal)),
        "voximplant.statistic.get" => Ok(telephony::statistics(portal, asked)),
        "user.get" => Ok(users(portal, asked)),
        "user.current" => portal.user(by.user).map(|user| shown(user).into()).ok_or_else(nobody),
        "timeman.status" => workday(portal, asked, by),
        "crm.settings.mode.get" => Ok(json!(if portal.mode == Mode::Classic { 1 } else { 2 }).into()),
        "event.bind" => bind(portal, asked),
        "event.unbind" => Ok(json!({"count": i32::from(portal.offline.unbind(&named(asked)))}).into()),
        "event.get" => Ok(portal.offline.bound().into()),
        "event.offline.get" => Ok(take_events(portal, asked)),
        "event.offline.clear" => clear_events(portal, asked),
        "server.time" => Ok(json!(iso(by.now)).into()),
        "scope" => Ok(json!(["crm", "telephony", "user", "timeman"]).into()),
        "method.get" => Ok(known(asked)),
        _ => crm::call(portal, method, asked, by),
    }
}

/// What works "only in the context of an application".
const FOR_APPLICATIONS: [&str; 10] = [
    "telephony.externalcall.register",
    "telephony.externalcall.finish",
    "telephony.externalcall.attachrecord",
    "telephony.externalline.add",
    "telephony.externalline.get",
    "event.bind",
    "event.unbind",
    "event.get",
    "event.offline.get",
    "event.offline.clear",
];

fn nobody() -> Refusal {
    Refusal::core("User is not found or is not active")
}

fn users(portal: &Portal, asked: &Params) -> Answer {
    // Filters stand beside the rest, or below FILTER.
    let (rows, mut answer) = listing::page(portal.users.iter(), asked, &field_of_user, shown);
    let beside: Vec<&str> =
        ["ID", "ACTIVE", "UF_PHONE_INNER"].into_iter().filter(|key| asked.get(key).is_some()).collect();
    let keeps = |row: &Value| {
        beside.iter().all(|key| {
            let held = row.get(key).and_then(text).unwrap_or_default();
            let wanted: Vec<String> = asked.several(key).iter().filter_map(text).collect();
            match *key {
                "ACTIVE" => wanted.iter().any(|word| matches!(word.as_str(), "1" | "Y" | "true") == (held == "1")),
                _ => wanted.contains(&held),
            }
        })
    };
    answer.result = rows.into_iter().filter(keeps).collect();
    answer
}

fn field_of_user(user: &User, name: &str) -> Vec<String> {
    let row = shown(user);
    vec![match name.to_ascii_uppercase().as_str() {
        "ACTIVE" => if user.active { "Y" } else { "N" }.to_owned(),
        upper => row.get(upper).and_then(text).unwrap_or_default(),
    }]
}

fn shown(user: &User) -> Value {
    json!({
        "ID": user.id.to_string(),
        "ACTIVE": user.active,
        "NAME": user.name,
        "LAST_NAME": user.last_name,
        "EMAIL": format!("user{}@portal.example", user.id),
        "PERSONAL_MOBILE": user.mobile,
        "WORK_PHONE": "",
        "UF_PHONE_INNER": user.extension,
        "USER_TYPE": "employee",
    })
}

fn workday(portal: &Portal, asked: &Params, by: Asker<'_>) -> Result {
    let id = asked.number("USER_ID").unwrap_or(by.user);
    let user = portal.user(id).ok_or_else(nobody)?;
    let start = (user.workday != "CLOSED").then(|| iso(by.now));
    Ok(json!({"STATUS": user.workday, "TIME_START": start, "ACTIVE": user.workday == "OPENED"}).into())
}

fn named(asked: &Params) -> String {
    asked.text("event").unwrap_or_default()
}

fn bind(portal: &mut Portal, asked: &Params) -> Result {
    let event = named(asked);
    if event.is_empty() {
        return Err(Refusal::new(400, "ERROR_ARGUMENT", "Argument 'EVENT' is null or empty"));
    }
    // Events with a handler are accepted; this portal calls nobody.
    let offline = asked.text("event_type").is_some_and(|kind| kind.eq_ignore_ascii_case("offline"));
    if offline && !portal.offline.bind(&event, &asked.text("auth_connector").unwrap_or_default()) {
        return Err(Refusal::core("Handler already binded"));
    }
    Ok(json!(true).into())
}

fn take_events(portal: &mut Portal, asked: &Params) -> Answer {
    let limit = asked.number("limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(listing::PAGE);
    // Without `clear` they are cleared by the answer.
    let keep = asked.text("clear").is_some_and(|word| matches!(word.as_str(), "0" | "N" | ""));
    portal.offline.take(limit.clamp(1, 500), !keep).into()
}

fn clear_events(portal: &mut Portal, asked: &Params) -> Result {
    let Some(process) = asked.text("process_id") else {
        return Err(Refusal::new(400, "ERROR_ARGUMENT", "Argument 'PROCESS_ID' is null or empty"));
    };
    let messages: Vec<String> = asked.several("message_id").iter().filter_map(text).collect();
    portal.offline.clear(&process, &messages);
    Ok(json!(true).into())
}

fn known(asked: &Params) -> Answer {
    let name = asked.text("name").unwrap_or_default().to_ascii_lowercase();
    let known = crm::METHODS.contains(&name.as_str()) || name.starts_with("telephony.") || name == "timeman.status";
    json!({"isExisting": known, "isAvailable": known}).into()
}

/// Rows that are maps of texts, by name.
pub(super) fn field_of_map(row: &serde_json::Map<String, Value>, name: &str) -> Vec<String> {
    vec![row.get(&name.to_ascii_uppercase()).and_then(text).unwrap_or_default()]
}

/// A map, or PHP's empty array where nothing is in it.
pub(super) fn map_or_empty(map: &BTreeMap<String, Value>) -> Value {
    if map.is_empty() { json!([]) } else { json!(map) }
}
