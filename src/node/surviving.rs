//! What keeps the tasks that bring messages and wake-ups alive.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs what one message or one wake-up set off: a fault of ours in it costs that one, not the task that brings all
/// others. The panic hook has said where.
pub(super) fn surviving(what: impl FnOnce()) {
    // Locks here are not poisoned by a panic, and a call that was half stepped is taken out by its own guard.
    if catch_unwind(AssertUnwindSafe(what)).is_err() {
        tracing::error!("a fault of ours lost a message or a wake-up");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_goes_no_further() {
        surviving(|| panic!("a fault that the test puts in"));
    }
}
