//! Setting several keys at once: MSET, MSETNX, MSETEX.

use super::expiry::{EX, EXAT, Expiry, KEEPTTL, PX, PXAT, Repeat};
use super::set::{propagate_set, set_and_tell};
use crate::commands::{
    Acl, Arg, Args, BeginSearch, Command, CommandError, CommandResult, FindKeys, Flags, Group, KeyFlags, KeySpec,
    Reply, Run,
};
use crate::keyspace::{Key, Ttl, Writer};

pub(super) static MSET: Command = Command {
    name: "mset",
    arity: -3,
    run: Run::Write(mset),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    acl: Acl::WRITE.union(Acl::STRING).union(Acl::SLOW),
    keys: &[KeySpec::range(1, -1, 2, KeyFlags::OW.union(KeyFlags::UPDATE))],
    group: Group::String,
    summary: "Sets the string values of several keys, all at once.",
    since: "1.0.1",
    complexity: "O(N) where N is the number of keys.",
    tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
    args: &[Arg::block("data", &[Arg::key("key"), Arg::string("value")]).multiple()],
    ..Command::BASE
};

fn mset(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let len = args.len();
    if len.is_multiple_of(2) {
        return Err(CommandError::wrong_arity("mset"));
    }
    store(args, 1, len, db, Ttl::Clear, false);
    reply.ok();
    Ok(())
}

pub(super) static MSETNX: Command = Command {
    name: "msetnx",
    arity: -3,
    run: Run::Write(msetnx),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    acl: Acl::WRITE.union(Acl::STRING).union(Acl::SLOW),
    keys: &[KeySpec::range(1, -1, 2, KeyFlags::OW.union(KeyFlags::INSERT))],
    group: Group::String,
    summary: "Sets the string values of several keys if none of them exists.",
    since: "1.0.1",
    complexity: "O(N) where N is the number of keys.",
    args: &[Arg::block("data", &[Arg::key("key"), Arg::string("value")]).multiple()],
    ..Command::BASE
};

fn msetnx(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let len = args.len();
    if len.is_multiple_of(2) {
        return Err(CommandError::wrong_arity("msetnx"));
    }
    let sets = !any_exists(args, 1, len, db);
    if sets {
        store(args, 1, len, db, Ttl::Clear, false);
    }
    reply.int(i64::from(sets));
    Ok(())
}

pub(super) static MSETEX: Command = Command {
    name: "msetex",
    arity: -4,
    run: Run::Write(msetex),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::MOVABLEKEYS),
    acl: Acl::WRITE.union(Acl::STRING).union(Acl::SLOW),
    keys: &[KeySpec {
        notes: "",
        flags: KeyFlags::OW.union(KeyFlags::UPDATE),
        begin: BeginSearch::Index(1),
        find: FindKeys::KeyNum { count_at: 0, first: 1, step: 2 },
    }],
    group: Group::String,
    summary: "Sets the string values of several keys and the time to live that they share, all at once.",
    since: "8.4.0",
    complexity: "O(N) where N is the number of keys.",
    tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
    args: &[
        Arg::integer("numkeys"),
        Arg::block("data", &[Arg::key("key"), Arg::string("value")]).multiple(),
        Arg::one_of("condition", &[Arg::word("nx", "NX"), Arg::word("xx", "XX")]).optional(),
        Arg::one_of("expiration", &[EX, PX, EXAT, PXAT, KEEPTTL]).optional(),
    ],
    ..Command::BASE
};

fn msetex(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    const PAIRS_AT: usize = 2;
    let keys = args
        .int(1)
        .ok()
        .filter(|count| (1..=i64::from(i32::MAX)).contains(count))
        .ok_or(CommandError::new("ERR invalid numkeys value"))?;
    let end = PAIRS_AT + 2 * keys as usize;
    if end > args.len() {
        return Err(CommandError::new("ERR wrong number of key-value pairs"));
    }
    // NX: false, XX: true.
    let mut must_exist = None;
    let mut expiry = Expiry::None;
    let mut index = end;
    while index < args.len() {
        if let Some(next) = expiry.read(args, index, ("KEEPTTL", Expiry::Keep), Repeat::Allowed)? {
            index = next;
            continue;
        }
        let read = match args.get(index) {
            word if word.eq_ignore_ascii_case(b"NX") => false,
            word if word.eq_ignore_ascii_case(b"XX") => true,
            _ => return Err(CommandError::SYNTAX),
        };
        if must_exist.is_some_and(|earlier| earlier != read) {
            return Err(CommandError::SYNTAX);
        }
        must_exist = Some(read);
        index += 1;
    }
    let ttl = expiry.ttl(args, Ttl::Clear, db.relative_to_ms(), "msetex")?;
    let sets = match must_exist {
        None => true,
        Some(false) => !any_exists(args, PAIRS_AT, end, db),
        Some(true) => count_existing(args, PAIRS_AT, end, db) == keys as usize,
    };
    if sets {
        store(args, PAIRS_AT, end, db, ttl, true);
    }
    reply.int(i64::from(sets));
    Ok(())
}

/// Whether one of the keys among the pairs at `start..end` exists. Those behind it are not looked at, nor removed if they are past their
/// deadlines.
fn any_exists(args: &Args<'_>, start: usize, end: usize, db: &mut Writer<'_>) -> bool {
    (start..end).step_by(2).any(|index| db.find(db.key(args.get(index))).is_some())
}

/// How many of the keys among the pairs at `start..end` exist.
fn count_existing(args: &Args<'_>, start: usize, end: usize, db: &mut Writer<'_>) -> usize {
    (start..end).step_by(2).filter(|&index| db.find(db.key(args.get(index))).is_some()).count()
}

/// Keys whose memory is prefetched together, so that their cache misses overlap.
const FEW: usize = 16;

/// Sets the pairs at `start..end`. `is_newer`: by a command that older versions of Redis do not know.
fn store(args: &mut Args<'_>, start: usize, end: usize, db: &mut Writer<'_>, ttl: Ttl, is_newer: bool) {
    for few in (start..end).step_by(2 * FEW) {
        let mut hashes = [0; FEW];
        for (hash, index) in hashes.iter_mut().zip((few..end).step_by(2)) {
            let key = db.key(args.get(index));
            db.prefetch(key);
            *hash = key.hash;
        }
        for (hash, index) in hashes.into_iter().zip((few..end).step_by(2)) {
            if is_newer && db.propagates() {
                propagate_set(db, args.get(index), args.get(index + 1), ttl);
            }
            let (key, value) = args.key_and_value(index, index + 1);
            set_and_tell(db, Key::with_hash(key, hash), value, ttl);
        }
    }
}
