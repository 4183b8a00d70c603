//! Commands on keys of any type.

use std::collections::BTreeSet;

use zedis::config::MaxmemoryPolicy;

use crate::harness::{Harness, START_MS};

#[test]
fn expire_conditions() {
    // The deadline before (seconds from now, 0: none), the condition, the new one, and whether it is taken.
    for (old, condition, new, taken) in [
        (0, "NX", 10, true),
        (5, "NX", 10, false),
        (0, "XX", 10, false),
        (5, "XX", 10, true),
        (0, "GT", 10, false),
        (5, "GT", 10, true),
        (5, "GT", 5, false),
        (5, "GT", 4, false),
        (0, "LT", 10, true),
        (5, "LT", 10, false),
        (5, "LT", 5, false),
        (5, "LT", 4, true),
        (0, "XX LT", 4, false),
        (5, "XX LT", 4, true),
        (5, "GT XX", 6, true),
        (5, "lt", -1, true),
    ] {
        let mut test = Harness::new();
        test.run(&if old > 0 { format!("SET k v EX {old}") } else { "SET k v".to_owned() });
        let reply = test.run(&format!("EXPIRE k {new} {condition}"));
        assert_eq!(reply, i64::from(taken).to_string(), "{old} {condition} {new}");
        let ttl = match (taken, new, old) {
            (true, ..=0, _) => -2,
            (true, new, _) => new,
            (false, _, 0) => -1,
            (false, _, old) => old,
        };
        assert_eq!(test.run("TTL k"), ttl.to_string(), "{old} {condition} {new}");
    }
}

#[test]
fn deadlines_are_rounded_to_seconds_only_when_asked_in_seconds() {
    let mut test = Harness::new();
    test.check(&[("SET k v PX 1499", "OK"), ("TTL k", "1"), ("PTTL k", "1499")]);
    test.check(&[("PEXPIRE k 1500", "1"), ("TTL k", "2")]);
    test.check(&[("PEXPIRETIME k", &(START_MS + 1500).to_string()), ("EXPIRETIME k", "1700000002")]);
    test.check(&[("EXPIREAT k 1700000100", "1"), ("PTTL k", "100000")]);
    test.check(&[("PEXPIREAT k 1700000000000", "1"), ("EXISTS k", "0")]);
}

#[test]
fn a_key_takes_its_deadline_along() {
    let mut test = Harness::new();
    test.check(&[
        ("SET a 1 PX 5000", "OK"),
        ("SET b 2 PX 9000", "OK"),
        ("RENAME a b", "OK"),
        ("PTTL b", "5000"),
        ("COPY b c", "1"),
        ("PTTL c", "5000"),
        ("SET plain 1", "OK"),
        ("RENAME plain c", "OK"),
        ("PTTL c", "-1"),
        ("COPY b c REPLACE DB 3", "1"),
        ("MOVE b 3", "1"),
        ("EXISTS b", "0"),
    ]);
    let db = |test: &Harness, db: usize| -> BTreeSet<(Vec<u8>, Option<i64>)> {
        test.engine.keyspace.view(db).iter().map(|entry| (entry.key().to_vec(), entry.deadline_ms())).collect()
    };
    let deadline = Some(START_MS + 5000);
    assert_eq!(db(&test, 3), BTreeSet::from([(b"b".to_vec(), deadline), (b"c".to_vec(), deadline)]));
    assert_eq!(db(&test, 0), BTreeSet::from([(b"c".to_vec(), None)]));
    // And they go when it comes.
    test.advance_ms(5001);
    test.run("GET nothing");
    test.engine.keyspace.expire_slice(100);
    assert_eq!(test.engine.keyspace.db(3).len(), 0);
}

#[test]
fn a_copy_is_a_value_of_its_own() {
    let mut test = Harness::new();
    let value = vec![b'v'; 1000];
    test.send(&[b"SET", b"a", &value]);
    test.check(&[
        ("COPY a b", "1"),
        ("APPEND b x", "1001"),
        ("SETRANGE a 0 w", "1000"),
        ("GETRANGE a 0 1", "\"wv\""),
        ("GETRANGE b 0 1", "\"vv\""),
        ("STRLEN b", "1001"),
        ("COPY a a", "-ERR source and destination objects are the same"),
        ("COPY a a DB 0", "-ERR source and destination objects are the same"),
        ("COPY a a DB 1", "1"),
        ("COPY a a DB 1", "0"),
        ("COPY a a DB 16", "-ERR DB index is out of range"),
        ("MOVE a 1", "0"),
        ("MOVE a 0", "-ERR source and destination objects are the same"),
    ]);
}

#[test]
fn scan_returns_every_key_that_stays() {
    let mut test = Harness::new();
    for n in 0..2000 {
        test.run(&format!("SET stays:{n} v"));
    }
    for count in [1, 7, 10, 1000, 1_000_000] {
        let (mut cursor, mut seen, mut calls) = ("0".to_owned(), BTreeSet::new(), 0u32);
        loop {
            // Keys come and go meanwhile, and segments split and merge.
            for n in 0..8 {
                test.run(&format!("SET goes:{}:{n} v", calls % 1500));
                test.run(&format!("DEL goes:{}:{n}", calls.wrapping_sub(700) % 1500));
            }
            let reply = test.run(&format!("SCAN {cursor} COUNT {count} MATCH stays:*"));
            let mut words = reply.trim_matches(['[', ']']).split(' ');
            cursor = words.next().unwrap().trim_matches('"').to_owned();
            seen.extend(words.map(|word| word.trim_matches(['"', '[', ']']).to_owned()).filter(|key| !key.is_empty()));
            calls += 1;
            if cursor == "0" {
                break;
            }
            cursor.parse::<i64>().expect("a cursor fits a signed integer");
        }
        assert_eq!(seen.len(), 2000, "COUNT {count}");
    }
}

#[test]
fn scan_options() {
    let mut test = Harness::new();
    test.check(&[
        ("SET a 1", "OK"),
        ("SET gone 1 PX 5", "OK"),
        ("SCAN 0 TYPE string MATCH a*", "[\"0\" [\"a\"]]"),
        ("SCAN 0 TYPE STRING MATCH a", "[\"0\" [\"a\"]]"),
        ("SCAN 0 TYPE hash", "[\"0\" []]"),
        ("SCAN 0 TYPE nonsense", "[\"0\" []]"),
        ("SCAN 0 COUNT 0", "-ERR syntax error"),
        ("SCAN 0 COUNT -5", "-ERR syntax error"),
        ("SCAN 0 COUNT x", "-ERR value is not an integer or out of range"),
        ("SCAN 0 COUNT", "-ERR syntax error"),
        ("SCAN 0 NOVALUES", "-ERR syntax error"),
        ("SCAN x", "-ERR invalid cursor"),
        ("SCAN -1", "-ERR invalid cursor"),
        ("SCAN 18446744073709551616", "-ERR invalid cursor"),
    ]);
    test.advance_ms(6);
    test.check(&[("SCAN 0", "[\"0\" [\"a\"]]"), ("KEYS *", "[\"a\"]"), ("RANDOMKEY", "\"a\"")]);
    // Whatever the cursor, an answer.
    for cursor in [1, 1 << 20, 1 << 41, 1 << 62, u64::MAX] {
        let reply = test.run(&format!("SCAN {cursor} COUNT 100"));
        assert!(reply.starts_with("[\"0\" ["), "{cursor}: {reply}");
    }
}

#[test]
fn idle_time_and_frequency() {
    let mut test = Harness::new();
    test.check(&[("SET a 1", "OK"), ("SET b 1", "OK")]);
    test.advance_ms(10_000);
    // What looks at a key without using it.
    test.check(&[("EXISTS a", "1"), ("TTL a", "-1"), ("TYPE a", "string"), ("OBJECT ENCODING a", "\"int\"")]);
    test.check(&[("OBJECT IDLETIME a", "10"), ("TOUCH a none", "1"), ("OBJECT IDLETIME a", "0")]);
    test.check(&[("OBJECT IDLETIME b", "10"), ("RENAME b c", "OK"), ("OBJECT IDLETIME c", "0")]);
    test.check(&[("OBJECT IDLETIME none", "nil"), ("OBJECT FREQ none", "nil")]);
    assert!(test.run("OBJECT FREQ a").starts_with("-ERR An LFU maxmemory policy is not selected, access"));

    test.engine.keyspace.settings.policy = MaxmemoryPolicy::AllkeysLfu;
    test.check(&[("SET a 2", "OK"), ("DEL a", "1"), ("SET a 2", "OK"), ("OBJECT FREQ a", "5"), ("GET a", "\"2\"")]);
    assert!(test.run("OBJECT IDLETIME a").starts_with("-ERR An LFU maxmemory policy is selected, idle"));
    // The counter grows with each use while it is small, stays with the key, and does not grow by being looked at.
    let frequency = test.run("OBJECT FREQ a");
    assert_eq!(frequency, "6");
    test.check(&[("RENAME a z", "OK"), ("EXISTS z", "1"), ("TYPE z", "string")]);
    assert!(["6", "7"].contains(&test.run("OBJECT FREQ z").as_str()));
    test.check(&[("COPY z y", "1"), ("OBJECT FREQ y", "5")]);
}

#[test]
fn object_refcount() {
    Harness::new().check(&[
        ("SET k 9999", "OK"),
        ("OBJECT REFCOUNT k", "2147483647"),
        ("INCR k", "10000"),
        ("OBJECT REFCOUNT k", "1"),
        ("SET k -1", "OK"),
        ("OBJECT REFCOUNT k", "1"),
        ("SET k text", "OK"),
        ("OBJECT REFCOUNT k", "1"),
        ("OBJECT REFCOUNT none", "nil"),
    ]);
}
