//! Resident memory: bytes per key, and bytes per idle connection, as the kernel counts them (VmRSS after minus before).

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::cpu::resident_bytes;
use crate::rig::client::{Client, encode};
use crate::rig::interrupt;
use crate::rig::server::{Program, Server};
use crate::rounds::progress;

/// How the `i`th command puts the `i`th 16-byte key or member into the server.
type Encode = fn(u64, &mut Vec<u8>);

/// A way to hold 16-byte items.
pub struct Kind {
    pub name: &'static str,
    /// What is measured, for the report.
    pub what: &'static str,
    encode: Encode,
}

/// Add a record for every type as it comes; a server that does not know its command yet is left out.
pub static KINDS: &[Kind] = &[
    Kind { name: "string", what: "SET key value, 16 B each", encode: string },
    Kind { name: "string with TTL", what: "SET key value EX n, 16 B each", encode: string_with_ttl },
    Kind { name: "member of a set", what: "SADD of 16 B members", encode: set_member },
    Kind { name: "member of a sorted set", what: "ZADD of 16 B members", encode: sorted_set_member },
];

/// The most that Zedis may use, relative to redis-server; and of one string key, absolutely.
pub const BUDGET_OF_REDIS: f64 = 0.5;
pub const BUDGET_BYTES_PER_KEY: f64 = 64.0;
/// The name of the row that is not about keys.
pub const CONNECTION: &str = "idle connection";
pub const CONNECTIONS: usize = 10_000;
/// An idle client gives its buffers back after some seconds in redis-server.
const IDLE: Duration = Duration::from_secs(4);
/// Files that this process opens besides the connections.
const OTHER_FILES: usize = 1_000;

/// One row: a name and a figure for each server, in bytes.
pub struct Row {
    pub name: &'static str,
    pub what: String,
    pub bytes: Vec<(&'static str, Option<f64>)>,
}

impl Row {
    pub fn of(&self, name: &str) -> Option<f64> {
        self.bytes.iter().find(|(server, _)| *server == name)?.1
    }

    pub fn ratio(&self) -> Option<f64> {
        Some(self.of("zedis")? / self.of("redis")?)
    }

    fn print(&self) {
        progress("");
        let cells: Vec<String> = self
            .bytes
            .iter()
            .map(|(name, n)| format!("{name} {}", n.map_or("-".to_owned(), |n| format!("{n:.1}"))))
            .collect();
        println!("{:<24} {} bytes", self.name, cells.join("  "));
    }
}

pub fn per_key(programs: &[Program], keys: u64, directory: &Path) -> io::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for kind in KINDS {
        let mut bytes = Vec::new();
        for program in programs {
            progress(&format!("memory, {}: {}", kind.name, program.name));
            let server = Server::start(program, directory)?;
            let mut client = Client::connect(server.port)?;
            let before = resident_bytes(server.pid())?;
            let filled = client.fill(keys, kind.encode);
            interrupt::sleep(Duration::from_millis(500))?;
            let after = resident_bytes(server.pid())?;
            let is_unknown = matches!(&filled, Err(error) if error.to_string().contains("unknown command"));
            if !is_unknown {
                filled?;
            }
            bytes.push((program.name, (!is_unknown).then(|| after.saturating_sub(before) as f64 / keys as f64)));
        }
        let row = Row { name: kind.name, what: format!("{}, {keys} of them", kind.what), bytes };
        row.print();
        rows.push(row);
    }
    Ok(rows)
}

pub fn per_idle_connection(programs: &[Program], directory: &Path) -> io::Result<Row> {
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
    let row = Row { name: "idle connection", what, bytes };
    row.print();
    Ok(row)
}

/// Raises this process's soft limit of open files; servers started later inherit it.
fn raise_file_limit(files: usize) -> io::Result<()> {
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

fn set_member(i: u64, frame: &mut Vec<u8>) {
    encode(frame, &[b"SADD", b"set", format!("mem:{i:012}").as_bytes()]);
}

fn sorted_set_member(i: u64, frame: &mut Vec<u8>) {
    encode(frame, &[b"ZADD", b"zset", i.to_string().as_bytes(), format!("mem:{i:012}").as_bytes()]);
}
