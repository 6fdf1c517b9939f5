//! Reading the value of the four headers: schemes, each with `name=value` parameters (RFC 3261 §25.1: `challenge`,
//! `credentials`).

/// How many parameters are read of one scheme: what has more is no digest.
const MOST_PARAMETERS: usize = 32;

/// How many schemes are read of one header value.
const MOST_SCHEMES: usize = 8;

/// The longest value that is taken; nonces of 500 characters exist, realms of 100.
const LONGEST_VALUE: usize = 2_048;

/// One scheme's parameters, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fields<'a> {
    /// `Digest`, `Basic`, …
    pub(super) scheme: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Fields<'a> {
    /// The value of a parameter as it stands between its quotes, escapes kept.
    pub(super) fn value(&self, name: &str) -> Option<&'a str> {
        self.parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// Whether a parameter stands there twice: nobody can say which one its sender meant.
    pub(super) fn is_ambiguous(&self) -> bool {
        let same = |(at, (name, _)): (usize, &(&str, &str))| {
            self.parameters.iter().skip(at + 1).any(|(other, _)| other.eq_ignore_ascii_case(name))
        };
        self.parameters.iter().enumerate().any(same)
    }

    /// All schemes of a header's value, up to the first fault.
    ///
    /// RFC 3261 §7.3.1 keeps them in header fields of their own; peers that put several into one, with commas between
    /// as HTTP allows, are understood all the same.
    pub(super) fn read(text: &'a str) -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        let mut rest = text;
        while found.len() <= MOST_SCHEMES {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            let (word, after) = token(rest);
            if word.is_empty() {
                break;
            }
            let after = blank(after);
            match (after.strip_prefix('='), found.last_mut()) {
                (Some(after), Some(last)) => {
                    let Some((value, after)) = value(blank(after)) else { break };
                    if last.parameters.len() >= MOST_PARAMETERS || value.len() > LONGEST_VALUE {
                        found.pop();
                        break;
                    }
                    last.parameters.push((word, value));
                    rest = after;
                    if !matches!(blank(rest).as_bytes().first(), None | Some(b',')) {
                        break;
                    }
                }
                (Some(_), None) => break,
                (None, _) => {
                    found.push(Self { scheme: word, parameters: Vec::new() });
                    rest = after;
                }
            }
        }
        found.truncate(MOST_SCHEMES);
        found
    }
}

/// What a quoted string's inside stands for.
pub(super) fn unescaped(inside: &str) -> String {
    let mut out = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    out
}

/// Text as the inside of a quoted string; control characters go.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn blank(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

/// The token that the text begins with, and what follows it.
fn token(text: &str) -> (&str, &str) {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c);
    text.split_at_checked(text.find(|c| !is_token(c)).unwrap_or(text.len())).unwrap_or((text, ""))
}

/// A quoted string's inside or a bare value, and what follows it; `None`: a quote that never ends.
fn value(text: &str) -> Option<(&str, &str)> {
    let Some(inside) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return text.split_at_checked(end);
    };
    let mut escaped = false;
    let end = inside.bytes().position(|b| {
        let ends = b == b'"' && !escaped;
        escaped = b == b'\\' && !escaped;
        ends
    })?;
    let (value, after) = inside.split_at_checked(end)?;
    Some((value, after.strip_prefix('"')?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_and_equals_in_quotes_belong_to_the_value() {
        let read = Fields::read(r#"Digest realm="a, b=\"c\"" ,qop="auth,auth-int",  nonce = xyz , stale=FALSE"#);
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].value("realm"), Some(r#"a, b=\"c\""#));
        assert_eq!(read[0].value("QOP"), Some("auth,auth-int"));
        assert_eq!((read[0].value("nonce"), read[0].value("stale")), (Some("xyz"), Some("FALSE")));
        assert_eq!(unescaped(r#"a, b=\"c\""#), r#"a, b="c""#);
        assert_eq!(escaped("a\"\r\n\\b"), r#"a\"\\b"#);
    }

    #[test]
    fn several_schemes_of_one_value_are_told_apart() {
        let read = Fields::read(r#"Basic realm="x", Digest realm="y", nonce="1", Newer a=b"#);
        let schemes: Vec<&str> = read.iter().map(|fields| fields.scheme).collect();
        assert_eq!(schemes, ["Basic", "Digest", "Newer"]);
        assert_eq!((read[1].value("realm"), read[2].value("a")), (Some("y"), Some("b")));
    }

    #[test]
    fn what_never_ends_or_is_too_much_is_left_out() {
        assert_eq!(Fields::read(r#"Digest realm="x"#)[0].value("realm"), None);
        assert!(Fields::read(&format!("Digest {}", "a=b,".repeat(1_000))).is_empty());
        assert!(Fields::read(&format!("Digest nonce=\"{}\"", "x".repeat(70_000))).is_empty());
        assert_eq!(Fields::read(&"Digest ".repeat(1_000)).len(), MOST_SCHEMES);
        assert!(Fields::read("Digest a=1, A=2")[0].is_ambiguous());
        assert!(Fields::read("a=b").is_empty());
    }
}
