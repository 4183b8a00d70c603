//! Deadlines of fields: HTTL, HPTTL, HEXPIRETIME, HPEXPIRETIME, and HPERSIST, which takes them away.

use super::fields::{self, FIELDS, NOT_POSITIVE};
use crate::commands::{Acl, Arg, Args, Command, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run};
use crate::keyspace::{Changed, Context, Event, Hash, View, Writer};

const FLAGS: Flags = Flags::READONLY.union(Flags::FAST);
const ACL: Acl = Acl::READ.union(Acl::HASH).union(Acl::FAST);
const KEYS: &[KeySpec] = &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))];
const COMPLEXITY: &str = "O(N) where N is the number of fields given.";
const TIPS: &[&str] = &["nondeterministic_output"];

/// There is no such field.
const NO_FIELD: i64 = -2;
/// The field has no deadline.
const NO_DEADLINE: i64 = -1;

pub(super) static HTTL: Command = Command {
    name: "httl",
    arity: -5,
    run: Run::Read(httl),
    flags: FLAGS,
    acl: ACL,
    keys: KEYS,
    group: Group::Hash,
    summary: "Returns the time to live of fields of a hash, in seconds.",
    since: "7.4.0",
    complexity: COMPLEXITY,
    tips: TIPS,
    args: &[Arg::key("key"), FIELDS],
    ..Command::BASE
};

fn httl(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let now_ms = view.now_ms();
    answer(args, view, reply, |deadline_ms| (deadline_ms - now_ms + 999) / 1000)
}

pub(super) static HPTTL: Command = Command {
    name: "hpttl",
    arity: -5,
    run: Run::Read(hpttl),
    flags: FLAGS,
    acl: ACL,
    keys: KEYS,
    group: Group::Hash,
    summary: "Returns the time to live of fields of a hash, in milliseconds.",
    since: "7.4.0",
    complexity: COMPLEXITY,
    tips: TIPS,
    args: &[Arg::key("key"), FIELDS],
    ..Command::BASE
};

fn hpttl(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let now_ms = view.now_ms();
    answer(args, view, reply, |deadline_ms| deadline_ms - now_ms)
}

pub(super) static HEXPIRETIME: Command = Command {
    name: "hexpiretime",
    arity: -5,
    run: Run::Read(hexpiretime),
    flags: FLAGS,
    acl: ACL,
    keys: KEYS,
    group: Group::Hash,
    summary: "Returns the moment at which fields of a hash expire, in Unix seconds.",
    since: "7.4.0",
    complexity: COMPLEXITY,
    args: &[Arg::key("key"), FIELDS],
    ..Command::BASE
};

fn hexpiretime(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    answer(args, view, reply, |deadline_ms| (deadline_ms + 999) / 1000)
}

pub(super) static HPEXPIRETIME: Command = Command {
    name: "hpexpiretime",
    arity: -5,
    run: Run::Read(hpexpiretime),
    flags: FLAGS,
    acl: ACL,
    keys: KEYS,
    group: Group::Hash,
    summary: "Returns the moment at which fields of a hash expire, in Unix milliseconds.",
    since: "7.4.0",
    complexity: COMPLEXITY,
    args: &[Arg::key("key"), FIELDS],
    ..Command::BASE
};

fn hpexpiretime(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    answer(args, view, reply, |deadline_ms| deadline_ms)
}

/// Answers for each field with what `shown` makes of its deadline.
fn answer(args: &Args<'_>, view: &View<'_>, reply: &mut Reply<'_>, shown: impl Fn(i64) -> i64) -> CommandResult {
    let hash = view.object::<Hash>(args.key(1))?;
    let fields = fields::read(args, 2, NOT_POSITIVE)?;
    let context = view.context();
    reply.array(fields.len());
    for index in fields {
        let deadline_ms = hash.and_then(|hash| hash.deadline_ms(args.get(index), &context));
        reply.int(match deadline_ms {
            None => NO_FIELD,
            Some(None) => NO_DEADLINE,
            Some(Some(deadline_ms)) => shown(deadline_ms),
        });
    }
    Ok(())
}

pub(super) static HPERSIST: Command = Command {
    name: "hpersist",
    arity: -5,
    run: Run::Write(hpersist),
    flags: Flags::WRITE.union(Flags::FAST),
    acl: Acl::WRITE.union(Acl::HASH).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
    group: Group::Hash,
    summary: "Removes the time to live of fields of a hash.",
    since: "7.4.0",
    complexity: COMPLEXITY,
    args: &[Arg::key("key"), FIELDS],
    ..Command::BASE
};

/// A field lives on.
pub(super) const PERSIST_EVENT: Event = Event::hash("hpersist");

fn hpersist(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.key(1);
    db.object::<Hash>(key)?;
    let fields = fields::read(args, 2, NOT_POSITIVE)?;
    reply.array(fields.len());
    let change = |hash: &mut Hash, context: &Context<'_>| {
        let mut persisted = false;
        for field in fields.clone().map(|index| args.get(index)) {
            reply.int(match hash.deadline_ms(field, context) {
                None => NO_FIELD,
                Some(None) => NO_DEADLINE,
                Some(Some(_)) => {
                    hash.set_deadline(field, None, context);
                    persisted = true;
                    1
                }
            });
        }
        Changed((), usize::from(persisted))
    };
    db.expire_fields(key, fields.clone().map(|index| args.get(index)));
    if db.change(key, PERSIST_EVENT, change)?.is_none() {
        fields.for_each(|_| reply.int(NO_FIELD));
    }
    Ok(())
}
