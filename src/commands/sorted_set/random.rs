//! Members drawn at random: ZRANDMEMBER.

use std::collections::BTreeSet;

use super::{put_member, put_pair, put_pairs_header};
use crate::commands::{
    Acl, Arg, Args, Command, CommandError, CommandResult, DRAWS_MAX, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::{SortedSet, Typed, View};

pub(super) static ZRANDMEMBER: Command = Command {
    name: "zrandmember",
    arity: -2,
    run: Run::Read(zrandmember),
    flags: Flags::READONLY,
    acl: Acl::READ.union(Acl::SORTEDSET).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::SortedSet,
    summary: "Returns members drawn at random.",
    since: "6.2.0",
    complexity: "O(N) where N is the number of members returned.",
    tips: &["nondeterministic_output"],
    args: &[
        Arg::key("key"),
        Arg::block("options", &[Arg::integer("count"), Arg::word("withscores", "WITHSCORES").optional()]).optional(),
    ],
    ..Command::BASE
};

fn zrandmember(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if args.len() > 2 {
        return several(args, view, reply);
    }
    match view.object::<SortedSet>(args.key(1))? {
        None => reply.null(),
        Some(set) => {
            let rank = view.context().below(set.len());
            set.range(rank..rank + 1).for_each(|(member, _)| put_member(reply, member));
        }
    }
    Ok(())
}

fn several(args: &Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let wanted = args.int_within(2, -i64::MAX, i64::MAX)?;
    let with_scores = args.len() > 3;
    if args.len() > 4 || (with_scores && !args.is(3, "WITHSCORES")) {
        return Err(CommandError::SYNTAX);
    }
    if with_scores && !(-i64::MAX / 2..=i64::MAX / 2).contains(&wanted) {
        return Err(CommandError::new("ERR value is out of range"));
    }
    let set = match view.object::<SortedSet>(args.key(1))? {
        Some(set) if wanted != 0 => set,
        _ => {
            reply.array(0);
            return Ok(());
        }
    };
    if wanted < 0 && wanted.unsigned_abs() > DRAWS_MAX {
        return Err(CommandError::new("ERR value is out of range"));
    }
    let context = view.context();
    let len = set.len();
    let count = usize::try_from(wanted.unsigned_abs()).unwrap_or(usize::MAX);
    let count = if wanted > 0 { count.min(len) } else { count };
    if with_scores {
        put_pairs_header(reply, count);
    } else {
        reply.array(count);
    }
    // In a listpack a member is found by walking there: once for all of them.
    let members: Vec<_> = if matches!(set, SortedSet::Pack(_)) { set.iter().collect() } else { Vec::new() };
    let mut put_one = |(member, score)| {
        if with_scores { put_pair(reply, member, score) } else { put_member(reply, member) }
    };
    if count == len && wanted > 0 {
        set.iter().for_each(put_one);
        return Ok(());
    }
    let mut put = |rank: usize| match members.get(rank) {
        Some(&pair) => put_one(pair),
        None => set.range(rank..rank + 1).for_each(&mut put_one),
    };
    if wanted < 0 {
        (0..count).for_each(|_| put(context.below(len)));
        return Ok(());
    }
    // Different ranks, each choice of them as likely as any other: Floyd's way, which draws as many numbers as are wanted.
    let mut ranks = BTreeSet::new();
    for last in len - count..len {
        let rank = context.below(last + 1);
        if !ranks.insert(rank) {
            ranks.insert(last);
        }
    }
    ranks.into_iter().for_each(put);
    Ok(())
}
