//! What happens, told to whoever listens: every [`Publication`] with a growing id, the latest kept so that a listener
//! who lost her connection goes on where it broke (`Last-Event-ID`).

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::broadcast;

use crate::base::{EmployeeId, Now, TrunkName};
use crate::call::Publication;
use crate::crm::model::{CallRecord, EntityRef};

/// One event of `GET /api/events`.
#[derive(Debug)]
pub struct Event {
    /// Grows from event to event, over restarts too.
    pub id: u64,
    what: What,
    json: OnceLock<String>,
}

impl Event {
    /// Its name: `call.ringing`.
    pub fn name(&self) -> &'static str {
        match &self.what {
            What::Call(publication) => publication.event,
            What::Trunk { event, .. } => event,
        }
    }

    /// What it says of a call; `None`: it is about a trunk.
    pub fn publication(&self) -> Option<&Publication> {
        match &self.what {
            What::Call(publication) => Some(publication),
            What::Trunk { .. } => None,
        }
    }

    /// Its data: `{"call", "record", "from_employee", "to_employee", "kind", "trunk"}`, written once however many listen.
    pub fn json(&self) -> &str {
        self.json.get_or_init(|| {
            let data = match &self.what {
                What::Call(said) => Data {
                    call: Some(&said.call),
                    record: said.record,
                    from_employee: said.from_employee.as_ref(),
                    to_employee: said.to_employee.as_ref(),
                    kind: said.kind,
                    trunk: None,
                },
                What::Trunk { trunk, .. } => Data { trunk: Some(trunk), ..Data::default() },
            };
            serde_json::to_string(&data).expect("plain data with text for keys is always written")
        })
    }
}

/// What happened.
#[derive(Debug)]
enum What {
    /// With a call.
    Call(Box<Publication>),
    /// With a trunk.
    Trunk { event: &'static str, trunk: TrunkName },
}

/// The data of an event, as the contract shapes it.
#[derive(Default, Serialize)]
struct Data<'a> {
    call: Option<&'a CallRecord>,
    record: Option<EntityRef>,
    from_employee: Option<&'a EmployeeId>,
    to_employee: Option<&'a EmployeeId>,
    kind: Option<&'static str>,
    trunk: Option<&'a TrunkName>,
}

/// A listener's place in the stream.
#[derive(Debug)]
pub struct Subscription {
    /// What was missed since the id that the listener named, oldest first.
    pub missed: Vec<Arc<Event>>,
    /// What comes after, without a gap between; lags (and says so) where the listener is too slow.
    pub live: broadcast::Receiver<Arc<Event>>,
}

/// All events, on their way out.
#[derive(Debug)]
pub struct Events {
    recent: Mutex<Recent>,
    live: broadcast::Sender<Arc<Event>>,
}

#[derive(Debug)]
struct Recent {
    next: u64,
    kept: VecDeque<Arc<Event>>,
}

impl Events {
    /// None yet. Ids begin with the date in microseconds, so that they are larger than those of the process before.
    pub fn new(now: Now) -> Self {
        let next = u64::try_from(now.wall.unix_millis()).unwrap_or_default() * 1_000;
        let recent = Recent { next, kept: VecDeque::with_capacity(KEPT) };
        Self { recent: Mutex::new(recent), live: broadcast::channel(BEHIND).0 }
    }

    /// Tells everybody.
    pub fn publish(&self, publication: Publication) {
        self.tell(What::Call(Box::new(publication)));
    }

    /// Tells everybody that a trunk is up, or down.
    pub fn publish_trunk(&self, event: &'static str, trunk: TrunkName) {
        self.tell(What::Trunk { event, trunk });
    }

    fn tell(&self, what: What) {
        let mut recent = self.recent.lock();
        let event = Arc::new(Event { id: recent.next, what, json: OnceLock::new() });
        recent.next += 1;
        if recent.kept.len() == KEPT {
            recent.kept.pop_front();
        }
        recent.kept.push_back(Arc::clone(&event));
        // Sent under the lock, so that ids reach every listener in order. An error says that nobody listens.
        let _ = self.live.send(event);
    }

    /// Listens from now on, or from behind the event `after`.
    pub fn subscribe(&self, after: Option<u64>) -> Subscription {
        let recent = self.recent.lock();
        let missed = match after {
            Some(after) => recent.kept.iter().filter(|event| event.id > after).cloned().collect(),
            None => Vec::new(),
        };
        Subscription { missed, live: self.live.subscribe() }
    }
}

/// How many events are kept for those who come back.
const KEPT: usize = 4096;
/// How far a listener may fall behind.
const BEHIND: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{CallId, Wall};
    use crate::crm::model::{CallState, Direction};

    fn ringing(from_employee: Option<EmployeeId>) -> Publication {
        let call = CallRecord {
            id: CallId::from_bits(7),
            state: CallState::Ringing,
            direction: Direction::Incoming,
            from: "anonymous".to_owned(),
            to: "+551140028922".to_owned(),
            line: None,
            lookup: None,
            client: None,
            client_name: None,
            dialler: None,
            employee: None,
            started: Wall::default(),
            answered: None,
            ended: None,
            outcome: None,
            ring_seconds: 0,
            talk_seconds: 0,
            transferred_from: None,
            created: Vec::new(),
            card: None,
            legs: Vec::new(),
        };
        Publication { event: "call.ringing", call, record: None, from_employee, to_employee: None, kind: None }
    }

    #[test]
    fn who_comes_back_gets_what_she_missed_and_then_goes_on_without_a_gap() {
        let events = Events::new(Now::default());
        (0..3).for_each(|_| events.publish(ringing(None)));
        let mut listener = events.subscribe(Some(0));
        events.publish(ringing(None));
        let missed: Vec<u64> = listener.missed.iter().map(|event| event.id).collect();
        assert_eq!(missed, [1, 2]);
        assert_eq!(listener.live.try_recv().unwrap().id, 3);
        assert!(events.subscribe(None).missed.is_empty());
    }

    #[test]
    fn only_the_latest_are_kept() {
        let events = Events::new(Now::default());
        (0..KEPT + 5).for_each(|_| events.publish(ringing(None)));
        let missed = events.subscribe(Some(0)).missed;
        assert_eq!((missed.len(), missed[0].id), (KEPT, 5));
    }

    #[test]
    fn a_trunks_event_names_the_trunk_and_no_call() {
        let events = Events::new(Now::default());
        let mut live = events.subscribe(None).live;
        events.publish_trunk("trunk.down", "carrier".into());
        let event = live.try_recv().unwrap();
        let json: serde_json::Value = serde_json::from_str(event.json()).unwrap();
        assert_eq!(
            (event.name(), &json["trunk"], &json["call"]),
            ("trunk.down", &"carrier".into(), &serde_json::Value::Null)
        );
    }

    #[test]
    fn what_does_not_apply_is_null() {
        let events = Events::new(Now::default());
        let mut live = events.subscribe(None).live;
        events.publish(ringing(Some("ana".into())));
        let json: serde_json::Value = serde_json::from_str(live.try_recv().unwrap().json()).unwrap();
        assert_eq!(json["from_employee"], "ana");
        assert_eq!((&json["record"], &json["kind"]), (&serde_json::Value::Null, &serde_json::Value::Null));
        assert_eq!(json["call"]["state"], "ringing");
    }
}
