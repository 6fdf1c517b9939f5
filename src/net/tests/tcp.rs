//! Connections over plain TCP: how messages are cut, queued and lost, and whose patience ends when.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::{Bench, MESSAGE, Seen, is_closed, short};
use crate::base::Transport;
use crate::net::connections::{PER_SOURCE, Patience};
use crate::net::tls::Roots;

#[tokio::test]
async fn an_answer_goes_back_on_the_connection_of_its_request() {
    let mut bench = Bench::of(Transport::Tcp, Patience::default());
    let mut stream = TcpStream::connect(bench.local).await.unwrap();
    for piece in MESSAGE.as_bytes().chunks(7) {
        stream.write_all(piece).await.unwrap();
    }
    let Seen::Received(path, bytes) = bench.next().await else { panic!("a message") };
    assert_eq!(bytes, MESSAGE);
    assert_eq!(path.remote, stream.local_addr().unwrap());
    bench.send(path.remote, Bytes::from_static(b"answer")).unwrap();
    let mut answer = [0; 6];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"answer");
}

#[tokio::test]
async fn a_connection_comes_from_the_address_of_its_listener() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let bench = Bench::at("127.0.0.71:0", Roots::System, transport, Patience::default());
        let peer = TcpListener::bind("127.0.0.72:0").await.unwrap();
        bench.send_to(peer.local_addr().unwrap(), Some("peer"), Bytes::from_static(MESSAGE.as_bytes())).unwrap();
        let (_, source) = peer.accept().await.unwrap();
        assert_eq!(source.ip(), bench.local.ip(), "{transport:?}");
        assert_ne!(source.port(), bench.local.port());
    }
}

#[tokio::test]
async fn a_message_to_nobody_is_told_of() {
    let mut bench = Bench::of(Transport::Tcp, Patience::default());
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    bench.send(closed, Bytes::from_static(b"one")).unwrap();
    assert!(matches!(bench.next().await, Seen::Lost(bytes) if bytes == "one"));
    assert!(bench.all.counts().0 == 0);
}

#[tokio::test]
async fn a_peer_that_does_not_read_loses_its_connection_and_holds_up_nobody() {
    let mut bench = Bench::of(Transport::Tcp, Patience::default());
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hearing = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (deaf_at, hearing_at) = (deaf.local_addr().unwrap(), hearing.local_addr().unwrap());
    let large = Bytes::from(vec![b'x'; 60_000]);
    let mut sent = 0;
    while bench.send(deaf_at, large.clone()).is_ok() {
        sent += 1;
        assert!(sent < 10_000, "its queue has an end");
        tokio::task::yield_now().await;
    }
    bench.send(hearing_at, Bytes::from_static(MESSAGE.as_bytes())).unwrap();
    let (mut stream, _) = hearing.accept().await.unwrap();
    let mut heard = vec![0; MESSAGE.len()];
    stream.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, MESSAGE.as_bytes());
    drop(deaf);
    assert!(matches!(bench.next().await, Seen::Lost(_)), "what it did not take is told of");
}

#[tokio::test]
async fn silence_and_half_a_message_end_a_connection() {
    let mut bench = Bench::of(Transport::Tcp, short());
    let mut silent = TcpStream::connect(bench.local).await.unwrap();
    let mut half = TcpStream::connect(bench.local).await.unwrap();
    half.write_all(&MESSAGE.as_bytes()[..20]).await.unwrap();
    assert!(is_closed(&mut silent).await && is_closed(&mut half).await);
    // One that has said something has the idle limit's time.
    let mut talking = TcpStream::connect(bench.local).await.unwrap();
    talking.write_all(MESSAGE.as_bytes()).await.unwrap();
    assert!(matches!(bench.next().await, Seen::Received(..)));
    assert!(timeout(Duration::from_millis(300), talking.read(&mut [0; 1])).await.is_err());
}

#[tokio::test]
async fn a_stream_that_cannot_be_framed_is_told_of_and_closed() {
    let mut bench = Bench::of(Transport::Tcp, Patience::default());
    let mut stream = TcpStream::connect(bench.local).await.unwrap();
    stream.write_all(b"OPTIONS sip:x SIP/2.0\r\nContent-Length: -5\r\n\r\n").await.unwrap();
    assert!(matches!(bench.next().await, Seen::Unframed));
    assert!(is_closed(&mut stream).await);
}

#[tokio::test]
async fn one_address_may_not_take_all_connections_and_gets_its_places_back() {
    let bench = Bench::of(Transport::Tcp, short());
    let mut streams = Vec::new();
    for _ in 0..=PER_SOURCE {
        streams.push(TcpStream::connect(bench.local).await.unwrap());
    }
    // The one too many is closed at once, the others when they have been silent too long.
    for stream in &mut streams {
        assert!(is_closed(stream).await);
    }
    let places = async {
        while bench.all.counts().1 > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(5), places).await.expect("every place comes back");
}

#[tokio::test]
async fn keep_alives_alone_and_a_message_that_drips_keep_no_connection() {
    let bench = Bench::of(Transport::Tcp, short());
    for drip in ["\r\n\r\n", "X", "\r\n"] {
        let mut stream = TcpStream::connect(bench.local).await.unwrap();
        let closed = async {
            let mut tick = tokio::time::interval(Duration::from_millis(5));
            let mut heard = [0; 64];
            loop {
                tick.tick().await;
                if stream.write_all(drip.as_bytes()).await.is_err() {
                    return;
                }
                match stream.try_read(&mut heard) {
                    Ok(1..) => {}
                    Err(fault) if fault.kind() == std::io::ErrorKind::WouldBlock => {}
                    _ => return,
                }
            }
        };
        timeout(Duration::from_secs(5), closed).await.unwrap_or_else(|_| panic!("{drip:?} keeps it"));
    }
}
