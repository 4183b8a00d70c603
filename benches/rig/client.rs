//! A small blocking RESP client: one command and its reply, and a pipelined filler that writes exact keys. It must do the same
//! to every server, so it uses nothing of the crate that is being measured.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::interrupt;

/// A server that does not answer for so long is broken.
const TIMEOUT: Duration = Duration::from_secs(120);
/// A long reply in few reads; pages that no reply reaches stay untouched.
const BUFFER_LEN: usize = 64 * 1024;
/// Commands in flight while filling: few enough that the filler alone does not hold up another client for long.
const FILL_IN_FLIGHT: u64 = 100;

pub struct Client {
    stream: BufReader<TcpStream>,
    /// The line read last.
    line: Vec<u8>,
}

/// Appends a request frame.
pub fn encode(frame: &mut Vec<u8>, arguments: &[&[u8]]) {
    frame.extend_from_slice(format!("*{}\r\n", arguments.len()).as_bytes());
    for argument in arguments {
        frame.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        frame.extend_from_slice(argument);
        frame.extend_from_slice(b"\r\n");
    }
}

impl Client {
    pub fn connect(port: u16) -> io::Result<Client> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Client { stream: BufReader::with_capacity(BUFFER_LEN, stream), line: Vec::new() })
    }

    /// Sends a command and returns its reply: the text of a string, number or bulk. An error reply is an error.
    pub fn command(&mut self, arguments: &[&str]) -> io::Result<String> {
        let mut frame = Vec::new();
        let arguments: Vec<&[u8]> = arguments.iter().map(|argument| argument.as_bytes()).collect();
        encode(&mut frame, &arguments);
        self.stream.get_mut().write_all(&frame)?;
        let line = self.line()?;
        let Some(rest) = line.strip_prefix('$') else {
            return Ok(line.get(1..).unwrap_or_default().to_owned());
        };
        let Ok(len) = rest.parse::<usize>() else {
            return Ok(String::new());
        };
        let mut body = vec![0; len + 2];
        self.stream.read_exact(&mut body)?;
        body.truncate(len);
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// The value of one field of INFO.
    pub fn info(&mut self, field: &str) -> io::Result<Option<String>> {
        let text = self.command(&["INFO", "everything"])?;
        Ok(text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).map(str::to_owned))
    }

    /// Sends `count` commands, the `i`th encoded by `encode_one`.
    pub fn fill(&mut self, count: u64, mut encode_one: impl FnMut(u64, &mut Vec<u8>)) -> io::Result<()> {
        let mut batch = Vec::new();
        let mut next = 0;
        while next < count {
            batch.clear();
            let end = count.min(next + FILL_IN_FLIGHT);
            for i in next..end {
                encode_one(i, &mut batch);
            }
            self.exchange(&batch, end - next)?;
            next = end;
        }
        Ok(())
    }

    /// Sends requests and reads as many replies, whatever they are; an error reply is an error.
    pub fn exchange(&mut self, requests: &[u8], replies: u64) -> io::Result<()> {
        interrupt::check()?;
        self.stream.get_mut().write_all(requests)?;
        for _ in 0..replies {
            self.skip_reply()?;
        }
        Ok(())
    }

    /// Sends GETs and reads as many replies: which of them found something.
    #[allow(dead_code, reason = "only one of the programs that share this asks")]
    pub fn found(&mut self, requests: &[u8], replies: usize) -> io::Result<Vec<bool>> {
        interrupt::check()?;
        self.stream.get_mut().write_all(requests)?;
        (0..replies).map(|_| self.skip_reply()).collect()
    }

    /// Reads a RESP2 reply to its end; whether it is not nil. It must cost little: a server waits for it when a long reply is timed.
    fn skip_reply(&mut self) -> io::Result<bool> {
        let mut found = None;
        let mut left: u64 = 1;
        while left > 0 {
            left -= 1;
            let (kind, number) = match head(self.stream.buffer()) {
                Some((len, kind, number)) => {
                    self.stream.consume(len);
                    (kind, number)
                }
                None => {
                    self.read_line()?;
                    self.line.extend_from_slice(b"\r\n");
                    head(&self.line).map_or((b'+', 0), |(_, kind, number)| (kind, number))
                }
            };
            found.get_or_insert(number >= 0 || kind == b':');
            match (kind, u64::try_from(number)) {
                (b'$', Ok(len)) => self.skip_bytes(len + 2)?,
                (b'*', Ok(len)) => left += len,
                // Nil has no body.
                _ => {}
            }
        }
        Ok(found.unwrap_or(true))
    }

    fn skip_bytes(&mut self, mut len: u64) -> io::Result<()> {
        while len > 0 {
            let here = self.stream.fill_buf()?.len();
            if here == 0 {
                return Err(closed());
            }
            let part = here.min(usize::try_from(len).unwrap_or(here));
            self.stream.consume(part);
            len -= part as u64;
        }
        Ok(())
    }

    fn line(&mut self) -> io::Result<String> {
        self.read_line()?;
        Ok(String::from_utf8_lossy(&self.line).into_owned())
    }

    /// Reads a line, without its end, into `self.line`.
    fn read_line(&mut self) -> io::Result<()> {
        self.line.clear();
        self.stream.read_until(b'\n', &mut self.line)?;
        if !self.line.ends_with(b"\r\n") {
            return Err(closed());
        }
        self.line.truncate(self.line.len() - 2);
        match self.line.strip_prefix(b"-") {
            Some(error) => Err(io::Error::other(format!("error reply: {}", String::from_utf8_lossy(error)))),
            None => Ok(()),
        }
    }
}

/// Length, kind and number of the line that begins `bytes`, if all of it is there and its kind has a number.
fn head(bytes: &[u8]) -> Option<(usize, u8, i64)> {
    let (&kind, rest) = bytes.split_first()?;
    if !matches!(kind, b'$' | b'*' | b':') {
        return None;
    }
    let is_negative = rest.first() == Some(&b'-');
    let mut at = usize::from(is_negative);
    let mut number: i64 = 0;
    while let Some(digit @ b'0'..=b'9') = rest.get(at) {
        number = number.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
        at += 1;
    }
    let is_whole = rest.get(at..at + 2) == Some(b"\r\n");
    is_whole.then_some((1 + at + 2, kind, if is_negative { -number } else { number }))
}

fn closed() -> io::Error {
    io::Error::other("the server closed the connection")
}

/// Empties the server and sets the key that redis-benchmark uses, or the keys that it uses with `-r` and this number.
pub fn prepare_keys(port: u16, keys: Option<u64>) -> io::Result<()> {
    let mut client = Client::connect(port)?;
    client.command(&["FLUSHALL"])?;
    match keys {
        None => {
            client.command(&["SET", "key:__rand_int__", "VXK"])?;
            client.command(&["SET", "key:000000000000", "VXK"])?;
        }
        Some(count) => {
            client.fill(count, |i, frame| encode(frame, &[b"SET", format!("key:{i:012}").as_bytes(), b"VXK"]))?;
        }
    }
    Ok(())
}
