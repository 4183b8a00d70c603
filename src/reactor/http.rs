//! One request of a minimal HTTP/1.1 server: a GET without a body is read, a response is sent, and the connection is closed. Knows no
//! resource.
//!
//! Everything is bounded: the request by [`REQUEST_MAX`], the response by whoever makes it, time by the owner, who closes what has not
//! come to an end ([`Peer::opened_ms`]). What the peer sends behind its request, or instead of one, is received and dropped, up to
//! [`DRAINED_MAX`], until the peer closes: a socket closed on unread bytes is reset, and the peer may never see its answer.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use mio::{Registry, Token};

use super::socket::Stream;

/// Bytes of a request line with its headers.
const REQUEST_MAX: usize = 8 * 1024;
/// Bytes sent in one turn.
const SEND_MAX: usize = 256 * 1024;
/// Bytes dropped behind a response, and so many of them in one turn.
const DRAINED_MAX: usize = 4 * 1024 * 1024;
const DRAIN_MAX: usize = 256 * 1024;

/// What a peer's socket came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Another event will tell.
    Wait,
    /// There is more to send, or to drop, than one turn does.
    More,
    /// This path is asked for; [`Peer::respond`] answers.
    Get { path: String, head_only: bool },
    /// It is over: the peer is to be dropped.
    Done,
}

/// Status lines that are sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    Ok,
    BadRequest,
    NotFound,
    MethodNotAllowed,
    TooLarge,
}

impl Status {
    fn line(self) -> &'static str {
        match self {
            Status::Ok => "200 OK",
            Status::BadRequest => "400 Bad Request",
            Status::NotFound => "404 Not Found",
            Status::MethodNotAllowed => "405 Method Not Allowed",
            Status::TooLarge => "431 Request Header Fields Too Large",
        }
    }
}

/// A connection.
pub struct Peer {
    stream: Stream,
    request: Vec<u8>,
    head: Vec<u8>,
    body: Arc<Vec<u8>>,
    sent: usize,
    /// Its request is complete and not answered yet.
    is_asking: bool,
    is_answered: bool,
    /// Its response has been sent; bytes dropped since.
    drained: Option<usize>,
    /// When it was accepted, on the owner's clock.
    pub opened_ms: u64,
    /// Its number among those that the owner has accepted: lower is older.
    pub order: u64,
}

impl Peer {
    pub fn new(stream: Stream, opened_ms: u64, order: u64) -> Peer {
        Peer {
            stream,
            request: Vec::new(),
            head: Vec::new(),
            body: Arc::default(),
            sent: 0,
            is_asking: false,
            is_answered: false,
            drained: None,
            opened_ms,
            order,
        }
    }

    /// # Errors
    /// As epoll_ctl(2).
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.stream.register(registry, token)
    }

    /// Reads what there is of a request, or sends what is left of a response.
    pub fn advance(&mut self) -> Progress {
        if self.drained.is_some() {
            return self.drain();
        }
        if self.is_answered {
            return self.send();
        }
        if self.is_asking {
            return Progress::Wait;
        }
        let mut chunk = [0; 1024];
        loop {
            match self.stream.recv(&mut chunk) {
                Ok(0) => return Progress::Done,
                Ok(len) => self.request.extend_from_slice(&chunk[..len]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::Wait,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Progress::Done,
            }
            match parse(&self.request) {
                Parsed::Get { path, head_only } => {
                    self.is_asking = true;
                    return Progress::Get { path, head_only };
                }
                Parsed::Wrong(status) => return self.respond(status, "text/plain", Arc::default(), false),
                Parsed::Incomplete => {}
            }
        }
    }

    /// Whether [`Peer::respond`] is still to be called.
    pub fn is_asking(&self) -> bool {
        self.is_asking
    }

    /// Whether nothing is being done for it: it has not asked yet, or has been answered.
    pub fn is_idle(&self) -> bool {
        !self.is_asking && (!self.is_answered || self.drained.is_some())
    }

    /// Answers; the connection ends with it.
    pub fn respond(&mut self, status: Status, kind: &str, body: Arc<Vec<u8>>, head_only: bool) -> Progress {
        self.head = format!(
            "HTTP/1.1 {}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            status.line(),
            body.len()
        )
        .into_bytes();
        self.body = if head_only { Arc::default() } else { body };
        self.is_asking = false;
        self.is_answered = true;
        self.send()
    }

    fn send(&mut self) -> Progress {
        let mut left = SEND_MAX;
        loop {
            let piece = match self.head.get(self.sent..) {
                Some(head) if !head.is_empty() => head,
                _ => &self.body[self.sent - self.head.len()..],
            };
            if piece.is_empty() {
                self.drained = Some(0);
                return if self.stream.end_sending().is_ok() { self.drain() } else { Progress::Done };
            }
            if left == 0 {
                return Progress::More;
            }
            match self.stream.send(&piece[..piece.len().min(left)]) {
                Ok(len) => {
                    self.sent += len;
                    left -= len;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::Wait,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Progress::Done,
            }
        }
    }
}

impl Peer {
    /// Drops what the peer still sends, until it closes.
    fn drain(&mut self) -> Progress {
        let mut chunk = [0; 16 * 1024];
        let mut left = DRAIN_MAX;
        while left > 0 {
            match self.stream.recv(&mut chunk) {
                Ok(0) => return Progress::Done,
                Ok(len) => {
                    left = left.saturating_sub(len);
                    let drained = self.drained.unwrap_or(0) + len;
                    self.drained = Some(drained);
                    if drained > DRAINED_MAX {
                        return Progress::Done;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::Wait,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Progress::Done,
            }
        }
        Progress::More
    }
}

#[derive(PartialEq, Eq, Debug)]
enum Parsed {
    Incomplete,
    Get { path: String, head_only: bool },
    Wrong(Status),
}

/// Reads a request line and looks for the end of the headers, which are not of interest.
fn parse(request: &[u8]) -> Parsed {
    let is_complete = request.windows(4).any(|end| end == b"\r\n\r\n") || request.windows(2).any(|end| end == b"\n\n");
    if request.len() > REQUEST_MAX {
        return Parsed::Wrong(Status::TooLarge);
    }
    if !is_complete {
        return Parsed::Incomplete;
    }
    let line = request.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let Ok(line) = std::str::from_utf8(line) else { return Parsed::Wrong(Status::BadRequest) };
    let words: Vec<&str> = line.trim_end().split(' ').collect();
    let [method, target, version] = words[..] else { return Parsed::Wrong(Status::BadRequest) };
    if !version.starts_with("HTTP/1.") || !target.starts_with('/') {
        return Parsed::Wrong(Status::BadRequest);
    }
    let path = target.split('?').next().unwrap_or_default().to_owned();
    match method {
        "GET" => Parsed::Get { path, head_only: false },
        "HEAD" => Parsed::Get { path, head_only: true },
        _ => Parsed::Wrong(Status::MethodNotAllowed),
    }
}

#[cfg(test)]
mod tests {
    use super::{Parsed, REQUEST_MAX, Status, parse};

    #[test]
    fn requests() {
        let get = |path: &str| Parsed::Get { path: path.to_owned(), head_only: false };
        for (request, parsed) in [
            ("", Parsed::Incomplete),
            ("GET /metrics HTTP/1.1\r\nHost: x\r\n", Parsed::Incomplete),
            ("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", get("/metrics")),
            ("GET /metrics?a=b HTTP/1.0\r\n\r\n", get("/metrics")),
            ("GET / HTTP/1.1\n\n", get("/")),
            ("HEAD / HTTP/1.1\r\n\r\n", Parsed::Get { path: "/".to_owned(), head_only: true }),
            ("POST / HTTP/1.1\r\n\r\n", Parsed::Wrong(Status::MethodNotAllowed)),
            ("GET /\r\n\r\n", Parsed::Wrong(Status::BadRequest)),
            ("GET x HTTP/1.1\r\n\r\n", Parsed::Wrong(Status::BadRequest)),
            ("GET / a HTTP/1.1\r\n\r\n", Parsed::Wrong(Status::BadRequest)),
            ("*1\r\n$4\r\nPING\r\n\r\n", Parsed::Wrong(Status::BadRequest)),
        ] {
            assert_eq!(parse(request.as_bytes()), parsed, "{request:?}");
        }
        assert_eq!(parse(&vec![b'a'; REQUEST_MAX + 1]), Parsed::Wrong(Status::TooLarge));
        assert_eq!(parse(b"\xff / HTTP/1.1\r\n\r\n"), Parsed::Wrong(Status::BadRequest));
    }
}
