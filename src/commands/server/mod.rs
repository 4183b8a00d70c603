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
mod hotkeys;
mod info;
mod latency;
mod lolwut;
mod memory;
mod monitor;
mod profile;
mod shutdown;
mod slowlog;
mod time;

use super::{Acl, Command, Flags};

pub static COMMANDS: &[&Command] = &[
    &command::COMMAND,
    &slowlog::COMMANDLOG,
    &config::CONFIG,
    &dbsize::DBSIZE,
    &debug::DEBUG,
    &flush::FLUSHALL,
    &flush::FLUSHDB,
    &flush::SWAPDB,
    &hotkeys::HOTKEYS,
    &info::INFO,
    &latency::LATENCY,
    &lolwut::LOLWUT,
    &memory::MEMORY,
    &monitor::MONITOR,
    &profile::PROFILE,
    &shutdown::SHUTDOWN,
    &slowlog::SLOWLOG,
    &time::TIME,
];

/// Of commands for whoever runs the server.
const ADMIN: Flags = Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::LOADING).union(Flags::STALE);
const ADMIN_ACL: Acl = Acl::ADMIN.union(Acl::SLOW).union(Acl::DANGEROUS);
const POLICIES: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];

#[cfg(test)]
mod tests;
