//! CPU of the server per delivered message, for few and many subscribers of one channel, with and without pipelining of the
//! publishes; and per transaction of ten SETs.
//!
//! One connection publishes; a thread of this process drains the subscribers. A round ends when every byte has arrived.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use crate::cpu::CpuTime;
use crate::rig;
use crate::rig::client::{Client, encode};
use crate::rig::interrupt;
use crate::rig::server::{Program, Server};
use crate::rounds::{median, progress, settle};

const CHANNEL: &str = "channel";
const TEXT: [u8; 32] = [b'x'; 32];
/// So many times the rounds for a single subscriber.
const ROUNDS_OF_ONE: usize = 3;
/// A quick round has so many times fewer deliveries.
const QUICK: u64 = 4;
/// The messages of a round have all arrived by then, or something is broken.
const ARRIVAL_MAX: Duration = Duration::from_secs(120);
const CONNECTIONS_AT_ONCE: usize = 100;

/// A line of the report.
#[derive(Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    what: What,
    pub pipeline: u64,
    /// Deliveries, or transactions, of a round.
    total: u64,
    /// CPU relative to Redis.
    pub budget: f64,
}

#[derive(Clone, Copy)]
enum What {
    Publish { subscribers: usize },
    Transactions { commands: usize },
}

const fn publish(name: &'static str, subscribers: usize, pipeline: u64, total: u64, budget: f64) -> Case {
    Case { name, what: What::Publish { subscribers }, pipeline, total, budget }
}

static CASES: [Case; 7] = [
    publish("pubsub 1 subscriber P1", 1, 1, 100_000, 0.9),
    publish("pubsub 1 subscriber P16", 1, 16, 400_000, 0.6),
    publish("pubsub 100 subscribers P1", 100, 1, 500_000, 0.9),
    publish("pubsub 100 subscribers P16", 100, 16, 2_000_000, 0.6),
    publish("pubsub 10000 subscribers P1", 10_000, 1, 500_000, 0.9),
    publish("pubsub 10000 subscribers P16", 10_000, 16, 3_200_000, 0.6),
    Case {
        name: "pubsub MULTI, 10 SETs, EXEC P16",
        what: What::Transactions { commands: 10 },
        pipeline: 16,
        total: 100_000,
        budget: 0.6,
    },
];

impl Case {
    /// With one subscriber nearly all is sleeping and waking, and which processor the scheduler chooses for it changes from round to round.
    fn rounds(&self, usual: usize) -> usize {
        match self.what {
            What::Publish { subscribers: 1 } => usual * ROUNDS_OF_ONE,
            _ => usual,
        }
    }
}

/// What was measured of a case: nanoseconds of CPU per delivery or transaction, by server and round.
pub struct Delivery {
    pub case: Case,
    pub series: Vec<(&'static str, Vec<f64>)>,
}

/// Whether anything of this section is selected.
pub fn is_selected() -> bool {
    CASES.iter().any(|case| rig::is_selected(case.name))
}

pub fn measure(programs: &[Program], rounds: usize, is_quick: bool, directory: &Path) -> io::Result<Vec<Delivery>> {
    let servers = programs.iter().map(|program| Server::start(program, directory)).collect::<io::Result<Vec<_>>>()?;
    let mut deliveries = Vec::new();
    for &case in CASES.iter().filter(|case| rig::is_selected(case.name)) {
        let mut series: Vec<(&'static str, Vec<f64>)> =
            programs.iter().map(|program| (program.name, Vec::new())).collect();
        let rounds = case.rounds(rounds);
        for round in 1..=rounds {
            for ((name, samples), server) in series.iter_mut().zip(&servers) {
                progress(&format!("{}: round {round} of {rounds}, {name}", case.name));
                let total = if is_quick { case.total / QUICK } else { case.total };
                samples.push(run(case, server, total)?);
            }
        }
        let delivery = Delivery { case, series };
        delivery.print();
        deliveries.push(delivery);
    }
    Ok(deliveries)
}

/// Nanoseconds of CPU per delivery or transaction.
fn run(case: Case, server: &Server, total: u64) -> io::Result<f64> {
    match case.what {
        What::Publish { subscribers } => run_publishes(server, subscribers, case.pipeline, total),
        What::Transactions { commands } => run_transactions(server, commands, case.pipeline, total),
    }
}

fn run_transactions(server: &Server, commands: usize, pipeline: u64, total: u64) -> io::Result<f64> {
    let mut client = Client::connect(server.port)?;
    let mut requests = Vec::new();
    for _ in 0..pipeline {
        encode(&mut requests, &[b"MULTI"]);
        for number in 0..commands {
            encode(&mut requests, &[b"SET", format!("key:{number:012}").as_bytes(), b"VXK"]);
        }
        encode(&mut requests, &[b"EXEC"]);
    }
    // EXEC's reply counts as one.
    let replies = pipeline * (commands as u64 + 2);
    client.exchange(&requests, replies)?;
    settle(server.pid())?;
    let before = CpuTime::of(server.pid())?;
    for _ in 0..total / pipeline {
        client.exchange(&requests, replies)?;
    }
    let used = CpuTime::of(server.pid())?.since(&before);
    Ok(used.run_ns as f64 / (total / pipeline * pipeline) as f64)
}

fn run_publishes(server: &Server, subscribers: usize, pipeline: u64, total: u64) -> io::Result<f64> {
    let streams = subscribe(server.port, subscribers)?;
    let mut publisher = Client::connect(server.port)?;
    settle(server.pid())?;
    let batches = (total / subscribers as u64 / pipeline).max(4);
    let mut requests = Vec::new();
    for _ in 0..pipeline {
        encode(&mut requests, &[b"PUBLISH", CHANNEL.as_bytes(), &TEXT]);
    }
    let mut message = Vec::new();
    encode(&mut message, &[b"message", CHANNEL.as_bytes(), &TEXT]);
    let messages = batches * pipeline * subscribers as u64;
    let expected_bytes = messages * message.len() as u64;
    let before = CpuTime::of(server.pid())?;
    std::thread::scope(|scope| {
        let draining = scope.spawn(|| drain(streams, expected_bytes));
        let published = (0..batches).try_for_each(|_| publisher.exchange(&requests, pipeline));
        let drained = draining.join().map_err(|_| io::Error::other("draining failed"))?;
        published.and(drained)
    })?;
    let used = CpuTime::of(server.pid())?.since(&before);
    // The subscribers are gone; the server has noticed before the next round begins.
    settle(server.pid())?;
    Ok(used.run_ns as f64 / messages as f64)
}

/// Connections that have subscribed.
fn subscribe(port: u16, subscribers: usize) -> io::Result<Vec<TcpStream>> {
    let mut request = Vec::new();
    encode(&mut request, &[b"SUBSCRIBE", CHANNEL.as_bytes()]);
    let mut reply = Vec::new();
    encode(&mut reply, &[b"subscribe", CHANNEL.as_bytes()]);
    reply[1] = b'3';
    reply.extend_from_slice(b":1\r\n");
    let mut streams = Vec::with_capacity(subscribers);
    while streams.len() < subscribers {
        interrupt::check()?;
        let first = streams.len();
        for _ in 0..CONNECTIONS_AT_ONCE.min(subscribers - first) {
            let mut stream = TcpStream::connect(("127.0.0.1", port))?;
            stream.write_all(&request)?;
            streams.push(stream);
        }
        for stream in &mut streams[first..] {
            let mut answer = vec![0; reply.len()];
            stream.read_exact(&mut answer)?;
            if answer != reply {
                return Err(io::Error::other("SUBSCRIBE was answered otherwise"));
            }
        }
    }
    Ok(streams)
}

/// Reads until so many bytes have come, from whichever.
fn drain(streams: Vec<TcpStream>, expected_bytes: u64) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut sockets = Vec::with_capacity(streams.len());
    for (index, stream) in streams.into_iter().enumerate() {
        stream.set_nonblocking(true)?;
        let mut socket = mio::net::TcpStream::from_std(stream);
        poll.registry().register(&mut socket, Token(index), Interest::READABLE)?;
        sockets.push(socket);
    }
    let mut left = expected_bytes;
    let mut buffer = vec![0; 256 * 1024];
    let start = Instant::now();
    while left > 0 {
        interrupt::check()?;
        if start.elapsed() > ARRIVAL_MAX {
            return Err(io::Error::other(format!("{left} of {expected_bytes} bytes did not arrive")));
        }
        poll.poll(&mut events, Some(Duration::from_millis(100)))?;
        for event in &events {
            let socket = &mut sockets[event.token().0];
            loop {
                match socket.read(&mut buffer) {
                    Ok(0) => return Err(io::Error::other("the server closed a subscriber")),
                    Ok(len) => left = left.saturating_sub(len as u64),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(())
}

impl Delivery {
    pub fn ns(&self, name: &str) -> Option<f64> {
        self.series.iter().find(|(own, _)| *own == name).map(|(_, samples)| median(samples.clone()))
    }

    /// CPU relative to Redis: the median of the ratios within the rounds.
    pub fn ratio(&self) -> Option<f64> {
        let of = |name: &str| self.series.iter().find(|(own, _)| *own == name).map(|(_, samples)| samples);
        let (zedis, redis) = (of("zedis")?, of("redis")?);
        Some(median(zedis.iter().zip(redis).map(|(zedis, redis)| zedis / redis).collect()))
    }

    pub fn verdict(&self) -> &'static str {
        match self.ratio() {
            Some(ratio) if ratio <= self.case.budget => "PASS",
            Some(_) => "MISS",
            None => "-",
        }
    }

    fn print(&self) {
        progress("");
        let mut text = format!("{:<32}", self.case.name);
        for (name, _) in &self.series {
            text.push_str(&format!("  {name} {:>6.0} ns", self.ns(name).unwrap_or(f64::NAN)));
        }
        if let Some(ratio) = self.ratio() {
            text.push_str(&format!("  zedis/redis {ratio:.3} (budget {:.2}) {}", self.case.budget, self.verdict()));
        }
        println!("{text}");
    }
}
