//! Adding members with positions: GEOADD.

use smallvec::SmallVec;

use crate::base::geohash::score_of_position;
use crate::commands::sorted_set::add::{Conditions, add};
use crate::commands::{
    Acl, Arg, ArgKind, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::Writer;

pub(super) static GEOADD: Command = Command {
    name: "geoadd",
    arity: -5,
    run: Run::Write(geoadd),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    acl: Acl::WRITE.union(Acl::GEO).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
    group: Group::Geo,
    summary: "Adds members with their positions, or changes the positions of those that are there.",
    since: "3.2.0",
    complexity: "O(log(N)) for each member, where N is the size of the sorted set.",
    history: &[("6.2.0", "`CH`, `NX` and `XX` came.")],
    args: &[
        Arg::key("key"),
        Arg::one_of("condition", &[Arg::word("nx", "NX"), Arg::word("xx", "XX")]).since("6.2.0").optional(),
        Arg::word("change", "CH").since("6.2.0").optional(),
        Arg::block(
            "longitude_latitude_member",
            &[Arg::new("longitude", ArgKind::Double), Arg::new("latitude", ArgKind::Double), Arg::string("member")],
        )
        .multiple(),
    ],
    ..Command::BASE
};

fn geoadd(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mut conditions = Conditions::default();
    let mut count_changed = false;
    let mut first = 2;
    while first < args.len() {
        match () {
            () if args.is(first, "NX") => conditions.only_new = true,
            () if args.is(first, "XX") => conditions.only_there = true,
            () if args.is(first, "CH") => count_changed = true,
            () => break,
        }
        first += 1;
    }
    if !(args.len() - first).is_multiple_of(3) || (conditions.only_new && conditions.only_there) {
        return Err(CommandError::SYNTAX);
    }
    let mut scores: SmallVec<[f64; 8]> = SmallVec::new();
    for at in (first..args.len()).step_by(3) {
        scores.push(score_of_position(&super::position(args, at)?));
    }
    // With options alone this is a ZADD of nothing.
    if scores.is_empty() {
        return Err(CommandError::SYNTAX);
    }
    let members = scores.iter().enumerate().map(|(at, score)| (args.get(first + 3 * at + 2), *score));
    add(args, members, conditions, count_changed, db, reply)
}
