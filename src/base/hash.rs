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

const fn octave() -> [u8; 256] {
    // 256 * 2^(i/16) / (sum over i), rounded so that the sum is 256.
    const SHARES: [u8; 16] = [11, 12, 12, 13, 14, 14, 15, 15, 16, 17, 17, 18, 19, 20, 21, 22];
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

#[inline]
fn spread(hash: u64) -> u64 {
    u64::from(OCTAVE[(hash >> 56) as usize]) << 60 | hash << 8 >> 4
}
