//! Changing a list inside: LSET, LINSERT, LREM, LTRIM.

use super::{WRITE_ACL, from_front, span};
use crate::commands::{Arg, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run};
use crate::keyspace::{Changed, Event, List, Side, Typed, Writer};

pub(super) static LSET: Command = Command {
    name: "lset",
    arity: 4,
    run: Run::Write(lset),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    acl: WRITE_ACL,
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
    group: Group::List,
    summary: "Replaces an element of a list by its index; negative ones count from the back.",
    complexity: "O(N/M) where N is the distance from the nearer end and M the number of elements of a node",
    args: &[Arg::key("key"), Arg::integer("index"), Arg::string("element")],
    ..Command::BASE
};

fn lset(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let value = args.get(3);
    let replaced = db.change(args.key(1), Event::list("lset"), |list: &mut List, context| {
        let index = match args.int(2) {
            Ok(index) => index,
            Err(error) => return Changed(Err(error), 0),
        };
        list.make_room(value.len(), 1, context);
        let index = usize::try_from(from_front(index, list.len()));
        if !index.is_ok_and(|index| list.set(index, value)) {
            return Changed(Err(CommandError::OUT_OF_RANGE), 0);
        }
        list.settle();
        Changed(Ok(()), 1)
    })?;
    replaced.ok_or(CommandError::NO_SUCH_KEY)??;
    reply.ok();
    Ok(())
}

pub(super) static LINSERT: Command = Command {
    name: "linsert",
    arity: 5,
    run: Run::Write(linsert),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    acl: WRITE_ACL,
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::INSERT))],
    group: Group::List,
    summary: "Adds an element to a list before or behind the first one that is the pivot.",
    since: "2.2.0",
    complexity: "O(N) where N is the number of elements before the pivot",
    args: &[
        Arg::key("key"),
        Arg::one_of("where", &[Arg::word("before", "BEFORE"), Arg::word("after", "AFTER")]),
        Arg::string("pivot"),
        Arg::string("element"),
    ],
    ..Command::BASE
};

fn linsert(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let side = match () {
        () if args.is(2, "BEFORE") => Side::Left,
        () if args.is(2, "AFTER") => Side::Right,
        () => return Err(CommandError::SYNTAX),
    };
    let (pivot, value) = (args.get(3), args.get(4));
    let len = db.change(args.key(1), Event::list("linsert"), |list: &mut List, context| {
        // Whether or not there is a pivot, as in Redis.
        list.make_room(value.len(), 1, context);
        let inserted = list.insert(side, pivot, value);
        Changed(if inserted { list.len() as i64 } else { -1 }, usize::from(inserted))
    })?;
    reply.int(len.unwrap_or(0));
    Ok(())
}

pub(super) static LREM: Command = Command {
    name: "lrem",
    arity: 4,
    run: Run::Write(lrem),
    flags: Flags::WRITE,
    acl: WRITE_ACL,
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::DELETE))],
    group: Group::List,
    summary: "Removes elements of a value: so many from the front, or with a negative count from the back; with 0 all.",
    complexity: "O(N+M) where N is the length of the list and M the number of elements removed",
    args: &[Arg::key("key"), Arg::integer("count"), Arg::string("element")],
    ..Command::BASE
};

fn lrem(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let count = args.int(2)?;
    let side = if count < 0 { Side::Right } else { Side::Left };
    let most = if count == 0 { usize::MAX } else { usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX) };
    let value = args.get(3);
    let removed = db.change(args.key(1), Event::list("lrem"), |list: &mut List, _| {
        let removed = list.remove_matching(value, most, side);
        if removed > 0 {
            list.settle();
        }
        Changed(removed, removed)
    })?;
    reply.len(removed.unwrap_or(0));
    Ok(())
}

pub(super) static LTRIM: Command = Command {
    name: "ltrim",
    arity: 4,
    run: Run::Write(ltrim),
    flags: Flags::WRITE,
    acl: WRITE_ACL,
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::DELETE))],
    group: Group::List,
    summary: "Removes the elements of a list that are not between two indexes.",
    complexity: "O(N/M) where N is the number of elements removed and M that of a node",
    args: &[Arg::key("key"), Arg::integer("start"), Arg::integer("stop")],
    ..Command::BASE
};

fn ltrim(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (start, stop) = (args.int(2)?, args.int(3)?);
    let key = args.key(1);
    let trimmed = db.change(key, LTRIMMED, |list: &mut List, _| {
        let len = list.len();
        let (start, kept) = span(start, stop, len);
        let behind = list.remove_range(start + kept, len);
        let before = list.remove_range(0, start.min(len - kept));
        list.settle();
        Changed(([behind, before], len - kept), len - kept)
    })?;
    if let Some((removed, count)) = trimmed {
        if count == 0 {
            // Redis tells of it though nothing was trimmed, watchers and caches too.
            db.signal(key);
            db.notify(LTRIMMED, key);
        }
        removed.into_iter().flatten().for_each(|removed| db.discard(removed));
    }
    reply.ok();
    Ok(())
}

const LTRIMMED: Event = Event::list("ltrim");
