//! The B2BUA: one [`Call`] joins an A leg (toward the caller) and B legs (toward callees), asks the CRM, rings whom
//! the plan names, bridges, transfers, and leaves one record. A machine without I/O: it takes `(now, event)` and
//! pushes actions.

pub mod action;
pub mod env;
pub mod event;
pub mod ladder;

pub use action::{CallAction, Publication};
pub use env::Env;
pub use event::CallEvent;
