//! The commands, as functions that print: none of them decides anything itself.

pub mod explain;
