//! The commands' end of the control socket: HTTP over a unix socket.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

/// A connection to a running server.
#[derive(Debug)]
pub struct Control {
    sender: SendRequest<Full<Bytes>>,
}

/// Why the server did not do it.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The socket is there and cannot be used.
    #[error("http.control {}: {cause}; run this as the user that ramal runs as", path.display())]
    Socket {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The connection broke.
    #[error("the running ramal stopped answering ({0}); try again")]
    Broken(#[from] hyper::Error),
    /// It answered no.
    #[error("{message}")]
    Refused {
        /// By what status.
        status: u16,
        /// Why.
        message: String,
    },
    /// It answered what this program does not understand.
    #[error("the running ramal answers in other words ({0}): is it of another version?")]
    Unreadable(#[from] serde_json::Error),
}

impl Control {
    /// Connects; `None` where nobody listens.
    pub async fn connect(path: &Path) -> Result<Option<Self>, ControlError> {
        match UnixStream::connect(path).await {
            Ok(stream) => Ok(Some(Self::over(stream).await?)),
            Err(none) if matches!(none.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => Ok(None),
            Err(cause) => Err(ControlError::Socket { path: path.to_owned(), cause }),
        }
    }

    /// Speaks over this stream.
    pub async fn over<S>(stream: S) -> Result<Self, ControlError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends with `sender`; what breaks it is told to the request that waits.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender })
    }

    /// Reads something.
    pub async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, ControlError> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    /// Has something done.
    pub async fn post<T: DeserializeOwned>(&mut self, path: &str, body: &impl Serialize) -> Result<T, ControlError> {
        self.ask(Method::POST, path, serde_json::to_vec(body)?.into()).await
    }

    /// Sets something.
    pub async fn put<T: DeserializeOwned>(&mut self, path: &str, body: &impl Serialize) -> Result<T, ControlError> {
        self.ask(Method::PUT, path, serde_json::to_vec(body)?.into()).await
    }

    /// Takes something back.
    pub async fn delete<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, ControlError> {
        self.ask(Method::DELETE, path, Bytes::new()).await
    }

    async fn ask<T: DeserializeOwned>(&mut self, method: Method, path: &str, body: Bytes) -> Result<T, ControlError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "ramal")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .expect("paths are built by `path` below");
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        if status.is_success() { Ok(serde_json::from_slice(&body)?) } else { Err(refused(status, &body)) }
    }
}

fn refused(status: StatusCode, body: &[u8]) -> ControlError {
    let said: Option<serde_json::Value> = serde_json::from_slice(body).ok(); // else the status alone
    let message = said.as_ref().and_then(|said| said["error"]["message"].as_str());
    let message = message.map_or_else(|| format!("the running ramal answers {status}"), str::to_owned);
    ControlError::Refused { status: status.as_u16(), message }
}

/// Escapes text that becomes part of a path or query: RFC 3986 §2.3's unreserved characters stand as they are.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
