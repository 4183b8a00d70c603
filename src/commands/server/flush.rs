//! FLUSHALL, FLUSHDB and SWAPDB. Flushing detaches the tables, whatever their size; they are freed off the loop with SYNC as with
//! ASYNC, so the two differ in nothing that a client could see.

use smallvec::SmallVec;

use super::POLICIES;
use crate::base::number;
use crate::commands::{Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, Reply, Run};
use crate::keyspace::Writer;

const FLUSH_ACL: Acl = Acl::KEYSPACE.union(Acl::WRITE).union(Acl::SLOW).union(Acl::DANGEROUS);
const FLUSH_HISTORY: &[(&str, &str)] = &[("4.0.0", "The `ASYNC` modifier."), ("6.2.0", "The `SYNC` modifier.")];
const FLUSH_ARGS: &[Arg] = &[Arg::one_of(
    "flush-type",
    &[Arg::word("async", "ASYNC").since("4.0.0"), Arg::word("sync", "SYNC").since("6.2.0")],
)
.optional()];

pub(super) static FLUSHALL: Command = Command {
    name: "flushall",
    arity: -1,
    run: Run::Write(flushall),
    is_quick: true,
    flags: Flags::WRITE,
    acl: FLUSH_ACL,
    group: Group::Server,
    summary: "Removes every key of every database.",
    complexity: "O(1) for the caller; O(N) off the loop, where N is the number of keys in all databases",
    history: FLUSH_HISTORY,
    tips: POLICIES,
    args: FLUSH_ARGS,
    ..Command::BASE
};

fn flushall(args: &mut Args<'_>, writer: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    check_modifier(args)?;
    for db in 0..writer.databases() {
        writer.flush(db);
    }
    writer.flushed();
    writer.flushed_all();
    propagate(args, writer);
    reply.ok();
    Ok(())
}

pub(super) static FLUSHDB: Command = Command {
    name: "flushdb",
    arity: -1,
    run: Run::Write(flushdb),
    is_quick: true,
    flags: Flags::WRITE,
    acl: FLUSH_ACL,
    group: Group::Server,
    summary: "Removes every key of the database.",
    complexity: "O(1) for the caller; O(N) off the loop, where N is the number of keys in the database",
    history: FLUSH_HISTORY,
    tips: POLICIES,
    args: FLUSH_ARGS,
    ..Command::BASE
};

fn flushdb(args: &mut Args<'_>, writer: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    check_modifier(args)?;
    writer.flush(writer.db_index());
    writer.flushed();
    propagate(args, writer);
    reply.ok();
    Ok(())
}

/// Also if there was nothing to remove: what is done is done wherever the journal goes.
fn propagate(args: &Args<'_>, writer: &mut Writer<'_>) {
    let args: SmallVec<[&[u8]; 2]> = args.from(0).collect();
    writer.propagate(&args);
}

fn check_modifier(args: &Args<'_>) -> CommandResult {
    match args.len() {
        1 => Ok(()),
        2 if args.is(1, "ASYNC") || args.is(1, "SYNC") => Ok(()),
        _ => Err(CommandError::SYNTAX),
    }
}

pub(super) static SWAPDB: Command = Command {
    name: "swapdb",
    arity: 3,
    run: Run::Write(swapdb),
    flags: Flags::WRITE.union(Flags::FAST),
    acl: Acl::KEYSPACE.union(Acl::WRITE).union(Acl::FAST).union(Acl::DANGEROUS),
    group: Group::Server,
    summary: "Exchanges the contents of two databases.",
    since: "4.0.0",
    complexity: "O(N) where N is the count of clients watching or blocking on keys from both databases.",
    args: &[Arg::integer("index1"), Arg::integer("index2")],
    ..Command::BASE
};

fn swapdb(args: &mut Args<'_>, writer: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let index = |at, error| {
        number::parse_i64(args.get(at)).filter(|index| i32::try_from(*index).is_ok()).ok_or(CommandError::new(error))
    };
    let first = index(1, "ERR invalid first DB index")?;
    let second = index(2, "ERR invalid second DB index")?;
    let database = |index| {
        usize::try_from(index)
            .ok()
            .filter(|&db| db < writer.databases())
            .ok_or(CommandError::new("ERR DB index is out of range"))
    };
    let (first, second) = (database(first)?, database(second)?);
    if first != second {
        writer.swap(first, second);
    }
    reply.ok();
    Ok(())
}
