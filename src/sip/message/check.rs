//! What must be right in every message before anybody reads more of it.

use super::error::{Fault, Syntax};
use super::{Headers, Name, build, lexer, typed};

/// RFC 3261 §19.1.1: a Request-URI holds no headers.
pub(super) fn request_uri(text: &str) -> Result<(), Fault> {
    match lexer::uri(text).map_err(|_| Fault::RequestUri)?.rest {
        lexer::UriRest::Sip(sip) if !sip.headers.is_empty() => Err(Fault::RequestUri),
        _ => Ok(()),
    }
}

/// RFC 3261 §8.1.1: "A valid SIP request … MUST, at a minimum, contain … To, From, CSeq, Call-ID, Max-Forwards, and
/// Via"; Max-Forwards is forgiven to elements of RFC 2543.
pub(super) fn mandatory(headers: &Headers) -> Option<Fault> {
    if !headers.has(&Name::Via) {
        return Some(Fault::Missing(Name::Via));
    }
    let (mut from, mut to, mut call_id, mut cseq, mut hops, mut content_type) = (0, 0, 0, 0, 0, 0);
    for header in headers {
        match header.name() {
            Name::From => from += 1,
            Name::To => to += 1,
            Name::CallId if !header.value().is_empty() => call_id += 1,
            Name::CSeq => cseq += 1,
            Name::MaxForwards => hops += 1,
            Name::ContentType => content_type += 1,
            _ => {}
        }
    }
    for (count, name) in [(from, Name::From), (to, Name::To), (call_id, Name::CallId), (cseq, Name::CSeq)] {
        match count {
            0 => return Some(Fault::Missing(name)),
            1 => {}
            _ => return Some(Fault::Repeated(name)),
        }
    }
    let once = [(hops, Name::MaxForwards), (content_type, Name::ContentType)];
    once.into_iter().find(|(count, _)| *count > 1).map(|(_, name)| Fault::Repeated(name))
}

/// The syntax of what every element reads.
pub(super) fn checked(headers: &Headers, method: Option<&str>) -> Option<Fault> {
    let mut top = true;
    for header in headers {
        let value = header.value();
        let read = match header.name() {
            Name::Via if top => {
                top = false;
                lexer::via(value).and_then(branch)
            }
            Name::Via if value.is_empty() => Err(Syntax::Via),
            Name::Contact if *value == "*" => Ok(()),
            Name::From | Name::To => typed::tag(value).map(drop),
            Name::Contact | Name::Route | Name::RecordRoute => lexer::address(value).map(drop),
            Name::CSeq => match (lexer::cseq(value), method) {
                // RFC 3261 §8.1.1.5: "The method MUST match that of the request."
                (Ok((_, named)), Some(method)) if named != method => return Some(Fault::CSeqMethod),
                (read, _) => read.map(drop),
            },
            Name::MaxForwards => lexer::number::<u8>(value).map(drop).ok_or(Syntax::Number),
            _ => Ok(()),
        };
        if let Err(syntax) = read {
            return Some(Fault::Header(header.name().clone(), syntax));
        }
    }
    None
}

/// A branch that is the magic cookie and nothing more would be the same for every transaction.
fn branch(via: lexer::ViaParts<'_>) -> Result<(), Syntax> {
    match lexer::Params(via.params).value("branch") {
        Some(branch) if branch.eq_ignore_ascii_case(build::MAGIC_COOKIE) => Err(Syntax::Via),
        _ => Ok(()),
    }
}
