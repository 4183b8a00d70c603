//! The floor server: what the kernel's part of serving a request costs. One thread, edge-triggered epoll, one `recv` and one
//! `send` per readable connection and turn, the sends gathered at the end of the turn. It is told the size of a request and the
//! bytes of a reply, so it neither parses nor executes. No server that reads sockets this way can cost less.
//!
//! It runs in a process of its own: the bench binary starts itself with the arguments that [`Floor::start`] gives.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use crate::rig::interrupt::Guarded;

/// First argument of the process that is the floor server.
pub const ARGUMENT: &str = "--floor-server";
const LISTENER: Token = Token(usize::MAX);
/// Bytes of one recv, as in redis-server.
const RECV_LEN: usize = 16 * 1024;
/// redis-benchmark asks for the configuration before it starts; both answers are empty.
const CONFIG_REQUEST: &[u8] = b"*3\r\n$6\r\nCONFIG";
const CONFIG_REPLIES: &[u8] = b"*2\r\n$4\r\nsave\r\n$0\r\n\r\n*2\r\n$10\r\nappendonly\r\n$2\r\nno\r\n";

/// A running floor server, ended when dropped.
pub struct Floor {
    child: Guarded,
    pub port: u16,
}

impl Floor {
    pub fn start(request_len: usize, reply: &str) -> io::Result<Floor> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([ARGUMENT, &request_len.to_string(), reply])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map(Guarded)?;
        let mut line = String::new();
        if let Some(stdout) = child.0.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let port = line.trim().parse().map_err(|_| io::Error::other("the floor server does not start"))?;
        Ok(Floor { child, port })
    }

    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }
}

struct Connection {
    stream: TcpStream,
    /// Bytes of a request whose end has not come.
    partial: usize,
    /// Bytes of replies still to be sent.
    owed: usize,
    /// Where in the reply the first owed byte is.
    reply_at: usize,
    is_new: bool,
    /// The last recv filled the buffer, so there may be more without another event.
    is_ready: bool,
    is_closed: bool,
}

/// The process that is the floor server: `arguments` are the request's length and the reply. It runs until it is killed.
pub fn main(arguments: &[String]) -> io::Result<()> {
    let [request_len, reply] = arguments else {
        return Err(io::Error::other("request length, reply"));
    };
    let request_len: usize = request_len.parse().map_err(io::Error::other)?;
    // The most replies that one recv can cause, and one to begin in the middle of.
    let replies = reply.repeat(RECV_LEN / request_len + 2).into_bytes();
    let reply_len = reply.len();

    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into())?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("{}", listener.local_addr()?.port());

    let mut connections: Slab<Connection> = Slab::new();
    let mut buffer = vec![0; RECV_LEN];
    let mut turn: Vec<usize> = Vec::new();
    loop {
        let timeout = if turn.is_empty() { None } else { Some(Duration::ZERO) };
        match poll.poll(&mut events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            if event.token() == LISTENER {
                accept(&listener, &poll, &mut connections)?;
            } else if !turn.contains(&event.token().0) {
                turn.push(event.token().0);
            }
        }
        for &key in &turn {
            let Some(connection) = connections.get_mut(key) else {
                continue;
            };
            match connection.stream.read(&mut buffer) {
                Ok(0) => connection.is_closed = true,
                Ok(len) if connection.is_new && buffer[..len].starts_with(CONFIG_REQUEST) => {
                    connection.stream.write_all(CONFIG_REPLIES)?;
                    connection.is_new = false;
                }
                Ok(len) => {
                    connection.is_new = false;
                    connection.is_ready = len == RECV_LEN;
                    connection.owed += (connection.partial + len) / request_len * reply_len;
                    connection.partial = (connection.partial + len) % request_len;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => connection.is_ready = false,
                Err(_) => connection.is_closed = true,
            }
        }
        turn.retain(|&key| {
            let Some(connection) = connections.get_mut(key) else {
                return false;
            };
            if connection.send(&replies, reply_len).is_err() || connection.is_closed {
                connections.remove(key);
                return false;
            }
            connection.is_ready
        });
    }
}

impl Connection {
    /// Sends what is owed, as far as the socket takes it; the rest goes when it is writable.
    fn send(&mut self, replies: &[u8], reply_len: usize) -> io::Result<()> {
        while self.owed > 0 {
            let len = self.owed.min(replies.len() - self.reply_at);
            match self.stream.write(&replies[self.reply_at..][..len]) {
                Ok(sent) => {
                    self.owed -= sent;
                    self.reply_at = (self.reply_at + sent) % reply_len;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn accept(listener: &TcpListener, poll: &Poll, connections: &mut Slab<Connection>) -> io::Result<()> {
    loop {
        match listener.accept() {
            Ok((mut stream, _)) => {
                stream.set_nodelay(true)?;
                let entry = connections.vacant_entry();
                poll.registry().register(&mut stream, Token(entry.key()), Interest::READABLE | Interest::WRITABLE)?;
                entry.insert(Connection {
                    stream,
                    partial: 0,
                    owed: 0,
                    reply_at: 0,
                    is_new: true,
                    is_ready: false,
                    is_closed: false,
                });
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}
