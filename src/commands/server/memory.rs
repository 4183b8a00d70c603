//! MEMORY: what keys cost.

use crate::commands::{
    Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::View;

pub(super) static MEMORY: Command = Command {
    name: "memory",
    arity: -2,
    run: Run::Container,
    acl: Acl::SLOW,
    group: Group::Server,
    summary: "A container for commands about memory.",
    since: "4.0.0",
    complexity: "Depends on subcommand.",
    subcommands: &[&HELP, &USAGE],
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

static HELP: Command = Command {
    name: "help",
    arity: 2,
    run: Run::Pure(help),
    flags: Flags::LOADING.union(Flags::STALE),
    acl: Acl::SLOW,
    group: Group::Server,
    summary: "Prints what the subcommands do.",
    since: "4.0.0",
    ..Command::BASE
};

fn help(_args: &mut Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.simples(&[
        "MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "USAGE <key> [SAMPLES <count>]",
        "    Return the bytes that <key> and its value take in memory. Large values are",
        "    estimated from <count> elements (default: 5, 0: from all).",
        "HELP",
        "    Print this help.",
    ]);
    Ok(())
}
