//! Reading and changing single lines of a session description. What is not understood passes unchanged.
#![deny(clippy::indexing_slicing, clippy::string_slice)]

use std::net::{IpAddr, SocketAddr};

use bytes::{Bytes, BytesMut};

/// Which way media flow, seen from whoever wrote the description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the attributes' own names")]
pub enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

/// The o= line, by its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The user name.
    pub username: String,
    /// The session's number, any digits: kept as text, it may be longer than 64 bits.
    pub session: String,
    /// The version, where it is a number of at most 64 bits.
    pub version: u64,
    /// `IN IP4 203.0.113.5`.
    pub address: String,
}

/// Reads the o= line.
pub fn origin(sdp: &[u8]) -> Option<Origin> {
    let line = lines(sdp).find_map(|l| l.strip_prefix(b"o="))?;
    let text = std::str::from_utf8(line).ok()?.trim_end();
    let mut words = text.splitn(4, ' ');
    Some(Origin {
        username: words.next()?.to_owned(),
        session: words.next()?.to_owned(),
        version: words.next()?.parse().ok()?,
        address: words.next()?.to_owned(),
    })
}

/// The same description under this origin: its user name, session and version; the address stays that of the media's
/// own end.
pub fn with_origin(sdp: &[u8], username: &str, session: &str, version: u64) -> Bytes {
    map_lines(sdp, |line, out| {
        let Some(rest) = line.strip_prefix(b"o=") else { return false };
        let address = rest.splitn(4, |b| *b == b' ').nth(3).unwrap_or(b"IN IP4 0.0.0.0");
        out.extend_from_slice(format!("o={username} {session} {version} ").as_bytes());
        out.extend_from_slice(address);
        true
    })
}

/// Which way media flow: the first active stream's attribute, else the session's, else both ways. An address of
/// 0.0.0.0 is the old way to say hold (RFC 3264 §8.4: "RFC 2543 specified that placing a user on hold was accomplished
/// by setting the connection address to 0.0.0.0").
pub fn direction(sdp: &[u8]) -> Direction {
    let (mut session, mut media, mut in_media, mut skip) = (None, None, false, false);
    let mut zero = false;
    for line in lines(sdp) {
        if let Some(m) = line.strip_prefix(b"m=") {
            in_media = true;
            skip = media.is_some() || m.split(|b| *b == b' ').nth(1) == Some(b"0");
            continue;
        }
        if in_media && skip {
            continue;
        }
        zero |= line == b"c=IN IP4 0.0.0.0";
        let way = attribute(line);
        if way.is_some() {
            *(if in_media { &mut media } else { &mut session }) = way;
        }
    }
    match media.or(session).unwrap_or(Direction::SendRecv) {
        Direction::SendRecv if zero => Direction::Inactive,
        way => way,
    }
}

/// Where the audio of whoever wrote the description is to be sent: the first audio stream's port at its own c=, else
/// the session's.
pub fn audio_address(sdp: &[u8]) -> Option<SocketAddr> {
    let (mut session, mut port, mut own) = (None, None, None);
    for line in lines(sdp) {
        if let Some(media) = line.strip_prefix(b"m=") {
            if port.is_some() {
                break;
            }
            let text = std::str::from_utf8(media).ok()?;
            port =
                text.strip_prefix("audio ").and_then(|rest| rest.split(' ').next()).and_then(|p| p.parse::<u16>().ok());
        } else if let Some(c) = line.strip_prefix(b"c=IN IP4 ").or_else(|| line.strip_prefix(b"c=IN IP6 ")) {
            let address = std::str::from_utf8(c).ok().and_then(|text| text.parse::<IpAddr>().ok());
            *(if port.is_some() { &mut own } else { &mut session }) = address;
        }
    }
    Some(SocketAddr::new(own.or(session)?, port?))
}

/// The same description with every stream flowing both ways again: for offering a party that was on hold to another.
pub fn without_hold(sdp: &[u8]) -> Bytes {
    map_lines(sdp, |line, out| {
        let Some(_) = attribute(line) else { return false };
        out.extend_from_slice(b"a=sendrecv");
        true
    })
}

/// Whether two descriptions say the same of media: all lines but o= and directions are equal.
pub fn same_media(a: &[u8], b: &[u8]) -> bool {
    let read = |line: &&[u8]| !line.starts_with(b"o=") && attribute(line).is_none() && !line.is_empty();
    lines(a).filter(read).eq(lines(b).filter(read))
}

pub(super) fn attribute(line: &[u8]) -> Option<Direction> {
    match line {
        b"a=sendrecv" => Some(Direction::SendRecv),
        b"a=sendonly" => Some(Direction::SendOnly),
        b"a=recvonly" => Some(Direction::RecvOnly),
        b"a=inactive" => Some(Direction::Inactive),
        _ => None,
    }
}

pub(super) fn lines(sdp: &[u8]) -> impl Iterator<Item = &[u8]> {
    sdp.split(|b| *b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l))
}

/// Copies line by line; where `write` says that it wrote another line instead, the old one is left out. Line ends
/// stay as they came.
fn map_lines(sdp: &[u8], mut write: impl FnMut(&[u8], &mut BytesMut) -> bool) -> Bytes {
    let mut out = BytesMut::with_capacity(sdp.len() + 24);
    for raw in sdp.split_inclusive(|b| *b == b'\n') {
        let bare = raw.strip_suffix(b"\n").unwrap_or(raw);
        let bare = bare.strip_suffix(b"\r").unwrap_or(bare);
        if !write(bare, &mut out) {
            out.extend_from_slice(bare);
        }
        out.extend_from_slice(raw.get(bare.len()..).unwrap_or_default());
    }
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDP: &str = "v=0\r\no=- 17 3 IN IP4 10.0.0.7\r\ns=-\r\nc=IN IP4 10.0.0.7\r\nt=0 0\r\n\
                       m=audio 4000 RTP/AVP 8\r\na=sendonly\r\n";

    #[test]
    fn reads_and_replaces_the_origin_and_nothing_else() {
        let o = origin(SDP.as_bytes()).unwrap();
        assert_eq!((o.username.as_str(), o.session.as_str(), o.version), ("-", "17", 3));
        let changed = with_origin(SDP.as_bytes(), "ramal", "99", 4);
        assert_eq!(changed, SDP.replace("- 17 3", "ramal 99 4").as_bytes());
    }

    #[test]
    fn direction_is_the_streams_own_then_the_sessions_then_both_ways() {
        assert_eq!(direction(SDP.as_bytes()), Direction::SendOnly);
        assert_eq!(direction(SDP.replace("a=sendonly\r\n", "").as_bytes()), Direction::SendRecv);
        let session = SDP.replace("a=sendonly\r\n", "").replace("t=0 0\r\n", "t=0 0\r\na=inactive\r\n");
        assert_eq!(direction(session.as_bytes()), Direction::Inactive);
    }

    #[test]
    fn a_zero_address_is_a_hold() {
        let old = SDP.replace("c=IN IP4 10.0.0.7", "c=IN IP4 0.0.0.0").replace("a=sendonly\r\n", "");
        assert_eq!(direction(old.as_bytes()), Direction::Inactive);
    }

    #[test]
    fn a_refused_first_stream_does_not_decide() {
        let two = SDP
            .replace("m=audio 4000 RTP/AVP 8\r\n", "m=video 0 RTP/AVP 99\r\na=inactive\r\nm=audio 4000 RTP/AVP 8\r\n");
        assert_eq!(direction(two.as_bytes()), Direction::SendOnly);
    }

    #[test]
    fn hold_is_taken_away_and_media_stay_the_same() {
        let free = without_hold(SDP.as_bytes());
        assert_eq!(direction(&free), Direction::SendRecv);
        assert!(same_media(&free, SDP.as_bytes()));
        assert!(!same_media(&free, SDP.replace("4000", "4002").as_bytes()));
    }

    #[test]
    fn audio_goes_to_the_streams_own_address_else_the_sessions() {
        assert_eq!(audio_address(SDP.as_bytes()), Some("10.0.0.7:4000".parse().unwrap()));
        let own = SDP.replace("RTP/AVP 8\r\n", "RTP/AVP 8\r\nc=IN IP4 10.0.0.8\r\n");
        assert_eq!(audio_address(own.as_bytes()), Some("10.0.0.8:4000".parse().unwrap()));
        assert_eq!(audio_address(b"m=audio x"), None);
    }

    #[test]
    fn garbage_passes_unchanged() {
        for bytes in [&b""[..], b"\n\n", b"o=", b"\xff\xfe\r\r\n"] {
            assert_eq!(without_hold(bytes), bytes);
            assert_eq!(origin(bytes), None);
            assert_eq!(direction(bytes), Direction::SendRecv);
        }
    }
}
