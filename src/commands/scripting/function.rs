//! FUNCTION: there are no libraries, so there is nothing to list, to delete and to kill.

use crate::commands::{Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, Reply, Run, quotable};

const ACL: Acl = Acl::SLOW.union(Acl::SCRIPTING);
const ON_ALL_SHARDS: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];

pub(super) static FUNCTION: Command = Command {
    name: "function",
    arity: -2,
    run: Run::Container,
    acl: Acl::SLOW,
    group: Group::Scripting,
    summary: "A container for commands on function libraries.",
    since: "7.0.0",
    complexity: "Depends on subcommand.",
    subcommands: &[&DELETE, &FLUSH, &HELP, &KILL, &LIST, &STATS],
    ..Command::BASE
};

static DELETE: Command = Command {
    name: "delete",
    arity: 3,
    run: Run::Pure(|_, _| Err(CommandError::new("ERR Library not found"))),
    is_quick: true,
    flags: Flags::WRITE.union(Flags::NOSCRIPT),
    acl: ACL.union(Acl::WRITE),
    group: Group::Scripting,
    summary: "Deletes a library.",
    since: "7.0.0",
    tips: ON_ALL_SHARDS,
    args: &[Arg::string("library-name")],
    ..Command::BASE
};

static FLUSH: Command = Command {
    name: "flush",
    arity: -2,
    run: Run::Pure(flush),
    flags: Flags::WRITE.union(Flags::NOSCRIPT),
    acl: ACL.union(Acl::WRITE),
    group: Group::Scripting,
    summary: "Deletes all libraries.",
    since: "7.0.0",
    complexity: "O(N) where N is the number of functions deleted",
    tips: ON_ALL_SHARDS,
    args: &[Arg::one_of("flush-type", &[Arg::word("async", "ASYNC"), Arg::word("sync", "SYNC")]).optional()],
    ..Command::BASE
};

fn flush(args: &mut Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    match args.len() {
        2 => {}
        3 if args.is(2, "SYNC") || args.is(2, "ASYNC") => {}
        3 => return Err(CommandError::new("ERR FUNCTION FLUSH only supports SYNC|ASYNC option")),
        _ => return Err(CommandError::unknown_subcommand_or_arity("FUNCTION", args.get(1))),
    }
    reply.ok();
    Ok(())
}

static KILL: Command = Command {
    name: "kill",
    arity: 2,
    run: Run::Pure(|_, _| Err(super::script::NOT_BUSY)),
    is_quick: true,
    flags: Flags::NOSCRIPT.union(Flags::ALLOW_BUSY),
    acl: ACL,
    group: Group::Scripting,
    summary: "Ends the function that is running.",
    since: "7.0.0",
    tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
    ..Command::BASE
};

static LIST: Command = Command {
    name: "list",
    arity: -2,
    run: Run::Pure(list),
    flags: Flags::NOSCRIPT,
    acl: ACL,
    group: Group::Scripting,
    summary: "Returns what there is to know about the libraries.",
    since: "7.0.0",
    complexity: "O(N) where N is the number of functions",
    tips: &["nondeterministic_output_order"],
    args: &[
        Arg::string("library-name-pattern").token("LIBRARYNAME").optional(),
        Arg::word("withcode", "WITHCODE").optional(),
    ],
    ..Command::BASE
};

fn list(args: &mut Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (mut with_code, mut has_name) = (false, false);
    let mut at = 2;
    while at < args.len() {
        if !with_code && args.is(at, "WITHCODE") {
            with_code = true;
        } else if !has_name && args.is(at, "LIBRARYNAME") {
            if at + 1 == args.len() {
                return Err(CommandError::new("ERR library name argument was not given"));
            }
            has_name = true;
            at += 1;
        } else {
            return Err(CommandError::owned([b"ERR Unknown argument ".as_slice(), quotable(args.get(at))].concat()));
        }
        at += 1;
    }
    reply.array(0);
    Ok(())
}

static STATS: Command = Command {
    name: "stats",
    arity: 2,
    run: Run::Pure(stats),
    is_quick: true,
    flags: Flags::NOSCRIPT.union(Flags::ALLOW_BUSY),
    acl: ACL,
    group: Group::Scripting,
    summary: "Returns what runs, and how many libraries each engine has.",
    since: "7.0.0",
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    ..Command::BASE
};

/// Nothing runs, and there are no engines.
fn stats(_args: &mut Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.map(2);
    reply.bulk(b"running_script");
    reply.null();
    reply.bulk(b"engines");
    reply.map(0);
    Ok(())
}

static HELP: Command =
    Command { run: Run::Pure(help), acl: ACL, group: Group::Scripting, since: "7.0.0", ..Command::HELP };

fn help(_args: &mut Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.simples(&[
        "FUNCTION <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "DELETE <library-name>",
        "    Delete a library.",
        "FLUSH [ASYNC|SYNC]",
        "    Delete all libraries.",
        "KILL",
        "    End the function that is running.",
        "LIST [LIBRARYNAME <pattern>] [WITHCODE]",
        "    What there is to know about the libraries: there are none.",
        "STATS",
        "    What runs, and the engines.",
        "HELP",
        "    This text.",
    ]);
    Ok(())
}
