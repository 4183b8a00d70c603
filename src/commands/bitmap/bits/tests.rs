//! Runs of bits against loops over single bits.

use super::{Operation, bit, combine, count, count_between, position_between};
use crate::base::random::Random;

fn bytes(random: &mut Random, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    match random.below(4) {
        0 => {}
        1 => bytes.fill(0xff),
        2 => random.fill(&mut bytes),
        // A bit here and there in long runs.
        _ => {
            bytes.fill(if random.below(2) == 0 { 0 } else { 0xff });
            for _ in 0..random.below(3) {
                if len > 0 {
                    bytes[random.below(len as u64) as usize] ^= 1 << random.below(8);
                }
            }
        }
    }
    bytes
}

#[test]
fn counts_and_positions_agree_with_single_bits() {
    let seed = 5;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    for _ in 0..4000 {
        let len = random.below(60) as usize;
        let bytes = bytes(&mut random, len);
        let all: Vec<bool> = (0..len as u64 * 8).map(|offset| bit(&bytes, offset)).collect();
        assert_eq!(count(&bytes), all.iter().filter(|&&on| on).count() as u64);
        assert!(!bit(&bytes, len as u64 * 8) && !bit(&bytes, u64::MAX));
        if len == 0 {
            continue;
        }
        let last = random.below(all.len() as u64);
        let first = random.below(last + 1);
        let range = first as usize..last as usize + 1;
        let ones = all[range.clone()].iter().filter(|&&on| on).count() as u64;
        assert_eq!(count_between(&bytes, first, last), ones, "{first} {last} {bytes:?}");
        for on in [false, true] {
            let found = all[range.clone()].iter().position(|&other| other == on).map(|at| at as u64 + first);
            assert_eq!(position_between(&bytes, on, first, last), found, "{on} {first} {last} {bytes:?}");
        }
    }
}

#[test]
fn combinations_agree_with_single_bits() {
    use Operation::{And, AndOr, Diff, Diff1, Not, One, Or, Xor};
    let seed = 6;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    for _ in 0..1000 {
        let sources: Vec<Vec<u8>> = (0..1 + random.below(5))
            .map(|_| {
                let len = random.below(40) as usize;
                bytes(&mut random, len)
            })
            .collect();
        let sources: Vec<&[u8]> = sources.iter().map(Vec::as_slice).collect();
        let len = sources.iter().map(|source| source.len()).max().expect("one source");
        for operation in [And, Or, Xor, Not, Diff, Diff1, AndOr, One] {
            let result = combine(operation, &sources);
            assert_eq!(result.len(), len);
            for offset in 0..len as u64 * 8 {
                let bits: Vec<bool> = sources.iter().map(|source| bit(source, offset)).collect();
                let ones = bits.iter().filter(|&&on| on).count();
                let others = bits[1..].iter().any(|&on| on);
                let wanted = match operation {
                    And => ones == bits.len(),
                    Or => ones > 0,
                    Xor => ones % 2 == 1,
                    Not => !bits[0],
                    Diff => bits[0] && !others,
                    Diff1 => !bits[0] && others,
                    AndOr => bits[0] && others,
                    One => ones == 1,
                };
                assert_eq!(bit(&result, offset), wanted, "{operation:?} at {offset} of {sources:?}");
            }
        }
    }
    assert_eq!(combine(Operation::Or, &[]), b"");
}
