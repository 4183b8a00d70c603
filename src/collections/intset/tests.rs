//! The intset against a `BTreeSet`, against bytes that Redis 7.0.15 wrote, and against bytes that nobody should write.

use std::collections::BTreeSet;

use super::IntSet;
use crate::base::random::Random;

/// The intsets inside DUMP payloads of Redis 7.0.15, and what was added, in that order.
const FIXTURES: [(&[u8], &[i64]); 3] = [
    (&[2, 0, 0, 0, 4, 0, 0, 0, 0xFD, 0xFF, 1, 0, 5, 0, 0x2C, 1], &[5, 1, -3, 300]),
    (&[4, 0, 0, 0, 3, 0, 0, 0, 0x90, 0xEE, 0xFE, 0xFF, 1, 0, 0, 0, 5, 0, 0, 0], &[5, 1, -70_000]),
    (
        &[
            8, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 128, 1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 255, 255,
            255, 255, 255, 255, 255, 127,
        ],
        &[5, 1, i64::MAX, i64::MIN],
    ),
];

fn check(set: &IntSet, twin: &BTreeSet<i64>) {
    assert!(set.iter().eq(twin.iter().copied()));
    assert!(set.iter().rev().eq(twin.iter().rev().copied()));
    assert_eq!((set.len(), set.iter().len(), set.is_empty()), (twin.len(), twin.len(), twin.is_empty()));
    assert_eq!((set.min(), set.max()), (twin.first().copied(), twin.last().copied()));
    assert_eq!(IntSet::from_bytes(set.as_bytes()).as_ref(), Ok(set));
}

#[test]
fn bytes_are_redis_bytes() {
    for (bytes, members) in FIXTURES {
        let mut set = IntSet::new();
        for &member in members {
            assert!(set.insert(member));
            assert!(!set.insert(member));
        }
        assert_eq!(set.as_bytes(), bytes);
        check(&set, &members.iter().copied().collect());
        assert_eq!(IntSet::from_bytes(bytes), Ok(set));
    }
}

#[test]
fn behaves_as_a_set() {
    for seed in 0..60 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let mut set = IntSet::new();
        let mut twin = BTreeSet::new();
        // Members of all widths, but narrow for long, so that every widening is seen with members inside.
        for step in 0..600 {
            let shift = match step {
                0..100 => 56,
                100..300 => 49 - random.below(2) * 20,
                _ => random.below(64),
            };
            let member = random.next_u64() as i64 >> shift;
            let known = twin.iter().nth(random.below(twin.len() as u64 + 1) as usize).copied().unwrap_or(member);
            match random.below(if step < 400 { 3 } else { 5 }) {
                0 | 1 => assert_eq!(set.insert(member), twin.insert(member)),
                2 => assert_eq!(set.remove(member), twin.remove(&member)),
                _ => assert_eq!(set.remove(known), twin.remove(&known)),
            }
            assert_eq!(set.contains(known), twin.contains(&known));
            assert_eq!(set.contains(member), twin.contains(&member));
            let index = random.below(twin.len() as u64 + 2) as usize;
            assert_eq!(set.get(index), twin.iter().nth(index).copied());
            assert_eq!(
                set.random(|len| index.min(len - 1)),
                twin.iter().nth(index.min(twin.len().max(1) - 1)).copied()
            );
            check(&set, &twin);
        }
    }
}

#[test]
fn every_changed_byte_is_refused_or_harmless() {
    for (bytes, _) in FIXTURES {
        for at in 0..bytes.len() {
            assert!(IntSet::from_bytes(&bytes[..at]).is_err());
            for value in 0..=255 {
                let mut changed = bytes.to_vec();
                changed[at] = value;
                let Ok(mut set) = IntSet::from_bytes(&changed) else { continue };
                let mut twin: BTreeSet<i64> = set.iter().collect();
                check(&set, &twin);
                for member in [0, -1, 300, 70_000, i64::MIN, 1, 5] {
                    assert_eq!(set.contains(member), twin.contains(&member));
                    assert_eq!(set.insert(member), twin.insert(member));
                    assert_eq!(set.remove(5), twin.remove(&5));
                    check(&set, &twin);
                }
            }
        }
    }
}

#[test]
fn what_is_not_an_intset_is_refused() {
    let refused = |bytes: &[u8]| IntSet::from_bytes(bytes).expect_err("must be refused").0;
    assert!(refused(&[]).contains("header"));
    assert!(refused(&[2, 0, 0, 0, 0, 0]).contains("header"));
    assert!(refused(&[3, 0, 0, 0, 0, 0, 0, 0]).contains("encoding"));
    assert!(refused(&[2, 0, 0, 0, 2, 0, 0, 0, 1, 0]).contains("length"));
    assert!(refused(&[8, 0, 0, 0, 255, 255, 255, 255, 1, 0, 0, 0, 0, 0, 0, 0]).contains("length"));
    assert!(refused(&[2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 1, 0]).contains("order"));
    assert!(refused(&[2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0]).contains("order"));
    assert!(refused(&[2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0xFE, 0xFF]).contains("order"));
}
