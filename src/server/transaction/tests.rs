//! Transactions on a virtual clock: what WATCH sees, what the limits hold, what clients are told and when.

use crate::server::session::gate;
use crate::server::testing::{EngineHarness, encode};

#[test]
fn requests_are_put_off_until_exec() {
    let mut harness = EngineHarness::new();
    let other = harness.connect();
    assert_eq!(harness.line("multi"), "+OK\r\n");
    assert_eq!(harness.line("set a 1"), "+QUEUED\r\n");
    assert_eq!(harness.line("incr a"), "+QUEUED\r\n");
    assert_eq!(harness.line("client getname"), "+QUEUED\r\n");
    assert_eq!(harness.line_as(other, "get a"), "$-1\r\n");
    assert_eq!(harness.line("exec"), "*3\r\n+OK\r\n:2\r\n$-1\r\n");
    assert_eq!(harness.line("get a"), "$1\r\n2\r\n");
    assert_eq!(harness.line("exec"), "-ERR EXEC without MULTI\r\n");
}

#[test]
fn one_batch_may_hold_several_transactions() {
    let mut harness = EngineHarness::new();
    let mut batch = Vec::new();
    let big = vec![b'v'; 100_000];
    for _ in 0..3 {
        batch.extend(encode(&[b"multi"]));
        batch.extend(encode(&[b"set", b"a", &big]));
        batch.extend(encode(&[b"strlen", b"a"]));
        batch.extend(encode(&[b"exec"]));
    }
    let answer = harness.feed(harness.first, &batch);
    let one = "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:100000\r\n";
    assert_eq!(String::from_utf8(answer).unwrap(), one.repeat(3));
}

#[test]
fn a_long_transaction_is_executed_in_order() {
    let mut harness = EngineHarness::new();
    let many: Vec<String> = (0..5000).map(|n| n.to_string()).collect();
    for len in [1, 5000] {
        let value = "v".repeat(len);
        harness.line("multi");
        let mut batch = Vec::new();
        for n in &many {
            batch.extend(encode(&[b"set", n.as_bytes(), value.as_bytes()]));
            batch.extend(encode(&[b"append", n.as_bytes(), n.as_bytes()]));
        }
        let mut names = vec![b"mget".as_slice()];
        names.extend(many.iter().map(|n| n.as_bytes()));
        batch.extend(encode(&names));
        batch.extend(encode(&[b"client", b"getname"]));
        let queued = String::from_utf8(harness.feed(harness.first, &batch)).expect("text");
        assert_eq!(queued, "+QUEUED\r\n".repeat(2 * many.len() + 2));
        let answer = harness.line("exec");
        let mut expected = format!("*{}\r\n", 2 * many.len() + 2);
        many.iter().for_each(|n| expected += &format!("+OK\r\n:{}\r\n", len + n.len()));
        expected += &format!("*{}\r\n", many.len());
        many.iter().for_each(|n| expected += &format!("${}\r\n{value}{n}\r\n", len + n.len()));
        expected += "$-1\r\n";
        assert!(answer == expected, "{len}: {} bytes, not {}", answer.len(), expected.len());
    }
    let kept = harness.engine.clients[harness.first].memory_bytes();
    assert!(kept < 100_000, "{kept} bytes stay");
}

#[test]
fn what_will_not_be_executed_is_not_kept() {
    let mut harness = EngineHarness::with_config(&[("client-query-buffer-limit", "1mb")]);
    let other = harness.connect();
    let value = "v".repeat(10_000);
    for (name, db) in [("set w 1", 0), ("flushall", 0), ("swapdb 0 1", 1)] {
        harness.line_as(other, "set w 0");
        harness.line(&format!("select {db}"));
        harness.line("watch other w");
        harness.line("multi");
        harness.line("get w");
        harness.line_as(other, name);
        for _ in 0..300 {
            assert_eq!(harness.line(&format!("set x {value}")), "+QUEUED\r\n", "{name}");
        }
        let list = harness.line_as(other, "client list");
        let own = list.lines().find(|line| line.contains(" watch=2 ")).expect("it watches");
        assert!(own.contains(" multi=1 ") && own.contains(" flags=xd"), "{own}");
        assert_eq!(harness.line("exec"), "*-1\r\n", "{name}");
        // The next one is another matter.
        harness.line("watch w");
        harness.line("multi");
        harness.line("ping");
        assert_eq!(harness.line("exec"), "*1\r\n+PONG\r\n", "{name}");
    }
    assert_eq!(harness.engine.keyspace.observers.watched_keys(), 0);
}

#[test]
fn many_watch_a_key() {
    let mut harness = EngineHarness::new();
    let clients: Vec<usize> = (0..50).map(|_| harness.connect()).collect();
    for (n, &client) in clients.iter().enumerate() {
        // In no order.
        let line = if n % 3 == 0 { "watch a b" } else { "watch b a" };
        harness.line_as(client, line);
        harness.line_as(client, "multi");
    }
    for &client in &clients[10..20] {
        harness.line_as(client, "discard");
        harness.line_as(client, "watch b");
        harness.line_as(client, "multi");
    }
    harness.line("set a 1");
    for &client in &clients[30..40] {
        harness.line_as(client, "discard");
        harness.line_as(client, "watch a");
        harness.line_as(client, "multi");
    }
    for (n, &client) in clients.iter().enumerate() {
        let is_well = (10..20).contains(&n) || (30..40).contains(&n);
        assert_eq!(harness.line_as(client, "exec"), if is_well { "*0\r\n" } else { "*-1\r\n" }, "{n}");
    }
    assert_eq!(harness.engine.keyspace.observers.watched_keys(), 0);
}

#[test]
fn a_watched_key_that_expires_is_changed() {
    let mut harness = EngineHarness::new();
    harness.line("set a 1 px 100");
    assert_eq!(harness.line("watch a"), "+OK\r\n");
    harness.line("multi");
    harness.line("ping");
    harness.engine.clock.advance(std::time::Duration::from_millis(101));
    assert_eq!(harness.line("exec"), "*-1\r\n");
    // One that was past its deadline before is not there: that it goes is no change.
    harness.engine.keyspace.active_expire = false;
    harness.line("set a 1 px 100");
    harness.engine.clock.advance(std::time::Duration::from_millis(101));
    harness.line("watch a");
    harness.line("multi");
    harness.line("ping");
    assert_eq!(harness.line("exec"), "*1\r\n+PONG\r\n");
}

#[test]
fn watch_sees_whatever_changes_a_key() {
    let changes: &[(&str, bool)] = &[
        ("set k 1", true),
        ("get k", false),
        ("set other 1", false),
        ("del k", true),
        ("expire k 100", true),
        ("rename k other", true),
        ("copy other k", false),
        ("copy k other replace", false),
        ("move k 1", true),
        ("flushall", true),
        ("flushdb", true),
        ("swapdb 0 1", true),
        ("swapdb 1 2", false),
        ("append k x", true),
        ("persist k", false),
        ("sadd k x", false),
    ];
    for &(change, is_seen) in changes {
        let mut harness = EngineHarness::new();
        let other = harness.connect();
        harness.line("set k v");
        harness.line("watch k nothing k");
        harness.line_as(other, change);
        harness.line("multi");
        harness.line("ping");
        let wanted = if is_seen { "*-1\r\n" } else { "*1\r\n+PONG\r\n" };
        assert_eq!(harness.line("exec"), wanted, "{change}");
        assert_eq!(harness.engine.keyspace.observers.watched_keys(), 0);
        // By the client itself as well.
        let mut harness = EngineHarness::new();
        harness.line("set k v");
        harness.line("watch k");
        harness.line(change);
        harness.line("multi");
        harness.line("ping");
        assert_eq!(harness.line("exec"), wanted, "{change} by the client itself");
    }
}

#[test]
fn flushes_do_not_change_what_is_not_there() {
    let mut harness = EngineHarness::new();
    harness.line("set other 1");
    harness.line("watch k");
    harness.line("flushall");
    harness.line("multi");
    assert_eq!(harness.line("exec"), "*0\r\n");
}

/// What each comes to is redis-server's answer. `late`: the deadline has passed, but the key has not been taken out.
#[test]
fn databases_that_change_as_a_whole_with_keys_past_their_deadlines() {
    let cases: &[(&[&str], bool)] = &[
        // Alive when it was watched, and gone.
        (&["set k 1 px 100", "watch k", "late", "flushall"], true),
        (&["set k 1 px 100", "watch k", "late", "flushdb"], true),
        (&["set k 1 px 100", "watch k", "late", "swapdb 0 1"], true),
        // Not there when it was watched, nor now.
        (&["set k 1 px 100", "late", "watch k", "flushall"], false),
        (&["set k 1 px 100", "late", "watch k", "swapdb 0 1"], false),
        (&["select 1", "set k 1 px 100", "select 0", "late", "watch k", "swapdb 0 1"], false),
        (&["select 1", "set k 1 px 100", "select 0", "late", "watch k", "swapdb 0 1", "flushall"], false),
        (&["select 1", "set k 1 px 100", "select 0", "watch k", "late", "swapdb 0 1", "swapdb 0 1"], false),
        // There now.
        (&["select 1", "set k 1 px 100", "select 0", "late", "watch k", "swapdb 0 1", "set k 2"], true),
        (&["select 1", "set k 1 px 100", "select 0", "watch k", "swapdb 0 1", "late"], true),
    ];
    for (lines, is_changed) in cases {
        let mut harness = EngineHarness::new();
        harness.engine.keyspace.active_expire = false;
        for line in *lines {
            match *line {
                "late" => harness.engine.clock.advance(std::time::Duration::from_millis(101)),
                line => assert!(!harness.line(line).starts_with('-'), "{line}"),
            }
        }
        harness.line("multi");
        assert_eq!(harness.line("exec"), if *is_changed { "*-1\r\n" } else { "*0\r\n" }, "{lines:?}");
    }
}

#[test]
fn unwatch_discard_reset_and_goodbye_forget() {
    for forget in ["unwatch", "discard", "reset"] {
        let mut harness = EngineHarness::new();
        harness.line("watch k");
        if forget == "discard" {
            harness.line("multi");
        }
        harness.line(forget);
        assert_eq!(harness.engine.keyspace.observers.watched_keys(), 0, "{forget}");
        harness.line("set k 1");
        harness.line("multi");
        assert_eq!(harness.line("exec"), "*0\r\n", "{forget}");
    }
    let mut harness = EngineHarness::new();
    harness.line("watch k");
    harness.line("multi");
    harness.engine.close(harness.first);
    assert_eq!(harness.engine.keyspace.observers.watched_keys(), 0);
}

#[test]
fn blocking_commands_do_not_block_and_are_served_afterwards() {
    let mut harness = EngineHarness::new();
    let waiter = harness.connect();
    assert_eq!(harness.line_as(waiter, "blpop l 0"), "");
    harness.line("multi");
    for line in ["blpop nothing 0", "rpush l 1", "lpop l", "rpush l 2"] {
        assert_eq!(harness.line(line), "+QUEUED\r\n");
    }
    assert_eq!(harness.line("exec"), "*4\r\n*-1\r\n:1\r\n$1\r\n1\r\n:1\r\n");
    assert_eq!(harness.take(waiter), b"*2\r\n$1\r\nl\r\n$1\r\n2\r\n");
}

#[test]
fn refused_requests_refuse_the_transaction() {
    for refused in ["nothing at all", "get", "client nothing", "client kill"] {
        let mut harness = EngineHarness::new();
        harness.line("multi");
        assert!(harness.line(refused).starts_with("-ERR"), "{refused}");
        harness.line("set a 1");
        assert_eq!(
            harness.line("exec"),
            "-EXECABORT Transaction discarded because of previous errors.\r\n",
            "{refused}"
        );
        assert_eq!(harness.line("get a"), "$-1\r\n");
        assert_eq!(harness.engine.clients[harness.first].session.gates & gate::MULTI, 0);
    }
}

#[test]
fn a_pause_of_writes_holds_what_exec_would_write() {
    let mut harness = EngineHarness::new();
    let other = harness.connect();
    harness.line_as(other, "multi");
    harness.line_as(other, "set a 1");
    harness.line("client pause 1000 write");
    assert_eq!(harness.line_as(other, "exec"), "");
    harness.advance_ms(1000);
    assert_eq!(harness.take(other), b"*1\r\n+OK\r\n");
    harness.line_as(other, "multi");
    harness.line_as(other, "get a");
    harness.line("client pause 1000 write");
    assert_eq!(harness.line_as(other, "exec"), "*1\r\n$1\r\n1\r\n");
}

#[test]
fn a_transaction_costs_no_more_than_the_limit() {
    let mut harness = EngineHarness::with_config(&[("client-query-buffer-limit", "1mb")]);
    let other = harness.connect();
    harness.line_as(other, "multi");
    let value = vec![b'v'; 10_000];
    let request = encode(&[b"set", b"key", &value]);
    let mut sent = 0;
    while harness.is_connected(other) {
        harness.feed(other, &request);
        sent += 1;
        assert!(sent <= 106, "a megabyte of requests is more than it may keep");
    }
    assert!(sent >= 104, "closed after {sent}");
    assert_eq!(harness.engine.stats.query_limit_disconnections, 1);
}

/// Arguments without bytes take memory too.
#[test]
fn a_transaction_of_nothing_costs_no_more_than_the_limit() {
    let mut harness = EngineHarness::with_config(&[("client-query-buffer-limit", "1mb")]);
    let other = harness.connect();
    harness.line_as(other, "multi");
    let request = encode(&[&[b"del".as_slice()], &[b"".as_slice(); 999][..]].concat());
    for sent in 0.. {
        harness.feed(other, &request);
        if !harness.is_connected(other) {
            break;
        }
        assert!(sent <= 1100, "a million arguments are more than it may keep");
    }
    assert_eq!(harness.engine.stats.query_limit_disconnections, 1);
}

/// Who watched very many keys is done with them at once; the keyspace forgets them by and by, and nobody notices.
#[test]
fn many_watched_keys_are_forgotten_in_slices() {
    let mut harness = EngineHarness::new();
    let other = harness.connect();
    let keys: Vec<String> = (0..5000).map(|n| format!("k{n}")).collect();
    let watch = format!("WATCH {}", keys.join(" "));
    for end in ["UNWATCH", "DISCARD", "EXEC", "RESET"] {
        assert_eq!(harness.line_as(other, &watch), "+OK\r\n");
        if end == "DISCARD" || end == "EXEC" {
            harness.line_as(other, "MULTI");
        }
        harness.line_as(other, end);
        assert!(!harness.engine.unwatching.is_empty(), "{end} took all of them at once");
        assert_eq!(harness.engine.watching_clients, 0);
        // The same client watches some of the same keys anew.
        harness.line_as(other, "WATCH k1 k2");
        harness.line("SET k4000 v");
        harness.engine.unwatch_slice();
        harness.line_as(other, "MULTI");
        harness.line_as(other, "PING");
        assert_eq!(harness.line_as(other, "EXEC"), "*1\r\n+PONG\r\n", "{end}");
        harness.line_as(other, "WATCH k1 k2");
        for _ in 0..100 {
            harness.engine.unwatch_slice();
        }
        assert!(harness.engine.unwatching.is_empty());
        harness.line("SET k2 v");
        harness.line_as(other, "MULTI");
        assert_eq!(harness.line_as(other, "EXEC"), "*-1\r\n", "{end}");
        assert_eq!(harness.engine.keyspace.observers.watched_keys(), 0, "{end}: some are left");
    }
}

/// Whichever are fewer, the keys that are there or those that are watched.
#[test]
fn flushing_breaks_what_watches_the_keys_that_were_there() {
    for (there, watched) in [(1, 100), (100, 1), (5, 5)] {
        let mut harness = EngineHarness::new();
        let other = harness.connect();
        let third = harness.connect();
        (0..there).for_each(|n| drop(harness.line(&format!("SET k{n} v"))));
        let keys: Vec<String> = (0..watched).map(|n| format!("k{n}")).collect();
        harness.line_as(other, &format!("WATCH {}", keys.join(" ")));
        harness.line_as(third, "WATCH nothing");
        harness.line("FLUSHALL");
        for (client, answer) in [(other, "*-1\r\n"), (third, "*0\r\n")] {
            harness.line_as(client, "MULTI");
            assert_eq!(harness.line_as(client, "EXEC"), answer, "{there} keys, {watched} watched");
        }
    }
}

#[test]
fn the_same_deadline_once_more_is_a_change() {
    let mut harness = EngineHarness::new();
    let other = harness.connect();
    harness.line("SET k v EX 1000");
    for (command, answer) in [("EXPIRE k 1000", "*-1\r\n"), ("PERSIST k", "*-1\r\n"), ("PERSIST k", "*0\r\n")] {
        harness.line("WATCH k");
        harness.line_as(other, command);
        harness.line("MULTI");
        assert_eq!(harness.line("EXEC"), answer, "{command}");
    }
}
