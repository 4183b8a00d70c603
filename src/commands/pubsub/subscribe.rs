//! SUBSCRIBE and UNSUBSCRIBE, to channels, to patterns (P), to shard channels (S).

use super::{ACL, FLAGS};
use crate::commands::{Arg, ArgKind, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Run};
use crate::server::Engine;
use crate::server::pubsub::Topics;

const SUBSCRIBE_FLAGS: Flags = FLAGS.union(Flags::NOSCRIPT);
const SHARD_KEYS: &[KeySpec] = &[KeySpec::range(1, -1, 1, KeyFlags::NOT_KEY)];

fn enter(args: &Args<'_>, engine: &mut Engine, key: usize, topics: Topics) -> CommandResult {
    engine.tell_notifications(Some(key));
    for name in args.from(1) {
        engine.subscribe(key, topics, name);
    }
    Ok(())
}

fn leave(args: &Args<'_>, engine: &mut Engine, key: usize, topics: Topics) -> CommandResult {
    engine.tell_notifications(Some(key));
    if args.len() == 1 {
        engine.unsubscribe_all(key, topics);
    }
    for name in args.from(1) {
        engine.unsubscribe(key, topics, name);
    }
    Ok(())
}

pub(super) static SUBSCRIBE: Command = Command {
    name: "subscribe",
    arity: -2,
    run: Run::Server(subscribe),
    flags: SUBSCRIBE_FLAGS,
    acl: ACL,
    group: Group::PubSub,
    summary: "Listens for messages published to channels.",
    since: "2.0.0",
    complexity: "O(N) where N is the number of channels to subscribe to.",
    args: &[Arg::string("channel").multiple()],
    ..Command::BASE
};

fn subscribe(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    enter(args, engine, key, Topics::Channels)
}

pub(super) static UNSUBSCRIBE: Command = Command {
    name: "unsubscribe",
    arity: -1,
    run: Run::Server(unsubscribe),
    flags: SUBSCRIBE_FLAGS,
    acl: ACL,
    group: Group::PubSub,
    summary: "Stops listening to messages posted to channels.",
    since: "2.0.0",
    complexity: "O(N) where N is the number of channels to unsubscribe.",
    args: &[Arg::string("channel").optional().multiple()],
    ..Command::BASE
};

fn unsubscribe(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    leave(args, engine, key, Topics::Channels)
}

pub(super) static PSUBSCRIBE: Command = Command {
    name: "psubscribe",
    arity: -2,
    run: Run::Server(psubscribe),
    flags: SUBSCRIBE_FLAGS,
    acl: ACL,
    group: Group::PubSub,
    summary: "Listens for messages published to channels that match patterns.",
    since: "2.0.0",
    complexity: "O(N) where N is the number of patterns to subscribe to.",
    args: &[Arg::new("pattern", ArgKind::Pattern).multiple()],
    ..Command::BASE
};

fn psubscribe(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    enter(args, engine, key, Topics::Patterns)
}

pub(super) static PUNSUBSCRIBE: Command = Command {
    name: "punsubscribe",
    arity: -1,
    run: Run::Server(punsubscribe),
    flags: SUBSCRIBE_FLAGS,
    acl: ACL,
    group: Group::PubSub,
    summary: "Stops listening to messages published to channels that match patterns.",
    since: "2.0.0",
    complexity: "O(N) where N is the number of patterns to unsubscribe.",
    args: &[Arg::new("pattern", ArgKind::Pattern).optional().multiple()],
    ..Command::BASE
};

fn punsubscribe(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    leave(args, engine, key, Topics::Patterns)
}

pub(super) static SSUBSCRIBE: Command = Command {
    name: "ssubscribe",
    arity: -2,
    run: Run::Server(ssubscribe),
    flags: SUBSCRIBE_FLAGS,
    acl: ACL,
    keys: SHARD_KEYS,
    group: Group::PubSub,
    summary: "Listens for messages published to shard channels.",
    since: "7.0.0",
    complexity: "O(N) where N is the number of shard channels to subscribe to.",
    args: &[Arg::string("shardchannel").multiple()],
    ..Command::BASE
};

fn ssubscribe(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    if engine.is_in_exec() {
        return Err(CommandError::new("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client"));
    }
    enter(args, engine, key, Topics::ShardChannels)
}

pub(super) static SUNSUBSCRIBE: Command = Command {
    name: "sunsubscribe",
    arity: -1,
    run: Run::Server(sunsubscribe),
    flags: SUBSCRIBE_FLAGS,
    acl: ACL,
    keys: SHARD_KEYS,
    group: Group::PubSub,
    summary: "Stops listening to messages posted to shard channels.",
    since: "7.0.0",
    complexity: "O(N) where N is the number of shard channels to unsubscribe.",
    args: &[Arg::string("shardchannel").optional().multiple()],
    ..Command::BASE
};

fn sunsubscribe(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    leave(args, engine, key, Topics::ShardChannels)
}
