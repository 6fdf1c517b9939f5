//! What the demo prints: titles, ladders, rows and promises; coloured on a terminal.

use owo_colors::OwoColorize;

use crate::call::ladder::Entry;
use crate::cli::out::{self, say};
use crate::cli::paint;
use crate::crm::embedded::Found;

/// Where to, and in which colours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Printer {
    coloured: bool,
}

impl Printer {
    /// Coloured where standard output is a terminal and `NO_COLOR` is not set.
    pub(super) fn new() -> Self {
        Self { coloured: paint::colours() }
    }

    /// The heading of a scene.
    pub(super) fn title(self, text: &str) {
        if self.coloured {
            say!("\n{}\n", text.bold().underline());
        } else {
            say!("\n{text}\n{}\n", "=".repeat(text.chars().count()));
        }
    }

    /// A call's ladder.
    pub(super) fn ladder(self, entries: &[Entry]) {
        out::text(&paint::ladder(entries));
    }

    /// A promise, kept or not.
    pub(super) fn promise(self, text: &str, kept: bool) {
        match (kept, self.coloured) {
            (true, true) => say!("  {} {text}", "✓".green()),
            (true, false) => say!("  ✓ {text}"),
            (false, true) => say!("  {} {}", "✗".red().bold(), text.red()),
            (false, false) => say!("  ✗ NOT SO: {text}"),
        }
    }

    /// All that the CRM has of a number.
    pub(super) fn rows(self, found: &Found) {
        say!("  {}  {}", found.phone, found.lookup.as_str());
        let nobody = || "nobody".to_owned();
        for client in found.contacts.iter().chain(&found.companies) {
            let owner = client.responsible.as_ref().map_or_else(nobody, ToString::to_string);
            say!("    client {:>2}    {}, responsible {owner}", client.id, client.name);
        }
        for lead in &found.leads {
            let owner = lead.responsible.as_ref().map_or_else(nobody, ToString::to_string);
            let source = lead.source.as_deref().unwrap_or("-");
            say!("    lead {:>2}      responsible {owner}, source {source}, {}", lead.id, lead.status);
        }
        for activity in &found.activities {
            let who = activity.employee.as_ref().map_or_else(nobody, ToString::to_string);
            let at = activity.attached_to.map_or_else(|| "-".to_owned(), |e| e.to_string());
            let outcome = activity.outcome.as_str();
            say!("    activity {:>2}  {outcome}, {who}, {} s talked, at {at}", activity.id, activity.talk_seconds);
        }
    }
}
