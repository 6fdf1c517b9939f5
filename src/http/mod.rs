//! HTTP: what `/healthz`, `/readyz`, `/metrics`, `/api` and the control socket say and do.
//!
//! [`router::public`] is what `http.listen` serves, [`router::control`] what the commands reach over `http.control`:
//! the same API without a token, and what the commands need besides. [`server`] holds the sockets. Everything is asked
//! of the node's handle, the store and the outbox; nothing is decided here.

mod api;
mod attempts;
mod auth;
mod caller;
mod control;
mod error;
mod guard;
mod health;
mod openapi;
pub mod page;
pub mod router;
mod schema;
pub mod server;
mod sessions;
mod shared;

#[cfg(test)]
mod tests;

pub use api::{PresenceBody, Reloaded};
pub use control::LiveFacts;
pub use shared::Shared;
