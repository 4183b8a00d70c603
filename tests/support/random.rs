//! The seeded generator of the suites. The seed of a failed test is printed, with the line that runs it again.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// SplitMix64 (Steele, Lea, Flood, 2014): every seed is a good one.
pub struct Random {
    state: u64,
    /// Printed if the test fails.
    seed: u64,
    name: &'static str,
}

impl Random {
    /// The generator of the test `name`: seeded from `ZEDIS_TEST_SEED` (a number, or `random`), otherwise always the same.
    pub fn new(name: &'static str) -> Random {
        let seed = match std::env::var("ZEDIS_TEST_SEED") {
            Ok(text) if text == "random" => RandomState::new().build_hasher().finish(),
            Ok(text) => text.parse().expect("ZEDIS_TEST_SEED is a number or `random`"),
            Err(_) => 0x5EED,
        };
        println!("{name}: ZEDIS_TEST_SEED={seed}");
        Random { state: seed, seed, name }
    }

    /// Another generator, for a part that should not depend on how much the others drew.
    pub fn fork(&mut self) -> Random {
        Random { state: self.next(), seed: self.seed, name: self.name }
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

impl Drop for Random {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {0}: run again with ZEDIS_TEST_SEED={0} cargo test {1}", self.seed, self.name);
        }
    }
}
