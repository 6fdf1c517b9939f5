//! Replaces: which dialog an INVITE is to take the place of (RFC 3891 §6.1). It comes in a header, or escaped in the
//! URI of a Refer-To; either way from a peer, and may go on to another.

use std::fmt;

/// The dialog that is to be replaced, as the UA sees it that is asked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaces {
    /// Its Call-ID.
    pub call_id: String,
    /// The tag of the UA that is asked.
    pub to_tag: String,
    /// The tag of its peer.
    pub from_tag: String,
    /// Only while it has no final answer.
    pub early_only: bool,
}

/// Longer ones name no dialog of anybody's.
const LONGEST: usize = 512;

impl Replaces {
    /// Reads a header's value, or an unescaped part of a Refer-To; `None`: it names no dialog.
    ///
    /// RFC 3891 §6.1: "A Replaces header field MUST contain exactly one to-tag and exactly one from-tag". What is no
    /// visible ASCII would go on into a header of ours.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let mut parts = text.split(';').map(str::trim);
        let call_id = parts.next().filter(|id| is_word(id))?.to_owned();
        let (mut to_tag, mut from_tag, mut early_only) = (None, None, false);
        for part in parts {
            let (name, value) = part.split_once('=').map_or((part, None), |(name, value)| (name, Some(value)));
            let (name, value) = (name.trim_end(), value.map(str::trim_start));
            let slot = if name.eq_ignore_ascii_case("to-tag") {
                &mut to_tag
            } else if name.eq_ignore_ascii_case("from-tag") {
                &mut from_tag
            } else {
                early_only |= name.eq_ignore_ascii_case("early-only");
                continue;
            };
            if slot.replace(value.filter(|tag| is_word(tag))?.to_owned()).is_some() {
                return None;
            }
        }
        Some(Self { call_id, to_tag: to_tag?, from_tag: from_tag?, early_only })
    }
}

impl fmt::Display for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call_id, to_tag, from_tag, early_only } = self;
        write!(f, "{call_id};to-tag={to_tag};from-tag={from_tag}{}", if *early_only { ";early-only" } else { "" })
    }
}

/// Visible ASCII that cannot end a header, a parameter or a list.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b';' | b',' | b'?'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_rfc_3891_shows_and_prints_it_again() {
        for text in [
            "98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff",
            "12adf2f34456gs5;to-tag=12345;from-tag=54321",
            "87134@171.161.34.23 ; To-Tag=24796 ; from-tag = 0 ;early-only;x=y",
        ] {
            let read = Replaces::parse(text).expect(text);
            assert_eq!(Replaces::parse(&read.to_string()), Some(read), "{text}");
        }
        let early = Replaces::parse("a@b;to-tag=1;from-tag=2;early-only").unwrap();
        assert_eq!((early.to_tag.as_str(), early.from_tag.as_str(), early.early_only), ("1", "2", true));
    }

    #[test]
    fn what_names_no_dialog_is_none_and_nothing_of_it_goes_on() {
        let long = format!("{}@h;to-tag=1;from-tag=2", "a".repeat(10_000));
        for text in [
            "",
            "a@b",
            "a@b;to-tag=1",
            "a@b;to-tag=1;to-tag=2;from-tag=3",
            "a@b;to-tag=;from-tag=3",
            "a@b;to-tag=1\r\nX: y;from-tag=3",
            "a b;to-tag=1;from-tag=3",
            "a@b;to-tag=\u{e9};from-tag=3",
            &long,
        ] {
            assert_eq!(Replaces::parse(text), None, "{text}");
        }
    }
}
