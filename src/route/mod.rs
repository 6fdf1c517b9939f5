//! Where a call goes. [`directory`] is what the files say, checked; the rest are pure functions over it that live
//! calls, `explain`, `check` and tests share.

pub mod caller;
pub mod dial;
pub mod directory;
pub mod hours;
pub mod inbound;
pub mod origin;
pub mod plan;
mod planner;
pub mod reach;
#[cfg(test)]
pub(crate) mod testing;

pub use caller::Caller;
pub use dial::{Dialled, Dialler, dial, is_blacklisted, refuse_blacklisted};
pub use inbound::{Entry, Incoming, Internal, Outgoing, Refusal, inbound};
pub use origin::{Origin, origin};
