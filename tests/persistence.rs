//! RDB files and the process: loading at the start, saving at the end, kills and full disks in between, snapshots under load, and the tool
//! that checks a file.

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use support::append_only;
use support::client::{Client, encode};
use support::pair::run_table;
use support::random::Random;
use support::reply::Reply;
use support::server::{Server, eventually};

const TABLE: &str = r#"
BGSAVE bogus
BGSAVE SCHEDULE bogus
SAVE x
LASTSAVE x
near LASTSAVE
SAVE
near LASTSAVE
DEBUG RELOAD BOGUS
SET k v
DEBUG RELOAD
GET k
DEBUG RELOAD NOSAVE
SET k w
DEBUG RELOAD NOSAVE NOFLUSH MERGE
GET k
MULTI
SAVE
EXEC
SHUTDOWN bogus
SHUTDOWN SAVE NOSAVE
COMMAND INFO save bgsave lastsave
"#;

#[test]
fn commands() {
    run_table(&[("commands", TABLE)], &[], &["--enable-debug-command", "yes"]);
}

fn zedis(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_zedis")).args(words).output().expect("it runs")
}

fn check(path: &Path) -> Output {
    zedis(&["check-rdb", &path.to_string_lossy()])
}

fn signal(server: &Server, name: &str) {
    let status = Command::new("kill").args([name, &server.pid().to_string()]).status().expect("kill(1)");
    assert!(status.success());
}

fn info(client: &mut Client, field: &str) -> String {
    let text = client.run("INFO").string();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {field} in {text}")).to_owned()
}

fn populate(client: &mut Client, keys: usize) {
    client.run(&format!("DEBUG POPULATE {keys} key 20"));
}

/// A file with so many keys.
fn saved(keys: usize) -> Vec<u8> {
    let server = Server::subject(&[]);
    let mut client = server.connect();
    populate(&mut client, keys);
    client.run("SET mine yes");
    assert_eq!(client.run("SAVE").string(), "OK");
    fs::read(server.dir().join("dump.rdb")).expect("it was saved")
}

#[test]
fn what_was_saved_is_there_after_the_next_start() {
    let file = saved(5000);
    let server = Server::subject_with(&[("dump.rdb", &file)], &[]);
    let mut client = server.connect();
    assert_eq!(client.run("DBSIZE").int(), 5001);
    assert_eq!(client.run("GET mine").string(), "yes");
    assert_eq!(info(&mut client, "rdb_last_load_keys_loaded"), "5001");
    assert_eq!(info(&mut client, "rdb_changes_since_last_save"), "0");
    let log = server.log();
    for line in ["Loading RDB produced by version 7.4.0", "Done loading RDB, keys loaded: 5001, keys expired: 0."] {
        assert!(log.contains(line), "{log}");
    }
    assert!(log.find("DB loaded from disk") < log.find("Ready to accept connections"), "{log}");
}

#[test]
fn a_broken_file_ends_the_start() {
    let file = saved(100);
    let mut changed = file.clone();
    let middle = file.len() / 2;
    changed[middle] ^= 1;
    for (bytes, wanted) in [
        (&file[..middle], "the file ends too early"),
        (&changed[..], "at offset"),
        (&b""[..], "at offset 0: the file ends too early"),
        (&b"nothing that anybody would call an RDB file"[..], "Wrong signature"),
    ] {
        let (status, log) = Server::subject_that_fails(&[("dump.rdb", bytes)], &[]);
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains(wanted) && log.contains("dump.rdb"), "{log}");
        assert!(log.contains("Fatal error loading the DB"), "{log}");
    }
    // What is no file can't be loaded either.
    let (status, log) = Server::subject_that_fails(&[], &["--dbfilename", "."]);
    assert_eq!(status.code(), Some(1), "{log}");
}

/// A new server that finds what `server` left; how many keys.
fn keys_left(server: &Server) -> i64 {
    let Ok(file) = fs::read(server.dir().join("dump.rdb")) else { return -1 };
    let next = Server::subject_with(&[("dump.rdb", &file)], &[]);
    let mut client = next.connect();
    client.run("DBSIZE").int()
}

#[test]
fn the_end_saves_where_it_should() {
    let points = ["--save", "3600 1"];
    let cases: &[(&[&str], &str, i64)] = &[
        (&points, "SHUTDOWN", 1),
        (&[], "SHUTDOWN", -1),
        (&points, "SHUTDOWN NOSAVE", -1),
        (&[], "SHUTDOWN SAVE", 1),
        (&points, "-TERM", 1),
        (&points, "-INT", 1),
        (&[], "-TERM", -1),
        (&["--shutdown-on-sigterm", "save"], "-TERM", 1),
        (&["--save", "3600 1", "--shutdown-on-sigterm", "nosave"], "-TERM", -1),
    ];
    for (directives, how, left) in cases {
        let mut server = Server::subject(directives);
        let mut client = server.connect();
        client.run("SET k v");
        if how.starts_with('-') {
            signal(&server, how);
        } else {
            client.send(format!("{how}\r\n").as_bytes());
        }
        let status = server.wait_for_exit();
        assert_eq!(status.code(), Some(0), "{how}: {}", server.log());
        assert_eq!(keys_left(&server), *left, "{directives:?} {how}: {}", server.log());
        let files = fs::read_dir(server.dir()).expect("a directory").map(|entry| entry.expect("an entry").file_name());
        let temporary = files.filter(|name| name.to_string_lossy().starts_with("temp-")).count();
        assert_eq!(temporary, 0);
    }
}

/// A server that can't save does not end, unless that is insisted on.
#[test]
fn the_end_waits_for_a_save_that_fails() {
    let mut server = Server::subject(&["--save", "3600 1"]);
    fs::create_dir(server.dir().join("dump.rdb")).expect("a directory in the way");
    let mut client = server.connect();
    client.run("SET k v");
    assert_eq!(client.run("SHUTDOWN").string(), "ERR Errors trying to SHUTDOWN. Check logs.");
    assert!(server.log().contains("Error trying to save the DB, can't exit."), "{}", server.log());
    signal(&server, "-TERM");
    eventually("the signal was noticed", || server.log().contains("Errors trying to shut down"));
    assert_eq!(client.run("GET k").string(), "v");
    client.send(b"SHUTDOWN FORCE\r\n");
    assert_eq!(server.wait_for_exit().code(), Some(0));
}

/// A disk that has no room, as far as one server can see: it may write no file of more than 64 kB.
#[test]
fn a_full_disk_is_an_error_and_no_more() {
    let server = Server::subject_with_file_size(64, &["--save", "3600 1"]);
    let mut client = server.connect();
    client.run("SET small v");
    assert_eq!(client.run("SAVE").string(), "OK");
    let before = fs::read(server.dir().join("dump.rdb")).expect("it was saved");
    populate(&mut client, 20_000);
    assert!(client.run("SAVE").is_error());
    assert_eq!(client.run("BGSAVE").string(), "Background saving started");
    eventually("it has failed", || info(&mut client, "rdb_last_bgsave_status") == "err");
    assert_eq!(info(&mut client, "rdb_bgsave_in_progress"), "0");
    assert!(client.run("SET k v").string().starts_with("MISCONF "));
    assert_eq!(client.run("GET small").string(), "v");
    assert_eq!(fs::read(server.dir().join("dump.rdb")).expect("it is still there"), before);
    eventually("what was written is gone", || fs::read_dir(server.dir()).expect("a directory").count() == 3);
    assert!(server.log().contains("Write error saving DB on disk"), "{}", server.log());
    // With room again everything is as before.
    client.run("CONFIG SET stop-writes-on-bgsave-error no");
    client.run("FLUSHALL");
    client.run("SET k v");
    assert_eq!(client.run("BGSAVE").string(), "Background saving started");
    eventually("it is saved", || info(&mut client, "rdb_last_bgsave_status") == "ok");
    assert_eq!(keys_left(&server), 1);
}

/// Whatever moment it is killed at, the file under its name is a whole one.
#[test]
fn a_kill_leaves_the_old_file_or_the_new_one() {
    /// The save takes a second or more; some of the kills come after it.
    const DELAY_US: usize = 50;
    let mut random = Random::new("a_kill_leaves_the_old_file_or_the_new_one");
    let mut interrupted = 0;
    for _ in 0..8 {
        let mut server = Server::subject(&[]);
        let mut client = server.connect();
        populate(&mut client, 1000);
        assert_eq!(client.run("SAVE").string(), "OK");
        populate(&mut client, 20_000);
        client.run(&format!("CONFIG SET rdb-key-save-delay {DELAY_US}"));
        client.run("BGSAVE");
        eventually("it saves", || info(&mut client, "rdb_bgsave_in_progress") == "1");
        std::thread::sleep(Duration::from_micros(random.below(20_000 * DELAY_US * 5 / 4) as u64));
        signal(&server, "-KILL");
        server.wait_for_exit();
        let output = check(&server.dir().join("dump.rdb"));
        assert!(output.status.success(), "{output:?}");
        let keys = keys_left(&server);
        assert!(keys == 1000 || keys == 20_000, "{keys}");
        interrupted += usize::from(keys == 1000);
    }
    assert!(interrupted > 0, "no kill came during a save");
}

/// While it saves, clients are served, and what they change is not in the file.
#[test]
fn clients_go_on_during_a_save() {
    let server = Server::subject(&["--rdb-key-save-delay", "20"]);
    let mut client = server.connect();
    populate(&mut client, 60_000);
    let before = client.run("DEBUG DIGEST");
    assert_eq!(client.run("BGSAVE").string(), "Background saving started");
    let mut served = 0;
    while info(&mut client, "rdb_bgsave_in_progress") == "1" {
        client.run(&format!("SET key:{} changed", served % 60_000));
        client.run(&format!("DEL key:{}", 60_000 - served % 60_000));
        served += 1;
        if served == 1000 {
            client.run("CONFIG SET rdb-key-save-delay 0");
        }
    }
    assert!(served > 10, "{served}");
    assert_eq!(info(&mut client, "rdb_last_bgsave_status"), "ok");
    let file = fs::read(server.dir().join("dump.rdb")).expect("it was saved");
    let next = Server::subject_with(&[("dump.rdb", &file)], &[]);
    let mut other = next.connect();
    assert_eq!(other.run("DEBUG DIGEST"), before);
}

#[test]
fn the_tool_says_what_is_in_a_file() {
    let server = Server::subject(&[]);
    let mut client = server.connect();
    client.run("SET a 1");
    client.run("SET b 2 EX 1000");
    client.run("SELECT 3");
    client.run("RPUSH l 1 2 3");
    assert_eq!(client.run("SAVE").string(), "OK");
    let path = server.dir().join("dump.rdb");
    let output = check(&path);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    for line in [
        "Checking RDB file",
        "AUX FIELD redis-ver = '7.4.0'",
        "Selecting DB ID 3",
        "Checksum OK",
        "\\o/ RDB looks OK! \\o/",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(text.ends_with("[info] 3 keys read\n[info] 1 expires\n[info] 0 already expired\n"), "{text}");
    // Redis's tool finds the same.
    let theirs = Command::new("redis-check-rdb").arg(&path).output().expect("redis-check-rdb is installed");
    assert!(theirs.status.success(), "{theirs:?}");
    let without_offset = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split_once("] ").map_or(line, |(_, rest)| rest).to_owned()).collect()
    };
    assert_eq!(without_offset(&text), without_offset(&String::from_utf8_lossy(&theirs.stdout)));
    // By its other name.
    let name = server.dir().join("redis-check-rdb");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_zedis"), &name).expect("a symbolic link");
    assert_eq!(Command::new(&name).arg(&path).output().expect("it runs").stdout, output.stdout);
    let mut bytes = fs::read(&path).expect("it was saved");
    bytes.truncate(bytes.len() - 20);
    fs::write(&path, bytes).expect("a broken file");
    let output = check(&path);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("--- RDB ERROR DETECTED ---"), "{output:?}");
    assert_eq!(zedis(&["check-rdb"]).status.code(), Some(1));
    assert_eq!(check(&server.dir().join("nothing")).status.code(), Some(1));
}

/// Files of others, which the tools know too: by their name, alone and at the beginning of an append-only file.
#[test]
fn the_tools_know_files_of_valkey() {
    let server = Server::subject(&[]);
    let path = server.dir().join("valkey.rdb");
    let key = b"\xfa\x0avalkey-ver\x059.0.0\xfe\0\x16\x01k\x01\x01f\x01v\xff\xff\xff\xff\xff\xff\xff\xff\xff";
    let write = |begin: &[u8], end: &[u8]| {
        let bytes = [begin, key].concat();
        let sum = zedis::base::crc64::checksum(&bytes).to_le_bytes();
        fs::write(&path, [&bytes, &sum[..], end].concat()).expect("a file");
    };
    write(b"VALKEY080", b"");
    let output = check(&path);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    for line in ["AUX FIELD valkey-ver = '9.0.0'", "Checksum OK", "[info] 1 keys read"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    write(b"VALKEY080", b"*1\r\n$4\r\nPING\r\n");
    let output = zedis(&["check-aof", &path.to_string_lossy()]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("Checking RDB file"), "{output:?}");
    assert!(text.contains("RDB preamble is OK"), "{text}");
    for (begin, problem) in [
        (&b"VALKEY081"[..], "Can't handle RDB format version 081 of VALKEY"),
        (b"REDIS0080", "Can't handle RDB format version 0080 of REDIS"),
        // The same number is another type there.
        (b"REDIS0014", "key 'k' is a hash in a format of a release candidate of 7.4"),
    ] {
        write(begin, b"");
        let output = check(&path);
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stdout).contains(problem), "{output:?}");
    }
}

/// A value that is written as a whole, and is too large for a slice, is named where the longest turn is explained.
#[test]
fn a_large_value_is_named_when_it_holds_up_a_turn() {
    const BYTES: usize = 50_000_000;
    let server = Server::subject(&[]);
    let mut client = server.connect();
    client.run(&format!("SETRANGE big {} x", BYTES - 1));
    client.run("CONFIG SET aof-use-rdb-preamble no");
    client.run("CONFIG RESETSTAT");
    client.run("BGREWRITEAOF");
    eventually("it is written", || info(&mut client, "aof_rewrite_in_progress") == "0");
    let text = client.run("INFO stats").string();
    let cause = text.lines().find(|line| line.starts_with("longest_turn_wall_cause:")).expect("it is there");
    assert!(cause.contains("BGSAVE took key 'big' as a whole"), "{cause}");
    assert!(cause.contains("1 elements, 50000"), "{cause}");
}

/// Any number of collections may be on their way into a file: nothing that is done to one of them takes longer for that, and neither does
/// giving all of them up.
/// CPU time of a save, of both threads.
#[test]
fn a_save_says_what_it_costs() {
    let server = Server::subject(&["--save", ""]);
    let mut client = server.connect();
    client.run("DEBUG POPULATE 300000");
    assert_eq!(info(&mut client, "last_save_cpu_milliseconds"), "0");
    assert_eq!(client.run("BGSAVE").string(), "Background saving started");
    eventually("it is saved", || info(&mut client, "rdb_bgsave_in_progress") == "0");
    let cpu_ms: u64 = info(&mut client, "last_save_cpu_milliseconds").parse().expect("a number");
    assert!(cpu_ms > 0);
    assert_eq!(info(&mut client, "current_save_cpu_milliseconds"), "0");
    assert!(server.log().contains(&format!(" {cpu_ms} ms of CPU, ")), "{}", server.log());
}

#[test]
fn many_collections_on_their_way_hold_nothing_up() {
    const LISTS: usize = 60_000;
    /// All at once would take ten times as long, on an idle machine; this one may be busy.
    const TURN_MAX_US: u64 = 5_000;
    let server = Server::subject(&["--list-max-listpack-size", "1", "--save", ""]);
    let mut client = server.connect();
    for end in ["FLUSHALL", "BGSAVE CANCEL"] {
        let longest_us = (0..3).map(|_| {
            client.run("CONFIG SET rdb-key-save-delay 0");
            eventually("marks are taken away", || {
                client.run("FLUSHALL").string() == "OK" && info(&mut client, "rdb_bgsave_in_progress") == "0"
            });
            for first in (0..LISTS).step_by(500) {
                ask(&mut client, 500, |n| format!("RPUSH k{} a b", first + n));
            }
            // The walk stays where it is.
            client.run("CONFIG SET rdb-key-save-delay 100000");
            assert_eq!(client.run("BGSAVE").string(), "Background saving started");
            client.run("CONFIG RESETSTAT");
            for first in (0..LISTS).step_by(500) {
                for (third, line) in ["RPUSH # c", "SET # x", "RENAME # other-#"].into_iter().enumerate() {
                    let key = |n: usize| format!("k{}", first + 3 * n + third);
                    ask(&mut client, 166, |n| line.replace('#', &key(n)));
                }
                ask(&mut client, 100, |n| format!("APPEND k{} more", first + 3 * n + 1));
            }
            assert_eq!(info(&mut client, "rdb_bgsave_in_progress"), "1");
            let reply = client.run(end);
            assert!(!reply.is_error(), "{reply:?}");
            // In slices, between which it answers.
            ask(&mut client, 500, |n| format!("RPUSH k{n} d"));
            ask(&mut client, 500, |n| format!("DEL k{n}"));
            assert_eq!(info(&mut client, "rdb_bgsave_in_progress"), "0");
            info(&mut client, "longest_turn_us").parse::<u64>().expect("a number")
        });
        let longest_us = longest_us.min().expect("three times");
        assert!(longest_us < TURN_MAX_US, "{end}: {longest_us} us");
    }
}

/// A rewrite as commands writes large collections by and by too: what is done meanwhile is done to what it has written, and neither takes
/// the other's place. Deadlines come behind what has them.
#[test]
fn a_rewrite_as_commands_takes_large_collections_in_parts() {
    const ELEMENTS: usize = 3000;
    const SMALL: usize = 2000;
    const DIRECTIVES: &[&str] = &[
        "--appendonly",
        "yes",
        "--aof-use-rdb-preamble",
        "no",
        "--list-max-listpack-size",
        "16",
        "--enable-debug-command",
        "yes",
    ];
    const FIRST_DEADLINE_MS: usize = 9_000_000_000_000;
    let collections = ["h0", "list", "set", "zset"];
    let mut server = Server::subject(DIRECTIVES);
    let mut client = server.connect();
    for db in [0, 1] {
        client.run(&format!("SELECT {db}"));
        for n in 0..ELEMENTS {
            client.run(&format!("HSET h0 e{n} value{n}"));
            if n % 3 == 0 {
                client.run(&format!("HPEXPIREAT h0 {} FIELDS 1 e{n}", FIRST_DEADLINE_MS + n));
            }
            client.run(&format!("RPUSH list element{n}"));
            client.run(&format!("SADD set member{n}"));
            client.run(&format!("ZADD zset {n}.5 member{n}"));
        }
        for n in 0..SMALL {
            client.run(&format!("SET small{n} {n}"));
        }
        collections.iter().for_each(|key| drop(client.run(&format!("PEXPIREAT {key} {FIRST_DEADLINE_MS}"))));
    }
    client.run("CONFIG SET rdb-key-save-delay 2000");
    assert!(client.run("BGREWRITEAOF").string().starts_with("Background"));
    let temporary = format!("temp-rewriteaof-bg-{}.aof", server.pid());
    let temporary = server.dir().join(append_only::DIR).join(temporary);
    // What it is of is what there is when it begins, which waits for the disk.
    eventually("it has begun", || temporary.exists());
    let mut n = 0;
    while info(&mut client, "aof_rewrite_in_progress") == "1" {
        n += 1;
        let at = n * 997 % ELEMENTS;
        for line in [
            format!("SELECT {}", n % 2),
            format!("HSET h0 e{at} new e{} new", n + ELEMENTS),
            format!("HDEL h0 e{}", (at + 1) % ELEMENTS),
            format!("HPEXPIREAT h0 {} FIELDS 1 e{}", FIRST_DEADLINE_MS + n, (at + 2) % ELEMENTS),
            format!("LSET list {} set{n}", at / 2),
            format!("RPUSH list more{n}"),
            "LPOP list".to_owned(),
            format!("SREM set member{at}"),
            format!("SADD set more{n}"),
            format!("ZINCRBY zset 1000 member{at}"),
            format!("ZREM zset member{}", (at + 1) % ELEMENTS),
            format!("APPEND small{} x", n % SMALL),
        ] {
            let reply = client.run(&line);
            assert!(!reply.is_error(), "{line}: {reply:?}");
        }
        // Time for some parts, so that there is something between them.
        if n == 300 {
            client.run("CONFIG SET rdb-key-save-delay 0");
        }
    }
    append_only::until_rewritten(&mut client);
    let base = fs::read(&append_only::files(server.dir(), "b")[0]).expect("a base");
    let (mut db, mut about, mut between) = (0, [const { Vec::new() }; 8], 0);
    let mut last = usize::MAX;
    for command in append_only::parse(&base) {
        if command[0] == b"SELECT" {
            db = usize::from(command[1] == b"1");
            continue;
        }
        assert!(command.len() <= 2 + 2 * 64, "{} arguments", command.len());
        let index = collections.iter().position(|key| key.as_bytes() == command[1]).map(|index| 4 * db + index);
        if let Some(index) = index {
            between += usize::from(!about[index].is_empty() && last != index);
            about[index].push(command[0].clone());
        }
        last = index.unwrap_or(usize::MAX);
    }
    assert!(between > 0, "no other key came between the parts of one");
    for (index, names) in about.iter().enumerate() {
        assert!(names.len() > ELEMENTS / 100, "{index}: {}", names.len());
        let deadlines = names.iter().filter(|name| *name == b"PEXPIREAT").count();
        assert_eq!((deadlines, names.last().map(Vec::as_slice)), (1, Some(&b"PEXPIREAT"[..])), "{index}");
    }
    let wanted = append_only::State::of(&mut client);
    assert_eq!(client.run("WAITAOF 1 0 0").items()[0].int(), 1);
    server.kill();
    server.restart(DIRECTIVES);
    append_only::State::of(&mut server.connect()).assert_same(&wanted, &server, "after a restart");
}

/// What a save keeps of a large collection, until it has written it, is neither a copy of what has not been changed nor in the way of new
/// keys.
#[test]
fn memory_of_collections_that_are_being_saved() {
    let server = Server::subject(&["--rdb-key-save-delay", "100000"]);
    let mut client = server.connect();
    let used = |client: &mut Client| info(client, "used_memory").parse::<i64>().expect("a number");
    let element = "e".repeat(1000);
    for first in (0..20_000).step_by(500) {
        let fields = (first..first + 500).map(|n| format!("field{n} {element}")).collect::<Vec<_>>().join(" ");
        client.run(&format!("HSET hash {fields}"));
        let elements = (0..500).map(|_| element.as_str()).collect::<Vec<_>>().join(" ");
        client.run(&format!("RPUSH list {elements}"));
    }
    client.run("BGSAVE");
    assert_eq!(client.run(&format!("LREM list 0 {element}x")).int(), 0);
    let before = used(&mut client);
    client.run("RPUSH list last");
    assert_eq!(client.run("LREM list 0 nosuch").int(), 0);
    assert_eq!(client.run("HSET hash field1 other").int(), 0);
    assert!(used(&mut client) - before < 2_000_000, "{before}, then {}", used(&mut client));
    client.run(&format!("CONFIG SET maxmemory {}", before + 1_000_000));
    client.run("DEL hash");
    for n in 0..5_000 {
        assert_eq!(client.run(&format!("SET key{n} {element}")).string(), "OK", "there is room for key {n}");
    }
    assert_eq!(info(&mut client, "rdb_bgsave_in_progress"), "1", "it still waits to be written");
    client.run("CONFIG SET rdb-key-save-delay 0");
    eventually("it is saved", || info(&mut client, "rdb_bgsave_in_progress") == "0");
    assert_eq!(info(&mut client, "rdb_last_bgsave_status"), "ok");
    let other = Server::not_started();
    fs::copy(server.dir().join("dump.rdb"), other.dir().join("dump.rdb")).expect("it was saved");
    let mut other = other;
    other.restart_as_oracle(&[]);
    let mut saved = other.connect();
    assert_eq!(saved.run("HLEN hash").int(), 20_000);
    assert_eq!(saved.run("HGET hash field1").string(), element);
    assert_eq!(saved.run("LLEN list").int(), 20_000);
    assert_eq!(saved.run("DBSIZE").int(), 2);
}

/// Connections that write while snapshots are taken.
const WRITERS: usize = 3;
/// Elements of the collections of a writer.
const WINDOW: i64 = 300;
/// Accounts between which they all transfer.
const ACCOUNTS: usize = 400;
/// Transactions sent at once.
const PIPELINE: i64 = 8;

/// How far a writer is.
#[derive(Default)]
struct Position {
    asked: AtomicI64,
    acknowledged: AtomicI64,
}

/// What a transfer does to an account, whose type its number says.
fn transfer(account: usize, amount: i64) -> String {
    match account % 3 {
        0 => format!("INCRBY account:{account} {amount}"),
        1 => format!("HINCRBY account:{account} balance {amount}"),
        _ => format!("ZINCRBY account:{account} {amount} balance"),
    }
}

/// Transaction `n` of a writer. Whatever was there before, afterwards: its collections have the same elements, its token has the one name
/// that `token-name` says, its traveller is in one database, its twins expire together, what left an account is in another.
fn transaction(writer: usize, n: i64, random: &mut Random, with_fields: bool) -> Vec<u8> {
    let (w, gone, before) = (writer, n - WINDOW, n - 1);
    let amount = random.below(100) as i64;
    let brief_ms = 1 + random.below(2_000);
    let mut lines = vec![
        "MULTI".to_owned(),
        format!("SET sequence:{w} {n}"),
        transfer(random.below(ACCOUNTS), -amount),
        transfer(random.below(ACCOUNTS), amount),
        format!("RPUSH list:{w} {n}"),
        format!("LREM list:{w} 1 {gone}"),
        format!("SADD set:{w} {n}"),
        format!("SREM set:{w} {gone}"),
        format!("ZADD zset:{w} {n} {n}"),
        format!("ZREM zset:{w} {gone}"),
        format!("HSET hash:{w} {n} {n}"),
        format!("HDEL hash:{w} {gone}"),
        format!("SETBIT bits:{w} {} 1", n % WINDOW),
        format!("SET token-name:{w} {n}"),
        format!("SETNX token:{w}:{before} v"),
        format!("RENAME token:{w}:{before} token:{w}:{n}"),
        format!("SET twin:{w}:{}:a v PX {brief_ms}", n % 50),
        format!("SET twin:{w}:{}:b v PX {brief_ms}", n % 50),
    ];
    if with_fields && n % 5 == 0 {
        lines.push(format!("HPEXPIRE hash:{w} 100000 FIELDS 1 {n}"));
    }
    // From database 0 to 1 and back.
    lines.push(if n % 2 == 0 { "SELECT 1" } else { "SELECT 0" }.to_owned());
    lines.push(format!("SETNX traveller:{w} v"));
    lines.push(format!("MOVE traveller:{w} {}", n % 2));
    lines.push("SELECT 0".to_owned());
    if n % 4 == 0 {
        lines.extend(["SELECT 2", "INCR swaps", "SELECT 3", "INCR swaps", "SWAPDB 2 3", "SELECT 0"].map(str::to_owned));
    }
    lines.push("EXEC".to_owned());
    lines.iter().flat_map(|line| encode(&line.split(' ').collect::<Vec<_>>())).collect()
}

fn write_transactions(
    mut client: Client,
    writer: usize,
    mut random: Random,
    position: &Position,
    enough: &AtomicBool,
    fields: &AtomicBool,
) {
    let mut n = 0;
    while !enough.load(Ordering::Relaxed) {
        let mut bytes = Vec::new();
        let with_fields = fields.load(Ordering::Relaxed);
        let batch = n + 1..=n + PIPELINE;
        batch.clone().for_each(|n| bytes.extend(transaction(writer, n, &mut random, with_fields)));
        position.asked.store(n + PIPELINE, Ordering::SeqCst);
        client.send(&bytes);
        for number in batch {
            while client.read().is_queued_or_ok() {}
            position.acknowledged.store(number, Ordering::SeqCst);
        }
        n += PIPELINE;
    }
}

trait Queued {
    fn is_queued_or_ok(&self) -> bool;
}

impl Queued for Reply {
    /// Of anything but the EXEC.
    fn is_queued_or_ok(&self) -> bool {
        assert!(!self.is_error(), "{self:?}");
        matches!(self, Reply::Simple(_))
    }
}

const POPULATE: &str = "DEBUG POPULATE 6000 filler 60";

/// What is not written by the transactions, after everything has gone: many keys, and two databases to swap. Those two in one transaction:
/// the writers swap them meanwhile.
fn furnish(client: &mut Client) {
    let mut bytes = encode(&POPULATE.split(' ').collect::<Vec<_>>());
    bytes.extend(encode(&["MULTI"]));
    let mut count = 2;
    for (db, owner) in ["2", "3"].iter().zip(["even", "odd"]) {
        bytes.extend(encode(&["SELECT", db]));
        for n in 0..60 {
            bytes.extend(encode(&["SADD", &format!("{owner}:{n}"), owner, "x"]));
        }
        count += 61;
    }
    bytes.extend(encode(&["SELECT", "0"]));
    bytes.extend(encode(&["EXEC"]));
    count += 2;
    client.send(&bytes);
    (0..count).for_each(|_| assert!(!client.read().is_error()));
}

/// So many requests at once.
fn ask(client: &mut Client, count: usize, line: impl Fn(usize) -> String) -> Vec<Reply> {
    let requests = (0..count).flat_map(|n| encode(&line(n).split(' ').collect::<Vec<_>>()));
    client.send(&requests.collect::<Vec<u8>>());
    (0..count).map(|_| client.read()).collect()
}

/// Adds everything up that is in a server which has loaded a snapshot.
fn add_up(client: &mut Client, bounds: &[(i64, i64)], title: &str) {
    let numbers = |reply: Reply| -> Vec<i64> {
        reply.items().iter().map(|item| item.string().parse().expect("a number")).collect()
    };
    let sorted = |mut list: Vec<i64>| {
        list.sort_unstable();
        list
    };
    let balances = ask(client, ACCOUNTS, |account| match account % 3 {
        0 => format!("GET account:{account}"),
        1 => format!("HGET account:{account} balance"),
        _ => format!("ZSCORE account:{account} balance"),
    });
    let number = |reply: &Reply| if reply.is_null() { 0.0 } else { reply.string().parse::<f64>().expect("a number") };
    let total: f64 = balances.iter().map(number).sum();
    assert_eq!(total, 0.0, "{title}: what left an account is in another");
    for (w, &(at_least, at_most)) in bounds.iter().enumerate() {
        let title = format!("{title}, writer {w}");
        let sequence: i64 = client.run(&format!("GET sequence:{w}")).string().parse().expect("a number");
        assert!((at_least..=at_most).contains(&sequence), "{title}: {sequence}, of {at_least} to {at_most}");
        let list = numbers(client.run(&format!("LRANGE list:{w} 0 -1")));
        assert_eq!(list.last(), Some(&sequence), "{title}");
        let expected: Vec<i64> = (sequence - list.len() as i64 + 1..=sequence).collect();
        assert_eq!(list, expected, "{title}: the list");
        assert!(list.len() as i64 <= WINDOW, "{title}");
        assert_eq!(sorted(numbers(client.run(&format!("SMEMBERS set:{w}")))), list, "{title}: the set");
        assert_eq!(numbers(client.run(&format!("ZRANGE zset:{w} 0 -1"))), list, "{title}: the sorted set");
        assert_eq!(sorted(numbers(client.run(&format!("HKEYS hash:{w}")))), list, "{title}: the hash");
        assert_eq!(client.run(&format!("BITCOUNT bits:{w}")).int(), list.len() as i64, "{title}: the bits");
        assert_eq!(client.run(&format!("GET token-name:{w}")).string(), sequence.to_string(), "{title}");
        let tokens = client.run(&format!("KEYS token:{w}:*"));
        let tokens: Vec<String> = tokens.items().iter().map(|name| name.string()).collect();
        assert_eq!(tokens, [format!("token:{w}:{sequence}")], "{title}: the token");
        let travellers: Vec<i64> = ["0", "1"]
            .iter()
            .map(|db| {
                client.run(&format!("SELECT {db}"));
                client.run(&format!("EXISTS traveller:{w}")).int()
            })
            .collect();
        client.run("SELECT 0");
        let wanted = if sequence % 2 == 0 { [1, 0] } else { [0, 1] };
        assert_eq!(travellers, wanted, "{title}: the traveller");
        for (n, twins) in ask(client, 50, |n| format!("EXISTS twin:{w}:{n}:a twin:{w}:{n}:b")).iter().enumerate() {
            assert!(matches!(twins.int(), 0 | 2), "{title}: one of the twins {n}");
        }
    }
    let swaps: Vec<(String, Vec<String>)> = ["2", "3"]
        .iter()
        .map(|db| {
            client.run(&format!("SELECT {db}"));
            let count = client.run("GET swaps");
            let keys = client.run("KEYS *:*");
            let mut owners: Vec<String> =
                keys.items().iter().map(|key| key.string().split(':').next().expect("a part").to_owned()).collect();
            assert_eq!(owners.len(), 60, "{title}: database {db}");
            owners.dedup();
            (if count.is_null() { "0".to_owned() } else { count.string() }, owners)
        })
        .collect();
    assert_eq!(swaps[0].0, swaps[1].0, "{title}: swaps");
    assert!(swaps[0].1.len() == 1 && swaps[1].1.len() == 1 && swaps[0].1 != swaps[1].1, "{title}: {swaps:?}");
    client.run("SELECT 0");
    assert_eq!(client.run("EXISTS filler:0 filler:3333 filler:5999").int(), 3, "{title}");
}

/// Whatever happens while a snapshot is taken, it is of the moment of its BGSAVE (or BGREWRITEAOF): everything in it adds up, and each
/// writer is where it was then.
#[test]
fn snapshots_under_load_add_up() {
    let rounds = if std::env::var_os("ZEDIS_CRASHES").is_some() { 100 } else { 6 };
    let mut random = Random::new("snapshots_under_load_add_up");
    let server = Server::subject(&["--aof-use-rdb-preamble", "no"]);
    let mut client = server.connect();
    furnish(&mut client);
    let positions: Vec<Position> = (0..WRITERS).map(|_| Position::default()).collect();
    let (enough, fields) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        struct Enough<'a>(&'a AtomicBool);
        impl Drop for Enough<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let guard = Enough(&enough);
        for (writer, position) in positions.iter().enumerate() {
            let (client, random, enough, fields) = (server.connect(), random.fork(), &enough, &fields);
            scope.spawn(move || write_transactions(client, writer, random, position, enough, fields));
        }
        let mut during = 0;
        for round in 0..rounds {
            // Files with deadlines of fields are for newer versions than that of redis-server here.
            let is_newer = round >= rounds / 2;
            fields.store(is_newer, Ordering::Relaxed);
            let all_have_written = |target: &[i64]| {
                positions.iter().zip(target).all(|(p, &target)| p.acknowledged.load(Ordering::SeqCst) >= target)
            };
            let target: Vec<i64> = positions.iter().map(|p| p.asked.load(Ordering::SeqCst) + 40).collect();
            eventually("they have written", || all_have_written(&target));
            let as_commands = round % 3 == 2;
            let at_least: Vec<i64> = positions.iter().map(|p| p.acknowledged.load(Ordering::SeqCst)).collect();
            let reply = client.run(if as_commands { "BGREWRITEAOF" } else { "BGSAVE" }).string();
            assert!(reply.ends_with("started"), "{reply}");
            let at_most: Vec<i64> = positions.iter().map(|p| p.asked.load(Ordering::SeqCst)).collect();
            let is_going_on = |client: &mut Client| {
                info(client, "rdb_bgsave_in_progress") == "1" || info(client, "aof_rewrite_in_progress") == "1"
            };
            if random.one_in(2) {
                thread::sleep(Duration::from_micros(random.below(20_000) as u64));
                // FLUSHALL would end a BGSAVE.
                let which = if as_commands { "FLUSHALL" } else { "FLUSHDB" };
                client.run(&format!("{which}{}", ["", " SYNC"][random.below(2)]));
            }
            eventually("it is saved", || !is_going_on(&mut client));
            during +=
                positions.iter().zip(&at_most).map(|(p, n)| p.acknowledged.load(Ordering::SeqCst) - n).sum::<i64>();
            furnish_again(&mut client);
            assert_eq!(info(&mut client, "rdb_last_bgsave_status"), "ok");
            assert_eq!(info(&mut client, "aof_last_bgrewrite_status"), "ok");
            let mut other = Server::not_started();
            let (from, to, directives): (_, _, &[&str]) = if as_commands {
                let base = support::append_only::files(server.dir(), "b").remove(0);
                (base, "appendonly.aof", &["--appendonly", "yes"])
            } else {
                (server.dir().join("dump.rdb"), "dump.rdb", &[])
            };
            fs::copy(from, other.dir().join(to)).expect("it was saved");
            // The next one goes on meanwhile, if it is up to the writers.
            if is_newer || round % 2 == 0 {
                other.restart(directives);
            } else {
                other.restart_as_oracle(directives);
            }
            let bounds: Vec<(i64, i64)> = at_least.into_iter().zip(at_most).collect();
            add_up(&mut other.connect(), &bounds, &format!("snapshot {round}"));
            if rounds > 10 && round % 10 == 9 {
                println!(
                    "snapshots_under_load_add_up: {} of {rounds}, {during} transactions during their walks",
                    round + 1
                );
            }
        }
        assert!(during > rounds * 20, "{during} transactions went on during the walks");
        drop(guard);
    });
}

/// What FLUSHALL or FLUSHDB took, if it did.
fn furnish_again(client: &mut Client) {
    client.run("SELECT 2");
    // One of the two is in it, unless all databases were emptied.
    let is_all_gone = client.run("EXISTS even:0 odd:0").int() == 0;
    client.run("SELECT 0");
    if is_all_gone {
        furnish(client);
    } else if client.run("EXISTS filler:0").int() == 0 {
        client.run(POPULATE);
    }
}

/// A save that is only scheduled, behind a rewrite, comes later; SAVE does not wait for it.
#[test]
fn a_scheduled_save_is_in_nobodys_way() {
    for mut server in [Server::subject(&[]), Server::oracle(&["--enable-debug-command", "yes"])] {
        let mut client = server.connect();
        client.run("DEBUG POPULATE 2000 key");
        client.run("CONFIG SET rdb-key-save-delay 10000");
        client.run("BGREWRITEAOF");
        assert_eq!(client.run("BGSAVE SCHEDULE").string(), "Background saving scheduled");
        assert_eq!(info(&mut client, "aof_rewrite_in_progress"), "1");
        client.run("CONFIG SET rdb-key-save-delay 0");
        assert_eq!(client.run("SAVE").string(), "OK");
        server.kill();
    }
}

/// `rdb-key-save-delay` and `key-load-delay`, with which tests of Redis make a save or a load last: others are served meanwhile.
#[test]
fn saves_and_loads_that_are_slowed_down() {
    let mut server = Server::subject(&["--rdb-key-save-delay", "10000"]);
    let mut client = server.connect();
    client.run("DEBUG POPULATE 300 key");
    client.run("BGSAVE");
    // It lasts three seconds.
    assert_eq!(client.run("SET other 1").string(), "OK");
    assert_eq!(info(&mut client, "rdb_bgsave_in_progress"), "1");
    client.run("CONFIG SET rdb-key-save-delay 0");
    eventually("it is saved", || info(&mut client, "rdb_bgsave_in_progress") == "0");
    assert_eq!(info(&mut client, "rdb_last_bgsave_status"), "ok");
    let restart = |server: &mut Server, directives: &[&str]| {
        server.shut_down();
        let started = Instant::now();
        server.restart(directives);
        (started.elapsed(), server.connect())
    };
    let (elapsed, mut client) = restart(&mut server, &["--key-load-delay", "1000"]);
    assert!(elapsed > Duration::from_millis(200), "{elapsed:?}");
    assert_eq!(client.run("DBSIZE").int(), 300);
    // What the file says of memory is shown while it is loaded.
    server.shut_down();
    server.begin_restart(&["--key-load-delay", "10000"]);
    let mut client = server.connect();
    assert_eq!(info(&mut client, "loading"), "1");
    let used = info(&mut client, "loading_rdb_used_mem").parse::<u64>().expect("a number");
    assert!(used > 100_000, "{used}");
    client.run("CONFIG SET key-load-delay 0");
    eventually("it is loaded", || info(&mut client, "loading") == "0");
    drop(client);
    let (_, mut client) = restart(&mut server, &["--appendonly", "yes"]);
    assert_eq!(client.run("DBSIZE").int(), 0);
    let sets = (0..300).flat_map(|n| encode(&["SET", &format!("key:{n}"), "v"])).collect::<Vec<u8>>();
    client.send(&sets);
    (0..300).for_each(|_| assert_eq!(client.read().string(), "OK"));
    let (elapsed, mut client) = restart(&mut server, &["--appendonly", "yes", "--key-load-delay", "1000"]);
    assert!(elapsed > Duration::from_millis(200), "{elapsed:?}");
    assert_eq!(client.run("DBSIZE").int(), 300);
}
