//! Whole calls in the sim, a file for each thing a call can do.

mod attended;
mod bridge;
mod connected;
mod crm;
mod dialogs;
mod lamps;
mod loss;
mod patience;
mod phones;
mod queue;
mod redirect;
mod settings;
mod setup;
mod simple;
mod takeover;
mod transfer;
mod transfers_table;
mod trunks;

use std::time::Duration;

use crate::crm::model::{CallRecord, Outcome};
use crate::route::testing::{House, house};
use crate::sim::{Act, Sim, State};

/// A customer whom the CRM knows in the tests that need one: ana's.
const MARIA: &str = "+5511987654321";
/// One whom it doesn't know.
const STRANGER: &str = "+5521976543210";

fn sim(house: House) -> Sim {
    Sim::new(7, house.build()).knows(MARIA, "Maria Souza", "ana")
}

/// An office in which bruno answers at once.
fn bruno_answers() -> Sim {
    sim(house()).phone_does("bruno", &[(20, Act::Ring), (1_500, Act::Answer)])
}

fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn ms(m: u64) -> Duration {
    Duration::from_millis(m)
}

fn up(name: &'static str) -> impl Fn(&Sim) -> bool {
    move |s: &Sim| s.has_rung(name) && s.party(name).state == State::Up
}

fn ringing(name: &'static str) -> impl Fn(&Sim) -> bool {
    move |s: &Sim| s.has_rung(name) && s.party(name).state == State::Ringing
}

fn over(name: &'static str) -> impl Fn(&Sim) -> bool {
    move |s: &Sim| s.has_rung(name) && matches!(s.party(name).state, State::Over(_))
}

/// The only record that was saved.
#[track_caller]
fn the_record(sim: &Sim) -> &CallRecord {
    assert_eq!(sim.crm.records.len(), 1, "one call, one record");
    &sim.crm.records[0]
}

/// The legs of the record as `who outcome`.
fn legs(record: &CallRecord) -> Vec<String> {
    record.legs.iter().map(|l| format!("{} {}", l.employee, l.outcome.as_str())).collect()
}

fn events(sim: &Sim) -> Vec<&'static str> {
    sim.published.iter().map(|p| p.event).collect()
}

#[track_caller]
fn assert_answered_by(sim: &Sim, who: &str) {
    let record = the_record(sim);
    assert_eq!(record.outcome, Some(Outcome::Answered));
    assert_eq!(record.employee.as_ref().map(crate::base::EmployeeId::as_str), Some(who));
}
