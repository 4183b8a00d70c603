//! The stall recorder: what each turn took, phase by phase, and what the longest ones were busy with.
//!
//! A thread that the kernel does not run makes a turn long that did little. So the time that the thread really ran is told apart, by its
//! CPU time: read (a system call) only after a turn of a quarter of a millisecond and after every [`MARK_TURNS`] short ones, which were
//! hardly interrupted. The sleeps between turns take CPU time too, a microsecond or two each; so many of them at most hide that much of
//! an interruption.
//!
//! Cost: five clock readings a turn, however many requests the turn runs.

use crate::commands::Registry;
use crate::server::stats::TurnStats;

/// The phases of a turn after it woke, in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    Gather,
    Execute,
    Flush,
    Housekeep,
}

impl Phase {
    const ALL: [(Phase, &'static str); 4] = [
        (Phase::Gather, "gather"),
        (Phase::Execute, "execute"),
        (Phase::Flush, "flush"),
        (Phase::Housekeep, "housekeep"),
    ];
}

/// One turn's times and what ran in it.
#[derive(Clone, Copy, Default, Debug)]
pub struct Turn {
    pub started_ns: u64,
    /// When each phase ended.
    ends_ns: [u64; 4],
    pub requests: u32,
    pub sends: u32,
    /// The longest job of housekeeping, and what it took.
    job: Option<(&'static str, u64)>,
}

impl Turn {
    /// When its requests had been gathered; None: it has not come to that, or is no turn of a loop.
    pub fn gathered_ns(&self) -> Option<u64> {
        Some(self.ends_ns[Phase::Gather as usize]).filter(|&ns| ns != 0)
    }

    /// When its last phase ended.
    pub fn ended_ns(&self) -> u64 {
        self.ends_ns[Phase::Housekeep as usize]
    }
}

/// A long turn.
#[derive(Clone, Default, Debug)]
pub struct Longest {
    pub ns: u64,
    pub cause: String,
}

/// Turn times of the server: longest, sum and count, and a histogram by powers of two.
pub struct Recorder {
    pub turn: Turn,
    /// By the time that the thread ran in it.
    pub longest: Longest,
    /// By the clock on the wall, with what other processes ran in it.
    pub longest_wall: Longest,
    pub turns: u64,
    pub busy_ns: u64,
    /// Turns that took longer than `stall-threshold-us`.
    pub stalls: u64,
    /// Number of turns that took less than 2^n nanoseconds (and not less than half of it).
    histogram: [u64; HISTOGRAM],
    /// The thread's CPU time when it was last looked at, and how long turns have taken since then.
    cpu_mark_ns: u64,
    busy_since_mark_ns: u64,
}

/// Turns shorter than this are only counted.
const LOOK_NS: u64 = 250_000;

/// Turns after which the thread's CPU time is looked at again.
const MARK_TURNS: u64 = 64;

/// Powers of two told apart: up to a day and a half.
const HISTOGRAM: usize = 48;

impl Default for Recorder {
    fn default() -> Self {
        Recorder {
            turn: Turn::default(),
            longest: Longest::default(),
            longest_wall: Longest::default(),
            turns: 0,
            busy_ns: 0,
            stalls: 0,
            histogram: [0; HISTOGRAM],
            cpu_mark_ns: 0,
            busy_since_mark_ns: 0,
        }
    }
}

impl Recorder {
    pub fn begin(&mut self, now_ns: u64) {
        self.turn = Turn { started_ns: now_ns, ..Turn::default() };
    }

    pub fn end_phase(&mut self, phase: Phase, now_ns: u64) {
        self.turn.ends_ns[phase as usize] = now_ns;
    }

    /// A job of housekeeping took this long.
    pub fn note_job(&mut self, name: &'static str, elapsed_ns: u64) {
        if self.turn.job.is_none_or(|(_, longest_ns)| elapsed_ns > longest_ns) {
            self.turn.job = Some((name, elapsed_ns));
        }
    }

    /// Ends the turn: books it, and if it is the longest so far says why. Returns the time that the thread ran in it, nanoseconds, and
    /// the cause, if that was over the threshold. `cpu_ns` reads the thread's CPU time.
    pub fn finish(
        &mut self,
        runs: &TurnStats,
        registry: &Registry,
        threshold_us: u64,
        cpu_ns: impl FnOnce() -> u64,
    ) -> Option<Longest> {
        // An engine without a loop has turns without phases.
        let wall_ns = self.turn.ended_ns().saturating_sub(self.turn.started_ns);
        self.turns += 1;
        self.busy_ns += wall_ns;
        self.busy_since_mark_ns += wall_ns;
        self.histogram[(u64::BITS - wall_ns.leading_zeros()).min(HISTOGRAM as u32 - 1) as usize] += 1;
        if wall_ns < LOOK_NS {
            if self.turns.is_multiple_of(MARK_TURNS) {
                self.mark(cpu_ns());
            }
            return None;
        }
        let stolen_ns = self.mark(cpu_ns()).min(wall_ns);
        let ns = wall_ns - stolen_ns;
        if ns > self.longest.ns {
            self.longest = Longest { ns, cause: self.cause(runs, registry, stolen_ns) };
        }
        if wall_ns > self.longest_wall.ns {
            self.longest_wall = Longest { ns: wall_ns, cause: self.cause(runs, registry, stolen_ns) };
        }
        if ns > threshold_us.saturating_mul(1000) {
            self.stalls += 1;
            return Some(Longest { ns, cause: self.cause(runs, registry, stolen_ns) });
        }
        None
    }

    /// Looks at the thread's CPU time: how much of the turns since the last look it did not run, nanoseconds. Done now and then, so
    /// that what it finds after a long turn is that turn's.
    fn mark(&mut self, cpu_ns: u64) -> u64 {
        let ran_ns = cpu_ns.saturating_sub(self.cpu_mark_ns);
        let stolen_ns = self.busy_since_mark_ns.saturating_sub(ran_ns);
        self.cpu_mark_ns = cpu_ns;
        self.busy_since_mark_ns = 0;
        stolen_ns
    }

    /// `execute 812us of 1020us: get x 64 took 700us; 1024 requests`
    fn cause(&self, runs: &TurnStats, registry: &Registry, stolen_ns: u64) -> String {
        let mut started_ns = self.turn.started_ns;
        let mut longest = (Phase::Gather, "", 0);
        for (phase, name) in Phase::ALL {
            // A turn without requests has no phase that executes them.
            let ended_ns = self.turn.ends_ns[phase as usize].max(started_ns);
            let ns = ended_ns - started_ns;
            if ns >= longest.2 {
                longest = (phase, name, ns);
            }
            started_ns = ended_ns;
        }
        let (phase, name, ns) = longest;
        let total_ns = self.turn.ends_ns[Phase::Housekeep as usize] - self.turn.started_ns;
        let mut text = format!("{name} {}us of {}us", ns / 1000, total_ns / 1000);
        match phase {
            Phase::Execute if runs.longest_run_calls > 0 => {
                let command = &registry.get(runs.longest_run_command).full_name;
                text += &format!(
                    ", {command} x {} took {}us, {} requests",
                    runs.longest_run_calls,
                    runs.longest_run_ns / 1000,
                    self.turn.requests
                );
            }
            Phase::Gather | Phase::Execute => text += &format!(", {} requests", self.turn.requests),
            Phase::Flush => text += &format!(", {} sends", self.turn.sends),
            Phase::Housekeep => {
                if let Some((job, ns)) = self.turn.job {
                    text += &format!(", {job} took {}us", ns / 1000);
                }
            }
        }
        if stolen_ns > 1000 {
            text += &format!(", did not run for {}us", stolen_ns / 1000);
        }
        text
    }

    /// The time that `percent` of the turns took at most, nanoseconds, to within a factor of two.
    pub fn percentile_ns(&self, percent: f64) -> u64 {
        let wanted = (self.turns as f64 * percent / 100.0).ceil() as u64;
        let mut seen = 0;
        for (bits, &count) in self.histogram.iter().enumerate() {
            seen += count;
            if seen >= wanted && seen > 0 {
                return (1 << bits) - 1;
            }
        }
        self.longest.ns
    }

    pub fn reset(&mut self) {
        *self = Recorder {
            turn: self.turn,
            cpu_mark_ns: self.cpu_mark_ns,
            busy_since_mark_ns: self.busy_since_mark_ns,
            ..Recorder::default()
        };
    }
}

#[cfg(test)]
mod tests;
