//! Moving an element from one list to another: LMOVE, RPOPLPUSH, and the same waiting for one: BLMOVE, BRPOPLPUSH.

use smallvec::SmallVec;

use super::{BLOCKING_ACL, WRITE_ACL, pop_event, push_event, side};
use crate::commands::{
    Arg, ArgKind, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Outcome, Reply, Run,
    Wait,
};
use crate::keyspace::{Changed, Key, Kind, List, Side, Writer, WrongType};

pub(super) const KEYS: &[KeySpec] = &[
    KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE)),
    KeySpec::one(2, KeyFlags::RW.union(KeyFlags::INSERT)),
];
pub(super) const SOURCE: Arg = Arg::key("source");
pub(super) const DESTINATION: Arg = Arg::key("destination").of_spec(1);
const SIDES: &[Arg] = &[Arg::word("left", "LEFT"), Arg::word("right", "RIGHT")];
pub(super) const FROM: Arg = Arg::one_of("wherefrom", SIDES);
pub(super) const TO: Arg = Arg::one_of("whereto", SIDES);
pub(super) const TIMEOUT: Arg = Arg::new("timeout", ArgKind::Double);

pub(super) static LMOVE: Command = Command {
    name: "lmove",
    arity: 5,
    run: Run::Write(lmove),
    is_quick: true,
    flags: Flags::WRITE.union(Flags::DENYOOM),
    acl: WRITE_ACL,
    keys: KEYS,
    group: Group::List,
    summary: "Moves an element from an end of a list to an end of another, and answers it.",
    since: "6.2.0",
    args: &[SOURCE, DESTINATION, FROM, TO],
    ..Command::BASE
};

fn lmove(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (from, to) = (side(args, 3)?, side(args, 4)?);
    if !move_one(args, db, reply, from, to)? {
        reply.null();
    }
    Ok(())
}

pub(super) static RPOPLPUSH: Command = Command {
    name: "rpoplpush",
    arity: 3,
    run: Run::Write(rpoplpush),
    is_quick: true,
    flags: Flags::WRITE.union(Flags::DENYOOM),
    acl: WRITE_ACL,
    keys: KEYS,
    group: Group::List,
    summary: "Moves the last element of a list to the front of another, and answers it.",
    since: "1.2.0",
    deprecated: Some(("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments")),
    args: &[SOURCE, DESTINATION],
    ..Command::BASE
};

fn rpoplpush(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if !move_one(args, db, reply, Side::Right, Side::Left)? {
        reply.null();
    }
    Ok(())
}

pub(super) static BLMOVE: Command = Command {
    name: "blmove",
    arity: 6,
    run: Run::Block(blmove),
    is_quick: true,
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::BLOCKING),
    acl: BLOCKING_ACL,
    keys: KEYS,
    group: Group::List,
    summary: "Moves an element from an end of a list to an end of another, and answers it; waits for one if there is none.",
    since: "6.2.0",
    args: &[SOURCE, DESTINATION, FROM, TO, TIMEOUT],
    ..Command::BASE
};

fn blmove(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let (from, to) = (side(args, 3)?, side(args, 4)?);
    let timeout_ms = args.timeout_ms(5, db.now_ms())?;
    if !move_one(args, db, reply, from, to)? {
        return Ok(wait_for_source(timeout_ms, false));
    }
    db.propagate(&[b"LMOVE", args.get(1), args.get(2), args.get(3), args.get(4)]);
    Ok(Outcome::Done)
}

pub(super) static BRPOPLPUSH: Command = Command {
    name: "brpoplpush",
    arity: 4,
    run: Run::Block(brpoplpush),
    is_quick: true,
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::BLOCKING),
    acl: BLOCKING_ACL,
    keys: KEYS,
    group: Group::List,
    summary: "Moves the last element of a list to the front of another, and answers it; waits for one if there is none.",
    since: "2.2.0",
    history: &[("6.0.0", "The `timeout` may have decimals.")],
    deprecated: Some(("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments")),
    args: &[SOURCE, DESTINATION, TIMEOUT],
    ..Command::BASE
};

fn brpoplpush(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let timeout_ms = args.timeout_ms(3, db.now_ms())?;
    if !move_one(args, db, reply, Side::Right, Side::Left)? {
        return Ok(wait_for_source(timeout_ms, false));
    }
    db.propagate(&[b"RPOPLPUSH", args.get(1), args.get(2)]);
    Ok(Outcome::Done)
}

/// `needs_more`: a source that is there may have too few elements. Such a command answers a null array where it may not wait.
pub(super) fn wait_for_source(timeout_ms: Option<u64>, needs_more: bool) -> Outcome {
    Outcome::Wait(Wait { keys: 1..2, timeout_ms, null_array: needs_more, kind: Kind::List, on_change: needs_more })
}

/// Moves an element of the list at argument 1 to that at argument 2. False: there is no such list.
fn move_one(
    args: &Args<'_>,
    db: &mut Writer<'_>,
    reply: &mut Reply<'_>,
    from: Side,
    to: Side,
) -> Result<bool, WrongType> {
    let (source, destination) = (args.key(1), db.key(args.get(2)));
    let mut element = SmallVec::<[u8; INLINE]>::new();
    if source.bytes == destination.bytes {
        let turned = turn(db, source, from, to, &mut element)?;
        if turned {
            reply.bulk(&element);
        }
        return Ok(turned);
    }
    let Some(list) = db.object::<List>(source)? else { return Ok(false) };
    if let Some(value) = list.end(from) {
        element.extend_from_slice(value.text(&mut itoa::Buffer::new()));
    }
    // First, because the other end may be no list. That is also the order in which Redis tells of it.
    db.change_or_make(
        destination,
        push_event(to),
        |_| List::new(),
        |list, context| {
            list.make_room(element.len(), 1, context);
            list.push(to, &element);
            Changed((), 1)
        },
    )?;
    db.change(source, pop_event(from), |list: &mut List, _| {
        list.pop(from, |_| {});
        list.settle();
        Changed((), 1)
    })?;
    db.count_less(1);
    reply.bulk(&element);
    Ok(true)
}

/// Moves an element from one end of a list to the other or the same.
fn turn(
    db: &mut Writer<'_>,
    key: Key<'_>,
    from: Side,
    to: Side,
    element: &mut SmallVec<[u8; INLINE]>,
) -> Result<bool, WrongType> {
    let turned = db.change(key, push_event(to), |list: &mut List, context| {
        list.pop(from, |value| element.extend_from_slice(value.text(&mut itoa::Buffer::new())));
        list.make_room(element.len(), 1, context);
        list.push(to, element);
        list.settle();
        Changed((), 1)
    })?;
    if turned.is_some() {
        db.notify(pop_event(from), key);
    }
    Ok(turned.is_some())
}

/// Elements up to this length are carried from list to list without an allocation.
const INLINE: usize = 64;
