//! Set algebra with the result as the reply: SINTER, SUNION, SDIFF.

use smallvec::SmallVec;

use super::put;
use crate::commands::{
    Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::{Context, Member, Set, View};

/// The three operations on sets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Intersection,
    Union,
    Difference,
}

/// The sets of some keys; None: there is no such key.
pub(super) type Sets<'a> = SmallVec<[Option<&'a Set>; 8]>;

/// The sets whose keys are the arguments from `start` up to `end`.
pub(super) fn sets_of<'a>(
    args: &Args<'_>,
    start: usize,
    end: usize,
    view: &View<'a>,
) -> Result<Sets<'a>, CommandError> {
    (start..end).map(|index| Ok(view.object::<Set>(view.key(args.get(index)))?)).collect()
}

impl Operation {
    /// Shows the result's members, up to `limit` of them (0: all); how many that were.
    pub(super) fn run<'a>(
        self,
        sets: &Sets<'a>,
        limit: usize,
        context: &Context<'_>,
        visit: impl FnMut(Member<'a>),
    ) -> usize {
        let is_whole = sets.iter().all(Option::is_some);
        let there: SmallVec<[&'a Set; 8]> = sets.iter().copied().flatten().collect();
        match self {
            Operation::Intersection if is_whole => Set::intersection(&there, limit, context, visit),
            Operation::Intersection => 0,
            Operation::Union => Set::union(&there, limit, context, visit),
            Operation::Difference => match sets.first() {
                Some(Some(first)) => Set::difference(first, &there[1..], limit, context, visit),
                _ => 0,
            },
        }
    }
}

fn reply_result(operation: Operation, args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let sets = sets_of(args, 1, args.len(), view)?;
    let mut found = Vec::new();
    operation.run(&sets, 0, &view.context(), |member| found.push(member));
    reply.set(found.len());
    found.into_iter().for_each(|member| put(reply, member));
    Ok(())
}

pub(super) static SINTER: Command = Command {
    name: "sinter",
    arity: -2,
    run: Run::Read(sinter),
    flags: Flags::READONLY,
    acl: Acl::READ.union(Acl::SET).union(Acl::SLOW),
    keys: &[KeySpec::range(1, -1, 1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::Set,
    summary: "Returns the members that several sets have in common.",
    complexity: "O(N*M) at worst, where N is the number of members of the smallest set and M the number of sets.",
    tips: &["nondeterministic_output_order"],
    args: &[Arg::key("key").multiple()],
    ..Command::BASE
};

fn sinter(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply_result(Operation::Intersection, args, view, reply)
}

pub(super) static SUNION: Command = Command {
    name: "sunion",
    arity: -2,
    run: Run::Read(sunion),
    flags: Flags::READONLY,
    acl: Acl::READ.union(Acl::SET).union(Acl::SLOW),
    keys: &[KeySpec::range(1, -1, 1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::Set,
    summary: "Returns the members that several sets have together.",
    complexity: "O(N) where N is the number of members of all sets.",
    tips: &["nondeterministic_output_order"],
    args: &[Arg::key("key").multiple()],
    ..Command::BASE
};

fn sunion(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply_result(Operation::Union, args, view, reply)
}

pub(super) static SDIFF: Command = Command {
    name: "sdiff",
    arity: -2,
    run: Run::Read(sdiff),
    flags: Flags::READONLY,
    acl: Acl::READ.union(Acl::SET).union(Acl::SLOW),
    keys: &[KeySpec::range(1, -1, 1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::Set,
    summary: "Returns the members of the first set that the other sets don't have.",
    complexity: "O(N) where N is the number of members of all sets.",
    tips: &["nondeterministic_output_order"],
    args: &[Arg::key("key").multiple()],
    ..Command::BASE
};

fn sdiff(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply_result(Operation::Difference, args, view, reply)
}
