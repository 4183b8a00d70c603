//! Sorted set commands (<https://redis.io/docs/latest/commands/?group=sorted-set>).

pub(super) mod add;
mod algebra;
mod bounds;
mod count;
mod inter;
mod pop;
mod random;
mod range;
mod range_options;
mod range_store;
mod rank;
mod remove;
mod scan;
mod score;
mod union;

use super::{Command, Reply};
use crate::collections::listpack::ListpackValue;

pub static COMMANDS: &[&Command] = &[
    &pop::BZMPOP,
    &pop::BZPOPMAX,
    &pop::BZPOPMIN,
    &add::ZADD,
    &score::ZCARD,
    &count::ZCOUNT,
    &union::ZDIFF,
    &union::ZDIFFSTORE,
    &add::ZINCRBY,
    &inter::ZINTER,
    &inter::ZINTERCARD,
    &inter::ZINTERSTORE,
    &count::ZLEXCOUNT,
    &pop::ZMPOP,
    &score::ZMSCORE,
    &pop::ZPOPMAX,
    &pop::ZPOPMIN,
    &random::ZRANDMEMBER,
    &range::ZRANGE,
    &range::ZRANGEBYLEX,
    &range::ZRANGEBYSCORE,
    &range_store::ZRANGESTORE,
    &rank::ZRANK,
    &remove::ZREM,
    &remove::ZREMRANGEBYLEX,
    &remove::ZREMRANGEBYRANK,
    &remove::ZREMRANGEBYSCORE,
    &range::ZREVRANGE,
    &range::ZREVRANGEBYLEX,
    &range::ZREVRANGEBYSCORE,
    &rank::ZREVRANK,
    &scan::ZSCAN,
    &score::ZSCORE,
    &union::ZUNION,
    &union::ZUNIONSTORE,
];

/// A member as a bulk.
#[inline]
fn put_member(reply: &mut Reply<'_>, member: ListpackValue<'_>) {
    match member {
        ListpackValue::Bytes(bytes) => reply.bulk(bytes),
        ListpackValue::Int(int) => reply.bulk_int(int),
    }
}

/// Header of `count` members with their scores: pairs in RESP3, one flat array in RESP2.
fn put_pairs_header(reply: &mut Reply<'_>, count: usize) {
    reply.array(if reply.is_resp3() { count } else { 2 * count });
}

/// A member and its score under [`put_pairs_header`].
#[inline]
fn put_pair(reply: &mut Reply<'_>, member: ListpackValue<'_>, score: f64) {
    if reply.is_resp3() {
        reply.array(2);
    }
    put_member(reply, member);
    reply.double(score);
}

/// `count` members, with their scores or without.
fn put_members<'a>(
    reply: &mut Reply<'_>,
    members: impl Iterator<Item = (ListpackValue<'a>, f64)>,
    count: usize,
    with_scores: bool,
) {
    if with_scores {
        put_pairs_header(reply, count);
        members.for_each(|(member, score)| put_pair(reply, member, score));
    } else {
        reply.array(count);
        members.for_each(|(member, _)| put_member(reply, member));
    }
}
