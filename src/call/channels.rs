//! How many calls are up on each trunk.
//!
//! A channel that is taken is a value, held by its leg; it is free again when that is dropped. So none can leak, however
//! a call ends, and two calls that begin at once cannot both take the last one.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::RwLock;

use crate::base::TrunkName;

/// The channels of all trunks. Trunks are few, and stay in here once they have had a call.
#[derive(Debug, Default)]
pub struct Channels(RwLock<HashMap<TrunkName, Arc<AtomicU32>>>);

/// One call on a trunk, for as long as this lives.
#[derive(Debug)]
pub struct Channel(Arc<AtomicU32>);

impl Channels {
    /// One more call on this trunk; `None`: it has `most` already. Zero: as many as come.
    pub fn take(&self, trunk: &TrunkName, most: u32) -> Option<Channel> {
        let known = self.0.read().get(trunk).cloned();
        let taken = known.unwrap_or_else(|| self.0.write().entry(trunk.clone()).or_default().clone());
        let one_more = |up: u32| (most == 0 || up < most).then(|| up.saturating_add(1));
        taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).ok()?;
        Some(Channel(taken))
    }

    /// How many calls are up on this trunk.
    pub fn taken(&self, trunk: &TrunkName) -> u32 {
        self.0.read().get(trunk).map_or(0, |taken| taken.load(Ordering::Acquire))
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_taken_once_and_free_again_when_its_leg_lets_go() {
        let (channels, carrier, other) = (Channels::default(), TrunkName::from("carrier"), TrunkName::from("other"));
        let first = channels.take(&carrier, 2).expect("there are two");
        let second = channels.take(&carrier, 2);
        assert!(second.is_some() && channels.take(&carrier, 2).is_none());
        assert!(channels.take(&other, 2).is_some());
        let beyond = channels.take(&carrier, 0);
        assert_eq!(channels.taken(&carrier), 3);
        drop(first);
        drop(beyond);
        assert!(channels.take(&carrier, 2).is_some());
        assert_eq!(channels.taken(&carrier), 1);
    }
}
