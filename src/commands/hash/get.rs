//! Reading hashes: HGET, HMGET, HGETALL, HKEYS, HVALS, HLEN, HSTRLEN, HEXISTS.

use super::{put, put_or_null};
use crate::commands::{Acl, Arg, Args, Command, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run};
use crate::keyspace::{Hash, Typed, View};

const FAST: Flags = Flags::READONLY.union(Flags::FAST);
const ACL: Acl = Acl::READ.union(Acl::HASH).union(Acl::FAST);
const ACL_OF_ALL: Acl = Acl::READ.union(Acl::HASH).union(Acl::SLOW);
const KEYS: &[KeySpec] = &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))];
/// What does not return the values themselves.
const KEYS_OF_FACTS: &[KeySpec] = &[KeySpec::one(1, KeyFlags::RO)];
const COMPLEXITY_OF_ALL: &str = "O(N) where N is the number of fields of the hash.";
const TIPS_OF_ALL: &[&str] = &["nondeterministic_output_order"];

pub(super) static HGET: Command = Command {
    name: "hget",
    arity: 3,
    run: Run::Read(hget),
    flags: FAST,
    acl: ACL,
    keys: KEYS,
    group: Group::Hash,
    summary: "Returns the value of a field of a hash.",
    since: "2.0.0",
    args: &[Arg::key("key"), Arg::string("field")],
    ..Command::BASE
};

fn hget(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let value = match view.object::<Hash>(args.key(1))? {
        Some(hash) => hash.get(args.get(2), &view.context()),
        None => None,
    };
    put_or_null(reply, value);
    Ok(())
}

pub(super) static HMGET: Command = Command {
    name: "hmget",
    arity: -3,
    run: Run::Read(hmget),
    flags: FAST,
    acl: ACL,
    keys: KEYS,
    group: Group::Hash,
    summary: "Returns the values of several fields of a hash.",
    since: "2.0.0",
    complexity: "O(N) where N is the number of fields asked for.",
    args: &[Arg::key("key"), Arg::string("field").multiple()],
    ..Command::BASE
};

fn hmget(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let hash = view.object::<Hash>(args.key(1))?;
    let context = view.context();
    reply.array(args.len() - 2);
    for field in args.from(2) {
        put_or_null(reply, hash.and_then(|hash| hash.get(field, &context)));
    }
    Ok(())
}

pub(super) static HGETALL: Command = Command {
    name: "hgetall",
    arity: 2,
    run: Run::Read(hgetall),
    flags: Flags::READONLY,
    acl: ACL_OF_ALL,
    keys: KEYS,
    group: Group::Hash,
    summary: "Returns all fields of a hash with their values.",
    since: "2.0.0",
    complexity: COMPLEXITY_OF_ALL,
    tips: TIPS_OF_ALL,
    args: &[Arg::key("key")],
    ..Command::BASE
};

fn hgetall(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let Some(hash) = view.object::<Hash>(args.key(1))? else {
        reply.map(0);
        return Ok(());
    };
    reply.map(hash.living_len(view.now_ms()));
    hash.for_each(view.now_ms(), |field, value, _| {
        put(reply, field);
        put(reply, value);
    });
    Ok(())
}

pub(super) static HKEYS: Command = Command {
    name: "hkeys",
    arity: 2,
    run: Run::Read(hkeys),
    flags: Flags::READONLY,
    acl: ACL_OF_ALL,
    keys: KEYS,
    group: Group::Hash,
    summary: "Returns all fields of a hash.",
    since: "2.0.0",
    complexity: COMPLEXITY_OF_ALL,
    tips: TIPS_OF_ALL,
    args: &[Arg::key("key")],
    ..Command::BASE
};

fn hkeys(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let Some(hash) = view.object::<Hash>(args.key(1))? else {
        reply.array(0);
        return Ok(());
    };
    reply.array(hash.living_len(view.now_ms()));
    hash.for_each(view.now_ms(), |field, _, _| put(reply, field));
    Ok(())
}

pub(super) static HVALS: Command = Command {
    name: "hvals",
    arity: 2,
    run: Run::Read(hvals),
    flags: Flags::READONLY,
    acl: ACL_OF_ALL,
    keys: KEYS,
    group: Group::Hash,
    summary: "Returns the values of all fields of a hash.",
    since: "2.0.0",
    complexity: COMPLEXITY_OF_ALL,
    tips: TIPS_OF_ALL,
    args: &[Arg::key("key")],
    ..Command::BASE
};

fn hvals(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let Some(hash) = view.object::<Hash>(args.key(1))? else {
        reply.array(0);
        return Ok(());
    };
    reply.array(hash.living_len(view.now_ms()));
    hash.for_each(view.now_ms(), |_, value, _| put(reply, value));
    Ok(())
}

pub(super) static HLEN: Command = Command {
    name: "hlen",
    arity: 2,
    run: Run::Read(hlen),
    flags: FAST,
    acl: ACL,
    keys: KEYS_OF_FACTS,
    group: Group::Hash,
    summary: "Returns the number of fields of a hash.",
    since: "2.0.0",
    args: &[Arg::key("key")],
    ..Command::BASE
};

/// Fields past their deadlines count until they are removed, as in Redis.
fn hlen(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let hash = view.object::<Hash>(args.key(1))?;
    reply.len(hash.map_or(0, Hash::len));
    Ok(())
}

pub(super) static HSTRLEN: Command = Command {
    name: "hstrlen",
    arity: 3,
    run: Run::Read(hstrlen),
    flags: FAST,
    acl: ACL,
    keys: KEYS_OF_FACTS,
    group: Group::Hash,
    summary: "Returns the length of the value of a field of a hash.",
    since: "3.2.0",
    args: &[Arg::key("key"), Arg::string("field")],
    ..Command::BASE
};

fn hstrlen(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let hash = view.object::<Hash>(args.key(1))?;
    let value = hash.and_then(|hash| hash.get(args.get(2), &view.context()));
    reply.len(value.map_or(0, |value| value.len()));
    Ok(())
}

pub(super) static HEXISTS: Command = Command {
    name: "hexists",
    arity: 3,
    run: Run::Read(hexists),
    flags: FAST,
    acl: ACL,
    keys: KEYS_OF_FACTS,
    group: Group::Hash,
    summary: "Tells whether a hash has a field.",
    since: "2.0.0",
    args: &[Arg::key("key"), Arg::string("field")],
    ..Command::BASE
};

fn hexists(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let hash = view.object::<Hash>(args.key(1))?;
    let exists = hash.is_some_and(|hash| hash.contains(args.get(2), &view.context()));
    reply.int(i64::from(exists));
    Ok(())
}
