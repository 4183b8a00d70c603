//! Commands on keys of any type (<https://redis.io/docs/latest/commands/?group=generic>).

mod del;
mod dump;
mod exists;
mod expire;
mod object;
mod rename;
pub(super) mod scan;
mod sort;
mod ttl;

use super::Command;
pub(super) use scan::{ScanArgs, parse_cursor, reply_next, reply_nothing};
pub(super) use sort::refuse_patterns;

pub static COMMANDS: &[&Command] = &[
    &rename::COPY,
    &del::DEL,
    &dump::DUMP,
    &exists::EXISTS,
    &expire::EXPIRE,
    &expire::EXPIREAT,
    &ttl::EXPIRETIME,
    &scan::KEYS,
    &rename::MOVE,
    &object::OBJECT,
    &expire::PERSIST,
    &expire::PEXPIRE,
    &expire::PEXPIREAT,
    &ttl::PEXPIRETIME,
    &ttl::PTTL,
    &scan::RANDOMKEY,
    &rename::RENAME,
    &rename::RENAMENX,
    &dump::RESTORE,
    &dump::RESTORE_ASKING,
    &scan::SCAN,
    &sort::SORT,
    &sort::SORT_RO,
    &exists::TOUCH,
    &ttl::TTL,
    &exists::TYPE,
    &del::UNLINK,
];
