//! The quicklist: a long list as a sequence of listpacks.
//!
//! ```text
//!   [pack][pack][pack][plain][pack] ... [pack]
//!     |           |      |                |
//!     |           |      one element larger than a pack may be, as it is
//!     |           up to `list-max-listpack-size` bytes or elements
//!     LPUSH, LPOP work on this one alone                RPUSH, RPOP on this one
//! ```
//!
//! Redis links the nodes; here they stand in a counted [`sequence`], so that an element by index is found without walking the
//! list. Owns everything below it. Knows nothing of keys, blocking or replies, nor of when a list is short enough to be a listpack
//! instead: [`NodeLimit`] answers that, and the keyspace asks.
//!
//! Invariants: no node is empty; a pack is within its [`NodeLimit`] unless it came so from [`Quicklist::push_node`] (another
//! server, another limit); an element above the limit has a plain node of its own.
//!
//! `list-compress-depth`: a third kind of [`Node`] that holds LZF bytes and its count would go here. Elements are read
//! through [`Sequence::get`] and changed through [`Sequence::edit`] only, which are the two places that would unpack it.
//!
//! Cost: push and pop are an entry's copy in the pack at that end, whose room is on the side that grows. Index: see [`sequence`],
//! then half a pack at most. Removing a range detaches whole nodes, which are handed to the caller: freeing them may take
//! longer than a turn has.

mod edit;
mod iter;
mod node;
mod sequence;
#[cfg(test)]
mod tests;

pub use iter::Iter;
pub use node::{Node, NodeLimit};
pub use sequence::Leftovers;
use sequence::{At, Sequence};

use super::listpack::{self, Listpack, ListpackValue, Search};

/// A list of any length.
#[derive(Clone)]
pub struct Quicklist {
    nodes: Sequence,
    limit: NodeLimit,
}

/// Where an element is. Any change to the list outdates it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    node: At,
    /// In a plain node it has no meaning.
    entry: listpack::Position,
}

/// From which end a search begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    FromFront,
    FromBack,
}

impl std::fmt::Debug for Quicklist {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

impl From<(Listpack, NodeLimit)> for Quicklist {
    fn from((pack, limit): (Listpack, NodeLimit)) -> Quicklist {
        let mut list = Quicklist::new(limit);
        list.push_node(Node::Packed(pack));
        list
    }
}

impl Quicklist {
    pub const fn new(limit: NodeLimit) -> Quicklist {
        Quicklist { nodes: Sequence::new(), limit }
    }

    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn limit(&self) -> NodeLimit {
        self.limit
    }

    /// Nodes from the front, as they are saved.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = &Node> {
        self.nodes.iter()
    }

    /// A walk over the blocks of nodes.
    pub fn nodes_len(&self) -> usize {
        self.nodes.nodes_len()
    }

    /// Adds a node from elsewhere at the back; an empty one is dropped.
    pub fn push_node(&mut self, node: Node) {
        if !node.is_empty() {
            self.nodes.push_back(node);
        }
    }

    /// The list as one pack, if that is all it has and it is small: what a list becomes again when it has shrunk. Half the limit, so
    /// that it does not change back and forth. One that is frozen stays what it is until it is thawed.
    pub fn as_small_pack(&self) -> Option<&Listpack> {
        if !self.nodes.is_single() || self.nodes.is_frozen() {
            return None;
        }
        match self.nodes.get(self.nodes.first()?) {
            Node::Packed(pack) if !self.limit.halved().is_exceeded(pack.total_bytes(), pack.len()) => Some(pack),
            _ => None,
        }
    }

    /// The pack of [`Quicklist::as_small_pack`]; the list is empty then.
    pub fn take_small_pack(&mut self) -> Option<Listpack> {
        self.as_small_pack()?;
        match self.nodes.remove(self.nodes.first()?) {
            (Some(Node::Packed(pack)), _) => Some(pack),
            _ => None,
        }
    }

    /// Memory held, bytes: estimated from the first `samples` nodes, or exact for 0.
    pub fn memory_bytes(&self, samples: usize) -> usize {
        let nodes_len = self.nodes.nodes_len();
        let sampled = if samples == 0 { nodes_len } else { samples.min(nodes_len) };
        let bytes: usize = self.nodes.iter().take(sampled).map(Node::memory_bytes).sum();
        let scaled = bytes as u128 * nodes_len as u128 / sampled.max(1) as u128;
        self.nodes.memory_bytes() + scaled as usize
    }

    /// Frees up to `count` nodes from the back; false: nothing is left. For a list that nobody sees any more.
    pub fn shed(&mut self, count: usize) -> bool {
        for _ in 0..count {
            match self.nodes.last() {
                Some(last) => self.nodes.remove(last),
                None => return false,
            };
        }
        !self.is_empty()
    }

    // ---- As it was ----

    /// Keeps the nodes as they are now for [`Quicklist::take_frozen`], whatever becomes of the list. A node is copied when it is first changed.
    pub fn freeze(&mut self) {
        self.nodes.freeze();
    }

    /// Shows the next node, from the front, as it was when the list was frozen. None: that was all.
    pub fn take_frozen<R>(&mut self, visit: impl FnOnce(&Node) -> R) -> Option<R> {
        self.nodes.take_frozen(visit)
    }

    /// Forgets what is left of the list as it was: for the caller to free.
    pub fn thaw(&mut self) -> Option<Leftovers> {
        self.nodes.thaw()
    }

    // ---- The ends ----

    #[inline]
    pub fn front(&self) -> Option<ListpackValue<'_>> {
        self.nodes.get(self.nodes.first()?).first()
    }

    #[inline]
    pub fn back(&self) -> Option<ListpackValue<'_>> {
        self.nodes.get(self.nodes.last()?).last()
    }

    #[inline]
    pub fn push_front<'v>(&mut self, value: impl Into<ListpackValue<'v>>) {
        let value = value.into();
        let limit = self.limit;
        if let Some(first) = self.nodes.first()
            && self.nodes.edit(first, |node| node.try_prepend(value, limit))
        {
            return;
        }
        self.close(self.nodes.first());
        self.nodes.push_front(Node::new(value, limit));
    }

    #[inline]
    pub fn push_back<'v>(&mut self, value: impl Into<ListpackValue<'v>>) {
        let value = value.into();
        let limit = self.limit;
        if let Some(last) = self.nodes.last()
            && self.nodes.edit(last, |node| node.try_append(value, limit))
        {
            return;
        }
        self.close(self.nodes.last());
        self.nodes.push_back(Node::new(value, limit));
    }

    /// A node that is no longer at an end will hardly grow: its room is given back.
    fn close(&mut self, at: Option<At>) {
        if let Some(at) = at {
            self.nodes.edit(at, Node::shrink_to_fit);
        }
    }

    /// Removes the first element after `visit` has seen it.
    #[inline]
    pub fn pop_front<R>(&mut self, visit: impl FnOnce(ListpackValue<'_>) -> R) -> Option<R> {
        let first = self.nodes.first()?;
        let result = self.nodes.get(first).first().map(visit);
        if self.nodes.edit(first, Node::remove_first) {
            self.nodes.remove(first);
        }
        result
    }

    /// Removes the last element after `visit` has seen it.
    #[inline]
    pub fn pop_back<R>(&mut self, visit: impl FnOnce(ListpackValue<'_>) -> R) -> Option<R> {
        let last = self.nodes.last()?;
        let result = self.nodes.get(last).last().map(visit);
        if self.nodes.edit(last, Node::remove_last) {
            self.nodes.remove(last);
        }
        result
    }

    // ---- Reading ----

    /// Element `index`.
    pub fn get(&self, index: usize) -> Option<ListpackValue<'_>> {
        let (at, inside) = self.nodes.locate(index)?;
        match self.nodes.get(at) {
            Node::Packed(pack) => pack.get(pack.seek(inside)?),
            Node::Plain(bytes) => Some(ListpackValue::Bytes(bytes)),
        }
    }

    /// All elements, from either end.
    pub fn iter(&self) -> Iter<'_> {
        self.range(0, self.len())
    }

    /// Up to `count` elements from `start` on, from either end.
    pub fn range(&self, start: usize, count: usize) -> Iter<'_> {
        Iter::new(&self.nodes, start, count)
    }

    /// The first element that is `text`, seen from that end.
    pub fn find(&self, text: &[u8], direction: Direction) -> Option<Place> {
        let search = self.search(text);
        let mut next = self.nodes.end(direction);
        while let Some(node) = next {
            if let Some(entry) = self.nodes.get(node).find(&search, direction) {
                return Some(Place { node, entry });
            }
            next = self.nodes.beside(node, direction);
        }
        None
    }

    /// Visits the indexes (from the front) of the elements that are `text`, seen from that end, as long as `visit` says so.
    pub fn for_each_match(&self, text: &[u8], direction: Direction, mut visit: impl FnMut(usize) -> bool) {
        let search = self.search(text);
        let mut next = self.nodes.end(direction);
        let mut seen = 0;
        while let Some(at) = next {
            let node = self.nodes.get(at);
            let len = node.len();
            let begin = match direction {
                Direction::FromFront => seen,
                Direction::FromBack => self.len() - seen - len,
            };
            if !node.for_each_match(&search, direction, |inside| visit(begin + inside)) {
                return;
            }
            seen += len;
            next = self.nodes.beside(at, direction);
        }
    }

    /// What is needed to search the nodes for `text`.
    fn search<'t>(&self, text: &'t [u8]) -> Search<'t> {
        match self.nodes.middle() {
            Some(Node::Packed(pack)) => Search::new(text, pack),
            _ => Search::new(text, &Listpack::new()),
        }
    }
}
