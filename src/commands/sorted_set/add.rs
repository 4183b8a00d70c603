//! Adding: ZADD, ZINCRBY.

use smallvec::SmallVec;

use crate::base::number;
use crate::collections::sorted_set::Updated;
use crate::commands::{
    Acl, Arg, ArgKind, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::{Changed, Context, Event, SortedSet, Writer};

const NOT_A_NUMBER: CommandError = CommandError::new("ERR resulting score is not a number (NaN)");

/// Which members and scores an addition is for.
#[derive(Clone, Copy, Default)]
pub(in crate::commands) struct Conditions {
    pub only_new: bool,
    pub only_there: bool,
    greater: bool,
    less: bool,
    increment: bool,
}

/// What became of one member.
enum Outcome {
    Updated(Updated),
    NotANumber,
}

impl Conditions {
    /// Gives a member a score, or adds to the one it has, if the conditions hold.
    #[inline]
    fn apply(self, set: &mut SortedSet, member: &[u8], score: f64, context: &Context<'_>) -> Outcome {
        let mut not_a_number = false;
        let updated = set.update(member, context, |old| {
            let Some(old) = old else { return (!self.only_there).then_some(score) };
            if self.only_new {
                return None;
            }
            let score = if self.increment { old + score } else { score };
            if score.is_nan() {
                not_a_number = true;
                return None;
            }
            if (self.greater && score <= old) || (self.less && score >= old) {
                return None;
            }
            Some(score)
        });
        if not_a_number { Outcome::NotANumber } else { Outcome::Updated(updated) }
    }
}

/// A score; short integers, as most are, without the way through all that a float may be.
#[inline]
fn parse_score(text: &[u8]) -> Result<f64, CommandError> {
    const EXACT_DIGITS: usize = 15;
    if text.len() <= EXACT_DIGITS
        && let Some(int) = number::parse_i64(text)
    {
        return Ok(int as f64);
    }
    number::parse_f64(text).ok_or(CommandError::NOT_A_FLOAT)
}

pub(super) static ZADD: Command = Command {
    name: "zadd",
    arity: -4,
    run: Run::Write(zadd),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    acl: Acl::WRITE.union(Acl::SORTEDSET).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))],
    group: Group::SortedSet,
    summary: "Adds members with their scores, or changes the scores of those that are there.",
    since: "1.2.0",
    complexity: "O(log(N)) for each member, where N is the size of the sorted set.",
    history: &[
        ("2.4.0", "Takes more than one member."),
        ("3.0.2", "`NX`, `XX`, `CH` and `INCR` came."),
        ("6.2.0", "`GT` and `LT` came."),
    ],
    args: &[
        Arg::key("key"),
        Arg::one_of("condition", &[Arg::word("nx", "NX"), Arg::word("xx", "XX")]).since("3.0.2").optional(),
        Arg::one_of("comparison", &[Arg::word("gt", "GT"), Arg::word("lt", "LT")]).since("6.2.0").optional(),
        Arg::word("change", "CH").since("3.0.2").optional(),
        Arg::word("increment", "INCR").since("3.0.2").optional(),
        Arg::block("score_member", &[Arg::new("score", ArgKind::Double), Arg::string("member")]).multiple(),
    ],
    ..Command::BASE
};

fn zadd(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mut conditions = Conditions::default();
    let mut count_changed = false;
    let mut first = 2;
    while first < args.len() {
        let word = args.get(first);
        // Scores begin with none of these letters.
        match word.first().map(u8::to_ascii_uppercase) {
            Some(b'N') if args.is(first, "NX") => conditions.only_new = true,
            Some(b'X') if args.is(first, "XX") => conditions.only_there = true,
            Some(b'G') if args.is(first, "GT") => conditions.greater = true,
            Some(b'L') if args.is(first, "LT") => conditions.less = true,
            Some(b'C') if args.is(first, "CH") => count_changed = true,
            Some(b'I') if args.is(first, "INCR") => conditions.increment = true,
            _ => break,
        }
        first += 1;
    }
    let pairs = args.len() - first;
    if pairs == 0 || pairs % 2 == 1 {
        return Err(CommandError::SYNTAX);
    }
    if conditions.only_new && conditions.only_there {
        return Err(CommandError::new("ERR XX and NX options at the same time are not compatible"));
    }
    if (conditions.greater && (conditions.less || conditions.only_new)) || (conditions.less && conditions.only_new) {
        return Err(CommandError::new("ERR GT, LT, and/or NX options at the same time are not compatible"));
    }
    if conditions.increment {
        if pairs > 2 {
            return Err(CommandError::new("ERR INCR option supports a single increment-element pair"));
        }
        return increment(args, first, conditions, db, reply);
    }
    // All are read before the first is used.
    let mut scores: SmallVec<[f64; 8]> = SmallVec::new();
    for at in (first..args.len()).step_by(2) {
        scores.push(parse_score(args.get(at))?);
    }
    let members = scores.iter().enumerate().map(|(at, score)| (args.get(first + 2 * at + 1), *score));
    add(args, members, conditions, count_changed, db, reply)
}

/// Adds members to the key at argument 1, and replies with how many were added (or changed too).
pub(in crate::commands) fn add<'m>(
    args: &Args<'_>,
    members: impl Iterator<Item = (&'m [u8], f64)> + Clone,
    conditions: Conditions,
    count_changed: bool,
    db: &mut Writer<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let key = args.key(1);
    let hints = members.clone();
    let change = |set: &mut SortedSet, context: &Context<'_>| {
        let (mut added, mut changed) = (0, 0);
        for (member, score) in members {
            match conditions.apply(set, member, score, context) {
                Outcome::Updated(Updated::Added { .. }) => added += 1,
                Outcome::Updated(Updated::Changed { .. }) => changed += 1,
                Outcome::Updated(_) | Outcome::NotANumber => {}
            }
        }
        Changed((added, changed), added + changed)
    };
    let event = Event::sorted_set("zadd");
    let (added, changed) = if conditions.only_there {
        db.change(key, event, change)?.unwrap_or_default()
    } else {
        let make = |context: &Context<'_>| {
            let first = hints.clone().next().map_or(0, |(member, _)| member.len());
            SortedSet::with_hints(hints.count(), first, context)
        };
        db.change_or_make(key, event, make, change)?
    };
    reply.len(if count_changed { added + changed } else { added });
    Ok(())
}

/// ZADD INCR and ZINCRBY; the score is at argument `at`, the member behind it.
fn increment(
    args: &Args<'_>,
    at: usize,
    conditions: Conditions,
    db: &mut Writer<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let score = parse_score(args.get(at))?;
    let member = args.get(at + 1);
    let change = |set: &mut SortedSet, context: &Context<'_>| {
        match conditions.apply(set, member, score, context) {
            Outcome::NotANumber => Changed(Err(NOT_A_NUMBER), 0),
            Outcome::Updated(Updated::Added { score } | Updated::Changed { score, .. }) => Changed(Ok(Some(score)), 1),
            // The conditions hold, and the sum is the score that it had.
            Outcome::Updated(Updated::Kept { score: old }) => {
                let refused = conditions.only_new || conditions.greater || conditions.less;
                Changed(Ok((!refused).then_some(old)), 0)
            }
            Outcome::Updated(Updated::Absent) => Changed(Ok(None), 0),
        }
    };
    let (key, event) = (args.key(1), Event::sorted_set("zincr"));
    let result = if conditions.only_there {
        db.change(key, event, change)?.unwrap_or(Ok(None))
    } else {
        db.change_or_make(key, event, |context| SortedSet::with_hints(1, member.len(), context), change)?
    };
    match result? {
        Some(score) => reply.double(score),
        None => reply.null(),
    }
    Ok(())
}

pub(super) static ZINCRBY: Command = Command {
    name: "zincrby",
    arity: 4,
    run: Run::Write(zincrby),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    acl: Acl::WRITE.union(Acl::SORTEDSET).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))],
    group: Group::SortedSet,
    summary: "Adds a number to the score of a member, which counts as 0 if it is not there.",
    since: "1.2.0",
    complexity: "O(log(N)) where N is the size of the sorted set.",
    args: &[Arg::key("key"), Arg::integer("increment"), Arg::string("member")],
    ..Command::BASE
};

fn zincrby(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    // Redis reads ZADD's options here too, and finds no score and member behind them.
    if ["NX", "XX", "GT", "LT", "CH", "INCR"].iter().any(|option| args.is(2, option)) {
        return Err(CommandError::SYNTAX);
    }
    increment(args, 2, Conditions { increment: true, ..Conditions::default() }, db, reply)
}
