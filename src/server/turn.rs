//! The loop. [`Server::turn`] is one turn of it, its phases in order; everything between bytes in and bytes out is the
//! [`Engine`]'s.
//!
//! ```text
//!   phase       what                           at most                        the rest
//!   wait        epoll_wait
//!   gather      accept, recv, parse            150 us, 512 KB, 512 requests   comes first in the next turn
//!   execute     the batch                      300 us                         stays in the rings of its clients
//!   flush       send                           150 us, 512 KB                 comes first in the next turn
//!   housekeep   deadlines, saving, jobs        what is left of 800 us         goes on in the next turn
//! ```
//!
//! With `appendfsync always` the calls have no bound in time: who is not in this turn waits for the next one's sync besides.
//!
//! The bounds are looked at between calls and commands: a single one takes as long as it takes, and the stall recorder names it. Whoever
//! waits is served in some later turn however slow the others make the calls: a few of each kind are made in every turn.
//!
//! Cost of a turn beyond its requests: four readings of the clock, one more for every fourth call. Housekeeping is looked at once a
//! millisecond, or when it has something to do.
//!
//! Invariant: who waits for a turn is on the list `ready` once, and marked so.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Poll, Token};

use crate::base::branch::cold_path;
use crate::base::clock::Clock;
use crate::base::log;
use crate::config::ShutdownFlags;
use crate::reactor::{self, Event, Events, Flushed, Listener, Received, Stream, Ticker, Waker};
use crate::server::engine::Engine;
use crate::server::exporter;
use crate::server::network::{FIRST_LISTENER, Network, SIGNALS, TICK, WAKE};
use crate::server::pubsub::{FAN_OUT_FIRST, FAN_OUT_SENDS};
use crate::server::session::{Client, gate};
use crate::server::shutdown::{SHUTDOWN_FAILED, ShutdownRequest};
use crate::server::stall::Phase;
use crate::server::start::Signals;

/// Events taken from the kernel at once: a bound on the system calls of a turn.
const EVENTS_MAX: usize = 64;
/// Bytes received, and bytes sent, after which a turn leaves the other connections to the next: some 0.2 ms of the kernel's copying.
const TURN_BYTES: u64 = 512 * 1024;
/// Time that a turn receives for, and sends for, nanoseconds; what a call takes depends on the machine and on who is at the other end.
const CALLS_NS: u64 = 150_000;
/// System calls between two looks at the clock, which costs a hundredth of one.
const CALLS_PER_LOOK: usize = 4;
/// Time between two runs of the periodic jobs, milliseconds.
const CRON_MS: u64 = 100;

/// What a turn may spend in calls of one kind before it leaves the rest to the next: time, at least [`CALLS_PER_LOOK`] of them.
#[derive(Debug)]
struct CallBudget {
    until_ns: u64,
    calls: usize,
    is_spent: bool,
}

impl CallBudget {
    fn new(started_ns: u64) -> CallBudget {
        CallBudget { until_ns: started_ns + CALLS_NS, calls: 0, is_spent: false }
    }

    /// One that is never spent.
    fn unlimited() -> CallBudget {
        CallBudget { until_ns: u64::MAX, calls: 0, is_spent: false }
    }

    /// A call has been made.
    #[inline]
    fn count(&mut self, clock: &Clock) {
        self.calls += 1;
        if self.calls.is_multiple_of(CALLS_PER_LOOK) {
            self.look(clock);
        }
    }

    /// Out of line: it is asked for in several places, by every fourth call.
    #[inline(never)]
    fn look(&mut self, clock: &Clock) {
        self.is_spent |= clock.monotonic_ns() >= self.until_ns;
    }
}

/// What the loop sleeps on, and what wakes it. Threads wake it, so this is opened before the loop's descriptors become its own.
pub struct Sleep {
    poll: Poll,
    waker: Waker,
}

impl Sleep {
    /// # Errors
    /// As epoll_create(2), eventfd(2).
    pub fn new() -> io::Result<Sleep> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), Token(WAKE))?;
        Ok(Sleep { poll, waker })
    }
}

/// An engine with sockets.
pub struct Server {
    poll: Poll,
    pub engine: Engine,
    signals: Option<Signals>,
    ticker: Ticker,
    /// By the clock that nobody sets.
    next_cron_ns: u64,
    /// The snapshot or the load goes on in the next turn, whether or not anything else happens.
    persistence_behind: bool,
    /// Keys are due that did not fit into the last turn's budget.
    expiry_behind: bool,
    /// Bytes received before this turn.
    received_from_bytes: u64,
    /// Of this turn's calls that accept and receive.
    gathering: CallBudget,
    /// Clients that are not looked at in this turn, because it has gathered enough.
    left_out: Vec<usize>,
    /// Those who waited for this turn and have to wait for the next; empty between turns.
    rest: Vec<usize>,
}

impl Server {
    /// A server that accepts from `listeners`, and shuts down when `signals` say so.
    ///
    /// # Errors
    /// As epoll_ctl(2), timerfd_create(2).
    pub fn new(
        mut engine: Engine,
        sleep: Sleep,
        listeners: Vec<Listener>,
        signals: Option<Signals>,
    ) -> io::Result<Server> {
        let Sleep { poll, waker } = sleep;
        engine.network = Network::new(poll.registry().try_clone()?, listeners)?;
        engine.network.listen_for_metrics(&engine.config).map_err(io::Error::other)?;
        if let Some(signals) = &signals {
            let pipe = signals.pipe().as_raw_fd();
            poll.registry().register(&mut SourceFd(&pipe), Token(SIGNALS), Interest::READABLE)?;
        }
        engine.saving.set_waker(waker);
        let ticker = Ticker::new(Duration::from_millis(CRON_MS), poll.registry(), Token(TICK))?;
        Ok(Server {
            poll,
            ticker,
            engine,
            signals,
            next_cron_ns: 0,
            persistence_behind: false,
            expiry_behind: false,
            received_from_bytes: 0,
            gathering: CallBudget::unlimited(),
            left_out: Vec::new(),
            rest: Vec::new(),
        })
    }

    /// Runs until the server is told to stop.
    ///
    /// # Errors
    /// As epoll_wait(2).
    pub fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        while self.engine.shutdown_requested().is_none() {
            self.turn(&mut events)?;
            if self.engine.reload.is_some() {
                self.persistence_behind |= self.engine.continue_reload();
            }
        }
        self.engine.end_aof();
        self.engine.network.close();
        log::warning("Zedis is now ready to exit, bye bye...");
        Ok(())
    }

    /// Loads the data set; clients are told to wait. False: it was told to stop before that was done.
    ///
    /// # Errors
    /// As epoll_wait(2), and [`io::ErrorKind::InvalidData`] with what is wrong with the file.
    pub fn load(&mut self) -> io::Result<bool> {
        let invalid = |text| io::Error::new(io::ErrorKind::InvalidData, text);
        self.engine.list_files_to_load().map_err(invalid)?;
        let is_there = !self.engine.to_load.is_empty();
        let begun_ns = self.engine.clock.monotonic_ns();
        let mut events = Events::with_capacity(EVENTS_MAX);
        loop {
            let is_rdb = self.engine.loading.is_some();
            let ended = self.engine.load_step().map_err(|reason| match is_rdb {
                true => invalid(format!("{reason}. Terminating server after rdb file reading failure.")),
                false => invalid(reason),
            })?;
            if ended {
                break;
            }
            if self.engine.is_loading() {
                self.persistence_behind = true;
                self.turn(&mut events)?;
            }
            if self.engine.shutdown_requested().is_some() {
                return Ok(false);
            }
        }
        self.persistence_behind = false;
        if self.engine.config.appendonly {
            if is_there {
                let seconds = (self.engine.clock.monotonic_ns() - begun_ns) as f64 / 1e9;
                log::notice(format_args!("DB loaded from append only file: {seconds:.3} seconds"));
            }
            self.engine.open_aof().map_err(invalid)?;
        } else {
            let changes = self.engine.keyspace.dirty;
            self.engine.saving.mark_saved(changes);
        }
        Ok(true)
    }

    /// One turn of the loop.
    fn turn(&mut self, events: &mut Events) -> io::Result<()> {
        self.wait(events)?;
        self.gather(events);
        self.end_phase(Phase::Gather);
        // Ends its phase itself, with the time at which its last command ended.
        self.engine.run();
        self.engine.write_journal();
        self.flush();
        self.end_phase(Phase::Flush);
        if self.engine.has_jobs() {
            self.housekeep();
            self.end_phase(Phase::Housekeep);
        } else {
            self.engine.recorder.end_at_once(Phase::Housekeep);
        }
        self.engine.finish_turn();
        Ok(())
    }

    #[inline]
    fn end_phase(&mut self, phase: Phase) {
        let now_ns = self.engine.clock.monotonic_ns();
        self.engine.recorder.end_phase(phase, now_ns);
    }

    /// Sleeps until there is something to do, and reads the clock.
    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let timeout = self.timeout();
        events.wait(self.poll.registry(), timeout)?;
        self.engine.begin_turn();
        Ok(())
    }

    /// How long to sleep at most; None: until an event, of which the ticker has one soon.
    fn timeout(&mut self) -> Option<Duration> {
        let engine = &mut self.engine;
        let is_behind = self.expiry_behind || self.persistence_behind || engine.memory.is_behind();
        let is_behind = is_behind || !engine.keyspace.observers.pending().is_empty();
        if !engine.ready.is_empty() || !engine.dirty.is_empty() || is_behind {
            return Some(Duration::ZERO);
        }
        let mut until_ms = engine.keyspace.next_expiry_ms().unwrap_or(u64::MAX);
        if engine.is_stirred {
            cold_path();
            if engine.has_unfinished() {
                return Some(Duration::ZERO);
            }
            let ends_ms = [engine.pause_end_ms(), engine.blocking.next_deadline_ms()];
            until_ms = ends_ms.into_iter().flatten().fold(until_ms, u64::min);
            engine.is_stirred = !engine.is_quiet();
        }
        debug_assert!(engine.is_stirred || engine.is_quiet(), "whoever gives the loop something to look after says so");
        if until_ms == u64::MAX {
            return None;
        }
        // The last turn ended just now; its end is as good as another look at the clock.
        let now_us = engine.clock.unix_us_at(engine.recorder.turn.ended_ns());
        let sleep = Duration::from_micros(until_ms.saturating_mul(1000).saturating_sub(now_us));
        (sleep < Duration::from_millis(CRON_MS)).then_some(sleep)
    }

    /// One `recv` for each readable connection; every complete request goes into the batch. Those that there is no time for come first in
    /// the next turn.
    fn gather(&mut self, events: &Events) {
        self.received_from_bytes = self.engine.stats.net_input_bytes;
        self.gathering = match self.engine.waits_for_disk() {
            true => CallBudget::unlimited(),
            false => CallBudget::new(self.engine.recorder.turn.started_ns),
        };
        if !self.engine.ready.is_empty() {
            self.gather_ready();
        }
        if self.engine.is_stirred {
            self.accept_unfinished();
        }
        for event in events.iter() {
            let Token(token) = event.token;
            if token < exporter::FIRST_TOKEN {
                self.connection_event(token, event);
            } else {
                self.other_event(token);
            }
        }
        if !self.rest.is_empty() || !self.left_out.is_empty() {
            self.keep_rest();
        }
    }

    /// Listeners that had more connections than a turn accepts.
    #[cold]
    #[inline(never)]
    fn accept_unfinished(&mut self) {
        for listener in std::mem::take(&mut self.engine.network.unfinished) {
            self.accept(listener);
        }
    }

    /// Those who have to wait for the next turn: in the order in which they came, and before those of whom there is something to execute
    /// in this turn.
    #[cold]
    #[inline(never)]
    fn keep_rest(&mut self) {
        self.rest.append(&mut self.left_out);
        self.rest.append(&mut self.engine.ready);
        std::mem::swap(&mut self.engine.ready, &mut self.rest);
    }

    /// Those who have more without an event. There may be thousands, of which a turn has time for a few: those behind are not touched.
    #[inline(never)]
    fn gather_ready(&mut self) {
        std::mem::swap(&mut self.engine.ready, &mut self.rest);
        let mut looked_at = 0;
        while looked_at < self.rest.len() && !self.has_enough() {
            let key = self.rest[looked_at];
            looked_at += 1;
            debug_assert!(self.engine.clients[key].ready, "on the list once, and marked");
            self.engine.clients[key].ready = false;
            self.read(key);
        }
        self.rest.drain(..looked_at);
    }

    /// An event that is not a client's.
    #[cold]
    #[inline(never)]
    fn other_event(&mut self, token: usize) {
        self.engine.is_stirred = true;
        if token < WAKE {
            self.engine.exporter_event(token);
        } else if token == TICK {
            self.ticker.acknowledge();
        } else if token == WAKE {
            // What it is about is looked for in every turn.
        } else if token == SIGNALS {
            self.signal();
        } else {
            self.accept(token - FIRST_LISTENER);
        }
    }

    /// Whether this turn has gathered as much as it has time for.
    #[inline]
    fn has_enough(&self) -> bool {
        self.engine.batch.requests.len() >= self.engine.batch.limit
            || self.gathering.is_spent
            || self.engine.stats.net_input_bytes - self.received_from_bytes >= TURN_BYTES
    }

    #[inline]
    fn connection_event(&mut self, key: usize, event: Event) {
        let Some(client) = self.engine.clients.get(key) else { return };
        if event.is_writable() && !client.output.is_empty() {
            cold_path();
            self.engine.mark_dirty(key);
        }
        if event.is_read_closed() {
            cold_path();
            self.engine.clients[key].read_closed = true;
        }
        if event.is_readable() {
            self.read(key);
        }
    }

    #[inline]
    fn read(&mut self, key: usize) {
        let client = &mut self.engine.clients[key];
        if client.ready || client.closing {
            cold_path();
            // On the list for the next turn already, or about to go.
            client.unread |= client.put_off;
            return;
        }
        let is_paused = |client: &Client| client.session.gates & gate::HELD != 0 && self.engine.pause.is_on();
        if client.read_closed && (client.is_blocked() || is_paused(client)) {
            cold_path();
            // Nobody is left to wait; what it may have sent besides is not read for the end of it.
            return self.engine.close(key);
        }
        if client.gathered || client.session.is_held() {
            cold_path();
            // Nothing more is parsed now; what has arrived is read when its turn comes.
            return self.engine.mark_unread(key);
        }
        if self.has_enough() {
            cold_path();
            self.engine.clients[key].ready = true;
            return self.left_out.push(key);
        }
        let client = &mut self.engine.clients[key];
        if std::mem::take(&mut client.put_off) {
            cold_path();
            let is_unread = std::mem::take(&mut client.unread);
            if self.engine.gather(key) || is_unread {
                self.engine.mark_ready(key);
            }
            return;
        }
        if client.input.is_full() {
            cold_path();
            client.input.spill();
        }
        let before = client.input.received_bytes();
        let received = reactor::receive(&mut client.stream, &mut client.input, &mut self.engine.pool);
        self.engine.stats.net_input_bytes += client.input.received_bytes() - before;
        self.engine.stats.reads += 1;
        self.gathering.count(&self.engine.clock);
        let gathered = self.engine.batch.requests.len();
        let more = self.engine.gather(key);
        if self.engine.batch.requests.len() == gathered {
            cold_path();
            // Nothing to execute, so nobody else will look at the ring.
            self.engine.settle_input(key);
        }
        match received {
            Received::Drained if !more && !self.engine.clients[key].read_closed => {}
            // Requests that did not fit into this turn are still executed.
            Received::Closed if !more => {
                cold_path();
                self.engine.peer_closed(key);
            }
            _ => {
                cold_path();
                self.engine.mark_ready(key);
            }
        }
    }

    /// A signal asks for the end.
    fn signal(&mut self) {
        let Some(signals) = &mut self.signals else { return };
        let Some(signal) = signals.take() else { return };
        let name = if signal == signal_hook::consts::SIGINT { "SIGINT" } else { "SIGTERM" };
        log::warning(format_args!("Received {name} scheduling shutdown..."));
        signals.shutting_down(true);
        let flags = match signal {
            signal_hook::consts::SIGINT => self.engine.config.shutdown_on_sigint,
            _ => self.engine.config.shutdown_on_sigterm,
        };
        let save = flags.contains(ShutdownFlags::SAVE).then_some(true);
        let save = save.or(flags.contains(ShutdownFlags::NOSAVE).then_some(false));
        let force = flags.contains(ShutdownFlags::FORCE);
        if self.engine.save_before_end(save, force).is_ok() {
            let now = flags.contains(ShutdownFlags::NOW);
            self.engine.request_shutdown(ShutdownRequest { save, now, force });
        } else if let Some(signals) = &self.signals {
            signals.shutting_down(false);
            log::warning(SHUTDOWN_FAILED);
        }
    }

    /// Accepts what waits at a listener.
    fn accept(&mut self, listener: usize) {
        for _ in 0..self.engine.config.max_new_connections_per_cycle {
            match self.engine.network.accept(listener) {
                Ok(stream) => {
                    self.admit(stream);
                    self.gathering.count(&self.engine.clock);
                    // One in every turn, whatever those take who are here already.
                    if self.gathering.is_spent {
                        break;
                    }
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return,
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                    _ => {
                        // No descriptor is left. The connection waits in the kernel's queue, and there will be no other
                        // edge for it, so the listener is tried again by the clock.
                        if !self.engine.network.stalled.contains(&listener) {
                            log::warning(format_args!("Accepting client connection: {error}"));
                            self.engine.network.stalled.push(listener);
                        }
                        return;
                    }
                },
            }
        }
        if !self.engine.network.unfinished.contains(&listener) {
            self.engine.network.unfinished.push(listener);
        }
    }

    fn admit(&mut self, mut stream: Stream) {
        let engine = &mut self.engine;
        if let Err(refusal) = engine.may_connect(&stream) {
            stream.send_last(&refusal);
            engine.stats.rejected_connections += 1;
            return;
        }
        stream.configure(engine.config.tcp_keepalive_s);
        let key = engine.connect(stream);
        let client = &mut engine.clients[key];
        if engine.network.register(&mut client.stream, key).is_err() {
            engine.close(key);
        }
    }

    /// One `send` for each connection that has replies. Those that there is no time for, and those with more than a turn may send, go on in
    /// the next.
    fn flush(&mut self) {
        let engine = &mut self.engine;
        let mut dirty = std::mem::take(&mut engine.dirty);
        let mut sending = match dirty.len() < CALLS_PER_LOOK || engine.waits_for_disk() {
            true => CallBudget::unlimited(),
            false => sending_budget(engine),
        };
        let mut sends = 0;
        let mut sent_bytes = 0;
        // A few messages go ahead of the replies. Whoever is woken first is woken on an idle processor, the next one where this thread
        // runs, and is switched to as it goes to sleep. Better the publisher than the subscriber: its next request then finds this thread
        // on its own processor, and a delivery costs a sixth less.
        let has_few = (1..=FAN_OUT_FIRST).contains(&engine.pubsub.fan_out.len());
        if has_few {
            cold_path();
            sends += send_to_subscribers(engine, &mut sent_bytes);
        }
        while sending.calls < dirty.len() && !sending.is_spent && sent_bytes < TURN_BYTES {
            let key = dirty[sending.calls];
            engine.clients[key].dirty = false;
            sent_bytes += send(engine, key);
            sending.count(&engine.clock);
        }
        sends += sending.calls;
        if sending.calls == dirty.len() {
            dirty.clear();
        } else {
            cold_path();
            dirty.drain(..sending.calls);
        }
        if !has_few && !engine.pubsub.fan_out.is_empty() {
            cold_path();
            sends += send_to_subscribers(engine, &mut sent_bytes);
        }
        engine.recorder.turn.sends = sends as u32;
        engine.stats.net_output_bytes += sent_bytes;
        // Behind those who were not sent to, those who were and have more.
        if !engine.dirty.is_empty() {
            cold_path();
            dirty.append(&mut engine.dirty);
        }
        engine.dirty = dirty;
    }

    /// Deadlines, periodic jobs, farewells: in one turn of many.
    #[inline(never)]
    fn housekeep(&mut self) {
        let engine = &mut self.engine;
        // What has been loaded of a file is as it was then.
        let is_loading = engine.is_loading();
        self.expiry_behind = !is_loading && engine.timed("expire-cycle", Engine::expire_in_background);
        engine.evict_in_background();
        engine.continue_rewrite();
        self.persistence_behind = engine.save_slice() || is_loading;
        let now_ns = engine.recorder.turn.started_ns;
        if now_ns >= self.next_cron_ns {
            // A little less, so that a tick a little early is not one too few.
            self.next_cron_ns = now_ns + CRON_MS * 900_000;
            engine.cron();
            for listener in std::mem::take(&mut self.engine.network.stalled) {
                self.accept(listener);
            }
        } else if engine.unchecked_clients > 0 {
            engine.check_clients();
        }
        if self.engine.pubsub.is_behind() {
            self.engine.pubsub.leave_slice();
        }
        if !self.engine.unwatching.is_empty() {
            self.engine.unwatch_slice();
        }
        self.engine.evict_clients();
        if self.engine.network.exporter.is_busy() {
            self.engine.advance_scrapes();
        }
        self.engine.remove_closed();
        self.engine.is_stirred = true;
    }
}

/// What a turn may send, if there is more than a few of it.
#[inline(never)]
fn sending_budget(engine: &Engine) -> CallBudget {
    // What comes between that and this is short without a journal.
    CallBudget::new(match engine.recorder.turn.executed_ns() {
        Some(executed_ns) if !engine.keyspace.journal.is_on() => executed_ns,
        _ => engine.clock.monotonic_ns(),
    })
}

/// Sends to subscribers what was published: not to all of them in one turn, but to some in every turn. How many sends, and their bytes.
#[inline(never)]
fn send_to_subscribers(engine: &mut Engine, sent_bytes: &mut u64) -> usize {
    let mut sending = CallBudget::new(engine.clock.monotonic_ns());
    while sending.calls < FAN_OUT_SENDS
        && !sending.is_spent
        && (*sent_bytes < TURN_BYTES || sending.calls < CALLS_PER_LOOK)
        && !engine.pubsub.is_gathering()
    {
        let Some((key, id)) = engine.pubsub.fan_out.pop_front() else { break };
        if engine.is_client(key, id) {
            engine.clients[key].fanned_out = false;
            *sent_bytes += send(engine, key);
        }
        sending.count(&engine.clock);
    }
    sending.calls
}

/// Sends what waits for a client, or a part of it; how many bytes.
#[inline(always)]
fn send(engine: &mut Engine, key: usize) -> u64 {
    let client = &mut engine.clients[key];
    if client.output.is_empty() {
        return 0;
    }
    let ends = client.session.close_after_reply;
    let (flushed, sent) = reactor::flush(&mut client.stream, &mut client.output, &mut engine.pool);
    engine.stats.writes += 1;
    engine.count_client(key);
    match flushed {
        Flushed::All if !ends => {}
        _ => sent_otherwise(engine, key, flushed),
    }
    sent as u64
}

/// What comes of a sending that did not take everything of somebody who stays.
#[cold]
#[inline(never)]
fn sent_otherwise(engine: &mut Engine, key: usize, flushed: Flushed) {
    match flushed {
        Flushed::All | Flushed::Closed => engine.close(key),
        Flushed::More => {
            engine.mark_dirty(key);
            engine.check_output_limit(key);
        }
        Flushed::Partly => engine.check_output_limit(key),
    }
}

#[cfg(test)]
mod tests;
