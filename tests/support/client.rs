//! A blocking client: requests as words or raw bytes, replies as trees or raw bytes. Every read has a deadline.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::reply::Reply;
use super::table;

/// Longest wait for bytes from a server: a server that hangs fails the test instead of hanging it.
const READ_DEADLINE: Duration = Duration::from_secs(20);

pub struct Client {
    stream: UnixStream,
    received: Vec<u8>,
    /// First byte not yet handed out.
    at: usize,
}

impl Client {
    pub fn try_connect(socket: &Path) -> io::Result<Client> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(READ_DEADLINE))?;
        stream.set_write_timeout(Some(READ_DEADLINE))?;
        Ok(Client { stream, received: Vec::new(), at: 0 })
    }

    pub fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("the server reads");
    }

    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// One request and its reply.
    pub fn call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Reply {
        self.send(&encode(args));
        self.read()
    }

    /// One request, written as in a table ([`table::words`]), and its reply.
    pub fn run(&mut self, line: &str) -> Reply {
        self.call(&table::words(line))
    }

    /// The next reply.
    pub fn read(&mut self) -> Reply {
        self.try_read().expect("the server answers").expect("the server does not close").0
    }

    /// The next reply and its bytes; None when the server has closed.
    pub fn try_read(&mut self) -> io::Result<Option<(Reply, Vec<u8>)>> {
        loop {
            let pending = &self.received[self.at..];
            if !pending.is_empty()
                && let Some((reply, len)) = Reply::parse(pending)
            {
                let raw = pending[..len].to_vec();
                self.at += len;
                if self.at == self.received.len() {
                    self.received.clear();
                    self.at = 0;
                }
                return Ok(Some((reply, raw)));
            }
            let inside = !pending.is_empty();
            if !self.receive()? {
                assert!(!inside, "closed inside a reply: {}", self.received[self.at..].escape_ascii());
                return Ok(None);
            }
        }
    }

    /// Bytes until the server closes, as they came.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        while self.receive().expect("the server answers or closes") {}
        let rest = self.received.split_off(self.at);
        self.received.clear();
        self.at = 0;
        rest
    }

    /// Exactly `len` bytes, as they came.
    pub fn read_bytes(&mut self, len: usize) -> Vec<u8> {
        while self.received.len() - self.at < len {
            assert!(self.receive().expect("the server answers"), "the server closed");
        }
        let bytes = self.received[self.at..self.at + len].to_vec();
        self.at += len;
        bytes
    }

    /// False at the end of the stream.
    fn receive(&mut self) -> io::Result<bool> {
        let mut chunk = [0; 64 * 1024];
        loop {
            return match self.stream.read(&mut chunk) {
                Ok(0) => Ok(false),
                Ok(len) => {
                    self.received.extend_from_slice(&chunk[..len]);
                    Ok(true)
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                // A server may close with bytes of ours unread.
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => Ok(false),
                Err(error) => Err(error),
            };
        }
    }
}

/// A request in multibulk form.
pub fn encode<A: AsRef<[u8]>>(args: &[A]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        let arg = arg.as_ref();
        bytes.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        bytes.extend_from_slice(arg);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}
