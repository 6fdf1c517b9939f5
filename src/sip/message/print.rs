//! Printing: what was not read is copied as it came; Content-Length is always the body's own.

use bytes::{BufMut, Bytes, BytesMut};

use super::convert::method_text;
use super::{Headers, Message, Request, Response};

impl Message {
    /// Appends the message as it goes over the wire.
    pub fn write(&self, out: &mut impl BufMut) {
        match self {
            Self::Request(request) => request.write(out),
            Self::Response(response) => response.write(out),
        }
    }

    /// The message as it goes over the wire.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }
}

impl Message {
    /// Its first line, for people to read.
    pub fn start_line(&self) -> String {
        match self {
            Self::Request(request) => format!("{} {} SIP/2.0", method_text(request.method), request.uri),
            Self::Response(response) => format!("SIP/2.0 {} {}", response.status.code(), response.reason),
        }
    }
}

impl Request {
    /// Appends the request as it goes over the wire.
    pub fn write(&self, out: &mut impl BufMut) {
        out.put_slice(method_text(self.method).as_bytes());
        out.put_u8(b' ');
        put_inert(&self.uri, b"%20", |b| b <= b' ' || b == 0x7f, out);
        out.put_slice(b" SIP/2.0\r\n");
        put_rest(&self.headers, &self.body, out);
    }

    /// The request as it goes over the wire.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(32 + self.uri.len() + length(&self.headers, &self.body));
        self.write(&mut out);
        out.freeze()
    }
}

impl Response {
    /// Appends the response as it goes over the wire.
    pub fn write(&self, out: &mut impl BufMut) {
        out.put_slice(b"SIP/2.0 ");
        put_number(usize::from(self.status.code()), out);
        out.put_u8(b' ');
        put_inert(&self.reason, b" ", |b| matches!(b, b'\r' | b'\n'), out);
        out.put_slice(b"\r\n");
        put_rest(&self.headers, &self.body, out);
    }

    /// The response as it goes over the wire.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(32 + self.reason.len() + length(&self.headers, &self.body));
        self.write(&mut out);
        out.freeze()
    }
}

/// The text with each byte that would break the line's shape replaced.
fn put_inert(text: &str, instead: &[u8], breaks: impl Fn(u8) -> bool, out: &mut impl BufMut) {
    for piece in text.as_bytes().split_inclusive(|&b| breaks(b)) {
        match piece.split_last() {
            Some((&last, before)) if breaks(last) => {
                out.put_slice(before);
                out.put_slice(instead);
            }
            _ => out.put_slice(piece),
        }
    }
}

fn put_rest(headers: &Headers, body: &[u8], out: &mut impl BufMut) {
    for header in headers {
        out.put_slice(header.name().as_str().as_bytes());
        out.put_slice(b": ");
        out.put_slice(header.value().as_bytes());
        out.put_slice(b"\r\n");
    }
    out.put_slice(b"Content-Length: ");
    put_number(body.len(), out);
    out.put_slice(b"\r\n\r\n");
    out.put_slice(body);
}

fn put_number(mut number: usize, out: &mut impl BufMut) {
    let mut digits = [0_u8; 20];
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
        used += 1;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.put_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

/// How long headers and body come out.
fn length(headers: &Headers, body: &[u8]) -> usize {
    let fields: usize = headers.iter().map(|h| h.name().as_str().len() + h.value().len() + 4).sum();
    fields + "Content-Length: 18446744073709551615\r\n\r\n".len() + body.len()
}
