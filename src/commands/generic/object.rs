//! OBJECT: how a value is kept, and how recently or how often it was used.

use crate::commands::{
    Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::{Entry, ValueRef, View};

pub(super) static OBJECT: Command = Command {
    name: "object",
    arity: -2,
    run: Run::Container,
    acl: Acl::SLOW,
    group: Group::Generic,
    summary: "Looks into a value: a container for its subcommands.",
    since: "2.2.3",
    complexity: "By subcommand.",
    subcommands: &[&ENCODING, &FREQ, &HELP, &IDLETIME, &REFCOUNT],
    ..Command::BASE
};

const ACL: Acl = Acl::KEYSPACE.union(Acl::READ).union(Acl::SLOW);
const KEYS: &[KeySpec] = &[KeySpec::one(2, KeyFlags::RO)];
const TIPS: &[&str] = &["nondeterministic_output"];

/// The entry at argument 2; None if there is none, and null has been answered.
fn find<'a>(args: &Args<'_>, view: &View<'a>, reply: &mut Reply<'_>) -> Option<&'a Entry> {
    let entry = view.inspect(view.key(args.get(2)));
    if entry.is_none() {
        reply.null();
    }
    entry
}

static ENCODING: Command = Command {
    name: "encoding",
    arity: 3,
    run: Run::Read(encoding),
    is_quick: true,
    flags: Flags::READONLY,
    acl: ACL,
    keys: KEYS,
    group: Group::Generic,
    summary: "Returns how the value of a key is encoded.",
    since: "2.2.3",
    tips: TIPS,
    args: &[Arg::key("key")],
    ..Command::BASE
};

fn encoding(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if let Some(entry) = find(args, view, reply) {
        reply.bulk_str(entry.value().encoding());
    }
    Ok(())
}

static FREQ: Command = Command {
    name: "freq",
    arity: 3,
    run: Run::Read(freq),
    is_quick: true,
    flags: Flags::READONLY,
    acl: ACL,
    keys: KEYS,
    group: Group::Generic,
    summary: "Returns the logarithmic counter of the uses of a key.",
    since: "4.0.0",
    tips: TIPS,
    args: &[Arg::key("key")],
    ..Command::BASE
};

fn freq(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let Some(entry) = find(args, view, reply) else { return Ok(()) };
    if !view.keyspace().settings.policy.is_lfu() {
        return Err(CommandError::new(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
             switching between policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    reply.int(i64::from(view.lfu_counter(entry)));
    Ok(())
}

static IDLETIME: Command = Command {
    name: "idletime",
    arity: 3,
    run: Run::Read(idletime),
    is_quick: true,
    flags: Flags::READONLY,
    acl: ACL,
    keys: KEYS,
    group: Group::Generic,
    summary: "Returns the seconds since a key was last used.",
    since: "2.2.3",
    tips: TIPS,
    args: &[Arg::key("key")],
    ..Command::BASE
};

fn idletime(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let Some(entry) = find(args, view, reply) else { return Ok(()) };
    if view.keyspace().settings.policy.is_lfu() {
        return Err(CommandError::new(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between \
             policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    reply.int(i64::from(view.idle_s(entry)));
    Ok(())
}

static REFCOUNT: Command = Command {
    name: "refcount",
    arity: 3,
    run: Run::Read(refcount),
    is_quick: true,
    flags: Flags::READONLY,
    acl: ACL,
    keys: KEYS,
    group: Group::Generic,
    summary: "Returns the number of references to the value of a key.",
    since: "2.2.3",
    tips: TIPS,
    args: &[Arg::key("key")],
    ..Command::BASE
};

/// Integers below it are shared by all keys in Redis, which then has no count of their references.
const SHARED_INTEGERS: i64 = 10_000;

fn refcount(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let Some(entry) = find(args, view, reply) else { return Ok(()) };
    reply.int(match entry.value() {
        ValueRef::Int(0..SHARED_INTEGERS) if view.context().settings.shared_integers => i64::from(i32::MAX),
        _ => 1,
    });
    Ok(())
}

static HELP: Command = Command {
    run: Run::Pure(help),
    acl: Acl::KEYSPACE.union(Acl::SLOW),
    group: Group::Generic,
    summary: "Prints what the subcommands do.",
    since: "6.2.0",
    ..Command::HELP
};

fn help(_args: &mut Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    const LINES: &[&str] = &[
        "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "ENCODING <key>",
        "    Return how the value of <key> is kept in memory.",
        "FREQ <key>",
        "    Return the logarithmic counter of the uses of <key>. It is kept with an",
        "    LFU maxmemory policy only.",
        "IDLETIME <key>",
        "    Return the number of seconds since <key> was last used.",
        "REFCOUNT <key>",
        "    Return the number of references to the value of <key>.",
        "HELP",
        "    Print this help.",
    ];
    reply.array(LINES.len());
    LINES.iter().for_each(|line| reply.simple(line));
    Ok(())
}
