//! Append-only files as tests see them: which there are, what commands they have, what came of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::client::{Client, encode};
use super::random::Random;
use super::reply::Reply;
use super::server::{Server, eventually};
use super::stream::{self, Command, Generator, Profile};
use super::table::Agreement;

/// What is to expire soon expires in less than this.
const SOON: Duration = Duration::from_millis(30);

pub const DIR: &str = "appendonlydir";
pub const MANIFEST: &str = "appendonlydir/appendonly.aof.manifest";

/// Commands that change something, of every type, with what makes them depend on time and on chance. redis-server 7.0 knows them all.
const FORMS: &[(&str, usize)] = &[
    ("SET key val [NX|XX] [GET] [EX sec|PX ms|EXAT at|PXAT atms|KEEPTTL]", 16),
    ("SET key num", 8),
    ("SET brief val PX soon", 6),
    ("SETEX key sec val", 2),
    ("PSETEX key ms val", 2),
    ("SETNX key val", 2),
    ("SETRANGE key small val", 3),
    ("APPEND key val", 3),
    ("GETEX key [EX sec|PX ms|EXAT at|PXAT atms|PERSIST]", 6),
    ("GETDEL key", 3),
    ("GETSET key val", 2),
    ("MSET key val key num", 3),
    ("MSETNX key val key val", 2),
    ("INCR key", 6),
    ("DECRBY key int", 3),
    ("INCRBYFLOAT key float", 6),
    ("SETBIT bits small 1", 3),
    ("BITFIELD bits INCRBY u8 small small", 2),
    ("BITOP XOR bits bits key", 1),
    ("PFADD hll elem...", 3),
    ("PFMERGE hll hll", 1),
    ("PFCOUNT hll", 1),
    ("EXPIRE key sec [NX|XX|GT|LT]", 5),
    ("PEXPIRE any ms", 4),
    ("EXPIREAT any at", 3),
    ("PEXPIREAT any atms [NX|XX|GT|LT]", 3),
    ("PEXPIRE brief soon", 3),
    ("EXPIRE any gone", 1),
    ("PERSIST any", 4),
    ("DEL any any", 2),
    ("UNLINK any", 2),
    ("RENAME key key", 3),
    ("RENAMENX key key", 2),
    ("COPY key key [DB db] [REPLACE]", 4),
    ("MOVE any db", 3),
    ("SELECT db", 4),
    ("SWAPDB db db", 1),
    ("LPUSH list elem...", 8),
    ("RPUSH list elem...", 8),
    ("RPUSHX list elem", 2),
    ("LPOP list [small]", 4),
    ("RPOP list", 3),
    ("LSET list off elem", 3),
    ("LINSERT list BEFORE elem elem", 2),
    ("LREM list off elem", 2),
    ("LTRIM list 0 small", 1),
    ("LMOVE list list LEFT RIGHT", 3),
    ("RPOPLPUSH list list", 2),
    ("LMPOP 2 list list RIGHT [COUNT small]", 2),
    ("BLPOP list list 0.001", 3),
    ("BRPOP list 0.001", 2),
    ("BLMOVE list list RIGHT LEFT 0.001", 2),
    ("BRPOPLPUSH list list 0.001", 1),
    ("BLMPOP 0.001 2 list list LEFT [COUNT small]", 2),
    ("SORT list ALPHA STORE list", 1),
    ("SADD set elem...", 10),
    ("SADD set num...", 3),
    ("SREM set elem...", 3),
    ("SPOP set", 4),
    ("SPOP set small", 2),
    ("SMOVE set set elem", 2),
    ("SUNIONSTORE set set set", 2),
    ("SDIFFSTORE set set set", 2),
    ("HSET hash elem val elem num", 8),
    ("HSETNX hash elem val", 2),
    ("HDEL hash elem elem", 3),
    ("HINCRBY hash elem int", 3),
    ("HINCRBYFLOAT hash elem float", 4),
    ("ZADD zset float elem float elem", 8),
    ("ZADD zset [NX|XX] [CH] float elem", 3),
    ("ZADD zset INCR float elem", 2),
    ("ZINCRBY zset float elem", 4),
    ("ZREM zset elem", 2),
    ("ZPOPMIN zset [small]", 2),
    ("ZMPOP 2 zset zset MAX [COUNT small]", 2),
    ("BZPOPMIN zset zset 0.001", 2),
    ("BZMPOP 0.001 2 zset zset MIN [COUNT small]", 1),
    ("ZRANGESTORE zset zset 0 small", 2),
    ("ZUNIONSTORE zset 2 zset set", 1),
    ("ZREMRANGEBYRANK zset 0 1", 1),
    ("GEOADD geo 13.361389 38.115556 elem 15.087269 37.502669 elem", 2),
    ("GEOSEARCHSTORE zset geo FROMLONLAT 15 37 BYRADIUS 200 km", 1),
    ("SADD bs elem elem elem", 6),
    ("ZADD bz float elem float elem", 4),
    ("RPUSH bl elem elem", 4),
    ("PEXPIRE bs soon", 6),
    ("PEXPIRE bz soon", 4),
    ("PEXPIRE bl soon", 4),
    ("SUNIONSTORE set bs set", 5),
    ("SINTERSTORE set bs bs", 2),
    ("ZUNIONSTORE zset 2 bz set", 3),
    ("LMOVE bl list LEFT RIGHT", 3),
    ("SORT bl ALPHA STORE list", 2),
    ("COPY brief key REPLACE", 3),
    ("RENAMENX brief key", 2),
    ("BITOP OR bits brief bits", 3),
    ("SETNX brief val", 3),
    ("MSETNX brief val key val", 2),
    ("MULTI", 8),
    ("EXEC", 14),
    ("DISCARD", 1),
    ("WATCH key", 2),
    ("FLUSHDB", 1),
];

/// What 7.4 has besides.
const NEWER_FORMS: &[(&str, usize)] = &[
    ("HSET hash elem val elem num", 10),
    ("HSETNX hash elem val", 6),
    ("HINCRBY hash elem int", 4),
    ("HEXPIRE hash sec FIELDS 2 elem elem", 6),
    ("HPEXPIRE hash ms NX FIELDS 1 elem", 3),
    ("HPEXPIRE hash soon FIELDS 1 elem", 3),
    ("HEXPIREAT hash at FIELDS 1 elem", 2),
    ("HEXPIRE hash 0 FIELDS 1 elem", 1),
    ("HPERSIST hash FIELDS 1 elem", 3),
    ("HGETEX hash EX sec FIELDS 1 elem", 2),
    ("HGETDEL hash FIELDS 1 elem", 2),
    ("HSETEX hash EX sec FIELDS 1 elem val", 3),
    ("HINCRBYFLOAT hash elem float", 3),
    ("SET key val [EX sec]", 6),
    ("COPY hash hash REPLACE", 2),
    ("RENAME hash hash", 1),
    ("EXPIRE hash sec", 1),
    ("DEL hash", 1),
    ("MOVE hash db", 1),
    ("SELECT db", 1),
    ("MULTI", 3),
    ("EXEC", 6),
];

fn word(generator: &mut Generator, word: &str) -> Option<Vec<u8>> {
    let prefix = match word {
        "any" => *generator.random.pick(&["k", "l", "s", "h", "z"]),
        "list" => "l",
        "set" => "s",
        "hash" => "h",
        "zset" => "z",
        "bits" | "hll" | "geo" | "brief" | "bs" | "bz" | "bl" => word,
        "elem" => return Some(format!("e{}", generator.random.below(30)).into_bytes()),
        // Milliseconds: it is over before the test is.
        "soon" => return Some((1 + generator.random.below(SOON.as_millis() as usize)).to_string().into_bytes()),
        _ => return None,
    };
    Some(format!("{prefix}{}", generator.random.below(5)).into_bytes())
}

const QUESTIONS: &[&str] = &["TYPE", "PEXPIRETIME", "DEBUG DIGEST-VALUE"];

pub static OLDER: Profile = Profile { forms: FORMS, word, questions: QUESTIONS, ..Profile::BASE };
pub static NEWER: Profile = Profile { forms: NEWER_FORMS, word, ..Profile::BASE };

/// Runs so many commands of a profile, pipelined; in the end no transaction is open and nothing is about to expire.
pub fn run_stream(profile: &'static Profile, random: &mut Random, client: &mut Client, count: usize) {
    let mut generator = Generator::new(profile, random.fork());
    let mut commands: Vec<Command> = (0..count).map(|_| generator.command()).collect();
    // Whatever it was damaged to, it waits for no longer than a moment.
    let moment = b"0.001".to_vec();
    commands.retain(|command| {
        let name = command[0].to_ascii_uppercase();
        let waits = name.starts_with(b"BL") || name.starts_with(b"BR") || name.starts_with(b"BZ");
        !waits || command.last() == Some(&moment) || command.get(1) == Some(&moment)
    });
    commands.extend(["DISCARD", "UNWATCH", "SELECT 0"].map(super::table::words));
    for batch in commands.chunks(200) {
        client.send(&batch.iter().flat_map(|command| encode(command)).collect::<Vec<u8>>());
        batch.iter().for_each(|_| drop(client.read()));
    }
    let ended = Instant::now();
    eventually("what was to expire soon is gone", || {
        // Of fields it is known only that.
        ended.elapsed() > SOON
            && (0..3).all(|db| {
                client.run(&format!("SELECT {db}"));
                client.run("KEYS *").items().iter().all(|key| {
                    let ttl_ms = client.call(&[b"PTTL", key.text()]).int();
                    ttl_ms == -1 || ttl_ms == -2 || ttl_ms > 300_000
                })
            })
    });
    client.run("SELECT 0");
}

fn dump(client: &mut Client) -> Vec<(String, Vec<Reply>)> {
    eventually("what has expired is removed", || {
        (0..3).all(|db| {
            client.run(&format!("SELECT {db}"));
            client.run("KEYS *").items().len() as i64 == client.run("DBSIZE").int()
        })
    });
    stream::dump(&OLDER, client)
}

/// All that can be seen of what a server has: values, deadlines, those of fields, and the digest.
#[derive(PartialEq, Eq)]
pub struct State(Vec<(String, Vec<Reply>)>);

impl State {
    pub fn of(client: &mut Client) -> State {
        let mut lines = dump(client);
        for db in 0..3 {
            client.run(&format!("SELECT {db}"));
            for number in 0..5 {
                let fields: Vec<String> = (0..30).map(|field| format!("e{field}")).collect();
                let question = format!("HPEXPIRETIME h{number} FIELDS 30 {}", fields.join(" "));
                let answer = client.run(&question);
                if !answer.is_error() {
                    lines.push((format!("db {db}, fields of h{number}"), vec![answer]));
                }
            }
        }
        client.run("SELECT 0");
        lines.push(("digest".to_owned(), vec![client.run("DEBUG DIGEST")]));
        State(lines)
    }

    /// Without what 7.0 does not have.
    pub fn of_older(client: &mut Client) -> State {
        let mut lines = dump(client);
        client.run("SELECT 0");
        lines.push(("digest".to_owned(), vec![client.run("DEBUG DIGEST")]));
        State(lines)
    }

    #[track_caller]
    pub fn assert_same(&self, wanted: &State, server: &Server, what: &str) {
        for ((name, got), (wanted_name, wanted)) in self.0.iter().zip(&wanted.0) {
            assert_eq!(name, wanted_name, "{what}: keys differ");
            // 7.0 shows more digits of the same number.
            let agree = got.len() == wanted.len()
                && got.iter().zip(wanted).all(|(got, wanted)| got == wanted || Agreement::Number.holds(got, wanted));
            if !agree {
                let trace = trace(server.dir(), name);
                panic!("{what}: {name}\n    got:    {got:?}\n    wanted: {wanted:?}\n    its last traces:\n{trace}");
            }
        }
        assert_eq!(self.0.len(), wanted.0.len(), "{what}: one has more keys");
    }
}

/// The last commands of the file about a key, whose name stands between quotes, in whatever database.
fn trace(dir: &Path, name: &str) -> String {
    let key = name.split('"').nth(1).unwrap_or("");
    let commands = commands(dir);
    let about = commands.iter().filter(|command| {
        command.iter().any(|arg| arg == key.as_bytes())
            || matches!(command[0].as_slice(), b"SELECT" | b"MULTI" | b"EXEC")
    });
    let lines: Vec<String> = about.map(|command| super::table::show(command)).collect();
    lines[lines.len().saturating_sub(400)..].join("\n")
}

/// Files of the manifest whose type is among `kinds`, in order.
pub fn files(dir: &Path, kinds: &str) -> Vec<PathBuf> {
    let text = fs::read_to_string(dir.join(MANIFEST)).expect("a manifest");
    let lines = text.lines().map(|line| line.split(' ').collect::<Vec<&str>>());
    lines.filter(|words| kinds.contains(words[5])).map(|words| dir.join(DIR).join(words[1])).collect()
}

/// The commands of a file's bytes, and between them annotations.
pub fn parse(mut bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut commands = Vec::new();
    while !bytes.is_empty() {
        if bytes[0] == b'#' {
            let end = bytes.iter().position(|&byte| byte == b'\n').expect("a whole line") + 1;
            commands.push(vec![bytes[..end].trim_ascii().to_vec()]);
            bytes = &bytes[end..];
            continue;
        }
        let (reply, len) = Reply::parse(bytes).expect("a whole command");
        commands.push(reply.items().iter().map(|arg| arg.text().to_vec()).collect());
        bytes = &bytes[len..];
    }
    commands
}

/// The commands of all incremental files.
pub fn commands(dir: &Path) -> Vec<Vec<Vec<u8>>> {
    files(dir, "i").iter().flat_map(|path| parse(&fs::read(path).expect("an incremental file"))).collect()
}

/// A field of INFO.
pub fn info(client: &mut Client, field: &str) -> String {
    let text = client.run("INFO").string();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {field} in {text}")).to_owned()
}

/// Waits until no rewrite is going on or about to.
pub fn until_rewritten(client: &mut Client) {
    eventually("it is rewritten", || {
        info(client, "aof_rewrite_in_progress") == "0" && info(client, "aof_rewrite_scheduled") == "0"
    });
    assert_eq!(info(client, "aof_last_bgrewrite_status"), "ok");
}

/// Everything that was acknowledged is on the disk.
pub fn until_synced(client: &mut Client) {
    let reply = client.run("WAITAOF 1 0 0");
    assert_eq!(reply.items()[0].int(), 1, "{reply:?}");
}
