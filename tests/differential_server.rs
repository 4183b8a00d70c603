//! Server commands against redis-server: CONFIG, COMMAND, DEBUG, flushing, by hand; defaults and command facts, side by side.

mod support;

use std::collections::BTreeMap;

use support::client::Client;
use support::pair::{Clients, Deviation, Pair, run_table};
use support::reply::Reply;
use support::server::{Server, eventually};

const FLUSHING: &str = r#"
MSET a 1 b 2
DBSIZE
SELECT 1
SET c 3
DBSIZE
FLUSHDB
DBSIZE
SELECT 0
DBSIZE
SELECT 1
SET c 3
SELECT 0
FLUSHDB ASYNC
DBSIZE
SET a 1
FLUSHDB SYNC
SET a 1
flushdb async
FLUSHALL
SELECT 1
DBSIZE
SELECT 0
SET a 1 EX 100000
FLUSHALL ASYNC
TTL a
SET a 1
FLUSHALL SYNC
EXISTS a
FLUSHALL sync
FLUSHALL BOGUS
FLUSHDB BOGUS
FLUSHALL SYNC ASYNC
FLUSHDB SYNC x
FLUSHALL ""
DBSIZE x
TIME x
shape TIME
SHUTDOWN BOGUS
SHUTDOWN SAVE NOSAVE
SHUTDOWN NOW BOGUS
SHUTDOWN ABORT
SHUTDOWN ABORT NOW
SHUTDOWN NOSAVE BOGUS
shape LOLWUT VERSION 1 1
LOLWUT VERSION abc
"#;

const CONFIG: &str = r#"
CONFIG GET maxmemory
CONFIG GET MAXMEMORY
~ CONFIG GET maxmemory-*
~ CONFIG GET maxmemory maxmemory-policy maxmemory
~ CONFIG GET *zset*
CONFIG GET bogus
CONFIG GET ""
CONFIG GET bogus timeout
CONFIG GET
CONFIG SET maxmemory 100mb
CONFIG GET maxmemory
CONFIG SET maxmemory 1gb
CONFIG GET maxmemory
CONFIG SET maxmemory 0
CONFIG SET MAXMEMORY 1KB
CONFIG GET maxmemory
CONFIG SET maxmemory 1k
CONFIG GET maxmemory
CONFIG SET maxmemory 0
CONFIG SET maxmemory abc
CONFIG SET maxmemory -1
CONFIG SET maxmemory 1x
CONFIG SET maxmemory ""
CONFIG SET maxmemory
CONFIG SET
CONFIG SET bogus 1
CONFIG SET maxmemory 0 bogus
CONFIG SET maxmemory 0 bogus 1
CONFIG SET maxmemory 0 maxmemory 0
CONFIG SET maxmemory 5mb timeout abc
CONFIG GET maxmemory
CONFIG SET timeout 10 tcp-keepalive 20
~ CONFIG GET t*e*
CONFIG SET timeout 0 tcp-keepalive 300
CONFIG SET timeout -1
CONFIG SET timeout abc
CONFIG SET timeout 99999999999
CONFIG SET maxmemory-policy allkeys-lru
CONFIG GET maxmemory-policy
CONFIG SET maxmemory-policy ALLKEYS-LFU
CONFIG GET maxmemory-policy
CONFIG SET maxmemory-policy bogus
CONFIG SET maxmemory-policy noeviction
CONFIG SET maxmemory-samples 0
CONFIG SET maxmemory-samples 5
CONFIG SET databases 8
CONFIG SET port abc
CONFIG SET unixsocket x
CONFIG SET daemonize yes
CONFIG SET client-output-buffer-limit "normal 0 0 0"
CONFIG SET client-output-buffer-limit "normal 1mb 512kb 60"
CONFIG GET client-output-buffer-limit
CONFIG SET client-output-buffer-limit "normal 1mb"
CONFIG SET client-output-buffer-limit "bogus 1mb 512kb 60"
CONFIG SET client-output-buffer-limit "normal 0 0 0 pubsub 32mb 8mb 60"
CONFIG GET client-output-buffer-limit
CONFIG SET client-output-buffer-limit ""
CONFIG SET client-query-buffer-limit 1mb
CONFIG GET client-query-buffer-limit
CONFIG SET client-query-buffer-limit 1
CONFIG SET client-query-buffer-limit 1gb
CONFIG SET proto-max-bulk-len 1mb
CONFIG GET proto-max-bulk-len
CONFIG SET proto-max-bulk-len 1
SETRANGE k 1048576 x
SETRANGE k 1048575 x
APPEND k x
DEL k
CONFIG SET proto-max-bulk-len 512mb
CONFIG SET save "900 1 300 10"
CONFIG GET save
CONFIG SET save ""
CONFIG GET save
CONFIG SET save "abc"
CONFIG SET notify-keyspace-events KEn
CONFIG GET notify-keyspace-events
CONFIG SET notify-keyspace-events nm
CONFIG GET notify-keyspace-events
CONFIG SET notify-keyspace-events mEKgn
CONFIG GET notify-keyspace-events
CONFIG SET notify-keyspace-events Kdtn
CONFIG GET notify-keyspace-events
CONFIG SET notify-keyspace-events mKA
CONFIG GET notify-keyspace-events
CONFIG SET notify-keyspace-events bogus
CONFIG SET notify-keyspace-events ""
CONFIG GET notify-keyspace-events
CONFIG SET appendonly no
CONFIG SET loglevel bogus
CONFIG SET loglevel notice
CONFIG SET hz 20
CONFIG GET hz
CONFIG SET hz 10
CONFIG SET lfu-log-factor 5
CONFIG SET lfu-decay-time 2
~ CONFIG GET lfu-*
CONFIG SET maxclients 0
CONFIG SET protected-mode maybe
CONFIG SET protected-mode yes
CONFIG RESETSTAT
CONFIG RESETSTAT x
CONFIG
CONFIG BOGUS
CONFIG BOGUS x
CONFIG HELP x
"#;

const COMMAND: &str = r#"
COMMAND COUNT x
COMMAND INFO bogus
COMMAND INFO bogus bogus2
COMMAND GETKEYS GET k
COMMAND GETKEYS get k
COMMAND GETKEYS MGET a b c
COMMAND GETKEYS MSET a 1 b 2
COMMAND GETKEYS SET k v EX 10
COMMAND GETKEYS DEL a b
COMMAND GETKEYS COPY a b
COMMAND GETKEYS RENAME a b
COMMAND GETKEYS LCS a b LEN
COMMAND GETKEYS OBJECT ENCODING k
COMMAND GETKEYS EXISTS a
COMMAND GETKEYS PING
COMMAND GETKEYS TIME
COMMAND GETKEYS ZUNION 0 a
COMMAND GETKEYS ZUNION 1 a
COMMAND GETKEYS ZUNION 2 a
COMMAND GETKEYS ZUNION -1 a
COMMAND GETKEYS ZUNION x a
COMMAND GETKEYS ZUNION 0 a b WEIGHTS 1 2
COMMAND GETKEYS ZINTER 0 a
COMMAND GETKEYS ZDIFF 0 a
COMMAND GETKEYS ZINTERCARD 0 a
COMMAND GETKEYS SINTERCARD 0 a
COMMAND GETKEYS LMPOP 0 a LEFT
COMMAND GETKEYS ZMPOP 0 a MIN
COMMAND GETKEYS BLMPOP 0 0 a LEFT
COMMAND GETKEYS BZMPOP 0 0 a MIN
COMMAND GETKEYS ZUNIONSTORE d 0 a
COMMAND GETKEYS ZUNIONSTORE d 1 a
COMMAND GETKEYS ZUNIONSTORE d 2 a
COMMAND GETKEYS ZINTERSTORE d 0 a
COMMAND GETKEYS ZDIFFSTORE d 0 a
COMMAND GETKEYSANDFLAGS ZUNION 0 a
COMMAND GETKEYSANDFLAGS SINTERCARD 0 a
COMMAND GETKEYSANDFLAGS BLMPOP 0 0 a LEFT
COMMAND GETKEYSANDFLAGS ZUNIONSTORE d 0 a
COMMAND GETKEYSANDFLAGS ZUNIONSTORE d 1 a
COMMAND GETKEYS BOGUS k
COMMAND GETKEYS SPUBLISH c m
COMMAND GETKEYS SPUBLISH c
COMMAND GETKEYS SSUBSCRIBE c d
COMMAND GETKEYS SUNSUBSCRIBE c
COMMAND GETKEYS PUBLISH c m
COMMAND GETKEYSANDFLAGS SPUBLISH c m
COMMAND GETKEYSANDFLAGS SSUBSCRIBE c
COMMAND GETKEYS GET
COMMAND GETKEYS GET a b
COMMAND GETKEYS MSET
COMMAND GETKEYS
COMMAND GETKEYSANDFLAGS GET k
COMMAND GETKEYSANDFLAGS BITFIELD k GET u8 0 OVERFLOW sat GET u4 1
COMMAND GETKEYSANDFLAGS BITFIELD k GET u8 0 nonsense
COMMAND GETKEYSANDFLAGS BITFIELD k GET u8
COMMAND GETKEYSANDFLAGS BITFIELD k GET INCRBY 0
COMMAND GETKEYSANDFLAGS BITFIELD k OVERFLOW
COMMAND GETKEYSANDFLAGS BITFIELD k SET u8 0 1
COMMAND GETKEYSANDFLAGS MGET a b
COMMAND GETKEYSANDFLAGS MSET a 1 b 2
COMMAND GETKEYSANDFLAGS GETDEL k
COMMAND GETKEYSANDFLAGS GETSET k v
COMMAND GETKEYSANDFLAGS GETEX k
COMMAND GETKEYSANDFLAGS DEL a b
COMMAND GETKEYSANDFLAGS RENAME a b
COMMAND GETKEYSANDFLAGS COPY a b
COMMAND GETKEYSANDFLAGS INCR k
COMMAND GETKEYSANDFLAGS APPEND k v
COMMAND GETKEYSANDFLAGS SETRANGE k 0 v
COMMAND GETKEYSANDFLAGS EXPIRE k 1
COMMAND GETKEYSANDFLAGS TTL k
COMMAND GETKEYSANDFLAGS OBJECT FREQ k
COMMAND GETKEYSANDFLAGS PING
COMMAND GETKEYSANDFLAGS BOGUS
COMMAND GETKEYSANDFLAGS
COMMAND LIST FILTERBY PATTERN getr*
COMMAND LIST FILTERBY PATTERN none*
COMMAND LIST FILTERBY MODULE bogus
COMMAND LIST FILTERBY ACLCAT bogus
COMMAND LIST FILTERBY BOGUS x
COMMAND LIST FILTERBY PATTERN
COMMAND LIST FILTERBY
COMMAND LIST BOGUS
COMMAND DOCS bogus
COMMAND BOGUS
COMMAND BOGUS x
COMMAND HELP x
"#;

const DEBUG: &str = r#"
DEBUG SLEEP 0
DEBUG SLEEP 0.001
DEBUG SET-ACTIVE-EXPIRE 0
DEBUG SET-ACTIVE-EXPIRE 1
DEBUG OBJECT missing
SET k v
kind DEBUG OBJECT k
DEBUG BOGUS
DEBUG BOGUS x
DEBUG MALLCTL
DEBUG MALLCTL-STR
DEBUG MALLCTL nosuch
DEBUG MALLCTL ""
DEBUG MALLCTL arenas.page
DEBUG MALLCTL arenas.bin
DEBUG MALLCTL arenas.bin.0.size
DEBUG MALLCTL arenas.page 1
DEBUG MALLCTL arenas.dirty_decay_ms 5000
DEBUG MALLCTL arenas.dirty_decay_ms
DEBUG MALLCTL arenas.dirty_decay_ms 10000 and more
DEBUG MALLCTL arenas.dirty_decay_ms x
DEBUG MALLCTL arena.0.purge
DEBUG MALLCTL arena.0.purge 1
DEBUG MALLCTL arena.99999.dirty_decay_ms
kind DEBUG MALLCTL stats.allocated
kind DEBUG MALLCTL version
kind DEBUG MALLCTL-STR version
DEBUG MALLCTL-STR opt.dss
DEBUG MALLCTL-STR arena.0.dss
DEBUG MALLCTL-STR nosuch
DEBUG MALLCTL-STR arena.0.purge
DEBUG MALLCTL-STR arena.0.purge x
DEBUG MALLCTL-STR arena.0.purge VOID
DEBUG MALLCTL-STR thread.tcache.flush VOID
DEBUG
DEBUG POPULATE 3
~ KEYS *
GET key:1
DEBUG POPULATE 2 pre
~ KEYS *
GET pre:0
DEBUG POPULATE 2 sized 20
GET sized:1
STRLEN sized:1
DEBUG POPULATE 1 tiny 3
GET tiny:0
DEBUG POPULATE abc
DBSIZE
kind DEBUG HTSTATS 0
DEBUG HTSTATS abc
DEBUG HTSTATS
DEBUG HTSTATS 99
DEBUG SLEEP
DEBUG OBJECT
DEBUG PROTOCOL string
DEBUG PROTOCOL INTEGER
DEBUG PROTOCOL double
DEBUG PROTOCOL bignum
DEBUG PROTOCOL null
DEBUG PROTOCOL array
DEBUG PROTOCOL set
DEBUG PROTOCOL map
DEBUG PROTOCOL verbatim
DEBUG PROTOCOL true
DEBUG PROTOCOL false
DEBUG PROTOCOL bogus
DEBUG PROTOCOL
DEBUG PROTOCOL a b
DEBUG QUICKLIST-PACKED-THRESHOLD 1mb
DEBUG QUICKLIST-PACKED-THRESHOLD 0
DEBUG QUICKLIST-PACKED-THRESHOLD 4gb
DEBUG QUICKLIST-PACKED-THRESHOLD 4294967295
DEBUG QUICKLIST-PACKED-THRESHOLD x
DEBUG QUICKLIST-PACKED-THRESHOLD -1
DEBUG REPLYBUFFER PEAK-RESET-TIME NEVER
DEBUG REPLYBUFFER PEAK-RESET-TIME 100
DEBUG REPLYBUFFER PEAK-RESET-TIME reset
DEBUG REPLYBUFFER PEAK-RESET-TIME x
DEBUG REPLYBUFFER RESIZING 0
DEBUG REPLYBUFFER RESIZING 1
DEBUG REPLYBUFFER BOGUS 1
DEBUG REPLYBUFFER RESIZING
DEBUG PAUSE-CRON 1
DEBUG PAUSE-CRON 0
DEBUG PAUSE-CRON
DEBUG LOG "a message"
DEBUG ERROR "MYERR some text"
DEBUG ERROR text
DEBUG ERROR "two\r\nlines"
DEBUG ERROR
DEBUG SET-DISABLE-DENY-SCRIPTS 1
DEBUG SET-DISABLE-DENY-SCRIPTS 0
DEBUG CHANGE-REPL-ID
DEBUG CHANGE-REPL-ID x
DEBUG STRINGMATCH-TEST
DEBUG LISTPACK missing
DEBUG LISTPACK k
DEBUG HTSTATS-KEY missing
DEBUG HTSTATS-KEY k
DEBUG HTSTATS-KEY k x
HSET h a b c 3
DEBUG LISTPACK h
DEBUG HTSTATS-KEY h
CONFIG SET zset-max-listpack-entries 0
SADD s aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
ZADD z 1 a 2 b
CONFIG SET zset-max-listpack-entries 128
kind DEBUG HTSTATS-KEY s
kind DEBUG HTSTATS-KEY z
DEBUG LISTPACK s
RESTORE r 0 "\x00\x01a\t\x00aaaaaaaa"
DEBUG SET-SKIP-CHECKSUM-VALIDATION 1
RESTORE r 0 "\x00\x01a\t\x00aaaaaaaa"
GET r
RESTORE r2 0 "\x00\x01a\xff\x00aaaaaaaa"
RESTORE r2 0 "\x00\x01a"
DEBUG SET-SKIP-CHECKSUM-VALIDATION 0
RESTORE r2 0 "\x00\x01a\t\x00aaaaaaaa"
"#;

/// Of a server without modules, replicas, scripts and functions.
const ABSENT: &str = r#"
MODULE LIST
MODULE LIST x
MODULE LOAD /no/such/module.so
MODULE LOADEX /no/such/module.so ARGS a
MODULE UNLOAD nosuch
MODULE
MODULE BOGUS
ROLE
ROLE x
READONLY
READONLY x
READWRITE
ASKING
ASKING x
CLUSTER
CLUSTER BOGUS
CLUSTER HELP
CLUSTER HELP x
CLUSTER INFO
cluster slots
CLUSTER SLOTS x
CLUSTER SHARDS
CLUSTER NODES
CLUSTER MYID
CLUSTER KEYSLOT
CLUSTER KEYSLOT k
CLUSTER MEET 127.0.0.1
CLUSTER MEET 127.0.0.1 7000
CLUSTER RESET
CLUSTER RESET bogus words
CLUSTER SETSLOT 1 STABLE
COMMAND GETKEYS CLUSTER KEYSLOT k
RESTORE-ASKING k 0
RESTORE-ASKING k 0 x
RESTORE-ASKING k 0 "\x00\xc0\x0c\n\x00<*\xf8Q\\\x04\xbc\xd5"
GET k
DEL k
REPLICAOF NO ONE
replicaof no one
SLAVEOF NO ONE
REPLICAOF localhost abc
REPLICAOF localhost 65536
REPLICAOF NO
WAIT 0 0
WAIT 0 100
WAIT 1 1
WAIT x y
WAIT 1 x
WAIT 0 -1
WAIT -1 0
FUNCTION FLUSH
FUNCTION FLUSH SYNC
FUNCTION FLUSH ASYNC
FUNCTION FLUSH BOGUS
FUNCTION FLUSH SYNC x
FUNCTION LIST
FUNCTION LIST LIBRARYNAME x* WITHCODE
FUNCTION LIST WITHCODE
FUNCTION LIST LIBRARYNAME
FUNCTION LIST WITHCODE WITHCODE
FUNCTION LIST BOGUS
FUNCTION KILL
FUNCTION DELETE nosuch
FUNCTION BOGUS
SCRIPT FLUSH
SCRIPT FLUSH SYNC
SCRIPT FLUSH ASYNC
SCRIPT FLUSH BOGUS
SCRIPT FLUSH SYNC x
SCRIPT EXISTS a
SCRIPT EXISTS a b c
SCRIPT EXISTS
SCRIPT KILL
SCRIPT BOGUS
"#;

/// 7.0 wants an argument of the command whose keys are asked for, even where the command has none.
const GETKEYS_ARITY: &str = "since 7.2 the arity of COMMAND GETKEYS counts the command alone";

const DEVIATIONS: &[Deviation] = &[
    Deviation {
        command: "CONFIG SET loglevel bogus",
        reply: "-ERR CONFIG SET failed (possibly related to argument \\'loglevel\\') - argument(s) must be one of the following: debug, \
                verbose, notice, warning, nothing",
        reason: "the level `nothing` came with 7.2",
    },
    Deviation {
        command: "CONFIG SET maxmemory-policy bogus",
        reply: "-ERR CONFIG SET failed (possibly related to argument \\'maxmemory-policy\\') - argument(s) must be one of the following: \
                volatile-lru, volatile-lfu, volatile-random, volatile-ttl, volatile-lrm, allkeys-lru, allkeys-lfu, allkeys-random, \
                allkeys-lrm, noeviction",
        reason: "the policies of modification times came with 8.6",
    },
    Deviation {
        command: "COMMAND GETKEYS PING",
        reply: "-ERR The command has no key arguments",
        reason: GETKEYS_ARITY,
    },
    Deviation {
        command: "COMMAND GETKEYS TIME",
        reply: "-ERR The command has no key arguments",
        reason: GETKEYS_ARITY,
    },
    Deviation {
        command: "COMMAND GETKEYS GET",
        reply: "-ERR Invalid number of arguments specified for command",
        reason: GETKEYS_ARITY,
    },
    Deviation {
        command: "COMMAND GETKEYS MSET",
        reply: "-ERR Invalid number of arguments specified for command",
        reason: GETKEYS_ARITY,
    },
    Deviation {
        command: "COMMAND GETKEYSANDFLAGS PING",
        reply: "-ERR The command has no key arguments",
        reason: GETKEYS_ARITY,
    },
    Deviation {
        command: "COMMAND GETKEYSANDFLAGS BOGUS",
        reply: "-ERR Invalid command specified",
        reason: GETKEYS_ARITY,
    },
];

#[test]
fn server_by_hand() {
    let tables = [
        ("flushing", FLUSHING),
        ("CONFIG", CONFIG),
        ("COMMAND", COMMAND),
        ("DEBUG", DEBUG),
        ("what is absent", ABSENT),
    ];
    run_table(&tables, DEVIATIONS, &["--enable-module-command", "yes"]);
}

/// Directives whose value in a Zedis of today is rightly not that of the oracle, each with the reason.
const OWN_VALUES: &[(&str, &str)] = &[
    ("dir", "each server has its own"),
    ("unixsocket", "each server has its own"),
    ("aof-disable-auto-gc", "hidden from patterns since 7.2"),
];

/// What both know has the same default: a file written for Redis means the same here.
#[test]
fn defaults_are_those_of_redis() {
    let pair = Pair::start(&[]);
    let Clients { mut subject, mut oracle, .. } = pair.connect();
    let settings = |client: &mut Client| -> BTreeMap<String, String> {
        let reply = client.run("CONFIG GET *");
        reply.items().chunks_exact(2).map(|pair| (pair[0].string(), pair[1].string())).collect()
    };
    let (got, wanted) = (settings(&mut subject), settings(&mut oracle));
    let differing: Vec<String> = wanted
        .iter()
        .filter(|(name, _)| !OWN_VALUES.iter().any(|(own, _)| own == name))
        .filter_map(|(name, wanted)| match got.get(name) {
            Some(got) if got == wanted => None,
            got => Some(format!("{name}: {got:?} instead of {wanted:?}")),
        })
        .collect();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

/// A command's facts in COMMAND INFO that have not changed from 7.0 to 7.4.
fn facts(info: &Reply) -> Vec<(&'static str, Reply)> {
    let fields = info.items();
    let names =
        ["name", "arity", "flags", "first key", "last key", "step", "categories", "tips", "key specs", "subcommands"];
    let mut facts = Vec::new();
    for (name, field) in names.into_iter().zip(fields) {
        if name != "subcommands" {
            facts.push((name, field.sorted()));
        }
    }
    facts
}

/// What 7.4 says differently from 7.0 in COMMAND INFO: (command, field, reason).
const NEWER_FACTS: &[(&str, &str, &str)] = &[
    ("client|setname", "tips", "7.2: a name is set on every node"),
    ("config|resetstat", "tips", "7.2: counters are reset on every node"),
    ("config|rewrite", "tips", "7.2: every node has a file of its own"),
    ("randomkey", "tips", "7.2: what a proxy makes of several answers"),
    ("scan", "tips", "7.2: what a proxy makes of several answers"),
    ("blpop", "flags", "7.2: scripts may call it; it does not wait there"),
    ("brpop", "flags", "7.2: scripts may call it; it does not wait there"),
    ("blmove", "flags", "7.2: scripts may call it; it does not wait there"),
    ("brpoplpush", "flags", "7.2: scripts may call it; it does not wait there"),
    ("msetnx", "tips", "7.2: all or nothing cannot be split among shards"),
    ("zrank", "arity", "7.2: WITHSCORE"),
    ("zrevrank", "arity", "7.2: WITHSCORE"),
    ("command|getkeys", "arity", "7.2: the command alone is enough"),
    ("command|getkeysandflags", "arity", "7.2: the command alone is enough"),
];

#[test]
fn command_info_says_the_same() {
    let pair = Pair::start(&[]);
    let Clients { mut subject, mut oracle, .. } = pair.connect();
    let mut complaints = Vec::new();
    let mut compared = 0;
    // Subcommands are compared with their containers.
    for name in subject.run("COMMAND LIST").items().iter().filter(|name| !name.text().contains(&b'|')) {
        let ask = |client: &mut Client| client.call(&[b"COMMAND", b"INFO".as_slice(), name.text()]).items()[0].clone();
        let (got, wanted) = (ask(&mut subject), ask(&mut oracle));
        if wanted.is_null() {
            // Newer than the oracle.
            continue;
        }
        compared += 1;
        let mut pairs = vec![(got.clone(), wanted.clone())];
        let subcommands = |info: &Reply| -> BTreeMap<Vec<u8>, Reply> {
            info.items()[9].items().iter().map(|sub| (sub.items()[0].text().to_vec(), sub.clone())).collect()
        };
        let wanted_subcommands = subcommands(&wanted);
        for (name, got) in subcommands(&got) {
            if let Some(wanted) = wanted_subcommands.get(&name) {
                pairs.push((got, wanted.clone()));
            }
        }
        for (got, wanted) in pairs {
            for ((field, got_fact), (_, wanted_fact)) in facts(&got).into_iter().zip(facts(&wanted)) {
                let name = got.items()[0].string();
                let newer = NEWER_FACTS.iter().any(|(command, newer, _)| *command == name && *newer == field);
                if got_fact != wanted_fact && !newer {
                    complaints.push(format!("{name}, {field}:\n    {got_fact:?}\n    {wanted_fact:?}"));
                }
            }
        }
    }
    assert!(compared > 0, "COMMAND LIST names no command");
    assert!(complaints.is_empty(), "{} disagreements (subject first):\n{}", complaints.len(), complaints.join("\n"));
}

/// The types of RESP3 that come with another reply, as bytes.
#[test]
fn debug_protocol_sends_what_clients_must_understand() {
    let pair = Pair::start(&[]);
    for version in ["2", "3"] {
        for kind in ["attrib", "push", "bignum", "map"] {
            let [ours, wanted] = [&pair.subject, &pair.oracle].map(|server| {
                let mut client = server.connect();
                client.run(&format!("HELLO {version}"));
                client.send(&support::client::encode(&["DEBUG", "PROTOCOL", kind]));
                client.send(&support::client::encode(&["QUIT"]));
                client.read_to_end()
            });
            assert_eq!(ours.escape_ascii().to_string(), wanted.escape_ascii().to_string(), "{kind} in RESP{version}");
        }
    }
}

/// A server that fails leaves a report.
#[test]
fn a_crash_is_reported() {
    for (how, text) in [("DEBUG ASSERT", "assertion failed"), ("DEBUG PANIC", "DEBUG PANIC asked for it")] {
        let mut server = Server::subject(&[]);
        let mut client = server.connect();
        client.send(&support::client::encode(&how.split(' ').collect::<Vec<_>>()));
        assert!(!server.wait_for_exit().success());
        let log = server.log();
        assert!(log.contains("=== ZEDIS BUG REPORT START") && log.contains(text), "{log}");
        assert!(log.contains("STACK TRACE") && log.contains("debug_switches"), "{log}");
    }
}

/// So does one that a fault or somebody's signal ends.
#[test]
fn a_fatal_signal_is_reported() {
    for (how, texts) in [
        ("DEBUG SEGFAULT", ["crashed by signal: 11, si_code: 2", "Accessing address: 0x", "segfault"]),
        ("-ABRT", ["crashed by signal: 6, si_code: 0", "Killed by PID: ", "in thread "]),
    ] {
        let mut server = Server::subject(&[]);
        let mut client = server.connect();
        match how.strip_prefix('-') {
            Some(_) => server.signal(how),
            None => client.send(&support::client::encode(&how.split(' ').collect::<Vec<_>>())),
        }
        assert!(!server.wait_for_exit().success());
        let log = server.log();
        assert!(log.contains("=== ZEDIS BUG REPORT START") && log.contains("=== ZEDIS BUG REPORT END"), "{log}");
        for text in texts.into_iter().chain(["STACK TRACE", "::turn", "RIP:"]) {
            assert!(log.contains(text), "{text}: {log}");
        }
        assert_eq!(log.matches("BUG REPORT START").count(), 1, "{log}");
    }
    let mut server = Server::subject(&["--crash-log-enabled", "no"]);
    server.signal("-SEGV");
    assert!(!server.wait_for_exit().success());
    assert!(!server.log().contains("BUG REPORT"), "{}", server.log());
}

/// A server that hangs says where, to who asks with SIGALRM and when its watchdog has waited long enough; and goes on.
#[test]
fn a_server_that_hangs_says_where() {
    let server = Server::subject(&[]);
    let mut client = server.connect();
    server.signal("-ALRM");
    eventually("somebody asked", || server.log().contains("--- Received SIGALRM ---"));
    assert_eq!(client.run("CONFIG SET watchdog-period 200").text(), b"OK");
    client.run("DEBUG SLEEP 0.5");
    eventually("the watchdog barked", || {
        let log = server.log();
        log.contains("--- WATCHDOG TIMER EXPIRED ---") && log.contains("commands::server::debug::sleep")
    });
    assert_eq!(client.run("CONFIG SET watchdog-period 0").text(), b"OK");
    assert_eq!(client.run("PING").text(), b"PONG");
}

/// What a switch of DEBUG does can be seen.
#[test]
fn debug_switches_work() {
    let server = Server::subject(&[]);
    let mut client = server.connect();
    let field = |client: &mut Client, name: &str| {
        let info = client.run("INFO everything").string();
        info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::to_owned)).expect("a field")
    };
    let before = field(&mut client, "master_replid");
    client.run("DEBUG CHANGE-REPL-ID");
    let after = field(&mut client, "master_replid");
    assert!(before != after && after.len() == 40 && after.bytes().all(|byte| byte.is_ascii_hexdigit()), "{after}");
    client.run("DEBUG LOG \"find me\"");
    assert!(server.log().contains("DEBUG LOG: find me"));
    assert_eq!(client.run("DEBUG STRINGMATCH-LEN a*b aXXb").int(), 1);
    assert_eq!(client.run("DEBUG STRINGMATCH-LEN a*b aXXc").int(), 0);
    assert_eq!(client.run("DEBUG DICT-RESIZING 0").text(), b"OK");
    client.run("RPUSH l 1 2 3");
    client.run("DEBUG LISTPACK l");
    assert!(server.log().contains("listpack with 3 elements"), "{}", server.log());
    // A client that is idle for too long stays while nobody looks.
    let mut idle = server.connect();
    idle.run("PING");
    client.run("DEBUG PAUSE-CRON 1");
    client.run("CONFIG SET timeout 1");
    client.run("DEBUG SLEEP 1.2");
    assert_eq!(idle.run("PING").text(), b"PONG");
}

/// What is dangerous is refused unless the configuration allows it: to everybody, or to those who are not on this machine.
#[test]
fn guarded_commands_are_refused() {
    let pair = Pair::start(&["--enable-debug-command", "no"]);
    let mut clients = pair.connect();
    clients.lines(
        "DEBUG HELP\nDEBUG SLEEP 0\nDEBUG BOGUS\nDEBUG\nMODULE LIST\nMODULE LOAD x\nMODULE LOADEX x\nMODULE UNLOAD x\nMODULE LOAD\n\
         CONFIG SET enable-debug-command yes\nCONFIG SET dbfilename x.rdb\nCONFIG SET dir /\nCONFIG SET enable-protected-configs yes",
    );
    let pair = Pair::start(&["--enable-debug-command", "local", "--enable-module-command", "local"]);
    pair.connect().lines("DEBUG SLEEP 0\nMODULE LOAD /no/such/module.so\nMODULE UNLOAD x");
    let pair = Pair::start(&["--enable-protected-configs", "local"]);
    pair.connect()
        .lines("CONFIG SET dbfilename x.rdb\nCONFIG GET dbfilename\nCONFIG SET dbfilename a/b\nCONFIG SET dir \"\"");
}

/// They are refused right after their arguments have been counted: before anything else that could be said against them, and to whoever has
/// yet to log in.
#[test]
fn guarded_commands_are_refused_at_the_door() {
    let pair = Pair::start(&["--enable-debug-command", "no"]);
    let calls = "DEBUG\nDEBUG SLEEP 0\nMODULE LOAD\nMODULE LOAD x\nMODULE LOADEX x\nMODULE UNLOAD x\nMODULE NOSUCH";
    let mut clients = pair.connect();
    clients.line("CONFIG RESETSTAT");
    for call in calls.lines() {
        for line in ["MULTI", call, "SET a 1", "EXEC", "EXISTS a", "MULTI", call, "DISCARD"] {
            clients.line(line);
        }
    }
    let counted = |client: &mut Client| {
        let info = client.run("INFO everything").string();
        let lines = info.lines().filter(|line| {
            ["cmdstat_debug:", "cmdstat_module|", "errorstat_", "total_error_replies"]
                .iter()
                .any(|name| line.starts_with(name))
        });
        let mut lines: Vec<String> = lines.map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(counted(&mut clients.subject), counted(&mut clients.oracle));
    clients.lines("CONFIG SET maxmemory 1\nMULTI");
    clients.lines(calls);
    clients.lines("DISCARD\nCONFIG SET maxmemory 0\nSUBSCRIBE a");
    clients.lines(calls);
    clients.lines("RESET\nACL SETUSER u on >p ~* &* +@all -debug -module\nAUTH u p\nDEBUG SLEEP 0\nMODULE LOAD x\nMODULE UNLOAD x");
    clients.lines("AUTH default x\nCONFIG SET requirepass secret");
    let mut stranger = pair.connect();
    stranger.lines("DEBUG SLEEP 0\nMODULE LOAD x\nMODULE LOAD\nDEBUG");
    // Where they are allowed everything else counts.
    let pair =
        Pair::start(&["--enable-debug-command", "local", "--enable-module-command", "yes", "--requirepass", "secret"]);
    let mut clients = pair.connect();
    clients.lines("MODULE UNLOAD x\nAUTH secret\nMULTI\nDEBUG SLEEP 0\nMODULE UNLOAD x\nEXEC\nSUBSCRIBE a\nDEBUG SLEEP 0\nMODULE LOAD x");
}

#[test]
fn shutdown_ends_the_process() {
    for how in ["SHUTDOWN", "SHUTDOWN NOSAVE", "shutdown nosave now force"] {
        let mut pair = Pair::start(&[]);
        for server in [&mut pair.subject, &mut pair.oracle] {
            let mut client = server.connect();
            let request: Vec<&str> = how.split(' ').collect();
            client.send(&support::client::encode(&request));
            assert_eq!(client.read_to_end(), b"", "{how} has no answer");
            let status = server.wait_for_exit();
            assert!(status.success(), "{how}: {status}");
            assert!(!server.socket().exists(), "{how}: the socket is removed");
        }
    }
}
