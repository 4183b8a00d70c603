//! MULTI, EXEC, DISCARD.

use super::{ACL, FLAGS};
use crate::commands::{Acl, Args, Command, CommandError, CommandResult, Flags, Group, Run};
use crate::server::{Engine, gate};

pub(super) static MULTI: Command = Command {
    name: "multi",
    arity: 1,
    run: Run::Server(multi),
    flags: FLAGS.union(Flags::IN_MULTI),
    acl: ACL,
    group: Group::Transactions,
    summary: "Starts a transaction.",
    since: "1.2.0",
    ..Command::BASE
};

fn multi(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    if engine.clients[key].session.gates & gate::MULTI != 0 {
        return Err(CommandError::new("ERR MULTI calls can not be nested"));
    }
    engine.begin_transaction(key);
    engine.reply(key).ok();
    Ok(())
}

pub(super) static EXEC: Command = Command {
    name: "exec",
    arity: 1,
    run: Run::Server(exec),
    flags: Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE).union(Flags::SKIP_SLOWLOG).union(Flags::IN_MULTI),
    acl: Acl::SLOW.union(Acl::TRANSACTION),
    group: Group::Transactions,
    summary: "Executes all commands of a transaction.",
    since: "1.2.0",
    complexity: "Depends on commands in the transaction",
    ..Command::BASE
};

fn exec(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    engine.execute_transaction(key)
}

pub(super) static DISCARD: Command = Command {
    name: "discard",
    arity: 1,
    run: Run::Server(discard),
    flags: FLAGS.union(Flags::IN_MULTI),
    acl: ACL,
    group: Group::Transactions,
    summary: "Discards a transaction.",
    since: "2.0.0",
    complexity: "O(N), when N is the number of queued commands",
    ..Command::BASE
};

fn discard(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    if engine.clients[key].session.gates & gate::MULTI == 0 {
        return Err(CommandError::new("ERR DISCARD without MULTI"));
    }
    engine.discard_transaction(key);
    engine.reply(key).ok();
    Ok(())
}
