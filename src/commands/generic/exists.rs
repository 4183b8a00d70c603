//! What is asked of a key without its value: EXISTS, TOUCH, TYPE.

use crate::commands::{Acl, Arg, Args, Command, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run};
use crate::keyspace::View;

pub(super) static EXISTS: Command = Command {
    name: "exists",
    arity: -2,
    run: Run::Read(exists),
    flags: Flags::READONLY.union(Flags::FAST),
    acl: Acl::KEYSPACE.union(Acl::READ).union(Acl::FAST),
    keys: &[KeySpec::range(1, -1, 1, KeyFlags::RO)],
    group: Group::Generic,
    summary: "Counts the keys that exist; one that is named twice counts twice.",
    complexity: "O(N) where N is the number of keys.",
    history: &[("3.0.3", "Takes several keys.")],
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    args: &[Arg::key("key").multiple()],
    ..Command::BASE
};

fn exists(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let first = usize::from(view.probe(args.key(1)).is_some());
    reply.len(first + args.from(2).filter(|bytes| view.probe(view.key(bytes)).is_some()).count());
    Ok(())
}

pub(super) static TOUCH: Command = Command {
    name: "touch",
    arity: -2,
    run: Run::Read(touch),
    flags: Flags::READONLY.union(Flags::FAST),
    acl: Acl::KEYSPACE.union(Acl::READ).union(Acl::FAST),
    keys: &[KeySpec::range(1, -1, 1, KeyFlags::RO)],
    group: Group::Generic,
    summary: "Counts the keys that exist, and makes it a use of them.",
    since: "3.2.1",
    complexity: "O(N) where N is the number of keys.",
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    args: &[Arg::key("key").multiple()],
    ..Command::BASE
};

fn touch(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    // A use even for a client that asked that its commands be none.
    let view = view.without_touch(false);
    let first = usize::from(view.find(args.key(1)).is_some());
    reply.len(first + args.from(2).filter(|bytes| view.find(view.key(bytes)).is_some()).count());
    Ok(())
}

pub(super) static TYPE: Command = Command {
    name: "type",
    arity: 2,
    run: Run::Read(type_of),
    flags: Flags::READONLY.union(Flags::FAST),
    acl: Acl::KEYSPACE.union(Acl::READ).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO)],
    group: Group::Generic,
    summary: "Returns the type of the value of a key.",
    args: &[Arg::key("key")],
    ..Command::BASE
};

fn type_of(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.simple(view.probe(args.key(1)).map_or("none", |entry| entry.kind().name()));
    Ok(())
}
