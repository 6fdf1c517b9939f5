//! RFC 3261 and kin, without I/O: [`message`] reads and prints, [`transaction`] keeps the four machines,
//! [`dialog`] what two ends agreed on, [`digest`] who they are, and [`agent`] all of that for one call.

pub mod agent;
pub mod dialog;
pub mod digest;
pub mod message;
pub mod transaction;
