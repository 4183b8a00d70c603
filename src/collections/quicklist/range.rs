//! Elements of a quicklist, one after the other from either end. They are shown, not handed out: those of a compressed node are there only
//! as long as it is looked at.

use std::iter::once;

use super::sequence::Sequence;
use super::{Direction, Node};
use crate::collections::listpack::ListpackValue;

/// Some elements of a list.
#[derive(Clone, Copy)]
pub struct Range<'a> {
    nodes: &'a Sequence,
    start: usize,
    count: usize,
}

impl<'a> Range<'a> {
    #[inline]
    pub(super) fn new(nodes: &'a Sequence, start: usize, count: usize) -> Range<'a> {
        Range { nodes, start, count: count.min(nodes.len().saturating_sub(start)) }
    }

    /// Number of elements.
    pub fn len(self) -> usize {
        self.count
    }

    pub fn is_empty(self) -> bool {
        self.count == 0
    }

    /// All of them at once. `opened`: where those lie that are in compressed nodes.
    pub fn collect(self, opened: &'a mut Vec<Node>) -> Vec<ListpackValue<'a>> {
        let mut elements = Vec::with_capacity(self.count);
        let Some((first, mut inside)) = self.nodes.locate(self.start) else { return elements };
        let mut nodes: Vec<&'a Node> = Vec::new();
        let mut covered = 0;
        let mut next = Some(first);
        while covered < inside + self.count
            && let Some(at) = next
        {
            let node = self.nodes.get(at);
            if node.is_compressed() {
                opened.push(node.opened().into_owned());
            }
            covered += node.len();
            nodes.push(node);
            next = self.nodes.next(at);
        }
        let mut opened = opened.iter();
        for node in nodes {
            let left = self.count - elements.len();
            match if node.is_compressed() { opened.next() } else { Some(node) } {
                Some(Node::Packed(pack)) => elements.extend(pack.range(inside, pack.len() - inside).take(left)),
                Some(Node::Plain(bytes)) => elements.push(ListpackValue::Bytes(bytes)),
                Some(Node::Compressed(_)) | None => unreachable!("each has been opened"),
            }
            inside = 0;
        }
        elements
    }

    /// Shows them all from that end.
    #[inline]
    pub fn for_each(self, direction: Direction, mut visit: impl FnMut(ListpackValue<'_>)) {
        if direction == Direction::FromFront {
            return self.for_each_from_front(visit);
        }
        self.all(direction, |value| {
            visit(value);
            true
        });
    }

    /// As [`Range::all`], without a question for each element: LRANGE.
    #[inline]
    fn for_each_from_front(self, mut visit: impl FnMut(ListpackValue<'_>)) {
        let mut left = self.count;
        let Some((at, mut inside)) = self.nodes.locate(self.start) else { return };
        let mut next = Some(at);
        while left > 0
            && let Some(at) = next
        {
            let opened;
            let mut node = self.nodes.get(at);
            if let Node::Compressed(compressed) = node {
                opened = compressed.open();
                node = &opened;
            }
            let there = node.len() - inside;
            match node {
                Node::Packed(pack) => {
                    for value in pack.range(inside, there).take(left) {
                        visit(value);
                    }
                }
                Node::Plain(bytes) => visit(ListpackValue::Bytes(bytes)),
                Node::Compressed(_) => unreachable!("it has been opened"),
            }
            left = left.saturating_sub(there);
            inside = 0;
            next = self.nodes.next(at);
        }
    }

    /// Shows them from that end as long as `visit` says so; false: it has not.
    pub fn all(self, direction: Direction, visit: impl FnMut(ListpackValue<'_>) -> bool) -> bool {
        match direction {
            _ if self.count == 0 => true,
            Direction::FromFront => self.all_from_front(visit),
            Direction::FromBack => self.all_from_back(visit),
        }
    }

    fn all_from_front(self, mut visit: impl FnMut(ListpackValue<'_>) -> bool) -> bool {
        let mut left = self.count;
        let Some((at, mut inside)) = self.nodes.locate(self.start) else { return true };
        let mut next = Some(at);
        while left > 0
            && let Some(at) = next
        {
            let shown = match &*self.nodes.get(at).opened() {
                Node::Packed(pack) => show(pack.range(inside, pack.len() - inside), &mut left, &mut visit),
                Node::Plain(bytes) => show(once(ListpackValue::Bytes(bytes)), &mut left, &mut visit),
                Node::Compressed(_) => unreachable!("it has been opened"),
            };
            if !shown {
                return false;
            }
            inside = 0;
            next = self.nodes.next(at);
        }
        true
    }

    fn all_from_back(self, mut visit: impl FnMut(ListpackValue<'_>) -> bool) -> bool {
        let mut left = self.count;
        let Some((at, last)) = self.nodes.locate(self.start + self.count - 1) else { return true };
        let (mut next, mut inside) = (Some(at), last + 1);
        while left > 0
            && let Some(at) = next
        {
            let shown = match &*self.nodes.get(at).opened() {
                Node::Packed(pack) => show(pack.range(0, inside).rev(), &mut left, &mut visit),
                Node::Plain(bytes) => show(once(ListpackValue::Bytes(bytes)), &mut left, &mut visit),
                Node::Compressed(_) => unreachable!("it has been opened"),
            };
            if !shown {
                return false;
            }
            inside = usize::MAX;
            next = self.nodes.prev(at);
        }
        true
    }
}

/// Shows up to `left` of a node's elements as long as `visit` says so, and counts them; false: it has not.
#[inline]
fn show<'a>(
    elements: impl Iterator<Item = ListpackValue<'a>>,
    left: &mut usize,
    visit: &mut impl FnMut(ListpackValue<'_>) -> bool,
) -> bool {
    elements.take(*left).all(|value| {
        *left -= 1;
        visit(value)
    })
}
