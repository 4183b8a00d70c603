//! CLIENT UNBLOCK. How clients wait is in [`crate::server::blocking`].

use super::{OTHERS, OTHERS_ACL};
use crate::commands::{Arg, Args, Command, CommandError, CommandResult, Group, Run};
use crate::server::Engine;
use crate::server::blocking::EndOfWait;

pub(super) static UNBLOCK: Command = Command {
    name: "unblock",
    arity: -3,
    run: Run::Server(unblock),
    flags: OTHERS,
    acl: OTHERS_ACL,
    group: Group::Connection,
    summary: "Ends the waiting of another connection in a blocking command.",
    since: "5.0.0",
    complexity: "O(N) where N is the number of client connections",
    args: &[
        Arg::integer("client-id"),
        Arg::one_of("unblock-type", &[Arg::word("timeout", "TIMEOUT"), Arg::word("error", "ERROR")]).optional(),
    ],
    ..Command::BASE
};

fn unblock(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let why = match args.len() {
        3 => EndOfWait::Timeout,
        4 if args.is(3, "TIMEOUT") => EndOfWait::Timeout,
        4 if args.is(3, "ERROR") => EndOfWait::Unblocked,
        4 => return Err(CommandError::new("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")),
        _ => return Err(CommandError::unknown_subcommand_or_arity("CLIENT", args.get(1))),
    };
    let id = args.int(2)?;
    let found = engine.clients.iter().find(|(_, client)| i64::try_from(client.session.id) == Ok(id));
    let target = found.map(|(target, _)| target);
    let unblocked = target.is_some_and(|target| engine.unblock(target, why));
    engine.reply(key).int(i64::from(unblocked));
    Ok(())
}
