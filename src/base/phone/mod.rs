//! Phone numbers: E.164 as a value, and how what carriers and people write is read.

mod abroad;
mod brazil;
mod clean;
mod forms;
mod number;
mod read;
#[cfg(test)]
mod table;

pub use abroad::{country, is_area, is_country, warm_up};
pub use forms::{keys, national, spaced, variants};
pub use number::{NotE164, PhoneNumber};
pub use read::{Context, Kind, Reading, read};
