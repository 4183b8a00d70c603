//! Server commands (<https://redis.io/docs/latest/commands/?group=server>): what the server is, what it can do, and what it is
//! told about itself. They see the engine.

mod command;
mod command_docs;
mod command_info;
mod command_keys;
mod command_list;
mod config;
mod dbsize;
mod debug;
mod debug_digest;
mod debug_object;
mod flush;
mod info;
mod lolwut;
mod shutdown;
mod time;

use super::{Acl, Command, CommandError, Flags};

pub static COMMANDS: &[&Command] = &[
    &command::COMMAND,
    &config::CONFIG,
    &dbsize::DBSIZE,
    &debug::DEBUG,
    &flush::FLUSHALL,
    &flush::FLUSHDB,
    &flush::SWAPDB,
    &info::INFO,
    &lolwut::LOLWUT,
    &shutdown::SHUTDOWN,
    &time::TIME,
];

/// Of commands for whoever runs the server.
const ADMIN: Flags = Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::LOADING).union(Flags::STALE);
const ADMIN_ACL: Acl = Acl::ADMIN.union(Acl::SLOW).union(Acl::DANGEROUS);
const POLICIES: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];

/// What a container says to a subcommand that it does not know or that has the wrong number of arguments.
fn unknown_subcommand(container: &str, subcommand: &[u8]) -> CommandError {
    const SHOWN_MAX: usize = 128;
    let shown = &subcommand[..subcommand.len().min(SHOWN_MAX)];
    let mut text = b"ERR unknown subcommand or wrong number of arguments for '".to_vec();
    text.extend_from_slice(shown);
    text.extend_from_slice(b"'. Try ");
    text.extend_from_slice(container.as_bytes());
    text.extend_from_slice(b" HELP.");
    CommandError::owned(text)
}
