//! Changing a part of a string in place: APPEND, SETRANGE.

use std::sync::Arc;

use crate::base::growth;
use crate::commands::{
    Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::{Event, Key, NewValue, Ttl, Writer};

const APPENDED: Event = Event::string("append");
const RANGE_SET: Event = Event::string("setrange");

pub(super) static APPEND: Command = Command {
    name: "append",
    arity: 3,
    run: Run::Write(append),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    acl: Acl::WRITE.union(Acl::STRING).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::INSERT))],
    group: Group::String,
    summary: "Appends to the string value of a key, which is created if there is none.",
    since: "2.0.0",
    complexity: "O(1), amortized: a value that is moved to larger memory gets room to grow.",
    args: &[Arg::key("key"), Arg::string("value")],
    ..Command::BASE
};

fn append(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.key(1);
    let added = args.get(2);
    let bulk_max = db.bulk_max();
    let Some(mut value) = db.string(key).map_err(|_| CommandError::WRONG_TYPE)? else {
        let (hash, len) = (args.key_hash(), added.len());
        let (key, value) = args.key_and_value(1, 2);
        let key = Key::with_hash(key, hash);
        db.set(key, value, Ttl::Clear);
        db.notify(APPENDED, key);
        reply.len(len);
        return Ok(());
    };
    if value.as_bytes().len().saturating_add(added.len()) > bulk_max {
        return Err(CommandError::STRING_TOO_LONG);
    }
    let appended = db.change_string(key, |bytes| {
        growth::make_room(bytes, bytes.len() + added.len());
        bytes.extend_from_slice(added);
        bytes.len()
    });
    reply.len(appended.map_err(|_| CommandError::WRONG_TYPE)?);
    db.notify(APPENDED, key);
    Ok(())
}

pub(super) static SETRANGE: Command = Command {
    name: "setrange",
    arity: 4,
    run: Run::Write(setrange),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    acl: Acl::WRITE.union(Acl::STRING).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
    group: Group::String,
    summary: "Overwrites a part of the string value of a key, which grows, and is created, as needed.",
    since: "2.2.0",
    complexity: "O(M) where M is the length of the argument, and of the value if it must be moved; O(1) for short ones.",
    args: &[Arg::key("key"), Arg::integer("offset"), Arg::string("value")],
    ..Command::BASE
};

fn setrange(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let offset = usize::try_from(args.int(2)?).map_err(|_| CommandError::new("ERR offset is out of range"))?;
    let key = args.key(1);
    let part = args.get(3);
    let bulk_max = db.bulk_max();
    let len = db.string(key).map_err(|_| CommandError::WRONG_TYPE)?.map(|mut value| value.as_bytes().len());
    if part.is_empty() {
        reply.len(len.unwrap_or(0));
        return Ok(());
    }
    let end = offset.saturating_add(part.len());
    if end > bulk_max {
        return Err(CommandError::STRING_TOO_LONG);
    }
    if len.is_none() {
        let mut bytes = vec![0; end];
        bytes[offset..].copy_from_slice(part);
        db.set(key, NewValue::Raw(Arc::new(bytes)), Ttl::Clear);
        db.notify(RANGE_SET, key);
        reply.len(end);
        return Ok(());
    }
    let changed = db.change_string(key, |bytes| {
        growth::grow(bytes, end);
        bytes[offset..end].copy_from_slice(part);
        bytes.len()
    });
    reply.len(changed.map_err(|_| CommandError::WRONG_TYPE)?);
    db.notify(RANGE_SET, key);
    Ok(())
}
