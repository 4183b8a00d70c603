//! `maxmemory` on a virtual clock. What the test itself allocates counts too, as it would for anybody who shares the thread, so limits are
//! set from what is in use.

use crate::keyspace::{Event, EventClass};
use crate::server::testing::{EngineHarness, encode};

const OOM: &str = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";
const EXECABORT_OOM: &str =
    "-EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'.\r\n";

/// With this policy, and room for so much more than is in use now.
fn limited(policy: &str, room_bytes: usize) -> EngineHarness {
    let mut harness = EngineHarness::with_config(&[("maxmemory-policy", policy)]);
    limit(&mut harness, room_bytes as isize);
    harness
}

/// Sets the limit so far above (or below) what is in use; returns it.
fn limit(harness: &mut EngineHarness, room_bytes: isize) -> usize {
    let bytes = harness.engine.counted_bytes().checked_add_signed(room_bytes).expect("so much is in use");
    assert_eq!(harness.line(&format!("config set maxmemory {bytes}")), "+OK\r\n");
    bytes
}

fn evicted(harness: &EngineHarness) -> u64 {
    harness.engine.keyspace.stats.evicted_keys
}

/// A key of the second half of the turns has a deadline.
fn set(key: usize, with_deadline: bool) -> Vec<u8> {
    let name = format!("key:{key}");
    let value = vec![b'v'; 1000];
    if with_deadline {
        encode(&[b"set", name.as_bytes(), &value, b"ex", b"1000"])
    } else {
        encode(&[b"set", name.as_bytes(), &value])
    }
}

#[test]
fn memory_is_held_under_the_limit_while_keys_are_written() {
    for policy in [
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-lrm",
        "allkeys-random",
        "volatile-lru",
        "volatile-lfu",
        "volatile-lrm",
        "volatile-random",
        "volatile-ttl",
    ] {
        let is_volatile = policy.starts_with("volatile");
        let mut harness = limited(policy, 3_000_000);
        let bytes = harness.engine.config.maxmemory as usize;
        for key in 0..500 {
            harness.line(&format!("set kept:{key} 1"));
        }
        for turn in 0..120 {
            let batch: Vec<u8> = (0..50).flat_map(|key| set(turn * 50 + key, is_volatile)).collect();
            let answer = harness.feed(harness.first, &batch);
            assert_eq!(answer, b"+OK\r\n".repeat(50), "{policy}");
            drop((batch, answer));
            let used = harness.engine.counted_bytes();
            // One command's need above it; what the harness holds is part of it.
            assert!(used <= bytes + 8192, "{policy}: {used} of {bytes} after turn {turn}");
        }
        assert!(evicted(&harness) > 3000, "{policy}: {}", evicted(&harness));
        let kept = (0..500).filter(|key| harness.line(&format!("exists kept:{key}")) == ":1\r\n").count();
        if is_volatile {
            assert_eq!(kept, 500, "{policy} lets keys without a deadline alone");
        }
        let left: usize = harness.engine.keyspace.keys();
        assert!((1500..4000).contains(&left), "{policy}: not more than needed went: {left}");
    }
}

#[test]
fn few_volatile_keys_are_found_among_many_others() {
    for policy in ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl", "volatile-lrm"] {
        let mut harness = EngineHarness::with_config(&[("maxmemory-policy", policy)]);
        for key in 0..10_000 {
            harness.send(&[b"set", format!("kept:{key}").as_bytes(), b"1"]);
        }
        // Records of keys that are not volatile any more lie in the way.
        for key in 0..1000 {
            harness.line(&format!("set stale:{key} 1 ex 50"));
            harness.line(&format!("persist stale:{key}"));
        }
        for key in 0..20 {
            harness.feed(harness.first, &set(key, true));
        }
        limit(&mut harness, -10_000);
        for _ in 0..20 {
            harness.turn();
            harness.engine.evict_in_background();
        }
        assert!((8..=20).contains(&evicted(&harness)), "{policy}: {}", evicted(&harness));
        assert_eq!(harness.engine.keyspace.db(0).len() - harness.engine.keyspace.db(0).volatile_len(), 11_000);
        limit(&mut harness, -200_000);
        assert_eq!(harness.line("set a 1"), OOM, "{policy}");
        assert_eq!(evicted(&harness), 20, "{policy}");
    }
}

#[test]
fn the_nearest_deadlines_go_first() {
    let mut harness = EngineHarness::with_config(&[("maxmemory-policy", "volatile-ttl")]);
    for key in 0..300_usize {
        // In an order that has nothing to do with their names'.
        let ttl_s = 100 + key * 7919 % 300 * 10;
        harness.send(&[
            b"set",
            format!("key:{ttl_s}").as_bytes(),
            &vec![b'v'; 10_000],
            b"ex",
            ttl_s.to_string().as_bytes(),
        ]);
    }
    limit(&mut harness, -1_000_000);
    harness.turn();
    harness.engine.evict_in_background();
    let gone: Vec<bool> = (0..300).map(|n| harness.line(&format!("exists key:{}", 100 + n * 10)) == ":0\r\n").collect();
    let count = gone.iter().filter(|&&gone| gone).count();
    assert!((95..115).contains(&count), "{count}");
    assert!(gone[..count].iter().all(|&gone| gone), "{gone:?}");
}

#[test]
fn what_was_used_lately_stays() {
    for policy in ["allkeys-lru", "volatile-lru", "allkeys-lrm"] {
        let mut harness = EngineHarness::with_config(&[("maxmemory-policy", policy), ("maxmemory-samples", "10")]);
        for key in 0..1000 {
            harness.feed(harness.first, &set(key, true));
        }
        harness.advance_ms(60_000);
        for key in 0..500 {
            if policy == "allkeys-lrm" {
                harness.line(&format!("append key:{key} x"));
                harness.line(&format!("get key:{}", key + 500));
            } else {
                harness.line(&format!("get key:{key}"));
            }
        }
        harness.advance_ms(5_000);
        limit(&mut harness, -300_000);
        harness.engine.evict_in_background();
        let gone = |harness: &mut EngineHarness, range: std::ops::Range<usize>| {
            range.filter(|key| harness.line(&format!("exists key:{key}")) == ":0\r\n").count()
        };
        let (used, unused) = (gone(&mut harness, 0..500), gone(&mut harness, 500..1000));
        // What the system's allocator is asked for is less than what jemalloc's sizes take.
        let most = if cfg!(system_allocator) { 360 } else { 350 };
        assert!(used <= 2 && (280..most).contains(&unused), "{policy}: {used} used ones and {unused} others went");
    }
}

#[test]
fn what_is_used_often_stays() {
    let mut harness = EngineHarness::with_config(&[("maxmemory-policy", "allkeys-lfu"), ("maxmemory-samples", "10")]);
    for key in 0..1000 {
        harness.feed(harness.first, &set(key, false));
    }
    for _ in 0..50 {
        for key in 0..500 {
            harness.line(&format!("get key:{key}"));
        }
    }
    // The others are used last, once.
    harness.advance_ms(1_000);
    for key in 500..1000 {
        harness.line(&format!("get key:{key}"));
    }
    limit(&mut harness, -300_000);
    harness.engine.evict_in_background();
    let gone = |harness: &mut EngineHarness, range: std::ops::Range<usize>| {
        range.filter(|key| harness.line(&format!("exists key:{key}")) == ":0\r\n").count()
    };
    let (often, once) = (gone(&mut harness, 0..500), gone(&mut harness, 500..1000));
    assert!(often <= 10 && (280..350).contains(&once), "{often} used often and {once} others went");
}

#[test]
fn without_a_key_that_may_go_commands_are_refused() {
    let mut harness = EngineHarness::new();
    harness.line("set a 1");
    harness.line("rpush list 1 2 3");
    limit(&mut harness, -1);
    for refused in ["set a 2", "set b 1", "append a x", "rpush list 4", "lpush l 1", "blmove list l left left 0"] {
        assert_eq!(harness.line(refused), OOM, "{refused}");
    }
    assert_eq!(harness.line("get a"), "$1\r\n1\r\n");
    assert_eq!(harness.line("llen list"), ":3\r\n");
    assert_eq!(harness.line("set"), "-ERR wrong number of arguments for 'set' command\r\n");
    assert_eq!(harness.line("expire a 1000"), ":1\r\n");
    assert_eq!(harness.line("lpop list"), "$1\r\n1\r\n");
    assert_eq!(harness.line("del a list"), ":2\r\n");
    assert!(harness.line("info stats").contains("evicted_keys:0\r\n"));
    assert_eq!(harness.line("config set maxmemory 0"), "+OK\r\n");
    assert_eq!(harness.line("set a 2"), "+OK\r\n");
    // The limit is in force with the next command of the same batch.
    let mut batch = encode(&[b"config", b"set", b"maxmemory", b"1"]);
    batch.extend(encode(&[b"set", b"a", b"3"]));
    batch.extend(encode(&[b"config", b"set", b"maxmemory", b"0"]));
    batch.extend(encode(&[b"set", b"a", b"4"]));
    assert_eq!(harness.feed(harness.first, &batch), format!("+OK\r\n{OOM}+OK\r\n+OK\r\n").as_bytes());
}

#[test]
fn transactions_are_refused_as_a_whole() {
    let mut harness = EngineHarness::new();
    harness.line("set a 1");
    assert_eq!(harness.line("multi"), "+OK\r\n");
    assert_eq!(harness.line("set a 2"), "+QUEUED\r\n");
    let other = harness.connect();
    let bytes = harness.engine.counted_bytes() - 1000;
    assert_eq!(harness.line_as(other, &format!("config set maxmemory {bytes}")), "+OK\r\n");
    assert_eq!(harness.line("exec"), EXECABORT_OOM);
    assert_eq!(harness.line("get a"), "$1\r\n1\r\n");
    // Without a command that needs memory it is executed, if nothing was put off since.
    assert_eq!(harness.line("multi"), "+OK\r\n");
    assert_eq!(harness.line("get a"), OOM);
    assert_eq!(harness.line("exec"), "-EXECABORT Transaction discarded because of previous errors.\r\n");
    assert_eq!(harness.line("multi"), "+OK\r\n");
    assert_eq!(harness.line("exec"), "*0\r\n");
    assert_eq!(harness.line("multi"), "+OK\r\n");
    assert_eq!(harness.line("discard"), "+OK\r\n");
    assert_eq!(harness.line("watch a"), "+OK\r\n");
    assert_eq!(harness.line("multi"), "+OK\r\n");
    assert_eq!(harness.line("watch b"), OOM);
}

#[test]
fn a_lower_limit_is_reached_in_slices() {
    let mut harness = EngineHarness::with_config(&[("maxmemory-policy", "allkeys-lru")]);
    for key in 0..20_000 {
        harness.feed(harness.first, &set(key, false));
    }
    let used = harness.engine.counted_bytes();
    let bytes = limit(&mut harness, -15_000_000);
    let mut turns = 0;
    while harness.engine.counted_bytes() > bytes {
        let before = evicted(&harness);
        harness.turn();
        harness.engine.evict_in_background();
        let gone = evicted(&harness) - before;
        assert!(gone <= 2 * super::SLICE_MAX as u64, "{gone} in one turn");
        turns += 1;
        assert!(turns < 100);
        // Writing goes on meanwhile, as long as it is eviction that is ahead.
        assert_eq!(harness.line("set another 1"), "+OK\r\n");
        assert!(harness.engine.counted_bytes() < used);
    }
    harness.engine.evict_in_background();
    assert!(!harness.engine.memory.is_behind());
}

#[test]
fn one_batch_does_not_go_beyond_the_limit_by_more_than_one_command() {
    for policy in ["noeviction", "allkeys-random"] {
        let mut harness = limited(policy, 10_000_000);
        let bytes = harness.engine.config.maxmemory as usize;
        let batch: Vec<u8> = (0..300)
            .flat_map(|key| encode(&[b"setrange", format!("key:{key}").as_bytes(), b"1000000", b"x"]))
            .collect();
        let answer = String::from_utf8(harness.feed(harness.first, &batch)).unwrap();
        if policy == "noeviction" {
            assert_eq!(answer.matches(":1000001\r\n").count(), 10);
            assert_eq!(answer.matches(OOM).count(), 290);
        } else {
            assert_eq!(answer.matches(":1000001\r\n").count(), 300);
            let left = harness.engine.keyspace.keys();
            assert!((9..=10).contains(&left), "memory that waits to be freed is not freed twice: {left}");
        }
        assert!(harness.engine.counted_bytes() < bytes + 1_100_000);
    }
}

#[test]
fn a_write_for_which_eviction_has_no_time_waits() {
    let mut harness = EngineHarness::with_config(&[("maxmemory-policy", "allkeys-random")]);
    for key in 0..30_000 {
        harness.send(&[b"set", format!("small:{key}").as_bytes(), b"1"]);
    }
    let other = harness.connect();
    limit(&mut harness, 0);
    // More than a slice of such small keys makes room for.
    let value = vec![b'v'; 150_000];
    let mut requests = encode(&[b"set", b"large", &value]);
    requests.extend(encode(&[b"strlen", b"large"]));
    harness.engine.begin_turn();
    harness.engine.memory.spent_ns = u64::MAX / 2;
    let answer = harness.feed(other, &requests);
    let mut answers = answer;
    let mut turns = 0;
    while !answers.ends_with(b":150000\r\n") {
        assert!(harness.engine.postponed_clients() <= 1);
        harness.turn();
        harness.engine.evict_in_background();
        // What lay behind a large request is parsed in the turn after it.
        harness.engine.gather(other);
        answers.extend(harness.feed(other, b""));
        turns += 1;
        assert!(turns < 50, "{}", String::from_utf8_lossy(&answers));
    }
    assert_eq!(answers, b"+OK\r\n:150000\r\n");
    assert!(evicted(&harness) > 5000);
    assert_eq!(harness.line("ping"), "+PONG\r\n");
}

#[test]
fn an_eviction_is_told_of() {
    let mut harness = EngineHarness::with_config(&[("maxmemory-policy", "allkeys-random")]);
    let other = harness.connect();
    assert_eq!(harness.line("set a 1"), "+OK\r\n");
    assert_eq!(harness.line_as(other, "watch a"), "+OK\r\n");
    harness.engine.keyspace.settings.notify = EventClass::EVICTED;
    harness.engine.memory.set(1);
    harness.engine.evict_in_background();
    assert_eq!(harness.engine.keyspace.keys(), 0);
    let told = harness.engine.keyspace.observers.take_notifications();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].event, told[0].db, &*told[0].key), (Event::EVICTED, 0, &b"a"[..]));
    harness.line("config set maxmemory 0");
    assert_eq!(harness.line_as(other, "multi"), "+OK\r\n");
    assert_eq!(harness.line_as(other, "ping"), "+QUEUED\r\n");
    assert_eq!(harness.line_as(other, "exec"), "*-1\r\n", "the watched key is gone");
}

/// Telling caches of the keys that go takes memory itself, which must not make further keys go.
#[test]
fn caches_that_are_told_of_evictions_do_not_cause_more_of_them() {
    let mut harness = EngineHarness::with_config(&[("maxmemory-policy", "allkeys-lru")]);
    let caches: Vec<usize> = (0..10).map(|_| harness.connect()).collect();
    for &cache in &caches {
        harness.line_as(cache, "hello 3");
        assert_eq!(harness.line_as(cache, "client tracking on"), "+OK\r\n");
    }
    let long = "x".repeat(1000);
    for number in 0..300 {
        harness.line(&format!("set {number}{long} x"));
        for &cache in &caches {
            harness.line_as(cache, &format!("get {number}{long}"));
        }
    }
    limit(&mut harness, -40_000);
    for _ in 0..50 {
        // As at the end of a turn: all is sent, then memory is looked at.
        for &cache in &caches {
            harness.take(cache);
        }
        harness.engine.evict_in_background();
        harness.turn();
    }
    let (left, gone) = (harness.engine.keyspace.keys(), evicted(&harness));
    assert!(harness.engine.counted_bytes() <= harness.engine.config.maxmemory as usize);
    assert!((200..300).contains(&left), "{left} keys are left, {gone} were evicted");
}

/// What a first deadline and a request with very many arguments cost besides the data: little, and not for ever.
#[test]
fn structures_are_small_at_first_and_after_peaks() {
    let mut harness = EngineHarness::new();
    // Each command's first call has its histogram made.
    harness.line("expire key 10000");
    harness.line("set key 1");
    let before = harness.engine.used_bytes();
    harness.line("expire key 10000");
    let grown = harness.engine.used_bytes() - before;
    assert!(grown < 20_000, "a first deadline takes {grown} bytes");
    let members: Vec<String> = (0..100_000).map(|n| n.to_string()).collect();
    let before = harness.engine.used_bytes();
    harness.line(&format!("sadd set {}", members.join(" ")));
    harness.line("del set");
    for _ in 0..10 {
        harness.engine.cron();
        harness.turn();
    }
    let left = harness.engine.counted_bytes().saturating_sub(before);
    assert!(left < 400_000, "a request with 100,000 arguments left {left} bytes");
}

#[test]
fn integers_are_not_shared_where_each_says_when_it_was_used() {
    let mut harness = EngineHarness::new();
    harness.line("set n 1");
    let shared = format!(":{}\r\n", i32::MAX);
    assert_eq!(harness.line("object refcount n"), shared);
    for (policy, answer) in [("allkeys-lru", ":1\r\n"), ("volatile-lfu", ":1\r\n"), ("allkeys-random", &*shared)] {
        harness.line(&format!("config set maxmemory-policy {policy} maxmemory 1gb"));
        assert_eq!(harness.line("object refcount n"), answer, "{policy}");
    }
}

#[test]
fn nothing_goes_during_a_pause() {
    let mut harness = EngineHarness::with_config(&[("maxmemory-policy", "allkeys-lru")]);
    harness.line("set a 1");
    harness.line("client pause 1000 write");
    let bytes = harness.engine.counted_bytes() / 2;
    harness.engine.memory.set(bytes as u64);
    harness.turn();
    harness.engine.evict_in_background();
    assert_eq!(harness.line("get a"), "$1\r\n1\r\n");
    harness.advance_ms(1000);
    harness.engine.evict_in_background();
    assert_eq!(harness.line("get a"), "$-1\r\n");
}

#[test]
fn keys_of_every_database_may_go() {
    for policy in ["allkeys-lru", "allkeys-random"] {
        let mut harness = EngineHarness::with_config(&[("maxmemory-policy", policy)]);
        for db in 0..4 {
            harness.line(&format!("select {db}"));
            for key in 0..500 {
                harness.feed(harness.first, &set(key, false));
            }
        }
        limit(&mut harness, -1_000_000);
        harness.engine.evict_in_background();
        for db in 0..4 {
            let left = harness.engine.keyspace.db(db).len();
            assert!((150..350).contains(&left), "{policy}: database {db} has {left}");
        }
    }
}
