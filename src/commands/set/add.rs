//! Putting members in and taking them out by name: SADD, SREM, SMOVE.

use crate::commands::{Acl, Arg, Args, Command, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run};
use crate::keyspace::{Changed, Context, Event, Set, Writer};

const ADDED: Event = Event::set("sadd");
const REMOVED: Event = Event::set("srem");

pub(super) static SADD: Command = Command {
    name: "sadd",
    arity: -3,
    run: Run::Write(sadd),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    acl: Acl::WRITE.union(Acl::SET).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::INSERT))],
    group: Group::Set,
    summary: "Adds members to a set, which is created if there is none.",
    complexity: "O(N) where N is the number of members to add.",
    history: &[("2.4.0", "Accepts multiple `member` arguments.")],
    args: &[Arg::key("key"), Arg::string("member").multiple()],
    ..Command::BASE
};

fn sadd(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let count = args.len() - 2;
    let added = db.change_or_make(
        args.key(1),
        ADDED,
        |context| Set::for_members(args.get(2), count, context),
        |set, context| {
            set.expect(count, context);
            let added = args.from(2).filter(|member| set.add(member, context)).count();
            Changed(added, added)
        },
    )?;
    reply.len(added);
    Ok(())
}

pub(super) static SREM: Command = Command {
    name: "srem",
    arity: -3,
    run: Run::Write(srem),
    flags: Flags::WRITE.union(Flags::FAST),
    acl: Acl::WRITE.union(Acl::SET).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::DELETE))],
    group: Group::Set,
    summary: "Removes members from a set; a key left without members is deleted.",
    complexity: "O(N) where N is the number of members to remove.",
    history: &[("2.4.0", "Accepts multiple `member` arguments.")],
    args: &[Arg::key("key"), Arg::string("member").multiple()],
    ..Command::BASE
};

fn srem(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let removed = db.change(args.key(1), REMOVED, |set: &mut Set, context| {
        let removed = args.from(2).filter(|member| set.remove(member, context)).count();
        Changed(removed, removed)
    })?;
    reply.len(removed.unwrap_or(0));
    Ok(())
}

pub(super) static SMOVE: Command = Command {
    name: "smove",
    arity: 4,
    run: Run::Write(smove),
    flags: Flags::WRITE.union(Flags::FAST),
    acl: Acl::WRITE.union(Acl::SET).union(Acl::FAST),
    keys: &[
        KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE)),
        KeySpec::one(2, KeyFlags::RW.union(KeyFlags::INSERT)),
    ],
    group: Group::Set,
    summary: "Moves a member from one set to another.",
    args: &[Arg::key("source"), Arg::key("destination").of_spec(1), Arg::string("member")],
    ..Command::BASE
};

fn smove(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (source, destination) = (args.key(1), db.key(args.get(2)));
    let member = args.get(3);
    let is_source_missing = matches!(db.object::<Set>(source), Ok(None));
    // Looked up either way, since it may be past its deadline; but where there is nothing to move, its type does not matter.
    let is_set = db.object::<Set>(destination).map(drop);
    if is_source_missing {
        reply.int(0);
        return Ok(());
    }
    is_set?;
    let stays = source.bytes == destination.bytes;
    let moved = db.change(source, REMOVED, |set: &mut Set, context| {
        if stays {
            return Changed(set.contains(member, context), 0);
        }
        let removed = set.remove(member, context);
        Changed(removed, usize::from(removed))
    })?;
    let moved = moved.unwrap_or(false);
    if moved && !stays {
        let make = |context: &Context<'_>| Set::for_members(member, 1, context);
        db.change_or_make(destination, ADDED, make, |set, context| Changed((), usize::from(set.add(member, context))))?;
    }
    reply.int(i64::from(moved));
    Ok(())
}
