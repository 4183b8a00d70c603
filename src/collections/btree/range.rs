//! Walking the entries of a range of ranks from both ends. Each end finds its leaf when it is first asked, and then steps along it.

use std::ops::Range;

use smallvec::SmallVec;

use super::Entry;
use super::node::{Inner, Node};

/// Inner nodes above a leaf, without an allocation: with the fewest children allowed that is more than 2^28 entries.
const HEIGHT: usize = 6;

/// Entries in order, or with `rev()` in the opposite order.
pub struct Entries<'a, M, const NODE: usize> {
    root: &'a Node<M, NODE>,
    /// What has not been handed out.
    ranks: Range<usize>,
    front: Option<Cursor<'a, M, NODE>>,
    back: Option<Cursor<'a, M, NODE>>,
}

/// A place in a leaf, and the way there.
struct Cursor<'a, M, const NODE: usize> {
    path: SmallVec<[(&'a Inner<M, NODE>, usize); HEIGHT]>,
    leaf: &'a [Entry<M>],
    at: usize,
}

impl<'a, M: AsRef<[u8]>, const NODE: usize> Cursor<'a, M, NODE> {
    /// `rank` is below the number of entries.
    fn new(root: &'a Node<M, NODE>, mut rank: usize) -> Self {
        let mut path = SmallVec::new();
        let mut node = root;
        loop {
            match node {
                Node::Leaf(leaf) => return Cursor { path, leaf, at: rank },
                Node::Inner(inner) => {
                    let (child, rest) = inner.child_of_rank(rank);
                    path.push((&**inner, child));
                    rank = rest;
                    node = &inner.children()[child];
                }
            }
        }
    }

    /// Goes to the neighbouring leaf: the next one if `forward`. False at the tree's end.
    #[cold]
    #[inline(never)]
    fn step(&mut self, forward: bool) -> bool {
        let mut node = loop {
            let Some((inner, child)) = self.path.pop() else { return false };
            let next = if forward { Some(child + 1) } else { child.checked_sub(1) };
            if let Some(next) = next
                && let Some(node) = inner.children().get(next)
            {
                self.path.push((inner, next));
                break node;
            }
        };
        loop {
            match node {
                Node::Leaf(leaf) => {
                    self.leaf = leaf;
                    self.at = if forward { 0 } else { leaf.len() - 1 };
                    return true;
                }
                Node::Inner(inner) => {
                    let child = if forward { 0 } else { inner.children().len() - 1 };
                    self.path.push((&**inner, child));
                    node = &inner.children()[child];
                }
            }
        }
    }
}

impl<'a, M: AsRef<[u8]>, const NODE: usize> Entries<'a, M, NODE> {
    /// `ranks` exist.
    pub(super) fn new(root: &'a Node<M, NODE>, ranks: Range<usize>) -> Self {
        Entries { root, ranks, front: None, back: None }
    }

    /// The rank of what `next()` would give.
    pub fn rank(&self) -> usize {
        self.ranks.start
    }
}

impl<'a, M: AsRef<[u8]>, const NODE: usize> Iterator for Entries<'a, M, NODE> {
    type Item = &'a Entry<M>;

    #[inline]
    fn next(&mut self) -> Option<&'a Entry<M>> {
        if self.ranks.is_empty() {
            return None;
        }
        let cursor = self.front.get_or_insert_with(|| Cursor::new(self.root, self.ranks.start));
        if cursor.at == cursor.leaf.len() && !cursor.step(true) {
            return None;
        }
        let entry = &cursor.leaf[cursor.at];
        cursor.at += 1;
        self.ranks.start += 1;
        Some(entry)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.ranks.len(), Some(self.ranks.len()))
    }
}

impl<M: AsRef<[u8]>, const NODE: usize> DoubleEndedIterator for Entries<'_, M, NODE> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.ranks.is_empty() {
            return None;
        }
        match &mut self.back {
            None => self.back = Some(Cursor::new(self.root, self.ranks.end - 1)),
            Some(cursor) => match cursor.at.checked_sub(1) {
                Some(at) => cursor.at = at,
                None if cursor.step(false) => {}
                None => return None,
            },
        }
        self.ranks.end -= 1;
        self.back.as_ref().map(|cursor| &cursor.leaf[cursor.at])
    }
}

impl<M: AsRef<[u8]>, const NODE: usize> ExactSizeIterator for Entries<'_, M, NODE> {}
