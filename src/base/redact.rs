//! The wrapper through which personal data reaches a log, and the switch that blanks it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

static REDACTED: AtomicBool = AtomicBool::new(true);

/// Switches the blanking of personal data in logs for the whole process; on by default.
pub fn set_redaction(on: bool) {
    REDACTED.store(on, Ordering::Relaxed);
}

/// A phone number, a URI with a user part, a name or a body on its way to a log.
///
/// Shows its last two characters only, so that an operator can tell two numbers apart and nobody learns one.
#[derive(Clone, Copy)]
pub struct Pii<T>(pub T);

impl<T: fmt::Display> fmt::Display for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !REDACTED.load(Ordering::Relaxed) {
            return self.0.fmt(f);
        }
        let text = self.0.to_string();
        let shown = text.chars().count().saturating_sub(2);
        f.write_str("…")?;
        text.chars().skip(shown.max(2)).try_for_each(|c| write!(f, "{c}"))
    }
}

impl<T: fmt::Display> fmt::Debug for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_last_two_characters_only() {
        assert_eq!(Pii("+5511987654321").to_string(), "…21");
        assert_eq!(Pii("ab").to_string(), "…");
        assert_eq!(Pii("").to_string(), "…");
    }
}
