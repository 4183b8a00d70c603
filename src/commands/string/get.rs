//! GET and what else reads a string: the whole, a part, its length, several; GETDEL and GETEX, which read and then do something to the
//! key.

use std::ops::Range;

use super::expiry::{EX, EXAT, Expiry, PERSIST, PX, PXAT, Repeat};
use crate::commands::{
    Acl, Arg, Args, BeginSearch, Command, CommandError, CommandResult, FindKeys, Flags, Group, KeyFlags, KeySpec,
    Reply, Run,
};
use crate::keyspace::{Event, Key, StringBytes, Ttl, ValueRef, View, Writer};

pub(super) static GET: Command = Command {
    name: "get",
    arity: 2,
    run: Run::Read(get),
    flags: Flags::READONLY.union(Flags::FAST),
    acl: Acl::READ.union(Acl::STRING).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::String,
    summary: "Returns the string value of a key.",
    args: &[Arg::key("key")],
    ..Command::BASE
};

fn get(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply_value(view, args.key(1), reply)?;
    Ok(())
}

/// Answers with the value of a key, or null, as GET does; whether the key is there.
#[inline(always)]
pub(super) fn reply_value(view: &View<'_>, key: Key<'_>, reply: &mut Reply<'_>) -> Result<bool, CommandError> {
    let Some(entry) = view.find(key) else {
        reply.null();
        return Ok(false);
    };
    match entry.value() {
        ValueRef::Embedded(bytes) => reply.bulk(bytes),
        ValueRef::Int(int) => reply.bulk_int(int),
        ValueRef::Raw(bytes) => reply.bulk_shared(bytes),
        ValueRef::Object(_) => return Err(CommandError::WRONG_TYPE),
    }
    Ok(true)
}

/// A value as a bulk.
fn put(reply: &mut Reply<'_>, value: StringBytes<'_>) {
    match value {
        StringBytes::Bytes(bytes) => reply.bulk(bytes),
        StringBytes::Int(_, int) => reply.bulk_int(int),
        StringBytes::Shared(bytes) => reply.bulk_shared(bytes),
    }
}

pub(super) static GETDEL: Command = Command {
    name: "getdel",
    arity: 2,
    run: Run::Write(getdel),
    flags: Flags::WRITE.union(Flags::FAST),
    acl: Acl::WRITE.union(Acl::STRING).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE))],
    group: Group::String,
    summary: "Returns the string value of a key and deletes the key.",
    since: "6.2.0",
    args: &[Arg::key("key")],
    ..Command::BASE
};

fn getdel(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.key(1);
    if reply_value(&db.view(), key, reply)? {
        db.delete_and_tell(key);
        db.propagate(&[b"DEL", key.bytes]);
    }
    Ok(())
}

pub(super) static GETEX: Command = Command {
    name: "getex",
    arity: -2,
    run: Run::Write(getex),
    flags: Flags::WRITE.union(Flags::FAST),
    acl: Acl::WRITE.union(Acl::STRING).union(Acl::FAST),
    keys: &[KeySpec {
        notes: "RW and UPDATE because it changes the TTL",
        flags: KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE),
        begin: BeginSearch::Index(1),
        find: FindKeys::Range { last: 0, step: 1, limit: 0 },
    }],
    group: Group::String,
    summary: "Returns the string value of a key and sets or removes its time to live.",
    since: "6.2.0",
    args: &[Arg::key("key"), Arg::one_of("expiration", &[EX, PX, EXAT, PXAT, PERSIST]).optional()],
    ..Command::BASE
};

fn getex(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mut expiry = Expiry::None;
    let mut index = 2;
    while index < args.len() {
        let read = expiry.read(args, index, ("PERSIST", Expiry::Persist), Repeat::Allowed)?;
        index = read.ok_or(CommandError::SYNTAX)?;
    }
    let key = args.key(1);
    let (now_ms, from_ms) = (db.now_ms(), db.relative_to_ms());
    {
        let view = db.view();
        let Some(value) = view.string(key).map_err(|_| CommandError::WRONG_TYPE)? else {
            // A time that is not one goes unnoticed here, as in Redis.
            reply.null();
            return Ok(());
        };
        // Before the reply, because it may be refused.
        expiry.ttl(args, Ttl::Keep, from_ms, "getex")?;
        put(reply, value);
    }
    match expiry.ttl(args, Ttl::Keep, from_ms, "getex")? {
        Ttl::Keep => {}
        Ttl::Clear => {
            if db.set_deadline(key, None) {
                db.propagate(&[b"PERSIST", key.bytes]);
                db.notify(Event::PERSIST, key);
            }
        }
        Ttl::At(deadline_ms) if deadline_ms <= now_ms => {
            db.delete_and_tell(key);
            db.propagate_expired(key.bytes);
        }
        Ttl::At(deadline_ms) => {
            if db.set_deadline(key, Some(deadline_ms)) {
                db.propagate(&[b"PEXPIREAT", key.bytes, itoa::Buffer::new().format(deadline_ms).as_bytes()]);
            }
            db.notify(Event::EXPIRE, key);
        }
    }
    Ok(())
}

const COMPLEXITY_OF_RANGE: &str =
    "O(N) where N is the length of the part returned; copying it is so quick that short strings count as O(1).";

pub(super) static GETRANGE: Command = Command {
    name: "getrange",
    arity: 4,
    run: Run::Read(getrange),
    flags: Flags::READONLY,
    acl: Acl::READ.union(Acl::STRING).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::String,
    summary: "Returns a part of the string value of a key.",
    since: "2.4.0",
    complexity: COMPLEXITY_OF_RANGE,
    args: &[Arg::key("key"), Arg::integer("start"), Arg::integer("end")],
    ..Command::BASE
};

pub(super) static SUBSTR: Command = Command {
    name: "substr",
    arity: 4,
    run: Run::Read(getrange),
    flags: Flags::READONLY,
    acl: Acl::READ.union(Acl::STRING).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::String,
    summary: "Returns a part of the string value of a key: the old name of GETRANGE.",
    complexity: COMPLEXITY_OF_RANGE,
    deprecated: Some(("2.0.0", "`GETRANGE`")),
    args: &[Arg::key("key"), Arg::integer("start"), Arg::integer("end")],
    ..Command::BASE
};

fn getrange(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (start, end) = (args.int(2)?, args.int(3)?);
    let Some(mut value) = view.string(args.key(1)).map_err(|_| CommandError::WRONG_TYPE)? else {
        reply.bulk(b"");
        return Ok(());
    };
    if let StringBytes::Shared(bytes) = value
        && part(start, end, bytes.len()) == (0..bytes.len())
    {
        reply.bulk_shared(bytes);
        return Ok(());
    }
    let bytes = value.as_bytes();
    reply.bulk(&bytes[part(start, end, bytes.len())]);
    Ok(())
}

/// The bytes from `start` to `end` (inclusive; negative: counted from the end) of `len`.
fn part(start: i64, end: i64, len: usize) -> Range<usize> {
    if start < 0 && end < 0 && start > end {
        return 0..0;
    }
    let len = len as i64;
    let clamp = |index: i64| if index < 0 { (index + len).max(0) } else { index };
    let (start, end) = (clamp(start), clamp(end).min(len - 1));
    if start > end { 0..0 } else { start as usize..end as usize + 1 }
}

pub(super) static STRLEN: Command = Command {
    name: "strlen",
    arity: 2,
    run: Run::Read(strlen),
    flags: Flags::READONLY.union(Flags::FAST),
    acl: Acl::READ.union(Acl::STRING).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO)],
    group: Group::String,
    summary: "Returns the length of the string value of a key.",
    since: "2.2.0",
    args: &[Arg::key("key")],
    ..Command::BASE
};

fn strlen(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let value = view.string(args.key(1)).map_err(|_| CommandError::WRONG_TYPE)?;
    reply.len(value.map_or(0, |mut value| value.as_bytes().len()));
    Ok(())
}

pub(super) static MGET: Command = Command {
    name: "mget",
    arity: -2,
    run: Run::Read(mget),
    flags: Flags::READONLY.union(Flags::FAST),
    acl: Acl::READ.union(Acl::STRING).union(Acl::FAST),
    keys: &[KeySpec::range(1, -1, 1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::String,
    summary: "Returns the string values of several keys.",
    complexity: "O(N) where N is the number of keys.",
    tips: &["request_policy:multi_shard"],
    args: &[Arg::key("key").multiple()],
    ..Command::BASE
};

fn mget(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.array(args.len() - 1);
    let mut keys = args.from(1).map(|bytes| view.key(bytes));
    // A few at a time, so that their cache misses overlap.
    loop {
        let few: smallvec::SmallVec<[Key<'_>; 16]> = keys.by_ref().take(16).collect();
        if few.is_empty() {
            return Ok(());
        }
        few.iter().for_each(|&key| view.prefetch(key));
        for &key in &few {
            match view.string(key) {
                Ok(Some(value)) => put(reply, value),
                Ok(None) | Err(_) => reply.null(),
            }
        }
    }
}
