//! The entry against a struct with plain fields. The same file runs under Miri.

use std::sync::{Arc, Weak};

use super::{Displaced, EMBEDDED_MAX, Entry, LRU_MAX, NewValue, SHORT_KEY_MAX, Value, ValueRef};
use crate::base::hash::KeyHasher;
use crate::base::random::Random;
use crate::base::size_class;
use crate::keyspace::Kind;

#[derive(Clone, PartialEq, Eq, Debug)]
enum TwinValue {
    Int(i64),
    Embedded(Vec<u8>),
    Raw(Vec<u8>),
}

impl TwinValue {
    fn as_new(&self) -> NewValue<'_> {
        match self {
            TwinValue::Int(int) => NewValue::Int(*int),
            TwinValue::Embedded(bytes) => NewValue::Embedded(bytes),
            TwinValue::Raw(bytes) => NewValue::Raw(Arc::new(bytes.clone())),
        }
    }

    fn of(value: ValueRef<'_>) -> TwinValue {
        match value {
            ValueRef::Int(int) => TwinValue::Int(int),
            ValueRef::Embedded(bytes) => TwinValue::Embedded(bytes.to_vec()),
            ValueRef::Raw(bytes) => TwinValue::Raw(bytes.to_vec()),
            ValueRef::Object(_) => unreachable!("no object was put in"),
        }
    }

    fn left(value: Value) -> TwinValue {
        match value {
            Value::Int(int) => TwinValue::Int(int),
            Value::Short(bytes) => TwinValue::Embedded(bytes.to_vec()),
            Value::Raw(bytes) => TwinValue::Raw(bytes.to_vec()),
            Value::Object(_) => unreachable!("no object was put in"),
        }
    }
}

/// An entry as one would write it without thinking of memory.
struct Twin {
    key: Vec<u8>,
    value: TwinValue,
    deadline_ms: Option<i64>,
    /// The entry has the field, whether or not it has a deadline.
    has_field: bool,
    lru: u32,
    filed: bool,
    swept: bool,
}

impl Twin {
    fn size(&self) -> usize {
        let value = match &self.value {
            TwinValue::Embedded(bytes) => bytes.len(),
            TwinValue::Int(_) | TwinValue::Raw(_) => 8,
        };
        8 + 8 * usize::from(self.has_field) + 8 * usize::from(self.key.len() > 65_535) + self.key.len() + value
    }

    fn assert_same(&self, entry: &Entry) {
        assert_eq!(entry.key(), self.key);
        assert_eq!(TwinValue::of(entry.value()), self.value);
        assert_eq!(TwinValue::left(Value::copy_of(entry.value(), &KeyHasher::new(1, 2))), self.value);
        assert_eq!(entry.kind(), Kind::String);
        assert_eq!(entry.deadline_ms(), self.deadline_ms);
        if let Some(deadline_ms) = self.deadline_ms {
            assert!(!entry.is_expired(deadline_ms));
            assert!(deadline_ms.checked_add(1).is_none_or(|after_ms| entry.is_expired(after_ms)));
        } else {
            assert!(!entry.is_expired(i64::MAX));
        }
        assert_eq!((entry.lru(), entry.is_filed(), entry.swept()), (self.lru, self.filed, self.swept));
        assert_eq!(entry.allocated_bytes(), size_class::round_up(self.size()));
        entry.prefetch();
    }

    fn set_value(&mut self, entry: &mut Entry, value: TwinValue) {
        let old = std::mem::replace(&mut self.value, value);
        let before = entry.ptr;
        let displaced = entry.set_value(self.value.as_new());
        match displaced {
            Displaced::Nothing => {
                assert_eq!(entry.ptr, before, "nothing was displaced");
                assert!(matches!(
                    (&old, &self.value),
                    (TwinValue::Int(_), TwinValue::Int(_)) | (TwinValue::Embedded(_), TwinValue::Embedded(_))
                ));
            }
            Displaced::Value(value) => {
                assert_eq!(entry.ptr, before);
                assert!(matches!((&old, &self.value), (TwinValue::Raw(_), TwinValue::Raw(_))));
                assert_eq!(TwinValue::left(value), old);
            }
            Displaced::Entry(displaced) => {
                assert_eq!((displaced.key(), TwinValue::of(displaced.value())), (&self.key[..], old));
                assert_eq!(displaced.deadline_ms(), self.deadline_ms);
                // Only a rebuilt entry gives up the room for a deadline that it does not have.
                self.has_field = self.deadline_ms.is_some();
            }
        }
    }
}

fn bytes(random: &mut Random, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    random.fill(&mut bytes);
    bytes
}

fn some_key(random: &mut Random) -> Vec<u8> {
    let len = match random.below(20) {
        0 => 0,
        1 => 70_000,
        2 => SHORT_KEY_MAX - 1 + random.below(3) as usize,
        3..=5 => random.below(600) as usize,
        _ => random.below(40) as usize,
    };
    bytes(random, len)
}

/// Strings often end at or next to the border of a size class.
fn some_value(random: &mut Random, twin: Option<&Twin>) -> TwinValue {
    match random.below(10) {
        0..=1 => TwinValue::Int(random.next_u64() as i64 >> random.below(64)),
        2..=3 => {
            let len = random.below(1000) as usize;
            TwinValue::Raw(bytes(random, len))
        }
        4..=7 if twin.is_some() => {
            let twin = twin.expect("it was just seen");
            let before = twin.key.len() + 8 + 8 * usize::from(twin.has_field);
            let border = size_class::round_up(before + random.below(256) as usize) + random.below(3) as usize;
            let len = (border - 1).saturating_sub(before).min(EMBEDDED_MAX);
            TwinValue::Embedded(bytes(random, len))
        }
        _ => {
            let len = random.below(EMBEDDED_MAX as u64 + 1) as usize;
            TwinValue::Embedded(bytes(random, len))
        }
    }
}

fn some_deadline(random: &mut Random) -> Option<i64> {
    match random.below(6) {
        0..=1 => None,
        2 => Some([0, -1, i64::MAX, i64::MIN + 1][random.below(4) as usize]),
        _ => Some(random.below(1 << 42) as i64),
    }
}

#[test]
fn agrees_with_plain_fields() {
    let (seeds, steps) = if cfg!(miri) { (3, 60) } else { (300, 300) };
    for seed in 0..seeds {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let key = some_key(&mut random);
        let value = some_value(&mut random, None);
        let deadline_ms = some_deadline(&mut random);
        let lru = random.next_u64() as u32;
        let mut entry = Entry::new(&key, value.as_new(), deadline_ms, lru);
        let has_field = deadline_ms.is_some();
        let mut twin = Twin { key, value, deadline_ms, has_field, lru: lru & LRU_MAX, filed: false, swept: false };
        twin.assert_same(&entry);
        let mut held: Vec<(Arc<Vec<u8>>, Vec<u8>)> = Vec::new();
        for _ in 0..steps {
            match random.below(12) {
                0..=3 => {
                    let value = some_value(&mut random, Some(&twin));
                    twin.set_value(&mut entry, value);
                }
                4..=5 => {
                    twin.deadline_ms = some_deadline(&mut random);
                    twin.has_field |= twin.deadline_ms.is_some();
                    entry.set_deadline_ms(twin.deadline_ms);
                }
                6 => {
                    let lru = random.next_u64() as u32;
                    entry.set_lru(lru);
                    twin.lru = lru & LRU_MAX;
                }
                7 => {
                    twin.filed = random.below(2) == 0;
                    entry.set_filed(twin.filed);
                }
                8 => {
                    twin.swept = random.below(2) == 0;
                    entry.set_swept(twin.swept);
                }
                9 => {
                    let taken = TwinValue::left(entry.take_value());
                    assert_eq!(taken, twin.value);
                    if matches!(taken, TwinValue::Raw(_)) {
                        twin.value = TwinValue::Int(0);
                    }
                    twin.assert_same(&entry);
                    if random.below(2) == 0 {
                        twin.set_value(&mut entry, taken);
                    }
                }
                10 => {
                    // A reply that still refers to the value must not see it change.
                    if let ValueRef::Raw(shared) = entry.value() {
                        held.push((Arc::clone(shared), shared.to_vec()));
                    }
                    assert_eq!(entry.raw_mut().is_some(), matches!(twin.value, TwinValue::Raw(_)));
                    if let (Some(raw), TwinValue::Raw(bytes)) = (entry.raw_mut(), &mut twin.value) {
                        raw.push(7);
                        bytes.push(7);
                        raw.truncate(300);
                        bytes.truncate(300);
                    }
                }
                _ => {
                    // As RENAME does: what was taken out goes into an entry of another name.
                    twin.key = some_key(&mut random);
                    let mut value = entry.take_value();
                    let renamed = Entry::new(&twin.key, value.as_new(), twin.deadline_ms, twin.lru);
                    entry = renamed;
                    (twin.has_field, twin.filed, twin.swept) = (twin.deadline_ms.is_some(), false, false);
                }
            }
            twin.assert_same(&entry);
        }
        assert!(entry.object_mut().is_none());
        drop(entry);
        for (shared, bytes) in held {
            assert_eq!(*shared, bytes);
        }
    }
}

/// Every path by which a raw string leaves: dropped once, never twice.
#[test]
fn raw_strings_are_freed_once() {
    let raw = || {
        let bytes = Arc::new(vec![1u8; 500]);
        (Arc::downgrade(&bytes), NewValue::Raw(bytes))
    };
    let gone = |weak: &Weak<Vec<u8>>| weak.strong_count() == 0;

    let (weak, value) = raw();
    let mut entry = Entry::new(b"key", value, None, 0);
    entry.set_deadline_ms(Some(5));
    assert_eq!(weak.strong_count(), 1, "moved into the larger entry");
    entry.set_deadline_ms(None);
    entry.set_deadline_ms(Some(6));
    drop(entry);
    assert!(gone(&weak), "dropped with its entry");

    for replaced_by in [NewValue::Int(1), NewValue::Embedded(b"short"), raw().1] {
        let (weak, value) = raw();
        let mut entry = Entry::new(b"key", value, Some(9), 0);
        let displaced = entry.set_value(replaced_by);
        assert_eq!(weak.strong_count(), 1, "whoever set the value says where the old one is freed");
        drop(displaced);
        assert!(gone(&weak));
    }

    let (weak, value) = raw();
    let mut entry = Entry::new(b"key", value, None, 0);
    let taken = entry.take_value();
    drop(entry);
    assert_eq!(weak.strong_count(), 1, "it is the taker's");
    drop(taken);
    assert!(gone(&weak));

    // An entry may be freed by another thread.
    let (weak, value) = raw();
    let entry = Entry::new(b"key", value, None, 0);
    std::thread::spawn(move || drop(entry)).join().expect("it ends");
    assert!(gone(&weak));
}

#[test]
fn same_room_is_not_allocated_again() {
    for key_len in 0..80 {
        let key = vec![b'k'; key_len];
        for len in 0..=EMBEDDED_MAX {
            let mut entry = Entry::new(&key, NewValue::Embedded(&vec![b'v'; len]), None, 0);
            let room = size_class::round_up(8 + key_len + len) - 8 - key_len;
            let longest = room.min(EMBEDDED_MAX);
            let value = vec![b'w'; longest];
            assert!(matches!(entry.set_value(NewValue::Embedded(&value)), Displaced::Nothing), "{key_len} {len}");
            assert!(matches!(entry.value(), ValueRef::Embedded(bytes) if bytes == value) && entry.key() == key);
            if longest < EMBEDDED_MAX {
                let value = vec![b'x'; longest + 1];
                assert!(matches!(entry.set_value(NewValue::Embedded(&value)), Displaced::Entry(_)));
                assert!(matches!(entry.value(), ValueRef::Embedded(bytes) if bytes == value) && entry.key() == key);
            }
            if cfg!(miri) && len % 16 > 1 {
                break;
            }
        }
    }
}

#[test]
fn strings_are_kept_as_what_they_are() {
    for (text, encoding) in [
        (&b"0"[..], "int"),
        (b"-9223372036854775808", "int"),
        (b"9223372036854775807", "int"),
        (b"9223372036854775808", "embstr"),
        (b"00", "embstr"),
        (b"", "embstr"),
        (&[b'x'; 44], "embstr"),
        (&[b'x'; 45], "raw"),
        (&[b'x'; 255], "raw"),
        (&[b'x'; 256], "raw"),
    ] {
        let entry = Entry::new(b"key", NewValue::string(text), None, 0);
        assert_eq!(entry.value().encoding(), encoding, "{}", text.escape_ascii());
        match entry.value() {
            ValueRef::Int(int) => assert_eq!(int.to_string().as_bytes(), text),
            ValueRef::Embedded(bytes) => assert_eq!(bytes, text),
            ValueRef::Raw(bytes) => assert_eq!(bytes.as_slice(), text),
            ValueRef::Object(_) => panic!("a string is no object"),
        }
    }
}

#[test]
fn a_key_of_usual_size_takes_forty_bytes() {
    let entry = Entry::new(b"key:000000000001", NewValue::Embedded(b"sixteen byte val"), None, 0);
    assert_eq!(entry.allocated_bytes(), 40);
    assert!(format!("{entry:?}").contains("key:000000000001"));
}
