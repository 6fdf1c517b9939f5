//! The description and the values that it describes.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use super::openapi::description;
use super::page::{Page, Whole};
use crate::base::{CallId, Wall};
use crate::call::ladder::{Entry, What};
use crate::crm::model::{PassedOver, WriteKind, WriteState};
use crate::crm::testing::{MARIA, START, record};
use crate::store::OutboxEntry;

/// The keys that the description gives to a schema, those of the schemas that it is made of too.
fn described(schemas: &Value, schema: &Value) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        keys.extend(described(schemas, &schemas[name]));
    }
    keys.extend(schema["properties"].as_object().into_iter().flatten().map(|(key, _)| key.clone()));
    for part in schema["allOf"].as_array().into_iter().flatten() {
        keys.extend(described(schemas, part));
    }
    keys
}

fn written(value: &impl Serialize) -> BTreeSet<String> {
    let value = serde_json::to_value(value).unwrap();
    value.as_object().unwrap().keys().cloned().collect()
}

fn schemas() -> Value {
    serde_json::to_value(description()).unwrap()["components"]["schemas"].clone()
}

#[test]
fn the_schemas_have_the_keys_of_what_is_sent() {
    let schemas = schemas();
    let keys = |name: &str| described(&schemas, &json!({ "$ref": name }));
    let call = record(1, MARIA);
    assert_eq!(keys("Call"), written(&call));
    assert_eq!(keys("Leg"), written(&call.legs[0]));
    assert_eq!(keys("Calls"), written(&Page { calls: vec![call.clone()], next: None }));
    assert_eq!(keys("CallWithLadder"), written(&Whole { call, ladder: None }));
    let owed = OutboxEntry {
        call: CallId::from_bits(1),
        seq: 0,
        write: WriteKind::LeadCreate,
        state: WriteState::Owed,
        attempts: 1,
        next_at: Wall::from_unix_millis(START),
        error: None,
        since: Wall::from_unix_millis(START),
        client: None,
        payload: None,
    };
    assert_eq!(keys("OwedWrite"), written(&owed));
    assert_eq!(keys("PassedOver"), written(&PassedOver::new("bruno", "away")));
}

#[test]
fn each_kind_of_a_ladders_lines_is_described_with_its_keys() {
    let schemas = schemas();
    let text = || "x".to_owned();
    let lines = [
        What::Sip { from: text(), to: text(), start_line: text(), call_id: text(), again: true },
        What::Decision { what: text(), why: text(), passed_over: Vec::new() },
        What::Crm { write: WriteKind::ActivityCreate, state: WriteState::Dead, detail: text() },
        What::Media { what: text() },
    ];
    let described: Vec<BTreeSet<String>> =
        schemas["LadderEntry"]["oneOf"].as_array().unwrap().iter().map(|kind| described(&schemas, kind)).collect();
    let written: Vec<_> = lines.map(|what| written(&Entry { at: Wall::from_unix_millis(START), what })).into();
    assert_eq!(described, written);
}
