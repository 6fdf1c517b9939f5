//! Session descriptions (RFC 8866) as far as a B2BUA must touch them: line by line, everything unread kept as it came.

mod answer;
mod answering;
mod document;

pub use answer::as_answer;
pub use answering::{fitted, streams};
pub use document::{Direction, Origin, audio_address, direction, origin, same_media, with_origin, without_hold};
