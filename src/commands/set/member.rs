//! Looking at one set: SCARD, SISMEMBER, SMISMEMBER, SMEMBERS, SSCAN.

use super::put;
use crate::commands::generic::{ScanArgs, parse_cursor, reply_next, reply_nothing};
use crate::commands::{
    Acl, Arg, ArgKind, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::{Set, Typed, View};

pub(super) static SCARD: Command = Command {
    name: "scard",
    arity: 2,
    run: Run::Read(scard),
    flags: Flags::READONLY.union(Flags::FAST),
    acl: Acl::READ.union(Acl::SET).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO)],
    group: Group::Set,
    summary: "Returns the number of members of a set.",
    args: &[Arg::key("key")],
    ..Command::BASE
};

fn scard(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.len(view.object::<Set>(args.key(1))?.map_or(0, Set::len));
    Ok(())
}

pub(super) static SISMEMBER: Command = Command {
    name: "sismember",
    arity: 3,
    run: Run::Read(sismember),
    flags: Flags::READONLY.union(Flags::FAST),
    acl: Acl::READ.union(Acl::SET).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO)],
    group: Group::Set,
    summary: "Tells whether a set has a member.",
    args: &[Arg::key("key"), Arg::string("member")],
    ..Command::BASE
};

fn sismember(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let set = view.object::<Set>(args.key(1))?;
    reply.int(i64::from(set.is_some_and(|set| set.contains(args.get(2), &view.context()))));
    Ok(())
}

pub(super) static SMISMEMBER: Command = Command {
    name: "smismember",
    arity: -3,
    run: Run::Read(smismember),
    flags: Flags::READONLY.union(Flags::FAST),
    acl: Acl::READ.union(Acl::SET).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::Set,
    summary: "Tells of each of several members whether a set has it.",
    since: "6.2.0",
    complexity: "O(N) where N is the number of members asked for.",
    args: &[Arg::key("key"), Arg::string("member").multiple()],
    ..Command::BASE
};

fn smismember(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let set = view.object::<Set>(args.key(1))?;
    let context = view.context();
    reply.array(args.len() - 2);
    for member in args.from(2) {
        reply.int(i64::from(set.is_some_and(|set| set.contains(member, &context))));
    }
    Ok(())
}

pub(super) static SMEMBERS: Command = Command {
    name: "smembers",
    arity: 2,
    run: Run::Read(smembers),
    flags: Flags::READONLY,
    acl: Acl::READ.union(Acl::SET).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::Set,
    summary: "Returns all members of a set.",
    complexity: "O(N) where N is the number of members.",
    tips: &["nondeterministic_output_order"],
    args: &[Arg::key("key")],
    ..Command::BASE
};

fn smembers(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let Some(set) = view.object::<Set>(args.key(1))? else {
        reply.set(0);
        return Ok(());
    };
    reply.set(set.len());
    set.iter().for_each(|member| put(reply, member));
    Ok(())
}

pub(super) static SSCAN: Command = Command {
    name: "sscan",
    arity: -3,
    run: Run::Read(sscan),
    flags: Flags::READONLY,
    acl: Acl::READ.union(Acl::SET).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::Set,
    summary: "Goes through the members of a set, some with each call.",
    since: "2.8.0",
    complexity: "O(1) for each call; O(N) for all calls until the cursor is 0 again, where N is the number of members.",
    tips: &["nondeterministic_output"],
    args: &[
        Arg::key("key"),
        Arg::integer("cursor"),
        Arg::new("pattern", ArgKind::Pattern).token("MATCH").optional(),
        Arg::integer("count").token("COUNT").optional(),
    ],
    ..Command::BASE
};

fn sscan(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let cursor = parse_cursor(args.get(2)).ok_or(CommandError::new("ERR invalid cursor"))?;
    let Some(set) = view.object::<Set>(args.key(1))? else {
        reply_nothing(reply);
        return Ok(());
    };
    let options = ScanArgs::read(args, 3)?;
    let mut found = Vec::new();
    let next = set.scan(cursor, options.count, |member| {
        if options.accepts(member.text(&mut itoa::Buffer::new())) {
            found.push(member);
        }
    });
    reply_next(reply, next);
    reply.array(found.len());
    found.into_iter().for_each(|member| put(reply, member));
    Ok(())
}
