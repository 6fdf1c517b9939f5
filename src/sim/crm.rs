//! The CRM of whole calls: the embedded one's own decisions, as fast or slow, up or down as a test says.

use std::time::Duration;

use crate::base::{CallId, EmployeeId, PhoneNumber, Wall};
use crate::crm::WhoCalls;
use crate::crm::embedded::{Edit, Paper, Rules};
use crate::crm::model::{
    CallRecord, Effect, EntityKind, EntityRef, Lookup, NoAnswer, OwedWrite, Write, WriteNews, WriteState,
};
use crate::crm::testing::contact;
use crate::route::directory::Directory;
use crate::store::rows::{ClientRow, DealRow};

/// A lead as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lead {
    pub phone: PhoneNumber,
    pub owner: EmployeeId,
    /// The calls that have it.
    pub calls: Vec<CallId>,
}

/// What the CRM knows, how fast it is, and what it was told.
#[derive(Debug)]
pub(crate) struct Crm {
    paper: Paper,
    pub delay: Duration,
    pub down: bool,
    pub leads: Vec<Lead>,
    pub activities: Vec<CallRecord>,
    /// All records saved, those that never enter the CRM included.
    pub records: Vec<CallRecord>,
    /// All writes, in order.
    pub writes: Vec<OwedWrite>,
    /// Where each activity stands.
    pub attached: Vec<Option<EntityRef>>,
    /// Whose responsible is absent, and in what words.
    absent: Vec<(PhoneNumber, String)>,
}

impl Crm {
    pub(crate) fn new(dir: &Directory) -> Self {
        Self {
            paper: Paper::new(Rules::new(&dir.crm.prefer, &dir.crm.exceptions, &dir.crm.country)),
            delay: Duration::ZERO,
            down: false,
            leads: Vec::new(),
            activities: Vec::new(),
            records: Vec::new(),
            writes: Vec::new(),
            attached: Vec::new(),
            absent: Vec::new(),
        }
    }

    pub(crate) fn knows(&mut self, phone: &str, name: &str, responsible: &str, now: Wall) {
        self.edit(contact(name, phone, responsible), now);
    }

    /// What an operator does.
    #[track_caller]
    pub(crate) fn edit(&mut self, edit: Edit, now: Wall) {
        self.paper.edit(edit, now);
        self.look_at_owners();
    }

    pub(crate) fn contacts(&self) -> Vec<ClientRow> {
        self.paper.clients(EntityKind::Contact)
    }

    pub(crate) fn companies(&self) -> Vec<ClientRow> {
        self.paper.clients(EntityKind::Company)
    }

    pub(crate) fn deals(&self) -> Vec<DealRow> {
        self.paper.deals()
    }

    /// Whoever is responsible for this number is not at work, in these words; as CRMs elsewhere say it.
    pub(crate) fn is_absent(&mut self, phone: &str, why: &str) {
        self.absent.push((phone.parse().expect("E.164"), why.to_owned()));
    }

    pub(crate) fn who_calls(&self, asked: &WhoCalls) -> Lookup {
        if self.down {
            return Lookup::Undetermined(NoAnswer::Unavailable);
        }
        let mut lookup = self.paper.who_calls(asked);
        let absent = self.absent.iter().find(|(phone, _)| *phone == asked.phone);
        if let (Lookup::Known(known), Some((_, why))) = (&mut lookup, absent) {
            known.absent = Some(why.clone());
        }
        lookup
    }

    /// Takes writes of a call that goes on in order, each to effect.
    pub(crate) fn take(&mut self, writes: Vec<OwedWrite>, now: Wall) -> Vec<WriteNews> {
        writes.into_iter().map(|owed| self.apply(owed, true, now)).collect()
    }

    /// Takes a call's record with all that it still owes.
    pub(crate) fn save(&mut self, mut record: CallRecord, writes: Vec<OwedWrite>, now: Wall) -> Vec<WriteNews> {
        let call = record.id;
        self.paper.call_ended(call);
        let news = writes.into_iter().map(|owed| self.apply(owed, false, now)).collect();
        let unheard = self.paper.created(call).into_iter();
        let unheard: Vec<_> = unheard.filter(|at| !record.created.contains(at)).collect();
        record.created.extend(unheard);
        self.records.push(record);
        self.paper.call_settled(call);
        news
    }

    fn apply(&mut self, owed: OwedWrite, up: bool, now: Wall) -> WriteNews {
        let effect = self.paper.apply(&owed, up, now);
        if let (Write::ActivityCreate(record), Effect::Activity { attached_to, .. }) = (&owed.write, &effect) {
            self.activities.push((**record).clone());
            self.attached.push(*attached_to);
        }
        if let Effect::Created { record: EntityRef { kind: EntityKind::Lead, id }, made } = effect {
            if let (Write::LeadCreate(new), true) = (&owed.write, made) {
                self.leads.push(Lead { phone: new.phone, owner: new.owner.clone(), calls: Vec::new() });
            }
            let lead = usize::try_from(id).ok().and_then(|id| self.leads.get_mut(id - 1)).expect("numbered from 1");
            lead.calls.push(owed.call);
        }
        self.look_at_owners();
        let (call, seq, kind) = (owed.call, owed.seq, owed.write.kind());
        self.writes.push(owed);
        WriteNews { call, seq, kind, state: WriteState::Written, effect: Some(effect), error: None }
    }

    /// Calls move them, and people do.
    fn look_at_owners(&mut self) {
        for (id, lead) in (1..).zip(&mut self.leads) {
            lead.owner = self.paper.owner(EntityRef { kind: EntityKind::Lead, id }).expect("a lead has an owner");
        }
    }
}
