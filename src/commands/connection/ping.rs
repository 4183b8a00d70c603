//! PING and ECHO.

use crate::commands::{Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, Reply, Run};

pub(super) static PING: Command = Command {
    name: "ping",
    arity: -1,
    run: Run::Pure(ping),
    flags: Flags::FAST,
    acl: Acl::FAST.union(Acl::CONNECTION),
    group: Group::Connection,
    summary: "Answers PONG, or the message.",
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
