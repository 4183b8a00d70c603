//! The keyed hash of the keyspace's tables. Its key is drawn at start from the seeded random source, so that the order of
//! keys, and with it which keys collide, differs from run to run unless the seed is given.

use std::hash::Hasher;

use foldhash::SharedSeed;
use foldhash::quality::FoldHasher;

/// The hash function of one server.
#[derive(Clone, Debug)]
pub struct KeyHasher {
    seed: u64,
    shared: SharedSeed,
}

impl KeyHasher {
    /// A hash function of its own for each `(seed, shared_seed)`.
    pub fn new(seed: u64, shared_seed: u64) -> KeyHasher {
        KeyHasher { seed, shared: SharedSeed::from_u64(shared_seed) }
    }

    /// 64 bits. All but the top four are uniform; those are skewed as [`OCTAVE`] says.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = FoldHasher::with_seed(self.seed, &self.shared);
        hasher.write(key);
        spread(hasher.finish())
    }
}

/// The top eight bits of a uniform hash to the top four of the hash that tables see: sixteen parts of the hash space, each some four per
/// cent more crowded than the one before, the last twice as crowded as the first.
///
/// A table that is a directory of segments, each a power of two in size, would otherwise have all its segments grow at
/// the same number of keys, and waste half its memory just after. Spread over an octave, some segments are just full when others have just
/// grown, and the whole is two thirds full at every size.
const OCTAVE: [u8; 256] = octave();

/// 256 * 2^(i/16) / (sum over i), rounded so that the sum is 256.
const SHARES: [u8; 16] = [11, 12, 12, 13, 14, 14, 15, 15, 16, 17, 17, 18, 19, 20, 21, 22];

const fn octave() -> [u8; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    let mut part = 0;
    while part < SHARES.len() {
        let mut share = SHARES[part];
        while share > 0 {
            table[at] = part as u8;
            at += 1;
            share -= 1;
        }
        part += 1;
    }
    assert!(at == table.len());
    table
}

/// The share of all keys that have a hash from `first` to `last`.
pub fn share_of(first: u64, last: u64) -> f64 {
    let share_below = |hash: u64| {
        let part = (hash >> 60) as usize;
        let before: u32 = SHARES[..part].iter().map(|&share| u32::from(share)).sum();
        let within = (hash << 4) as f64 / 2_f64.powi(64);
        (f64::from(before) + f64::from(SHARES[part]) * within) / 256.0
    };
    // The last one's own share is too small to count.
    share_below(last) - share_below(first)
}

#[inline]
fn spread(hash: u64) -> u64 {
    u64::from(OCTAVE[(hash >> 56) as usize]) << 60 | hash << 8 >> 4
}

#[cfg(test)]
mod tests {
    use super::{KeyHasher, share_of};

    #[test]
    fn shares_are_those_of_real_keys() {
        let hasher = KeyHasher::new(1, 2);
        let hashes: Vec<u64> = (0..100_000).map(|number| hasher.hash(format!("key:{number}").as_bytes())).collect();
        assert!((share_of(0, u64::MAX) - 1.0).abs() < 1e-9);
        for bits in [1, 3, 4, 6] {
            let span = u64::MAX >> bits;
            for prefix in 0..1_u64 << bits {
                let first = prefix << (64 - bits);
                let found = hashes.iter().filter(|&&hash| hash & !span == first).count() as f64;
                let expected = share_of(first, first | span) * hashes.len() as f64;
                let deviation = 6.0 * expected.sqrt();
                assert!((found - expected).abs() < deviation, "{bits} bits, {prefix}: {found}, expected {expected}");
            }
        }
    }
}
