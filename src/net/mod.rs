//! How messages travel: sockets, and what the wire between them needs.

pub mod framing;
mod icmp;
pub mod outbound;
pub mod sink;
pub mod tcp;
pub mod udp;
