//! Hashes against a plain map, through every encoding.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use super::Hash;
use crate::base::hash::KeyHasher;
use crate::base::random::Random;
use crate::keyspace::reclaim::Discarded;
use crate::keyspace::{Context, FieldText, NewValue, PackMax, Settings, Ttl, Typed};

const START_MS: i64 = 1_700_000_000_000;

/// Values and deadlines.
type Twin = HashMap<Vec<u8>, (Vec<u8>, Option<i64>)>;

struct World {
    settings: Settings,
    hasher: KeyHasher,
    drawn: RefCell<Random>,
    discarded: Discarded,
    now_ms: i64,
}

impl World {
    fn new(seed: u64, entries: usize, value_bytes: usize) -> World {
        let settings = Settings { hash_max_listpack: PackMax { entries, value_bytes }, ..Settings::default() };
        World {
            settings,
            hasher: KeyHasher::new(seed, 7),
            drawn: RefCell::new(Random::new(seed)),
            discarded: Discarded::default(),
            now_ms: START_MS,
        }
    }

    fn context(&self) -> Context<'_> {
        Context {
            settings: &self.settings,
            hasher: &self.hasher,
            now_ms: self.now_ms,
            random: &self.drawn,
            discarded: &self.discarded,
            undo: None,
        }
    }
}

fn bytes(text: FieldText<'_>) -> Vec<u8> {
    let bytes = text.bytes(&mut itoa::Buffer::new()).to_vec();
    assert_eq!(bytes.len(), text.len());
    bytes
}

fn living(twin: &Twin, now_ms: i64) -> Twin {
    let is_alive = |deadline_ms: Option<i64>| deadline_ms.is_none_or(|deadline_ms| deadline_ms >= now_ms);
    twin.iter().filter(|(_, (_, deadline_ms))| is_alive(*deadline_ms)).map(|(f, v)| (f.clone(), v.clone())).collect()
}

/// Everything that can be asked.
fn compare(hash: &Hash, twin: &Twin, world: &World) {
    let context = world.context();
    hash.check(&world.hasher);
    assert_eq!(hash.len(), twin.len());
    let next_ms = twin.values().filter_map(|(_, deadline_ms)| *deadline_ms).min();
    assert_eq!(hash.next_deadline_ms(), next_ms);
    let alive = living(twin, world.now_ms);
    assert_eq!(hash.living_len(world.now_ms), alive.len());
    let mut seen = Twin::new();
    hash.for_each(world.now_ms, |field, value, deadline_ms| {
        assert!(seen.insert(bytes(field), (bytes(value), deadline_ms)).is_none(), "a field comes once");
    });
    assert_eq!(seen, alive);
    for field in twin.keys().map(Vec::as_slice).chain([b"missing".as_slice()]) {
        assert_eq!(hash.get(field, &context).map(bytes), alive.get(field).map(|(value, _)| value.clone()));
        assert_eq!(hash.deadline_ms(field, &context), alive.get(field).map(|(_, deadline_ms)| *deadline_ms));
    }
    let copy = hash.copy(&world.hasher);
    copy.check(&world.hasher);
    assert_eq!((copy.len(), copy.encoding(), copy.next_deadline_ms()), (hash.len(), hash.encoding(), next_ms));
    let drawn = hash.random(&context).map(|(field, value)| (bytes(field), bytes(value)));
    assert_eq!(drawn.is_some(), !alive.is_empty());
    assert!(drawn.is_none_or(|(field, value)| alive[&field].0 == value));
    let count = alive.len() * 2 / 3;
    let mut sampled = HashSet::new();
    hash.sample(count, &context, |field, value| {
        assert_eq!(alive[&bytes(field)].0, bytes(value));
        assert!(sampled.insert(bytes(field)), "a sample has no field twice");
    });
    assert_eq!(sampled.len(), count);
    let mut drawn = 0;
    hash.draw(5, &context, |field, value| {
        assert_eq!(alive[&bytes(field)].0, bytes(value));
        drawn += 1;
    });
    assert_eq!(drawn, if alive.is_empty() { 0 } else { 5 });
    let (mut scanned, mut cursor) = (HashSet::new(), 0);
    loop {
        cursor = hash.scan(cursor, 3, world.now_ms, |field, _| {
            scanned.insert(bytes(field));
        });
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(scanned.len(), alive.len());
}

fn step(hash: &mut Hash, twin: &mut Twin, world: &mut World, random: &mut Random, fields: u64) {
    let field = match random.below(fields) {
        0 => Vec::new(),
        n if n % 5 == 0 => (n as i64 - 20).to_string().into_bytes(),
        n => format!("field:{n}").into_bytes(),
    };
    let value = match random.below(40) {
        0 => vec![b'x'; 30],
        1 => vec![b'y'; 300],
        2..12 => (random.next_u64() as i64).to_string().into_bytes(),
        _ => vec![b'v'; random.below(12) as usize],
    };
    let at_ms = world.now_ms + random.below(40) as i64;
    let alive = living(twin, world.now_ms);
    let there = alive.get(&field);
    let context = world.context();
    match random.below(20) {
        0..8 => {
            let (ttl, deadline_ms) = match random.below(6) {
                0 => (Ttl::At(at_ms), Some(at_ms)),
                1 => (Ttl::Keep, there.and_then(|(_, deadline_ms)| *deadline_ms)),
                _ => (Ttl::Clear, None),
            };
            let created = hash.set(&field, NewValue::string(&value), ttl, &context);
            assert_eq!(created, there.is_none());
            twin.insert(field, (value, deadline_ms));
        }
        8..13 => {
            assert_eq!(hash.remove(&field, &context), there.is_some());
            twin.remove(&field);
        }
        13..17 => {
            // As the commands do: only for a field that is there.
            if there.is_some() {
                let deadline_ms = (random.below(4) > 0).then_some(at_ms);
                hash.set_deadline(&field, deadline_ms, &context);
                if let Some(kept) = twin.get_mut(&field) {
                    kept.1 = deadline_ms;
                }
            }
        }
        17 => hash.prepare(random.below(4) as usize, value.len(), value.len(), &context),
        18 => {
            let budget = random.below(4) as usize;
            let due = twin.len() - alive.len();
            let mut order: Vec<i64> = twin.values().filter_map(|(_, deadline_ms)| *deadline_ms).collect();
            order.sort_unstable();
            let expired = hash.expire(world.now_ms, budget, &world.hasher, drop);
            assert_eq!(expired, due.min(budget));
            // Those of the same deadline go in any order.
            let mut kept = HashSet::new();
            hash.for_each(i64::MIN, |field, _, _| {
                kept.insert(bytes(field));
            });
            let mut gone: Vec<i64> = Vec::new();
            twin.retain(|field, (_, deadline_ms)| {
                let stays = kept.contains(field);
                gone.extend(deadline_ms.filter(|_| !stays));
                stays
            });
            gone.sort_unstable();
            assert_eq!(gone, order[..expired]);
        }
        _ => world.now_ms += random.below(12) as i64,
    }
}

#[test]
fn agrees_with_a_plain_map() {
    let mut seen = HashSet::new();
    for (seed, entries, value_bytes, fields) in
        [(1, 8, 20, 12), (2, 8, 20, 12), (3, 100, 1000, 30), (4, 0, 20, 30), (5, 20, 64, 2000)]
    {
        println!("seed {seed}");
        let mut world = World::new(seed, entries, value_bytes);
        let mut random = Random::new(seed + 100);
        for _ in 0..if fields > 1000 { 1 } else { 60 } {
            let (mut hash, mut twin) = (Hash::new(), Twin::new());
            for n in 0..if fields > 1000 { 4000 } else { 80 } {
                step(&mut hash, &mut twin, &mut world, &mut random, fields);
                if fields < 1000 || n % 50 == 0 {
                    compare(&hash, &twin, &world);
                }
                seen.insert(hash.encoding());
            }
        }
    }
    assert_eq!(seen, HashSet::from(["listpack", "listpackex", "hashtable"]));
}

#[test]
fn a_listpack_is_in_the_order_of_coming_and_of_deadlines() {
    let world = World::new(1, 100, 64);
    let context = world.context();
    let mut hash = Hash::new();
    let fields = |hash: &Hash| {
        let mut fields = Vec::new();
        hash.for_each(START_MS, |field, _, _| fields.push(String::from_utf8(bytes(field)).expect("text")));
        fields.concat()
    };
    for field in ["a", "b", "c", "d"] {
        hash.set(field.as_bytes(), NewValue::string(b"v"), Ttl::Clear, &context);
    }
    hash.set(b"b", NewValue::string(b"w"), Ttl::Clear, &context);
    assert_eq!((fields(&hash).as_str(), hash.encoding()), ("abcd", "listpack"));
    hash.set_deadline(b"c", Some(START_MS + 20), &context);
    assert_eq!((fields(&hash).as_str(), hash.encoding()), ("cabd", "listpackex"));
    hash.set_deadline(b"d", Some(START_MS + 10), &context);
    hash.set_deadline(b"a", Some(START_MS + 20), &context);
    assert_eq!(fields(&hash), "dcab");
    // Setting the value takes the deadline away, keeping it does not move the field.
    hash.set(b"c", NewValue::string(b"w"), Ttl::Clear, &context);
    assert_eq!(fields(&hash), "dabc");
    hash.set(b"a", NewValue::Int(5), Ttl::Keep, &context);
    assert_eq!(fields(&hash), "dabc");
    hash.set_deadline(b"d", None, &context);
    assert_eq!((fields(&hash).as_str(), hash.encoding()), ("abcd", "listpackex"));
}

/// What stays is returned while the table grows under the scan and shrinks again, and when the listpack has become a table.
#[test]
fn a_scan_returns_what_stays() {
    for seed in 0..6 {
        println!("seed {seed}");
        let world = World::new(seed, 128, 64);
        let context = world.context();
        let mut random = Random::new(seed);
        let mut hash = Hash::new();
        for n in 0..300 {
            hash.set(format!("stays:{n}").as_bytes(), NewValue::Int(n), Ttl::Clear, &context);
        }
        let mut seen = HashSet::new();
        let (mut cursor, mut calls) = (0, 0);
        loop {
            cursor = hash.scan(cursor, 1 + random.below(20) as usize, START_MS, |field, _| {
                seen.insert(bytes(field));
            });
            if cursor == 0 {
                break;
            }
            calls += 1;
            for n in 0..random.below(800) {
                let field = format!("passes:{}", random.below(4000));
                // Mostly coming at first, mostly going then.
                if (n + calls) % 3 == u64::from(calls < 20) {
                    hash.remove(field.as_bytes(), &context);
                } else if calls < 20 {
                    hash.set(field.as_bytes(), NewValue::Int(1), Ttl::Clear, &context);
                }
            }
        }
        assert!((0..300).all(|n| seen.contains(format!("stays:{n}").as_bytes())), "seed {seed}");
    }
}

#[test]
fn samples_are_fair() {
    let world = World::new(3, 0, 64);
    let context = world.context();
    let mut hash = Hash::new();
    for n in 0..40i64 {
        // A quarter is past its deadline.
        let ttl = if n % 4 == 0 { Ttl::At(START_MS - 1) } else { Ttl::Clear };
        hash.set(n.to_string().as_bytes(), NewValue::Int(n), ttl, &context);
    }
    for count in [1, 5, 20] {
        let mut counts: HashMap<Vec<u8>, f64> = HashMap::new();
        let rounds = 6000 / count;
        for _ in 0..rounds {
            hash.sample(count, &context, |field, _| *counts.entry(bytes(field)).or_default() += 1.0);
        }
        assert_eq!(counts.len(), 30);
        let wanted = (rounds * count) as f64 / 30.0;
        assert!(counts.values().all(|seen| (seen - wanted).abs() < 6.0 * wanted.sqrt()), "{count}: {counts:?}");
    }
}
