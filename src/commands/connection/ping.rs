//! PING and ECHO.

use super::FAST_ACL;
use crate::commands::{Arg, Args, Command, CommandError, CommandResult, Flags, Group, Reply, Run};

pub(super) static PING: Command = Command {
    name: "ping",
    arity: -1,
    run: Run::Pure(ping),
    flags: Flags::FAST,
    acl: FAST_ACL,
    group: Group::Connection,
    summary: "Answers PONG, or the message.",
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    args: &[Arg::string("message").optional()],
    ..Command::BASE
};

fn ping(args: &mut Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    match args.len() {
        1 => reply.simple("PONG"),
        2 => reply.bulk(args.get(1)),
        _ => return Err(CommandError::wrong_arity("ping")),
    }
    Ok(())
}

pub(super) static ECHO: Command = Command {
    name: "echo",
    arity: 2,
    run: Run::Pure(echo),
    flags: Flags::LOADING.union(Flags::STALE).union(Flags::FAST),
    acl: FAST_ACL,
    group: Group::Connection,
    summary: "Answers the message.",
    args: &[Arg::string("message")],
    ..Command::BASE
};

fn echo(args: &mut Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.bulk(args.get(1));
    Ok(())
}
