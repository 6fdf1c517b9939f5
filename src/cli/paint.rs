//! Ladders on a terminal: colours where it is one, and nothing that a peer wrote moves its cursor.

use std::io::IsTerminal;

use owo_colors::OwoColorize;

use crate::call::ladder::{self, Entry, Ink};

/// A ladder as standard output can show it.
pub(super) fn ladder(entries: &[Entry]) -> String {
    let colours = colours();
    ladder::print(entries, &|ink, text| if colours { coloured(ink, &inert(text)) } else { inert(text) })
}

/// Whether standard output takes colours: a terminal, and `NO_COLOR` is not set.
pub(super) fn colours() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

pub(super) use crate::base::inert;

fn coloured(ink: Ink, text: &str) -> String {
    match ink {
        Ink::Time | Ink::Why => text.dimmed().to_string(),
        Ink::Request => text.bold().to_string(),
        Ink::Answer => text.green().to_string(),
        Ink::Refusal => text.red().to_string(),
        Ink::Decision => text.cyan().bold().to_string(),
        Ink::Crm => text.yellow().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Wall;
    use crate::call::ladder::What;

    #[test]
    fn a_ladder_that_goes_to_no_terminal_is_plain_and_inert() {
        let what = What::Sip {
            from: "carrier".to_owned(),
            to: "ramal".to_owned(),
            start_line: "INVITE sip:\u{1b}[2J@x SIP/2.0".to_owned(),
            call_id: "1".to_owned(),
            again: false,
        };
        let text = ladder(&[Entry { at: Wall::default(), what }]);
        assert!(text.contains("INVITE sip:\u{fffd}[2J@x"), "{text}");
        assert!(!text.contains('\u{1b}'));
    }
}
