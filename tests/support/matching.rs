//! Whether JSON holds at least what a story names.

use std::fmt;

use serde_json::Value;

/// One place where it doesn't.
#[derive(Debug)]
pub(crate) struct Mismatch {
    at: String,
    expected: String,
    found: String,
}

impl Mismatch {
    pub(crate) fn new(at: &str, expected: impl fmt::Display, found: impl fmt::Display) -> Self {
        Self { at: at.to_owned(), expected: expected.to_string(), found: found.to_string() }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, expected, found } = self;
        write!(f, "{at}: expected {expected}\n{:width$}  found {found}", "", width = at.len())
    }
}

/// Compares: `"<null>"` expects null or nothing, `"<any>"` anything else; objects may hold more; lists must have as
/// many entries, in any order.
pub(crate) fn matches(at: &str, expected: &Value, found: &Value, mismatches: &mut Vec<Mismatch>) {
    match (expected, found) {
        (Value::String(word), found) if word == "<null>" && found.is_null() => {}
        (Value::String(word), found) if word == "<any>" && !found.is_null() => {}
        (Value::Object(expected), Value::Object(found)) => {
            for (key, value) in expected {
                matches(&format!("{at}.{key}"), value, found.get(key).unwrap_or(&Value::Null), mismatches);
            }
        }
        (Value::Array(expected), Value::Array(found)) => match_lists(at, expected, found, mismatches),
        (expected, found) if expected == found => {}
        (expected, found) => mismatches.push(Mismatch::new(at, expected, found)),
    }
}

fn match_lists(at: &str, expected: &[Value], found: &[Value], mismatches: &mut Vec<Mismatch>) {
    if expected.len() != found.len() {
        let all = Value::Array(found.to_vec());
        mismatches.push(Mismatch::new(at, format!("{} entries", expected.len()), format!("{}: {all}", found.len())));
        return;
    }
    let mut left: Vec<&Value> = found.iter().collect();
    for (i, value) in expected.iter().enumerate() {
        let fits = |candidate: &Value| {
            let mut faults = Vec::new();
            matches("", value, candidate, &mut faults);
            faults.is_empty()
        };
        if let Some(taken) = left.iter().position(|candidate| fits(candidate)) {
            left.swap_remove(taken);
        } else if let [only] = left[..] {
            matches(&format!("{at}[{i}]"), value, only, mismatches);
        } else {
            let rest = left.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n      ");
            mismatches.push(Mismatch::new(&format!("{at}[{i}]"), value, rest));
        }
    }
}
