//! The lines of a head: folds, names and values, and the length of the body, for [`parse`](super::parse) and for the
//! framing of streams alike, so that the two never differ about where a message ends.

use std::ops::Range;

use super::error::{Fault, Syntax};
use super::{Name, Text, lexer};

/// The length of the body that follows this head on a stream, found just as [`parse`](super::parse) will find it.
///
/// # Errors
/// Where the next message begins cannot be told.
pub fn body_length(head: &[u8]) -> Result<usize, Fault> {
    let (mut length, mut has_type) = (None, false);
    for (line, _) in Lines::of(head) {
        let Some((name, value)) = split(head, &line) else { continue };
        match head.get(name).and_then(Name::known) {
            Some(Name::ContentLength) => same_length(&mut length, &unfolded(head.get(value).unwrap_or_default())?)?,
            Some(Name::ContentType) => has_type = true,
            _ => {}
        }
    }
    match length {
        Some(length) => Ok(length),
        // RFC 3261 §18.3: "The Content-Length header field MUST be used with stream oriented transports." Where there
        // is no body either, its absence does no harm.
        None if has_type => Err(Fault::Missing(Name::ContentLength)),
        None => Ok(0),
    }
}

/// The lines of a head, continuations joined to their line.
pub(super) struct Lines<'a> {
    bytes: &'a [u8],
    /// Where the next one begins.
    pub(super) at: usize,
}

impl<'a> Lines<'a> {
    pub(super) const fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }
}

impl Iterator for Lines<'_> {
    /// Where the line lies, without its end, and whether it has continuations.
    type Item = (Range<usize>, bool);

    /// RFC 3261 §7.3.1: "Header fields can be extended over multiple lines by preceding each extra line with at least
    /// one SP or horizontal tab".
    fn next(&mut self) -> Option<Self::Item> {
        let begin = self.at;
        let mut folded = false;
        if begin >= self.bytes.len() {
            return None;
        }
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let end = self.at + memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            self.at = (end + 1).min(self.bytes.len());
            let line = self.bytes.get(begin..end).unwrap_or_default();
            let end = if line.last() == Some(&b'\r') { end - 1 } else { end };
            let goes_on = matches!(self.bytes.get(self.at), Some(b' ' | b'\t'));
            // The empty line that ends the head has no continuation, whatever the body begins with.
            if end == begin || !goes_on {
                return Some((begin..end, folded));
            }
            folded = true;
        }
    }
}

/// The name before the colon and the value after it.
pub(super) fn split(bytes: &[u8], line: &Range<usize>) -> Option<(Range<usize>, Range<usize>)> {
    let text = bytes.get(line.clone())?;
    let colon = memchr::memchr(b':', text)?;
    let name = text.get(..colon)?.trim_ascii_end().len();
    Some((line.start..line.start + name, line.start + colon + 1..line.end))
}

/// RFC 3261 §7.3.1: "The line break and the whitespace at the beginning of the next line are treated as a single
/// SP character."
pub(super) fn unfolded(value: &[u8]) -> Result<Text, Fault> {
    let mut out = Vec::with_capacity(value.len());
    let blank = |b: u8| matches!(b, b' ' | b'\t');
    for line in value.split(|&b| b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let end = line.iter().rposition(|&b| !blank(b)).map_or(0, |last| last + 1);
        let line = line.get(..end).unwrap_or_default();
        let line = line.get(line.iter().take_while(|b| blank(**b)).count()..).unwrap_or_default();
        if line.is_empty() {
            continue;
        }
        if memchr::memchr(b'\r', line).is_some() {
            return Err(Fault::BareCr);
        }
        if !out.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(line);
    }
    Ok(Text::from_wire(&out.into()))
}

/// Takes a Content-Length, which may stand twice only with the same value.
pub(super) fn same_length(length: &mut Option<usize>, value: &str) -> Result<(), Fault> {
    let new = lexer::number(value).ok_or(Fault::Header(Name::ContentLength, Syntax::Number))?;
    match length.replace(new) {
        Some(before) if before != new => Err(Fault::Repeated(Name::ContentLength)),
        _ => Ok(()),
    }
}
