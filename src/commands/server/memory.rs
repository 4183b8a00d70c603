//! MEMORY: what keys cost, and where the memory goes (the account is [`crate::server::memory`]'s).

use crate::base::allocator;
use crate::commands::{
    Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::View;
use crate::server::Engine;
use crate::server::memory::{self, MemoryReport};

pub(super) static MEMORY: Command = Command {
    name: "memory",
    arity: -2,
    run: Run::Container,
    acl: Acl::SLOW,
    group: Group::Server,
    summary: "A container for commands about memory.",
    since: "4.0.0",
    complexity: "Depends on subcommand.",
    subcommands: &[&DOCTOR, &HELP, &MALLOC_STATS, &PURGE, &STATS, &USAGE],
    ..Command::BASE
};

static USAGE: Command = Command {
    name: "usage",
    arity: -3,
    run: Run::Read(usage),
    flags: Flags::READONLY,
    acl: Acl::READ.union(Acl::SLOW),
    keys: &[KeySpec::one(2, KeyFlags::RO)],
    group: Group::Server,
    summary: "Returns the memory that a key and its value take.",
    since: "4.0.0",
    complexity: "O(N) where N is the number of samples.",
    args: &[Arg::key("key"), Arg::integer("count").token("SAMPLES").optional()],
    ..Command::BASE
};

/// Elements of a large value that are looked at unless the caller says otherwise.
const SAMPLES: usize = 5;

fn usage(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mut samples = SAMPLES;
    let mut index = 3;
    while index < args.len() {
        if !args.is(index, "SAMPLES") || index + 1 == args.len() {
            return Err(CommandError::SYNTAX);
        }
        // 0 means all of them.
        samples = usize::try_from(args.int(index + 1)?).map_err(|_| CommandError::SYNTAX)?;
        index += 2;
    }
    match view.peek(view.key(args.get(2))) {
        Some(entry) => reply.len(size_of_val(entry) + entry.memory_bytes(samples)),
        None => reply.null(),
    }
    Ok(())
}

const SPECIAL: &[&str] = &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"];

static STATS: Command = Command {
    name: "stats",
    arity: 2,
    run: Run::Server(stats),
    is_quick: true,
    acl: Acl::SLOW,
    group: Group::Server,
    summary: "Returns where the memory goes.",
    since: "4.0.0",
    tips: SPECIAL,
    ..Command::BASE
};

/// A value of MEMORY STATS.
enum Stat {
    Bytes(usize),
    Ratio(usize, usize),
    Percent(usize, usize),
    Difference(usize, usize),
}

fn stats(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let report = MemoryReport::new(engine);
    let (allocator, rss) = (report.allocator, report.resident);
    let tables = report.databases.iter().map(|db| db.table_bytes + db.wheel_bytes).sum();
    let before = [
        ("peak.allocated", report.peak),
        ("total.allocated", report.used),
        ("startup.allocated", report.startup),
        ("replication.backlog", 0),
        ("clients.slaves", 0),
        ("clients.normal", report.clients),
        ("cluster.links", 0),
        ("aof.buffer", engine.uncounted_bytes()),
        ("lua.caches", 0),
        ("functions.caches", 0),
    ];
    let after = [
        ("overhead.db.hashtable.lut", Stat::Bytes(tables)),
        ("overhead.db.hashtable.rehashing", Stat::Bytes(0)),
        ("db.dict.rehashing.count", Stat::Bytes(0)),
        ("overhead.total", Stat::Bytes(report.overhead)),
        ("keys.count", Stat::Bytes(report.keys_count)),
        ("keys.bytes-per-key", Stat::Bytes(report.grown().checked_div(report.keys_count).unwrap_or(0))),
        ("dataset.bytes", Stat::Bytes(report.dataset)),
        ("dataset.percentage", Stat::Percent(report.dataset, report.grown())),
        ("peak.percentage", Stat::Percent(report.used, report.peak)),
        ("allocator.allocated", Stat::Bytes(allocator.allocated)),
        ("allocator.active", Stat::Bytes(allocator.active)),
        ("allocator.resident", Stat::Bytes(allocator.resident)),
        ("allocator.muzzy", Stat::Bytes(allocator.muzzy)),
        ("allocator-fragmentation.ratio", Stat::Ratio(allocator.active, allocator.allocated)),
        ("allocator-fragmentation.bytes", Stat::Difference(allocator.active, allocator.allocated)),
        ("allocator-rss.ratio", Stat::Ratio(allocator.resident, allocator.active)),
        ("allocator-rss.bytes", Stat::Difference(allocator.resident, allocator.active)),
        ("rss-overhead.ratio", Stat::Ratio(rss, allocator.resident)),
        ("rss-overhead.bytes", Stat::Difference(rss, allocator.resident)),
        ("fragmentation", Stat::Ratio(rss, report.used)),
        ("fragmentation.bytes", Stat::Difference(rss, report.used)),
    ];
    let mut reply = engine.reply(key);
    reply.map(before.len() + report.databases.len() + after.len());
    for (name, bytes) in before {
        reply.bulk_str(name);
        reply.len(bytes);
    }
    for db in &report.databases {
        reply.bulk_str(&format!("db.{}", db.index));
        reply.map(2);
        reply.bulk(b"overhead.hashtable.main");
        reply.len(db.table_bytes);
        reply.bulk(b"overhead.hashtable.expires");
        reply.len(db.wheel_bytes);
    }
    for (name, stat) in after {
        reply.bulk_str(name);
        let ratio = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
        match stat {
            Stat::Bytes(bytes) => reply.len(bytes),
            Stat::Ratio(part, whole) => reply.double(ratio(part, whole)),
            Stat::Percent(part, whole) => reply.double(ratio(part, whole) * 100.0),
            Stat::Difference(one, other) => reply.int(one as i64 - other as i64),
        }
    }
    Ok(())
}

static DOCTOR: Command = Command {
    name: "doctor",
    arity: 2,
    run: Run::Server(doctor),
    is_quick: true,
    acl: Acl::SLOW,
    group: Group::Server,
    summary: "Says what is wrong with the use of memory.",
    since: "4.0.0",
    tips: SPECIAL,
    ..Command::BASE
};

fn doctor(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let complaints = MemoryReport::new(engine).complaints(engine.clients.len());
    let text = match complaints.is_empty() {
        true => "Nothing is wrong with this server's memory as far as it can be seen from inside.\n".to_owned(),
        false => complaints.iter().map(|complaint| format!("* {complaint}\n")).collect(),
    };
    engine.reply(key).verbatim("txt", text.as_bytes());
    Ok(())
}

static PURGE: Command = Command {
    name: "purge",
    arity: 2,
    run: Run::Server(purge),
    is_quick: true,
    acl: Acl::SLOW,
    group: Group::Server,
    summary: "Gives memory that is not in use back to the system.",
    since: "4.0.0",
    complexity: "O(1) for the caller; off the loop, depends on how much memory is free",
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    ..Command::BASE
};

fn purge(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    memory::purge();
    engine.reply(key).ok();
    Ok(())
}

static MALLOC_STATS: Command = Command {
    name: "malloc-stats",
    arity: 2,
    run: Run::Server(malloc_stats),
    acl: Acl::SLOW,
    group: Group::Server,
    summary: "Returns the allocator's own report.",
    since: "4.0.0",
    complexity: "Depends on how much memory is allocated, could be slow",
    tips: SPECIAL,
    ..Command::BASE
};

fn malloc_stats(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    engine.reply(key).verbatim("txt", allocator::report().as_bytes());
    Ok(())
}

static HELP: Command = Command {
    run: Run::Pure(help),
    group: Group::Server,
    summary: "Prints what the subcommands do.",
    since: "4.0.0",
    ..Command::HELP
};

fn help(_args: &mut Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.simples(&[
        "MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "DOCTOR",
        "    Say what is wrong with the use of memory.",
        "MALLOC-STATS",
        "    Return the allocator's own report.",
        "PURGE",
        "    Give memory that is not in use back to the system.",
        "STATS",
        "    Return where the memory goes.",
        "USAGE <key> [SAMPLES <count>]",
        "    Return the bytes that <key> and its value take in memory. Large values are",
        "    estimated from <count> elements (default: 5, 0: from all).",
        "HELP",
        "    Print this help.",
    ]);
    Ok(())
}
