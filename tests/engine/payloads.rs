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

/// A payload announces what it is going to be: more than a client may send is refused, before there is memory for it.
#[test]
fn a_compressed_string_is_no_longer_than_a_string_may_be() {
    let harness = filled();
    let (_, payload) = payloads(&harness).into_iter().find(|(key, _)| key == b"compressible").expect("it is there");
    let mut other = Keyspace::new(1, Random::new(2), 0);
    for (bulk_max, fits) in [(94, true), (93, false)] {
        other.settings = Settings { bulk_max, ..Settings::default() };
        assert_eq!(restore(&payload, &other.view(0).context()).is_ok(), fits, "{bulk_max}");
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

/// A value as a payload of this version, with the right checksum.
fn payload(version: u16, value: &[u8]) -> Vec<u8> {
    let mut payload = [value, &version.to_le_bytes()[..]].concat();
    payload.extend_from_slice(&crc64::checksum(&payload).to_le_bytes());
    payload
}

#[test]
fn a_payload_of_a_version_to_come_is_refused() {
    for version in 0..=1000 {
        let is_known = matches!(version, 0..=15 | 80);
        assert_eq!(is_intact(&payload(version, b"\0\x01x")), is_known, "version {version}");
        let reply = Harness::new().send(&[b"RESTORE", b"k", b"0", &payload(version, b"\0\x01x")]);
        let wanted: &[u8] = if is_known { b"+OK\r\n" } else { b"-ERR DUMP payload version or checksum are wrong\r\n" };
        assert_eq!(reply, wanted, "version {version}");
    }
    assert!(!is_intact(&payload(0xffff, b"\0\x01x")));
}

/// Valkey and Redis have given the same number to different things, and only the version says whose a payload is.
#[test]
fn whose_types_a_payload_has() {
    let mut harness = Harness::new();
    let timed =
        [&b"\x16\x02\x01f\x01v"[..], &9_000_000_000_000_i64.to_le_bytes(), b"\x01g\xc0\x07", &(-1_i64).to_le_bytes()]
            .concat();
    assert_eq!(harness.send(&[b"RESTORE", b"k", b"0", &payload(80, &timed)]), b"+OK\r\n");
    harness.check(&[
        ("HMGET k f g", "[\"v\" \"7\"]"),
        ("HPEXPIRETIME k FIELDS 2 f g", "[9000000000000 -1]"),
        // What is written of it is as Redis writes it.
        ("COPY k l", "1"),
    ]);
    let view = harness.engine.keyspace.view(0);
    let dumped = dump(&view.peek(view.key(b"l")).expect("it is there").value());
    assert!(matches!(dumped[0], 24 | 25), "{}", dumped.escape_ascii());
    let packed = [&b"\x19"[..], &9_000_000_000_000_i64.to_le_bytes()].concat();
    let packed = [&packed[..], &dumped[9..dumped.len() - 10]].concat();
    assert_eq!(harness.send(&[b"RESTORE", b"m", b"0", &payload(14, &packed)]), b"+OK\r\n");
    assert_eq!(harness.run("HPEXPIRETIME m FIELDS 2 f g"), "[9000000000000 -1]");
    let metadata = b"\xf3\x01\x08\xb5\x34\x29\x02\x05\0\0\x01v";
    for (version, value) in [
        (14, &timed[..]),
        (80, &packed),
        (80, b"\x96\x01\x01f\x01v\xff\xff\xff\xff\xff\xff\xff\xff"),
        (80, &timed[..timed.len() - 1]),
        (14, metadata),
        (80, metadata),
        (14, b"\x1a\0"),
        (14, b"\x1c\0"),
        (15, b"\x1d\0"),
        (14, b""),
    ] {
        let reply = harness.send(&[b"RESTORE", b"n", b"0", &payload(version, value)]);
        assert_eq!(reply, b"-ERR Bad data format\r\n", "{version}: {}", value.escape_ascii());
    }
    assert_eq!(harness.run("EXISTS n"), "0");
}

/// The latest deadline that a field can have is one that a payload can have.
#[test]
fn the_latest_deadline_of_a_field_comes_back() {
    for fields in [1, 1000] {
        let mut harness = Harness::new();
        for field in 0..fields {
            harness.send(&[b"HSET", b"h", format!("f{field}").as_bytes(), b"v"]);
        }
        let latest = b"70368744177663";
        assert_eq!(harness.send(&[b"HPEXPIREAT", b"h", latest, b"FIELDS", b"1", b"f0"]), b"*1\r\n:1\r\n");
        let dumped = harness.send(&[b"DUMP", b"h"]);
        let from = dumped.iter().position(|&byte| byte == b'\n').expect("a header") + 1;
        let payload = &dumped[from..dumped.len() - 2];
        assert_eq!(harness.send(&[b"RESTORE", b"copy", b"0", payload]), b"+OK\r\n", "{fields} fields");
        let deadline = harness.send(&[b"HPEXPIRETIME", b"copy", b"FIELDS", b"1", b"f0"]);
        assert_eq!(deadline, [b"*1\r\n:".as_slice(), latest, b"\r\n"].concat());
    }
}
