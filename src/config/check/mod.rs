//! Sections held against each other: names that are meant, things named twice, keys at odds, then the [`Directory`].

mod crm;
mod gateways;
mod later;
mod lines;
mod names;
mod numbers;
mod people;
mod system;

use std::sync::Arc;

use super::fault::{Fault, Place, Report};
use super::raw::Raw;
use super::settings::Settings;
use crate::route::directory::Directory;

/// What the files say. Where a fault was reported, the settings are not to be used.
pub(super) fn check(raw: &Raw, whole: &Place, report: &Report) -> Settings {
    let names = names::Names::of(raw, report);
    let numbers = numbers::Numbers::of(raw, report);
    let mut directory = Directory::default();
    directory.trunks = gateways::trunks(raw, report);
    directory.pbxs = gateways::pbxs(raw, &numbers, &names, report);
    directory.employees = people::employees(raw, &numbers, report);
    directory.queues = people::queues(raw, &numbers, &names, report);
    directory.lines = lines::lines(raw, &numbers, &names, report);
    directory.crm = crm::rules(raw, &numbers, report);
    directory.blacklist = system::blacklist(raw, &numbers, report);
    directory.limits = system::limits(raw, &numbers);
    directory.domain = raw.sip.as_ref().and_then(|sip| sip.domain.as_ref()).map(|domain| domain.value.clone());
    gateways::origins(raw, report);
    later::bypass(raw, report);
    later::not_yet(raw, whole, report);
    if raw.lines.is_empty() {
        let help = "add a [[line]] with the number that customers call";
        report.warn(Fault::new(whole, "there is no line: calls from and to the outside will be refused").help(help));
    }
    let directory = Arc::new(directory.index());
    let settings = system::settings(raw, directory, report);
    gateways::unheard(raw, &settings.sip.listen, report);
    settings
}
