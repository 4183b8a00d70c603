//! Changes inside a quicklist: nodes are split where they must be and joined where they can be.
//!
//! A node that is changed is opened first, and says so when it has been ([`super::depth`]).

use super::sequence::At;
use super::{Direction, Node, NodeLimit, Place, Quicklist};
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
        self.open(at);
        let spot = match self.nodes.get(at) {
            Node::Packed(pack) if inside > 0 => pack.seek(inside).map_or(Spot::Front, Spot::Before),
            _ => Spot::Front,
        };
        self.insert_at(at, spot, value);
        true
    }

    /// Adds an element before the one at `place`.
    pub fn insert_before<'v>(&mut self, place: Place, value: impl Into<ListpackValue<'v>>) {
        self.open(place.node);
        let spot = match self.nodes.get(place.node) {
            Node::Packed(pack) if pack.first() != Some(place.entry) => Spot::Before(place.entry),
            _ => Spot::Front,
        };
        self.insert_at(place.node, spot, value.into());
    }

    /// Adds an element behind the one at `place`.
    pub fn insert_after<'v>(&mut self, place: Place, value: impl Into<ListpackValue<'v>>) {
        self.open(place.node);
        let spot = match self.nodes.get(place.node) {
            Node::Packed(pack) => pack.next(place.entry).map_or(Spot::Back, Spot::Before),
            _ => Spot::Back,
        };
        self.insert_at(place.node, spot, value.into());
    }

    /// The node at `at` is open.
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
            self.compress(at);
            return;
        }
        // A neighbour may have room on the side that faces the place.
        let beside = match spot {
            Spot::Front => self.nodes.prev(at),
            Spot::Back => self.nodes.next(at),
            Spot::Before(_) => None,
        };
        if let Some(beside) = beside.filter(|&beside| self.nodes.get(beside).may_take(value, limit)) {
            self.open(beside);
            self.nodes.edit(beside, |node| match spot {
                Spot::Front => node.try_append(value, limit),
                Spot::Back | Spot::Before(_) => node.try_prepend(value, limit),
            });
            self.compress(beside);
            self.compress(at);
            return;
        }
        let new = Node::new(value, limit);
        match spot {
            Spot::Front => {
                let new = self.nodes.insert_before(at, new);
                self.has_split(Some(new), 2);
            }
            Spot::Back => {
                let new = self.nodes.insert_after(at, new);
                self.has_split(self.nodes.prev(new), 2);
            }
            Spot::Before(entry) => self.split(at, entry, Some(new)),
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
            _ => None,
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
            let Some(here) = next else { break };
            (at, _) = self.nodes.merge_next(here, |node, other| node.may_join(other, limit));
            next = self.nodes.prev(at);
        }
        self.has_split(Some(at), 2 + joints);
    }

    /// Replaces element `index`; false: there is none.
    pub fn set<'v>(&mut self, index: usize, value: impl Into<ListpackValue<'v>>) -> bool {
        let value = value.into();
        let limit = self.limit;
        let Some((at, inside)) = self.nodes.locate(index) else { return false };
        let is_large = limit.is_large(value.text_len());
        if self.nodes.get(at).len() == 1 {
            self.nodes.edit(at, |node| *node = Node::new(value, limit));
            self.compress(at);
            return true;
        }
        self.open(at);
        let Node::Packed(pack) = self.nodes.get(at) else { return false };
        let Some(entry) = pack.seek(inside) else { return false };
        if !is_large {
            let exceeds = self.nodes.edit(at, |node| match node {
                Node::Packed(pack) => {
                    pack.replace(entry, value);
                    limit.is_exceeded(pack.total_bytes(), pack.len())
                }
                _ => false,
            });
            if !exceeds {
                self.compress(at);
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
            _ => Spot::Front,
        });
        self.insert_at(at, spot, value);
        true
    }

    /// Removes up to `count` elements from `start` on. Returns whole nodes of them, to be freed where that holds up nobody.
    pub fn remove_range(&mut self, start: usize, count: usize) -> Quicklist {
        let mut detached = Quicklist::new(self.limit, 0);
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
            self.open(at);
            left -= self.nodes.edit(at, |node| match node {
                Node::Packed(pack) => pack.remove_range(inside, left),
                _ => left,
            });
            self.compress(at);
        }
        self.join_sparse(start);
        self.open_ends();
        detached
    }

    /// Joins the node with element `index` with its neighbours if they are sparse: together at most half of what a node may be,
    /// so that they do not split again at once.
    fn join_sparse(&mut self, index: usize) {
        let limit = self.limit.halved();
        let Some((at, _)) = self.nodes.locate(index.min(self.len().saturating_sub(1))) else { return };
        let at = self.join_next(at, limit);
        if let Some(prev) = self.nodes.prev(at) {
            self.join_next(prev, limit);
        }
    }

    /// The node at `at` takes in the one behind it, if both together are within `limit`. Returns where it is then.
    fn join_next(&mut self, at: At, limit: NodeLimit) -> At {
        let (at, has_joined) = self.nodes.merge_next(at, |node, other| node.may_join(other, limit));
        if has_joined {
            self.compress(at);
        }
        at
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
                self.compress(at);
                // With the neighbour that has been looked at, if there is one.
                let first = match direction {
                    Direction::FromFront => self.nodes.prev(at),
                    Direction::FromBack => Some(at),
                };
                if let Some(first) = first {
                    self.join_next(first, limit);
                }
            }
            // Nodes have moved: the one to look at next is found by what lies before it.
            let index = match direction {
                Direction::FromFront => Some(kept),
                Direction::FromBack => (self.len() - kept).checked_sub(1),
            };
            next = index.and_then(|index| self.nodes.locate(index)).map(|(at, _)| at);
        }
        if removed > 0 {
            self.open_ends();
        }
        removed
    }
}
