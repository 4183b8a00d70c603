//! Taking members from an end: ZPOPMIN, ZPOPMAX, ZMPOP, and those that wait: BZPOPMIN, BZPOPMAX, BZMPOP.

use super::{put_member, put_pair, put_pairs_header};
use crate::base::number;
use crate::commands::{
    Acl, Arg, ArgKind, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Outcome, Reply,
    Run, Wait,
};
use crate::keyspace::{Changed, End, Event, Kind, SortedSet, Typed, Writer};

fn event(end: End) -> Event {
    Event::sorted_set(if end == End::Min { "zpopmin" } else { "zpopmax" })
}

pub(super) static ZPOPMIN: Command = Command {
    name: "zpopmin",
    arity: -2,
    run: Run::Write(zpopmin),
    flags: Flags::WRITE.union(Flags::FAST),
    acl: Acl::WRITE.union(Acl::SORTEDSET).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE))],
    group: Group::SortedSet,
    summary: "Removes and returns the members with the lowest scores.",
    since: "5.0.0",
    complexity: "O(log(N)*M) where N is the size of the sorted set and M the number of members removed.",
    args: &[Arg::key("key"), Arg::integer("count").optional()],
    ..Command::BASE
};

fn zpopmin(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    pop(args, db, reply, End::Min)
}

pub(super) static ZPOPMAX: Command = Command {
    name: "zpopmax",
    arity: -2,
    run: Run::Write(zpopmax),
    flags: Flags::WRITE.union(Flags::FAST),
    acl: Acl::WRITE.union(Acl::SORTEDSET).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE))],
    group: Group::SortedSet,
    summary: "Removes and returns the members with the highest scores.",
    since: "5.0.0",
    complexity: "O(log(N)*M) where N is the size of the sorted set and M the number of members removed.",
    args: &[Arg::key("key"), Arg::integer("count").optional()],
    ..Command::BASE
};

fn zpopmax(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    pop(args, db, reply, End::Max)
}

fn pop(args: &Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>, end: End) -> CommandResult {
    if args.len() > 3 {
        return Err(CommandError::SYNTAX);
    }
    // Without a count the one member is not in an array of its own.
    let counted = args.len() == 3;
    let count = if counted { positive_or_zero(args.get(2))? } else { 1 };
    let popped = db.change(args.key(1), event(end), |set: &mut SortedSet, context| {
        let popping = count.min(set.len());
        if counted {
            put_pairs_header(reply, popping);
        } else {
            reply.array(2);
        }
        let popped = set.pop(end, popping, context, |member, score| {
            if counted {
                put_pair(reply, member, score);
            } else {
                put_member(reply, member);
                reply.double(score);
            }
        });
        Changed((), popped)
    })?;
    if popped.is_none() {
        reply.array(0);
    }
    Ok(())
}

/// The command that pops from this end.
fn pop_name(end: End) -> &'static [u8] {
    match end {
        End::Min => b"ZPOPMIN",
        End::Max => b"ZPOPMAX",
    }
}

fn positive_or_zero(text: &[u8]) -> Result<usize, CommandError> {
    let count = number::parse_i64(text).and_then(|count| usize::try_from(count).ok());
    count.ok_or(CommandError::new("ERR value is out of range, must be positive"))
}

/// ZMPOP's arguments: the keys, which end, how many.
struct Multiple {
    keys: std::ops::Range<usize>,
    end: End,
    count: usize,
}

impl Multiple {
    /// The number of keys is argument `at`.
    fn parse(args: &Args<'_>, at: usize) -> Result<Multiple, CommandError> {
        let positive = |at: usize, error| {
            let number = number::parse_i64(args.get(at)).and_then(|number| usize::try_from(number).ok());
            number.filter(|&number| number > 0).ok_or(CommandError::new(error))
        };
        let keys = positive(at, "ERR numkeys should be greater than 0")?;
        let first = at + 1;
        let end_at = first.checked_add(keys).filter(|&at| at < args.len()).ok_or(CommandError::SYNTAX)?;
        let end = match () {
            () if args.is(end_at, "MIN") => End::Min,
            () if args.is(end_at, "MAX") => End::Max,
            () => return Err(CommandError::SYNTAX),
        };
        let mut count = None;
        let mut at = end_at + 1;
        while at < args.len() {
            if count.is_some() || !args.is(at, "COUNT") || at + 1 >= args.len() {
                return Err(CommandError::SYNTAX);
            }
            count = Some(positive(at + 1, "ERR count should be greater than 0")?);
            at += 2;
        }
        Ok(Multiple { keys: first..end_at, end, count: count.unwrap_or(1) })
    }

    /// Pops from the first key that has members. Whether there was one.
    fn pop(&self, args: &Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> Result<bool, CommandError> {
        for at in self.keys.clone() {
            let key = db.key(args.get(at));
            let popped = db.change(key, event(self.end), |set: &mut SortedSet, context| {
                let popping = self.count.min(set.len());
                reply.array(2);
                reply.bulk(key.bytes);
                // Pairs in either version.
                reply.array(popping);
                let popped = set.pop(self.end, popping, context, |member, score| {
                    reply.array(2);
                    put_member(reply, member);
                    reply.double(score);
                });
                Changed(popped, popped)
            })?;
            if let Some(popped) = popped {
                let mut digits = itoa::Buffer::new();
                db.propagate(&[pop_name(self.end), key.bytes, digits.format(popped).as_bytes()]);
                return Ok(true);
            }
        }
        Ok(false)
    }
}

pub(super) static ZMPOP: Command = Command {
    name: "zmpop",
    arity: -4,
    run: Run::Write(zmpop),
    flags: Flags::WRITE.union(Flags::MOVABLEKEYS),
    acl: Acl::WRITE.union(Acl::SORTEDSET).union(Acl::SLOW),
    keys: &[KeySpec::counted(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE))],
    group: Group::SortedSet,
    summary: "Removes and returns members from one end of the first sorted set that has any.",
    since: "7.0.0",
    complexity: "O(K) + O(M*log(N)) where K is the number of keys, N the size of the sorted set and M the number of members removed.",
    args: &[
        Arg::integer("numkeys"),
        Arg::key("key").multiple(),
        Arg::one_of("where", &[Arg::word("min", "MIN"), Arg::word("max", "MAX")]),
        Arg::integer("count").token("COUNT").optional(),
    ],
    ..Command::BASE
};

fn zmpop(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let multiple = Multiple::parse(args, 1)?;
    if !multiple.pop(args, db, reply)? {
        reply.null_array();
    }
    Ok(())
}

pub(super) static BZMPOP: Command = Command {
    name: "bzmpop",
    arity: -5,
    run: Run::Block(bzmpop),
    flags: Flags::WRITE.union(Flags::BLOCKING).union(Flags::MOVABLEKEYS),
    acl: Acl::WRITE.union(Acl::SORTEDSET).union(Acl::SLOW).union(Acl::BLOCKING),
    keys: &[KeySpec::counted(2, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE))],
    group: Group::SortedSet,
    summary: "Removes and returns members from one end of the first sorted set that has any, and waits while none has.",
    since: "7.0.0",
    complexity: "O(K) + O(M*log(N)) where K is the number of keys, N the size of the sorted set and M the number of members removed.",
    args: &[
        Arg::new("timeout", ArgKind::Double),
        Arg::integer("numkeys"),
        Arg::key("key").multiple(),
        Arg::one_of("where", &[Arg::word("min", "MIN"), Arg::word("max", "MAX")]),
        Arg::integer("count").token("COUNT").optional(),
    ],
    ..Command::BASE
};

fn bzmpop(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let multiple = Multiple::parse(args, 2)?;
    let timeout_ms = args.timeout_ms(1, db.now_ms())?;
    if multiple.pop(args, db, reply)? {
        return Ok(Outcome::Done);
    }
    Ok(Outcome::Wait(Wait {
        keys: multiple.keys,
        timeout_ms,
        null_array: true,
        kind: Kind::SortedSet,
        on_change: false,
    }))
}

pub(super) static BZPOPMIN: Command = Command {
    name: "bzpopmin",
    arity: -3,
    run: Run::Block(bzpopmin),
    flags: Flags::WRITE.union(Flags::NOSCRIPT).union(Flags::BLOCKING).union(Flags::FAST),
    acl: Acl::WRITE.union(Acl::SORTEDSET).union(Acl::FAST).union(Acl::BLOCKING),
    keys: &[KeySpec::range(1, -2, 1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE))],
    group: Group::SortedSet,
    summary: "Removes and returns the member with the lowest score of the first sorted set that has any, and waits while none has.",
    since: "5.0.0",
    complexity: "O(log(N)) where N is the size of the sorted set.",
    history: &[("6.0.0", "The timeout may be a fraction.")],
    args: &[Arg::key("key").multiple(), Arg::new("timeout", ArgKind::Double)],
    ..Command::BASE
};

fn bzpopmin(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    pop_or_wait(args, db, reply, End::Min)
}

pub(super) static BZPOPMAX: Command = Command {
    name: "bzpopmax",
    arity: -3,
    run: Run::Block(bzpopmax),
    flags: Flags::WRITE.union(Flags::NOSCRIPT).union(Flags::BLOCKING).union(Flags::FAST),
    acl: Acl::WRITE.union(Acl::SORTEDSET).union(Acl::FAST).union(Acl::BLOCKING),
    keys: &[KeySpec::range(1, -2, 1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE))],
    group: Group::SortedSet,
    summary: "Removes and returns the member with the highest score of the first sorted set that has any, and waits while none has.",
    since: "5.0.0",
    complexity: "O(log(N)) where N is the size of the sorted set.",
    history: &[("6.0.0", "The timeout may be a fraction.")],
    args: &[Arg::key("key").multiple(), Arg::new("timeout", ArgKind::Double)],
    ..Command::BASE
};

fn bzpopmax(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    pop_or_wait(args, db, reply, End::Max)
}

fn pop_or_wait(args: &Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>, end: End) -> Result<Outcome, CommandError> {
    let last = args.len() - 1;
    let timeout_ms = args.timeout_ms(last, db.now_ms())?;
    for at in 1..last {
        let key = if at == 1 { args.key(1) } else { db.key(args.get(at)) };
        let popped = db.change(key, event(end), |set: &mut SortedSet, context| {
            reply.array(3);
            reply.bulk(key.bytes);
            let popped = set.pop(end, 1, context, |member, score| {
                put_member(reply, member);
                reply.double(score);
            });
            Changed((), popped)
        })?;
        if popped.is_some() {
            db.propagate(&[pop_name(end), key.bytes]);
            return Ok(Outcome::Done);
        }
    }
    Ok(Outcome::Wait(Wait { keys: 1..last, timeout_ms, null_array: true, kind: Kind::SortedSet, on_change: false }))
}
