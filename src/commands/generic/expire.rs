//! Setting and removing deadlines: EXPIRE, EXPIREAT, their millisecond forms, PERSIST.

use crate::commands::{
    Acl, Arg, ArgKind, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
    quotable,
};
use crate::keyspace::{Entry, Event, Writer};

const FLAGS: Flags = Flags::WRITE.union(Flags::FAST);
const ACL: Acl = Acl::KEYSPACE.union(Acl::WRITE).union(Acl::FAST);
const KEYS: &[KeySpec] = &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))];
const HISTORY: &[(&str, &str)] = &[("7.0.0", "`NX`, `XX`, `GT` and `LT` came.")];
const CONDITION: Arg = Arg::one_of(
    "condition",
    &[Arg::word("nx", "NX"), Arg::word("xx", "XX"), Arg::word("gt", "GT"), Arg::word("lt", "LT")],
)
.since("7.0.0")
.optional();

pub(super) static EXPIRE: Command = Command {
    name: "expire",
    arity: -3,
    run: Run::Write(expire),
    flags: FLAGS,
    acl: ACL,
    keys: KEYS,
    group: Group::Generic,
    summary: "Sets the time to live of a key, in seconds.",
    history: HISTORY,
    args: &[Arg::key("key"), Arg::integer("seconds"), CONDITION],
    ..Command::BASE
};

fn expire(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let now_ms = db.relative_to_ms();
    set_deadline(args, db, reply, "expire", |seconds| seconds.checked_mul(1000)?.checked_add(now_ms))
}

pub(super) static EXPIREAT: Command = Command {
    name: "expireat",
    arity: -3,
    run: Run::Write(expireat),
    flags: FLAGS,
    acl: ACL,
    keys: KEYS,
    group: Group::Generic,
    summary: "Sets the moment at which a key expires, in Unix seconds.",
    since: "1.2.0",
    history: HISTORY,
    args: &[Arg::key("key"), Arg::new("unix-time-seconds", ArgKind::UnixTime), CONDITION],
    ..Command::BASE
};

fn expireat(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    set_deadline(args, db, reply, "expireat", |seconds| seconds.checked_mul(1000))
}

pub(super) static PEXPIRE: Command = Command {
    name: "pexpire",
    arity: -3,
    run: Run::Write(pexpire),
    flags: FLAGS,
    acl: ACL,
    keys: KEYS,
    group: Group::Generic,
    summary: "Sets the time to live of a key, in milliseconds.",
    since: "2.6.0",
    history: HISTORY,
    args: &[Arg::key("key"), Arg::integer("milliseconds"), CONDITION],
    ..Command::BASE
};

fn pexpire(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let now_ms = db.relative_to_ms();
    set_deadline(args, db, reply, "pexpire", |milliseconds| milliseconds.checked_add(now_ms))
}

pub(super) static PEXPIREAT: Command = Command {
    name: "pexpireat",
    arity: -3,
    run: Run::Write(pexpireat),
    flags: FLAGS,
    acl: ACL,
    keys: KEYS,
    group: Group::Generic,
    summary: "Sets the moment at which a key expires, in Unix milliseconds.",
    since: "2.6.0",
    history: HISTORY,
    args: &[Arg::key("key"), Arg::new("unix-time-milliseconds", ArgKind::UnixTime), CONDITION],
    ..Command::BASE
};

fn pexpireat(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    set_deadline(args, db, reply, "pexpireat", Some)
}

/// When a new deadline counts. GT and LT go with XX.
#[derive(Default)]
struct Conditions {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
}

impl Conditions {
    fn read(args: &Args<'_>) -> Result<Conditions, CommandError> {
        let mut conditions = Conditions::default();
        for word in args.from(3) {
            let is = |token: &str| word.eq_ignore_ascii_case(token.as_bytes());
            let flag = if is("NX") {
                &mut conditions.nx
            } else if is("XX") {
                &mut conditions.xx
            } else if is("GT") {
                &mut conditions.gt
            } else if is("LT") {
                &mut conditions.lt
            } else {
                return Err(CommandError::owned([b"ERR Unsupported option ", quotable(word)].concat()));
            };
            *flag = true;
        }
        if conditions.nx && (conditions.xx || conditions.gt || conditions.lt) {
            return Err(CommandError::new("ERR NX and XX, GT or LT options at the same time are not compatible"));
        }
        if conditions.gt && conditions.lt {
            return Err(CommandError::new("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(conditions)
    }

    /// Whether `new` may follow `old`; no deadline is later than any.
    fn allow(&self, old: Option<i64>, new: i64) -> bool {
        match old {
            None => !self.xx && !self.gt,
            Some(old) => !self.nx && (!self.gt || new > old) && (!self.lt || new < old),
        }
    }
}

/// Sets the deadline that `unix_ms` makes of argument 2.
fn set_deadline(
    args: &Args<'_>,
    db: &mut Writer<'_>,
    reply: &mut Reply<'_>,
    name: &str,
    unix_ms: impl FnOnce(i64) -> Option<i64>,
) -> CommandResult {
    let conditions = Conditions::read(args)?;
    let deadline_ms = unix_ms(args.int(2)?).ok_or_else(|| CommandError::invalid_expire(name))?;
    let key = args.key(1);
    let Some(old) = db.find(key).map(Entry::deadline_ms) else {
        reply.int(0);
        return Ok(());
    };
    if !conditions.allow(old, deadline_ms) {
        reply.int(0);
        return Ok(());
    }
    if deadline_ms <= db.now_ms() {
        db.delete_and_tell(key);
        db.propagate_expired(key.bytes);
    } else {
        if db.set_deadline(key, Some(deadline_ms)) {
            db.propagate(&[b"PEXPIREAT", key.bytes, itoa::Buffer::new().format(deadline_ms).as_bytes()]);
        }
        db.notify(Event::EXPIRE, key);
    }
    reply.int(1);
    Ok(())
}

pub(super) static PERSIST: Command = Command {
    name: "persist",
    arity: 2,
    run: Run::Write(persist),
    flags: FLAGS,
    acl: ACL,
    keys: KEYS,
    group: Group::Generic,
    summary: "Removes the time to live of a key.",
    since: "2.2.0",
    args: &[Arg::key("key")],
    ..Command::BASE
};

fn persist(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.key(1);
    let removed = db.find(key).is_some() && db.set_deadline(key, None);
    if removed {
        db.notify(Event::PERSIST, key);
    }
    reply.int(i64::from(removed));
    Ok(())
}
