//! A connected socket, and the two system calls of a turn.

use std::io::{self, ErrorKind, IoSlice, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
use rustix::net::{RecvFlags, SendFlags};
use socket2::{SockRef, TcpKeepalive};

use super::buffer::BufferPool;
use super::input::Input;
use super::output::{IOV_MAX, Output};
use crate::base::branch::cold_path;

/// A connected socket, or none: a client fed by a test.
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Detached,
}

/// What a `recv` brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Received {
    /// Everything there was; the next edge tells of more.
    Drained,
    /// As much as there was room for.
    More,
    /// The peer has closed its side, or the connection is broken.
    Closed,
}

/// What a `send` achieved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flushed {
    All,
    /// The socket is full; the next edge tells of room.
    Partly,
    /// The socket took all that it was given, and there is more.
    More,
    Closed,
}

impl Stream {
    fn source(&mut self) -> Option<&mut dyn Source> {
        match self {
            Stream::Tcp(stream) => Some(stream),
            Stream::Unix(stream) => Some(stream),
            Stream::Detached => None,
        }
    }

    /// Registers it for good, for both directions.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self.source() {
            Some(source) => source.register(registry, token, Interest::READABLE | Interest::WRITABLE),
            None => Ok(()),
        }
    }

    /// TCP_NODELAY, and keepalive probes as `tcp-keepalive` (seconds; 0: none) says. Errors don't matter: the peer may be gone.
    pub fn configure(&self, keepalive_s: u32) {
        let Stream::Tcp(stream) = self else { return };
        drop(stream.set_nodelay(true));
        if keepalive_s > 0 {
            // As in Redis: after this time of silence, then three probes in the same time again.
            let interval = Duration::from_secs(u64::from(keepalive_s / 3).max(1));
            let keepalive = TcpKeepalive::new()
                .with_time(Duration::from_secs(u64::from(keepalive_s)))
                .with_interval(interval)
                .with_retries(3);
            drop(SockRef::from(stream).set_tcp_keepalive(&keepalive));
        }
    }

    /// Remote and local address as CLIENT LIST prints them; a Unix socket's is its path with `:0`.
    pub fn addresses(&self, unix_path: &str) -> (String, String) {
        match self {
            Stream::Tcp(stream) => {
                let text = |address: io::Result<SocketAddr>| {
                    address.map_or_else(|_| "?:0".to_string(), |address| address_text(&address))
                };
                (text(stream.peer_addr()), text(stream.local_addr()))
            }
            Stream::Unix(_) => (format!("{unix_path}:0"), format!("{unix_path}:0")),
            Stream::Detached => (String::new(), String::new()),
        }
    }

    /// File descriptor number for CLIENT LIST; -1: none.
    pub fn fd(&self) -> i32 {
        use std::os::fd::AsRawFd;
        match self {
            Stream::Tcp(stream) => stream.as_raw_fd(),
            Stream::Unix(stream) => stream.as_raw_fd(),
            Stream::Detached => -1,
        }
    }

    /// Whether the peer is on this machine: the loopback interface or a Unix socket.
    pub fn is_local(&self) -> bool {
        match self {
            Stream::Tcp(stream) => stream.peer_addr().is_ok_and(|address| match address {
                SocketAddr::V4(v4) => v4.ip().is_loopback(),
                SocketAddr::V6(v6) => {
                    v6.ip().is_loopback() || v6.ip().to_ipv4_mapped().is_some_and(|v4| v4.is_loopback())
                }
            }),
            Stream::Unix(_) | Stream::Detached => true,
        }
    }

    /// Sends what a refused connection is told, as far as that goes without waiting.
    pub fn send_last(&mut self, bytes: &[u8]) {
        // The peer may be gone; there is nobody else to tell.
        drop(self.send(bytes));
    }

    #[inline]
    pub(super) fn recv(&mut self, space: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => bare_recv(stream, space),
            Stream::Unix(stream) => bare_recv(stream, space),
            Stream::Detached => Err(ErrorKind::WouldBlock.into()),
        }
    }

    #[inline]
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => bare_send(stream, bytes),
            Stream::Unix(stream) => bare_send(stream, bytes),
            Stream::Detached => Err(ErrorKind::WouldBlock.into()),
        }
    }

    /// Says that nothing more is sent; receiving goes on.
    pub(super) fn end_sending(&self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
            Stream::Detached => Ok(()),
        }
    }

    fn send_pieces(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write_vectored(pieces),
            Stream::Unix(stream) => stream.write_vectored(pieces),
            Stream::Detached => Err(ErrorKind::WouldBlock.into()),
        }
    }
}

/// recv(2).
#[inline]
fn bare_recv(socket: &impl AsFd, space: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::net::recv(socket, space, RecvFlags::empty())?.0)
}

/// send(2); a connection that is gone is an error and no signal.
#[inline]
fn bare_send(socket: &impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(socket, bytes, SendFlags::NOSIGNAL)?)
}

/// `1.2.3.4:5` or `[::1]:5`; an IPv4 address mapped into IPv6 is printed as what it is.
fn address_text(address: &SocketAddr) -> String {
    match address {
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => format!("{v4}:{}", v6.port()),
            None => format!("[{}]:{}", v6.ip(), v6.port()),
        },
        SocketAddr::V4(v4) => v4.to_string(),
    }
}

/// One `recv` into the input.
#[inline]
pub fn receive(stream: &mut Stream, input: &mut Input, pool: &mut BufferPool) -> Received {
    let space = input.space(pool);
    let room = space.len();
    // Nothing received would be taken for the end of the connection.
    assert!(room > 0, "a full ring is spilled before the next recv");
    loop {
        return match stream.recv(space) {
            Ok(0) => Received::Closed,
            Ok(len) => {
                input.received(len);
                if len < room { Received::Drained } else { Received::More }
            }
            Err(error) => {
                cold_path();
                match error.kind() {
                    ErrorKind::WouldBlock => Received::Drained,
                    ErrorKind::Interrupted => continue,
                    _ => Received::Closed,
                }
            }
        };
    }
}

/// One `send` (or `writev`, if the output is in pieces) of what is waiting, or of a part of it that is large enough for one turn; what it
/// achieved, and how many bytes went. A ring that is empty after it goes back to the pool.
#[inline]
pub fn flush(stream: &mut Stream, output: &mut Output, pool: &mut BufferPool) -> (Flushed, usize) {
    // The usual case by itself: one piece, all of it from the ring, and all of it sent.
    if let Some(bytes) = output.ring_piece() {
        let given = bytes.len();
        match stream.send(bytes) {
            Ok(len) if len == given => {
                output.ring_sent(pool);
                return (Flushed::All, len);
            }
            Ok(len) => {
                cold_path();
                output.sent(len);
                return (Flushed::Partly, len);
            }
            Err(error) => {
                cold_path();
                if error.kind() == ErrorKind::WouldBlock {
                    return (Flushed::Partly, 0);
                }
            }
        }
    }
    // What has failed will fail again, and be told apart there.
    flush_slowly(stream, output, pool)
}

#[inline(never)]
fn flush_slowly(stream: &mut Stream, output: &mut Output, pool: &mut BufferPool) -> (Flushed, usize) {
    loop {
        let (sent, given) = match output.single_piece() {
            Some(bytes) => (stream.send(bytes), bytes.len()),
            None => {
                let mut pieces = [IoSlice::new(&[]); IOV_MAX];
                let count = output.pieces(&mut pieces);
                let pieces = &pieces[..count];
                (stream.send_pieces(pieces), pieces.iter().map(|piece| piece.len()).sum())
            }
        };
        return match sent {
            Ok(len) => {
                output.sent(len);
                let flushed = if output.is_empty() {
                    output.settle(pool);
                    Flushed::All
                } else if len == given {
                    Flushed::More
                } else {
                    Flushed::Partly
                };
                (flushed, len)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => (Flushed::Partly, 0),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => (Flushed::Closed, 0),
        };
    }
}
