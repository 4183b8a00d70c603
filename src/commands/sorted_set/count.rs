//! Counting what is in a range: ZCOUNT, ZLEXCOUNT.

use super::bounds::{lex_bounds, score_bounds};
use crate::commands::{Acl, Arg, ArgKind, Args, Command, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run};
use crate::keyspace::{SortedSet, View};

pub(super) static ZCOUNT: Command = Command {
    name: "zcount",
    arity: 4,
    run: Run::Read(zcount),
    flags: Flags::READONLY.union(Flags::FAST),
    acl: Acl::READ.union(Acl::SORTEDSET).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::SortedSet,
    summary: "Counts the members with scores in a range.",
    since: "2.0.0",
    complexity: "O(log(N)) where N is the size of the sorted set.",
    args: &[Arg::key("key"), Arg::new("min", ArgKind::Double), Arg::new("max", ArgKind::Double)],
    ..Command::BASE
};

fn zcount(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (min, max) = score_bounds(args.get(2), args.get(3))?;
    let set = view.object::<SortedSet>(args.key(1))?;
    reply.len(set.map_or(0, |set| set.ranks_by_score(min, max).len()));
    Ok(())
}

pub(super) static ZLEXCOUNT: Command = Command {
    name: "zlexcount",
    arity: 4,
    run: Run::Read(zlexcount),
    flags: Flags::READONLY.union(Flags::FAST),
    acl: Acl::READ.union(Acl::SORTEDSET).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::SortedSet,
    summary: "Counts the members in a range of bytes; all scores have to be the same.",
    since: "2.8.9",
    complexity: "O(log(N)) where N is the size of the sorted set.",
    args: &[Arg::key("key"), Arg::string("min"), Arg::string("max")],
    ..Command::BASE
};

fn zlexcount(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (min, max) = lex_bounds(args.get(2), args.get(3))?;
    let set = view.object::<SortedSet>(args.key(1))?;
    reply.len(set.map_or(0, |set| set.ranks_by_lex(min, max).len()));
    Ok(())
}
