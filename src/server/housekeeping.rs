//! What surrounds a turn in the engine: its beginning and end, the periodic jobs, clients that come and go.

use crate::acl::DEFAULT_USER;
use crate::base::branch::cold_path;
use crate::base::log;
use crate::reactor::Stream;
use crate::server::crash;
use crate::server::engine::Engine;
use crate::server::session::gate;
use crate::server::stall::Stall;

impl Engine {
    /// A turn begins: reads the clock.
    pub fn begin_turn(&mut self) {
        let now_ns = self.clock.monotonic_ns();
        self.recorder.begin(now_ns);
        self.keyspace.set_now_ms((self.clock.unix_us_at(now_ns) / 1000) as i64);
        if self.is_stirred && self.has_fan_out() {
            cold_path();
            self.begin_fan_out_turn();
        }
    }

    /// In the middle of a turn: reads the clock once more, for deadlines that what has just run may have reached.
    pub(super) fn read_clock(&mut self) {
        let now_ms = (self.clock.unix_us() / 1000) as i64;
        self.keyspace.set_now_ms(now_ms.max(self.keyspace.now_ms()));
    }

    /// A turn ends: books its time.
    pub fn finish_turn(&mut self) {
        self.recorder.turn.requests = self.stats.turn.requests;
        let cpu_ns = || self.clock.thread_cpu_ns();
        let over = self.recorder.finish(&self.stats.turn, &self.registry, self.config.stall_threshold_us, cpu_ns);
        if let Some(stall) = over {
            cold_path();
            log::verbose(format_args!("A turn took {} us: {}", stall.ns / 1000, stall.cause));
            self.recorder.keep(Stall { unix_ms: self.clock.unix_us() / 1000, ..stall });
        }
        self.stats.turn = Default::default();
    }

    /// The periodic jobs, ten times a second.
    pub fn cron(&mut self) {
        if self.metrics.cron_is_paused {
            return;
        }
        let started_ns = self.clock.monotonic_ns();
        self.clock.resync();
        crash::feed_watchdog(&self.config);
        self.begin_share_of_clients();
        self.sample();
        self.check_save_points();
        self.check_aof();
        self.end_hot_keys();
        self.attend_profile();
        self.attend_exporter();
        self.pool.shrink();
        self.batch.shrink();
        let elapsed_ns = self.clock.monotonic_ns() - started_ns;
        self.recorder.note_job("periodic jobs", elapsed_ns);
    }

    /// Whether something of what surrounds the turns is to be done after this one: what the loop would otherwise sleep over. The rest is
    /// looked at when deadlines are, once in every millisecond that has a turn.
    #[inline]
    pub fn has_jobs(&mut self) -> bool {
        self.keyspace.has_to_expire()
            || self.keyspace.is_flushed
            || self.memory.is_behind()
            || self.is_stirred && (self.is_saving() || self.client_memory.is_over() || self.has_unfinished())
    }

    /// Whether the data set is on its way to or from a file.
    fn is_saving(&self) -> bool {
        self.saving.is_busy() || self.keyspace.has_snapshot() || self.aof.is_rewriting() || self.is_loading()
    }

    /// Whether something else was begun that goes on in the next turn.
    #[inline(never)]
    pub(super) fn has_unfinished(&self) -> bool {
        let network = &self.network;
        self.pubsub.is_behind()
            || self.is_tracking_table_full()
            || self.has_stopped_for_memory()
            || network.exporter.is_busy()
            || !network.unfinished.is_empty()
            || !self.unwatching.is_empty()
            || !self.closing.is_empty()
            || self.unchecked_clients > 0
    }

    /// Whether the loop has nothing to look after besides connections, requests, deadlines of data, and memory. Whatever may change that
    /// sets [`Engine::is_stirred`], so that a turn of GETs and SETs asks for that instead of all of this.
    #[inline(never)]
    pub(super) fn is_quiet(&self) -> bool {
        let has_waiting = self.pause.is_in_use() || self.blocking.is_in_use();
        let is_over = self.client_memory.is_over() || self.has_fan_out();
        !has_waiting && !is_over && !self.is_saving() && !self.has_unfinished()
    }

    /// Time that is left of this turn for what may as well be done in the next, nanoseconds.
    pub(super) fn left_of_turn_ns(&self, now_ns: u64) -> u64 {
        // An engine without a loop has no turns that have begun.
        let turn_ns = self.recorder.turn.gathered_ns().map_or(0, |_| now_ns - self.recorder.turn.started_ns);
        TURN_NS.saturating_sub(turn_ns)
    }

    /// Removes what is due, for as long as a turn has time for it. Whether more is due.
    pub fn expire_in_background(&mut self) -> bool {
        // It comes first in its phase, and the first step may be the longest: it finds what it removes far from the caches.
        let flushed_ns = self.recorder.turn.flushed_ns();
        let started_ns = flushed_ns.unwrap_or_else(|| self.clock.monotonic_ns());
        let mut step = EXPIRE_FIRST_STEP;
        let mut is_behind = self.keyspace.expire_slice(step) == 0;
        let mut has_to_file = is_behind || self.keyspace.file_ahead(step) == 0;
        if !has_to_file {
            // The usual case: too little to be timed.
            self.keyspace.note_all_expired();
            return false;
        }
        let left_ns = self.left_of_turn_ns(started_ns).max(EXPIRE_LEAST_NS);
        let mut steps = 1;
        let mut before_ns = 0;
        let elapsed_ns = loop {
            let elapsed_ns = self.clock.monotonic_ns() - started_ns;
            let is_slow = elapsed_ns - before_ns > EXPIRE_STEP_NS;
            // What is not due yet takes less of a turn, and so does what may take much longer than asked for.
            let most_ns = match is_behind {
                _ if is_slow => EXPIRE_SLOW_NS,
                true if self.keyspace.stats.expire_lags.last_ms() > LATE_MS => EXPIRE_LATE_NS,
                true => EXPIRE_NS,
                false => FILE_AHEAD_NS,
            };
            if !has_to_file || elapsed_ns >= most_ns.min(left_ns) || steps == EXPIRE_STEPS_MAX {
                break elapsed_ns;
            }
            step = if is_slow { EXPIRE_FIRST_STEP } else { EXPIRE_STEP.min(step * 2) };
            (steps, before_ns) = (steps + 1, elapsed_ns);
            if is_behind {
                is_behind = self.keyspace.expire_slice(step) == 0;
            } else {
                has_to_file = self.keyspace.file_ahead(step) == 0;
            }
        };
        let stats = &mut self.keyspace.stats;
        stats.expire_time_cap_reached += u64::from(is_behind);
        stats.expire_ns += elapsed_ns;
        self.keyspace.flush_garbage();
        self.recorder.note_job("expiry", elapsed_ns);
        is_behind || has_to_file
    }

    /// Clients that are connected, without those that are about to be removed and the one that executes a file.
    pub fn connected_clients(&self) -> usize {
        self.clients.len() - self.closing.len() - usize::from(self.is_replaying())
    }

    /// Whether another connection is welcome; Err: what to tell it.
    pub(super) fn may_connect(&self, stream: &Stream) -> Result<(), Vec<u8>> {
        if self.clients.len() - self.closing.len() >= self.config.maxclients as usize {
            return Err(b"-ERR max number of clients reached\r\n".to_vec());
        }
        if self.config.protected_mode && self.access.users.get(DEFAULT_USER).nopass && !stream.is_local() {
            return Err(PROTECTED_MODE.as_bytes().to_vec());
        }
        Ok(())
    }

    /// The peer will send no more, and is closed. What it sent in time is still executed, and it gets the replies as long as it takes them;
    /// what others do is not waited for.
    pub(super) fn peer_closed(&mut self, key: usize) {
        let has_requests = self.batch.clients.last().is_some_and(|&(last, _)| last as usize == key);
        if has_requests {
            self.clients[key].session.close_after_reply = true;
            return;
        }
        let client = &self.clients[key];
        let is_fed = client.subscriber.is_some() || client.session.gates & gate::MONITORS != 0;
        if client.output.is_empty() || is_fed {
            self.close(key);
        } else {
            self.close_after_reply(key);
            // If it is gone altogether, sending tells.
            self.mark_dirty(key);
        }
    }

    /// A client's input was looked at and holds nothing that can be executed: its ring goes back if it is empty.
    pub(super) fn settle_input(&mut self, key: usize) {
        let client = &mut self.clients[key];
        client.input.settle(&mut self.pool);
        if client.input.is_spilled() {
            self.check_query_limit(key);
        }
        self.count_client(key);
    }

    /// Takes closed clients out, a few in each turn: closing a socket takes as long as sending.
    pub fn remove_closed(&mut self) {
        let mut was_ready = false;
        let mut was_dirty = false;
        for _ in 0..REMOVED_MAX {
            let Some(key) = self.closing.pop_front() else { break };
            self.uncount_client(key);
            let mut client = self.clients.remove(key);
            client.input.close(&mut self.pool);
            client.output.close(&mut self.pool);
            was_ready |= client.ready;
            was_dirty |= client.dirty;
        }
        if was_ready {
            self.ready.retain(|&key| self.clients.contains(key));
        }
        if was_dirty {
            self.dirty.retain(|&key| self.clients.contains(key));
        }
    }
}

/// Clients removed in one turn.
const REMOVED_MAX: usize = 32;
/// Time of a turn for removing what is due, nanoseconds.
const EXPIRE_NS: u64 = 300_000;
const FILE_AHEAD_NS: u64 = 150_000;
/// The same when what goes is this late, milliseconds: half of what a turn may take.
const LATE_MS: u64 = 5;
const EXPIRE_LATE_NS: u64 = 500_000;
/// After what the turn has done before, it takes no more than is left of this, or so little that it does not matter.
const TURN_NS: u64 = 800_000;
const EXPIRE_LEAST_NS: u64 = 150_000;
/// Keys and records looked at between two looks at the clock: at first, and at most. When they take longer than this, it begins anew, with
/// less time to go on: what has not been touched for seconds may be far away. A virtual machine's host can take a tenth of a millisecond,
/// or five, to bring back a page of memory, and a key has its parts in several: with 64 keys a step, turns of 3 and 6 ms were seen. So many
/// looks cost less than a tenth of the expiry.
pub(super) const EXPIRE_FIRST_STEP: usize = 1;
const EXPIRE_STEP: usize = 8;
const EXPIRE_STEP_NS: u64 = 30_000;
const EXPIRE_SLOW_NS: u64 = 150_000;
/// Steps of a turn.
const EXPIRE_STEPS_MAX: usize = 512;

/// What a client from elsewhere is told while there is no password. Clients look at the first word.
const PROTECTED_MODE: &str = "-DENIED Redis is running in protected mode because protected mode is enabled and no password is set \
for the default user. In this mode connections are only accepted from the loopback interface. To connect from another computer, \
set a password with the requirepass directive (or CONFIG SET requirepass from the loopback interface), or, if nobody else can reach \
the server's port, turn protected mode off with the protected-mode directive (or CONFIG SET protected-mode no).\r\n";
