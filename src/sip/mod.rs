//! RFC 3261 and kin, without I/O: [`message`] reads and prints, [`transaction`] keeps the four machines,
//! [`dialog`] what two ends agreed on, [`digest`] who they are, [`agent`] all of that for one call, and [`outside`] what
//! is said outside of calls.

pub mod agent;
pub mod dialog;
pub mod digest;
pub mod message;
pub mod outside;
pub mod transaction;
