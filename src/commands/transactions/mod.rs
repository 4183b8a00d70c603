//! Transactions (<https://redis.io/docs/latest/commands/?group=transactions>): MULTI, EXEC and DISCARD, WATCH and UNWATCH. What they do is
//! in [`crate::server`]'s `transaction.rs`; that requests are put off meanwhile is a gate's doing.

mod multi;
mod watch;

use super::{Acl, Command, Flags};

pub static COMMANDS: &[&Command] = &[&multi::DISCARD, &multi::EXEC, &multi::MULTI, &watch::UNWATCH, &watch::WATCH];

const FLAGS: Flags =
    Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE).union(Flags::FAST).union(Flags::ALLOW_BUSY);
const ACL: Acl = Acl::FAST.union(Acl::TRANSACTION);
