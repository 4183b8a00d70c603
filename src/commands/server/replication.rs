//! ROLE, REPLICAOF and SLAVEOF of a server that is always a master and has no replicas yet.

use crate::base::number;
use crate::commands::{Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, Reply, Run};

use super::ADMIN_ACL;

pub(super) static ROLE: Command = Command {
    name: "role",
    run: Run::Pure(role),
    flags: Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE).union(Flags::FAST),
    acl: Acl::ADMIN.union(Acl::FAST).union(Acl::DANGEROUS),
    group: Group::Server,
    summary: "Returns whether the server is a master or a replica, and of whom.",
    since: "2.8.12",
    ..Command::BASE
};

fn role(_args: &mut Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.array(3);
    reply.bulk(b"master");
    // The offset of what has been sent to replicas, and those.
    reply.int(0);
    reply.array(0);
    Ok(())
}

const FLAGS: Flags = Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::STALE).union(Flags::NO_ASYNC_LOADING);
const ARGS: &[Arg] = &[Arg::one_of(
    "args",
    &[
        Arg::block("host-port", &[Arg::string("host"), Arg::integer("port")]),
        Arg::block("no-one", &[Arg::word("no", "NO"), Arg::word("one", "ONE")]),
    ],
)];

pub(super) static REPLICAOF: Command = Command {
    name: "replicaof",
    arity: 3,
    run: Run::Pure(replicaof),
    is_quick: true,
    flags: FLAGS,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Makes the server a replica of another one, or a master.",
    since: "5.0.0",
    args: ARGS,
    ..Command::BASE
};

pub(super) static SLAVEOF: Command = Command {
    name: "slaveof",
    arity: 3,
    run: Run::Pure(replicaof),
    is_quick: true,
    flags: FLAGS,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Makes the server a replica of another one, or a master.",
    since: "1.0.0",
    deprecated: Some(("5.0.0", "`REPLICAOF`")),
    args: ARGS,
    ..Command::BASE
};

/// A master it is already; another's replica it cannot be, and does not pretend to be.
fn replicaof(args: &mut Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if args.is(1, "NO") && args.is(2, "ONE") {
        reply.ok();
        return Ok(());
    }
    if !number::parse_i64(args.get(2)).is_some_and(|port| (0..=65535).contains(&port)) {
        return Err(CommandError::new("ERR Invalid master port"));
    }
    Err(CommandError::new("ERR there is no replication yet: this server can only be a master"))
}
