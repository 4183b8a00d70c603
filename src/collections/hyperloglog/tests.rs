//! The strings beside their naive twin, an array of registers; bytes recorded from redis-server 7.0.15; forged strings.

use self::recorded::{PLACES, STRINGS, THREE, THREE_DECODED};
use super::{
    Corrupted, DENSE_BYTES, Encoding, REGISTERS, Registers, add, cached, check, count, decode, hash, invalidate, new,
    place, raise, self_test, to_dense,
};
use crate::base::random::Random;

mod recorded;

const SPARSE_MAX_BYTES: usize = 3_000;

fn element(n: u64) -> Vec<u8> {
    format!("element:{n}").into_bytes()
}

fn of(elements: std::ops::Range<u64>, sparse_max_bytes: usize) -> Vec<u8> {
    let mut value = new();
    for n in elements {
        add(&mut value, &element(n), sparse_max_bytes).expect("a good string");
    }
    value
}

fn registers(value: &[u8]) -> Vec<u8> {
    let mut registers = Registers::new();
    registers.merge(value).expect("a good string");
    registers.iter().collect()
}

#[test]
fn adding_agrees_with_an_array() {
    for (seed, sparse_max_bytes) in [(60, 3_000), (61, 200), (62, 16_000), (63, 0)] {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let mut value = new();
        let mut twin = vec![0; REGISTERS];
        for _ in 0..4_000 {
            let element = element(random.below(5_000));
            let (index, rank) = place(&element);
            assert_eq!(add(&mut value, &element, sparse_max_bytes), Ok(rank > twin[index]));
            twin[index] = rank.max(twin[index]);
            if random.below(16) == 0 {
                assert_eq!(registers(&value), twin);
            }
            if check(&value) == Some(Encoding::Sparse) {
                // Only a change in place may leave it longer than allowed.
                assert!(value.len() <= sparse_max_bytes.max(18));
            }
        }
        assert_eq!(registers(&value), twin);
        to_dense(&mut value).expect("a good string");
        assert_eq!((check(&value), value.len()), (Some(Encoding::Dense), DENSE_BYTES));
        assert_eq!(registers(&value), twin);
    }
}

#[test]
fn every_register_takes_every_value() {
    let seed = 64;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    for dense in [false, true] {
        let mut value = new();
        if dense {
            to_dense(&mut value).expect("a good string");
        }
        let mut twin = vec![0; REGISTERS];
        for round in 0..3 {
            // Neighbouring registers with equal values come together in all ways.
            let top = if dense { 63 } else { 1 + round * 15 };
            for _ in 0..3_000 {
                let index = (random.below(300) * random.below(56)) as usize % REGISTERS;
                let rank = 1 + random.below(top) as u8;
                assert_eq!(raise(&mut value, index, rank, usize::MAX), Ok(rank > twin[index]));
                twin[index] = rank.max(twin[index]);
            }
            raise(&mut value, REGISTERS - 1, 5, usize::MAX).expect("a good string");
            twin[REGISTERS - 1] = twin[REGISTERS - 1].max(5);
            assert_eq!(registers(&value), twin);
        }
        assert_eq!(check(&value), Some(if dense { Encoding::Dense } else { Encoding::Sparse }));
        raise(&mut value, 7, 33, usize::MAX).expect("a good string");
        assert_eq!(check(&value), Some(Encoding::Dense));
    }
}

#[test]
fn counts_are_near() {
    let mut value = new();
    assert_eq!(count(&mut value), Ok(0));
    let mut next = 1;
    for n in 1..=100_000_u64 {
        add(&mut value, &element(n), SPARSE_MAX_BYTES).expect("a good string");
        if n == next {
            assert_eq!(cached(&value), None);
            let counted = count(&mut value).expect("a good string");
            assert_eq!(cached(&value), Some(counted));
            // Four standard errors, and what rounding does to small numbers.
            assert!(counted.abs_diff(n) as f64 <= n as f64 * 0.0325 + 1.0, "{counted} of {n}");
            next = next * 3 / 2 + 1;
        }
    }
}

#[test]
fn the_self_test_passes() {
    for seed in 66..70 {
        println!("seed {seed}");
        assert!(self_test(&mut Random::new(seed)));
    }
}

#[test]
fn a_union_counts_both_and_is_stored_in_either_encoding() {
    for (a, b) in [(200, 300), (5_000, 300), (300, 5_000), (20_000, 30_000)] {
        let (left, right) = (of(0..a, SPARSE_MAX_BYTES), of(a / 2..a / 2 + b, SPARSE_MAX_BYTES));
        let mut union = Registers::new();
        union.merge(&left).expect("a good string");
        union.merge(&right).expect("a good string");
        let whole = of(0..a.max(a / 2 + b), SPARSE_MAX_BYTES);
        let expected = registers(&whole);
        let merged: Vec<u8> = registers(&left).into_iter().zip(registers(&right)).map(|(a, b)| a.max(b)).collect();
        assert!(union.iter().eq(merged.iter().copied()));
        for (dense, mut into) in [(false, new()), (false, left.clone()), (true, right.clone())] {
            union.store(&mut into, dense, SPARSE_MAX_BYTES).expect("a good string");
            assert_eq!(registers(&into), merged);
            assert_eq!(cached(&into), None);
            assert_eq!(count(&mut into), Ok(union.estimate()));
        }
        assert_eq!(expected.len(), REGISTERS);
        assert_eq!((union.get(REGISTERS), union.get(0)), (None, Some(merged[0])));
    }
}

#[test]
fn the_hash_of_redis() {
    // Registers that redis-server 7.0.15 raises for these elements.
    for (element, index, rank) in PLACES {
        assert_eq!(place(element), (*index, *rank), "{element:?}");
    }
    assert_ne!(hash::murmur64a(b""), hash::murmur64a(b"\0"));
}

/// FNV-1a, to keep recorded strings short.
fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[test]
fn the_bytes_of_redis() {
    // Of `PFADD key element:0 ... element:(n-1)`, one at a time, then GET, PFCOUNT, GET.
    for &(elements, len, digest_before, counted, digest_after) in STRINGS {
        let mut value = of(0..elements, SPARSE_MAX_BYTES);
        assert_eq!((value.len(), digest(&value)), (len, digest_before), "{elements} elements");
        assert_eq!(count(&mut value), Ok(counted));
        assert_eq!(digest(&value), digest_after, "{elements} elements, counted");
    }
    let mut few = of(0..3, SPARSE_MAX_BYTES);
    assert_eq!(few, THREE);
    assert_eq!(count(&mut few), Ok(3));
    assert_eq!(decode(&few).as_ref().map(|text| text.as_deref()), Ok(Some(THREE_DECODED)));
}

#[test]
fn headers_are_checked() {
    let good = new();
    assert_eq!(good.len(), 18);
    assert_eq!(check(&good), Some(Encoding::Sparse));
    assert_eq!(decode(&good), Ok(Some("Z:16384".into())));
    assert_eq!(cached(&good), Some(0));
    for len in 0..16 {
        assert_eq!(check(&good[..len]), None);
    }
    let mut bad = good.clone();
    bad[0] = b'h';
    assert_eq!(check(&bad), None);
    bad = good.clone();
    bad[4] = 2;
    assert_eq!(check(&bad), None);
    bad[4] = 0;
    assert_eq!(check(&bad), None);
    let mut dense = good;
    to_dense(&mut dense).expect("a good string");
    assert_eq!(decode(&dense), Ok(None));
    dense.push(0);
    assert_eq!(check(&dense), None);
}

/// Whatever the bytes, every function returns, and what it calls good covers the registers.
fn survive(forged: &[u8], random: &mut Random) {
    if check(forged).is_none() {
        return;
    }
    let covers = decode(forged).is_ok();
    let mut value = forged.to_vec();
    invalidate(&mut value);
    assert_eq!(count(&mut value).is_ok(), covers);
    assert_eq!(Registers::new().merge(forged).is_ok(), covers);
    assert_eq!(to_dense(&mut forged.to_vec()).is_ok(), covers);
    let mut value = forged.to_vec();
    for _ in 0..20 {
        let added = add(&mut value, &element(random.next_u64()), SPARSE_MAX_BYTES);
        assert!(added.is_ok() || !covers);
        assert!(value.len() <= forged.len().max(DENSE_BYTES) + 80);
    }
    if covers {
        assert_eq!(registers(&value).len(), REGISTERS);
    }
}

#[test]
fn forged_strings_do_no_harm() {
    let seed = 65;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let good = of(0..150, SPARSE_MAX_BYTES);
    for at in 0..good.len() {
        for byte in [0, 0x3f, 0x40, 0x7f, 0x80, 0xff, good[at] ^ 1, good[at] ^ 0x80] {
            let mut forged = good.clone();
            forged[at] = byte;
            survive(&forged, &mut random);
        }
        survive(&good[..at], &mut random);
    }
    for _ in 0..3_000 {
        let mut forged = new();
        forged.resize(16 + random.below(60) as usize, 0);
        random.fill(&mut forged[8..]);
        survive(&forged, &mut random);
    }
    let mut dense = of(0..9_000, SPARSE_MAX_BYTES);
    assert_eq!(check(&dense), Some(Encoding::Dense));
    dense[16..].fill(0xff);
    survive(&dense, &mut random);
    random.fill(&mut dense[16..]);
    survive(&dense, &mut random);
    // 51 in every register: the estimate has no bound.
    let mut full = new();
    for index in 0..REGISTERS {
        raise(&mut full, index, 51, SPARSE_MAX_BYTES).expect("a good string");
    }
    invalidate(&mut full);
    assert_eq!(count(&mut full), Ok(i64::MAX as u64));
    assert_eq!(decode(&good[..good.len() - 1]), Err(Corrupted));
}
