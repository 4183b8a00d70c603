//! Which nodes of a quicklist are compressed: those with at least `depth` nodes on either side of them, if that pays.
//!
//! ```text
//!   [open][open][LZF][LZF][open, for it does not shrink][LZF] ... [LZF][open][open]      depth 2
//! ```
//!
//! Whatever changes a list says here what has become of it, and goes on only when it is kept so again. Nothing here changes what the list
//! has: a frozen one has the same nodes as it had ([`super::sequence::Sequence::recode`]).
//!
//! Cost: a depth of 0 is one comparison, made when a node comes or goes and when something in the middle is changed; pushing to and popping
//! from the node at an end does not ask. Of a list with a depth, a node that comes or goes at an end has one compressed or opened there.
//! A change in the middle opens its node and compresses it again, and where nodes are split or joined up to nine. After a removal
//! up to `depth` nodes at each end are opened.

use super::sequence::At;
use super::{Direction, Node, Quicklist};

impl Quicklist {
    /// A node has come at that end.
    #[inline]
    pub(super) fn has_grown(&mut self, direction: Direction) {
        if self.depth != 0 {
            self.compress_nth(self.depth as usize, direction);
        }
    }

    /// The node at that end has gone.
    #[inline]
    pub(super) fn has_shrunk(&mut self, direction: Direction) {
        if self.depth != 0
            && let Some(at) = self.nodes.nth(self.depth as usize - 1, direction)
        {
            self.nodes.recode(at, Node::open);
        }
    }

    fn compress_nth(&mut self, number: usize, direction: Direction) {
        if let Some(at) = self.nodes.nth(number, direction) {
            self.compress(at);
        }
    }

    /// The node has been changed, or is new: it is compressed if it lies so deep.
    pub(super) fn compress(&mut self, at: At) {
        if self.depth != 0 && self.nodes.is_deep(at, self.depth as usize) {
            self.nodes.recode(at, Node::compress);
        }
    }

    /// The node is about to be changed.
    pub(super) fn open(&mut self, at: At) {
        if self.nodes.get(at).is_compressed() {
            // As a change, so that what is kept of a frozen list is what is small.
            self.nodes.edit(at, Node::open);
        }
    }

    /// `count` nodes from `from` on have been changed, or are new, and up to two have come there, or some gone.
    pub(super) fn has_split(&mut self, from: Option<At>, count: usize) {
        if self.depth == 0 {
            return;
        }
        self.open_ends();
        let mut is_near = false;
        let mut next = from;
        for _ in 0..count {
            let Some(at) = next else { break };
            is_near |= !self.nodes.is_deep(at, self.depth as usize);
            self.compress(at);
            next = self.nodes.next(at);
        }
        if is_near {
            // New ones there have pushed others deeper.
            for number in [0, 1] {
                self.compress_nth(self.depth as usize + number, Direction::FromFront);
                self.compress_nth(self.depth as usize + number, Direction::FromBack);
            }
        }
    }

    /// Nodes that were deep may have come near an end.
    pub(super) fn open_ends(&mut self) {
        for direction in [Direction::FromFront, Direction::FromBack] {
            let mut next = self.nodes.end(direction);
            for _ in 0..self.depth {
                let Some(at) = next else { break };
                self.nodes.recode(at, Node::open);
                next = self.nodes.beside(at, direction);
            }
        }
    }
}
