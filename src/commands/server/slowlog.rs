//! SLOWLOG, and Valkey's COMMANDLOG (<https://valkey.io/commands/commandlog-get/>), of which it is a part. What comes into the logs is
//! decided in [`crate::server`]'s `observation.rs`.

use super::{ADMIN_ACL, POLICIES};
use crate::commands::{Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, Reply, Run};
use crate::server::Engine;
use crate::server::command_log::{LogEntry, LogKind};

const ADMIN: Flags = Flags::ADMIN.union(Flags::LOADING).union(Flags::STALE);
const COUNT: CommandError = CommandError::new("ERR count should be greater than or equal to -1");
/// Entries shown unless the caller says otherwise.
const SHOWN: usize = 10;

pub(super) static SLOWLOG: Command = Command {
    name: "slowlog",
    arity: -2,
    run: Run::Container,
    acl: Acl::SLOW,
    group: Group::Server,
    summary: "A container for slow log commands.",
    since: "2.2.12",
    complexity: "Depends on subcommand.",
    subcommands: &[&GET, &HELP, &LEN, &RESET],
    ..Command::BASE
};

static GET: Command = Command {
    name: "get",
    arity: -2,
    run: Run::Server(get),
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Returns the slow log's entries.",
    since: "2.2.12",
    complexity: "O(N) where N is the number of entries returned",
    history: &[("4.0.0", "Added client IP address, port and name to the reply.")],
    tips: &["request_policy:all_nodes", "nondeterministic_output"],
    args: &[Arg::integer("count").optional(), Arg::word("withqueue", "WITHQUEUE").optional()],
    ..Command::BASE
};

fn get(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let with_queue = args.len() > 2 && args.is(args.len() - 1, "WITHQUEUE");
    let count_at = args.len() - usize::from(with_queue);
    if count_at > 3 {
        return Err(CommandError::unknown_subcommand_or_arity("SLOWLOG", args.get(1)));
    }
    let count = if count_at == 3 { count(args, 2)? } else { SHOWN };
    show(engine, key, LogKind::Slow, count, with_queue);
    Ok(())
}

/// How many entries are wanted; -1: all.
fn count(args: &Args<'_>, index: usize) -> Result<usize, CommandError> {
    match args.int(index).map_err(|_| COUNT)? {
        -1 => Ok(usize::MAX),
        count => usize::try_from(count).map_err(|_| COUNT),
    }
}

fn show(engine: &mut Engine, key: usize, kind: LogKind, count: usize, with_queue: bool) {
    let entries: Vec<LogEntry> = engine.command_log.entries(kind).take(count).cloned().collect();
    let mut reply = engine.reply(key);
    reply.array(entries.len());
    for entry in entries {
        // More than six would confuse clients that read exactly these.
        reply.array(if with_queue { 8 } else { 6 });
        reply.int(entry.id as i64);
        reply.int(entry.unix_s as i64);
        reply.int(entry.amount as i64);
        reply.bulks(&entry.args);
        reply.bulk_str(&entry.addr);
        reply.bulk(&entry.name);
        if with_queue {
            reply.int(entry.queued_us as i64);
            reply.int(i64::from(entry.calls));
        }
    }
}

static LEN: Command = Command {
    name: "len",
    arity: 2,
    run: Run::Server(len),
    is_quick: true,
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Returns the number of entries in the slow log.",
    since: "2.2.12",
    tips: &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"],
    ..Command::BASE
};

fn len(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let len = engine.command_log.len(LogKind::Slow);
    engine.reply(key).len(len);
    Ok(())
}

static RESET: Command = Command {
    name: "reset",
    arity: 2,
    run: Run::Server(reset),
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Clears all entries from the slow log.",
    since: "2.2.12",
    complexity: "O(N) where N is the number of entries in the slowlog",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..Command::BASE
};

fn reset(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    engine.command_log.reset(LogKind::Slow);
    engine.reply(key).ok();
    Ok(())
}

static HELP: Command = Command { run: Run::Pure(help), group: Group::Server, since: "6.2.0", ..Command::HELP };

fn help(_args: &mut Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.simples(&[
        "SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "GET [<count>] [WITHQUEUE]",
        "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
        "    Entries are made of:",
        "    id, timestamp, time in microseconds, arguments array, client IP and port,",
        "    client name; with WITHQUEUE also the microseconds between the arrival in the",
        "    server and the execution, and how many equal calls were timed together",
        "LEN",
        "    Return the length of the slowlog.",
        "RESET",
        "    Reset the slowlog.",
        "HELP",
        "    Print this help.",
    ]);
    Ok(())
}

pub(super) static COMMANDLOG: Command = Command {
    name: "commandlog",
    arity: -2,
    run: Run::Container,
    acl: Acl::SLOW,
    group: Group::Server,
    summary: "A container for commands on the logs of slow commands, large requests and large replies.",
    since: "8.1.0",
    complexity: "Depends on subcommand.",
    subcommands: &[&LOG_GET, &LOG_HELP, &LOG_LEN, &LOG_RESET],
    ..Command::BASE
};

const KIND: Arg = Arg::one_of(
    "type",
    &[Arg::word("slow", "SLOW"), Arg::word("large-request", "LARGE-REQUEST"), Arg::word("large-reply", "LARGE-REPLY")],
);

fn kind(args: &Args<'_>, index: usize) -> Result<LogKind, CommandError> {
    LogKind::parse(args.get(index))
        .ok_or(CommandError::new("ERR type should be one of the following: slow, large-request, large-reply"))
}

static LOG_GET: Command = Command {
    name: "get",
    arity: 4,
    run: Run::Server(log_get),
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Returns entries of one of the logs.",
    since: "8.1.0",
    complexity: "O(N) where N is the number of entries returned",
    tips: &["request_policy:all_nodes", "nondeterministic_output"],
    args: &[Arg::integer("count"), KIND],
    ..Command::BASE
};

fn log_get(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let count = count(args, 2)?;
    show(engine, key, kind(args, 3)?, count, false);
    Ok(())
}

static LOG_LEN: Command = Command {
    name: "len",
    arity: 3,
    run: Run::Server(log_len),
    is_quick: true,
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Returns the number of entries in one of the logs.",
    since: "8.1.0",
    tips: &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"],
    args: &[KIND],
    ..Command::BASE
};

fn log_len(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let len = engine.command_log.len(kind(args, 2)?);
    engine.reply(key).len(len);
    Ok(())
}

static LOG_RESET: Command = Command {
    name: "reset",
    arity: 3,
    run: Run::Server(log_reset),
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Clears one of the logs.",
    since: "8.1.0",
    complexity: "O(N) where N is the number of entries in the commandlog",
    tips: POLICIES,
    args: &[KIND],
    ..Command::BASE
};

fn log_reset(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    engine.command_log.reset(kind(args, 2)?);
    engine.reply(key).ok();
    Ok(())
}

static LOG_HELP: Command = Command { run: Run::Pure(log_help), group: Group::Server, since: "8.1.0", ..Command::HELP };

fn log_help(_args: &mut Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.simples(&[
        "COMMANDLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "GET <count> <type>",
        "    Return top <count> entries of the log of this <type> (-1 mean all): slow,",
        "    large-request or large-reply.",
        "    Entries are made of:",
        "    id, timestamp, time in microseconds or size in bytes, arguments array,",
        "    client IP and port, client name",
        "LEN <type>",
        "    Return the length of the log.",
        "RESET <type>",
        "    Reset the log.",
        "HELP",
        "    Print this help.",
    ]);
    Ok(())
}
