//! How messages travel: sockets, and what the wire between them needs.
//!
//! `udp` is one socket a listener. Everything else is `connections`: a table of them, a task for each (`connection`),
//! whose two halves (`stream`, `websocket`) give and take whole messages, over `tls` or not. What comes goes to the
//! `sink`; what goes leaves by `outbound`.

mod connection;
pub mod connections;
pub mod framing;
mod icmp;
pub mod listener;
pub mod outbound;
pub mod sink;
mod stream;
pub mod tls;
pub mod udp;
mod websocket;

#[cfg(test)]
mod tests;
