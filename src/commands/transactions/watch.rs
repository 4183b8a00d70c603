//! WATCH, UNWATCH.

use super::{ACL, FLAGS};
use crate::commands::{Arg, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Run};
use crate::server::{Engine, gate};

pub(super) static WATCH: Command = Command {
    name: "watch",
    arity: -2,
    run: Run::Server(watch),
    flags: FLAGS.union(Flags::IN_MULTI),
    acl: ACL,
    keys: &[KeySpec::range(1, -1, 1, KeyFlags::RO)],
    group: Group::Transactions,
    summary: "Monitors changes to keys to determine the execution of a transaction.",
    since: "2.2.0",
    complexity: "O(1) for every key.",
    args: &[Arg::key("key").multiple()],
    ..Command::BASE
};

fn watch(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    if engine.clients[key].session.gates & gate::MULTI != 0 {
        return Err(CommandError::new("ERR WATCH inside MULTI is not allowed"));
    }
    for name in args.from(1) {
        engine.watch(key, name);
    }
    engine.reply(key).ok();
    Ok(())
}

pub(super) static UNWATCH: Command = Command {
    name: "unwatch",
    arity: 1,
    run: Run::Server(unwatch),
    flags: FLAGS,
    acl: ACL,
    group: Group::Transactions,
    summary: "Forgets about watched keys of a transaction.",
    since: "2.2.0",
    ..Command::BASE
};

fn unwatch(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    engine.unwatch_all(key);
    engine.reply(key).ok();
    Ok(())
}
