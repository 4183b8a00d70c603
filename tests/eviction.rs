//! Memory over real sockets: what `used_memory` counts, refusals as redis-server words them, clients that take too much, keys that expire
//! in great numbers while others are served.

mod support;

use std::time::{SystemTime, UNIX_EPOCH};

use support::client::{Client, encode};
use support::pair::{Pair, run_table};
use support::server::{Server, eventually};

/// A field of INFO.
fn info(client: &mut Client, field: &str) -> String {
    let text = String::from_utf8(client.run("INFO EVERYTHING").text().to_vec()).expect("INFO is text");
    let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    value.unwrap_or_else(|| panic!("INFO has no {field}")).to_owned()
}

fn number(client: &mut Client, field: &str) -> i64 {
    info(client, field).parse().expect("a number")
}

fn fill(client: &mut Client, keys: std::ops::Range<usize>, value_len: usize) {
    let value = vec![b'v'; value_len];
    let batch: Vec<u8> = keys.clone().flat_map(|n| encode(&[b"SET", format!("key:{n}").as_bytes(), &value])).collect();
    client.send(&batch);
    for _ in keys {
        client.read();
    }
}

#[test]
fn used_memory_is_what_the_allocator_says() {
    let server = Server::subject(&[]);
    let mut client = server.connect();
    // What threads keep for their next allocations is in the allocator's sum only.
    const CACHED_BYTES: i64 = 1 << 20;
    let check = |client: &mut Client, when: &str| {
        let (used, allocated) = (number(client, "used_memory"), number(client, "allocator_allocated"));
        assert!((used - allocated).abs() < CACHED_BYTES, "{when}: {used} counted, {allocated} allocated");
    };
    check(&mut client, "at the start");
    for round in 0..5 {
        for batch in 0..20 {
            fill(&mut client, batch * 1000..(batch + 1) * 1000, 100 + round * 50);
        }
        check(&mut client, "with many small keys");
        fill(&mut client, 100_000..100_005, 2_000_000);
        for n in 0..1000 {
            client.run(&format!("SADD set {n} m{n} {}", n + 1000));
        }
        check(&mut client, "with large values");
        // Freed by another thread.
        client.run("FLUSHALL");
        eventually("what was flushed is freed", || number(&mut client, "lazyfree_pending_objects") == 0);
        eventually("the account of it is up to date", || {
            (number(&mut client, "used_memory") - number(&mut client, "allocator_allocated")).abs() < CACHED_BYTES
        });
    }
}

const REFUSED: &str = r#"
SET a 1
RPUSH list 1 2 3
HSET hash f v
MULTI
SET a 2
EXEC
CONFIG SET maxmemory 1
SET a 3
SET b
NOSUCH
GET a
APPEND a x
RPUSH list 4
LPOP list
LMOVE list other LEFT LEFT
BLMOVE list other LEFT LEFT 0
HSET hash g w
HDEL hash f
HINCRBY hash n 1
EXPIRE a 1000
PERSIST a
RENAME a c
RENAME c a
COPY a d
SORT list STORE sorted
SINTERSTORE dst a b
GETSET a x
INCR n
SETRANGE a 1 x
BITOP NOT dst a
PFADD hll x
PFCOUNT hll
GEOADD geo 1 2 x
RESTORE r 0 xx
EXISTS a b
MULTI
GET a
SET a 4
EXEC
MULTI
PING
DISCARD
MULTI
EXEC
MULTI
MULTI
DISCARD
MULTI
WATCH a
UNWATCH
RESET
WATCH a
UNWATCH
CONFIG SET maxmemory 0
MULTI
SET a 5
GET a
CONFIG SET maxmemory 1
GET a
EXEC
CONFIG SET maxmemory 0
SET a 6
CONFIG SET maxmemory 1 maxmemory-policy volatile-lru
SET b 1
CONFIG SET maxmemory 0
SET a 7
GET a
CONFIG SET maxmemory-policy noeviction
"#;

#[test]
fn refusals_are_redis_servers() {
    run_table(&[("refused", REFUSED)], &[], &[]);
}

#[test]
fn exec_is_refused_when_memory_has_become_short() {
    let pair = Pair::start(&[]);
    let (mut clients, mut others) = (pair.connect(), pair.connect());
    clients.lines("MULTI\nSET a 1\nGET a");
    others.line("CONFIG SET maxmemory 1");
    clients.lines("EXEC\nGET a\nMULTI\nGET a\nEXEC\nMULTI");
    others.line("CONFIG SET maxmemory 0");
    clients.line("GET a");
    others.line("CONFIG SET maxmemory 1");
    // Nothing in it needs memory.
    clients.line("EXEC");
}

#[test]
fn memory_is_held_while_everybody_writes() {
    let server = Server::subject(&["--maxmemory", "20mb", "--maxmemory-policy", "allkeys-lru"]);
    let mut writers: Vec<Client> = (0..4).map(|_| server.connect()).collect();
    let mut watcher = server.connect();
    let value = vec![b'v'; 1000];
    for round in 0..60 {
        for (index, writer) in writers.iter_mut().enumerate() {
            let key = |n: usize| format!("key:{index}:{round}:{n}");
            let batch: Vec<u8> = (0..200).flat_map(|n| encode(&[b"SET", key(n).as_bytes(), &value])).collect();
            writer.send(&batch);
        }
        // While they are served. A turn's input, and rings, come on top of a full store.
        let used = number(&mut watcher, "used_memory");
        assert!(used < (20 << 20) + (1 << 20), "{used} bytes in round {round}");
        for writer in &mut writers {
            for _ in 0..200 {
                assert_eq!(writer.read().text(), b"OK");
            }
        }
    }
    assert!(number(&mut watcher, "evicted_keys") > 20_000);
    assert_eq!(number(&mut watcher, "current_eviction_exceeded_time"), 0);
    watcher.run("CONFIG SET maxmemory 5mb");
    eventually("the lower limit holds", || number(&mut watcher, "used_memory") < 5 << 20);
    // In slices: others are served meanwhile, and writes go on.
    assert_eq!(watcher.run("SET a 1").text(), b"OK");
}

/// A client with so much waiting for it that its socket takes no more.
fn glutton(server: &Server, replies: usize) -> Client {
    let mut client = server.connect();
    let batch: Vec<u8> = (0..replies).flat_map(|_| encode(&["GETRANGE", "large", "0", "-2"])).collect();
    client.send(&batch);
    client
}

#[test]
fn the_largest_clients_are_closed_first() {
    let server = Server::subject(&["--maxmemory-clients", "6mb"]);
    let mut watcher = server.connect();
    watcher.run("CLIENT NO-EVICT ON");
    watcher.run("SETRANGE large 1000000 x");
    let mut small = server.connect();
    assert_eq!(small.run("PING").text(), b"PONG");
    let mut middle = glutton(&server, 3);
    eventually("replies wait", || number(&mut watcher, "mem_clients_normal") > 1 << 20);
    let mut large = glutton(&server, 6);
    eventually("one is closed", || number(&mut watcher, "evicted_clients") == 1);
    let received = large.read_to_end();
    assert!(received.len() < 6_000_000, "{}", received.len());
    assert_eq!(small.run("PING").text(), b"PONG");
    for _ in 0..3 {
        assert_eq!(middle.read().text().len(), 1_000_000);
    }
    assert!(server.log().contains("Evicting client"));

    // What a client sends counts as well, before it is a request.
    let mut sender = server.connect();
    let half = [b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$9000000\r\n".to_vec(), vec![b'v'; 8_000_000]].concat();
    // It may be closed before everything is sent.
    let _ = sender.try_send(&half);
    eventually("the sender is closed", || number(&mut watcher, "evicted_clients") == 2);

    // Who must not be closed is not, and counts.
    let mut kept = server.connect();
    kept.run("CLIENT NO-EVICT ON");
    let batch: Vec<u8> = (0..9).flat_map(|_| encode(&["GETRANGE", "large", "0", "-2"])).collect();
    kept.send(&batch);
    eventually("others go for it", || number(&mut watcher, "evicted_clients") >= 3);
    for _ in 0..9 {
        assert_eq!(kept.read().text().len(), 1_000_000);
    }
    drop(small);
    // A percentage is one of maxmemory; without that there is no limit.
    assert_eq!(watcher.run("CONFIG SET maxmemory-clients 5%").text(), b"OK");
    let before = number(&mut watcher, "evicted_clients");
    let mut free = glutton(&server, 9);
    for _ in 0..9 {
        assert_eq!(free.read().text().len(), 1_000_000);
    }
    let mut reader = glutton(&server, 9);
    watcher.run("CONFIG SET maxmemory 100mb");
    eventually("5 % of 100 MB", || number(&mut watcher, "evicted_clients") > before);
    reader.read_to_end();
}

/// However little the clients may take, somebody who has next to nothing can still put it right.
#[test]
fn a_tiny_limit_leaves_room_for_a_client() {
    let pair = Pair::start(&[]);
    for server in [&pair.subject, &pair.oracle] {
        for (maxmemory, limit) in [("0", "1"), ("100", "1%"), ("0", "100000")] {
            let mut client = server.connect();
            client.run(&format!("CONFIG SET maxmemory {maxmemory} maxmemory-clients {limit}"));
            assert_eq!(client.run("PING").text(), b"PONG", "{limit}");
            let mut other = server.connect();
            assert_eq!(other.run("CONFIG SET maxmemory 0 maxmemory-clients 0").text(), b"OK", "{limit}");
            assert_eq!(client.run("PING").text(), b"PONG", "{limit}");
            assert_eq!(number(&mut client, "evicted_clients"), 0, "{limit}");
        }
    }
}

#[test]
fn keys_that_expire_in_great_numbers_go_in_time() {
    let server = Server::subject(&[]);
    let mut client = server.connect();
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as u64;
    const KEYS: u64 = 20_000;
    let batch: Vec<u8> = (0..KEYS)
        .flat_map(|n| {
            let deadline_ms = now_ms + 3000 + n * 1000 / KEYS;
            encode(&["SET", &format!("key:{n}"), "v", "PXAT", &deadline_ms.to_string()])
        })
        .collect();
    client.send(&batch);
    for _ in 0..KEYS {
        client.read();
    }
    eventually("all are gone", || client.run("DBSIZE").int() == 0);
    assert_eq!(number(&mut client, "expired_keys"), KEYS as i64);
    assert_eq!(info(&mut client, "expired_stale_perc"), "0.00");
    let (p50, p99, max) = (
        number(&mut client, "expire_lag_p50_ms"),
        number(&mut client, "expire_lag_p99_ms"),
        number(&mut client, "expire_lag_max_ms"),
    );
    assert!(p50 <= p99 && p99 <= max, "{p50} {p99} {max}");
    client.run("CONFIG RESETSTAT");
    assert_eq!(number(&mut client, "expire_lag_max_ms"), 0);
}

/// What the loop allocates and the thread of the append-only file frees does not pile up in the account.
#[test]
fn the_append_only_file_is_booked() {
    let server = Server::subject(&["--appendonly", "yes", "--appendfsync", "no"]);
    let mut client = server.connect();
    let value = vec![b'v'; 10_000];
    let batch: Vec<u8> = (0..200).flat_map(|_| encode(&[b"SET".as_slice(), b"key", &value])).collect();
    let mut before = 0;
    for round in 0..20 {
        client.send(&batch);
        (0..200).for_each(|_| assert_eq!(client.read().text(), b"OK"));
        if round == 0 {
            before = number(&mut client, "used_memory");
        }
    }
    eventually("40 MB that were written are not counted as used", || {
        number(&mut client, "used_memory") < before + (4 << 20)
    });
}
