//! Access control lists: users, what they must know to be let in, and what they may do
//! (<https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/>).
//!
//! A [`User`] has passwords and one or more [`Permissions`]: its own, and one for each `(...)` of its rules; a call is allowed if one of
//! them allows all of it. [`Users`] holds them by name and by number; [`Log`] remembers what was refused.
//!
//! This module never knows a command's function, a client or a socket: commands are numbers with names and categories, which a
//! [`Catalog`] knows; a call is a number with the keys and channels among its arguments ([`Call`]).
//!
//! Invariants: there is always a user `default`, with the number [`DEFAULT_USER`]; a user's number is its own for as long as its name
//! exists; a rule that is refused has changed nothing.
//!
//! Cost: a user that may do everything ([`User::permits_all`]) is not asked at all. Else a bit test for the command and, unless
//! all keys are allowed, a comparison per key and pattern: `~app:*` is a comparison of bytes, not a glob.

mod catalog;
mod log;
mod password;
mod pattern;
mod permissions;
mod user;
mod users;

pub use catalog::{Catalog, CommandId};
pub use log::{Context, Entry, Log, Reason, Refusal};
pub use password::Digest;
pub use pattern::Access;
pub use permissions::{Call, ChannelUse, Denied, KeyUse, Permissions};
pub use user::{Sanitize, User, merge_selectors};
pub use users::{DEFAULT_NAME, DEFAULT_USER, SetError, UserId, Users, is_plain_name};

use std::fmt;

/// Why a rule is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RuleError {
    /// There is no such command or category.
    Unknown,
    Syntax,
    /// `~x` behind `~*`.
    KeyBehindAll,
    /// `&x` behind `&*`.
    ChannelBehindAll,
    NoSuchPassword,
    BadHash,
    /// A user is defined twice in the configuration.
    Duplicate,
    /// `+config|get|x`
    ArgOfSubcommand,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RuleError::Unknown => "Unknown command or category name in ACL",
            RuleError::Syntax => "Syntax error",
            RuleError::KeyBehindAll => {
                "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. \
                 Try 'resetkeys' to start with an empty list of patterns"
            }
            RuleError::ChannelBehindAll => {
                "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any \
                 effect. Try 'resetchannels' to start with an empty list of channels"
            }
            RuleError::NoSuchPassword => "The password you are trying to remove from the user does not exist",
            RuleError::BadHash => {
                "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
            }
            RuleError::Duplicate => "Duplicate user found. A user can only be defined once in config files",
            RuleError::ArgOfSubcommand => "Allowing first-arg of a subcommand is not supported",
        })
    }
}

#[cfg(test)]
mod tests;
