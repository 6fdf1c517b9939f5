//! The commands.

pub mod crm;
