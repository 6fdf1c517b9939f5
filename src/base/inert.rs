//! Text from outside on its way to people's eyes: nothing in it moves a cursor, colours a screen or turns a line round.

/// Whether a character does something else than being read: control characters, the line and paragraph separators that
/// end a log line in some readers, and Unicode's marks that change the direction of what stands beside them.
pub fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The text with a sign in the place of each such character.
pub fn inert(text: &str) -> String {
    text.chars().map(|c| if is_harmful(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_a_cursor_or_turns_a_line_round_is_shown_as_such_and_names_stay() {
        assert_eq!(inert("João \"Zé\" <b>=1+1</b> 你好"), "João \"Zé\" <b>=1+1</b> 你好");
        assert_eq!(
            inert("a\r\nb\u{1b}[2Jc\u{202e}gpj\u{2066}\u{2028}"),
            "a\u{fffd}\u{fffd}b\u{fffd}[2Jc\u{fffd}gpj\u{fffd}\u{fffd}"
        );
    }
}
