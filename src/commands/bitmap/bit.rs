//! A single bit: SETBIT, GETBIT.

use super::bit_offset;
use super::bits::bit;
use crate::base::growth::grow;
use crate::commands::{
    Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::{Changed, Event, View, Writer};

/// Of every command that sets bits in place.
pub(super) const SET_BIT: Event = Event::string("setbit");

pub(super) static SETBIT: Command = Command {
    name: "setbit",
    arity: 4,
    run: Run::Write(setbit),
    is_quick: true,
    flags: Flags::WRITE.union(Flags::DENYOOM),
    acl: Acl::WRITE.union(Acl::BITMAP).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))],
    group: Group::Bitmap,
    summary: "Sets or clears a bit of a string, which grows, and is created, as needed.",
    since: "2.2.0",
    args: &[Arg::key("key"), Arg::integer("offset"), Arg::integer("value")],
    ..Command::BASE
};

fn setbit(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let offset = bit_offset(args, 2, None, db.bulk_max())?;
    let on = args.int(3).ok().filter(|on| matches!(on, 0 | 1));
    let on = on.ok_or(CommandError::new("ERR bit is not an integer or out of range"))? == 1;
    let (byte, mask) = ((offset >> 3) as usize, 0x80 >> (offset & 7));
    let was_on = db.change_bytes(args.key(1), SET_BIT, |bytes| {
        let grown = grow(bytes, byte + 1);
        let was_on = bytes[byte] & mask != 0;
        bytes[byte] = if on { bytes[byte] | mask } else { bytes[byte] & !mask };
        Changed(was_on, usize::from(grown || was_on != on))
    });
    reply.int(i64::from(was_on.map_err(|_| CommandError::WRONG_TYPE)?));
    Ok(())
}

pub(super) static GETBIT: Command = Command {
    name: "getbit",
    arity: 3,
    run: Run::Read(getbit),
    flags: Flags::READONLY.union(Flags::FAST),
    acl: Acl::READ.union(Acl::BITMAP).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::Bitmap,
    summary: "Returns a bit of a string.",
    since: "2.2.0",
    args: &[Arg::key("key"), Arg::integer("offset")],
    ..Command::BASE
};

fn getbit(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let offset = bit_offset(args, 2, None, view.bulk_max())?;
    let value = view.string(args.key(1)).map_err(|_| CommandError::WRONG_TYPE)?;
    reply.int(i64::from(value.is_some_and(|mut value| bit(value.as_bytes(), offset))));
    Ok(())
}
