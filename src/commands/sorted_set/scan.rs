//! Going through a sorted set: ZSCAN.

use crate::base::number;
use crate::commands::generic::{ScanArgs, parse_cursor, reply_next, reply_nothing};
use crate::commands::{
    Acl, Arg, ArgKind, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::{Scanned, SortedSet, View};

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
        reply_nothing(reply);
        return Ok(());
    };
    let options = ScanArgs::read(args, 3)?;
    let mut found = Vec::new();
    let mut digits = itoa::Buffer::new();
    let next = set.scan(cursor, options.count, |member, score| {
        if options.accepts(member.text(&mut digits)) {
            found.push((member, score));
        }
    });
    reply_next(reply, next);
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
