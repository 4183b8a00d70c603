//! Walking a quicklist from either end, or a part of it.

use super::Node;
use super::sequence::{At, Sequence};
use crate::collections::listpack::{self, ListpackValue};

/// Elements of a list, from either end.
#[derive(Clone)]
pub struct Iter<'a> {
    nodes: &'a Sequence,
    front: Option<Walk<'a>>,
    /// Found when it is first asked for: most walks go forward only.
    back: Option<Walk<'a>>,
    /// Index of the first element that is left, and how many are: what keeps the two ends from crossing.
    start: usize,
    left: usize,
}

/// A node that is being walked.
#[derive(Clone)]
struct Walk<'a> {
    at: At,
    elements: Elements<'a>,
}

#[derive(Clone)]
enum Elements<'a> {
    Packed(listpack::Iter<'a>),
    Plain(Option<&'a [u8]>),
}

impl<'a> Elements<'a> {
    /// `count` elements of `node` from `start` on.
    fn of(node: &'a Node, start: usize, count: usize) -> Elements<'a> {
        match node {
            Node::Packed(pack) => Elements::Packed(pack.range(start, count)),
            Node::Plain(bytes) => Elements::Plain(Some(bytes)),
        }
    }
}

impl<'a> Iter<'a> {
    pub(super) fn new(nodes: &'a Sequence, start: usize, count: usize) -> Iter<'a> {
        let left = count.min(nodes.len().saturating_sub(start));
        let front = if left == 0 {
            None
        } else {
            nodes.locate(start).map(|(at, inside)| {
                let node = nodes.get(at);
                Walk { at, elements: Elements::of(node, inside, node.len() - inside) }
            })
        };
        Iter { nodes, front, back: None, start, left }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = ListpackValue<'a>;

    #[inline]
    fn next(&mut self) -> Option<ListpackValue<'a>> {
        self.left = self.left.checked_sub(1)?;
        self.start += 1;
        let walk = self.front.as_mut()?;
        loop {
            let value = match &mut walk.elements {
                Elements::Packed(elements) => elements.next(),
                Elements::Plain(bytes) => bytes.take().map(ListpackValue::Bytes),
            };
            if value.is_some() {
                return value;
            }
            walk.at = self.nodes.next(walk.at)?;
            let node = self.nodes.get(walk.at);
            walk.elements = Elements::of(node, 0, node.len());
        }
    }

    /// What `for_each` uses: node by node, without a look at the counts for each element.
    #[inline]
    fn fold<B, F: FnMut(B, ListpackValue<'a>) -> B>(self, init: B, mut visit: F) -> B {
        let mut result = init;
        let mut left = self.left;
        let mut walk = self.front;
        while left > 0
            && let Some(Walk { at, elements }) = walk
        {
            match elements {
                Elements::Packed(elements) => {
                    for value in elements.take(left) {
                        result = visit(result, value);
                        left -= 1;
                    }
                }
                Elements::Plain(Some(bytes)) => {
                    result = visit(result, ListpackValue::Bytes(bytes));
                    left -= 1;
                }
                Elements::Plain(None) => {}
            }
            walk = self.nodes.next(at).map(|at| {
                let node = self.nodes.get(at);
                Walk { at, elements: Elements::of(node, 0, node.len()) }
            });
        }
        result
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        let last = self.start + self.left.checked_sub(1)?;
        if self.back.is_none() {
            let (at, inside) = self.nodes.locate(last)?;
            self.back = Some(Walk { at, elements: Elements::of(self.nodes.get(at), 0, inside + 1) });
        }
        self.left -= 1;
        let walk = self.back.as_mut()?;
        loop {
            let value = match &mut walk.elements {
                Elements::Packed(elements) => elements.next_back(),
                Elements::Plain(bytes) => bytes.take().map(ListpackValue::Bytes),
            };
            if value.is_some() {
                return value;
            }
            walk.at = self.nodes.prev(walk.at)?;
            let node = self.nodes.get(walk.at);
            walk.elements = Elements::of(node, 0, node.len());
        }
    }
}
