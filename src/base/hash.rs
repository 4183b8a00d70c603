//! The keyed hash of the keyspace's tables. Its key is drawn at start from the seeded random source, so that the order of
//! keys, and with it which keys collide, differs from run to run unless the seed is given.

use std::hash::Hasher;

use foldhash::SharedSeed;
use foldhash::quality::FoldHasher;

/// The hash function of one server: 64 bits, all of them good.
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

    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = FoldHasher::with_seed(self.seed, &self.shared);
        hasher.write(key);
        hasher.finish()
    }
}
