//! Values to bytes and back, in every encoding; bytes that somebody tampered with.

use zedis::base::crc64;
use zedis::base::random::Random;
use zedis::keyspace::{Entry, Keyspace, Settings, Ttl, ValueRef};
use zedis::persistence::rdb::{Loaded, Out, dump, is_intact, load_value, restore, save_value};

use crate::harness::Harness;

/// Commands that make keys of every type and encoding; `x*3` stands for `xxx`.
const KEYS: &[&str] = &[
    "SET int 12",
    "SET long 1234567890123",
    "SET text hello",
    "SET compressible aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "RPUSH list a 1 -200 70000 a:b:c",
    "RPUSH long-list e*9000 f*9000 x 5",
    "SADD ints 1 2 3 100000 -5000000000",
    "SADD words a b 3 m*60",
    "SADD table a b c m*100 7",
    "HSET hash f v g 12 h -1",
    "HSET hash-table f v g v*100 h 12",
    "ZADD zset 1 a 2.5 b -inf c inf d 1e300 e",
    "ZADD zset-tree 1 a 2.5 z*100 3 c",
];

fn filled() -> Harness {
    let mut harness = Harness::new();
    for line in KEYS {
        let words = line.split(' ').map(|word| match word.split_once('*') {
            Some((letter, count)) => letter.repeat(count.parse().expect("a count")),
            None => word.to_owned(),
        });
        let words: Vec<String> = words.collect();
        let args: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let reply = harness.send(&args);
        assert!(!reply.starts_with(b"-"), "{line}: {}", reply.escape_ascii());
    }
    harness
}

fn payloads(harness: &Harness) -> Vec<(Vec<u8>, Vec<u8>)> {
    let view = harness.engine.keyspace.view(0);
    view.iter().map(|entry: &Entry| (entry.key().to_vec(), dump(&entry.value()))).collect()
}

#[test]
fn every_value_comes_back() {
    let harness = filled();
    for (key, payload) in payloads(&harness) {
        assert!(is_intact(&payload), "{}", key.escape_ascii());
        let Ok(mut loaded) = restore(&payload, &harness.engine.keyspace.view(0).context()) else {
            panic!("{} does not come back", key.escape_ascii());
        };
        let mut other = Keyspace::new(1, Random::new(2), 0);
        other.settings = Settings::default();
        let mut writer = other.writer(0);
        let place = writer.key(b"k");
        writer.set(place, loaded.as_new(), Ttl::Clear);
        let view = other.view(0);
        let entry = view.peek(place).expect("it was just set");
        let original = harness.engine.keyspace.view(0);
        let original = original.peek(original.key(&key)).expect("it is there");
        assert_eq!(entry.kind(), original.kind());
        assert_eq!(entry.value().encoding(), original.value().encoding(), "{}", key.escape_ascii());
    }
}

#[test]
fn a_changed_payload_is_noticed() {
    let harness = filled();
    for (key, payload) in payloads(&harness) {
        for at in 0..payload.len() {
            for bit in 0..8 {
                let mut changed = payload.clone();
                changed[at] ^= 1 << bit;
                assert!(!is_intact(&changed), "{}, bit {bit} of byte {at}", key.escape_ascii());
            }
        }
        for len in 0..payload.len() {
            assert!(!is_intact(&payload[..len]), "{} cut to {len}", key.escape_ascii());
        }
    }
}

/// With a checksum that is right, so that the contents are looked at.
#[test]
fn nonsense_ends_in_a_value_or_an_error() {
    let harness = filled();
    let view = harness.engine.keyspace.view(0);
    let context = view.context();
    let mut random = Random::new(7);
    let (mut values, mut errors) = (0, 0);
    let mut load = |bytes: &[u8]| match load_value(bytes, &context) {
        Ok(Loaded::Object(object)) => {
            assert!(!object.is_empty(), "a value without elements: {}", bytes.escape_ascii());
            // What was let in can be written, and read again.
            let boxed = ValueRef::Object(&object);
            let mut again = Vec::new();
            save_value(&mut Out { bytes: &mut again, compress: true, key: None, plain_hashes_at_ms: None }, &boxed);
            assert!(load_value(&again, &context).is_ok(), "{}", bytes.escape_ascii());
            values += 1;
        }
        Ok(_) => values += 1,
        Err(_) => errors += 1,
    };
    for (_, payload) in payloads(&harness) {
        let body = &payload[..payload.len() - 10];
        for at in 0..body.len().min(300) {
            for value in [0, 1, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0xc0, 0xc3, 0xfe, 0xff, body[at].wrapping_add(1)] {
                let mut changed = body.to_vec();
                changed[at] = value;
                load(&changed);
            }
            load(&body[..at]);
        }
        for _ in 0..300 {
            let mut changed = body.to_vec();
            for _ in 0..1 + random.below(4) {
                let at = random.below(changed.len() as u64) as usize;
                changed[at] = random.below(256) as u8;
            }
            load(&changed);
        }
    }
    for _ in 0..20_000 {
        let mut bytes: Vec<u8> = (0..random.below(40)).map(|_| random.below(256) as u8).collect();
        if let Some(first) = bytes.first_mut() {
            *first %= 27;
        }
        load(&bytes);
    }
    assert!(values > 100 && errors > 1000, "{values} values, {errors} errors");
}

#[test]
fn a_payload_of_a_version_to_come_is_refused() {
    for (version, expected) in [(5, true), (10, true), (12, true), (13, false), (0xffff, false)] {
        let mut payload = [&[0, 1, b'x'], &u16::to_le_bytes(version)[..]].concat();
        payload.extend_from_slice(&crc64::checksum(&payload).to_le_bytes());
        assert_eq!(is_intact(&payload), expected, "version {version}");
    }
}
