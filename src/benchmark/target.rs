//! The server under load: where it is, how to connect to it, and what it says about its configuration.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{self, SocketAddr, ToSocketAddrs};
use std::os::unix;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};

use super::options::Options;
use super::{Failure, workload};
use crate::resp::scan::Scanner;

/// How long to wait for a TCP connection, and for the server's answer about its configuration.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const CONFIG_TIMEOUT: Duration = Duration::from_secs(3);
/// Most bytes of that answer.
const CONFIG_REPLY_MAX: usize = 64 * 1024;

/// An address that the load goes to.
#[derive(Clone, Debug)]
pub enum Target {
    Tcp { name: String, addresses: Vec<SocketAddr> },
    Unix(PathBuf),
}

impl Target {
    /// The server that the flags name.
    pub fn named(options: &Options) -> Result<Target, Failure> {
        if let Some(path) = &options.socket {
            return Ok(Target::Unix(path.into()));
        }
        let host = options.host.as_deref().unwrap_or("127.0.0.1");
        let port = options.port.unwrap_or(6379);
        let name = format!("{host}:{port}");
        match (host, port).to_socket_addrs() {
            Ok(found) => Ok(Target::Tcp { name, addresses: found.collect() }),
            Err(error) => Err(Failure::Connect { target: name, reason: reason(&error) }),
        }
    }

    pub fn at(address: SocketAddr) -> Target {
        Target::Tcp { name: address.to_string(), addresses: vec![address] }
    }

    /// Connects, waiting for it. The first address that answers is the only one from then on.
    pub fn connect(&mut self) -> Result<Stream, Failure> {
        self.try_connect().map_err(|error| self.refused(&error))
    }

    fn try_connect(&mut self) -> io::Result<Stream> {
        match self {
            Target::Unix(path) => {
                let stream = unix::net::UnixStream::connect(path)?;
                stream.set_nonblocking(true)?;
                Ok(Stream::Unix(UnixStream::from_std(stream)))
            }
            Target::Tcp { addresses, .. } => {
                let mut failed = io::Error::new(io::ErrorKind::NotFound, "no address found");
                for &address in addresses.iter() {
                    match net::TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
                        Ok(stream) => {
                            *addresses = vec![address];
                            stream.set_nodelay(true)?;
                            stream.set_nonblocking(true)?;
                            return Ok(Stream::Tcp(TcpStream::from_std(stream)));
                        }
                        Err(error) => failed = error,
                    }
                }
                Err(failed)
            }
        }
    }

    /// Begins to connect. A Unix socket connects at once.
    pub fn begin_connect(&mut self) -> Result<Stream, Failure> {
        let begun = match self {
            Target::Unix(_) => self.try_connect(),
            Target::Tcp { addresses, .. } => match addresses.first() {
                Some(&address) => TcpStream::connect(address).map(Stream::Tcp),
                None => Err(io::Error::new(io::ErrorKind::NotFound, "no address found")),
            },
        };
        begun.map_err(|error| self.refused(&error))
    }

    pub fn refused(&self, error: &io::Error) -> Failure {
        Failure::Connect { target: self.to_string(), reason: reason(error) }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Tcp { name, .. } => out.write_str(name),
            Target::Unix(path) => write!(out, "{}", path.display()),
        }
    }
}

/// The kernel's word for it, without Rust's `(os error N)`.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    text.split(" (os error ").next().unwrap_or_default().to_owned()
}

/// A connection that never blocks.
#[derive(Debug)]
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    #[inline]
    pub fn recv(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(into),
            Stream::Unix(stream) => stream.read(into),
        }
    }

    #[inline]
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Unix(stream) => stream.write(bytes),
        }
    }

    /// Whether a connection begun earlier is there now; the error if it never will be.
    pub fn is_connected(&self) -> io::Result<bool> {
        let Stream::Tcp(stream) = self else {
            return Ok(true);
        };
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        match stream.peer_addr() {
            Ok(_) => stream.set_nodelay(true).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Source for Stream {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.register(registry, token, interests),
            Stream::Unix(stream) => stream.register(registry, token, interests),
        }
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.reregister(registry, token, interests),
            Stream::Unix(stream) => stream.reregister(registry, token, interests),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.deregister(registry),
            Stream::Unix(stream) => stream.deregister(registry),
        }
    }
}

/// What the report says about the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostConfig {
    pub save: String,
    pub appendonly: String,
}

/// Asks the server for its persistence settings. None if it does not tell; an error if it does not let us in.
pub fn host_config(target: &mut Target, options: &Options) -> Result<Option<HostConfig>, Failure> {
    let stream = target.connect()?;
    let (mut request, greetings) = options.greeting();
    for directive in ["save", "appendonly"] {
        request.extend(workload::encode(&["CONFIG", "GET", directive]));
    }
    let mut conversation = Conversation { stream, received: Vec::new(), deadline: Instant::now() + CONFIG_TIMEOUT };
    if conversation.send(&request).is_err() {
        return Ok(None);
    }
    for _ in 0..greetings {
        match conversation.reply() {
            Ok(Some(reply)) if reply.starts_with(b"-") => {
                return Err(Failure::reply(target, &reply[1..]));
            }
            Ok(Some(_)) => {}
            _ => return Ok(None),
        }
    }
    let mut setting = |name: &str| -> io::Result<Option<String>> {
        Ok(conversation.reply()?.and_then(|reply| value_of(&reply, name)))
    };
    let (Ok(Some(save)), Ok(Some(appendonly))) = (setting("save"), setting("appendonly")) else {
        return Ok(None);
    };
    Ok(Some(HostConfig { save, appendonly }))
}

/// The value in a CONFIG GET reply: an array or map of two bulks.
fn value_of(reply: &[u8], name: &str) -> Option<String> {
    let text = str::from_utf8(reply).ok()?;
    let mut lines = text.split("\r\n");
    let header = lines.next()?;
    if !matches!(header, "*2" | "%1") {
        return None;
    }
    lines.next()?;
    if lines.next()? != name {
        return None;
    }
    lines.next()?;
    let value = lines.next()?;
    Some(value.chars().filter(|c| !c.is_control()).collect())
}

/// Requests and replies in turn, with a deadline.
struct Conversation {
    stream: Stream,
    received: Vec<u8>,
    deadline: Instant,
}

impl Conversation {
    fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.stream.send(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => bytes = &bytes[sent..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait(Interest::WRITABLE)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The bytes of the next reply; None if what came is not a reply.
    fn reply(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut scanner = Scanner::default();
        let mut at = 0;
        loop {
            while at < self.received.len() {
                at += 1;
                match scanner.scan(&self.received[at - 1..at]) {
                    Ok(0) => {}
                    Ok(_) => {
                        let rest = self.received.split_off(at);
                        return Ok(Some(std::mem::replace(&mut self.received, rest)));
                    }
                    Err(_) => return Ok(None),
                }
            }
            let mut chunk = [0; 4096];
            match self.stream.recv(&mut chunk) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(received) => self.received.extend(&chunk[..received]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait(Interest::READABLE)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if self.received.len() > CONFIG_REPLY_MAX {
                return Ok(None);
            }
        }
    }

    fn wait(&mut self, interest: Interest) -> io::Result<()> {
        let mut poll = mio::Poll::new()?;
        let mut events = mio::Events::with_capacity(1);
        poll.registry().register(&mut self.stream, Token(0), interest)?;
        let left = self.deadline.saturating_duration_since(Instant::now());
        let waited = poll.poll(&mut events, Some(left));
        poll.registry().deregister(&mut self.stream)?;
        match waited {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ if left.is_zero() => Err(io::ErrorKind::TimedOut.into()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{reason, value_of};

    #[test]
    fn values_of_config_get() {
        assert_eq!(value_of(b"*2\r\n$4\r\nsave\r\n$0\r\n\r\n", "save"), Some(String::new()));
        assert_eq!(value_of(b"%1\r\n$4\r\nsave\r\n$6\r\n3600 1\r\n", "save"), Some("3600 1".into()));
        for hostile in
            ["-ERR no\r\n", "*0\r\n", "*2\r\n$3\r\nfoo\r\n$1\r\nx\r\n", "*2\r\n", ":1\r\n", "", "*2\r\n:1\r\n:2\r\n"]
        {
            assert_eq!(value_of(hostile.as_bytes(), "save"), None, "{hostile:?}");
        }
        assert_eq!(value_of(b"*2\r\n$1\r\n\xff\r\n", "save"), None);
    }

    #[test]
    fn reasons_are_the_kernels() {
        assert_eq!(reason(&io::Error::from_raw_os_error(libc::ECONNREFUSED)), "Connection refused");
    }
}
