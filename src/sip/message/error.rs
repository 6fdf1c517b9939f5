//! Why a message cannot be taken, and what is said to its sender.

use super::{Headers, Message, Name, Response, Status};

/// Which rule of the grammar a text breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum Syntax {
    #[error("URI is malformed")]
    Uri,
    #[error("host or port is malformed")]
    Host,
    #[error("address is malformed")]
    Address,
    #[error("display name is malformed")]
    DisplayName,
    #[error("quote is not closed")]
    Quote,
    #[error("parameters are malformed")]
    Parameters,
    #[error("Via is malformed")]
    Via,
    #[error("CSeq is malformed")]
    CSeq,
    #[error("list has an empty element")]
    EmptyElement,
    #[error("number is malformed")]
    Number,
}

/// What is wrong with a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum Fault {
    #[error("not a SIP message")]
    NotSip,
    #[error("SIP version is not 2.0")]
    Version,
    #[error("method is unknown")]
    Method,
    #[error("Request-Line is malformed")]
    RequestLine,
    #[error("Request-URI is malformed")]
    RequestUri,
    #[error("Request-URI is too long")]
    RequestUriTooLong,
    #[error("Status-Line is malformed")]
    StatusLine,
    #[error("message is too large")]
    MessageTooLarge,
    #[error("too many header fields")]
    TooManyHeaders,
    #[error("header field is too long")]
    LineTooLong,
    #[error("header field has no colon")]
    NoColon,
    #[error("header field's name is malformed")]
    HeaderName,
    #[error("a CR stands without its LF")]
    BareCr,
    #[error("Missing {0} header field")]
    Missing(Name),
    #[error("{0} header field stands twice")]
    Repeated(Name),
    #[error("{0}: {1}")]
    Header(Name, Syntax),
    #[error("CSeq method differs")]
    CSeqMethod,
    #[error("body is shorter than Content-Length")]
    BodyTooShort,
    #[error("response has more than one Via")]
    ForeignResponse,
}

/// A message that cannot be taken: the fault, and the headers as far as they could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct ParseError {
    /// The first fault found.
    pub fault: Fault,
    /// What a stateless answer copies from.
    pub headers: Headers,
    pub(super) kind: Kind,
}

/// What the unreadable message set out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A request that may be answered.
    Request,
    /// An ACK.
    Ack,
    /// A response, or no SIP at all.
    Unanswerable,
}

impl ParseError {
    /// A fault in a message that reads well by itself: on a stream, say, where its end cannot be found.
    pub fn new(fault: Fault, message: Message) -> Self {
        match message {
            Message::Request(request) if request.method == rsip::Method::Ack => {
                Self { fault, headers: request.headers, kind: Kind::Ack }
            }
            Message::Request(request) => Self { fault, headers: request.headers, kind: Kind::Request },
            Message::Response(response) => Self { fault, headers: response.headers, kind: Kind::Unanswerable },
        }
    }

    /// The status and reason phrase of the answer; `None`: drop it in silence.
    ///
    /// Nothing answers a response, an ACK (RFC 3261 §17.1.1.3), or text that shows neither a SIP version nor a Via.
    pub fn answer(&self) -> Option<(Status, String)> {
        if self.kind != Kind::Request || !self.headers.has(&Name::Via) {
            return None;
        }
        let (status, own_phrase) = match self.fault {
            Fault::NotSip | Fault::StatusLine | Fault::ForeignResponse => return None,
            Fault::Version => (Status::VERSION_NOT_SUPPORTED, false),
            Fault::Method => (Status::NOT_IMPLEMENTED, false),
            Fault::RequestUriTooLong => (Status::REQUEST_URI_TOO_LONG, false),
            Fault::MessageTooLarge => (Status::MESSAGE_TOO_LARGE, false),
            // RFC 3261 §21.4.1: "The Reason-Phrase SHOULD identify the syntax problem in more detail".
            _ => (Status::BAD_REQUEST, true),
        };
        Some((status, if own_phrase { self.fault.to_string() } else { status.reason_phrase().to_owned() }))
    }

    /// The answer itself, made without state.
    pub fn response(&self) -> Option<Response> {
        let (status, reason) = self.answer()?;
        Some(Response::to_headers(&self.headers, status).with_reason(reason).with_stateless_to_tag())
    }
}
