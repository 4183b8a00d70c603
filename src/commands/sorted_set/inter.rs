//! Intersections: ZINTER, ZINTERSTORE, ZINTERCARD.

use std::ops::ControlFlow;

use super::algebra::{self, AGGREGATE, Operands, WEIGHTS, Weighted, number_or_zero};
use crate::collections::sorted_set::SortedSetBuilder;
use crate::commands::{
    Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::{Context, View, Writer};

/// Shows the members that all sources have, with their scores in each, until `visit` breaks off.
fn common(
    sources: &mut [Weighted<'_>],
    context: &Context<'_>,
    combine: impl Fn(f64, f64) -> f64,
    mut visit: impl FnMut(&[u8], f64) -> ControlFlow<()>,
) {
    sources.sort_by_key(|operand| operand.source.len());
    let (smallest, others) = sources.split_first().expect("a call names at least one key");
    let _ = smallest.source.try_for_each(|member, score| {
        let first = number_or_zero(smallest.weight * score);
        let score = others.iter().try_fold(first, |sum, other| {
            let score = other.source.score(member, context)?;
            Some(combine(sum, other.weight * score))
        });
        score.map_or(ControlFlow::Continue(()), |score| visit(member, score))
    });
}

fn inter(operands: &mut Operands<'_>, context: &Context<'_>) -> SortedSetBuilder {
    let mut result = SortedSetBuilder::new();
    let aggregate = operands.aggregate;
    common(
        &mut operands.sources,
        context,
        |sum, score| aggregate.combine(sum, score),
        |member, score| {
            result.push(context.hasher, member, score);
            ControlFlow::Continue(())
        },
    );
    result
}

pub(super) static ZINTER: Command = Command {
    name: "zinter",
    arity: -3,
    run: Run::Read(zinter),
    flags: Flags::READONLY.union(Flags::MOVABLEKEYS),
    acl: Acl::READ.union(Acl::SORTEDSET).union(Acl::SLOW),
    keys: &[KeySpec::counted(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::SortedSet,
    summary: "Returns the intersection of sorted sets.",
    since: "6.2.0",
    complexity: "O(N*K)+O(M*log(M)) at worst, where N is the size of the smallest sorted set, K the number of sorted sets and M the size of the result.",
    args: &[
        Arg::integer("numkeys"),
        Arg::key("key").multiple(),
        WEIGHTS,
        AGGREGATE,
        Arg::word("withscores", "WITHSCORES").optional(),
    ],
    ..Command::BASE
};

fn zinter(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    algebra::reply_with(args, view, reply, ("zinter", true), inter)
}

pub(super) static ZINTERSTORE: Command = Command {
    name: "zinterstore",
    arity: -4,
    run: Run::Write(zinterstore),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::MOVABLEKEYS),
    acl: Acl::WRITE.union(Acl::SORTEDSET).union(Acl::SLOW),
    keys: &[
        KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE)),
        KeySpec::counted(2, KeyFlags::RO.union(KeyFlags::ACCESS)),
    ],
    group: Group::SortedSet,
    summary: "Stores the intersection of sorted sets.",
    since: "2.0.0",
    complexity: "O(N*K)+O(M*log(M)) at worst, where N is the size of the smallest sorted set, K the number of sorted sets and M the size of the result.",
    args: &[
        Arg::key("destination"),
        Arg::integer("numkeys"),
        Arg::key("key").of_spec(1).multiple(),
        WEIGHTS,
        AGGREGATE,
    ],
    ..Command::BASE
};

fn zinterstore(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    algebra::store(args, db, reply, ("zinterstore", true), inter)
}

pub(super) static ZINTERCARD: Command = Command {
    name: "zintercard",
    arity: -3,
    run: Run::Read(zintercard),
    flags: Flags::READONLY.union(Flags::MOVABLEKEYS),
    acl: Acl::READ.union(Acl::SORTEDSET).union(Acl::SLOW),
    keys: &[KeySpec::counted(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::SortedSet,
    summary: "Counts the members that all sorted sets have.",
    since: "7.0.0",
    complexity: "O(N*K) at worst, where N is the size of the smallest sorted set and K the number of sorted sets.",
    args: &[Arg::integer("numkeys"), Arg::key("key").multiple(), Arg::integer("limit").token("LIMIT").optional()],
    ..Command::BASE
};

fn zintercard(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mut sources = algebra::sources(args, 1, view, "zintercard")?;
    let mut limit = 0;
    let mut at = 2 + sources.len();
    while at < args.len() {
        if !args.is(at, "LIMIT") || at + 1 >= args.len() {
            return Err(CommandError::SYNTAX);
        }
        let asked = args.int(at + 1).ok().and_then(|limit| usize::try_from(limit).ok());
        limit = asked.ok_or(CommandError::new("ERR LIMIT can't be negative"))?;
        at += 2;
    }
    let mut count = 0;
    let one = |_, _| 0.0;
    common(&mut sources, &view.context(), one, |_, _| {
        count += 1;
        if count == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    reply.len(count);
    Ok(())
}
