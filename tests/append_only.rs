//! The append-only file: what is in it, what comes of it after a kill, exchange with redis-server in both directions, damage, WAITAOF.

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use support::append_only::{
    self, DIR, MANIFEST, NEWER, OLDER, State, commands, files, info, run_stream, until_rewritten, until_synced,
};
use support::client::{Client, encode};
use support::pair::{Pair, run_table};
use support::random::Random;
use support::server::{Server, eventually};
use support::table::words;

const ON: &[&str] = &["--appendonly", "yes"];
const ON_COMMANDS: &[&str] = &["--appendonly", "yes", "--aof-use-rdb-preamble", "no"];

/// What every stream is run with: how the server ends, and what happens halfway.
const ENDS: &[(&str, &str, &[&str])] = &[
    ("kill", "nothing", ON),
    ("shutdown", "BGREWRITEAOF", ON),
    ("kill", "BGREWRITEAOF", ON_COMMANDS),
    ("kill", "CONFIG SET appendonly", &[]),
    ("kill", "BGREWRITEAOF", &["--appendonly", "yes", "--appendfsync", "always"]),
    ("kill", "nothing", &["--appendonly", "yes", "--aof-timestamp-enabled", "yes"]),
];

/// Halfway through a stream.
fn interlude(client: &mut Client, what: &str) {
    match what {
        "nothing" => {}
        "CONFIG SET appendonly" => {
            assert_eq!(client.run("CONFIG SET appendonly yes").string(), "OK");
        }
        what => assert!(client.run(what).string().starts_with("Background"), "{what}"),
    }
}

#[test]
fn the_same_is_there_after_a_restart() {
    let mut random = Random::new("the_same_is_there_after_a_restart");
    for profile in [&OLDER, &NEWER] {
        for (end, what, directives) in ENDS {
            let title = format!("{end}, {what}, {directives:?}");
            let mut server = Server::subject(directives);
            let mut client = server.connect();
            run_stream(profile, &mut random, &mut client, 1500);
            interlude(&mut client, what);
            run_stream(profile, &mut random, &mut client, 1500);
            if *what != "nothing" {
                until_rewritten(&mut client);
                run_stream(profile, &mut random, &mut client, 300);
            }
            let wanted = State::of(&mut client);
            until_synced(&mut client);
            match *end {
                "kill" => server.kill(),
                _ => server.shut_down(),
            }
            server.restart(if directives.is_empty() { ON } else { directives });
            State::of(&mut server.connect()).assert_same(&wanted, &server, &title);
            let left = fs::read_dir(server.dir().join(DIR)).expect("a directory").count();
            assert_eq!(left, 1 + files(server.dir(), "bi").len(), "{title}: files that nobody needs");
        }
    }
}

#[test]
fn redis_server_takes_over_and_hands_back() {
    let mut random = Random::new("redis_server_takes_over_and_hands_back");
    for (end, what, directives) in ENDS {
        let title = format!("{end}, {what}, {directives:?}");
        let later = if directives.is_empty() { ON } else { directives };
        let mut server = Server::subject(directives);
        for theirs in [true, false, true, false] {
            let mut client = server.connect();
            run_stream(&OLDER, &mut random, &mut client, 400);
            if info(&mut client, "aof_enabled") == "0" || *what == "BGREWRITEAOF" {
                interlude(&mut client, what);
            }
            run_stream(&OLDER, &mut random, &mut client, 400);
            until_rewritten(&mut client);
            let wanted = State::of_older(&mut client);
            drop(client);
            // A killed redis-server has lost what its own buffer held.
            server.shut_down();
            if theirs {
                server.restart_as_oracle(later);
            } else {
                server.restart(later);
            }
            let to = if theirs { "to redis-server" } else { "from redis-server" };
            State::of_older(&mut server.connect()).assert_same(&wanted, &server, &format!("{title}, {to}"));
        }
    }
}

/// Requests whose traces in the file are compared. `;` separates requests of one line, `&` begins one that waits until the next is done.
const TRACES: &str = r#"
SET a 1
SET a 1 NX
SET a v EX 1000
SET a v PX 1000000
SET a v EXAT 33177117420
SET a v KEEPTTL
SET a v XX GET EX 1000
SET a v NX GET
SETEX a 1000 v
PSETEX a 1000000 v
SET gone v PXAT 1
SET a v ; SET a v PXAT 1 ; DEL a
SET a v ; GETEX a EX 1000
GETEX a PERSIST
GETEX a
GETEX a EXAT 1
GETDEL a
SET a v ; GETDEL a
SET n 1 ; INCR n ; INCRBY n 5 ; DECR n
INCRBYFLOAT f 1.5
SET f 1 EX 1000 ; INCRBYFLOAT f 1.5
APPEND a x ; SETRANGE a 3 x
MSET x 1 y 2
MSETNX x 1 z 2
EXPIRE x 1000
EXPIRE x 1000 NX
PEXPIRE x 2000000
EXPIREAT x 33177117420
PEXPIREAT x 33177117421000
EXPIREAT x 33177117421
EXPIRE x -1
EXPIREAT y 1
EXPIRE nothing 1000
SET x 1 EX 1000 ; PERSIST x ; PERSIST x
DEL nothing
DEL x nothing
SET x 1 ; SET y 1 ; UNLINK x y
SET x 1 ; RENAME x y ; COPY y x ; COPY y x
SET x 1 ; MOVE x 5 ; SELECT 5 ; MOVE x 0 ; SELECT 0
SELECT 3 ; SELECT 0
SWAPDB 0 1 ; SWAPDB 0 1
SELECT 7 ; SET x 1 ; FLUSHDB ; SELECT 0 ; SET y 1
FLUSHDB
FLUSHALL
FLUSHALL ; flushdb Async ; SELECT 3 ; FLUSHDB ; SELECT 0 ; FLUSHALL SYNC
MULTI ; FLUSHALL ; SET x 1 ; EXEC ; FLUSHALL
CONFIG SET lazyfree-lazy-expire yes ; SET x 1 ; EXPIRE x -1 ; SET x 1 ; GETEX x PXAT 1
CONFIG SET lazyfree-lazy-expire no ; SET x 1 ; SET x 2 PX 1 ; DEBUG SLEEP 0.01 ; GET x
CONFIG SET lazyfree-lazy-expire yes ; SET x 2 PX 1 ; DEBUG SLEEP 0.01 ; GET x ; CONFIG SET lazyfree-lazy-expire no
RPUSH l a b c d e f g h i j
LPOP l
LPOP l 2
RPOP l 20
LPOP l
RPUSH l a b c d
BLPOP l 0
BRPOP nothing l 0
BLMOVE l m LEFT RIGHT 0
BRPOPLPUSH l m 0
LMPOP 2 nothing m RIGHT COUNT 1
BLMPOP 0 2 nothing m LEFT COUNT 10
& BLPOP waited 0 ; RPUSH waited a b
& BLMOVE waiting other LEFT LEFT 0 ; RPUSH waiting2 a ; RPUSH waiting a
LMOVE l l LEFT RIGHT ; RPOPLPUSH l l
LREM nothing 0 x ; LTRIM l 0 -1 ; LSET other 0 z
RPUSH num 3 1 2 ; SORT num STORE sorted ; SORT nothing STORE sorted
SADD s a
SPOP s
SADD s a ; SPOP s 1
SADD s a b c ; SPOP s 3
SADD s a b c ; SPOP s 7
SADD s a ; SADD s a ; SREM s x ; SREM s a
SADD s a ; SADD t b ; SUNIONSTORE u s t ; SINTERSTORE u s t ; SMOVE s t a ; SMOVE s t a
HSET h a 1 b 2 ; HSETNX h a 1 ; HDEL h x ; HINCRBY h a 5
HINCRBYFLOAT h a 1.5
HINCRBYFLOAT h f 1e3
HDEL h a b f
ZADD z 1 a 2 b 3 c 4 d ; ZADD z 1 a ; ZADD z NX 1 a ; ZADD z INCR 1 a ; ZINCRBY z 0.1 b
ZPOPMIN z ; ZPOPMAX z 1
BZPOPMIN z 0
ZMPOP 1 z MIN COUNT 10
ZADD z 1 a 2 b ; BZMPOP 0 1 z MAX COUNT 2
& BZPOPMIN zw 0 ; ZADD zw 1 a 2 b
ZADD z 1 a ; ZRANGESTORE y z 0 -1 ; ZUNIONSTORE y 1 z ; ZREMRANGEBYRANK nothing 0 1
SETBIT b 7 1 ; SETBIT b 7 1 ; BITFIELD b INCRBY u8 0 1 ; BITFIELD b GET u8 0 ; BITOP NOT c b
PFADD p a ; PFADD p a ; PFCOUNT p ; PFADD p b ; PFCOUNT p ; PFMERGE q p
GEOADD g 13.361389 38.115556 Palermo ; GEOSEARCHSTORE gg g FROMLONLAT 15 37 BYRADIUS 200 km
MULTI ; EXEC
MULTI ; GET x ; EXEC
MULTI ; SET x 1 ; EXEC
MULTI ; SET x 1 ; INCR x ; LPUSH x a ; EXEC
MULTI ; SET x 1 EX 1000 ; SPOP nothing ; SADD s q ; SPOP s ; EXPIRE x -1 ; EXEC
MULTI ; SELECT 4 ; SET x 1 ; SELECT 0 ; SET x 1 ; EXEC ; SET x 2
MULTI ; SELECT 4 ; EXEC ; SET x 3 ; SELECT 0
MULTI ; SET x 1 ; DISCARD
MULTI ; SET x ; EXEC
MULTI ; RPUSH bl a ; BLPOP bl 0 ; EXEC
WATCH x ; SET x 5 ; MULTI ; SET x 6 ; EXEC
set x lower
DEL x ; SET x "binary\x00\r\n"
"#;

/// Where the file has something else than redis-server's, and why.
const OTHER_TRACES: &[(&str, &[&str], &str)] = &[
    ("SET gone v PXAT 1", &["SET gone v PXAT 1", "DEL gone"], "it is removed at once, not when somebody asks for it"),
    ("EXPIREAT x 33177117421", &[], "the deadline is what it was"),
    (
        "& BLMOVE waiting other LEFT LEFT 0 ; RPUSH waiting2 a ; RPUSH waiting a",
        &["RPUSH waiting2 a", "RPUSH waiting a", "LMOVE waiting other LEFT LEFT"],
        "as it was asked for, rather than in small letters",
    ),
    (
        "GEOADD g 13.361389 38.115556 Palermo ; GEOSEARCHSTORE gg g FROMLONLAT 15 37 BYRADIUS 200 km",
        &["GEOADD g 13.361389 38.115556 Palermo", "GEOSEARCHSTORE gg g FROMLONLAT 15 37 BYRADIUS 200 km"],
        "it depends on nothing else, so it is not made a ZADD",
    ),
    (
        "MULTI ; SELECT 4 ; SET x 1 ; SELECT 0 ; SET x 1 ; EXEC ; SET x 2",
        &["MULTI", "SELECT 4", "SET x 1", "SELECT 0", "SET x 1", "EXEC", "SET x 2"],
        "the database is selected inside of the transaction, as it was",
    ),
];

/// The trace of each line: what was written between two marks.
fn traces(server: &Server) -> Vec<(String, Vec<String>)> {
    let (mut client, mut other) = (server.connect(), server.connect());
    let lines: Vec<&str> = TRACES.lines().filter(|line| !line.is_empty()).collect();
    for (number, line) in lines.iter().enumerate() {
        client.call(&["SET", "mark", &number.to_string()]);
        let mut is_waiting = false;
        for request in line.split(" ; ") {
            if let Some(request) = request.strip_prefix("& ") {
                other.send(&encode(&words(request)));
                eventually("it waits", || info(&mut client, "blocked_clients") == "1");
                is_waiting = true;
            } else {
                client.run(request);
            }
        }
        if is_waiting {
            other.read();
        }
    }
    client.run("SET mark end");
    // All is in the file when the process has ended in order.
    drop((client, other));
    let mut traces: Vec<(String, Vec<String>)> = Vec::new();
    eventually("the last one is written", || {
        let commands = commands(server.dir());
        commands.last().is_some_and(|command| command.last().is_some_and(|word| word == b"end"))
    });
    for command in commands(server.dir()) {
        if command.len() == 3 && command[1] == b"mark" {
            if let Some(line) = lines.get(traces.len()) {
                traces.push(((*line).to_owned(), Vec::new()));
            }
            continue;
        }
        let Some((_, trace)) = traces.last_mut() else { continue };
        let mut shown = support::table::show(&command);
        for arg in &command {
            // A time in this century.
            if arg.len() == 13 && arg.starts_with(b"1") {
                shown = shown.replace(&String::from_utf8_lossy(arg).into_owned(), "<soon>");
            }
        }
        trace.push(shown);
    }
    traces
}

#[test]
fn commands_leave_the_traces_that_they_leave_in_redis() {
    let pair = Pair::start(ON);
    let (got, wanted) = (traces(&pair.subject), traces(&pair.oracle));
    let mut complaints = Vec::new();
    for ((line, got), (_, wanted)) in got.iter().zip(&wanted) {
        match OTHER_TRACES.iter().find(|(other, ..)| other == line) {
            Some((_, other, _)) if got == other => assert_ne!(got, wanted, "{line}: no deviation"),
            _ if got == wanted => {}
            _ => complaints.push(format!("{line}\n    subject: {got:?}\n    oracle:  {wanted:?}")),
        }
    }
    assert_eq!(got.len(), wanted.len());
    assert!(complaints.is_empty(), "{} disagreements:\n{}", complaints.len(), complaints.join("\n"));
}

/// The parser steps over the two bytes of a line end, as Redis's does: whatever they are, the file has a command that every reader takes.
#[test]
fn sloppy_requests_are_written_as_they_should_be() {
    let long = "v".repeat(200);
    let bulk = format!("$200\r\n{long}");
    let sloppy: Vec<Vec<u8>> = [
        "*3\rX$3\r\nSET\r\n$1\r\na\r\n$1\r\nv\r\n",
        "*3\r\n$3\rXSET\r\n$1\r\nb\r\n$1\r\nv\r\n",
        "*3\r\n$3\r\nSETXX$1\r\nc\r\n$1\r\nv\r\n",
        "*3\r\n$3\r\nSET\r\n$1\r\nd\r\n$1\rXv\r\n",
        "*3\r\n$3\r\nSET\r\n$1\r\ne\r\n$1\r\nvXX",
        &format!("*3\r\n$3\r\nSET\r\n$1\r\nf\r\n{bulk}XX"),
        &format!("*3\r\n$3\r\nSET\r\n$1\r\ng\r\n$200\rX{long}\r\n"),
        "*3\r\n$3\r\nSET\r\n$1\r\nh\r\n$1\r\nv\n\r",
    ]
    .iter()
    .map(|request| request.as_bytes().to_vec())
    .collect();
    let mut server = Server::subject(ON);
    let mut client = server.connect();
    // One by one, all at once, and in a transaction.
    sloppy.iter().for_each(|request| client.send(request));
    client.send(&sloppy.concat());
    client.send(&[encode(&words("MULTI")), sloppy.concat(), encode(&words("EXEC"))].concat());
    (0..=2 * sloppy.len()).for_each(|_| assert_eq!(client.read().string(), "OK"));
    sloppy.iter().for_each(|_| assert_eq!(client.read().string(), "QUEUED"));
    assert_eq!(client.read().items().len(), sloppy.len());
    until_synced(&mut client);
    drop(client);
    server.kill();
    let path = files(server.dir(), "i")[0].clone();
    assert!(verdict(REDIS, &[], &path).0, "redis-check-aof takes it");
    server.restart(ON);
    let mut client = server.connect();
    for key in ["a", "b", "c", "d", "e", "h"] {
        assert_eq!(client.run(&format!("GET {key}")).string(), "v", "{key}");
    }
    for key in ["f", "g"] {
        assert_eq!(client.run(&format!("GET {key}")).string(), long, "{key}");
    }
}

/// What expires leaves its DEL, even if nobody asks for it.
#[test]
fn what_expires_is_deleted_in_the_file() {
    let server = Server::subject(ON);
    let mut client = server.connect();
    client.run("SET asked v PX 1");
    client.run("SET unasked v PX 1");
    client.run("HSET h f v g w");
    client.run("HPEXPIRE h 1 FIELDS 1 f");
    eventually("it is gone", || client.run("EXISTS asked").int() == 0);
    eventually("all of it is in the file", || {
        let commands = commands(server.dir());
        let has = |line: &str| commands.contains(&words(line));
        has("DEL asked") && has("DEL unasked") && has("HDEL h f")
    });
}

fn tool(program: &str, words: &[&str], path: &Path) -> Output {
    tool_in(Path::new("."), program, words, path)
}

/// A tool that is called in this directory, and told yes.
fn tool_in(dir: &Path, program: &str, words: &[&str], path: &Path) -> Output {
    let mut command = Command::new(program);
    if program == env!("CARGO_BIN_EXE_zedis") {
        command.arg("check-aof");
    }
    let mut child = command
        .args(words)
        .arg(path)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tool is installed");
    std::io::Write::write_all(child.stdin.as_mut().expect("it was asked for"), b"y\n").ok();
    child.wait_with_output().expect("it ends")
}

/// A tool's verdict: whether all is well, and up to which byte and line.
fn verdict(program: &str, words: &[&str], path: &Path) -> (bool, String) {
    let output = tool(program, words, path);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // Up to which byte, and the line after it.
    let up_to = text.split("ok_up_to=").nth(1).and_then(|rest| rest.split(", diff").next()).map(str::to_owned);
    (output.status.success(), up_to.unwrap_or_default())
}

const ZEDIS: &str = env!("CARGO_BIN_EXE_zedis");
const REDIS: &str = "redis-check-aof";
const NAMES: &str = "appendonly.aof.manifest";

/// A directory as a server with a file of these commands leaves it.
fn written(requests: &str, directives: &[&str]) -> (Server, Vec<u8>) {
    let mut server = Server::subject(directives);
    let mut client = server.connect();
    for request in requests.split(" ; ") {
        client.run(request);
    }
    drop(client);
    server.shut_down();
    let bytes = fs::read(&files(server.dir(), "i")[0]).expect("a file");
    (server, bytes)
}

#[test]
fn a_torn_end_is_cut_wherever_it_is() {
    let (mut server, bytes) = written("SET a 1 ; MULTI ; INCR a ; INCR a ; EXEC ; SET b 2", ON);
    let path = files(server.dir(), "i")[0].clone();
    let manifest = server.dir().join(MANIFEST);
    let len = |upto: usize| append_only::parse(&bytes).iter().take(upto).map(|command| encode(command).len()).sum();
    // SELECT, SET, MULTI, INCR, INCR, EXEC, SET
    let ends: Vec<usize> = (0..=7).map(len).collect();
    for size in 0..=bytes.len() {
        fs::write(&path, &bytes[..size]).expect("a file");
        let whole = *ends.iter().filter(|&&end| end <= size && (end <= ends[2] || end >= ends[6])).max().expect("0");
        let is_whole = whole == size;
        assert_eq!(verdict(ZEDIS, &[], &manifest), verdict(REDIS, &[], &manifest), "{size}");
        assert_eq!(verdict(ZEDIS, &[], &path).0, is_whole, "{size}");
        if !is_whole {
            let (status, log) = server.restart_that_fails(&["--appendonly", "yes", "--aof-load-truncated", "no"]);
            assert_eq!(status.code(), Some(1), "{size}: {log}");
            assert!(log.contains("Unexpected end of file reading the append only file"), "{log}");
            assert_eq!(fs::read(&path).expect("it is still there"), &bytes[..size]);
        }
        // Every third by the tool, the others by the server.
        if size % 3 == 0 {
            assert!(tool(ZEDIS, &["--fix"], &manifest).status.success(), "{size}");
            assert_eq!(fs::read(&path).expect("a file").len(), whole, "{size}");
            continue;
        }
        server.restart(ON);
        let mut client = server.connect();
        let a = if whole >= ends[6] {
            "3"
        } else if whole >= ends[2] {
            "1"
        } else {
            ""
        };
        let b = if whole >= ends[7] { "2" } else { "" };
        let value = |reply: support::reply::Reply| if reply.is_null() { String::new() } else { reply.string() };
        assert_eq!((value(client.run("GET a")), value(client.run("GET b"))), (a.to_owned(), b.to_owned()), "{size}");
        let log = server.log();
        if is_whole {
            assert!(!log.contains("short read"), "{log}");
        } else {
            let cut = format!("at offset {whole}: the last {} bytes are lost", size - whole);
            assert!(log.contains("short read while loading the AOF file") && log.contains(&cut), "{size}: {log}");
        }
        assert_eq!(fs::read(&path).expect("a file").len(), whole, "{size}");
        // What is written from now on stands behind whole commands.
        client.run("SET c 3");
        until_synced(&mut client);
        server.kill();
        server.restart(ON);
        assert_eq!(server.connect().run("GET c").string(), "3", "{size}");
        server.kill();
    }
}

/// Files by name: the first is the one to check.
type Files = Vec<(&'static str, Vec<u8>)>;

fn lay_out(dir: &Path, files: &Files) {
    fs::remove_dir_all(dir).ok();
    fs::create_dir_all(dir).expect("a directory");
    for (name, bytes) in files {
        fs::write(dir.join(name), bytes).expect("a file");
    }
}

/// What the tool says in that directory, whether all is well, and what the files are then.
fn said(program: &str, words: &[&str], dir: &Path, files: &Files) -> (String, bool, Vec<Vec<u8>>) {
    lay_out(dir, files);
    let output = tool_in(dir, program, words, Path::new(files[0].0));
    let text = [output.stdout, output.stderr].concat();
    let after = files.iter().map(|(name, _)| fs::read(dir.join(name)).expect("a file")).collect();
    (String::from_utf8_lossy(&text).into_owned(), output.status.success(), after)
}

/// Of every file that both tools take for whole, and of every one that neither does, they say the same, and leave the same.
#[test]
fn check_aof_says_what_redis_check_aof_says() {
    let server = Server::subject(&["--dbfilename", "saved.rdb"]);
    let mut client = server.connect();
    for request in ["SET x y", "RPUSH l a b c", "SET t v EX 1000000", "SELECT 1", "HSET h a b", "SAVE"] {
        client.run(request);
    }
    let saved = fs::read(server.dir().join("saved.rdb")).expect("a file");
    let of = |request: &str| encode(&words(request));
    let join = |parts: &[&[u8]]| parts.concat();
    let (select, a, b) = (of("SELECT 0"), of("SET a 1"), encode(&[&b"SET"[..], b"b", b"line\nline\r\n"]));
    let (multi, exec) = (of("MULTI"), of("EXEC"));
    let torn = |left: usize| join(&[&select, &a, &b[..b.len() - left]]);
    let broken = |what: &[u8]| join(&[&select, what, &a]);
    let alone: Vec<(&str, Vec<u8>)> = vec![
        ("whole", join(&[&select, &a, &b])),
        ("empty", Vec::new()),
        ("torn in a string", torn(5)),
        ("torn before a string", join(&[&select, &a, b"*3\r\n$3\r\nSET\r\n$1\r\n"])),
        ("torn in a length", join(&[&select, &a, b"*3\r\n$3"])),
        ("torn before a length", join(&[&select, &a, b"*3\r\n"])),
        ("torn in a line end", join(&[&select, &a, b"*3\r"])),
        ("no command", broken(b"hello\r\n")),
        ("no number", broken(b"*x\r\n")),
        ("no length", broken(b"*2\r\n$x\r\n")),
        ("a negative length", broken(b"*1\r\n$-1\r\n")),
        ("no line end", broken(b"*1\r\n$4\r\nPINGxx")),
        ("too many arguments", broken(b"*99999999\r\n")),
        ("too long a string", broken(b"*1\r\n$9999999999\r\n")),
        ("lines of LF", broken(b"*1\n$4\nPING\n")),
        ("a transaction", join(&[&select, &multi, &a, &exec, &b])),
        ("an open transaction", join(&[&select, &multi, &a, &b])),
        ("MULTI in MULTI", join(&[&select, &multi, &a, &multi, &exec])),
        ("EXEC alone", join(&[&select, &a, &exec, &b])),
        ("a torn transaction", join(&[&select, &multi, &a, &b[..9]])),
        ("times", join(&[b"#TS:1000\r\n", &select, &a, b"#TS:2000\r\n", &b, b"#TS:3000\r\n", &a])),
        ("no times", join(&[b"#TS:abc\r\n", &select, &a, b"#TS:\r\n", &b])),
        ("other annotations", join(&[b"#hello\r\n", &select, &a])),
        ("a time in a transaction", join(&[&select, &multi, &a, b"#TS:2000\r\n", &b, &exec])),
        ("torn after times", join(&[b"#TS:1000\r\n", &select, &a, b"#TS:2000\r\n", &b[..b.len() - 3]])),
        ("bytes", (0..=255).collect()),
        ("a preamble", join(&[&saved, &select, &a])),
        ("a preamble alone", saved.clone()),
        ("torn after a preamble", join(&[&saved, &select, &a, &b[..b.len() - 3]])),
    ];
    let manifest = |files: &[&str]| {
        let line = |name: &str| {
            let kind = if name.contains("base") { 'b' } else { 'i' };
            format!("file appendonly.aof.{name} seq {} type {kind}\n", &name[..1])
        };
        files.iter().map(|name| line(name)).collect::<String>().into_bytes()
    };
    let (base, first, second) = ("appendonly.aof.1.base.aof", "appendonly.aof.1.incr.aof", "appendonly.aof.2.incr.aof");
    let all = manifest(&["1.base.aof", "1.incr.aof", "2.incr.aof"]);
    let (early, late) = (join(&[b"#TS:500\r\n", &select, &a]), join(&[b"#TS:1500\r\n", &a, b"#TS:2500\r\n", &b]));
    let parts: Vec<(&str, Files)> = vec![
        ("whole", vec![(NAMES, all.clone()), (base, torn(0)), (first, early.clone()), (second, late.clone())]),
        ("a base of RDB", vec![(NAMES, all.clone()), (base, saved), (first, early.clone()), (second, late)]),
        ("torn", vec![(NAMES, all.clone()), (base, torn(0)), (first, torn(0)), (second, torn(3))]),
        ("torn before the last", vec![(NAMES, all.clone()), (base, torn(0)), (first, torn(3)), (second, torn(0))]),
        ("a torn base", vec![(NAMES, all), (base, torn(3)), (first, early.clone()), (second, torn(0))]),
        ("no base", vec![(NAMES, manifest(&["1.incr.aof"])), (first, early)]),
        ("one that is not there", vec![(NAMES, manifest(&["1.incr.aof"]))]),
    ];
    let alone = alone.into_iter().map(|(what, bytes)| (what, vec![("a.aof", bytes)]));
    let dir = server.dir().join("checked");
    for (what, files) in alone.chain(parts) {
        for flags in [
            &[][..],
            &["--fix"],
            &["--truncate-to-timestamp", "1500"],
            &["--truncate-to-timestamp", "500"],
            &["--truncate-to-timestamp", "-5"],
            &["--truncate-to-timestamp", "0"],
            &["--truncate-to-timestamp", "1500x"],
        ] {
            assert_eq!(said(ZEDIS, flags, &dir, &files), said(REDIS, flags, &dir, &files), "{what}, {flags:?}");
        }
    }
}

#[test]
fn corruption_in_the_middle_ends_the_start() {
    let (mut server, bytes) = written("SET a 1 ; SET b 2 ; SET c 3", ON);
    let path = files(server.dir(), "i")[0].clone();
    let at = bytes.windows(5).position(|window| window == b"SET\r\n").expect("the command") + 5;
    let cases: &[(&[u8], &str)] =
        &[(b"#1\r\na", "Expected prefix '$'"), (b"$9\r\na", "Expected"), (b"$-1\r\na", "Invalid argument length")];
    for (damage, reason) in cases {
        let mut damaged = bytes.clone();
        damaged[at..at + damage.len()].copy_from_slice(damage);
        fs::write(&path, &damaged).expect("a file");
        let (status, log) = server.restart_that_fails(ON);
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains("Bad file format reading the append only file") && log.contains(reason), "{log}");
        assert!(log.contains("at offset "), "{log}");
        assert_eq!(fs::read(&path).expect("it is still there"), damaged, "nothing is cut off in the middle");
        let (status, log) = server.restart_as_oracle_that_fails(ON);
        // redis-server ends too, of a length below zero by an assertion.
        assert!(!status.success(), "{log}");
        assert_eq!(verdict(ZEDIS, &[], &path).0, verdict(REDIS, &[], &path).0);
    }
    // A length that reaches beyond the end: redis-server cuts off all that follows.
    let lengths: &[(&[u8], &[u8])] =
        &[(b"$1\r\na", b"$100\r\na"), (b"*3\r\n$3\r\nSET\r\n$1\r\na", b"*300\r\n$3\r\nSET\r\n$1\r\na")];
    for (good, damage) in lengths {
        let at = bytes.windows(good.len()).position(|window| window == *good).expect("it is there");
        let damaged = [&bytes[..at], damage, &bytes[at + good.len()..]].concat();
        fs::write(&path, &damaged).expect("a file");
        let (status, log) = server.restart_that_fails(ON);
        let is_told = if damage.starts_with(b"*") { "Expected prefix '$'" } else { "so it is not torn but damaged" };
        assert!(status.code() == Some(1) && log.contains(is_told), "{log}");
        assert_eq!(fs::read(&path).expect("it is still there"), damaged, "nothing is cut off in the middle");
        assert_eq!(verdict(ZEDIS, &[], &path).0, verdict(REDIS, &[], &path).0);
    }
    // A command that nobody knows.
    let unknown = bytes.iter().copied().chain(encode(&["NOSUCH", "x"])).collect::<Vec<u8>>();
    fs::write(&path, &unknown).expect("a file");
    let (status, log) = server.restart_that_fails(ON);
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("unknown command 'NOSUCH'"), "{log}");
    assert_eq!(server.restart_as_oracle_that_fails(ON).0.code(), Some(1));
    fs::write(&path, &bytes).expect("a file");
    server.restart(ON);
    assert_eq!(server.connect().run("MGET a b c").items().len(), 3);
}

#[test]
fn a_damaged_manifest_ends_the_start() {
    let (mut server, _) = written("SET a 1", ON);
    let manifest = server.dir().join(MANIFEST);
    let good = fs::read_to_string(&manifest).expect("a manifest");
    let damages = [
        String::new(),
        "nonsense\n".to_owned(),
        good.replace("seq 1 type i", "seq x type i"),
        good.replace("type i", "type q"),
        good.replace("appendonly.aof.1.incr", "missing"),
        good.replace("appendonly.aof.1.base", "missing"),
        good.replace("appendonly.aof.1.incr", "../appendonly"),
        format!("{good}{good}"),
        format!("{good}{}\n", "x".repeat(2000)),
    ];
    for damage in damages {
        fs::write(&manifest, &damage).expect("a manifest");
        let (status, log) = server.restart_that_fails(ON);
        assert_eq!(status.code(), Some(1), "{damage}: {log}");
        let (status, log) = server.restart_as_oracle_that_fails(ON);
        assert_eq!(status.code(), Some(1), "{damage}: {log}");
        assert_eq!(tool(ZEDIS, &[], &manifest).status.code(), Some(1), "{damage}");
        assert_eq!(fs::read_to_string(&manifest).expect("it is still there"), damage);
    }
    fs::write(&manifest, &good).expect("a manifest");
    server.restart(ON);
    assert_eq!(server.connect().run("GET a").string(), "1");
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let directives = ["--appendonly", "yes", "--appendfsync", "always"];
    let mut server = Server::subject(&directives);
    for round in 1..=10 {
        let mut client = server.connect();
        assert_eq!(client.run("INCR rounds").int(), round);
        server.kill();
        server.restart(&directives);
    }
    server.kill();
    server.restart(ON);
    for round in 11..=15 {
        let mut client = server.connect();
        assert_eq!(client.run("INCR rounds").int(), round);
        until_synced(&mut client);
        server.kill();
        server.restart(ON);
    }
    // Without being asked it is in the file as soon as the thread has taken it.
    let mut client = server.connect();
    client.run("SET last 1");
    eventually("it is in the file", || {
        let last = files(server.dir(), "i").last().map(|path| fs::read(path).expect("a file")).unwrap_or_default();
        last.ends_with(&encode(&["SET", "last", "1"]))
    });
    server.kill();
    server.restart(ON);
    assert_eq!(server.connect().run("GET last").string(), "1");
}

#[test]
fn an_old_file_is_taken_over() {
    let commands: Vec<u8> = ["SELECT 0", "SET a 1", "INCR a"].iter().flat_map(|line| encode(&words(line))).collect();
    let mut old = Server::subject(&[]);
    old.connect().run("SET a 41");
    old.connect().run("SAVE");
    let snapshot = fs::read(old.dir().join("dump.rdb")).expect("it was saved");
    old.kill();
    let mixed = [&snapshot[..], &encode(&["SELECT", "0"]), &encode(&["INCR", "a"])].concat();
    for (file, value) in [(&commands, "2"), (&mixed, "42")] {
        let mut server = Server::subject_with(&[("appendonly.aof", file)], ON);
        let mut client = server.connect();
        assert_eq!(client.run("GET a").string(), value);
        assert!(server.log().contains("Successfully migrated an old-style AOF configuration"), "{}", server.log());
        assert!(!server.dir().join("appendonly.aof").exists());
        client.run("INCR a");
        client.run("BGREWRITEAOF");
        until_rewritten(&mut client);
        client.run("INCR a");
        drop(client);
        server.shut_down();
        server.restart_as_oracle(ON);
        let wanted = (value.parse::<i64>().expect("a number") + 2).to_string();
        assert_eq!(server.connect().run("GET a").string(), wanted);
    }
    // A torn end of one.
    let torn = &mixed[..mixed.len() - 3];
    let server = Server::subject_with(&[("appendonly.aof", torn)], ON);
    assert_eq!(server.connect().run("GET a").string(), "41");
}

#[test]
fn it_is_switched_on_and_off_at_run_time() {
    let mut server = Server::subject(&[]);
    let mut client = server.connect();
    for round in 1..=4 {
        assert_eq!(client.run("INCR rounds").int(), round);
        assert_eq!(client.run("CONFIG SET appendonly yes").string(), "OK");
        assert_eq!(client.run("INCR on").int(), round);
        until_rewritten(&mut client);
        assert_eq!(info(&mut client, "aof_enabled"), "1");
        client.run("LPUSH l x");
        assert_eq!(client.run("CONFIG SET appendonly no").string(), "OK");
        assert_eq!(info(&mut client, "aof_enabled"), "0");
        client.run("INCR off");
    }
    // What happened while it was off is not in it, unless it was switched on again.
    server.kill();
    server.restart(ON);
    let mut client = server.connect();
    for (key, value) in [("rounds", "4"), ("on", "4"), ("off", "3")] {
        assert_eq!(client.run(&format!("GET {key}")).string(), value, "{key}");
    }
    assert_eq!(client.run("LLEN l").int(), 4);
    // Off and on in the middle of a rewrite, again and again.
    client.run("DEBUG POPULATE 20000 key 50");
    for _ in 0..10 {
        client.run("BGREWRITEAOF");
        client.run("CONFIG SET appendonly no");
        client.run("INCR between");
        client.run("CONFIG SET appendonly yes");
    }
    until_rewritten(&mut client);
    let wanted = State::of(&mut client);
    until_synced(&mut client);
    server.kill();
    server.restart(ON);
    State::of(&mut server.connect()).assert_same(&wanted, &server, "off and on");
}

/// A rewrite without a file that grows knows nothing of what changes while it goes on, so it is no base for a file that begins later.
#[test]
fn it_is_switched_on_in_the_middle_of_a_rewrite() {
    for round in 0..5 {
        let mut server = Server::subject(&["--save", ""]);
        let mut client = server.connect();
        client.run("DEBUG POPULATE 100000 key 50");
        client.run("BGREWRITEAOF");
        client.run("SET late 1");
        client.run("CONFIG SET appendonly yes");
        let manifest = server.dir().join("appendonlydir/appendonly.aof.manifest");
        eventually("there is a base", || manifest.is_file());
        server.kill();
        server.restart(ON);
        let mut client = server.connect();
        assert_eq!(client.run("DBSIZE").int(), 100_001, "round {round}");
        assert_eq!(client.run("GET late").string(), "1", "round {round}");
    }
}

#[test]
fn timestamps_are_for_going_back() {
    let mut server = Server::subject(&["--appendonly", "yes", "--aof-timestamp-enabled", "yes"]);
    let mut client = server.connect();
    client.run("SET a early");
    let now_s: i64 = client.run("TIME").items()[0].string().parse().expect("a time");
    eventually("a second has passed", || client.run("TIME").items()[0].string() != now_s.to_string());
    client.run("SET a late");
    until_synced(&mut client);
    drop(client);
    server.shut_down();
    let manifest = server.dir().join(MANIFEST);
    let stamps = commands(server.dir()).iter().filter(|command| command[0].starts_with(b"#TS:")).count();
    assert!(stamps >= 2, "{stamps}");
    assert_eq!(verdict(ZEDIS, &[], &manifest), verdict(REDIS, &[], &manifest));
    let bytes = fs::read(&files(server.dir(), "i")[0]).expect("a file");
    let time = now_s.to_string();
    assert!(tool(REDIS, &["--truncate-to-timestamp", &time], &manifest).status.success());
    let theirs = fs::read(&files(server.dir(), "i")[0]).expect("a file");
    fs::write(&files(server.dir(), "i")[0], &bytes).expect("a file");
    let output = tool(ZEDIS, &["--truncate-to-timestamp", &time], &manifest);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(fs::read(&files(server.dir(), "i")[0]).expect("a file"), theirs);
    server.restart(ON);
    assert_eq!(server.connect().run("GET a").string(), "early");
}

/// The base has one too, whichever form it has: there is nothing to go back to before it.
#[test]
fn a_base_of_commands_has_a_timestamp() {
    let directives: &[&str] =
        &["--appendonly", "yes", "--aof-timestamp-enabled", "yes", "--aof-use-rdb-preamble", "no"];
    let mut reports = Vec::new();
    for is_redis in [false, true] {
        let mut server = if is_redis { Server::oracle(directives) } else { Server::subject(directives) };
        let mut client = server.connect();
        client.run("SET a 1");
        client.run("BGREWRITEAOF");
        until_rewritten(&mut client);
        drop(client);
        server.shut_down();
        let base = fs::read(&files(server.dir(), "b")[0]).expect("a file");
        assert!(base.starts_with(b"#TS:"), "{}", base.escape_ascii());
        for program in [ZEDIS, REDIS] {
            let output = tool(program, &["--truncate-to-timestamp", "5"], &server.dir().join(MANIFEST));
            let text = [output.stdout, output.stderr].concat();
            reports.push((
                output.status.code(),
                String::from_utf8_lossy(&text).contains("has nothing before timestamp 5"),
            ));
        }
    }
    assert_eq!(reports, [(Some(1), true); 4]);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let (server, _) = written("SET a 1", ON);
    let missing = server.dir().join("missing.aof");
    let lost = files(server.dir(), "i")[0].clone();
    fs::remove_file(&lost).expect("it was there");
    for (path, named) in [(&missing, &missing), (&server.dir().join(MANIFEST), &lost)] {
        let [got, wanted] = [ZEDIS, REDIS].map(|program| {
            let output = tool(program, &[], path);
            let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            (output.status.code(), text)
        });
        assert_eq!(got, wanted);
        assert!(got.1.contains(&format!("Cannot open file {}: No such file or directory", named.display())), "{got:?}");
    }
}

const TEXTS: &str = r#"
BGREWRITEAOF x
WAIT 0 0
WAIT x 0
WAIT 0 x
WAIT 0 -1
WAIT 1 1
MULTI
WAIT 1 0
EXEC
COMMAND INFO wait bgrewriteaof
"#;

#[test]
fn texts() {
    run_table(&[("texts", TEXTS)], &[], ON);
    for line in ["BGREWRITEAOF", "BGSAVE", "BGSAVE SCHEDULE"] {
        let pair = Pair::start(ON);
        let mut clients = pair.connect();
        clients.lines(&format!("MULTI\n{line}\n{line}\nEXEC"));
    }
}

#[test]
fn waitaof() {
    let server = Server::subject(ON);
    let (mut client, mut other) = (server.connect(), server.connect());
    for (request, answer) in [
        ("WAITAOF 2 0 0", "ERR value is out of range, value must between 0 and 1"),
        ("WAITAOF -1 0 0", "ERR value is out of range, value must between 0 and 1"),
        ("WAITAOF 1 x 0", "ERR value is out of range, must be positive"),
        ("WAITAOF 1 0 x", "ERR timeout is not an integer or out of range"),
        ("WAITAOF 1 0 -1", "ERR timeout is negative"),
        ("WAITAOF 1 0", "ERR wrong number of arguments for 'waitaof' command"),
    ] {
        assert_eq!(client.run(request).string(), answer, "{request}");
    }
    client.run("SET a 1");
    let counts = |reply: support::reply::Reply| (reply.items()[0].int(), reply.items()[1].int());
    assert_eq!(counts(client.run("WAITAOF 1 0 0")), (1, 0));
    let synced = server.dir().join(MANIFEST).exists();
    assert!(synced);
    // Replicas there are none: it waits for as long as it was told to.
    for timeout_ms in [1, 20, 50] {
        let started = Instant::now();
        assert_eq!(counts(client.run(&format!("WAITAOF 1 1 {timeout_ms}"))), (1, 0));
        assert!(started.elapsed() >= Duration::from_millis(timeout_ms));
        assert!(started.elapsed() < Duration::from_secs(5));
    }
    // In a transaction nobody waits.
    client.run("MULTI");
    client.run("SET a 2");
    client.run("WAITAOF 1 1 0");
    assert_eq!(client.run("EXEC").items()[1].items().len(), 2);
    // Waiting is seen, and can be ended, and what was sent meanwhile is answered behind it.
    until_synced(&mut client);
    let id = client.run("CLIENT ID").int();
    for (how, answer) in [("TIMEOUT", None), ("ERROR", Some("UNBLOCKED client unblocked via CLIENT UNBLOCK"))] {
        client.send(b"WAITAOF 1 1 0\r\nPING\r\n");
        eventually("it waits", || info(&mut other, "blocked_clients") == "1");
        let list = other.run("CLIENT LIST").string();
        assert!(
            list.contains(&format!("id={id} ")) && list.contains("flags=b") && list.contains("cmd=waitaof"),
            "{list}"
        );
        assert_eq!(other.run(&format!("CLIENT UNBLOCK {id} {how}")).int(), 1);
        match answer {
            None => assert_eq!(counts(client.read()), (1, 0)),
            Some(text) => assert_eq!(client.read().string(), text),
        }
        assert_eq!(client.read().string(), "PONG");
    }
    // Who goes away waits no more.
    client.send(b"WAITAOF 1 1 0\r\n");
    eventually("it waits", || info(&mut other, "blocked_clients") == "1");
    drop(client);
    eventually("it has gone", || info(&mut other, "blocked_clients") == "0");
    // Without the file there is nothing to wait for; and whoever waits is told when it goes.
    let mut client = server.connect();
    client.send(b"WAITAOF 1 1 0\r\n");
    eventually("it waits", || info(&mut other, "blocked_clients") == "1");
    assert_eq!(other.run("CONFIG SET appendonly no").string(), "OK");
    let disabled = "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.";
    assert_eq!(client.read().string(), disabled);
    assert_eq!(client.run("WAITAOF 1 0 0").string(), disabled);
    assert_eq!(counts(client.run("WAITAOF 0 0 0")), (0, 0));
    assert_eq!(info(&mut client, "blocked_clients"), "0");
}

#[test]
fn the_loop_keeps_its_sockets_to_itself() {
    let mut server = Server::subject(&["--appendonly", "yes", "--appendfsync", "always", "--loglevel", "verbose"]);
    if server.log().contains("shares its table of descriptors") {
        eprintln!(
            "skipped: the kernel does not let a thread have descriptors of its own here (a container's filter, most likely)"
        );
        return;
    }
    let mut client = server.connect();
    client.run("SET k v");
    client.run("CONFIG SET appendfsync everysec");
    client.run("SET k w");
    // The thread of the disk too, and the sockets of clients that came before it.
    client.run("BGREWRITEAOF");
    eventually("the file is rewritten", || client.run("INFO persistence").string().contains("aof_rewrites:1\r\n"));
    eventually("the rewrite is over", || {
        client.run("INFO persistence").string().contains("aof_rewrite_in_progress:0\r\n")
    });
    let sockets = |thread: &str| {
        let open =
            std::fs::read_dir(format!("/proc/{}/task/{thread}/fd", server.pid())).expect("descriptors of a thread");
        let targets = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
    };
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).expect("the threads");
    let threads: Vec<String> = tasks.map(|task| task.expect("a thread").file_name().into_string().unwrap()).collect();
    let name = |thread: &String| std::fs::read_to_string(format!("/proc/{}/task/{thread}/comm", server.pid())).unwrap();
    let names: Vec<String> = threads.iter().map(name).collect();
    for expected in ["zedis-spawn\n", "zedis-free\n", "zedis-disk\n", "zedis-aof\n"] {
        assert!(names.iter().any(|name| name == expected), "{expected} among {names:?}");
    }
    let main = server.pid().to_string();
    // A listener or two, the client, and the pair that signals arrive by, which all share.
    let of_signals = sockets(threads.iter().find(|thread| **thread != main).expect("another thread"));
    assert!(sockets(&main) >= of_signals + 2);
    for thread in threads.iter().filter(|thread| **thread != main) {
        assert_eq!(sockets(thread), of_signals, "{}", name(thread));
    }
    assert!(of_signals <= 3);
    server.shut_down();
}
