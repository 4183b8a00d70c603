//! SELECT.

use super::FAST_ACL;
use crate::commands::{Arg, Args, Command, CommandError, CommandResult, Flags, Group, Run};
use crate::server::Engine;

pub(super) static SELECT: Command = Command {
    name: "select",
    arity: 2,
    run: Run::Server(select),
    flags: Flags::LOADING.union(Flags::STALE).union(Flags::FAST),
    acl: FAST_ACL,
    group: Group::Connection,
    summary: "Changes the database that the connection works on.",
    args: &[Arg::integer("index")],
    ..Command::BASE
};

fn select(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let index = i32::try_from(args.int(1)?)
        .map_err(|_| CommandError::new("ERR value is out of range, value must between -2147483648 and 2147483647"))?;
    let db = usize::try_from(index)
        .ok()
        .filter(|&db| db < engine.keyspace.databases())
        .ok_or(CommandError::new("ERR DB index is out of range"))?;
    engine.clients[key].session.db = db;
    engine.reply(key).ok();
    Ok(())
}
