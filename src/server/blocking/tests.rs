//! Clients that wait, on a virtual clock and without sockets.

use crate::reactor::Stream;
use crate::server::testing::{EngineHarness, encode};

fn blocked(harness: &mut EngineHarness) -> usize {
    assert_eq!(
        harness.engine.blocking.clients(),
        harness.engine.clients.iter().filter(|(_, c)| c.is_blocked()).count()
    );
    harness.engine.blocking.clients()
}

/// Nobody waits, and nothing is left of those who did.
fn assert_nobody_waits(harness: &mut EngineHarness) {
    assert_eq!(blocked(harness), 0);
    let blocking = &harness.engine.blocking;
    assert_eq!(blocking.keys(), 0);
    assert_eq!(blocking.clients_with_deadline(), 0);
    assert!(harness.engine.keyspace.observers.is_nothing_awaited());
}

#[test]
fn a_push_serves_who_waits() {
    let mut harness = EngineHarness::new();
    let other = harness.connect();
    assert_eq!(harness.line_as(other, "blpop k 0"), "");
    assert_eq!(blocked(&mut harness), 1);
    assert!(harness.line("client list").contains(" flags=b "));
    let info = harness.line("info clients");
    assert!(info.contains("blocked_clients:1\r\n"), "{info}");
    assert!(info.contains("total_blocking_keys:1\r\n"), "{info}");
    assert_eq!(harness.line("rpush k a b"), ":2\r\n");
    assert_eq!(harness.take(other), b"*2\r\n$1\r\nk\r\n$1\r\na\r\n");
    assert_eq!(harness.line("lrange k 0 -1"), "*1\r\n$1\r\nb\r\n");
    assert_eq!(harness.line_as(other, "blpop k 0"), "*2\r\n$1\r\nk\r\n$1\r\nb\r\n");
    assert_nobody_waits(&mut harness);
}

#[test]
fn first_waiting_first_served() {
    let mut harness = EngineHarness::new();
    let others: Vec<usize> = (0..4).map(|_| harness.connect()).collect();
    // The second one waits for another key first.
    assert_eq!(harness.line_as(others[0], "blpop k 0"), "");
    assert_eq!(harness.line_as(others[1], "brpop x k 0"), "");
    assert_eq!(harness.line_as(others[2], "blpop k 0"), "");
    assert_eq!(harness.line_as(others[3], "blpop k 0"), "");
    assert_eq!(harness.line("rpush k 1 2 3"), ":3\r\n");
    assert_eq!(harness.take(others[0]), b"*2\r\n$1\r\nk\r\n$1\r\n1\r\n");
    assert_eq!(harness.take(others[1]), b"*2\r\n$1\r\nk\r\n$1\r\n3\r\n");
    assert_eq!(harness.take(others[2]), b"*2\r\n$1\r\nk\r\n$1\r\n2\r\n");
    assert_eq!(harness.take(others[3]), b"");
    assert_eq!(harness.line("rpush x 1"), ":1\r\n", "who was served waits nowhere any more");
    assert_eq!(harness.line("llen x"), ":1\r\n");
    assert_eq!(harness.line("lpush k 4"), ":1\r\n");
    assert_eq!(harness.take(others[3]), b"*2\r\n$1\r\nk\r\n$1\r\n4\r\n");
    assert_nobody_waits(&mut harness);
}

#[test]
fn keys_in_the_order_of_their_changes() {
    let mut harness = EngineHarness::new();
    let (a, b) = (harness.connect(), harness.connect());
    assert_eq!(harness.line_as(a, "blpop x y 0"), "");
    assert_eq!(harness.line_as(b, "blpop y x 0"), "");
    let mut batch = encode(&[b"rpush", b"y", b"1"]);
    batch.extend(encode(&[b"exists", b"y"]));
    batch.extend(encode(&[b"rpush", b"x", b"2"]));
    let first = harness.first;
    assert_eq!(harness.feed(first, &batch), b":1\r\n:0\r\n:1\r\n", "served before the next command of the batch");
    assert_eq!(harness.take(a), b"*2\r\n$1\r\ny\r\n$1\r\n1\r\n");
    assert_eq!(harness.take(b), b"*2\r\n$1\r\nx\r\n$1\r\n2\r\n");
    assert_nobody_waits(&mut harness);
}

#[test]
fn a_timeout_is_exact() {
    let mut harness = EngineHarness::new();
    let others: Vec<usize> = (0..3).map(|_| harness.connect()).collect();
    assert_eq!(harness.line_as(others[0], "blpop k 0.1"), "");
    assert_eq!(harness.line_as(others[1], "blpop k 0.0501"), "");
    assert_eq!(harness.line_as(others[2], "blmove k x left right 0.1"), "");
    let start_ms = harness.engine.keyspace.now_ms() as u64;
    assert_eq!(harness.engine.blocking.next_deadline_ms(), Some(start_ms + 51), "rounded up");
    assert!(harness.line("info clients").contains("clients_in_timeout_table:3\r\n"));
    harness.advance_ms(50);
    assert_eq!(harness.take(others[1]), b"");
    harness.advance_ms(1);
    assert_eq!(harness.take(others[1]), b"*-1\r\n");
    harness.advance_ms(48);
    assert_eq!(harness.take(others[0]), b"");
    harness.advance_ms(1);
    assert_eq!(harness.take(others[0]), b"*-1\r\n");
    assert_eq!(harness.take(others[2]), b"*-1\r\n");
    assert_nobody_waits(&mut harness);
}

#[test]
fn what_a_blocked_client_sends_waits() {
    let mut harness = EngineHarness::new();
    let other = harness.connect();
    let mut requests = encode(&[b"set", b"a", b"1"]);
    requests.extend(encode(&[b"blpop", b"k", b"1"]));
    requests.extend(encode(&[b"incr", b"a"]));
    requests.extend(encode(&[b"blpop", b"k", b"1"]));
    requests.extend(encode(&[b"ping"]));
    // And the half of one.
    requests.extend(b"*2\r\n$4\r\necho\r\n$2\r\nh");
    assert_eq!(harness.feed(other, &requests), b"+OK\r\n");
    assert_eq!(harness.line("get a"), "$1\r\n1\r\n");
    assert_eq!(harness.line("rpush k x"), ":1\r\n");
    harness.turn();
    assert_eq!(harness.take(other), b"*2\r\n$1\r\nk\r\n$1\r\nx\r\n:2\r\n");
    harness.advance_ms(1000);
    harness.turn();
    assert_eq!(harness.take(other), b"*-1\r\n+PONG\r\n");
    assert_eq!(harness.feed(other, b"i\r\n"), b"$2\r\nhi\r\n");
    assert_nobody_waits(&mut harness);
}

#[test]
fn requests_of_any_size_wait() {
    let mut harness = EngineHarness::new();
    let other = harness.connect();
    for size in [100, 20_000, 200_000] {
        let key = vec![b'k'; size];
        let mut requests = encode(&[b"blpop", &key, b"0"]);
        requests.extend(encode(&[b"echo", b"later"]));
        assert_eq!(harness.feed(other, &requests), b"", "{size}");
        assert!(harness.engine.clients[other].memory_bytes() > size);
        assert_eq!(harness.send(&[b"lpush", &key, b"v"]), b":1\r\n");
        harness.turn();
        let mut answer = harness.take(other);
        answer.extend(harness.feed(other, &encode(&[b"ping"])));
        assert!(answer.ends_with(b"$1\r\nv\r\n$5\r\nlater\r\n+PONG\r\n"), "{size}: {}", answer.escape_ascii());
    }
    assert_nobody_waits(&mut harness);
}

#[test]
fn one_move_wakes_another() {
    let mut harness = EngineHarness::new();
    let (a, b, c) = (harness.connect(), harness.connect(), harness.connect());
    assert_eq!(harness.line_as(a, "blmove x y left right 0"), "");
    assert_eq!(harness.line_as(b, "blmove y z left right 0"), "");
    assert_eq!(harness.line_as(c, "blpop z 0"), "");
    assert_eq!(harness.line("rpush x v"), ":1\r\n");
    assert_eq!(harness.take(a), b"$1\r\nv\r\n");
    assert_eq!(harness.take(b), b"$1\r\nv\r\n");
    assert_eq!(harness.take(c), b"*2\r\n$1\r\nz\r\n$1\r\nv\r\n");
    assert_eq!(harness.line("dbsize"), ":0\r\n");
    assert_nobody_waits(&mut harness);
}

#[test]
fn a_circle_of_moves_ends() {
    let mut harness = EngineHarness::new();
    let (a, b) = (harness.connect(), harness.connect());
    assert_eq!(harness.line_as(a, "blmove x y left right 0"), "");
    assert_eq!(harness.line_as(b, "blmove y x left right 0"), "");
    assert_eq!(harness.line("rpush x v"), ":1\r\n");
    assert_eq!(harness.take(a), b"$1\r\nv\r\n");
    assert_eq!(harness.take(b), b"$1\r\nv\r\n");
    assert_eq!(harness.line("lrange x 0 -1"), "*1\r\n$1\r\nv\r\n");
    assert_nobody_waits(&mut harness);
}

#[test]
fn another_type_wakes_nobody() {
    let mut harness = EngineHarness::new();
    let other = harness.connect();
    assert_eq!(harness.line_as(other, "blpop k l 0"), "");
    assert_eq!(harness.line("set k v"), "+OK\r\n");
    assert_eq!(harness.take(other), b"");
    assert_eq!(harness.line("del k"), ":1\r\n");
    assert_eq!(harness.take(other), b"");
    assert_eq!(harness.line("set k v"), "+OK\r\n");
    assert_eq!(harness.line("rpush l v"), ":1\r\n");
    assert!(harness.take(other).starts_with(b"-WRONGTYPE "), "it is run as if it had come now");
    assert_eq!(harness.line("llen l"), ":1\r\n");
    assert_nobody_waits(&mut harness);
}

#[test]
fn any_way_to_a_list_is_good() {
    let ways = ["rename old k", "copy old k", "renamenx old k", "linsert old before v w,rename old k"];
    for way in ways {
        let mut harness = EngineHarness::new();
        let other = harness.connect();
        harness.line("rpush old v");
        assert_eq!(harness.line_as(other, "brpop k 0"), "");
        way.split(',').for_each(|line| assert!(!harness.line(line).starts_with('-')));
        assert_eq!(harness.take(other), b"*2\r\n$1\r\nk\r\n$1\r\nv\r\n", "{way}");
        assert_nobody_waits(&mut harness);
    }
    for way in ["move k 0", "swapdb 0 1", "copy k k db 0"] {
        let mut harness = EngineHarness::new();
        let other = harness.connect();
        assert_eq!(harness.line_as(other, "brpop k 0"), "");
        harness.line("select 1");
        harness.line("rpush k v");
        assert_eq!(harness.take(other), b"", "another database");
        harness.line(way);
        assert_eq!(harness.take(other), b"*2\r\n$1\r\nk\r\n$1\r\nv\r\n", "{way}");
        assert_nobody_waits(&mut harness);
    }
}

#[test]
fn who_needs_more_lets_others_pass_and_keeps_its_place() {
    let mut harness = EngineHarness::new();
    let (many, one, again) = (harness.connect(), harness.connect(), harness.connect());
    assert_eq!(harness.line_as(many, "blmovem k d left right 0 exactly 3 bulk"), "");
    assert_eq!(harness.line_as(one, "blpop k 0"), "");
    assert_eq!(harness.line_as(again, "blmovem k d left right 0 exactly 3 bulk"), "");
    assert_eq!(harness.line("rpush k 1"), ":1\r\n");
    assert_eq!(harness.take(one), b"*2\r\n$1\r\nk\r\n$1\r\n1\r\n");
    assert_eq!(harness.line("rpush k 2 3"), ":2\r\n");
    assert_eq!(harness.take(many), b"");
    assert_eq!(harness.line("rpush k 4"), ":3\r\n");
    assert_eq!(harness.take(many), b"*3\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n");
    assert_eq!(harness.take(again), b"");
    assert_eq!(harness.line("client unblock 4"), ":1\r\n");
    assert_eq!(harness.take(again), b"*-1\r\n");
    assert_nobody_waits(&mut harness);
}

#[test]
fn unblock() {
    let mut harness = EngineHarness::new();
    let other = harness.connect();
    let id = harness.engine.clients[other].session.id;
    assert_eq!(harness.line(&format!("client unblock {id}")), ":0\r\n");
    assert_eq!(harness.line_as(other, "blpop k 0"), "");
    assert_eq!(
        harness.line(&format!("client unblock {id} never")),
        "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR\r\n"
    );
    assert_eq!(harness.line(&format!("client unblock {id}")), ":1\r\n");
    assert_eq!(harness.take(other), b"*-1\r\n");
    assert_eq!(harness.line_as(other, "blpop k 0"), "");
    assert_eq!(harness.line(&format!("client unblock {id} error")), ":1\r\n");
    assert_eq!(harness.take(other), b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
    let stats = harness.line("info commandstats");
    let line = stats.lines().find(|line| line.starts_with("cmdstat_blpop:")).expect("it was called");
    assert!(line.contains("calls=2,") && line.contains("failed_calls=1"), "{line}");
    assert_eq!(harness.line_as(other, "ping"), "+PONG\r\n");
    assert_nobody_waits(&mut harness);
}

#[test]
fn a_call_is_counted_when_it_is_done() {
    let mut harness = EngineHarness::new();
    let other = harness.connect();
    let calls = |harness: &mut EngineHarness| {
        let stats = harness.line("info commandstats");
        stats
            .lines()
            .find(|line| line.starts_with("cmdstat_blpop:"))
            .map(|line| line[14..].split(',').next().unwrap().to_string())
    };
    assert_eq!(harness.line_as(other, "blpop k 0"), "");
    assert_eq!(calls(&mut harness), None);
    harness.line("rpush k v");
    assert_eq!(calls(&mut harness).as_deref(), Some("calls=1"));
}

#[test]
fn who_leaves_is_given_nothing() {
    let mut harness = EngineHarness::new();
    let (gone, killed, stays) = (harness.connect(), harness.connect(), harness.connect());
    for client in [gone, killed, stays] {
        assert_eq!(harness.line_as(client, "blpop k 10"), "");
    }
    harness.engine.close(gone);
    let id = harness.engine.clients[killed].session.id;
    let mut batch = encode(&[b"client", b"kill", b"id", id.to_string().as_bytes()]);
    batch.extend(encode(&[b"rpush", b"k", b"v"]));
    let first = harness.first;
    assert_eq!(harness.feed(first, &batch), b":1\r\n:1\r\n");
    assert_eq!(harness.take(stays), b"*2\r\n$1\r\nk\r\n$1\r\nv\r\n");
    assert!(!harness.is_connected(gone) && !harness.is_connected(killed));
    assert_nobody_waits(&mut harness);
    harness.advance_ms(20_000);
}

#[test]
fn replies_that_nobody_wants_are_not_sent() {
    let mut harness = EngineHarness::new();
    let other = harness.connect();
    let mut requests = encode(&[b"client", b"reply", b"skip"]);
    requests.extend(encode(&[b"blpop", b"k", b"0"]));
    requests.extend(encode(&[b"ping"]));
    assert_eq!(harness.feed(other, &requests), b"");
    harness.line("rpush k v");
    harness.turn();
    assert_eq!(harness.take(other), b"+PONG\r\n");
    assert_eq!(harness.line("exists k"), ":0\r\n");
}

#[test]
fn a_pause_does_not_lengthen_a_wait() {
    let mut harness = EngineHarness::new();
    let (waits, late) = (harness.connect(), harness.connect());
    assert_eq!(harness.line_as(waits, "blpop k 1"), "");
    assert_eq!(harness.line("client pause 5000 write"), "+OK\r\n");
    assert_eq!(harness.line_as(late, "blpop k 1"), "", "it has to wait for the end of the pause first");
    harness.advance_ms(1000);
    assert_eq!(harness.take(waits), b"*-1\r\n");
    harness.advance_ms(3999);
    assert_eq!(harness.take(late), b"");
    harness.advance_ms(1);
    assert_eq!(blocked(&mut harness), 1);
    harness.advance_ms(999);
    assert_eq!(harness.take(late), b"");
    harness.advance_ms(1);
    assert_eq!(harness.take(late), b"*-1\r\n");
    assert_nobody_waits(&mut harness);
}

#[test]
fn the_same_key_twice_is_one_key() {
    let mut harness = EngineHarness::new();
    let other = harness.connect();
    assert_eq!(harness.line_as(other, "blpop k k k 0"), "");
    assert_eq!(harness.engine.blocking.keys(), 1);
    harness.line("rpush k v w");
    assert_eq!(harness.take(other), b"*2\r\n$1\r\nk\r\n$1\r\nv\r\n");
    assert_nobody_waits(&mut harness);
}

/// A transaction sees one moment, who is served after it the next: the list is past its deadline by then.
#[test]
fn a_list_that_expires_in_the_transaction_that_made_it() {
    let mut harness = EngineHarness::with_config(&[("enable-debug-command", "yes")]);
    let other = harness.connect();
    assert_eq!(harness.line_as(other, "blpop k 0"), "");
    for line in ["multi", "rpush k a", "pexpire k 5", "debug sleep 0.02", "lrange k 0 -1"] {
        harness.line(line);
    }
    assert_eq!(harness.line("exec"), "*4\r\n:1\r\n:1\r\n+OK\r\n*1\r\n$1\r\na\r\n");
    assert_eq!(harness.take(other), b"");
    assert_eq!(harness.line("exists k"), ":0\r\n");
    assert_eq!(harness.line("rpush k b"), ":1\r\n");
    assert_eq!(harness.take(other), b"*2\r\n$1\r\nk\r\n$1\r\nb\r\n");
    assert_nobody_waits(&mut harness);
}

#[test]
fn ten_thousand_wait() {
    let mut harness = EngineHarness::new();
    let clients: Vec<usize> = (0..10_000).map(|_| harness.engine.connect(Stream::Detached)).collect();
    for (number, &client) in clients.iter().enumerate() {
        let key = format!("k{}", number % 100);
        harness.engine.feed(client, &encode(&[b"blpop", key.as_bytes(), b"100"]));
        harness.engine.run();
    }
    assert_eq!(blocked(&mut harness), 10_000);
    for (number, &client) in clients.iter().enumerate().take(100) {
        let key = format!("k{number}");
        harness.line(&format!("rpush {key} v"));
        let expected = encode(&[key.as_bytes(), b"v"]);
        assert_eq!(harness.take(client), expected);
    }
    assert_eq!(blocked(&mut harness), 9900);
    harness.advance_ms(100_000);
    assert_eq!(harness.take(clients[100]), b"*-1\r\n");
    assert_eq!(harness.take(clients[9999]), b"*-1\r\n");
    assert_nobody_waits(&mut harness);
}

/// Whose bytes are on the disk is not looked at any more, though it waits for replicas; but it is told when there is no file any more.
#[test]
fn what_is_on_the_disk_is_looked_at_once() {
    let dir = std::env::temp_dir().join(format!("zedis-waitaof-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    let mut harness = EngineHarness::with_config(&[("dir", dir.to_str().expect("text")), ("save", "")]);
    let until = |harness: &mut EngineHarness, what: &str, is_so: &dyn Fn(&EngineHarness) -> bool| {
        let begun = std::time::Instant::now();
        while !is_so(harness) {
            assert!(begun.elapsed().as_secs() < 60, "{what}");
            std::thread::sleep(std::time::Duration::from_millis(2));
            harness.advance_ms(100);
            harness.turn();
            harness.engine.continue_rewrite();
            harness.engine.save_slice();
            harness.engine.cron();
        }
    };
    assert_eq!(harness.line("config set appendonly yes"), "+OK\r\n");
    until(&mut harness, "there is a file", &|harness| harness.engine.aof.durable_bytes().is_some());
    assert_eq!(harness.line("set k v"), "+OK\r\n");
    let waits = harness.connect();
    assert_eq!(harness.line_as(waits, "waitaof 1 1 0"), "");
    until(&mut harness, "it is on the disk", &|harness| harness.engine.blocking.syncs.is_empty());
    assert_eq!((harness.engine.blocking.clients(), harness.engine.blocking.synced.len()), (1, 1));
    assert_eq!(harness.line("config set appendonly no"), "+OK\r\n");
    until(&mut harness, "it waits no more", &|harness| harness.engine.blocking.clients() == 0);
    assert!(harness.take(waits).starts_with(b"-ERR WAITAOF cannot be used"));
    assert!(harness.engine.blocking.synced.is_empty());
    std::fs::remove_dir_all(&dir).expect("it is there");
}
