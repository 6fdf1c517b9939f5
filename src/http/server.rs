//! The sockets that HTTP is served on: with limits on connections, headers and time, and an end that waits a moment.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::auth::Peer;
use super::router;
use super::shared::{Shared, closed};
use crate::store::private;

/// A listener that serves; ends when [`Shared::close`] was called.
#[derive(Debug)]
pub struct Server {
    task: JoinHandle<()>,
    socket: Option<PathBuf>,
}

/// Why a socket cannot be served on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is not to be had.
    #[error("http.listen {address}: {cause}; stop what listens there, or name another address")]
    Address {
        /// Which.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// The control socket is not to be had.
    #[error("http.control {}: {cause}; name a path in a folder that this user may write", path.display())]
    Control {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Somebody answers on it.
    #[error("http.control {}: another ramal answers there; give this one a socket of its own", .0.display())]
    Answered(PathBuf),
    /// It is something else.
    #[error("http.control {}: this is a file and no socket; name another path, or move it away", .0.display())]
    NoSocket(PathBuf),
}

/// Serves [`router::public`] at an address; gives the one that it got.
pub async fn listen(address: SocketAddr, shared: &Arc<Shared>) -> Result<(SocketAddr, Server), ListenError> {
    let fault = |cause| ListenError::Address { address, cause };
    let listener = TcpListener::bind(address).await.map_err(fault)?;
    let got = listener.local_addr().map_err(fault)?;
    let task = tokio::spawn(accept(listener, router::public(shared), shared.closing.subscribe(), |at| Some(at.ip())));
    Ok((got, Server { task, socket: None }))
}

/// Serves [`router::control`] on a socket that its owner alone may use.
pub fn listen_control(path: &Path, shared: &Arc<Shared>) -> Result<Server, ListenError> {
    clear(path)?;
    let listener = bind_private(path).map_err(|cause| ListenError::Control { path: path.to_owned(), cause })?;
    let task = tokio::spawn(accept(listener, router::control(shared), shared.closing.subscribe(), |_| None));
    Ok(Server { task, socket: Some(path.to_owned()) })
}

impl Server {
    /// Waits until the last connection has ended.
    pub async fn ended(mut self) {
        if let Err(fault) = (&mut self.task).await {
            tracing::error!(%fault, "a server of http ended badly");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        if let Some(socket) = &self.socket
            && let Err(fault) = fs::remove_file(socket)
            && fault.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %socket.display(), %fault, "the control socket stays behind");
        }
    }
}

/// Removes a socket on which nobody answers.
fn clear(path: &Path) -> Result<(), ListenError> {
    let fault = |cause| ListenError::Control { path: path.to_owned(), cause };
    match fs::symlink_metadata(path) {
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(cause) => return Err(fault(cause)),
        Ok(found) if !found.file_type().is_socket() => return Err(ListenError::NoSocket(path.to_owned())),
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(ListenError::Answered(path.to_owned())),
        Err(refused) if refused.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(fault),
        Err(cause) => Err(fault(cause)),
    }
}

/// Binds inside a folder that nobody else may enter and moves the socket out once its mode is 0600: at no moment can
/// anybody else connect to it.
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    private::make_folder(folder)?;
    let private = folder.join(format!(".ramal-{}", std::process::id()));
    fs::DirBuilder::new().mode(0o700).create(&private)?;
    let inside = private.join("s");
    let bound = UnixListener::bind(&inside).and_then(|listener| {
        fs::set_permissions(&inside, fs::Permissions::from_mode(0o600))?;
        fs::rename(&inside, path)?;
        Ok(listener)
    });
    fs::remove_dir_all(&private)?;
    bound
}

/// `address` tells the other end of a connection, where it has an address.
async fn accept<L: Listener>(
    mut listener: L,
    router: Router,
    mut closing: watch::Receiver<bool>,
    address: fn(&L::Addr) -> Option<IpAddr>,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
            let (io, at) = listener.accept().await;
            (place, io, address(&at).map(Peer))
        };
        tokio::select! {
            (place, io, peer) = next => {
                let serving = serve(io, peer, router.clone(), closing.clone());
                connections.spawn(async move {
                    serving.await;
                    drop(place);
                });
            }
            Some(_) = connections.join_next() => {}
            () = closed(&mut closing) => break,
        }
    }
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(LAST_WORDS, all_ended).await.is_err() {
        tracing::debug!("connections of http were cut off");
    }
}

async fn serve<I>(io: I, peer: Option<Peer>, router: Router, mut closing: watch::Receiver<bool>)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        peer.map(|peer| request.extensions_mut().insert(peer));
        router.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(io), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closed(&mut closing) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(fault) = ended {
        tracing::debug!(%fault, "a connection of http broke");
    }
}

/// Connections at once; more wait in the system's queue.
const CONNECTIONS: usize = 256;
/// A request's head must have come within this time, from the connection or the answer before.
const HEADERS_WITHIN: Duration = Duration::from_secs(15);
/// Bytes of a request's head.
const LARGEST_HEAD: usize = 32 << 10;
/// How long connections may go on after the end.
const LAST_WORDS: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use axum::middleware::from_fn;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;
    use crate::http::guard;

    /// A connection to a server with one path that answers and one that never does.
    fn connect(closing: &watch::Sender<bool>) -> (DuplexStream, JoinHandle<()>) {
        let router = Router::new()
            .route("/", get(|| async { "here" }))
            .route("/never", get(std::future::pending::<&'static str>))
            .layer(from_fn(guard::time_limit));
        let (ours, theirs) = duplex(4096);
        (ours, tokio::spawn(serve(theirs, None, router, closing.subscribe())))
    }

    async fn rest(mut stream: DuplexStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_does_not_come_in_time_closes_the_connection() {
        let closing = watch::Sender::new(false);
        for begun in ["", "GET / HTTP/1.1\r\nHost: ram"] {
            let began = tokio::time::Instant::now();
            let (mut stream, served) = connect(&closing);
            stream.write_all(begun.as_bytes()).await.unwrap();
            served.await.unwrap();
            assert_eq!(began.elapsed().as_secs(), HEADERS_WITHIN.as_secs(), "{begun:?}");
            assert!(!rest(stream).await.contains("200"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_takes_too_long_is_408() {
        let closing = watch::Sender::new(false);
        let (mut stream, served) = connect(&closing);
        stream.write_all(b"GET /never HTTP/1.1\r\nHost: ramal\r\nConnection: close\r\n\r\n").await.unwrap();
        served.await.unwrap();
        let answer = rest(stream).await;
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("\"code\":\"timeout\""), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_is_too_large_is_refused() {
        let closing = watch::Sender::new(false);
        let (mut stream, served) = connect(&closing);
        let long = format!("GET / HTTP/1.1\r\nHost: ramal\r\nX: {}\r\n\r\n", "x".repeat(LARGEST_HEAD));
        // The server may hang up before all of it is written.
        drop(stream.write_all(long.as_bytes()).await);
        served.await.unwrap();
        assert!(rest(stream).await.starts_with("HTTP/1.1 431 "));
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_closes_connections_that_wait_for_another_request() {
        let closing = watch::Sender::new(false);
        let (mut stream, served) = connect(&closing);
        stream.write_all(b"GET / HTTP/1.1\r\nHost: ramal\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        while !answer.ends_with("here") {
            answer.push(char::from(stream.read_u8().await.unwrap()));
        }
        let began = tokio::time::Instant::now();
        closing.send_replace(true);
        served.await.unwrap();
        assert!(began.elapsed().is_zero(), "at once");
    }
}
