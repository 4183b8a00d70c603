//! One node of a quicklist: a pack, or an element too large for one; either may be compressed. And how large a pack may be.
//!
//! What only looks at a compressed node opens it for the moment, and what changes one leaves it open: whoever owns the list knows how deep
//! the node lies, and has it compressed again.

use std::borrow::Cow;

use super::{Compressed, Direction};
use crate::collections::listpack::{self, Listpack, ListpackValue, Position, Search};

/// How large a pack may become: `list-max-listpack-size`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NodeLimit {
    pub(super) bytes: u32,
    entries: u32,
    /// Up to where a node is filled.
    pub(super) fill_bytes: u32,
}

/// Bytes up to which nodes of at most `bytes` bytes are filled, so that a full one and its head fill a size class of the allocator. Of
/// the classes up to 8 kB it is the next smaller one: jemalloc describes each run of pages with 128 bytes, and a run has one
/// block of 4,096 or 8,192 bytes, but eight of 3,584 and four of 7,168. Larger blocks are runs of their own.
const fn fill_bytes(bytes: u32) -> u32 {
    let class = if bytes <= 8192 { bytes - bytes / 8 } else { bytes };
    class - listpack::HEAD_BYTES as u32
}

/// Packs that are limited by their number of elements are still not larger than this, in bytes.
const BYTES_WITH_ENTRIES: u32 = 8192;
/// What Redis's field for the number of elements holds.
const ENTRIES_MAX: i64 = 1 << 15;
/// Redis reckons with this much for an entry's header and backlen.
const ENTRY_OVERHEAD: usize = 8;

impl NodeLimit {
    /// From the directive's value: a number of elements, or -1 to -5 for 4, 8, 16, 32, 64 kB.
    pub fn from_config(list_max_listpack_size: i64) -> NodeLimit {
        if list_max_listpack_size < 0 {
            let doublings = list_max_listpack_size.max(-5).unsigned_abs() - 1;
            return NodeLimit::new(4096 << doublings, u32::MAX);
        }
        NodeLimit::new(BYTES_WITH_ENTRIES, list_max_listpack_size.clamp(1, ENTRIES_MAX - 1) as u32)
    }

    const fn new(bytes: u32, entries: u32) -> NodeLimit {
        NodeLimit { bytes, entries, fill_bytes: fill_bytes(bytes) }
    }

    /// Whether a node of that size would be too full: with Redis's limit a little earlier than a pack is too large.
    #[inline]
    pub fn is_overfull(self, bytes: usize, entries: usize) -> bool {
        bytes > self.fill_bytes as usize || entries > self.entries as usize
    }

    /// Whether a pack of that size is too large.
    #[inline]
    pub fn is_exceeded(self, bytes: usize, entries: usize) -> bool {
        bytes > self.bytes as usize || entries > self.entries as usize
    }

    /// Whether elements of `bytes` bytes have nodes of their own.
    #[inline]
    pub fn is_large(self, bytes: usize) -> bool {
        bytes > self.bytes as usize
    }

    /// Half the size.
    pub fn halved(self) -> NodeLimit {
        NodeLimit { bytes: self.bytes / 2, entries: self.entries / 2, fill_bytes: self.fill_bytes / 2 }
    }
}

/// A pack, or one large element.
#[derive(Clone, Debug)]
pub enum Node {
    Packed(Listpack),
    /// One word as the others: a node is to be two.
    Plain(Box<Box<[u8]>>),
    /// Either of them.
    Compressed(Compressed),
}

const _: () = assert!(size_of::<Node>() == 16);

impl Node {
    pub(super) fn new(value: ListpackValue<'_>, limit: NodeLimit) -> Node {
        match value {
            ListpackValue::Bytes(bytes) if limit.is_large(bytes.len()) => Node::Plain(Box::new(bytes.into())),
            value => {
                let mut pack = Listpack::with_capacity(ENTRY_OVERHEAD + value.text_len());
                pack.append(value);
                Node::Packed(pack)
            }
        }
    }

    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Node::Packed(pack) => pack.len(),
            Node::Plain(_) => 1,
            Node::Compressed(node) => node.len(),
        }
    }

    /// A node of a list never is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the node has in it, bytes; of a compressed one, what it has when it is open.
    pub fn payload_bytes(&self) -> usize {
        match self {
            Node::Packed(pack) => pack.total_bytes(),
            Node::Plain(bytes) => bytes.len(),
            Node::Compressed(node) => node.raw_bytes(),
        }
    }

    /// Whether it is one large element.
    pub fn is_plain(&self) -> bool {
        match self {
            Node::Packed(_) => false,
            Node::Plain(_) => true,
            Node::Compressed(node) => node.is_plain(),
        }
    }

    pub fn is_compressed(&self) -> bool {
        matches!(self, Node::Compressed(_))
    }

    /// The node that is not compressed: this one, or one made of it.
    pub fn opened(&self) -> Cow<'_, Node> {
        match self {
            Node::Compressed(node) => Cow::Owned(node.open()),
            node => Cow::Borrowed(node),
        }
    }

    /// Makes it one that is not compressed.
    pub(super) fn open(&mut self) {
        if let Node::Compressed(node) = self {
            *self = node.open();
        }
    }

    /// Makes it one that is compressed, if that pays.
    pub(super) fn compress(&mut self) {
        let compressed = match self {
            Node::Packed(pack) if !pack.is_empty() => Compressed::new(pack.as_bytes(), pack.len() as u32),
            Node::Plain(bytes) => Compressed::new(bytes, 0),
            Node::Packed(_) | Node::Compressed(_) => None,
        };
        if let Some(compressed) = compressed {
            *self = Node::Compressed(compressed);
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Node::Packed(pack) => pack.memory_bytes(),
            Node::Plain(bytes) => size_of::<Box<[u8]>>() + bytes.len(),
            Node::Compressed(node) => node.memory_bytes(),
        }
    }

    /// Whether a pack of so many bytes and elements may take in `value`.
    #[inline]
    fn has_room(bytes: usize, entries: usize, value: ListpackValue<'_>, limit: NodeLimit) -> bool {
        let more = value.text_len();
        !limit.is_large(more) && !limit.is_overfull(bytes + more + ENTRY_OVERHEAD, entries + 1)
    }

    /// Whether it may take in `value`, compressed or not.
    pub(super) fn may_take(&self, value: ListpackValue<'_>, limit: NodeLimit) -> bool {
        !self.is_plain() && Node::has_room(self.payload_bytes(), self.len(), value, limit)
    }

    /// The pack, if it may take in `value`. One that is compressed has to be opened first.
    #[inline]
    pub(super) fn pack_for(&mut self, value: ListpackValue<'_>, limit: NodeLimit) -> Option<&mut Listpack> {
        match self {
            Node::Packed(pack) if Node::has_room(pack.total_bytes(), pack.len(), value, limit) => Some(pack),
            _ => None,
        }
    }

    #[inline]
    pub(super) fn try_prepend(&mut self, value: ListpackValue<'_>, limit: NodeLimit) -> bool {
        self.pack_for(value, limit).map(|pack| pack.prepend(value)).is_some()
    }

    #[inline]
    pub(super) fn try_append(&mut self, value: ListpackValue<'_>, limit: NodeLimit) -> bool {
        self.pack_for(value, limit).map(|pack| pack.append(value)).is_some()
    }

    /// Whether two nodes may become one that is within `limit`.
    pub(super) fn may_join(&self, other: &Node, limit: NodeLimit) -> bool {
        let bytes = self.payload_bytes() + other.payload_bytes();
        !self.is_plain() && !other.is_plain() && !limit.is_overfull(bytes, self.len() + other.len())
    }

    /// Adds the elements of `other` behind these. Both are packs: [`Node::may_join`] has said so.
    pub(super) fn append_all(&mut self, other: &Node) {
        self.open();
        if let (Node::Packed(pack), Node::Packed(other)) = (self, &*other.opened()) {
            pack.append_all(other);
        }
    }

    pub(super) fn shrink_to_fit(&mut self) {
        if let Node::Packed(pack) = self {
            pack.shrink_to_fit();
        }
    }

    /// The element of a node that is not a pack. Apart, so that popping from packs stays short enough to be inlined.
    #[cold]
    #[inline(never)]
    fn only(&self) -> Option<ListpackValue<'_>> {
        match self {
            Node::Plain(bytes) => Some(ListpackValue::Bytes(bytes)),
            Node::Packed(_) | Node::Compressed(_) => unreachable!("the nodes at the ends are open"),
        }
    }

    #[inline]
    pub(super) fn first(&self) -> Option<ListpackValue<'_>> {
        match self {
            Node::Packed(pack) => pack.get(pack.first()?),
            node => node.only(),
        }
    }

    #[inline(always)]
    pub(super) fn last(&self) -> Option<ListpackValue<'_>> {
        match self {
            Node::Packed(pack) => pack.get(pack.last()?),
            node => node.only(),
        }
    }

    /// Removes the first element; true: it was the only one, and the node must go.
    #[inline]
    pub(super) fn remove_first(&mut self) -> bool {
        self.remove_at(Listpack::first)
    }

    /// Removes the last element; true: it was the only one, and the node must go.
    #[inline]
    pub(super) fn remove_last(&mut self) -> bool {
        self.remove_at(Listpack::last)
    }

    #[inline]
    fn remove_at(&mut self, which: impl FnOnce(&Listpack) -> Option<Position>) -> bool {
        match self {
            Node::Packed(pack) if pack.len() > 1 => {
                if let Some(position) = which(pack) {
                    pack.remove(position);
                }
                false
            }
            _ => true,
        }
    }

    /// Where the first that matches is, seen from that end. What it says holds for the node once it is open, too.
    pub(super) fn find(&self, search: &Search<'_>, direction: Direction) -> Option<Position> {
        let needle = search.needle();
        match (self, direction) {
            (Node::Packed(pack), _) if !search.may_be_in(pack) => None,
            (Node::Packed(pack), Direction::FromFront) => pack.find_from(pack.first()?, needle, 0),
            (Node::Packed(pack), Direction::FromBack) => pack.rfind(needle),
            (Node::Plain(bytes), _) => (***bytes == *needle.text()).then_some(Position::UNUSED),
            (Node::Compressed(node), _) => node.open().find(search, direction),
        }
    }

    /// Visits the indexes of the elements that match, seen from that end, as long as `visit` says so; false: it has not.
    pub(super) fn for_each_match(
        &self,
        search: &Search<'_>,
        direction: Direction,
        mut visit: impl FnMut(usize) -> bool,
    ) -> bool {
        let needle = search.needle();
        match (&*self.opened(), direction) {
            (Node::Packed(pack), _) if !search.may_be_in(pack) => true,
            (Node::Packed(pack), Direction::FromFront) => {
                pack.iter().enumerate().all(|(index, value)| !needle.is(value) || visit(index))
            }
            (Node::Packed(pack), Direction::FromBack) => {
                pack.iter().rev().enumerate().all(|(index, value)| !needle.is(value) || visit(pack.len() - 1 - index))
            }
            (Node::Plain(bytes), _) => ***bytes != *needle.text() || visit(0),
            (Node::Compressed(_), _) => unreachable!("it has been opened"),
        }
    }

    /// Removes up to `count` elements that match, seen from that end. Returns how many, and how many are left.
    pub(super) fn remove_matching(
        &mut self,
        search: &Search<'_>,
        count: usize,
        direction: Direction,
    ) -> (usize, usize) {
        let needle = search.needle();
        self.open();
        let pack = match self {
            Node::Packed(pack) if !search.may_be_in(pack) => return (0, pack.len()),
            Node::Packed(pack) => pack,
            // It is for the list to drop the node.
            Node::Plain(bytes) => return if ***bytes == *needle.text() { (1, 0) } else { (0, 1) },
            Node::Compressed(_) => unreachable!("it has been opened"),
        };
        let mut removed = 0;
        let mut next = match direction {
            Direction::FromFront => pack.first(),
            Direction::FromBack => pack.last(),
        };
        while let Some(position) = next
            && removed < count
        {
            next = match direction {
                Direction::FromFront => match pack.find_from(position, needle, 0) {
                    Some(found) => {
                        removed += 1;
                        pack.remove(found)
                    }
                    None => None,
                },
                // What is before a position is not moved by removing what is at it.
                Direction::FromBack => {
                    let before = pack.prev(position);
                    if pack.get(position).is_some_and(|value| needle.is(value)) {
                        removed += 1;
                        pack.remove(position);
                    }
                    before
                }
            };
        }
        (removed, pack.len())
    }
}
