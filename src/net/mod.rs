//! Sockets.

mod icmp;
pub mod sink;
pub mod udp;
