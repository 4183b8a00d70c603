//! Lists of which only the ends are kept as they are (`list-compress-depth`): what they take, and that whatever they go through, they have
//! what they had. Replies about them are compared in `differential_lists.rs`.

mod support;

use std::fs;

use support::client::Client;
use support::pair::Pair;
use support::server::{Server, eventually};

const ELEMENTS: usize = 20_000;

/// Lists with everything in them that a node can have, some of it not to be compressed.
fn fill(client: &mut Client) {
    for first in (0..ELEMENTS).step_by(100) {
        let mut command: Vec<Vec<u8>> = vec![b"RPUSH".to_vec(), b"long".to_vec()];
        command.extend((first..first + 100).map(|n| element(n).into_bytes()));
        assert_eq!(client.call(&command).int(), first as i64 + 100);
    }
    let mut noise = 1_u64;
    for n in 0..60 {
        // A linear congruential generator: LZF finds nothing in what it makes.
        let bytes: Vec<u8> = (0..20_000)
            .map(|_| {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (noise >> 56) as u8
            })
            .collect();
        let bytes = if n % 3 == 0 { bytes } else { vec![b'a' + n as u8 % 26; bytes.len()] };
        client.call(&[b"RPUSH", &b"large"[..], &bytes, b"small", b"17"]);
    }
}

fn element(n: usize) -> String {
    format!("element {n:06} of a list whose elements are as long as a line of text and are all rather alike")
}

/// What DEBUG OBJECT says of a list.
fn about(client: &mut Client, key: &str, field: &str) -> String {
    let line = client.run(&format!("DEBUG OBJECT {key}")).string();
    let found = line.split(' ').find_map(|word| word.strip_prefix(field)?.strip_prefix(':'));
    found.unwrap_or_else(|| panic!("no {field} in {line}")).to_string()
}

fn digest(client: &mut Client) -> String {
    client.run("DEBUG DIGEST").string()
}

fn field(client: &mut Client, section: &str, name: &str) -> String {
    let info = client.run(&format!("INFO {section}")).string();
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("a known field").to_string()
}

#[test]
fn what_is_compressed_takes_less() {
    let used = |client: &mut Client| field(client, "memory", "used_memory").parse::<usize>().expect("bytes");
    let mut grown = Vec::new();
    let mut said = Vec::new();
    let mut digests = Vec::new();
    for depth in [0, 1, 3] {
        // One each: what has been flushed is freed by and by, and would still count.
        let server = Server::subject(&["--list-compress-depth", &depth.to_string()]);
        let mut client = server.connect();
        let before = used(&mut client);
        fill(&mut client);
        grown.push(used(&mut client) - before);
        said.push(client.run("MEMORY USAGE long SAMPLES 0").int());
        assert_eq!(about(&mut client, "long", "ql_compressed"), if depth == 0 { "0" } else { "1" });
        assert!(about(&mut client, "long", "ql_uncompressed_size").parse::<usize>().expect("bytes") > 90 * ELEMENTS);
        assert_eq!(client.run("OBJECT ENCODING long").string(), "quicklist");
        digests.push(digest(&mut client));
        assert!(!server.log().contains("list-compress-depth"), "it has an effect:\n{}", server.log());
    }
    // The long one shrinks to less than a third; a third of the large elements cannot.
    assert!(grown[1] < grown[0] / 3 && grown[2] < grown[0] / 3, "used memory grows by {grown:?}");
    assert!(said[0] > 90 * ELEMENTS as i64 && said[1] < said[0] / 3 && said[1] < said[2], "MEMORY USAGE: {said:?}");
    assert!(digests[0] == digests[1] && digests[0] == digests[2]);
}

/// A list keeps the depth with which it was made, as in Redis; a copy has that of the original.
#[test]
fn the_depth_is_that_of_the_list() {
    let pair = Pair::start(&["--list-compress-depth", "2", "--list-max-listpack-size", "2"]);
    let mut clients = pair.connect();
    let mut says = |line: &str, key: &str| {
        clients.run_quietly(line);
        let compressed = [&mut clients.subject, &mut clients.oracle].map(|client| about(client, key, "ql_compressed"));
        assert_eq!(compressed[0], compressed[1], "{line}");
        compressed[0].clone()
    };
    assert_eq!(says("RPUSH l a b c d e f g h i j", "l"), "1");
    assert_eq!(says("CONFIG SET list-compress-depth 0", "l"), "1");
    assert_eq!(says("RPUSH m a b c d e f g h i j", "m"), "0");
    assert_eq!(says("COPY l n", "n"), "1");
    assert_eq!(says("LSET l 5 other", "l"), "1");
    assert_eq!(says("CONFIG SET list-compress-depth 1", "m"), "0");
    assert_eq!(says("LMOVE l m LEFT RIGHT", "m"), "0");
    assert_eq!(says("RENAME m l", "l"), "0");
}

/// Whether strings of an RDB file are compressed does not matter to what the list has compressed, nor who loads it.
#[test]
fn a_saved_list_is_what_it_was() {
    for compression in ["yes", "no"] {
        let directives = ["--list-compress-depth", "1", "--rdbcompression", compression];
        let mut server = Server::subject(&directives);
        let mut client = server.connect();
        fill(&mut client);
        let wanted = digest(&mut client);
        let usage = client.run("MEMORY USAGE long SAMPLES 0").int();
        client.run("BGSAVE");
        // The list goes on changing: at both ends, in the middle, and everywhere.
        for n in 0..200 {
            client.run(&format!("LSET long {} other", 97 * n));
            client.run("LPOP long");
            client.run("RPUSH long element");
            client.run(&format!("LINSERT large AFTER small {n}"));
        }
        client.run("LTRIM long 3000 -1500");
        client.run("LREM large 0 17");
        let changed = digest(&mut client);
        eventually("it is saved", || field(&mut client, "persistence", "rdb_bgsave_in_progress") == "0");
        assert_eq!(field(&mut client, "persistence", "rdb_last_bgsave_status"), "ok");
        assert_eq!(digest(&mut client), changed);
        drop(client);
        let mut other = Server::not_started();
        fs::copy(server.dir().join("dump.rdb"), other.dir().join("dump.rdb")).expect("it was saved");
        other.restart_as_oracle(&directives);
        assert_eq!(digest(&mut other.connect()), wanted, "rdbcompression {compression}");
        assert_eq!(other.connect().run(&format!("LINDEX long {}", ELEMENTS / 2)).string(), element(ELEMENTS / 2));
        // What redis-server writes of it is loaded in turn, and compressed again.
        other.connect().run("SAVE");
        other.shut_down();
        other.restart(&directives);
        assert_eq!(digest(&mut other.connect()), wanted, "rdbcompression {compression}");
        let loaded = other.connect().run("MEMORY USAGE long SAMPLES 0").int();
        assert!(loaded < usage + usage / 10, "{loaded} bytes, before {usage}");
        server.shut_down();
        server.restart(&["--list-compress-depth", "0"]);
        assert_eq!(digest(&mut server.connect()), wanted, "rdbcompression {compression}");
    }
}

#[test]
fn a_payload_goes_to_redis_and_back() {
    let directives = ["--list-compress-depth", "2"];
    let (subject, oracle) = (Server::subject(&directives), Server::oracle(&directives));
    let (mut subject, mut oracle) = (subject.connect(), oracle.connect());
    fill(&mut subject);
    for key in ["long", "large"] {
        let there = subject.run(&format!("DUMP {key}"));
        assert_eq!(oracle.call(&[b"RESTORE", key.as_bytes(), b"0", there.text()]).string(), "OK");
        let back = oracle.run(&format!("DUMP {key}"));
        assert_eq!(subject.call(&[b"RESTORE", key.as_bytes(), b"0", back.text(), b"REPLACE"]).string(), "OK");
        assert_eq!(about(&mut subject, key, "ql_compressed"), "1");
    }
    assert_eq!(digest(&mut subject), digest(&mut oracle));
    // The commands of an append-only file's base, too.
    let rewritten =
        Server::subject(&["--appendonly", "yes", "--aof-use-rdb-preamble", "no", "--list-compress-depth", "1"]);
    let mut client = rewritten.connect();
    fill(&mut client);
    client.run("BGREWRITEAOF");
    eventually("it is rewritten", || field(&mut client, "persistence", "aof_rewrite_in_progress") == "0");
    assert_eq!(client.run("DEBUG LOADAOF").string(), "OK");
    assert_eq!(digest(&mut client), digest(&mut subject));
}

/// SORT sees each element of compressed nodes at once.
#[test]
fn sorting_sees_compressed_elements() {
    let pair = Pair::start(&["--list-compress-depth", "1", "--list-max-listpack-size", "16"]);
    let mut clients = pair.connect();
    for n in 0..400 {
        clients.run_quietly(&format!("RPUSH l {} {}", (n * 7919) % 1009, n % 10));
        clients.run_quietly(&format!("RPUSH m \"a text of some length {}\"", (n * 7919) % 1009));
    }
    for line in
        ["SORT l", "SORT m ALPHA DESC LIMIT 3 90", "SORT m BY nosort GET # GET no*", "SORT l STORE n", "LRANGE n 0 -1"]
    {
        clients.line(line);
    }
}
