//! Going through a sorted set: ZSCAN.

use crate::base::{glob, number};
use crate::commands::generic::parse_cursor;
use crate::commands::{
    Acl, Arg, ArgKind, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::{Scanned, SortedSet, View};

/// Members looked at in a call that does not say how many.
const COUNT_DEFAULT: usize = 10;

pub(super) static ZSCAN: Command = Command {
    name: "zscan",
    arity: -3,
    run: Run::Read(zscan),
    flags: Flags::READONLY,
    acl: Acl::READ.union(Acl::SORTEDSET).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::SortedSet,
    summary: "Goes through the members and their scores, some with each call.",
    since: "2.8.0",
    complexity: "O(1) for each call; O(N) for all calls until the cursor is 0 again, where N is the size of the sorted set.",
    tips: &["nondeterministic_output"],
    args: &[
        Arg::key("key"),
        Arg::integer("cursor"),
        Arg::new("pattern", ArgKind::Pattern).token("MATCH").optional(),
        Arg::integer("count").token("COUNT").optional(),
    ],
    ..Command::BASE
};

fn zscan(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let cursor = parse_cursor(args.get(2)).ok_or(CommandError::new("ERR invalid cursor"))?;
    let Some(set) = view.object::<SortedSet>(args.key(1))? else {
        reply.array(2);
        reply.bulk(b"0");
        reply.array(0);
        return Ok(());
    };
    let mut pattern = None;
    let mut count = COUNT_DEFAULT;
    let mut at = 3;
    while at < args.len() {
        if at + 1 >= args.len() {
            return Err(CommandError::SYNTAX);
        }
        if args.is(at, "COUNT") {
            let asked = args.int(at + 1)?;
            count = usize::try_from(asked).ok().filter(|&count| count > 0).ok_or(CommandError::SYNTAX)?;
        } else if args.is(at, "MATCH") {
            pattern = Some(args.get(at + 1)).filter(|pattern| *pattern != b"*");
        } else {
            return Err(CommandError::SYNTAX);
        }
        at += 2;
    }
    let mut found = Vec::new();
    let mut digits = itoa::Buffer::new();
    let next = set.scan(cursor, count, |member, score| {
        if pattern.is_none_or(|pattern| glob::matches(pattern, member.text(&mut digits), false)) {
            found.push((member, score));
        }
    });
    reply.array(2);
    reply.bulk_str(digits.format(next));
    reply.array(2 * found.len());
    for (member, score) in found {
        super::put_member(reply, member);
        match score {
            Scanned::Text(text) => super::put_member(reply, text),
            // Redis prints the scores of a large set here as it prints long doubles.
            Scanned::Number(score) => reply.bulk_str(&number::format_double_17(score)),
        }
    }
    Ok(())
}
