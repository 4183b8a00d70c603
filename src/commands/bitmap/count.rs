//! Bits of a part of a string: how many are set (BITCOUNT), where the first one is (BITPOS).

use super::bits::{count_between, position_between};
use super::range::Range;
use crate::commands::{
    Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::View;

/// BYTE or BIT.
const UNIT: Arg = Arg::one_of("unit", &[Arg::word("byte", "BYTE"), Arg::word("bit", "BIT")]).since("7.0.0").optional();

pub(super) static BITCOUNT: Command = Command {
    name: "bitcount",
    arity: -2,
    run: Run::Read(bitcount),
    flags: Flags::READONLY,
    acl: Acl::READ.union(Acl::BITMAP).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::Bitmap,
    summary: "Counts the bits that are set in a string or a part of it.",
    since: "2.6.0",
    complexity: "O(N) where N is the number of bytes looked at.",
    history: &[("7.0.0", "Added the `BYTE|BIT` option.")],
    args: &[Arg::key("key"), Arg::block("range", &[Arg::integer("start"), Arg::integer("end"), UNIT]).optional()],
    ..Command::BASE
};

fn bitcount(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let range = if args.len() > 2 { Some(Range::read(args, 2)?) } else { None };
    let Some(mut value) = view.string(args.key(1)).map_err(|_| CommandError::WRONG_TYPE)? else {
        reply.int(0);
        return Ok(());
    };
    let bytes = value.as_bytes();
    let bits = match &range {
        Some(range) if range.is_reversed() => None,
        Some(range) => range.bits(bytes.len()),
        None if bytes.is_empty() => None,
        None => Some((0, bytes.len() as u64 * 8 - 1)),
    };
    reply.int(bits.map_or(0, |(first, last)| count_between(bytes, first, last)) as i64);
    Ok(())
}

pub(super) static BITPOS: Command = Command {
    name: "bitpos",
    arity: -3,
    run: Run::Read(bitpos),
    flags: Flags::READONLY,
    acl: Acl::READ.union(Acl::BITMAP).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::Bitmap,
    summary: "Finds the first bit that is set, or clear, in a string or a part of it.",
    since: "2.8.7",
    complexity: "O(N) where N is the number of bytes looked at.",
    history: &[("7.0.0", "Added the `BYTE|BIT` option.")],
    args: &[
        Arg::key("key"),
        Arg::integer("bit"),
        Arg::block(
            "range",
            &[Arg::integer("start"), Arg::block("end-unit-block", &[Arg::integer("end"), UNIT]).optional()],
        )
        .optional(),
    ],
    ..Command::BASE
};

fn bitpos(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let on = match args.int(2)? {
        0 => false,
        1 => true,
        _ => return Err(CommandError::new("ERR The bit argument must be 1 or 0.")),
    };
    let range = if args.len() > 3 { Some(Range::read_open(args, 3)?) } else { None };
    let value = view.string(args.key(1)).map_err(|_| CommandError::WRONG_TYPE)?;
    let Some(mut value) = value else {
        // As many clear bits as one likes.
        reply.int(if on { -1 } else { 0 });
        return Ok(());
    };
    let bytes = value.as_bytes();
    let bits = match &range {
        Some(range) => range.bits(bytes.len()),
        None if bytes.is_empty() => None,
        None => Some((0, bytes.len() as u64 * 8 - 1)),
    };
    let Some((first, last)) = bits else {
        reply.int(-1);
        return Ok(());
    };
    let found = match position_between(bytes, on, first, last) {
        Some(found) => found as i64,
        // Unless the range ends, clear bits follow the string.
        None if !on && !range.is_some_and(|range| range.has_end()) => last as i64 + 1,
        None => -1,
    };
    reply.int(found);
    Ok(())
}
