//! Giving a value another place: RENAME, RENAMENX, MOVE, COPY.

use crate::commands::{
    Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::{Event, Key, Writer};

const SAME: CommandError = CommandError::new("ERR source and destination objects are the same");

pub(super) static RENAME: Command = Command {
    name: "rename",
    arity: 3,
    run: Run::Write(rename),
    is_quick: true,
    flags: Flags::WRITE,
    acl: Acl::KEYSPACE.union(Acl::WRITE).union(Acl::SLOW),
    keys: &[
        KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE)),
        KeySpec::one(2, KeyFlags::OW.union(KeyFlags::UPDATE)),
    ],
    group: Group::Generic,
    summary: "Renames a key; what had the new name is deleted.",
    args: &[Arg::key("key"), Arg::key("newkey").of_spec(1)],
    ..Command::BASE
};

fn rename(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (from, to) = (args.key(1), db.key(args.get(2)));
    let there = if from.bytes == to.bytes { db.find(from).is_some() } else { db.rename(from, to) };
    if !there {
        return Err(CommandError::NO_SUCH_KEY);
    }
    if from.bytes != to.bytes {
        tell_renamed(db, from, to);
    }
    reply.ok();
    Ok(())
}

pub(super) static RENAMENX: Command = Command {
    name: "renamenx",
    arity: 3,
    run: Run::Write(renamenx),
    flags: Flags::WRITE.union(Flags::FAST),
    acl: Acl::KEYSPACE.union(Acl::WRITE).union(Acl::FAST),
    keys: &[
        KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE)),
        KeySpec::one(2, KeyFlags::OW.union(KeyFlags::INSERT)),
    ],
    group: Group::Generic,
    summary: "Renames a key if no key has the new name.",
    history: &[("3.2.0", "Both names may be the same.")],
    args: &[Arg::key("key"), Arg::key("newkey").of_spec(1)],
    ..Command::BASE
};

fn renamenx(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (from, to) = (args.key(1), db.key(args.get(2)));
    if db.find(from).is_none() {
        return Err(CommandError::NO_SUCH_KEY);
    }
    let renamed = db.find(to).is_none() && db.rename(from, to);
    if renamed {
        tell_renamed(db, from, to);
    }
    reply.int(i64::from(renamed));
    Ok(())
}

fn tell_renamed(db: &mut Writer<'_>, from: Key<'_>, to: Key<'_>) {
    db.notify(Event::generic("rename_from"), from);
    db.notify(Event::generic("rename_to"), to);
}

pub(super) static MOVE: Command = Command {
    name: "move",
    arity: 3,
    run: Run::Write(move_to),
    flags: Flags::WRITE.union(Flags::FAST),
    acl: Acl::KEYSPACE.union(Acl::WRITE).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))],
    group: Group::Generic,
    summary: "Moves a key to another database, unless that has one of the same name.",
    args: &[Arg::key("key"), Arg::integer("db")],
    ..Command::BASE
};

fn move_to(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let target = args.db(2, db.databases())?;
    if target == db.db_index() {
        return Err(SAME);
    }
    let key = args.key(1);
    let moved = db.exists(key) && !db.of_db(target).exists(key) && db.move_to(key, target);
    if moved {
        db.notify(Event::generic("move_from"), key);
        db.of_db(target).notify(Event::generic("move_to"), key);
    }
    reply.int(i64::from(moved));
    Ok(())
}

pub(super) static COPY: Command = Command {
    name: "copy",
    arity: -3,
    run: Run::Write(copy),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    acl: Acl::KEYSPACE.union(Acl::WRITE).union(Acl::SLOW),
    keys: &[
        KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS)),
        KeySpec::one(2, KeyFlags::OW.union(KeyFlags::UPDATE)),
    ],
    group: Group::Generic,
    summary: "Copies the value and the time to live of a key to another key, in the same or in another database.",
    since: "6.2.0",
    complexity: "O(N) for collections, where N is the number of their elements; O(1) for strings.",
    args: &[
        Arg::key("source"),
        Arg::key("destination").of_spec(1),
        Arg::integer("destination-db").token("DB").optional(),
        Arg::word("replace", "REPLACE").optional(),
    ],
    ..Command::BASE
};

fn copy(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mut target = db.db_index();
    let mut replace = false;
    let mut index = 3;
    while index < args.len() {
        if args.is(index, "REPLACE") {
            replace = true;
            index += 1;
        } else if args.is(index, "DB") && index + 1 < args.len() {
            target = args.db(index + 1, db.databases())?;
            index += 2;
        } else {
            return Err(CommandError::SYNTAX);
        }
    }
    let (from, to) = (args.key(1), db.key(args.get(2)));
    if from.bytes == to.bytes && target == db.db_index() {
        return Err(SAME);
    }
    let there = db.view().find(from).is_some();
    let copied = there && (replace || !db.of_db(target).exists(to)) && db.copy_to(from, target, to);
    if copied {
        db.of_db(target).notify(Event::generic("copy_to"), to);
    }
    reply.int(i64::from(copied));
    Ok(())
}
