//! A number that an employee says is somebody's, and the activity of a call that has ended already.

use super::Embedded;
use super::index::Index;
use crate::base::{PhoneNumber, Wall};
use crate::crm::model::{Effect, EntityKind, EntityRef, OwedWrite};
use crate::store::rows::Rows;

impl Embedded {
    /// The record on which a number may be put: this one, or the client that a lead was converted to. `None`: it is
    /// gone, nobody's (a junk lead), or no record that has numbers.
    pub fn may_have_number(&self, at: EntityRef) -> Option<EntityRef> {
        self.inner.index.read().takes_numbers(at)
    }
}

impl Index {
    fn takes_numbers(&self, at: EntityRef) -> Option<EntityRef> {
        let at = self.standing(at)?;
        match at.kind {
            EntityKind::Deal => None,
            EntityKind::Lead => self.leads.get(&at.id).filter(|lead| lead.status != "junk").map(|_| at),
            EntityKind::Contact | EntityKind::Company => Some(at),
        }
    }

    /// Writes the number on the record that it is said to be of.
    pub(super) fn attach(&mut self, phone: PhoneNumber, to: EntityRef, rows: &mut Rows) -> Effect {
        let Some(at) = self.takes_numbers(to) else {
            return Effect::Void(format!("{to} is not there any more"));
        };
        self.give_number(phone, at, rows);
        Effect::Attached(at)
    }

    /// The activity of a call that has ended stands at nobody: it goes where this write says.
    pub(super) fn move_activity(&mut self, owed: &OwedWrite, effect: &Effect, now: Wall, rows: &mut Rows) {
        let at = match effect {
            Effect::Created { record, .. } | Effect::Attached(record) if record.kind != EntityKind::Deal => *record,
            _ => return,
        };
        // One that stands somewhere stays there; and what is made of a call before its activity is found by it anyway.
        rows.crm.attached_activities.insert(owed.call, at);
        self.touch(at, now, rows);
    }
}
