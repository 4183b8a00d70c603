//! Changes inside a quicklist: nodes are split where they must be and joined where they can be.

use super::sequence::At;
use super::{Direction, Node, Place, Quicklist};
use crate::collections::listpack::{ListpackValue, Position};

/// Where in a node an element is to go.
enum Spot {
    Front,
    Back,
    /// Before this entry, which is not the first.
    Before(Position),
}

impl Quicklist {
    /// Adds an element that will have index `index`, at most the length; false: the index is larger.
    pub fn insert<'v>(&mut self, index: usize, value: impl Into<ListpackValue<'v>>) -> bool {
        let value = value.into();
        if index == self.len() {
            self.push_back(value);
            return true;
        }
        let Some((at, inside)) = self.nodes.locate(index) else { return false };
        let spot = match self.nodes.get(at) {
            Node::Packed(pack) if inside > 0 => pack.seek(inside).map_or(Spot::Front, Spot::Before),
            _ => Spot::Front,
        };
        self.insert_at(at, spot, value);
        true
    }

    /// Adds an element before the one at `place`.
    pub fn insert_before<'v>(&mut self, place: Place, value: impl Into<ListpackValue<'v>>) {
        let spot = match self.nodes.get(place.node) {
            Node::Packed(pack) if pack.first() != Some(place.entry) => Spot::Before(place.entry),
            _ => Spot::Front,
        };
        self.insert_at(place.node, spot, value.into());
    }

    /// Adds an element behind the one at `place`.
    pub fn insert_after<'v>(&mut self, place: Place, value: impl Into<ListpackValue<'v>>) {
        let spot = match self.nodes.get(place.node) {
            Node::Packed(pack) => pack.next(place.entry).map_or(Spot::Back, Spot::Before),
            Node::Plain(_) => Spot::Back,
        };
        self.insert_at(place.node, spot, value.into());
    }

    fn insert_at(&mut self, at: At, spot: Spot, value: ListpackValue<'_>) {
        let limit = self.limit;
        let is_in = self.nodes.edit(at, |node| match node.pack_for(value, limit) {
            Some(pack) => {
                match spot {
                    Spot::Front => pack.prepend(value),
                    Spot::Back => pack.append(value),
                    Spot::Before(entry) => pack.insert_before(entry, value),
                };
                true
            }
            None => false,
        });
        if is_in {
            return;
        }
        // A neighbour may have room on the side that faces the place.
        let is_in = match spot {
            Spot::Front => {
                self.nodes.prev(at).is_some_and(|prev| self.nodes.edit(prev, |node| node.try_append(value, limit)))
            }
            Spot::Back => {
                self.nodes.next(at).is_some_and(|next| self.nodes.edit(next, |node| node.try_prepend(value, limit)))
            }
            Spot::Before(_) => false,
        };
        if is_in {
            return;
        }
        let new = Node::new(value, limit);
        match spot {
            Spot::Front => {
                self.nodes.insert_before(at, new);
            }
            Spot::Back => {
                self.nodes.insert_after(at, new);
            }
            Spot::Before(entry) => {
                self.split(at, entry, Some(new));
            }
        }
    }

    /// Cuts the pack at `at` in two before `entry`, puts `between` there, and joins what may be joined with its neighbours.
    fn split(&mut self, at: At, entry: Position, between: Option<Node>) {
        let behind = self.nodes.edit(at, |node| match node {
            Node::Packed(pack) => {
                let behind = pack.split_off(entry);
                pack.shrink_to_fit();
                Some(behind)
            }
            Node::Plain(_) => None,
        });
        let mut at = at;
        let mut joints = 1;
        for node in between.into_iter().chain(behind.map(Node::Packed)) {
            at = self.nodes.insert_after(at, node);
            joints += 1;
        }
        // From the back: joining a node with the next one leaves those before it in place.
        let limit = self.limit;
        let mut next = Some(at);
        for _ in 0..=joints {
            let Some(at) = next else { break };
            let at = self.nodes.merge_next(at, |node, other| node.may_join(other, limit));
            next = self.nodes.prev(at);
        }
    }

    /// Replaces element `index`; false: there is none.
    pub fn set<'v>(&mut self, index: usize, value: impl Into<ListpackValue<'v>>) -> bool {
        let value = value.into();
        let limit = self.limit;
        let Some((at, inside)) = self.nodes.locate(index) else { return false };
        let is_large = limit.is_large(value.text_len());
        let entry = match self.nodes.get(at) {
            Node::Packed(pack) if pack.len() > 1 => pack.seek(inside),
            _ => None,
        };
        let Some(entry) = entry else {
            // The only element of its node.
            self.nodes.edit(at, |node| *node = Node::new(value, limit));
            return true;
        };
        if !is_large {
            let exceeds = self.nodes.edit(at, |node| match node {
                Node::Packed(pack) => {
                    pack.replace(entry, value);
                    limit.is_exceeded(pack.total_bytes(), pack.len())
                }
                Node::Plain(_) => false,
            });
            if !exceeds {
                return true;
            }
        }
        // Taken out and put back between two halves, one of which may be empty.
        let spot = self.nodes.edit(at, |node| match node {
            Node::Packed(pack) => match pack.remove(entry) {
                None => Spot::Back,
                Some(next) if pack.first() == Some(next) => Spot::Front,
                Some(next) => Spot::Before(next),
            },
            Node::Plain(_) => Spot::Front,
        });
        self.insert_at(at, spot, value);
        true
    }

    /// Removes up to `count` elements from `start` on. Returns whole nodes of them, to be freed where that holds up nobody.
    pub fn remove_range(&mut self, start: usize, count: usize) -> Quicklist {
        let mut detached = Quicklist::new(self.limit);
        let mut left = count.min(self.len().saturating_sub(start));
        while left > 0 {
            let Some((at, inside)) = self.nodes.locate(start) else { break };
            let len = self.nodes.get(at).len();
            if inside == 0 && left >= len {
                let stop = self.nodes.locate(start + left).map(|(stop, _)| stop);
                let before = self.len();
                detached.nodes = self.nodes.detach(at, stop);
                left -= before - self.len();
                continue;
            }
            // Part of a pack; a plain node is either whole or untouched.
            left -= self.nodes.edit(at, |node| match node {
                Node::Packed(pack) => pack.remove_range(inside, left),
                Node::Plain(_) => left,
            });
        }
        self.join_sparse(start);
        detached
    }

    /// Joins the node with element `index` with its neighbours if they are sparse: together at most half of what a node may be,
    /// so that they do not split again at once.
    fn join_sparse(&mut self, index: usize) {
        let limit = self.limit.halved();
        let Some((at, _)) = self.nodes.locate(index.min(self.len().saturating_sub(1))) else { return };
        let at = self.nodes.merge_next(at, |node, other| node.may_join(other, limit));
        if let Some(prev) = self.nodes.prev(at) {
            self.nodes.merge_next(prev, |node, other| node.may_join(other, limit));
        }
    }

    /// Removes up to `count` elements that are `text`, seen from that end. Returns how many there were.
    pub fn remove_matching(&mut self, text: &[u8], count: usize, direction: Direction) -> usize {
        let search = self.search(text);
        let limit = self.limit.halved();
        let mut removed = 0;
        // Elements that were looked at and stay; they are at the end where the search began.
        let mut kept = 0;
        let mut next = self.nodes.end(direction);
        while let Some(at) = next
            && removed < count
        {
            // Most nodes have none, and are not touched.
            if self.nodes.get(at).find(&search, direction).is_none() {
                kept += self.nodes.get(at).len();
                next = self.nodes.beside(at, direction);
                continue;
            }
            let (gone, stay) = self.nodes.edit(at, |node| node.remove_matching(&search, count - removed, direction));
            removed += gone;
            kept += stay;
            if stay == 0 {
                self.nodes.remove(at);
            } else {
                // With the neighbour that has been looked at, if there is one.
                let first = match direction {
                    Direction::FromFront => self.nodes.prev(at),
                    Direction::FromBack => Some(at),
                };
                if let Some(first) = first {
                    self.nodes.merge_next(first, |node, other| node.may_join(other, limit));
                }
            }
            // Nodes have moved: the one to look at next is found by what lies before it.
            let index = match direction {
                Direction::FromFront => Some(kept),
                Direction::FromBack => (self.len() - kept).checked_sub(1),
            };
            next = index.and_then(|index| self.nodes.locate(index)).map(|(at, _)| at);
        }
        removed
    }
}
