//! Time to commands: a run of equal quick ones at a time, any other by itself.
//!
//! A clock reading costs as much as a small GET, so up to [`TIMED_RUN_MAX`] calls of a command that is quick whatever the size of the
//! values ([`Registry::is_quick`]) are timed together. What may take long is timed alone, so a slow command is never hidden among others,
//! and a run that took long names itself as what it is: so many calls, timed together. Where that is not enough (a slow log with a
//! threshold that such a run could reach, MONITOR, HOTKEYS) [`gate::ONE_BY_ONE`](crate::server::gate::ONE_BY_ONE) leaves the hot loop.
//!
//! PUBLISHes one behind the other are timed together, too ([`pubsub`](crate::server::pubsub)).
//!
//! The same clock readings say when a turn has executed for long enough; see [`Engine::execute`](crate::server::Engine).
//!
//! Cost: one clock reading, one counter and one histogram bucket per run.

use crate::base::clock::Clock;
use crate::commands::{CommandId, Registry};
use crate::server::engine::{Request, TIMED_ALONE, UNKNOWN};
use crate::server::stats::Stats;

/// Quick commands timed together, and after such a run that took long, since they grow large tables or miss the cache: so that the end of
/// a turn's time is not found too late.
pub(super) const TIMED_RUN_MAX: u32 = 64;
const SHORT_RUN: u32 = 16;
const LONG_RUN_NS: u64 = 60_000;
/// Long runs remembered until somebody looks at them, which is after each client's requests.
const PENDING_MAX: usize = 16;

/// Attributes time to commands, a run of equal ones at a time.
pub(super) struct RunTimer {
    pub(super) started_ns: u64,
    /// [`Request::run`] of its commands.
    run: u32,
    calls: u32,
    /// Calls that end it; 0: none is open.
    limit: u32,
    /// Number of its first request, in the batch or in the transaction.
    first: u32,
    /// When what has not been begun is to be left to the next turn.
    until_ns: u64,
    /// Quick calls that end the next run.
    run_max: u32,
}

impl RunTimer {
    pub(super) fn start(now_ns: u64) -> RunTimer {
        RunTimer {
            started_ns: now_ns,
            run: u32::from(UNKNOWN),
            calls: 0,
            limit: 0,
            first: 0,
            until_ns: u64::MAX,
            run_max: TIMED_RUN_MAX,
        }
    }

    /// The last turn had no time for all of its requests: begins with a short run.
    pub(super) fn expect_long_runs(&mut self) {
        self.run_max = SHORT_RUN;
    }

    /// Says when what has not been begun is to be left to the next turn; what was said before.
    pub(super) fn stop_at(&mut self, until_ns: u64) -> u64 {
        std::mem::replace(&mut self.until_ns, until_ns)
    }

    /// Whether that time has come: known when a run has been closed, so it costs no clock reading.
    #[inline]
    pub(super) fn is_over(&self) -> bool {
        self.started_ns >= self.until_ns
    }

    /// What has happened since the last run was closed is timed elsewhere.
    pub(super) fn restart(&mut self, clock: &Clock) {
        self.started_ns = clock.monotonic_ns();
    }

    /// Whether the request is timed together with those before it.
    #[inline(always)]
    pub(super) fn admits(&self, request: &Request) -> bool {
        request.run == self.run && self.calls < self.limit
    }

    #[inline(always)]
    pub(super) fn count(&mut self) {
        self.calls += 1;
    }

    /// Begins a run with the request, which is number `first`.
    #[inline]
    pub(super) fn open(&mut self, request: &Request, first: usize) {
        self.run = request.run;
        self.limit = if request.run & TIMED_ALONE != 0 { 1 } else { self.run_max };
        self.first = first as u32;
    }

    /// Whether the open run is a single command that may take long.
    pub(super) fn is_alone(&self) -> bool {
        self.limit == 1
    }

    /// Ends a run of equal commands and books its calls and its time.
    #[inline]
    pub(super) fn close(&mut self, clock: &Clock, registry: &mut Registry, stats: &mut Stats) {
        if self.calls == 0 {
            return;
        }
        let now_ns = clock.monotonic_ns();
        let took_long = (now_ns - self.started_ns) * u64::from(TIMED_RUN_MAX) > LONG_RUN_NS * u64::from(self.calls);
        self.run_max = if took_long { SHORT_RUN } else { TIMED_RUN_MAX };
        let command = self.run as CommandId;
        if command != UNKNOWN {
            let elapsed_ns = now_ns - self.started_ns;
            let (calls, first, started_ns) = (self.calls, self.first, self.started_ns);
            TimedRun { command, calls, first, started_ns, elapsed_ns }.book(registry, stats);
        }
        self.started_ns = now_ns;
        self.calls = 0;
        self.limit = 0;
    }
}

/// Calls of a command that were timed together.
#[derive(Clone, Copy, Debug)]
pub struct TimedRun {
    pub command: CommandId,
    pub calls: u32,
    /// Number of its first request.
    pub first: u32,
    pub started_ns: u64,
    pub elapsed_ns: u64,
}

impl TimedRun {
    /// Books its calls and its time. Who and what one was that took long is found out while the requests' bytes are still there.
    #[inline(always)]
    pub(super) fn book(self, registry: &mut Registry, stats: &mut Stats) {
        let counted = &mut registry.stats[usize::from(self.command)];
        counted.calls += u64::from(self.calls);
        counted.run_ns += self.elapsed_ns;
        stats.note_run(self.command, self.calls, self.elapsed_ns);
        if self.elapsed_ns >= stats.long_runs.from_ns {
            stats.long_runs.push(self);
        }
    }
}

/// Long runs that nobody has looked at yet.
#[derive(Debug)]
pub struct LongRuns {
    /// What counts as long, nanoseconds.
    pub from_ns: u64,
    pending: Vec<TimedRun>,
}

impl Default for LongRuns {
    fn default() -> LongRuns {
        LongRuns { from_ns: u64::MAX, pending: Vec::new() }
    }
}

impl LongRuns {
    #[cold]
    #[inline(never)]
    fn push(&mut self, run: TimedRun) {
        if self.pending.len() < PENDING_MAX {
            self.pending.push(run);
        }
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    pub fn take(&mut self) -> Vec<TimedRun> {
        std::mem::take(&mut self.pending)
    }
}
