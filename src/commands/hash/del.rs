//! Removing fields: HDEL, HGETDEL.

use super::fields::{self, FIELDS, NOT_POSITIVE};
use super::put_or_null;
use crate::commands::{Acl, Arg, Args, Command, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run};
use crate::keyspace::{Changed, Context, Event, Hash, Typed, Writer};

const FLAGS: Flags = Flags::WRITE.union(Flags::FAST);
const ACL: Acl = Acl::WRITE.union(Acl::HASH).union(Acl::FAST);
const COMPLEXITY: &str = "O(N) where N is the number of fields given.";

/// Fields have been removed.
pub(super) const EVENT: Event = Event::hash("hdel");

pub(super) static HDEL: Command = Command {
    name: "hdel",
    arity: -3,
    run: Run::Write(hdel),
    flags: FLAGS,
    acl: ACL,
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::DELETE))],
    group: Group::Hash,
    summary: "Removes fields of a hash; the hash goes with its last one.",
    since: "2.0.0",
    complexity: COMPLEXITY,
    history: &[("2.4.0", "Several fields may be given.")],
    args: &[Arg::key("key"), Arg::string("field").multiple()],
    ..Command::BASE
};

fn hdel(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let change = |hash: &mut Hash, context: &Context<'_>| {
        let mut removed = 0;
        for field in args.from(2) {
            removed += usize::from(hash.remove(field, context));
            if hash.is_empty() {
                break;
            }
        }
        Changed(removed, removed)
    };
    db.expire_fields(args.key(1), args.from(2));
    let removed = db.change(args.key(1), EVENT, change)?;
    reply.len(removed.unwrap_or(0));
    Ok(())
}

pub(super) static HGETDEL: Command = Command {
    name: "hgetdel",
    arity: -5,
    run: Run::Write(hgetdel),
    flags: FLAGS,
    acl: ACL,
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE))],
    group: Group::Hash,
    summary: "Returns the values of fields of a hash and removes the fields.",
    since: "8.0.0",
    complexity: COMPLEXITY,
    args: &[Arg::key("key"), FIELDS],
    ..Command::BASE
};

fn hgetdel(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.key(1);
    db.object::<Hash>(key)?;
    let fields = fields::read(args, 2, NOT_POSITIVE)?;
    reply.array(fields.len());
    let change = |hash: &mut Hash, context: &Context<'_>| {
        let mut removed = 0;
        for field in fields.clone().map(|index| args.get(index)) {
            put_or_null(reply, hash.get(field, context));
            removed += usize::from(hash.remove(field, context));
        }
        Changed(removed > 0, removed)
    };
    db.expire_fields(key, fields.clone().map(|index| args.get(index)));
    let has_removed = db.change(key, EVENT, change)?;
    if has_removed.is_none() {
        fields.for_each(|_| reply.null());
    } else if has_removed == Some(true) && db.propagates() {
        let fields: Vec<&[u8]> = fields.map(|index| args.get(index)).collect();
        fields::propagate_deadline(db, key.bytes, None, &fields);
    }
    Ok(())
}
