//! An order-statistic B+ tree: entries ordered by score, then by the member's bytes, each of known rank.
//!
//! ```text
//!                     +-------------------------------+
//!   inner node        | bound -inf |  4.0   |  7.5    |     `bound`: nothing right of it is lower, nothing left of it is higher
//!                     | count  40  |  64    |  31     |     `count`: entries below
//!                     +-----|----------|---------|----+
//!                           v          v         v
//!   leaves            [ 1.0 a ]   [ 4.0 b ]   [ 7.5 m ]     sorted arrays of (score, member); all leaves are equally deep
//!                     [ 1.0 b ]   [ 4.0 c ]   [ 9.0 a ]
//!                     [ 3.0 x ]   [ 6.5 a ]
//! ```
//!
//! Bounds are scores alone: where scores differ, a search never leaves the arrays it walks. Where a bound equals the score that is
//! looked for, the first entry below the child decides, so that members need no second copy. The bound of a first child means
//! nothing.
//!
//! Everything is addressed by rank. A range by score or by member is two ranks (each a walk down), so skipping, counting and
//! clipping are arithmetic, and one iterator serves all, from both ends.
//!
//! Invariants: `NODE / 4 <= len <= NODE` for every node but the root (the root: a leaf of any length up to `NODE`, or an inner node
//! of at least two children); entries ascend strictly; counts are exact; bounds are as drawn; scores are never NaN.
//!
//! The tree knows a member only as bytes to compare, and neither hashes nor looks up by it: that is the table's part in
//! [`super::sorted_set`].
//!
//! Cost: O(log n) for everything but iteration (O(1) a step, no allocation) and range removal (O(k + log n)). A leaf's array is
//! kept within eight entries of its length, so an entry takes 16 bytes and about two of slack and inner nodes. Dropping walks the
//! whole tree, no deeper than its height: give a large one to another thread (it is Send if members are).

use std::cmp::Ordering;
use std::ops::Range;

use self::node::{Descent, Node};

mod node;
mod range;
#[cfg(test)]
mod tests;

pub use self::range::Entries;

/// A member and what it is ordered by.
#[derive(Clone, Debug)]
pub struct Entry<M> {
    pub score: f64,
    pub member: M,
}

impl<M: AsRef<[u8]>> Entry<M> {
    /// Scores first (0.0 equals -0.0), then bytes as memcmp has them.
    #[inline]
    fn cmp(&self, score: f64, bytes: &[u8]) -> Ordering {
        if self.score < score {
            Ordering::Less
        } else if self.score > score {
            Ordering::Greater
        } else {
            self.member.as_ref().cmp(bytes)
        }
    }
}

/// Where a range by score begins or ends.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ScoreBound {
    pub score: f64,
    pub exclusive: bool,
}

/// Where a range by member begins or ends, in a tree whose entries all have one score.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum LexBound<'a> {
    /// `-`: before everything.
    Min,
    /// `+`: behind everything.
    Max,
    Inclusive(&'a [u8]),
    Exclusive(&'a [u8]),
}

/// Entries of at most `NODE` to a node.
pub struct ScoreTree<M, const NODE: usize = 64> {
    root: Node<M, NODE>,
    len: usize,
}

impl<M: AsRef<[u8]>, const NODE: usize> Default for ScoreTree<M, NODE> {
    fn default() -> Self {
        ScoreTree::new()
    }
}

impl<M: AsRef<[u8]>, const NODE: usize> ScoreTree<M, NODE> {
    pub const fn new() -> Self {
        const { assert!(NODE >= 8 && NODE.is_multiple_of(8)) };
        ScoreTree { root: Node::Leaf(Vec::new()), len: 0 }
    }

    /// A tree of entries that ascend strictly; None if they do not.
    pub fn from_sorted(entries: Vec<Entry<M>>) -> Option<Self> {
        if entries.iter().any(|entry| entry.score.is_nan()) {
            return None;
        }
        let ascend = |pair: &[Entry<M>]| pair[0].cmp(pair[1].score, pair[1].member.as_ref()).is_lt();
        if !entries.windows(2).all(ascend) {
            return None;
        }
        let len = entries.len();
        Some(ScoreTree { root: Node::build(entries), len })
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Memory of the tree itself, without what members point to, bytes; estimated from so many leaves (0: from all, a walk over the nodes).
    pub fn memory_bytes(&self, samples: usize) -> usize {
        self.root.memory_bytes(&mut if samples == 0 { usize::MAX } else { samples })
    }

    /// Inserts an entry; false (and the member dropped) if one with this score and these bytes is there.
    pub fn insert(&mut self, score: f64, member: M) -> bool {
        assert!(!score.is_nan(), "NaN has no place in an order");
        let Some(split) = self.root.insert(Entry { score, member }) else { return false };
        self.len += 1;
        if let Some((bound, right)) = split {
            let left = std::mem::replace(&mut self.root, Node::Leaf(Vec::new()));
            self.root = Node::parent(left, bound, right);
        }
        true
    }

    /// Removes the entry of this score and these bytes.
    pub fn remove(&mut self, score: f64, bytes: &[u8]) -> Option<M> {
        let removed = self.root.remove(score, bytes)?;
        self.len -= 1;
        self.root.collapse();
        Some(removed.member)
    }

    /// Gives the entry of score `old` the score `new`: in place where that keeps the order. False if there is no such entry.
    pub fn update(&mut self, old: f64, new: f64, bytes: &[u8]) -> bool {
        assert!(!new.is_nan(), "NaN has no place in an order");
        match self.root.update(old, new, bytes) {
            Descent::Done => true,
            Descent::Absent => false,
            Descent::Elsewhere => {
                let Some(member) = self.remove(old, bytes) else { return false };
                self.insert(new, member)
            }
        }
    }

    /// Entries before the one of this score and these bytes; None if there is no such entry.
    pub fn rank(&self, score: f64, bytes: &[u8]) -> Option<usize> {
        self.root.rank(score, bytes)
    }

    /// The entry with `rank` entries before it.
    pub fn select(&self, rank: usize) -> Option<&Entry<M>> {
        if rank < self.len { self.root.select(rank) } else { None }
    }

    pub fn first(&self) -> Option<&Entry<M>> {
        self.select(0)
    }

    pub fn last(&self) -> Option<&Entry<M>> {
        self.select(self.len.checked_sub(1)?)
    }

    /// Removes the first entry.
    pub fn pop_first(&mut self) -> Option<Entry<M>> {
        self.remove_rank(0)
    }

    /// Removes the last entry.
    pub fn pop_last(&mut self) -> Option<Entry<M>> {
        self.remove_rank(self.len.checked_sub(1)?)
    }

    /// Removes the entry with `rank` entries before it.
    pub fn remove_rank(&mut self, rank: usize) -> Option<Entry<M>> {
        if rank >= self.len {
            return None;
        }
        let removed = self.root.remove_rank(rank);
        self.len -= 1;
        self.root.collapse();
        Some(removed)
    }

    /// Removes the entries of these ranks, as far as they exist, and hands each to `removed` in order.
    pub fn remove_range(&mut self, ranks: Range<usize>, mut removed: impl FnMut(Entry<M>)) {
        let end = ranks.end.min(self.len);
        if ranks.start >= end {
            return;
        }
        if ranks.start == 0 && end == self.len {
            std::mem::take(self).root.consume(&mut removed);
            return;
        }
        self.root.remove_range(ranks.start, end, &mut removed);
        self.len -= end - ranks.start;
        self.root.collapse();
    }

    /// The ranks of the entries from `min` to `max`; empty where there are none.
    pub fn ranks_by_score(&self, min: ScoreBound, max: ScoreBound) -> Range<usize> {
        let start = self.root.count_below_score(min.score, min.exclusive);
        let end = self.root.count_below_score(max.score, !max.exclusive);
        start..end.max(start)
    }

    /// The ranks of the entries from `min` to `max`; empty where there are none. Which they are if scores differ is not defined.
    pub fn ranks_by_lex(&self, min: LexBound<'_>, max: LexBound<'_>) -> Range<usize> {
        let start = match min {
            LexBound::Min => 0,
            LexBound::Max => self.len,
            LexBound::Inclusive(bytes) => self.root.count_below_member(bytes, false),
            LexBound::Exclusive(bytes) => self.root.count_below_member(bytes, true),
        };
        let end = match max {
            LexBound::Min => 0,
            LexBound::Max => self.len,
            LexBound::Inclusive(bytes) => self.root.count_below_member(bytes, true),
            LexBound::Exclusive(bytes) => self.root.count_below_member(bytes, false),
        };
        start..end.max(start)
    }

    /// The entries of these ranks, as far as they exist.
    pub fn range(&self, ranks: Range<usize>) -> Entries<'_, M, NODE> {
        let end = ranks.end.min(self.len);
        Entries::new(&self.root, ranks.start.min(end)..end)
    }

    /// All entries.
    pub fn iter(&self) -> Entries<'_, M, NODE> {
        self.range(0..self.len)
    }

    /// Panics unless every invariant holds.
    #[cfg(test)]
    pub fn check(&self) {
        assert_eq!(self.root.check(true), self.len);
        let entries: Vec<&Entry<M>> = self.iter().collect();
        assert_eq!(entries.len(), self.len);
        for pair in entries.windows(2) {
            assert!(pair[0].cmp(pair[1].score, pair[1].member.as_ref()).is_lt(), "out of order");
        }
    }
}
