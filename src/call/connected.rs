//! Who is at the far end of a leg toward a PBX: a re-INVITE or UPDATE with another identity says that the PBX has put
//! somebody else there (RFC 3325, RFC 4916). The only sign of a transfer that is made inside it.

use super::Call;
use super::bridge::Bridge;
use super::cx::Cx;
use super::leg::Called;
use super::transfer::Kind;
use crate::base::{LegId, Party};
use crate::crm::model::Decision;
use crate::route::directory::Pbx;
use crate::route::plan::Destination;
use crate::route::{Origin, origin, reach};

impl Call {
    /// A leg says who speaks there now: `asserted`, else whoever of `shown` is somebody inside.
    pub(super) fn identified(
        &mut self,
        bridge: &Bridge,
        leg: LegId,
        (asserted, shown): (Option<Party>, Vec<Party>),
        cx: &mut Cx<'_>,
    ) {
        if !bridge.pair.contains(&leg) {
            return;
        }
        let dir = cx.env.directory().clone();
        let Some(Origin::Pbx(name)) = self.ua.remote(leg).map(|remote| origin(&dir, remote)) else { return };
        let Some(pbx) = dir.pbx(&name).filter(|pbx| pbx.connected_line) else { return };
        // The customer's side may be at the PBX too: she is nobody's to hand on there.
        let Some(here) = self.extension_at(leg, cx) else { return };
        let names = asserted.map_or(shown, |party| vec![party]);
        let to = names.iter().find_map(|party| self.inside(pbx, &party.user, cx));
        let Some(to) = to.filter(|to| extension_of(to) != Some(&*here)) else { return };
        self.decide(Decision::new(format!("{} talks now", to.label()), format!("{name} shows another identity")), cx);
        let Some(l) = self.leg(leg) else { return };
        let from = l.employee.clone();
        let tried = l.called.as_ref().map(|called| called.tried.clone()).unwrap_or_default();
        self.darken(leg, cx);
        let Some(l) = self.leg_mut(leg) else { return };
        l.becomes(Called { destination: to, tried, is_phone: false }, cx.now.mono);
        self.free(from.clone(), leg, cx);
        self.handed_on(leg, Kind::Pbx, from, cx);
    }

    /// Whom this PBX means by a user: an employee, or another extension of its own.
    fn inside(&self, pbx: &Pbx, user: &str, cx: &Cx<'_>) -> Option<Destination> {
        let dir = cx.env.directory();
        if let Some(employee) = dir.employee_at(user) {
            return reach::employee(dir, employee).ok();
        }
        let extension = Destination::Extension { extension: user.to_owned(), pbx: pbx.name.clone() };
        pbx.serves(user).then_some(extension)
    }

    /// The extension of whoever is at this leg; `None`: nobody inside.
    fn extension_at(&self, leg: LegId, cx: &Cx<'_>) -> Option<String> {
        let leg = self.leg(leg)?;
        match (&leg.called, &leg.employee) {
            (Some(called), _) => extension_of(&called.destination).map(str::to_owned),
            (None, Some(employee)) => cx.env.directory().employee(employee)?.extension.clone(),
            (None, None) => self.facts.dialled.is_some().then(|| self.facts.from.clone()),
        }
    }
}

fn extension_of(destination: &Destination) -> Option<&str> {
    match destination {
        Destination::Employee { extension, .. } | Destination::Extension { extension, .. } => Some(extension),
        Destination::Outside { .. } => None,
    }
}
