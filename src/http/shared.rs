//! What every handler may use.

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};

use super::attempts::Attempts;
use super::sessions::Sessions;
use crate::base::Ids;
use crate::config::Secret;
use crate::node::Handle;
use crate::store::Reader;

/// The node behind the API, and what the API itself keeps.
pub struct Shared {
    /// The running node.
    pub(super) node: Handle,
    /// `http.api_token`.
    pub(super) api_token: Option<Secret>,
    /// Who has signed in.
    pub(super) sessions: Sessions,
    /// Wrong passwords.
    pub(super) attempts: Attempts,
    /// One permit for each listener of `GET /api/events`.
    pub(super) listeners: Arc<Semaphore>,
    /// True once the servers stop: streams without an end of their own end then.
    pub(super) closing: watch::Sender<bool>,
}

impl Shared {
    /// Everything that the handlers use.
    pub fn new(node: Handle, api_token: Option<Secret>) -> Arc<Self> {
        let listeners = Arc::new(Semaphore::new(LISTENERS));
        let (sessions, attempts) = (Sessions::new(Ids::from_os()), Attempts::default());
        Arc::new(Self { node, api_token, sessions, attempts, listeners, closing: watch::Sender::new(false) })
    }

    /// The call log.
    pub(super) fn reader(&self) -> &Reader {
        self.node.store().reader()
    }

    /// Ends the servers and every stream of events.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }
}

/// Waits until the servers stop.
pub(super) async fn closed(closing: &mut watch::Receiver<bool>) {
    // An error says that `Shared` is gone, and with it the servers. The value is a lock: not to be kept.
    drop(closing.wait_for(|closing| *closing).await);
}

/// Listeners of `GET /api/events` at once: each holds a connection and may lag a thousand events behind.
const LISTENERS: usize = 64;
