//! The operator's files: read whole, every fault named with its place and a mend, then turned into [`Settings`] once.
//!
//! [`load`] is the way in. `tree` reads one table of TOML, `raw` a whole section of it, `check` what sections say of each
//! other. Nothing behind this module sees TOML, and nothing in it sees a call.

mod certificate;
mod check;
mod fault;
mod load;
mod raw;
mod secret;
mod settings;
mod tree;
mod value;

#[cfg(test)]
mod tests;

pub use crate::base::Secret;
pub use certificate::Certificate;
pub use fault::{Fault, Faults};
pub use load::{Loaded, load};
pub use settings::{Http, Log, LogFormat, LogLevel, MediaMode, Settings, Sip, SipTimers, Store, Trace, UnknownSource};
