//! The append-only file executed again: deadlines that passed meanwhile, DEBUG LOADAOF while others wait, commands that have no place in a
//! file.

mod support;

use std::fs;
use std::time::{Duration, Instant};

use support::append_only::{State, files, info, until_rewritten, until_synced};
use support::client::{Client, encode};
use support::pair::run_table;
use support::reply::Reply;
use support::server::{Server, eventually};
use support::table::words;

const ON: &[&str] = &["--appendonly", "yes"];
const ON_COMMANDS: &[&str] = &["--appendonly", "yes", "--aof-use-rdb-preamble", "no"];

/// What a client can see of a hash: fields with values and deadlines, and the key's deadline.
fn visible(client: &mut Client, key: &str) -> String {
    let mut fields: Vec<String> = client.run(&format!("HKEYS {key}")).items().iter().map(Reply::string).collect();
    fields.sort();
    if fields.is_empty() {
        // Whether the key is still there depends on when the last field is removed.
        return String::new();
    }
    let mut seen = format!("{:?}", client.run(&format!("PEXPIRETIME {key}")));
    for field in fields {
        let value = client.run(&format!("HGET {key} {field}")).string();
        let deadline = client.run(&format!("HPEXPIRETIME {key} FIELDS 1 {field}"));
        seen += &format!(" {field}={value}@{deadline:?}");
    }
    seen
}

/// Commands that meet fields past their deadlines which nobody has removed yet: executed again, they meet the same.
#[test]
fn overdue_fields_that_commands_meet() {
    const COMMANDS: &[&str] = &[
        "HSET {} due new",
        "HSET {} other 1 due new",
        "HMSET {} due new",
        "HSETNX {} due new",
        "HINCRBY {} due 5",
        "HINCRBYFLOAT {} due 1.5",
        "HDEL {} due living",
        "HGETDEL {} FIELDS 2 due living",
        "HGETEX {} PERSIST FIELDS 2 due timed",
        "HSETEX {} FNX FIELDS 1 due new",
        "HSETEX {} KEEPTTL FIELDS 2 due new timed newer",
        "HPERSIST {} FIELDS 2 due timed",
        "HPEXPIREAT {} 33177117420000 FIELDS 2 due living",
    ];
    let mut server = Server::subject(&["--appendonly", "yes", "--enable-debug-command", "yes"]);
    let mut client = server.connect();
    client.run("DEBUG SET-ACTIVE-EXPIRE 0");
    let mut keys = Vec::new();
    // A listpack and a table, where other fields are due too; and a hash that has nothing else.
    for (kind, fields) in [("packed", 3), ("table", 800), ("alone", 0)] {
        for (n, command) in COMMANDS.iter().enumerate() {
            let key = format!("{kind}:{n}");
            let due: Vec<String> =
                std::iter::once("due".to_owned()).chain((0..fields).map(|n| n.to_string())).collect();
            let pairs: Vec<String> = due.iter().map(|field| format!("{field} 1")).collect();
            client.run(&format!("HSET {key} {}", pairs.join(" ")));
            if kind != "alone" {
                client.run(&format!("HSET {key} living 1 timed 1"));
                client.run(&format!("HPEXPIREAT {key} 33177117420123 FIELDS 1 timed"));
                client.run(&format!("PEXPIREAT {key} 33177117420123"));
            }
            client.run(&format!("HPEXPIRE {key} 1 FIELDS {} {}", due.len(), due.join(" ")));
            eventually("it is due", || client.run(&format!("HTTL {key} FIELDS 1 due")).items()[0].int() == -2);
            let reply = client.run(&command.replace("{}", &key));
            assert!(!format!("{reply:?}").contains("ERR"), "{command}: {reply:?}");
            keys.push(key);
        }
    }
    let before: Vec<String> = keys.iter().map(|key| visible(&mut client, key)).collect();
    until_synced(&mut client);
    server.kill();
    server.restart(&["--appendonly", "yes"]);
    let mut client = server.connect();
    for (key, before) in keys.iter().zip(before) {
        assert_eq!(visible(&mut client, key), before, "{key}");
    }
}

/// A deadline that passed while the server was down concerns nothing that the file has after it.
#[test]
fn deadlines_in_the_base_wait_for_what_follows() {
    for directives in [ON, ON_COMMANDS] {
        let mut server = Server::subject(directives);
        let mut client = server.connect();
        client.run("SET kept v");
        client.run("PEXPIRE kept 500");
        client.run("RPUSH list a");
        client.run("PEXPIRE list 500");
        client.run("HSET h f v g w");
        client.run("HPEXPIRE h 500 FIELDS 1 f");
        client.run("BGREWRITEAOF");
        until_rewritten(&mut client);
        client.run("PERSIST kept");
        client.run("EXPIRE list 1000");
        client.run("HPERSIST h FIELDS 1 f");
        let deadline = Instant::now() + Duration::from_millis(510);
        until_synced(&mut client);
        server.kill();
        while Instant::now() < deadline {
            std::thread::sleep(support::server::POLL_INTERVAL);
        }
        server.restart(directives);
        let mut client = server.connect();
        assert_eq!(client.run("GET kept").string(), "v");
        assert_eq!(client.run("LLEN list").int(), 1);
        assert_eq!(client.run("HGET h f").string(), "v");
        // Nobody has looked at it since the start.
        assert!(client.run("OBJECT IDLETIME list").int() < 100);
    }
}

const LOADED_AGAIN: &str = r#"
SET k v
RPUSH l a b c
EXPIRE l 1000
MULTI
INCR n
INCR n
EXEC
SET gone v PX 1
DEBUG LOADAOF
GET k
LRANGE l 0 -1
near TTL l
GET n
INCR n
SELECT 3
SET other 1
DEBUG LOADAOF
GET other
DBSIZE
SELECT 0
GET n
DEBUG LOADAOF again
"#;

#[test]
fn debug_loadaof() {
    const DEBUG: &[&str] = &["--enable-debug-command", "yes"];
    run_table(&[("loaded again", LOADED_AGAIN)], &[], &[ON, DEBUG].concat());
    // redis-server 7.0 ends when there is nothing to load; later ones answer.
    let server = Server::subject(DEBUG);
    let mut client = server.connect();
    client.run("SET k v");
    let reply = format!("{:?}", client.run("DEBUG LOADAOF"));
    assert!(reply.contains("ERR Error trying to load the AOF files, check server logs."), "{reply}");
    assert_eq!(client.run("DBSIZE").int(), 1, "nothing was thrown away for nothing");
    assert_eq!(client.run("SET k w").string(), "OK");
}

/// While it loads everybody else is told to wait; then everything is as it was, and goes on into the same file.
#[test]
fn it_is_loaded_again_while_the_server_runs() {
    const SETS: usize = 60_000;
    let mut server = Server::subject(ON);
    let (mut asking, mut other, mut blocked) = (server.connect(), server.connect(), server.connect());
    for first in (0..SETS).step_by(1000) {
        let sets = (first..first + 1000).flat_map(|n| encode(&["SET", &format!("key:{}", n % 100), &n.to_string()]));
        other.send(&sets.collect::<Vec<u8>>());
        (0..1000).for_each(|_| assert_eq!(other.read().string(), "OK"));
    }
    other.run("RPUSH queue of-old");
    other.run("LPOP queue");
    blocked.send(&encode(&["BLPOP", "queue", "0"]));
    eventually("a client is blocked", || {
        other.run("INFO clients").string().lines().any(|line| line == "blocked_clients:1")
    });
    let wanted = State::of(&mut other);
    asking.send(&[encode(&["DEBUG", "LOADAOF"]), encode(&["INCR", "behind"])].concat());
    eventually("the other is told to wait", || {
        let reply = format!("{:?}", other.run("GET key:0"));
        assert!(!reply.contains("nil"), "it sees what is half loaded: {reply}");
        reply.contains("LOADING Redis is loading the dataset in memory")
    });
    let refused = format!("{:?}", other.run("DEBUG LOADAOF"));
    assert!(refused.contains("LOADING") || refused.contains("OK"), "{refused}");
    assert_eq!(asking.read().string(), "OK");
    assert_eq!(asking.read().int(), 1, "what was sent behind it comes after it");
    assert_eq!(info(&mut other, "loading"), "0");
    assert_eq!(other.run("DEL behind").int(), 1);
    State::of(&mut other).assert_same(&wanted, &server, "loaded again");
    // Nobody was served with an element of long ago.
    other.run("RPUSH queue new");
    assert_eq!(blocked.read().items()[1].string(), "new");
    other.run("SET last 1");
    let wanted = State::of(&mut other);
    until_synced(&mut other);
    server.kill();
    server.restart(ON);
    State::of(&mut server.connect()).assert_same(&wanted, &server, "after a restart");
    // In a transaction the others would have to wait for it.
    let mut client = server.connect();
    client.run("MULTI");
    client.run("DEBUG LOADAOF");
    assert!(format!("{:?}", client.run("EXEC")).contains("not allowed in transactions"));
}

/// A broken file is said to be broken, and the server goes on.
#[test]
fn a_broken_file_is_not_loaded_again() {
    let server = Server::subject(ON);
    let mut client = server.connect();
    client.run("SET k v");
    until_synced(&mut client);
    let path = files(server.dir(), "i").pop().expect("it has an incremental file");
    let mut bytes = fs::read(&path).expect("it is there");
    bytes.extend_from_slice(b"rubbish\r\n");
    fs::write(&path, bytes).expect("it can be written");
    let reply = format!("{:?}", client.run("DEBUG LOADAOF"));
    assert!(reply.contains("ERR Error trying to load the AOF files, check server logs."), "{reply}");
    assert!(server.log().contains("Bad file format reading the append only file"));
    assert_eq!(info(&mut client, "loading"), "0");
    assert_eq!(client.run("SET k w").string(), "OK");
}

/// What changes no data, or waits for something, stands in no file that a server has written; in one that somebody has edited it neither
/// ends the start, nor has what follows it lost.
#[test]
fn what_has_no_place_in_a_file_does_no_harm() {
    const LINES: &str = "SUBSCRIBE channel
PSUBSCRIBE channel*
SSUBSCRIBE channel
UNSUBSCRIBE
SHUTDOWN
SHUTDOWN SAVE
QUIT
MONITOR
HELLO 3
HELLO 3 AUTH default wrong
AUTH wrong
CLIENT PAUSE 100000
CLIENT REPLY OFF
CLIENT KILL TYPE normal SKIPME no
CLIENT TRACKING ON
CONFIG SET maxmemory 1
CONFIG SET appendonly no
DEBUG RESTART
DEBUG LOADAOF
DEBUG RELOAD
SAVE
BGSAVE
BGREWRITEAOF
WATCH before
WAIT 1 0
WAITAOF 1 0 0
BLPOP nosuch 0
BLMOVE nosuch other LEFT LEFT 0
BZPOPMIN nosuch 0
PUBLISH channel message
PING
GET before
INFO";
    for line in LINES.lines() {
        for in_transaction in [false, true] {
            let open: &[&str] = if in_transaction { &["MULTI"] } else { &[] };
            let close: &[&str] = if in_transaction { &["EXEC"] } else { &[] };
            let lines =
                [&["SELECT 1", "SET before 1"], open, &[line, "RPUSH list a", "RPUSH list b"], close, &["SET after 2"]]
                    .concat();
            let file: Vec<u8> = lines.iter().flat_map(|line| encode(&words(line))).collect();
            let server = Server::subject_with(
                &[("appendonly.aof", &file)],
                &["--appendonly", "yes", "--enable-debug-command", "yes"],
            );
            let mut client = server.connect();
            client.run("SELECT 1");
            let title = format!("{line}, in a transaction: {in_transaction}");
            assert_eq!(client.run("LRANGE list 0 -1").items().len(), 2, "{title}");
            assert_eq!(client.run("GET after").string(), "2", "{title}");
            assert_eq!(client.run("GET before").string(), "1", "{title}");
            assert_eq!(client.run("CONFIG GET maxmemory").items()[1].string(), "0", "{title}");
        }
    }
    for (line, wanted) in [
        ("NOSUCH a", "unknown command"),
        ("EVAL return(1) 0", "unknown command"),
        ("FUNCTION LOAD x", "unknown subcommand 'LOAD'"),
        ("FUNCTION RESTORE x", "unknown subcommand 'RESTORE'"),
        // What follows would come into another database.
        ("SELECT 99", "DB index is out of range"),
        ("RESET", "at offset 32: RESET has no place in it"),
    ] {
        let file = [encode(&words("SET before 1")), encode(&words(line))].concat();
        let (status, log) = Server::subject_that_fails(&[("appendonly.aof", &file)], ON);
        assert_eq!(status.code(), Some(1), "{line}: {log}");
        assert!(log.contains(wanted), "{line}: {log}");
    }
    // What is only refused to one command is said.
    let file = ["SET a 1", "RPUSH a x", "SET b -ERR", "GET b"].iter().flat_map(|line| encode(&words(line)));
    let server = Server::subject_with(&[("appendonly.aof", &file.collect::<Vec<u8>>())], ON);
    assert_eq!(server.connect().run("GET b").string(), "-ERR");
    let log = server.log();
    let told =
        "== CRITICAL == This server is sending an error to its AOF-loading-client: 'WRONGTYPE Operation against a key";
    assert_eq!(log.matches("== CRITICAL ==").count(), 1, "{log}");
    assert!(log.contains(told), "{log}");
    assert!(log.contains("DB loaded from append only file: "), "{log}");
    let file = [encode(&words("SHUTDOWN")), encode(&words("QUIT"))].concat();
    let server = Server::subject_with(&[("appendonly.aof", &file)], ON);
    assert!(
        server.log().contains("2 commands that change no data were not executed; the first is SHUTDOWN"),
        "{}",
        server.log()
    );
}
