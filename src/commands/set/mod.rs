//! Commands on sets (<https://redis.io/docs/latest/commands/?group=set>).

mod add;
mod algebra;
mod algebra_card;
mod algebra_store;
mod member;
mod random;

use super::{Command, Reply};
use crate::keyspace::Member;

pub static COMMANDS: &[&Command] = &[
    &add::SADD,
    &member::SCARD,
    &algebra::SDIFF,
    &algebra_card::SDIFFCARD,
    &algebra_store::SDIFFSTORE,
    &algebra::SINTER,
    &algebra_card::SINTERCARD,
    &algebra_store::SINTERSTORE,
    &member::SISMEMBER,
    &member::SMEMBERS,
    &member::SMISMEMBER,
    &add::SMOVE,
    &random::SPOP,
    &random::SRANDMEMBER,
    &add::SREM,
    &member::SSCAN,
    &algebra::SUNION,
    &algebra_card::SUNIONCARD,
    &algebra_store::SUNIONSTORE,
];

/// A member as a bulk.
#[inline]
fn put(reply: &mut Reply<'_>, member: Member<'_>) {
    match member {
        Member::Int(int) => reply.bulk_int(int),
        Member::Bytes(bytes) => reply.bulk(bytes),
    }
}
