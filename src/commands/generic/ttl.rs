//! Asking for deadlines: TTL, PTTL, EXPIRETIME, PEXPIRETIME.

use crate::commands::{Acl, Arg, Args, Command, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run};
use crate::keyspace::{Entry, View};

const FLAGS: Flags = Flags::READONLY.union(Flags::FAST);
const ACL: Acl = Acl::KEYSPACE.union(Acl::READ).union(Acl::FAST);
const KEYS: &[KeySpec] = &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))];
const HISTORY: &[(&str, &str)] = &[("2.8.0", "Answers -2 for a key that does not exist.")];
const TIPS: &[&str] = &["nondeterministic_output"];

pub(super) static TTL: Command = Command {
    name: "ttl",
    arity: 2,
    run: Run::Read(ttl),
    flags: FLAGS,
    acl: ACL,
    keys: KEYS,
    group: Group::Generic,
    summary: "Returns the time to live of a key, in seconds.",
    history: HISTORY,
    tips: TIPS,
    args: &[Arg::key("key")],
    ..Command::BASE
};

fn ttl(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let now_ms = view.now_ms();
    put(args, view, reply, |deadline_ms| in_seconds(deadline_ms - now_ms))
}

pub(super) static PTTL: Command = Command {
    name: "pttl",
    arity: 2,
    run: Run::Read(pttl),
    flags: FLAGS,
    acl: ACL,
    keys: KEYS,
    group: Group::Generic,
    summary: "Returns the time to live of a key, in milliseconds.",
    since: "2.6.0",
    history: HISTORY,
    tips: TIPS,
    args: &[Arg::key("key")],
    ..Command::BASE
};

fn pttl(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let now_ms = view.now_ms();
    put(args, view, reply, |deadline_ms| deadline_ms - now_ms)
}

pub(super) static EXPIRETIME: Command = Command {
    name: "expiretime",
    arity: 2,
    run: Run::Read(expiretime),
    flags: FLAGS,
    acl: ACL,
    keys: KEYS,
    group: Group::Generic,
    summary: "Returns the moment at which a key expires, in Unix seconds.",
    since: "7.0.0",
    args: &[Arg::key("key")],
    ..Command::BASE
};

fn expiretime(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    put(args, view, reply, in_seconds)
}

pub(super) static PEXPIRETIME: Command = Command {
    name: "pexpiretime",
    arity: 2,
    run: Run::Read(pexpiretime),
    flags: FLAGS,
    acl: ACL,
    keys: KEYS,
    group: Group::Generic,
    summary: "Returns the moment at which a key expires, in Unix milliseconds.",
    since: "7.0.0",
    args: &[Arg::key("key")],
    ..Command::BASE
};

fn pexpiretime(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    put(args, view, reply, |deadline_ms| deadline_ms)
}

/// Rounded to the nearest, as Redis does. Unsigned, because the last deadline there is would overflow.
fn in_seconds(milliseconds: i64) -> i64 {
    milliseconds / 1000 + i64::from(milliseconds % 1000 >= 500)
}

/// Answers what `show` makes of the key's deadline; -1: it has none, -2: no such key.
fn put(args: &Args<'_>, view: &View<'_>, reply: &mut Reply<'_>, show: impl FnOnce(i64) -> i64) -> CommandResult {
    reply.int(match view.probe(args.key(1)).map(Entry::deadline_ms) {
        None => -2,
        Some(None) => -1,
        Some(Some(deadline_ms)) => show(deadline_ms),
    });
    Ok(())
}
