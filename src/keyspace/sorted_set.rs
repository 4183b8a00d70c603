//! A sorted set as a value: a listpack while it is small, a table and a tree from then on (`zset-max-listpack-entries`,
//! `zset-max-listpack-value`).

use super::{Kind, Object, Typed};
use crate::base::hash::KeyHasher;
use crate::collections::listpack::Listpack;
use crate::collections::sorted_set;

/// Members with scores, in the order of scores and then of bytes.
pub enum SortedSet {
    /// Member, score, member, score.
    Pack(Listpack),
    Tree(Box<sorted_set::SortedSet>),
}

impl SortedSet {
    pub fn from_builder(builder: sorted_set::SortedSetBuilder, _context: &super::Context<'_>) -> SortedSet {
        SortedSet::Tree(Box::new(builder.finish().expect("no score is NaN")))
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

    fn is_heavy(&self) -> bool {
        matches!(self, SortedSet::Tree(tree) if tree.len() > HEAVY_MEMBERS)
    }

    fn memory_bytes(&self, _samples: usize) -> usize {
        match self {
            SortedSet::Pack(pack) => pack.memory_bytes(),
            SortedSet::Tree(tree) => size_of::<sorted_set::SortedSet>() + tree.memory_bytes(),
        }
    }

    fn copy(&self, hasher: &KeyHasher) -> Self {
        match self {
            SortedSet::Pack(pack) => SortedSet::Pack(pack.clone()),
            SortedSet::Tree(tree) => {
                let mut copy = sorted_set::SortedSet::new();
                for (member, score) in tree.iter() {
                    copy.insert(hasher, member, score);
                }
                SortedSet::Tree(Box::new(copy))
            }
        }
    }
}

/// Freeing so many members takes some ten microseconds.
const HEAVY_MEMBERS: usize = 256;
