//! A sorted set as a value: a listpack while it is small, a table and a tree from then on (`zset-max-listpack-entries`,
//! `zset-max-listpack-value`).
//!
//! Everything that is a range (by score, by member, by rank) is a range of ranks here, so that counting, limiting and going
//! backwards are arithmetic. Scores are never NaN: that is the caller's to see to.
//!
//! A listpack holds member, score, member, score in order. A score that is an integer is kept as one (which makes -0 a 0, as in
//! Redis), any other as the text that a reply would have.
//!
//! Cost: in a listpack everything is a walk; in a tree see [`crate::collections::sorted_set`].

use std::cmp::Ordering;
use std::ops::Range;

use super::{Context, Kind, Object, Typed};
use crate::base::hash::KeyHasher;
use crate::base::number::{self, DoubleText};
use crate::collections::btree::{LexBound, ScoreBound};
use crate::collections::listpack::{self, Listpack, ListpackValue, Position};
use crate::collections::sorted_set::{self, SortedSetBuilder, Updated};

/// Members with scores, in the order of scores and then of bytes.
pub enum SortedSet {
    /// Member, score, member, score.
    Pack(Listpack),
    Tree(Box<sorted_set::SortedSet>),
}

/// So many members at least are left behind, with all that they are in, rather than removed one by one, if the others are this part of them
/// at most: those move.
const LEFT_BEHIND_MIN: usize = 1024;
const LEFT_BEHIND_PART: usize = 4;

/// The lowest or the highest scores.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Min,
    Max,
}

/// The score as an element of a listpack is made of it.
enum ScoreText {
    Int(i64),
    Text(DoubleText),
}

impl ScoreText {
    fn new(score: f64) -> ScoreText {
        match number::integral(score) {
            Some(int) => ScoreText::Int(int),
            None => ScoreText::Text(DoubleText::new(score)),
        }
    }

    fn value(&self) -> ListpackValue<'_> {
        match self {
            ScoreText::Int(int) => ListpackValue::Int(*int),
            ScoreText::Text(text) => ListpackValue::Bytes(text.as_bytes()),
        }
    }
}

/// The score that an element of a listpack is.
#[inline]
fn score_of(value: ListpackValue<'_>) -> f64 {
    match value {
        ListpackValue::Int(int) => int as f64,
        // What comes from outside is checked when it comes.
        ListpackValue::Bytes(text) => number::parse_f64(text).unwrap_or(0.0),
    }
}

/// The order of a pair of a listpack and a score with a member.
fn compare(pair: (ListpackValue<'_>, ListpackValue<'_>), score: f64, member: &[u8]) -> Ordering {
    let pair_score = score_of(pair.1);
    if pair_score < score {
        Ordering::Less
    } else if pair_score > score {
        Ordering::Greater
    } else {
        pair.0.text(&mut itoa::Buffer::new()).cmp(member)
    }
}

fn score_at(pack: &Listpack, position: Position) -> f64 {
    pack.get(position).map_or(0.0, score_of)
}

/// Adds a member that is not there.
fn pack_insert(pack: &mut Listpack, member: &[u8], score: f64) {
    let text = ScoreText::new(score);
    // Scores often grow: then the last pair says it all.
    let behind_last = pack.pairs().next_back().is_none_or(|last| compare(last, score, member).is_lt());
    if !behind_last {
        let mut position = pack.first();
        while let Some(at) = position
            && let Some(score_at) = pack.next(at)
        {
            if let (Some(other), Some(other_score)) = (pack.get(at), pack.get(score_at))
                && compare((other, other_score), score, member).is_gt()
            {
                pack.insert_before(at, text.value());
                pack.insert_before(at, member);
                return;
            }
            position = pack.next(score_at);
        }
    }
    pack.append(member);
    pack.append(text.value());
}

/// Gives the member at `at`, which has another score, this one.
fn pack_set_score(pack: &mut Listpack, at: Position, member: &[u8], score: f64) {
    let Some(at_score) = pack.next(at) else { return };
    let stays_behind = pack.prev(at).is_none_or(|before| score_at(pack, before) < score);
    let stays_before =
        pack.next(at_score).and_then(|next| pack.next(next)).is_none_or(|behind| score < score_at(pack, behind));
    if stays_behind && stays_before {
        pack.replace(at_score, ScoreText::new(score).value());
    } else {
        pack.remove_some(at, 2);
        pack_insert(pack, member, score);
    }
}

/// How many pairs from the front on `accept` accepts.
fn pack_count(pack: &Listpack, mut accept: impl FnMut(ListpackValue<'_>, ListpackValue<'_>) -> bool) -> usize {
    pack.pairs().take_while(|(member, score)| accept(*member, *score)).count()
}

fn is_below(score: f64, bound: ScoreBound) -> bool {
    score < bound.score || (bound.exclusive && score == bound.score)
}

fn is_above(score: f64, bound: ScoreBound) -> bool {
    score > bound.score || (bound.exclusive && score == bound.score)
}

fn is_before(member: &[u8], min: LexBound<'_>) -> bool {
    match min {
        LexBound::Min => false,
        LexBound::Max => true,
        LexBound::Inclusive(bytes) => member < bytes,
        LexBound::Exclusive(bytes) => member <= bytes,
    }
}

fn is_behind(member: &[u8], max: LexBound<'_>) -> bool {
    match max {
        LexBound::Min => true,
        LexBound::Max => false,
        LexBound::Inclusive(bytes) => member > bytes,
        LexBound::Exclusive(bytes) => member >= bytes,
    }
}

impl SortedSet {
    /// An empty one that will get some `members` members, the first of `member_bytes` bytes.
    pub fn with_hints(members: usize, member_bytes: usize, context: &Context<'_>) -> SortedSet {
        let max = context.settings.zset_max_listpack;
        if members <= max.entries && member_bytes <= max.value_bytes {
            SortedSet::Pack(Listpack::new())
        } else {
            SortedSet::Tree(Box::default())
        }
    }

    /// Takes a listpack of pairs that is small enough to be one and in order. Err: it is not. That no member is there twice is the caller's
    /// to see to.
    pub fn from_pack(pack: Listpack, context: &Context<'_>) -> Result<SortedSet, Listpack> {
        let max = context.settings.zset_max_listpack;
        if pack.len() / 2 > max.entries {
            return Err(pack);
        }
        let mut last: Option<(ListpackValue<'_>, f64)> = None;
        let is_in_order = pack.pairs().all(|(member, score)| {
            // Of another text than a reply has, it is written anew.
            let number = match score {
                ListpackValue::Int(int) => int as f64,
                ListpackValue::Bytes(text) => match number::parse_f64(text) {
                    Some(number) if number::integral(number).is_none() && !number.is_nan() => number,
                    _ => return false,
                },
            };
            let is_behind = last.is_none_or(|(other, other_number)| {
                other_number < number
                    || (other_number == number
                        && other.text(&mut itoa::Buffer::new()) < member.text(&mut itoa::Buffer::new()))
            });
            last = Some((member, number));
            is_behind && member.text_len() <= max.value_bytes
        });
        if is_in_order { Ok(SortedSet::Pack(pack)) } else { Err(pack) }
    }

    /// The members of one that is a listpack, in order.
    pub fn pack_members(&self) -> impl Iterator<Item = ListpackValue<'_>> {
        let pack = if let SortedSet::Pack(pack) = self { Some(pack) } else { None };
        pack.into_iter().flat_map(|pack| pack.pairs().map(|(member, _)| member))
    }

    /// Makes a tree of a listpack.
    fn grow(&mut self, hasher: &KeyHasher) -> &mut sorted_set::SortedSet {
        if let SortedSet::Pack(pack) = self {
            let mut builder = SortedSetBuilder::new();
            for (member, score) in pack.pairs() {
                builder.push(hasher, member.text(&mut itoa::Buffer::new()), score_of(score));
            }
            *self = SortedSet::Tree(Box::new(builder.finish().expect("no score of a listpack is NaN")));
        }
        match self {
            SortedSet::Tree(tree) => tree,
            SortedSet::Pack(_) => unreachable!("it was made a tree"),
        }
    }

    #[inline]
    pub fn score(&self, member: &[u8], context: &Context<'_>) -> Option<f64> {
        match self {
            SortedSet::Pack(pack) => {
                let at = pack.find(member, 1)?;
                Some(score_at(pack, pack.next(at)?))
            }
            SortedSet::Tree(tree) => tree.score(context.hasher, member),
        }
    }

    /// Adds a member or changes its score, as `decide` says of the score it has (None: it is not there). `decide` answers the
    /// score to have, or None to leave things as they are.
    #[inline]
    pub fn update(
        &mut self,
        member: &[u8],
        context: &Context<'_>,
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> Updated {
        let pack = match self {
            SortedSet::Tree(tree) => {
                let updated = tree.update(context.hasher, member, decide);
                match updated {
                    Updated::Added { score } => context.scored(member, None, Some(score)),
                    Updated::Changed { old, score } => context.scored(member, Some(old), Some(score)),
                    Updated::Kept { .. } | Updated::Absent => {}
                }
                return updated;
            }
            SortedSet::Pack(pack) => pack,
        };
        if let Some(at) = pack.find(member, 1) {
            let old = pack.next(at).map_or(0.0, |at| score_at(pack, at));
            return match decide(Some(old)) {
                Some(score) if score != old => {
                    pack_set_score(pack, at, member, score);
                    Updated::Changed { old, score }
                }
                _ => Updated::Kept { score: old },
            };
        }
        let Some(score) = decide(None) else { return Updated::Absent };
        let max = context.settings.zset_max_listpack;
        if pack.len() / 2 < max.entries && member.len() <= max.value_bytes && pack.is_safe_to_add(member.len()) {
            pack_insert(pack, member, score);
        } else {
            self.grow(context.hasher).insert(context.hasher, member, score);
        }
        Updated::Added { score }
    }

    /// Removes a member; the score it had.
    pub fn remove(&mut self, member: &[u8], context: &Context<'_>) -> Option<f64> {
        match self {
            SortedSet::Pack(pack) => {
                let at = pack.find(member, 1)?;
                let score = score_at(pack, pack.next(at)?);
                pack.remove_some(at, 2);
                Some(score)
            }
            SortedSet::Tree(tree) => {
                let score = tree.remove(context.hasher, member)?;
                context.scored(member, Some(score), None);
                Some(score)
            }
        }
    }

    /// Members before this one, and its score.
    pub fn rank(&self, member: &[u8], context: &Context<'_>) -> Option<(usize, f64)> {
        match self {
            SortedSet::Pack(pack) => {
                let needle = listpack::Needle::new(member);
                let mut pairs = pack.pairs().enumerate();
                pairs.find(|(_, (other, _))| needle.is(*other)).map(|(rank, (_, score))| (rank, score_of(score)))
            }
            SortedSet::Tree(tree) => tree.rank(context.hasher, member),
        }
    }

    /// The ranks of the members with scores from `min` to `max`.
    pub fn ranks_by_score(&self, min: ScoreBound, max: ScoreBound) -> Range<usize> {
        match self {
            SortedSet::Pack(pack) => {
                let start = pack_count(pack, |_, score| is_below(score_of(score), min));
                let end = pack_count(pack, |_, score| !is_above(score_of(score), max));
                start..end.max(start)
            }
            SortedSet::Tree(tree) => tree.ranks_by_score(min, max),
        }
    }

    /// The ranks of the members from `min` to `max`, if all scores are the same.
    pub fn ranks_by_lex(&self, min: LexBound<'_>, max: LexBound<'_>) -> Range<usize> {
        match self {
            SortedSet::Pack(pack) => {
                let mut digits = itoa::Buffer::new();
                let start = pack_count(pack, |member, _| is_before(member.text(&mut digits), min));
                let end = pack_count(pack, |member, _| !is_behind(member.text(&mut digits), max));
                start..end.max(start)
            }
            SortedSet::Tree(tree) => tree.ranks_by_lex(min, max),
        }
    }

    /// The members of these ranks, as far as they exist; `rev()` for the opposite order.
    pub fn range(&self, ranks: Range<usize>) -> Members<'_> {
        match self {
            SortedSet::Pack(pack) => {
                let count = ranks.end.saturating_sub(ranks.start);
                Members::Pack(pack.range(ranks.start.saturating_mul(2), count.saturating_mul(2)))
            }
            SortedSet::Tree(tree) => Members::Tree(tree.range(ranks)),
        }
    }

    /// All members in order.
    pub fn iter(&self) -> Members<'_> {
        match self {
            SortedSet::Pack(pack) => Members::Pack(pack.iter()),
            SortedSet::Tree(tree) => Members::Tree(tree.iter()),
        }
    }

    /// Removes the members of these ranks, as far as they exist; their number. If those are nearly all, what is returned besides is to be
    /// freed, which takes a while: the others, who are few, have moved out of it.
    pub fn remove_range(&mut self, ranks: Range<usize>, context: &Context<'_>) -> (usize, Option<SortedSet>) {
        match self {
            SortedSet::Pack(pack) => {
                let count = ranks.end.saturating_sub(ranks.start);
                (pack.remove_range(ranks.start.saturating_mul(2), count.saturating_mul(2)) / 2, None)
            }
            SortedSet::Tree(tree) => {
                let (start, end) = (ranks.start.min(tree.len()), ranks.end.min(tree.len()));
                let removed = end.saturating_sub(start);
                let kept = tree.len() - removed;
                if removed < LEFT_BEHIND_MIN || kept > removed / LEFT_BEHIND_PART || context.undo.is_some() {
                    let told = |member: &[u8], score| context.scored(member, Some(score), None);
                    return (tree.remove_range(context.hasher, ranks, told), None);
                }
                let mut others = SortedSetBuilder::new();
                for (member, score) in tree.range(0..start).chain(tree.range(end..tree.len())) {
                    others.push(context.hasher, member, score);
                }
                let others = others.finish().expect("scores are never NaN");
                (removed, Some(SortedSet::Tree(std::mem::replace(tree, Box::new(others)))))
            }
        }
    }

    /// Removes up to `count` members from one end on, and shows each to `popped`; their number.
    pub fn pop(
        &mut self,
        end: End,
        count: usize,
        context: &Context<'_>,
        mut popped: impl FnMut(ListpackValue<'_>, f64),
    ) -> usize {
        let count = count.min(self.len());
        match self {
            SortedSet::Pack(pack) => {
                let mut pairs = pack.pairs();
                for _ in 0..count {
                    let pair = if end == End::Min { pairs.next() } else { pairs.next_back() };
                    let Some((member, score)) = pair else { break };
                    popped(member, score_of(score));
                }
                let start = if end == End::Min { 0 } else { pack.len() - 2 * count };
                pack.remove_range(start, 2 * count);
            }
            SortedSet::Tree(tree) => {
                for _ in 0..count {
                    let member =
                        if end == End::Min { tree.pop_first(context.hasher) } else { tree.pop_last(context.hasher) };
                    let Some(member) = member else { break };
                    context.scored(member.bytes(), Some(member.score()), None);
                    popped(ListpackValue::Bytes(member.bytes()), member.score());
                }
            }
        }
        count
    }

    /// Visits about `count` members from `cursor` on, or all of a listpack; where to go on, 0 at the end. With the guarantee of
    /// [`crate::collections::segmented_table::SegmentedTable::scan`]. Scores are shown as they are kept.
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, mut visit: impl FnMut(ListpackValue<'a>, Scanned<'a>)) -> u64 {
        match self {
            SortedSet::Pack(pack) => {
                for (member, score) in pack.pairs() {
                    visit(member, Scanned::Text(score));
                }
                0
            }
            SortedSet::Tree(tree) => tree.scan(cursor, count, |member, score| {
                visit(ListpackValue::Bytes(member), Scanned::Number(score));
            }),
        }
    }

    /// The members of `builder`, in the most compact encoding that they fit.
    pub fn from_builder(builder: SortedSetBuilder, context: &Context<'_>) -> SortedSet {
        let tree = builder.finish().expect("no score is NaN");
        match SortedSet::packed(&tree, context) {
            Some(pack) => SortedSet::Pack(pack),
            None => SortedSet::Tree(Box::new(tree)),
        }
    }

    /// The members as a listpack, if they fit in one.
    fn packed(tree: &sorted_set::SortedSet, context: &Context<'_>) -> Option<Listpack> {
        let max = context.settings.zset_max_listpack;
        if tree.len() > max.entries || tree.iter().any(|(member, _)| member.len() > max.value_bytes) {
            return None;
        }
        let mut pack = Listpack::new();
        for (member, score) in tree.iter() {
            if !pack.is_safe_to_add(member.len()) {
                return None;
            }
            pack.append(member);
            pack.append(ScoreText::new(score).value());
        }
        Some(pack)
    }
}

/// The score of a member as a scan meets it.
#[derive(Clone, Copy)]
pub enum Scanned<'a> {
    Text(ListpackValue<'a>),
    Number(f64),
}

/// Members with scores in order, from either end.
#[expect(
    clippy::large_enum_variant,
    reason = "it lives on the stack for one loop, and a box would be an allocation a range"
)]
pub enum Members<'a> {
    Pack(listpack::Iter<'a>),
    Tree(sorted_set::Members<'a>),
}

impl<'a> Iterator for Members<'a> {
    type Item = (ListpackValue<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Members::Pack(elements) => Some((elements.next()?, score_of(elements.next()?))),
            Members::Tree(members) => members.next().map(|(member, score)| (ListpackValue::Bytes(member), score)),
        }
    }
}

impl DoubleEndedIterator for Members<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Members::Pack(elements) => {
                let score = score_of(elements.next_back()?);
                Some((elements.next_back()?, score))
            }
            Members::Tree(members) => members.next_back().map(|(member, score)| (ListpackValue::Bytes(member), score)),
        }
    }
}

impl Typed for SortedSet {
    const KIND: Kind = Kind::SortedSet;

    fn of(object: &Object) -> Option<&Self> {
        if let Object::SortedSet(set) = object { Some(set) } else { None }
    }

    fn of_mut(object: &mut Object) -> Option<&mut Self> {
        if let Object::SortedSet(set) = object { Some(set) } else { None }
    }

    fn into_object(self) -> Object {
        Object::SortedSet(self)
    }

    fn len(&self) -> usize {
        match self {
            SortedSet::Pack(pack) => pack.len() / 2,
            SortedSet::Tree(tree) => tree.len(),
        }
    }

    fn encoding(&self) -> &'static str {
        match self {
            SortedSet::Pack(_) => "listpack",
            SortedSet::Tree(_) => "skiplist",
        }
    }

    fn table_shape(&self) -> Option<(usize, usize)> {
        match self {
            SortedSet::Tree(tree) => Some(tree.table_shape()),
            _ => None,
        }
    }

    fn is_heavy(&self) -> bool {
        matches!(self, SortedSet::Tree(tree) if tree.len() > HEAVY_MEMBERS)
    }

    fn memory_bytes(&self, samples: usize) -> usize {
        match self {
            SortedSet::Pack(pack) => pack.memory_bytes(),
            SortedSet::Tree(tree) => size_of::<sorted_set::SortedSet>() + tree.memory_bytes(samples),
        }
    }

    fn copy(&self, hasher: &KeyHasher) -> Self {
        match self {
            SortedSet::Pack(pack) => SortedSet::Pack(pack.clone()),
            SortedSet::Tree(tree) => {
                let mut builder = SortedSetBuilder::new();
                for (member, score) in tree.iter() {
                    builder.push(hasher, member, score);
                }
                SortedSet::Tree(Box::new(builder.finish().expect("no score of a tree is NaN")))
            }
        }
    }
}

/// Freeing so many members takes some ten microseconds.
const HEAVY_MEMBERS: usize = 256;

#[cfg(test)]
mod tests;
