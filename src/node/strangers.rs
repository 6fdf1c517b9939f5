//! What strangers are answered: over UDP never more bytes than they sent, for the address that they sent from may be
//! somebody else's, who would get it all.

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::sip::message::{Name, Response};

/// The answer to a datagram of this many bytes: whole, else without what it need not say, else in compact form;
/// `None`: silence.
pub(super) fn modest(response: Response, size: usize) -> Option<Bytes> {
    let fits = |bytes: &Bytes| bytes.len() <= size;
    let whole = response.to_bytes();
    if fits(&whole) {
        return Some(whole);
    }
    let bare = bare(response).to_bytes();
    if fits(&bare) {
        return Some(bare);
    }
    let short = compact(&bare);
    if fits(&short) {
        return Some(short);
    }
    // RFC 3261 §25.1: a Reason-Phrase may be empty.
    Some(without_reason(&short)).filter(fits)
}

/// With nothing but what RFC 3261 §8.2.6.2 copies from the request.
fn bare(mut response: Response) -> Response {
    for name in [Name::Allow, Name::Accept, Name::AcceptEncoding, Name::AcceptLanguage, Name::Supported] {
        response.headers.remove(&name);
    }
    response
}

/// RFC 3261 §7.3.3: "SIP provides a mechanism to represent common header field names in an abbreviated form." "A
/// compact form MAY be substituted for the longer form of a header field name at any time".
fn compact(bytes: &[u8]) -> Bytes {
    const SHORT: [(&[u8], &[u8]); 5] =
        [(b"Via: ", b"v:"), (b"From: ", b"f:"), (b"To: ", b"t:"), (b"Call-ID: ", b"i:"), (b"Content-Length: ", b"l:")];
    let mut out = BytesMut::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        let short = SHORT.iter().find_map(|(long, short)| Some((short, line.strip_prefix(*long)?)));
        match short {
            Some((name, rest)) => {
                out.put_slice(name);
                out.put_slice(rest);
            }
            None => out.put_slice(line),
        }
    }
    out.freeze()
}

fn without_reason(bytes: &Bytes) -> Bytes {
    const CODE: usize = "SIP/2.0 200 ".len();
    let rest = memchr::memchr(b'\r', bytes).unwrap_or(bytes.len());
    [bytes.get(..CODE).unwrap_or_default(), bytes.get(rest..).unwrap_or_default()].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::{Limits, Message, Status, parse};

    fn answer() -> Response {
        let request = "OPTIONS sip:ramal SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:9;branch=z9hG4bKo1;rport=9\r\n\
            From: <sip:probe@example.com>;tag=p1\r\nTo: <sip:ramal>\r\nCall-ID: o1\r\nCSeq: 7 OPTIONS\r\n\r\n";
        match parse(&request.into(), &Limits::default()).unwrap() {
            Message::Request(request) => {
                Response::to(&request, Status::OK).with(Name::Allow, "INVITE").with(Name::Supported, "")
            }
            Message::Response(_) => panic!("a request"),
        }
    }

    #[test]
    fn an_answer_says_less_the_shorter_the_question_was_and_the_same_in_the_end() {
        let whole = answer().to_bytes();
        assert_eq!(modest(answer(), whole.len()), Some(whole.clone()));
        let bare = modest(answer(), whole.len() - 1).unwrap();
        assert!(!bare.windows(5).any(|text| text == b"Allow"));
        let compact = modest(answer(), bare.len() - 1).unwrap();
        assert!(compact.len() < bare.len());
        let read = |bytes: &Bytes| parse(bytes, &Limits::default()).unwrap();
        assert_eq!(read(&compact), read(&bare));
        let shortest = modest(answer(), compact.len() - 1).unwrap();
        assert!(shortest.starts_with(b"SIP/2.0 200 \r\n"));
        assert_eq!(read(&shortest).headers(), read(&bare).headers());
        assert_eq!(modest(answer(), shortest.len() - 1), None);
    }
}
