//! Counting: INCR, DECR, INCRBY, DECRBY, INCRBYFLOAT.

use std::sync::Arc;

use crate::base::long_double::LongDouble;
use crate::base::number;
use crate::commands::{
    Acl, Arg, ArgKind, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::{EMBEDDED_MAX, Entry, Event, Key, NewValue, Ttl, ValueRef, Writer};

const FLAGS: Flags = Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST);
const ACL: Acl = Acl::WRITE.union(Acl::STRING).union(Acl::FAST);
const KEYS: &[KeySpec] = &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))];

pub(super) static INCR: Command = Command {
    name: "incr",
    arity: 2,
    run: Run::Write(incr),
    flags: FLAGS,
    acl: ACL,
    keys: KEYS,
    group: Group::String,
    summary: "Adds one to the integer value of a key, which counts as 0 if there is none.",
    args: &[Arg::key("key")],
    ..Command::BASE
};

fn incr(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    add(args, db, reply, 1)
}

pub(super) static DECR: Command = Command {
    name: "decr",
    arity: 2,
    run: Run::Write(decr),
    flags: FLAGS,
    acl: ACL,
    keys: KEYS,
    group: Group::String,
    summary: "Subtracts one from the integer value of a key, which counts as 0 if there is none.",
    args: &[Arg::key("key")],
    ..Command::BASE
};

fn decr(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    add(args, db, reply, -1)
}

pub(super) static INCRBY: Command = Command {
    name: "incrby",
    arity: 3,
    run: Run::Write(incrby),
    flags: FLAGS,
    acl: ACL,
    keys: KEYS,
    group: Group::String,
    summary: "Adds a number to the integer value of a key, which counts as 0 if there is none.",
    args: &[Arg::key("key"), Arg::integer("increment")],
    ..Command::BASE
};

fn incrby(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let increment = args.int(2)?;
    add(args, db, reply, increment)
}

pub(super) static DECRBY: Command = Command {
    name: "decrby",
    arity: 3,
    run: Run::Write(decrby),
    flags: FLAGS,
    acl: ACL,
    keys: KEYS,
    group: Group::String,
    summary: "Subtracts a number from the integer value of a key, which counts as 0 if there is none.",
    args: &[Arg::key("key"), Arg::integer("decrement")],
    ..Command::BASE
};

fn decrby(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let increment = args.int(2)?.checked_neg().ok_or(CommandError::new("ERR decrement would overflow"))?;
    add(args, db, reply, increment)
}

#[inline]
fn add(args: &Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>, increment: i64) -> CommandResult {
    let sum = db.change_int(args.key(1), |value| {
        int_of(value)?.checked_add(increment).ok_or(CommandError::new("ERR increment or decrement would overflow"))
    })?;
    db.notify(INCREMENTED, args.key(1));
    reply.int(sum);
    Ok(())
}

pub(super) const INCREMENTED: Event = Event::string("incrby");
pub(super) const INCREMENTED_BY_FLOAT: Event = Event::string("incrbyfloat");

/// The integer that a value is; none is 0.
#[inline]
pub(super) fn int_of(value: Option<ValueRef<'_>>) -> Result<i64, CommandError> {
    match value {
        None => Ok(0),
        Some(ValueRef::Int(int)) => Ok(int),
        Some(ValueRef::Embedded(bytes)) => number::parse_i64(bytes).ok_or(CommandError::NOT_AN_INTEGER),
        Some(ValueRef::Raw(bytes)) => number::parse_i64(bytes).ok_or(CommandError::NOT_AN_INTEGER),
        Some(ValueRef::Object(_)) => Err(CommandError::WRONG_TYPE),
    }
}

pub(super) static INCRBYFLOAT: Command = Command {
    name: "incrbyfloat",
    arity: 3,
    run: Run::Write(incrbyfloat),
    flags: FLAGS,
    acl: ACL,
    keys: KEYS,
    group: Group::String,
    summary: "Adds a floating-point number to the value of a key, which counts as 0 if there is none.",
    since: "2.6.0",
    args: &[Arg::key("key"), Arg::new("increment", ArgKind::Double)],
    ..Command::BASE
};

fn incrbyfloat(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.key(1);
    let value = long_double_of(db.find(key).map(Entry::value))?;
    let increment = LongDouble::parse(args.get(2)).ok_or(CommandError::NOT_A_FLOAT)?;
    let sum = value.checked_add(increment).ok_or(CommandError::new("ERR increment would produce NaN or Infinity"))?;
    let text = sum.to_decimal();
    store_text(db, key, &text, Ttl::Keep);
    // The sum may depend on how a machine adds.
    db.propagate(&[b"SET", key.bytes, text.as_bytes(), b"KEEPTTL"]);
    db.notify(INCREMENTED_BY_FLOAT, key);
    reply.bulk_str(&text);
    Ok(())
}

/// The floating-point number that a value is; none is 0.
pub(super) fn long_double_of(value: Option<ValueRef<'_>>) -> Result<LongDouble, CommandError> {
    let parsed = match value {
        None => Some(LongDouble::from(0)),
        Some(ValueRef::Int(int)) => Some(LongDouble::from(int)),
        Some(ValueRef::Embedded(bytes)) => LongDouble::parse(bytes),
        Some(ValueRef::Raw(bytes)) => LongDouble::parse(bytes),
        Some(ValueRef::Object(_)) => return Err(CommandError::WRONG_TYPE),
    };
    parsed.ok_or(CommandError::NOT_A_FLOAT)
}

/// Stores the text of a number as it is: Redis does not make an integer of it either.
pub(super) fn store_text(db: &mut Writer<'_>, key: Key<'_>, text: &str, ttl: Ttl) {
    let value = if text.len() <= EMBEDDED_MAX {
        NewValue::Embedded(text.as_bytes())
    } else {
        NewValue::Raw(Arc::new(text.as_bytes().to_vec()))
    };
    db.set(key, value, ttl);
}
