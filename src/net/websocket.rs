//! SIP over WebSocket (RFC 7118): the handshake with its subprotocol, and one message a frame.
//!
//! RFC 6455 §10.2 has browsers say in Origin whose page they show; it is not looked at: who may call is decided by
//! source and password as for every other transport, and what is no browser sends none.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, Uri, header::SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config, client_async_with_config};

use super::framing::Frame;
use super::stream::{Incoming, Outgoing, Patience};
use crate::sip::message::Limits;

/// A connection after its handshake.
pub(super) struct Socket<S> {
    frames: WebSocketStream<Noting<S>>,
    began: Began,
}

/// Since when bytes have come that are no whole frame yet.
type Began = Arc<Mutex<Option<Instant>>>;

/// Answers a peer's handshake, on whichever path it asks for.
pub(super) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> io::Result<Socket<S>> {
    let (stream, began) = Noting::new(stream);
    let frames = accept_hdr_async_with_config(stream, with_subprotocol, Some(config())).await.map_err(as_io)?;
    Ok(Socket { frames, began })
}

/// Begins a handshake with a gateway.
pub(super) async fn connect<S>(stream: S, host: &str, port: u16) -> io::Result<Socket<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (stream, began) = Noting::new(stream);
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let uri = Uri::builder().scheme("ws").authority(format!("{host}:{port}")).path_and_query("/").build();
    let request = ClientRequestBuilder::new(uri.map_err(io::Error::other)?).with_sub_protocol(SUBPROTOCOL);
    let (frames, _) = client_async_with_config(request, stream, Some(config())).await.map_err(as_io)?;
    Ok(Socket { frames, began })
}

/// RFC 7118 §4: "The client MUST include the value "sip" in the Sec-WebSocket-Protocol header in its handshake request.
/// The 101 reply from the server MUST contain "sip" in its corresponding Sec-WebSocket-Protocol header."
#[expect(clippy::result_large_err, reason = "the shape of tungstenite's callback")]
fn with_subprotocol(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let offered = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    if offered.flat_map(|values| values.split(',')).any(|value| value.trim().eq_ignore_ascii_case(SUBPROTOCOL)) {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        return Ok(response);
    }
    let mut refused = ErrorResponse::new(Some("the subprotocol is sip\n".to_owned()));
    *refused.status_mut() = StatusCode::BAD_REQUEST;
    Err(refused)
}

/// The two halves; the first message may take so long.
pub(super) fn split<S>(socket: Socket<S>, patience: Patience, first: Duration) -> (FramesIn<S>, FramesOut<S>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let (to, from) = socket.frames.split();
    let until = Instant::now() + first;
    (FramesIn { from, began: socket.began, patience, until, heard: false }, FramesOut(to))
}

/// Messages that come, one a frame.
pub(super) struct FramesIn<S> {
    from: SplitStream<WebSocketStream<Noting<S>>>,
    began: Began,
    patience: Patience,
    until: Instant,
    /// A message has come: before that no ping keeps a connection, for anybody can send those.
    heard: bool,
}

impl<S> FramesIn<S> {
    /// Whether a frame that has begun is taking too long, or the silence has.
    fn is_late(&self) -> bool {
        let now = Instant::now();
        let drips = self.began.lock().is_some_and(|began| now >= began + self.patience.message);
        drips || now >= self.until
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Incoming for FramesIn<S> {
    async fn next(&mut self) -> Option<Frame> {
        loop {
            // A frame may begin at any moment: its time is looked at now and then.
            let look = self.until.min(Instant::now() + self.patience.message);
            let message = match timeout_at(look, self.from.next()).await {
                Err(_) if self.is_late() => return None,
                Err(_) => continue,
                Ok(Some(Ok(message))) => message,
                Ok(_) => return None,
            };
            *self.began.lock() = None;
            if self.heard {
                self.until = Instant::now() + self.patience.idle;
            }
            let bytes = match message {
                Message::Text(text) => Bytes::from(text),
                Message::Binary(bytes) => bytes,
                // Pings are answered where they are read.
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
                Message::Close(_) => return None,
            };
            match &*bytes {
                b"\r\n\r\n" => return Some(Frame::Ping),
                b"\r\n" | b"" => {}
                _ => {
                    self.heard = true;
                    self.until = Instant::now() + self.patience.idle;
                    return Some(Frame::Message(bytes));
                }
            }
        }
    }
}

/// Messages that go, one a frame.
pub(super) struct FramesOut<S>(SplitSink<WebSocketStream<Noting<S>>, Message>);

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Outgoing for FramesOut<S> {
    async fn put(&mut self, message: Bytes) -> io::Result<()> {
        // RFC 7118 §5: "SIP WebSocket Clients and Servers … MUST accept both WebSocket text and binary messages"; text
        // has to be UTF-8, which a body need not be.
        let frame = match Utf8Bytes::try_from(message.clone()) {
            Ok(text) => Message::Text(text),
            Err(_) => Message::Binary(message),
        };
        self.0.send(frame).await.map_err(as_io)
    }

    async fn close(&mut self) -> io::Result<()> {
        self.0.close().await.map_err(as_io)
    }
}

/// A stream that notes when the first byte came of what is no whole frame yet: a peer that drips is cut off.
pub(super) struct Noting<S> {
    inner: S,
    began: Began,
}

impl<S> Noting<S> {
    fn new(inner: S) -> (Self, Began) {
        let began = Began::default();
        (Self { inner, began: Arc::clone(&began) }, began)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Noting<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.began.lock().get_or_insert_with(Instant::now);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Noting<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

fn config() -> WebSocketConfig {
    let largest = Limits::default().message;
    WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * largest)
        .max_message_size(Some(largest))
        .max_frame_size(Some(largest))
}

fn as_io(fault: Error) -> io::Error {
    match fault {
        Error::Io(fault) => fault,
        other => io::Error::other(other),
    }
}

/// The one subprotocol.
const SUBPROTOCOL: &str = "sip";
/// Bytes read at once.
const BUFFER: usize = 4 * 1024;
