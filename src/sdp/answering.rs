//! What an answer may say of directions: the table of RFC 3264 §6.1.
#![deny(clippy::indexing_slicing, clippy::string_slice)]

use bytes::{Bytes, BytesMut};

use super::Direction;
use super::document::{attribute, lines};

/// The answer with each stream's direction made one that the offer allows. Unchanged where it was.
///
/// RFC 3264 §6.1: "If a stream is offered as sendonly, the corresponding stream MUST be marked as recvonly or inactive in
/// the answer. If a media stream is listed as recvonly in the offer, the answer MUST be marked as sendonly or inactive in
/// the answer. … If an offered media stream is listed as inactive, it MUST be marked as inactive in the answer." A carrier
/// that holds and is answered `sendrecv` hangs up. An offer that holds by the address 0.0.0.0 alone is of RFC 2543: to
/// it every answer is right.
pub fn fitted(offer: &[u8], answer: &Bytes) -> Bytes {
    let offered = directions(offer);
    let given = directions(answer);
    let wrong = |(offered, given): (&Direction, &Direction)| allowed(*offered, *given) != *given;
    if !offered.iter().zip(&given).any(wrong) {
        return answer.clone();
    }
    let mut out = BytesMut::with_capacity(answer.len() + 16);
    let mut fixed = offered.iter().zip(&given).map(|(offered, given)| (*offered, *given));
    // What the stream being copied is to say; the session's own part stays as it is.
    let mut wanted: Option<Direction> = None;
    for raw in answer.split_inclusive(|b| *b == b'\n') {
        let line = raw.strip_suffix(b"\n").unwrap_or(raw);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b"m=") {
            finish(wanted.take(), &mut out);
            wanted = fixed.next().map(|(offered, given)| allowed(offered, given));
        } else if wanted.is_some() && attribute(line).is_some() {
            continue;
        }
        out.extend_from_slice(raw);
    }
    finish(wanted, &mut out);
    out.freeze()
}

/// How many streams a description has.
pub fn streams(sdp: &[u8]) -> usize {
    lines(sdp).filter(|line| line.starts_with(b"m=")).count()
}

fn finish(wanted: Option<Direction>, out: &mut BytesMut) {
    let Some(direction) = wanted else { return };
    if !out.ends_with(b"\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(match direction {
        Direction::SendRecv => b"a=sendrecv\r\n",
        Direction::SendOnly => b"a=sendonly\r\n",
        Direction::RecvOnly => b"a=recvonly\r\n",
        Direction::Inactive => b"a=inactive\r\n",
    });
}

/// The direction of each stream, by its own attribute or the session's.
fn directions(sdp: &[u8]) -> Vec<Direction> {
    let (mut session, mut streams) = (Direction::SendRecv, Vec::new());
    for line in lines(sdp) {
        if line.starts_with(b"m=") {
            streams.push(None);
        } else if let Some(direction) = attribute(line) {
            match streams.last_mut() {
                Some(stream) => *stream = Some(direction),
                None => session = direction,
            }
        }
    }
    streams.into_iter().map(|stream| stream.unwrap_or(session)).collect()
}

/// The nearest to `given` that `offered` allows.
const fn allowed(offered: Direction, given: Direction) -> Direction {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    match (offered, given) {
        (SendRecv, given) => given,
        (SendOnly, SendRecv | RecvOnly) => RecvOnly,
        (RecvOnly, SendRecv | SendOnly) => SendOnly,
        (SendOnly, SendOnly | Inactive) | (RecvOnly, RecvOnly | Inactive) | (Inactive, _) => Inactive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sdp(session: &str, streams: &[&str]) -> Bytes {
        let mut text = format!("v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nt=0 0\r\n{session}");
        for stream in streams {
            text.push_str(&format!("m=audio 4000 RTP/AVP 8\r\n{stream}"));
        }
        Bytes::from(text)
    }

    #[test]
    fn the_answer_to_a_hold_follows_the_table() {
        let ways = ["sendrecv", "sendonly", "recvonly", "inactive"];
        let table = [
            ["sendrecv", "sendonly", "recvonly", "inactive"],
            ["recvonly", "inactive", "recvonly", "inactive"],
            ["sendonly", "sendonly", "inactive", "inactive"],
            ["inactive", "inactive", "inactive", "inactive"],
        ];
        for (offered, row) in ways.iter().zip(table) {
            for (given, wanted) in ways.iter().zip(row) {
                let offer = sdp("", &[&format!("a={offered}\r\n")]);
                let answer = sdp("", &[&format!("a={given}\r\na=x\r\n")]);
                let fitted = fitted(&offer, &answer);
                assert_eq!(
                    directions(&fitted),
                    directions(&sdp("", &[&format!("a={wanted}\r\n")])),
                    "{offered} {given}"
                );
                assert_eq!(fitted == answer, *given == wanted, "right ones stay byte for byte");
                assert_eq!(lines(&fitted).filter(|line| attribute(line).is_some()).count(), 1);
            }
        }
    }

    #[test]
    fn a_direction_of_the_session_is_each_streams_and_each_is_fitted_by_itself() {
        let offer = sdp("a=sendrecv\r\n", &["", "a=sendonly\r\n"]);
        let answer = sdp("", &["", "a=rtpmap:8 PCMA/8000"]);
        let fitted = fitted(&offer, &answer);
        assert_eq!(directions(&fitted), [Direction::SendRecv, Direction::RecvOnly]);
        assert_eq!(streams(&fitted), 2);
    }

    #[test]
    fn garbage_passes_unchanged() {
        for garbage in [&b""[..], b"\n\n", b"m=", b"a=sendonly\nm=\xff"] {
            assert_eq!(fitted(b"", &Bytes::from_static(garbage)), garbage);
        }
    }
}
