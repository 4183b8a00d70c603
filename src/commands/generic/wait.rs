//! WAIT and WAITAOF: how many replicas have what this connection wrote. There are none, and none can come while a client waits, so the answer is
//! there at once.

use crate::base::number;
use crate::commands::{Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, Reply, Run};

pub(super) static WAIT: Command = Command {
    name: "wait",
    arity: 3,
    run: Run::Pure(wait),
    flags: Flags::NOSCRIPT,
    acl: Acl::SLOW.union(Acl::CONNECTION),
    group: Group::Generic,
    summary: "Waits until replicas have what this connection wrote.",
    since: "3.0.0",
    tips: &["request_policy:all_shards", "response_policy:agg_min"],
    args: &[Arg::integer("numreplicas"), Arg::integer("timeout")],
    ..Command::BASE
};

fn wait(args: &mut Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    args.int(1)?;
    check_timeout(args.get(2))?;
    reply.int(0);
    Ok(())
}

pub(super) static WAITAOF: Command = Command {
    name: "waitaof",
    arity: 4,
    run: Run::Pure(waitaof),
    flags: Flags::NOSCRIPT,
    acl: Acl::SLOW.union(Acl::CONNECTION),
    group: Group::Generic,
    summary: "Waits until what this connection wrote is on disks, here and of replicas.",
    since: "7.2.0",
    tips: &["request_policy:all_shards", "response_policy:agg_min"],
    args: &[Arg::integer("numlocal"), Arg::integer("numreplicas"), Arg::integer("timeout")],
    ..Command::BASE
};

fn waitaof(args: &mut Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let local = args.int_within(1, 0, 1)?;
    args.int_within(2, 0, i64::MAX)?;
    check_timeout(args.get(3))?;
    if local > 0 {
        return Err(CommandError::new("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."));
    }
    reply.array(2);
    reply.int(0);
    reply.int(0);
    Ok(())
}

/// Milliseconds.
fn check_timeout(text: &[u8]) -> CommandResult {
    match number::parse_i64(text) {
        None => Err(CommandError::new("ERR timeout is not an integer or out of range")),
        Some(..0) => Err(CommandError::new("ERR timeout is negative")),
        Some(_) => Ok(()),
    }
}
