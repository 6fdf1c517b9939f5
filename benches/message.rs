//! What one message costs: reading it, printing it, and both, as the two legs of a call pay for each.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use divan::Bencher;
use divan::counter::ItemsCount;
use ramal::sip::message::{Limits, Message, Name, identities, parse};

#[global_allocator]
static ALLOCATOR: divan::AllocProfiler = divan::AllocProfiler::system();

const SDP: &str = "v=0\r\no=- 1838421290 1838421290 IN IP4 198.51.100.20\r\ns=-\r\nc=IN IP4 198.51.100.20\r\nt=0 0\r\n\
    m=audio 30412 RTP/AVP 8 0 18 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:18 G729/8000\r\n\
    a=fmtp:18 annexb=no\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n";

const HEAD: &str = "INVITE sip:+551140028922@203.0.113.10:5060;user=phone SIP/2.0\r\n\
    Via: SIP/2.0/UDP 203.0.113.5:5060;branch=z9hG4bK0cBa7d91f2e4d18c2;rport\r\n\
    Record-Route: <sip:203.0.113.5;lr;ftag=as4f8a21c7>\r\n\
    Max-Forwards: 68\r\n\
    From: \"Maria Souza\" <sip:+5511987654321@203.0.113.5;user=phone>;tag=as4f8a21c7\r\n\
    To: <sip:+551140028922@203.0.113.10;user=phone>\r\n\
    Contact: <sip:+5511987654321@203.0.113.5:5060;transport=udp>\r\n\
    Call-ID: 5d1f6b7c3a9e4c0d8f2b@203.0.113.5\r\n\
    CSeq: 102 INVITE\r\n\
    User-Agent: Carrier SBC 8.2\r\n\
    Date: Tue, 24 Nov 2026 14:00:00 GMT\r\n\
    Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO, UPDATE\r\n\
    Supported: replaces, timer, 100rel\r\n\
    Session-Expires: 1800;refresher=uac\r\n\
    P-Asserted-Identity: \"Maria Souza\" <sip:+5511987654321@203.0.113.5>\r\n\
    Privacy: none\r\n\
    Content-Type: application/sdp\r\n";

fn main() {
    divan::main();
}

fn invite() -> Bytes {
    let bytes = Bytes::from(format!("{HEAD}Content-Length: {}\r\n\r\n{SDP}", SDP.len()));
    assert!((1_050..1_250).contains(&bytes.len()), "about 1.1 kB: {}", bytes.len());
    bytes
}

fn read(bytes: &Bytes) -> Message {
    parse(bytes, &Limits::default()).expect("it is a valid INVITE")
}

/// As the socket's task has it: the datagram is copied out of the receive buffer.
#[divan::bench(sample_size = 200)]
fn parse_invite(bencher: Bencher) {
    let bytes = invite();
    bencher
        .counter(ItemsCount::new(1_usize))
        .bench(|| drop(black_box(read(&Bytes::copy_from_slice(black_box(&bytes))))));
}

#[divan::bench(sample_size = 200)]
fn print_invite(bencher: Bencher) {
    let (message, mut out) = (read(&invite()), BytesMut::with_capacity(2048));
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| {
        out.clear();
        black_box(&message).write(&mut out);
        out.len()
    });
}

#[divan::bench(sample_size = 200)]
fn parse_and_print_invite(bencher: Bencher) {
    let bytes = invite();
    bencher.counter(ItemsCount::new(1_usize)).bench(|| {
        // Dropped here, as the socket's task does; divan would else keep them all until the sample ends.
        drop(black_box(read(&Bytes::copy_from_slice(black_box(&bytes))).to_bytes()));
    });
}

/// With what a transaction and a dialog read of it.
#[divan::bench(sample_size = 200)]
fn parse_and_read_invite(bencher: Bencher) {
    let bytes = invite();
    bencher.counter(ItemsCount::new(1_usize)).bench(|| {
        let message = read(&Bytes::copy_from_slice(black_box(&bytes)));
        let headers = message.headers();
        black_box((headers.via(), headers.from_tag(), headers.to_tag(), headers.call_id(), headers.cseq()));
        black_box((headers.contact(), headers.record_routes(), headers.has_token(&Name::Supported, "timer")));
    });
}

#[divan::bench(sample_size = 200)]
fn read_identities(bencher: Bencher) {
    let Message::Request(request) = read(&invite()) else { return };
    bencher.counter(ItemsCount::new(1_usize)).bench(|| drop(black_box(identities(black_box(&request)))));
}
