//! Whose number it is: docs/crm.md, "Four results of a lookup", as one pure function over the index.

use std::cmp::Ordering;

use super::Rules;
use super::index::Index;
use super::numbers;
use crate::base::{EmployeeId, PhoneNumber, Wall};
use crate::crm::model::{EntityKind, EntityRef, Exclusion, Known, Lookup, PassedOver};

/// A record that may stand for the number.
struct Candidate<'a> {
    entity: EntityRef,
    name: Option<&'a str>,
    responsible: Option<&'a EmployeeId>,
    last_activity: Option<Wall>,
    created: Wall,
}

impl Index {
    /// What is known of a number; `address` is the other end's SIP address, where there is one.
    pub(super) fn look_up(&self, phone: PhoneNumber, address: &str, rules: &Rules) -> Lookup {
        let having = self.having(phone);
        if let Some(entry) = self.exception(phone, address, &having, rules) {
            return Lookup::Excluded(Exclusion::Exception(entry));
        }
        let mut passed_over = Vec::new();
        let mut fresh = None;
        let mut candidates: Vec<Candidate<'_>> = Vec::with_capacity(having.len());
        for entity in having {
            match self.candidate(entity, &mut passed_over, &mut fresh) {
                Some(candidate) if candidates.iter().all(|c| c.entity != candidate.entity) => {
                    candidates.push(candidate);
                }
                _ => {}
            }
        }
        choose(candidates, passed_over, rules).map_or(Lookup::Unknown { fresh }, Lookup::Known)
    }

    /// The entry of either list that keeps this number out.
    fn exception(&self, phone: PhoneNumber, address: &str, having: &[EntityRef], rules: &Rules) -> Option<String> {
        let forms = numbers::keys(phone);
        let lists = [&self.exceptions, &rules.exceptions];
        let emails = || having.iter().filter_map(|at| self.client(*at)?.email.as_deref());
        lists
            .iter()
            .find_map(|list| {
                list.number(&forms)
                    .or_else(|| list.address(address))
                    .or_else(|| emails().find_map(|email| list.address(email)))
            })
            .map(str::to_owned)
    }

    /// The record itself, or what stands for it; junk makes nobody known, and what a call made that is up nobody yet.
    fn candidate(
        &self,
        entity: EntityRef,
        passed_over: &mut Vec<PassedOver>,
        fresh: &mut Option<EntityRef>,
    ) -> Option<Candidate<'_>> {
        if self.is_fresh(self.made_by(entity)) && self.standing(entity) == Some(entity) {
            // Of several the first by kind: a contact before its company.
            fresh.get_or_insert(entity);
            passed_over.push(PassedOver::new(entity.to_string(), "the call that made it is still up"));
            return None;
        }
        let EntityKind::Lead = entity.kind else { return self.as_candidate(entity) };
        let lead = self.leads.get(&entity.id)?;
        if lead.status == "junk" {
            passed_over.push(PassedOver::new(entity.to_string(), "junk"));
            return None;
        }
        if let Some(client) = self.standing(entity).filter(|client| *client != entity) {
            passed_over.push(PassedOver::new(entity.to_string(), format!("converted: {client} stands for it")));
            return self.as_candidate(client);
        }
        self.as_candidate(entity)
    }

    fn as_candidate(&self, entity: EntityRef) -> Option<Candidate<'_>> {
        if entity.kind == EntityKind::Lead {
            let row = self.leads.get(&entity.id)?;
            return Some(Candidate {
                entity,
                name: row.name.as_deref(),
                responsible: row.responsible.as_ref(),
                last_activity: row.last_activity,
                created: row.created,
            });
        }
        let row = self.client(entity)?;
        Some(Candidate {
            entity,
            name: Some(&row.name),
            responsible: row.responsible.as_ref(),
            last_activity: row.last_activity,
            created: row.created,
        })
    }
}

/// `crm.prefer` orders the kinds, the latest activity decides inside a kind; without one, the newest.
fn choose(mut candidates: Vec<Candidate<'_>>, mut passed_over: Vec<PassedOver>, rules: &Rules) -> Option<Known> {
    candidates
        .sort_by(|a, b| rules.rank(a.entity.kind).cmp(&rules.rank(b.entity.kind)).then_with(|| latest_first(a, b)));
    let (chosen, others) = candidates.split_first()?;
    let kind = chosen.entity.kind;
    let why = match others.first() {
        None => format!("the only {} with this number", kind.as_str()),
        Some(next) if next.entity.kind != kind => format!("crm.prefer puts a {} first", kind.as_str()),
        Some(_) => chosen.last_activity.map_or_else(
            || format!("the newest {} with this number", kind.as_str()),
            |at| format!("the {} with the latest activity, {at}", kind.as_str()),
        ),
    };
    passed_over.extend(others.iter().map(|other| {
        let why = if other.entity.kind != kind {
            format!("crm.prefer puts a {} before a {}", kind.as_str(), other.entity.kind.as_str())
        } else if chosen.last_activity.is_none() {
            "made earlier".to_owned()
        } else {
            other.last_activity.map_or_else(|| "no activity".to_owned(), |at| format!("its latest activity was {at}"))
        };
        PassedOver::new(other.entity.to_string(), why)
    }));
    Some(Known {
        entity: chosen.entity,
        name: chosen.name.map(str::to_owned),
        responsible: chosen.responsible.cloned(),
        absent: None,
        why,
        passed_over,
    })
}

fn latest_first(a: &Candidate<'_>, b: &Candidate<'_>) -> Ordering {
    let age = |c: &Candidate<'_>| (c.last_activity, c.created, c.entity.id);
    age(b).cmp(&age(a))
}
