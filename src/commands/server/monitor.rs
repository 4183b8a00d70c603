//! MONITOR. What monitors are told is in [`crate::server`]'s `monitor.rs`.

use super::{ADMIN, ADMIN_ACL};
use crate::commands::{Args, Command, CommandError, CommandResult, Group, Run};
use crate::server::Engine;

pub(super) static MONITOR: Command = Command {
    name: "monitor",
    arity: 1,
    run: Run::Server(monitor),
    is_quick: true,
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Listens for all requests received by the server in real-time.",
    complexity: "O(1)",
    ..Command::BASE
};

fn monitor(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    if engine.is_blocking_denied() {
        return Err(CommandError::new("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    // A second one is not even answered, as in Redis.
    if !engine.clients[key].session.monitors {
        engine.start_monitoring(key);
        engine.reply(key).ok();
    }
    Ok(())
}
