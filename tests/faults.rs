//! Disks that fail: whatever call it is that does, the server goes on answering (or ends, where `appendfsync always` says so), says what
//! has happened, is well again when the disk is, and after a kill and a restart nothing is missing that was promised, and nothing was
//! invented.
//!
//! Each walk lets one call after the other fail during something that the server does: `EIO`, `ENOSPC`, once or from then on; or has it
//! interrupted, or cut short, which nobody should notice. `make crash` (`ZEDIS_CRASHES`) tries every call, otherwise it is a sample.

mod support;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use support::append_only::{DIR, files, info, until_rewritten};
use support::client::{Client, encode};
use support::faults::{ALL, CHANGES, FAULTS, Fault, Faults, Kind};
use support::random::Random;
use support::reply::Reply;
use support::server::{Server, eventually};

/// Calls of a walk that fail when not all of them do; they are spread over it, so that of a short walk it is each.
const ERRORS: u64 = 10;
/// Besides, so many are interrupted or cut short.
const HARMLESS: u64 = 3;
/// So many tries are going on at once.
const THREADS: usize = 4;
/// A walk that is still not over with this call never will be.
const CALLS_MAX: u64 = 2000;
const FOR_EVER: u64 = u64::MAX;

fn is_long() -> bool {
    std::env::var_os("ZEDIS_CRASHES").is_some()
}

/// One try: a server whose disk fails at one moment.
struct Trial {
    faults: Faults,
    fault: Fault,
    first: u64,
    count: u64,
    /// Drawn anew for each trial: which of two ways it goes on.
    coin: bool,
}

impl Trial {
    fn arm(&self, server: &Server, kinds: &[Kind]) {
        self.faults.arm(server.dir(), kinds, self.fault, self.first, self.count);
    }

    /// Whether a call has failed so that somebody must have noticed.
    fn has_failed(&self) -> bool {
        self.fault.is_error() && self.faults.injected() > 0
    }

    fn lasts(&self) -> bool {
        self.count == FOR_EVER
    }

    /// What has failed is told on the log.
    #[track_caller]
    fn assert_told(&self, server: &Server) {
        if self.has_failed() {
            eventually("the log says what happened", || server.log().contains(self.fault.text()));
        }
    }
}

thread_local! {
    /// The trial that is going on, for whoever has to read that it failed.
    static NOW: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Says which trial it was, if it fails.
struct Where<'a>(&'a Trial);

impl Drop for Where<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let what = self.0.faults.what();
            NOW.with_borrow(|now| eprintln!("--- it was {now}; failed: {what} ---"));
        }
    }
}

/// Lets `act` happen again and again, each time with another call that fails. Most of it is waiting, so several go on at once.
fn walk(name: &'static str, act: impl Fn(&Trial) + Sync) {
    let at = |fault: Fault, first: u64, count: u64, coin: bool| {
        let trial = Trial { faults: Faults::new(), fault, first, count, coin };
        let lasts = if trial.lasts() { " from then on" } else { "" };
        NOW.set(format!("{name}, {fault:?} at call {first}{lasts}, coin {coin}"));
        let guard = Where(&trial);
        act(&trial);
        drop(guard);
        (trial.faults.injected(), trial.faults.seen())
    };
    let mut random = Random::new(name);
    // How many calls there are, when all goes well.
    let calls = at(Fault::Io, 0, 0, false).1;
    assert!(calls > 0, "{name}: nothing was called");
    println!("{name}: {calls} calls");
    let ways: Vec<(Fault, u64)> = FAULTS
        .into_iter()
        .flat_map(|fault| if fault.is_error() { vec![(fault, 1), (fault, FOR_EVER)] } else { vec![(fault, 1)] })
        .collect();
    let all = |fault: Fault, count: u64, mut random: Random| {
        let (mut hits, mut misses) = (0, 0);
        for first in 1..CALLS_MAX {
            // One try may make fewer calls than another.
            match at(fault, first, count, random.one_in(2)).0 {
                0 => misses += 1,
                _ => (hits, misses) = (hits + 1, 0),
            }
            if misses == 3 {
                break;
            }
        }
        let lasts = if count == FOR_EVER { " from then on" } else { "" };
        println!("{name}: {fault:?}{lasts} at each of {hits} calls");
    };
    let sample: Vec<(Fault, u64, u64, bool)> = (0..ERRORS + HARMLESS)
        .map(|number| {
            let is_error = number < ERRORS;
            let among: Vec<&(Fault, u64)> = ways.iter().filter(|(fault, _)| fault.is_error() == is_error).collect();
            let &&(fault, count) = random.pick(&among);
            let from = if is_error { number * calls / ERRORS } else { random.below(calls as usize) as u64 };
            let stride = if is_error { (calls / ERRORS).max(1) } else { 1 };
            (fault, 1 + from + random.below(stride as usize) as u64, count, random.one_in(2))
        })
        .collect();
    let some = |part: &[(Fault, u64, u64, bool)]| {
        for &(fault, first, count, coin) in part {
            at(fault, first, count, coin);
        }
    };
    thread::scope(|scope| {
        let (all, some) = (&all, &some);
        if is_long() {
            for &(fault, count) in &ways {
                let random = random.fork();
                scope.spawn(move || all(fault, count, random));
            }
        } else {
            for part in sample.chunks(sample.len().div_ceil(THREADS)) {
                scope.spawn(move || some(part));
            }
        }
    });
}

/// A client that counts: each step adds to a counter and to a list, in one transaction.
#[derive(Default)]
struct Writer {
    asked: i64,
    acknowledged: i64,
}

impl Writer {
    /// One step. Ok(Err): it was refused, with this text. Err: the server has gone.
    fn step(&mut self, client: &mut Client) -> Result<Result<(), String>, ()> {
        let number = (self.asked + 1).to_string();
        let commands: [&[&str]; 4] = [&["MULTI"], &["INCR", "count"], &["RPUSH", "list", &number], &["EXEC"]];
        let bytes: Vec<u8> = commands.iter().flat_map(|command| encode(command)).collect();
        self.asked += 1;
        client.try_send(&bytes).map_err(drop)?;
        let mut replies = Vec::new();
        for _ in 0..4 {
            let Ok(Some((reply, _))) = client.try_read() else { return Err(()) };
            replies.push(reply);
        }
        if replies[3].is_error() {
            // Nothing of it was done.
            self.asked -= 1;
            return Ok(Err(replies.iter().find(|reply| reply.is_error()).expect("the last one").string()));
        }
        assert_eq!(replies[3].items()[0].int(), self.asked, "{replies:?}");
        self.acknowledged = self.asked;
        Ok(Ok(()))
    }

    #[track_caller]
    fn steps(&mut self, client: &mut Client, count: usize) {
        for _ in 0..count {
            self.step(client).expect("the server is there").expect("it writes");
        }
    }

    /// What is there is whole, and not less than this.
    #[track_caller]
    fn check(&mut self, server: &Server, at_least: i64) {
        let mut client = server.connect();
        let number = |reply: &Reply| if reply.is_null() { 0 } else { reply.string().parse().expect("a number") };
        let count: i64 = number(&client.run("GET count"));
        let list: Vec<i64> = client.run("LRANGE list 0 -1").items().iter().map(number).collect();
        assert_eq!(list, (1..=count).collect::<Vec<i64>>(), "the list and the counter");
        assert!(count >= at_least, "{count} steps are there, {at_least} were promised");
        assert!(count <= self.asked, "{count} steps are there, {} were asked for", self.asked);
        (self.asked, self.acknowledged) = (count, count);
    }
}

/// Values enough for a file that is written in pieces.
fn populate(client: &mut Client) {
    let text = "v".repeat(4000);
    let sets: Vec<u8> = (0..60).flat_map(|n| encode(&["SET", &format!("filler:{n}"), &text])).collect();
    client.send(&sets);
    (0..60).for_each(|_| assert_eq!(client.read().text(), b"OK"));
}

fn is_synced(client: &mut Client, timeout_ms: u32) -> bool {
    client.run(&format!("WAITAOF 1 0 {timeout_ms}")).items()[0].int() == 1
}

/// The disk is well again, and so is the server: all that was acknowledged is on the disk.
#[track_caller]
fn recovers(client: &mut Client) {
    eventually("it writes again", || info(client, "aof_last_write_status") == "ok" && is_synced(client, 100));
}

fn temporary_files(dir: &Path) -> usize {
    let names = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").file_name());
    names.filter(|name| name.to_string_lossy().starts_with("temp-")).count()
}

fn is_whole_rdb(path: &Path) -> bool {
    Command::new(env!("CARGO_BIN_EXE_zedis")).arg("check-rdb").arg(path).output().expect("it runs").status.success()
}

/// SAVE and BGSAVE: the old file or the new one is there, whole, and what failed is told.
fn a_save(trial: &Trial, in_background: bool) {
    let mut server = Server::subject_with_faults(&trial.faults, &["--save", "3600 1000000"]);
    let mut client = server.connect();
    let mut writer = Writer::default();
    populate(&mut client);
    assert_eq!(client.run("SAVE").string(), "OK");
    let path = server.dir().join("dump.rdb");
    let old = fs::read(&path).expect("it was saved");
    writer.steps(&mut client, 1);
    trial.arm(&server, CHANGES);
    let is_saved = if in_background {
        assert_eq!(client.run("BGSAVE").string(), "Background saving started");
        eventually("it is over", || info(&mut client, "rdb_bgsave_in_progress") == "0");
        info(&mut client, "rdb_last_bgsave_status") == "ok"
    } else {
        let reply = client.run("SAVE");
        assert_eq!(reply.string(), if reply.is_error() { "ERR" } else { "OK" });
        !reply.is_error()
    };
    assert_eq!(is_saved, !trial.has_failed());
    trial.assert_told(&server);
    if !is_saved {
        let is_old = fs::read(&path).expect("there is a file") == old;
        assert!(is_old || is_whole_rdb(&path));
        // It is another one only if it has been renamed, and only the directory is not on the disk.
        let what = trial.faults.what();
        assert!(is_old || what == "open " || what == "sync ", "{what}");
        eventually("nothing is left of it", || temporary_files(server.dir()) == 0);
        if in_background {
            let refusal = writer.step(&mut client).expect("it answers").expect_err("it refuses");
            assert!(refusal.starts_with("MISCONF Redis is configured to save RDB snapshots"), "{refusal}");
        }
        assert_eq!(client.run("GET count").string(), "1", "what only reads is served");
    }
    trial.faults.disarm();
    if in_background {
        assert_eq!(client.run("BGSAVE").string(), "Background saving started");
        eventually("it is over", || info(&mut client, "rdb_bgsave_in_progress") == "0");
        assert_eq!(info(&mut client, "rdb_last_bgsave_status"), "ok");
    }
    writer.steps(&mut client, 1);
    assert_eq!(client.run("SAVE").string(), "OK");
    server.kill();
    server.restart(&[]);
    writer.check(&server, 2);
}

#[test]
fn save() {
    walk("save", |trial| a_save(trial, false));
}

#[test]
fn bgsave() {
    walk("bgsave", |trial| a_save(trial, true));
}

/// The end with a file that fails is no end, and the next one is.
#[test]
fn shutdown_save() {
    walk("shutdown_save", |trial| {
        let mut server = Server::subject_with_faults(&trial.faults, &[]);
        let mut client = server.connect();
        let mut writer = Writer::default();
        populate(&mut client);
        writer.steps(&mut client, 3);
        trial.arm(&server, CHANGES);
        client.send(b"SHUTDOWN SAVE\r\n");
        if let Some((reply, _)) = client.try_read().expect("an answer or an end") {
            assert!(trial.has_failed());
            assert_eq!(reply.string(), "ERR Errors trying to SHUTDOWN. Check logs.");
            trial.assert_told(&server);
            assert_eq!(client.run("GET count").string(), "3");
            trial.faults.disarm();
            writer.steps(&mut client, 1);
            client.send(b"SHUTDOWN SAVE\r\n");
        } else {
            assert!(!trial.has_failed());
        }
        assert_eq!(server.wait_for_exit().code(), Some(0));
        server.restart(&[]);
        writer.check(&server, writer.acknowledged);
    });
}

const EVERY_SECOND: &[&str] = &["--appendonly", "yes", "--auto-aof-rewrite-percentage", "0"];
const ALWAYS: &[&str] = &["--appendonly", "yes", "--auto-aof-rewrite-percentage", "0", "--appendfsync", "always"];

/// With `always` the server ends rather than acknowledge what is not on the disk.
#[track_caller]
fn assert_ended_as_promised(trial: &Trial, server: &mut Server) {
    assert!(trial.has_failed());
    assert_eq!(server.wait_for_exit().code(), Some(1));
    let log = server.log();
    assert!(log.contains("Can't recover from AOF write error when the AOF fsync policy is 'always'"), "{log}");
    trial.assert_told(server);
}

/// An orderly end writes what it has; one failure is not the end of it.
#[test]
fn shutdown_with_append_only_file() {
    walk("shutdown_with_append_only_file", |trial| {
        let mut server = Server::subject_with_faults(&trial.faults, EVERY_SECOND);
        let mut client = server.connect();
        let mut writer = Writer::default();
        writer.steps(&mut client, 3);
        assert!(is_synced(&mut client, 0));
        trial.arm(&server, CHANGES);
        writer.steps(&mut client, 1);
        client.send(b"SHUTDOWN NOSAVE\r\n");
        assert_eq!(server.wait_for_exit().code(), Some(0));
        let promised = if trial.has_failed() && trial.lasts() { 3 } else { 4 };
        trial.assert_told(&server);
        server.restart(EVERY_SECOND);
        writer.check(&server, promised);
    });
}

/// Writing and syncing, once a second: refused while the disk fails, and nothing lost that was acknowledged once it does not.
#[test]
fn appending_every_second() {
    walk("appending_every_second", |trial| {
        let mut server = Server::subject_with_faults(&trial.faults, EVERY_SECOND);
        let mut client = server.connect();
        let mut writer = Writer::default();
        writer.steps(&mut client, 1);
        assert!(is_synced(&mut client, 0));
        let safe = writer.acknowledged;
        trial.arm(&server, CHANGES);
        for _ in 0..8 {
            let _ = writer.step(&mut client).expect("it answers");
            is_synced(&mut client, 20);
        }
        if trial.has_failed() && trial.lasts() {
            eventually("it is told", || info(&mut client, "aof_last_write_status") == "err");
            let refusal = writer.step(&mut client).expect("it answers").expect_err("it refuses");
            assert_eq!(refusal, format!("MISCONF Errors writing to the AOF file: {}", trial.fault.text()));
            assert!(server.log().contains("the append-only file: "), "{}", server.log());
            trial.assert_told(&server);
            assert!(!client.run("GET count").is_error());
            if trial.coin {
                server.kill();
                server.restart(EVERY_SECOND);
                return writer.check(&server, safe);
            }
            assert!(!is_synced(&mut client, 20), "what is not on the disk is not said to be");
        }
        trial.faults.disarm();
        recovers(&mut client);
        if trial.has_failed() && trial.faults.what().starts_with("sync") {
            // What a sync could not write may be lost for good, whatever later ones say: it is written anew, and is not said to be there
            // before.
            assert!(is_synced(&mut client, 0));
            assert_eq!(info(&mut client, "aof_rewrites"), "1");
            assert_eq!(info(&mut client, "aof_rewrite_in_progress"), "0");
            if trial.coin {
                server.kill();
                server.restart(EVERY_SECOND);
                return writer.check(&server, writer.acknowledged);
            }
        }
        writer.steps(&mut client, 1);
        assert!(is_synced(&mut client, 0));
        server.kill();
        server.restart(EVERY_SECOND);
        writer.check(&server, writer.acknowledged);
    });
}

#[test]
fn appending_always() {
    walk("appending_always", |trial| {
        let mut server = Server::subject_with_faults(&trial.faults, ALWAYS);
        let mut client = server.connect();
        let mut writer = Writer::default();
        writer.steps(&mut client, 1);
        trial.arm(&server, CHANGES);
        let mut has_ended = false;
        for _ in 0..8 {
            match writer.step(&mut client) {
                Ok(outcome) => outcome.expect("it refuses nothing"),
                Err(()) => {
                    has_ended = true;
                    break;
                }
            }
        }
        // Loop and thread each open the file; where only one of them can't, the other one writes.
        let is_made_up_for = !trial.lasts() && trial.faults.what().starts_with("open");
        assert_eq!(has_ended, trial.has_failed() && !is_made_up_for);
        if has_ended {
            assert_ended_as_promised(trial, &mut server);
        } else {
            trial.assert_told(&server);
            server.kill();
        }
        server.restart(ALWAYS);
        writer.check(&server, writer.acknowledged);
    });
}

/// A disk that does not answer stops nothing but what waits for it: whatever of `act` it hangs in, clients are served, and when it is well
/// again all is there.
fn while_it_hangs(directives: &[&str], act: impl Fn(&mut Client), ended: &str) {
    let faults = Faults::new();
    let mut server = Server::subject_with_faults(&faults, directives);
    let mut client = server.connect();
    let mut writer = Writer::default();
    populate(&mut client);
    writer.steps(&mut client, 3);
    assert!(is_synced(&mut client, 0));
    faults.arm_hang(server.dir());
    act(&mut client);
    writer.steps(&mut client, 100);
    eventually("a call hangs", || faults.injected() > 0);
    writer.steps(&mut client, 100);
    assert_eq!(client.run("PING").string(), "PONG");
    assert_eq!(server.connect().run("GET filler:7").text().len(), 4000);
    assert!(!is_synced(&mut client, 20), "what is not on the disk is not said to be");
    assert!(info(&mut client, "aof_buffer_length").parse::<u64>().expect("a number") > 0, "it is to be seen");
    assert_eq!(info(&mut client, "aof_delayed_fsync"), "0");
    faults.disarm();
    assert!(is_synced(&mut client, 0));
    eventually(ended, || server.log().contains(ended));
    server.kill();
    server.restart(directives);
    writer.check(&server, writer.acknowledged);
    assert_eq!(server.connect().run("GET filler:7").text().len(), 4000);
}

#[test]
fn a_disk_that_hangs() {
    thread::scope(|scope| {
        scope.spawn(|| while_it_hangs(EVERY_SECOND, |_| {}, "Ready to accept connections"));
        let rewrite = |client: &mut Client| {
            assert_eq!(client.run("BGREWRITEAOF").string(), "Background append only file rewriting started");
        };
        scope.spawn(move || while_it_hangs(EVERY_SECOND, rewrite, "Background AOF rewrite finished successfully"));
        let save = |client: &mut Client| assert_eq!(client.run("BGSAVE").string(), "Background saving started");
        scope.spawn(move || while_it_hangs(EVERY_SECOND, save, "DB saved on disk"));
    });
}

/// With 64 MB waiting for the disk, commands that write wait as well, and nothing else does: what waits has a bound, and nobody is refused.
#[test]
fn a_disk_that_hangs_for_long() {
    let faults = Faults::new();
    let mut server = Server::subject_with_faults(&faults, EVERY_SECOND);
    let (mut client, mut reader) = (server.connect(), server.connect());
    let mut waiting = server.connect();
    client.run("SET small 1");
    client.run("CONFIG SET latency-monitor-threshold 1");
    faults.arm_hang(server.dir());
    let value = "v".repeat(1_000_000);
    let requests: Vec<u8> = (0..100).flat_map(|key| encode(&["SET", &format!("big:{key}"), &value])).collect();
    thread::scope(|scope| {
        scope.spawn(|| client.send(&requests));
        eventually("there is no more room", || info(&mut reader, "aof_delayed_fsync") == "1");
        let bytes = |reader: &mut Client| info(reader, "aof_buffer_length").parse::<u64>().expect("a number");
        let full = bytes(&mut reader);
        assert!((64 << 20..80 << 20).contains(&full), "{full}");
        assert_eq!(reader.run("GET small").string(), "1");
        assert_eq!(reader.run("PING").string(), "PONG");
        for request in ["INCR small", "DEL big:0", "FLUSHALL"] {
            waiting.send(&encode(&request.split(' ').collect::<Vec<_>>()));
        }
        // Those have been seen: the client that came before them is held, and so are they.
        eventually("both wait", || reader.run("CLIENT LIST").string().matches(" flags=b").count() == 2);
        assert_eq!(reader.run("GET small").string(), "1");
        assert_eq!(bytes(&mut reader), full, "nothing is added");
        assert!(server.log().contains("The disk does not keep up with the append-only file"));
        faults.disarm();
        assert_eq!(waiting.read().int(), 2, "in the order in which they came");
        assert_eq!(waiting.read().int(), 1);
        assert_eq!(waiting.read().string(), "OK");
    });
    (0..100).for_each(|_| assert_eq!(client.read().string(), "OK"));
    assert!(!reader.run("LATENCY HISTORY aof-write-pending-fsync").items().is_empty());
    client.run("SET last 1");
    assert!(is_synced(&mut client, 0));
    let keys = reader.run("DBSIZE").int();
    server.kill();
    server.restart(EVERY_SECOND);
    assert_eq!(server.connect().run("DBSIZE").int(), keys);
    assert_eq!(server.connect().run("GET last").string(), "1");
}

/// Waits until no rewrite is going on; each time it looks it writes something. Err: the server has ended.
fn write_while_rewriting(client: &mut Client, writer: &mut Writer) -> Result<(), ()> {
    loop {
        let _ = writer.step(client)?;
        client.try_send(b"INFO persistence\r\n").map_err(drop)?;
        let Ok(Some((text, _))) = client.try_read() else { return Err(()) };
        if text.string().contains("aof_rewrite_in_progress:0\r\n") {
            return Ok(());
        }
    }
}

/// Begins a rewrite, once the one that may be going on has ended, and waits until it is done.
fn rewrite(client: &mut Client) {
    eventually("it begins", || match client.run("BGREWRITEAOF").string() {
        text if text == "ERR Background append only file rewriting already in progress" => false,
        text => {
            assert_eq!(text, "Background append only file rewriting started");
            true
        }
    });
    until_rewritten(client);
}

/// No file is there that the manifest does not name; but for what a process was writing when it was killed.
fn assert_tidy(server: &Server, was_killed: bool) {
    let dir = server.dir().join(DIR);
    eventually("files that nobody needs are gone", || {
        let left = fs::read_dir(&dir).expect("a directory").count();
        let killed = if was_killed { temporary_files(&dir) } else { 0 };
        left - killed == 1 + files(server.dir(), "bi").len() && files(server.dir(), "h").is_empty()
    });
}

/// BGREWRITEAOF from its first step to its last, with writes in between: the new incremental file, the manifest, the base, the manifest,
/// the removal.
fn a_rewrite(trial: &Trial, directives: &[&str]) {
    let mut server = Server::subject_with_faults(&trial.faults, directives);
    let mut client = server.connect();
    let mut writer = Writer::default();
    populate(&mut client);
    writer.steps(&mut client, 3);
    assert!(is_synced(&mut client, 0));
    let safe = writer.acknowledged;
    trial.arm(&server, CHANGES);
    let reply = client.run("BGREWRITEAOF");
    if reply.is_error() {
        assert!(trial.has_failed());
        let text = "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.";
        assert_eq!(reply.string(), text);
        assert_eq!(info(&mut client, "aof_last_bgrewrite_status"), "err");
    }
    if write_while_rewriting(&mut client, &mut writer).is_err() {
        assert_eq!(directives, ALWAYS);
        assert_ended_as_promised(trial, &mut server);
        server.restart(directives);
        return writer.check(&server, writer.acknowledged);
    }
    let is_rewritten = info(&mut client, "aof_last_bgrewrite_status") == "ok";
    assert!(is_rewritten || trial.has_failed());
    if !is_rewritten {
        assert!(server.log().contains("rewrite terminated with error") || reply.is_error(), "{}", server.log());
    }
    trial.assert_told(&server);
    if trial.coin {
        // As it is now.
        server.kill();
        server.restart(directives);
        writer.check(&server, if directives == ALWAYS { writer.acknowledged } else { safe });
        client = server.connect();
    } else {
        trial.faults.disarm();
        recovers(&mut client);
    }
    writer.steps(&mut client, 1);
    rewrite(&mut client);
    writer.steps(&mut client, 1);
    assert!(is_synced(&mut client, 0));
    assert_tidy(&server, trial.coin);
    server.kill();
    server.restart(directives);
    writer.check(&server, writer.acknowledged);
    assert_eq!(server.connect().run("GET filler:7").text().len(), 4000);
}

#[test]
fn bgrewriteaof() {
    walk("bgrewriteaof", |trial| a_rewrite(trial, EVERY_SECOND));
}

#[test]
fn bgrewriteaof_as_commands() {
    let directives = [EVERY_SECOND, &["--aof-use-rdb-preamble", "no"]].concat();
    walk("bgrewriteaof_as_commands", |trial| a_rewrite(trial, &directives));
}

#[test]
fn bgrewriteaof_with_always() {
    walk("bgrewriteaof_with_always", |trial| a_rewrite(trial, ALWAYS));
}

/// CONFIG SET appendonly yes: it says if it can't; once its first rewrite is done everything is there, and stays.
#[test]
fn config_set_appendonly() {
    walk("config_set_appendonly", |trial| {
        let mut server = Server::subject_with_faults(&trial.faults, &["--auto-aof-rewrite-percentage", "0"]);
        let mut client = server.connect();
        let mut writer = Writer::default();
        populate(&mut client);
        writer.steps(&mut client, 2);
        trial.arm(&server, CHANGES);
        let reply = client.run("CONFIG SET appendonly yes");
        if reply.is_error() {
            assert!(trial.has_failed());
            let text = reply.string();
            assert!(text.ends_with("Unable to turn on AOF. Check server logs."), "{text}");
            assert_eq!(client.run("CONFIG GET appendonly").items()[1].string(), "no");
            assert_eq!(info(&mut client, "aof_enabled"), "0");
            trial.assert_told(&server);
            trial.faults.disarm();
            writer.steps(&mut client, 1);
            assert_eq!(client.run("CONFIG SET appendonly yes").string(), "OK");
        } else {
            write_while_rewriting(&mut client, &mut writer).expect("it is there");
            trial.assert_told(&server);
            let is_bad = info(&mut client, "aof_last_bgrewrite_status") == "err";
            assert!(!is_bad || trial.has_failed());
            trial.faults.disarm();
            if is_bad {
                // What has been written is worth nothing without a base, of which another attempt may be under way.
                let is_there = is_synced(&mut client, 20);
                assert!(!is_there || info(&mut client, "aof_last_bgrewrite_status") == "ok");
                rewrite(&mut client);
            }
            recovers(&mut client);
        }
        until_rewritten(&mut client);
        writer.steps(&mut client, 2);
        assert!(is_synced(&mut client, 0));
        assert_tidy(&server, false);
        server.kill();
        server.restart(EVERY_SECOND);
        writer.check(&server, writer.acknowledged);
        assert_eq!(server.connect().run("GET filler:7").text().len(), 4000);
    });
}

/// The files below a directory, but for those of the process.
fn all_files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(next) = dirs.pop() {
        for entry in fs::read_dir(next).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.is_file() && !path.ends_with("log") {
                let name = path.strip_prefix(dir).expect("it is below").to_owned();
                found.insert(name, fs::read(path).expect("a file"));
            }
        }
    }
    found
}

/// A start: with everything that it may find. It ends with a message, or it serves all that was there.
fn a_start(name: &'static str, directives: &[&str], prepare: impl Fn(&mut Server, &mut Writer)) {
    let mut template = Server::subject(&["--auto-aof-rewrite-percentage", "0"]);
    let mut writer = Writer::default();
    prepare(&mut template, &mut writer);
    let kept = all_files(template.dir());
    let steps = writer.acknowledged;
    walk(name, |trial| {
        let mut server = Server::not_started();
        for (name, bytes) in &kept {
            let path = server.dir().join(name);
            fs::create_dir_all(path.parent().expect("the directory")).expect("a directory");
            fs::write(path, bytes).expect("a file");
        }
        trial.arm(&server, ALL);
        match server.restart_with_faults(&trial.faults, directives) {
            Err(status) => {
                assert!(trial.has_failed());
                assert_eq!(status.code(), Some(1), "{}", server.log());
                assert!(server.log().contains("Exiting"), "{}", server.log());
                trial.assert_told(&server);
            }
            Ok(()) => {
                // Only what nothing depends on: to be rid of files that nobody needs.
                let what = trial.faults.what();
                let may_fail = what.starts_with("unlink") || what.contains("/temp-");
                assert!(!trial.has_failed() || may_fail, "{what}");
                if !what.starts_with("unlink") {
                    trial.assert_told(&server);
                }
                server.kill();
            }
        }
        trial.faults.disarm();
        // Twice, so that what the first one does to the files is seen.
        for _ in 0..2 {
            server.restart(directives);
            let mut writer = Writer { asked: steps, acknowledged: steps };
            writer.check(&server, steps);
            if directives == EVERY_SECOND {
                writer.steps(&mut server.connect(), 1);
                assert!(is_synced(&mut server.connect(), 0));
                server.kill();
                server.restart(directives);
                writer.check(&server, steps + 1);
                // And back.
                let mut client = server.connect();
                client.run("DECR count");
                client.run("RPOP list");
                assert!(is_synced(&mut client, 0));
            }
            server.kill();
        }
    });
}

#[test]
fn start_with_nothing() {
    a_start("start_with_nothing", EVERY_SECOND, |server, _| server.kill());
}

#[test]
fn start_with_a_file_of_the_past() {
    a_start("start_with_a_file_of_the_past", EVERY_SECOND, |server, writer| {
        writer.steps(&mut server.connect(), 4);
        let text = (1..=4).map(|n| {
            let number = n.to_string();
            let commands: [&[&str]; 4] = [&["MULTI"], &["INCR", "count"], &["RPUSH", "list", &number], &["EXEC"]];
            commands.iter().flat_map(|command| encode(command)).collect::<Vec<u8>>()
        });
        fs::write(server.dir().join("appendonly.aof"), text.collect::<Vec<_>>().concat()).expect("a file");
        server.kill();
    });
}

#[test]
fn start_with_a_torn_end() {
    a_start("start_with_a_torn_end", EVERY_SECOND, |server, writer| {
        let mut client = server.connect();
        client.run("CONFIG SET appendonly yes");
        until_rewritten(&mut client);
        writer.steps(&mut client, 2);
        client.run("BGREWRITEAOF");
        until_rewritten(&mut client);
        writer.steps(&mut client, 2);
        assert!(is_synced(&mut client, 0));
        server.kill();
        let last = files(server.dir(), "i").pop().expect("an incremental file");
        let bytes = fs::read(&last).expect("a file");
        fs::write(&last, [&bytes[..], b"*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$5\r\ncou"].concat()).expect("a file");
    });
}

#[test]
fn start_with_an_rdb_file() {
    a_start("start_with_an_rdb_file", &[], |server, writer| {
        let mut client = server.connect();
        populate(&mut client);
        writer.steps(&mut client, 3);
        assert_eq!(client.run("SAVE").string(), "OK");
        server.kill();
    });
}

/// A disk with little room: steps until it is full, each of which is kept or refused; saves and rewrites fail, and leave what there was.
/// With room again all goes on.
fn fill_up(server: &mut Server, directives: &[&str], mut is_full: impl FnMut() -> bool, make_room: impl FnOnce()) {
    let mut client = server.connect();
    let mut writer = Writer::default();
    // A file to be kept.
    writer.steps(&mut client, 1);
    assert_eq!(client.run("SAVE").string(), "OK");
    let rdb = PathBuf::from(client.run("CONFIG GET dir").items()[1].string()).join("dump.rdb");
    let old = fs::read(&rdb).expect("it was saved");
    let text = "v".repeat(3000);
    for n in 0.. {
        assert!(n < 100_000, "it is never full");
        // Noise, which takes up room, and a step.
        client.send(&encode(&["SET", &format!("noise:{}", n % 50), &text]));
        let noise = client.try_read();
        let stepped = writer.step(&mut client);
        match (noise, stepped) {
            (Ok(Some(_)), Ok(Ok(()))) => {}
            (Ok(Some(_)), Ok(Err(refusal))) => {
                assert_eq!(refusal, "MISCONF Errors writing to the AOF file: No space left on device");
                break;
            }
            _ => {
                // `always`
                assert!(directives.contains(&"always"));
                assert_eq!(server.wait_for_exit().code(), Some(1));
                assert!(server.log().contains("Can't recover from AOF write error"), "{}", server.log());
                make_room();
                // What the disk took of the last write was cut off again.
                server.restart(&[directives, &["--aof-load-truncated", "no"]].concat());
                return writer.check(server, writer.acknowledged);
            }
        }
    }
    // Not just while a part of a write is there that is about to be cut off.
    eventually("it is full", || is_full() && is_full());
    assert!(server.log().contains("Error writing the append-only file: No space left on device"), "{}", server.log());
    assert!(!client.run("GET count").is_error());
    assert_eq!(client.run("SAVE").string(), "ERR");
    assert_eq!(fs::read(&rdb).expect("it is still there"), old);
    client.run("BGSAVE");
    eventually("it is over", || info(&mut client, "rdb_bgsave_in_progress") == "0");
    assert_eq!(info(&mut client, "rdb_last_bgsave_status"), "err");
    assert_eq!(fs::read(&rdb).expect("it is still there"), old);
    client.run("BGREWRITEAOF");
    eventually("it is over", || info(&mut client, "aof_rewrite_in_progress") == "0");
    assert_eq!(info(&mut client, "aof_last_bgrewrite_status"), "err");
    make_room();
    recovers(&mut client);
    writer.steps(&mut client, 1);
    rewrite(&mut client);
    writer.steps(&mut client, 1);
    assert!(is_synced(&mut client, 0));
    server.kill();
    server.restart(directives);
    writer.check(server, writer.acknowledged);
}

/// A disk that has so many bytes and then none: a write is cut short, the next one fails.
#[test]
fn a_disk_with_little_room() {
    let mut random = Random::new("a_disk_with_little_room");
    for round in 0..if is_long() { 40 } else { 4 } {
        let directives = if round % 2 == 0 { EVERY_SECOND } else { ALWAYS };
        let faults = Faults::new();
        let mut server = Server::subject_with_faults(&faults, directives);
        // The file that is to be kept fits.
        faults.arm_room(server.dir(), 20_000 + random.below(300_000) as u64);
        fill_up(&mut server, directives, || faults.injected() > 0, || faults.disarm());
    }
}

/// A file system of one megabyte in memory; it goes with this.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None: only root may mount.
    fn mount(path: &Path) -> Option<SmallDisk> {
        fs::create_dir_all(path).expect("a directory");
        let output = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(path).output();
        output.is_ok_and(|output| output.status.success()).then(|| SmallDisk(path.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a server may still have files open.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_small_file_system() {
    for policy in ["everysec", "always"] {
        let mut server = Server::not_started();
        let path = server.dir().join("disk");
        let Some(_disk) = SmallDisk::mount(&path) else {
            return println!(
                "a_small_file_system: skipped, since it takes the right to mount; a_disk_with_little_room stands in"
            );
        };
        let dir = path.to_string_lossy().into_owned();
        let directives =
            ["--appendonly", "yes", "--auto-aof-rewrite-percentage", "0", "--appendfsync", policy, "--dir", &dir];
        server.restart(&directives);
        // What is taken away to make room again.
        let ballast = path.join("ballast");
        fs::write(&ballast, vec![0; 600_000]).expect("there is room for it");
        // Takes what is left.
        let mut more = fs::File::create(path.join("more")).expect("a file");
        fill_up(
            &mut server,
            &directives,
            || (0..300).take_while(|_| more.write_all(&[0; 4096]).is_ok()).count() == 0,
            || fs::remove_file(&ballast).expect("it is there"),
        );
    }
}

/// A server that is killed when it has announced the next incremental file, and not yet written all of the last command to the one before,
/// has a torn file that is not the last. Nothing stands behind it, so it is cut as the last one is; if something does, it is damage.
#[test]
fn a_torn_file_before_an_empty_one() {
    let mut server = Server::subject(EVERY_SECOND);
    let mut client = server.connect();
    let mut writer = Writer::default();
    writer.steps(&mut client, 2);
    assert!(is_synced(&mut client, 0));
    server.kill();
    let torn = files(server.dir(), "i").remove(0);
    let manifest = server.dir().join(DIR).join("appendonly.aof.manifest");
    let mut text = fs::read_to_string(&manifest).expect("a manifest");
    for n in [2, 3] {
        text += &format!("file appendonly.aof.{n}.incr.aof seq {n} type i\n");
        fs::write(server.dir().join(DIR).join(format!("appendonly.aof.{n}.incr.aof")), "").expect("a file");
    }
    fs::write(&manifest, text).expect("a manifest");
    let whole = fs::read(&torn).expect("a file");
    let tear = || {
        let end = b"*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nINCR\r\n$5\r\ncou";
        fs::write(&torn, [&whole[..], end].concat()).expect("a file");
    };
    tear();
    let mut tool = Command::new(env!("CARGO_BIN_EXE_zedis"));
    let tool = tool.args(["check-aof", "--fix"]).arg(&manifest).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut tool = tool.spawn().expect("it runs");
    std::io::Write::write_all(&mut tool.stdin.take().expect("a pipe"), b"y\n").expect("it reads");
    let output = tool.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(fs::read(&torn).expect("a file"), whole);
    tear();
    server.restart(EVERY_SECOND);
    writer.check(&server, 2);
    assert!(server.log().contains("Truncating the AOF"), "{}", server.log());
    writer.steps(&mut server.connect(), 1);
    assert!(is_synced(&mut server.connect(), 0));
    server.kill();
    assert_eq!(fs::read(&torn).expect("a file"), whole);
    server.restart(EVERY_SECOND);
    writer.check(&server, 3);
    server.kill();
    fs::write(&torn, [&whole[..], b"*2\r\n$4\r\nINCR\r\n"].concat()).expect("a file");
    let (status, log) = server.restart_that_fails(EVERY_SECOND);
    assert_eq!(status.code(), Some(1));
    assert!(log.contains("the truncated file is not the last file"), "{log}");
}
