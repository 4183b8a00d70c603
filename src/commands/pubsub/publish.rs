//! PUBLISH and SPUBLISH.

use super::FLAGS;
use crate::commands::{Acl, Arg, Args, Command, CommandResult, Flags, Group, KeyFlags, KeySpec, Run};
use crate::server::Engine;
use crate::server::pubsub::Topics;

const PUBLISH_FLAGS: Flags = FLAGS.union(Flags::FAST).union(Flags::MAY_REPLICATE);
const PUBLISH_ACL: Acl = Acl::PUBSUB.union(Acl::FAST);

pub(super) static PUBLISH: Command = Command {
    name: "publish",
    arity: 3,
    run: Run::Server(publish),
    flags: PUBLISH_FLAGS,
    acl: PUBLISH_ACL,
    group: Group::PubSub,
    summary: "Posts a message to a channel.",
    since: "2.0.0",
    complexity: "O(N+M) where N is the number of clients subscribed to the receiving channel and M is the total number of subscribed patterns (by any client).",
    args: &[Arg::string("channel"), Arg::string("message")],
    ..Command::BASE
};

fn publish(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    send(args, engine, key, Topics::Channels)
}

pub(super) static SPUBLISH: Command = Command {
    name: "spublish",
    arity: 3,
    run: Run::Server(spublish),
    flags: PUBLISH_FLAGS,
    acl: PUBLISH_ACL,
    keys: &[KeySpec::one(1, KeyFlags::NOT_KEY)],
    group: Group::PubSub,
    summary: "Posts a message to a shard channel.",
    since: "7.0.0",
    complexity: "O(N) where N is the number of clients subscribed to the receiving shard channel.",
    args: &[Arg::string("shardchannel"), Arg::string("message")],
    ..Command::BASE
};

fn spublish(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    send(args, engine, key, Topics::ShardChannels)
}

fn send(args: &Args<'_>, engine: &mut Engine, key: usize, topics: Topics) -> CommandResult {
    engine.tell_notifications(Some(key));
    let receivers = engine.publish(topics, args.get(1), args.get(2), Some(key));
    engine.reply(key).len(receivers);
    Ok(())
}
