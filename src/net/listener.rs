//! A listening socket for TCP, and for all that runs over it.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use crate::base::Transport;

/// A listener whose connections speak one transport.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    transport: Transport,
    local: SocketAddr,
}

impl Listener {
    /// Opens the socket; port 0 takes any.
    pub fn bind(transport: Transport, at: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
        if at.is_ipv6() {
            // IPv4 has listeners of its own; mapped addresses would match no `accept` prefix.
            socket.set_only_v6(true)?;
        }
        // A restart need not wait for the connections of the process before.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&at.into())?;
        socket.listen(BACKLOG)?;
        let socket = TcpListener::from_std(socket.into())?;
        let local = socket.local_addr()?;
        Ok(Self { socket, transport, local })
    }

    /// The address that it got.
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// What its connections speak.
    pub const fn transport(&self) -> Transport {
        self.transport
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.socket.accept().await
    }
}

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;
