//! Everything that makes SIP text: names are quoted, user parts escaped, IPv6 bracketed, and no value ends a line.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use rsip::Method;

use super::Text;
use super::convert::method_text;
use super::lexer::is_token;
use crate::base::Transport;

/// RFC 3261 §8.1.1.7: "The branch ID inserted by an element compliant with this specification MUST always begin with
/// the characters `z9hG4bK`."
pub const MAGIC_COOKIE: &str = "z9hG4bK";

/// `"display" <uri>`, or `<uri>` where the name is empty.
pub fn name_addr(display: &str, uri: &str) -> String {
    let mut out = String::with_capacity(display.len() + uri.len() + 8);
    if !display.trim().is_empty() {
        out.push_str(&quoted(display.trim()));
        out.push(' ');
    }
    out.push('<');
    out.extend(uri.chars().filter(|c| !c.is_control() && !matches!(c, '<' | '>' | '"' | ' ')));
    out.push('>');
    out
}

/// A quoted string; control characters become spaces.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// `sip:user@host:port`; the port is left out where it is 5060, the user where it is empty.
pub fn sip_uri(user: &str, at: SocketAddr) -> String {
    let mut out = String::from("sip:");
    if !user.is_empty() {
        push_user(&mut out, user);
        out.push('@');
    }
    push_host(&mut out, at.ip());
    if at.port() != 5060 {
        push(&mut out, format_args!(":{}", at.port()));
    }
    out
}

/// `sip:user@host` for a host in text: a name, or an address with or without brackets.
pub fn sip_uri_at(user: &str, host: &str) -> String {
    let mut out = String::from("sip:");
    if !user.is_empty() {
        push_user(&mut out, user);
        out.push('@');
    }
    match host.parse::<IpAddr>() {
        Ok(ip) => push_host(&mut out, ip),
        Err(_) => out.extend(host.chars().filter(|c| c.is_ascii_alphanumeric() || "-._:[]".contains(*c))),
    }
    out
}

/// The Request-URI of `user` at a peer that the files name: `sip:user@host:port;transport=tcp`.
pub fn sip_uri_by(user: &str, host: &str, port: Option<u16>, transport: Transport) -> String {
    let mut uri = sip_uri_at(user, host);
    if let Some(port) = port.filter(|port| *port != transport.default_port()) {
        uri.push_str(&format!(":{port}"));
    }
    if let Some(word) = transport.uri_parameter() {
        uri.push_str(&format!(";transport={word}"));
    }
    uri
}

/// The Contact by which the peer reaches us: `<sip:user@host:port>`, with the transport where it is not UDP.
pub fn contact(user: &str, at: SocketAddr, transport: Transport) -> String {
    let transport = transport.uri_parameter().map(|word| format!(";transport={word}")).unwrap_or_default();
    format!("<{}{transport}>", sip_uri(user, at))
}

/// A Via of ours: it asks for `rport`.
///
/// RFC 3581 §3: "This parameter MUST have no value; it serves as a flag to indicate to the server that this extension
/// is supported and requested".
pub fn via(transport: Transport, sent_by: SocketAddr, branch: &str) -> String {
    let mut out = format!("SIP/2.0/{} ", transport.as_str());
    push_host(&mut out, sent_by.ip());
    push(&mut out, format_args!(":{};branch=", sent_by.port()));
    push_token(&mut out, branch);
    out.push_str(";rport");
    out
}

/// `number METHOD`.
pub fn cseq(number: u32, method: Method) -> String {
    format!("{number} {}", method_text(method))
}

/// An address with that tag added.
pub fn tagged(address: &str, tag: &str) -> Text {
    let mut out = String::with_capacity(address.len() + tag.len() + 5);
    out.push_str(address);
    out.push_str(";tag=");
    push_token(&mut out, tag);
    Text::from(out)
}

/// The user part with whatever its grammar does not allow escaped.
pub fn escaped_user(user: &str) -> String {
    let mut out = String::with_capacity(user.len());
    push_user(&mut out, user);
    out
}

/// Text for the value of a URI's header (`?Replaces=…`), escaped.
pub fn escaped_header(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    escape(&mut out, value, |b| b.is_ascii_alphanumeric() || b"-_.!~*'()[]/?:+$".contains(&b));
    out
}

/// The host as a URI or a Via writes it.
pub fn host(ip: IpAddr) -> String {
    let mut out = String::new();
    push_host(&mut out, ip);
    out
}

fn push_user(out: &mut String, user: &str) {
    // RFC 3261 §25.1: user = 1*( unreserved / escaped / user-unreserved ); `;` and `?` are escaped, for peers that
    // take them for the URI's own.
    escape(out, user, |b| b.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,/".contains(&b));
}

fn escape(out: &mut String, text: &str, plain: impl Fn(u8) -> bool) {
    for b in text.bytes() {
        if plain(b) {
            out.push(char::from(b));
        } else {
            push(out, format_args!("%{b:02X}"));
        }
    }
}

fn push_host(out: &mut String, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => push(out, format_args!("{ip}")),
        IpAddr::V6(ip) => push(out, format_args!("[{ip}]")),
    }
}

fn push_token(out: &mut String, token: &str) {
    out.extend(token.bytes().filter(|&b| is_token(b)).map(char::from));
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a String takes all that is written");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_names_are_quoted_and_escaped() {
        assert_eq!(name_addr(r#"Ana "A" \"#, "sip:a@h"), r#""Ana \"A\" \\" <sip:a@h>"#);
        assert_eq!(name_addr("  ", "sip:a@h"), "<sip:a@h>");
    }

    #[test]
    fn nothing_ends_a_line_or_a_bracket() {
        let made = name_addr("x\r\nRoute: <sip:evil>", "sip:a@h>\r\nX: y<");
        assert_eq!(made, "\"x  Route: <sip:evil>\" <sip:a@hX:y>");
        assert_eq!(sip_uri_at("a\r\n;b@c", "h\r\nX"), "sip:a%0D%0A%3Bb%40c@hX");
        assert_eq!(tagged("<sip:h>", "a\r\nb;c"), "<sip:h>;tag=abc");
    }

    #[test]
    fn ipv6_stands_in_brackets() {
        let at = "[2001:db8::1]:5062".parse().unwrap();
        assert_eq!(sip_uri("+55", at), "sip:+55@[2001:db8::1]:5062");
        assert_eq!(via(Transport::Tcp, at, "z9hG4bKx"), "SIP/2.0/TCP [2001:db8::1]:5062;branch=z9hG4bKx;rport");
        assert_eq!(contact("", "10.0.0.1:5060".parse().unwrap(), Transport::Tcp), "<sip:10.0.0.1;transport=tcp>");
        assert_eq!(sip_uri_at("u", "::1"), "sip:u@[::1]");
    }
}
