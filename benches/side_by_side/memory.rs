//! Resident memory: bytes per key or element, and bytes per idle connection, as the kernel counts them (VmRSS after minus
//! before). The first hundredth of the items is there before: what a server touches at its first command, as its own code, is
//! not part of an item.

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::cpu::resident_bytes;
use crate::preparation::{encode_words, is_unknown_command};
use crate::rig;
use crate::rig::client::{Client, encode};
use crate::rig::interrupt;
use crate::rig::server::{Program, Server};
use crate::rounds::progress;

/// How the `i`th command puts the `i`th item into the server.
type Encode = fn(u64, &mut Vec<u8>);

/// A way to hold items.
pub struct Kind {
    pub name: &'static str,
    /// What is measured, for the report.
    pub what: &'static str,
    items: u64,
    budget: Budget,
    encode: Encode,
}

/// The most that Zedis may use.
#[derive(Clone, Copy)]
pub struct Budget {
    /// Relative to redis-server.
    pub of_redis: f64,
    /// And absolutely.
    pub bytes: Option<f64>,
}

const HALF: Budget = Budget { of_redis: 0.5, bytes: None };
const ELEMENT: Budget = Budget { of_redis: 0.6, bytes: None };
const MILLION: u64 = 1_000_000;

/// A server that does not know a command is left out.
static KINDS: &[Kind] = &[
    Kind {
        name: "string",
        what: "SET key value, 16 B each",
        items: MILLION,
        budget: Budget { of_redis: 0.5, bytes: Some(64.0) },
        encode: string,
    },
    Kind {
        name: "string with TTL",
        what: "SET key value EX n, 16 B each",
        items: MILLION,
        budget: HALF,
        encode: string_with_ttl,
    },
    Kind {
        name: "member of a set",
        what: "SADD of 16 B members",
        items: MILLION,
        budget: ELEMENT,
        encode: |i, frame| encode(frame, &[b"SADD", b"set", element(i).as_bytes()]),
    },
    Kind {
        name: "field of a hash",
        what: "HSET field value, 16 B each",
        items: MILLION,
        budget: ELEMENT,
        encode: |i, frame| encode(frame, &[b"HSET", b"hash", element(i).as_bytes(), format!("val:{i:012}").as_bytes()]),
    },
    Kind {
        name: "member of a sorted set",
        what: "ZADD of 16 B members",
        items: MILLION,
        budget: ELEMENT,
        encode: |i, frame| encode(frame, &[b"ZADD", b"zset", i.to_string().as_bytes(), element(i).as_bytes()]),
    },
    Kind {
        name: "element of a list",
        what: "RPUSH of 16 B elements",
        items: MILLION,
        budget: Budget { of_redis: 1.0, bytes: None },
        encode: |i, frame| encode(frame, &[b"RPUSH", b"list", element(i).as_bytes()]),
    },
    Kind {
        name: SMALL_HASH,
        what: "HSET of 10 fields, 7 B field and 8 B value",
        items: 100_000,
        budget: Budget { of_redis: 0.95, bytes: None },
        encode: small_hash,
    },
];

/// The name of the row that is not about keys.
pub const CONNECTION: &str = "idle connection";
/// The name of the row that is about whole hashes.
pub const SMALL_HASH: &str = "small hash";
pub const CONNECTIONS: usize = 10_000;
/// An idle client gives its buffers back after some seconds in redis-server.
const IDLE: Duration = Duration::from_secs(4);
/// Until a server has given back what it can.
const REST: Duration = Duration::from_millis(500);
/// Files that this process opens besides the connections.
const OTHER_FILES: usize = 1_000;

/// One row: a name and a figure for each server, in bytes.
pub struct Row {
    pub name: &'static str,
    pub what: String,
    pub budget: Budget,
    pub bytes: Vec<(&'static str, Option<f64>)>,
}

impl Row {
    pub fn of(&self, name: &str) -> Option<f64> {
        self.bytes.iter().find(|(server, _)| *server == name)?.1
    }

    pub fn ratio(&self) -> Option<f64> {
        Some(self.of("zedis")? / self.of("redis")?)
    }

    pub fn passes(&self) -> Option<bool> {
        let of_redis = self.ratio()? <= self.budget.of_redis;
        Some(of_redis && self.budget.bytes.is_none_or(|most| self.of("zedis").is_some_and(|bytes| bytes <= most)))
    }

    /// `0.50, 64 B`.
    pub fn budget_text(&self) -> String {
        match self.budget.bytes {
            Some(most) => format!("{:.2}, {most:.0} B", self.budget.of_redis),
            None => format!("{:.2}", self.budget.of_redis),
        }
    }

    pub fn verdict(&self) -> &'static str {
        match self.passes() {
            Some(true) => "PASS",
            Some(false) => "MISS",
            None => "-",
        }
    }

    fn print(&self) {
        progress("");
        let cells: Vec<String> = self
            .bytes
            .iter()
            .map(|(name, n)| format!("{name} {}", n.map_or("-".to_owned(), |n| format!("{n:.1}"))))
            .collect();
        let ratio = self.ratio().map_or(String::new(), |ratio| {
            format!("  zedis/redis {ratio:.3} (budget {}) {}", self.budget_text(), self.verdict())
        });
        println!("{:<24} {} bytes{ratio}", self.name, cells.join("  "));
    }
}

/// Whether anything of this section is selected.
pub fn is_selected() -> bool {
    KINDS.iter().any(|kind| is_line_selected(kind.name)) || is_line_selected(CONNECTION)
}

/// `memory field of a hash`.
fn is_line_selected(name: &str) -> bool {
    rig::is_selected(&format!("memory {name}"))
}

pub fn measure(programs: &[Program], directory: &Path) -> io::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for kind in KINDS.iter().filter(|kind| is_line_selected(kind.name)) {
        rows.push(per_item(kind, programs, directory)?);
    }
    if is_line_selected(CONNECTION) {
        rows.push(per_idle_connection(programs, directory)?);
    }
    Ok(rows)
}

fn per_item(kind: &Kind, programs: &[Program], directory: &Path) -> io::Result<Row> {
    let mut bytes = Vec::new();
    for program in programs {
        progress(&format!("memory, {}: {}", kind.name, program.name));
        let server = Server::start(program, directory)?;
        let mut client = Client::connect(server.port)?;
        let first = kind.items / 100;
        let filled = client.fill(first, kind.encode);
        if is_unknown_command(&filled) {
            bytes.push((program.name, None));
            continue;
        }
        filled?;
        interrupt::sleep(REST)?;
        let before = resident_bytes(server.pid())?;
        client.fill(kind.items - first, |i, frame| (kind.encode)(first + i, frame))?;
        interrupt::sleep(REST)?;
        let after = resident_bytes(server.pid())?;
        bytes.push((program.name, Some(after.saturating_sub(before) as f64 / (kind.items - first) as f64)));
    }
    let what = format!("{}, {} of them", kind.what, kind.items);
    let row = Row { name: kind.name, what, budget: kind.budget, bytes };
    row.print();
    Ok(row)
}

fn per_idle_connection(programs: &[Program], directory: &Path) -> io::Result<Row> {
    raise_file_limit(CONNECTIONS + OTHER_FILES)?;
    let mut bytes = Vec::new();
    for program in programs {
        progress(&format!("memory, idle connections: {}", program.name));
        let server = Server::start(program, directory)?;
        let before = resident_bytes(server.pid())?;
        let mut clients = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            interrupt::check()?;
            let mut client = Client::connect(server.port)?;
            client.command(&["PING"])?;
            clients.push(client);
        }
        interrupt::sleep(IDLE)?;
        let after = resident_bytes(server.pid())?;
        bytes.push((program.name, Some(after.saturating_sub(before) as f64 / CONNECTIONS as f64)));
    }
    let what = format!("{CONNECTIONS} connections, one PING each, then {} s of silence", IDLE.as_secs());
    let row = Row { name: CONNECTION, what, budget: Budget { of_redis: 1.0, bytes: None }, bytes };
    row.print();
    Ok(row)
}

/// Raises this process's soft limit of open files; servers started later inherit it.
pub fn raise_file_limit(files: usize) -> io::Result<()> {
    let pid = std::process::id().to_string();
    let status = Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={files}:")]).status()?;
    if status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("cannot raise the limit of open files to {files}: see `ulimit -Hn`")))
}

fn string(i: u64, frame: &mut Vec<u8>) {
    encode(frame, &[b"SET", format!("key:{i:012}").as_bytes(), format!("val:{i:012}").as_bytes()]);
}

fn string_with_ttl(i: u64, frame: &mut Vec<u8>) {
    let (key, value, seconds) = (format!("key:{i:012}"), format!("val:{i:012}"), (100_000 + i % 10_000).to_string());
    encode(frame, &[b"SET", key.as_bytes(), value.as_bytes(), b"EX", seconds.as_bytes()]);
}

fn small_hash(i: u64, frame: &mut Vec<u8>) {
    let mut words = vec!["HSET".to_owned(), format!("hash:{i:011}")];
    for n in 0..10 {
        words.extend([format!("field:{n}"), format!("v{:07}", i + n)]);
    }
    encode_words(frame, &words);
}

/// 16 bytes.
fn element(i: u64) -> String {
    format!("mem:{i:012}")
}
