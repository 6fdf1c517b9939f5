//! Who owns what a call has made, as the call changes hands.

use super::index::Index;
use crate::base::{CallId, EmployeeId};
use crate::crm::model::{Effect, EntityKind, EntityRef};
use crate::store::rows::Rows;

impl Index {
    /// Moves the owner of what this call created: of each record only where it is still the one that calls set.
    pub(super) fn reassign(&mut self, call: CallId, to: &EmployeeId, rows: &mut Rows) -> Effect {
        let records = self.owned_through(call);
        if records.is_empty() {
            return Effect::Void("this call created nothing".to_owned());
        }
        let mut moved = Vec::new();
        let mut kept = None;
        for at in records {
            match self.owners(at) {
                Some((Some(owner), Some(set))) if owner == set && owner != to => {
                    moved.push((at, owner.clone()));
                    self.give_owner(at, to, true, rows);
                }
                Some((Some(owner), _)) => kept = Some(format!("{at} belongs to {owner}")),
                Some((None, _)) => kept = Some(format!("{at} belongs to nobody")),
                None => {}
            }
        }
        if moved.is_empty() {
            return Effect::Void(kept.unwrap_or_else(|| "what this call created is gone".to_owned()));
        }
        Effect::Reassigned { moved, to: to.clone() }
    }

    /// What the call has, with a converted lead's client and deal in its place; each once.
    fn owned_through(&self, call: CallId) -> Vec<EntityRef> {
        let mut all: Vec<EntityRef> = Vec::new();
        for at in self.records(call) {
            let lead = self.leads.get(&at.id).filter(|_| at.kind == EntityKind::Lead);
            let stands = lead.map(|lead| lead.converted.as_slice()).filter(|converted| !converted.is_empty());
            for at in stands.unwrap_or(&[*at]) {
                if !all.contains(at) {
                    all.push(*at);
                }
            }
        }
        all
    }
}
