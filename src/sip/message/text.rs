//! [`Text`]: a piece of a message's text that shares the datagram it came in.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;

use bytes::Bytes;
use bytestring::ByteString;

/// UTF-8 text that shares the bytes of its datagram, a static string or bytes of its own; cloning counts a reference.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(ByteString);

impl Text {
    /// The empty text.
    pub const fn new() -> Self {
        Self(ByteString::new())
    }

    /// Text that is part of the program.
    pub const fn from_static(text: &'static str) -> Self {
        Self(ByteString::from_static(text))
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A piece of this text, sharing its bytes; copied where `part` lies elsewhere.
    pub fn part(&self, part: &str) -> Self {
        if self.holds(part) { Self(self.0.slice_ref(part)) } else { Self::from(part) }
    }

    /// These bytes as they are if they are UTF-8, else read as Latin-1 (old PBXs write names so).
    pub(super) fn from_wire(bytes: &Bytes) -> Self {
        match ByteString::try_from(bytes.clone()) {
            Ok(text) => Self(text),
            Err(_) => Self::from(bytes.iter().map(|&b| char::from(b)).collect::<String>()),
        }
    }

    /// These bytes if they are UTF-8.
    pub(super) fn from_utf8(bytes: Bytes) -> Option<Self> {
        ByteString::try_from(bytes).ok().map(Self)
    }

    /// Whether `part` is a piece of this very memory.
    fn holds(&self, part: &str) -> bool {
        let all = self.0.as_bytes().as_ptr_range();
        let part = part.as_bytes().as_ptr_range();
        all.start <= part.start && part.end <= all.end
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(ByteString::from(text))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(ByteString::from(text))
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_shares_the_bytes_of_the_whole() {
        let whole = Text::from("Via: SIP/2.0/UDP h");
        let part = whole.part(&whole[5..]);
        assert_eq!(part, "SIP/2.0/UDP h");
        assert_eq!(part.as_ptr(), whole[5..].as_ptr());
        assert_eq!(whole.part("foreign"), "foreign");
    }

    #[test]
    fn bytes_that_are_no_utf8_are_latin_1() {
        assert_eq!(Text::from_wire(&Bytes::from_static(b"Jo\xe3o")), "João");
        assert_eq!(Text::from_wire(&Bytes::from_static("João".as_bytes())), "João");
    }
}
