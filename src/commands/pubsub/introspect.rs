//! PUBSUB: what is subscribed to.

use super::{ACL, FLAGS};
use crate::commands::{Acl, Arg, ArgKind, Args, Command, CommandError, CommandResult, Group, Reply, Run};
use crate::server::Engine;
use crate::server::pubsub::Topics;

pub(super) static PUBSUB: Command = Command {
    name: "pubsub",
    arity: -2,
    run: Run::Container,
    acl: Acl::SLOW,
    group: Group::PubSub,
    summary: "A container for Pub/Sub commands.",
    since: "2.8.0",
    complexity: "Depends on subcommand.",
    subcommands: &[&CHANNELS, &HELP, &NUMPAT, &NUMSUB, &SHARDCHANNELS, &SHARDNUMSUB],
    ..Command::BASE
};

static CHANNELS: Command = Command {
    name: "channels",
    arity: -2,
    run: Run::Server(channels),
    flags: FLAGS,
    acl: ACL,
    group: Group::PubSub,
    summary: "Returns the channels that somebody subscribed to.",
    since: "2.8.0",
    complexity: "O(N) where N is the number of active channels, and assuming constant time pattern matching (relatively short channels and patterns)",
    args: &[Arg::new("pattern", ArgKind::Pattern).optional()],
    ..Command::BASE
};

fn channels(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    list(args, engine, key, Topics::Channels)
}

static SHARDCHANNELS: Command = Command {
    name: "shardchannels",
    arity: -2,
    run: Run::Server(shardchannels),
    flags: FLAGS,
    acl: ACL,
    group: Group::PubSub,
    summary: "Returns the shard channels that somebody subscribed to.",
    since: "7.0.0",
    complexity: "O(N) where N is the number of active shard channels, and assuming constant time pattern matching (relatively short shard channels).",
    args: &[Arg::new("pattern", ArgKind::Pattern).optional()],
    ..Command::BASE
};

fn shardchannels(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    list(args, engine, key, Topics::ShardChannels)
}

fn list(args: &Args<'_>, engine: &mut Engine, key: usize, topics: Topics) -> CommandResult {
    if args.len() > 3 {
        return Err(CommandError::unknown_subcommand_or_arity("PUBSUB", args.get(1)));
    }
    let Engine { pubsub, clients, .. } = engine;
    let names = pubsub.names(topics, args.try_get(2));
    let client = &mut clients[key];
    Reply::new(&mut client.output, client.session.version).bulks(&names);
    Ok(())
}

static NUMSUB: Command = Command {
    name: "numsub",
    arity: -2,
    run: Run::Server(numsub),
    flags: FLAGS,
    acl: ACL,
    group: Group::PubSub,
    summary: "Returns how many subscribed to channels.",
    since: "2.8.0",
    complexity: "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
    args: &[Arg::string("channel").optional().multiple()],
    ..Command::BASE
};

fn numsub(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    count(args, engine, key, Topics::Channels)
}

static SHARDNUMSUB: Command = Command {
    name: "shardnumsub",
    arity: -2,
    run: Run::Server(shardnumsub),
    flags: FLAGS,
    acl: ACL,
    group: Group::PubSub,
    summary: "Returns how many subscribed to shard channels.",
    since: "7.0.0",
    complexity: "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
    args: &[Arg::string("shardchannel").optional().multiple()],
    ..Command::BASE
};

fn shardnumsub(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    count(args, engine, key, Topics::ShardChannels)
}

fn count(args: &Args<'_>, engine: &mut Engine, key: usize, topics: Topics) -> CommandResult {
    engine.reply(key).array(2 * (args.len() - 2));
    for name in args.from(2) {
        let hash = engine.keyspace.hash(name);
        let count = engine.pubsub.subscribers(topics, hash, name);
        let mut reply = engine.reply(key);
        reply.bulk(name);
        reply.len(count);
    }
    Ok(())
}

static NUMPAT: Command = Command {
    name: "numpat",
    arity: 2,
    run: Run::Server(numpat),
    is_quick: true,
    flags: FLAGS,
    acl: ACL,
    group: Group::PubSub,
    summary: "Returns how many patterns somebody subscribed to.",
    since: "2.8.0",
    ..Command::BASE
};

fn numpat(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let patterns = engine.pubsub.topics(Topics::Patterns);
    engine.reply(key).len(patterns);
    Ok(())
}

static HELP: Command = Command { run: Run::Pure(help), group: Group::PubSub, since: "6.2.0", ..Command::HELP };

fn help(_args: &mut Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.simples(&[
        "PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CHANNELS [<pattern>]",
        "    The channels that somebody subscribed to and that match <pattern> (default: '*').",
        "NUMPAT",
        "    How many patterns somebody subscribed to.",
        "NUMSUB [<channel> ...]",
        "    How many subscribed to these channels, without those that did to a pattern",
        "    (default: no channels).",
        "SHARDCHANNELS [<pattern>]",
        "    The shard channels that somebody subscribed to and that match <pattern> (default: '*').",
        "SHARDNUMSUB [<shardchannel> ...]",
        "    How many subscribed to these shard channels.",
        "HELP",
        "    This text.",
    ]);
    Ok(())
}
