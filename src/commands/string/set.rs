//! SET with its options, and the older commands that are special cases of it.

use super::digest::{Condition, IFDEQ, IFDNE, IFEQ, IFNE};
use super::expiry::{EX, EXAT, Expiry, KEEPTTL, PX, PXAT, Repeat, deadline_ms};
use super::get::reply_value;
use crate::commands::time_unit::TimeUnit;
use crate::commands::{
    Acl, Arg, Args, BeginSearch, Command, CommandError, CommandResult, FindKeys, Flags, Group, KeyFlags, KeySpec,
    Reply, Run,
};
use crate::keyspace::{Event, Key, NewValue, Ttl, Writer};

pub(super) static SET: Command = Command {
    name: "set",
    arity: -3,
    run: Run::Write(set),
    is_quick: true,
    flags: Flags::WRITE.union(Flags::DENYOOM),
    acl: Acl::WRITE.union(Acl::STRING).union(Acl::SLOW),
    keys: &[KeySpec {
        notes: "RW and ACCESS due to the optional `GET` argument",
        flags: KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE).union(KeyFlags::VARIABLE_FLAGS),
        begin: BeginSearch::Index(1),
        find: FindKeys::Range { last: 0, step: 1, limit: 0 },
    }],
    group: Group::String,
    summary: "Sets the string value of a key, whatever it held before.",
    history: &[
        ("2.6.12", "`EX`, `PX`, `NX` and `XX` came."),
        ("6.0.0", "`KEEPTTL` came."),
        ("6.2.0", "`GET`, `EXAT` and `PXAT` came."),
        ("7.0.0", "`NX` and `GET` may be used together."),
        ("8.4.0", "`IFEQ`, `IFNE`, `IFDEQ` and `IFDNE` came."),
    ],
    args: &[
        Arg::key("key"),
        Arg::string("value"),
        Arg::one_of(
            "condition",
            &[
                Arg::word("nx", "NX"),
                Arg::word("xx", "XX"),
                IFEQ.since("8.4.0"),
                IFNE.since("8.4.0"),
                IFDEQ.since("8.4.0"),
                IFDNE.since("8.4.0"),
            ],
        )
        .since("2.6.12")
        .optional(),
        Arg::word("get", "GET").since("6.2.0").optional(),
        Arg::one_of(
            "expiration",
            &[EX.since("2.6.12"), PX.since("2.6.12"), EXAT.since("6.2.0"), PXAT.since("6.2.0"), KEEPTTL.since("6.0.0")],
        )
        .optional(),
    ],
    ..Command::BASE
};

fn set(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    match args.borrowed(2) {
        Some(value) if args.len() == 3 => {
            let key = args.key(1);
            db.set(key, NewValue::string(value), Ttl::Clear);
            db.notify(Event::SET, key);
        }
        _ => return set_with_options(args, db, reply),
    }
    reply.ok();
    Ok(())
}

/// When SET sets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    /// NX
    Missing,
    /// XX
    There,
    /// The condition, and which argument its operand is.
    Value(Condition, usize),
}

#[inline(never)]
fn set_with_options(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mut when = When::Always;
    let mut get = false;
    let mut expiry = Expiry::None;
    let mut index = 3;
    while index < args.len() {
        if let Some(next) = expiry.read(args, index, ("KEEPTTL", Expiry::Keep), Repeat::Allowed)? {
            index = next;
            continue;
        }
        if args.is(index, "GET") {
            get = true;
            index += 1;
            continue;
        }
        let read = if args.is(index, "NX") {
            When::Missing
        } else if args.is(index, "XX") {
            When::There
        } else {
            let condition = Condition::of_word(args.get(index)).ok_or(CommandError::SYNTAX)?;
            index += 1;
            if index >= args.len() {
                return Err(CommandError::SYNTAX);
            }
            When::Value(condition, index)
        };
        let repeats = match (when, read) {
            (When::Value(earlier, _), When::Value(condition, _)) => earlier == condition,
            (earlier, read) => earlier == read,
        };
        if when != When::Always && !repeats {
            return Err(CommandError::SYNTAX);
        }
        when = read;
        index += 1;
    }
    let ttl = expiry.ttl(args, Ttl::Clear, db.relative_to_ms(), "set")?;
    let key = args.key(1);
    let sets = match when {
        When::Always => true,
        // A look at the key, as at a lock that is held, is a use of it.
        When::Missing => db.find(key).is_none(),
        When::There => db.exists(key),
        When::Value(condition, operand) => match db.string(key).map_err(|_| CommandError::WRONG_TYPE)? {
            Some(mut value) => condition.holds(value.as_bytes(), args.get(operand))?,
            None => condition.holds_for_missing(),
        },
    };
    if get {
        reply_value(&db.view(), key, reply)?;
    } else if sets {
        reply.ok();
    } else {
        reply.null();
    }
    if sets {
        if db.propagates() && (matches!(when, When::Value(..)) || matches!(ttl, Ttl::At(_))) {
            propagate_set(db, args.get(1), args.get(2), ttl);
        }
        store(args, 2, db, ttl);
    }
    Ok(())
}

/// Names, for the journal, the setting of a string as any version of Redis understands it.
pub(super) fn propagate_set(db: &mut Writer<'_>, key: &[u8], value: &[u8], ttl: Ttl) {
    match ttl {
        Ttl::Clear => db.propagate(&[b"SET", key, value]),
        Ttl::Keep => db.propagate(&[b"SET", key, value, b"KEEPTTL"]),
        Ttl::At(deadline_ms) => {
            db.propagate(&[b"SET", key, value, b"PXAT", itoa::Buffer::new().format(deadline_ms).as_bytes()])
        }
    }
}

/// Sets the first key to the argument at `value`, until a deadline.
fn store_until(args: &mut Args<'_>, value: usize, db: &mut Writer<'_>, deadline_ms: i64) {
    propagate_set(db, args.get(1), args.get(value), Ttl::At(deadline_ms));
    store(args, value, db, Ttl::At(deadline_ms));
}

/// Sets the first key to the argument at `value`.
fn store(args: &mut Args<'_>, value: usize, db: &mut Writer<'_>, ttl: Ttl) {
    let hash = args.key_hash();
    let (key, value) = args.key_and_value(1, value);
    set_and_tell(db, Key::with_hash(key, hash), value, ttl);
}

/// Sets a key, and tells subscribers so.
pub(super) fn set_and_tell(db: &mut Writer<'_>, key: Key<'_>, value: NewValue<'_>, ttl: Ttl) {
    db.set(key, value, ttl);
    db.notify(Event::SET, key);
    if matches!(ttl, Ttl::At(_)) {
        db.notify(Event::EXPIRE, key);
    }
}

pub(super) static SETNX: Command = Command {
    name: "setnx",
    arity: 3,
    run: Run::Write(setnx),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    acl: Acl::WRITE.union(Acl::STRING).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::OW.union(KeyFlags::INSERT))],
    group: Group::String,
    summary: "Sets the string value of a key that does not exist.",
    deprecated: Some(("2.6.12", "`SET` with the `NX` argument")),
    args: &[Arg::key("key"), Arg::string("value")],
    ..Command::BASE
};

fn setnx(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let missing = db.find(args.key(1)).is_none();
    if missing {
        store(args, 2, db, Ttl::Clear);
    }
    reply.int(i64::from(missing));
    Ok(())
}

pub(super) static SETEX: Command = Command {
    name: "setex",
    arity: 4,
    run: Run::Write(setex),
    is_quick: true,
    flags: Flags::WRITE.union(Flags::DENYOOM),
    acl: Acl::WRITE.union(Acl::STRING).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE))],
    group: Group::String,
    summary: "Sets the string value of a key and its time to live.",
    since: "2.0.0",
    deprecated: Some(("2.6.12", "`SET` with the `EX` argument")),
    args: &[Arg::key("key"), Arg::integer("seconds"), Arg::string("value")],
    ..Command::BASE
};

fn setex(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let deadline_ms = deadline_ms(TimeUnit::Seconds, args, 2, db.relative_to_ms(), "setex")?;
    store_until(args, 3, db, deadline_ms);
    reply.ok();
    Ok(())
}

pub(super) static PSETEX: Command = Command {
    name: "psetex",
    arity: 4,
    run: Run::Write(psetex),
    is_quick: true,
    flags: Flags::WRITE.union(Flags::DENYOOM),
    acl: Acl::WRITE.union(Acl::STRING).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE))],
    group: Group::String,
    summary: "Sets the string value of a key and its time to live in milliseconds.",
    since: "2.6.0",
    deprecated: Some(("2.6.12", "`SET` with the `PX` argument")),
    args: &[Arg::key("key"), Arg::integer("milliseconds"), Arg::string("value")],
    ..Command::BASE
};

fn psetex(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let deadline_ms = deadline_ms(TimeUnit::Milliseconds, args, 2, db.relative_to_ms(), "psetex")?;
    store_until(args, 3, db, deadline_ms);
    reply.ok();
    Ok(())
}

pub(super) static GETSET: Command = Command {
    name: "getset",
    arity: 3,
    run: Run::Write(getset),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    acl: Acl::WRITE.union(Acl::STRING).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))],
    group: Group::String,
    summary: "Sets the string value of a key and returns the one it had.",
    deprecated: Some(("6.2.0", "`SET` with the `!GET` argument")),
    args: &[Arg::key("key"), Arg::string("value")],
    ..Command::BASE
};

fn getset(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply_value(&db.view(), args.key(1), reply)?;
    store(args, 2, db, Ttl::Clear);
    Ok(())
}
