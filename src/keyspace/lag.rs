//! How late keys go: a histogram of delays in milliseconds, exact below 16 and to within an eighth above.

/// Values that have a bucket of their own.
const EXACT: u64 = 16;
/// Buckets of each octave above.
const PER_OCTAVE: usize = 8;
/// Longer delays than this (a day) are counted as it.
const LAG_MAX_MS: u64 = 1 << 27;
const BUCKETS: usize = bucket_of(LAG_MAX_MS) + 1;

const fn bucket_of(ms: u64) -> usize {
    if ms < EXACT {
        return ms as usize;
    }
    let octave = ms.ilog2() - EXACT.ilog2();
    let within = (ms >> (octave + EXACT.ilog2() - PER_OCTAVE.ilog2())) as usize - PER_OCTAVE;
    EXACT as usize + octave as usize * PER_OCTAVE + within
}

/// The greatest value of a bucket.
fn last_of(bucket: usize) -> u64 {
    if bucket < EXACT as usize {
        return bucket as u64;
    }
    let (octave, within) = ((bucket - EXACT as usize) / PER_OCTAVE, (bucket - EXACT as usize) % PER_OCTAVE);
    let shift = octave as u32 + EXACT.ilog2() - PER_OCTAVE.ilog2();
    (((PER_OCTAVE + within + 1) as u64) << shift) - 1
}

/// Delays between deadlines and removals.
#[derive(Debug)]
pub struct Lags {
    counts: Box<[u64; BUCKETS]>,
    total: u64,
    max_ms: u64,
    last_ms: u64,
}

impl Default for Lags {
    fn default() -> Lags {
        Lags { counts: Box::new([0; BUCKETS]), total: 0, max_ms: 0, last_ms: 0 }
    }
}

impl Lags {
    #[inline]
    pub(super) fn record(&mut self, ms: u64) {
        self.counts[bucket_of(ms.min(LAG_MAX_MS))] += 1;
        self.total += 1;
        self.last_ms = ms;
        self.max_ms = self.max_ms.max(ms);
    }

    /// The last one, milliseconds.
    pub fn last_ms(&self) -> u64 {
        self.last_ms
    }

    /// The longest, milliseconds.
    pub fn max_ms(&self) -> u64 {
        self.max_ms
    }

    /// What `percent` of them did not exceed, milliseconds; 0 if there are none.
    pub fn percentile_ms(&self, percent: f64) -> u64 {
        let wanted = (self.total as f64 * percent / 100.0).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && seen > 0 {
                return last_of(bucket).min(self.max_ms);
            }
        }
        self.max_ms
    }
}

#[cfg(test)]
mod tests {
    use super::{LAG_MAX_MS, Lags, bucket_of, last_of};

    #[test]
    fn every_value_has_a_bucket_of_its_size() {
        for ms in (0..5000).chain([1 << 20, (1 << 20) + 1, LAG_MAX_MS - 1, LAG_MAX_MS]) {
            let last = last_of(bucket_of(ms));
            assert!((ms..=ms + ms / 8).contains(&last), "{ms}: {last}");
            assert_ne!(bucket_of(last), bucket_of(last + 1));
        }
    }

    #[test]
    fn percentiles_of_a_hundred() {
        let mut lags = Lags::default();
        assert_eq!((lags.percentile_ms(50.0), lags.percentile_ms(99.0), lags.max_ms()), (0, 0, 0));
        for ms in 1..=100 {
            lags.record(ms);
        }
        assert_eq!(lags.percentile_ms(10.0), 10);
        assert_eq!(lags.max_ms(), 100);
        assert!((50..=56).contains(&lags.percentile_ms(50.0)), "{}", lags.percentile_ms(50.0));
        assert!((99..=100).contains(&lags.percentile_ms(99.0)));
        lags.record(u64::MAX);
        assert_eq!(lags.percentile_ms(100.0), last_of(bucket_of(LAG_MAX_MS)));
    }
}
