//! Deadlines of fields and of keys together, against plain maps, on a virtual clock.

use std::collections::HashMap;

use super::{START_MS, keyspace};
use crate::base::random::Random;
use crate::keyspace::event::EventClass;
use crate::keyspace::{Changed, Context, Event, Hash, Key, Keyspace, NewValue, PackMax, Ttl, Typed};

const DATABASES: usize = 3;
const CHANGED: Event = Event::hash("changed");

/// Fields with deadlines, and that of the key.
#[derive(Clone, Default)]
struct TwinHash {
    fields: HashMap<u64, Option<i64>>,
    deadline_ms: Option<i64>,
}

type TwinDb = HashMap<Vec<u8>, TwinHash>;

fn is_past(deadline_ms: Option<i64>, now_ms: i64) -> bool {
    deadline_ms.is_some_and(|deadline_ms| deadline_ms < now_ms)
}

struct Model {
    keyspace: Keyspace,
    twin: Vec<TwinDb>,
    now_ms: i64,
    random: Random,
    fields_expired: u64,
    /// Fields due at the same time as their key: either may go first.
    due_with_key: u64,
}

impl Model {
    fn new(seed: u64, entries: usize) -> Model {
        println!("seed {seed}");
        let mut keyspace = keyspace(seed);
        keyspace.settings.hash_max_listpack = PackMax { entries, value_bytes: 64 };
        let random = Random::new(seed ^ 0xbeef);
        let twin = vec![TwinDb::new(); DATABASES];
        Model { keyspace, twin, now_ms: START_MS, random, fields_expired: 0, due_with_key: 0 }
    }

    fn some_deadline(&mut self) -> i64 {
        let within = [1, 5, 300, 70_000, 1 << 24][self.random.below(5) as usize];
        self.now_ms + self.random.below(within) as i64
    }

    /// What the clock does to the twin. In one turn all that is due goes, whatever is due to the hash or to the key.
    fn pass(&mut self) {
        let now_ms = self.now_ms;
        for db in &mut self.twin {
            let due_in = |hash: &TwinHash| hash.fields.values().filter(|field| is_past(**field, now_ms)).count() as u64;
            let due_keys = db.values().filter(|hash| is_past(hash.deadline_ms, now_ms));
            self.due_with_key += due_keys.map(due_in).sum::<u64>();
            db.retain(|_, hash| !is_past(hash.deadline_ms, now_ms));
            for hash in db.values_mut() {
                let before = hash.fields.len();
                hash.fields.retain(|_, deadline_ms| !is_past(*deadline_ms, now_ms));
                self.fields_expired += (before - hash.fields.len()) as u64;
            }
            db.retain(|_, hash| !hash.fields.is_empty());
        }
    }

    fn let_time_pass(&mut self, until_ms: i64) {
        loop {
            let next_ms = self.keyspace.next_expiry_ms().map_or(i64::MAX, |ms| ms as i64);
            self.now_ms = next_ms.clamp(self.now_ms, until_ms);
            self.keyspace.set_now_ms(self.now_ms);
            let budget = 1 + self.random.below(20) as usize;
            while self.keyspace.expire_slice(budget) == 0 {}
            self.pass();
            self.compare();
            if self.now_ms == until_ms {
                return;
            }
        }
    }

    fn compare(&self) {
        for (index, twin) in self.twin.iter().enumerate() {
            let db = self.keyspace.db(index);
            assert_eq!(db.len(), twin.len(), "keys in database {index} at {}", self.now_ms);
            let firsts = || twin.values().filter_map(|hash| hash.fields.values().filter_map(|field| *field).min());
            assert_eq!(db.timed_hashes(), firsts().count());
            assert_eq!(db.volatile_len(), twin.values().filter(|hash| hash.deadline_ms.is_some()).count());
            let view = self.keyspace.view(index);
            for (name, twin) in twin {
                let hash = view.object::<Hash>(view.key(name)).expect("all are hashes").expect("it is there");
                assert_eq!(hash.len(), twin.fields.len());
                for (field, deadline_ms) in &twin.fields {
                    let field = field.to_string();
                    assert_eq!(hash.deadline_ms(field.as_bytes(), &view.context()), Some(*deadline_ms));
                }
            }
            let keys = twin.values().filter_map(|hash| hash.deadline_ms);
            if let Some(earliest_ms) = firsts().chain(keys).min() {
                let next_ms = self.keyspace.next_expiry_ms().expect("something has a deadline") as i64;
                assert!(next_ms <= earliest_ms + 1, "woken at {next_ms} for {earliest_ms}");
            }
        }
    }

    fn step(&mut self) {
        let db = self.random.below(DATABASES as u64) as usize;
        let name = format!("key:{}", self.random.below(8)).into_bytes();
        let other = format!("key:{}", self.random.below(8)).into_bytes();
        let field = self.random.below(30);
        let deadline_ms = (self.random.below(4) > 0).then(|| self.some_deadline());
        let target = self.random.below(DATABASES as u64) as usize;
        let there = self.twin[db].contains_key(&name);
        let mut writer = self.keyspace.writer(db);
        let (key, other_key) = (writer.key(&name), writer.key(&other));
        let text = field.to_string();
        match self.random.below(20) {
            0..8 => {
                let ttl = deadline_ms.map_or(Ttl::Clear, Ttl::At);
                let set = |hash: &mut Hash, context: &Context<'_>| {
                    Changed(hash.set(text.as_bytes(), NewValue::Int(1), ttl, context), 1)
                };
                let created = writer.change_or_make(key, CHANGED, |_| Hash::new(), set).expect("all are hashes");
                let twin = self.twin[db].entry(name).or_default();
                assert_eq!(created, twin.fields.insert(field, deadline_ms).is_none());
            }
            8..10 => {
                let remove = |hash: &mut Hash, context: &Context<'_>| {
                    let removed = hash.remove(text.as_bytes(), context);
                    Changed(removed, usize::from(removed))
                };
                let removed = writer.change(key, CHANGED, remove).expect("all are hashes");
                let twin = self.twin[db].get_mut(&name);
                assert_eq!(removed.unwrap_or(false), twin.is_some_and(|hash| hash.fields.remove(&field).is_some()));
                self.twin[db].retain(|_, hash| !hash.fields.is_empty());
            }
            10..13 => {
                let set = |hash: &mut Hash, context: &Context<'_>| {
                    hash.set_deadline(text.as_bytes(), deadline_ms, context);
                    Changed((), 1)
                };
                if self.twin[db].get(&name).is_some_and(|hash| hash.fields.contains_key(&field)) {
                    writer.change(key, CHANGED, set).expect("all are hashes");
                    self.twin[db].get_mut(&name).expect("it is there").fields.insert(field, deadline_ms);
                }
            }
            13 => {
                writer.set_deadline(key, deadline_ms);
                if let Some(hash) = self.twin[db].get_mut(&name) {
                    hash.deadline_ms = deadline_ms;
                }
            }
            14 => {
                assert_eq!(writer.rename(key, other_key), there);
                if let Some(hash) = self.twin[db].remove(&name) {
                    self.twin[db].insert(other, hash);
                }
            }
            15 => {
                assert_eq!(writer.copy_to(key, target, other_key), there);
                if let Some(hash) = self.twin[db].get(&name).cloned() {
                    self.twin[target].insert(other, hash);
                }
            }
            16 => {
                assert_eq!(writer.delete(key), there);
                self.twin[db].remove(&name);
            }
            17 => {
                writer.swap(db, target);
                self.twin.swap(db, target);
            }
            18 => {
                // A value over the hash, and a hash over the value.
                writer.set(key, NewValue::Int(1), if there { Ttl::Keep } else { Ttl::Clear });
                let mut hash = Hash::new();
                hash.set(text.as_bytes(), NewValue::Int(2), deadline_ms.map_or(Ttl::Clear, Ttl::At), &writer.context());
                writer.put(key, hash, CHANGED);
                let fields = HashMap::from([(field, deadline_ms)]);
                self.twin[db].insert(name, TwinHash { fields, deadline_ms: None });
            }
            _ if self.random.below(20) == 0 => {
                self.keyspace.writer(db).flush(db);
                self.twin[db].clear();
            }
            _ => {}
        }
    }
}

#[test]
fn agrees_with_plain_maps() {
    let mut expired = 0;
    for seed in 0..10 {
        let mut model = Model::new(seed, if seed % 2 == 0 { 10 } else { 0 });
        for step in 0..1500 {
            model.step();
            if step % 6 == 0 {
                let until_ms = model.now_ms
                    + match model.random.below(20) {
                        0..=9 => model.random.below(3),
                        10..=17 => model.random.below(400),
                        _ => model.random.below(100_000),
                    } as i64;
                model.let_time_pass(until_ms);
            }
        }
        model.let_time_pass(START_MS + (1 << 40));
        assert!((0..DATABASES).all(|db| model.keyspace.db(db).timed_hashes() == 0));
        let counted = model.keyspace.stats.expired_subkeys;
        assert!((model.fields_expired..=model.fields_expired + model.due_with_key).contains(&counted));
        expired += model.fields_expired;
    }
    assert!(expired > 1000, "{expired} fields expired");
}

fn make_hash(keyspace: &mut Keyspace, name: &[u8], fields: usize, deadline_of: impl Fn(usize) -> Option<i64>) {
    let mut writer = keyspace.writer(0);
    let key = writer.key(name);
    let set = |hash: &mut Hash, context: &Context<'_>| {
        for n in 0..fields {
            let ttl = deadline_of(n).map_or(Ttl::Clear, Ttl::At);
            hash.set(format!("field:{n}").as_bytes(), NewValue::Int(n as i64), ttl, context);
        }
        Changed((), fields)
    };
    writer.change_or_make(key, CHANGED, |_| Hash::new(), set).expect("a hash");
}

fn len(keyspace: &Keyspace, name: &[u8]) -> usize {
    let view = keyspace.view(0);
    view.object::<Hash>(view.key(name)).expect("a hash").map_or(0, Hash::len)
}

/// All due at once: each slice removes so many fields and no more, and nobody sees those that are left.
#[test]
fn a_slice_removes_no_more_than_its_budget() {
    let mut keyspace = keyspace(1);
    keyspace.settings.notify = EventClass::all();
    make_hash(&mut keyspace, b"hash", 20_000, |n| (n > 0).then_some(START_MS + 10));
    make_hash(&mut keyspace, b"later", 3, |_| Some(START_MS + 11));
    keyspace.observers.take_notifications();
    assert_eq!(keyspace.next_expiry_ms(), Some(START_MS as u64 + 11));
    keyspace.set_now_ms(START_MS + 11);
    let mut slices = 0;
    let mut before = len(&keyspace, b"hash");
    while keyspace.expire_slice(512) == 0 {
        slices += 1;
        let after = len(&keyspace, b"hash");
        assert!((1..=512).contains(&(before - after)), "{before} {after}");
        before = after;
        let view = keyspace.view(0);
        let hash = view.object::<Hash>(view.key(b"hash")).expect("a hash").expect("it is there");
        assert_eq!(hash.living_len(view.now_ms()), 1);
    }
    assert!(slices >= 39, "{slices} slices");
    assert_eq!((len(&keyspace, b"hash"), len(&keyspace, b"later")), (1, 3));
    assert_eq!(keyspace.stats.expired_subkeys, 19_999);
    assert!(
        keyspace
            .observers
            .take_notifications()
            .iter()
            .all(|told| told.event.name == "hexpired" && *told.key == *b"hash")
    );
    keyspace.observers.take_notifications();
    keyspace.set_now_ms(START_MS + 12);
    assert!(keyspace.expire_slice(512) > 0);
    assert_eq!((keyspace.db(0).len(), keyspace.next_expiry_ms()), (1, None));
    let told: Vec<&str> = keyspace.observers.take_notifications().iter().map(|told| told.event.name).collect();
    assert_eq!(told, ["hexpired", "del"], "a hash goes with its last field");
}

/// Ever earlier deadlines leave nothing behind that would have to be looked at again.
#[test]
fn earlier_and_earlier_deadlines_cost_one_record() {
    let mut keyspace = keyspace(2);
    make_hash(&mut keyspace, b"hash", 5000, |n| Some(START_MS + 10_000 - n as i64));
    let db = keyspace.db(0);
    assert_eq!((db.timed_hashes(), db.field_deadlines.len(), db.wheel.len()), (1, 1, 0));
    // Each at its millisecond.
    for now_ms in START_MS + 5002..=START_MS + 10_001 {
        assert_eq!(keyspace.next_expiry_ms(), Some(now_ms as u64));
        keyspace.set_now_ms(now_ms);
        assert!(keyspace.expire_slice(10) > 0);
    }
    assert_eq!(keyspace.db(0).len(), 0);
}

#[test]
fn fields_stay_while_active_expiry_is_off_and_nobody_sees_them() {
    for entries in [0, 100] {
        let mut keyspace = keyspace(3);
        keyspace.settings.hash_max_listpack = PackMax { entries, value_bytes: 64 };
        keyspace.active_expire = false;
        make_hash(&mut keyspace, b"hash", 10, |n| (n < 9).then_some(START_MS + n as i64));
        keyspace.set_now_ms(START_MS + 5);
        assert_eq!((keyspace.expire_slice(100), keyspace.next_expiry_ms()), (100, None));
        assert_eq!(len(&keyspace, b"hash"), 10);
        let mut writer = keyspace.writer(0);
        let key: Key<'_> = writer.key(b"hash");
        let hash = writer.object::<Hash>(key).expect("a hash").expect("it is there");
        assert_eq!(hash.living_len(START_MS + 5), 5);
        let set = |hash: &mut Hash, context: &Context<'_>| {
            let created = [&b"field:0"[..], b"field:5"].map(|field| {
                let created = hash.set(field, NewValue::Int(1), Ttl::Keep, context);
                (created, hash.deadline_ms(field, context))
            });
            Changed(created, 2)
        };
        let created = writer.change(key, CHANGED, set).expect("a hash").expect("it is there");
        assert_eq!(created, [(true, Some(None)), (false, Some(Some(START_MS + 5)))]);
    }
}

/// A command that meets one of very many fields past their deadlines takes that one along, and leaves the others to the slices.
#[test]
fn only_the_named_fields_are_removed_before_a_change() {
    const FIELDS: usize = 5000;
    for entries in [2 * FIELDS, 0] {
        let mut keyspace = keyspace(11);
        keyspace.settings.hash_max_listpack = PackMax { entries, value_bytes: 64 };
        keyspace.journal.set_on(true);
        let mut hash = Hash::new();
        let mut writer = keyspace.writer(0);
        for field in 0..FIELDS {
            let field = field.to_string();
            hash.set(field.as_bytes(), NewValue::Int(1), Ttl::At(START_MS + 5), &writer.context());
        }
        hash.set(b"living", NewValue::Int(1), Ttl::Clear, &writer.context());
        writer.put(writer.key(b"h"), hash, CHANGED);
        keyspace.set_now_ms(START_MS + 6);
        let mut writer = keyspace.writer(0);
        let key = writer.key(b"h");
        writer.expire_fields(key, [b"7".as_slice(), b"living", b"7", b"none", b"4711"].into_iter());
        keyspace.journal.close_apart();
        let journal = String::from_utf8(keyspace.journal.take(Vec::new())).expect("text");
        assert_eq!(journal.matches("HDEL").count(), 1, "{journal}");
        assert!(journal.ends_with("*4\r\n$4\r\nHDEL\r\n$1\r\nh\r\n$1\r\n7\r\n$4\r\n4711\r\n"), "{journal}");
        let view = keyspace.view(0);
        let hash = view.object::<Hash>(view.key(b"h")).expect("a hash").expect("it is there");
        assert_eq!(hash.len(), FIELDS - 1);
        assert_eq!(keyspace.db(0).timed_hashes(), 1);
        while keyspace.expire_slice(100) == 0 {}
        let view = keyspace.view(0);
        let hash = view.object::<Hash>(view.key(b"h")).expect("a hash").expect("it is there");
        assert_eq!((hash.len(), keyspace.db(0).timed_hashes()), (1, 0));
    }
}
