//! Who calls whom, as an INVITE's headers say it: plain text for the layers above, not believed yet.

use super::convert::percent_decoded;
use super::lexer::{self, UriRest};
use super::multipart::sdp;

use super::{Address, Name, Request, Text};
use crate::base::{Identities, Party, is_harmful};
use crate::sip::agent::Invitation;

/// RFC 3261 §8.1.1.6: "A UAC MUST insert a Max-Forwards header field into each request it originates with a value that
/// SHOULD be 70."
const MAX_FORWARDS: u8 = 70;

/// What an INVITE that begins a call asks for.
pub fn invitation(request: &Request) -> Invitation {
    Invitation {
        identities: identities(request),
        max_forwards: request.headers.max_forwards().unwrap_or(MAX_FORWARDS),
        offer: sdp(&request.headers, &request.body),
    }
}

/// All that the request says of its caller and its callee.
pub fn identities(request: &Request) -> Identities {
    let headers = &request.headers;
    let parties = |name| headers.addresses(&name).iter().map(party).collect::<Vec<_>>();
    let mut asserted = headers.addresses(&Name::PAssertedIdentity);
    // RFC 3325 §9.1 allows one SIP and one tel URI; the number is the plainer one. The sort keeps the order otherwise.
    asserted.sort_by_key(Address::is_sip);
    let remote_party = headers.address(&Name::RemotePartyId);
    Identities {
        request_uri: uri_party(&request.uri),
        to: headers.to().as_ref().map(party).unwrap_or_default(),
        from: headers.from().as_ref().map(party).unwrap_or_default(),
        asserted: asserted.iter().map(party).collect(),
        private: is_private(request, remote_party.as_ref()),
        remote_party: remote_party.as_ref().map(party),
        called_party: headers.address(&Name::PCalledPartyId).as_ref().map(party),
        diversion: parties(Name::Diversion),
    }
}

/// The address as plain text.
pub fn party(address: &Address) -> Party {
    Party { display: printable(&address.display), ..uri_party(&address.uri_text) }
}

/// The URI as plain text; empty where it is none.
pub fn uri_party(uri: &Text) -> Party {
    let Ok(parts) = lexer::uri(uri) else { return Party::default() };
    match parts.rest {
        UriRest::Sip(sip) => Party {
            display: String::new(),
            user: sip.user.map(subscriber).unwrap_or_default(),
            host: sip.host.trim_matches(['[', ']']).to_owned(),
        },
        // Of the others only tel: names somebody that a telephone can reach.
        UriRest::Opaque(number) if parts.scheme.eq_ignore_ascii_case("tel") => {
            Party { user: subscriber(number), ..Party::default() }
        }
        UriRest::Opaque(_) => Party::default(),
    }
}

/// RFC 3323 §4.2 and RFC 3325 §9.3: `id`, `user`; `full` and RPID's `privacy=` are older ways to say it.
fn is_private(request: &Request, remote_party: Option<&Address>) -> bool {
    let hides = |word: &str| ["id", "user", "full"].iter().any(|w| word.trim().eq_ignore_ascii_case(w));
    request.headers.all(&Name::Privacy).any(|value| value.split([';', ',']).any(hides))
        || remote_party
            .and_then(|party| party.param("privacy"))
            .is_some_and(|p| p.split('-').any(|p| hides(p) || p == "uri"))
}

/// A user part without the parameters that number portability and carriers hang on it (`;npdi;rn=`, `;cpc=`, `;ext=`,
/// `;phone-context=`, digits after a pause), and without escapes.
fn subscriber(user: &str) -> String {
    let decoded = percent_decoded(user);
    decoded.split([';', ',']).next().unwrap_or_default().trim().to_owned()
}

/// What moves a cursor or turns a line round would go on to a CRM, a console and a log.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !is_harmful(*c)).collect()
}

#[cfg(test)]
mod tests {
    use rsip::Method;

    use super::*;

    fn invite(uri: &str) -> Request {
        Request::new(Method::Invite, uri).with(Name::From, "<sip:f@h>;tag=1").with(Name::To, "<sip:t@h>")
    }

    #[test]
    fn numbers_lose_escapes_and_parameters() {
        for (uri, user, host) in [
            ("sip:%2B5511987654321@10.0.0.1:5070;user=phone", "+5511987654321", "10.0.0.1"),
            ("sip:1140028922;npdi;rn=551140000000@h", "1140028922", "h"),
            ("sip:+551140028922;cpc=ordinary;ext=12@[2001:db8::1]", "+551140028922", "2001:db8::1"),
            ("sip:40028922,,1@h", "40028922", "h"),
            ("sip:joao.silva:secret@h", "joao.silva", "h"),
            ("tel:+55-11-98765-4321;phone-context=x", "+55-11-98765-4321", ""),
            ("sip:h", "", "h"),
            ("urn:service:sos", "", ""),
            ("sip:a%0D%0Ab%00@h", "ab", "h"),
        ] {
            assert_eq!(uri_party(&uri.into()), Party { display: String::new(), user: user.into(), host: host.into() });
        }
    }

    #[test]
    fn everything_that_names_somebody_is_collected() {
        let request = invite("sip:201@pbx")
            .with(Name::PAssertedIdentity, "\"Ana, S\" <sip:ana@h>, <tel:+5511999990000>")
            .with(Name::PCalledPartyId, "<sip:+551140028922@h>")
            .with(Name::RemotePartyId, "\"A\tna\" <sip:300@h>;party=calling;privacy=off")
            .with(Name::Diversion, "<sip:1@h>;reason=no-answer, <sip:2@h>")
            .with(Name::Diversion, "<tel:3>;reason=unconditional");
        let who = identities(&request);
        assert_eq!(who.request_uri.user, "201");
        assert_eq!((who.from.user.as_str(), who.to.user.as_str()), ("f", "t"));
        assert_eq!(who.asserted.iter().map(|p| p.user.as_str()).collect::<Vec<_>>(), ["+5511999990000", "ana"]);
        assert_eq!(who.asserted[1].display, "Ana, S");
        assert_eq!(who.called_party.unwrap().user, "+551140028922");
        assert_eq!(who.remote_party.unwrap().display, "Ana");
        assert_eq!(who.diversion.iter().map(|p| p.user.as_str()).collect::<Vec<_>>(), ["1", "2", "3"]);
        assert!(!who.private);
    }

    #[test]
    fn privacy_is_seen_in_each_of_its_forms() {
        for value in ["id", "header; ID", "user;critical", "full", "none,id"] {
            assert!(identities(&invite("sip:h").with(Name::Privacy, value)).private, "{value}");
        }
        for value in ["none", "header", "session"] {
            assert!(!identities(&invite("sip:h").with(Name::Privacy, value)).private, "{value}");
        }
        assert!(identities(&invite("sip:h").with(Name::RemotePartyId, "<sip:3@h>;privacy=full")).private);
    }

    #[test]
    fn an_invitation_carries_hops_and_offer() {
        let request = invite("sip:201@pbx");
        assert_eq!((invitation(&request).max_forwards, invitation(&request).offer), (70, None));
        let request = request.with(Name::MaxForwards, "0068").with_body("application/sdp", "v=0\r\n".into());
        assert_eq!((invitation(&request).max_forwards, invitation(&request).offer), (68, Some("v=0\r\n".into())));
    }
}
