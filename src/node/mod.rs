//! The composition of everything: sockets, live calls, timers, the CRM, the store, around the machines that do no I/O.

mod clock;
pub mod events;
mod handle;
mod timers;
pub mod trace;

pub use handle::{Handle, NotReady, PresenceError, ReloadError};
