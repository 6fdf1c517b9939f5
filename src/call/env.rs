//! What a call may look at while it decides.

use std::sync::Arc;

use super::Channel;
use crate::base::{EmployeeId, TrunkName};
use crate::route::directory::Directory;
use crate::route::plan::{Destination, Live};
use crate::sip::agent::Target;
use crate::sip::subscription::Watched;

/// The house at this moment, read only: the files, who can be rung, and how a destination is reached.
pub trait Env: Live {
    /// What the files say.
    fn directory(&self) -> &Arc<Directory>;
    /// How this destination is reached: the first peer thought alive, not one of `tried`. `None`: no way (any more).
    fn target(&self, destination: &Destination, tried: &[Target]) -> Option<Target>;
    /// One more call on this trunk, unless `most` are up there; zero: however many are.
    fn channel(&self, trunk: &TrunkName, most: u32) -> Option<Channel>;
    /// Her own phones, as they have registered: all of them ring. Empty: the PBX that serves her extension does.
    fn phones(&self, employee: &EmployeeId) -> Vec<Target>;
    /// Whether anybody watches her lamp: only then is it told of.
    fn watches(&self, watched: &Watched) -> bool;
}
