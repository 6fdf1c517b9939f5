//! What a call's write does to the CRM, decided against the index and added to the write's own transaction.

use super::Rules;
use super::index::Index;
use crate::base::{CallId, EmployeeId, PhoneNumber, Wall};
use crate::crm::model::{CallRecord, Effect, EntityKind, EntityRef, Lookup, NewRecord, OwedWrite, Write};
use crate::store::rows::{ActivityRow, LeadRow, Rows};

/// What the number was found to be before the write took effect.
enum Finding {
    /// Nobody; or nobody asked, because the call's own lookup had an answer.
    Nobody,
    /// A client, or somebody's lead.
    Client(EntityRef),
    /// On the exception list.
    Excluded,
}

impl Index {
    /// Puts one write into effect. `up`: its call goes on.
    pub(super) fn apply(&mut self, owed: &OwedWrite, up: bool, now: Wall, rules: &Rules, rows: &mut Rows) -> Effect {
        let finding = self.find_first(owed, rules);
        if let Finding::Excluded = finding {
            return Effect::Void("the number is on the exception list".to_owned());
        }
        match &owed.write {
            Write::LeadCreate(new) => {
                if let Some(own) = self.lead_of.get(&owed.call).copied() {
                    return self.has_lead(owed.call, own);
                }
                if let Finding::Client(client) = finding {
                    return Effect::Void(format!("the number belongs to {client}"));
                }
                if up {
                    self.up.insert(owed.call);
                }
                let lead = match self.share(new.phone) {
                    Share::Lead(id) => id,
                    Share::Taken(client) => return Effect::Void(format!("the number belongs to {client}")),
                    Share::Nobody => {
                        let row = new_lead(owed.call, new, now);
                        let id = self.add_lead(row, rows);
                        self.give_number(new.phone, EntityRef { kind: EntityKind::Lead, id }, rows);
                        id
                    }
                };
                self.join(owed.call, lead, up, rows);
                self.has_lead(owed.call, lead)
            }
            Write::LeadReassign { to, .. } => self.reassign(owed.call, to, rows),
            Write::ClientAttach { phone, to } => match finding {
                Finding::Client(client) => Effect::Void(format!("the number belongs to {client}")),
                Finding::Nobody | Finding::Excluded => self.attach(*phone, *to, rows),
            },
            Write::ActivityCreate(record) => self.add_activity(record, &finding, rows),
            Write::CallStarted(_)
            | Write::CallTransferred(_)
            | Write::ContactCreate(_)
            | Write::CompanyCreate(_)
            | Write::DealCreate { .. } => Effect::Void("the embedded CRM has no use for it".to_owned()),
        }
    }

    /// The lookup that the call's own could not give: not again once the call has its lead.
    fn find_first(&self, owed: &OwedWrite, rules: &Rules) -> Finding {
        let Some(phone) = owed.after_lookup else { return Finding::Nobody };
        if self.lead_of.contains_key(&owed.call) {
            return Finding::Nobody;
        }
        match self.look_up(phone, "", rules) {
            Lookup::Known(known) => Finding::Client(known.entity),
            Lookup::Excluded(_) => Finding::Excluded,
            Lookup::Unknown { .. } | Lookup::Undetermined(_) => Finding::Nobody,
        }
    }

    /// Whether a new lead for this number would be a second one.
    ///
    /// The call's lookup said unknown, so an open lead that a call made came about at the same time: it is shared,
    /// also where its call ended in between.
    fn share(&self, phone: PhoneNumber) -> Share {
        let mut share = Share::Nobody;
        for entity in self.having(phone) {
            if entity.kind != EntityKind::Lead {
                return Share::Taken(entity);
            }
            let Some(lead) = self.leads.get(&entity.id) else { continue };
            match lead.status.as_str() {
                "junk" => {}
                "converted" => return Share::Taken(self.standing(entity).unwrap_or(entity)),
                _ if lead.call.is_some() => share = Share::Lead(entity.id),
                _ => return Share::Taken(entity),
            }
        }
        share
    }

    /// Notes that the call has this lead; in its record too, where that is written already.
    fn join(&mut self, call: CallId, lead: i64, up: bool, rows: &mut Rows) {
        self.lead_of.insert(call, lead);
        rows.crm.call_records.insert((call, EntityRef { kind: EntityKind::Lead, id: lead }));
        if !up {
            rows.created.insert(call, vec![EntityRef { kind: EntityKind::Lead, id: lead }]);
        }
    }

    fn has_lead(&self, call: CallId, lead: i64) -> Effect {
        let made = self.leads.get(&lead).is_some_and(|row| row.call == Some(call));
        Effect::Created { record: EntityRef { kind: EntityKind::Lead, id: lead }, made }
    }

    /// Moves the owner of what this call created, where it is still the one that calls set.
    fn reassign(&mut self, call: CallId, to: &EmployeeId, rows: &mut Rows) -> Effect {
        let Some(lead) = self.lead_of.get(&call).and_then(|id| self.leads.get(id)) else {
            return Effect::Void("this call created nothing".to_owned());
        };
        let lead_itself = EntityRef { kind: EntityKind::Lead, id: lead.id };
        let records = if lead.converted.is_empty() { vec![lead_itself] } else { lead.converted.clone() };
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

    /// The call's one activity, at the client known when it began, else its lead, else whoever has the number now.
    fn add_activity(&mut self, record: &CallRecord, finding: &Finding, rows: &mut Rows) -> Effect {
        let phone = record.customer();
        let lead = self.lead_of.get(&record.id).map(|id| EntityRef { kind: EntityKind::Lead, id: *id });
        let found = match finding {
            Finding::Client(client) => Some(*client),
            Finding::Nobody | Finding::Excluded => None,
        };
        let has_number = || phone.and_then(|phone| self.best_having(phone));
        let attached_to = record.client.or(lead).or(found).and_then(|at| self.standing(at)).or_else(has_number);
        if let Some(at) = attached_to {
            self.touch(at, record.ended.unwrap_or(record.started), rows);
        }
        self.last.activity += 1;
        let id = self.last.activity;
        rows.crm.activities.insert(record.id, ActivityRow { id, phone, attached_to, record: record.clone() });
        Effect::Activity { id, attached_to }
    }

    /// Whoever has this number by now: a client before a lead, no junk.
    fn best_having(&self, phone: PhoneNumber) -> Option<EntityRef> {
        let is_junk = |at: &EntityRef| {
            at.kind == EntityKind::Lead && self.leads.get(&at.id).is_none_or(|lead| lead.status == "junk")
        };
        self.having(phone).into_iter().find(|at| !is_junk(at)).and_then(|at| self.standing(at))
    }
}

enum Share {
    /// This open lead is the one.
    Lead(i64),
    /// The number has become somebody's.
    Taken(EntityRef),
    /// A new lead it is.
    Nobody,
}

fn new_lead(call: CallId, new: &NewRecord, now: Wall) -> LeadRow {
    LeadRow {
        id: 0, // given by `add_lead`
        name: new.name.clone(),
        responsible: Some(new.owner.clone()),
        set_by_calls: Some(new.owner.clone()),
        source: new.source.clone(),
        status: "new".to_owned(),
        line: Some(new.line),
        call: Some(call),
        converted: Vec::new(),
        created: now,
        last_activity: None,
    }
}
