//! What the files name, each once, and what other sections mean by it.

use std::collections::HashMap;

use crate::config::fault::{At, Fault, Report, nearest};
use crate::config::raw::Raw;

/// All names of the files, right or wrong, so that a reference to a faulty thing is no second fault.
pub(super) struct Names<'a> {
    trunks: Known<'a>,
    pbxs: Known<'a>,
    employees: Known<'a>,
    queues: Known<'a>,
}

/// The names of one kind of thing.
struct Known<'a> {
    names: Vec<&'a At<String>>,
    /// One lacks its name: then nobody can say that a reference means nothing.
    some_unnamed: bool,
}

impl<'a> Known<'a> {
    /// Gathers them; a name given twice is a fault.
    fn of(kind: &str, names: impl Iterator<Item = &'a Option<At<String>>> + Clone, report: &Report) -> Self {
        let some_unnamed = names.clone().any(Option::is_none);
        let names: Vec<_> = names.flatten().collect();
        twice(kind, &names, report);
        Self { names, some_unnamed }
    }

    fn texts(&self) -> impl Iterator<Item = &'a str> {
        self.names.iter().map(|name| name.value.as_str())
    }
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
    /// Gathers them; a name or an extension given twice is a fault.
    pub(super) fn of(raw: &'a Raw, report: &Report) -> Self {
        let staff = raw.employees.iter().filter_map(|employee| employee.extension.as_ref());
        let dialled = raw.queues.iter().filter_map(|queue| queue.extension.as_ref());
        twice("extension", &staff.chain(dialled).collect::<Vec<_>>(), report);
        Self {
            trunks: Known::of("trunk", raw.trunks.iter().map(|trunk| &trunk.name), report),
            pbxs: Known::of("PBX", raw.pbxs.iter().map(|pbx| &pbx.name), report),
            employees: Known::of("employee", raw.employees.iter().map(|employee| &employee.id), report),
            queues: Known::of("queue", raw.queues.iter().map(|queue| &queue.name), report),
        }
    }

    pub(super) fn is_trunk(&self, name: &str) -> bool {
        self.trunks.texts().any(|trunk| trunk == name)
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
        if known.some_unnamed || known.texts().any(|known| known == name) {
            return Some(name.clone());
        }
        let is = if thing == Thing::Employee { "who is" } else { "which is" };
        let message = format!("{who} names `{name}`, {is} {}", thing.no_such());
        let help = nearest(name, known.texts()).unwrap_or_else(|| match known.texts().collect::<Vec<_>>().as_slice() {
            [] => "there is none in the files".to_owned(),
            names => format!("there is {}", names.join(", ")),
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
