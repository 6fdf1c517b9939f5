//! Standard output, where whoever reads it may stop: `ramal calls | head` is no fault.

use std::io::{self, Write};

use serde::Serialize;

/// A line for people: `println!` without its panic where nobody reads on.
macro_rules! say {
    () => { $crate::cli::out::text("\n") };
    ($($said:tt)*) => { $crate::cli::out::text(&(format!($($said)*) + "\n")) };
}
pub(super) use say;

/// Prints text for people.
pub(super) fn text(text: &str) {
    let mut out = io::stdout().lock();
    if let Err(fault) = out.write_all(text.as_bytes()).and_then(|()| out.flush())
        && fault.kind() != io::ErrorKind::BrokenPipe
    {
        // Where both go to the same full disk, nothing is left to say it to.
        let _ = writeln!(io::stderr(), "standard output: {fault}");
    }
}

/// Prints one JSON document.
pub(super) fn json(document: &impl Serialize) {
    let mut line = serde_json::to_string(document).expect("plain data with text for keys has a JSON form");
    line.push('\n');
    text(&line);
}
