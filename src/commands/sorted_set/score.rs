//! Scores and size: ZSCORE, ZMSCORE, ZCARD.

use crate::commands::{Acl, Arg, Args, Command, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run};
use crate::keyspace::{SortedSet, Typed, View};

pub(super) static ZSCORE: Command = Command {
    name: "zscore",
    arity: 3,
    run: Run::Read(zscore),
    flags: Flags::READONLY.union(Flags::FAST),
    acl: Acl::READ.union(Acl::SORTEDSET).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::SortedSet,
    summary: "Returns the score of a member.",
    since: "1.2.0",
    args: &[Arg::key("key"), Arg::string("member")],
    ..Command::BASE
};

fn zscore(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let set = view.object::<SortedSet>(args.key(1))?;
    match set.and_then(|set| set.score(args.get(2), &view.context())) {
        Some(score) => reply.double(score),
        None => reply.null(),
    }
    Ok(())
}

pub(super) static ZMSCORE: Command = Command {
    name: "zmscore",
    arity: -3,
    run: Run::Read(zmscore),
    flags: Flags::READONLY.union(Flags::FAST),
    acl: Acl::READ.union(Acl::SORTEDSET).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::SortedSet,
    summary: "Returns the scores of members.",
    since: "6.2.0",
    complexity: "O(N) where N is the number of members asked for.",
    args: &[Arg::key("key"), Arg::string("member").multiple()],
    ..Command::BASE
};

fn zmscore(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let set = view.object::<SortedSet>(args.key(1))?;
    let context = view.context();
    reply.array(args.len() - 2);
    for member in args.from(2) {
        match set.and_then(|set| set.score(member, &context)) {
            Some(score) => reply.double(score),
            None => reply.null(),
        }
    }
    Ok(())
}

pub(super) static ZCARD: Command = Command {
    name: "zcard",
    arity: 2,
    run: Run::Read(zcard),
    flags: Flags::READONLY.union(Flags::FAST),
    acl: Acl::READ.union(Acl::SORTEDSET).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO)],
    group: Group::SortedSet,
    summary: "Returns the number of members.",
    since: "1.2.0",
    args: &[Arg::key("key")],
    ..Command::BASE
};

fn zcard(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let set = view.object::<SortedSet>(args.key(1))?;
    reply.len(set.map_or(0, SortedSet::len));
    Ok(())
}
