//! Listening sockets: TCP on any number of addresses, and Unix sockets with permissions.

use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::socket::Stream;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// With the text that it was configured by.
    Tcp(SocketAddr, String),
    /// Path and, unless the umask's will do, permission bits.
    Unix(PathBuf, Option<u32>),
}

/// A bound socket.
pub enum Listener {
    Tcp(TcpListener, String),
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// Binds and listens with a queue of `backlog` connections. A stale Unix socket is replaced.
    ///
    /// # Errors
    /// As bind(2), listen(2), chmod(2).
    pub fn bind(address: &Address, backlog: u32) -> io::Result<Listener> {
        let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
        match address {
            Address::Tcp(address, written) => {
                let socket = Socket::new(Domain::for_address(*address), Type::STREAM, Some(Protocol::TCP))?;
                if address.is_ipv6() {
                    // `bind * -::*` binds both families to one port.
                    socket.set_only_v6(true)?;
                }
                socket.set_reuse_address(true)?;
                socket.set_nonblocking(true)?;
                socket.bind(&(*address).into())?;
                socket.listen(backlog)?;
                Ok(Listener::Tcp(TcpListener::from_std(socket.into()), written.clone()))
            }
            Address::Unix(path, permissions) => {
                drop(fs::remove_file(path));
                let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
                socket.set_nonblocking(true)?;
                socket.bind(&socket2::SockAddr::unix(path)?)?;
                socket.listen(backlog)?;
                if let Some(bits) = permissions {
                    fs::set_permissions(path, Permissions::from_mode(*bits))?;
                }
                Ok(Listener::Unix(UnixListener::from_std(socket.into()), path.clone()))
            }
        }
    }

    /// Marks the packets of a TCP listener and of its connections, for the kernel's routing and filters; 0: does not.
    ///
    /// # Errors
    /// As setsockopt(2): it takes a privilege.
    pub fn mark(&self, mark: u32) -> io::Result<()> {
        match self {
            Listener::Tcp(listener, _) if mark != 0 => SockRef::from(listener).set_mark(mark),
            _ => Ok(()),
        }
    }

    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        use mio::event::Source;
        match self {
            Listener::Tcp(listener, _) => listener.register(registry, token, Interest::READABLE),
            Listener::Unix(listener, _) => listener.register(registry, token, Interest::READABLE),
        }
    }

    /// # Errors
    /// As accept(2): WouldBlock when nobody waits, EMFILE when there is no descriptor left.
    pub fn accept(&self) -> io::Result<Stream> {
        match self {
            Listener::Tcp(listener, _) => listener.accept().map(|(stream, _)| Stream::Tcp(stream)),
            Listener::Unix(listener, _) => listener.accept().map(|(stream, _)| Stream::Unix(stream)),
        }
    }

    /// The address really bound: the port, when port 0 was asked for.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Listener::Tcp(listener, _) => listener.local_addr().ok(),
            Listener::Unix(..) => None,
        }
    }

    /// What a TCP address was configured by.
    pub fn written(&self) -> Option<&str> {
        match self {
            Listener::Tcp(_, written) => Some(written),
            Listener::Unix(..) => None,
        }
    }

    /// Path of a Unix socket.
    pub fn path(&self) -> Option<&PathBuf> {
        match self {
            Listener::Tcp(..) => None,
            Listener::Unix(_, path) => Some(path),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, path) = self {
            drop(fs::remove_file(path));
        }
    }
}
