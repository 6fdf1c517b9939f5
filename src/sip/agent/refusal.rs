//! The answer that takes none of an offer's streams: for a dialog that is ended as soon as it stands.

use bytes::Bytes;

use crate::base::Hop;
use crate::sip::message::build::host;

/// Refuses every stream of this offer.
///
/// RFC 3264 §6: "For each "m=" line in the offer, there MUST be a corresponding "m=" line in the answer." "To reject an
/// offered stream, the port number in the corresponding stream in the answer MUST be set to zero."
pub(super) fn refusing_answer(offer: &[u8], hop: &Hop, version: u64) -> Bytes {
    let ip = hop.advertised.ip();
    let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
    let address = host(ip).trim_matches(['[', ']']).to_owned();
    // RFC 3264 §6: "the "t=" line in the answer MUST equal the "t=" line in the offer".
    let time = lines(offer).find(|line| line.starts_with("t=")).unwrap_or_else(|| "t=0 0".into());
    let mut answer =
        format!("v=0\r\no=- {version} {version} IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\n{time}\r\n");
    for stream in lines(offer).filter(|line| line.starts_with("m=")) {
        let mut words = stream.split(' ');
        let media = words.next().unwrap_or_default();
        let rest = words.skip(1).collect::<Vec<_>>().join(" ");
        answer.push_str(&format!("{media} 0 {rest}\r\n"));
    }
    answer.into()
}

fn lines(sdp: &[u8]) -> impl Iterator<Item = String> {
    sdp.split(|b| *b == b'\n').map(|line| String::from_utf8_lossy(line).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Transport;

    #[test]
    fn every_stream_of_the_offer_stands_there_with_port_zero() {
        let at = "192.0.2.1:5060".parse().unwrap();
        let hop = Hop { transport: Transport::Udp, local: at, remote: at, advertised: at, name: None };
        let offer = b"v=0\r\no=x 1 1 IN IP4 h\r\ns=-\r\nt=1 2\r\nm=audio 4000 RTP/AVP 8 101\r\na=x\r\nm=video 4002 RTP/AVP 99\r\n";
        let answer = refusing_answer(offer, &hop, 7);
        assert_eq!(
            String::from_utf8_lossy(&answer),
            "v=0\r\no=- 7 7 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=1 2\r\n\
             m=audio 0 RTP/AVP 8 101\r\nm=video 0 RTP/AVP 99\r\n"
        );
    }

    #[test]
    fn an_offer_that_is_no_sdp_gives_an_answer_without_streams() {
        let at = "[2001:db8::1]:5060".parse().unwrap();
        let hop = Hop { transport: Transport::Udp, local: at, remote: at, advertised: at, name: None };
        let answer = refusing_answer(b"\xff\nm=\n", &hop, 1);
        assert!(String::from_utf8_lossy(&answer).contains("o=- 1 1 IN IP6 2001:db8::1\r\n"));
    }
}
