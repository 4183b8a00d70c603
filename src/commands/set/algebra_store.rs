//! Set algebra with the result under a key: SINTERSTORE, SUNIONSTORE, SDIFFSTORE. A result without members deletes the key.

use super::algebra::{Operation, sets_of};
use crate::commands::{Acl, Arg, Args, Command, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run};
use crate::keyspace::{Event, Set, Typed, Writer};

const GRAMMAR: &[Arg] = &[Arg::key("destination"), Arg::key("key").of_spec(1).multiple()];
const SOURCES: KeySpec = KeySpec::range(2, -1, 1, KeyFlags::RO.union(KeyFlags::ACCESS));

fn store(
    operation: Operation,
    event: Event,
    args: &mut Args<'_>,
    db: &mut Writer<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    // In the smallest encoding that holds it.
    let mut result = Set::new();
    {
        let view = db.view();
        let sets = sets_of(args, 2, args.len(), &view)?;
        let context = view.context();
        operation.run(&sets, 0, &context, |member| {
            result.add_member(member, &context);
        });
    }
    reply.len(result.len());
    db.put(args.key(1), result, event);
    Ok(())
}

pub(super) static SINTERSTORE: Command = Command {
    name: "sinterstore",
    arity: -3,
    run: Run::Write(sinterstore),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    acl: Acl::WRITE.union(Acl::SET).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE)), SOURCES],
    group: Group::Set,
    summary: "Stores under a key the members that several sets have in common.",
    complexity: "O(N*M) at worst, where N is the number of members of the smallest set and M the number of sets.",
    args: GRAMMAR,
    ..Command::BASE
};

fn sinterstore(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    store(Operation::Intersection, Event::set("sinterstore"), args, db, reply)
}

pub(super) static SUNIONSTORE: Command = Command {
    name: "sunionstore",
    arity: -3,
    run: Run::Write(sunionstore),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    acl: Acl::WRITE.union(Acl::SET).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE)), SOURCES],
    group: Group::Set,
    summary: "Stores under a key the members that several sets have together.",
    complexity: "O(N) where N is the number of members of all sets.",
    args: GRAMMAR,
    ..Command::BASE
};

fn sunionstore(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    store(Operation::Union, Event::set("sunionstore"), args, db, reply)
}

pub(super) static SDIFFSTORE: Command = Command {
    name: "sdiffstore",
    arity: -3,
    run: Run::Write(sdiffstore),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    acl: Acl::WRITE.union(Acl::SET).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE)), SOURCES],
    group: Group::Set,
    summary: "Stores under a key the members of the first set that the other sets don't have.",
    complexity: "O(N) where N is the number of members of all sets.",
    args: GRAMMAR,
    ..Command::BASE
};

fn sdiffstore(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    store(Operation::Difference, Event::set("sdiffstore"), args, db, reply)
}
