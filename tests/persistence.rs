//! RDB files and the process: loading at the start, saving at the end, kills and full disks in between, and the tool that checks a file.

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use support::client::Client;
use support::pair::run_table;
use support::random::Random;
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
    let text = client.run("INFO persistence").string();
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
    let mut random = Random::new("a_kill_leaves_the_old_file_or_the_new_one");
    for _ in 0..8 {
        let mut server = Server::subject(&[]);
        let mut client = server.connect();
        populate(&mut client, 1000);
        assert_eq!(client.run("SAVE").string(), "OK");
        populate(&mut client, 20_000);
        client.run("BGSAVE");
        std::thread::sleep(Duration::from_micros(random.below(200_000) as u64));
        signal(&server, "-KILL");
        server.wait_for_exit();
        let output = check(&server.dir().join("dump.rdb"));
        assert!(output.status.success(), "{output:?}");
        let keys = keys_left(&server);
        assert!(keys == 1000 || keys == 20_000, "{keys}");
    }
}

/// While it saves, clients are served, and what they change is not in the file.
#[test]
fn clients_go_on_during_a_save() {
    let server = Server::subject(&[]);
    let mut client = server.connect();
    populate(&mut client, 60_000);
    let before = client.run("DEBUG DIGEST");
    assert_eq!(client.run("BGSAVE").string(), "Background saving started");
    let mut served = 0;
    while info(&mut client, "rdb_bgsave_in_progress") == "1" {
        client.run(&format!("SET key:{} changed", served % 60_000));
        client.run(&format!("DEL key:{}", 60_000 - served % 60_000));
        served += 1;
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

/// A value that is too large for a slice is named where the longest turn is explained, whether the walk came to it or a command.
#[test]
fn a_large_value_is_named_when_it_holds_up_a_turn() {
    const FIELDS: usize = 100_000;
    let server = Server::subject(&[]);
    let mut client = server.connect();
    for first in (0..FIELDS).step_by(1000) {
        let pairs = (first..first + 1000).map(|n| format!("f{n} v{n}")).collect::<Vec<_>>().join(" ");
        client.run(&format!("HSET big {pairs}"));
    }
    client.run("CONFIG RESETSTAT");
    client.run("BGSAVE");
    eventually("it is saved", || info(&mut client, "rdb_bgsave_in_progress") == "0");
    let text = client.run("INFO stats").string();
    let cause = text.lines().find(|line| line.starts_with("longest_turn_wall_cause:")).expect("it is there");
    assert!(cause.contains("BGSAVE took key 'big' as a whole"), "{cause}");
    assert!(cause.contains("100000 elements"), "{cause}");
}
