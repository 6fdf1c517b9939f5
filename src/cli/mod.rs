//! The commands: each a function that prints and says how it went.

pub mod check;
pub mod number;
