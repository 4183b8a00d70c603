//! Databases against plain maps, on a virtual clock.

mod fields;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::db::STALE_MAX;
use super::{Changed, Context, Db, Event, Hash, Keyspace, NewValue, Ttl, Value};
use crate::base::hash::KeyHasher;
use crate::base::random::Random;

const START_MS: i64 = 1_700_000_000_000;
const DATABASES: usize = 3;

type TwinDb = HashMap<Vec<u8>, (Vec<u8>, Option<i64>)>;

fn keyspace(seed: u64) -> Keyspace {
    Keyspace::new(DATABASES, Random::new(seed), START_MS)
}

/// The bytes of every entry, whether or not it is past its deadline, with its deadline.
fn contents(db: &Db) -> TwinDb {
    db.table
        .iter()
        .map(|entry| {
            let bytes = match Value::copy_of(entry.value(), &KeyHasher::new(1, 2)) {
                Value::Int(int) => int.to_string().into_bytes(),
                Value::Short(bytes) => bytes.to_vec(),
                Value::Raw(bytes) => bytes.to_vec(),
                Value::Object(_) => unreachable!("no object was put in"),
            };
            (entry.key().to_vec(), (bytes, entry.deadline_ms()))
        })
        .collect()
}

struct Model {
    keyspace: Keyspace,
    twin: Vec<TwinDb>,
    now_ms: i64,
    random: Random,
    expired: u64,
}

impl Model {
    fn new(seed: u64) -> Model {
        println!("seed {seed}");
        Model {
            keyspace: keyspace(seed),
            twin: vec![TwinDb::new(); DATABASES],
            now_ms: START_MS,
            random: Random::new(seed ^ 0xfeed),
            expired: 0,
        }
    }

    fn some_key(&mut self) -> Vec<u8> {
        let n = self.random.below(60);
        if n == 0 { vec![b'L'; 70_000] } else { format!("key:{n}").into_bytes() }
    }

    fn some_value(&mut self) -> Vec<u8> {
        match self.random.below(3) {
            0 => self.random.below(1_000_000).to_string().into_bytes(),
            1 => vec![b's'; self.random.below(256) as usize],
            _ => vec![b'r'; 256 + self.random.below(1000) as usize],
        }
    }

    fn some_deadline(&mut self) -> i64 {
        let within = [1, 5, 300, 70_000, 1 << 24, 1 << 35][self.random.below(6) as usize];
        // Some have passed already.
        self.now_ms - self.random.below(3) as i64 + self.random.below(within) as i64
    }

    /// The loop: wakes when the keyspace asks for it, until `until_ms`.
    fn let_time_pass(&mut self, until_ms: i64) {
        loop {
            let next_ms = self.keyspace.next_expiry_ms().map_or(i64::MAX, |ms| ms as i64);
            self.now_ms = next_ms.clamp(self.now_ms, until_ms);
            self.keyspace.set_now_ms(self.now_ms);
            let budget = 1 + self.random.below(20) as usize;
            while self.keyspace.expire_slice(budget) == 0 {}
            for db in &mut self.twin {
                let before = db.len();
                db.retain(|_, (_, deadline_ms)| deadline_ms.is_none_or(|deadline_ms| deadline_ms >= self.now_ms));
                self.expired += (before - db.len()) as u64;
            }
            self.compare();
            if self.now_ms == until_ms {
                return;
            }
        }
    }

    /// Nothing is past its deadline now: what is there must be what the twin has, no less and no more.
    fn compare(&self) {
        for (index, twin) in self.twin.iter().enumerate() {
            let db = self.keyspace.db(index);
            assert_eq!(db.len(), twin.len(), "keys in database {index} at {}", self.now_ms);
            let deadlines: Vec<i64> = twin.values().filter_map(|(_, deadline_ms)| *deadline_ms).collect();
            assert_eq!(db.volatile_len(), deadlines.len());
            let sum: i128 = deadlines.iter().map(|&deadline_ms| i128::from(deadline_ms)).sum();
            let mean = sum.checked_div(deadlines.len() as i128).map_or(0, |mean| mean - i128::from(self.now_ms));
            assert_eq!(i128::from(db.ttl_mean_ms(self.now_ms)), mean.max(0));
            if let Some(&earliest_ms) = deadlines.iter().min() {
                let next_ms = self.keyspace.next_expiry_ms().expect("a key has a deadline") as i64;
                assert!(next_ms <= earliest_ms + 1, "woken at {next_ms} for {earliest_ms}");
            }
        }
    }

    fn alive(&self, db: usize, key: &[u8]) -> bool {
        self.twin[db].get(key).is_some_and(|(_, deadline_ms)| deadline_ms.is_none_or(|ms| ms >= self.now_ms))
    }

    fn step(&mut self) {
        let db = self.random.below(DATABASES as u64) as usize;
        let (name, other) = (self.some_key(), self.some_key());
        let now_ms = self.now_ms;
        let alive = self.alive(db, &name);
        let dirty = self.keyspace.dirty;
        let mut changes = 1;
        match self.random.below(24) {
            0..=5 => {
                let value = self.some_value();
                let (ttl, deadline_ms) = match self.random.below(3) {
                    0 => (Ttl::Clear, None),
                    1 => (Ttl::Keep, alive.then(|| self.twin[db][&name].1).flatten()),
                    _ => {
                        let at_ms = self.some_deadline();
                        (Ttl::At(at_ms), Some(at_ms))
                    }
                };
                let mut writer = self.keyspace.writer(db);
                let key = writer.key(&name);
                writer.set(key, NewValue::string(&value), ttl);
                self.twin[db].insert(name, (value, deadline_ms));
            }
            6..=9 => {
                let deadline_ms = (self.random.below(4) > 0).then(|| self.some_deadline());
                let mut writer = self.keyspace.writer(db);
                let key = writer.key(&name);
                let changed = writer.set_deadline(key, deadline_ms);
                assert_eq!(changed, alive && (deadline_ms.is_some() || self.twin[db][&name].1.is_some()));
                if alive && let Some(entry) = self.twin[db].get_mut(&name) {
                    entry.1 = deadline_ms;
                }
                changes = u64::from(changed);
            }
            10..=11 => {
                let mut writer = self.keyspace.writer(db);
                let key = writer.key(&name);
                assert_eq!(writer.delete(key), alive);
                self.twin[db].remove(&name);
                changes = u64::from(alive);
            }
            12 => {
                let mut writer = self.keyspace.writer(db);
                let key = writer.key(&name);
                writer.change_string(key, |bytes| bytes.extend_from_slice(b"more")).expect("all are strings");
                let kept = if alive { self.twin[db].remove(&name) } else { None };
                let (mut bytes, deadline_ms) = kept.unwrap_or_default();
                bytes.extend_from_slice(b"more");
                self.twin[db].insert(name, (bytes, deadline_ms));
            }
            13 => {
                let mut writer = self.keyspace.writer(db);
                let key = writer.key(&name);
                let seen = writer.change_int(key, |value| if value.is_some() == alive { Ok(42) } else { Err(()) });
                assert_eq!(seen, Ok(42));
                let deadline_ms = if alive { self.twin[db][&name].1 } else { None };
                self.twin[db].insert(name, (b"42".to_vec(), deadline_ms));
            }
            14..=15 => {
                let mut writer = self.keyspace.writer(db);
                let (from, to) = (writer.key(&name), writer.key(&other));
                assert_eq!(writer.rename(from, to), alive);
                if alive && let Some(moved) = self.twin[db].remove(&name) {
                    self.twin[db].insert(other, moved);
                }
                changes = u64::from(alive);
            }
            16..=17 => {
                let to = (db + 1) % DATABASES;
                let mut writer = self.keyspace.writer(db);
                let key = writer.key(&name);
                assert_eq!(writer.move_to(key, to), alive);
                if alive && let Some(moved) = self.twin[db].remove(&name) {
                    self.twin[to].insert(name, moved);
                }
                changes = u64::from(alive);
            }
            18..=19 => {
                let to = self.random.below(DATABASES as u64) as usize;
                let mut writer = self.keyspace.writer(db);
                let (from, to_key) = (writer.key(&name), writer.key(&other));
                assert_eq!(writer.copy_to(from, to, to_key), alive);
                if alive {
                    let copy = self.twin[db][&name].clone();
                    self.twin[to].insert(other, copy);
                }
                changes = u64::from(alive);
            }
            20 => {
                let with = self.random.below(DATABASES as u64) as usize;
                self.keyspace.writer(db).swap(db, with);
                self.twin.swap(db, with);
            }
            21 if self.random.below(20) == 0 => {
                let there = self.keyspace.db(db).len();
                assert_eq!(self.keyspace.writer(db).flush(db), there);
                self.twin[db].clear();
                changes = there as u64;
            }
            _ => {
                self.read(db, &name);
                changes = 0;
            }
        }
        assert_eq!(self.keyspace.dirty - dirty, changes, "every change counts once");
        assert_eq!(self.now_ms, now_ms);
    }

    fn read(&mut self, db: usize, name: &[u8]) {
        let alive = self.alive(db, name);
        let expected = alive.then(|| self.twin[db][name].0.clone());
        let hits_before = (self.keyspace.stats.hits.get(), self.keyspace.stats.misses.get());
        {
            let view = self.keyspace.view(db);
            let key = view.key(name);
            assert_eq!(view.peek(key).is_some(), alive);
            assert_eq!(view.string(key).expect("all are strings").map(|mut bytes| bytes.as_bytes().to_vec()), expected);
            let living = self.twin[db].values().filter(|(_, ms)| ms.is_none_or(|ms| ms >= self.now_ms)).count();
            assert_eq!(view.iter().count(), living);
            let random = view.random().map(|entry| entry.key().to_vec());
            assert_eq!(random.is_some(), living > 0);
            assert!(random.is_none_or(|key| self.alive(db, &key)));
            let mut scanned = HashSet::new();
            let mut cursor = 0;
            loop {
                cursor = view.scan(cursor, 7, |entry| assert!(scanned.insert(entry.key().to_vec())));
                if cursor == 0 {
                    break;
                }
            }
            assert_eq!(scanned.len(), living);
        }
        let hits = (self.keyspace.stats.hits.get(), self.keyspace.stats.misses.get());
        assert_eq!(hits, (hits_before.0 + u64::from(alive), hits_before.1 + u64::from(!alive)));
        // What readers found expired goes at the end of the turn.
        self.keyspace.reap_seen();
        assert_eq!(self.keyspace.db(db).len(), self.keyspace.view(db).iter().count());
    }
}

#[test]
fn agrees_with_plain_maps() {
    let mut expired = 0;
    for seed in 0..12 {
        let mut model = Model::new(seed);
        for step in 0..2500 {
            model.step();
            if step % 8 == 0 {
                let until_ms = model.now_ms
                    + match model.random.below(20) {
                        0..=9 => model.random.below(3),
                        10..=16 => model.random.below(400),
                        17..=18 => model.random.below(100_000),
                        _ => model.random.below(1 << 25),
                    } as i64;
                model.let_time_pass(until_ms);
                for (db, twin) in model.twin.iter().enumerate() {
                    assert_eq!(&contents(model.keyspace.db(db)), twin, "seed {seed}, step {step}");
                }
            }
        }
        expired += model.expired;
        // Ten thousand years: everything with a deadline goes.
        model.let_time_pass(START_MS + (1 << 40));
        assert!((0..DATABASES).all(|db| model.keyspace.db(db).volatile_len() == 0));
    }
    assert!(expired > 1000, "{expired} keys expired");
}

/// Keys of long life come and go, over and over, beside some whose lives end in the meantime.
#[test]
fn stale_records_are_swept_and_delay_nothing() {
    let mut keyspace = keyspace(1);
    let day_ms = 24 * 3600 * 1000;
    let mut now_ms = START_MS;
    let mut alive: HashMap<Vec<u8>, i64> = HashMap::new();
    let (mut longest, mut sweeps, mut sweeping) = (0, 0, false);
    let mut n = 0;
    while n < 400_000 {
        let mut writer = keyspace.writer(0);
        for _ in 0..200 {
            let name = format!("long:{}", n % 1000);
            let key = writer.key(name.as_bytes());
            match n % 3 {
                0 => drop(writer.delete(key)),
                // Shorter and longer in turns: each time the shorter one is filed anew.
                1 => drop(writer.set_deadline(key, Some(now_ms + day_ms / 2))),
                _ => {}
            }
            writer.set(key, NewValue::Int(1), Ttl::At(now_ms + day_ms));
            n += 1;
        }
        for short in 0..3 {
            let name = format!("short:{n}:{short}").into_bytes();
            let deadline_ms = now_ms + [1, 50, 400][short];
            let key = writer.key(&name);
            writer.set(key, NewValue::Int(2), Ttl::At(now_ms + day_ms));
            writer.set_deadline(key, Some(deadline_ms));
            if short == 2 {
                // Filed at 50 ms, and again when that has come.
                writer.set_deadline(key, Some(now_ms + 50));
                writer.set_deadline(key, Some(deadline_ms));
            }
            alive.insert(name, deadline_ms);
        }
        now_ms += 1;
        keyspace.set_now_ms(now_ms);
        while keyspace.expire_slice(512) == 0 {}
        alive.retain(|_, deadline_ms| *deadline_ms >= now_ms);
        let db = keyspace.db(0);
        assert_eq!(db.len(), alive.len() + 1000.min(n), "after {n} creations");
        longest = longest.max(db.wheel.len());
        sweeps += usize::from(db.wheel.is_sweeping() && !sweeping);
        sweeping = db.wheel.is_sweeping();
    }
    assert!(sweeps >= 3, "{sweeps} sweeps");
    let bound = 2 * STALE_MAX;
    assert!(longest < bound, "{longest} records in the wheel");
    // None of the long ones was lost by a sweep.
    now_ms += day_ms + 1;
    keyspace.set_now_ms(now_ms);
    while keyspace.expire_slice(10_000) == 0 {}
    assert_eq!(keyspace.db(0).len(), 0);
}

/// A sweep must not take a key's only record for a second one, however many sweeps it was filed through.
#[test]
fn records_filed_again_outlive_every_sweep() {
    for gap in 0..6 {
        let mut keyspace = keyspace(2);
        let mut now_ms = START_MS;
        let mut writer = keyspace.writer(0);
        for n in 0..100 {
            let name = format!("key:{n}");
            let key = writer.key(name.as_bytes());
            writer.set(key, NewValue::Int(n), Ttl::At(START_MS + 10));
            // Extended: the record at 10 ms is filed again when it comes up.
            writer.set_deadline(key, Some(START_MS + 100_000));
        }
        for sweep in 0..6 {
            if sweep == gap {
                now_ms += 20;
                keyspace.set_now_ms(now_ms);
                // In the middle of a sweep.
                keyspace.expire_slice(50);
            }
            let db = &mut keyspace.dbs[0];
            db.sweep_parity = !db.sweep_parity;
            db.wheel.begin_sweep();
            while keyspace.dbs[0].wheel.is_sweeping() {
                keyspace.expire_slice(30);
            }
            assert_eq!(keyspace.db(0).wheel.len(), 100, "gap {gap}, sweep {sweep}");
        }
        keyspace.set_now_ms(START_MS + 100_001);
        while keyspace.expire_slice(10) == 0 {}
        assert_eq!(keyspace.db(0).len(), 0, "gap {gap}");
    }
}

#[test]
fn keys_go_in_time_after_the_clock_was_set_back() {
    let mut keyspace = keyspace(2);
    let mut writer = keyspace.writer(0);
    let old = writer.key(b"old");
    writer.set(old, NewValue::Int(1), Ttl::At(START_MS + 1000));
    let hour_ms = 3_600_000;
    keyspace.set_now_ms(START_MS - hour_ms);
    while keyspace.expire_slice(10) == 0 {}
    let mut writer = keyspace.writer(0);
    let new = writer.key(b"new");
    writer.set(new, NewValue::Int(1), Ttl::At(START_MS - hour_ms + 1000));
    let next_ms = keyspace.next_expiry_ms().unwrap_or(0) as i64 - (START_MS - hour_ms);
    assert!((1..=1001).contains(&next_ms), "in {next_ms} ms");
    let mut expire_at = |now_ms| {
        keyspace.set_now_ms(now_ms);
        while keyspace.expire_slice(10) == 0 {}
        keyspace.db(0).len()
    };
    assert_eq!(expire_at(START_MS - hour_ms + 1000), 2);
    assert_eq!(expire_at(START_MS - hour_ms + 1001), 1, "the one that was set since");
    assert_eq!(expire_at(START_MS + 1000), 1);
    assert_eq!(expire_at(START_MS + 1001), 0);
}

#[test]
fn nothing_expires_by_itself_when_that_is_switched_off() {
    let mut keyspace = keyspace(3);
    let mut writer = keyspace.writer(0);
    for n in 0..10 {
        let name = format!("key:{n}");
        let key = writer.key(name.as_bytes());
        writer.set(key, NewValue::Int(n), Ttl::At(START_MS + n));
    }
    keyspace.active_expire = false;
    keyspace.set_now_ms(START_MS + 1000);
    assert_eq!((keyspace.expire_slice(100), keyspace.next_expiry_ms()), (100, None));
    assert_eq!(keyspace.db(0).len(), 10);
    // A reader finds it gone, and with that it goes.
    let key = keyspace.view(0).key(b"key:3");
    assert!(keyspace.view(0).find(key).is_none());
    keyspace.reap_seen();
    assert_eq!((keyspace.db(0).len(), keyspace.stats.expired_keys), (9, 1));
    keyspace.active_expire = true;
    assert!(keyspace.next_expiry_ms().is_some_and(|ms| ms <= START_MS as u64 + 1000));
    assert!(keyspace.expire_slice(100) > 0);
    assert_eq!((keyspace.db(0).len(), keyspace.stats.expired_keys), (0, 10));
    assert_eq!(keyspace.stats.expire_lags.max_ms(), 999);
}

#[test]
fn deadlines_at_the_ends_of_time() {
    let mut keyspace = keyspace(4);
    let mut writer = keyspace.writer(0);
    for (name, deadline_ms) in [("never", i64::MAX), ("now", START_MS), ("gone", START_MS - 1), ("long ago", -5)] {
        let key = writer.key(name.as_bytes());
        writer.set(key, NewValue::Int(1), Ttl::At(deadline_ms));
    }
    let exists = |keyspace: &mut Keyspace, name: &str| {
        let mut writer = keyspace.writer(0);
        let key = writer.key(name.as_bytes());
        writer.exists(key)
    };
    assert!(exists(&mut keyspace, "never") && exists(&mut keyspace, "now"));
    assert!(!exists(&mut keyspace, "gone") && !exists(&mut keyspace, "long ago"));
    keyspace.expire_slice(100);
    assert_eq!(keyspace.db(0).len(), 2);
    assert_eq!(keyspace.next_expiry_ms(), Some(START_MS as u64 + 1));
    keyspace.set_now_ms(START_MS + 1);
    keyspace.expire_slice(100);
    assert_eq!(keyspace.db(0).len(), 1, "a key lives through the millisecond of its deadline, and no longer");
    assert!(keyspace.db(0).ttl_mean_ms(START_MS) > i64::MAX / 2);
    keyspace.set_now_ms(i64::MAX / 2);
    for _ in 0..10 {
        keyspace.expire_slice(100);
    }
    assert!(exists(&mut keyspace, "never"));
}

#[test]
fn a_random_key_is_fair() {
    let mut keyspace = keyspace(5);
    let mut writer = keyspace.writer(0);
    for n in 0..1000i64 {
        let name = format!("key:{n}");
        let key = writer.key(name.as_bytes());
        // Every second one is past its deadline and not yet removed.
        writer.set(key, NewValue::Int(n), if n % 2 == 0 { Ttl::Clear } else { Ttl::At(START_MS - 1) });
    }
    let view = keyspace.view(0);
    let mut counts: HashMap<&[u8], f64> = HashMap::new();
    for _ in 0..500 * 50 {
        *counts.entry(view.random().expect("500 keys").key()).or_default() += 1.0;
    }
    assert_eq!(counts.len(), 500);
    let chi_square: f64 = counts.values().map(|count| (count - 50.0).powi(2) / 50.0).sum();
    // Five standard deviations around 499 degrees of freedom.
    assert!((chi_square - 499.0).abs() < 5.0 * (2.0f64 * 499.0).sqrt(), "chi-square {chi_square}");
}

#[test]
fn keys_that_stay_are_scanned_while_others_come_and_expire() {
    for seed in 0..10 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let mut keyspace = keyspace(seed);
        let mut now_ms = START_MS;
        let mut writer = keyspace.writer(1);
        for n in 0..300 {
            let name = format!("stays:{n}");
            let key = writer.key(name.as_bytes());
            writer.set(key, NewValue::Int(n), Ttl::Clear);
        }
        let mut seen = HashSet::new();
        let (mut cursor, mut n) = (0, 0);
        loop {
            let view = keyspace.view(1);
            cursor = view.scan(cursor, 1 + random.below(20) as usize, |entry| {
                assert!(!view.is_expired(entry));
                seen.insert(entry.key().to_vec());
            });
            if cursor == 0 {
                break;
            }
            keyspace.reap_seen();
            let mut writer = keyspace.writer(1);
            // Many at first, none in the end: the table grows and shrinks under the scan.
            for _ in 0..if seen.len() < 150 { random.below(1000) } else { 0 } {
                n += 1;
                let name = format!("passes:{n}");
                let key = writer.key(name.as_bytes());
                writer.set(key, NewValue::Int(n), Ttl::At(now_ms + random.below(30) as i64));
            }
            now_ms += 1;
            keyspace.set_now_ms(now_ms);
            while keyspace.expire_slice(512) == 0 {}
        }
        let missed = (0..300).filter(|n| !seen.contains(format!("stays:{n}").as_bytes())).count();
        assert_eq!(missed, 0, "seed {seed}: of 300 keys, after {n} others");
    }
}

#[test]
fn what_is_large_is_freed_elsewhere() {
    let mut keyspace = keyspace(6);
    let mut writer = keyspace.writer(0);
    let large = Arc::new(vec![b'x'; 1 << 20]);
    let weak = Arc::downgrade(&large);
    let key = writer.key(b"large");
    writer.set(key, NewValue::Raw(large), Ttl::Clear);
    writer.delete(key);
    assert_eq!(keyspace.reclaimer().pending_objects(), 1);
    assert_eq!(weak.strong_count(), 1, "the turn's commands don't wait for it");
    for n in 0..100 {
        let mut writer = keyspace.writer(0);
        let name = format!("key:{n}");
        let key = writer.key(name.as_bytes());
        writer.set(key, NewValue::Int(n), Ttl::Clear);
    }
    keyspace.writer(0).flush(0);
    assert_eq!((keyspace.db(0).len(), keyspace.reclaimer().pending_objects()), (0, 101));
    keyspace.flush_garbage();
    // The other thread does what it has been given, in its own time.
    while keyspace.reclaimer().pending_objects() > 0 {
        std::thread::yield_now();
    }
    assert_eq!(weak.strong_count(), 0);
    while keyspace.reclaimer().freed_objects() < 101 {
        std::thread::yield_now();
    }
}

/// Also a field of a hash that is overwritten or removed.
#[test]
fn large_fields_are_freed_elsewhere() {
    let mut keyspace = keyspace(7);
    let (first, second) = (Arc::new(vec![b'x'; 1 << 20]), Arc::new(vec![b'y'; 1 << 20]));
    let weak = [Arc::downgrade(&first), Arc::downgrade(&second)];
    let mut values = [Some(NewValue::Raw(first)), Some(NewValue::Raw(second)), None].into_iter();
    for round in 0..3 {
        let mut writer = keyspace.writer(0);
        let value = values.next().flatten();
        let change = |hash: &mut Hash, context: &Context<'_>| {
            match value {
                Some(value) => drop(hash.set(b"field", value, Ttl::Clear, context)),
                None => assert!(hash.remove(b"field", context)),
            }
            Changed((), 1)
        };
        let key = writer.key(b"hash");
        writer.change_or_make(key, Event::hash("hset"), |_| Hash::new(), change).expect("a hash");
        assert!(weak.iter().take(round + 1).all(|weak| weak.strong_count() == 1), "the command frees nothing large");
    }
    assert_eq!(keyspace.db(0).len(), 0);
    keyspace.flush_garbage();
    while weak.iter().any(|weak| weak.strong_count() > 0) {
        std::thread::yield_now();
    }
    while keyspace.reclaimer().freed_objects() < 2 {
        std::thread::yield_now();
    }
}
