//! Cluster commands (<https://redis.io/docs/latest/commands/?group=cluster>) of a server that is in none: each is known, so that clients
//! which ask first find out, and none does anything.

mod subcommands;

use super::{Acl, Args, Command, CommandError, CommandResult, Flags, Group, Reply, Run};

pub static COMMANDS: &[&Command] = &[&ASKING, &subcommands::CLUSTER, &READONLY, &READWRITE];

static ASKING: Command = Command {
    name: "asking",
    run: Run::Pure(refuse),
    flags: Flags::FAST,
    acl: Acl::FAST.union(Acl::CONNECTION),
    group: Group::Cluster,
    summary: "Announces a command that a redirection with ASK has led here.",
    since: "3.0.0",
    ..Command::BASE
};

static READONLY: Command = Command {
    name: "readonly",
    run: Run::Pure(refuse),
    flags: CONNECTION,
    acl: Acl::FAST.union(Acl::CONNECTION),
    group: Group::Cluster,
    summary: "Lets the client read from a replica of a cluster.",
    since: "3.0.0",
    ..Command::BASE
};

static READWRITE: Command = Command {
    name: "readwrite",
    run: Run::Pure(refuse),
    flags: CONNECTION,
    acl: Acl::FAST.union(Acl::CONNECTION),
    group: Group::Cluster,
    summary: "Ends what READONLY has begun.",
    since: "3.0.0",
    ..Command::BASE
};

const CONNECTION: Flags = Flags::LOADING.union(Flags::STALE).union(Flags::FAST);

fn refuse(_args: &mut Args<'_>, _reply: &mut Reply<'_>) -> CommandResult {
    Err(CommandError::new("ERR This instance has cluster support disabled"))
}
