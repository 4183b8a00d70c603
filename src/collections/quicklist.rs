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
//! Of a list with a depth (`list-compress-depth`) only so many nodes at each end are open; those between them are compressed where that
//! pays ([`depth`]). An end is pushed to and popped from as if there were no depth, until a node comes or goes.
//!
//! Cost: push and pop are an entry's copy in the pack at that end, whose room is on the side that grows. Index: see [`sequence`],
//! then half a pack at most. Removing a range detaches whole nodes, which are handed to the caller: freeing them may take
//! longer than a turn has.

mod compressed;
mod depth;
mod edit;
mod node;
mod range;
mod sequence;
#[cfg(test)]
mod tests;

pub use compressed::Compressed;
pub use node::{Node, NodeLimit};
pub use range::Range;
pub use sequence::Leftovers;
use sequence::{At, Sequence};

use super::listpack::{self, Listpack, ListpackValue, Search};

/// A list of any length.
#[derive(Clone)]
pub struct Quicklist {
    nodes: Sequence,
    limit: NodeLimit,
    /// Nodes at each end that are never compressed; 0: none is.
    depth: u32,
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
        formatter.debug_list().entries(self.nodes()).finish()
    }
}

impl Quicklist {
    /// An empty list. `depth`: nodes at each end that stay open while those between them are compressed; 0: all do.
    pub fn new(limit: NodeLimit, depth: u32) -> Quicklist {
        Quicklist { nodes: Sequence::new(), limit, depth: depth.min(DEPTH_MAX) }
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

    /// Nodes at each end that are never compressed; 0: none is.
    pub fn depth(&self) -> u32 {
        self.depth
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
            self.has_grown(Direction::FromBack);
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

    /// Memory held, bytes: exact for 0, else estimated from `samples` nodes of those that may be compressed and of those at either end.
    pub fn memory_bytes(&self, samples: usize) -> usize {
        let estimate = |nodes: &mut dyn Iterator<Item = &Node>, len: usize| {
            let sampled = if samples == 0 { len } else { samples.min(len) };
            let bytes: usize = nodes.take(sampled).map(Node::memory_bytes).sum();
            (bytes as u128 * len as u128 / sampled.max(1) as u128) as usize
        };
        let (depth, len) = (self.depth as usize, self.nodes.nodes_len());
        if depth == 0 || len <= 2 * depth {
            return self.nodes.memory_bytes() + estimate(&mut self.nodes.iter(), len);
        }
        let front = estimate(&mut self.nodes.iter(), depth);
        let deep = estimate(&mut self.nodes.iter().skip(depth), len - 2 * depth);
        let back = estimate(&mut self.nodes.iter().rev(), depth);
        self.nodes.memory_bytes() + front + deep + back
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

    /// Keeps the nodes as they are now for [`Quicklist::take_frozen`], whatever becomes of the list. A node is copied when it is first
    /// changed.
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
        self.has_grown(Direction::FromFront);
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
        self.has_grown(Direction::FromBack);
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
            self.has_shrunk(Direction::FromFront);
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
            self.has_shrunk(Direction::FromBack);
        }
        result
    }

    // ---- Reading ----

    /// What `visit` says of element `index`.
    pub fn get<R>(&self, index: usize, visit: impl FnOnce(ListpackValue<'_>) -> R) -> Option<R> {
        let (at, inside) = self.nodes.locate(index)?;
        match &*self.nodes.get(at).opened() {
            Node::Packed(pack) => pack.get(pack.seek(inside)?).map(visit),
            Node::Plain(bytes) => Some(visit(ListpackValue::Bytes(bytes))),
            Node::Compressed(_) => unreachable!("it has been opened"),
        }
    }

    /// All elements.
    pub fn all(&self) -> Range<'_> {
        self.range(0, self.len())
    }

    /// Up to `count` elements from `start` on.
    #[inline]
    pub fn range(&self, start: usize, count: usize) -> Range<'_> {
        Range::new(&self.nodes, start, count)
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
        match self.nodes.middle().map(Node::opened).as_deref() {
            Some(Node::Packed(pack)) => Search::new(text, pack),
            _ => Search::new(text, &Listpack::new()),
        }
    }
}

/// What Redis's field for the depth holds.
const DEPTH_MAX: u32 = u16::MAX as u32;
