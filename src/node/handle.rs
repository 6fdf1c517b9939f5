//! The node's handle: what `http`, the commands and the tests may see of a running node and ask of it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::events::Events;
use super::trace::Trace;
use crate::base::{CallId, EmployeeId, Transport};
use crate::call::ladder::Entry;
use crate::crm::model::CallRecord;
use crate::route::directory::Directory;
use crate::route::plan::Presence;

/// A running node, as the layers above see it; cheap to clone.
#[derive(Clone)]
pub struct Handle {
    node: Arc<()>,
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
    #[error("the store does not commit: {waiting} calls wait to be saved")]
    Unsaved {
        /// Records that wait in memory.
        waiting: usize,
    },
    /// The index of phone numbers is still filling.
    #[error("starting: the numbers of the CRM are still being read")]
    Starting,
}

/// Why a presence was not set.
#[derive(Debug, thiserror::Error)]
pub enum PresenceError {
    /// No such employee in the files.
    #[error("no employee `{0}`")]
    NoSuchEmployee(EmployeeId),
    /// The store did not take it.
    #[error("the store did not take it: {0}")]
    Store(String),
}

/// Why the files were not taken; the old ones stay in force.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// All faults that `check` would name, rendered for people.
    #[error("{0}")]
    Faults(String),
}

#[allow(unused_variables, reason = "signatures agreed on; bodies follow")]
impl Handle {
    /// The calls that are up, in the order in which they began.
    pub fn live_calls(&self) -> Vec<CallRecord> {
        todo!()
    }

    /// One call that is up, with its ladder so far.
    pub fn live_call(&self, id: CallId) -> Option<(CallRecord, Vec<Entry>)> {
        todo!()
    }

    /// The ladder of a call that has ended; `None` where it has rolled away.
    pub async fn ended_ladder(&self, id: CallId) -> Option<Vec<Entry>> {
        todo!()
    }

    /// Whether an employee can be rung.
    pub fn presence(&self, employee: &EmployeeId) -> Presence {
        todo!()
    }

    /// Sets whether an employee can be rung: written to the store, in force for the next INVITE.
    pub async fn set_presence(&self, employee: &EmployeeId, presence: Presence) -> Result<(), PresenceError> {
        todo!()
    }

    /// Reads the files again, by the path that the node started with; with faults the old ones stay in force.
    /// Gives the warnings.
    pub async fn reload(&self) -> Result<Vec<String>, ReloadError> {
        todo!()
    }

    /// The files that the node started with.
    pub fn config_path(&self) -> &Path {
        todo!()
    }

    /// Whether new calls are welcome.
    pub fn ready(&self) -> Result<(), NotReady> {
        todo!()
    }

    /// Prometheus text.
    pub fn metrics_text(&self) -> String {
        todo!()
    }

    /// What happens, as it happens.
    pub fn events(&self) -> &Events {
        todo!()
    }

    /// The ladders of ended calls.
    pub fn trace(&self) -> &Trace {
        todo!()
    }

    /// What the files say, now.
    pub fn directory(&self) -> Arc<Directory> {
        todo!()
    }

    /// Ends a call; false where none has this id.
    pub fn hang_up(&self, id: CallId) -> bool {
        todo!()
    }

    /// Takes no new calls and waits until the ones that are up have ended, at most so long. Gives how many are left.
    pub async fn drain(&self, at_most: Duration) -> usize {
        todo!()
    }

    /// The addresses that the SIP listeners got, in file order.
    pub fn listening(&self) -> &[(Transport, SocketAddr)] {
        todo!()
    }
}
