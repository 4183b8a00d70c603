//! Looking at a list: LLEN, LINDEX, LRANGE.

use super::{READ_ACL, from_front, put, span};
use crate::commands::{Acl, Arg, Args, Command, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run};
use crate::keyspace::{List, Side, Typed, View};

pub(super) static LLEN: Command = Command {
    name: "llen",
    arity: 2,
    run: Run::Read(llen),
    flags: Flags::READONLY.union(Flags::FAST),
    acl: Acl::READ.union(Acl::LIST).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO)],
    group: Group::List,
    summary: "The number of elements of a list.",
    args: &[Arg::key("key")],
    ..Command::BASE
};

fn llen(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let list = view.object::<List>(args.key(1))?;
    reply.len(list.map_or(0, Typed::len));
    Ok(())
}

pub(super) static LINDEX: Command = Command {
    name: "lindex",
    arity: 3,
    run: Run::Read(lindex),
    flags: Flags::READONLY,
    acl: READ_ACL,
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::List,
    summary: "An element of a list by its index; negative ones count from the back.",
    complexity: "O(N/M) where N is the distance from the nearer end and M the number of elements of a node",
    args: &[Arg::key("key"), Arg::integer("index")],
    ..Command::BASE
};

fn lindex(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let Some(list) = view.object::<List>(args.key(1))? else {
        reply.null();
        return Ok(());
    };
    let index = from_front(args.int(2)?, list.len());
    let found = usize::try_from(index).ok().and_then(|index| list.get(index, |element| put(reply, element)));
    if found.is_none() {
        reply.null();
    }
    Ok(())
}

pub(super) static LRANGE: Command = Command {
    name: "lrange",
    arity: 4,
    run: Run::Read(lrange),
    flags: Flags::READONLY,
    acl: READ_ACL,
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::List,
    summary: "The elements of a list between two indexes.",
    complexity: "O(S+N) where S is the distance of the first element from the nearer end, by nodes, and N the number of elements",
    args: &[Arg::key("key"), Arg::integer("start"), Arg::integer("stop")],
    ..Command::BASE
};

fn lrange(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (start, stop) = (args.int(2)?, args.int(3)?);
    let Some(list) = view.object::<List>(args.key(1))? else {
        reply.array(0);
        return Ok(());
    };
    let (start, count) = span(start, stop, list.len());
    reply.array(count);
    list.range(start, count).for_each(Side::Left, |element| put(reply, element));
    Ok(())
}
