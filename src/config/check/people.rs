//! Employees and queues.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::gateways::written;
use super::names::{Names, Thing};
use super::numbers::Numbers;
use crate::base::{EmployeeId, PhoneNumber};
use crate::config::fault::{At, Fault, List, Report};
use crate::config::raw::{Raw, RawEmployee, RawFallback, RawQueue};
use crate::route::directory::{Distribution, Employee, Fallback, Queue};

/// The employees, in file order.
pub(super) fn employees(raw: &Raw, numbers: &Numbers<'_>, report: &Report) -> Vec<Arc<Employee>> {
    let mut owners: HashMap<PhoneNumber, &str> = HashMap::new();
    let mut crm_users: HashMap<i64, &str> = HashMap::new();
    let mut all = Vec::new();
    for employee in &raw.employees {
        let Some(id) = &employee.id else { continue };
        let who = format!("employee `{}`", id.value);
        let mut own = |text: &At<String>| {
            let number = numbers.read(text, &who, report)?;
            if numbers.is_line(number) {
                let message = format!("{who}: {number} is a line, and no number of her own");
                report.fault(Fault::new(&text.place, message).help("her own numbers are those that reach her alone"));
            }
            if let Some(other) = owners.insert(number, &id.value).filter(|other| *other != id.value) {
                let message = format!("{who}: {number} is a number of `{other}` too");
                report.warn(Fault::new(&text.place, message).help("a call from it will count as hers who stands last"));
            }
            Some(number)
        };
        if let Some(user) = &employee.crm_user
            && let Some(other) = crm_users.insert(user.value, &id.value)
        {
            let message = format!("{who}: `crm_user` {} is `{other}` already", user.value);
            report.fault(Fault::new(&user.place, message).help("each employee has an id of her own in the CRM"));
        }
        let mobile = employee.mobile.as_ref().and_then(&mut own);
        let phones = employee.phones.iter().flat_map(|list| &list.value).filter_map(&mut own).collect();
        reachable(employee, &who, raw, report);
        all.push(Arc::new(Employee {
            id: id.value.as_str().into(),
            name: employee.name.as_ref().map_or_else(|| id.value.clone(), |name| name.value.clone()),
            extension: employee.extension.as_ref().map(|extension| extension.value.clone()),
            mobile,
            phones,
            password: employee.password.as_ref().map(|password| password.value.clone()),
            admin: written(employee.admin.as_ref(), false),
            line: employee.line.as_ref().and_then(|line| numbers.line(line, &who, report)),
            crm_user: employee.crm_user.as_ref().map(|user| user.value),
            login: employee.login.as_ref().map(|login| login.value.clone()),
        }));
    }
    all
}

/// An extension that no PBX serves rings nowhere, unless her phones register.
fn reachable(employee: &RawEmployee, who: &str, raw: &Raw, report: &Report) {
    if let (Some(password), None) = (&employee.password, &employee.extension) {
        let message = format!("{who}: `password` without `extension`");
        let help = "phones register with the extension as their user: write one, or take the password out";
        report.fault(Fault::new(&password.place, message).help(help));
    }
    if let (Some(password), Some(extension)) = (&employee.password, &employee.extension)
        && (password.value.expose() == extension.value || password.value.expose().len() < SHORTEST)
    {
        let message = format!("{who}: whoever tries finds this `password` within minutes");
        report
            .warn(Fault::new(&password.place, message).help("let a generator make one, of twelve characters or more"));
    }
    let Some(extension) = employee.extension.as_ref().filter(|_| employee.password.is_none()) else { return };
    let patterns: Vec<&str> = raw.pbxs.iter().filter_map(|pbx| Some(pbx.extensions.as_ref()?.value.as_str())).collect();
    if patterns.iter().any(|pattern| fits(pattern, &extension.value)) {
        return;
    }
    let message = format!("{who}: no PBX serves {}, so it rings nowhere", extension.value);
    let help = match patterns.as_slice() {
        [] => "add a [[pbx]] with `extensions`".to_owned(),
        patterns => format!("the PBXs serve {}", patterns.join(", ")),
    };
    report.warn(Fault::new(&extension.place, message).label("served by none").help(help));
}

/// A password of fewer characters is guessed.
const SHORTEST: usize = 6;

fn fits(pattern: &str, extension: &str) -> bool {
    pattern.len() == extension.len() && pattern.chars().zip(extension.chars()).all(|(p, c)| p == 'x' || p == c)
}

/// The queues, in file order.
pub(super) fn queues(raw: &Raw, numbers: &Numbers<'_>, names: &Names<'_>, report: &Report) -> Vec<Arc<Queue>> {
    let mut all = Vec::new();
    for queue in &raw.queues {
        let (Some(name), Some(members)) = (&queue.name, &queue.members) else { continue };
        let who = format!("queue `{}`", name.value);
        if members.value.is_empty() {
            report
                .fault(Fault::new(&members.place, format!("{who} has no members")).help("list at least one employee"));
        }
        let unanswered = queue.unanswered.as_ref().and_then(|way| {
            wait_needs_turns(queue, &who, report);
            meant(&way.value, &who, numbers, names, report)
        });
        all.push(Arc::new(Queue {
            name: name.value.as_str().into(),
            extension: queue.extension.as_ref().map(|extension| extension.value.clone()),
            members: self::members(members, &who, names, report),
            distribution: written(queue.distribution.as_ref(), Distribution::AsEnqueued),
            ring: written(queue.ring.as_ref(), Duration::from_secs(20)),
            skip_busy: written(queue.skip_busy.as_ref(), false),
            unanswered: unanswered.unwrap_or(Fallback::Hangup),
            max_wait: written(queue.max_wait.as_ref(), Duration::from_secs(300)),
        }));
    }
    loops(raw, report);
    all
}

fn members(list: &List<String>, who: &str, names: &Names<'_>, report: &Report) -> Vec<EmployeeId> {
    let mut all: Vec<EmployeeId> = Vec::new();
    for member in &list.value {
        let Some(id) = names.meant(Thing::Employee, member, who, report).map(EmployeeId::from) else { continue };
        if all.contains(&id) {
            let message = format!("{who} names `{id}` twice");
            report.fault(Fault::new(&member.place, message).label("again").help("a queue rings each member once"));
        } else {
            all.push(id);
        }
    }
    all
}

/// "wait" goes on ringing; as-enqueued ends with its last member.
fn wait_needs_turns(queue: &RawQueue, who: &str, report: &Report) {
    let Some(At { value: RawFallback::Word(Fallback::Wait), place }) = &queue.unanswered else { return };
    if matches!(queue.distribution, Some(At { value: Distribution::AsEnqueued, .. })) {
        let message = format!("{who}: `unanswered` cannot be \"wait\" where `distribution` is \"as-enqueued\"");
        report.fault(Fault::new(place, message).help("write distribution = \"evenly\" or \"everybody\""));
    }
}

/// What `unanswered` or `off_hours` means, with its names looked up.
pub(super) fn meant(
    way: &RawFallback,
    who: &str,
    numbers: &Numbers<'_>,
    names: &Names<'_>,
    report: &Report,
) -> Option<Fallback> {
    match way {
        RawFallback::Word(fallback) => Some(fallback.clone()),
        RawFallback::Forward(to) => numbers.dialled(to, who, report).map(Fallback::Forward),
        RawFallback::Employee(to) => {
            names.meant(Thing::Employee, to, who, report).map(|id| Fallback::Employee(id.into()))
        }
        RawFallback::Queue(to) => names.meant(Thing::Queue, to, who, report).map(|name| Fallback::Queue(name.into())),
    }
}

/// Queues that hand a call round in a circle.
fn loops(raw: &Raw, report: &Report) {
    let next: HashMap<&str, &At<String>> = raw
        .queues
        .iter()
        .filter_map(|queue| match &queue.unanswered.as_ref()?.value {
            RawFallback::Queue(to) => Some((queue.name.as_ref()?.value.as_str(), to)),
            _ => None,
        })
        .collect();
    let mut told: Vec<&str> = Vec::new();
    for start in raw.queues.iter().filter_map(|queue| queue.name.as_ref()) {
        let mut path = vec![start.value.as_str()];
        while let Some(to) = path.last().and_then(|last| next.get(last)) {
            if to.value == start.value {
                path.push(&start.value);
                if !path.iter().any(|name| told.contains(name)) {
                    let message = format!("unanswered calls go round for ever: {}", path.join(" → "));
                    report.fault(Fault::new(&to.place, message).help("let one of them end in \"hangup\" or elsewhere"));
                }
                told.extend(&path);
                break;
            }
            if path.contains(&to.value.as_str()) {
                break; // a circle that does not come back here is told where it does
            }
            path.push(&to.value);
        }
    }
}
