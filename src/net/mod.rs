//! How messages travel: sockets, and what the wire between them needs.

pub mod framing;
mod icmp;
pub mod sink;
pub mod udp;
