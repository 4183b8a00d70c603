//! What a range command asks for: its bounds, its direction, its part.

use std::ops::Range;

use super::bounds;
use crate::collections::btree::{LexBound, ScoreBound};
use crate::commands::{Args, CommandError};
use crate::keyspace::{SortedSet, Typed};

/// What the bounds are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Rank,
    Score,
    Lex,
}

/// What the command's name says already.
#[derive(Clone, Copy)]
pub(super) struct Form {
    /// None: the options say, as they do of the direction.
    pub by: Option<By>,
    pub reverse: bool,
    /// Whether a reply may have scores.
    pub with_scores: bool,
}

enum Bounds<'a> {
    Rank(i64, i64),
    Score(ScoreBound, ScoreBound),
    Lex(LexBound<'a>, LexBound<'a>),
}

pub(super) struct RangeOptions<'a> {
    bounds: Bounds<'a>,
    pub reverse: bool,
    pub with_scores: bool,
    /// Offset and count; a negative count is none.
    limit: Option<(i64, i64)>,
}

impl<'a> RangeOptions<'a> {
    /// Reads the bounds at arguments `first` and the next, and the options behind them.
    pub fn parse(args: &'a Args<'_>, first: usize, form: Form) -> Result<RangeOptions<'a>, CommandError> {
        // Each is said once.
        let mut by = form.by;
        let mut reverse = form.reverse;
        let (mut limit, mut with_scores) = (None, false);
        let mut at = first + 2;
        while at < args.len() {
            if form.with_scores && args.is(at, "WITHSCORES") {
                with_scores = true;
            } else if args.is(at, "LIMIT") && at + 2 < args.len() {
                limit = Some((args.int(at + 1)?, args.int(at + 2)?));
                at += 2;
            } else if form.by.is_none() && !reverse && args.is(at, "REV") {
                reverse = true;
            } else if by.is_none() && args.is(at, "BYSCORE") {
                by = Some(By::Score);
            } else if by.is_none() && args.is(at, "BYLEX") {
                by = Some(By::Lex);
            } else {
                return Err(CommandError::SYNTAX);
            }
            at += 1;
        }
        let by = by.unwrap_or(By::Rank);
        // To Redis a limit of -1 is none, wherever it stands.
        if limit.is_some_and(|(_, count)| count != -1) && by == By::Rank {
            return Err(CommandError::new(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if with_scores && by == By::Lex {
            return Err(CommandError::new("ERR syntax error, WITHSCORES not supported in combination with BYLEX"));
        }
        let (start, stop) = (args.get(first), args.get(first + 1));
        // Backwards, the higher end comes first.
        let (min, max) = if reverse { (stop, start) } else { (start, stop) };
        let bounds = match by {
            By::Rank => Bounds::Rank(args.int(first)?, args.int(first + 1)?),
            By::Score => {
                let (min, max) = bounds::score_bounds(min, max)?;
                Bounds::Score(min, max)
            }
            By::Lex => {
                let (min, max) = bounds::lex_bounds(min, max)?;
                Bounds::Lex(min, max)
            }
        };
        Ok(RangeOptions { bounds, reverse, with_scores, limit })
    }

    /// The ranks asked for, counted from the lowest score also if they are wanted backwards.
    pub fn ranks(&self, set: &SortedSet) -> Range<usize> {
        let found = match &self.bounds {
            Bounds::Rank(start, stop) => {
                let ranks = bounds::ranks(*start, *stop, set.len());
                if self.reverse {
                    return set.len() - ranks.end..set.len() - ranks.start;
                }
                return ranks;
            }
            Bounds::Score(min, max) => set.ranks_by_score(*min, *max),
            Bounds::Lex(min, max) => set.ranks_by_lex(*min, *max),
        };
        let Some((offset, count)) = self.limit else { return found };
        let Ok(offset) = usize::try_from(offset) else { return 0..0 };
        let offset = offset.min(found.len());
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(found.len() - offset);
        if self.reverse {
            found.end - offset - count..found.end - offset
        } else {
            found.start + offset..found.start + offset + count
        }
    }
}
