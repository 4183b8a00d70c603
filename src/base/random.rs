//! The one random source: xoshiro256++ under a 64-bit seed, so that a seed reproduces a run. Secrets come from the operating
//! system instead.

/// A seeded stream of random numbers.
#[derive(Clone, Debug)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// The stream that belongs to `seed`.
    pub fn new(seed: u64) -> Random {
        // SplitMix64 spreads the seed, so that near seeds give unrelated streams and the state is never all zero.
        let mut counter = seed;
        let state = std::array::from_fn(|_| {
            counter = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = counter;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        });
        Random { state }
    }

    /// A seed from the operating system's entropy.
    pub fn entropy_seed() -> u64 {
        // The kernel refuses only while it has no entropy at all, early in boot: time and address layout must do then.
        getrandom::u64().unwrap_or_else(|_| {
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            let place = 0u8;
            since.map_or(0, |since| since.as_nanos() as u64) ^ (&raw const place).addr() as u64
        })
    }

    /// Fills `out` with bytes that nobody can guess, past every seed. False: the system has none yet.
    pub fn secret(out: &mut [u8]) -> bool {
        getrandom::fill(out).is_ok()
    }

    /// 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        result
    }

    /// One of `0..n`, each as likely as the others; `n` is not 0.
    #[inline]
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "below(0) has no answer");
        // The high half of the product is uniform unless the low half falls into the part of 2^64 that `n` does not divide.
        let mut product = u128::from(self.next_u64()) * u128::from(n);
        if (product as u64) < n {
            let uneven = n.wrapping_neg() % n;
            while (product as u64) < uneven {
                product = u128::from(self.next_u64()) * u128::from(n);
            }
        }
        (product >> 64) as u64
    }

    /// A number in `0.0..1.0`.
    #[inline]
    pub fn unit_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let bytes = self.next_u64().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn a_seed_reproduces_its_stream() {
        let (mut a, mut b, mut c) = (Random::new(1), Random::new(1), Random::new(2));
        let stream: Vec<u64> = (0..100).map(|_| a.next_u64()).collect();
        assert_eq!(stream, (0..100).map(|_| b.next_u64()).collect::<Vec<_>>());
        assert_ne!(stream, (0..100).map(|_| c.next_u64()).collect::<Vec<_>>());
    }

    #[test]
    fn known_answers() {
        // The published reference: xoshiro256++ from the state 1, 2, 3, 4.
        let mut random = Random { state: [1, 2, 3, 4] };
        assert_eq!([random.next_u64(), random.next_u64(), random.next_u64()], [41943041, 58720359, 3588806011781223]);
    }

    #[test]
    fn below_is_even() {
        let mut random = Random::new(3);
        for n in [1, 2, 3, 7, 10] {
            let mut counts = vec![0u32; n as usize];
            for _ in 0..10_000 {
                counts[random.below(n) as usize] += 1;
            }
            let expected = 10_000 / n as u32;
            assert!(counts.iter().all(|&count| count.abs_diff(expected) < 400), "{n}: {counts:?}");
        }
        // Half of the values of a plain remainder would be twice as likely here.
        let n = (1u64 << 63) + (1 << 62);
        let low = (0..10_000).filter(|_| random.below(n) < n / 2).count();
        assert!(low.abs_diff(5_000) < 300, "{low}");
    }

    #[test]
    fn fill_and_unit() {
        let mut random = Random::new(4);
        for length in 0..20 {
            let mut bytes = vec![0u8; length];
            random.fill(&mut bytes);
            assert!(length < 8 || bytes.iter().any(|&b| b != 0));
        }
        assert!((0..1000).map(|_| random.unit_f64()).all(|n| (0.0..1.0).contains(&n)));
        assert_ne!(Random::entropy_seed(), Random::entropy_seed());
    }
}
