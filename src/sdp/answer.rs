//! Making an answer out of an offer: where two parties have each offered before they were joined.

use bytes::{BufMut, Bytes, BytesMut};

/// What `theirs`, an offer, says as the answer to `offer`: RFC 3264 §6: "For each "m=" line in the offer, there MUST be
/// a corresponding "m=" line in the answer". Streams are matched by kind and profile; a stream that finds none is
/// refused by port 0, and so are all but one of a kind. `None`: not one is left.
pub fn as_answer(offer: &[u8], theirs: &[u8]) -> Option<Bytes> {
    let (session, streams) = split(theirs);
    let mut left: Vec<Option<Stream<'_>>> = streams.into_iter().map(Some).collect();
    let mut out = BytesMut::with_capacity(offer.len().max(theirs.len()));
    session.iter().for_each(|line| put(&mut out, line));
    let mut agreed = false;
    for asked in split(offer).1 {
        let found = left.iter_mut().find_map(|slot| {
            let formats = slot.as_ref().map(|stream| stream.shared(&asked)).filter(|formats| !formats.is_empty())?;
            slot.take().map(|stream| (stream, formats))
        });
        match found {
            Some((stream, formats)) => {
                agreed = true;
                put(&mut out, &[stream.head(stream.port), formats.join(&b' ')].concat());
                stream.lines.iter().filter(|line| stream.is_of(line, &formats)).for_each(|line| put(&mut out, line));
            }
            None => put(&mut out, &[asked.head(b"0"), asked.formats.join(&b' ')].concat()),
        }
    }
    agreed.then(|| out.freeze())
}

/// One m= line with what follows it.
struct Stream<'a> {
    kind: &'a [u8],
    port: &'a [u8],
    profile: &'a [u8],
    formats: Vec<&'a [u8]>,
    lines: Vec<&'a [u8]>,
}

impl<'a> Stream<'a> {
    /// `m=audio 4000 RTP/AVP `.
    fn head(&self, port: &[u8]) -> Vec<u8> {
        [b"m=", self.kind, b" ", port, b" ", self.profile, b" "].concat()
    }

    /// Those of its formats that the other one has too, by codec, in its own numbers; none where it is another stream,
    /// or refused.
    fn shared(&self, other: &Stream<'_>) -> Vec<&'a [u8]> {
        if self.kind != other.kind || self.profile != other.profile || self.port == b"0" || other.port == b"0" {
            return Vec::new();
        }
        let theirs: Vec<Vec<u8>> = other.formats.iter().map(|format| other.codec(format)).collect();
        let shared: Vec<&[u8]> =
            self.formats.iter().copied().filter(|format| theirs.contains(&self.codec(format))).collect();
        // Tones alone are no conversation.
        let speaks = shared.iter().any(|format| !self.codec(format).starts_with(b"telephone-event"));
        if speaks { shared } else { Vec::new() }
    }

    /// What a format stands for: its rtpmap in lower case, else the number itself, which is a well-known one.
    fn codec(&self, format: &[u8]) -> Vec<u8> {
        let map = self.lines.iter().find_map(|line| {
            let (number, name) = word(line.strip_prefix(b"a=rtpmap:")?);
            (number == format).then(|| name.to_ascii_lowercase())
        });
        let codec = map.unwrap_or_else(|| well_known(format).map_or_else(|| format.to_vec(), <[u8]>::to_vec));
        codec.strip_suffix(b"/1").map(<[u8]>::to_vec).unwrap_or(codec)
    }

    /// Whether a line is about the stream, or one of these formats.
    fn is_of(&self, line: &[u8], formats: &[&[u8]]) -> bool {
        let of_format = [&b"a=rtpmap:"[..], b"a=fmtp:"].into_iter().find_map(|name| line.strip_prefix(name));
        of_format.is_none_or(|rest| formats.contains(&word(rest).0))
    }
}

/// RFC 3551 §6: what phones leave without an rtpmap.
fn well_known(format: &[u8]) -> Option<&'static [u8]> {
    match format {
        b"0" => Some(b"pcmu/8000"),
        b"3" => Some(b"gsm/8000"),
        b"8" => Some(b"pcma/8000"),
        b"9" => Some(b"g722/8000"),
        b"18" => Some(b"g729/8000"),
        _ => None,
    }
}

/// The first word, and the rest.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let mut words = text.splitn(2, |b| *b == b' ');
    (words.next().unwrap_or_default(), words.next().unwrap_or_default())
}

/// The session's lines, and its streams.
fn split(sdp: &[u8]) -> (Vec<&[u8]>, Vec<Stream<'_>>) {
    let (mut session, mut streams) = (Vec::new(), Vec::<Stream<'_>>::new());
    let lines = sdp.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    for line in lines.filter(|line| !line.is_empty()) {
        if let Some(media) = line.strip_prefix(b"m=") {
            let mut words = media.split(|b| *b == b' ').filter(|word| !word.is_empty());
            let (kind, port) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let profile = words.next().unwrap_or_default();
            streams.push(Stream { kind, port, profile, formats: words.collect(), lines: Vec::new() });
        } else if let Some(stream) = streams.last_mut() {
            stream.lines.push(line);
        } else {
            session.push(line);
        }
    }
    (session, streams)
}

fn put(out: &mut BytesMut, line: &[u8]) {
    out.put_slice(line);
    out.put_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "v=0\r\no=x 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n";

    fn sdp(media: &str) -> String {
        format!("{HEAD}{media}")
    }

    #[track_caller]
    fn answers(offer: &str, theirs: &str, answer: Option<&str>) {
        let made = as_answer(sdp(offer).as_bytes(), sdp(theirs).as_bytes());
        assert_eq!(made.map(|m| String::from_utf8_lossy(&m).into_owned()), answer.map(sdp));
    }

    #[test]
    fn codecs_that_both_have_are_left_by_name_and_not_by_number() {
        answers(
            "m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n",
            "m=audio 5000 RTP/AVP 96 8 97\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 x=1\r\na=rtpmap:8 PCMA/8000/1\r\n\
             a=rtpmap:97 Telephone-Event/8000\r\na=fmtp:97 0-15\r\na=sendrecv\r\n",
            Some(
                "m=audio 5000 RTP/AVP 8 97\r\na=rtpmap:8 PCMA/8000/1\r\na=rtpmap:97 Telephone-Event/8000\r\n\
                 a=fmtp:97 0-15\r\na=sendrecv\r\n",
            ),
        );
    }

    #[test]
    fn there_are_as_many_streams_as_were_offered_and_those_without_a_match_are_refused() {
        answers(
            "m=video 4002 RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\nm=audio 4000 RTP/AVP 8\r\n",
            "m=audio 5000 RTP/AVP 8\r\n",
            Some("m=video 0 RTP/AVP 99\r\nm=audio 5000 RTP/AVP 8\r\n"),
        );
        answers(
            "m=audio 4000 RTP/AVP 8\r\n",
            "m=audio 5000 RTP/AVP 8\r\nm=video 1 RTP/AVP 99\r\n",
            Some("m=audio 5000 RTP/AVP 8\r\n"),
        );
    }

    #[test]
    fn without_a_codec_in_common_there_is_no_answer() {
        answers("m=audio 4000 RTP/AVP 0\r\n", "m=audio 5000 RTP/AVP 8\r\n", None);
        answers("m=audio 4000 RTP/SAVP 8\r\n", "m=audio 5000 RTP/AVP 8\r\n", None);
        let tones = "RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n";
        answers(
            &format!("m=audio 4000 {tones}"),
            "m=audio 5000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n",
            None,
        );
        assert_eq!(as_answer(b"", b"\xff"), None);
    }
}
