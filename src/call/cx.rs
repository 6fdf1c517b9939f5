//! What one step of a call works with: the time, the house, and where effects go.

use crate::base::Now;
use crate::sip::agent::AgentOut;

use super::{CallAction, Env};

/// Handed down through one `Call::handle`.
pub(super) struct Cx<'a> {
    pub(super) now: Now,
    pub(super) env: &'a dyn Env,
    pub(super) out: &'a mut Vec<CallAction>,
    /// Where the user agent pushes; drained into `out` after each event.
    pub(super) agent: AgentOut,
}
