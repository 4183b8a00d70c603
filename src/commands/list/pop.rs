//! Taking elements from the ends of one list: LPOP, RPOP; of the first of several that is there, or waiting for one: BLPOP,
//! BRPOP.

use super::{BLOCKING_ACL, pop_event, put};
use crate::collections::listpack::ListpackValue;
use crate::commands::{
    Acl, Arg, ArgKind, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Outcome, Reply,
    Run, Wait,
};
use crate::keyspace::{Changed, Key, Kind, List, Side, Typed, Writer, WrongType};

pub(super) static LPOP: Command = Command {
    name: "lpop",
    arity: -2,
    run: Run::Write(lpop),
    flags: Flags::WRITE.union(Flags::FAST),
    acl: Acl::WRITE.union(Acl::LIST).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE))],
    group: Group::List,
    summary: "Removes and answers the first elements of a list. A list without elements goes.",
    complexity: "O(N) where N is the number of elements answered",
    history: &[("6.2.0", "The `count`.")],
    args: &[Arg::key("key"), Arg::integer("count").optional().since("6.2.0")],
    ..Command::BASE
};

fn lpop(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    pop(args, db, reply, Side::Left)
}

pub(super) static RPOP: Command = Command {
    name: "rpop",
    arity: -2,
    run: Run::Write(rpop),
    flags: Flags::WRITE.union(Flags::FAST),
    acl: Acl::WRITE.union(Acl::LIST).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE))],
    group: Group::List,
    summary: "Removes and answers the last elements of a list, the last first. A list without elements goes.",
    complexity: "O(N) where N is the number of elements answered",
    history: &[("6.2.0", "The `count`.")],
    args: &[Arg::key("key"), Arg::integer("count").optional().since("6.2.0")],
    ..Command::BASE
};

fn rpop(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    pop(args, db, reply, Side::Right)
}

#[inline]
fn pop(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>, side: Side) -> CommandResult {
    if args.len() > 2 {
        return pop_many(args, db, reply, side);
    }
    if !pop_one(db, args.key(1), side, |element| put(reply, element))? {
        reply.null();
    }
    Ok(())
}

/// The command that pops from this side.
pub(super) fn pop_name(side: Side) -> &'static [u8] {
    match side {
        Side::Left => b"LPOP",
        Side::Right => b"RPOP",
    }
}

/// Pops an element that `visit` sees first. False: there is no such key.
#[inline]
fn pop_one(
    db: &mut Writer<'_>,
    key: Key<'_>,
    side: Side,
    visit: impl FnOnce(ListpackValue<'_>),
) -> Result<bool, WrongType> {
    let popped = db.change(key, pop_event(side), |list: &mut List, _| {
        list.pop(side, visit);
        list.settle();
        Changed((), 1)
    })?;
    Ok(popped.is_some())
}

#[cold]
fn pop_many(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>, side: Side) -> CommandResult {
    if args.len() > 3 {
        return Err(CommandError::wrong_arity(if side == Side::Left { "lpop" } else { "rpop" }));
    }
    let count = args.int(2).ok().and_then(|count| usize::try_from(count).ok());
    let count = count.ok_or(CommandError::new("ERR value is out of range, must be positive"))?;
    if pop_range(db, args.key(1), side, count, reply, |_| {})?.is_none() {
        reply.null_array();
    }
    Ok(())
}

/// Pops up to `count` elements as an array, before which `head` writes; how many. None, and nothing was written: there is no such key.
pub(super) fn pop_range<'a>(
    db: &mut Writer<'_>,
    key: Key<'_>,
    side: Side,
    count: usize,
    reply: &mut Reply<'a>,
    head: impl FnOnce(&mut Reply<'a>),
) -> Result<Option<usize>, WrongType> {
    let popped = db.change(key, pop_event(side), |list: &mut List, _| {
        let count = count.min(list.len());
        head(reply);
        reply.array(count);
        let start = match side {
            Side::Left => 0,
            Side::Right => list.len() - count,
        };
        list.range(start, count).for_each(side, |element| put(reply, element));
        let removed = list.remove_range(start, count);
        if count > 0 {
            list.settle();
        }
        Changed((removed, count), count)
    })?;
    let Some((removed, count)) = popped else { return Ok(None) };
    if let Some(removed) = removed {
        db.discard(removed);
    }
    Ok(Some(count))
}

pub(super) static BLPOP: Command = Command {
    name: "blpop",
    arity: -3,
    run: Run::Block(blpop),
    flags: Flags::WRITE.union(Flags::BLOCKING),
    acl: BLOCKING_ACL,
    keys: &[KeySpec::range(1, -2, 1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE))],
    group: Group::List,
    summary: "Removes and answers the first element of the first list that is there; waits for one if there is none.",
    since: "2.0.0",
    complexity: "O(N) where N is the number of keys",
    history: &[("6.0.0", "The `timeout` may have decimals.")],
    args: &[Arg::key("key").multiple(), Arg::new("timeout", ArgKind::Double)],
    ..Command::BASE
};

fn blpop(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    pop_or_wait(args, db, reply, Side::Left)
}

pub(super) static BRPOP: Command = Command {
    name: "brpop",
    arity: -3,
    run: Run::Block(brpop),
    flags: Flags::WRITE.union(Flags::BLOCKING),
    acl: BLOCKING_ACL,
    keys: &[KeySpec::range(1, -2, 1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE))],
    group: Group::List,
    summary: "Removes and answers the last element of the first list that is there; waits for one if there is none.",
    since: "2.0.0",
    complexity: "O(N) where N is the number of keys",
    history: &[("6.0.0", "The `timeout` may have decimals.")],
    args: &[Arg::key("key").multiple(), Arg::new("timeout", ArgKind::Double)],
    ..Command::BASE
};

fn brpop(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    pop_or_wait(args, db, reply, Side::Right)
}

fn pop_or_wait(
    args: &mut Args<'_>,
    db: &mut Writer<'_>,
    reply: &mut Reply<'_>,
    side: Side,
) -> Result<Outcome, CommandError> {
    let last = args.len() - 1;
    let timeout_ms = args.timeout_ms(last, db.now_ms())?;
    for index in 1..last {
        let key = if index == 1 { args.key(1) } else { db.key(args.get(index)) };
        let visit = |element: ListpackValue<'_>| {
            reply.array(2);
            reply.bulk(key.bytes);
            put(reply, element);
        };
        if pop_one(db, key, side, visit)? {
            db.propagate(&[pop_name(side), key.bytes]);
            return Ok(Outcome::Done);
        }
    }
    Ok(Outcome::Wait(Wait { keys: 1..last, timeout_ms, null_array: true, kind: Kind::List, on_change: false }))
}
