//! rsip's values made of the lexers' parts, and what rsip's own reading and printing of them gets wrong, done right.

use std::net::{IpAddr, SocketAddr};

use rsip::param::{Branch, Expires, Maddr, OtherParam, OtherParamValue, Q, Received, Tag, Ttl, User};
use rsip::{Auth, Domain, Host, HostWithPort, Method, Param, Port, Scheme, Transport, Uri};

use super::Syntax;
use super::lexer::{self, Params, SipUri, UriParts, UriRest};
use crate::base::is_harmful;

/// Reads a URI that stands alone, as the Request-URI does.
///
/// # Errors
/// The rule that the text breaks.
pub fn parse_uri(text: &str) -> Result<Uri, Syntax> {
    lexer::uri(text).map(|parts| to_uri(&parts))
}

/// The method that the text names; RFC 3261 §7.1: methods are case-sensitive. `None`: an extension.
pub fn method_of(text: &str) -> Option<Method> {
    Some(match text {
        "INVITE" => Method::Invite,
        "ACK" => Method::Ack,
        "BYE" => Method::Bye,
        "CANCEL" => Method::Cancel,
        "OPTIONS" => Method::Options,
        "REGISTER" => Method::Register,
        "INFO" => Method::Info,
        "MESSAGE" => Method::Message,
        "NOTIFY" => Method::Notify,
        "PRACK" => Method::PRack,
        "PUBLISH" => Method::Publish,
        "REFER" => Method::Refer,
        "SUBSCRIBE" => Method::Subscribe,
        "UPDATE" => Method::Update,
        _ => return None,
    })
}

/// The method's word, without the allocation that rsip's own printing costs.
pub const fn method_text(method: Method) -> &'static str {
    match method {
        Method::Invite => "INVITE",
        Method::Ack => "ACK",
        Method::Bye => "BYE",
        Method::Cancel => "CANCEL",
        Method::Options => "OPTIONS",
        Method::Register => "REGISTER",
        Method::Info => "INFO",
        Method::Message => "MESSAGE",
        Method::Notify => "NOTIFY",
        Method::PRack => "PRACK",
        Method::Publish => "PUBLISH",
        Method::Refer => "REFER",
        Method::Subscribe => "SUBSCRIBE",
        Method::Update => "UPDATE",
    }
}

/// The address that a URI's host is, IPv6 included; `None`: a name that has to be looked up, or no SIP URI.
pub fn host_ip(uri: &Uri) -> Option<IpAddr> {
    match &uri.host_with_port.host {
        Host::IpAddr(ip) => Some(*ip),
        Host::Domain(name) => lexer::ip(&name.to_string()),
    }
}

/// Where a URI whose host is an address points: its port, else the one of its transport.
pub fn socket_addr(uri: &Uri) -> Option<SocketAddr> {
    let tls = uri.scheme == Some(Scheme::Sips) || uri.transport() == Some(&Transport::Tls);
    let default = if tls { 5061 } else { 5060 };
    Some(SocketAddr::new(host_ip(uri)?, uri.host_with_port.port.as_ref().map_or(default, |port| *port.value())))
}

/// A parameter's value out of rsip's list, unquoted; empty where it has none.
pub fn find_param(params: &[Param], name: &str) -> Option<String> {
    params.iter().find_map(|param| {
        let text = param.to_string();
        let text = text.strip_prefix(';')?;
        let (n, value) = text.split_once('=').unwrap_or((text, ""));
        n.eq_ignore_ascii_case(name).then(|| lexer::unquote(value))
    })
}

/// `%XX` resolved; what is no UTF-8 afterwards is shown as such, control characters go.
pub(super) fn percent_decoded(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&b, after)) = rest.split_first() {
        let escaped = match (b, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        out.push(escaped.unwrap_or(b));
        rest = if escaped.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&out).chars().filter(|c| !is_harmful(*c)).collect()
}

fn hex(b: u8) -> Option<u8> {
    char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

pub(super) fn to_uri(parts: &UriParts<'_>) -> Uri {
    let SipUri { user, password, host, port, params, .. } = match parts.rest {
        UriRest::Sip(sip) => sip,
        // rsip would print Other("tel") as "tel://", so the whole text sits in the host and prints right.
        UriRest::Opaque(_) => return Uri { scheme: None, host_with_port: domain(parts.text, None), ..Uri::default() },
    };
    let scheme = if parts.scheme.eq_ignore_ascii_case("sips") { Scheme::Sips } else { Scheme::Sip };
    let host_with_port = match host.parse::<std::net::Ipv4Addr>() {
        Ok(ip) => HostWithPort { host: Host::IpAddr(ip.into()), port: port.map(Port::from) },
        // IPv6 too: rsip prints an address without its brackets.
        Err(_) => domain(host, port),
    };
    Uri {
        scheme: Some(scheme),
        auth: user.map(|user| Auth { user: user.to_owned(), password: password.map(str::to_owned) }),
        host_with_port,
        params: params
            .split(';')
            .skip(1)
            .map(|p| p.split_once('=').map_or((p, None), |(n, v)| (n, Some(v))))
            .map(to_param)
            .collect(),
        headers: Vec::new(),
    }
}

fn domain(text: &str, port: Option<u16>) -> HostWithPort {
    HostWithPort { host: Host::Domain(Domain::new(text)), port: port.map(Port::from) }
}

pub(super) fn to_params(text: &str) -> Vec<Param> {
    Params(text).map(to_param).collect()
}

fn to_param((name, value): (&str, Option<&str>)) -> Param {
    let lower = name.to_ascii_lowercase();
    match (lower.as_str(), value) {
        ("lr", _) => Param::Lr,
        ("tag", Some(v)) => Param::Tag(Tag::new(v)),
        ("branch", Some(v)) => Param::Branch(Branch::new(v)),
        ("received", Some(v)) => Param::Received(Received::new(v)),
        ("expires", Some(v)) => Param::Expires(Expires::new(v)),
        ("q", Some(v)) => Param::Q(Q::new(v)),
        ("maddr", Some(v)) => Param::Maddr(Maddr::new(v)),
        ("ttl", Some(v)) => Param::Ttl(Ttl::new(v)),
        ("user", Some(v)) => Param::User(User::new(v)),
        ("transport", Some(v)) => match transport(v) {
            Some(known) => Param::Transport(known),
            None => Param::Other(OtherParam::new(name), Some(OtherParamValue::new(v))),
        },
        _ => Param::Other(OtherParam::new(name), value.map(OtherParamValue::new)),
    }
}

fn transport(text: &str) -> Option<Transport> {
    const WORDS: [(&str, Transport); 6] = [
        ("udp", Transport::Udp),
        ("tcp", Transport::Tcp),
        ("tls", Transport::Tls),
        ("sctp", Transport::Sctp),
        ("ws", Transport::Ws),
        ("wss", Transport::Wss),
    ];
    WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|(_, known)| *known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tel_and_ipv6_print_as_they_came() {
        for text in ["tel:+55-11-98765-4321;phone-context=x", "sip:joao.silva@[2001:db8::1]:5070;user=phone", "sips:h"]
        {
            assert_eq!(parse_uri(text).unwrap().to_string(), text);
        }
        assert_eq!(parse_uri("sip:h;transport=tcp").unwrap().transport(), Some(&Transport::Tcp));
        assert_eq!(parse_uri("sip:h;transport=new").unwrap().to_string(), "sip:h;transport=new");
    }

    #[test]
    fn escapes_resolve_and_control_characters_go() {
        assert_eq!(percent_decoded("%2B55%3a%zz%4"), "+55:%zz%4");
        assert_eq!(percent_decoded("a%00b%0d%0aX:%20y"), "abX: y");
        assert_eq!(percent_decoded("Jo%C3%A3o%"), "João%");
    }

    #[test]
    fn the_two_tables_of_methods_agree() {
        for method in Method::all() {
            assert_eq!(method_of(method_text(method)), Some(method));
        }
        assert_eq!(method_of("invite"), None);
    }

    #[test]
    fn hosts_that_are_addresses_need_no_lookup() {
        let at = |text| socket_addr(&parse_uri(text).unwrap()).map(|at| at.to_string());
        assert_eq!(at("sip:u@[2001:db8::1]:5070").as_deref(), Some("[2001:db8::1]:5070"));
        assert_eq!(at("sip:192.0.2.1").as_deref(), Some("192.0.2.1:5060"));
        assert_eq!(at("sips:192.0.2.1").as_deref(), Some("192.0.2.1:5061"));
        assert_eq!(at("sip:h"), None);
        assert_eq!(at("tel:190"), None);
    }
}
