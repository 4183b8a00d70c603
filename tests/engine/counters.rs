//! Which commands count as a hit or a miss, and which as a change.

use crate::harness::Harness;

/// On the keys a (1), b (2, with a deadline): the command, and the hits, misses and changes that Redis counts for it.
const COUNTED: &[(&str, u64, u64, u64)] = &[
    ("GET a", 1, 0, 0),
    ("GET z", 0, 1, 0),
    ("GETDEL a", 1, 0, 1),
    ("GETDEL z", 0, 1, 0),
    ("GETEX a", 1, 0, 0),
    ("GETEX a EX 10", 1, 0, 1),
    ("GETEX a PERSIST", 1, 0, 0),
    ("GETEX b PERSIST", 1, 0, 1),
    ("GETEX z", 0, 1, 0),
    ("GETEX a PXAT 1", 1, 0, 1),
    ("GETSET a x", 1, 0, 1),
    ("GETSET z x", 0, 1, 1),
    ("SET a x", 0, 0, 1),
    ("SET a x GET", 1, 0, 1),
    ("SET z x GET", 0, 1, 1),
    ("SET a x NX GET", 1, 0, 0),
    ("SET a x NX", 0, 0, 0),
    ("SET z x XX", 0, 0, 0),
    ("SET a x IFEQ 2", 0, 0, 0),
    ("SET a x IFEQ 1", 0, 0, 1),
    ("SETNX a x", 0, 0, 0),
    ("SETNX z x", 0, 0, 1),
    ("SETEX a 10 x", 0, 0, 1),
    ("MSET a 1 a 2 q 3", 0, 0, 3),
    ("MSETNX z 1 y 2", 0, 0, 2),
    ("MSETNX z 1 a 2", 0, 0, 0),
    ("MSETEX 2 a 1 z 2 EX 10", 0, 0, 2),
    ("MSETEX 2 a 1 z 2 NX", 0, 0, 0),
    ("APPEND a x", 0, 0, 1),
    ("APPEND z x", 0, 0, 1),
    ("SETRANGE a 1 x", 0, 0, 1),
    ("SETRANGE a 9999999999 x", 0, 0, 0),
    ("STRLEN a", 1, 0, 0),
    ("GETRANGE z 0 1", 0, 1, 0),
    ("SUBSTR a 0 1", 1, 0, 0),
    ("LCS a z", 1, 1, 0),
    ("MGET a b z a", 3, 1, 0),
    ("DIGEST a", 1, 0, 0),
    ("DELEX a IFEQ 1", 0, 0, 1),
    ("DELEX a IFEQ 2", 0, 0, 0),
    ("INCR a", 0, 0, 1),
    ("INCR z", 0, 0, 1),
    ("INCRBYFLOAT a 1", 0, 0, 1),
    ("INCREX a", 0, 0, 1),
    ("INCREX a UBOUND 1", 0, 0, 0),
    ("EXISTS a b z a", 3, 1, 0),
    ("TTL a", 1, 0, 0),
    ("PTTL z", 0, 1, 0),
    ("EXPIRETIME b", 1, 0, 0),
    ("PEXPIRETIME b", 1, 0, 0),
    ("TYPE a", 1, 0, 0),
    ("TYPE z", 0, 1, 0),
    ("OBJECT ENCODING a", 1, 0, 0),
    ("OBJECT ENCODING z", 0, 1, 0),
    ("OBJECT FREQ a", 1, 0, 0),
    ("OBJECT HELP", 0, 0, 0),
    ("TOUCH a z b", 2, 1, 0),
    ("DEL a z b", 0, 0, 2),
    ("UNLINK a z", 0, 0, 1),
    ("EXPIRE a 10", 0, 0, 1),
    ("EXPIRE z 10", 0, 0, 0),
    ("EXPIRE a -1", 0, 0, 1),
    ("EXPIRE b 1 NX", 0, 0, 0),
    ("PERSIST a", 0, 0, 0),
    ("PERSIST b", 0, 0, 1),
    ("RENAME a q", 0, 0, 1),
    ("RENAME a b", 0, 0, 1),
    ("RENAME a a", 0, 0, 0),
    ("RENAMENX a b", 0, 0, 0),
    ("RENAMENX a q", 0, 0, 1),
    ("COPY a q", 1, 0, 1),
    ("COPY z q", 0, 1, 0),
    ("COPY a b", 1, 0, 0),
    ("COPY a b REPLACE", 1, 0, 1),
    ("MOVE a 1", 0, 0, 1),
    ("MOVE z 1", 0, 0, 0),
    ("RANDOMKEY", 0, 0, 0),
    ("KEYS *", 0, 0, 0),
    ("SCAN 0", 0, 0, 0),
];

#[test]
fn hits_misses_and_changes() {
    for &(line, hits, misses, changes) in COUNTED {
        let mut test = Harness::new();
        test.check(&[("SET a 1", "OK"), ("SET b 2 PX 100000", "OK")]);
        let (dirty, (hits_before, misses_before)) = (test.dirty(), test.hits_and_misses());
        test.run(line);
        let counted = test.hits_and_misses();
        assert_eq!((counted.0 - hits_before, counted.1 - misses_before), (hits, misses), "hits and misses of {line}");
        assert_eq!(test.dirty() - dirty, changes, "changes of {line}");
    }
}

#[test]
fn a_key_past_its_deadline_is_a_miss() {
    let mut test = Harness::new();
    test.check(&[("SET k v PX 100", "OK")]);
    test.advance_ms(100);
    test.check(&[("GET k", "\"v\""), ("PTTL k", "0")]);
    test.advance_ms(1);
    let before = test.hits_and_misses();
    test.check(&[("GET k", "nil"), ("EXISTS k", "0"), ("TTL k", "-2")]);
    assert_eq!(test.hits_and_misses(), (before.0, before.1 + 3));
    assert_eq!(test.engine.keyspace.stats.expired_keys, 1);
}
