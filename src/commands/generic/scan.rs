//! Going through the keys: SCAN, KEYS, RANDOMKEY.

use crate::base::glob;
use crate::commands::{Acl, Arg, ArgKind, Args, Command, CommandError, CommandResult, Flags, Group, Reply, Run};
use crate::keyspace::{Entry, Kind, View};

pub(super) static SCAN: Command = Command {
    name: "scan",
    arity: -2,
    run: Run::Read(scan),
    flags: Flags::READONLY,
    acl: Acl::KEYSPACE.union(Acl::READ).union(Acl::SLOW),
    group: Group::Generic,
    summary: "Goes through the keys of the database, some with each call.",
    since: "2.8.0",
    complexity: "O(1) for each call; O(N) for all calls until the cursor is 0 again, where N is the number of keys.",
    history: &[("6.0.0", "`TYPE` came.")],
    tips: &["nondeterministic_output", "request_policy:special", "response_policy:special"],
    args: &[
        Arg::integer("cursor"),
        Arg::new("pattern", ArgKind::Pattern).token("MATCH").optional(),
        Arg::integer("count").token("COUNT").optional(),
        Arg::string("type").token("TYPE").since("6.0.0").optional(),
    ],
    ..Command::BASE
};

/// Keys looked at in a call that does not say how many.
const COUNT_DEFAULT: usize = 10;

/// Which keys SCAN returns.
struct Filter<'a> {
    pattern: Option<&'a [u8]>,
    /// A name that is no type's matches nothing.
    kind: Option<Option<Kind>>,
}

impl Filter<'_> {
    fn accepts(&self, entry: &Entry) -> bool {
        self.kind.is_none_or(|kind| kind == Some(entry.kind()))
            && self.pattern.is_none_or(|pattern| glob::matches(pattern, entry.key(), false))
    }
}

fn scan(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let cursor = parse_cursor(args.get(1)).ok_or(CommandError::new("ERR invalid cursor"))?;
    let mut filter = Filter { pattern: None, kind: None };
    let mut count = COUNT_DEFAULT;
    let mut index = 2;
    while index < args.len() {
        if index + 1 >= args.len() {
            return Err(CommandError::SYNTAX);
        }
        if args.is(index, "COUNT") {
            let asked = args.int(index + 1)?;
            count = usize::try_from(asked).ok().filter(|&count| count > 0).ok_or(CommandError::SYNTAX)?;
        } else if args.is(index, "MATCH") {
            let pattern = args.get(index + 1);
            // Also for the empty key, which no pattern matches.
            filter.pattern = (pattern != b"*").then_some(pattern);
        } else if args.is(index, "TYPE") {
            let name = args.get(index + 1);
            filter.kind = Some(Kind::ALL.into_iter().find(|kind| name.eq_ignore_ascii_case(kind.name().as_bytes())));
        } else {
            return Err(CommandError::SYNTAX);
        }
        index += 2;
    }
    let mut found = Vec::new();
    let next = view.scan(cursor, count, |entry| {
        if filter.accepts(entry) {
            found.push(entry.key());
        }
    });
    reply.array(2);
    reply.bulk_str(itoa::Buffer::new().format(next));
    reply.bulks(&found);
    Ok(())
}

/// A cursor as C's `strtoull` reads it, but for signs and spaces.
pub(in crate::commands) fn parse_cursor(text: &[u8]) -> Option<u64> {
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

pub(super) static KEYS: Command = Command {
    name: "keys",
    arity: 2,
    run: Run::Read(keys),
    flags: Flags::READONLY,
    acl: Acl::KEYSPACE.union(Acl::READ).union(Acl::SLOW).union(Acl::DANGEROUS),
    group: Group::Generic,
    summary: "Returns all keys that match a pattern.",
    complexity: "O(N) where N is the number of keys in the database.",
    tips: &["request_policy:all_shards", "nondeterministic_output_order"],
    args: &[Arg::new("pattern", ArgKind::Pattern)],
    ..Command::BASE
};

fn keys(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let pattern = args.get(1);
    let found: Vec<&[u8]> =
        view.iter().map(Entry::key).filter(|key| pattern == b"*" || glob::matches(pattern, key, false)).collect();
    reply.bulks(&found);
    Ok(())
}

pub(super) static RANDOMKEY: Command = Command {
    name: "randomkey",
    arity: 1,
    run: Run::Read(randomkey),
    flags: Flags::READONLY,
    acl: Acl::KEYSPACE.union(Acl::READ).union(Acl::SLOW),
    group: Group::Generic,
    summary: "Returns a key drawn at random.",
    tips: &["request_policy:all_shards", "response_policy:special", "nondeterministic_output"],
    ..Command::BASE
};

fn randomkey(_args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    match view.random() {
        Some(entry) => reply.bulk(entry.key()),
        None => reply.null(),
    }
    Ok(())
}
