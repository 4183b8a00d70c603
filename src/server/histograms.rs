//! How long things take: the turns, and the calls of each command (`latency-tracking`), as LATENCY HISTOGRAM and INFO latencystats show
//! them. Range and precision of the latter are Redis's: 1 ns to 1 s, two significant digits.
//!
//! They are counted by a [`Tally`], which is all that happens in a turn, and read through the library's histogram, which is made of it when
//! somebody asks. The library's own recording keeps the extremes and looks for overflows: sixty instructions, twice a turn.
//!
//! Cost: an index and an addition per turn and per timed run, whose calls count with their mean; 8 bytes for each bucket up to the
//! highest used, about 10 KiB for a command that is called at all.

use hdrhistogram::Histogram;

use crate::commands::CommandId;

/// The highest time told apart in commands, nanoseconds.
const HIGHEST_NS: u64 = 1_000_000_000;
const DIGITS: u8 = 2;
/// Buckets between two powers of two, and times below which each has its own: what [`DIGITS`] digits take.
const HALF: u64 = 128;

/// Times counted in the buckets that an HdrHistogram of [`DIGITS`] digits has.
///
/// ```text
/// bucket     0 .. 255    256 .. 383    384 .. 511  ...
/// time, ns   0 .. 255    256 .. 511    512 .. 1023 ...
/// each of    1 ns        2 ns          4 ns        ...
/// ```
#[derive(Clone, Default, Debug)]
pub struct Tally {
    counts: Vec<u64>,
    len: u64,
}

impl Tally {
    /// Counts a time `calls` times.
    #[inline]
    pub fn record(&mut self, ns: u64, calls: u64) {
        let bucket = bucket_of(ns);
        self.len += calls;
        match self.counts.get_mut(bucket) {
            Some(count) => *count += calls,
            None => self.record_further(bucket, calls),
        }
    }

    #[cold]
    #[inline(never)]
    fn record_further(&mut self, bucket: usize, calls: u64) {
        self.counts.resize(bucket + 1, 0);
        self.counts[bucket] += calls;
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What has been counted, to be asked for percentiles; it tells times up to `highest_ns` apart.
    pub fn histogram(&self, highest_ns: u64) -> Histogram<u64> {
        let mut histogram =
            Histogram::new_with_bounds(1, highest_ns, DIGITS).expect("the bounds are in order and the digits few");
        for (bucket, &count) in self.counts.iter().enumerate().filter(|&(_, &count)| count > 0) {
            histogram.saturating_record_n(time_of(bucket).max(1), count);
        }
        histogram
    }

    /// Memory held, bytes.
    pub fn memory_bytes(&self) -> usize {
        self.counts.capacity() * size_of::<u64>()
    }
}

#[inline]
fn bucket_of(ns: u64) -> usize {
    let doublings = (ns | (2 * HALF - 1)).ilog2() - (2 * HALF - 1).ilog2();
    (HALF * u64::from(doublings) + (ns >> doublings)) as usize
}

/// The shortest time of a bucket.
fn time_of(bucket: usize) -> u64 {
    let doublings = (bucket as u64 / HALF).saturating_sub(1);
    (bucket as u64 - HALF * doublings) << doublings
}

/// A tally per command, by its number.
#[derive(Default)]
pub struct Histograms {
    of: Vec<Tally>,
    is_on: bool,
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
        let each_ns = each_ns.min(HIGHEST_NS);
        match self.of.get_mut(usize::from(command)) {
            Some(tally) => tally.record(each_ns, u64::from(calls)),
            None => self.record_first(command, calls, each_ns),
        }
    }

    #[cold]
    fn record_first(&mut self, command: CommandId, calls: u32, each_ns: u64) {
        if self.is_on {
            self.of.resize_with(usize::from(command) + 1, Tally::default);
            self.of[usize::from(command)].record(each_ns, u64::from(calls));
        }
    }

    /// That of a command, if it was called since tracking began.
    pub fn get(&self, command: CommandId) -> Option<Histogram<u64>> {
        let tally = self.of.get(usize::from(command)).filter(|tally| !tally.is_empty())?;
        Some(tally.histogram(HIGHEST_NS))
    }

    /// Memory held, bytes.
    pub fn memory_bytes(&self) -> usize {
        self.of.iter().map(|tally| tally.memory_bytes() + size_of::<Tally>()).sum()
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
    use hdrhistogram::Histogram;

    use super::{DIGITS, HIGHEST_NS, Histograms, Tally, bucket_of, cumulative_us, time_of};
    use crate::base::random::Random;

    #[test]
    fn buckets_are_the_librarys() {
        let seed = Random::entropy_seed();
        println!("seed {seed}");
        let mut random = Random::new(seed);
        for highest_ns in [HIGHEST_NS, 1 << 47] {
            let mut twin = Histogram::<u64>::new_with_bounds(1, highest_ns, DIGITS).expect("the bounds are in order");
            let mut tally = Tally::default();
            for round in 0..20_000 {
                let ns = (random.next_u64() >> random.below(64)).clamp(1, highest_ns);
                let calls = random.below(100) + 1;
                tally.record(ns, calls);
                twin.record_n(ns, calls).expect("within the bounds");
                let (first, next) = (time_of(bucket_of(ns)), time_of(bucket_of(ns) + 1));
                assert!((first..next).contains(&ns), "{ns} in {first}..{next}");
                if round % 1000 == 0 {
                    let histogram = tally.histogram(highest_ns);
                    assert_eq!(histogram.len(), twin.len());
                    for percent in [0.0, 1.0, 50.0, 90.0, 99.0, 99.9, 100.0] {
                        assert_eq!(histogram.value_at_percentile(percent), twin.value_at_percentile(percent));
                    }
                    assert_eq!(cumulative_us(&histogram), cumulative_us(&twin));
                }
            }
        }
    }

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
        let (first, last) = (cumulative_us(&histogram)[0], *cumulative_us(&histogram).last().expect("some"));
        assert_eq!((first, last.1), ((1, 1), 12));
        histograms.set_on(false);
        assert!(histograms.get(7).is_none());
    }
}
