//! Ranks: ZRANK, ZREVRANK.

use crate::commands::{
    Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::{SortedSet, Typed, View};

pub(super) static ZRANK: Command = Command {
    name: "zrank",
    arity: -3,
    run: Run::Read(zrank),
    flags: Flags::READONLY.union(Flags::FAST),
    acl: Acl::READ.union(Acl::SORTEDSET).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::SortedSet,
    summary: "Returns the rank of a member, lowest score first.",
    since: "2.0.0",
    complexity: "O(log(N))",
    history: &[("7.2.0", "`WITHSCORE` came.")],
    args: &[Arg::key("key"), Arg::string("member"), Arg::word("withscore", "WITHSCORE").since("7.2.0").optional()],
    ..Command::BASE
};

fn zrank(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    rank(args, view, reply, false)
}

pub(super) static ZREVRANK: Command = Command {
    name: "zrevrank",
    arity: -3,
    run: Run::Read(zrevrank),
    flags: Flags::READONLY.union(Flags::FAST),
    acl: Acl::READ.union(Acl::SORTEDSET).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::SortedSet,
    summary: "Returns the rank of a member, highest score first.",
    since: "2.0.0",
    complexity: "O(log(N))",
    history: &[("7.2.0", "`WITHSCORE` came.")],
    args: &[Arg::key("key"), Arg::string("member"), Arg::word("withscore", "WITHSCORE").since("7.2.0").optional()],
    ..Command::BASE
};

fn zrevrank(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    rank(args, view, reply, true)
}

fn rank(args: &Args<'_>, view: &View<'_>, reply: &mut Reply<'_>, reverse: bool) -> CommandResult {
    let with_score = args.len() > 3;
    if args.len() > 4 {
        return Err(CommandError::wrong_arity(if reverse { "zrevrank" } else { "zrank" }));
    }
    if with_score && !args.is(3, "WITHSCORE") {
        return Err(CommandError::SYNTAX);
    }
    let set = view.object::<SortedSet>(args.key(1))?;
    let found = set.and_then(|set| {
        let (rank, score) = set.rank(args.get(2), &view.context())?;
        Some((if reverse { set.len() - 1 - rank } else { rank }, score))
    });
    match found {
        Some((rank, score)) if with_score => {
            reply.array(2);
            reply.len(rank);
            reply.double(score);
        }
        Some((rank, _)) => reply.len(rank),
        None if with_score => reply.null_array(),
        None => reply.null(),
    }
    Ok(())
}
