//! The lexers of SIP's grammar (RFC 3261 §25.1): URIs, addresses, parameters, Via, CSeq and lists.
//!
//! They borrow, allocate nothing and never panic. What they take is checked; [`convert`](super::convert) makes rsip's
//! values of it. rsip's own parsers see none of this: they misread dots in user parts, IPv6, `tel:` and `?headers`.

use std::net::{IpAddr, Ipv6Addr};

use super::error::Syntax;

type Read<T> = Result<T, Syntax>;

/// Which bytes are of a kind: one look each, where a chain of comparisons costs on every byte of every message.
const fn table(of: &[u8], alphanumeric: bool, controls: bool) -> [bool; 256] {
    let mut table = [false; 256];
    let mut b = 0;
    #[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
    while b < 128 {
        let byte = b as u8;
        table[b] = alphanumeric && byte.is_ascii_alphanumeric() || controls && byte.is_ascii_control();
        b += 1;
    }
    let mut at = 0;
    #[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
    while at < of.len() {
        table[of[at] as usize] = true;
        at += 1;
    }
    table
}

static TOKEN: [bool; 256] = table(b"-.!%*_+`'~", true, false);
static SCHEME: [bool; 256] = table(b"+-.", true, false);
static HOST: [bool; 256] = table(b".-_", true, false);
static NOT_IN_URI: [bool; 256] = table(b" <>\"", false, true);
static ENDS_VALUE: [bool; 256] = table(b";, \t\"<>", false, false);

fn is(table: &[bool; 256], b: u8) -> bool {
    table.get(usize::from(b)).copied().unwrap_or(false)
}

/// RFC 3261 §25.1: `token`'s characters.
pub(super) fn is_token(b: u8) -> bool {
    is(&TOKEN, b)
}

/// Whether the text is a token.
pub(super) fn token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token)
}

/// The text before and after `at`; all and nothing where `at` is no place in it.
fn cut(text: &str, at: usize) -> (&str, &str) {
    text.split_at_checked(at).unwrap_or((text, ""))
}

/// The text before the first byte that `stop` names, and the rest from it on. `stop` may name ASCII only.
fn until(text: &str, stop: impl Fn(u8) -> bool) -> (&str, &str) {
    cut(text, text.bytes().position(stop).unwrap_or(text.len()))
}

/// As `str::split_once`, for an ASCII byte.
fn split_once(text: &str, at: u8) -> Option<(&str, &str)> {
    let (before, rest) = cut(text, text.bytes().position(|b| b == at)?);
    Some((before, rest.get(1..).unwrap_or_default()))
}

fn is_blank(b: u8) -> bool {
    matches!(b, b' ' | b'\t')
}

fn trim(text: &str) -> &str {
    let text = trim_start(text);
    cut(text, text.len() - text.bytes().rev().take_while(|b| is_blank(*b)).count()).0
}

fn trim_start(text: &str) -> &str {
    text.get(text.bytes().take_while(|b| is_blank(*b)).count()..).unwrap_or_default()
}

/// A URI in its parts, each as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UriParts<'a> {
    /// The whole URI.
    pub(super) text: &'a str,
    /// Before the colon.
    pub(super) scheme: &'a str,
    /// After the scheme: a hierarchy for `sip` and `sips`, anything else as one piece.
    pub(super) rest: UriRest<'a>,
}

/// What follows a URI's scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UriRest<'a> {
    /// Of `sip:` and `sips:`.
    Sip(SipUri<'a>),
    /// Of `tel:`, `urn:` and all the others.
    Opaque(&'a str),
}

/// The parts of a SIP URI, each as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SipUri<'a> {
    /// Escapes and parameters of its own still in it.
    pub(super) user: Option<&'a str>,
    pub(super) password: Option<&'a str>,
    /// IPv6 with its brackets.
    pub(super) host: &'a str,
    pub(super) port: Option<u16>,
    /// From the first `;`; may be empty.
    pub(super) params: &'a str,
    /// After the `?`; may be empty.
    pub(super) headers: &'a str,
}

/// Reads a URI that is all of `text`.
pub(super) fn uri(text: &str) -> Read<UriParts<'_>> {
    // One pass finds what may not be there and the `@`: a user part may hold `;` and `?`, so it is looked for first.
    let mut at_sign = None;
    for (at, b) in text.bytes().enumerate() {
        if is(&NOT_IN_URI, b) {
            return Err(Syntax::Uri);
        }
        if b == b'@' && at_sign.is_none() {
            at_sign = Some(at);
        }
    }
    let (scheme, rest) = split_once(text, b':').ok_or(Syntax::Uri)?;
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.bytes().all(|b| is(&SCHEME, b)) {
        return Err(Syntax::Uri);
    }
    if !scheme.eq_ignore_ascii_case("sip") && !scheme.eq_ignore_ascii_case("sips") {
        return if rest.is_empty() {
            Err(Syntax::Uri)
        } else {
            Ok(UriParts { text, scheme, rest: UriRest::Opaque(rest) })
        };
    }
    let userinfo = at_sign.and_then(|at| text.get(scheme.len() + 1..at));
    let rest = userinfo.map_or(rest, |user| rest.get(user.len() + 1..).unwrap_or_default());
    let (user, password) = match userinfo.map(|u| (u, split_once(u, b':'))) {
        Some((_, Some((user, password)))) => (Some(user), Some(password)),
        Some((user, None)) => (Some(user), None),
        None => (None, None),
    };
    if user == Some("") {
        return Err(Syntax::Uri);
    }
    let (rest, headers) = split_once(rest, b'?').unwrap_or((rest, ""));
    let (address, params) = until(rest, |b| b == b';');
    let (host, port) = host_port(address)?;
    if !params.is_empty() && params.split(';').skip(1).any(|param| param.is_empty() || param.starts_with('=')) {
        return Err(Syntax::Uri);
    }
    Ok(UriParts { text, scheme, rest: UriRest::Sip(SipUri { user, password, host, port, params, headers }) })
}

/// `host[:port]`, with white space round the colon as Via allows it.
pub(super) fn host_port(text: &str) -> Read<(&str, Option<u16>)> {
    let (host, port) = if text.starts_with('[') {
        let (inside, after) = split_once(text, b']').ok_or(Syntax::Host)?;
        inside.strip_prefix('[').unwrap_or_default().parse::<Ipv6Addr>().map_err(|_| Syntax::Host)?;
        (cut(text, inside.len() + 1).0, after)
    } else {
        until(text, |b| b == b':')
    };
    let host = trim(host);
    if host.is_empty() || !(host.starts_with('[') || host.bytes().all(|b| is(&HOST, b))) {
        return Err(Syntax::Host);
    }
    let port = match trim_start(port).strip_prefix(':') {
        Some(digits) => Some(number::<u16>(trim(digits)).ok_or(Syntax::Host)?),
        None if trim(port).is_empty() => None,
        None => return Err(Syntax::Host),
    };
    Ok((host, port))
}

/// The address that a host is, with or without brackets.
pub(super) fn ip(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

/// Digits and nothing else (`parse` alone would take `+5`).
pub(super) fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// An address of From, To, Contact and their kin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AddressParts<'a> {
    /// As written: quotes and escapes still in it.
    pub(super) display: &'a str,
    pub(super) uri: UriParts<'a>,
    /// After the URI, from the first `;`; may be empty.
    pub(super) params: &'a str,
}

/// Reads an address that is all of `text`, its parameters too.
pub(super) fn address(text: &str) -> Read<AddressParts<'_>> {
    let text = trim(text);
    let (display, rest) = if text.starts_with('"') {
        quoted(text)?
    } else if let Some(at) = memchr::memchr(b'<', text.as_bytes()) {
        cut(text, at)
    } else {
        ("", text)
    };
    let display = trim(display);
    let (uri, params) = match trim_start(rest).strip_prefix('<') {
        Some(inside) => {
            // Lenient: an unquoted name may hold any characters but these (field PBXs send brackets and commas).
            if !display.starts_with('"') && display.contains(['"', '>']) {
                return Err(Syntax::DisplayName);
            }
            let (inside, after) = split_once(inside, b'>').ok_or(Syntax::Address)?;
            (uri(inside)?, trim(after))
        }
        None if !display.is_empty() => return Err(Syntax::Address),
        // RFC 3261 §20: "If the URI contains a comma, question mark or semicolon, the URI MUST be enclosed in
        // angle brackets"; without them the parameters are the header's.
        None => {
            let (bare, params) = until(rest, |b| matches!(b, b';' | b',' | b'?' | b' ' | b'\t'));
            (uri(bare)?, trim(params))
        }
    };
    params_checked(params)?;
    Ok(AddressParts { display, uri, params })
}

/// A quoted string with its quotes, and what follows it.
fn quoted(text: &str) -> Read<(&str, &str)> {
    let mut escaped = false;
    for (at, b) in text.bytes().enumerate().skip(1) {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Ok(cut(text, at + 1)),
            _ => {}
        }
    }
    Err(Syntax::Quote)
}

/// The text that a quoted string stands for; any other text as it is.
pub(super) fn unquote(text: &str) -> String {
    let Some(inside) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) else {
        return text.to_owned();
    };
    let mut out = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    out
}

/// `;name[=value]`s, one at a time; values as written, quotes kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Params<'a>(pub(super) &'a str);

impl<'a> Params<'a> {
    fn read(&mut self) -> Read<Option<(&'a str, Option<&'a str>)>> {
        let text = trim_start(self.0);
        let Some(text) = text.strip_prefix(';') else {
            return if text.is_empty() { Ok(None) } else { Err(Syntax::Parameters) };
        };
        let (name, rest) = until(trim_start(text), |b| !is_token(b));
        if name.is_empty() {
            return Err(Syntax::Parameters);
        }
        let Some(value) = trim_start(rest).strip_prefix('=') else {
            self.0 = rest;
            return Ok(Some((name, None)));
        };
        let value = trim_start(value);
        let (value, rest) = if value.starts_with('"') { quoted(value)? } else { until(value, |b| is(&ENDS_VALUE, b)) };
        self.0 = rest;
        Ok(Some((name, Some(value))))
    }

    /// The parameter of that name: its value, empty where it has none.
    pub(super) fn value(mut self, name: &str) -> Option<&'a str> {
        Iterator::find(&mut self, |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.unwrap_or_default())
    }
}

impl<'a> Iterator for Params<'a> {
    type Item = (&'a str, Option<&'a str>);

    /// Ends at the first fault; [`params_checked`] finds faults beforehand.
    fn next(&mut self) -> Option<Self::Item> {
        self.read().ok().flatten()
    }
}

fn params_checked(text: &str) -> Read<()> {
    let mut params = Params(text);
    while params.read()?.is_some() {}
    Ok(())
}

/// A Via value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ViaParts<'a> {
    pub(super) transport: &'a str,
    /// IPv6 with its brackets.
    pub(super) host: &'a str,
    pub(super) port: Option<u16>,
    /// From the first `;`; may be empty.
    pub(super) params: &'a str,
}

/// Reads one Via value: `SIP / 2.0 / UDP host[:port] ;parameters`.
pub(super) fn via(text: &str) -> Read<ViaParts<'_>> {
    let (protocol, rest) = split_once(text, b'/').ok_or(Syntax::Via)?;
    let (version, rest) = split_once(rest, b'/').ok_or(Syntax::Via)?;
    if !trim(protocol).eq_ignore_ascii_case("SIP") || trim(version) != "2.0" {
        return Err(Syntax::Via);
    }
    let (transport, rest) = until(trim_start(rest), |b| !is_token(b));
    if transport.is_empty() || !rest.starts_with([' ', '\t']) {
        return Err(Syntax::Via);
    }
    let (sent_by, params) = until(rest, |b| b == b';');
    let (host, port) = host_port(trim(sent_by))?;
    params_checked(params)?;
    Ok(ViaParts { transport, host, port, params })
}

/// Reads a CSeq: its number and its method.
pub(super) fn cseq(text: &str) -> Read<(u32, &str)> {
    let (digits, method) = until(text, |b| matches!(b, b' ' | b'\t'));
    let method = trim(method);
    // RFC 3261 §8.1.1.5: "The sequence number value MUST be expressible as a 32-bit unsigned integer and MUST be less
    // than 2**31."
    match number::<u32>(digits) {
        Some(n) if n < 1 << 31 && token(method) => Ok((n, method)),
        _ => Err(Syntax::CSeq),
    }
}

/// The elements of a comma-separated list: commas in quotes and in angle brackets don't count.
#[derive(Debug, Clone)]
pub(super) struct List<'a> {
    rest: Option<&'a str>,
}

impl<'a> List<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: Some(text) }
    }
}

impl<'a> Iterator for List<'a> {
    type Item = Read<&'a str>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.rest.take()?;
        let (mut quote, mut escaped, mut angle) = (false, false, false);
        for (at, b) in text.bytes().enumerate() {
            match b {
                _ if escaped => escaped = false,
                b'\\' if quote => escaped = true,
                b'"' if !angle => quote = !quote,
                b'<' if !quote => angle = true,
                b'>' if !quote => angle = false,
                b',' if !quote && !angle => {
                    let (element, rest) = cut(text, at);
                    self.rest = rest.strip_prefix(',');
                    return Some(Ok(trim(element)));
                }
                _ => {}
            }
        }
        Some(if quote { Err(Syntax::Quote) } else { Ok(trim(text)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sip(text: &str) -> SipUri<'_> {
        match uri(text).unwrap().rest {
            UriRest::Sip(parts) => parts,
            UriRest::Opaque(_) => panic!("not a SIP URI"),
        }
    }

    #[test]
    fn user_parts_keep_dots_semicolons_and_question_marks() {
        let parts = sip("sip:joao.silva;ext=2?x@[2001:db8::1]:5070;transport=tcp;lr?Replaces=a%3Bb");
        assert_eq!(parts.user, Some("joao.silva;ext=2?x"));
        assert_eq!((parts.host, parts.port), ("[2001:db8::1]", Some(5070)));
        assert_eq!((parts.params, parts.headers), (";transport=tcp;lr", "Replaces=a%3Bb"));
        assert_eq!(sip("sip:u:secret@h").password, Some("secret"));
    }

    #[test]
    fn other_schemes_are_one_piece() {
        let parts = uri("tel:+55-11-98765-4321;phone-context=x").unwrap();
        assert_eq!(parts.rest, UriRest::Opaque("+55-11-98765-4321;phone-context=x"));
    }

    #[test]
    fn what_is_no_uri_is_refused() {
        for text in [
            "",
            "sip",
            "sip:",
            "sip:@h",
            "1sip:h",
            "sip:a b@h",
            "sip:u@",
            "sip:h:99999",
            "sip:h:+5",
            "sip:[::1",
            "sip:h;;x",
            "<sip:h>",
            "tel:",
            "sip:[g]",
            "sip:h\r\nX: y",
        ] {
            assert!(uri(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_semicolon_outside_angle_brackets_belongs_to_the_header() {
        let parts = address("sip:u@h;tag=1").unwrap();
        assert_eq!((parts.uri.text, parts.params), ("sip:u@h", ";tag=1"));
        let parts = address(r#""a <b\" " <sip:u@h;x=1> ; tag = "2;3" ;lr"#).unwrap();
        assert_eq!((parts.display, parts.uri.text), (r#""a <b\" ""#, "sip:u@h;x=1"));
        assert_eq!(Params(parts.params).collect::<Vec<_>>(), [("tag", Some(r#""2;3""#)), ("lr", None)]);
    }

    #[test]
    fn broken_addresses_are_refused() {
        for text in [
            "",
            "\"x <sip:u@h>",
            "x sip:u@h",
            "<sip:u@h",
            "sip:u@h?Route=x",
            "< sip:u@h >",
            "<sip:u@h>;;",
            "\"a\" b\" <sip:u@h>",
        ] {
            assert!(address(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn via_takes_white_space_where_the_grammar_does() {
        let parts = via("SIP / 2.0 /\tTCP  [::1] : 5062 ; branch = z9hG4bKx ;rport").unwrap();
        assert_eq!((parts.transport, parts.host, parts.port), ("TCP", "[::1]", Some(5062)));
        assert_eq!(Params(parts.params).value("BRANCH"), Some("z9hG4bKx"));
        assert_eq!(Params(parts.params).value("rport"), Some(""));
        for text in
            ["", "SIP/2.0/UDP", "SIP/3.0/UDP h", "HTTP/2.0/UDP h", "SIP/2.0/UDP h;;", "SIP/2.0/UDP h:x", "SIP/2.0/ h"]
        {
            assert!(via(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn cseq_is_below_two_to_the_31() {
        assert_eq!(cseq("0009 \t INVITE"), Ok((9, "INVITE")));
        for text in ["", "1", "-1 BYE", "2147483648 BYE", "36893488147419103232 BYE", "1 B@D"] {
            assert!(cseq(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn lists_split_at_bare_commas_only() {
        let list = |text| List::new(text).collect::<Result<Vec<_>, _>>();
        assert_eq!(list(r#""a, \", b" <sip:u,v@h> , <sip:w@h>"#), Ok(vec![r#""a, \", b" <sip:u,v@h>"#, "<sip:w@h>"]));
        assert_eq!(list("a,,b"), Ok(vec!["a", "", "b"]));
        assert_eq!(list("\"a"), Err(Syntax::Quote));
    }

    #[test]
    fn quotes_come_off_with_their_escapes() {
        assert_eq!(unquote(r#""Ana \"A\" \\ S""#), r#"Ana "A" \ S"#);
        assert_eq!(unquote("Ana"), "Ana");
    }
}
