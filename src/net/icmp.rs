//! What ICMP says of datagrams that did not get there: Linux keeps it, with the beginning of each datagram, in the
//! socket's error queue. Elsewhere nothing is told, and timers find out.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};

use nix::sys::socket::{MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};

/// Asks the system to keep errors at this socket.
pub(super) fn keep_errors(socket: &impl AsFd, ipv6: bool) -> io::Result<()> {
    if ipv6 {
        setsockopt(socket, sockopt::Ipv6RecvErr, &true)?;
    } else {
        setsockopt(socket, sockopt::Ipv4RecvErr, &true)?;
    }
    Ok(())
}

/// Takes one datagram that did not get there: its length in `beginning`, and for whom it was. `WouldBlock`: none left.
pub(super) fn next_lost(socket: &impl AsRawFd, beginning: &mut [u8]) -> io::Result<(usize, Option<SocketAddr>)> {
    let mut parts = [IoSliceMut::new(beginning)];
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    // No room for the control message: which error it was does not matter here.
    let lost = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, None, flags)?;
    let v4 = |to: &SockaddrStorage| to.as_sockaddr_in().map(|to| SocketAddr::V4((*to).into()));
    let v6 = |to: &SockaddrStorage| to.as_sockaddr_in6().map(|to| SocketAddr::V6((*to).into()));
    let was_for = lost.address.as_ref().and_then(|to| v4(to).or_else(|| v6(to)));
    Ok((lost.bytes, was_for))
}
