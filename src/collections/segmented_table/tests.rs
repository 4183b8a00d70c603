//! The table against a plain map, with its invariants checked from the inside.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use super::{BUCKETS_MAX, DEPTH_MAX, MERGE_BELOW, SEGMENT_MAX, SegmentedTable, VACANT};
use crate::base::hash::KeyHasher;
use crate::base::random::Random;

/// A bijection whose values look random: stands in for the keyed hash.
fn hash(key: u64) -> u64 {
    let mixed = (key ^ key >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

fn rehash(key: &u64) -> u64 {
    hash(*key)
}

fn insert(table: &mut SegmentedTable<u64>, key: u64) {
    assert_eq!(*table.insert_unique(hash(key), key, rehash), key);
}

fn remove(table: &mut SegmentedTable<u64>, key: u64) -> Option<u64> {
    table.remove(hash(key), |&entry| entry == key, rehash)
}

fn contains(table: &SegmentedTable<u64>, key: u64) -> bool {
    table.find(hash(key), |&entry| entry == key).is_some()
}

/// The invariants in the module's header.
fn check<T>(table: &SegmentedTable<T>, hash_of: impl Fn(&T) -> u64) {
    if table.directory.is_empty() {
        assert_eq!((table.len, table.segments, table.depth), (0, 0, 0));
        return;
    }
    assert_eq!(table.directory.len(), 1 << table.depth);
    assert_eq!(table.blocks.iter().map(Vec::len).sum::<usize>(), table.segments + table.free.len());
    let (mut slot, mut len, mut segments) = (0, 0, 0);
    let mut versions = HashSet::new();
    while slot < table.directory.len() {
        let index = table.directory[slot];
        let segment = table.at(index);
        let depth = u32::from(segment.depth);
        assert!(depth <= table.depth, "a segment deeper than the directory");
        let span = 1 << (table.depth - depth);
        assert_eq!(slot % span, 0, "a segment's slots are one aligned range");
        assert!(table.directory[slot..slot + span].iter().all(|&other| other == index));
        for entry in &segment.entries {
            assert_eq!(table.slot(hash_of(entry)) / span, slot / span, "an entry in another's segment");
        }
        if depth < DEPTH_MAX {
            assert!(segment.entries.len() <= SEGMENT_MAX && segment.entries.num_buckets() <= BUCKETS_MAX);
        }
        assert!(versions.insert(segment.version), "two segments have the version {}", segment.version);
        let sibling = table.at(table.directory[slot ^ span & (table.directory.len() - 1)]);
        if depth > 0 && sibling.depth == segment.depth {
            let sparse = |len: usize| len < MERGE_BELOW;
            assert!(!sparse(segment.entries.len()) || !sparse(sibling.entries.len()), "siblings that should be one");
        }
        len += segment.entries.len();
        segments += 1;
        slot += span;
    }
    assert_eq!((len, segments), (table.len, table.segments));
    for &index in &table.free {
        assert!(table.at(index).depth == VACANT && table.at(index).entries.is_empty());
    }
}

fn load(table: &SegmentedTable<u64>) -> f64 {
    table.len() as f64 / table.buckets() as f64
}

/// Where every entry is: segment, its version, bucket.
fn places(table: &SegmentedTable<u64>) -> HashMap<u64, (u32, u32, usize)> {
    let mut places = HashMap::new();
    for &index in &table.directory.iter().copied().collect::<HashSet<u32>>() {
        let segment = table.at(index);
        for bucket in 0..segment.entries.num_buckets() {
            if let Some(&entry) = segment.entries.get_bucket(bucket) {
                places.insert(entry, (index, segment.version, bucket));
            }
        }
    }
    places
}

#[test]
fn agrees_with_a_plain_set() {
    let seed = 1;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let mut table = SegmentedTable::new();
    let mut twin = HashSet::new();
    // Growing, steady and shrinking in turns: which half of the draws inserts.
    for round in 0..60 {
        let inserts = [80, 50, 20, 95, 50, 5][round % 6];
        for _ in 0..2000 {
            let key = random.below(12_000);
            if random.below(100) < inserts {
                if twin.insert(key) {
                    insert(&mut table, key);
                }
            } else {
                assert_eq!(remove(&mut table, key).is_some(), twin.remove(&key));
            }
            let other = random.below(12_000);
            assert_eq!(contains(&table, other), twin.contains(&other));
            assert_eq!(table.find_mut(hash(other), |&entry| entry == other).is_some(), twin.contains(&other));
            assert_eq!(table.candidates(hash(other)).any(|&entry| entry == other), twin.contains(&other));
        }
        check(&table, rehash);
        assert_eq!(table.iter().copied().collect::<HashSet<u64>>(), twin);
        assert_eq!(table.is_empty(), twin.is_empty());
    }
}

#[test]
fn entries_that_move_change_the_version() {
    let seed = 2;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let mut table = SegmentedTable::new();
    let mut before = places(&table);
    for step in 0..4000 {
        let key = random.below(1600);
        let inserts = if step % 2000 < 1500 { 75 } else { 10 };
        if random.below(100) >= inserts {
            remove(&mut table, key);
        } else if !contains(&table, key) {
            insert(&mut table, key);
        }
        let after = places(&table);
        for (entry, place) in &after {
            let Some(old) = before.get(entry) else { continue };
            assert!(old.1 != place.1 || old == place, "entry {entry} moved from {old:?} to {place:?} in step {step}");
        }
        before = after;
    }
}

#[test]
fn grows_stays_and_shrinks() {
    const KEYS: u64 = 200_000;
    let seed = 3;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let mut table = SegmentedTable::new();
    let mut keys: Vec<u64> = Vec::new();
    for key in 0..KEYS {
        insert(&mut table, key);
        keys.push(key);
        if key > 20_000 && key % 10_000 == 0 {
            assert!((0.42..0.875).contains(&load(&table)), "load {} of {key} keys", load(&table));
        }
    }
    check(&table, rehash);
    // As many come as go: removed entries leave marks, which must not let the segments grow.
    for key in KEYS..3 * KEYS {
        let place = random.below(KEYS) as usize;
        assert_eq!(remove(&mut table, keys[place]), Some(keys[place]));
        keys[place] = key;
        insert(&mut table, key);
        if key % 50_000 == 0 {
            assert!((0.42..0.875).contains(&load(&table)), "load {} after {key} keys", load(&table));
        }
    }
    check(&table, rehash);
    assert!(keys.iter().all(|&key| contains(&table, key)));
    let (segments, memory_bytes) = (table.segments(), table.memory_bytes());
    while let Some(last) = keys.len().checked_sub(1) {
        let key = keys.swap_remove(random.below(last as u64 + 1) as usize);
        assert_eq!(remove(&mut table, key), Some(key));
        if keys.len().is_multiple_of(20_000) {
            check(&table, rehash);
        }
    }
    assert!(table.is_empty() && table.segments() == 1, "{} of {segments} segments are left", table.segments());
    assert!(table.memory_bytes() < memory_bytes / 20, "{} of {memory_bytes} bytes are left", table.memory_bytes());
    assert!(table.random(|n| random.below(n as u64) as usize).is_none() && table.iter().next().is_none());
    let mut cursor = table.scan(0, 10, |_| panic!("there is nothing to visit"));
    let mut calls = 1;
    while cursor != 0 {
        cursor = table.scan(cursor, 10, |_| panic!("there is nothing to visit"));
        calls += 1;
    }
    assert!(calls <= 11, "{calls} calls for a thousand empty buckets at most");
}

/// With the hash of the keyspace some segments split while others have just done so.
#[test]
fn the_load_stays_near_two_thirds() {
    let hasher = KeyHasher::new(11, 12);
    let rehash = |key: &u64| hasher.hash(&key.to_le_bytes());
    let mut table = SegmentedTable::new();
    for key in 0..200_000u64 {
        table.insert_unique(rehash(&key), key, rehash);
        if key > 30_000 && key % 5000 == 0 {
            assert!((0.58..0.74).contains(&load(&table)), "load {} of {key} keys", load(&table));
        }
    }
    check(&table, rehash);
}

#[test]
fn an_empty_table_costs_nothing() {
    let mut table: SegmentedTable<u64> = SegmentedTable::default();
    assert_eq!((table.memory_bytes(), table.segments(), table.buckets()), (0, 0, 0));
    assert!(!contains(&table, 1) && table.guess(1).is_none() && remove(&mut table, 1).is_none());
    assert!(table.random(|_| 0).is_none());
    assert_eq!(table.scan(u64::MAX >> 1, 10, |_| panic!("there is nothing to visit")), 0);
    insert(&mut table, 1);
    assert!(table.memory_bytes() < 1024, "{} bytes for one number", table.memory_bytes());
    assert_eq!(table.guess(hash(1)), Some(&1));
}

/// Hashes that differ only where no segment can tell them apart.
#[test]
fn hashes_that_agree_in_every_prefix_bit() {
    let alike = |key: &u64| 0xabcd_ef00_0000_0000 & !(u64::MAX >> DEPTH_MAX) | hash(*key) >> DEPTH_MAX;
    let mut table = SegmentedTable::new();
    for key in 0..3000u64 {
        table.insert_unique(alike(&key), key, alike);
    }
    check(&table, alike);
    assert!((0..3000).all(|key| table.find(alike(&key), |&entry| entry == key).is_some()));
    let mut seen = HashSet::new();
    let mut cursor = 0;
    loop {
        cursor = table.scan(cursor, 100, |&entry| assert!(seen.insert(entry)));
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(seen.len(), 3000);
    let mut random = Random::new(4);
    let drawn: HashSet<u64> =
        (0..30_000).filter_map(|_| table.random(|n| random.below(n as u64) as usize).copied()).collect();
    assert!(drawn.len() > 2900, "{} of 3000 were drawn", drawn.len());
    for key in 0..3000u64 {
        assert_eq!(table.remove(alike(&key), |&entry| entry == key, alike), Some(key));
    }
    check(&table, alike);
}

#[test]
fn a_scan_at_rest_visits_each_entry_once() {
    let mut table = SegmentedTable::new();
    for key in 0..5000 {
        insert(&mut table, key);
    }
    for count in [1, 7, 100, 1000, usize::MAX] {
        let mut seen = HashSet::new();
        let (mut cursor, mut calls) = (0, 0);
        loop {
            let before = seen.len();
            cursor = table.scan(cursor, count, |&entry| assert!(seen.insert(entry), "{entry} twice"));
            assert!(seen.len() - before <= count && cursor < 1 << 63);
            calls += 1;
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(seen.len(), 5000, "count {count}");
        assert!(calls <= 2 + 5000 / count.min(5000) * 2, "{calls} calls of {count}");
    }
    // Any number is a cursor: a client may send what it likes.
    let mut random = Random::new(5);
    for _ in 0..10_000 {
        table.scan(random.next_u64(), 3, |_| {});
    }
}

#[test]
fn what_stays_is_scanned_while_all_else_changes() {
    let seed = 6;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let (mut splits, mut merges, mut repeats, mut visits) = (0, 0, 0, 0);
    for round in 0..12u64 {
        let mut table = SegmentedTable::new();
        let stable = 50 + random.below(500);
        for key in 0..stable {
            insert(&mut table, key);
        }
        let mut passing: Vec<u64> = Vec::new();
        let mut next = stable;
        // Some scans begin in a large table that shrinks, some in a small one that grows.
        if round % 2 == 0 {
            passing.extend(next..next + 20_000);
            next += 20_000;
            passing.iter().for_each(|&key| insert(&mut table, key));
        }
        let mut growing = round % 2 == 1;
        let mut seen = HashSet::new();
        let mut cursor = 0;
        loop {
            cursor = table.scan(cursor, 1 + random.below(40) as usize, |&entry| {
                visits += 1;
                repeats += usize::from(!seen.insert(entry));
            });
            if cursor == 0 {
                break;
            }
            let before = table.segments();
            for _ in 0..random.below(1500) {
                if growing {
                    insert(&mut table, next);
                    passing.push(next);
                    next += 1;
                } else if !passing.is_empty() {
                    let key = passing.swap_remove(random.below(passing.len() as u64) as usize);
                    assert_eq!(remove(&mut table, key), Some(key));
                }
            }
            if passing.len() > 20_000 || passing.is_empty() {
                growing = !growing && round % 4 != 0;
            }
            splits += usize::from(table.segments() > before);
            merges += usize::from(table.segments() < before);
        }
        let missed: Vec<u64> = (0..stable).filter(|key| !seen.contains(key)).collect();
        assert!(missed.is_empty(), "round {round}: {missed:?} were there all the time and not visited");
    }
    assert!(splits > 10 && merges > 10, "{splits} splits, {merges} merges");
    assert!(repeats < visits, "{repeats} of {visits} visits were repeats");
}

/// Draws until each of `n` entries is expected fifty times, and compares with chance.
fn assert_fair(table: &SegmentedTable<u64>, n: u64, random: &mut Random) {
    let mut counts: HashMap<u64, u64> = HashMap::new();
    for _ in 0..50 * n {
        *counts.entry(*table.random(|n| random.below(n as u64) as usize).expect("an entry")).or_default() += 1;
    }
    assert_eq!(counts.len() as u64, n, "entries that are never drawn");
    let chi_square: f64 = counts.values().map(|&count| (count as f64 - 50.0).powi(2) / 50.0).sum();
    let freedom = n as f64 - 1.0;
    // Five standard deviations.
    assert!((chi_square - freedom).abs() < 5.0 * (2.0 * freedom).sqrt(), "chi-square {chi_square} of {freedom}");
}

#[test]
fn random_entries_are_fair() {
    let seed = 7;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    for n in [2, 10, 600, 3000] {
        let mut table = SegmentedTable::new();
        let mut keys: Vec<u64> = (0..n).collect();
        keys.iter().for_each(|&key| insert(&mut table, key));
        assert_fair(&table, n, &mut random);
        // After keys came and went, too.
        for key in n..20 * n {
            let place = random.below(n) as usize;
            remove(&mut table, keys[place]);
            keys[place] = key;
            insert(&mut table, key);
        }
        assert_fair(&table, n, &mut random);
    }
}

#[test]
fn one_entry_of_a_table_that_was_large_is_found() {
    let mut table = SegmentedTable::new();
    for key in 0..50_000 {
        insert(&mut table, key);
    }
    for key in 1..50_000 {
        remove(&mut table, key);
    }
    let mut random = Random::new(8);
    for _ in 0..20 {
        assert_eq!(table.random(|n| random.below(n as u64) as usize), Some(&0));
    }
}

#[test]
fn a_table_made_ahead_is_the_table_it_would_have_become() {
    const KEYS: u64 = 100_000;
    let uniform = |first: u64, last: u64| KEYS as f64 * ((last - first) as f64 / u64::MAX as f64);
    let mut table = SegmentedTable::new();
    table.expect(uniform);
    let made = table.segments();
    assert_eq!(made, 512, "100,000 keys fill 512 segments to 195 of 224");
    assert!(table.memory_bytes() < 50_000, "nothing is allocated for entries that may not come");
    for key in 0..KEYS {
        insert(&mut table, key);
    }
    assert!(table.segments() - made <= 15, "few segments split all the same: {}", table.segments() - made);
    check(&table, rehash);
    assert!((0..KEYS).all(|key| contains(&table, key)));

    let mut grown = SegmentedTable::new();
    (0..KEYS).for_each(|key| insert(&mut grown, key));
    assert!(table.memory_bytes() <= grown.memory_bytes() + grown.memory_bytes() / 10);
}

#[test]
fn a_table_made_for_many_works_with_few() {
    let mut table = SegmentedTable::new();
    table.expect(|first, last| 10_000_000.0 * ((last - first) as f64 / u64::MAX as f64));
    assert!(table.memory_bytes() < 3_000_000, "{}", table.memory_bytes());
    // A scan goes on in bounded steps through what is empty, and finds everything.
    for key in 0..100 {
        insert(&mut table, key);
    }
    let (mut cursor, mut found, mut calls) = (0, HashSet::new(), 0);
    loop {
        cursor = table.scan(cursor, 10, |&key| {
            found.insert(key);
        });
        calls += 1;
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(found.len(), 100);
    assert!(calls >= table.segments() / 100, "{calls} calls for {} segments", table.segments());
    let mut random = Random::new(7);
    assert!(table.random(|n| random.below(n as u64) as usize).is_some_and(|&key| key < 100));
    for key in 0..100 {
        assert_eq!(remove(&mut table, key), Some(key));
    }
    assert!(table.is_empty());
    // It is for empty tables only.
    insert(&mut table, 1);
    let segments = table.segments();
    table.expect(|_, _| 1e9);
    assert_eq!(table.segments(), segments);
}

#[test]
fn an_entry_is_put_where_it_was_foretold() {
    let mut table = SegmentedTable::new();
    assert_eq!(table.vacancy(hash(0)), None);
    let (mut foretold, mut right) = (0, 0);
    for key in 0..50_000 {
        let segments = table.segments;
        let vacancy = table.vacancy(hash(key));
        let place = std::ptr::from_ref(table.insert_unique(hash(key), key, rehash));
        // A split or a larger table puts it elsewhere.
        if let Some(vacancy) = vacancy.filter(|_| table.segments == segments) {
            foretold += 1;
            right += usize::from(vacancy == place);
        }
    }
    assert!(foretold > 45_000, "{foretold} foretold");
    // At the end of a segment's buckets hashbrown goes on at their beginning, which the address does not do.
    assert!(right * 100 > foretold * 95, "{right} of {foretold} right");
}

#[test]
fn no_step_of_growing_or_shrinking_reads_more_than_a_segment() {
    let reads = Cell::new(0);
    let counted = |&key: &u64| {
        reads.set(reads.get() + 1);
        hash(key)
    };
    let mut table = SegmentedTable::new();
    let mut most = 0;
    for key in 0..100_000 {
        reads.set(0);
        table.insert_unique(hash(key), key, counted);
        most = most.max(reads.get());
    }
    // 224, of which each may be on a page of its own: more, and a turn takes longer where memory is slow to come back.
    assert_eq!(most, SEGMENT_MAX, "entries that one insertion read again");
    most = 0;
    for key in 0..100_000 {
        reads.set(0);
        assert_eq!(table.remove(hash(key), |&entry| entry == key, counted), Some(key));
        most = most.max(reads.get());
    }
    assert!(most <= SEGMENT_MAX, "one removal read {most} entries again");
}

/// What goes in the order of its hashes, as fields with one deadline do, leaves nothing to be read again: reading is what merging costs.
#[test]
fn removing_in_hash_order_reads_hardly_anything_again() {
    const KEYS: u64 = 20_000;
    let mut table = SegmentedTable::new();
    (0..KEYS).for_each(|key| insert(&mut table, key));
    let mut keys: Vec<u64> = (0..KEYS).collect();
    keys.sort_by_key(|&key| hash(key));
    let read = Cell::new(0);
    let counted = |key: &u64| {
        read.set(read.get() + 1);
        hash(*key)
    };
    for (removed, &key) in keys.iter().enumerate() {
        assert_eq!(table.remove(hash(key), |&entry| entry == key, counted), Some(key));
        if removed % 100 == 0 {
            check(&table, rehash);
        }
    }
    assert!(read.get() < KEYS / 50, "{} of {KEYS} were read", read.get());
}

/// A table that takes the place of another one, with the same elements put in in another order: a scan goes on in it and misses none.
#[test]
fn a_scan_goes_on_in_the_tables_successor() {
    const KEYS: u64 = 20_000;
    for seed in 0..4 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let mut keys: Vec<u64> = (0..KEYS).collect();
        let mut table = SegmentedTable::new();
        keys.iter().for_each(|&key| insert(&mut table, key));
        let mut seen = HashSet::new();
        let mut calls = 0;
        let mut cursor = table.scan(0, 100, |&key| {
            seen.insert(key);
        });
        while cursor != 0 {
            calls += 1;
            if calls % 7 == 0 {
                for at in (1..keys.len()).rev() {
                    keys.swap(at, random.below(at as u64 + 1) as usize);
                }
                table = SegmentedTable::new();
                keys.iter().for_each(|&key| insert(&mut table, key));
            }
            cursor = table.scan(cursor, 100, |&key| {
                seen.insert(key);
            });
        }
        assert_eq!(seen.len() as u64, KEYS, "after {calls} calls");
    }
}
