//! Commands on hashes (<https://redis.io/docs/latest/commands/?group=hash>).

mod del;
mod expire;
mod fields;
mod get;
mod getex;
mod incr;
mod random;
mod scan;
mod set;
mod ttl;

use super::{Command, Reply};
use crate::keyspace::FieldText;

pub static COMMANDS: &[&Command] = &[
    &del::HDEL,
    &get::HEXISTS,
    &expire::HEXPIRE,
    &expire::HEXPIREAT,
    &ttl::HEXPIRETIME,
    &get::HGET,
    &get::HGETALL,
    &del::HGETDEL,
    &getex::HGETEX,
    &incr::HINCRBY,
    &incr::HINCRBYFLOAT,
    &get::HKEYS,
    &get::HLEN,
    &get::HMGET,
    &set::HMSET,
    &ttl::HPERSIST,
    &expire::HPEXPIRE,
    &expire::HPEXPIREAT,
    &ttl::HPEXPIRETIME,
    &ttl::HPTTL,
    &random::HRANDFIELD,
    &scan::HSCAN,
    &set::HSET,
    &getex::HSETEX,
    &set::HSETNX,
    &get::HSTRLEN,
    &ttl::HTTL,
    &get::HVALS,
];

/// A field or a value as a bulk.
#[inline]
fn put(reply: &mut Reply<'_>, text: FieldText<'_>) {
    match text {
        FieldText::Int(int) => reply.bulk_int(int),
        FieldText::Bytes(bytes) => reply.bulk(bytes),
        FieldText::Shared(bytes) => reply.bulk_shared(bytes),
    }
}

/// A value as a bulk, or null if there is none.
#[inline]
fn put_or_null(reply: &mut Reply<'_>, text: Option<FieldText<'_>>) {
    match text {
        Some(text) => put(reply, text),
        None => reply.null(),
    }
}
