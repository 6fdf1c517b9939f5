//! What the files name, each once, and what other sections mean by it.

use std::collections::HashMap;

use crate::config::fault::{At, Fault, Report, nearest};
use crate::config::raw::Raw;

/// All names of the files, right or wrong, so that a reference to a faulty thing is no second fault.
pub(super) struct Names<'a> {
    trunks: Vec<&'a str>,
    pbxs: Vec<&'a str>,
    employees: Vec<&'a str>,
    queues: Vec<&'a str>,
}

/// What a reference means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thing {
    Trunk,
    Pbx,
    Employee,
    Queue,
}

impl Thing {
    const fn no_such(self) -> &'static str {
        match self {
            Self::Trunk => "no trunk",
            Self::Pbx => "no PBX",
            Self::Employee => "no employee",
            Self::Queue => "no queue",
        }
    }
}

impl<'a> Names<'a> {
    /// Gathers them; a name given twice is a fault.
    pub(super) fn of(raw: &'a Raw, report: &Report) -> Self {
        let trunks: Vec<_> = raw.trunks.iter().filter_map(|trunk| trunk.name.as_ref()).collect();
        let pbxs: Vec<_> = raw.pbxs.iter().filter_map(|pbx| pbx.name.as_ref()).collect();
        let employees: Vec<_> = raw.employees.iter().filter_map(|employee| employee.id.as_ref()).collect();
        let queues: Vec<_> = raw.queues.iter().filter_map(|queue| queue.name.as_ref()).collect();
        twice("trunk", &trunks, report);
        twice("PBX", &pbxs, report);
        twice("employee", &employees, report);
        twice("queue", &queues, report);
        let staff = raw.employees.iter().filter_map(|employee| employee.extension.as_ref());
        let dialled = raw.queues.iter().filter_map(|queue| queue.extension.as_ref());
        twice("extension", &staff.chain(dialled).collect::<Vec<_>>(), report);
        let texts = |names: Vec<&'a At<String>>| names.into_iter().map(|name| name.value.as_str()).collect();
        Self { trunks: texts(trunks), pbxs: texts(pbxs), employees: texts(employees), queues: texts(queues) }
    }

    pub(super) fn is_trunk(&self, name: &str) -> bool {
        self.trunks.contains(&name)
    }

    /// The name, where something has it; else a fault: `queue `sales` lists `brun`, who is no employee`.
    pub(super) fn meant(&self, thing: Thing, wanted: &At<String>, who: &str, report: &Report) -> Option<String> {
        let known = match thing {
            Thing::Trunk => &self.trunks,
            Thing::Pbx => &self.pbxs,
            Thing::Employee => &self.employees,
            Thing::Queue => &self.queues,
        };
        let name = &wanted.value;
        if known.contains(&name.as_str()) {
            return Some(name.clone());
        }
        let is = if thing == Thing::Employee { "who is" } else { "which is" };
        let message = format!("{who} names `{name}`, {is} {}", thing.no_such());
        let help = nearest(name, known.iter().copied()).unwrap_or_else(|| match known.as_slice() {
            [] => "there is none in the files".to_owned(),
            known => format!("there is {}", known.join(", ")),
        });
        report.fault(Fault::new(&wanted.place, message).label(thing.no_such()).help(help));
        None
    }
}

fn twice(kind: &str, names: &[&At<String>], report: &Report) {
    let mut first: HashMap<&str, &At<String>> = HashMap::new();
    for name in names {
        match first.get(name.value.as_str()) {
            Some(earlier) => {
                let message = format!("{kind} `{}` stands twice in the files", name.value);
                report.fault(
                    Fault::new(&name.place, message).label("again").help(format!("the first is {}", standing(earlier))),
                );
            }
            None => {
                first.insert(&name.value, name);
            }
        }
    }
}

/// Where something stands: `config/ramal.toml:12`.
pub(super) fn standing<T>(at: &At<T>) -> String {
    let place = Fault::new(&at.place, "");
    format!("{}:{}", place.file(), place.line())
}
