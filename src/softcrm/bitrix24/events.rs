//! Offline events: the last state of each record that changed, kept until whoever asks for them clears them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::clock::iso;
use super::record::Kind;
use crate::base::Wall;

/// What happened to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Add,
    Update,
    Delete,
}

/// Bindings and what waits.
#[derive(Debug, Default)]
pub(super) struct Offline {
    /// Names in capitals, with the connector whose own writes are left out.
    bound: BTreeMap<String, String>,
    waiting: BTreeMap<u64, Waiting>,
    last: u64,
    processes: u64,
}

#[derive(Debug)]
struct Waiting {
    event: String,
    id: i64,
    at: Wall,
    process: Option<String>,
}

impl Offline {
    /// Binds an event. False: it is bound already.
    pub(super) fn bind(&mut self, event: &str, connector: &str) -> bool {
        self.bound.insert(event.to_ascii_uppercase(), connector.to_owned()).is_none()
    }

    pub(super) fn unbind(&mut self, event: &str) -> bool {
        self.bound.remove(&event.to_ascii_uppercase()).is_some()
    }

    pub(super) fn bound(&self) -> Value {
        let one =
            |(event, connector): (&String, &String)| json!({"event": event, "connector_id": connector, "offline": 1});
        self.bound.iter().map(one).collect()
    }

    /// A record changed, perhaps by somebody who says which connector it is.
    pub(super) fn happened(&mut self, kind: Kind, id: i64, what: What, now: Wall, connector: Option<&str>) {
        let word = match what {
            What::Add => "ADD",
            What::Update => "UPDATE",
            What::Delete => "DELETE",
        };
        let event = format!("ONCRM{}{word}", kind.as_str());
        let Some(own) = self.bound.get(&event) else { return };
        if !own.is_empty() && connector == Some(own.as_str()) {
            return;
        }
        // The last state is kept, not the history: one that nobody has taken yet is not told twice.
        self.waiting.retain(|_, held| held.process.is_some() || held.event != event || held.id != id);
        self.last += 1;
        self.waiting.insert(self.last, Waiting { event, id, at: now, process: None });
    }

    /// The first of those that nobody has taken. `clear`: they are gone with the answer; else they are marked and stay.
    pub(super) fn take(&mut self, limit: usize, clear: bool) -> Value {
        let free: Vec<u64> =
            self.waiting.iter().filter(|(_, held)| held.process.is_none()).map(|(n, _)| *n).take(limit).collect();
        self.processes += 1;
        let process = format!("process{:08x}", self.processes);
        let mut events = Vec::with_capacity(free.len());
        for number in free {
            let Some(held) = self.waiting.get_mut(&number) else { continue };
            held.process = Some(process.clone());
            events.push(json!({
                "ID": number.to_string(),
                "TIMESTAMP_X": iso(held.at),
                "EVENT_NAME": held.event,
                "EVENT_DATA": {"FIELDS": {"ID": held.id.to_string()}},
                "EVENT_ADDITIONAL": false,
                "MESSAGE_ID": message(number),
            }));
            if clear {
                self.waiting.remove(&number);
            }
        }
        json!({"process_id": if clear { Value::Null } else { process.into() }, "events": events})
    }

    /// Clears what a process has taken: all of it, or these messages.
    pub(super) fn clear(&mut self, process: &str, messages: &[String]) {
        self.waiting.retain(|number, held| {
            held.process.as_deref() != Some(process)
                || !(messages.is_empty() || messages.iter().any(|one| *one == message(*number)))
        });
    }

    /// How many wait, taken or not.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

fn message(number: u64) -> String {
    format!("message{number:08x}")
}
