//! Storing a range: ZRANGESTORE.

use super::range_options::{Form, RangeOptions};
use crate::collections::sorted_set::SortedSetBuilder;
use crate::commands::{Acl, Arg, Args, Command, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run};
use crate::keyspace::{Event, SortedSet, Typed, Writer};

pub(super) static ZRANGESTORE: Command = Command {
    name: "zrangestore",
    arity: -5,
    run: Run::Write(zrangestore),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    acl: Acl::WRITE.union(Acl::SORTEDSET).union(Acl::SLOW),
    keys: &[
        KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE)),
        KeySpec::one(2, KeyFlags::RO.union(KeyFlags::ACCESS)),
    ],
    group: Group::SortedSet,
    summary: "Stores members found by rank, by score or by their bytes in another sorted set.",
    since: "6.2.0",
    complexity: "O(log(N)+M) where N is the size of the sorted set and M the number of members stored.",
    args: &[
        Arg::key("dst"),
        Arg::key("src").of_spec(1),
        Arg::string("min"),
        Arg::string("max"),
        Arg::one_of("sortby", &[Arg::word("byscore", "BYSCORE"), Arg::word("bylex", "BYLEX")]).optional(),
        Arg::word("rev", "REV").optional(),
        Arg::block("offset_count", &[Arg::integer("offset"), Arg::integer("count")]).token("LIMIT").optional(),
    ],
    ..Command::BASE
};

fn zrangestore(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let options = RangeOptions::parse(args, 3, Form { by: None, reverse: false, with_scores: false })?;
    let source = db.key(args.get(2));
    let view = db.view();
    let context = view.context();
    let mut builder = SortedSetBuilder::new();
    if let Some(set) = view.object::<SortedSet>(source)? {
        let mut digits = itoa::Buffer::new();
        for (member, score) in set.range(options.ranks(set)) {
            builder.push(context.hasher, member.text(&mut digits), score);
        }
    }
    let stored = SortedSet::from_builder(builder, &context);
    let len = stored.len();
    db.put(args.key(1), stored, Event::sorted_set("zrangestore"));
    reply.len(len);
    Ok(())
}
