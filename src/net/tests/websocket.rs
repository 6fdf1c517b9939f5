//! SIP over WebSocket: the handshake, frames as messages, and who is cut off.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::{Bench, MESSAGE, Seen, is_closed, short};
use crate::base::Transport;
use crate::net::connections::{Patience, Unsent};

async fn connect(bench: &Bench, protocol: Option<&str>) -> Result<WebSocketStream<TcpStream>, Error> {
    let request = ClientRequestBuilder::new(format!("ws://{}/any/path", bench.local).parse().unwrap());
    let request = match protocol {
        Some(protocol) => request.with_sub_protocol(protocol),
        None => request,
    };
    let stream = TcpStream::connect(bench.local).await.unwrap();
    client_async(request, stream).await.map(|(socket, _)| socket)
}

async fn next(socket: &mut WebSocketStream<TcpStream>) -> Message {
    timeout(Duration::from_secs(5), socket.next()).await.expect("it comes").unwrap().unwrap()
}

#[tokio::test]
async fn frames_of_text_and_bytes_are_messages_and_answers_go_back_by_the_connection() {
    let mut bench = Bench::of(Transport::Ws, Patience::default());
    let mut phone = connect(&bench, Some("sip")).await.unwrap();
    for frame in [Message::text(MESSAGE), Message::binary(MESSAGE)] {
        phone.send(frame).await.unwrap();
        let (path, bytes) = bench.received().await;
        assert_eq!((path.transport, &*bytes), (Transport::Ws, MESSAGE.as_bytes()));
        bench.send(path.remote, Bytes::from_static(b"answer")).unwrap();
        assert_eq!(next(&mut phone).await, Message::text("answer"));
        bench.send(path.remote, Bytes::from_static(b"\xff")).unwrap();
        assert_eq!(next(&mut phone).await, Message::binary(&b"\xff"[..]));
    }
}

#[tokio::test]
async fn a_handshake_without_the_subprotocol_gets_400() {
    let bench = Bench::of(Transport::Ws, Patience::default());
    for protocol in [None, Some("xmpp")] {
        match connect(&bench, protocol).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), 400),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn pings_of_both_kinds_are_answered() {
    let mut bench = Bench::of(Transport::Ws, Patience::default());
    let mut phone = connect(&bench, Some("sip")).await.unwrap();
    phone.send(Message::Ping("there?".into())).await.unwrap();
    assert_eq!(next(&mut phone).await, Message::Pong("there?".into()));
    phone.send(Message::text("\r\n\r\n")).await.unwrap();
    assert_eq!(next(&mut phone).await, Message::text("\r\n"));
    assert!(bench.seen.try_recv().is_err(), "none of that is a message");
}

#[tokio::test]
async fn a_message_that_is_too_large_ends_the_connection() {
    let mut bench = Bench::of(Transport::Ws, Patience::default());
    let mut phone = connect(&bench, Some("sip")).await.unwrap();
    // It may be closed before all of it is written.
    let _ = phone.send(Message::text("x".repeat(70_000))).await;
    let ended = timeout(Duration::from_secs(5), phone.next()).await.expect("it ends");
    assert!(!matches!(ended, Some(Ok(Message::Text(_) | Message::Binary(_)))));
    assert!(bench.seen.try_recv().is_err());
}

#[tokio::test]
async fn silence_and_drips_end_a_connection() {
    let bench = Bench::of(Transport::Ws, short());
    let mut silent = TcpStream::connect(bench.local).await.unwrap();
    let mut half = TcpStream::connect(bench.local).await.unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").await.unwrap();
    assert!(is_closed(&mut silent).await && is_closed(&mut half).await);
    let mut phone = connect(&bench, Some("sip")).await.unwrap();
    let mut upgraded = {
        phone.send(Message::text(MESSAGE)).await.unwrap();
        phone.into_inner()
    };
    // A frame that says 100 bytes and brings two.
    upgraded.write_all(&[0x81, 0x80 | 100, 0, 0, 0, 0, b'O', b'P']).await.unwrap();
    let mut rest = Vec::new();
    // Reset or closed, both are an end.
    let _ = timeout(Duration::from_secs(5), upgraded.read_to_end(&mut rest)).await.expect("it is closed");
}

#[tokio::test]
async fn pings_alone_keep_no_connection() {
    let bench = Bench::of(Transport::Ws, short());
    let mut phone = connect(&bench, Some("sip")).await.unwrap();
    let pinged = async {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        loop {
            tick.tick().await;
            if phone.send(Message::Ping("there?".into())).await.is_err() {
                return;
            }
        }
    };
    timeout(Duration::from_secs(5), pinged).await.expect("it is closed");
}

#[tokio::test]
async fn a_gateway_is_called_and_one_that_left_is_not() {
    let mut bench = Bench::of(Transport::Ws, Patience::default());
    let gateway = Bench::of(Transport::Ws, Patience::default());
    bench.send_to(gateway.local, Some("localhost"), Bytes::from_static(MESSAGE.as_bytes())).unwrap();
    let mut gateway = gateway;
    let (path, bytes) = gateway.received().await;
    assert_eq!(bytes, MESSAGE);
    gateway.send(path.remote, Bytes::from_static(MESSAGE.as_bytes())).unwrap();
    let (path, _) = bench.received().await;
    assert_eq!(path.remote, gateway.local);
    // A phone that came by WebSocket listens nowhere.
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(bench.send(nobody, Bytes::from_static(b"x")), Err(Unsent::Gone));
    bench.send_to(nobody, Some("localhost"), Bytes::from_static(b"lost")).unwrap();
    assert!(matches!(bench.next().await, Seen::Lost(bytes) if bytes == "lost"));
}
