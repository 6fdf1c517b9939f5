//! A request's parameters, from a query, a form or JSON: one tree, as PHP would read them.

use serde_json::{Map, Value};

/// The tree.
#[derive(Debug, Clone, Default)]
pub(super) struct Params(Map<String, Value>);

impl Params {
    /// Adds what a query or a form says: `fields[PHONE][0][VALUE]=+55`.
    pub(super) fn add_form(&mut self, form: &[u8]) {
        let mut tree = Value::Object(std::mem::take(&mut self.0));
        for (key, value) in form_urlencoded::parse(form).take(MOST) {
            put(&mut tree, &steps(&key), value.into_owned());
        }
        listed(&mut tree);
        if let Value::Object(map) = tree {
            self.0 = map;
        }
    }

    /// Adds what a JSON body says. False: it is no object.
    pub(super) fn add_json(&mut self, body: &[u8]) -> bool {
        match serde_json::from_slice(body) {
            Ok(Value::Object(map)) => {
                self.0.extend(map);
                true
            }
            _ => false,
        }
    }

    /// A parameter, whatever the case of its name.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        of(&self.0, name)
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).and_then(text)
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(number)
    }

    /// A map; PHP's empty array is an empty one.
    pub(super) fn map(&self, name: &str) -> Map<String, Value> {
        self.get(name).map(as_map).unwrap_or_default()
    }

    /// One or several.
    pub(super) fn several(&self, name: &str) -> Vec<Value> {
        self.get(name).map(several).unwrap_or_default()
    }

    pub(super) fn is_yes(&self, name: &str) -> bool {
        self.text(name).is_some_and(|word| matches!(word.as_str(), "1" | "Y" | "true"))
    }

    /// The same with every text changed.
    pub(super) fn changed(&self, change: &impl Fn(&str) -> Option<Value>) -> Self {
        let mut tree = Value::Object(self.0.clone());
        changed(&mut tree, change);
        match tree {
            Value::Object(map) => Self(map),
            _ => Self::default(),
        }
    }
}

/// What stands under a name in any case.
pub(super) fn of<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    map.get(name).or_else(|| map.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

/// A scalar as text.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(if *yes { "1" } else { "" }.to_owned()),
        _ => None,
    }
}

/// A scalar as a whole number.
pub(super) fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(yes) => Some(i64::from(*yes)),
        _ => None,
    }
}

pub(super) fn several(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(all) => all.clone(),
        Value::Object(map) => map.values().cloned().collect(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    }
}

pub(super) fn as_map(value: &Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map.clone(),
        Value::Array(all) => all.iter().enumerate().map(|(at, value)| (at.to_string(), value.clone())).collect(),
        _ => Map::new(),
    }
}

/// `a[b][]` as `a`, `b` and the empty word.
fn steps(key: &str) -> Vec<&str> {
    let Some((first, rest)) = key.split_once('[') else { return vec![key] };
    let mut steps = vec![first];
    steps.extend(rest.trim_end_matches(']').split("][").take(DEEPEST));
    steps
}

fn put(tree: &mut Value, steps: &[&str], value: String) {
    let Some((step, rest)) = steps.split_first() else {
        *tree = Value::String(value);
        return;
    };
    if let Value::Array(all) = tree {
        *tree = Value::Object(as_map(&Value::Array(std::mem::take(all))));
    }
    if !tree.is_object() {
        *tree = Value::Object(Map::new());
    }
    let map = tree.as_object_mut().expect("it was made one just now");
    let key = if step.is_empty() { map.len().to_string() } else { (*step).to_owned() };
    put(map.entry(key).or_insert(Value::Null), rest, value);
}

/// Maps below the top whose keys are 0, 1, 2… are lists.
fn listed(tree: &mut Value) {
    let Value::Object(map) = tree else { return };
    for value in map.values_mut() {
        listed(value);
        if let Value::Object(inner) = value
            && !inner.is_empty()
            && (0..inner.len()).all(|at| inner.contains_key(&at.to_string()))
        {
            let list = (0..inner.len()).filter_map(|at| inner.remove(&at.to_string())).collect();
            *value = Value::Array(list);
        }
    }
}

fn changed(tree: &mut Value, change: &impl Fn(&str) -> Option<Value>) {
    match tree {
        Value::String(text) => {
            if let Some(new) = change(text) {
                *tree = new;
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|value| changed(value, change)),
        Value::Object(map) => map.values_mut().for_each(|value| changed(value, change)),
        _ => {}
    }
}

/// Parameters of one request.
const MOST: usize = 10_000;
/// Brackets of one name.
const DEEPEST: usize = 10;
