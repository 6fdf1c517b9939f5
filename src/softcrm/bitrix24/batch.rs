//! `batch`: up to fifty commands in one request, each of which may use what those before it found.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::methods::{self, Answer, Asker, Refusal, Result, map_or_empty};
use super::params::{Params, as_map, text};
use super::portal::Portal;

/// Does the commands in order; `done` books each.
pub(super) fn run(portal: &mut Portal, asked: &Params, by: Asker<'_>, mut done: impl FnMut(&str)) -> Result {
    let Some(commands) = asked.get("cmd").map(as_map) else {
        return Err(Refusal::new(400, "ERROR_ARGUMENT", "Argument 'cmd' is null or empty"));
    };
    if commands.len() > MOST {
        return Err(Refusal::new(400, "ERROR_BATCH_LENGTH_EXCEEDED", "Max batch length exceeded"));
    }
    let is_list = asked.get("cmd").is_some_and(Value::is_array);
    let halt = asked.is_yes("halt");
    let mut found = Found::default();
    for (name, command) in in_order(commands) {
        let (method, query) = command.split_once('?').unwrap_or((&command, ""));
        let method = method.trim_end_matches(".json").to_ascii_lowercase();
        let mut params = Params::default();
        params.add_form(query.as_bytes());
        let params = params.changed(&|text| found.linked(text));
        let said = if method == "batch" {
            Err(Refusal::new(400, "ERROR_BATCH_METHOD_NOT_ALLOWED", "Method is not allowed for batch usage"))
        } else {
            methods::call(portal, &method, &params, by)
        };
        done(&method);
        if found.keep(name, said) && halt {
            break;
        }
    }
    Ok(found.answer(is_list))
}

/// The commands by number or name, each after those that it has links to: how they stood in the request is not kept.
fn in_order(commands: Map<String, Value>) -> Vec<(String, String)> {
    let mut waiting: Vec<(String, String)> =
        commands.into_iter().map(|(name, command)| (name, text(&command).unwrap_or_default())).collect();
    waiting.sort_by_key(|(name, _)| (name.parse::<u32>().unwrap_or(u32::MAX), name.clone()));
    let mut ordered = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let links = |to: &str, command: &str| {
            command.contains(&format!("$result[{to}]")) || command.contains(&format!("%24result%5B{to}%5D"))
        };
        let is_free = |at: usize| waiting.iter().all(|(name, _)| !links(name, &waiting[at].1));
        let next = (0..waiting.len()).find(|at| is_free(*at)).unwrap_or(0);
        ordered.push(waiting.remove(next));
    }
    ordered
}

#[derive(Default)]
struct Found {
    results: BTreeMap<String, Value>,
    errors: BTreeMap<String, Value>,
    totals: BTreeMap<String, Value>,
    nexts: BTreeMap<String, Value>,
}

impl Found {
    /// True: it is an error.
    fn keep(&mut self, name: String, said: Result) -> bool {
        match said {
            Ok(Answer { result, next, total }) => {
                if let Some(next) = next {
                    self.nexts.insert(name.clone(), next.into());
                }
                if let Some(total) = total {
                    self.totals.insert(name.clone(), total.into());
                }
                self.results.insert(name, result);
                false
            }
            Err(refusal) => {
                let error = json!({"error": refusal.code, "error_description": refusal.description});
                self.errors.insert(name, error);
                true
            }
        }
    }

    /// What `$result[find][items][0][id]` stands for; nothing where the text is no such link.
    fn linked(&self, text: &str) -> Option<Value> {
        let path = text.strip_prefix("$result[")?.strip_suffix(']')?;
        let mut steps = path.split("][");
        let mut at = self.results.get(steps.next()?)?;
        for step in steps {
            at = match at {
                Value::Array(all) => all.get(step.parse::<usize>().ok()?)?,
                other => other.get(step)?,
            };
        }
        Some(at.clone())
    }

    fn answer(self, is_list: bool) -> Answer {
        let results = if is_list && self.errors.is_empty() {
            let mut all: Vec<(usize, Value)> =
                self.results.iter().filter_map(|(at, value)| Some((at.parse().ok()?, value.clone()))).collect();
            all.sort_by_key(|(at, _)| *at);
            all.into_iter().map(|(_, value)| value).collect()
        } else {
            map_or_empty(&self.results)
        };
        json!({
            "result": results,
            "result_error": map_or_empty(&self.errors),
            "result_total": map_or_empty(&self.totals),
            "result_next": map_or_empty(&self.nexts),
            "result_time": [],
        })
        .into()
    }
}

/// Commands of one batch.
const MOST: usize = 50;
