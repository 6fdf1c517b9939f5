//! A call's ladder: its SIP messages with the decisions and CRM writes between them, in order.

use serde::{Deserialize, Serialize};

use crate::base::{Wall, is_harmful};
use crate::crm::model::{PassedOver, WriteKind, WriteState};

/// How many lines a ladder may have: a peer that floods a dialog makes a long ladder no longer.
const LONGEST: usize = 2_000;
/// How many characters of a start line it shows: a URI or a reason phrase may have thousands.
const WIDEST: usize = 256;

/// A ladder as it grows.
#[derive(Debug, Default)]
pub struct Ladder(Vec<Entry>);

impl Ladder {
    /// Adds a line, unless the ladder is full.
    pub fn push(&mut self, at: Wall, what: What) {
        if self.0.len() < LONGEST {
            self.0.push(Entry { at, what });
        }
    }

    /// All lines, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// All lines, in order, given away.
    pub fn into_entries(self) -> Vec<Entry> {
        self.0
    }
}

/// A start line as a ladder shows it: a peer's text is cut where it is too wide, and moves no cursor.
pub fn shown(start_line: &str) -> String {
    let inert = |c: char| if is_harmful(c) { char::REPLACEMENT_CHARACTER } else { c };
    let mut shown: String = start_line.chars().take(WIDEST).map(inert).collect();
    if start_line.chars().nth(WIDEST).is_some() {
        shown.push('…');
    }
    shown
}

/// One line of a ladder, as `GET /api/calls/{id}` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Wall,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What a ladder's line says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum What {
    /// A message.
    Sip {
        /// Who sent it: `carrier`, `ramal`, `ana`.
        from: String,
        /// To whom.
        to: String,
        /// `INVITE sip:+551140028922@… SIP/2.0`, `SIP/2.0 180 Ringing`.
        start_line: String,
        /// The Call-ID of its leg.
        call_id: String,
        /// A retransmission.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        again: bool,
    },
    /// A decision.
    Decision {
        /// What was decided.
        what: String,
        /// Why.
        why: String,
        /// And what was not taken.
        passed_over: Vec<PassedOver>,
    },
    /// A write to the CRM.
    Crm {
        /// Which.
        write: WriteKind,
        /// How far it has come.
        state: WriteState,
        /// What it came to, or why it is still owed.
        detail: String,
    },
    /// Something about media.
    Media {
        /// What.
        what: String,
    },
}

/// What a piece of a printed ladder is, for whoever gives it a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// Seconds since the ladder's first line.
    Time,
    /// A request.
    Request,
    /// An answer below 300.
    Answer,
    /// An answer from 300 on.
    Refusal,
    /// A decision.
    Decision,
    /// A write to the CRM.
    Crm,
    /// A reason, or what was passed over.
    Why,
}

/// A ladder for people, one line an entry; `paint` may colour each piece.
pub fn print(entries: &[Entry], paint: &dyn Fn(Ink, &str) -> String) -> String {
    let Some(first) = entries.first() else { return String::new() };
    let mut out = String::new();
    for entry in entries {
        let ms = entry.at.unix_millis() - first.at.unix_millis();
        let time = format!("{:>4}.{:03}", ms / 1_000, ms.rem_euclid(1_000));
        out.push_str(&paint(Ink::Time, &time));
        out.push_str("  ");
        print_entry(&entry.what, paint, &mut out);
    }
    out
}

/// A ladder without colours.
pub fn plain(entries: &[Entry]) -> String {
    print(entries, &|_, text| text.to_owned())
}

fn print_entry(what: &What, paint: &dyn Fn(Ink, &str) -> String, out: &mut String) {
    match what {
        What::Sip { from, to, start_line, again, .. } => {
            let ink = match start_line.strip_prefix("SIP/2.0 ").and_then(|rest| rest.bytes().next()) {
                None => Ink::Request,
                Some(b'1' | b'2') => Ink::Answer,
                Some(_) => Ink::Refusal,
            };
            let line = start_line.strip_prefix("SIP/2.0 ").unwrap_or(start_line);
            let line = line.strip_suffix(" SIP/2.0").unwrap_or(line);
            out.push_str(&format!("{from:>10} → {to:<10} {}", paint(ink, line)));
            out.push_str(if *again { "  (again)\n" } else { "\n" });
        }
        What::Decision { what, why, passed_over } => {
            out.push_str(&format!("{:>12} {}  {}\n", "◆", paint(Ink::Decision, what), paint(Ink::Why, why)));
            for passed in passed_over {
                let text = format!("not {}: {}", passed.what, passed.why);
                out.push_str(&format!("{:>24} {}\n", "", paint(Ink::Why, &text)));
            }
        }
        What::Crm { write, state, detail } => {
            let state = match state {
                WriteState::Owed => "owed",
                WriteState::Written => "written",
                WriteState::Dead => "DEAD",
            };
            let text = format!("{} {state}", write.as_str());
            out.push_str(&format!("{:>12} {}  {}\n", "■", paint(Ink::Crm, &text), paint(Ink::Why, detail)));
        }
        What::Media { what } => out.push_str(&format!("{:>12} {what}\n", "♪")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_line_is_cut_and_moves_no_cursor() {
        assert_eq!(shown("SIP/2.0 180 Ringing"), "SIP/2.0 180 Ringing");
        assert_eq!(shown("SIP/2.0 180 \u{1b}[2J\u{9b}H"), "SIP/2.0 180 \u{fffd}[2J\u{fffd}H");
        let long = format!("SIP/2.0 180 {}", "é".repeat(8_000));
        assert_eq!(shown(&long).chars().count(), WIDEST + 1);
        assert_eq!(shown(&"é".repeat(WIDEST)), "é".repeat(WIDEST));
    }
}
