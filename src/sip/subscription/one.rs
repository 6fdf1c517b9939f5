//! One subscription: its dialog, how long it lasts, and when its next NOTIFY goes.

use std::time::Duration;

use rsip::Method;

use super::dialog_info::{DialogInfo, DialogState, Entity, document};
use super::event::{Event, Package, Watched};
use super::{Reason, Source, summary};
use crate::base::{EmployeeId, Hop, Instant, Now};
use crate::sip::dialog::Dialog;
use crate::sip::message::{Name, Request, build};

/// The least time between two NOTIFYs of one subscription: a lamp is no oscilloscope, and the last state is what counts.
const GAP: Duration = Duration::from_secs(1);

/// The user part of our Contact.
const CONTACT_USER: &str = "ramal";

/// A subscription.
#[derive(Debug)]
pub(super) struct Subscription {
    /// Whose.
    pub(super) watcher: EmployeeId,
    /// To whom.
    pub(super) watched: Watched,
    /// To what of her.
    pub(super) event: Event,
    pub(super) dialog: Dialog,
    entity: Entity,
    /// The way that its last SUBSCRIBE came by, which NOTIFYs go back: the one that a NAT lets through.
    hop: Hop,
    life: Life,
    sending: Sending,
    /// The next document's.
    version: u32,
    /// The dialogs that the last document showed as not over.
    told: Vec<DialogInfo>,
}

/// How long it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// Until this time, unless it is refreshed.
    Active(Instant),
    /// Its last NOTIFY is still to go, with this reason.
    Ending(Reason),
    /// Its last NOTIFY went.
    Over,
}

/// Where its NOTIFYs are. RFC 6665 lets one wait for the other's answer: two under way might arrive the wrong way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    /// There is nothing new; the next may go from this time on.
    Idle(Instant),
    /// One goes at this time.
    Due(Instant),
    /// One has no answer yet.
    UnderWay {
        /// When the next may go.
        next: Instant,
        /// Whether there is news already.
        news: bool,
    },
}

/// What a subscription begins with.
pub(super) struct Beginning {
    pub(super) watcher: EmployeeId,
    pub(super) watched: Watched,
    pub(super) event: Event,
    pub(super) dialog: Dialog,
    pub(super) entity: Entity,
    pub(super) hop: Hop,
}

impl Subscription {
    /// One that lasts so long, and whose first NOTIFY is due at once.
    pub(super) fn new(now: Instant, beginning: Beginning, lasts: Duration) -> Self {
        let Beginning { watcher, watched, event, dialog, entity, hop } = beginning;
        let mut subscription = Self {
            watcher,
            watched,
            event,
            dialog,
            entity,
            hop,
            life: Life::Active(now),
            sending: Sending::Due(now),
            version: 0,
            told: Vec::new(),
        };
        subscription.lasts(now, lasts);
        subscription
    }

    /// A SUBSCRIBE inside its dialog: it lasts so long from now on, and says its state anew.
    pub(super) fn refresh(&mut self, now: Instant, contact: Option<&str>, hop: Hop, lasts: Duration) {
        self.dialog.refresh_target(contact);
        self.hop = hop;
        self.lasts(now, lasts);
        self.say_at(now);
    }

    fn lasts(&mut self, now: Instant, lasts: Duration) {
        // Whoever asks for no time at all gets one NOTIFY more: RFC 6665 §4.4.3.
        self.life = if lasts.is_zero() { Life::Ending(Reason::Timeout) } else { Life::Active(now + lasts) };
    }

    /// What it is about has changed.
    pub(super) fn changed(&mut self, now: Instant) {
        match &mut self.sending {
            Sending::Idle(from) => self.sending = Sending::Due(now.max(*from)),
            Sending::UnderWay { news, .. } => *news = true,
            Sending::Due(_) => {}
        }
    }

    /// It ends, with a last NOTIFY that says why.
    pub(super) fn end(&mut self, now: Instant, reason: Reason) {
        if let Life::Active(_) = self.life {
            self.life = Life::Ending(reason);
            self.say_at(now);
        }
    }

    /// It ends now, whether an earlier NOTIFY has its answer or not.
    pub(super) fn end_at_once(&mut self, now: Instant, reason: Reason) {
        self.end(now, reason);
        self.sending = Sending::Due(now);
    }

    /// A NOTIFY goes now, however short ago the last went; it waits only for that one's answer.
    fn say_at(&mut self, now: Instant) {
        self.sending = match self.sending {
            Sending::Idle(_) | Sending::Due(_) => Sending::Due(now),
            Sending::UnderWay { .. } => Sending::UnderWay { next: now, news: true },
        };
    }

    /// Nothing more comes of it.
    pub(super) fn is_over(&self) -> bool {
        self.life == Life::Over
    }

    /// When it is to be woken.
    pub(super) fn next_wakeup(&self) -> Option<Instant> {
        let until = match self.life {
            Life::Active(until) => Some(until),
            Life::Ending(_) => None,
            Life::Over => return None,
        };
        let due = match self.sending {
            Sending::Due(at) => Some(at),
            Sending::Idle(_) | Sending::UnderWay { .. } => None,
        };
        [until, due].into_iter().flatten().min()
    }

    /// The NOTIFY that is due, if one is.
    pub(super) fn wake(&mut self, now: Now, source: &dyn Source) -> Option<(Hop, Request)> {
        if matches!(self.life, Life::Active(until) if until <= now.mono) {
            self.end(now.mono, Reason::Timeout);
        }
        match self.sending {
            Sending::Due(at) if at <= now.mono && !self.is_over() => {}
            _ => return None, // not yet, or an answer is waited for
        }
        let request = self.notify(now.mono, source);
        self.sending = Sending::UnderWay { next: now.mono + GAP, news: false };
        if let Life::Ending(_) = self.life {
            self.life = Life::Over;
        }
        Some((self.hop, request))
    }

    /// Its NOTIFY has a 2xx.
    pub(super) fn heard(&mut self, now: Instant) {
        if let Sending::UnderWay { next, news } = self.sending {
            self.sending = if news { Sending::Due(next.max(now)) } else { Sending::Idle(next) };
        }
    }

    /// Its NOTIFY is to be sent again after this long.
    pub(super) fn put_off(&mut self, now: Instant, wait: Duration) {
        self.sending = Sending::Due(now + wait);
    }

    fn notify(&mut self, now: Instant, source: &dyn Source) -> Request {
        let package = self.event.package;
        let body = match package {
            Package::Dialog => {
                let dialogs = self.with_those_that_ended(source.dialogs(&self.watched));
                document(&self.entity, self.version, &dialogs)
            }
            Package::MessageSummary => summary::document(&self.entity, source.messages(&self.watched)),
        };
        self.version = self.version.wrapping_add(1);
        let state = match self.life {
            // RFC 6665 §4.2.2: "expires" says how much of it is left; rounded up, as it was said in the 200.
            Life::Active(until) => format!("active;expires={}", until.since(now).as_millis().div_ceil(1_000)),
            Life::Ending(reason) => format!("terminated;reason={}", reason.as_str()),
            Life::Over => format!("terminated;reason={}", Reason::Timeout.as_str()),
        };
        self.request()
            .with(Name::Event, self.event.value())
            .with(Name::SubscriptionState, state)
            .with_body(package.content_type(), body)
    }

    /// What is, and once more what was and is no more: some phones darken a lamp only where they are told so.
    fn with_those_that_ended(&mut self, mut now: Vec<DialogInfo>) -> Vec<DialogInfo> {
        let told = std::mem::replace(&mut self.told, now.clone());
        let gone = told.into_iter().filter(|old| self.told.iter().all(|new| new.id != old.id));
        now.extend(gone.map(|old| DialogInfo { state: DialogState::Terminated, ..old }));
        now
    }

    /// A NOTIFY inside the dialog (RFC 3261 §12.2.1.1), without its Via.
    fn request(&mut self) -> Request {
        let cseq = self.dialog.local_cseq.take_next();
        let (local, remote) = (&self.dialog.local, &self.dialog.remote);
        let routed = self.dialog.route();
        let request = Request::new(Method::Notify, routed.request_uri)
            .with(Name::MaxForwards, "70")
            .with(Name::From, build::tagged(&local.address, &local.tag))
            .with(Name::To, build::tagged(&remote.address, &remote.tag))
            .with(Name::CallId, &*self.dialog.call_id)
            .with(Name::CSeq, build::cseq(cseq, Method::Notify))
            .with(Name::Contact, contact(&self.hop));
        routed.routes.into_iter().fold(request, |request, route| request.with(Name::Route, route))
    }
}

/// Our Contact toward a subscriber.
pub(super) fn contact(hop: &Hop) -> String {
    build::contact(CONTACT_USER, hop.advertised, hop.transport)
}
