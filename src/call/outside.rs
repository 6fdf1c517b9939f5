//! Calls to numbers outside: by which trunk (`channels`, emergency codes), and as whom.

use super::channels::Channel;
use super::cx::Cx;
use super::{Call, hunt::Hunt};
use crate::crm::model::{Decision, Direction, PassedOver};
use crate::route::directory::Gateway;
use crate::route::plan::Destination;
use crate::route::reach;
use crate::sip::agent::{CallerId, OutgoingInvite};

/// A destination as it is called now, and the channel that it takes of its trunk.
#[derive(Debug)]
pub(super) struct WayOut {
    pub(super) to: Destination,
    pub(super) channel: Option<Channel>,
}

impl Call {
    /// The way by which a destination is called: a number outside by its line's trunk, or by the next in the file that
    /// has a channel left. `None`: none has, which the hunt remembers.
    pub(super) fn way_out(&mut self, hunt: &mut Hunt, to: Destination, cx: &Cx<'_>) -> Option<WayOut> {
        let Destination::Outside { gateway: Gateway::Trunk(name), .. } = &to else {
            return Some(WayOut { to, channel: None });
        };
        let dir = cx.env.directory();
        let is_emergency = reach::is_emergency(dir, &to);
        let mut full = Vec::new();
        for trunk in reach::trunks_from(dir, name) {
            let most = if is_emergency { 0 } else { trunk.channels };
            let Some(channel) = cx.env.channel(&trunk.name, most) else {
                let why = format!("all of its {most} channels are taken");
                full.push(PassedOver { what: format!("trunk {}", trunk.name), why });
                continue;
            };
            let moved = reach::by_gateway(dir, &to, &Gateway::Trunk(trunk.name.clone()));
            if !full.is_empty() {
                let what = format!("call {} by trunk {}", moved.label(), trunk.name);
                self.decide(Decision { passed_over: full, ..Decision::new(what, "the next in the file has room") }, cx);
            }
            return Some(WayOut { to: moved, channel: Some(channel) });
        }
        let what = format!("{} passed over", to.label());
        self.decide(Decision { passed_over: full, ..Decision::new(what, "no trunk has a channel left") }, cx);
        hunt.no_room = true;
        None
    }

    /// The next gateway for an emergency code that could not be called by this one, whatever was the matter there.
    pub(super) fn next_way_for_emergency(&mut self, to: &Destination, cx: &Cx<'_>) -> Option<WayOut> {
        let dir = cx.env.directory();
        let next = reach::next_for_emergency(dir, to)?;
        let what = format!("call {} by {}", to.label(), next.name());
        self.decide(Decision::new(what, "an emergency code goes by whichever gateway takes it"), cx);
        let channel = match &next {
            Gateway::Trunk(name) => cx.env.channel(name, 0),
            Gateway::Pbx(_) => None,
        };
        Some(WayOut { to: reach::by_gateway(dir, to, &next), channel })
    }

    /// What this destination is to be shown: outside, the line's number instead of the customer's, unless the trunk lets
    /// a forwarded customer's own stand there.
    pub(super) fn dressed(&self, invite: &OutgoingInvite, to: &Destination, cx: &Cx<'_>) -> OutgoingInvite {
        let mut invite = invite.clone();
        let Destination::Outside { .. } = to else {
            // Colleagues may see who calls: the request was about those outside.
            return OutgoingInvite { private: false, ..invite };
        };
        let shown = reach::shown_outside(cx.env.directory(), to);
        let forwarded = self.facts.direction == Direction::Incoming;
        if forwarded {
            invite.diversion = Some(shown.clone());
        }
        let own = self.facts.customer.filter(|_| forwarded && invite.caller.user.is_some());
        let user = own.and_then(|number| reach::foreign_cli(cx.env.directory(), to, number)).unwrap_or(shown);
        invite.caller = CallerId { display: String::new(), user: Some(user) };
        invite
    }
}
