//! Holding memory under `maxmemory` (<https://redis.io/docs/latest/develop/reference/eviction/>).
//!
//! ```text
//!   run      a look at the memory in use; over the limit: gate::MEMORY, and a slice of eviction
//!   execute  before each command that may need memory: two loads and a comparison. Over the ceiling: evict, within the turn's budget;
//!            room ---> it runs
//!            nothing that may go ---> it is refused (OOM)
//!            more time is needed ---> it waits for the next turn, and its client with it
//!   housekeep  a slice if memory is short all the same: because of replies, or because the limit was lowered
//! ```
//!
//! Which key goes is the keyspace's to say ([`Keyspace::evict`](crate::keyspace::Keyspace::evict)); this is about when, and for how long.
//!
//! The ceiling is the limit, or more while more is in use than the limit allows: then it only falls, so that writing goes on as fast as
//! eviction makes room for it. Invariant: what commands on data add in a turn does not exceed the ceiling by more than one command's need,
//! except once in [`HELD_TURNS_MAX`] turns of waiting. What is received is bounded per turn anyway.
//!
//! Cost: without a limit one test per client and turn.

use crate::commands::CommandError;
use crate::keyspace::Evicted;
use crate::server::engine::Engine;
use crate::server::session::gate;
use crate::server::timing::RunTimer;

/// No limit.
const UNLIMITED: usize = usize::MAX;
/// Eviction goes so far below the limit that it need not begin anew for each command: bytes, or a part of the limit if that is less.
const SLACK_BYTES: usize = 32 * 1024;
const SLACK_PART: usize = 64;
/// Buffers in reserve that are more than this part of the limit go before any key.
const RESERVE_PART: usize = 64;
/// Evictions between two looks at the clock.
const STEP: usize = 4;
/// Evictions in one slice, however quick they are.
const SLICE_MAX: usize = 4096;
/// Time of a turn for eviction, nanoseconds, per unit of `maxmemory-eviction-tenacity` (10 by default). In Redis that is the time for one
/// command. Greater values than the default change nothing here: no turn is long.
const TENACITY_NS: u64 = 50_000;
const TENACITY_MAX: u32 = 10;
/// Turns for which a command waits for room; then it runs. (Redis lets commands run while eviction goes on.)
const HELD_TURNS_MAX: u32 = 8;

/// Whether a command that may need memory may run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Room {
    Enough,
    /// In another turn.
    Later,
    /// There is nothing left that may go.
    None,
}

/// The state of the limit.
#[derive(Debug)]
pub struct MemoryLimit {
    limit_bytes: usize,
    ceiling_bytes: usize,
    /// Time that eviction has taken in this turn, nanoseconds.
    spent_ns: u64,
    /// A command had to wait in this turn, and in so many before it.
    is_holding: bool,
    held_turns: u32,
    /// More is to go, though nobody asks for room now.
    is_behind: bool,
    /// Since when the limit has been exceeded, and for how long it was before that.
    exceeded_since_ns: Option<u64>,
    exceeded_ns: u64,
}

impl Default for MemoryLimit {
    fn default() -> MemoryLimit {
        MemoryLimit {
            limit_bytes: UNLIMITED,
            ceiling_bytes: UNLIMITED,
            spent_ns: 0,
            is_holding: false,
            held_turns: 0,
            is_behind: false,
            exceeded_since_ns: None,
            exceeded_ns: 0,
        }
    }
}

impl MemoryLimit {
    #[inline]
    pub(super) fn is_set(&self) -> bool {
        self.limit_bytes != UNLIMITED
    }

    /// What may be in use before a command that needs memory, bytes.
    #[inline]
    pub(super) fn ceiling_bytes(&self) -> usize {
        self.ceiling_bytes
    }

    /// Whether the loop has something to do though nothing arrives.
    pub(super) fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// `maxmemory` or the policy was set.
    pub(super) fn set(&mut self, maxmemory: u64) {
        self.limit_bytes = usize::try_from(maxmemory).ok().filter(|&bytes| bytes > 0).unwrap_or(UNLIMITED);
        self.ceiling_bytes = UNLIMITED;
        self.is_behind = self.is_set();
    }

    /// For how long the limit has been exceeded, in all and this time, milliseconds.
    pub fn exceeded_ms(&self, now_ns: u64) -> (u64, u64) {
        let current_ns = self.exceeded_since_ns.map_or(0, |since_ns| now_ns.saturating_sub(since_ns));
        ((self.exceeded_ns + current_ns) / 1_000_000, current_ns / 1_000_000)
    }

    /// CONFIG RESETSTAT.
    pub fn reset_stats(&mut self) {
        self.exceeded_ns = 0;
    }

    fn note_exceeded(&mut self, is_exceeded: bool, now_ns: u64) {
        match self.exceeded_since_ns {
            None if is_exceeded => self.exceeded_since_ns = Some(now_ns),
            Some(since_ns) if !is_exceeded => {
                self.exceeded_ns += now_ns.saturating_sub(since_ns);
                self.exceeded_since_ns = None;
            }
            _ => {}
        }
    }
}

impl Engine {
    /// Memory in use, bytes: INFO's `used_memory`.
    pub fn used_bytes(&self) -> usize {
        self.keyspace.used_bytes()
    }

    /// Memory that the limit does not count, bytes: what replication and the append-only file keep, and what is still to be told of changed
    /// keys, which eviction would only make more of.
    pub fn uncounted_bytes(&self) -> usize {
        let appender_bytes = self.aof.appender().map_or(0, |appender| appender.queued_bytes());
        self.keyspace.journal.memory_bytes() + appender_bytes + self.keyspace.observers.untold_bytes()
    }

    /// Memory that the limit counts, bytes.
    #[inline]
    pub fn counted_bytes(&self) -> usize {
        self.keyspace.kept_bytes().saturating_sub(self.uncounted_bytes())
    }

    /// At the beginning of a run. Whether room had to be made.
    #[inline]
    pub(super) fn check_memory(&mut self) -> bool {
        if self.memory.is_set() {
            return self.check_memory_slowly();
        }
        self.gates &= !gate::MEMORY;
        false
    }

    #[inline(never)]
    fn check_memory_slowly(&mut self) -> bool {
        let memory = &mut self.memory;
        memory.spent_ns = 0;
        memory.held_turns = if memory.is_holding { memory.held_turns + 1 } else { 0 };
        memory.is_holding = false;
        let limit_bytes = memory.limit_bytes;
        let used_bytes = self.counted_bytes();
        let memory = &mut self.memory;
        memory.ceiling_bytes = memory.ceiling_bytes.min(used_bytes).max(limit_bytes);
        if used_bytes <= limit_bytes {
            self.gates &= !gate::MEMORY;
            return false;
        }
        if memory.held_turns >= HELD_TURNS_MAX {
            memory.held_turns = 0;
            memory.ceiling_bytes = UNLIMITED;
        }
        self.gates |= gate::MEMORY;
        if self.evict_slice() == Room::None {
            self.memory.ceiling_bytes = limit_bytes;
        }
        true
    }

    /// Makes room for a command that may need memory, if there is none.
    pub(super) fn make_room(&mut self) -> Room {
        if self.counted_bytes() <= self.memory.limit_bytes {
            self.gates &= !gate::MEMORY;
            return Room::Enough;
        }
        self.gates |= gate::MEMORY;
        match self.evict_slice() {
            Room::Enough => {
                self.gates &= !gate::MEMORY;
                Room::Enough
            }
            Room::Later if self.counted_bytes() <= self.memory.ceiling_bytes => Room::Enough,
            Room::Later => {
                self.memory.is_holding = true;
                Room::Later
            }
            Room::None => Room::None,
        }
    }

    /// The same between two commands that are timed.
    #[cold]
    #[inline(never)]
    pub(super) fn make_room_between(&mut self, timer: &mut RunTimer) -> Room {
        timer.close(&self.clock, &mut self.registry, &mut self.stats);
        let room = self.make_room();
        timer.restart(&self.clock);
        room
    }

    /// Evicts until there is enough room and some to spare, or until the turn's time for it is over.
    fn evict_slice(&mut self) -> Room {
        if self.pause.is_on() || self.is_loading() {
            // The data is to stay as it is, or is not all there: nothing goes, and nobody is told that nothing can.
            return Room::Enough;
        }
        let limit_bytes = self.memory.limit_bytes;
        let target_bytes = limit_bytes - SLACK_BYTES.min(limit_bytes / SLACK_PART);
        let budget_ns = u64::from(self.config.maxmemory_eviction_tenacity.clamp(1, TENACITY_MAX)) * TENACITY_NS;
        if self.memory.spent_ns >= budget_ns && self.keyspace.may_evict() {
            return Room::Later;
        }
        let started_ns = self.clock.monotonic_ns();
        let mut elapsed_ns = 0;
        let mut is_exhausted = false;
        // Telling caches of keys that go fills buffers of all of them. If those then cost further keys, a small data set would go as a
        // whole.
        if self.pool.reserve_bytes() > limit_bytes / RESERVE_PART {
            self.pool.clear();
        }
        for step in 1..=SLICE_MAX {
            if self.counted_bytes() <= target_bytes {
                break;
            }
            if self.keyspace.evict() == Evicted::Nothing {
                is_exhausted = true;
                break;
            }
            if step % STEP == 0 {
                elapsed_ns = self.clock.monotonic_ns() - started_ns;
                if self.memory.spent_ns + elapsed_ns >= budget_ns {
                    break;
                }
            }
        }
        // The rest of the last step counts too.
        let elapsed_ns = elapsed_ns.max(self.clock.monotonic_ns() - started_ns);
        self.memory.spent_ns += elapsed_ns;
        self.note_latency("eviction-cycle", elapsed_ns);
        let is_enough = self.counted_bytes() <= limit_bytes;
        match (is_enough, is_exhausted) {
            (true, _) => Room::Enough,
            (false, true) => Room::None,
            (false, false) => Room::Later,
        }
    }

    /// One of the jobs of housekeeping: goes on until memory is under the limit, though no command asks for it.
    pub fn evict_in_background(&mut self) {
        if !self.memory.is_set() {
            self.memory.is_behind = false;
            return;
        }
        let is_over = self.counted_bytes() > self.memory.limit_bytes;
        if !is_over && self.memory.exceeded_since_ns.is_none() {
            self.memory.is_behind = false;
            return;
        }
        let started_ns = self.clock.monotonic_ns();
        let room = if is_over { self.evict_slice() } else { Room::Enough };
        self.keyspace.flush_garbage();
        self.memory.is_behind = room == Room::Later;
        let now_ns = self.clock.monotonic_ns();
        self.recorder.note_job("eviction", now_ns - started_ns);
        let is_exceeded = self.counted_bytes() > self.memory.limit_bytes;
        self.memory.note_exceeded(is_exceeded, now_ns);
    }
}

/// What a command is told for which there is no room.
pub(super) fn out_of_memory() -> CommandError {
    CommandError::new("OOM command not allowed when used memory > 'maxmemory'.")
}

#[cfg(test)]
mod tests;
