//! Connection commands (<https://redis.io/docs/latest/commands/?group=connection>): who a client is and how it wants to be
//! talked to. They see the session, or the engine where they concern other clients.

mod auth;
mod client;
mod client_kill;
mod client_list;
mod client_name;
mod client_pause;
mod client_reply;
mod client_tracking;
mod client_unblock;
mod hello;
mod ping;
mod quit;
mod select;
mod wait;

use super::{Acl, Command, Flags};

pub static COMMANDS: &[&Command] = &[
    &auth::AUTH,
    &client::CLIENT,
    &hello::HELLO,
    &wait::WAIT,
    &wait::WAITAOF,
    &ping::ECHO,
    &ping::PING,
    &quit::QUIT,
    &quit::RESET,
    &select::SELECT,
];

/// Of commands that a client may send before it is known.
const HANDSHAKE: Flags = Flags::NOSCRIPT
    .union(Flags::LOADING)
    .union(Flags::STALE)
    .union(Flags::FAST)
    .union(Flags::NO_AUTH)
    .union(Flags::ALLOW_BUSY);
/// Of CLIENT subcommands on the calling client.
const OWN: Flags = Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE);
/// Of CLIENT subcommands on other clients.
const OTHERS: Flags = OWN.union(Flags::ADMIN);

const FAST_ACL: Acl = Acl::FAST.union(Acl::CONNECTION);
const OWN_ACL: Acl = Acl::SLOW.union(Acl::CONNECTION);
const OTHERS_ACL: Acl = OWN_ACL.union(Acl::ADMIN).union(Acl::DANGEROUS);

#[cfg(test)]
mod tests;
