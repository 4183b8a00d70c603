//! Latency among many: ten thousand connections, of which one in a hundred asks. Requests are sent at a fixed rate, the same for every
//! server, and a reply's latency counts from when its request was due, so a server that stops for a while is not asked less.
//!
//! What an idle connection takes up in memory is in the section `memory`.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token};

use crate::cpu::CpuTime;
use crate::memory;
use crate::rig;
use crate::rig::client::{Client, encode};
use crate::rig::interrupt;
use crate::rig::server::{Program, Server};
use crate::rounds::{median, progress, settle};

pub const NAME: &str = "connections 10000, 1 % active";
/// p99 relative to Redis.
pub const BUDGET: f64 = 1.0;
pub const CONNECTIONS: usize = 10_000;
/// One connection in so many asks.
const ACTIVE_ONE_IN: usize = 100;
/// Requests a second, over all.
pub const RATE: u32 = 10_000;
const VALUE: [u8; 32] = [b'x'; 32];
/// Of a round.
const TIME: Duration = Duration::from_secs(2);
/// Many short rounds: where the host takes a processor away for 20 ms at a time, one such pause is the p99 of a round, and five rounds of
/// one program against itself came to 0.7.
const ROUNDS: usize = 31;
const ROUNDS_QUICK: usize = 3;
/// Not counted: the first of a round.
const WARMING: Duration = Duration::from_millis(500);
/// A reply comes by then, or something is broken.
const ARRIVAL_MAX: Duration = Duration::from_secs(20);
const CONNECTIONS_AT_ONCE: usize = 100;
/// This process's own, besides the connections: those that ask are registered with a descriptor of their own.
const OTHER_FILES: usize = 2 * CONNECTIONS / ACTIVE_ONE_IN;

/// A round on one server.
#[derive(Clone, Copy)]
pub struct Sample {
    pub p50_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    /// CPU of the server per request.
    pub ns: f64,
}

/// What was seen of one server.
pub struct Crowd {
    pub server: &'static str,
    pub samples: Vec<Sample>,
    /// Its p99 relative to that of the first server, Redis: the median of the ratios within the rounds.
    pub of_redis: f64,
}

pub fn is_selected() -> bool {
    rig::is_selected(NAME)
}

pub fn measure(programs: &[Program], is_quick: bool, directory: &Path) -> io::Result<Vec<Crowd>> {
    let rounds = if is_quick { ROUNDS_QUICK } else { ROUNDS };
    memory::raise_file_limit(CONNECTIONS + OTHER_FILES)?;
    let mut crowds: Vec<Crowd> = Vec::new();
    let mut servers = Vec::new();
    for program in programs {
        let server = Server::start(program, directory)?;
        let value = std::str::from_utf8(&VALUE).map_err(io::Error::other)?;
        Client::connect(server.port)?.command(&["SET", "key", value])?;
        servers.push(server);
        crowds.push(Crowd { server: program.name, samples: Vec::new(), of_redis: 1.0 });
    }
    for round in 1..=rounds {
        for (crowd, server) in crowds.iter_mut().zip(&servers) {
            progress(&format!("{NAME}: round {round} of {rounds}, {}", crowd.server));
            // For this round only: both servers' at once would be more files than many systems let a process have.
            let mut streams = connect(server.port)?;
            settle(server.pid())?;
            let active = streams.iter_mut().step_by(ACTIVE_ONE_IN);
            crowd.samples.push(ask(server, active, TIME)?);
        }
    }
    let of_first: Vec<f64> =
        crowds.first().map(|first| first.samples.iter().map(|s| s.p99_us).collect()).unwrap_or_default();
    for crowd in &mut crowds {
        crowd.of_redis = median(crowd.samples.iter().zip(&of_first).map(|(own, first)| own.p99_us / first).collect());
        crowd.print();
    }
    Ok(crowds)
}

/// Connections that have been answered once.
fn connect(port: u16) -> io::Result<Vec<TcpStream>> {
    let mut streams = Vec::with_capacity(CONNECTIONS);
    while streams.len() < CONNECTIONS {
        interrupt::check()?;
        let first = streams.len();
        for _ in 0..CONNECTIONS_AT_ONCE {
            let mut stream = TcpStream::connect(("127.0.0.1", port))?;
            stream.set_nodelay(true)?;
            stream.write_all(b"*1\r\n$4\r\nPING\r\n")?;
            streams.push(stream);
        }
        for stream in &mut streams[first..] {
            let mut answer = [0; 7];
            stream.read_exact(&mut answer)?;
        }
    }
    Ok(streams)
}

/// A connection that asks.
struct Asking {
    socket: mio::net::TcpStream,
    /// When the requests that have no reply yet were due.
    due: VecDeque<Instant>,
    /// Bytes of a reply that has not come in full.
    partial: usize,
}

fn ask<'a>(server: &Server, active: impl Iterator<Item = &'a mut TcpStream>, time: Duration) -> io::Result<Sample> {
    let mut request = Vec::new();
    encode(&mut request, &[b"GET", b"key"]);
    let reply_len = format!("${}\r\n", VALUE.len()).len() + VALUE.len() + 2;
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut asking = Vec::new();
    for (index, stream) in active.enumerate() {
        let stream = stream.try_clone()?;
        stream.set_nonblocking(true)?;
        let mut socket = mio::net::TcpStream::from_std(stream);
        poll.registry().register(&mut socket, Token(index), Interest::READABLE)?;
        asking.push(Asking { socket, due: VecDeque::new(), partial: 0 });
    }
    let mut histogram: Histogram<u64> = Histogram::new(3).map_err(io::Error::other)?;
    let mut buffer = [0; 4096];
    let requests = time.as_nanos() as u64 * u64::from(RATE) / 1_000_000_000;
    let interval = Duration::from_secs(1) / RATE;
    let before = CpuTime::of(server.pid())?;
    let start = Instant::now();
    let (mut sent, mut answered) = (0, 0);
    while answered < requests {
        interrupt::check()?;
        let now = Instant::now();
        if now > start + time + ARRIVAL_MAX {
            return Err(io::Error::other(format!("{} of {requests} replies did not come", requests - answered)));
        }
        while sent < requests && start + interval * sent as u32 <= now {
            let index = sent as usize % asking.len();
            asking[index].due.push_back(start + interval * sent as u32);
            // A request is far smaller than a socket's buffer.
            asking[index].socket.write_all(&request)?;
            sent += 1;
        }
        // Without sleeping: a millisecond, the shortest sleep of epoll, is longer than what is measured.
        poll.poll(&mut events, Some(Duration::ZERO))?;
        for event in &events {
            let one = &mut asking[event.token().0];
            loop {
                let len = match one.socket.read(&mut buffer) {
                    Ok(0) => return Err(io::Error::other("the server closed a connection")),
                    Ok(len) => len,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                };
                let arrived = Instant::now();
                one.partial += len;
                while one.partial >= reply_len {
                    one.partial -= reply_len;
                    answered += 1;
                    let due = one.due.pop_front().ok_or_else(|| io::Error::other("a reply to nothing"))?;
                    if due >= start + WARMING {
                        let ns = u64::try_from((arrived - due).as_nanos()).unwrap_or(u64::MAX);
                        histogram.record(ns).map_err(io::Error::other)?;
                    }
                }
            }
        }
    }
    let used = CpuTime::of(server.pid())?.since(&before);
    let us = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
    Ok(Sample { p50_us: us(0.5), p99_us: us(0.99), p999_us: us(0.999), ns: used.run_ns as f64 / requests as f64 })
}

impl Crowd {
    /// The median over the rounds.
    pub fn median(&self, of: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().map(of).collect())
    }

    pub fn verdict(&self) -> &'static str {
        match self.server {
            "zedis" if self.of_redis <= BUDGET => "PASS",
            "zedis" => "MISS",
            _ => "-",
        }
    }

    fn print(&self) {
        progress("");
        println!(
            "{NAME:<32} {:<7} p50 {:>6.1} us  p99 {:>6.1} us  p99.9 {:>7.1} us  CPU {:>5.0} ns; p99 of redis's {:.3} (budget {BUDGET:.2}) {}",
            self.server,
            self.median(|s| s.p50_us),
            self.median(|s| s.p99_us),
            self.median(|s| s.p999_us),
            self.median(|s| s.ns),
            self.of_redis,
            self.verdict()
        );
    }
}
