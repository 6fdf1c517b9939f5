//! [`parse`]: bytes to a message, or the fault and what can still be answered.
//!
//! The head is looked at once: lines are found, unfolded where they are folded, named, and lists of Via, Contact and
//! routes are split; values stay slices of the datagram. Checked are the things that every element reads.

use std::ops::Range;

use bytes::Bytes;

use super::check::{checked, mandatory, request_uri};
use super::error::{Fault, Kind, ParseError, Syntax};
use super::headers::Headers;
use super::lexer::{self, List};
use super::lines::{Lines, same_length, split, unfolded};
use super::{Message, Name, Request, Response, Status, Text, method_of};

/// How large a message may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a whole message.
    pub message: usize,
    /// Header fields, each element of a split list counted.
    pub headers: usize,
    /// Bytes of one header field or the start line, folds included.
    pub line: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { message: 64 * 1024, headers: 256, line: 8 * 1024 }
    }
}

/// Reads one message: a datagram, or what [`framing`](crate::net::framing) cut from a stream.
///
/// # Errors
/// The first fault, with the headers that a stateless answer needs.
pub fn parse(bytes: &Bytes, limits: &Limits) -> Result<Message, ParseError> {
    // RFC 3261 §7.5: "Implementations … MUST ignore any CRLF appearing before the start-line".
    let skipped = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    let bytes = bytes.slice(skipped..);
    let mut reader = Reader::new(&bytes, *limits);
    let start = reader.start_line();
    let is_response = start.as_ref().is_some_and(|start| is_sip(start.as_bytes()));
    reader.is_response = is_response;
    reader.fields();
    if bytes.len() > limits.message {
        // Said before all else: what follows from a cut-off message would only mislead.
        reader.fault = Some(Fault::MessageTooLarge);
    }
    match start {
        Some(start) if is_response => response(&start, reader),
        Some(start) => request(&start, reader),
        None => Err(reader.refuse(Fault::NotSip, Kind::Unanswerable)),
    }
}

fn is_sip(start: &[u8]) -> bool {
    start.get(..4).is_some_and(|word| word.eq_ignore_ascii_case(b"SIP/"))
}

/// Whether each element of a Contact can be read.
fn are_contacts(list: &Text) -> bool {
    List::new(list).all(|element| element.is_ok_and(|one| one == "*" || lexer::address(one).is_ok()))
}

/// One pass over the head.
struct Reader<'a> {
    bytes: &'a Bytes,
    /// The head as text (and more), where it is UTF-8 as a whole: then values need no check of their own.
    head: Option<Text>,
    limits: Limits,
    lines: Lines<'a>,
    headers: Headers,
    content_length: Option<usize>,
    /// It is no request, so that nobody is told what is wrong with it.
    is_response: bool,
    /// The first one found in the fields.
    fault: Option<Fault>,
    /// The start line did not keep to the limit.
    long_start: bool,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a Bytes, limits: Limits) -> Self {
        // Nearly always the body is text too, and then its beginning need not be looked for.
        let head = Text::from_utf8(bytes.clone()).or_else(|| {
            let end = memchr::memmem::find(bytes, b"\r\n\r\n")?;
            Text::from_utf8(bytes.slice(..end))
        });
        Self {
            bytes,
            head,
            limits,
            lines: Lines::of(bytes),
            headers: Headers::with_capacity(24),
            content_length: None,
            is_response: false,
            fault: None,
            long_start: false,
        }
    }

    /// The first line; `None` where there is no whole one.
    fn start_line(&mut self) -> Option<Text> {
        let end = memchr::memchr(b'\n', self.bytes)?;
        self.lines.at = end + 1;
        self.long_start = end > self.limits.line;
        let line = 0..end.min(self.limits.line);
        let line = match self.slice(line.clone()).strip_suffix(b"\r") {
            Some(line) => 0..line.len(),
            None => line,
        };
        Some(self.text(line))
    }

    /// All header fields, up to the empty line or the end of the bytes.
    fn fields(&mut self) {
        while let Some((line, folded)) = self.lines.next() {
            if line.is_empty() {
                break;
            }
            if self.headers.len() >= self.limits.headers {
                self.note(Fault::TooManyHeaders);
                // Nothing more is kept, but the end of the head has to be found.
                continue;
            }
            if line.len() > self.limits.line {
                self.note(Fault::LineTooLong);
                continue;
            }
            if let Err(fault) = self.field(&line, folded) {
                self.note(fault);
            }
        }
    }

    fn field(&mut self, line: &Range<usize>, folded: bool) -> Result<(), Fault> {
        let (name, value) = split(self.bytes, line).ok_or(Fault::NoColon)?;
        let name = Name::read(self.slice(name.clone()), || self.text(name)).ok_or(Fault::HeaderName)?;
        let value = if folded { unfolded(self.slice(value))? } else { self.value(value)? };
        if name == Name::ContentLength {
            return same_length(&mut self.content_length, &value);
        }
        // A final response counts whatever its Contact is: it is taken as if it had none. Were it dropped whole, its
        // request would be sent again until nobody waits any more.
        if name == Name::Contact && self.is_response && !are_contacts(&value) {
            return Ok(());
        }
        if name.is_split() && memchr::memchr(b',', value.as_bytes()).is_some() {
            return self.list(name, &value);
        }
        self.headers.push_read(name, value);
        Ok(())
    }

    fn list(&mut self, name: Name, list: &Text) -> Result<(), Fault> {
        // A list that cannot be split is kept whole, so that a response has the Via to echo.
        if let Some(syntax) = List::new(list).find_map(|element| match element {
            Ok("") => Some(Syntax::EmptyElement),
            Ok(_) => None,
            Err(syntax) => Some(syntax),
        }) {
            self.headers.push_read(name.clone(), list.clone());
            return Err(Fault::Header(name, syntax));
        }
        for element in List::new(list).flatten() {
            if self.headers.len() >= self.limits.headers {
                return Err(Fault::TooManyHeaders);
            }
            self.headers.push_read(name.clone(), list.part(element));
        }
        Ok(())
    }

    fn value(&self, range: Range<usize>) -> Result<Text, Fault> {
        let raw = self.slice(range.clone());
        let blank = |b: &u8| matches!(b, b' ' | b'\t');
        let before = raw.iter().take_while(|b| blank(b)).count();
        let after = raw.iter().skip(before).rev().take_while(|b| blank(b)).count();
        let trimmed = range.start + before..range.end - after;
        // Some peers take a bare CR for the end of a line: it must not reach them in the middle of one.
        if memchr::memchr(b'\r', self.slice(trimmed.clone())).is_some() {
            return Err(Fault::BareCr);
        }
        Ok(self.text(trimmed))
    }

    fn slice(&self, range: Range<usize>) -> &'a [u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    fn text(&self, range: Range<usize>) -> Text {
        let Some(head) = &self.head else {
            return Text::from_wire(&self.bytes.slice_ref(self.slice(range)));
        };
        match head.get(range.clone()) {
            Some(part) => head.part(part),
            None => Text::from_wire(&self.bytes.slice_ref(self.slice(range))),
        }
    }

    fn note(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    fn refuse(self, fault: Fault, kind: Kind) -> ParseError {
        ParseError { fault, headers: self.headers, kind }
    }

    /// RFC 3261 §18.3: "If there are additional bytes in the transport packet beyond the end of the body, they MUST be
    /// discarded. If the transport packet ends before the end of the message body, this is considered an error."
    fn body(&self) -> Result<Bytes, Fault> {
        let body = self.bytes.slice(self.lines.at.min(self.bytes.len())..);
        match self.content_length {
            Some(length) if length > body.len() => Err(Fault::BodyTooShort),
            Some(length) => Ok(body.slice(..length)),
            None => Ok(body),
        }
    }
}

fn response(start: &Text, mut reader: Reader<'_>) -> Result<Message, ParseError> {
    let refuse = |reader: Reader<'_>, fault| Err(reader.refuse(fault, Kind::Unanswerable));
    let (version, rest) = start.split_once(' ').unwrap_or((start, ""));
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        return refuse(reader, Fault::Version);
    }
    let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let status = lexer::number(code).filter(|_| code.len() == 3).and_then(Status::new);
    let Some(status) = status.filter(|_| !reader.long_start && !reason.contains('\r')) else {
        return refuse(reader, Fault::StatusLine);
    };
    if let Some(fault) =
        reader.fault.take().or_else(|| mandatory(&reader.headers)).or_else(|| checked(&reader.headers, None))
    {
        return refuse(reader, fault);
    }
    // RFC 3261 §8.1.3.3: "If more than one Via header field value is present in a response, the UAC SHOULD discard the
    // message." A B2BUA is a UAC on each of its legs.
    if reader.headers.all(&Name::Via).nth(1).is_some() {
        return refuse(reader, Fault::ForeignResponse);
    }
    match reader.body() {
        Ok(body) => {
            Ok(Message::Response(Response { status, reason: start.part(reason), headers: reader.headers, body }))
        }
        Err(fault) => refuse(reader, fault),
    }
}

fn request(start: &Text, mut reader: Reader<'_>) -> Result<Message, ParseError> {
    let (word, rest) = start.split_once(' ').unwrap_or((start, ""));
    let (uri, version) = rest.rsplit_once(' ').unwrap_or((rest, ""));
    let kind = if word == "ACK" { Kind::Ack } else { Kind::Request };
    if reader.long_start && lexer::token(word) {
        return Err(reader.refuse(Fault::RequestUriTooLong, kind));
    }
    if !lexer::token(word) || rest.is_empty() {
        return Err(reader.refuse(Fault::NotSip, Kind::Unanswerable));
    }
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        let fault = if is_sip(version.as_bytes()) { Fault::Version } else { Fault::RequestLine };
        let kind = if start.to_ascii_uppercase().contains("SIP/") { kind } else { Kind::Unanswerable };
        return Err(reader.refuse(fault, kind));
    }
    let fault = reader.fault.take().or_else(|| mandatory(&reader.headers)).or_else(|| request_uri(uri).err());
    if let Some(fault) = fault.or_else(|| checked(&reader.headers, Some(word))) {
        return Err(reader.refuse(fault, kind));
    }
    let body = match reader.body() {
        Ok(body) => body,
        Err(fault) => return Err(reader.refuse(fault, kind)),
    };
    match method_of(word) {
        Some(method) => Ok(Message::Request(Request { method, uri: start.part(uri), headers: reader.headers, body })),
        None => Err(reader.refuse(Fault::Method, kind)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "INVITE sip:+551140028922@h SIP/2.0\r\n\
        Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa, SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKb\r\n\
        f: \"Maria\" <sip:m@h>;tag=1\r\nt: <sip:+551140028922@h>\r\ni: a@b\r\nCSeq: 1 INVITE\r\n\
        Subject : first\r\n\t second\r\nl: 4\r\n\r\nv=0\nrest";

    fn read(text: &[u8]) -> Result<Message, ParseError> {
        parse(&Bytes::copy_from_slice(text), &Limits::default())
    }

    fn request_of(text: &[u8]) -> Request {
        match read(text) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn refused(text: &str, code: u16, fault: &Fault) {
        let error = read(text.as_bytes()).expect_err("is refused");
        assert_eq!(error.fault, *fault);
        assert_eq!(error.answer().map_or(0, |(status, _)| status.code()), code);
    }

    #[test]
    fn reads_compact_names_folds_lists_and_cuts_the_body() {
        let request = request_of(INVITE.as_bytes());
        let vias: Vec<_> = request.headers.all(&Name::Via).map(Text::as_str).collect();
        assert_eq!(vias, ["SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa", "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKb"]);
        assert_eq!(request.headers.get(&Name::Subject).unwrap(), "first second");
        assert_eq!((request.headers.from_tag(), request.headers.to_tag()), (Some("1"), None));
        assert_eq!(request.headers.cseq(), Some((1, rsip::Method::Invite)));
        assert_eq!(&request.body[..], b"v=0\n");
    }

    #[test]
    fn a_response_counts_whatever_its_contact_is() {
        let response = |contact: &str| {
            let text = format!(
                "SIP/2.0 486 Busy Here\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\nFrom: <sip:m@h>;tag=1\r\n\
                 To: <sip:b@h>;tag=2\r\nCall-ID: a@b\r\nCSeq: 1 INVITE\r\n{contact}\r\n\r\n"
            );
            match read(text.as_bytes()) {
                Ok(Message::Response(response)) => response.headers.contacts().len(),
                other => panic!("{contact}: {other:?}"),
            }
        };
        for broken in ["Contact: <sip:b@h", "m: \"b <sip:b@h>", "Contact: , ,", "Contact:", "Contact: <sip:a@h>, <"] {
            assert_eq!(response(broken), 0, "{broken}");
        }
        assert_eq!(response("Contact: <sip:a@h>, <sip:b@h>;q=0.5"), 2);
        refused(&INVITE.replace("Subject", "Contact: <sip:b@h\r\nSubject"), 400, &{
            Fault::Header(Name::Contact, Syntax::Address)
        });
    }

    #[test]
    fn values_share_the_datagram() {
        let datagram = Bytes::copy_from_slice(INVITE.as_bytes());
        let Ok(Message::Request(request)) = parse(&datagram, &Limits::default()) else { panic!("reads") };
        let inside = datagram.as_ptr_range();
        assert!(inside.contains(&request.headers.call_id().unwrap().as_ptr()));
        assert!(inside.contains(&request.body.as_ptr()));
    }

    #[test]
    fn line_feeds_alone_and_leading_line_ends_are_taken() {
        let text = format!("\r\n\r\n{}", INVITE.replace("\r\n", "\n"));
        assert_eq!(request_of(text.as_bytes()), request_of(INVITE.as_bytes()));
    }

    #[test]
    fn latin_1_is_read_and_the_other_headers_stay() {
        let text = INVITE.replace("Maria", "Jo@o").into_bytes();
        let text: Vec<u8> = text.iter().map(|&b| if b == b'@' { 0xe3 } else { b }).collect();
        // Every `@` became `ã`: URIs take no notice, as the host is a name of its own there.
        assert!(read(&text).is_err());
        let mut text = INVITE.as_bytes().to_vec();
        let at = INVITE.find("Maria").unwrap();
        text[at + 1] = 0xe3;
        let request = request_of(&text);
        assert_eq!(request.headers.from().unwrap().display, "Mãria");
        assert_eq!(request.headers.call_id().unwrap(), "a@b");
    }

    #[test]
    fn faults_are_named_and_answered() {
        refused(&INVITE.replace("CSeq: 1 INVITE", "CSeq: 1 BYE"), 400, &Fault::CSeqMethod);
        refused(&INVITE.replace("i: a@b\r\n", ""), 400, &Fault::Missing(Name::CallId));
        refused(&INVITE.replace("l: 4", "l: 400"), 400, &Fault::BodyTooShort);
        refused(&INVITE.replace("l: 4", "l: 4\r\nl: 5"), 400, &Fault::Repeated(Name::ContentLength));
        refused(&INVITE.replace("INVITE", "DANCE"), 501, &Fault::Method);
        refused(&INVITE.replace(" SIP/2.0\r", " SIP/3.0\r"), 505, &Fault::Version);
        refused(&INVITE.replace("Subject : first", "Subject : a\rb"), 400, &Fault::BareCr);
        refused(&INVITE.replace("Subject : first", "Subject first"), 400, &Fault::NoColon);
    }

    #[test]
    fn nothing_answers_an_ack_a_response_or_what_is_no_sip() {
        refused(
            &INVITE.replace("INVITE", "ACK").replace("tag=1", ";"),
            0,
            &Fault::Header(Name::From, Syntax::Parameters),
        );
        refused("SIP/2.0 200 OK\r\nVia: x\r\n\r\n", 0, &Fault::Missing(Name::From));
        refused("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0, &Fault::RequestLine);
        refused("hello", 0, &Fault::NotSip);
        refused("", 0, &Fault::NotSip);
        refused("SIPé", 0, &Fault::NotSip);
        refused(&INVITE.replace("Via: ", "X: "), 0, &Fault::Missing(Name::Via));
    }

    #[test]
    fn limits_hold() {
        let subject = |text: String| INVITE.replace("Subject : first", &text);
        refused(&subject(format!("Subject: {}", "x".repeat(9000))), 400, &Fault::LineTooLong);
        refused(&subject("X: 1\r\n".repeat(300) + "X: 1"), 400, &Fault::TooManyHeaders);
        refused(&subject(format!("Contact: {}<sip:h>", "<sip:h>,".repeat(300))), 400, &Fault::TooManyHeaders);
        refused(&format!("{INVITE}{}", "x".repeat(70_000)), 513, &Fault::MessageTooLarge);
        refused(&INVITE.replace("sip:+55", &format!("sip:+{}", "5".repeat(9000))), 414, &Fault::RequestUriTooLong);
    }

    #[test]
    fn the_answer_to_a_fault_echoes_what_could_be_read() {
        let error = read(INVITE.replace("i: a@b", "i: a@b\r\nCSeq: 2 INVITE").as_bytes()).unwrap_err();
        let printed = error.response().unwrap().to_bytes();
        let printed = std::str::from_utf8(&printed).unwrap();
        assert!(printed.starts_with(
            "SIP/2.0 400 CSeq header field stands twice\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\n"
        ));
        assert!(printed.contains("\r\nCall-ID: a@b\r\n"));
    }
}
