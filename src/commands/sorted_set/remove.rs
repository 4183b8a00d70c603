//! Removing: ZREM, ZREMRANGEBYRANK, ZREMRANGEBYSCORE, ZREMRANGEBYLEX.

use std::ops::Range;

use super::bounds::{lex_bounds, ranks, score_bounds};
use crate::commands::{Acl, Arg, ArgKind, Args, Command, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run};
use crate::keyspace::{Changed, Event, Key, SortedSet, Typed, Writer};

pub(super) static ZREM: Command = Command {
    name: "zrem",
    arity: -3,
    run: Run::Write(zrem),
    flags: Flags::WRITE.union(Flags::FAST),
    acl: Acl::WRITE.union(Acl::SORTEDSET).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::DELETE))],
    group: Group::SortedSet,
    summary: "Removes members. A sorted set without members is removed too.",
    since: "1.2.0",
    complexity: "O(M*log(N)) where N is the size of the sorted set and M the number of members to remove.",
    history: &[("2.4.0", "Takes more than one member.")],
    args: &[Arg::key("key"), Arg::string("member").multiple()],
    ..Command::BASE
};

fn zrem(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let removed = db.change(args.key(1), Event::sorted_set("zrem"), |set: &mut SortedSet, context| {
        let removed = args.from(2).filter(|member| set.remove(member, context).is_some()).count();
        Changed(removed, removed)
    })?;
    reply.len(removed.unwrap_or(0));
    Ok(())
}

/// Removes the members of some ranks, and replies with their number.
fn remove_ranks(
    key: Key<'_>,
    event: &'static str,
    db: &mut Writer<'_>,
    reply: &mut Reply<'_>,
    ranks: impl FnOnce(&SortedSet) -> Range<usize>,
) -> CommandResult {
    let done = db.change(key, Event::sorted_set(event), |set: &mut SortedSet, context| {
        let ranks = ranks(set);
        let (removed, left) = set.remove_range(ranks, context);
        Changed((removed, left), removed)
    })?;
    let (removed, left) = done.unwrap_or_default();
    if let Some(left) = left {
        db.discard(left);
    }
    reply.len(removed);
    Ok(())
}

pub(super) static ZREMRANGEBYRANK: Command = Command {
    name: "zremrangebyrank",
    arity: 4,
    run: Run::Write(zremrangebyrank),
    flags: Flags::WRITE,
    acl: Acl::WRITE.union(Acl::SORTEDSET).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::DELETE))],
    group: Group::SortedSet,
    summary: "Removes members by rank. A sorted set without members is removed too.",
    since: "2.0.0",
    complexity: "O(log(N)+M) where N is the size of the sorted set and M the number of members removed.",
    args: &[Arg::key("key"), Arg::integer("start"), Arg::integer("stop")],
    ..Command::BASE
};

fn zremrangebyrank(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (start, stop) = (args.int(2)?, args.int(3)?);
    remove_ranks(args.key(1), "zremrangebyrank", db, reply, |set| ranks(start, stop, set.len()))
}

pub(super) static ZREMRANGEBYSCORE: Command = Command {
    name: "zremrangebyscore",
    arity: 4,
    run: Run::Write(zremrangebyscore),
    flags: Flags::WRITE,
    acl: Acl::WRITE.union(Acl::SORTEDSET).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::DELETE))],
    group: Group::SortedSet,
    summary: "Removes the members with scores in a range. A sorted set without members is removed too.",
    since: "1.2.0",
    complexity: "O(log(N)+M) where N is the size of the sorted set and M the number of members removed.",
    args: &[Arg::key("key"), Arg::new("min", ArgKind::Double), Arg::new("max", ArgKind::Double)],
    ..Command::BASE
};

fn zremrangebyscore(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (min, max) = score_bounds(args.get(2), args.get(3))?;
    remove_ranks(args.key(1), "zremrangebyscore", db, reply, |set| set.ranks_by_score(min, max))
}

pub(super) static ZREMRANGEBYLEX: Command = Command {
    name: "zremrangebylex",
    arity: 4,
    run: Run::Write(zremrangebylex),
    flags: Flags::WRITE,
    acl: Acl::WRITE.union(Acl::SORTEDSET).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::DELETE))],
    group: Group::SortedSet,
    summary: "Removes the members in a range of bytes; all scores have to be the same. A sorted set without members is removed too.",
    since: "2.8.9",
    complexity: "O(log(N)+M) where N is the size of the sorted set and M the number of members removed.",
    args: &[Arg::key("key"), Arg::string("min"), Arg::string("max")],
    ..Command::BASE
};

fn zremrangebylex(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (min, max) = lex_bounds(args.get(2), args.get(3))?;
    remove_ranks(args.key(1), "zremrangebylex", db, reply, |set| set.ranks_by_lex(min, max))
}
