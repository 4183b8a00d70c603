//! List commands (<https://redis.io/docs/latest/commands/?group=list>).

mod edit;
mod lmove;
mod lmovem;
mod lpos;
mod mpop;
mod pop;
mod push;
mod read;

use super::{Acl, Args, Command, CommandError, Reply};
use crate::collections::listpack::ListpackValue;
use crate::keyspace::{Event, Side};

pub static COMMANDS: &[&Command] = &[
    &lmove::BLMOVE,
    &lmovem::BLMOVEM,
    &mpop::BLMPOP,
    &pop::BLPOP,
    &pop::BRPOP,
    &lmove::BRPOPLPUSH,
    &read::LINDEX,
    &edit::LINSERT,
    &read::LLEN,
    &lmove::LMOVE,
    &lmovem::LMOVEM,
    &mpop::LMPOP,
    &pop::LPOP,
    &lpos::LPOS,
    &push::LPUSH,
    &push::LPUSHX,
    &read::LRANGE,
    &edit::LREM,
    &edit::LSET,
    &edit::LTRIM,
    &pop::RPOP,
    &lmove::RPOPLPUSH,
    &push::RPUSH,
    &push::RPUSHX,
];

const WRITE_ACL: Acl = Acl::WRITE.union(Acl::LIST).union(Acl::SLOW);
const READ_ACL: Acl = Acl::READ.union(Acl::LIST).union(Acl::SLOW);
const BLOCKING_ACL: Acl = WRITE_ACL.union(Acl::BLOCKING);

/// What pushing at that end is called.
const fn push_event(side: Side) -> Event {
    match side {
        Side::Left => Event::list("lpush"),
        Side::Right => Event::list("rpush"),
    }
}

/// What popping at that end is called.
const fn pop_event(side: Side) -> Event {
    match side {
        Side::Left => Event::list("lpop"),
        Side::Right => Event::list("rpop"),
    }
}

/// `LEFT` or `RIGHT`.
fn side(args: &Args<'_>, index: usize) -> Result<Side, CommandError> {
    match args.try_get(index) {
        Some(word) if word.eq_ignore_ascii_case(b"LEFT") => Ok(Side::Left),
        Some(word) if word.eq_ignore_ascii_case(b"RIGHT") => Ok(Side::Right),
        _ => Err(CommandError::SYNTAX),
    }
}

/// One element as a bulk.
#[inline]
fn put(reply: &mut Reply<'_>, element: ListpackValue<'_>) {
    match element {
        ListpackValue::Bytes(bytes) => reply.bulk(bytes),
        ListpackValue::Int(int) => reply.bulk_int(int),
    }
}

/// An index as clients give it, where -1 is the last, as one from the front; it may be before the first or behind the last.
fn from_front(index: i64, len: usize) -> i64 {
    if index < 0 { index.saturating_add(len as i64) } else { index }
}

/// The elements from `start` to `stop`, as clients give them, as the first and how many.
fn span(start: i64, stop: i64, len: usize) -> (usize, usize) {
    let start = from_front(start, len).max(0);
    let stop = from_front(stop, len).min(len as i64 - 1);
    if start > stop { (len, 0) } else { (start as usize, (stop - start + 1) as usize) }
}
