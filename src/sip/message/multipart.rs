//! The SDP of a body: all of it, or the part of a multipart that is `application/sdp` (RFC 2046 §5.1, RFC 5621).

use bytes::Bytes;
use memchr::memmem;

use super::lexer::Params;
use super::{Headers, Name};

/// More parts than this are somebody's joke.
const MAX_PARTS: usize = 16;

/// The session description that a message carries.
pub fn sdp(headers: &Headers, body: &Bytes) -> Option<Bytes> {
    if body.is_empty() {
        return None;
    }
    let content_type = headers.get(&Name::ContentType)?;
    if is_sdp(content_type) {
        return Some(body.clone());
    }
    let is_multipart = content_type.get(..10).is_some_and(|t| t.eq_ignore_ascii_case("multipart/"));
    if !is_multipart {
        return None;
    }
    let (_, params) = content_type.split_once(';')?;
    let params = format!(";{params}");
    let boundary = super::lexer::unquote(Params(&params).value("boundary")?);
    (!boundary.is_empty()).then(|| parts(body, &boundary).take(MAX_PARTS).find_map(|part| sdp_part(&part))).flatten()
}

fn is_sdp(content_type: &str) -> bool {
    content_type.split(';').next().is_some_and(|t| t.trim().eq_ignore_ascii_case("application/sdp"))
}

/// What stands between the delimiters. RFC 2046 §5.1.1: "The boundary delimiter MUST occur at the beginning of a line";
/// the line end before it belongs to it.
fn parts(body: &Bytes, boundary: &str) -> impl Iterator<Item = Bytes> {
    let delimiter = format!("--{boundary}");
    let mut rest = after(body, &delimiter);
    std::iter::from_fn(move || {
        let part = rest.take()?;
        if part.starts_with(b"--") {
            return None;
        }
        let end = line_starting(&part, &delimiter)?;
        rest = after(&part.slice(end..), &delimiter);
        let content = part.slice(..end);
        let content = content.strip_suffix(b"\n").map_or(content.len(), |c| c.strip_suffix(b"\r").unwrap_or(c).len());
        Some(part.slice(..content))
    })
}

/// What follows the first line that starts with the delimiter.
fn after(body: &Bytes, delimiter: &str) -> Option<Bytes> {
    let at = line_starting(body, delimiter)?;
    Some(body.slice((at + delimiter.len()).min(body.len())..))
}

fn line_starting(body: &[u8], delimiter: &str) -> Option<usize> {
    memmem::find_iter(body, delimiter.as_bytes()).find(|&at| {
        let begins = at == 0 || body.get(at - 1) == Some(&b'\n');
        // Else it is the delimiter of another, longer boundary.
        let ends = matches!(body.get(at + delimiter.len()), None | Some(b'-' | b' ' | b'\t' | b'\r' | b'\n'));
        begins && ends
    })
}

/// A part's content where its own Content-Type is `application/sdp`.
fn sdp_part(part: &Bytes) -> Option<Bytes> {
    let mut at = memchr::memchr(b'\n', part)? + 1; // the rest of the delimiter's line
    let mut found = false;
    loop {
        let rest = part.get(at..)?;
        let end = memchr::memchr(b'\n', rest)?;
        let line = rest.get(..end)?.trim_ascii();
        at += end + 1;
        if line.is_empty() {
            return found.then(|| part.slice(at.min(part.len())..)).filter(|content| !content.is_empty());
        }
        if let Some((name, value)) = std::str::from_utf8(line).ok().and_then(|line| line.split_once(':')) {
            found |= Name::parse(name.trim_end()) == Some(Name::ContentType) && is_sdp(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(content_type: &str, body: &str) -> Option<String> {
        let mut headers = Headers::new();
        headers.push(Name::ContentType, content_type);
        sdp(&headers, &Bytes::copy_from_slice(body.as_bytes())).map(|b| String::from_utf8(b.to_vec()).unwrap())
    }

    const MIXED: &str = "preamble\r\n--b1\r\nContent-Type: application/isup;version=x\r\n\r\n\x01--b1\x02\r\n\
        --b1\r\nc : Application/SDP\r\nContent-Disposition: session\r\n\r\nv=0\r\no=x\r\n\r\n--b1--\r\nepilogue";

    #[test]
    fn finds_the_sdp_among_the_parts() {
        assert_eq!(found("multipart/mixed;boundary=b1", MIXED).as_deref(), Some("v=0\r\no=x\r\n"));
        assert_eq!(found("Multipart/Mixed; x=1; Boundary=\"b1\"", MIXED).as_deref(), Some("v=0\r\no=x\r\n"));
        assert_eq!(found("application/sdp", "v=0").as_deref(), Some("v=0"));
    }

    #[test]
    fn broken_or_foreign_bodies_have_none() {
        assert_eq!(found("multipart/mixed", MIXED), None);
        assert_eq!(found("multipart/mixed;boundary=b2", MIXED), None);
        assert_eq!(found("multipart/mixed;boundary=b", MIXED), None);
        assert_eq!(found("multipart/mixed;boundary=\"\"", MIXED), None);
        assert_eq!(found("text/plain", MIXED), None);
        for cut in 0..MIXED.len() {
            // Nothing to assert but that it returns.
            found("multipart/mixed;boundary=b1", &MIXED[..cut]);
        }
    }
}
