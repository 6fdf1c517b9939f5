//! What a CRM holds ([`EntityRef`]), what a lookup can say ([`Lookup`]), what is told of a call ([`CallRecord`]), and
//! what a call owes the CRM ([`Write`]). Plain data.

mod card;
mod entity;
mod lookup;
mod record;
mod write;

pub use card::{CardAction, CardDecision};
pub use entity::{EntityKind, EntityRef, NotAnEntity};
pub use lookup::{Decision, Exclusion, Known, Lookup, LookupKind, NoAnswer, PassedOver};
pub use record::{CallRecord, CallState, Direction, LegRecord, Outcome};
pub use write::{Effect, NewRecord, OwedWrite, Write, WriteKind, WriteNews, WriteState};
