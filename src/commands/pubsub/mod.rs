//! Publish and subscribe (<https://redis.io/docs/latest/commands/?group=pubsub>). Who subscribed to what, and how messages get to
//! them, is in [`crate::server::pubsub`].
//!
//! What happened to keys before one of these commands is told before it does its work: a transaction may change keys, subscribe and
//! publish. Whether a user may use a channel is asked by the gates.

mod introspect;
mod publish;
mod subscribe;

use super::{Acl, Command, Flags};

pub static COMMANDS: &[&Command] = &[
    &subscribe::PSUBSCRIBE,
    &publish::PUBLISH,
    &introspect::PUBSUB,
    &subscribe::PUNSUBSCRIBE,
    &publish::SPUBLISH,
    &subscribe::SSUBSCRIBE,
    &subscribe::SUBSCRIBE,
    &subscribe::SUNSUBSCRIBE,
    &subscribe::UNSUBSCRIBE,
];

const FLAGS: Flags = Flags::PUBSUB.union(Flags::LOADING).union(Flags::STALE);
const ACL: Acl = Acl::PUBSUB.union(Acl::SLOW);
