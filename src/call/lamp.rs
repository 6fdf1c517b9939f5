//! What colleagues' lamps show of a call (RFC 4235): for each leg at whose far end somebody of the house is, how far its
//! dialog is, and by what it can be picked up.
//!
//! After each event every leg's lamp is compared with what was last told: no state that a leg may come to has to think
//! of it. Who looks at a lamp asks for it anew ([`Call::lamps`]), so that only the last state is ever told.

use super::cx::Cx;
use super::leg::LegState;
use super::{Call, CallAction, Phase};
use crate::base::LegId;
use crate::crm::model::Direction as CallDirection;
use crate::route::plan::Destination;
use crate::sip::agent::{CallerId, DialogIds};
use crate::sip::subscription::{DialogInfo, DialogState, Direction, Watched};

/// How a lamp is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Lamp {
    /// Nobody is called, or it is over.
    #[default]
    Dark,
    /// The INVITE is out.
    Trying,
    /// It rings.
    Early,
    /// It talks.
    Confirmed,
}

impl Lamp {
    fn state(self) -> Option<DialogState> {
        match self {
            Self::Dark => None,
            Self::Trying => Some(DialogState::Trying),
            Self::Early => Some(DialogState::Early),
            Self::Confirmed => Some(DialogState::Confirmed),
        }
    }
}

impl Call {
    /// Tells of the lamps that have changed and that somebody looks at.
    pub(super) fn light_lamps(&mut self, cx: &mut Cx<'_>) {
        for at in 0..self.legs.len() {
            let lamp = self.lamp(at);
            let Some(leg) = self.legs.get_mut(at) else { return };
            // A phone that is called and does not ring yet is nobody's news: its ringing follows, and would have to
            // wait for its turn behind this.
            if leg.lamp == lamp || (lamp == Lamp::Trying && leg.called.is_some()) {
                continue;
            }
            leg.lamp = lamp;
            if let Some(watched) = self.watched(at).filter(|watched| cx.env.watches(watched)) {
                cx.out.push(CallAction::Lamp(watched));
            }
        }
    }

    /// Whoever has been at the far end of this leg is there no more: her lamp is told of, though the leg goes on.
    pub(super) fn darken(&mut self, leg: LegId, cx: &mut Cx<'_>) {
        let watched = self.watched(usize::from(leg.0)).filter(|watched| cx.env.watches(watched));
        cx.out.extend(watched.map(CallAction::Lamp));
    }

    /// Whether somebody who is watched is in this call, or rung by it.
    pub fn concerns(&self, watched: &Watched) -> bool {
        (0..self.legs.len()).any(|at| self.lamp(at) != Lamp::Dark && self.watched(at).as_ref() == Some(watched))
    }

    /// Her dialogs in this call, as her own phones see them.
    pub fn lamps(&self, watched: &Watched) -> Vec<DialogInfo> {
        let hers = (0..self.legs.len()).filter(|at| self.watched(*at).as_ref() == Some(watched));
        hers.filter_map(|at| self.dialog_info(at, self.lamp(at).state()?)).collect()
    }

    fn dialog_info(&self, at: usize, state: DialogState) -> Option<DialogInfo> {
        let leg = LegId(u16::try_from(at).ok()?);
        let DialogIds { call_id, ours, theirs, is_theirs } = self.ua.dialog_ids(leg)?;
        // A call that rings may be picked up by who looks at the lamp. One that talks may be taken over by whom it was
        // handed to alone, and who knows its tags could say so of herself.
        let (ours, theirs) = if state == DialogState::Confirmed { (None, None) } else { (ours, theirs) };
        Some(DialogInfo {
            id: format!("{}-{at}", self.id),
            call_id: call_id.to_owned(),
            local_tag: theirs.map(str::to_owned),
            remote_tag: ours.map(str::to_owned),
            direction: if is_theirs { Direction::Initiator } else { Direction::Recipient },
            state,
            peer: self.peer_of(leg),
        })
    }

    fn lamp(&self, at: usize) -> Lamp {
        let Some(leg) = self.legs.get(at).filter(|_| self.ended.is_none()) else { return Lamp::Dark };
        let rings = if leg.called.is_some() { leg.rang } else { self.rang };
        match leg.state {
            LegState::Calling if rings.is_some() => Lamp::Early,
            LegState::Calling => Lamp::Trying,
            LegState::Up => Lamp::Confirmed,
            LegState::Cancelled | LegState::Over => Lamp::Dark,
        }
    }

    /// Who is at the far end of a leg, where it is somebody of the house.
    fn watched(&self, at: usize) -> Option<Watched> {
        let leg = self.legs.get(at)?;
        if let Some(employee) = &leg.employee {
            return Some(Watched::Employee(employee.clone()));
        }
        match &leg.called {
            Some(called) => match &called.destination {
                Destination::Extension { extension, .. } => Some(Watched::Extension(extension.as_str().into())),
                Destination::Employee { .. } | Destination::Outside { .. } => None,
            },
            // The caller: somebody inside who is no employee.
            None if self.facts.direction == CallDirection::Incoming => None,
            None => Some(Watched::Extension(self.facts.from.as_str().into())),
        }
    }

    /// Whom the far end of a leg talks with, or is called by, as it is shown there.
    fn peer_of(&self, leg: LegId) -> CallerId {
        let other = match &self.phase {
            Phase::Talking(bridge) => bridge.peer(leg).or(bridge.transfer.as_ref().map(|transfer| transfer.stays)),
            _ => (leg != LegId::A).then_some(LegId::A),
        };
        match other.filter(|other| *other != leg) {
            // An outgoing call's own caller is shown as her line outside; inside she is who she is.
            Some(LegId::A) if self.facts.direction == CallDirection::Outgoing => {
                CallerId { display: String::new(), user: Some(self.facts.from.clone()) }
            }
            Some(other) => self.identity_of(other),
            None => CallerId { display: String::new(), user: Some(self.facts.to.clone()) },
        }
    }
}
