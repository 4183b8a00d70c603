//! Server commands (<https://redis.io/docs/latest/commands/?group=server>): what the server is, what it can do, and what it is
//! told about itself. They see the engine.

mod acl;
mod acl_file;
mod acl_log;
mod acl_users;
mod command;
mod command_docs;
mod command_info;
mod command_keys;
mod command_list;
mod config;
mod dbsize;
mod debug;
mod debug_digest;
mod debug_mallctl;
mod debug_object;
mod debug_protocol;
mod debug_reload;
mod debug_switches;
mod flush;
mod hotkeys;
mod info;
mod latency;
mod lolwut;
mod memory;
mod module;
mod monitor;
mod profile;
mod replication;
mod save;
mod shutdown;
mod slowlog;
mod time;

use super::{Acl, Command, Flags};

pub static COMMANDS: &[&Command] = &[
    &save::BGREWRITEAOF,
    &save::BGSAVE,
    &acl::ACL,
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
    &save::LASTSAVE,
    &memory::MEMORY,
    &save::SAVE,
    &module::MODULE,
    &replication::REPLICAOF,
    &replication::ROLE,
    &shutdown::SHUTDOWN,
    &replication::SLAVEOF,
    &monitor::MONITOR,
    &profile::PROFILE,
    &slowlog::SLOWLOG,
    &time::TIME,
];

/// Of commands for whoever runs the server.
const ADMIN: Flags = Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::LOADING).union(Flags::STALE);
const ADMIN_ACL: Acl = Acl::ADMIN.union(Acl::SLOW).union(Acl::DANGEROUS);
const POLICIES: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];

#[cfg(test)]
mod tests;
