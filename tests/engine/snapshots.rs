//! Snapshots while everything changes: what the sink gets is what was there at the beginning, each key once, whatever is done to it during
//! the walk.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use zedis::base::random::Random;
use zedis::collections::listpack::ListpackValue;
use zedis::collections::quicklist::Node;
use zedis::keyspace::{Element, Entry, Hash, Head, List, Object, SharedSink, SnapshotSink, SortedSet, ValueRef};
use zedis::persistence::rdb::{Out, save_value};

use super::harness::Harness;

/// A value, as the elements that it has, and the key's deadline.
type Keys = BTreeMap<(usize, Vec<u8>), (Vec<Vec<u8>>, Option<i64>)>;

#[derive(Default)]
struct Collected {
    keys: Keys,
    early: usize,
    /// Database and head of the key whose elements are coming, and how many are still to come.
    in_parts: Option<(usize, Vec<u8>, usize)>,
    /// Those that have.
    elements: Vec<Vec<u8>>,
    /// Keys that came in parts.
    parted: usize,
    /// Whether no key is to come in parts.
    as_whole: bool,
}

fn show(element: &Element<'_>, elements: &mut Vec<Vec<u8>>) {
    let mut digits = itoa::Buffer::new();
    match element {
        Element::Node(node) => match &*node.opened() {
            Node::Packed(pack) => elements.extend(pack.iter().map(ListpackValue::to_vec)),
            Node::Plain(bytes) => elements.push(bytes.to_vec()),
            Node::Compressed(_) => unreachable!("it has been opened"),
        },
        Element::Member(member) => elements.push(member.to_vec()),
        Element::Scored(member, score) => elements.push([member, &b" "[..], score.to_string().as_bytes()].concat()),
        Element::Field(field, value, deadline_ms) => {
            elements
                .push([field, &b" "[..], value.bytes(&mut digits), format!(" {deadline_ms:?}").as_bytes()].concat());
        }
    }
}

/// The elements of a value: those of lists in order, others sorted.
fn elements_of(value: &ValueRef<'_>) -> Vec<Vec<u8>> {
    let mut elements = Vec::new();
    let mut digits = itoa::Buffer::new();
    match value {
        ValueRef::Object(Object::List(List::Nodes(nodes))) => {
            nodes.nodes().for_each(|node| show(&Element::Node(node), &mut elements));
        }
        ValueRef::Object(Object::List(list)) => list.for_each(|element| elements.push(element.to_vec())),
        ValueRef::Object(Object::Set(set)) => set.for_each(|member| show(&Element::Member(member), &mut elements)),
        ValueRef::Object(Object::SortedSet(set)) => {
            for (member, score) in SortedSet::iter(set) {
                show(&Element::Scored(member.text(&mut digits), score), &mut elements);
            }
        }
        ValueRef::Object(Object::Hash(hash)) => Hash::for_each(hash, i64::MIN, |field, value, deadline_ms| {
            show(&Element::Field(field.bytes(&mut digits), value, deadline_ms), &mut elements);
        }),
        value => {
            let mut bytes = Vec::new();
            save_value(&mut Out { bytes: &mut bytes, compress: false, key: None, plain_hashes_at_ms: None }, value);
            elements.push(bytes);
        }
    }
    if !matches!(value, ValueRef::Object(Object::List(_))) {
        elements.sort();
    }
    elements
}

impl Collected {
    fn put(&mut self, db: usize, key: &[u8], elements: Vec<Vec<u8>>, deadline_ms: Option<i64>) {
        let before = self.keys.insert((db, key.to_vec()), (elements, deadline_ms));
        assert!(before.is_none(), "twice: {}", key.escape_ascii());
    }
}

impl SnapshotSink for Collected {
    fn entry(&mut self, db: usize, entry: &Entry, early: bool) {
        self.early += usize::from(early);
        self.put(db, entry.key(), elements_of(&entry.value()), entry.deadline_ms());
    }

    fn head(&mut self, entry: &Entry) -> Option<Head> {
        let ValueRef::Object(object) = entry.value() else { return None };
        if self.as_whole {
            return None;
        }
        let elements = if let Object::List(List::Nodes(nodes)) = object { nodes.nodes_len() } else { object.len() };
        let is_list = matches!(object, Object::List(_));
        let about = format!("{is_list} {:?} ", entry.deadline_ms());
        Some(Head { key: entry.key().into(), bytes: [about.as_bytes(), entry.key()].concat(), elements, due_ms: None })
    }

    fn begin(&mut self, db: usize, head: Head, early: bool) {
        self.early += usize::from(early);
        self.parted += 1;
        assert!(self.in_parts.is_none(), "the elements of two keys at once");
        self.in_parts = Some((db, head.bytes, head.elements));
    }

    fn element(&mut self, element: Element<'_>) {
        let (_, _, left) = self.in_parts.as_mut().expect("elements have a key");
        *left = left.checked_sub(1).expect("not more elements than there were");
        show(&element, &mut self.elements);
    }

    fn end(&mut self) {
        let (db, head, left) = self.in_parts.take().expect("it began");
        assert_eq!(left, 0, "all elements");
        let mut parts = head.splitn(3, |&byte| byte == b' ');
        let (is_list, deadline, key) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        let mut elements = std::mem::take(&mut self.elements);
        if is_list == b"false" {
            elements.sort();
        }
        let deadline = String::from_utf8_lossy(deadline);
        let digits = deadline.trim_start_matches("Some(").trim_end_matches(')');
        self.put(db, key, elements, digits.parse().ok());
    }
}

/// All keys as they are, by a walk that nothing happens in.
fn all(harness: &mut Harness) -> Keys {
    let sink = Rc::new(RefCell::new(Collected { as_whole: true, ..Collected::default() }));
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

/// Does something to one of the large collections, or to the key that it has.
fn change_large(harness: &mut Harness, random: &mut Random) {
    let n = random.below(6000);
    let kind = random.below(4);
    let key = format!("{}{}", ["list", "set", "zset", "hash"][kind as usize], random.below(4));
    let other = format!("{}{}", ["list", "set", "zset", "hash"][kind as usize], random.below(4));
    if random.below(100) == 0 {
        let line = match random.below(12) {
            0 => format!("DEL {key}"),
            1 => format!("SET {key} string"),
            2..=5 => format!("RENAME {key} {other}"),
            6 => format!("COPY {key} {other} REPLACE"),
            7 => format!("MOVE {key} {}", n % 2),
            8 => format!("PEXPIRE {key} {}", n % 40),
            9 => format!("SWAPDB 0 {}", n % 2),
            10 => format!("SELECT {}", n % 2),
            _ if n < 2000 => "FLUSHDB".to_owned(),
            _ => format!("PERSIST {key}"),
        };
        harness.run(&line);
        return;
    }
    let few = (n..n + 30).map(|n| n.to_string()).collect::<Vec<_>>();
    let pairs = (n..n + 30).map(|k| format!("{} m{k}", k * n % 1000)).collect::<Vec<_>>().join(" ");
    // Of the long ones a segment is more than a part.
    let long = "x".repeat([0, 0, 400][n as usize % 3]);
    let fields = (n..n + 30).map(|k| format!("f{k} v{n}{long}")).collect::<Vec<_>>().join(" ");
    let line = match (kind, random.below(12)) {
        (0, 0..=4) => format!("RPUSH {key} {} {}", few.join(" "), "x".repeat(n as usize % 300)),
        (0, 5) => format!("LPUSH {key} {}", few.join(" ")),
        (0, 6) => format!("LPOP {key} {}", n % 100),
        (0, 7) => format!("RPOP {key} {}", n % 50),
        (0, 8) => format!("LSET {key} {n} set{n}"),
        (0, 9) => format!("LINSERT {key} BEFORE {n} inserted"),
        (0, 10) => format!("LREM {key} {} {}", n % 5, n % 500),
        (0, _) if n < 1000 => format!("LTRIM {key} {} -{}", 2 * n, 1 + n % 50),
        (0, _) if n < 1500 => format!("LTRIM {key} {} -{}", n % 50, 2 * n),
        (0, _) => format!("LMOVE {key} {other} LEFT RIGHT"),
        (1, 0..=6) => format!("SADD {key} m{}", few.join(" m")),
        (1, 7) => format!("SREM {key} m{}", few.join(" m")),
        (1, 8) => format!("SPOP {key} {}", n % 100),
        (1, 9) if n < 60 => format!("SPOP {key} {}", 100 * n),
        (1, 9) => format!("SPOP {key}"),
        (1, 10) => format!("SMOVE {key} {other} m{n}"),
        (1, _) if n < 1000 => format!("SDIFFSTORE {key} {key} {other}"),
        (1, _) => format!("SINTERCARD 2 {key} {other}"),
        (2, 0..=6) => format!("ZADD {key} {pairs}"),
        (2, 7) => format!("ZINCRBY {key} {} m{n}", n % 100),
        (2, 8) => format!("ZREM {key} m{}", few.join(" m")),
        (2, 9) => format!("ZREMRANGEBYRANK {key} {n} {}", n + n % 200),
        (2, 10) => format!("ZPOPMIN {key} {}", n % 60),
        (2, _) => format!("ZPOPMAX {key} {}", n % 60),
        (_, 0..=5) => format!("HSET {key} {fields}"),
        (_, 6) => format!("HDEL {key} f{}", few.join(" f")),
        (_, 7) => format!("HPEXPIRE {key} {} FIELDS 30 f{}", n % 60, few.join(" f")),
        (_, 8) => format!("HPERSIST {key} FIELDS 30 f{}", few.join(" f")),
        (_, 9) => format!("HGETDEL {key} FIELDS 30 f{}", few.join(" f")),
        (_, 10) => format!("HSETEX {key} KEEPTTL FIELDS 1 f{n} kept"),
        _ => format!("HINCRBY {key} count{n} 1"),
    };
    harness.run(&line);
    if random.below(40) == 0 {
        harness.advance_ms(n % 10);
        harness.engine.keyspace.expire_slice(n as usize % 100);
    }
}

/// Large collections go to the sink by and by, and are changed, renamed, overwritten and removed on their way.
#[test]
fn a_collection_in_parts_is_of_one_moment_too() {
    let (mut parted, mut early) = (0, 0);
    for seed in 0..16 {
        println!("seed {seed}");
        let depth = ["0", "1", "2", "0"][seed as usize % 4];
        let mut harness = Harness::with_config(&[("list-max-listpack-size", "32"), ("list-compress-depth", depth)]);
        let mut random = Random::new(seed);
        // So many that large ones are renamed to where the walk has been.
        for n in 0..[0, 3000][seed as usize % 2] {
            harness.run(&format!("SET filler{n} {n}"));
        }
        for round in 0..8 {
            for _ in 0..600 {
                change_large(&mut harness, &mut random);
            }
            let wanted = all(&mut harness);
            let sink = Rc::new(RefCell::new(Collected::default()));
            let shared: SharedSink = sink.clone();
            assert!(harness.engine.keyspace.begin_snapshot(&shared));
            let gives_up = random.below(5) == 0;
            let changes = [0, 1, 5, 100][random.below(4) as usize];
            loop {
                for _ in 0..random.below(changes + 1) {
                    change_large(&mut harness, &mut random);
                }
                let is_within = sink.borrow().in_parts.is_some();
                let mut left = 1 + random.below(if is_within { 3 } else { 300 });
                let ended = harness.engine.keyspace.walk_snapshot(&mut || {
                    left -= 1;
                    left > 0
                });
                if ended {
                    let got = &sink.borrow().keys;
                    for (key, value) in &wanted {
                        let name = key.1.escape_ascii();
                        assert!(got.get(key) == Some(value), "seed {seed}, round {round}: {name} in {}", key.0);
                    }
                    assert_eq!(got.len(), wanted.len());
                    parted += sink.borrow().parted;
                    early += sink.borrow().early;
                    break;
                }
                if gives_up && random.below(100) == 0 {
                    harness.engine.keyspace.give_up_snapshot();
                    break;
                }
            }
        }
    }
    println!("{parted} collections in parts, {early} keys ahead of their change");
    assert!(parted > 200 && early > 100, "{parted} in parts, {early} ahead of their change");
}

/// A name whose hash is the lowest of many, or the highest.
fn name_with(harness: &Harness, stem: &str, lowest: bool) -> String {
    let names = (0..500).map(|n| format!("{stem}-{n}"));
    let hash = |name: &String| harness.engine.keyspace.hash(name.as_bytes());
    if lowest { names.min_by_key(hash) } else { names.max_by_key(hash) }.expect("there are names")
}

/// Each kind of large collection, when some of it has been handed over: whatever becomes of its key then, and of its elements, what the
/// sink gets is what it was.
#[test]
fn a_key_on_its_way_may_go_anywhere() {
    let whats = [
        "DEL @",
        "SET @ string",
        "RENAME @ #",
        "RENAME @ ^",
        "RENAME large2 @",
        "MOVE @ 2",
        "SWAPDB 0 1",
        "SWAPDB 0 2",
        "FLUSHDB",
        "FLUSHALL",
        "PEXPIRE @ 1",
        "COPY large2 @ REPLACE",
        "SUNIONSTORE @ few",
        "SORT few BY nosort STORE @",
        "PING",
    ];
    for kind in ["list", "set", "zset", "hash"] {
        for what in whats {
            println!("{kind}: {what}");
            let mut harness = Harness::with_config(&[("list-max-listpack-size", "32")]);
            let (behind, key, ahead) = (
                name_with(&harness, "behind", true),
                name_with(&harness, "before-last", false),
                name_with(&harness, "ahead", false),
            );
            let fill = |harness: &mut Harness, key: &str, from: usize, to: usize| {
                for n in from..to {
                    harness.run(&match kind {
                        "list" => format!("RPUSH {key} element{n} {n} {n:0>100}"),
                        "set" => format!("SADD {key} member{n}"),
                        "zset" => format!("ZADD {key} {} member{n}", n * 7 % 1000),
                        _ => format!("HSETEX {key} EX {} FIELDS 1 field{n} value", 1000 + n),
                    });
                }
            };
            for n in 0..2500 {
                harness.run(&format!("SET filler{n} {n}"));
            }
            harness.run("SADD few a b c");
            fill(&mut harness, &key, 0, 2500);
            fill(&mut harness, "large2", 0, 1500);
            harness.run("SELECT 1");
            fill(&mut harness, "large3", 0, 1500);
            harness.run("SELECT 0");
            let wanted = all(&mut harness);
            let sink = Rc::new(RefCell::new(Collected::default()));
            let shared: SharedSink = sink.clone();
            assert!(harness.engine.keyspace.begin_snapshot(&shared));
            let is_there = || {
                let sink = sink.borrow();
                !sink.elements.is_empty()
                    && sink.in_parts.as_ref().is_some_and(|(_, head, _)| head.ends_with(key.as_bytes()))
            };
            while !is_there() {
                assert!(!harness.engine.keyspace.walk_snapshot(&mut || false), "it comes before the end");
            }
            harness.run("MOVE filler1 2");
            assert!(is_there(), "another key's way is not its own");
            harness.run("MOVE filler1 2");
            harness.run(&what.replace('@', &key).replace('#', &behind).replace('^', &ahead));
            harness.advance_ms(5);
            for turn in 0..3 {
                for key in [&key, &behind, &ahead] {
                    harness.run(&match kind {
                        "list" => format!("LTRIM {key} 1 -2"),
                        "set" => format!("SPOP {key} {}", 700 * turn),
                        "zset" => format!("ZREMRANGEBYRANK {key} -{} {}", 400 * turn + 1, 700 * turn),
                        _ => format!("HDEL {key} field{turn} field{}", 2499 - turn),
                    });
                    harness.run(&match kind {
                        "list" => format!("LSET {key} {} other", 100 * turn),
                        "set" => format!("SREM {key} member{turn} member{}", 2499 - turn),
                        "zset" => format!("ZINCRBY {key} 500 member{}", 2400 + turn),
                        _ => format!("HPEXPIRE {key} 1 FIELDS 3 field{} field1200 field{}", 7 + turn, 2300 - turn),
                    });
                }
                fill(&mut harness, &key, 2400, 2600);
                harness.advance_ms(5);
                harness.engine.keyspace.expire_slice(100);
                harness.engine.keyspace.walk_snapshot(&mut || false);
                // All elements, and the key with them.
                harness.run(&match kind {
                    "list" if turn == 1 => format!("LTRIM {key} 1 0"),
                    "set" if turn == 1 => format!("SPOP {key} 10000"),
                    "zset" if turn == 1 => format!("ZREMRANGEBYRANK {key} 0 -1"),
                    "hash" if turn == 1 => {
                        let fields: Vec<String> = (0..2600).map(|n| format!("field{n}")).collect();
                        format!("HDEL {key} {}", fields.join(" "))
                    }
                    _ => format!("EXISTS {key}"),
                });
            }
            while !harness.engine.keyspace.walk_snapshot(&mut || false) {}
            let got = &sink.borrow().keys;
            for (key, value) in &wanted {
                assert!(got.get(key) == Some(value), "{kind}: {what}: {} in {}", key.1.escape_ascii(), key.0);
            }
            assert_eq!(got.len(), wanted.len(), "{kind}: {what}");
            all(&mut harness);
        }
    }
}
