//! Values and deadlines of fields at once: HGETEX, HSETEX.

use super::expire::EXPIRE_EVENT;
use super::fields::{self, FIELDS, NOT_POSITIVE};
use super::put_or_null;
use super::set::Values;
use super::ttl::PERSIST_EVENT;
use crate::base::number;
use crate::commands::time_unit::TimeUnit;
use crate::commands::{
    Acl, Arg, ArgKind, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
    quotable,
};
use crate::keyspace::{Changed, Context, Hash, Ttl, Writer};

const ACL: Acl = Acl::WRITE.union(Acl::HASH).union(Acl::FAST);
const KEYS: &[KeySpec] = &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))];
const COMPLEXITY: &str = "O(N) where N is the number of fields given.";
const EX: Arg = Arg::integer("seconds").token("EX");
const PX: Arg = Arg::integer("milliseconds").token("PX");
const EXAT: Arg = Arg::new("unix-time-seconds", ArgKind::UnixTime).token("EXAT");
const PXAT: Arg = Arg::new("unix-time-milliseconds", ArgKind::UnixTime).token("PXAT");

pub(super) static HGETEX: Command = Command {
    name: "hgetex",
    arity: -5,
    run: Run::Write(hgetex),
    flags: Flags::WRITE.union(Flags::FAST),
    acl: ACL,
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))],
    group: Group::Hash,
    summary: "Returns the values of fields of a hash and sets or removes their time to live.",
    since: "8.0.0",
    complexity: COMPLEXITY,
    args: &[
        Arg::key("key"),
        Arg::one_of("expiration", &[EX, PX, EXAT, PXAT, Arg::word("persist", "PERSIST")]).optional(),
        FIELDS,
    ],
    ..Command::BASE
};

/// What becomes of the deadlines of the fields that are read.
#[derive(Clone, Copy)]
enum Fate {
    Stay,
    Persist,
    Expire(i64),
    /// The deadline has passed.
    Go,
}

fn hgetex(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.key(1);
    db.object::<Hash>(key)?;
    let now_ms = db.now_ms();
    let (fate, at) = if args.is(2, "PERSIST") {
        (Fate::Persist, 3)
    } else if let Some(unit) = TimeUnit::of_word(args.get(2)) {
        let deadline_ms = fields::deadline_ms(unit, args, 3, db.relative_to_ms(), "hgetex")?;
        (if deadline_ms <= now_ms { Fate::Go } else { Fate::Expire(deadline_ms) }, 4)
    } else {
        (Fate::Stay, 2)
    };
    let fields = fields::read(args, at, NOT_POSITIVE)?;
    reply.array(fields.len());
    let propagates = db.propagates();
    let mut changed: Vec<&[u8]> = Vec::new();
    let change = |hash: &mut Hash, context: &Context<'_>| {
        let mut changes = 0;
        for field in fields.clone().map(|index| args.get(index)) {
            put_or_null(reply, hash.get(field, context));
            let Some(deadline_ms) = hash.deadline_ms(field, context) else { continue };
            match fate {
                Fate::Stay => continue,
                Fate::Persist if deadline_ms.is_none() => continue,
                Fate::Persist => hash.set_deadline(field, None, context),
                Fate::Expire(deadline_ms) => hash.set_deadline(field, Some(deadline_ms), context),
                Fate::Go => drop(hash.remove(field, context)),
            }
            changes += 1;
            if propagates {
                changed.push(field);
            }
        }
        Changed((), changes)
    };
    let event = match fate {
        Fate::Go => super::del::EVENT,
        Fate::Persist => PERSIST_EVENT,
        Fate::Stay | Fate::Expire(_) => EXPIRE_EVENT,
    };
    if db.change(key, event, change)?.is_none() {
        fields.for_each(|_| reply.null());
    }
    if changed.is_empty() {
        return Ok(());
    }
    match fate {
        Fate::Stay => {}
        Fate::Go => fields::propagate_deadline(db, key.bytes, None, &changed),
        Fate::Expire(deadline_ms) => fields::propagate_deadline(db, key.bytes, Some(deadline_ms), &changed),
        Fate::Persist => {
            let mut count = itoa::Buffer::new();
            let mut command =
                vec![b"HPERSIST".as_slice(), key.bytes, b"FIELDS", count.format(changed.len()).as_bytes()];
            command.extend_from_slice(&changed);
            db.propagate(&command);
        }
    }
    Ok(())
}

pub(super) static HSETEX: Command = Command {
    name: "hsetex",
    arity: -6,
    run: Run::Write(hsetex),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    acl: ACL,
    keys: KEYS,
    group: Group::Hash,
    summary: "Sets fields of a hash together with their time to live.",
    since: "8.0.0",
    complexity: COMPLEXITY,
    args: &[
        Arg::key("key"),
        Arg::one_of("condition", &[Arg::word("fnx", "FNX"), Arg::word("fxx", "FXX")]).optional(),
        Arg::one_of("expiration", &[EX, PX, EXAT, PXAT, Arg::word("keepttl", "KEEPTTL")]).optional(),
        Arg::block(
            "fields",
            &[Arg::integer("numfields"), Arg::block("data", &[Arg::string("field"), Arg::string("value")]).multiple()],
        )
        .token("FIELDS"),
    ],
    ..Command::BASE
};

/// The options of HSETEX.
struct SetOptions {
    /// FXX: whether all fields must be there; FNX: whether none may be.
    exist: Option<bool>,
    ttl: Option<Ttl>,
    /// Where the first field is.
    first: usize,
}

impl SetOptions {
    fn read(args: &Args<'_>, now_ms: i64) -> Result<SetOptions, CommandError> {
        let mut options = SetOptions { exist: None, ttl: None, first: 0 };
        let mut index = 2;
        while index < args.len() {
            let word = args.get(index);
            let unit = TimeUnit::of_word(word);
            if args.is(index, "FIELDS") {
                options.first = index + 2;
                options.check_count(args, index + 1)?;
                return Ok(options);
            } else if unit.is_some() || args.is(index, "KEEPTTL") {
                if options.ttl.is_some() {
                    return Err(CommandError::new(
                        "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
                    ));
                }
                options.ttl = Some(match unit {
                    None => Ttl::Keep,
                    Some(_) if index + 1 >= args.len() => return Err(CommandError::new("ERR missing expire time")),
                    Some(unit) => {
                        index += 1;
                        Ttl::At(fields::deadline_ms(unit, args, index, now_ms, "hsetex")?)
                    }
                });
            } else if args.is(index, "FXX") || args.is(index, "FNX") {
                if options.exist.is_some() {
                    return Err(CommandError::new("ERR Only one of FXX or FNX arguments can be specified"));
                }
                options.exist = Some(args.is(index, "FXX"));
            } else {
                return Err(CommandError::owned([b"ERR unknown argument: ", quotable(word)].concat()));
            }
            index += 1;
        }
        Err(CommandError::wrong_arity("hsetex"))
    }

    /// Whether the number at `index` is that of the pairs behind it.
    fn check_count(&self, args: &Args<'_>, index: usize) -> CommandResult {
        let count = args.try_get(index).ok_or_else(|| CommandError::wrong_arity("hsetex"))?;
        let count = number::parse_i64(count)
            .filter(|&count| count > 0)
            .ok_or(CommandError::new("ERR invalid number of fields"))?;
        let given = args.len() - self.first;
        if usize::try_from(count).ok().and_then(|count| count.checked_mul(2)) != Some(given) {
            return Err(CommandError::wrong_arity("hsetex"));
        }
        Ok(())
    }
}

/// Names, for the journal, what HSETEX has done. The fields begin at `first`; `ttl`: what they got, None if they are gone at once.
fn propagate_set(args: &Args<'_>, first: usize, db: &mut Writer<'_>, ttl: Option<Ttl>) {
    let key = args.key(1);
    let fields: Vec<&[u8]> = (first..args.len()).step_by(2).map(|index| args.get(index)).collect();
    let Some(ttl) = ttl else {
        return fields::propagate_deadline(db, key.bytes, None, &fields);
    };
    let mut command = vec![b"HSET".as_slice(), key.bytes];
    command.extend(args.from(first));
    db.propagate(&command);
    match ttl {
        Ttl::Clear => {}
        Ttl::At(deadline_ms) => fields::propagate_deadline(db, key.bytes, Some(deadline_ms), &fields),
        Ttl::Keep => {
            // HSET forgets them.
            let view = db.view();
            let Some(hash) = view.peek_object::<Hash>(key) else { return };
            let context = view.context();
            let kept: Vec<(&[u8], i64)> = fields
                .into_iter()
                .filter_map(|field| Some((field, hash.deadline_ms(field, &context).flatten()?)))
                .collect();
            for (field, deadline_ms) in kept {
                fields::propagate_deadline(db, key.bytes, Some(deadline_ms), &[field]);
            }
        }
    }
}

fn hsetex(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let now_ms = db.now_ms();
    let options = SetOptions::read(args, db.relative_to_ms())?;
    let first = options.first;
    let values = Values::take(args, first + 1);
    let args = &*args;
    let key = args.key(1);
    let ttl = options.ttl.unwrap_or(Ttl::Clear);
    let past = matches!(ttl, Ttl::At(deadline_ms) if deadline_ms <= now_ms);
    let fields = || (first..args.len()).step_by(2).map(|index| args.get(index));
    let change = |hash: &mut Hash, context: &Context<'_>| {
        let is_met = options.exist.is_none_or(|exist| fields().all(|field| hash.contains(field, context) == exist));
        if !is_met {
            return Changed(false, 0);
        }
        values.set(hash, args, first, if past { Ttl::Clear } else { ttl }, context);
        Changed(true, (args.len() - first) / 2)
    };
    db.expire_fields(key, fields());
    let is_set = db.change_or_make(key, super::set::EVENT, |_| Hash::new(), change)?;
    if is_set && past {
        let removed = |hash: &mut Hash, context: &Context<'_>| {
            Changed((), fields().filter(|field| hash.remove(field, context)).count())
        };
        db.change(key, super::del::EVENT, removed)?;
    } else if is_set && matches!(ttl, Ttl::At(_)) {
        db.notify(EXPIRE_EVENT, key);
    }
    if is_set && db.propagates() {
        propagate_set(args, first, db, if past { None } else { Some(ttl) });
    }
    reply.int(i64::from(is_set));
    Ok(())
}
