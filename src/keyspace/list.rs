//! A list as a value: a listpack while it is small, a quicklist from then on (`list-max-listpack-size`), and a listpack again when
//! it has shrunk to half of that.
//!
//! When it changes from one to the other is part of what clients can see (OBJECT ENCODING), so it is Redis's rule: before elements
//! are added ([`List::make_room`]), and after some were removed ([`List::settle`]); the caller of the methods in between says
//! when. Whole nodes that are removed are handed out, for freeing them may take longer than a turn has.
//!
//! How large nodes may be and how deep compressed ones lie (`list-compress-depth`) is what was configured when the quicklist was made, as
//! in Redis. Elements are shown to a closure, because those of a compressed node are there only while it is looked at.

use super::{Context, Kind, Object, Typed};
use crate::base::hash::KeyHasher;
use crate::collections::listpack::{self, Listpack, ListpackValue, Needle};
use crate::collections::quicklist::{self, Direction, Node, NodeLimit, Quicklist};

/// Elements in the order in which they were put.
pub enum List {
    Pack(Listpack),
    Nodes(Box<Quicklist>),
}

/// An end of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Left,
    Right,
}

impl Side {
    fn direction(self) -> Direction {
        match self {
            Side::Left => Direction::FromFront,
            Side::Right => Direction::FromBack,
        }
    }
}

/// Some elements of a list, to be shown from either end.
pub enum Elements<'a> {
    Pack(listpack::Iter<'a>),
    Nodes(quicklist::Range<'a>),
}

fn limit(context: &Context<'_>) -> NodeLimit {
    NodeLimit::from_config(i64::from(context.settings.list_max_listpack_size))
}

impl Default for List {
    fn default() -> Self {
        List::Pack(Listpack::new())
    }
}

impl List {
    /// An empty list.
    pub fn new() -> List {
        List::default()
    }

    /// A quicklist without elements, under the limits that hold now: it keeps them.
    pub fn empty_nodes(context: &Context<'_>) -> Quicklist {
        Quicklist::new(limit(context), context.settings.list_compress_depth)
    }

    /// Says that `elements` with `bytes` bytes in all are going to be added: a listpack that they would make too large becomes a
    /// quicklist.
    #[inline]
    pub fn make_room(&mut self, bytes: usize, elements: usize, context: &Context<'_>) {
        if let List::Pack(pack) = self
            && limit(context).is_exceeded(pack.total_bytes() + bytes, pack.len() + elements)
        {
            self.unpack(context);
        }
    }

    #[cold]
    fn unpack(&mut self, context: &Context<'_>) {
        if let List::Pack(pack) = self {
            let mut nodes = List::empty_nodes(context);
            nodes.push_node(Node::Packed(std::mem::take(pack)));
            *self = List::Nodes(Box::new(nodes));
        }
    }

    /// Says that elements have been removed or replaced: a quicklist that is small enough becomes a listpack.
    #[inline]
    pub fn settle(&mut self) {
        if let List::Nodes(nodes) = self
            && let Some(pack) = nodes.take_small_pack()
        {
            *self = List::Pack(pack);
        }
    }

    #[inline]
    pub fn push(&mut self, side: Side, value: &[u8]) {
        match (self, side) {
            (List::Pack(pack), Side::Left) => {
                pack.prepend(value);
            }
            (List::Pack(pack), Side::Right) => {
                pack.append(value);
            }
            (List::Nodes(nodes), Side::Left) => nodes.push_front(value),
            (List::Nodes(nodes), Side::Right) => nodes.push_back(value),
        }
    }

    /// Removes the element at that end after `visit` has seen it.
    #[inline]
    pub fn pop<R>(&mut self, side: Side, visit: impl FnOnce(ListpackValue<'_>) -> R) -> Option<R> {
        match self {
            List::Pack(pack) => {
                let position = match side {
                    Side::Left => pack.first(),
                    Side::Right => pack.last(),
                }?;
                let result = pack.get(position).map(visit);
                pack.remove(position);
                result
            }
            List::Nodes(nodes) => match side {
                Side::Left => nodes.pop_front(visit),
                Side::Right => nodes.pop_back(visit),
            },
        }
    }

    /// What `visit` says of element `index`.
    pub fn get<R>(&self, index: usize, visit: impl FnOnce(ListpackValue<'_>) -> R) -> Option<R> {
        match self {
            List::Pack(pack) => pack.get(pack.seek(index)?).map(visit),
            List::Nodes(nodes) => nodes.get(index, visit),
        }
    }

    /// The element at that end.
    pub fn end(&self, side: Side) -> Option<ListpackValue<'_>> {
        match (self, side) {
            (List::Pack(pack), Side::Left) => pack.get(pack.first()?),
            (List::Pack(pack), Side::Right) => pack.get(pack.last()?),
            (List::Nodes(nodes), Side::Left) => nodes.front(),
            (List::Nodes(nodes), Side::Right) => nodes.back(),
        }
    }

    /// Up to `count` elements from `start` on.
    #[inline]
    pub fn range(&self, start: usize, count: usize) -> Elements<'_> {
        match self {
            List::Pack(pack) => Elements::Pack(pack.range(start, count)),
            List::Nodes(nodes) => Elements::Nodes(nodes.range(start, count)),
        }
    }

    /// Shows all elements.
    pub fn for_each(&self, visit: impl FnMut(ListpackValue<'_>)) {
        self.range(0, self.len()).for_each(Side::Left, visit);
    }

    /// Up to `count` elements from `start` on, at once. `opened`: where those lie that had to be decompressed.
    pub fn collect<'a>(&'a self, start: usize, count: usize, opened: &'a mut Vec<Node>) -> Vec<ListpackValue<'a>> {
        match self {
            List::Pack(pack) => pack.range(start, count).collect(),
            List::Nodes(nodes) => nodes.range(start, count).collect(opened),
        }
    }

    /// Removes up to `count` elements from `start` on; what of them is to be freed with care.
    pub fn remove_range(&mut self, start: usize, count: usize) -> Option<List> {
        match self {
            List::Pack(pack) => {
                pack.remove_range(start, count);
                None
            }
            List::Nodes(nodes) => {
                let removed = nodes.remove_range(start, count);
                (!removed.is_empty()).then(|| List::Nodes(Box::new(removed)))
            }
        }
    }

    /// Replaces element `index`; false: there is none.
    pub fn set(&mut self, index: usize, value: &[u8]) -> bool {
        match self {
            List::Pack(pack) => match pack.seek(index) {
                Some(position) => {
                    pack.replace(position, value);
                    true
                }
                None => false,
            },
            List::Nodes(nodes) => nodes.set(index, value),
        }
    }

    /// Adds an element beside the first one that is `pivot`, on that side of it; false: there is no such element.
    pub fn insert(&mut self, side: Side, pivot: &[u8], value: &[u8]) -> bool {
        match self {
            List::Pack(pack) => {
                let Some(position) = pack.find(pivot, 0) else { return false };
                match side {
                    Side::Left => pack.insert_before(position, value),
                    Side::Right => pack.insert_after(position, value),
                };
            }
            List::Nodes(nodes) => {
                let Some(place) = nodes.find(pivot, Direction::FromFront) else { return false };
                match side {
                    Side::Left => nodes.insert_before(place, value),
                    Side::Right => nodes.insert_after(place, value),
                }
            }
        }
        true
    }

    /// Visits the indexes of the elements that are `text`, seen from that end, as long as `visit` says so.
    pub fn for_each_match(&self, text: &[u8], side: Side, mut visit: impl FnMut(usize) -> bool) {
        match self {
            List::Pack(pack) => {
                let needle = Needle::new(text);
                let mut elements = pack.iter().enumerate();
                let mut look = |(index, value)| !needle.is(value) || visit(index);
                match side {
                    Side::Left => elements.all(look),
                    Side::Right => {
                        pack.iter().rev().zip((0..pack.len()).rev()).all(|(value, index)| look((index, value)))
                    }
                };
            }
            List::Nodes(nodes) => nodes.for_each_match(text, side.direction(), visit),
        }
    }

    /// Removes up to `count` elements that are `text`, seen from that end. Returns how many there were.
    pub fn remove_matching(&mut self, text: &[u8], count: usize, side: Side) -> usize {
        match self {
            List::Pack(pack) => remove_from_pack(pack, &Needle::new(text), count, side),
            List::Nodes(nodes) => nodes.remove_matching(text, count, side.direction()),
        }
    }
}

fn remove_from_pack(pack: &mut Listpack, needle: &Needle<'_>, count: usize, side: Side) -> usize {
    let mut removed = 0;
    match side {
        Side::Left => {
            let mut next = pack.first();
            while removed < count
                && let Some(found) = next.and_then(|from| pack.find_from(from, needle, 0))
            {
                next = pack.remove(found);
                removed += 1;
            }
        }
        Side::Right => {
            let mut next = pack.last();
            while removed < count
                && let Some(position) = next
            {
                // What is before a position is not moved by removing what is at it.
                next = pack.prev(position);
                if pack.get(position).is_some_and(|value| needle.is(value)) {
                    pack.remove(position);
                    removed += 1;
                }
            }
        }
    }
    removed
}

impl Elements<'_> {
    /// Shows them all from that end.
    #[inline]
    pub fn for_each(self, side: Side, visit: impl FnMut(ListpackValue<'_>)) {
        match (self, side) {
            (Elements::Pack(elements), Side::Left) => elements.for_each(visit),
            (Elements::Pack(elements), Side::Right) => elements.rev().for_each(visit),
            (Elements::Nodes(elements), side) => elements.for_each(side.direction(), visit),
        }
    }

    /// Shows them from that end as long as `visit` says so.
    pub fn all(self, side: Side, visit: impl FnMut(ListpackValue<'_>) -> bool) -> bool {
        match (self, side) {
            (Elements::Pack(mut elements), Side::Left) => elements.all(visit),
            (Elements::Pack(elements), Side::Right) => elements.rev().all(visit),
            (Elements::Nodes(elements), side) => elements.all(side.direction(), visit),
        }
    }
}

impl Typed for List {
    const KIND: Kind = Kind::List;

    fn of(object: &Object) -> Option<&Self> {
        if let Object::List(list) = object { Some(list) } else { None }
    }

    fn of_mut(object: &mut Object) -> Option<&mut Self> {
        if let Object::List(list) = object { Some(list) } else { None }
    }

    fn into_object(self) -> Object {
        Object::List(self)
    }

    #[inline]
    fn len(&self) -> usize {
        match self {
            List::Pack(pack) => pack.len(),
            List::Nodes(nodes) => nodes.len(),
        }
    }

    fn encoding(&self) -> &'static str {
        match self {
            List::Pack(_) => "listpack",
            List::Nodes(_) => "quicklist",
        }
    }

    fn is_heavy(&self) -> bool {
        match self {
            List::Pack(_) => false,
            List::Nodes(nodes) => nodes.nodes_len() > HEAVY_NODES || nodes.memory_bytes(0) > HEAVY_BYTES,
        }
    }

    fn memory_bytes(&self, samples: usize) -> usize {
        match self {
            List::Pack(pack) => pack.memory_bytes(),
            List::Nodes(nodes) => size_of::<Quicklist>() + nodes.memory_bytes(samples),
        }
    }

    fn copy(&self, _hasher: &KeyHasher) -> Self {
        match self {
            List::Pack(pack) => List::Pack(pack.clone()),
            List::Nodes(nodes) => List::Nodes(nodes.clone()),
        }
    }
}

/// Freeing so many nodes takes some ten microseconds.
const HEAVY_NODES: usize = 64;
/// And giving back so much memory, which few large elements may be.
const HEAVY_BYTES: usize = 1024 * 1024;

#[cfg(test)]
mod tests;
