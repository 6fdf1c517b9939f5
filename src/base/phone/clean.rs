//! From what was pasted, dialled or sent in a header to the bare characters of a number.

/// What is left of a raw value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cleaned {
    /// Digits, with `+` before them where it was written.
    Digits { plus: bool, digits: String },
    /// A code that a switch eats itself: `*55`, `#21#`.
    Feature(String),
    /// Nothing, zeros, or a word that says so.
    Nobody,
    /// Something else.
    NoNumber,
}

/// Words that stand where a number should.
const NOBODY: &[&str] =
    &["anonymous", "unavailable", "unknown", "restricted", "private", "withheld", "anonimo", "anônimo"];

pub(super) fn clean(raw: &str) -> Cleaned {
    let (user, context, host) = user_part(raw);
    let decoded = percent_decoded(user);
    let word = decoded.trim().trim_matches('"').to_lowercase();
    if word.is_empty() || NOBODY.contains(&word.as_str()) || host.eq_ignore_ascii_case("anonymous.invalid") {
        return Cleaned::Nobody;
    }
    // RFC 3966 §5.1.5: a local number is completed by its context, where that is a global prefix.
    let text = match context {
        Some(prefix) if prefix.starts_with('+') && !word.starts_with('+') => format!("{prefix}{word}"),
        _ => word,
    };
    bare(&text)
}

/// The user part, the `phone-context` and the host of a URI, a name-addr, or of a plain number (all user).
fn user_part(raw: &str) -> (&str, Option<&str>, &str) {
    let raw = raw.trim();
    let inner = raw.split_once('<').map_or(raw, |(_, rest)| rest.split('>').next().unwrap_or(rest));
    let without_scheme = ["sips:", "sip:", "tel:", "callto:"].iter().find_map(|scheme| {
        let head = inner.get(..scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then(|| inner.get(scheme.len()..).unwrap_or(""))
    });
    let rest = without_scheme.unwrap_or(inner);
    let (user, host) = match rest.split_once('@') {
        Some(both) => both,
        // A SIP URI without a user part names a host, which is nobody; a pasted number may lack the host instead.
        None if without_scheme.is_some() && is_host(rest) => ("", rest),
        None => (rest, ""),
    };
    let host = host.split([';', '?', ':', '>']).next().unwrap_or(host);
    let mut parts = user.split([';', ',', '?']);
    let number = parts.next().unwrap_or("");
    let context = parts.find_map(|part| part.trim().strip_prefix("phone-context="));
    (number.split(':').next().unwrap_or(number), context, host)
}

fn is_host(text: &str) -> bool {
    let host = text.split([';', '?', ':']).next().unwrap_or(text);
    host.parse::<std::net::Ipv4Addr>().is_ok()
        || host.starts_with('[')
        || host.contains(|c: char| c.is_ascii_alphabetic())
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match hex.and_then(|two| u8::from_str_radix(two, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or(&[]);
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn bare(text: &str) -> Cleaned {
    let mut plus = false;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '0'..='9' | '*' | '#' => out.push(c),
            '０'..='９' => out.extend(char::from_digit(u32::from(c) - u32::from('０'), 10)),
            '+' | '＋' if out.is_empty() && !plus => plus = true,
            // The carrier's place in how Brazilians write numbers: 0xx11.
            'x' if out == "0" || out == "0x" => out.push('x'),
            _ if is_visual(c) => {}
            _ => return Cleaned::NoNumber,
        }
    }
    let out = out.replace('x', "");
    match out {
        code if code.contains(['*', '#']) => Cleaned::Feature(code),
        digits if digits.bytes().all(|b| b == b'0') => Cleaned::Nobody,
        digits => Cleaned::Digits { plus, digits },
    }
}

/// Separators, and the marks that a copied number drags along unseen.
const fn is_visual(c: char) -> bool {
    matches!(c, ' ' | '\t' | '-' | '.' | '(' | ')' | '/' | '[' | ']' | '~' | '_' | '\u{a0}' | '\u{ad}' | '\u{feff}')
        || matches!(c, '\u{2000}'..='\u{2015}' | '\u{2028}'..='\u{202f}' | '\u{2060}'..='\u{206f}' | '\u{2212}' | '\u{3000}')
}
