//! Ranges: ZRANGE and the older commands for each of its forms.

use super::put_members;
use super::range_options::{By, Form, RangeOptions};
use crate::commands::{Acl, Arg, ArgKind, Args, Command, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run};
use crate::keyspace::{SortedSet, View};

fn range(args: &Args<'_>, view: &View<'_>, reply: &mut Reply<'_>, form: Form) -> CommandResult {
    let options = RangeOptions::parse(args, 2, form)?;
    let Some(set) = view.object::<SortedSet>(args.key(1))? else {
        reply.array(0);
        return Ok(());
    };
    let ranks = options.ranks(set);
    let count = ranks.len();
    let members = set.range(ranks);
    if options.reverse {
        put_members(reply, members.rev(), count, options.with_scores);
    } else {
        put_members(reply, members, count, options.with_scores);
    }
    Ok(())
}

pub(super) static ZRANGE: Command = Command {
    name: "zrange",
    arity: -4,
    run: Run::Read(zrange),
    flags: Flags::READONLY,
    acl: Acl::READ.union(Acl::SORTEDSET).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::SortedSet,
    summary: "Returns members by rank, by score or by their bytes.",
    since: "1.2.0",
    complexity: "O(log(N)+M) where N is the size of the sorted set and M the number of members returned.",
    history: &[("6.2.0", "`REV`, `BYSCORE`, `BYLEX` and `LIMIT` came.")],
    args: &[
        Arg::key("key"),
        Arg::string("start"),
        Arg::string("stop"),
        Arg::one_of("sortby", &[Arg::word("byscore", "BYSCORE"), Arg::word("bylex", "BYLEX")])
            .since("6.2.0")
            .optional(),
        Arg::word("rev", "REV").since("6.2.0").optional(),
        Arg::block("offset_count", &[Arg::integer("offset"), Arg::integer("count")])
            .token("LIMIT")
            .since("6.2.0")
            .optional(),
        Arg::word("withscores", "WITHSCORES").optional(),
    ],
    ..Command::BASE
};

fn zrange(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    range(args, view, reply, Form { by: None, reverse: false, with_scores: true })
}

pub(super) static ZREVRANGE: Command = Command {
    name: "zrevrange",
    arity: -4,
    run: Run::Read(zrevrange),
    flags: Flags::READONLY,
    acl: Acl::READ.union(Acl::SORTEDSET).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::SortedSet,
    summary: "Returns members by rank, highest score first.",
    since: "1.2.0",
    complexity: "O(log(N)+M) where N is the size of the sorted set and M the number of members returned.",
    deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` argument")),
    args: &[
        Arg::key("key"),
        Arg::integer("start"),
        Arg::integer("stop"),
        Arg::word("withscores", "WITHSCORES").optional(),
    ],
    ..Command::BASE
};

fn zrevrange(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    range(args, view, reply, Form { by: Some(By::Rank), reverse: true, with_scores: true })
}

pub(super) static ZRANGEBYSCORE: Command = Command {
    name: "zrangebyscore",
    arity: -4,
    run: Run::Read(zrangebyscore),
    flags: Flags::READONLY,
    acl: Acl::READ.union(Acl::SORTEDSET).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::SortedSet,
    summary: "Returns the members with scores in a range.",
    since: "1.0.5",
    complexity: "O(log(N)+M) where N is the size of the sorted set and M the number of members returned.",
    history: &[("2.0.0", "`WITHSCORES` came.")],
    deprecated: Some(("6.2.0", "`ZRANGE` with the `BYSCORE` argument")),
    args: &[
        Arg::key("key"),
        Arg::new("min", ArgKind::Double),
        Arg::new("max", ArgKind::Double),
        Arg::word("withscores", "WITHSCORES").since("2.0.0").optional(),
        Arg::block("offset_count", &[Arg::integer("offset"), Arg::integer("count")]).token("LIMIT").optional(),
    ],
    ..Command::BASE
};

fn zrangebyscore(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    range(args, view, reply, Form { by: Some(By::Score), reverse: false, with_scores: true })
}

pub(super) static ZREVRANGEBYSCORE: Command = Command {
    name: "zrevrangebyscore",
    arity: -4,
    run: Run::Read(zrevrangebyscore),
    flags: Flags::READONLY,
    acl: Acl::READ.union(Acl::SORTEDSET).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::SortedSet,
    summary: "Returns the members with scores in a range, highest score first.",
    since: "2.2.0",
    complexity: "O(log(N)+M) where N is the size of the sorted set and M the number of members returned.",
    history: &[("2.1.6", "The ends of the range may be exclusive.")],
    deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments")),
    args: &[
        Arg::key("key"),
        Arg::new("max", ArgKind::Double),
        Arg::new("min", ArgKind::Double),
        Arg::word("withscores", "WITHSCORES").optional(),
        Arg::block("offset_count", &[Arg::integer("offset"), Arg::integer("count")]).token("LIMIT").optional(),
    ],
    ..Command::BASE
};

fn zrevrangebyscore(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    range(args, view, reply, Form { by: Some(By::Score), reverse: true, with_scores: true })
}

pub(super) static ZRANGEBYLEX: Command = Command {
    name: "zrangebylex",
    arity: -4,
    run: Run::Read(zrangebylex),
    flags: Flags::READONLY,
    acl: Acl::READ.union(Acl::SORTEDSET).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::SortedSet,
    summary: "Returns members in a range of bytes; all scores have to be the same.",
    since: "2.8.9",
    complexity: "O(log(N)+M) where N is the size of the sorted set and M the number of members returned.",
    deprecated: Some(("6.2.0", "`ZRANGE` with the `BYLEX` argument")),
    args: &[
        Arg::key("key"),
        Arg::string("min"),
        Arg::string("max"),
        Arg::block("offset_count", &[Arg::integer("offset"), Arg::integer("count")]).token("LIMIT").optional(),
    ],
    ..Command::BASE
};

fn zrangebylex(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    range(args, view, reply, Form { by: Some(By::Lex), reverse: false, with_scores: true })
}

pub(super) static ZREVRANGEBYLEX: Command = Command {
    name: "zrevrangebylex",
    arity: -4,
    run: Run::Read(zrevrangebylex),
    flags: Flags::READONLY,
    acl: Acl::READ.union(Acl::SORTEDSET).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::SortedSet,
    summary: "Returns members in a range of bytes, the last one first; all scores have to be the same.",
    since: "2.8.9",
    complexity: "O(log(N)+M) where N is the size of the sorted set and M the number of members returned.",
    deprecated: Some(("6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments")),
    args: &[
        Arg::key("key"),
        Arg::string("max"),
        Arg::string("min"),
        Arg::block("offset_count", &[Arg::integer("offset"), Arg::integer("count")]).token("LIMIT").optional(),
    ],
    ..Command::BASE
};

fn zrevrangebylex(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    range(args, view, reply, Form { by: Some(By::Lex), reverse: true, with_scores: true })
}
