//! What ZUNION, ZINTER, ZDIFF and their kin have in common: reading the sources (sorted sets, and sets whose members count as 1), their
//! weights, and how scores are combined.
//!
//! Sums of floating-point numbers depend on their order. It is Redis's: from the smallest source to the largest, and those
//! of one size in the order of the call.

use smallvec::SmallVec;

use std::ops::ControlFlow;

use crate::base::number;
use crate::collections::sorted_set::SortedSetBuilder;
use crate::commands::{Arg, Args, CommandError, CommandResult, Reply};
use crate::keyspace::{Context, Event, Object, Set, SortedSet, Typed, ValueRef, View, Writer};

/// `WEIGHTS weight [weight ...]`
pub(super) const WEIGHTS: Arg = Arg::integer("weight").token("WEIGHTS").optional().multiple();
/// `AGGREGATE SUM|MIN|MAX`
pub(super) const AGGREGATE: Arg =
    Arg::one_of("aggregate", &[Arg::word("sum", "SUM"), Arg::word("min", "MIN"), Arg::word("max", "MAX")])
        .token("AGGREGATE")
        .optional();

/// The value of one key.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    Missing,
    Set(&'a Set),
    SortedSet(&'a SortedSet),
}

impl<'a> Source<'a> {
    fn of(view: &View<'a>, key: &[u8]) -> Result<Source<'a>, CommandError> {
        match view.find(view.key(key)).map(|entry| entry.value()) {
            None => Ok(Source::Missing),
            Some(ValueRef::Object(Object::Set(set))) => Ok(Source::Set(set)),
            Some(ValueRef::Object(Object::SortedSet(set))) => Ok(Source::SortedSet(set)),
            Some(_) => Err(CommandError::WRONG_TYPE),
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Source::Missing => 0,
            Source::Set(set) => set.len(),
            Source::SortedSet(set) => set.len(),
        }
    }

    /// Whether it is the same key's value.
    pub fn is_same(&self, other: &Source<'_>) -> bool {
        match (self, other) {
            (Source::Set(a), Source::Set(b)) => std::ptr::eq(*a, *b),
            (Source::SortedSet(a), Source::SortedSet(b)) => std::ptr::eq(*a, *b),
            _ => false,
        }
    }

    pub fn score(&self, member: &[u8], context: &Context<'_>) -> Option<f64> {
        match self {
            Source::Missing => None,
            Source::Set(set) => set.contains(member, context).then_some(1.0),
            Source::SortedSet(set) => set.score(member, context),
        }
    }

    pub fn for_each(&self, mut visit: impl FnMut(&[u8], f64)) {
        match self {
            Source::Missing => {}
            Source::Set(set) => set.for_each(|member| visit(member, 1.0)),
            Source::SortedSet(set) => {
                let mut digits = itoa::Buffer::new();
                set.iter().for_each(|(member, score)| visit(member.text(&mut digits), score));
            }
        }
    }

    /// The same until `visit` breaks off.
    pub fn try_for_each(&self, mut visit: impl FnMut(&[u8], f64) -> ControlFlow<()>) -> ControlFlow<()> {
        let mut digits = itoa::Buffer::new();
        match self {
            Source::Missing => ControlFlow::Continue(()),
            Source::Set(set) => set.iter().try_for_each(|member| visit(member.text(&mut digits), 1.0)),
            Source::SortedSet(set) => set.iter().try_for_each(|(member, score)| visit(member.text(&mut digits), score)),
        }
    }
}

/// How the scores of a member in several sources become one.
#[derive(Clone, Copy)]
pub(super) enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    pub fn combine(self, score: f64, other: f64) -> f64 {
        match self {
            Aggregate::Sum => number_or_zero(score + other),
            // What is not a number is neither lower nor higher.
            Aggregate::Min => {
                if other < score {
                    other
                } else {
                    score
                }
            }
            Aggregate::Max => {
                if other > score {
                    other
                } else {
                    score
                }
            }
        }
    }
}

/// Infinity times zero, and infinity less infinity, count as 0.
pub(super) fn number_or_zero(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// A source with its weight.
#[derive(Clone, Copy)]
pub(super) struct Weighted<'a> {
    pub source: Source<'a>,
    pub weight: f64,
}

/// Most calls name few keys.
type Sources<'a> = SmallVec<[Weighted<'a>; 8]>;

/// What is read of a call.
pub(super) struct Operands<'a> {
    pub sources: Sources<'a>,
    pub aggregate: Aggregate,
    pub with_scores: bool,
}

/// Which options a command has.
#[derive(Clone, Copy)]
pub(super) struct Options {
    pub weights: bool,
    pub with_scores: bool,
}

/// The number of keys at argument `at`.
pub(super) fn sources<'a>(
    args: &Args<'_>,
    at: usize,
    view: &View<'a>,
    name: &str,
) -> Result<Sources<'a>, CommandError> {
    let count = args.int(at)?;
    if count < 1 {
        return Err(CommandError::owned(format!("ERR at least 1 input key is needed for '{name}' command")));
    }
    let count = usize::try_from(count).ok().filter(|&count| count < args.len() - at).ok_or(CommandError::SYNTAX)?;
    let keys = args.from(at + 1).take(count);
    keys.map(|key| Ok(Weighted { source: Source::of(view, key)?, weight: 1.0 })).collect()
}

impl<'a> Operands<'a> {
    /// The number of keys is argument `at`.
    pub fn parse(
        args: &Args<'_>,
        at: usize,
        view: &View<'a>,
        name: &str,
        options: Options,
    ) -> Result<Operands<'a>, CommandError> {
        let sources = sources(args, at, view, name)?;
        let mut at = at + 1 + sources.len();
        let mut operands = Operands { sources, aggregate: Aggregate::Sum, with_scores: false };
        while at < args.len() {
            let count = operands.sources.len();
            if options.weights && args.is(at, "WEIGHTS") && args.len() - at > count {
                for (source, text) in operands.sources.iter_mut().zip(args.from(at + 1)) {
                    source.weight =
                        number::parse_f64(text).ok_or(CommandError::new("ERR weight value is not a float"))?;
                }
                at += count;
            } else if options.weights && args.is(at, "AGGREGATE") && at + 1 < args.len() {
                at += 1;
                operands.aggregate = match () {
                    () if args.is(at, "SUM") => Aggregate::Sum,
                    () if args.is(at, "MIN") => Aggregate::Min,
                    () if args.is(at, "MAX") => Aggregate::Max,
                    () => return Err(CommandError::SYNTAX),
                };
            } else if options.with_scores && args.is(at, "WITHSCORES") {
                operands.with_scores = true;
            } else {
                return Err(CommandError::SYNTAX);
            }
            at += 1;
        }
        Ok(operands)
    }
}

/// What the members of an operation are gathered in.
pub(super) type Operation = fn(&mut Operands<'_>, &Context<'_>) -> SortedSetBuilder;

/// ZUNION and the like: the result is the reply.
pub(super) fn reply_with(
    args: &Args<'_>,
    view: &View<'_>,
    reply: &mut Reply<'_>,
    (name, weights): (&str, bool),
    operation: Operation,
) -> CommandResult {
    let mut operands = Operands::parse(args, 1, view, name, Options { weights, with_scores: true })?;
    let result = operation(&mut operands, &view.context()).finish().unwrap_or_default();
    let members = result.iter().map(|(member, score)| (member.into(), score));
    super::put_members(reply, members, result.len(), operands.with_scores);
    Ok(())
}

/// ZUNIONSTORE and the like: the result becomes the value of the first key.
pub(super) fn store(
    args: &Args<'_>,
    db: &mut Writer<'_>,
    reply: &mut Reply<'_>,
    (name, weights): (&'static str, bool),
    operation: Operation,
) -> CommandResult {
    let view = db.view();
    let mut operands = Operands::parse(args, 2, &view, name, Options { weights, with_scores: false })?;
    let context = view.context();
    let result = SortedSet::from_builder(operation(&mut operands, &context), &context);
    let len = result.len();
    drop(operands);
    db.put(args.key(1), result, Event::sorted_set(name));
    reply.len(len);
    Ok(())
}
