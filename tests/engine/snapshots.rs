//! Snapshots while everything changes: what the sink gets is what was there at the beginning, each key once, whatever is done to it during the walk.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use zedis::base::random::Random;
use zedis::keyspace::{Entry, SharedSink, SnapshotSink};
use zedis::persistence::rdb::{Out, save_value};

use super::harness::Harness;

type Keys = BTreeMap<(usize, Vec<u8>), (Vec<u8>, Option<i64>)>;

#[derive(Default)]
struct Collected {
    keys: Keys,
    early: usize,
}

impl SnapshotSink for Collected {
    fn entry(&mut self, db: usize, entry: &Entry, early: bool) {
        let mut bytes = Vec::new();
        save_value(
            &mut Out { bytes: &mut bytes, compress: false, key: None, plain_hashes_at_ms: None },
            &entry.value(),
        );
        self.early += usize::from(early);
        let before = self.keys.insert((db, entry.key().to_vec()), (bytes, entry.deadline_ms()));
        assert!(before.is_none(), "twice: {}", entry.key().escape_ascii());
    }
}

/// All keys as they are, by a walk that nothing happens in.
fn all(harness: &mut Harness) -> Keys {
    let sink = Rc::new(RefCell::new(Collected::default()));
    let shared: SharedSink = sink.clone();
    let keyspace = &mut harness.engine.keyspace;
    while !keyspace.begin_snapshot(&shared) {
        keyspace.walk_snapshot(&mut || true);
    }
    assert!(keyspace.walk_snapshot(&mut || true));
    assert_eq!(sink.borrow().keys.len(), keyspace.keys(), "a quiet walk finds all keys");
    sink.take().keys
}

/// Does something to some key; to most of them away with it, if they are to become fewer.
fn change(harness: &mut Harness, random: &mut Random, keys: u64, fewer: bool) {
    let mut key = format!("k{}", random.below(keys));
    if fewer && random.below(8) > 0 {
        harness.run(&format!("DEL {key} k{} k{}", random.below(keys), random.below(keys)));
        return;
    }
    let what = random.below(46);
    if matches!(what, 25..=29) {
        // These stay hashes, so that there are some with fields to expire.
        key = format!("h{}", random.below(keys.div_ceil(20)));
    }
    let other = format!("k{}", random.below(keys));
    let n = random.below(1000);
    let line = match what {
        0..=5 => format!("SET {key} {n}"),
        6 => format!("SET {key} {}", "v".repeat(n as usize)),
        7 => format!("SET {key} v PX {}", 1 + n % 50),
        8 => format!("MSET {key} a{n} {other} b{n}"),
        9..=10 => format!("INCRBY {key} {n}"),
        11 => format!("APPEND {key} {n}"),
        12 => format!("SETRANGE {key} {} x", n % 300),
        13..=15 => format!("DEL {key}"),
        16 => format!("GETDEL {key}"),
        17 => format!("RPUSH {key} {n} x{n}"),
        18 => format!("LPOP {key}"),
        19 => format!("LMOVE {key} {other} LEFT RIGHT"),
        20 => format!("SADD {key} {n} m{}", n % 10),
        21 => format!("SPOP {key}"),
        22 => format!("SMOVE {key} {other} {}", n % 10),
        23 => format!("ZADD {key} {n} m{}", n % 10),
        24 => format!("ZPOPMIN {key}"),
        25..=26 => format!("HSET {key} f{} {n}", n % 10),
        27 => format!("HDEL {key} f{}", n % 10),
        28 => format!("HPEXPIRE {key} {} FIELDS 1 f{}", 1 + n % 40, n % 10),
        29 => format!("HINCRBY {key} f{} 1", n % 10),
        30..=31 => format!("PEXPIRE {key} {}", 1 + n % 60),
        32 => format!("PERSIST {key}"),
        33..=34 => format!("RENAME {key} {other}"),
        35 => format!("COPY {key} {other} REPLACE"),
        36 => format!("COPY {key} {other} DB {} REPLACE", n % 3),
        37 => format!("MOVE {key} {}", n % 3),
        38 => format!("SETBIT {key} {n} 1"),
        39 => format!("SUNIONSTORE {key} {other}"),
        40 if n < 125 => format!("SWAPDB {} {}", n % 3, random.below(3)),
        41 if n < 25 => "FLUSHDB".to_owned(),
        42 if n < 8 => "FLUSHALL".to_owned(),
        43 => format!("SELECT {}", n % 3),
        44 | 45 => {
            harness.advance_ms(n % 10);
            "PING".to_owned()
        }
        _ => format!("GET {key}"),
    };
    harness.run(&line);
    if random.below(4) == 0 {
        harness.engine.keyspace.expire_slice(20);
    }
}

#[test]
fn a_snapshot_is_of_one_moment() {
    let mut early = 0;
    for seed in 0..24 {
        let mut harness = Harness::new();
        let mut random = Random::new(seed);
        // Some grow and shrink by segments, most stay small and are full of collisions of the interesting kind.
        let keys = [10, 300, 4000][seed as usize % 3];
        for _ in 0..keys {
            change(&mut harness, &mut random, keys, false);
        }
        for round in 0..6 {
            for _ in 0..keys / 4 {
                change(&mut harness, &mut random, keys, false);
            }
            let fewer = random.below(3) == 0;
            let wanted = all(&mut harness);
            let sink = Rc::new(RefCell::new(Collected::default()));
            let shared: SharedSink = sink.clone();
            assert!(harness.engine.keyspace.begin_snapshot(&shared));
            let pause = 1 + random.below(100);
            let give_up_after = if random.below(4) == 0 { random.below(20) } else { u64::MAX };
            let mut steps = 0;
            loop {
                for _ in 0..random.below(if fewer { 300 } else { 30 }) {
                    change(&mut harness, &mut random, keys, fewer);
                }
                let mut left = pause;
                let ended = harness.engine.keyspace.walk_snapshot(&mut || {
                    left -= 1;
                    left > 0
                });
                steps += 1;
                if ended {
                    assert_eq!(sink.borrow().keys, wanted, "seed {seed}, round {round}");
                    early += sink.borrow().early;
                    break;
                }
                if steps > give_up_after {
                    harness.engine.keyspace.give_up_snapshot();
                    break;
                }
            }
        }
    }
    assert!(early > 1_000, "changes were ahead of the walk: {early}");
}

/// Segments split and merge behind the walk, ahead of it, and across the place where it is.
#[test]
fn the_table_may_shrink_and_grow_during_the_walk() {
    for stop in (1..3000).step_by(211) {
        let mut harness = Harness::with_config(&[("enable-debug-command", "yes")]);
        harness.run("DEBUG POPULATE 3000");
        let wanted = all(&mut harness);
        let sink = Rc::new(RefCell::new(Collected::default()));
        let shared: SharedSink = sink.clone();
        assert!(harness.engine.keyspace.begin_snapshot(&shared));
        let walk = |harness: &mut Harness, mut left: usize| {
            harness.engine.keyspace.walk_snapshot(&mut || {
                left -= 1;
                left > 0
            })
        };
        walk(&mut harness, stop);
        for n in 0..3000 {
            // What is left is too little for two segments, and then for four.
            if n % 30 != 7 {
                harness.run(&format!("DEL key:{n}"));
            }
        }
        walk(&mut harness, 10);
        harness.run("DEBUG POPULATE 4000 other");
        walk(&mut harness, 10);
        harness.run("DEBUG POPULATE 4000");
        assert!(walk(&mut harness, usize::MAX));
        assert_eq!(sink.borrow().keys, wanted, "stopped after {stop}");
        all(&mut harness);
    }
}
