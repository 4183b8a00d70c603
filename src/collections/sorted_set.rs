//! A large sorted set: a table that finds members by their bytes and a tree that keeps them by score, one allocation a member.
//!
//! ```text
//!   SegmentedTable<Member>                      ScoreTree<Member>
//!   hash(bytes) -> thin pointer --+          +- (score, thin pointer) in leaves sorted by score, then bytes
//!                                 v          v
//!                               [ score | bytes ]
//! ```
//!
//! Invariants: the table and the tree hold the two halves of the same members, each once; the score in the tree's leaf is the one in
//! the member.
//!
//! The hash function is the caller's and must be the same one for the life of a set. The set knows neither keys nor replies, and
//! takes scores as they are: range checks and NaN are the command's business (a NaN here is a panic).
//!
//! Cost: score by member is one look-up in the table; rank adds a walk down the tree. 16-byte members take 65 to 72 bytes each
//! (redis-server 7.0: 133).

use std::ops::Range;

use super::btree::{Entries, Entry, LexBound, ScoreBound, ScoreTree};
use super::member::Member;
use super::segmented_table::SegmentedTable;
use crate::base::hash::KeyHasher;

/// Members with scores, in order.
#[derive(Default)]
pub struct SortedSet {
    table: SegmentedTable<Member>,
    tree: ScoreTree<Member>,
    /// Allocated for members.
    member_bytes: usize,
}

/// What [`SortedSet::update`] did.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Updated {
    /// The member is new.
    Added { score: f64 },
    /// The member has another score now.
    Changed { old: f64, score: f64 },
    /// The member is there, with the score it had.
    Kept { score: f64 },
    /// The member is not there, and was not wanted.
    Absent,
}

fn rehash(hasher: &KeyHasher) -> impl Fn(&Member) -> u64 + Copy {
    |member| hasher.hash(member.bytes())
}

impl SortedSet {
    /// Segments and buckets of the table of members.
    pub fn table_shape(&self) -> (usize, usize) {
        (self.table.segments(), self.table.buckets())
    }

    pub const fn new() -> SortedSet {
        SortedSet { table: SegmentedTable::new(), tree: ScoreTree::new(), member_bytes: 0 }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.tree.len()
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.tree.is_empty()
    }

    /// Memory held, bytes. A walk over the table's segments and so many leaves of the tree (0: over all nodes).
    pub fn memory_bytes(&self, samples: usize) -> usize {
        size_of::<SortedSet>() + self.table.memory_bytes() + self.tree.memory_bytes(samples) + self.member_bytes
    }

    #[inline]
    pub fn score(&self, hasher: &KeyHasher, member: &[u8]) -> Option<f64> {
        self.table.find(hasher.hash(member), |other| other.bytes() == member).map(Member::score)
    }

    pub fn contains(&self, hasher: &KeyHasher, member: &[u8]) -> bool {
        self.score(hasher, member).is_some()
    }

    /// Adds a member or changes its score, as `decide` says of the score it has (None: it is not there). `decide` answers the
    /// score to have, or None to leave things as they are. 0.0 and -0.0 are the same score.
    #[inline]
    pub fn update(
        &mut self,
        hasher: &KeyHasher,
        member: &[u8],
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> Updated {
        let hash = hasher.hash(member);
        let found = self.table.find(hash, |other| other.bytes() == member);
        let old = found.map(Member::score);
        match (decide(old), old, found) {
            (None, None, _) | (None, _, None) => Updated::Absent,
            (None, Some(score), _) => Updated::Kept { score },
            (Some(score), Some(old), Some(_)) if score == old => Updated::Kept { score: old },
            (Some(score), Some(old), Some(half)) => {
                assert!(self.tree.update(old, score, member), "a member of the table is in the tree");
                half.set_score(score);
                Updated::Changed { old, score }
            }
            (Some(score), _, _) => {
                assert!(!score.is_nan(), "NaN has no place in an order");
                let (table_half, tree_half) = Member::pair(score, member);
                self.member_bytes += table_half.allocated_bytes();
                self.table.insert_unique(hash, table_half, rehash(hasher));
                assert!(self.tree.insert(score, tree_half), "a member that the table lacks is not in the tree");
                Updated::Added { score }
            }
        }
    }

    /// Gives a member a score; the one it had.
    pub fn insert(&mut self, hasher: &KeyHasher, member: &[u8], score: f64) -> Option<f64> {
        match self.update(hasher, member, |_| Some(score)) {
            Updated::Changed { old, .. } | Updated::Kept { score: old } => Some(old),
            Updated::Added { .. } | Updated::Absent => None,
        }
    }

    /// Removes a member; the score it had.
    pub fn remove(&mut self, hasher: &KeyHasher, member: &[u8]) -> Option<f64> {
        let hash = hasher.hash(member);
        let half = self.table.remove(hash, |other| other.bytes() == member, rehash(hasher))?;
        let score = half.score();
        assert!(self.tree.remove(score, member).is_some(), "a member of the table is in the tree");
        self.member_bytes -= half.allocated_bytes();
        Some(score)
    }

    /// Members before this one, and its score.
    pub fn rank(&self, hasher: &KeyHasher, member: &[u8]) -> Option<(usize, f64)> {
        let score = self.score(hasher, member)?;
        self.tree.rank(score, member).map(|rank| (rank, score))
    }

    /// Members behind this one, and its score.
    pub fn reverse_rank(&self, hasher: &KeyHasher, member: &[u8]) -> Option<(usize, f64)> {
        self.rank(hasher, member).map(|(rank, score)| (self.len() - 1 - rank, score))
    }

    /// The member with `rank` members before it.
    pub fn select(&self, rank: usize) -> Option<(&[u8], f64)> {
        self.tree.select(rank).map(pair)
    }

    pub fn first(&self) -> Option<(&[u8], f64)> {
        self.tree.first().map(pair)
    }

    pub fn last(&self) -> Option<(&[u8], f64)> {
        self.tree.last().map(pair)
    }

    /// The ranks of the members with scores from `min` to `max`.
    pub fn ranks_by_score(&self, min: ScoreBound, max: ScoreBound) -> Range<usize> {
        self.tree.ranks_by_score(min, max)
    }

    /// The ranks of the members from `min` to `max`, if all scores are the same.
    pub fn ranks_by_lex(&self, min: LexBound<'_>, max: LexBound<'_>) -> Range<usize> {
        self.tree.ranks_by_lex(min, max)
    }

    /// Members before the first one that comes behind this one, which need not be there.
    pub fn rank_behind(&self, score: f64, member: &[u8]) -> usize {
        let bound = ScoreBound { score, exclusive: false };
        let Range { start: mut low, end: mut high } = self.tree.ranks_by_score(bound, bound);
        while low < high {
            let middle = low.midpoint(high);
            match self.tree.select(middle) {
                Some(entry) if entry.member.bytes() <= member => low = middle + 1,
                _ => high = middle,
            }
        }
        low
    }

    /// The members of these ranks, as far as they exist; `rev()` for the opposite order.
    pub fn range(&self, ranks: Range<usize>) -> Members<'_> {
        Members { entries: self.tree.range(ranks) }
    }

    /// All members in order.
    pub fn iter(&self) -> Members<'_> {
        Members { entries: self.tree.iter() }
    }

    /// Removes the first member and hands it out.
    pub fn pop_first(&mut self, hasher: &KeyHasher) -> Option<Member> {
        let entry = self.tree.pop_first()?;
        self.forget(hasher, &entry.member);
        Some(entry.member)
    }

    /// Removes the last member and hands it out.
    pub fn pop_last(&mut self, hasher: &KeyHasher) -> Option<Member> {
        let entry = self.tree.pop_last()?;
        self.forget(hasher, &entry.member);
        Some(entry.member)
    }

    /// Removes the members of these ranks, as far as they exist, and shows each to `removed` in order; their number.
    pub fn remove_range(
        &mut self,
        hasher: &KeyHasher,
        ranks: Range<usize>,
        mut removed: impl FnMut(&[u8], f64),
    ) -> usize {
        let before = self.len();
        let SortedSet { table, tree, member_bytes } = self;
        tree.remove_range(ranks, |entry| {
            *member_bytes -= entry.member.allocated_bytes();
            forget(table, hasher, &entry.member);
            removed(entry.member.bytes(), entry.score);
        });
        before - self.len()
    }

    /// A member, each as likely as the others. `below(n)` is a random number below `n`.
    pub fn random(&self, below: impl FnOnce(usize) -> usize) -> Option<(&[u8], f64)> {
        if self.is_empty() { None } else { self.select(below(self.len())) }
    }

    /// Visits about `count` members from `cursor` on, with the guarantee of [`SegmentedTable::scan`].
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, mut visit: impl FnMut(&'a [u8], f64)) -> u64 {
        self.table.scan(cursor, count, |member| visit(member.bytes(), member.score()))
    }

    /// Removes the table's half of what has left the tree.
    fn forget(&mut self, hasher: &KeyHasher, member: &Member) {
        self.member_bytes -= member.allocated_bytes();
        forget(&mut self.table, hasher, member);
    }

    /// Panics unless table and tree agree.
    #[cfg(test)]
    pub fn check(&self, hasher: &KeyHasher) {
        self.tree.check();
        assert_eq!(self.table.len(), self.tree.len());
        let mut bytes = 0;
        for entry in self.tree.iter() {
            let member = entry.member.bytes();
            assert_eq!(self.score(hasher, member).map(f64::to_bits), Some(entry.score.to_bits()));
            bytes += entry.member.allocated_bytes();
        }
        assert_eq!(bytes, self.member_bytes);
    }
}

fn forget(table: &mut SegmentedTable<Member>, hasher: &KeyHasher, member: &Member) {
    let bytes = member.bytes();
    let half = table.remove(hasher.hash(bytes), |other| other.bytes() == bytes, rehash(hasher));
    assert!(half.is_some(), "a member of the tree is in the table");
}

#[inline]
fn pair(entry: &Entry<Member>) -> (&[u8], f64) {
    (entry.member.bytes(), entry.score)
}

/// Members with scores in order.
pub struct Members<'a> {
    entries: Entries<'a, Member, 64>,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], f64);

    #[inline]
    fn next(&mut self) -> Option<(&'a [u8], f64)> {
        self.entries.next().map(pair)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.entries.size_hint()
    }
}

impl DoubleEndedIterator for Members<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.entries.next_back().map(pair)
    }
}

impl ExactSizeIterator for Members<'_> {}

/// Gathers members in any order and makes a set of them at the end, for ZUNIONSTORE and for loading: the tree is built in one go.
#[derive(Default)]
pub struct SortedSetBuilder {
    table: SegmentedTable<Member>,
    members: Vec<Member>,
    member_bytes: usize,
}

impl SortedSetBuilder {
    pub fn new() -> SortedSetBuilder {
        SortedSetBuilder::default()
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Gives a member the score that `decide` makes of the one it has, if it is there.
    pub fn update(&mut self, hasher: &KeyHasher, member: &[u8], decide: impl FnOnce(Option<f64>) -> f64) {
        let hash = hasher.hash(member);
        match self.table.find(hash, |other| other.bytes() == member) {
            Some(half) => half.set_score(decide(Some(half.score()))),
            None => self.add(hasher, hash, member, decide(None)),
        }
    }

    /// Adds a member; false if it is there already.
    pub fn push(&mut self, hasher: &KeyHasher, member: &[u8], score: f64) -> bool {
        let hash = hasher.hash(member);
        if self.table.find(hash, |other| other.bytes() == member).is_some() {
            return false;
        }
        self.add(hasher, hash, member, score);
        true
    }

    fn add(&mut self, hasher: &KeyHasher, hash: u64, member: &[u8], score: f64) {
        let (table_half, tree_half) = Member::pair(score, member);
        self.member_bytes += table_half.allocated_bytes();
        self.table.insert_unique(hash, table_half, rehash(hasher));
        self.members.push(tree_half);
    }

    /// The set; None if a score is NaN. Sorts what is not sorted yet, ascending or descending.
    pub fn finish(self) -> Option<SortedSet> {
        let SortedSetBuilder { table, members, member_bytes } = self;
        let mut entries: Vec<Entry<Member>> =
            members.into_iter().map(|member| Entry { score: member.score(), member }).collect();
        if entries.iter().any(|entry| entry.score.is_nan()) {
            return None;
        }
        // A stable sort takes runs as they come, and Redis writes sets from the last member to the first.
        entries.sort_by(|a, b| {
            let scores = a.score.partial_cmp(&b.score).unwrap_or(std::cmp::Ordering::Equal);
            scores.then_with(|| a.member.bytes().cmp(b.member.bytes()))
        });
        let tree = ScoreTree::from_sorted(entries)?;
        Some(SortedSet { table, tree, member_bytes })
    }
}

#[cfg(test)]
mod tests;
