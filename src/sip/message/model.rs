//! [`Message`], [`Request`] and [`Response`]: what is read off the wire and what is printed.

use bytes::Bytes;
use rsip::{Method, Uri};

use super::{Headers, Name, Status, Syntax, Text, build, parse_uri, typed};

/// A SIP message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

impl Message {
    /// Its headers.
    pub fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }

    /// Its headers, to be changed.
    pub fn headers_mut(&mut self) -> &mut Headers {
        match self {
            Self::Request(request) => &mut request.headers,
            Self::Response(response) => &mut response.headers,
        }
    }

    /// Its body; empty where it has none.
    pub fn body(&self) -> &Bytes {
        match self {
            Self::Request(request) => &request.body,
            Self::Response(response) => &response.body,
        }
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        Self::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Self {
        Self::Response(response)
    }
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// One of those that rsip has a word for; others never become a request.
    pub method: Method,
    /// The Request-URI, as it stands.
    pub uri: Text,
    /// The header fields, without Content-Length.
    pub headers: Headers,
    /// The body; empty where it has none.
    pub body: Bytes,
}

impl Request {
    /// A request without headers yet.
    pub fn new(method: Method, uri: impl Into<Text>) -> Self {
        Self { method, uri: uri.into(), headers: Headers::with_capacity(16), body: Bytes::new() }
    }

    /// Whether it is an INVITE.
    pub fn is_invite(&self) -> bool {
        self.method == Method::Invite
    }

    /// The Request-URI, read.
    ///
    /// # Errors
    /// Only for a request that we made ourselves: the rule that its URI breaks.
    pub fn uri(&self) -> Result<Uri, Syntax> {
        parse_uri(&self.uri)
    }

    /// Adds a field.
    #[must_use]
    pub fn with(mut self, name: Name, value: impl Into<Text>) -> Self {
        self.headers.push(name, value);
        self
    }

    /// Sets body and Content-Type.
    #[must_use]
    pub fn with_body(mut self, content_type: impl Into<Text>, body: Bytes) -> Self {
        self.headers.set(Name::ContentType, content_type);
        self.body = body;
        self
    }
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: Status,
    /// The reason phrase, as it stands.
    pub reason: Text,
    /// The header fields, without Content-Length.
    pub headers: Headers,
    /// The body; empty where it has none.
    pub body: Bytes,
}

impl Response {
    /// The response to that request, with what RFC 3261 §8.2.6.2 copies: "The From field of the response MUST equal
    /// the From header field of the request. The Call-ID … CSeq … Via header field values in the response MUST equal
    /// the Via header field values in the request and MUST maintain the same ordering."
    pub fn to(request: &Request, status: Status) -> Self {
        Self::to_headers(&request.headers, status)
    }

    /// As [`to`](Self::to), where only the headers could be read.
    pub fn to_headers(request: &Headers, status: Status) -> Self {
        let mut headers = Headers::with_capacity(12);
        headers.copy(&Name::Via, request);
        for name in [Name::From, Name::To, Name::CallId, Name::CSeq] {
            if let Some(value) = request.get(&name) {
                headers.push_read(name, value.clone());
            }
        }
        // RFC 3261 §8.2.6.1: "When a 100 (Trying) response is generated, any Timestamp header field present in the
        // request MUST be copied into this 100 (Trying) response."
        if status == Status::TRYING {
            headers.copy(&Name::Timestamp, request);
        }
        Self { status, reason: Text::from_static(status.reason_phrase()), headers, body: Bytes::new() }
    }

    /// Adds our tag to To, unless one is there.
    ///
    /// RFC 3261 §8.2.6.2: "the UAS MUST add a tag to the To header field in the response (with the exception of the
    /// 100 (Trying) response, in which a tag MAY be present)."
    #[must_use]
    pub fn with_to_tag(mut self, tag: &str) -> Self {
        // A To that cannot be read is echoed as it came.
        if let Some(to) = self.headers.value_mut(&Name::To)
            && typed::tag(to) == Ok(None)
        {
            *to = build::tagged(to, tag);
        }
        self
    }

    /// Adds a To-tag that needs no state: every copy of the request gets the same one.
    ///
    /// RFC 3261 §8.2.7: "A stateless UAS … To header tags MUST be generated for responses in a stateless manner - in a
    /// manner that will generate the same tag for the same request consistently."
    #[must_use]
    pub fn with_stateless_to_tag(self) -> Self {
        // FNV-1a: what it is made of is no secret, and nothing is protected by it.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for value in [Name::Via, Name::CallId, Name::CSeq, Name::From].iter().filter_map(|name| self.headers.get(name))
        {
            for b in value.bytes() {
                hash = (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        self.with_to_tag(&format!("{hash:016x}"))
    }

    /// Copies Record-Route, as a response that makes a dialog must.
    ///
    /// RFC 3261 §12.1.1: "the UAS MUST copy all Record-Route header field values from the request into the response …
    /// and MUST maintain the order of those values."
    #[must_use]
    pub fn with_record_routes(mut self, request: &Request) -> Self {
        self.headers.copy(&Name::RecordRoute, &request.headers);
        self
    }

    /// Sets another reason phrase.
    #[must_use]
    pub fn with_reason(mut self, reason: impl Into<Text>) -> Self {
        self.reason = reason.into();
        self
    }

    /// Adds a field.
    #[must_use]
    pub fn with(mut self, name: Name, value: impl Into<Text>) -> Self {
        self.headers.push(name, value);
        self
    }

    /// Sets body and Content-Type.
    #[must_use]
    pub fn with_body(mut self, content_type: impl Into<Text>, body: Bytes) -> Self {
        self.headers.set(Name::ContentType, content_type);
        self.body = body;
        self
    }
}
