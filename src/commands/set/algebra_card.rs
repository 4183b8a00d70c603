//! Set algebra of which only the number of members is wanted: SINTERCARD, SUNIONCARD, SDIFFCARD.

use super::algebra::{Operation, sets_of};
use crate::collections::hyperloglog;
use crate::commands::{
    Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::View;

const KEYS: &[KeySpec] = &[KeySpec::counted(1, KeyFlags::RO.union(KeyFlags::ACCESS))];
const LIMIT: Arg = Arg::integer("limit").token("LIMIT").optional();
const GRAMMAR: &[Arg] = &[Arg::integer("numkeys"), Arg::key("key").multiple(), LIMIT];

/// The arguments behind the command's name.
struct CardArgs {
    /// Index behind the last key.
    end: usize,
    /// 0: none.
    limit: usize,
    approx: bool,
}

fn read(args: &Args<'_>, may_approximate: bool) -> Result<CardArgs, CommandError> {
    let numkeys = args.int(1).ok().and_then(|numkeys| usize::try_from(numkeys).ok()).filter(|&numkeys| numkeys > 0);
    let numkeys = numkeys.ok_or(CommandError::new("ERR numkeys should be greater than 0"))?;
    if numkeys > args.len() - 2 {
        return Err(CommandError::new("ERR Number of keys can't be greater than number of args"));
    }
    let mut read = CardArgs { end: 2 + numkeys, limit: 0, approx: false };
    let mut index = read.end;
    while index < args.len() {
        if args.is(index, "LIMIT") && index + 1 < args.len() {
            index += 1;
            let limit = args.int(index).ok().and_then(|limit| usize::try_from(limit).ok());
            read.limit = limit.ok_or(CommandError::new("ERR LIMIT can't be negative"))?;
        } else if may_approximate && args.is(index, "APPROX") {
            read.approx = true;
        } else {
            return Err(CommandError::SYNTAX);
        }
        index += 1;
    }
    Ok(read)
}

fn reply_card(operation: Operation, args: &Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let read = read(args, operation == Operation::Union)?;
    let sets = sets_of(args, 2, read.end, view)?;
    if !read.approx {
        reply.len(operation.run(&sets, read.limit, &view.context(), |_| {}));
        return Ok(());
    }
    // Counted in twelve kilobytes, whatever the sets' size.
    let mut seen = hyperloglog::new();
    let mut digits = itoa::Buffer::new();
    let members = sets.iter().flatten().flat_map(|set| set.iter());
    let counted = hyperloglog::to_dense(&mut seen).and_then(|()| {
        for member in members {
            hyperloglog::add(&mut seen, member.text(&mut digits), 0)?;
        }
        hyperloglog::count(&mut seen)
    });
    let count = counted.expect("a new one is whole") as usize;
    reply.len(if read.limit == 0 { count } else { count.min(read.limit) });
    Ok(())
}

pub(super) static SINTERCARD: Command = Command {
    name: "sintercard",
    arity: -3,
    run: Run::Read(sintercard),
    flags: Flags::READONLY.union(Flags::MOVABLEKEYS),
    acl: Acl::READ.union(Acl::SET).union(Acl::SLOW),
    keys: KEYS,
    group: Group::Set,
    summary: "Returns how many members several sets have in common.",
    since: "7.0.0",
    complexity: "O(N*M) at worst, where N is the number of members of the smallest set and M the number of sets.",
    args: GRAMMAR,
    ..Command::BASE
};

fn sintercard(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply_card(Operation::Intersection, args, view, reply)
}

pub(super) static SUNIONCARD: Command = Command {
    name: "sunioncard",
    arity: -3,
    run: Run::Read(sunioncard),
    flags: Flags::READONLY.union(Flags::MOVABLEKEYS),
    acl: Acl::READ.union(Acl::SET).union(Acl::SLOW),
    keys: KEYS,
    group: Group::Set,
    summary: "Returns how many members several sets have together.",
    since: "8.10.0",
    complexity: "O(N) where N is the number of members of all sets.",
    args: &[Arg::integer("numkeys"), Arg::key("key").multiple(), Arg::word("approx", "APPROX").optional(), LIMIT],
    ..Command::BASE
};

fn sunioncard(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply_card(Operation::Union, args, view, reply)
}

pub(super) static SDIFFCARD: Command = Command {
    name: "sdiffcard",
    arity: -3,
    run: Run::Read(sdiffcard),
    flags: Flags::READONLY.union(Flags::MOVABLEKEYS),
    acl: Acl::READ.union(Acl::SET).union(Acl::SLOW),
    keys: KEYS,
    group: Group::Set,
    summary: "Returns how many members of the first set the other sets don't have.",
    since: "8.10.0",
    complexity: "O(N) where N is the number of members of all sets.",
    args: GRAMMAR,
    ..Command::BASE
};

fn sdiffcard(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply_card(Operation::Difference, args, view, reply)
}
