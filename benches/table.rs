//! Micro-benchmarks of the segmented table: `cargo bench --bench table`. A plain hashbrown table of the same entries beside it shows what
//! the segments cost.

use std::hint::black_box;

use divan::{Bencher, counter::ItemsCount};
use hashbrown::HashTable;
use zedis::base::hash::KeyHasher;
use zedis::base::random::Random;
use zedis::collections::segmented_table::SegmentedTable;

fn main() {
    divan::main();
}

/// From what is in the cache to what is not.
const SIZES: [usize; 3] = [1_000, 100_000, 1_000_000];
/// Look-ups or insertions per measured round.
const ROUND: usize = 1_000;

fn hasher() -> KeyHasher {
    KeyHasher::new(1, 2)
}

fn hash(hasher: &KeyHasher, entry: u64) -> u64 {
    hasher.hash(&entry.to_le_bytes())
}

fn filled(len: usize) -> SegmentedTable<u64> {
    let hasher = hasher();
    let mut table = SegmentedTable::new();
    for entry in 0..len as u64 {
        table.insert_unique(hash(&hasher, entry), entry, |&entry: &u64| hash(&hasher, entry));
    }
    table
}

fn keys(len: usize) -> Vec<u64> {
    let mut random = Random::new(7);
    (0..ROUND).map(|_| random.below(len as u64)).collect()
}

#[divan::bench(args = SIZES)]
fn find(bencher: Bencher<'_, '_>, len: usize) {
    let (table, hasher, keys) = (filled(len), hasher(), keys(len));
    bencher.counter(ItemsCount::new(ROUND)).bench_local(|| {
        for &key in &keys {
            black_box(table.find(hash(&hasher, key), |&entry| entry == key));
        }
    });
}

#[divan::bench(args = SIZES)]
fn find_in_flat_table(bencher: Bencher<'_, '_>, len: usize) {
    let (hasher, keys) = (hasher(), keys(len));
    let mut table = HashTable::new();
    for entry in 0..len as u64 {
        table.insert_unique(hash(&hasher, entry), entry, |&entry: &u64| hash(&hasher, entry));
    }
    bencher.counter(ItemsCount::new(ROUND)).bench_local(|| {
        for &key in &keys {
            black_box(table.find(hash(&hasher, key), |&entry| entry == key));
        }
    });
}

#[divan::bench(args = SIZES)]
fn insert_and_remove(bencher: Bencher<'_, '_>, len: usize) {
    let hasher = hasher();
    let mut table = filled(len);
    let mut next = len as u64;
    bencher.counter(ItemsCount::new(ROUND)).bench_local(|| {
        for _ in 0..ROUND {
            let (old, new) = (next - len as u64, next);
            table.remove(hash(&hasher, old), |&entry| entry == old, |&entry: &u64| hash(&hasher, entry));
            table.insert_unique(hash(&hasher, new), new, |&entry: &u64| hash(&hasher, entry));
            next += 1;
        }
    });
}

#[divan::bench(args = SIZES)]
fn scan(bencher: Bencher<'_, '_>, len: usize) {
    let table = filled(len);
    let mut cursor = 0;
    bencher.counter(ItemsCount::new(ROUND)).bench_local(|| {
        cursor = table.scan(cursor, ROUND, |entry| {
            black_box(entry);
        });
    });
}

#[divan::bench(args = SIZES)]
fn random(bencher: Bencher<'_, '_>, len: usize) {
    let table = filled(len);
    let mut random = Random::new(11);
    bencher.counter(ItemsCount::new(ROUND)).bench_local(|| {
        for _ in 0..ROUND {
            black_box(table.random(|n| random.below(n as u64) as usize));
        }
    });
}
