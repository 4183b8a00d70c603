//! WAIT and WAITAOF: until replicas have what this connection wrote, and until it is on disks. There are no replicas, so whoever wants some
//! waits as long as they said. The local disk is asked for a sync at once, whatever `appendfsync` is. The waiting is
//! [`crate::server::blocking`]'s.

use crate::base::number;
use crate::commands::{Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, Run, timeout_within};
use crate::server::Engine;
use crate::server::blocking::{Acks, NO_AOF};

pub(super) static WAIT: Command = Command {
    name: "wait",
    arity: 3,
    run: Run::Server(wait),
    is_quick: true,
    flags: Flags::NOSCRIPT,
    acl: Acl::SLOW.union(Acl::CONNECTION),
    group: Group::Generic,
    summary: "Waits until replicas have what this connection wrote.",
    since: "3.0.0",
    tips: &["request_policy:all_shards", "response_policy:agg_min"],
    args: &[Arg::integer("numreplicas"), Arg::integer("timeout")],
    ..Command::BASE
};

fn wait(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let replicas = args.int(1)? > 0;
    let timeout_ms = timeout_ms(args.get(2), engine.keyspace.now_ms())?;
    let acks = Acks { local_bytes: None, replicas, counts_both: false };
    engine.wait_for_acks(key, "wait", args, acks, timeout_ms);
    Ok(())
}

pub(super) static WAITAOF: Command = Command {
    name: "waitaof",
    arity: 4,
    run: Run::Server(waitaof),
    is_quick: true,
    flags: Flags::NOSCRIPT,
    acl: Acl::SLOW.union(Acl::CONNECTION),
    group: Group::Generic,
    summary: "Waits until what this connection wrote is on disks, here and of replicas.",
    since: "7.2.0",
    tips: &["request_policy:all_shards", "response_policy:agg_min"],
    args: &[Arg::integer("numlocal"), Arg::integer("numreplicas"), Arg::integer("timeout")],
    ..Command::BASE
};

fn waitaof(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let is_local = args.int_within(1, 0, 1)? > 0;
    let replicas = number::parse_i64(args.get(2)).filter(|&count| count >= 0).ok_or(NOT_POSITIVE)? > 0;
    let timeout_ms = timeout_ms(args.get(3), engine.keyspace.now_ms())?;
    // What anybody has written by now; what this client has is among it.
    let written_bytes = engine.request_sync(is_local);
    if is_local && written_bytes.is_none() {
        return Err(NO_AOF);
    }
    let acks = Acks { local_bytes: written_bytes.filter(|_| is_local), replicas, counts_both: true };
    engine.wait_for_acks(key, "waitaof", args, acks, timeout_ms);
    Ok(())
}

const NOT_POSITIVE: CommandError = CommandError::new("ERR value is out of range, must be positive");

/// Milliseconds; None: for ever.
fn timeout_ms(text: &[u8], now_ms: i64) -> Result<Option<u64>, CommandError> {
    let timeout_ms =
        number::parse_i64(text).ok_or(CommandError::new("ERR timeout is not an integer or out of range"))?;
    timeout_within(timeout_ms, now_ms)
}
