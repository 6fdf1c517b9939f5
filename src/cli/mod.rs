//! The commands: each a function that prints and says how it went; none of them decides anything itself.

pub mod check;
pub mod crm;
pub mod explain;
pub mod number;
