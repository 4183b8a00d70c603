//! The latency monitor (<https://redis.io/docs/latest/operate/oss_and_stack/management/optimization/latency-monitor/>): for each kind of
//! event, when it took `latency-monitor-threshold` or longer, one sample a second at most.
//!
//! Owned by the engine; whoever does something that may take long tells [`Engine::note_latency`]. Bounded: events are a fixed set of
//! names, each with [`SAMPLES`] samples. Off by default, and then a comparison.

mod doctor;
mod graph;

use std::collections::{BTreeMap, VecDeque};

use crate::server::engine::Engine;

pub use doctor::report;
pub use graph::graph;

/// Samples kept of each event.
pub const SAMPLES: usize = 160;

/// One second's worst.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    pub unix_s: u64,
    pub ms: u64,
}

/// What happened of one kind.
#[derive(Default)]
pub struct Event {
    /// The oldest first; never empty.
    samples: VecDeque<Sample>,
    max_ms: u64,
}

impl Event {
    pub fn samples(&self) -> impl DoubleEndedIterator<Item = Sample> + ExactSizeIterator {
        self.samples.iter().copied()
    }

    /// The worst since the beginning or the last reset, milliseconds.
    pub fn max_ms(&self) -> u64 {
        self.max_ms
    }

    fn add(&mut self, sample: Sample) {
        self.max_ms = self.max_ms.max(sample.ms);
        if let Some(last) = self.samples.back_mut().filter(|last| last.unix_s == sample.unix_s) {
            last.ms = last.ms.max(sample.ms);
            return;
        }
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }
}

/// What took long, by kind.
#[derive(Default)]
pub struct LatencyMonitor {
    events: BTreeMap<&'static str, Event>,
}

impl LatencyMonitor {
    pub fn add(&mut self, event: &'static str, unix_s: u64, ms: u64) {
        self.events.entry(event).or_default().add(Sample { unix_s, ms });
    }

    pub fn events(&self) -> impl ExactSizeIterator<Item = (&'static str, &Event)> {
        self.events.iter().map(|(&name, event)| (name, event))
    }

    pub fn get(&self, name: &[u8]) -> Option<&Event> {
        self.events.get(std::str::from_utf8(name).ok()?)
    }

    /// Forgets an event; whether there was one of that name.
    pub fn reset(&mut self, name: &[u8]) -> bool {
        std::str::from_utf8(name).is_ok_and(|name| self.events.remove(name).is_some())
    }

    /// Forgets everything; how many events there were.
    pub fn reset_all(&mut self) -> usize {
        std::mem::take(&mut self.events).len()
    }
}

impl Engine {
    /// Something of this kind took so long: remembered if that is over the threshold.
    pub fn note_latency(&mut self, event: &'static str, elapsed_ns: u64) {
        let threshold_ms = self.config.latency_monitor_threshold_ms;
        let ms = elapsed_ns / 1_000_000;
        if threshold_ms > 0 && ms >= threshold_ms {
            self.latency.add(event, self.clock.unix_us() / 1_000_000, ms);
        }
    }

    /// Does something of this kind, and notes how long it took if the monitor is on.
    pub(super) fn timed<R>(&mut self, event: &'static str, work: impl FnOnce(&mut Engine) -> R) -> R {
        if self.config.latency_monitor_threshold_ms == 0 {
            return work(self);
        }
        let started_ns = self.clock.monotonic_ns();
        let done = work(self);
        self.note_latency(event, self.clock.monotonic_ns() - started_ns);
        done
    }
}

#[cfg(test)]
mod tests;
