//! Lamps: phones subscribe to colleagues and to their own messages (`sip::subscription`), and are told what changes.
//!
//! A call says only that a lamp has changed, and only where somebody looks at it ([`WatchList`]); what it shows is read
//! from the calls when a NOTIFY is made, so that the last state is told and nobody tells an old one after it. One task
//! makes the NOTIFYs; a call never waits for them.
//!
//! Locks, in this order: the subscriptions, then what is said outside of calls or one call, each for a moment.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use super::Inner;
use super::live::Live;
use super::outside::Waiting;
use super::receive::Came;
use super::surviving::surviving;
use super::who::Who;
use crate::base::{CallId, EmployeeId, Ids, Now};
use crate::net::sink::Path;
use crate::route::Origin;
use crate::route::directory::Directory;
use crate::sip::agent::SUPPORTED;
use crate::sip::message::{self, Name, Request, Response, Status, inspect};
use crate::sip::outside::OutsideId;
use crate::sip::subscription::{
    Asked, DialogInfo, Messages, Notification, Package, Reason, Source, SubscriptionId, Subscriptions, Watched,
};

/// Whose lamps somebody looks at: what a call asks in each of its steps.
#[derive(Debug, Default)]
pub(super) struct WatchList {
    /// How many: most houses, most of the time, ask no further.
    count: AtomicUsize,
    all: RwLock<HashSet<Watched>>,
}

impl WatchList {
    pub(super) fn has(&self, watched: &Watched) -> bool {
        self.count.load(Ordering::Acquire) > 0 && self.all.read().contains(watched)
    }

    /// True: nobody looked at it before.
    fn add(&self, watched: &Watched) -> bool {
        let mut all = self.all.write();
        let is_new = all.insert(watched.clone());
        self.count.store(all.len(), Ordering::Release);
        is_new
    }

    fn remove(&self, watched: &Watched) {
        let mut all = self.all.write();
        all.remove(watched);
        self.count.store(all.len(), Ordering::Release);
    }
}

/// All subscriptions of a node.
pub(super) struct Subscribers {
    state: Mutex<State>,
    /// What came of NOTIFYs, until the task looks: `None` where no response came.
    heard: Mutex<Vec<(OutsideId, Option<Response>)>>,
    /// There is something to do earlier than was thought.
    earlier: Notify,
}

struct State {
    all: Subscriptions,
    /// Which NOTIFY is whose.
    asked: HashMap<OutsideId, SubscriptionId>,
    /// The calls that may light each lamp that is looked at.
    calls: HashMap<Watched, BTreeSet<CallId>>,
    /// The node stops: whoever comes is to come again later.
    closed: bool,
}

impl Subscribers {
    pub(super) fn new(ids: Ids) -> Self {
        let (asked, calls) = (HashMap::new(), HashMap::new());
        let state = State { all: Subscriptions::new(ids), asked, calls, closed: false };
        Self { state: Mutex::new(state), heard: Mutex::default(), earlier: Notify::new() }
    }

    /// A request of ours outside of calls came to this; if it was a NOTIFY, the task looks at it.
    pub(super) fn hear(&self, id: OutsideId, response: Option<Response>) {
        self.heard.lock().push((id, response));
        self.earlier.notify_one();
    }
}

impl Inner {
    /// Tells subscribers what is to be told, for ever.
    pub(super) async fn run_subscriptions(self: Arc<Self>) {
        loop {
            let mut next = None;
            surviving(|| {
                self.tell_subscribers();
                next = self.subscribers.state.lock().all.next_wakeup();
            });
            match next {
                Some(at) => tokio::select! {
                    () = self.clock.sleep_until(at) => {}
                    () = self.subscribers.earlier.notified() => {}
                },
                None => self.subscribers.earlier.notified().await,
            }
        }
    }

    /// A SUBSCRIBE, inside a dialog or not: for phones of employees, each time with their password.
    pub(super) fn subscribes(&self, came: Came, request: Request) {
        if self.is_beyond_repeat(&request) {
            return;
        }
        let employee = match self.who(came.path, &request) {
            Who::Known(Origin::Phone(employee)) => employee,
            Who::Known(Origin::Stranger) => return self.forbid(came, &request),
            // Nobody's phone: neither has anything to subscribe to here.
            Who::Known(Origin::Trunk(_) | Origin::Pbx(_)) => return self.not_allowed(came.path, &request),
            Who::Asked { stale } => return self.ask_for_password(came, &request, stale),
            Who::Wrong => return self.forbid_password(came, &request),
            Who::Ignored => return,
        };
        let Some(waiting) = self.take_on(came.path, request) else { return };
        match inspect(&waiting.request, SUPPORTED) {
            Some(objection) => self.answer_waiting(&waiting, objection.response(&waiting.request)),
            None => self.subscribed(came.path, &employee, &waiting),
        }
    }

    /// A SUBSCRIBE of an employee's phone.
    fn subscribed(&self, path: Path, employee: &EmployeeId, waiting: &Waiting) {
        let now = self.clock.now();
        let request = &*waiting.request;
        let user = message::identities(request).request_uri.user;
        let watched = watched(&self.house.directory(), &user);
        let mut state = self.subscribers.state.lock();
        if state.closed {
            let response = Response::to(request, Status::SERVICE_UNAVAILABLE);
            return self.answer_waiting(waiting, response.with(Name::RetryAfter, AFTER_RESTART.to_string()));
        }
        if let Some(watched) = &watched
            && self.house.watch_list().add(watched)
        {
            // After it stands in the list: whatever changes from now on is told, whatever was before is found.
            state.calls.insert(watched.clone(), self.live.concerned(watched));
        }
        let asked = Asked { request, hop: self.outbound.back(path), watcher: employee, watched };
        let response = state.all.subscribe(now, asked);
        tracing::debug!(%employee, status = response.status.code(), "a phone subscribes");
        self.drop_unwatched(&mut state);
        // Under the lock, so that no NOTIFY overtakes it.
        self.answer_waiting(waiting, response);
        drop(state);
        self.subscribers.earlier.notify_one();
    }

    /// A call changes the lamp of somebody who is watched.
    pub(super) fn lamp_changed(&self, call: CallId, watched: &Watched) {
        let mut state = self.subscribers.state.lock();
        let Some(calls) = state.calls.get_mut(watched) else { return };
        calls.insert(call);
        state.all.changed(self.clock.now(), watched, Package::Dialog);
        drop(state);
        self.subscribers.earlier.notify_one();
    }

    /// Other files are in force: whom they do not know any more, or whose password is another, neither watches
    /// nor is watched.
    pub(super) fn revise_subscriptions(&self, directory: &Directory, may_watch: impl Fn(&EmployeeId) -> bool) {
        let ends = |watcher: &EmployeeId, watched: &Watched| {
            if !may_watch(watcher) {
                return Some(Reason::Rejected);
            }
            let user = match watched {
                Watched::Employee(id) => directory.employee(id).and_then(|employee| employee.extension.as_deref()),
                Watched::Extension(extension) => Some(&**extension),
            };
            let is_there = user.and_then(|user| self::watched(directory, user)).as_ref() == Some(watched);
            (!is_there).then_some(Reason::NoResource)
        };
        self.subscribers.state.lock().all.revise(self.clock.now(), ends);
        self.subscribers.earlier.notify_one();
    }

    /// The node stops: every subscriber is told to come again.
    pub(super) fn end_subscriptions(&self) {
        let now = self.clock.now();
        {
            let mut state = self.subscribers.state.lock();
            state.closed = true;
            state.all.end_all(now, Reason::Deactivated);
        }
        self.tell_subscribers();
    }

    /// Hears what came of NOTIFYs, and sends those that are due: some at a time, for calls wait for the lock.
    fn tell_subscribers(&self) {
        while self.tell_some() {}
    }

    /// Whether there may be more to do at once.
    fn tell_some(&self) -> bool {
        let now = self.clock.now();
        let mut state = self.subscribers.state.lock();
        let heard = std::mem::take(&mut *self.subscribers.heard.lock());
        for (asked, response) in heard {
            let Some(id) = state.asked.remove(&asked) else { continue };
            match response {
                Some(response) => state.all.answered(now, id, &response),
                None => state.all.failed(id),
            }
        }
        let mut due = Vec::new();
        let State { all, calls, .. } = &mut *state;
        all.wake(now, &Seen { live: &self.live, calls: RefCell::new(calls) }, AT_ONCE, &mut due);
        let sends = !due.is_empty();
        self.send_notifies(now, &mut state, due);
        self.drop_unwatched(&mut state);
        sends
    }

    fn send_notifies(&self, now: Now, state: &mut State, due: Vec<Notification>) {
        if due.is_empty() {
            return;
        }
        let mut room = MOST_UNDER_WAY.saturating_sub(state.asked.len());
        let sent: Vec<(SubscriptionId, Option<OutsideId>)> = self.beyond(|_, hands| {
            let sends = due.into_iter().map(|Notification { id, hop, request }| {
                let Some(left) = room.checked_sub(1) else { return (id, None) };
                room = left;
                (id, hands.outside.request(hands.now, hop, request, hands.letters))
            });
            sends.collect()
        });
        for (id, asked) in sent {
            match asked {
                Some(asked) => _ = state.asked.insert(asked, id),
                None => state.all.put_off(now, id, NO_ROOM),
            }
        }
    }

    /// Lamps at which nobody looks any more are told of no more.
    fn drop_unwatched(&self, state: &mut State) {
        let State { all, calls, .. } = state;
        if calls.len() == all.watched_dialogs() {
            return;
        }
        calls.retain(|watched, _| {
            let stays = all.is_watched(watched, Package::Dialog);
            if !stays {
                self.house.watch_list().remove(watched);
            }
            stays
        });
    }
}

/// The house as NOTIFYs show it.
struct Seen<'a> {
    live: &'a Live,
    calls: RefCell<&'a mut HashMap<Watched, BTreeSet<CallId>>>,
}

impl Source for Seen<'_> {
    fn dialogs(&self, watched: &Watched) -> Vec<DialogInfo> {
        let mut calls = self.calls.borrow_mut();
        let Some(calls) = calls.get_mut(watched) else { return Vec::new() };
        let mut all = Vec::new();
        calls.retain(|call| {
            let hers = self.live.lamps(*call, watched);
            let stays = !hers.is_empty();
            all.extend(hers);
            stays
        });
        all
    }

    fn messages(&self, watched: &Watched) -> Messages {
        match watched {
            Watched::Employee(employee) => messages(employee),
            Watched::Extension(_) => Messages::default(),
        }
    }
}

/// The voice messages that wait for her: none, as long as none are taken.
fn messages(_employee: &EmployeeId) -> Messages {
    Messages::default()
}

/// Whom the user part of a SUBSCRIBE's Request-URI means.
fn watched(directory: &Directory, user: &str) -> Option<Watched> {
    match directory.employee_at(user) {
        Some(employee) => Some(Watched::Employee(employee.id.clone())),
        None => directory.pbx_for(user).map(|_| Watched::Extension(user.into())),
    }
}

/// When a subscriber may come again to a node that stops, in seconds.
const AFTER_RESTART: u32 = 5;
/// NOTIFYs made under one lock.
const AT_ONCE: usize = 128;
/// NOTIFYs that wait for their answers at once: a house full of dead phones leaves room for REGISTERs and probes.
const MOST_UNDER_WAY: usize = 4_096;
/// For how long a NOTIFY is put off that finds too many requests under way.
const NO_ROOM: Duration = Duration::from_secs(2);
