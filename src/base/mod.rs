//! Words that all layers share: time, identifiers, phone numbers, names. No I/O, no clock, no chance of its own.

mod hop;
mod identity;
mod ids;
mod inert;
mod names;
mod now;
pub mod phone;
mod redact;
mod secret;

pub use hop::{Hop, HostName, Transport, Way};
pub use identity::{Identities, Party};
pub use ids::{CallId, CallIds, Ids, LegId};
pub use inert::{inert, is_harmful};
pub use names::{EmployeeId, PbxName, QueueName, TrunkName};
pub use now::{Instant, Now, Wall};
pub use phone::PhoneNumber;
pub use redact::{Pii, set_redaction};
pub use secret::{Account, Secret};
