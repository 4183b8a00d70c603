//! TIME.

use crate::commands::{Acl, Args, Command, CommandResult, Flags, Group, Run};
use crate::server::Engine;

pub(super) static TIME: Command = Command {
    name: "time",
    arity: 1,
    run: Run::Server(time),
    flags: Flags::LOADING.union(Flags::STALE).union(Flags::FAST),
    acl: Acl::FAST,
    group: Group::Server,
    summary: "Returns the server's time.",
    since: "2.6.0",
    tips: &["nondeterministic_output"],
    ..Command::BASE
};

fn time(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let now_us = engine.clock.unix_us();
    let mut reply = engine.reply(key);
    reply.array(2);
    reply.bulk_int((now_us / 1_000_000) as i64);
    reply.bulk_int((now_us % 1_000_000) as i64);
    Ok(())
}
