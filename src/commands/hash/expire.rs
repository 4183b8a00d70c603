//! Giving fields deadlines: HEXPIRE, HEXPIREAT and their millisecond forms.

use super::fields::{self, FIELDS};
use crate::commands::time_unit::TimeUnit;
use crate::commands::{
    Acl, Arg, ArgKind, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::{Changed, Context, Event, Hash, Writer};

const FLAGS: Flags = Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST);
const ACL: Acl = Acl::WRITE.union(Acl::HASH).union(Acl::FAST);
const KEYS: &[KeySpec] = &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))];
const COMPLEXITY: &str = "O(N log M) where N is the number of fields given and M that of fields with a time to live.";
const CONDITION: Arg = Arg::one_of(
    "condition",
    &[Arg::word("nx", "NX"), Arg::word("xx", "XX"), Arg::word("gt", "GT"), Arg::word("lt", "LT")],
)
.optional();

/// A field has been given a deadline.
pub(super) const EXPIRE_EVENT: Event = Event::hash("hexpire");

pub(super) static HEXPIRE: Command = Command {
    name: "hexpire",
    arity: -6,
    run: Run::Write(hexpire),
    flags: FLAGS,
    acl: ACL,
    keys: KEYS,
    group: Group::Hash,
    summary: "Sets the time to live of fields of a hash, in seconds.",
    since: "7.4.0",
    complexity: COMPLEXITY,
    args: &[Arg::key("key"), Arg::integer("seconds"), CONDITION, FIELDS],
    ..Command::BASE
};

fn hexpire(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    set_deadlines(args, db, reply, TimeUnit::Seconds, "hexpire")
}

pub(super) static HEXPIREAT: Command = Command {
    name: "hexpireat",
    arity: -6,
    run: Run::Write(hexpireat),
    flags: FLAGS,
    acl: ACL,
    keys: KEYS,
    group: Group::Hash,
    summary: "Sets the moment at which fields of a hash expire, in Unix seconds.",
    since: "7.4.0",
    complexity: COMPLEXITY,
    args: &[Arg::key("key"), Arg::new("unix-time-seconds", ArgKind::UnixTime), CONDITION, FIELDS],
    ..Command::BASE
};

fn hexpireat(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    set_deadlines(args, db, reply, TimeUnit::UnixSeconds, "hexpireat")
}

pub(super) static HPEXPIRE: Command = Command {
    name: "hpexpire",
    arity: -6,
    run: Run::Write(hpexpire),
    flags: FLAGS,
    acl: ACL,
    keys: KEYS,
    group: Group::Hash,
    summary: "Sets the time to live of fields of a hash, in milliseconds.",
    since: "7.4.0",
    complexity: COMPLEXITY,
    args: &[Arg::key("key"), Arg::integer("milliseconds"), CONDITION, FIELDS],
    ..Command::BASE
};

fn hpexpire(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    set_deadlines(args, db, reply, TimeUnit::Milliseconds, "hpexpire")
}

pub(super) static HPEXPIREAT: Command = Command {
    name: "hpexpireat",
    arity: -6,
    run: Run::Write(hpexpireat),
    flags: FLAGS,
    acl: ACL,
    keys: KEYS,
    group: Group::Hash,
    summary: "Sets the moment at which fields of a hash expire, in Unix milliseconds.",
    since: "7.4.0",
    complexity: COMPLEXITY,
    args: &[Arg::key("key"), Arg::new("unix-time-milliseconds", ArgKind::UnixTime), CONDITION, FIELDS],
    ..Command::BASE
};

fn hpexpireat(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    set_deadlines(args, db, reply, TimeUnit::UnixMilliseconds, "hpexpireat")
}

/// When a new deadline counts.
#[derive(Clone, Copy)]
enum Condition {
    None,
    Nx,
    Xx,
    Gt,
    Lt,
}

impl Condition {
    fn of_word(word: &[u8]) -> Condition {
        let words = [("NX", Condition::Nx), ("XX", Condition::Xx), ("GT", Condition::Gt), ("LT", Condition::Lt)];
        let found = words.into_iter().find(|(token, _)| word.eq_ignore_ascii_case(token.as_bytes()));
        found.map_or(Condition::None, |(_, condition)| condition)
    }

    /// Whether `new` may follow `old`; no deadline is later than any.
    fn allows(self, old: Option<i64>, new: i64) -> bool {
        match (self, old) {
            (Condition::None, _) | (Condition::Nx | Condition::Lt, None) => true,
            (Condition::Xx | Condition::Gt, None) | (Condition::Nx, Some(_)) => false,
            (Condition::Xx, Some(_)) => true,
            (Condition::Gt, Some(old)) => new > old,
            (Condition::Lt, Some(old)) => new < old,
        }
    }
}

/// What became of a field, as these commands answer.
const NO_FIELD: i64 = -2;
const NOT_MET: i64 = 0;
const SET: i64 = 1;
const DELETED: i64 = 2;

/// Sets the deadlines of the fields to what argument 2 means.
fn set_deadlines(
    args: &Args<'_>,
    db: &mut Writer<'_>,
    reply: &mut Reply<'_>,
    unit: TimeUnit,
    name: &str,
) -> CommandResult {
    let key = args.key(1);
    // Another type is told of before anything else.
    db.object::<Hash>(key)?;
    let now_ms = db.now_ms();
    let deadline_ms = fields::deadline_ms(unit, args, 2, db.relative_to_ms(), name)?;
    let condition = Condition::of_word(args.get(3));
    let at = if matches!(condition, Condition::None) { 3 } else { 4 };
    let bad_count = CommandError::new("ERR Parameter `numFields` should be greater than 0");
    let fields = fields::read(args, at, bad_count)?;
    reply.array(fields.len());
    let past = deadline_ms <= now_ms;
    let propagates = db.propagates();
    let mut changed: Vec<&[u8]> = Vec::new();
    let change = |hash: &mut Hash, context: &Context<'_>| {
        hash.make_timed();
        let mut changes = 0;
        for field in fields.clone().map(|index| args.get(index)) {
            let answer = match hash.deadline_ms(field, context) {
                None => NO_FIELD,
                Some(old) if !condition.allows(old, deadline_ms) => NOT_MET,
                Some(_) if past => {
                    hash.remove(field, context);
                    DELETED
                }
                Some(_) => {
                    hash.set_deadline(field, Some(deadline_ms), context);
                    SET
                }
            };
            changes += usize::from(answer > NOT_MET);
            if propagates && answer > NOT_MET {
                changed.push(field);
            }
            reply.int(answer);
        }
        Changed((), changes)
    };
    let event = if past { super::del::EVENT } else { EXPIRE_EVENT };
    if db.change(key, event, change)?.is_none() {
        fields.for_each(|_| reply.int(NO_FIELD));
    }
    if !changed.is_empty() {
        let deadline_ms = (!past).then_some(deadline_ms);
        fields::propagate_deadline(db, key.bytes, deadline_ms, &changed);
    }
    Ok(())
}
