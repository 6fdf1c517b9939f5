//! What headers say, read on demand: rsip's values made from the lexers' parts.

use rsip::param::{Branch, Expires, Maddr, OtherParam, OtherParamValue, Q, Received, Tag, Ttl, User};
use rsip::{Auth, Domain, Host, HostWithPort, Method, Param, Port, Scheme, Transport, Uri};

use super::lexer::{self, AddressParts, Params, SipUri, UriParts, UriRest};
use super::{Headers, Name, Syntax, Text};

/// An address of From, To, Contact and their kin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The display name, unquoted; empty where there is none.
    pub display: String,
    /// The URI. One whose scheme is neither `sip` nor `sips` stands whole in the host, with no scheme; see [`Address::is_sip`].
    pub uri: Uri,
    /// The URI as it stands, its headers included.
    pub uri_text: Text,
    /// What follows the URI's `?`, as it stands.
    pub uri_headers: String,
    /// The parameters after the URI.
    pub params: Vec<Param>,
}

impl Address {
    /// Reads one address.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn parse(text: &Text) -> Result<Self, Syntax> {
        Self::read(text, text)
    }

    fn read(whole: &Text, element: &str) -> Result<Self, Syntax> {
        let parts = lexer::address(element)?;
        let uri_headers = match parts.uri.rest {
            UriRest::Sip(SipUri { headers, .. }) => headers.to_owned(),
            UriRest::Opaque(_) => String::new(),
        };
        Ok(Self {
            display: lexer::unquote(parts.display),
            uri: to_uri(&parts.uri),
            uri_text: whole.part(parts.uri.text),
            uri_headers,
            params: to_params(parts.params),
        })
    }

    /// Its tag.
    pub fn tag(&self) -> Option<&str> {
        self.params.iter().find_map(|p| match p {
            Param::Tag(tag) => Some(tag.value()),
            _ => None,
        })
    }

    /// The value of a parameter of the header, unquoted; empty where it has none.
    pub fn param(&self, name: &str) -> Option<String> {
        find_param(&self.params, name)
    }

    /// Whether the URI's scheme is `sip` or `sips`.
    pub fn is_sip(&self) -> bool {
        self.uri.scheme.is_some()
    }

    /// RFC 3261 §19.1.1: `lr` says that the element is a loose router.
    pub fn is_loose_router(&self) -> bool {
        self.uri.params.iter().any(|p| matches!(p, Param::Lr))
    }

    /// A header of the URI, as Replaces in Refer-To: the escapes resolved.
    pub fn uri_header(&self, name: &str) -> Option<String> {
        let of_name = |pair: &&str| pair.split('=').next().is_some_and(|n| n.eq_ignore_ascii_case(name));
        let pair = self.uri_headers.split('&').find(of_name)?;
        Some(percent_decoded(pair.split_once('=').map_or("", |(_, value)| value)))
    }
}

/// A Via value: the fields that decide about transactions and about where responses go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Via<'a> {
    /// `UDP`, `TCP` or whatever else it says.
    pub transport: &'a str,
    /// The sent-by's host; IPv6 with its brackets.
    pub host: &'a str,
    /// The sent-by's port, where it is written.
    pub port: Option<u16>,
    /// `None` from elements older than RFC 3261.
    pub branch: Option<&'a str>,
    /// `rport` is there (RFC 3581), with its value once somebody filled it in.
    pub rport: Option<Option<u16>>,
    /// Where it really came from.
    pub received: Option<&'a str>,
}

impl<'a> Via<'a> {
    /// Reads one Via value.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn parse(text: &'a str) -> Result<Self, Syntax> {
        let parts = lexer::via(text)?;
        let params = Params(parts.params);
        Ok(Self {
            transport: parts.transport,
            host: parts.host,
            port: parts.port,
            branch: params.value("branch").filter(|b| !b.is_empty()),
            rport: params.value("rport").map(lexer::number),
            received: params.value("received").filter(|r| !r.is_empty()),
        })
    }
}

impl Headers {
    /// The top Via.
    pub fn via(&self) -> Option<Via<'_>> {
        Via::parse(self.get(&Name::Via)?).ok()
    }

    /// From.
    pub fn from(&self) -> Option<Address> {
        self.address(&Name::From)
    }

    /// To.
    pub fn to(&self) -> Option<Address> {
        self.address(&Name::To)
    }

    /// From's tag, without making the rest of it.
    pub fn from_tag(&self) -> Option<&str> {
        self.tag(&Name::From)
    }

    /// To's tag, without making the rest of it.
    pub fn to_tag(&self) -> Option<&str> {
        self.tag(&Name::To)
    }

    /// Call-ID.
    pub fn call_id(&self) -> Option<&Text> {
        self.get(&Name::CallId)
    }

    /// CSeq; `None` also where its method is one that rsip has no word for.
    pub fn cseq(&self) -> Option<(u32, Method)> {
        let (number, method) = lexer::cseq(self.get(&Name::CSeq)?).ok()?;
        Some((number, method_of(method)?))
    }

    /// The first Contact.
    pub fn contact(&self) -> Option<Address> {
        self.address(&Name::Contact)
    }

    /// All Contacts; `*` is none.
    pub fn contacts(&self) -> Vec<Address> {
        self.addresses(&Name::Contact)
    }

    /// Route, top first.
    pub fn routes(&self) -> Vec<Address> {
        self.addresses(&Name::Route)
    }

    /// Record-Route, top first.
    pub fn record_routes(&self) -> Vec<Address> {
        self.addresses(&Name::RecordRoute)
    }

    /// Max-Forwards, where it is there and below 256.
    pub fn max_forwards(&self) -> Option<u8> {
        lexer::number(self.get(&Name::MaxForwards)?)
    }

    /// A header that is a number of seconds or a sequence number; what follows a `;`, `(` or space is not looked at.
    pub fn number(&self, name: &Name) -> Option<u32> {
        lexer::number(self.get(name)?.split([';', '(', ' ', '\t']).next().unwrap_or_default())
    }

    /// The first address of that name; `None` where it is malformed.
    pub fn address(&self, name: &Name) -> Option<Address> {
        // From and To are no lists: a comma in a bare display name is theirs.
        if matches!(name, Name::From | Name::To) {
            return Address::parse(self.get(name)?).ok();
        }
        let (whole, element) = self.elements(name).next()?;
        Address::read(whole, element).ok()
    }

    /// All addresses of that name, in order, whether one a field or in lists; malformed ones are left out.
    pub fn addresses(&self, name: &Name) -> Vec<Address> {
        self.elements(name).filter_map(|(whole, element)| Address::read(whole, element).ok()).collect()
    }

    /// The media type of the body in lower case, without its parameters.
    pub fn content_type(&self) -> Option<String> {
        let text = self.get(&Name::ContentType)?;
        Some(text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }

    fn tag(&self, name: &Name) -> Option<&str> {
        let AddressParts { params, .. } = lexer::address(self.get(name)?).ok()?;
        Params(params).value("tag").filter(|tag| !tag.is_empty())
    }
}

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
    String::from_utf8_lossy(&out).chars().filter(|c| !c.is_control()).collect()
}

fn hex(b: u8) -> Option<u8> {
    char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

fn to_uri(parts: &UriParts<'_>) -> Uri {
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

fn to_params(text: &str) -> Vec<Param> {
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

    fn address(text: &str) -> Address {
        Address::parse(&Text::from(text)).unwrap()
    }

    #[test]
    fn an_address_comes_apart() {
        let a = address(r#""Souza, \"Maria\"" <sip:+5511987654321@10.0.0.1:5070;user=phone>;tag=ab;x="y z""#);
        assert_eq!(a.display, r#"Souza, "Maria""#);
        assert_eq!(a.uri.user(), Some("+5511987654321"));
        assert_eq!(a.uri.host_with_port.to_string(), "10.0.0.1:5070");
        assert_eq!(a.uri.to_string(), a.uri_text.as_str());
        assert_eq!((a.tag(), a.param("X").as_deref()), (Some("ab"), Some("y z")));
    }

    #[test]
    fn tel_and_ipv6_print_as_they_came() {
        for text in ["tel:+55-11-98765-4321;phone-context=x", "sip:joao.silva@[2001:db8::1]:5070;user=phone", "sips:h"]
        {
            assert_eq!(parse_uri(text).unwrap().to_string(), text);
        }
        assert!(!address("tel:190").is_sip());
        assert_eq!(parse_uri("sip:h;transport=tcp").unwrap().transport(), Some(&Transport::Tcp));
        assert_eq!(parse_uri("sip:h;transport=new").unwrap().to_string(), "sip:h;transport=new");
    }

    #[test]
    fn replaces_is_read_out_of_a_refer_to() {
        let a = address("<sip:202@h?Replaces=abc%40h%3Bto-tag%3D1%3Bfrom-tag%3D2&Require=replaces>");
        assert_eq!(a.uri_header("replaces").as_deref(), Some("abc@h;to-tag=1;from-tag=2"));
        assert_eq!(a.uri_header("Require").as_deref(), Some("replaces"));
        assert_eq!(a.uri_header("X"), None);
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
}
