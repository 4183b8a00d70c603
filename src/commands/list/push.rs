//! Adding elements at the ends: LPUSH, RPUSH, LPUSHX, RPUSHX.

use super::push_event;
use crate::commands::{Acl, Arg, Args, Command, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run};
use crate::keyspace::{Changed, Context, List, Side, Typed, Writer};

pub(super) static LPUSH: Command = Command {
    name: "lpush",
    arity: -3,
    run: Run::Write(lpush),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    acl: Acl::WRITE.union(Acl::LIST).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::INSERT))],
    group: Group::List,
    summary: "Adds elements at the front of a list, one after the other; a key that is not there becomes a list.",
    complexity: "O(N) where N is the number of elements added",
    history: &[("2.4.0", "Several elements.")],
    args: &[Arg::key("key"), Arg::string("element").multiple()],
    ..Command::BASE
};

fn lpush(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    push(args, db, reply, Side::Left)
}

pub(super) static RPUSH: Command = Command {
    name: "rpush",
    arity: -3,
    run: Run::Write(rpush),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    acl: Acl::WRITE.union(Acl::LIST).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::INSERT))],
    group: Group::List,
    summary: "Adds elements at the back of a list, one after the other; a key that is not there becomes a list.",
    complexity: "O(N) where N is the number of elements added",
    history: &[("2.4.0", "Several elements.")],
    args: &[Arg::key("key"), Arg::string("element").multiple()],
    ..Command::BASE
};

fn rpush(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    push(args, db, reply, Side::Right)
}

pub(super) static LPUSHX: Command = Command {
    name: "lpushx",
    arity: -3,
    run: Run::Write(lpushx),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    acl: Acl::WRITE.union(Acl::LIST).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::INSERT))],
    group: Group::List,
    summary: "Adds elements at the front of a list that is there.",
    since: "2.2.0",
    complexity: "O(N) where N is the number of elements added",
    history: &[("4.0.0", "Several elements.")],
    args: &[Arg::key("key"), Arg::string("element").multiple()],
    ..Command::BASE
};

fn lpushx(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    push_if_there(args, db, reply, Side::Left)
}

pub(super) static RPUSHX: Command = Command {
    name: "rpushx",
    arity: -3,
    run: Run::Write(rpushx),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    acl: Acl::WRITE.union(Acl::LIST).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::INSERT))],
    group: Group::List,
    summary: "Adds elements at the back of a list that is there.",
    since: "2.2.0",
    complexity: "O(N) where N is the number of elements added",
    history: &[("4.0.0", "Several elements.")],
    args: &[Arg::key("key"), Arg::string("element").multiple()],
    ..Command::BASE
};

fn rpushx(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    push_if_there(args, db, reply, Side::Right)
}

#[inline]
fn push(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>, side: Side) -> CommandResult {
    let len = db.change_or_make(
        args.key(1),
        push_event(side),
        |_| List::new(),
        |list, context| push_all(args, list, context, side),
    )?;
    reply.len(len);
    Ok(())
}

fn push_if_there(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>, side: Side) -> CommandResult {
    let len = db.change(args.key(1), push_event(side), |list, context| push_all(args, list, context, side))?;
    reply.len(len.unwrap_or(0));
    Ok(())
}

/// Adds every element; answers the length.
#[inline]
fn push_all(args: &Args<'_>, list: &mut List, context: &Context<'_>, side: Side) -> Changed<usize> {
    let elements = args.from(2);
    let count = elements.len();
    list.make_room(args.from(2).map(<[u8]>::len).sum(), count, context);
    for element in elements {
        list.push(side, element);
    }
    Changed(list.len(), count)
}
