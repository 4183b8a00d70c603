//! QUIT and RESET.

use super::{FAST_ACL, HANDSHAKE};
use crate::commands::{Args, Command, CommandResult, Flags, Group, Run};
use crate::resp::reply::Version;
use crate::server::{Engine, gate};

pub(super) static QUIT: Command = Command {
    name: "quit",
    arity: -1,
    run: Run::Server(quit),
    flags: HANDSHAKE.union(Flags::IN_MULTI),
    acl: FAST_ACL,
    group: Group::Connection,
    summary: "Closes the connection.",
    deprecated: Some(("7.2.0", "just closing the connection")),
    ..Command::BASE
};

fn quit(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    engine.reply(key).ok();
    engine.close_after_reply(key);
    Ok(())
}

pub(super) static RESET: Command = Command {
    name: "reset",
    arity: 1,
    run: Run::Server(reset),
    flags: HANDSHAKE.union(Flags::IN_MULTI),
    acl: FAST_ACL,
    group: Group::Connection,
    summary: "Makes the connection as if it were new.",
    since: "6.2.0",
    ..Command::BASE
};

/// Everything that a session was told is forgotten, but its id and what its library is called.
fn reset(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    engine.discard_transaction(key);
    engine.end_subscriptions(key);
    engine.stop_tracking(key);
    engine.stop_monitoring(key);
    let client = &mut engine.clients[key];
    if client.session.reply_off {
        // After SKIP it stays without an answer.
        client.output.set_muted(false);
    }
    let session = &mut client.session;
    session.db = 0;
    session.version = Version::Resp2;
    session.identity.name.clear();
    session.reply_off = false;
    session.no_touch = false;
    session.no_evict = false;
    session.gates &= !gate::REPLY_SKIP_NEXT;
    engine.log_out(key);
    engine.reply(key).simple("RESET");
    Ok(())
}
