//! SCRIPT: the cache of scripts is empty.

use crate::commands::{Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, Reply, Run};

const ACL: Acl = Acl::SLOW.union(Acl::SCRIPTING);
pub(super) const NOT_BUSY: CommandError = CommandError::new("NOTBUSY No scripts in execution right now.");

pub(super) static SCRIPT: Command = Command {
    name: "script",
    arity: -2,
    run: Run::Container,
    acl: Acl::SLOW,
    group: Group::Scripting,
    summary: "A container for commands on Lua scripts.",
    since: "2.6.0",
    complexity: "Depends on subcommand.",
    subcommands: &[&EXISTS, &FLUSH, &HELP, &KILL],
    ..Command::BASE
};

static EXISTS: Command = Command {
    name: "exists",
    arity: -3,
    run: Run::Pure(exists),
    flags: Flags::NOSCRIPT,
    acl: ACL,
    group: Group::Scripting,
    summary: "Says which scripts are in the cache.",
    since: "2.6.0",
    complexity: "O(N) with N being the number of scripts to check",
    tips: &["request_policy:all_shards", "response_policy:agg_logical_and"],
    args: &[Arg::string("sha1").multiple()],
    ..Command::BASE
};

fn exists(args: &mut Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.array(args.len() - 2);
    for _ in 2..args.len() {
        reply.int(0);
    }
    Ok(())
}

static FLUSH: Command = Command {
    name: "flush",
    arity: -2,
    run: Run::Pure(flush),
    flags: Flags::NOSCRIPT,
    acl: ACL,
    group: Group::Scripting,
    summary: "Empties the cache of scripts.",
    since: "2.6.0",
    complexity: "O(N) with N being the number of scripts in cache",
    history: &[("6.2.0", "The modifiers `ASYNC` and `SYNC`.")],
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    args: &[Arg::one_of(
        "flush-type",
        &[Arg::word("async", "ASYNC").since("6.2.0"), Arg::word("sync", "SYNC").since("6.2.0")],
    )
    .optional()
    .since("6.2.0")],
    ..Command::BASE
};

fn flush(args: &mut Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    match args.len() {
        2 => {}
        3 if args.is(2, "SYNC") || args.is(2, "ASYNC") => {}
        _ => return Err(CommandError::new("ERR SCRIPT FLUSH only support SYNC|ASYNC option")),
    }
    reply.ok();
    Ok(())
}

static KILL: Command = Command {
    name: "kill",
    arity: 2,
    run: Run::Pure(|_, _| Err(NOT_BUSY)),
    is_quick: true,
    flags: Flags::NOSCRIPT.union(Flags::ALLOW_BUSY),
    acl: ACL,
    group: Group::Scripting,
    summary: "Ends the script that is running.",
    since: "2.6.0",
    tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
    ..Command::BASE
};

static HELP: Command =
    Command { run: Run::Pure(help), acl: ACL, group: Group::Scripting, since: "5.0.0", ..Command::HELP };

fn help(_args: &mut Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.simples(&[
        "SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "EXISTS <sha1> [<sha1> ...]",
        "    Which scripts are in the cache: none.",
        "FLUSH [ASYNC|SYNC]",
        "    Empty the cache.",
        "KILL",
        "    End the script that is running.",
        "HELP",
        "    This text.",
    ]);
    Ok(())
}
