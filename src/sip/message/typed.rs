//! What headers say, read on demand.

use rsip::{Method, Param, Uri};

use super::convert::{find_param, method_of, percent_decoded, to_params, to_uri};
use super::lexer::{self, AddressParts, Params, SipUri, UriRest};
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
        tag(self.get(name)?).ok().flatten()
    }
}

/// The tag of an address.
pub(super) fn tag(address: &str) -> Result<Option<&str>, Syntax> {
    let AddressParts { params, .. } = lexer::address(address)?;
    match Params(params).value("tag") {
        // RFC 3261 §25.1: tag-param = "tag" EQUAL token.
        Some("") => Err(Syntax::Parameters),
        tag => Ok(tag),
    }
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
        assert!(a.is_sip() && !address("tel:190").is_sip());
        assert_eq!((a.tag(), a.param("X").as_deref()), (Some("ab"), Some("y z")));
    }

    #[test]
    fn replaces_is_read_out_of_a_refer_to() {
        let a = address("<sip:202@h?Replaces=abc%40h%3Bto-tag%3D1%3Bfrom-tag%3D2&Require=replaces>");
        assert_eq!(a.uri_header("replaces").as_deref(), Some("abc@h;to-tag=1;from-tag=2"));
        assert_eq!(a.uri_header("Require").as_deref(), Some("replaces"));
        assert_eq!(a.uri_header("X"), None);
    }
}
