//! CLIENT REPLY, NO-EVICT and NO-TOUCH: switches of the calling connection.

use super::{OTHERS, OTHERS_ACL, OWN, OWN_ACL};
use crate::commands::{Arg, Args, Command, CommandError, CommandResult, Group, Reply, Run};
use crate::server::{Engine, Session, gate};

const ON_OFF: &[Arg] = &[Arg::word("on", "ON"), Arg::word("off", "OFF")];

pub(super) static REPLY: Command = Command {
    name: "reply",
    arity: 3,
    run: Run::Server(reply),
    is_quick: true,
    flags: OWN,
    acl: OWN_ACL,
    group: Group::Connection,
    summary: "Says whether commands are to be answered.",
    since: "3.2.0",
    args: &[Arg::one_of("action", &[Arg::word("on", "ON"), Arg::word("off", "OFF"), Arg::word("skip", "SKIP")])],
    ..Command::BASE
};

/// Only ON answers.
fn reply(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let client = &mut engine.clients[key];
    if args.is(2, "ON") {
        client.session.reply_off = false;
        client.output.set_muted(false);
        engine.reply(key).ok();
    } else if args.is(2, "OFF") {
        client.session.reply_off = true;
        client.output.set_muted(true);
    } else if args.is(2, "SKIP") {
        if !client.session.reply_off {
            client.session.gates |= gate::REPLY_SKIP_NEXT;
        }
    } else {
        return Err(CommandError::SYNTAX);
    }
    Ok(())
}

fn on_off(args: &Args<'_>) -> Result<bool, CommandError> {
    match (args.is(2, "ON"), args.is(2, "OFF")) {
        (true, _) => Ok(true),
        (_, true) => Ok(false),
        _ => Err(CommandError::SYNTAX),
    }
}

pub(super) static NO_EVICT: Command = Command {
    name: "no-evict",
    arity: 3,
    run: Run::Session(no_evict),
    is_quick: true,
    flags: OTHERS,
    acl: OTHERS_ACL,
    group: Group::Connection,
    summary: "Says whether the connection may be closed to save memory.",
    since: "7.0.0",
    args: &[Arg::one_of("enabled", ON_OFF)],
    ..Command::BASE
};

fn no_evict(args: &mut Args<'_>, session: &mut Session, reply: &mut Reply<'_>) -> CommandResult {
    session.no_evict = on_off(args)?;
    reply.ok();
    Ok(())
}

pub(super) static NO_TOUCH: Command = Command {
    name: "no-touch",
    arity: 3,
    run: Run::Session(no_touch),
    is_quick: true,
    flags: OWN,
    acl: OWN_ACL,
    group: Group::Connection,
    summary: "Says whether the connection's commands count as uses of keys.",
    since: "7.2.0",
    args: &[Arg::one_of("enabled", ON_OFF)],
    ..Command::BASE
};

fn no_touch(args: &mut Args<'_>, session: &mut Session, reply: &mut Reply<'_>) -> CommandResult {
    session.no_touch = on_off(args)?;
    reply.ok();
    Ok(())
}
