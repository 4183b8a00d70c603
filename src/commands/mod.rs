//! The commands: one folder per Redis group, in it a file per family of verbs, in it each command's record directly above its
//! function. [`GROUPS`] lists every group's table; everything else (lookup, `COMMAND`, ACL, statistics) derives from it.
//!
//! Data groups (string, generic, ...) see arguments, a view or a writer of the keyspace, and the reply; they never name
//! `server`. What a command may touch is in the type of its function: [`Run`].

pub mod bitmap;
pub mod cluster;
pub mod connection;
pub mod generic;
pub mod geo;
pub mod hash;
pub mod hyperloglog;
pub mod list;
pub mod pubsub;
pub mod scripting;
pub mod server;
pub mod set;
pub mod sorted_set;
pub mod string;
pub mod transactions;

mod absent;
mod args;
mod command;
mod error;
mod key_extraction;
pub mod permission;
mod registry;
mod time_unit;

pub use crate::base::text::quotable;
pub use args::{Args, timeout_within};
pub use command::{
    Acl, Arg, ArgFlags, ArgKind, BeginSearch, Command, FindKeys, Flags, Group, KeyFlags, KeySpec, Outcome, Run, Wait,
    Write, accepts,
};
pub use error::{CommandError, CommandResult};
pub use key_extraction::{FoundKey, LegacyRange, find_keys, legacy_range};
pub use registry::{CommandId, CommandStats, Registered, Registry};

/// Elements that one SRANDMEMBER, HRANDFIELD or ZRANDMEMBER draws with repetition, at most. Redis goes on until the client or the memory is
/// gone: how much of a reply waits is looked at when the command is done.
const DRAWS_MAX: u64 = 1 << 26;

/// Where a command writes its reply: the client's output, in the client's protocol version.
pub type Reply<'a> = crate::resp::reply::Encoder<'a, crate::reactor::Output>;

/// Every group's commands.
pub static GROUPS: &[&[&Command]] = &[
    bitmap::COMMANDS,
    cluster::COMMANDS,
    connection::COMMANDS,
    generic::COMMANDS,
    geo::COMMANDS,
    hash::COMMANDS,
    hyperloglog::COMMANDS,
    list::COMMANDS,
    pubsub::COMMANDS,
    scripting::COMMANDS,
    server::COMMANDS,
    set::COMMANDS,
    sorted_set::COMMANDS,
    string::COMMANDS,
    transactions::COMMANDS,
];
