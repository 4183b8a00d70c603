//! Client-side caching without sockets: expiry, eviction from the table in slices, readers that are gone.

use super::EVICT_SLICE;
use crate::server::testing::EngineHarness;

fn tracking(harness: &mut EngineHarness, options: &str) -> usize {
    let client = harness.connect();
    harness.line_as(client, "HELLO 3");
    assert_eq!(harness.line_as(client, &format!("CLIENT TRACKING ON{options}")), "+OK\r\n");
    client
}

fn invalidation(keys: &[&str]) -> String {
    let keys: String = keys.iter().map(|key| format!("${}\r\n{key}\r\n", key.len())).collect::<String>();
    format!(">2\r\n$10\r\ninvalidate\r\n*{}\r\n{keys}", keys.matches('$').count())
}

fn taken(harness: &mut EngineHarness, client: usize) -> String {
    String::from_utf8(harness.take(client)).expect("text")
}

#[test]
fn expiry_is_a_change() {
    let mut harness = EngineHarness::new();
    let reader = tracking(&mut harness, "");
    let everybody = tracking(&mut harness, " BCAST PREFIX k");
    harness.line("SET k1 v PX 10");
    harness.line("SET other v PX 10");
    taken(&mut harness, everybody);
    harness.line_as(reader, "MGET k1 other");
    harness.advance_ms(20);
    harness.engine.keyspace.expire_slice(100);
    harness.turn();
    let told = taken(&mut harness, reader);
    assert!(
        told == invalidation(&["k1"]) + &invalidation(&["other"])
            || told == invalidation(&["other"]) + &invalidation(&["k1"])
    );
    assert_eq!(taken(&mut harness, everybody), invalidation(&["k1"]));
    assert_eq!(harness.engine.tracking.keys_and_items(), (0, 0));
}

#[test]
fn own_changes_are_told_after_the_reply_or_not_at_all() {
    let mut harness = EngineHarness::new();
    let reader = tracking(&mut harness, "");
    let aloof = tracking(&mut harness, " NOLOOP");
    for client in [reader, aloof] {
        harness.line_as(client, "GET k");
    }
    assert_eq!(harness.line_as(reader, "SET k v"), format!("+OK\r\n{}", invalidation(&["k"])));
    assert_eq!(taken(&mut harness, aloof), invalidation(&["k"]));
    for client in [reader, aloof] {
        harness.line_as(client, "GET k");
    }
    assert_eq!(harness.line_as(aloof, "SET k v"), "+OK\r\n");
    assert_eq!(taken(&mut harness, reader), invalidation(&["k"]));
    // What was told is forgotten, for the one that was spared too.
    assert_eq!(harness.engine.tracking.keys_and_items(), (0, 0));
}

#[test]
fn the_keys_of_one_turn_are_broadcast_together() {
    let mut harness = EngineHarness::new();
    let client = tracking(&mut harness, " BCAST PREFIX a PREFIX b");
    harness.line("MSET b2 v a1 v c v a0 v b1 v");
    assert_eq!(taken(&mut harness, client), invalidation(&["a0", "a1"]) + &invalidation(&["b1", "b2"]));
    harness.line_as(client, "CLIENT TRACKING OFF");
    assert_eq!(harness.engine.tracking.prefixes(), 0);
    harness.line("SET a v");
    assert_eq!(taken(&mut harness, client), "");
}

#[test]
fn a_table_that_is_too_large_shrinks_in_slices() {
    const KEYS: usize = 1000;
    let mut harness = EngineHarness::with_config(&[("tracking-table-max-keys", "0")]);
    let reader = tracking(&mut harness, "");
    for key in 0..KEYS {
        harness.line_as(reader, &format!("GET key-{key}"));
    }
    assert_eq!(harness.engine.tracking.keys_and_items(), (KEYS, KEYS));
    assert_eq!(harness.line("CONFIG SET tracking-table-max-keys 100"), "+OK\r\n");
    assert_eq!(harness.engine.tracking.keys_and_items().0, KEYS - EVICT_SLICE);
    for _ in 0..KEYS / EVICT_SLICE {
        harness.turn();
    }
    assert_eq!(harness.engine.tracking.keys_and_items(), (100, 100));
    assert_eq!(taken(&mut harness, reader).matches("invalidate").count(), KEYS - 100);
}

#[test]
fn readers_that_are_gone_do_not_pile_up() {
    let mut harness = EngineHarness::new();
    for _ in 0..1000 {
        let reader = tracking(&mut harness, "");
        harness.line_as(reader, "GET k");
        harness.engine.close(reader);
        harness.engine.remove_closed();
    }
    let (keys, items) = harness.engine.tracking.keys_and_items();
    assert_eq!(keys, 1);
    assert!(items < 10, "{items}");
    assert_eq!(harness.engine.tracking.clients(), 0);
    // Nobody is left to be told, and another in the same place did not read it.
    let newcomer = tracking(&mut harness, "");
    harness.line("SET k v");
    assert_eq!(taken(&mut harness, newcomer), "");
}

#[test]
fn many_prefixes_of_one_client_are_checked_quickly() {
    let mut harness = EngineHarness::new();
    let client = harness.connect();
    let line = |last: &str| {
        let prefixes: String = (0..20_000).map(|n| format!(" PREFIX p{n:06}")).collect();
        format!("CLIENT TRACKING ON BCAST{prefixes} PREFIX {last}")
    };
    let refused = harness.line_as(client, &line("p00"));
    assert!(refused.starts_with("-ERR Prefix 'p000000' overlaps with another provided prefix 'p00'."), "{refused}");
    assert_eq!(harness.line_as(client, &line("q")), "+OK\r\n");
    assert_eq!(harness.engine.tracking.prefixes(), 20_001);
    harness.engine.close(client);
    assert_eq!(harness.engine.tracking.prefixes(), 0);
}

/// With NOLOOP who has changed a key is not told, unless somebody else has changed it since.
#[test]
fn the_last_who_changed_a_key_is_spared() {
    for (first_is_own, told) in [(true, true), (false, false)] {
        let mut harness = EngineHarness::new();
        let (own, other) = (tracking(&mut harness, " BCAST NOLOOP"), harness.connect());
        let writers = if first_is_own { [own, other] } else { [other, own] };
        // In one turn.
        harness.engine.begin_turn();
        for writer in writers {
            harness.engine.feed(writer, b"SET k v\r\n");
        }
        harness.engine.run();
        let expected = "+OK\r\n".to_string() + &if told { invalidation(&["k"]) } else { String::new() };
        assert_eq!(taken(&mut harness, own), expected);
    }
    // And unless its time is up.
    let mut harness = EngineHarness::new();
    let own = tracking(&mut harness, " BCAST NOLOOP");
    harness.line("DEBUG SET-ACTIVE-EXPIRE 0");
    harness.line("SET k v PX 1");
    taken(&mut harness, own);
    harness.advance_ms(10);
    harness.engine.begin_turn();
    harness.engine.feed(own, b"SET other v\r\nSET again v\r\n");
    harness.engine.feed(harness.first, b"GET k\r\n");
    harness.engine.run();
    assert_eq!(taken(&mut harness, own), "+OK\r\n+OK\r\n".to_string() + &invalidation(&["k"]));
}

/// Whoever finds a key expired has read that it is not there, and is told when it is.
#[test]
fn an_expired_key_that_was_read_is_remembered() {
    for read in ["GET k", "MGET k", "EXISTS k", "TTL k", "TYPE k", "HGETALL k"] {
        let mut harness = EngineHarness::new();
        let reader = tracking(&mut harness, " NOLOOP");
        harness.line("DEBUG SET-ACTIVE-EXPIRE 0");
        harness.line("SET k v PX 1");
        harness.advance_ms(10);
        let answer = harness.line_as(reader, read);
        assert!(!answer.contains("invalidate"), "{read}: {answer}");
        assert_eq!(harness.engine.tracking.keys_and_items(), (1, 1), "{read}");
        harness.line("SET k v");
        assert_eq!(taken(&mut harness, reader), invalidation(&["k"]), "{read}");
    }
}

#[test]
fn nothing_is_no_message() {
    let mut harness = EngineHarness::new();
    let client = harness.connect();
    harness.line_as(client, "HELLO 3");
    let lines = b"CLIENT TRACKING ON BCAST\r\nSET k 1\r\nCLIENT TRACKING OFF\r\nCLIENT TRACKING ON BCAST\r\n";
    assert_eq!(harness.feed(client, lines), b"+OK\r\n".repeat(4));
    let lines = b"SET k 1\r\nCLIENT TRACKING OFF\r\nCLIENT TRACKING ON BCAST\r\nSET k 2\r\n";
    let expected = "+OK\r\n".repeat(4) + &invalidation(&["k"]);
    assert_eq!(String::from_utf8(harness.feed(client, lines)).expect("text"), expected);
}

/// A long list of keys is in memory once, however many want it.
#[test]
fn many_are_told_with_one_message() {
    let mut harness = EngineHarness::new();
    let listeners: Vec<usize> = (0..50).map(|_| tracking(&mut harness, " BCAST")).collect();
    let aloof = tracking(&mut harness, " BCAST NOLOOP");
    let names: Vec<String> = (0..5000).map(|n| format!("key{n:05}")).collect();
    let mut request: Vec<&[u8]> = vec![b"MSET"];
    for name in &names {
        request.extend([name.as_bytes(), b"v"]);
    }
    assert_eq!(harness.send(&request), b"+OK\r\n");
    let mut expected: Vec<&str> = names.iter().map(String::as_str).collect();
    expected.sort_unstable();
    let expected = invalidation(&expected);
    for &listener in listeners.iter().chain([&aloof]) {
        let own_bytes = harness.engine.clients[listener].output.ring_bytes();
        assert_eq!(own_bytes, 0, "a reference, and no copy in a ring");
        assert!(taken(&mut harness, listener) == expected);
    }
    // Who has changed some of them itself is told of the others.
    harness.engine.begin_turn();
    harness.engine.feed(aloof, b"SET mine v\r\n");
    harness.engine.feed(harness.first, b"SET yours v\r\n");
    harness.engine.run();
    assert_eq!(taken(&mut harness, aloof), "+OK\r\n".to_string() + &invalidation(&["yours"]));
    assert_eq!(taken(&mut harness, listeners[0]), invalidation(&["mine", "yours"]));
}
