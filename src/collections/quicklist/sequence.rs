//! The nodes of a quicklist in order, counted twice: by node and by element.
//!
//! ```text
//!   blocks:  [ 256 nodes | 90,112 elements ] [ 131 | 44,020 ] ... [ 17 | 6,001 ]     a deque of deques
//!                 |
//!                 node, node, node, ...          24 bytes each with its count, elsewhere only what they hold
//! ```
//!
//! Owns the nodes; what is in them is the list's affair, which changes a node through [`Sequence::edit`] so that the counts follow.
//!
//! Invariants: no block is empty or has more than [`BLOCK`] nodes; a block's and the sequence's element counts are the sums over
//! their nodes.
//!
//! A sequence can be frozen: its nodes as they are then can be taken one by one, whatever becomes of it meanwhile
//! ([`Sequence::take_frozen`]). They are numbered for that, and a numbered node is copied when it is first changed. The numbers that have
//! not been taken are each in one place, a slot or the copies, and in the slots they ascend.
//!
//! Cost: both ends are at hand. An element by index is looked for block by block and then node by node, each from the nearer
//! end: in a list of a million elements in 8 kB nodes, fewer than ten blocks and some hundred nodes, in memory that is contiguous.
//! A node comes or goes at the price of moving half a block's nodes at most.

use std::collections::{BTreeMap, VecDeque};

use super::{Direction, Node};

/// Most nodes of a block.
const BLOCK: usize = 256;
/// A block with fewer nodes than this joins a neighbour if both together are at most half full.
const JOIN_BELOW: usize = BLOCK / 8;

/// A node, and its number of elements: so that counting to an index stays in this memory.
#[derive(Clone, Debug)]
struct Slot {
    len: u32,
    /// In a frozen sequence, while the node is as it was then and has not been taken; else 0, or of no meaning.
    number: u32,
    node: Node,
}

const _: () = assert!(size_of::<Slot>() == 24);

#[derive(Clone, Debug, Default)]
struct Block {
    nodes: VecDeque<Slot>,
    len: usize,
}

/// Where a node is; any insertion or removal of a node outdates it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct At {
    block: usize,
    node: usize,
}

/// Nodes in order.
#[derive(Debug, Default)]
pub struct Sequence {
    blocks: VecDeque<Block>,
    len: usize,
    frozen: Option<Box<Frozen>>,
}

/// What is kept of a sequence as it was.
#[derive(Debug)]
struct Frozen {
    /// Nodes with lower numbers have been taken; the first has 1.
    next: u32,
    last: u32,
    /// Where the last one was that was taken from its slot: the next is mostly not far behind.
    near: At,
    /// Nodes that have been changed or removed since, as they were.
    copies: BTreeMap<u32, Node>,
    /// Blocks that have been taken out as they were, by the first number in each; slots without a number are among them.
    runs: BTreeMap<u32, VecDeque<Slot>>,
}

/// Nodes as they were, for nobody.
pub struct Leftovers(Box<Frozen>);

impl Leftovers {
    /// About their memory, bytes.
    pub fn memory_bytes(&self) -> usize {
        let copies = self.0.copies.values().chain(self.0.runs.values().flatten().map(|slot| &slot.node));
        copies.take(LEFTOVERS_WEIGHED).map(Node::memory_bytes).sum::<usize>() / LEFTOVERS_WEIGHED
            * (self.0.copies.len() + BLOCK * self.0.runs.len())
    }
}

/// Nodes by which the memory of all is estimated.
const LEFTOVERS_WEIGHED: usize = 8;

impl Frozen {
    #[cold]
    #[inline(never)]
    fn keep(&mut self, slot: &mut Slot) {
        self.copies.insert(std::mem::take(&mut slot.number), slot.node.clone());
    }

    /// Node `number`, if it is not in its slot any more.
    fn take(&mut self, number: u32) -> Option<Node> {
        if let Some(copy) = self.copies.remove(&number) {
            return Some(copy);
        }
        loop {
            let (&first, run) = self.runs.range_mut(..=number).next_back()?;
            while run.front().is_some_and(|slot| slot.number == 0) {
                run.pop_front();
            }
            let is_it = run.front().is_some_and(|slot| slot.number == number);
            let taken = if is_it { run.pop_front() } else { None };
            let is_over = run.is_empty();
            if is_over {
                self.runs.remove(&first);
            }
            match taken {
                Some(slot) => return Some(slot.node),
                // Nothing but slots without a number was left of it; the node may be in what was around it.
                None if is_over => {}
                None => return None,
            }
        }
    }
}

/// A copy is not frozen.
impl Clone for Sequence {
    fn clone(&self) -> Sequence {
        Sequence { blocks: self.blocks.clone(), len: self.len, frozen: None }
    }
}

impl Slot {
    fn new(node: Node) -> Slot {
        // A pack of at most 4 GB has fewer elements than that.
        Slot { len: node.len() as u32, number: 0, node }
    }

    #[inline]
    fn len(&self) -> usize {
        self.len as usize
    }
}

impl Sequence {
    pub const fn new() -> Sequence {
        Sequence { blocks: VecDeque::new(), len: 0, frozen: None }
    }

    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Number of nodes.
    pub fn nodes_len(&self) -> usize {
        self.blocks.iter().map(|block| block.nodes.len()).sum()
    }

    pub fn is_single(&self) -> bool {
        self.blocks.len() == 1 && self.blocks[0].nodes.len() == 1
    }

    pub fn memory_bytes(&self) -> usize {
        let nodes: usize = self.blocks.iter().map(|block| block.nodes.capacity()).sum();
        nodes * size_of::<Slot>() + self.blocks.capacity() * size_of::<Block>()
    }

    /// All nodes from the front.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Node> {
        self.blocks.iter().flat_map(|block| block.nodes.iter().map(|slot| &slot.node))
    }

    #[inline]
    pub fn first(&self) -> Option<At> {
        if self.blocks.is_empty() { None } else { Some(At { block: 0, node: 0 }) }
    }

    #[inline]
    pub fn last(&self) -> Option<At> {
        let block = self.blocks.len().checked_sub(1)?;
        Some(At { block, node: self.blocks[block].nodes.len() - 1 })
    }

    #[inline]
    pub fn next(&self, at: At) -> Option<At> {
        self.normal(At { node: at.node + 1, ..at })
    }

    /// A place between nodes as that of the node behind it.
    #[inline]
    fn normal(&self, at: At) -> Option<At> {
        if at.node < self.blocks.get(at.block)?.nodes.len() {
            Some(at)
        } else if at.block + 1 < self.blocks.len() {
            Some(At { block: at.block + 1, node: 0 })
        } else {
            None
        }
    }

    #[inline]
    pub fn prev(&self, at: At) -> Option<At> {
        if at.node > 0 {
            return Some(At { node: at.node - 1, ..at });
        }
        let block = at.block.checked_sub(1)?;
        Some(At { block, node: self.blocks[block].nodes.len() - 1 })
    }

    /// The node at that end.
    pub fn end(&self, direction: Direction) -> Option<At> {
        match direction {
            Direction::FromFront => self.first(),
            Direction::FromBack => self.last(),
        }
    }

    /// The node after that one, for a walk in that direction.
    #[inline]
    pub fn beside(&self, at: At, direction: Direction) -> Option<At> {
        match direction {
            Direction::FromFront => self.next(at),
            Direction::FromBack => self.prev(at),
        }
    }

    /// A node about in the middle.
    pub fn middle(&self) -> Option<&Node> {
        let block = self.blocks.get(self.blocks.len() / 2)?;
        block.nodes.get(block.nodes.len() / 2).map(|slot| &slot.node)
    }

    #[inline]
    pub fn get(&self, at: At) -> &Node {
        &self.blocks[at.block].nodes[at.node].node
    }

    /// Changes a node, whose number of elements may change with it.
    #[inline]
    pub fn edit<R>(&mut self, at: At, change: impl FnOnce(&mut Node) -> R) -> R {
        let block = &mut self.blocks[at.block];
        let slot = &mut block.nodes[at.node];
        if slot.number != 0
            && let Some(frozen) = &mut self.frozen
        {
            frozen.keep(slot);
        }
        let before = slot.len();
        let result = change(&mut slot.node);
        let after = slot.node.len();
        slot.len = after as u32;
        block.len = block.len - before + after;
        self.len = self.len - before + after;
        result
    }

    /// Changes how a node is kept, not what it has: as it was when the sequence was frozen, it is so then too.
    pub fn recode(&mut self, at: At, change: impl FnOnce(&mut Node)) {
        change(&mut self.blocks[at.block].nodes[at.node].node);
    }

    /// Node `number` from that end. A walk over blocks.
    pub fn nth(&self, number: usize, direction: Direction) -> Option<At> {
        let mut left = number;
        let mut walk = |block: usize| {
            let len = self.blocks[block].nodes.len();
            if left >= len {
                left -= len;
                return None;
            }
            let node = if direction == Direction::FromFront { left } else { len - 1 - left };
            Some(At { block, node })
        };
        match direction {
            Direction::FromFront => (0..self.blocks.len()).find_map(&mut walk),
            Direction::FromBack => (0..self.blocks.len()).rev().find_map(&mut walk),
        }
    }

    /// Whether there are `depth` nodes before this one and as many behind it. A walk over the blocks that have them.
    pub fn is_deep(&self, at: At, depth: usize) -> bool {
        let enough = |mut seen: usize, blocks: &mut dyn Iterator<Item = &Block>| {
            while seen < depth {
                match blocks.next() {
                    Some(block) => seen += block.nodes.len(),
                    None => return false,
                }
            }
            true
        };
        let behind = self.blocks[at.block].nodes.len() - 1 - at.node;
        enough(at.node, &mut self.blocks.range(..at.block).rev())
            && enough(behind, &mut self.blocks.range(at.block + 1..))
    }

    /// The node with element `index`, and the index of that element inside the node.
    pub fn locate(&self, index: usize) -> Option<(At, usize)> {
        if index >= self.len {
            return None;
        }
        let (block, rest) = nearest(&self.blocks, self.len, index, |block| block.len)?;
        let nodes = &self.blocks[block].nodes;
        let (node, rest) = nearest(nodes, self.blocks[block].len, rest, Slot::len)?;
        Some((At { block, node }, rest))
    }

    pub fn push_front(&mut self, node: Node) {
        if self.blocks.front().is_none_or(|block| block.nodes.len() >= BLOCK) {
            self.blocks.push_front(Block::default());
        }
        self.put(At { block: 0, node: 0 }, node);
    }

    pub fn push_back(&mut self, node: Node) {
        if self.blocks.back().is_none_or(|block| block.nodes.len() >= BLOCK) {
            self.blocks.push_back(Block::default());
        }
        let block = self.blocks.len() - 1;
        self.put(At { block, node: self.blocks[block].nodes.len() }, node);
    }

    /// Adds a node before the one at `at`, and returns where it is.
    pub fn insert_before(&mut self, at: At, node: Node) -> At {
        let at = self.make_room(at);
        self.put(at, node);
        at
    }

    /// Adds a node behind the one at `at`, and returns where it is.
    pub fn insert_after(&mut self, at: At, node: Node) -> At {
        self.insert_before(At { node: at.node + 1, ..at }, node)
    }

    fn put(&mut self, at: At, node: Node) {
        let slot = Slot::new(node);
        let len = slot.len();
        let block = &mut self.blocks[at.block];
        block.nodes.insert(at.node, slot);
        block.len += len;
        self.len += len;
    }

    /// Splits the block of `at` if it is full; the place is the same, where it is now.
    fn make_room(&mut self, at: At) -> At {
        let block = &mut self.blocks[at.block];
        if block.nodes.len() < BLOCK {
            return at;
        }
        let nodes = block.nodes.split_off(BLOCK / 2);
        let len = nodes.iter().map(Slot::len).sum();
        block.len -= len;
        self.blocks.insert(at.block + 1, Block { nodes, len });
        if at.node <= BLOCK / 2 { at } else { At { block: at.block + 1, node: at.node - BLOCK / 2 } }
    }

    /// Removes a node. Also where the one behind it is now.
    pub fn remove(&mut self, at: At) -> (Option<Node>, Option<At>) {
        let block = &mut self.blocks[at.block];
        let mut slot = block.nodes.remove(at.node);
        if let (Some(frozen), Some(slot)) = (&mut self.frozen, &mut slot)
            && slot.number != 0
        {
            frozen.keep(slot);
        }
        let len = slot.as_ref().map_or(0, Slot::len);
        block.len -= len;
        self.len -= len;
        let next = self.tidy(at);
        (slot.map(|slot| slot.node), self.normal(next))
    }

    /// The node at `at` takes in the one behind it, if `may` says so to both. Returns where the node is then, and whether it has.
    pub fn merge_next(&mut self, at: At, may: impl FnOnce(&Node, &Node) -> bool) -> (At, bool) {
        let Some(next) = self.next(at) else { return (at, false) };
        if !may(self.get(at), self.get(next)) {
            return (at, false);
        }
        let (node, behind) = self.remove(next);
        let Some(at) = behind.map_or(self.last(), |behind| self.prev(behind)) else { return (at, false) };
        if let Some(node) = node {
            self.edit(at, |kept| kept.append_all(&node));
        }
        (at, true)
    }

    /// Takes out the nodes from `from` to before `to` (None: to the end), in constant time a block.
    pub fn detach(&mut self, from: At, to: Option<At>) -> Sequence {
        let mut blocks = VecDeque::new();
        match to {
            Some(to) if to.block == from.block => {
                blocks.push_back(self.blocks[from.block].drain(from.node, to.node));
            }
            _ => {
                let stop = to.map_or(self.blocks.len(), |to| to.block);
                if let Some(to) = to {
                    blocks.push_back(self.blocks[to.block].drain(0, to.node));
                }
                // Whole blocks stay in their deque's storage until they are moved, once each.
                for block in self.blocks.drain(from.block + 1..stop).rev() {
                    blocks.push_front(block);
                }
                let block = &mut self.blocks[from.block];
                let len = block.nodes.len();
                blocks.push_front(block.drain(from.node, len));
            }
        }
        let removed: usize = blocks.iter().map(|block| block.len).sum();
        self.len -= removed;
        self.tidy(from);
        if let Some(frozen) = &mut self.frozen {
            blocks.iter_mut().for_each(|block| block.give(&mut frozen.runs));
        }
        blocks.retain(|block| !block.nodes.is_empty());
        let len = blocks.iter().map(|block| block.len).sum();
        Sequence { blocks, len, frozen: None }
    }

    // ---- As it was ----

    /// From now on [`Sequence::take_frozen`] has the nodes as they are now. A walk over the nodes' places.
    pub fn freeze(&mut self) {
        let mut last = 0;
        for slot in self.blocks.iter_mut().flat_map(|block| &mut block.nodes) {
            last += 1;
            slot.number = last;
        }
        let near = At { block: 0, node: 0 };
        self.frozen = Some(Box::new(Frozen { next: 1, last, near, copies: BTreeMap::new(), runs: BTreeMap::new() }));
    }

    pub fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// Shows the next node as it was when the sequence was frozen. None: there is no other.
    pub fn take_frozen<R>(&mut self, visit: impl FnOnce(&Node) -> R) -> Option<R> {
        let frozen = self.frozen.as_mut().filter(|frozen| frozen.next <= frozen.last)?;
        let number = frozen.next;
        frozen.next += 1;
        if let Some(node) = frozen.take(number) {
            return Some(visit(&node));
        }
        let near = frozen.near;
        let at = self.find_number(number, near)?;
        if let Some(frozen) = &mut self.frozen {
            frozen.near = at;
        }
        let slot = &mut self.blocks[at.block].nodes[at.node];
        slot.number = 0;
        Some(visit(&slot.node))
    }

    /// Nobody wants what is left of it as it was: that, to be freed.
    pub fn thaw(&mut self) -> Option<Leftovers> {
        let frozen = self.frozen.take()?;
        (!frozen.copies.is_empty() || !frozen.runs.is_empty()).then_some(Leftovers(frozen))
    }

    fn find_number(&self, number: u32, near: At) -> Option<At> {
        let is_it = |at: &At| self.blocks[at.block].nodes[at.node].number == number;
        let walk = |from: Option<At>| std::iter::successors(from, |&at| self.next(at));
        walk(self.normal(near)).find(is_it).or_else(|| walk(self.first()).find(is_it))
    }

    /// Drops the block of `at` if it is empty, joins it with a neighbour if both are sparse. The place is the same, where it is now.
    fn tidy(&mut self, at: At) -> At {
        let len = self.blocks[at.block].nodes.len();
        if len == 0 {
            self.blocks.remove(at.block);
            return At { block: at.block, node: 0 };
        }
        if len >= JOIN_BELOW {
            return at;
        }
        let joins = |other: Option<&Block>| other.is_some_and(|other| other.nodes.len() + len <= BLOCK / 2);
        if joins(self.blocks.get(at.block + 1)) {
            self.join_next(at.block);
        }
        if let Some(before) = at.block.checked_sub(1)
            && joins(self.blocks.get(before))
        {
            let node = self.blocks[before].nodes.len() + at.node;
            self.join_next(before);
            return At { block: before, node };
        }
        at
    }

    fn join_next(&mut self, block: usize) {
        if let Some(mut next) = self.blocks.remove(block + 1) {
            let kept = &mut self.blocks[block];
            kept.nodes.append(&mut next.nodes);
            kept.len += next.len;
        }
    }

    /// Checks the invariants.
    #[cfg(test)]
    pub fn check(&self) {
        for block in &self.blocks {
            assert!((1..=BLOCK).contains(&block.nodes.len()));
            assert!(block.nodes.iter().all(|slot| slot.len() == slot.node.len()));
            assert_eq!(block.len, block.nodes.iter().map(Slot::len).sum::<usize>());
        }
        assert_eq!(self.len, self.blocks.iter().map(|block| block.len).sum::<usize>());
    }

    #[cfg(test)]
    pub fn blocks_len(&self) -> usize {
        self.blocks.len()
    }
}

impl Block {
    /// Moves all nodes, if there is one with a number among them, to where such are.
    fn give(&mut self, runs: &mut BTreeMap<u32, VecDeque<Slot>>) {
        if let Some(first) = self.nodes.iter().map(|slot| slot.number).find(|&number| number != 0) {
            runs.insert(first, std::mem::take(&mut self.nodes));
            self.len = 0;
        }
    }

    /// Takes out the nodes from `from` to before `to`.
    fn drain(&mut self, from: usize, to: usize) -> Block {
        let nodes: VecDeque<Slot> = self.nodes.drain(from..to).collect();
        let len = nodes.iter().map(Slot::len).sum();
        self.len -= len;
        Block { nodes, len }
    }
}

/// In which of `parts`, which hold `len` in all, number `index` is, and its number there; from the nearer end.
#[inline]
fn nearest<T>(parts: &VecDeque<T>, len: usize, index: usize, part_len: impl Fn(&T) -> usize) -> Option<(usize, usize)> {
    if index <= len / 2 {
        let mut rest = index;
        for (number, part) in parts.iter().enumerate() {
            match rest.checked_sub(part_len(part)) {
                Some(further) => rest = further,
                None => return Some((number, rest)),
            }
        }
        return None;
    }
    let mut begin = len;
    for (number, part) in parts.iter().enumerate().rev() {
        begin -= part_len(part);
        if index >= begin {
            return Some((number, index - begin));
        }
    }
    None
}
