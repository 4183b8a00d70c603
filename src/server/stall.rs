//! The stall recorder: what each turn took, phase by phase, and what the longest ones were busy with.
//!
//! A thread that the kernel does not run makes a turn long that did little. So the time that the thread really ran is told apart, by its
//! CPU time: read (a system call) only after a turn of a quarter of a millisecond and after every [`MARK_TURNS`] short ones, which were
//! hardly interrupted. The sleeps between turns take CPU time too, a microsecond or two each; so many of them at most hide that much of
//! an interruption.
//!
//! A turn over `stall-threshold-us` is kept with its phases and with every command (or run of quick ones) that took a noticeable part of
//! it: who sent it, its arguments, how long it waited and ran. LATENCY WHY prints them.
//!
//! Cost: four clock readings and a histogram bucket a turn, however many requests the turn runs.

use std::collections::VecDeque;

use hdrhistogram::Histogram;

use crate::commands::Registry;
use crate::server::histograms::Tally;
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
    /// Clients whose requests they were.
    pub clients: u32,
    pub sends: u32,
    /// The longest job of housekeeping, and what it took.
    job: Option<(&'static str, u64)>,
}

impl Turn {
    /// When its requests had been gathered; None: it has not come to that, or is over, or is no turn of a loop.
    pub fn gathered_ns(&self) -> Option<u64> {
        Some(self.ends_ns[Phase::Gather as usize]).filter(|&ns| ns != 0 && self.ended_ns() == 0)
    }

    /// When its commands had been executed, as [`Turn::gathered_ns`].
    pub fn executed_ns(&self) -> Option<u64> {
        Some(self.ends_ns[Phase::Execute as usize]).filter(|&ns| ns != 0 && self.ended_ns() == 0)
    }

    /// When what it had to send was sent, as [`Turn::gathered_ns`].
    pub fn flushed_ns(&self) -> Option<u64> {
        Some(self.ends_ns[Phase::Flush as usize]).filter(|&ns| ns != 0 && self.ended_ns() == 0)
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

/// A command that took a noticeable part of a turn, or a run of them.
#[derive(Clone, Debug)]
pub struct RunNote {
    pub command: String,
    /// Cut, and without secrets; the first may be a key.
    pub args: Vec<Vec<u8>>,
    /// 0: clients that were timed together.
    pub client_id: u64,
    pub addr: String,
    pub name: Vec<u8>,
    pub calls: u32,
    /// Microseconds from the beginning of the turn until it ran, and that it ran.
    pub queued_us: u64,
    pub us: u64,
    /// 0: not known.
    pub request_bytes: u64,
    pub reply_bytes: u64,
}

/// A turn that took too long, with what ran in it.
#[derive(Clone, Debug)]
pub struct Stall {
    /// Counts from 0 on.
    pub id: u64,
    pub unix_ms: u64,
    /// Time that the thread ran, and by the clock on the wall.
    pub ns: u64,
    pub wall_ns: u64,
    pub cause: String,
    pub phases: [(&'static str, u64); 4],
    pub requests: u32,
    pub clients: u32,
    pub sends: u32,
    /// In the order in which they ran.
    pub runs: Vec<RunNote>,
    /// The longest job of housekeeping.
    pub job: Option<(&'static str, u64)>,
}

/// Turn times of the server: longest, sum and count, and a histogram; and the last turns that took too long.
#[derive(Default)]
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
    /// How long turns took, nanoseconds.
    tally: Tally,
    /// What took a noticeable part of this turn.
    notes: Vec<RunNote>,
    /// What else is known of it.
    detail: Option<String>,
    /// The newest last.
    kept: VecDeque<Stall>,
    next_stall: u64,
    /// The thread's CPU time when it was last looked at, and how long turns have taken since then.
    cpu_mark_ns: u64,
    busy_since_mark_ns: u64,
}

/// Turns shorter than this are only counted.
const LOOK_NS: u64 = 250_000;

/// Turns after which the thread's CPU time is looked at again.
const MARK_TURNS: u64 = 64;
/// Turns told apart: up to a day and a half.
const LONGEST_NS: u64 = 1 << 47;
/// Commands remembered of a turn, and turns.
const NOTES_MAX: usize = 16;
const STALLS_MAX: usize = 128;

impl Recorder {
    pub fn begin(&mut self, now_ns: u64) {
        self.turn = Turn { started_ns: now_ns, ..Turn::default() };
        self.detail = None;
        self.notes.clear();
    }

    /// Remembers a command of this turn; of too many, those that took longest.
    pub fn note_command(&mut self, note: RunNote) {
        if self.notes.len() < NOTES_MAX {
            return self.notes.push(note);
        }
        let shortest = (0..self.notes.len()).min_by_key(|&at| self.notes[at].us);
        if let Some(at) = shortest.filter(|&at| self.notes[at].us < note.us) {
            self.notes.remove(at);
            self.notes.push(note);
        }
    }

    /// Keeps a turn that took too long.
    pub fn keep(&mut self, mut stall: Stall) {
        stall.id = self.next_stall;
        self.next_stall += 1;
        if self.kept.len() == STALLS_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back(stall);
    }

    /// The turns that took too long, the newest first.
    pub fn kept(&self) -> impl ExactSizeIterator<Item = &Stall> {
        self.kept.iter().rev()
    }

    /// Forgets them; how many there were.
    pub fn forget(&mut self) -> usize {
        std::mem::take(&mut self.kept).len()
    }

    pub fn end_phase(&mut self, phase: Phase, now_ns: u64) {
        self.turn.ends_ns[phase as usize] = now_ns;
    }

    /// A phase had nothing to do, and ends with the one before it.
    #[inline]
    pub fn end_at_once(&mut self, phase: Phase) {
        self.turn.ends_ns[phase as usize] = self.turn.ends_ns[phase as usize - 1];
    }

    /// What else there is to know of this turn, should it be a long one.
    pub fn note_detail(&mut self, detail: String) {
        self.detail = Some(detail);
    }

    /// A job of housekeeping took this long.
    pub fn note_job(&mut self, name: &'static str, elapsed_ns: u64) {
        if self.turn.job.is_none_or(|(_, longest_ns)| elapsed_ns > longest_ns) {
            self.turn.job = Some((name, elapsed_ns));
        }
    }

    /// Ends the turn: books it, and if it is the longest so far says why. Returns what ran in it if it took longer than the threshold.
    /// `cpu_ns` reads the thread's CPU time.
    pub fn finish(
        &mut self,
        runs: &TurnStats,
        registry: &Registry,
        threshold_us: u64,
        cpu_ns: impl FnOnce() -> u64,
    ) -> Option<Stall> {
        // An engine without a loop has turns without phases.
        let wall_ns = self.turn.ended_ns().saturating_sub(self.turn.started_ns);
        self.turns += 1;
        self.busy_ns += wall_ns;
        self.busy_since_mark_ns += wall_ns;
        self.tally.record(wall_ns.min(LONGEST_NS), 1);
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
            return Some(Stall {
                id: 0,
                unix_ms: 0,
                ns,
                wall_ns,
                cause: self.cause(runs, registry, stolen_ns),
                phases: self.phases(),
                requests: self.turn.requests,
                clients: self.turn.clients,
                sends: self.turn.sends,
                runs: std::mem::take(&mut self.notes),
                job: self.turn.job,
            });
        }
        None
    }

    /// The phases of the turn, and how long each took, nanoseconds.
    fn phases(&self) -> [(&'static str, u64); 4] {
        let mut started_ns = self.turn.started_ns;
        Phase::ALL.map(|(phase, name)| {
            // A turn without requests has no phase that executes them.
            let ended_ns = self.turn.ends_ns[phase as usize].max(started_ns);
            let ns = ended_ns - started_ns;
            started_ns = ended_ns;
            (name, ns)
        })
    }

    /// Looks at the thread's CPU time: how much of the turns since the last look it did not run, nanoseconds. Called now and then, so
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
        let mut longest = (Phase::Gather, "", 0);
        for ((phase, _), (name, ns)) in Phase::ALL.into_iter().zip(self.phases()) {
            if ns >= longest.2 {
                longest = (phase, name, ns);
            }
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
        if let Some((job, job_ns)) = self.turn.job.filter(|&(_, job_ns)| phase != Phase::Housekeep && job_ns > ns / 2) {
            text += &format!(", {job} took {}us", job_ns / 1000);
        }
        if let Some(detail) = &self.detail {
            text += &format!(", {detail}");
        }
        if stolen_ns > 1000 {
            text += &format!(", did not run for {}us", stolen_ns / 1000);
        }
        text
    }

    /// The time that `percent` of the turns took at most, nanoseconds, to within a fiftieth.
    pub fn percentile_ns(&self, percent: f64) -> u64 {
        self.histogram().value_at_percentile(percent)
    }

    /// How long turns took, nanoseconds.
    pub fn histogram(&self) -> Histogram<u64> {
        self.tally.histogram(LONGEST_NS)
    }

    pub fn reset(&mut self) {
        *self = Recorder {
            turn: self.turn,
            notes: std::mem::take(&mut self.notes),
            detail: self.detail.take(),
            kept: std::mem::take(&mut self.kept),
            next_stall: self.next_stall,
            cpu_mark_ns: self.cpu_mark_ns,
            busy_since_mark_ns: self.busy_since_mark_ns,
            ..Recorder::default()
        };
    }
}

#[cfg(test)]
mod tests;
