//! The four transaction machines of RFC 3261 §17, with the Accepted states of RFC 6026; no I/O, no clock.
//!
//! A machine is fed what the peer or the transaction user (TU) did, with the time, and pushes [`Effect`]s. It never
//! looks into a message: it needs the method, the status and the bytes to repeat. Matching messages to machines is
//! [`key`]'s; repeating a 2xx to INVITE until its ACK comes is the TU's (RFC 3261 §13.3.1.4).

mod client;
mod invite_client;
mod invite_server;
pub mod key;
mod server;
mod timers;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use smallvec::SmallVec;

pub use client::Client;
pub use invite_client::InviteClient;
pub use invite_server::InviteServer;
pub use key::{ClientKey, ServerKey};
pub use server::Server;
pub use timers::{Backoff, Timers};

/// What a machine wants done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send this for the first time.
    Send(Bytes),
    /// Send this once more.
    Resend(Bytes),
    /// The message that was fed in is news for the TU.
    Pass,
    /// No final response came (timers B, F), or no ACK (timer H).
    TimedOut,
    /// The request could not be sent.
    Unreachable,
}

/// The effects of one event.
pub type Effects = SmallVec<[Effect; 2]>;

/// What happens to a client transaction.
#[derive(Clone, Copy)]
pub enum ClientEvent<'a> {
    /// A response that [`ClientKey`] matched.
    Response {
        /// Its code.
        status: u16,
        /// Makes the ACK to it; asked only for a final one to INVITE that isn't 2xx.
        ack: &'a dyn Fn() -> Bytes,
    },
    /// Time may have come.
    Wake,
    /// The transport says that a message did not get there.
    Unreachable,
}

/// What happens to a server transaction.
#[derive(Debug, Clone)]
pub enum ServerEvent {
    /// Its request, once more.
    Again,
    /// The ACK that [`ServerKey`] matched.
    Ack,
    /// The TU responds.
    Respond {
        /// With this code.
        status: u16,
        /// And this message.
        bytes: Bytes,
    },
    /// Time may have come.
    Wake,
}
