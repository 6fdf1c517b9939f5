//! `crm.*`: records by the new methods and the old, activities, what has a number, sources and pipelines.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::clock::iso;
use super::listing;
use super::methods::{Answer, Asker, Refusal, Result, field_of_map, map_or_empty};
use super::params::{Params, number, text};
use super::portal::Portal;
use super::record::{Kind, Record, old_name};

/// What [`call`] knows.
pub(super) const METHODS: [&str; 14] = [
    "crm.item.list",
    "crm.item.get",
    "crm.item.add",
    "crm.item.update",
    "crm.item.delete",
    "crm.duplicate.findbycomm",
    "crm.status.list",
    "crm.category.list",
    "crm.activity.add",
    "crm.activity.get",
    "crm.activity.update",
    "crm.activity.list",
    "crm.lead.list",
    "crm.contact.list",
];

/// Does what a method of `crm.*` does.
pub(super) fn call(portal: &mut Portal, method: &str, asked: &Params, by: Asker<'_>) -> Result {
    match method {
        "crm.item.list" => items(portal, asked),
        "crm.item.get" => item(portal, asked),
        "crm.item.add" => add_item(portal, asked, by),
        "crm.item.update" => update_item(portal, asked, by),
        "crm.item.delete" => delete_item(portal, asked, by),
        "crm.duplicate.findbycomm" => find_by_phone(portal, asked),
        "crm.status.list" => Ok(statuses(portal, asked)),
        "crm.category.list" => Ok(pipelines(portal)),
        "crm.activity.add" => add_activity(portal, asked, by),
        "crm.activity.get" => activity(portal, asked),
        "crm.activity.update" => update_activity(portal, asked),
        "crm.activity.list" => Ok(activities(portal, asked)),
        _ => {
            let mut parts = method.split('.').skip(1);
            let kind = parts.next().and_then(Kind::by_word);
            match (kind, parts.next(), parts.next()) {
                (Some(kind), Some(verb), None) => old(portal, kind, verb, asked, by),
                _ => Err(no_method()),
            }
        }
    }
}

fn no_method() -> Refusal {
    Refusal::new(404, "ERROR_METHOD_NOT_FOUND", "Method not found!")
}

fn old(portal: &mut Portal, kind: Kind, verb: &str, asked: &Params, by: Asker<'_>) -> Result {
    match verb {
        "list" => Ok(list(portal, kind, asked)),
        "get" => {
            let record = by_id(portal, kind, asked).ok_or_else(|| Refusal::new(400, "", "Not found"))?;
            let mut shown = record.legacy(&[]);
            for field in ["PHONE", "EMAIL"] {
                let multi = record.multi_legacy(field);
                if multi.as_array().is_some_and(|all| !all.is_empty()) {
                    shown[field] = multi;
                }
            }
            Ok(shown.into())
        }
        "add" => {
            let mut record = Record::new(kind, 0);
            record.take_legacy(&asked.map("fields"), &mut portal.last_multi);
            Ok(json!(portal.insert(record, by.user, by.now, by.connector)).into())
        }
        "update" => {
            let mut record = by_id(portal, kind, asked).cloned().ok_or_else(|| Refusal::new(400, "", "Not found"))?;
            record.take_legacy(&asked.map("fields"), &mut portal.last_multi);
            portal.replace(record, by.now, by.connector);
            Ok(json!(true).into())
        }
        "delete" => match asked.number("id") {
            Some(id) if portal.remove(kind, id, by.now, by.connector) => Ok(json!(true).into()),
            _ => Err(Refusal::new(400, "", "Not found")),
        },
        _ => Err(no_method()),
    }
}

fn by_id<'a>(portal: &'a Portal, kind: Kind, asked: &Params) -> Option<&'a Record> {
    portal.record(kind, asked.number("id")?)
}

/// The records of a kind from where a cursor over their numbers stands.
fn from_cursor<'a>(portal: &'a Portal, kind: Kind, asked: &Params) -> impl Iterator<Item = &'a Record> {
    let filter = asked.map("filter");
    let after = [">ID", ">id"].iter().find_map(|key| filter.get(*key)).and_then(number).unwrap_or(i64::MIN);
    portal.records.range((kind, after)..=(kind, i64::MAX)).map(|(_, record)| record)
}

fn selected(asked: &Params) -> Vec<String> {
    asked.several("select").iter().filter_map(text).collect()
}

fn list(portal: &Portal, kind: Kind, asked: &Params) -> Answer {
    let select = selected(asked);
    let rows = from_cursor(portal, kind, asked);
    let (rows, mut answer) = listing::page(rows, asked, &field_of_record, |record| record.legacy(&select));
    answer.result = rows.into();
    answer
}

fn field_of_record(record: &Record, name: &str) -> Vec<String> {
    match name.to_ascii_uppercase().as_str() {
        "ID" => vec![record.id.to_string()],
        multi @ ("PHONE" | "EMAIL") => {
            record.multi.iter().filter(|one| one.field == multi).map(|one| one.value.clone()).collect()
        }
        upper => vec![record.field(upper).unwrap_or_default().to_owned()],
    }
}

fn field_of_item(record: &Record, name: &str) -> Vec<String> {
    field_of_record(record, &old_name(record.kind, name))
}

fn kind_of(asked: &Params) -> Result<Kind> {
    let kind = asked.number("entityTypeId").and_then(Kind::by_type);
    kind.ok_or_else(|| Refusal::new(400, "NOT_FOUND", "Smart process is not found"))
}

fn items(portal: &Portal, asked: &Params) -> Result {
    let kind = kind_of(asked)?;
    let select = selected(asked);
    let rows = from_cursor(portal, kind, asked);
    let (rows, mut answer) = listing::page(rows, asked, &field_of_item, |record| record.item(&select));
    answer.result = json!({"items": rows});
    Ok(answer)
}

fn item_of<'a>(portal: &'a Portal, asked: &Params) -> Result<&'a Record> {
    by_id(portal, kind_of(asked)?, asked).ok_or_else(|| Refusal::new(400, "NOT_FOUND", "Element not found"))
}

fn whole(record: &Record) -> Answer {
    json!({"item": record.item(&["*".to_owned(), "fm".to_owned()])}).into()
}

fn item(portal: &Portal, asked: &Params) -> Result {
    item_of(portal, asked).map(whole)
}

fn add_item(portal: &mut Portal, asked: &Params, by: Asker<'_>) -> Result {
    let kind = kind_of(asked)?;
    let mut record = Record::new(kind, 0);
    record.take_item(&asked.map("fields"), &mut portal.last_multi);
    let id = portal.insert(record, by.user, by.now, by.connector);
    Ok(whole(portal.record(kind, id).expect("it was put in just now")))
}

fn update_item(portal: &mut Portal, asked: &Params, by: Asker<'_>) -> Result {
    let mut record = item_of(portal, asked)?.clone();
    record.take_item(&asked.map("fields"), &mut portal.last_multi);
    let shown = whole(&record);
    portal.replace(record, by.now, by.connector);
    Ok(shown)
}

fn delete_item(portal: &mut Portal, asked: &Params, by: Asker<'_>) -> Result {
    let record = item_of(portal, asked)?;
    let (kind, id) = (record.kind, record.id);
    portal.remove(kind, id, by.now, by.connector);
    Ok(json!([]).into())
}

/// `[]`, an array, where nothing is found; at most twenty of a kind, and with twenty of one the next are hidden.
fn find_by_phone(portal: &Portal, asked: &Params) -> Result {
    if asked.text("type").is_none_or(|kind| kind != "PHONE") {
        return Err(Refusal::core("Communication type is not defined"));
    }
    let values: Vec<String> = asked.several("values").iter().filter_map(text).take(MOST_FOUND).collect();
    if values.is_empty() {
        return Err(Refusal::core("Communication values is not defined"));
    }
    let only = asked.text("entity_type").and_then(|word| Kind::by_word(&word));
    let mut found: BTreeMap<String, Value> = BTreeMap::new();
    for kind in [Kind::Lead, Kind::Contact, Kind::Company] {
        if only.is_some_and(|only| only != kind) {
            continue;
        }
        let mut ids: Vec<i64> =
            values.iter().flat_map(|value| portal.having(value)).filter(|r| r.kind == kind).map(|r| r.id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.truncate(MOST_FOUND);
        let full = ids.len() == MOST_FOUND;
        if !ids.is_empty() {
            found.insert(kind.as_str().to_owned(), json!(ids));
        }
        if full {
            break;
        }
    }
    Ok(map_or_empty(&found).into())
}

const MOST_FOUND: usize = 20;

fn statuses(portal: &Portal, asked: &Params) -> Answer {
    let row = |entity: &str, id: &str, name: &str| -> Map<String, Value> {
        let fields = [("ENTITY_ID", entity), ("STATUS_ID", id), ("NAME", name)];
        fields.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect()
    };
    let mut rows: Vec<Map<String, Value>> = portal.sources.iter().map(|(id, name)| row("SOURCE", id, name)).collect();
    for (id, name) in
        [("NEW", "Unassigned"), ("IN_PROCESS", "In progress"), ("CONVERTED", "Converted"), ("JUNK", "Junk")]
    {
        rows.push(row("STATUS", id, name));
    }
    for (at, row) in rows.iter_mut().enumerate() {
        row.insert("ID".to_owned(), (at + 1).to_string().into());
        row.insert("SORT".to_owned(), ((at + 1) * 10).to_string().into());
    }
    let (rows, mut answer) = listing::page(rows.iter(), asked, &field_of_map, |row| Value::Object(row.clone()));
    answer.result = rows.into();
    answer
}

fn pipelines(portal: &Portal) -> Answer {
    let one = |(at, (id, name)): (usize, &(i64, String))| json!({"id": id, "name": name, "sort": (at + 1) * 100, "entityTypeId": 2, "isDefault": if *id == 0 { "Y" } else { "N" }});
    let all: Vec<Value> = portal.pipelines.iter().enumerate().map(one).collect();
    Answer { total: Some(all.len()), ..Answer::from(json!({"categories": all})) }
}

fn add_activity(portal: &mut Portal, asked: &Params, by: Asker<'_>) -> Result {
    let mut fields = upper(asked.map("fields"));
    if fields.get("OWNER_ID").and_then(number).is_none_or(|id| id == 0) {
        return Err(Refusal::new(400, "", "The field OWNER_ID is required."));
    }
    if !fields.contains_key("COMMUNICATIONS") {
        return Err(Refusal::new(400, "", "The field COMMUNICATIONS is not defined or invalid."));
    }
    fields.entry("CREATED".to_owned()).or_insert_with(|| iso(by.now).into());
    Ok(json!(insert_activity(portal, fields, by)).into())
}

/// A new activity, which is also its owner's latest.
pub(super) fn insert_activity(portal: &mut Portal, mut fields: Map<String, Value>, by: Asker<'_>) -> i64 {
    let id = portal.activities.last_key_value().map_or(0, |(id, _)| *id) + 1;
    fields.insert("ID".to_owned(), id.to_string().into());
    let owner = |key: &str| fields.get(key).and_then(number);
    if let (Some(kind), Some(at)) = (owner("OWNER_TYPE_ID").and_then(Kind::by_type), owner("OWNER_ID"))
        && let Some(record) = portal.records.get_mut(&(kind, at))
    {
        record.fields.insert("LAST_ACTIVITY_TIME".to_owned(), iso(by.now));
    }
    portal.activities.insert(id, fields);
    id
}

fn upper(fields: Map<String, Value>) -> Map<String, Value> {
    fields.into_iter().map(|(key, value)| (key.to_ascii_uppercase(), value)).collect()
}

fn activity(portal: &Portal, asked: &Params) -> Result {
    let found = asked.number("id").and_then(|id| portal.activities.get(&id));
    found.map(|fields| Value::Object(fields.clone()).into()).ok_or_else(|| Refusal::new(400, "", "Not found"))
}

fn update_activity(portal: &mut Portal, asked: &Params) -> Result {
    let found = asked.number("id").and_then(|id| portal.activities.get_mut(&id));
    let Some(fields) = found else { return Err(Refusal::new(400, "", "Not found")) };
    fields.extend(upper(asked.map("fields")));
    Ok(json!(true).into())
}

fn activities(portal: &Portal, asked: &Params) -> Answer {
    let show = |row: &Map<String, Value>| Value::Object(row.clone());
    let (rows, mut answer) = listing::page(portal.activities.values(), asked, &field_of_map, show);
    answer.result = rows.into();
    answer
}
