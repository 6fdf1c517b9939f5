//! The house that simulated calls look at: the files, and everybody's presence.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::base::{EmployeeId, Hop, Instant, Transport, TrunkName, Wall, Way};
use crate::call::{Channel, Channels, Env};
use crate::route::directory::{Directory, Gateway, Peer};
use crate::route::plan::{Destination, Live, Presence};
use crate::route::reach;
use crate::sip::agent::Target;
use crate::sip::registrar::{Binding, Bindings};
use crate::sip::subscription::Watched;

/// Files and people.
#[derive(Debug)]
pub(crate) struct House {
    pub directory: Arc<Directory>,
    pub presence: HashMap<EmployeeId, Presence>,
    pub busy: RefCell<HashMap<EmployeeId, i32>>,
    pub last_rung: RefCell<HashMap<EmployeeId, Wall>>,
    /// What has registered.
    pub phones: HashMap<EmployeeId, Bindings>,
    pub now: Instant,
    pub channels: Channels,
    pub us: SocketAddr,
    pub transport: Transport,
}

impl House {
    /// Her phones that hold now.
    fn bindings(&self, employee: &EmployeeId) -> impl Iterator<Item = &Binding> {
        let of_hers = self.phones.get(employee).map(Bindings::all).unwrap_or_default();
        of_hers.iter().filter(|binding| binding.until > self.now)
    }

    fn peers(&self, to: &Destination) -> Option<(String, Vec<Peer>)> {
        let dir = &self.directory;
        Some(match to {
            Destination::Employee { extension, pbx, .. } => (extension.clone(), dir.pbx(pbx.as_ref()?)?.peers.clone()),
            Destination::Extension { extension, pbx } => (extension.clone(), dir.pbx(pbx)?.peers.clone()),
            Destination::Outside { dial, gateway: Gateway::Trunk(name), .. } => {
                (dial.clone(), dir.trunk(name)?.peers.clone())
            }
            Destination::Outside { dial, gateway: Gateway::Pbx(name), .. } => {
                (dial.clone(), dir.pbx(name)?.peers.clone())
            }
        })
    }
}

impl Live for House {
    fn presence(&self, employee: &EmployeeId) -> Presence {
        self.presence.get(employee).copied().unwrap_or_default()
    }

    fn busy(&self, employee: &EmployeeId) -> bool {
        self.busy.borrow().get(employee).is_some_and(|n| *n > 0)
    }

    fn last_rung(&self, employee: &EmployeeId) -> Option<Wall> {
        self.last_rung.borrow().get(employee).copied()
    }

    fn registered(&self, employee: &EmployeeId) -> bool {
        self.bindings(employee).next().is_some()
    }
}

impl Env for House {
    fn watches(&self, _: &Watched) -> bool {
        true
    }

    fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    fn channel(&self, trunk: &TrunkName, most: u32) -> Option<Channel> {
        self.channels.take(trunk, most)
    }

    fn target(&self, destination: &Destination, tried: &[Target]) -> Option<Target> {
        let (user, peers) = self.peers(destination)?;
        let fresh = |remote: &SocketAddr| tried.iter().all(|t| t.hop.remote != *remote);
        let mut left = peers.iter().flat_map(|peer| &peer.ways).map(|way| way.address).filter(fresh);
        let (remote, more) = (left.next()?, left.next().is_some());
        let hop = Hop { transport: self.transport, local: self.us, remote, advertised: self.us, name: None };
        Some(Target {
            account: reach::account(&self.directory, destination),
            silence: more.then(|| reach::failover_after(&self.directory, destination)),
            ..Target::new(format!("sip:{user}@{remote}"), hop)
        })
    }

    fn phones(&self, employee: &EmployeeId) -> Vec<Target> {
        let target = |binding: &Binding| {
            let Way { transport, address: remote } = binding.source;
            let hop = Hop { transport, local: binding.local, remote, advertised: self.us, name: None };
            let silence = Some(Duration::from_secs(8));
            Target { silence, is_flow: true, ..Target::new(binding.contact.clone(), hop) }
        };
        self.bindings(employee).map(target).collect()
    }
}
