//! Counting in fields: HINCRBY, HINCRBYFLOAT.

use crate::base::long_double::LongDouble;
use crate::base::number;
use crate::commands::{
    Acl, Arg, ArgKind, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::{Changed, Context, Event, FieldText, Hash, NewValue, Ttl, Writer};

const FLAGS: Flags = Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST);
const ACL: Acl = Acl::WRITE.union(Acl::HASH).union(Acl::FAST);
const KEYS: &[KeySpec] = &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))];

pub(super) static HINCRBY: Command = Command {
    name: "hincrby",
    arity: 4,
    run: Run::Write(hincrby),
    flags: FLAGS,
    acl: ACL,
    keys: KEYS,
    group: Group::Hash,
    summary: "Adds a number to the integer value of a field, which counts as 0 if there is none.",
    since: "2.0.0",
    args: &[Arg::key("key"), Arg::string("field"), Arg::integer("increment")],
    ..Command::BASE
};

fn hincrby(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let increment = args.int(3)?;
    let field = args.get(2);
    let sum = change(args, db, "hincrby", |hash, context| {
        let value = match hash.get(field, context) {
            None => 0,
            Some(FieldText::Int(int)) => int,
            Some(FieldText::Bytes(bytes)) => number::parse_i64(bytes).ok_or(NOT_AN_INTEGER)?,
            Some(FieldText::Shared(_)) => return Err(NOT_AN_INTEGER),
        };
        let sum = value.checked_add(increment).ok_or(CommandError::new("ERR increment or decrement would overflow"))?;
        hash.set(field, NewValue::Int(sum), Ttl::Keep, context);
        Ok(sum)
    })?;
    reply.int(sum);
    Ok(())
}

const NOT_AN_INTEGER: CommandError = CommandError::new("ERR hash value is not an integer");

pub(super) static HINCRBYFLOAT: Command = Command {
    name: "hincrbyfloat",
    arity: 4,
    run: Run::Write(hincrbyfloat),
    flags: FLAGS,
    acl: ACL,
    keys: KEYS,
    group: Group::Hash,
    summary: "Adds a floating-point number to the value of a field, which counts as 0 if there is none.",
    since: "2.6.0",
    args: &[Arg::key("key"), Arg::string("field"), Arg::new("increment", ArgKind::Double)],
    ..Command::BASE
};

fn hincrbyfloat(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let increment = LongDouble::parse(args.get(3)).ok_or(CommandError::NOT_A_FLOAT)?;
    if !increment.is_finite() {
        return Err(CommandError::new("ERR value is NaN or Infinity"));
    }
    let field = args.get(2);
    let text = change(args, db, "hincrbyfloat", |hash, context| {
        let value = match hash.get(field, context) {
            None => LongDouble::from(0),
            Some(text) => LongDouble::parse(text.bytes(&mut itoa::Buffer::new()))
                .ok_or(CommandError::new("ERR hash value is not a float"))?,
        };
        let sum =
            value.checked_add(increment).ok_or(CommandError::new("ERR increment would produce NaN or Infinity"))?;
        let text = sum.to_decimal();
        hash.set(field, NewValue::string(text.as_bytes()), Ttl::Keep, context);
        Ok(text)
    })?;
    if db.propagates() {
        propagate_sum(args, db, text.as_bytes());
    }
    reply.bulk_str(&text);
    Ok(())
}

/// Names the sum for the journal: it may depend on how a machine adds. HSET forgets the deadline, so that is set again.
fn propagate_sum(args: &Args<'_>, db: &mut Writer<'_>, sum: &[u8]) {
    let (key, field) = (args.key(1), args.get(2));
    db.propagate(&[b"HSET", key.bytes, field, sum]);
    let view = db.view();
    let deadline_ms = match view.peek_object::<Hash>(key) {
        Some(hash) => hash.deadline_ms(field, &view.context()).flatten(),
        _ => None,
    };
    if let Some(deadline_ms) = deadline_ms {
        let mut digits = itoa::Buffer::new();
        let deadline = digits.format(deadline_ms).as_bytes();
        db.propagate(&[b"HPEXPIREAT", key.bytes, deadline, b"FIELDS", b"1", field]);
    }
}

/// Changes one field, or says why not.
fn change<R>(
    args: &Args<'_>,
    db: &mut Writer<'_>,
    event: &'static str,
    add: impl FnOnce(&mut Hash, &Context<'_>) -> Result<R, CommandError>,
) -> Result<R, CommandError> {
    let change = |hash: &mut Hash, context: &Context<'_>| {
        let sum = add(hash, context);
        let changes = usize::from(sum.is_ok());
        Changed(sum, changes)
    };
    db.expire_fields(args.key(1), std::iter::once(args.get(2)));
    db.change_or_make(args.key(1), Event::hash(event), |_| Hash::new(), change)?
}
