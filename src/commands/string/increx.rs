//! INCREX: a counter with bounds and a time to live, in one command.

use super::expiry::{EX, EXAT, Expiry, PERSIST, PX, PXAT, Repeat};
use super::incr::{INCREMENTED, INCREMENTED_BY_FLOAT, int_of, long_double_of, store_text};
use super::set::propagate_set;
use crate::base::long_double::LongDouble;
use crate::commands::{
    Acl, Arg, ArgKind, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::{Entry, Event, Key, NewValue, Ttl, Writer};

pub(super) static INCREX: Command = Command {
    name: "increx",
    arity: -2,
    run: Run::Write(increx),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    acl: Acl::WRITE.union(Acl::STRING).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))],
    group: Group::String,
    summary: "Adds to the number that is the value of a key, within bounds, and sets its time to live.",
    since: "8.8.0",
    args: &[
        Arg::key("key"),
        Arg::one_of(
            "increment",
            &[Arg::new("float", ArgKind::Double).token("BYFLOAT"), Arg::integer("integer").token("BYINT")],
        )
        .optional(),
        Arg::word("saturate", "SATURATE").optional(),
        Arg::string("lowerbound").token("LBOUND").optional(),
        Arg::string("upperbound").token("UBOUND").optional(),
        Arg::one_of("expiration", &[EX, PX, EXAT, PXAT, PERSIST]).optional(),
        Arg::word("enx", "ENX").optional(),
    ],
    ..Command::BASE
};

/// The options; arguments by their index.
#[derive(Default)]
struct Options {
    by_int: Option<usize>,
    by_float: Option<usize>,
    lower: Option<usize>,
    upper: Option<usize>,
    saturate: bool,
    /// The time to live is only set if there is none.
    enx: bool,
    expiry: Expiry,
}

impl Options {
    fn read(args: &Args<'_>) -> Result<Options, CommandError> {
        let mut options = Options::default();
        let mut index = 2;
        while index < args.len() {
            if let Some(next) = options.expiry.read(args, index, ("PERSIST", Expiry::Persist), Repeat::Forbidden)? {
                index = next;
                continue;
            }
            let word = args.get(index);
            let is = |token: &str| word.eq_ignore_ascii_case(token.as_bytes());
            if is("SATURATE") || is("ENX") {
                let flag = if is("ENX") { &mut options.enx } else { &mut options.saturate };
                if std::mem::replace(flag, true) {
                    return Err(CommandError::SYNTAX);
                }
                index += 1;
                continue;
            }
            let option = if is("BYINT") {
                &mut options.by_int
            } else if is("BYFLOAT") {
                &mut options.by_float
            } else if is("LBOUND") {
                &mut options.lower
            } else if is("UBOUND") {
                &mut options.upper
            } else {
                return Err(CommandError::SYNTAX);
            };
            if option.is_some() || index + 1 >= args.len() {
                return Err(CommandError::SYNTAX);
            }
            *option = Some(index + 1);
            index += 2;
        }
        if options.by_int.is_some() && options.by_float.is_some() {
            return Err(CommandError::SYNTAX);
        }
        match options.expiry {
            Expiry::Persist if options.enx => Err(CommandError::SYNTAX),
            Expiry::None if options.enx => Err(CommandError::new("ERR ENX flag requires an expiration")),
            _ => Ok(options),
        }
    }
}

fn increx(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let options = Options::read(args)?;
    match options.by_float {
        None => increx_by_int(args, &options, db, reply),
        Some(index) => increx_by_float(args, &options, index, db, reply),
    }
}

const BOUNDS: CommandError = CommandError::new("ERR LBOUND can't be greater than UBOUND");

fn increx_by_int(args: &Args<'_>, options: &Options, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let int = |index: Option<usize>, default, error: &'static str| {
        index.map_or(Ok(default), |index| args.int(index).map_err(|_| CommandError::new(error)))
    };
    let increment = int(options.by_int, 1, "ERR Increment is not an integer or out of range")?;
    let lower = int(options.lower, i64::MIN, "ERR LBOUND is not an integer or out of range")?;
    let upper = int(options.upper, i64::MAX, "ERR UBOUND is not an integer or out of range")?;
    if lower > upper {
        return Err(BOUNDS);
    }
    let ttl = options.expiry.ttl(args, Ttl::Keep, db.relative_to_ms(), "increx")?;
    let key = args.key(1);
    let old = int_of(db.find(key).map(Entry::value))?;
    let exact = i128::from(old) + i128::from(increment);
    let new = exact.clamp(i128::from(lower), i128::from(upper)) as i64;
    if i128::from(new) != exact && !options.saturate {
        reply.array(2);
        reply.int(old);
        reply.int(0);
        return Ok(());
    }
    let added = new.checked_sub(old).ok_or(CommandError::new("ERR applied increment would overflow"))?;
    if let Some(ttl) = ttl_to_set(db, key, options, ttl) {
        propagate_set(db, key.bytes, itoa::Buffer::new().format(new).as_bytes(), ttl);
        db.set(key, NewValue::Int(new), ttl);
        tell(db, key, INCREMENTED, ttl);
    }
    reply.array(2);
    reply.int(new);
    reply.int(added);
    Ok(())
}

fn increx_by_float(
    args: &Args<'_>,
    options: &Options,
    increment: usize,
    db: &mut Writer<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let float = |index: usize, error: &'static str| LongDouble::parse(args.get(index)).ok_or(CommandError::new(error));
    let bound = |index: Option<usize>, default, error| index.map_or(Ok(default), |index| float(index, error));
    let increment = float(increment, "ERR Increment is not a valid float")?;
    if !increment.is_finite() {
        return Err(CommandError::new("ERR BYFLOAT increment cannot be Infinity"));
    }
    let lower = bound(options.lower, -LongDouble::MAX, "ERR LBOUND is not a valid float")?;
    let upper = bound(options.upper, LongDouble::MAX, "ERR UBOUND is not a valid float")?;
    if lower > upper {
        return Err(BOUNDS);
    }
    let ttl = options.expiry.ttl(args, Ttl::Keep, db.relative_to_ms(), "increx")?;
    let key = args.key(1);
    let old = long_double_of(db.find(key).map(Entry::value))?;
    if !old.is_finite() {
        return Err(CommandError::new("ERR value cannot be Infinity"));
    }
    // A sum beyond all numbers is beyond the bound on its side.
    let (new, is_exact) = match old.checked_add(increment) {
        Some(sum) => (sum.clamp(lower, upper), (lower..=upper).contains(&sum)),
        None if increment > LongDouble::from(0) => (upper, false),
        None => (lower, false),
    };
    if !is_exact && !options.saturate {
        reply.array(2);
        put_float(reply, old);
        put_float(reply, LongDouble::from(0));
        return Ok(());
    }
    let added = if is_exact { Some(increment) } else { new.checked_add(-old) };
    let added = added.ok_or(CommandError::new("ERR applied increment would be Infinity"))?;
    if let Some(ttl) = ttl_to_set(db, key, options, ttl) {
        let text = new.to_decimal();
        propagate_set(db, key.bytes, text.as_bytes(), ttl);
        store_text(db, key, &text, ttl);
        tell(db, key, INCREMENTED_BY_FLOAT, ttl);
    }
    reply.array(2);
    put_float(reply, new);
    put_float(reply, added);
    Ok(())
}

fn tell(db: &mut Writer<'_>, key: Key<'_>, event: Event, ttl: Ttl) {
    db.notify(event, key);
    match ttl {
        Ttl::At(_) => db.notify(Event::EXPIRE, key),
        Ttl::Clear | Ttl::Keep => {}
    }
}

/// What is to become of the deadline when the new value is set. None: it is not to be set, for the deadline has passed already; the
/// key has been deleted.
fn ttl_to_set(db: &mut Writer<'_>, key: Key<'_>, options: &Options, ttl: Ttl) -> Option<Ttl> {
    let Ttl::At(deadline_ms) = ttl else { return Some(ttl) };
    if options.enx && db.find(key).is_some_and(|entry| entry.deadline_ms().is_some()) {
        return Some(Ttl::Keep);
    }
    if deadline_ms <= db.now_ms() {
        db.delete_and_tell(key);
        db.propagate(&[b"DEL", key.bytes]);
        return None;
    }
    Some(ttl)
}

/// A bulk in RESP2, a double in RESP3, with all its digits.
fn put_float(reply: &mut Reply<'_>, number: LongDouble) {
    let text = number.to_decimal();
    if reply.is_resp3() {
        reply.raw(b",");
        reply.raw(text.as_bytes());
        reply.raw(b"\r\n");
    } else {
        reply.bulk_str(&text);
    }
}
