//! What a number means that somebody inside dials, or transfers to: a colleague, a queue, a number outside.

use std::sync::Arc;

use super::Refusal;
use super::directory::{Directory, Employee, Gateway, Line, Pbx};
use super::plan::Destination;
use super::reach;
use crate::base::phone::{Context, country, keys, read};
use crate::base::{PhoneNumber, QueueName};
use crate::crm::model::{Decision, Exclusion, PassedOver};

/// Whom a dialled number rings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dialled {
    /// One phone.
    Destination(Destination),
    /// A queue: by its extension, or by the number of a line that leads to it.
    Queue(QueueName),
}

/// Who dials, and what follows from that.
#[derive(Debug, Clone)]
pub struct Dialler {
    /// `None`: an extension that is no employee.
    pub employee: Option<Arc<Employee>>,
    /// The PBX whose `dial_prefix` is stripped.
    pub pbx: Option<Arc<Pbx>>,
    /// The line that her calls outside show; `None`: she may not call outside.
    pub line: Option<Arc<Line>>,
}

impl Dialler {
    /// An employee, at the PBX that serves her.
    pub fn employee(dir: &Directory, employee: &Arc<Employee>) -> Self {
        let pbx = employee.extension.as_deref().and_then(|extension| dir.pbx_for(extension)).cloned();
        Self { employee: Some(employee.clone()), pbx, line: dir.line_of(employee).cloned() }
    }

    /// An extension of this PBX, an employee's or not.
    pub fn at(dir: &Directory, pbx: &Arc<Pbx>, extension: &str) -> Self {
        let employee = dir.employee_at(extension).cloned();
        let line = match &employee {
            Some(employee) => dir.line_of(employee),
            None => pbx.outgoing.and_then(|number| dir.line(number)),
        };
        Self { employee, pbx: Some(pbx.clone()), line: line.cloned() }
    }
}

/// What `dialled` rings: the user part of a Request-URI or of a Refer-To, whatever its host.
///
/// What stands in the files under exactly this number comes first, then emergency codes, so that no pattern of
/// extensions can hide them; `dial_prefix` is stripped where nothing inside has the number as it stands.
pub fn dial(dir: &Directory, by: &Dialler, dialled: &str) -> Result<Dialled, Refusal> {
    if let Some(found) = inside(dir, by, dialled) {
        return found;
    }
    let stripped = strip_prefix(by.pbx.as_deref(), dialled);
    if stripped != dialled
        && let Some(found) = inside(dir, by, stripped)
    {
        return found;
    }
    outside(dir, by, stripped)
}

/// Employees, queues, emergency codes, then whatever else a PBX serves.
fn inside(dir: &Directory, by: &Dialler, dialled: &str) -> Option<Result<Dialled, Refusal>> {
    if let Some(employee) = dir.employee_at(dialled) {
        let phone = reach::employee(dir, employee).map_err(|why| Refusal::Unreachable { why });
        return Some(phone.map(Dialled::Destination));
    }
    if let Some(queue) = dir.queue_at(dialled) {
        return Some(Ok(Dialled::Queue(queue.name.clone())));
    }
    if dir.limits.emergency.iter().any(|code| code == dialled) {
        return Some(emergency(dir, by, dialled));
    }
    let pbx = dir.pbx_for(dialled)?;
    Some(Ok(Dialled::Destination(Destination::Extension { extension: dialled.to_owned(), pbx: pbx.name.clone() })))
}

/// Emergency codes are for everybody: without a line of the dialler's own, the first in the files.
fn emergency(dir: &Directory, by: &Dialler, code: &str) -> Result<Dialled, Refusal> {
    let line = by.line.as_ref().or_else(|| dir.lines.first()).ok_or_else(no_line)?;
    let (gateway, line) = (line.gateway.clone(), line.number);
    Ok(Dialled::Destination(Destination::Outside {
        dial: code.to_owned(),
        number: None,
        gateway,
        line,
        employee: None,
    }))
}

fn outside(dir: &Directory, by: &Dialler, dialled: &str) -> Result<Dialled, Refusal> {
    let at = by.line.as_ref().or_else(|| dir.lines.first());
    let area = at.and_then(|line| area(dir, line));
    let context = Context { area: area.as_deref(), ..Context::plain(&dir.crm.country) };
    let number = read(dialled, &context).e164.ok_or(Refusal::NotFound)?;
    if let Some(ours) = keys(number).iter().find_map(|key| dir.line(*key)) {
        // A line of ours is no detour through the carrier: it is its queue.
        return Ok(Dialled::Queue(ours.queue.clone()));
    }
    let line = by.line.as_ref().ok_or_else(no_line)?;
    let country = country(number);
    if !country.as_ref().is_some_and(|country| dir.limits.outgoing_countries.contains(country)) {
        let where_to = country.as_deref().unwrap_or("no country");
        return Err(Refusal::NotAllowed { why: format!("{where_to} is not among outgoing_countries") });
    }
    Ok(Dialled::Destination(reach::outside(dir, line, number, None)))
}

fn no_line() -> Refusal {
    Refusal::NotAllowed { why: "no line for calls outside".to_owned() }
}

/// The longest prefix that leaves something to dial.
fn strip_prefix<'a>(pbx: Option<&Pbx>, dialled: &'a str) -> &'a str {
    let prefixes = pbx.map_or(&[][..], |pbx| &pbx.dial_prefix);
    let rest = prefixes.iter().filter(|prefix| !prefix.is_empty()).filter_map(|prefix| dialled.strip_prefix(&**prefix));
    rest.filter(|rest| !rest.is_empty()).min_by_key(|rest| rest.len()).unwrap_or(dialled)
}

/// The area in which a line's numbers are read that come without one: its trunk's, else the line's own.
pub(super) fn area(dir: &Directory, line: &Line) -> Option<String> {
    let of_trunk = match &line.gateway {
        Gateway::Trunk(name) => dir.trunk(name).and_then(|trunk| trunk.area.clone()),
        Gateway::Pbx(_) => None,
    };
    // Only Brazilian numbers tell their area code by length alone; elsewhere `area` has to be written.
    let digits = line.number.to_string();
    let in_brazil = digits.strip_prefix("+55").filter(|rest| matches!(rest.len(), 10 | 11));
    of_trunk.or_else(|| in_brazil.map(|rest| rest[..2].to_owned()))
}

/// Why this number is nobody's client, where the files say so.
pub fn exclusion(dir: &Directory, number: PhoneNumber) -> Option<Exclusion> {
    let keys = keys(number);
    if let Some(line) = keys.iter().find_map(|key| dir.line(*key)) {
        return Some(Exclusion::OwnLine(line.number));
    }
    keys.iter().find_map(|key| dir.employee_with(*key)).map(|employee| Exclusion::Employee(employee.id.clone()))
}

/// Why a call from a number on the blacklist is refused, with what it passes over.
pub fn refuse_blacklisted(line: &Line) -> Decision {
    let decision = Decision::new("refuse with 603", "the caller is on the blacklist: call log only");
    let why = "nobody is rung, and the CRM is not asked";
    Decision { passed_over: vec![PassedOver::new(format!("queue {}", line.queue), why)], ..decision }
}

/// Whether a call from this number is refused.
pub fn is_blacklisted(dir: &Directory, number: PhoneNumber) -> bool {
    keys(number).iter().any(|key| dir.blacklist.contains(key))
}

#[cfg(test)]
mod tests;
