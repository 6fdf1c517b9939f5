//! What a UAS looks at once the syntax is right (RFC 3261 §8.2), before anybody above hears of the request.

use rsip::Method;

use super::lexer::{self, UriRest};
use super::{Headers, Name, Request, Response, Status};
use crate::sip::dialog::session_timer;

/// Why a request that reads well is refused all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Objection {
    /// 416: the Request-URI is neither `sip:`, `sips:` nor `tel:`.
    UriScheme,
    /// 420: it requires what we don't know.
    Extension {
        /// The option tags, for Unsupported.
        unsupported: Vec<String>,
    },
    /// 415: the body is of a type we cannot read, and may not be ignored.
    MediaType,
    /// 415: the body is packed in a way we don't know.
    ContentEncoding,
    /// 406: it takes no SDP in the answer.
    NoSdpAccepted,
    /// 483: it may go no further.
    Hops,
    /// 422: it asks for refreshes more often than we take them.
    SessionInterval,
    /// 400: the Date is none.
    Date,
    /// 400: To of a REGISTER is no address of record.
    NoAddressOfRecord,
    /// 401: its credentials are of a scheme we don't know.
    Credentials,
}

impl Objection {
    /// The code of the answer.
    pub const fn status(&self) -> Status {
        match self {
            Self::UriScheme => Status::UNSUPPORTED_URI_SCHEME,
            Self::Extension { .. } => Status::BAD_EXTENSION,
            Self::MediaType | Self::ContentEncoding => Status::UNSUPPORTED_MEDIA_TYPE,
            Self::NoSdpAccepted => Status::NOT_ACCEPTABLE,
            Self::Hops => Status::TOO_MANY_HOPS,
            Self::SessionInterval => Status::SESSION_INTERVAL_TOO_SMALL,
            Self::Date | Self::NoAddressOfRecord => Status::BAD_REQUEST,
            Self::Credentials => Status::UNAUTHORIZED,
        }
    }

    /// The answer, with the header that its code asks for. A 401 still lacks its challenge, which the registrar makes.
    pub fn response(&self, request: &Request) -> Response {
        let response = Response::to(request, self.status());
        match self {
            // RFC 3261 §8.2.2.3: "The UAS MUST add an Unsupported header field, and list in it those
            // options it does not understand".
            Self::Extension { unsupported } => response.with(Name::Unsupported, unsupported.join(", ")),
            // RFC 3261 §8.2.3: "The response MUST contain an Accept header field listing the types of all bodies it
            // understands" … "the Accept-Encoding header field".
            Self::MediaType => response.with(Name::Accept, "application/sdp"),
            Self::ContentEncoding => response.with(Name::AcceptEncoding, "identity"),
            // RFC 4028 §9: "The 422 response MUST contain a Min-SE header field with the minimum timer for that server."
            Self::SessionInterval => response.with(Name::MinSe, session_timer::MIN_SE.to_string()),
            Self::Date => response.with_reason("Date is malformed"),
            Self::NoAddressOfRecord => response.with_reason("To is no address of record"),
            _ => response,
        }
    }
}

/// The first objection, in RFC 3261 §8.2's order; `supported` are the option tags that we know.
///
/// Methods are the caller's to judge (405). An ACK is never objected to: nothing answers it.
pub fn inspect(request: &Request, supported: &[&str]) -> Option<Objection> {
    if request.method == Method::Ack {
        return None;
    }
    let headers = &request.headers;
    let begins = headers.to_tag().is_none();
    if !is_served(&request.uri) {
        return Some(Objection::UriScheme);
    }
    extensions(request, supported)
        .or_else(|| content(request))
        .or_else(|| not_acceptable(request))
        // RFC 3261 §16.3: "If the request contains a Max-Forwards header field with a field value of zero (0), the
        // element MUST NOT forward the request." Inside a dialog it is for us, and goes no further anyway.
        .or_else(|| (begins && headers.max_forwards() == Some(0)).then_some(Objection::Hops))
        .or_else(|| is_session_too_short(request).then_some(Objection::SessionInterval))
        .or_else(|| (!is_date(headers)).then_some(Objection::Date))
        .or_else(|| if request.method == Method::Register { registration(headers) } else { None })
}

fn is_served(uri: &str) -> bool {
    lexer::uri(uri).is_ok_and(|uri| match uri.rest {
        UriRest::Sip(_) => true,
        UriRest::Opaque(_) => uri.scheme.eq_ignore_ascii_case("tel"),
    })
}

/// RFC 3261 §8.2.2.3: "If a UAS does not understand an option-tag listed in a Require header field, it MUST respond by
/// generating a response with status code 420 (Bad Extension)." CANCEL is exempt.
fn extensions(request: &Request, supported: &[&str]) -> Option<Objection> {
    if request.method == Method::Cancel {
        return None;
    }
    let headers = &request.headers;
    let required = headers.tokens(&Name::Require).chain(headers.tokens(&Name::ProxyRequire));
    let unsupported: Vec<_> =
        required.filter(|tag| !supported.iter().any(|s| s.eq_ignore_ascii_case(tag))).map(str::to_owned).collect();
    (!unsupported.is_empty()).then_some(Objection::Extension { unsupported })
}

/// RFC 3261 §8.2.3: "If there are any bodies whose type … language … or encoding … are not understood, and that body
/// part is not optional …, the UAS MUST reject the request with a 415".
fn content(request: &Request) -> Option<Objection> {
    if request.body.is_empty() || !carries_sdp(request.method) || is_optional(&request.headers) {
        return None;
    }
    if request.headers.tokens(&Name::ContentEncoding).any(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Some(Objection::ContentEncoding);
    }
    match request.headers.content_type() {
        Some(kind) if kind == "application/sdp" || kind.starts_with("multipart/") => None,
        _ => Some(Objection::MediaType),
    }
}

fn carries_sdp(method: Method) -> bool {
    matches!(method, Method::Invite | Method::Update | Method::PRack)
}

/// RFC 3261 §20.11: "handling=optional".
fn is_optional(headers: &Headers) -> bool {
    headers.get(&Name::ContentDisposition).is_some_and(|text| {
        text.split(';')
            .skip(1)
            .any(|p| p.split_whitespace().collect::<String>().eq_ignore_ascii_case("handling=optional"))
    })
}

/// RFC 3261 §20.1: without Accept, `application/sdp` is assumed.
fn not_acceptable(request: &Request) -> Option<Objection> {
    if request.method != Method::Invite || !request.headers.has(&Name::Accept) {
        return None;
    }
    let takes_sdp = |range: &str| {
        let range = range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        matches!(range.as_str(), "application/sdp" | "application/*" | "*/*")
    };
    // An Accept that lists nothing wants no bodies at all.
    (!request.headers.tokens(&Name::Accept).any(takes_sdp)).then_some(Objection::NoSdpAccepted)
}

fn is_session_too_short(request: &Request) -> bool {
    matches!(request.method, Method::Invite | Method::Update) && session_timer::is_too_short(&request.headers)
}

/// RFC 3261 §20.17: "SIP restricts the time zone in SIP-date to "GMT"".
fn is_date(headers: &Headers) -> bool {
    headers.get(&Name::Date).is_none_or(|date| date.ends_with("GMT"))
}

fn registration(headers: &Headers) -> Option<Objection> {
    if !headers.to().is_some_and(|to| to.is_sip()) {
        return Some(Objection::NoAddressOfRecord);
    }
    let is_digest = |text: &str| text.split([' ', '\t']).next().is_some_and(|s| s.eq_ignore_ascii_case("Digest"));
    let strange = headers.get(&Name::Authorization).is_some_and(|credentials| !is_digest(credentials));
    strange.then_some(Objection::Credentials)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invite() -> Request {
        Request::new(Method::Invite, "sip:u@h").with(Name::To, "<sip:u@h>")
    }

    #[track_caller]
    fn objects(request: &Request, code: u16) {
        let status = inspect(request, &["timer", "replaces"]).map(|o| o.status().code());
        assert_eq!(status, (code != 0).then_some(code));
    }

    #[test]
    fn an_ordinary_invite_passes() {
        objects(&invite().with(Name::Require, "Timer").with(Name::Accept, "text/plain, application/sdp;level=1"), 0);
        objects(&Request { uri: "tel:+551140028922".into(), ..invite() }, 0);
    }

    #[test]
    fn unknown_requirements_are_listed() {
        let request = invite().with(Name::Require, "timer, path").with(Name::ProxyRequire, "magic");
        let response = inspect(&request, &["timer"]).unwrap().response(&request);
        assert_eq!(response.status, 420);
        assert_eq!(response.headers.get(&Name::Unsupported).unwrap(), "path, magic");
        objects(&Request { method: Method::Cancel, ..request.clone() }, 0);
        objects(&Request { method: Method::Ack, ..request }, 0);
    }

    #[test]
    fn bodies_that_must_be_understood_are_sdp() {
        let with = |kind: &str| invite().with_body(kind, "x".into());
        objects(&with("Application/SDP; charset=x"), 0);
        objects(&with("multipart/mixed;boundary=x"), 0);
        objects(&with("application/isup"), 415);
        objects(&with("application/isup").with(Name::ContentDisposition, "signal; handling = optional"), 0);
        objects(&with("application/sdp").with(Name::ContentEncoding, "gzip"), 415);
        objects(&Request { method: Method::Info, ..with("application/dtmf-relay") }, 0);
    }

    #[test]
    fn hops_count_outside_dialogs_only() {
        objects(&invite().with(Name::MaxForwards, "0"), 483);
        let mut inside = invite().with(Name::MaxForwards, "0");
        inside.headers.set(Name::To, "<sip:u@h>;tag=1");
        objects(&inside, 0);
    }

    #[test]
    fn the_rest_of_the_refusals() {
        objects(&Request { uri: "soap.beep://h".into(), ..invite() }, 416);
        objects(&invite().with(Name::Accept, "text/plain"), 406);
        objects(&invite().with(Name::Date, "Fri, 01 Jan 2010 16:00:00 EST"), 400);
        let register = Request { method: Method::Register, ..invite() };
        objects(&register.clone().with(Name::Authorization, "Basic eDp5"), 401);
        objects(&register.clone().with(Name::Authorization, "digest username=\"x\""), 0);
        let mut isbn = register;
        isbn.headers.set(Name::To, "isbn:2983792873");
        objects(&isbn, 400);
    }
}
