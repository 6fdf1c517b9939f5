//! The notifier's side of SUBSCRIBE and NOTIFY (RFC 6665), for lamps of colleagues (package `dialog`, RFC 4235) and of
//! voice messages (`message-summary`, RFC 3842). No I/O, no clock: what is to be told comes from a [`Source`], NOTIFYs
//! are pushed, and whoever sends them says what came of each.
//!
//! Bounded: [`MOST`] subscriptions, [`MOST_PER_WATCHER`] of one user, each with one NOTIFY under way and one a second.

mod dialog_info;
mod event;
mod one;
mod summary;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use crate::base::{EmployeeId, Hop, Ids, Instant, Now};
use crate::sip::dialog::{Dialog, End, LocalCseq, RemoteCseq, RouteSet, uri_of, without_params};
use crate::sip::message::{Name, Request, Response, Status};
use dialog_info::Entity;
use one::{Beginning, Subscription};

pub use dialog_info::{DialogInfo, DialogState, Direction};
pub use event::{ALLOW_EVENTS, Event, Package, Watched};
pub use summary::Messages;

/// Subscriptions at once.
pub const MOST: usize = 20_000;
/// Subscriptions of one user: the keys of a phone with two side cars.
pub const MOST_PER_WATCHER: usize = 50;
/// What a SUBSCRIBE may ask for at least, in seconds, and what it gets at most: also what it gets that names nothing
/// (RFC 4235 §3.4).
const MIN_EXPIRES: u32 = 60;
const MAX_EXPIRES: u32 = 3_600;
/// When one that found no room may try again, in seconds.
const RETRY_AFTER: u32 = 60;
/// The longest that a subscriber may put a NOTIFY off, in seconds.
const LONGEST_PUT_OFF: u32 = 600;
/// Values of Record-Route that are kept.
const MOST_ROUTES: usize = 8;

/// One subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionId(u64);

/// Why a subscription ends: RFC 6665 §4.1.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It was not refreshed, or given up: "Clients MAY re-subscribe immediately".
    Timeout,
    /// We go; the subscriber is to come again at once.
    Deactivated,
    /// The subscriber may not have it any more.
    Rejected,
    /// Who was watched is no more.
    NoResource,
}

impl Reason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Deactivated => "deactivated",
            Self::Rejected => "rejected",
            Self::NoResource => "noresource",
        }
    }
}

/// What there is to be told, now.
pub trait Source {
    /// The dialogs of whoever is watched, those that are over left out.
    fn dialogs(&self, watched: &Watched) -> Vec<DialogInfo>;
    /// Her voice messages.
    fn messages(&self, watched: &Watched) -> Messages;
}

/// A SUBSCRIBE of somebody who has proved who she is.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The request.
    pub request: &'a Request,
    /// The way it came by.
    pub hop: Hop,
    /// Who asks.
    pub watcher: &'a EmployeeId,
    /// Whom its Request-URI names; `None`: nobody.
    pub watched: Option<Watched>,
}

/// A NOTIFY to be sent, without its Via.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Of which subscription.
    pub id: SubscriptionId,
    /// Where to.
    pub hop: Hop,
    /// The NOTIFY.
    pub request: Request,
}

/// All subscriptions.
#[derive(Debug)]
pub struct Subscriptions {
    ids: Ids,
    last: u64,
    all: HashMap<SubscriptionId, Subscription>,
    /// Oldest first.
    by_watcher: HashMap<EmployeeId, Vec<SubscriptionId>>,
    by_watched: HashMap<(Watched, Package), BTreeSet<SubscriptionId>>,
    /// Those of `by_watched` that are of package `dialog`.
    watched_dialogs: usize,
    due: BTreeSet<(Instant, SubscriptionId)>,
}

impl Subscriptions {
    /// None yet.
    pub fn new(ids: Ids) -> Self {
        Self {
            ids,
            last: 0,
            all: HashMap::new(),
            by_watcher: HashMap::new(),
            by_watched: HashMap::new(),
            watched_dialogs: 0,
            due: BTreeSet::new(),
        }
    }

    /// Answers a SUBSCRIBE. Where it is a 200, [`wake`](Self::wake) has the NOTIFY that is to follow it at once.
    pub fn subscribe(&mut self, now: Now, asked: Asked<'_>) -> Response {
        let request = asked.request;
        let event = match Event::read(&request.headers) {
            Ok(event) => event,
            // RFC 3515 §2.4.4: such a subscription is made by REFER, and by nothing else.
            Err(event::NoEvent::Refer) => return Response::to(request, Status::FORBIDDEN),
            // RFC 6665 §8.3.2 has Allow-Events in each 489.
            Err(event::NoEvent::Unknown) => {
                return Response::to(request, Status::BAD_EVENT).with(Name::AllowEvents, ALLOW_EVENTS);
            }
        };
        if !event.package.is_accepted_by(&request.headers) {
            return Response::to(request, Status::NOT_ACCEPTABLE).with(Name::Accept, event.package.content_type());
        }
        let expires = request.headers.number(&Name::Expires).unwrap_or(MAX_EXPIRES).min(MAX_EXPIRES);
        // RFC 6665 §4.2.1.1 has Min-Expires in each 423.
        if (1..MIN_EXPIRES).contains(&expires) {
            return Response::to(request, Status::INTERVAL_TOO_BRIEF).with(Name::MinExpires, MIN_EXPIRES.to_string());
        }
        match request.headers.to_tag() {
            Some(tag) => self.refresh(now, &asked, &event, tag, expires),
            None => self.begin(now, asked, event, expires),
        }
    }

    fn begin(&mut self, now: Now, asked: Asked<'_>, event: Event, expires: u32) -> Response {
        let Asked { request, hop, watcher, watched } = asked;
        let Some(watched) = watched else { return Response::to(request, Status::NOT_FOUND) };
        // Her messages are nobody else's business.
        if event.package == Package::MessageSummary && watched != Watched::Employee(watcher.clone()) {
            return Response::to(request, Status::FORBIDDEN);
        }
        let id = SubscriptionId(self.last + 1);
        let tag = format!("{MARK}{:016x}-{:016x}", id.0, self.ids.bits());
        let Some(dialog) = dialog_of(request, &tag) else {
            return Response::to(request, Status::BAD_REQUEST).with_reason("Contact or From is missing");
        };
        let entity = entity_of(request);
        if let Err(refusal) = self.make_room(watcher, &watched, event.package, &dialog.remote_target) {
            let response = Response::to(request, refusal);
            return response.with(Name::RetryAfter, RETRY_AFTER.to_string());
        }
        self.last = id.0;
        let response = accepted(request, &hop, expires).with_to_tag(&tag);
        self.by_watcher.entry(watcher.clone()).or_default().push(id);
        let watchers = self.by_watched.entry((watched.clone(), event.package)).or_default();
        if watchers.is_empty() && event.package == Package::Dialog {
            self.watched_dialogs += 1;
        }
        watchers.insert(id);
        let beginning = Beginning { watcher: watcher.clone(), watched, event, dialog, entity, hop };
        let subscription = Subscription::new(now.mono, beginning, Duration::from_secs(expires.into()));
        self.rearm(id, None, subscription.next_wakeup());
        self.all.insert(id, subscription);
        response
    }

    fn refresh(&mut self, now: Now, asked: &Asked<'_>, event: &Event, tag: &str, expires: u32) -> Response {
        let request = asked.request;
        let headers = &request.headers;
        let (call_id, from_tag) = (headers.call_id().map_or("", |id| id), headers.from_tag().unwrap_or_default());
        let theirs = id_of(tag).and_then(|id| Some((id, self.all.get_mut(&id)?))).filter(|(_, subscription)| {
            subscription.watcher == *asked.watcher
                && subscription.event == *event
                && subscription.dialog.is_of(call_id, tag, from_tag)
                && !subscription.is_over()
        });
        // RFC 6665 §4.1.2.2: 481 tells a subscriber that it has to subscribe anew.
        let Some((id, subscription)) = theirs else { return Response::to(request, Status::CALL_DOES_NOT_EXIST) };
        let number = headers.cseq().map_or(0, |(number, _)| number);
        if !subscription.dialog.remote_cseq.admit(number) {
            return Response::to(request, Status::SERVER_INTERNAL_ERROR);
        }
        let before = subscription.next_wakeup();
        let contact = headers.get(&Name::Contact).map(|value| &**value);
        subscription.refresh(now.mono, contact, asked.hop, Duration::from_secs(expires.into()));
        let after = subscription.next_wakeup();
        self.rearm(id, before, after);
        accepted(request, &asked.hop, expires)
    }

    /// Sees to it that one more fits. A phone that was switched off and on subscribes anew beside what it had: where its
    /// user has no room left, the oldest of the same phone to the same key makes way.
    fn make_room(&mut self, who: &EmployeeId, watched: &Watched, package: Package, target: &str) -> Result<(), Status> {
        let hers = self.by_watcher.get(who).map(Vec::as_slice).unwrap_or_default();
        if hers.len() >= MOST_PER_WATCHER {
            let is_twin = |id: &&SubscriptionId| {
                self.all.get(id).is_some_and(|old| {
                    old.watched == *watched && old.event.package == package && *old.dialog.remote_target == *target
                })
            };
            let Some(twin) = hers.iter().find(is_twin).copied() else { return Err(Status::FORBIDDEN) };
            self.remove(twin);
        }
        if self.all.len() >= MOST { Err(Status::SERVICE_UNAVAILABLE) } else { Ok(()) }
    }

    /// What is watched has changed: whoever is to be told is told by [`wake`](Self::wake), now or soon.
    pub fn changed(&mut self, now: Now, watched: &Watched, package: Package) {
        let Some(ids) = self.by_watched.get(&(watched.clone(), package)) else { return };
        for id in ids.iter().copied().collect::<Vec<_>>() {
            self.step(id, |subscription| subscription.changed(now.mono));
        }
    }

    /// The NOTIFYs that are due, until so many are in `out`.
    pub fn wake(&mut self, now: Now, source: &dyn Source, most: usize, out: &mut Vec<Notification>) {
        while let Some((at, id)) = self.due.first().copied()
            && at <= now.mono
            && out.len() < most
        {
            self.due.remove(&(at, id));
            let Some(subscription) = self.all.get_mut(&id) else { continue };
            if let Some((hop, request)) = subscription.wake(now, source) {
                out.push(Notification { id, hop, request });
            }
            if subscription.is_over() {
                self.remove(id);
            } else {
                let after = subscription.next_wakeup();
                self.rearm(id, None, after);
            }
        }
    }

    /// A NOTIFY has its final response.
    pub fn answered(&mut self, now: Now, id: SubscriptionId, response: &Response) {
        if response.status.is_success() {
            return self.step(id, |subscription| subscription.heard(now.mono));
        }
        // RFC 3265 §3.2.2 counts as failed what has "no "Retry-After" header", and: "If the NOTIFY request fails … due to
        // an error response, and the subscription was installed using a soft-state mechanism, the notifier MUST remove
        // the corresponding subscription." RFC 6665 §4.2.2 keeps it so. A challenge is never answered.
        match response.headers.number(&Name::RetryAfter) {
            Some(wait) if response.status != Status::CALL_DOES_NOT_EXIST => {
                let wait = Duration::from_secs(wait.clamp(1, LONGEST_PUT_OFF).into());
                self.step(id, |subscription| subscription.put_off(now.mono, wait));
            }
            _ => self.remove(id),
        }
    }

    /// A NOTIFY has no response, or could not be sent: nobody listens.
    pub fn failed(&mut self, id: SubscriptionId) {
        self.remove(id);
    }

    /// A NOTIFY could not go now: it goes after this long.
    pub fn put_off(&mut self, now: Now, id: SubscriptionId, wait: Duration) {
        self.step(id, |subscription| subscription.put_off(now.mono, wait));
    }

    /// Other files are in force: ends what `ends` gives a reason for.
    pub fn revise(&mut self, now: Now, ends: impl Fn(&EmployeeId, &Watched) -> Option<Reason>) {
        for id in self.all.keys().copied().collect::<Vec<_>>() {
            self.step(id, |subscription| {
                if let Some(reason) = ends(&subscription.watcher, &subscription.watched) {
                    subscription.end(now.mono, reason);
                }
            });
        }
    }

    /// Ends all of them now: we go.
    pub fn end_all(&mut self, now: Now, reason: Reason) {
        for id in self.all.keys().copied().collect::<Vec<_>>() {
            self.step(id, |subscription| subscription.end_at_once(now.mono, reason));
        }
    }

    /// Whether anybody watches this.
    pub fn is_watched(&self, watched: &Watched, package: Package) -> bool {
        self.by_watched.contains_key(&(watched.clone(), package))
    }

    /// How many are watched for their dialogs.
    pub fn watched_dialogs(&self) -> usize {
        self.watched_dialogs
    }

    /// When [`wake`](Self::wake) is due.
    pub fn next_wakeup(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    fn step(&mut self, id: SubscriptionId, step: impl FnOnce(&mut Subscription)) {
        let Some(subscription) = self.all.get_mut(&id) else { return };
        let before = subscription.next_wakeup();
        step(subscription);
        let after = subscription.next_wakeup();
        self.rearm(id, before, after);
    }

    fn remove(&mut self, id: SubscriptionId) {
        let Some(gone) = self.all.remove(&id) else { return };
        self.rearm(id, gone.next_wakeup(), None);
        if let Some(hers) = self.by_watcher.get_mut(&gone.watcher) {
            hers.retain(|other| *other != id);
            if hers.is_empty() {
                self.by_watcher.remove(&gone.watcher);
            }
        }
        let key = (gone.watched, gone.event.package);
        if let Some(ids) = self.by_watched.get_mut(&key) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_watched.remove(&key);
                self.watched_dialogs -= usize::from(key.1 == Package::Dialog);
            }
        }
    }

    fn rearm(&mut self, id: SubscriptionId, before: Option<Instant>, after: Option<Instant>) {
        if let Some(at) = before {
            self.due.remove(&(at, id));
        }
        if let Some(at) = after {
            self.due.insert((at, id));
        }
    }
}

/// 200 to a SUBSCRIBE. RFC 6665 §4.2.1.1: it says in Expires how long the subscription lasts.
fn accepted(request: &Request, hop: &Hop, expires: u32) -> Response {
    Response::to(request, Status::OK)
        .with_record_routes(request)
        .with(Name::Contact, one::contact(hop))
        .with(Name::Expires, expires.to_string())
}

/// The dialog that a SUBSCRIBE makes, with this tag of ours: RFC 3261 §12.1.1.
fn dialog_of(request: &Request, tag: &str) -> Option<Dialog> {
    let headers = &request.headers;
    let contact = headers.contact()?;
    let routes = headers.record_routes();
    if routes.len() > MOST_ROUTES {
        return None;
    }
    let routes: Vec<String> = routes.iter().map(|route| format!("<{}>", route.uri_text)).collect();
    Some(Dialog {
        call_id: headers.call_id()?.as_str().into(),
        local: End { address: without_params(headers.get(&Name::To)?).into(), tag: tag.into() },
        remote: End { address: without_params(headers.get(&Name::From)?).into(), tag: headers.from_tag()?.into() },
        local_cseq: LocalCseq::after(0),
        remote_cseq: RemoteCseq::after(headers.cseq()?.0),
        route_set: RouteSet::of_uas(routes.iter().map(String::as_str)),
        remote_target: uri_of(&contact.uri_text).into(),
    })
}

/// Whom a SUBSCRIBE asks for, in its own words.
fn entity_of(request: &Request) -> Entity {
    let party = crate::sip::message::identities(request).request_uri;
    Entity { user: party.user.into(), host: party.host.into() }
}

/// Whether a To-tag is one of a subscription.
pub fn is_subscription(tag: &str) -> bool {
    id_of(tag).is_some()
}

fn id_of(tag: &str) -> Option<SubscriptionId> {
    let (id, random) = tag.strip_prefix(MARK)?.split_once('-')?;
    let is_hex = |text: &str| text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if is_hex(id) && is_hex(random) { u64::from_str_radix(id, 16).ok().map(SubscriptionId) } else { None }
}

/// What a tag of a subscription begins with: no hex digit, so that none is taken for a call's.
const MARK: char = 's';
