//! From what is known of a caller to the steps of her call: the rules of docs/routing.md,
//! sections 4 to 6.
//!
//! Stateless: a live call asks again after each step, naming who was rung since, and takes the first step of what
//! remains; `explain` walks all steps of one answer.

use std::time::Duration;

use super::directory::{Directory, Distribution, Employee, Fallback, Line, Queue};
use super::plan::{Destination, Live, Plan, Presence, Ring, Step};
use super::{hours, reach};
use crate::base::{EmployeeId, PhoneNumber, QueueName, Wall};
use crate::crm::model::{Decision, Known, Lookup, PassedOver};

/// How long a number outside rings that a rule forwards to: the network's own voicemail answers sooner.
const FORWARD_RING: Duration = Duration::from_secs(60);

/// An incoming call that wants a plan.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// By what line it came.
    pub line: &'a Line,
    /// What is known of the caller.
    pub lookup: &'a Lookup,
    /// Who was rung in this call already, tried in vain included.
    pub rung: &'a [Destination],
    /// When the INVITE came: a call keeps to the hours in which it began.
    pub now: Wall,
}

/// What an incoming call does from here on if nobody answers.
pub fn plan(dir: &Directory, asked: &Asked<'_>, live: &dyn Live) -> Plan {
    planned(dir, asked, live, Far::Whole)
}

/// What an incoming call does now: the plan as far as its first step that is more than a queue's name.
pub fn next(dir: &Directory, asked: &Asked<'_>, live: &dyn Live) -> Plan {
    planned(dir, asked, live, Far::First)
}

fn planned(dir: &Directory, asked: &Asked<'_>, live: &dyn Live, far: Far) -> Plan {
    let line = asked.line;
    let mut planner = Planner::new(dir, Some(line), asked.rung, live, far);
    if let Some(closed) = hours::closed(line, asked.now) {
        planner.pass_for_the_night(line, asked.lookup);
        planner.follow(&line.off_hours, &format!("off hours: {closed}"), FORWARD_RING);
        return planner.plan;
    }
    match planner.responsible(line, asked.lookup) {
        Responsible::Nobody(why) => planner.queue(&line.queue, &why),
        Responsible::Unanswered(who, why) => {
            planner.responsible = Some(who);
            planner.follow(&line.unanswered, &why, line.responsible_ring);
        }
        Responsible::Ring(who, phone, why) => {
            planner.ring(vec![phone], line.responsible_ring, why, None);
            let why = format!("{} did not answer", who.id);
            planner.responsible = Some(who);
            planner.follow(&line.unanswered, &why, line.responsible_ring);
        }
    }
    planner.plan
}

/// What a call does now that was dialled or transferred to a queue. `line` carries what the queue forwards outside.
pub fn next_in_queue(
    dir: &Directory,
    queue: &QueueName,
    line: Option<&Line>,
    rung: &[Destination],
    live: &dyn Live,
) -> Plan {
    let mut planner = Planner::new(dir, line, rung, live, Far::First);
    planner.queue(queue, "dialled");
    planner.plan
}

/// What comes of the responsible, before anything else rings.
enum Responsible<'a> {
    /// Nobody is to be rung before the queue.
    Nobody(String),
    /// She is, but was in vain or can't be.
    Unanswered(&'a Employee, String),
    /// Ring her.
    Ring(&'a Employee, Destination, String),
}

/// How much of a plan is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Far {
    /// All of it.
    Whole,
    /// To the first step that is more than a queue's name: all that a live call needs, asked again for each.
    First,
}

struct Planner<'a> {
    far: Far,
    dir: &'a Directory,
    line: Option<&'a Line>,
    live: &'a dyn Live,
    /// In this call already, and by the steps planned so far.
    rung: Vec<Destination>,
    visited: Vec<QueueName>,
    /// Whose mobile `unanswered = "mobile"` means.
    responsible: Option<&'a Employee>,
    /// Waits for the decision of the next step.
    passed_over: Vec<PassedOver>,
    plan: Plan,
}

impl<'a> Planner<'a> {
    fn new(dir: &'a Directory, line: Option<&'a Line>, rung: &[Destination], live: &'a dyn Live, far: Far) -> Self {
        let (rung, visited, passed_over) = (rung.to_vec(), Vec::new(), Vec::new());
        Self { far, dir, line, live, rung, visited, responsible: None, passed_over, plan: Plan::default() }
    }

    /// No further step is wanted.
    fn is_enough(&self) -> bool {
        self.far == Far::First && self.plan.first().is_some()
    }

    /// Who would have been rung in the line's hours, and is not.
    fn pass_for_the_night(&mut self, line: &Line, lookup: &Lookup) {
        let why = "the line is closed";
        if let Lookup::Known(Known { responsible: Some(id), .. }) = lookup
            && line.route_to_responsible
        {
            self.pass(id.as_str(), why);
        }
        if !matches!(&line.off_hours, Fallback::Queue(name) if *name == line.queue) {
            self.pass(format!("queue {}", line.queue), why);
        }
    }

    fn responsible(&mut self, line: &Line, lookup: &Lookup) -> Responsible<'a> {
        let known = match lookup {
            Lookup::Known(known) => known,
            other => return Responsible::Nobody(why_queue(other)),
        };
        let entity = known.entity;
        let Some(id) = &known.responsible else {
            return Responsible::Nobody(format!("known, but {entity} has no responsible"));
        };
        if !line.route_to_responsible {
            self.pass(id.as_str(), "the line does not route to the responsible");
            return Responsible::Nobody("known, but the line does not route to the responsible".to_owned());
        }
        let Some(who) = self.dir.employee(id) else {
            self.pass(id.as_str(), "unknown to the files");
            return Responsible::Nobody(format!("known, but {id}, responsible for {entity}, is unknown to the files"));
        };
        if self.was_rung(id) {
            self.pass(id.as_str(), "already rung in this call");
            return Responsible::Unanswered(who, format!("{id} did not answer"));
        }
        if let Some(why) = self.absent(id).or(known.absent.as_deref()) {
            self.pass(id.as_str(), why);
            return Responsible::Nobody(format!("known, but {id}, responsible for {entity}, is {why}"));
        }
        match reach::employee_now(self.dir, who, self.live) {
            Ok(phone) => Responsible::Ring(who, phone, why_responsible(known, id)),
            Err(why) => {
                let reason = format!("{id}, responsible for {entity}, cannot be reached");
                self.pass(id.as_str(), why);
                Responsible::Unanswered(who, reason)
            }
        }
    }

    /// What a rule says that holds because of `why`; a number or an employee that it names rings for `ring`.
    fn follow(&mut self, rule: &Fallback, why: &str, ring: Duration) {
        if self.is_enough() {
            return;
        }
        match rule {
            Fallback::Hangup => self.hang_up(why),
            Fallback::Voicemail => {
                self.pass("voicemail", "voicemail comes with the media");
                self.hang_up(&format!("{why}; voicemail comes with the media"));
            }
            Fallback::Wait => {
                self.pass("wait", "waiting comes with the media");
                self.hang_up(&format!("{why}; waiting comes with the media"));
            }
            Fallback::LineQueue => match self.line {
                Some(line) => self.queue(&line.queue, why),
                None => self.hang_up(why),
            },
            Fallback::Queue(name) => self.queue(name, why),
            Fallback::Mobile => self.mobile(why, ring),
            Fallback::Forward(number) => self.forward(*number, why),
            Fallback::Employee(id) => self.employee(id, why, ring),
        }
    }

    fn queue(&mut self, name: &QueueName, why: &str) {
        if self.visited.contains(name) {
            self.pass(format!("queue {name}"), "the call went through it already");
            return self.hang_up(&format!("{why}; the rules lead back to queue {name}"));
        }
        let Some(queue) = self.dir.queue(name) else {
            self.pass(format!("queue {name}"), "unknown to the files");
            return self.hang_up(why);
        };
        self.visited.push(name.clone());
        self.push(format!("queue {name}"), Step::Queue { name: name.clone(), why: why.to_owned() });
        let rang = self.rings(queue);
        let why = if rang {
            format!("nobody in queue {name} answered")
        } else {
            format!("nobody in queue {name} can be rung")
        };
        self.follow(&queue.unanswered, &why, queue.ring);
    }

    /// The rings of a queue; false: it has nobody who was or could be rung.
    fn rings(&mut self, queue: &Queue) -> bool {
        let mut everybody = Vec::new();
        let mut rang = queue.members.iter().any(|id| self.was_rung(id));
        for id in self.in_turn(queue) {
            match self.phone_of(&id, queue.skip_busy) {
                Err(why) => self.pass(id.as_str(), why),
                Ok(phone) if queue.distribution == Distribution::Everybody => everybody.push(phone),
                Ok(phone) => {
                    rang = true;
                    let why = self.why_next(queue, &id);
                    self.ring(vec![phone], queue.ring, why, Some(queue.name.clone()));
                    if self.is_enough() {
                        return true;
                    }
                }
            }
        }
        if !everybody.is_empty() {
            rang = true;
            let why = format!("everybody in queue {} at once", queue.name);
            self.ring(everybody, queue.ring, why, Some(queue.name.clone()));
        }
        rang
    }

    fn in_turn(&self, queue: &Queue) -> Vec<EmployeeId> {
        let mut members = queue.members.clone();
        if queue.distribution == Distribution::Evenly {
            // A stable sort: `None`, never rung, comes first, and ties stay in file order.
            members.sort_by_key(|id| self.live.last_rung(id));
        }
        members
    }

    fn why_next(&self, queue: &Queue, id: &EmployeeId) -> String {
        match queue.distribution {
            Distribution::Evenly => match self.live.last_rung(id) {
                Some(at) => format!("longest without a call in queue {}: last rung {at}", queue.name),
                None => format!("longest without a call in queue {}: never rung yet", queue.name),
            },
            Distribution::AsEnqueued | Distribution::Everybody => format!("next in queue {}", queue.name),
        }
    }

    fn mobile(&mut self, why: &str, ring: Duration) {
        let Some(who) = self.responsible else {
            return self.follow(&Fallback::LineQueue, &format!("{why}; nobody is responsible, so no mobile"), ring);
        };
        let (Some(number), Some(line)) = (who.mobile, self.line) else {
            self.pass(format!("mobile of {}", who.id), "the files name none");
            return self.follow(&Fallback::LineQueue, &format!("{why}, and the files name no mobile of hers"), ring);
        };
        if self.number_was_rung(number) {
            self.pass(format!("mobile of {}", who.id), "already rung in this call");
            return self.hang_up(&format!("{} did not answer her mobile", who.id));
        }
        let mobile = reach::outside(self.dir, line, number, Some(who.id.clone()));
        self.ring(vec![mobile], ring, format!("{why}: her mobile"), None);
        self.hang_up(&format!("{} did not answer her mobile", who.id));
    }

    fn forward(&mut self, number: PhoneNumber, why: &str) {
        let Some(line) = self.line else {
            self.pass(number.to_string(), "no line to forward by");
            return self.hang_up(why);
        };
        if self.number_was_rung(number) {
            self.pass(number.to_string(), "already rung in this call");
        } else {
            let to = reach::outside(self.dir, line, number, None);
            self.ring(vec![to], FORWARD_RING, format!("{why}: forwarded"), None);
        }
        self.hang_up(&format!("{number} did not answer"));
    }

    fn employee(&mut self, id: &EmployeeId, why: &str, ring: Duration) {
        match self.phone_of(id, false) {
            Ok(phone) => {
                self.ring(vec![phone], ring, format!("{why}: {id} is next by the rule"), None);
                self.hang_up(&format!("{id} did not answer"));
            }
            Err(reason) => {
                self.pass(id.as_str(), reason.as_str());
                self.hang_up(&format!("{why}; {id} is passed over: {reason}"));
            }
        }
    }

    /// Her phone, or why she is passed over.
    fn phone_of(&self, id: &EmployeeId, skip_busy: bool) -> Result<Destination, String> {
        let who = self.dir.employee(id).ok_or("unknown to the files")?;
        if self.was_rung(id) {
            return Err("already rung in this call".to_owned());
        }
        if let Some(why) = self.absent(id) {
            return Err(why.to_owned());
        }
        if skip_busy && self.live.busy(id) {
            return Err("in a call".to_owned());
        }
        reach::employee_now(self.dir, who, self.live)
    }

    fn absent(&self, id: &EmployeeId) -> Option<&'static str> {
        match self.live.presence(id) {
            Presence::Available => None,
            Presence::Away => Some("away"),
            Presence::Off => Some("off"),
        }
    }

    fn was_rung(&self, id: &EmployeeId) -> bool {
        self.rung.iter().any(|rung| rung.employee() == Some(id))
    }

    /// As somebody's mobile or by a forward: it is the same phone.
    fn number_was_rung(&self, called: PhoneNumber) -> bool {
        self.rung.iter().any(|rung| matches!(rung, Destination::Outside { number: Some(n), .. } if *n == called))
    }

    fn pass(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.passed_over.push(PassedOver::new(what, why));
    }

    fn ring(&mut self, who: Vec<Destination>, ring: Duration, why: String, queue: Option<QueueName>) {
        let names: Vec<&str> = who.iter().map(Destination::label).collect();
        let what = format!("ring {}", names.join(", "));
        self.rung.extend(who.iter().cloned());
        self.push(what, Step::Ring(Ring { who, ring, why, queue }));
    }

    fn hang_up(&mut self, why: &str) {
        if self.is_enough() {
            return;
        }
        self.push("hang up".to_owned(), Step::Hangup { why: why.to_owned() });
    }

    fn push(&mut self, what: String, step: Step) {
        let passed_over = std::mem::take(&mut self.passed_over);
        self.plan.decisions.push(Decision { what, why: step.why().to_owned(), passed_over });
        self.plan.steps.push(step);
    }
}

fn why_responsible(known: &Known, id: &EmployeeId) -> String {
    format!("known: {id} is responsible for {}", known.entity)
}

fn why_queue(lookup: &Lookup) -> String {
    let Decision { what, why, .. } = lookup.decision();
    format!("{what}: {why}")
}

#[cfg(test)]
mod tests;
