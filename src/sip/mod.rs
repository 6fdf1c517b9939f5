//! RFC 3261 and kin, without I/O: [`message`] reads and prints, [`transaction`] keeps the four machines,
//! [`dialog`] what two ends agreed on, [`digest`] who they are, and [`agent`] all of that for one call. Outside of calls,
//! [`outside`] keeps the transactions; [`registration`] stays registered somewhere, [`registrar`] keeps who registered
//! here, behind [`nonces`], and [`health`] says whether a peer is there.

pub mod agent;
pub mod dialog;
pub mod digest;
pub mod health;
pub mod message;
pub mod nonces;
pub mod outside;
pub mod registrar;
pub mod registration;
pub mod subscription;
pub mod transaction;
