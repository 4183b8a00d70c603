//! Unions and differences: ZUNION, ZUNIONSTORE, ZDIFF, ZDIFFSTORE.

use super::algebra::{self, AGGREGATE, Operands, WEIGHTS, number_or_zero};
use crate::collections::sorted_set::SortedSetBuilder;
use crate::commands::{Acl, Arg, Args, Command, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run};
use crate::keyspace::{Context, View, Writer};

fn union(operands: &mut Operands<'_>, context: &Context<'_>) -> SortedSetBuilder {
    operands.sources.sort_by_key(|operand| operand.source.len());
    let mut result = SortedSetBuilder::new();
    for operand in &operands.sources {
        operand.source.for_each(|member, score| {
            let score = number_or_zero(operand.weight * score);
            result.update(context.hasher, member, |sum| match sum {
                Some(sum) => operands.aggregate.combine(sum, score),
                None => score,
            });
        });
    }
    result
}

fn diff(operands: &mut Operands<'_>, context: &Context<'_>) -> SortedSetBuilder {
    let mut result = SortedSetBuilder::new();
    let (first, others) = operands.sources.split_first_mut().expect("a call names at least one key");
    if others.iter().any(|other| other.source.is_same(&first.source)) {
        return result;
    }
    // The largest first: it is the likeliest to have a member.
    others.sort_by_key(|operand| std::cmp::Reverse(operand.source.len()));
    first.source.for_each(|member, score| {
        if !others.iter().any(|other| other.source.score(member, context).is_some()) {
            result.push(context.hasher, member, score);
        }
    });
    result
}

pub(super) static ZUNION: Command = Command {
    name: "zunion",
    arity: -3,
    run: Run::Read(zunion),
    flags: Flags::READONLY.union(Flags::MOVABLEKEYS),
    acl: Acl::READ.union(Acl::SORTEDSET).union(Acl::SLOW),
    keys: &[KeySpec::counted(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::SortedSet,
    summary: "Returns the union of sorted sets.",
    since: "6.2.0",
    complexity: "O(N)+O(M*log(M)) where N is the size of all sorted sets together and M that of the result.",
    args: &[
        Arg::integer("numkeys"),
        Arg::key("key").multiple(),
        WEIGHTS,
        AGGREGATE,
        Arg::word("withscores", "WITHSCORES").optional(),
    ],
    ..Command::BASE
};

fn zunion(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    algebra::reply_with(args, view, reply, ("zunion", true), union)
}

pub(super) static ZUNIONSTORE: Command = Command {
    name: "zunionstore",
    arity: -4,
    run: Run::Write(zunionstore),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::MOVABLEKEYS),
    acl: Acl::WRITE.union(Acl::SORTEDSET).union(Acl::SLOW),
    keys: &[
        KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE)),
        KeySpec::counted(2, KeyFlags::RO.union(KeyFlags::ACCESS)),
    ],
    group: Group::SortedSet,
    summary: "Stores the union of sorted sets.",
    since: "2.0.0",
    complexity: "O(N)+O(M*log(M)) where N is the size of all sorted sets together and M that of the result.",
    args: &[
        Arg::key("destination"),
        Arg::integer("numkeys"),
        Arg::key("key").of_spec(1).multiple(),
        WEIGHTS,
        AGGREGATE,
    ],
    ..Command::BASE
};

fn zunionstore(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    algebra::store(args, db, reply, ("zunionstore", true), union)
}

pub(super) static ZDIFF: Command = Command {
    name: "zdiff",
    arity: -3,
    run: Run::Read(zdiff),
    flags: Flags::READONLY.union(Flags::MOVABLEKEYS),
    acl: Acl::READ.union(Acl::SORTEDSET).union(Acl::SLOW),
    keys: &[KeySpec::counted(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::SortedSet,
    summary: "Returns the members of the first sorted set that no other one has.",
    since: "6.2.0",
    complexity: "O(L + (N-K)log(N)) at worst, where L is the size of all sorted sets together, N that of the first one and K that of the result.",
    args: &[Arg::integer("numkeys"), Arg::key("key").multiple(), Arg::word("withscores", "WITHSCORES").optional()],
    ..Command::BASE
};

fn zdiff(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    algebra::reply_with(args, view, reply, ("zdiff", false), diff)
}

pub(super) static ZDIFFSTORE: Command = Command {
    name: "zdiffstore",
    arity: -4,
    run: Run::Write(zdiffstore),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::MOVABLEKEYS),
    acl: Acl::WRITE.union(Acl::SORTEDSET).union(Acl::SLOW),
    keys: &[
        KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE)),
        KeySpec::counted(2, KeyFlags::RO.union(KeyFlags::ACCESS)),
    ],
    group: Group::SortedSet,
    summary: "Stores the members of the first sorted set that no other one has.",
    since: "6.2.0",
    complexity: "O(L + (N-K)log(N)) at worst, where L is the size of all sorted sets together, N that of the first one and K that of the result.",
    args: &[Arg::key("destination"), Arg::integer("numkeys"), Arg::key("key").of_spec(1).multiple()],
    ..Command::BASE
};

fn zdiffstore(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    algebra::store(args, db, reply, ("zdiffstore", false), diff)
}
