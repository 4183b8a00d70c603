//! A load thread: an epoll loop over its share of the clients, each sending a batch and awaiting its replies.
//!
//! It owns the connections, the batch (one for all clients: it is patched, sent, and done with, unless the kernel takes only
//! part of it) and the histogram. It knows nothing of the report.
//!
//! Invariants: every client that is not finished awaits something, a connection, room to send or replies; sockets are registered
//! once, edge-triggered, so each is read and written until the kernel has no more.
//! Cost: per batch one `recv`, one `send`, one clock reading, and scanning the replies.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use mio::event::Event;
use mio::{Events, Interest, Poll, Token};

use super::Failure;
use super::target::{Stream, Target, reason};
use super::workload::Batch;
use crate::base::clock::Clock;
use crate::resp::scan::Scanner;

/// What a thread receives into at once, in bytes.
const RECV_BYTES: usize = 256 * 1024;
/// Events taken from the kernel at once.
const EVENTS: usize = 1024;
/// How soon a thread without events notices that it is to stop.
const STOP_INTERVAL: Duration = Duration::from_millis(50);
/// A latency is recorded from 64 ns to 10 minutes with 3 significant digits.
const LATENCY_MIN_NS: u64 = 64;
const LATENCY_MAX_NS: u64 = 600 * 1_000_000_000;
const LATENCY_DIGITS: u8 = 3;

/// Latencies in nanoseconds.
pub fn latency_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(LATENCY_MIN_NS, LATENCY_MAX_NS, LATENCY_DIGITS)
        .expect("the bounds are constants that a histogram can have")
}

/// What the threads of one test share.
#[derive(Debug)]
pub struct Shared {
    pub requests: u64,
    /// Requests handed out.
    pub issued: AtomicU64,
    /// Ends every thread soon.
    pub stop: AtomicBool,
}

/// How far one thread has come, for the live line.
#[derive(Debug, Default)]
pub struct Progress {
    pub finished: AtomicU64,
    /// Sum of the latencies of the finished requests.
    pub latency_sum_ns: AtomicU64,
}

/// What the clients of a thread have in common.
#[derive(Debug)]
pub struct Plan {
    pub target: Target,
    pub batch: Batch,
    pub pipeline: u64,
    pub keepalive: bool,
    /// Sent before the first batch of a connection, and the number of replies to it.
    pub greeting: Vec<u8>,
    pub greetings: u64,
}

#[derive(Debug)]
struct Client {
    /// None: its requests are done.
    stream: Option<Stream>,
    connecting: bool,
    greeted: bool,
    scanner: Scanner,
    /// Replies to the greeting still to come; they come first.
    greetings: u64,
    /// Replies to requests still to come.
    replies: u64,
    /// When the batch was sent.
    start_ns: u64,
    /// What the kernel did not take at once: bytes from `unsent_at` on.
    unsent: Vec<u8>,
    unsent_at: usize,
}

impl Client {
    fn new(stream: Stream) -> Client {
        Client {
            stream: Some(stream),
            connecting: false,
            greeted: false,
            scanner: Scanner::default(),
            greetings: 0,
            replies: 0,
            start_ns: 0,
            unsent: Vec::new(),
            unsent_at: 0,
        }
    }
}

/// A load thread's state.
#[derive(Debug)]
pub struct Load<'a> {
    shared: &'a Shared,
    progress: &'a Progress,
    plan: Plan,
    clock: Clock,
    poll: Poll,
    clients: Vec<Client>,
    /// Clients that are not done.
    active: usize,
    recv: Vec<u8>,
    histogram: Histogram<u64>,
    finished: u64,
    latency_sum_ns: u64,
}

impl<'a> Load<'a> {
    /// Takes over connections that stand.
    pub fn new(
        shared: &'a Shared,
        progress: &'a Progress,
        plan: Plan,
        streams: Vec<Stream>,
    ) -> Result<Load<'a>, Failure> {
        let poll = Poll::new().map_err(Failure::io("create an epoll instance"))?;
        Ok(Load {
            shared,
            progress,
            plan,
            clock: Clock::real(),
            poll,
            active: streams.len(),
            clients: streams.into_iter().map(Client::new).collect(),
            recv: vec![0; RECV_BYTES],
            histogram: latency_histogram(),
            finished: 0,
            latency_sum_ns: 0,
        })
    }

    /// Sends until all requests have been handed out and answered; returns the latencies.
    ///
    /// # Errors
    /// The first thing that goes wrong with any client ends the run.
    pub fn run(mut self) -> Result<Histogram<u64>, Failure> {
        for index in 0..self.clients.len() {
            self.register(index)?;
            self.send_batch(index)?;
        }
        let mut events = Events::with_capacity(EVENTS);
        while self.active > 0 {
            match self.poll.poll(&mut events, Some(STOP_INTERVAL)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled.map_err(Failure::io("wait for events"))?,
            }
            if self.shared.stop.load(Ordering::Relaxed) {
                return Err(Failure::Interrupted);
            }
            for event in &events {
                self.client_event(event)?;
            }
            self.publish();
        }
        Ok(self.histogram)
    }

    fn publish(&self) {
        self.progress.finished.store(self.finished, Ordering::Relaxed);
        self.progress.latency_sum_ns.store(self.latency_sum_ns, Ordering::Relaxed);
    }

    fn register(&mut self, index: usize) -> Result<(), Failure> {
        let Some(stream) = &mut self.clients[index].stream else {
            return Ok(());
        };
        let registered = self.poll.registry().register(stream, Token(index), Interest::READABLE | Interest::WRITABLE);
        registered.map_err(Failure::io("watch a connection"))
    }

    #[inline]
    fn client_event(&mut self, event: &Event) -> Result<(), Failure> {
        let Token(index) = event.token();
        if self.clients[index].connecting {
            return self.finish_connect(index);
        }
        if event.is_writable() && !self.clients[index].unsent.is_empty() {
            self.send_rest(index)?;
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.receive(index)?;
        }
        Ok(())
    }

    #[cold]
    fn finish_connect(&mut self, index: usize) -> Result<(), Failure> {
        let Some(stream) = &self.clients[index].stream else {
            return Ok(());
        };
        if stream.is_connected().map_err(|error| self.plan.target.refused(&error))? {
            self.clients[index].connecting = false;
            self.send_batch(index)?;
        }
        Ok(())
    }

    #[inline]
    fn receive(&mut self, index: usize) -> Result<(), Failure> {
        loop {
            let client = &mut self.clients[index];
            let Some(stream) = &mut client.stream else {
                return Ok(());
            };
            let received = match stream.recv(&mut self.recv) {
                Ok(0) => return Err(Failure::Closed),
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    return Err(Failure::Closed);
                }
                Err(error) => return Err(Failure::io("receive")(error)),
            };
            let now_ns = self.clock.monotonic_ns();
            let scanned = client.scanner.scan(&self.recv[..received]);
            if let Some(text) = client.scanner.error() {
                return Err(Failure::reply(&self.plan.target, text));
            }
            let mut replies = scanned?;
            if client.greetings > 0 {
                let greetings = replies.min(client.greetings);
                client.greetings -= greetings;
                replies -= greetings;
            }
            if replies > client.replies {
                return Err(Failure::Protocol("more replies than requests".into()));
            }
            if replies > 0 {
                client.replies -= replies;
                let latency_ns = now_ns.saturating_sub(client.start_ns);
                self.histogram.saturating_record_n(latency_ns, replies);
                self.finished += replies;
                self.latency_sum_ns = self.latency_sum_ns.saturating_add(latency_ns.saturating_mul(replies));
                if client.replies == 0 {
                    self.batch_ended(index)?;
                    if !self.plan.keepalive {
                        return Ok(());
                    }
                }
            }
            // A short read has drained the socket; what comes later makes a new event.
            if received < self.recv.len() {
                return Ok(());
            }
        }
    }

    #[inline]
    fn batch_ended(&mut self, index: usize) -> Result<(), Failure> {
        if self.plan.keepalive {
            return self.send_batch(index);
        }
        if self.shared.issued.load(Ordering::Relaxed) >= self.shared.requests {
            return self.finish(index);
        }
        let mut client = Client::new(self.plan.target.begin_connect()?);
        client.connecting = true;
        self.finish_stream(index)?;
        self.clients[index] = client;
        self.register(index)
    }

    /// Sends the next batch, or ends the client if there is none.
    #[inline]
    fn send_batch(&mut self, index: usize) -> Result<(), Failure> {
        if self.shared.issued.fetch_add(self.plan.pipeline, Ordering::Relaxed) >= self.shared.requests {
            return self.finish(index);
        }
        let client = &mut self.clients[index];
        let Some(stream) = &mut client.stream else {
            return Ok(());
        };
        client.replies = self.plan.pipeline;
        client.start_ns = self.clock.monotonic_ns();
        let batch = self.plan.batch.next();
        if !client.greeted {
            client.greeted = true;
            client.greetings = self.plan.greetings;
            if client.greetings > 0 {
                client.unsent = [&self.plan.greeting, batch].concat();
                client.unsent_at = 0;
                return self.send_rest(index);
            }
        }
        match stream.send(batch) {
            Ok(sent) if sent == batch.len() => Ok(()),
            sent => {
                let sent = match sent {
                    Ok(sent) => sent,
                    Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => 0,
                    Err(error) => return Err(send_failed(error)),
                };
                client.unsent = batch[sent..].to_vec();
                client.unsent_at = 0;
                self.send_rest(index)
            }
        }
    }

    #[cold]
    fn send_rest(&mut self, index: usize) -> Result<(), Failure> {
        let client = &mut self.clients[index];
        let Some(stream) = &mut client.stream else {
            return Ok(());
        };
        while client.unsent_at < client.unsent.len() {
            match stream.send(&client.unsent[client.unsent_at..]) {
                Ok(sent) => client.unsent_at += sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(send_failed(error)),
            }
        }
        client.unsent = Vec::new();
        client.unsent_at = 0;
        Ok(())
    }

    #[cold]
    fn finish(&mut self, index: usize) -> Result<(), Failure> {
        self.active -= 1;
        self.finish_stream(index)
    }

    fn finish_stream(&mut self, index: usize) -> Result<(), Failure> {
        let Some(mut stream) = self.clients[index].stream.take() else {
            return Ok(());
        };
        self.poll.registry().deregister(&mut stream).map_err(Failure::io("forget a connection"))
    }
}

fn send_failed(error: std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => Failure::Closed,
        _ => Failure::Io { doing: "send", reason: reason(&error) },
    }
}

/// Holds connections open without sending anything, until one of them is closed or `interrupted` says so.
///
/// # Errors
/// Always, with the reason why it ended.
pub fn idle(mut streams: Vec<Stream>, interrupted: impl Fn() -> bool) -> Result<(), Failure> {
    let mut poll = Poll::new().map_err(Failure::io("create an epoll instance"))?;
    for (index, stream) in streams.iter_mut().enumerate() {
        let registered = poll.registry().register(stream, Token(index), Interest::READABLE);
        registered.map_err(Failure::io("watch a connection"))?;
    }
    let mut events = Events::with_capacity(EVENTS);
    let mut ignored = [0; 4096];
    while !interrupted() {
        match poll.poll(&mut events, Some(STOP_INTERVAL)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            polled => polled.map_err(Failure::io("wait for events"))?,
        }
        for event in &events {
            let Token(index) = event.token();
            loop {
                match streams[index].recv(&mut ignored) {
                    Ok(0) => return Err(Failure::Closed),
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                        return Err(Failure::Closed);
                    }
                    Err(error) => return Err(Failure::io("receive")(error)),
                }
            }
        }
    }
    Err(Failure::Interrupted)
}
