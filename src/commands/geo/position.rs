//! Positions of members: GEOPOS, GEOHASH.

use crate::base::geohash::{Position, position_of_score};
use crate::commands::{Acl, Arg, Args, Command, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run};
use crate::keyspace::{SortedSet, View};

/// A coordinate as Redis prints long doubles for people: 17 decimals without the zeros at the end.
fn put_coordinate(reply: &mut Reply<'_>, degrees: f64) {
    let text = format!("{degrees:.17}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    let text = if text == "-0" { "0" } else { text };
    if reply.is_resp3() {
        reply.raw(b",");
        reply.raw(text.as_bytes());
        reply.raw(b"\r\n");
    } else {
        reply.bulk_str(text);
    }
}

pub(super) fn put_position(reply: &mut Reply<'_>, position: &Position) {
    reply.array(2);
    put_coordinate(reply, position.longitude);
    put_coordinate(reply, position.latitude);
}

pub(super) static GEOPOS: Command = Command {
    name: "geopos",
    arity: -2,
    run: Run::Read(geopos),
    is_quick: true,
    flags: Flags::READONLY,
    acl: Acl::READ.union(Acl::GEO).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::Geo,
    summary: "Returns the positions of members.",
    since: "3.2.0",
    complexity: "O(1) for each member.",
    args: &[Arg::key("key"), Arg::string("member").optional().multiple()],
    ..Command::BASE
};

fn geopos(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let set = view.object::<SortedSet>(args.key(1))?;
    let context = view.context();
    reply.array(args.len() - 2);
    for member in args.from(2) {
        match set.and_then(|set| set.score(member, &context)) {
            Some(score) => put_position(reply, &position_of_score(score)),
            None => reply.null_array(),
        }
    }
    Ok(())
}

pub(super) static GEOHASH: Command = Command {
    name: "geohash",
    arity: -2,
    run: Run::Read(geohash),
    is_quick: true,
    flags: Flags::READONLY,
    acl: Acl::READ.union(Acl::GEO).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::Geo,
    summary: "Returns the positions of members as geohash strings.",
    since: "3.2.0",
    complexity: "O(1) for each member.",
    args: &[Arg::key("key"), Arg::string("member").optional().multiple()],
    ..Command::BASE
};

fn geohash(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let set = view.object::<SortedSet>(args.key(1))?;
    let context = view.context();
    reply.array(args.len() - 2);
    for member in args.from(2) {
        match set.and_then(|set| set.score(member, &context)) {
            Some(score) => reply.bulk(&position_of_score(score).geohash()),
            None => reply.null(),
        }
    }
    Ok(())
}
