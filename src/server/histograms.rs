//! How long the calls of each command take: one histogram per command that was called (`latency-tracking`), as LATENCY HISTOGRAM and INFO
//! latencystats show them. Range and precision are Redis's: 1 ns to 1 s, two significant digits.
//!
//! Cost: 24 KiB per command that is called at all; an index and an addition per timed run, whose calls count with their mean.

use hdrhistogram::Histogram;

use crate::commands::CommandId;

const HIGHEST_NS: u64 = 1_000_000_000;
const DIGITS: u8 = 2;

/// A histogram per command, by its number.
#[derive(Default)]
pub struct Histograms {
    of: Vec<Option<Box<Histogram<u64>>>>,
    is_on: bool,
}

/// An empty histogram of times from 1 ns to `highest_ns`.
pub(super) fn new_histogram(highest_ns: u64) -> Histogram<u64> {
    Histogram::new_with_bounds(1, highest_ns, DIGITS).expect("the bounds are in order and the digits few")
}

impl Histograms {
    /// CONFIG SET latency-tracking: what is there is dropped when it is turned off.
    pub fn set_on(&mut self, is_on: bool) {
        self.is_on = is_on;
        if !is_on {
            self.reset();
        }
    }

    pub fn reset(&mut self) {
        self.of = Vec::new();
    }

    /// `calls` calls took `elapsed_ns` together.
    #[inline]
    pub fn record(&mut self, command: CommandId, calls: u32, elapsed_ns: u64) {
        let each_ns = if calls == 1 { elapsed_ns } else { elapsed_ns / u64::from(calls) };
        match self.of.get_mut(usize::from(command)) {
            Some(Some(histogram)) => histogram.saturating_record_n(each_ns.max(1), u64::from(calls)),
            _ => self.record_first(command, calls, each_ns),
        }
    }

    #[cold]
    fn record_first(&mut self, command: CommandId, calls: u32, each_ns: u64) {
        if !self.is_on {
            return;
        }
        let index = usize::from(command);
        if self.of.len() <= index {
            self.of.resize_with(index + 1, || None);
        }
        let mut histogram = new_histogram(HIGHEST_NS);
        histogram.saturating_record_n(each_ns.max(1), u64::from(calls));
        self.of[index] = Some(Box::new(histogram));
    }

    /// That of a command, if it was called since tracking began.
    pub fn get(&self, command: CommandId) -> Option<&Histogram<u64>> {
        self.of.get(usize::from(command))?.as_deref()
    }

    /// Memory held, bytes.
    pub fn memory_bytes(&self) -> usize {
        let one = |histogram: &Histogram<u64>| histogram.distinct_values() * size_of::<u64>();
        self.of.iter().flatten().map(|histogram| one(histogram)).sum()
    }
}

/// The calls that took at most so many microseconds, for each power of two up to which there are any: what LATENCY HISTOGRAM shows.
pub fn cumulative_us(histogram: &Histogram<u64>) -> Vec<(u64, u64)> {
    let mut seen = 0;
    let mut shown = Vec::new();
    for step in histogram.iter_log(1024, 2.0) {
        seen += step.count_since_last_iteration();
        if step.count_since_last_iteration() > 0 {
            // As Redis has it: the last value that is not told apart from that power of two.
            let bound = histogram.highest_equivalent(step.value_iterated_to().next_power_of_two());
            shown.push((bound / 1000, seen));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::{Histograms, cumulative_us};

    #[test]
    fn a_run_counts_with_its_mean() {
        let mut histograms = Histograms::default();
        histograms.record(7, 1, 5000);
        assert!(histograms.get(7).is_none(), "it is off");
        histograms.set_on(true);
        histograms.record(7, 10, 30_000);
        histograms.record(7, 1, 900);
        histograms.record(7, 1, u64::MAX);
        let histogram = histograms.get(7).expect("it was called");
        assert_eq!(histogram.len(), 12);
        assert!(histograms.get(6).is_none() && histograms.get(8).is_none());
        let (first, last) = (cumulative_us(histogram)[0], *cumulative_us(histogram).last().expect("some"));
        assert_eq!((first, last.1), ((1, 1), 12));
        histograms.set_on(false);
        assert!(histograms.get(7).is_none());
    }
}
