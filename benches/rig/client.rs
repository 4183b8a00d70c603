//! A small blocking RESP client: one command and its reply, and a pipelined filler that writes exact keys. It must do the same
//! to every server, so it uses nothing of the crate that is being measured.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::interrupt;

/// A server that does not answer for so long is broken.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Commands in flight while filling: few enough that the filler alone does not hold up another client for long.
const FILL_IN_FLIGHT: u64 = 100;

pub struct Client {
    stream: BufReader<TcpStream>,
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
        Ok(Client { stream: BufReader::new(stream) })
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

    /// Sends `count` commands, the `i`th encoded by `encode_one`, each with a reply of one line.
    pub fn fill(&mut self, count: u64, mut encode_one: impl FnMut(u64, &mut Vec<u8>)) -> io::Result<()> {
        let mut batch = Vec::new();
        let mut next = 0;
        while next < count {
            interrupt::check()?;
            batch.clear();
            let end = count.min(next + FILL_IN_FLIGHT);
            for i in next..end {
                encode_one(i, &mut batch);
            }
            self.stream.get_mut().write_all(&batch)?;
            for _ in next..end {
                self.line()?;
            }
            next = end;
        }
        Ok(())
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        if !line.ends_with("\r\n") {
            return Err(io::Error::other("the server closed the connection"));
        }
        line.truncate(line.len() - 2);
        match line.strip_prefix('-') {
            Some(error) => Err(io::Error::other(format!("error reply: {error}"))),
            None => Ok(line),
        }
    }
}

/// What the next lines of a benchmark expect to find in the keyspace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Preparation {
    /// Nothing but the key that redis-benchmark uses without `-r`.
    OneKey,
    /// Every key that redis-benchmark uses with `-r` and this number.
    Keys(u64),
}

/// Brings the server's keyspace into that state.
pub fn prepare(port: u16, preparation: Preparation) -> io::Result<()> {
    let mut client = Client::connect(port)?;
    client.command(&["FLUSHALL"])?;
    match preparation {
        Preparation::OneKey => {
            client.command(&["SET", "key:__rand_int__", "VXK"])?;
            client.command(&["SET", "key:000000000000", "VXK"])?;
        }
        Preparation::Keys(count) => {
            client.fill(count, |i, frame| encode(frame, &[b"SET", format!("key:{i:012}").as_bytes(), b"VXK"]))?;
        }
    }
    Ok(())
}
