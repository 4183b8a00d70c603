//! The loop. [`Server::turn`] is one turn of it, its phases in order.

use std::io;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Poll, Token};

use crate::reactor::{self, Flushed, Listener, Received, Stream};
use crate::server::engine::{BATCH_MAX, Engine};
use crate::server::session::gate;

/// Events taken from the kernel at once; a bound on a turn's system calls.
const EVENTS_MAX: usize = 64;
/// Connections accepted in one turn.
const ACCEPTS_MAX: usize = 1000;
/// Tokens from here on are listeners.
const FIRST_LISTENER: usize = usize::MAX / 2;
/// Records of the timing wheel looked at in one turn.
const EXPIRE_BUDGET: usize = 512;
/// Time between two runs of the periodic jobs, milliseconds.
const CRON_MS: u64 = 100;

pub struct Server {
    poll: Poll,
    events: Events,
    listeners: Vec<Listener>,
    pub engine: Engine,
    next_cron_ms: u64,
    /// Keys are due that did not fit into the last turn's budget.
    expiry_behind: bool,
}

impl Server {
    pub fn new(engine: Engine, mut listeners: Vec<Listener>) -> io::Result<Server> {
        let poll = Poll::new()?;
        for (index, listener) in listeners.iter_mut().enumerate() {
            listener.register(poll.registry(), Token(FIRST_LISTENER + index))?;
        }
        Ok(Server {
            poll,
            events: Events::with_capacity(EVENTS_MAX),
            listeners,
            engine,
            next_cron_ms: 0,
            expiry_behind: false,
        })
    }

    /// Runs until the server is told to stop.
    pub fn run(&mut self) -> io::Result<()> {
        loop {
            self.turn()?;
        }
    }

    /// One turn of the loop.
    fn turn(&mut self) -> io::Result<()> {
        self.wait()?;
        let started_ns = self.engine.clock.monotonic_ns();
        self.gather()?;
        self.engine.run();
        self.flush();
        self.housekeep();
        self.account(started_ns);
        Ok(())
    }

    /// Sleeps until there is something to do.
    fn wait(&mut self) -> io::Result<()> {
        let timeout = self.timeout();
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.events.clear(),
            polled => polled?,
        }
        self.engine.keyspace.set_now_ms((self.engine.clock.unix_us() / 1000) as i64);
        Ok(())
    }

    fn timeout(&self) -> Duration {
        if !self.engine.ready.is_empty() || self.expiry_behind {
            return Duration::ZERO;
        }
        let now_ms = self.engine.clock.unix_us() / 1000;
        let mut until_ms = self.next_cron_ms;
        if let Some(expiry_ms) = self.engine.keyspace.next_expiry_ms() {
            until_ms = until_ms.min(expiry_ms);
        }
        Duration::from_millis(until_ms.saturating_sub(now_ms))
    }

    /// One `recv` for each readable connection; every complete request goes into the batch.
    fn gather(&mut self) -> io::Result<()> {
        let ready = std::mem::take(&mut self.engine.ready);
        for &key in &ready {
            self.engine.clients[key].ready = false;
        }
        for key in ready {
            self.read(key);
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            let Token(token) = event.token();
            if token >= FIRST_LISTENER {
                self.accept(token - FIRST_LISTENER)?;
            } else {
                self.connection_event(token, event);
            }
        }
        self.events = events;
        Ok(())
    }

    #[inline]
    fn connection_event(&mut self, key: usize, event: &Event) {
        if event.is_writable() && !self.engine.clients[key].output.is_empty() {
            self.engine.mark_dirty(key);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.read(key);
        }
    }

    #[inline]
    fn read(&mut self, key: usize) {
        if self.engine.batch.requests.len() >= BATCH_MAX {
            return self.engine.mark_ready(key);
        }
        let client = &mut self.engine.clients[key];
        if client.ready {
            // Its turn has come already.
            return;
        }
        if client.input.is_full() {
            client.input.spill();
        }
        let received = reactor::receive(&mut client.stream, &mut client.input, &mut self.engine.pool);
        let gathered = self.engine.batch.requests.len();
        let more = self.engine.gather(key);
        if self.engine.batch.requests.len() == gathered {
            // Nothing to execute, so nobody else will look at the ring.
            self.engine.clients[key].input.settle(&mut self.engine.pool);
        }
        match received {
            Received::Drained if !more => {}
            Received::Closed => self.engine.close(key),
            _ => self.engine.mark_ready(key),
        }
    }

    fn accept(&mut self, listener: usize) -> io::Result<()> {
        for _ in 0..ACCEPTS_MAX {
            let stream = match self.listeners[listener].accept() {
                Ok(stream) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Ok(()),
            };
            stream.configure(300);
            self.admit(stream);
        }
        Ok(())
    }

    fn admit(&mut self, stream: Stream) {
        let key = self.engine.connect(stream);
        let client = &mut self.engine.clients[key];
        if client.stream.register(self.poll.registry(), Token(key)).is_err() {
            self.engine.close(key);
        }
    }

    /// One `send` for each connection that has replies.
    fn flush(&mut self) {
        let mut dirty = std::mem::take(&mut self.engine.dirty);
        for key in dirty.drain(..) {
            let client = &mut self.engine.clients[key];
            client.dirty = false;
            if client.output.is_empty() {
                continue;
            }
            match reactor::flush(&mut client.stream, &mut client.output) {
                Flushed::All => {
                    client.output.settle(&mut self.engine.pool);
                    if client.session.close_after_reply {
                        self.engine.close(key);
                    }
                }
                Flushed::Partly => {}
                Flushed::Closed => self.engine.close(key),
            }
        }
        self.engine.dirty = dirty;
    }

    /// Timers, deadlines, buffers.
    fn housekeep(&mut self) {
        let engine = &mut self.engine;
        self.expiry_behind = engine.keyspace.expire_slice(EXPIRE_BUDGET) == 0;
        engine.keyspace.flush_garbage();
        let now_ms = engine.keyspace.now_ms() as u64;
        if now_ms >= self.next_cron_ms {
            self.next_cron_ms = now_ms + CRON_MS;
        }
        for key in std::mem::take(&mut engine.closing) {
            let mut client = engine.clients.remove(key);
            client.input.close(&mut engine.pool);
            client.output.close(&mut engine.pool);
            if client.ready {
                engine.ready.retain(|&ready| ready != key);
            }
            if client.dirty {
                engine.dirty.retain(|&dirty| dirty != key);
            }
        }
    }

    fn account(&mut self, started_ns: u64) {
        let elapsed_ns = self.engine.clock.monotonic_ns() - started_ns;
        if elapsed_ns > self.engine.stats.longest_turn.ns {
            self.engine.stats.longest_turn.ns = elapsed_ns;
        }
        let _ = gate::PAUSED;
    }
}
