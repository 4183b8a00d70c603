//! The distance between two members: GEODIST.

use super::{UNIT, distance_text, unit_m};
use crate::base::geohash::{distance_m, position_of_score};
use crate::commands::{
    Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::{SortedSet, View};

pub(super) static GEODIST: Command = Command {
    name: "geodist",
    arity: -4,
    run: Run::Read(geodist),
    is_quick: true,
    flags: Flags::READONLY,
    acl: Acl::READ.union(Acl::GEO).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::Geo,
    summary: "Returns the distance between two members.",
    since: "3.2.0",
    args: &[Arg::key("key"), Arg::string("member1"), Arg::string("member2"), UNIT.optional()],
    ..Command::BASE
};

fn geodist(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let meters = match args.len() {
        4 => 1.0,
        5 => unit_m(args, 4)?,
        _ => return Err(CommandError::SYNTAX),
    };
    let set = view.object::<SortedSet>(args.key(1))?;
    let position = |at| set.and_then(|set| set.score(args.get(at), &view.context())).map(position_of_score);
    match position(2).zip(position(3)) {
        Some((one, other)) => reply.bulk_str(&distance_text(distance_m(&one, &other) / meters)),
        None => reply.null(),
    }
    Ok(())
}
