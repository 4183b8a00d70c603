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

fn scan(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let cursor = parse_cursor(args.get(1)).ok_or(CommandError::new("ERR invalid cursor"))?;
    // A name that is no type's matches nothing.
    let mut asked: Option<Option<Kind>> = None;
    let options = ScanArgs::read_with(args, 2, |index| {
        if index + 1 >= args.len() || !args.is(index, "TYPE") {
            return 0;
        }
        let name = args.get(index + 1);
        asked = Some(Kind::ALL.into_iter().find(|kind| name.eq_ignore_ascii_case(kind.name().as_bytes())));
        2
    })?;
    let mut found = Vec::new();
    let next = view.scan(cursor, options.count, |entry| {
        if asked.is_none_or(|kind| kind == Some(entry.kind())) && options.accepts(entry.key()) {
            found.push(entry.key());
        }
    });
    reply_next(reply, next);
    reply.bulks(&found);
    Ok(())
}

/// What SCAN, HSCAN, SSCAN and ZSCAN have in common.
pub(in crate::commands) struct ScanArgs<'a> {
    /// Elements looked at.
    pub count: usize,
    /// None: everything matches.
    pattern: Option<&'a [u8]>,
}

impl<'a> ScanArgs<'a> {
    /// Of the arguments from `start` on.
    ///
    /// # Errors
    /// An option that there is not or that lacks its value; a count that is no number, or not positive.
    pub fn read(args: &'a Args<'_>, start: usize) -> Result<ScanArgs<'a>, CommandError> {
        ScanArgs::read_with(args, start, |_| 0)
    }

    /// The same for a command with an option of its own: `own` answers how many arguments it takes from an index on; 0: it is not there.
    pub fn read_with(
        args: &'a Args<'_>,
        start: usize,
        mut own: impl FnMut(usize) -> usize,
    ) -> Result<ScanArgs<'a>, CommandError> {
        let mut options = ScanArgs { count: COUNT_DEFAULT, pattern: None };
        let mut index = start;
        while index < args.len() {
            let taken = own(index);
            if taken > 0 {
                index += taken;
                continue;
            }
            if index + 1 >= args.len() {
                return Err(CommandError::SYNTAX);
            }
            if args.is(index, "COUNT") {
                let asked = args.int(index + 1)?;
                options.count = usize::try_from(asked).ok().filter(|&count| count > 0).ok_or(CommandError::SYNTAX)?;
            } else if args.is(index, "MATCH") {
                let pattern = args.get(index + 1);
                // Also for the empty one, which no pattern matches.
                options.pattern = (pattern != b"*").then_some(pattern);
            } else {
                return Err(CommandError::SYNTAX);
            }
            index += 2;
        }
        Ok(options)
    }

    pub fn accepts(&self, text: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, text, false))
    }
}

/// The beginning of a reply: where to go on. What was found follows.
pub(in crate::commands) fn reply_next(reply: &mut Reply<'_>, cursor: u64) {
    reply.array(2);
    reply.bulk_str(itoa::Buffer::new().format(cursor));
}

/// The reply where there is no such key; as in Redis, options go unread then.
pub(in crate::commands) fn reply_nothing(reply: &mut Reply<'_>) {
    reply_next(reply, 0);
    reply.array(0);
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
    is_quick: true,
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
