//! The B2BUA: one [`Call`] joins an A leg (toward the caller) and B legs (toward callees), asks the CRM, rings whom
//! the plan names, bridges, transfers, and leaves one record. A machine without I/O: it takes `(now, event)` and
//! pushes actions.
//!
//! The way through a call is the way through these files: `setup` asks and hunts (`hunt`; `outside`: by which trunk and
//! as whom; `redirect`: where a phone sends it on), `bridge` carries what two parties say inside their dialogs (`patience`: once it may go),
//! `transfer` hands one of them on (`between`: to whom she talks with in another call, `takeover`: to who calls in,
//! `connected`: inside the PBX; `join`: with media; `handover`: and what follows), `ending` makes the record;
//! `owing` keeps what the CRM is told on the way, [`ladder`] what an operator reads afterwards, `lamp` what colleagues see.

pub mod action;
mod between;
mod bridge;
pub mod card;
mod channels;
mod connected;
mod cx;
mod early;
mod ending;
pub mod env;
pub mod event;
mod facts;
mod handing;
mod handover;
mod hunt;
mod join;
pub mod ladder;
mod lamp;
mod leg;
mod machine;
mod outside;
mod owing;
mod patience;
mod phones;
mod records;
mod redirect;
mod setup;
mod takeover;
#[cfg(test)]
mod tests;
mod transfer;

pub use action::{CallAction, Publication};
pub use between::{Gift, Rank, Word};
pub use channels::{Channel, Channels};
pub use env::Env;
pub use event::CallEvent;
pub use machine::{Beginning, Call};
pub(crate) use owing::told;
pub use takeover::Replacing;

use machine::Phase;
