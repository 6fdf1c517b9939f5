//! The call card: what it offers for a client whom nobody knows, to whom it is shown, and what follows when somebody
//! decides. One decision a call; what it creates is this call's own, so that a later transfer moves its owner.

use std::fmt;

use super::cx::Cx;
use super::{Call, CallAction, Publication};
use crate::base::{EmployeeId, Now, PhoneNumber};
use crate::crm::model::{
    CallRecord, CardAction, CardDecision, Decision, Direction, EntityRef, Lookup, LookupKind, NewRecord, Outcome, Write,
};
use crate::crm::policy::{self, Becomes};
use crate::route::directory::{CrmMode, Line};

/// What somebody decides on a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Press {
    /// Which employee; `None`: an admin's program, which is nobody in the house.
    pub by: Option<EmployeeId>,
    /// What.
    pub wish: Wish,
}

/// One of the card's actions with what goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// A lead, with this name.
    Lead(Option<String>),
    /// A contact, with this name; in simple mode with its deal.
    Contact(Option<String>),
    /// The number is this one's.
    Attach(EntityRef),
    /// Nothing is to be made of the call.
    Ignore,
}

impl Wish {
    /// Which of the actions it is.
    pub const fn action(&self) -> CardAction {
        match self {
            Self::Lead(_) => CardAction::Lead,
            Self::Contact(_) => CardAction::Contact,
            Self::Attach(_) => CardAction::Attach,
            Self::Ignore => CardAction::Ignore,
        }
    }
}

/// Whether a card offers its actions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offer {
    /// It does, and they take effect at once.
    Now,
    /// It does; what it makes waits until the CRM has answered who calls.
    AfterLookup,
    /// It does not.
    No(NoOffer),
}

/// Why a card offers nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoOffer {
    /// The lookup runs.
    Asking,
    /// The number is somebody's.
    Known(Option<EntityRef>),
    /// Nothing of the call enters the CRM.
    Excluded,
    /// Both ends are inside.
    Internal,
    /// Its caller is on the blacklist.
    Blacklisted,
    /// The call is by no line that the files know.
    NoLine,
    /// The line makes a record by itself.
    ByTheLine,
    /// It has one already.
    Created(Vec<EntityRef>),
    /// Somebody has decided.
    Decided(CardDecision),
    /// The call has been over for more than a day.
    TooLate,
    /// Nobody would own it: an admin asks, and the line names no owner.
    NoOwner,
}

impl fmt::Display for NoOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asking => f.write_str("the CRM is being asked who calls"),
            Self::Known(Some(client)) => write!(f, "the number belongs to {client}"),
            Self::Known(None) => f.write_str("the number is known"),
            Self::Excluded => f.write_str("the number is excluded: nothing of the call enters the CRM"),
            Self::Internal => f.write_str("the call is between colleagues"),
            Self::Blacklisted => f.write_str("the number is on the blacklist"),
            Self::NoLine => f.write_str("the call is by no line of the files"),
            Self::ByTheLine => f.write_str("its line makes the record by itself"),
            Self::Created(records) => {
                let records: Vec<String> = records.iter().map(ToString::to_string).collect();
                write!(f, "the call has made {} already", records.join(" and "))
            }
            Self::Decided(CardDecision { action, by, .. }) => {
                let by = by.as_ref().map_or("an admin", |by| by.as_str());
                write!(f, "{by} has chosen `{}` already", action.as_str())
            }
            Self::TooLate => f.write_str("the call ended more than a day ago"),
            Self::NoOwner => f.write_str("the line names nobody who would own the record"),
        }
    }
}

impl Offer {
    /// What the card of this call offers, by its record alone: of one that has ended, or is up and owes nothing.
    pub fn of(record: &CallRecord, line: Option<&Line>) -> Self {
        match record.lookup {
            _ if record.direction == Direction::Internal => Self::No(NoOffer::Internal),
            _ if record.outcome == Some(Outcome::Blocked) => Self::No(NoOffer::Blacklisted),
            None => Self::No(NoOffer::Asking),
            Some(LookupKind::Excluded) => Self::No(NoOffer::Excluded),
            Some(_) if record.card.is_some() => Self::No(record.card.clone().map_or(NoOffer::Asking, NoOffer::Decided)),
            Some(_) if !record.created.is_empty() => Self::No(NoOffer::Created(record.created.clone())),
            Some(LookupKind::Known) => Self::No(NoOffer::Known(record.client)),
            Some(_) if record.client.is_some() => Self::No(NoOffer::Known(record.client)),
            Some(lookup @ (LookupKind::Unknown | LookupKind::Undetermined)) => match line {
                None => Self::No(NoOffer::NoLine),
                Some(line) if policy::creates_by_itself(line, record.direction) => Self::No(NoOffer::ByTheLine),
                Some(_) if lookup == LookupKind::Unknown => Self::Now,
                Some(_) => Self::AfterLookup,
            },
        }
    }

    /// Why it offers nothing.
    pub fn refusal(self) -> Result<Self, NoOffer> {
        match self {
            Self::No(why) => Err(why),
            Self::Now | Self::AfterLookup => Ok(self),
        }
    }
}

/// For whom and by which line a card's record is made.
#[derive(Debug, Clone)]
pub struct Making<'a> {
    /// The customer's number.
    pub phone: PhoneNumber,
    /// Our line.
    pub line: &'a Line,
    /// Its first owner.
    pub owner: Option<EmployeeId>,
    /// `crm.mode`.
    pub mode: &'a CrmMode,
}

impl Making<'_> {
    /// The writes that a wish comes to, in order.
    pub fn writes(self, wish: &Wish) -> Result<Vec<Write>, NoOffer> {
        let new = |name: &Option<String>| {
            let owner = self.owner.clone().ok_or(NoOffer::NoOwner)?;
            let (line, source) = (self.line.number, self.line.source.clone());
            Ok(NewRecord { phone: self.phone, line, source, owner, name: name.clone() })
        };
        Ok(match wish {
            Wish::Lead(name) => vec![Write::LeadCreate(new(name)?)],
            Wish::Contact(name) => {
                let new = new(name)?;
                let deal = match policy::becomes(self.mode, self.line) {
                    Becomes::Lead => None,
                    Becomes::Client { pipeline, .. } => {
                        Some(Write::DealCreate { new: new.clone(), pipeline: pipeline.to_owned() })
                    }
                };
                std::iter::once(Write::ContactCreate(new)).chain(deal).collect()
            }
            Wish::Attach(to) => vec![Write::ClientAttach { phone: self.phone, to: *to }],
            Wish::Ignore => Vec::new(),
        })
    }
}

/// What a call remembers of its card.
#[derive(Debug, Default)]
pub(super) struct Card {
    /// What was decided on it.
    pub(super) decided: Option<CardDecision>,
    /// Whose the number is, where that was decided.
    pub(super) attached: Option<EntityRef>,
    /// To whom it was shown.
    shown: Vec<EmployeeId>,
}

impl Call {
    /// What its card offers.
    pub fn offers(&self, record: &CallRecord) -> Offer {
        match Offer::of(record, self.facts.line.as_deref()) {
            // What the CRM said too late counts: but for that, only what a call asks for is certain.
            Offer::AfterLookup | Offer::Now if self.owing.is_told() => Offer::No(NoOffer::ByTheLine),
            Offer::AfterLookup => match self.owing.settled() {
                Some(LookupKind::Unknown) => Offer::Now,
                Some(LookupKind::Excluded) => Offer::No(NoOffer::Excluded),
                Some(LookupKind::Known) => Offer::No(NoOffer::Known(self.facts.client())),
                Some(LookupKind::Undetermined) | None => Offer::AfterLookup,
            },
            offer => offer,
        }
    }

    /// Whom the call concerns at this moment: who is rung, who talks, who dialled.
    pub fn concerns_now(&self, employee: &EmployeeId) -> bool {
        self.has(employee)
            || self.facts.dialler.as_ref() == Some(employee)
            || self.legs.iter().any(|leg| leg.is_called() && leg.employee.as_ref() == Some(employee))
    }

    /// Whether she is in it: who talks, and who dialled and waits.
    pub fn has(&self, employee: &EmployeeId) -> bool {
        self.busy.iter().any(|(_, busy)| busy == employee)
    }

    /// What a decision on the card would come to now; why nothing, where it is too late or never was offered.
    pub fn would_make(&self, press: &Press, now: Now, mode: &CrmMode) -> Result<(Offer, Vec<Write>), NoOffer> {
        let offer = self.offers(&self.record_at(now)).refusal()?;
        let (Some(phone), Some(line)) = (self.facts.customer, &self.facts.line) else { return Err(NoOffer::NoLine) };
        let making = Making { phone, line, owner: self.would_own(press), mode };
        Ok((offer, making.writes(&press.wish)?))
    }

    /// Whoever is in the call owns what she makes; what somebody else makes, an admin, is whose the line says.
    fn would_own(&self, press: &Press) -> Option<EmployeeId> {
        let hers = press.by.clone().filter(|by| self.concerns_now(by));
        hers.or_else(|| self.owing.owner().cloned())
    }

    /// Somebody decides on the card. What comes too late changes nothing.
    pub(super) fn pressed(&mut self, press: Press, cx: &mut Cx<'_>) {
        let Ok((offer, writes)) = self.would_make(&press, cx.now, &cx.env.directory().crm.mode) else { return };
        let owner = self.would_own(&press);
        let Press { by, wish } = press;
        let decision = CardDecision { action: wish.action(), by, at: cx.now.wall };
        if self.is_ended() {
            // What is owed goes with the record that was committed: here it is only to be seen.
            self.card.decided = Some(decision);
            return;
        }
        let who = decision.by.as_ref().map_or("an admin", |by| by.as_str());
        self.decide(Decision::new(format!("card: {}", decision.action.as_str()), format!("{who} chose it")), cx);
        self.card.decided = Some(decision);
        match wish {
            Wish::Attach(to) => self.card.attached = Some(to),
            Wish::Lead(_) | Wish::Contact(_) => self.owing.promise(owner),
            Wish::Ignore => {}
        }
        let after_lookup = (offer == Offer::AfterLookup).then_some(self.facts.customer).flatten();
        self.tell_all(writes, after_lookup, cx);
        cx.out.push(CallAction::CardTaken);
    }

    /// Shows the card to whoever is rung, talks or dials, each once.
    pub(super) fn show_card(&mut self, cx: &mut Cx<'_>) {
        let unknown = matches!(self.facts.lookup, Some(Lookup::Unknown { .. } | Lookup::Undetermined(_)));
        if !unknown || self.card.decided.is_some() || self.owing.is_told() || self.is_ended() {
            return;
        }
        let rung = self.legs.iter().filter(|leg| leg.is_called() && leg.rang.is_some());
        let mut concerned: Vec<EmployeeId> = rung.filter_map(|leg| leg.employee.clone()).collect();
        if self.rang.is_some() || self.answered.is_some() {
            concerned.extend(self.busy.iter().map(|(_, employee)| employee.clone()));
        }
        concerned.retain(|employee| !self.card.shown.contains(employee));
        if concerned.is_empty() {
            return;
        }
        let call = self.record_at(cx.now);
        if self.offers(&call).refusal().is_err() {
            return;
        }
        for employee in concerned {
            if self.card.shown.contains(&employee) {
                continue; // two phones of hers
            }
            self.card.shown.push(employee.clone());
            cx.out.push(CallAction::Publish(Box::new(Publication {
                event: "card.offered",
                call: call.clone(),
                record: None,
                from_employee: None,
                to_employee: Some(employee),
                kind: None,
            })));
        }
    }
}
