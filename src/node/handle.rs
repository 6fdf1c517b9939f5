//! The node's handle: what `http`, the commands and the tests may see of a running node and ask of it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::Inner;
use super::clock::Clock;
use super::events::Events;
use super::metrics::Reading;
use super::trace::Trace;
use crate::base::{CallId, EmployeeId, Transport};
use crate::call::CallEvent;
use crate::call::ladder::Entry;
use crate::config::{self, Certificate, Settings, UnknownSource};
use crate::crm::Backend;
use crate::crm::embedded::Rules;
use crate::crm::model::CallRecord;
use crate::crm::outbox::Outbox;
use crate::route;
use crate::route::directory::Directory;
use crate::route::plan::Presence;
use crate::route::{Dialler, dial};
use crate::store::{Store, StoreError};

/// A running node, as the layers above see it; cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(super) node: Arc<Inner>,
}

/// Why the node should get no new calls, in the words of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// SIGTERM came.
    #[error("draining: {calls} calls are still up")]
    Draining {
        /// Still up.
        calls: usize,
    },
    /// The store does not commit.
    #[error("the store does not commit: {waiting} calls wait to be saved: {cause}")]
    Unsaved {
        /// Records that wait in memory.
        waiting: usize,
        /// What the database says.
        cause: String,
    },
    /// A write to the CRM is not in effect for longer than `limits.owed_for`.
    #[error(
        "the CRM is owed {writes} writes, the oldest for {}: see what it says in `ramal outbox list`, mend that, then \
         `ramal outbox retry`",
        minutes(*.oldest)
    )]
    Owed {
        /// How many.
        writes: usize,
        /// The age of the oldest.
        oldest: Duration,
    },
}

/// As an operator reads a time that is long.
fn minutes(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{} s", time.as_secs()),
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// Why a presence was not set.
#[derive(Debug, thiserror::Error)]
pub enum PresenceError {
    /// No such employee in the files.
    #[error("no employee `{0}`")]
    NoSuchEmployee(EmployeeId),
    /// The store did not take it.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// Why a call is not handed on.
#[derive(Debug, thiserror::Error)]
pub enum HandOnError {
    /// No employee talks in it, or it is being handed on already.
    #[error("no employee talks in it, or it is being handed on already")]
    NobodyTalks,
    /// The number is nobody's, or not hers to dial.
    #[error("{0}")]
    NotDialled(String),
}

/// Why the files were not taken; the old ones stay in force.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// All faults that `check` would name, rendered for people.
    #[error("{0}")]
    Faults(String),
    /// The files could not be looked at: the node is going down.
    #[error("the node is going down")]
    GoingDown,
}

impl Handle {
    /// The calls that are up, in the order in which they began.
    pub fn live_calls(&self) -> Vec<CallRecord> {
        self.node.live.records(self.node.clock.now())
    }

    /// One call that is up, or was a moment ago, with its ladder so far.
    pub fn live_call(&self, id: CallId) -> Option<(CallRecord, Vec<Entry>)> {
        self.node.live.look(id, self.node.clock.now())
    }

    /// The ladder of a call that has ended; `None` where it has rolled away.
    pub async fn ended_ladder(&self, id: CallId) -> Option<Vec<Entry>> {
        self.node.trace.find(id).await
    }

    /// Hands a call on, as its employee could: rings `to`, whatever she may dial, while the two talk on.
    pub fn hand_on(&self, id: CallId, to: &str) -> Result<(), HandOnError> {
        let holder = self.node.live.holder(id).ok_or(HandOnError::NobodyTalks)?;
        let directory = self.directory();
        let employee = directory.employee(&holder).ok_or(HandOnError::NobodyTalks)?;
        let by = Dialler::employee(&directory, employee);
        let to = dial(&directory, &by, to).map_err(|why| HandOnError::NotDialled(why.to_string()))?;
        if self.node.tell(id, CallEvent::HandOn(to)) { Ok(()) } else { Err(HandOnError::NobodyTalks) }
    }

    /// Ends a call; false where none has this id.
    pub fn hang_up(&self, id: CallId) -> bool {
        self.node.tell(id, CallEvent::HangUp)
    }

    /// Whether an employee can be rung.
    pub fn presence(&self, employee: &EmployeeId) -> Presence {
        self.node.house.presence(employee)
    }

    /// Whether a phone of her own has registered.
    pub fn is_registered(&self, employee: &EmployeeId) -> bool {
        self.node.registrar.is_registered(employee, self.node.clock.now().mono)
    }

    /// Sets whether an employee can be rung: written to the store, in force for the next INVITE.
    pub async fn set_presence(&self, employee: &EmployeeId, presence: Presence) -> Result<(), PresenceError> {
        if self.directory().employee(employee).is_none() {
            return Err(PresenceError::NoSuchEmployee(employee.clone()));
        }
        let written = self.node.store.set_presence(employee, presence.as_str()).await;
        if matches!(written, Ok(()) | Err(StoreError::NotYet { .. })) {
            self.node.house.set_presence(employee, presence);
        }
        Ok(written?)
    }

    /// Reads the files again, by the path that the node started with; with faults the old ones stay in force.
    /// Gives the warnings.
    pub async fn reload(&self) -> Result<Vec<String>, ReloadError> {
        let path = self.node.path.clone();
        let loaded = tokio::task::spawn_blocking(move || config::load(&path));
        let loaded = loaded.await.map_err(|_| ReloadError::GoingDown)?;
        let loaded = loaded.map_err(|faults| ReloadError::Faults(faults.render(false)))?;
        let mut warnings: Vec<String> = loaded.warnings.iter().map(|fault| fault.render(false)).collect();
        warnings.extend(self.node.take(&loaded.settings).await);
        Ok(warnings)
    }

    /// The file that the node started with.
    pub fn config_path(&self) -> &Path {
        &self.node.path
    }

    /// Whether new calls are welcome.
    pub fn ready(&self) -> Result<(), NotReady> {
        if self.node.admission.is_draining() {
            return Err(NotReady::Draining { calls: self.node.live.up() });
        }
        self.node.store.health().map_err(|ill| NotReady::Unsaved { waiting: ill.waiting, cause: ill.cause })?;
        let (owed, limit) = (self.node.outbox.counts(), self.directory().limits.owed_for);
        match owed.oldest_for(self.node.clock.now().wall) {
            oldest if !limit.is_zero() && oldest > limit => Err(NotReady::Owed { writes: owed.owed, oldest }),
            _ => Ok(()),
        }
    }

    /// Prometheus text.
    pub fn metrics_text(&self) -> String {
        let now = self.node.clock.now();
        let owed = self.node.outbox.counts();
        self.node.metrics.text(Reading {
            calls: self.node.live.up(),
            owed: owed.owed,
            oldest: owed.oldest_for(now.wall),
            dead: owed.dead,
            trunks: self.node.house.trunks_up(now.mono),
            registrations: self.node.registrar.count(),
        })
    }

    /// What happens, as it happens.
    pub fn events(&self) -> &Events {
        &self.node.events
    }

    /// The ladders of ended calls.
    pub fn trace(&self) -> &Trace {
        &self.node.trace
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.node.store
    }

    /// The writes that the CRM is owed.
    pub fn outbox(&self) -> &Outbox<Backend> {
        &self.node.outbox
    }

    /// The CRM.
    pub fn crm(&self) -> &Backend {
        self.node.outbox.crm()
    }

    /// What the files say, now.
    pub fn directory(&self) -> Arc<Directory> {
        self.node.house.directory_kept()
    }

    /// The clock that the node runs by.
    pub fn clock(&self) -> Clock {
        self.node.clock
    }

    /// Takes no new calls from now on.
    pub fn begin_drain(&self) {
        self.node.admission.begin_drain();
    }

    /// Takes no new calls and waits until the ones that are up have ended and are saved, at most so long. Gives how
    /// many are left.
    pub async fn drain(&self, at_most: Duration) -> usize {
        self.begin_drain();
        // Over time or not, the count says what is left.
        let _ = tokio::time::timeout(at_most, self.node.live.settled()).await;
        self.node.live.up()
    }

    /// Hangs up every call that is up and waits until what they leave is saved, and every party has heard of it, at most
    /// so long. Gives how many are not saved.
    pub async fn hang_up_all(&self, at_most: Duration) -> usize {
        for (n, call) in self.live_calls().iter().enumerate() {
            if n % AT_A_TIME == AT_A_TIME - 1 {
                // Two thousand datagrams at once would be dropped on their way, all of them again half a second later.
                tokio::time::sleep(BREATH).await;
            }
            // One that ends by itself meanwhile is as good.
            let _ = self.hang_up(call.id);
        }
        let heard = async {
            self.node.live.settled().await;
            // A BYE that got lost is sent again only while we are here.
            while self.node.live.any_asks() {
                tokio::time::sleep(LOOK).await;
            }
        };
        // Over time or not, the count says what is left.
        let _ = tokio::time::timeout(at_most, heard).await;
        self.node.live.unsettled()
    }

    /// The addresses that the SIP listeners got, in file order.
    pub fn listening(&self) -> &[(Transport, SocketAddr)] {
        &self.node.listening
    }
}

/// Calls that are hung up in one go …
const AT_A_TIME: usize = 20;
/// … and the pause behind them.
const BREATH: Duration = Duration::from_millis(4);
/// How often it is looked whether everybody has heard.
const LOOK: Duration = Duration::from_millis(20);

impl Inner {
    /// Puts other files in force, as far as that goes while running; says what needs a restart.
    pub(super) async fn take(&self, settings: &Settings) -> Vec<String> {
        let before = self.house.directory_kept();
        let directory = self.put_in_force(&settings.directory).await;
        let Backend::Embedded(crm) = self.outbox.crm();
        crm.set_rules(Rules::new(&directory.crm.prefer, &directory.crm.exceptions, &directory.crm.country));
        self.admission.set_rate(directory.limits.calls_per_second);
        self.admission.set_silent(settings.unknown_source == UnknownSource::Drop);
        let certificate = settings.sip.tls.as_ref().map(Certificate::key);
        self.outbound.connections().tls().set_certificate(certificate);
        self.outbound.set_tcp_switch(settings.sip.tcp_switch);
        self.admission.pardon(|ip| route::origin::is_named(&directory, ip));
        // With another password her phones have to show it first: somebody else's may be among them.
        let password = |dir: &Directory, id: &EmployeeId| dir.employee(id).and_then(|hers| hers.password.clone());
        let stays = |id: &EmployeeId| {
            let now = password(&directory, id);
            now.is_some() && now == password(&before, id)
        };
        self.registrar.keep_only(self.clock.now(), stays);
        self.revise_subscriptions(&directory, stays);
        let began = &self.began_with;
        let needs_restart = [
            ("sip.listen", began.sip.listen != settings.sip.listen),
            ("sip.advertise", began.sip.advertise != settings.sip.advertise),
            ("sip.local", began.sip.local != settings.sip.local),
            ("sip.drain", began.sip.drain != settings.sip.drain),
            ("sip.timers", began.sip.timers != settings.sip.timers),
            ("store", began.store != settings.store),
            ("trace", began.trace != settings.trace),
            ("log", began.log != settings.log),
            ("http.listen", began.http.listen != settings.http.listen),
            ("http.api_token", began.http.api_token != settings.http.api_token),
            ("http.control", began.http.control != settings.http.control),
            ("limits.unsaved", began.directory.limits.unsaved != settings.directory.limits.unsaved),
        ];
        let changed = needs_restart.iter().filter(|(_, changed)| *changed);
        changed.map(|(key, _)| format!("`{key}` has changed: that takes a restart")).collect()
    }
}
