//! Phone numbers: E.164 as a value, and how what carriers and people write is read.

mod number;

pub use number::{NotE164, PhoneNumber};
