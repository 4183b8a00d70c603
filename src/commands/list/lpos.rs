//! LPOS: where an element is.

use super::READ_ACL;
use crate::collections::listpack::Needle;
use crate::commands::{Arg, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run};
use crate::keyspace::{List, Side, Typed, View};

pub(super) static LPOS: Command = Command {
    name: "lpos",
    arity: -3,
    run: Run::Read(lpos),
    flags: Flags::READONLY,
    acl: READ_ACL,
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::List,
    summary: "The indexes of the elements of a value.",
    since: "6.0.6",
    complexity: "O(N) where N is the number of elements that are looked at",
    args: &[
        Arg::key("key"),
        Arg::string("element"),
        Arg::integer("rank").token("RANK").optional(),
        Arg::integer("num-matches").token("COUNT").optional(),
        Arg::integer("len").token("MAXLEN").optional(),
    ],
    ..Command::BASE
};

/// Which matches are asked for.
struct Options {
    /// The first that counts, from 1; negative: from the back.
    rank: i64,
    /// How many (0: all), answered as an array; None: one.
    count: Option<usize>,
    /// How many elements are looked at; 0: all.
    maxlen: usize,
}

impl Options {
    fn parse(args: &Args<'_>) -> Result<Options, CommandError> {
        let mut options = Options { rank: 1, count: None, maxlen: 0 };
        let mut index = 3;
        while index < args.len() {
            if index + 1 >= args.len() {
                return Err(CommandError::SYNTAX);
            }
            let natural = |error: &'static str| {
                args.int(index + 1).ok().and_then(|n| usize::try_from(n).ok()).ok_or(CommandError::new(error))
            };
            if args.is(index, "RANK") {
                options.rank = args.int_within(index + 1, -i64::MAX, i64::MAX)?;
                if options.rank == 0 {
                    return Err(CommandError::new(
                        "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use \
                         negative to start from the end of the list",
                    ));
                }
            } else if args.is(index, "COUNT") {
                options.count = Some(natural("ERR COUNT can't be negative")?);
            } else if args.is(index, "MAXLEN") {
                options.maxlen = natural("ERR MAXLEN can't be negative")?;
            } else {
                return Err(CommandError::SYNTAX);
            }
            index += 2;
        }
        Ok(options)
    }
}

fn lpos(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let options = Options::parse(args)?;
    let found = match view.object::<List>(args.key(1))? {
        Some(list) => find(list, args.get(2), &options),
        None => Vec::new(),
    };
    if options.count.is_none() {
        match found.first() {
            Some(&index) => reply.len(index),
            None => reply.null(),
        }
        return Ok(());
    }
    reply.array(found.len());
    for index in found {
        reply.len(index);
    }
    Ok(())
}

fn find(list: &List, element: &[u8], options: &Options) -> Vec<usize> {
    let len = list.len();
    let looked_at = if options.maxlen == 0 { len } else { options.maxlen.min(len) };
    let mut skipped = usize::try_from(options.rank.unsigned_abs() - 1).unwrap_or(usize::MAX);
    let wanted = match options.count {
        None => 1,
        Some(0) => usize::MAX,
        Some(count) => count,
    };
    let side = if options.rank > 0 { Side::Left } else { Side::Right };
    let mut found = Vec::new();
    let mut collect = |index: usize| {
        let before = if side == Side::Left { index } else { len - 1 - index };
        if before >= looked_at {
            return false;
        }
        if skipped > 0 {
            skipped -= 1;
        } else {
            found.push(index);
        }
        found.len() < wanted
    };
    if looked_at == len {
        list.for_each_match(element, side, collect);
    } else {
        // Only what may be looked at, however far away the next match is.
        let part = if side == Side::Left { list.range(0, looked_at) } else { list.range(len - looked_at, looked_at) };
        let needle = Needle::new(element);
        let mut at = 0;
        part.all(side, |value| {
            let index = if side == Side::Left { at } else { len - 1 - at };
            at += 1;
            !needle.is(value) || collect(index)
        });
    }
    found
}
