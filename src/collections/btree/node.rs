//! The nodes of the tree: searching, splitting and joining. Recursion is as deep as the tree is high.

use super::Entry;

/// Entries of a leaf's array beyond its length, at most, after it grew; twice that after it shrank.
const SLACK: usize = 8;

/// A subtree. All leaves of a tree are equally deep.
pub(super) enum Node<M, const NODE: usize> {
    Leaf(Vec<Entry<M>>),
    Inner(Box<Inner<M, NODE>>),
}

/// Child `i` belongs to fence `i`.
pub(super) struct Inner<M, const NODE: usize> {
    fences: Vec<Fence>,
    children: Vec<Node<M, NODE>>,
}

#[derive(Clone, Copy)]
struct Fence {
    /// At least every score left of the child, at most every score in it and right of it. Without meaning for a first child.
    bound: f64,
    /// Entries below the child.
    count: usize,
}

/// How an update in place went.
pub(super) enum Descent {
    Done,
    Absent,
    /// The entry exists, and its new score belongs somewhere else.
    Elsewhere,
}

/// A node that split in two: the bound of the right one, and it.
type Split<M, const NODE: usize> = Option<(f64, Node<M, NODE>)>;

/// Where a full node that gets another element at `at` is cut: in the middle, or so that a run of ascending or descending elements
/// leaves well-filled nodes behind.
fn cut<const NODE: usize>(at: usize) -> usize {
    match at {
        0 => NODE / 4,
        at if at == NODE => NODE - NODE / 4,
        _ => NODE / 2,
    }
}

fn reserve<M>(leaf: &mut Vec<Entry<M>>, max: usize) {
    if leaf.len() == leaf.capacity() {
        leaf.reserve_exact(SLACK.min(max.saturating_sub(leaf.len())).max(1));
    }
}

fn trim<M>(leaf: &mut Vec<Entry<M>>) {
    if leaf.capacity() - leaf.len() >= 2 * SLACK {
        leaf.shrink_to(leaf.len() + SLACK);
    }
}

/// The place of this score and these bytes in a leaf, or the place where they belong.
#[inline]
fn search<M: AsRef<[u8]>>(leaf: &[Entry<M>], score: f64, bytes: &[u8]) -> Result<usize, usize> {
    // Most scores are there once or never: find the first that is not lower, and look at members only if it is the same.
    let mut at = leaf.partition_point(|entry| entry.score < score);
    let same = leaf[at..].iter().take(2).take_while(|entry| entry.score == score).count();
    if same == 0 {
        return Err(at);
    }
    if same == 2 {
        at += leaf[at..].partition_point(|entry| entry.cmp(score, bytes).is_lt());
    }
    match leaf.get(at).map(|entry| entry.cmp(score, bytes)) {
        Some(std::cmp::Ordering::Equal) => Ok(at),
        Some(std::cmp::Ordering::Less) => Err(at + 1),
        _ => Err(at),
    }
}

impl<M: AsRef<[u8]>, const NODE: usize> Node<M, NODE> {
    /// Fewest elements of a node that is not the root.
    const MIN: usize = NODE / 4;
    /// Neighbours that have no more than this together become one node.
    const JOIN: usize = NODE - NODE / 4;

    pub(super) fn parent(left: Self, bound: f64, right: Self) -> Self {
        let fences =
            vec![Fence { bound: f64::NEG_INFINITY, count: left.count() }, Fence { bound, count: right.count() }];
        Node::Inner(Box::new(Inner { fences, children: vec![left, right] }))
    }

    /// A tree of sorted entries. Nodes are filled to three quarters, so that the first inserts do not split every one of them.
    pub(super) fn build(mut entries: Vec<Entry<M>>) -> Self {
        if entries.len() <= NODE {
            entries.shrink_to_fit();
            return Node::Leaf(entries);
        }
        let mut entries = entries.into_iter();
        let mut level: Vec<(Fence, Self)> = Vec::with_capacity(entries.len() / Self::JOIN + 1);
        for count in shares(entries.len(), Self::JOIN) {
            let leaf: Vec<Entry<M>> = entries.by_ref().take(count).collect();
            level.push((Fence { bound: leaf[0].score, count }, Node::Leaf(leaf)));
        }
        while level.len() > 1 {
            let mut below = level.into_iter();
            level = Vec::with_capacity(below.len() / Self::JOIN + 1);
            for share in shares(below.len(), Self::JOIN) {
                let (fences, children): (Vec<Fence>, Vec<Self>) = below.by_ref().take(share).unzip();
                let fence = Fence { bound: fences[0].bound, count: fences.iter().map(|fence| fence.count).sum() };
                level.push((fence, Node::Inner(Box::new(Inner { fences, children }))));
            }
        }
        level.pop().map_or(Node::Leaf(Vec::new()), |(_, root)| root)
    }

    /// Elements: entries of a leaf, children of an inner node.
    #[inline]
    fn len(&self) -> usize {
        match self {
            Node::Leaf(leaf) => leaf.len(),
            Node::Inner(inner) => inner.children.len(),
        }
    }

    fn count(&self) -> usize {
        match self {
            Node::Leaf(leaf) => leaf.len(),
            Node::Inner(inner) => inner.fences.iter().map(|fence| fence.count).sum(),
        }
    }

    #[inline]
    fn is_sparse(&self) -> bool {
        self.len() < Self::MIN
    }

    fn first(&self) -> &Entry<M> {
        let mut node = self;
        loop {
            match node {
                Node::Leaf(leaf) => return &leaf[0],
                Node::Inner(inner) => node = &inner.children[0],
            }
        }
    }

    /// None: such an entry is there already. A split is the caller's to insert.
    pub(super) fn insert(&mut self, entry: Entry<M>) -> Option<Split<M, NODE>> {
        let leaf = match self {
            Node::Inner(inner) => return inner.insert(entry),
            Node::Leaf(leaf) => leaf,
        };
        let Err(mut at) = search(leaf, entry.score, entry.member.as_ref()) else { return None };
        if leaf.len() < NODE {
            reserve(leaf, NODE);
            leaf.insert(at, entry);
            return Some(None);
        }
        let cut = cut::<NODE>(at);
        let mut right = Vec::with_capacity(NODE - cut + SLACK);
        right.extend(leaf.drain(cut..));
        leaf.shrink_to(cut + SLACK);
        let half = if at > cut {
            at -= cut;
            &mut right
        } else {
            &mut *leaf
        };
        half.insert(at, entry);
        Some(Some((right[0].score, Node::Leaf(right))))
    }

    pub(super) fn remove(&mut self, score: f64, bytes: &[u8]) -> Option<Entry<M>> {
        match self {
            Node::Leaf(leaf) => {
                let at = search(leaf, score, bytes).ok()?;
                let removed = leaf.remove(at);
                trim(leaf);
                Some(removed)
            }
            Node::Inner(inner) => {
                let child = inner.child(score, bytes);
                let removed = inner.children[child].remove(score, bytes)?;
                inner.fences[child].count -= 1;
                inner.settle(child);
                Some(removed)
            }
        }
    }

    /// `rank` is below the count.
    pub(super) fn remove_rank(&mut self, rank: usize) -> Entry<M> {
        match self {
            Node::Leaf(leaf) => {
                let removed = leaf.remove(rank);
                trim(leaf);
                removed
            }
            Node::Inner(inner) => {
                let (child, rank) = inner.child_of_rank(rank);
                let removed = inner.children[child].remove_rank(rank);
                inner.fences[child].count -= 1;
                inner.settle(child);
                removed
            }
        }
    }

    /// Hands on every entry, in order.
    pub(super) fn consume(self, removed: &mut impl FnMut(Entry<M>)) {
        match self {
            Node::Leaf(leaf) => leaf.into_iter().for_each(removed),
            Node::Inner(inner) => inner.children.into_iter().for_each(|child| child.consume(removed)),
        }
    }

    /// Removes ranks `from..to`: some, not all of this subtree. A child may be left sparse if it is alone in its node; that node is
    /// sparse too then, and the caller settles it.
    pub(super) fn remove_range(&mut self, from: usize, to: usize, removed: &mut impl FnMut(Entry<M>)) {
        match self {
            Node::Leaf(leaf) => {
                leaf.drain(from..to).for_each(removed);
                trim(leaf);
            }
            Node::Inner(inner) => inner.remove_range(from, to, removed),
        }
    }

    /// An inner root with a single child gives way to it.
    pub(super) fn collapse(&mut self) {
        while let Node::Inner(inner) = self
            && inner.children.len() == 1
            && let Some(child) = inner.children.pop()
        {
            *self = child;
        }
    }

    pub(super) fn update(&mut self, old: f64, new: f64, bytes: &[u8]) -> Descent {
        let mut node = self;
        // What the entries left and right of the leaf keep to; None: there are none.
        let (mut low, mut high) = (None, None);
        loop {
            match node {
                Node::Inner(inner) => {
                    let child = inner.child(old, bytes);
                    if child > 0 {
                        low = Some(inner.fences[child].bound);
                    }
                    high = inner.fences.get(child + 1).map_or(high, |fence| Some(fence.bound));
                    node = &mut inner.children[child];
                }
                Node::Leaf(leaf) => {
                    let Ok(at) = search(leaf, old, bytes) else { return Descent::Absent };
                    let follows = match at.checked_sub(1) {
                        Some(before) => leaf[before].cmp(new, bytes).is_lt(),
                        None => low.is_none_or(|low| new > low),
                    };
                    let precedes = match leaf.get(at + 1) {
                        Some(behind) => behind.cmp(new, bytes).is_gt(),
                        None => high.is_none_or(|high| new < high),
                    };
                    if !follows || !precedes {
                        return Descent::Elsewhere;
                    }
                    leaf[at].score = new;
                    return Descent::Done;
                }
            }
        }
    }

    pub(super) fn rank(&self, score: f64, bytes: &[u8]) -> Option<usize> {
        let mut node = self;
        let mut rank = 0;
        loop {
            match node {
                Node::Inner(inner) => {
                    let child = inner.child(score, bytes);
                    rank += inner.count_before(child);
                    node = &inner.children[child];
                }
                Node::Leaf(leaf) => return search(leaf, score, bytes).ok().map(|at| rank + at),
            }
        }
    }

    pub(super) fn select(&self, mut rank: usize) -> Option<&Entry<M>> {
        let mut node = self;
        loop {
            match node {
                Node::Inner(inner) => {
                    let (child, rest) = inner.child_of_rank(rank);
                    rank = rest;
                    node = &inner.children[child];
                }
                Node::Leaf(leaf) => return leaf.get(rank),
            }
        }
    }

    /// Entries with a lower score, or one that is not higher.
    pub(super) fn count_below_score(&self, score: f64, or_equal: bool) -> usize {
        let below = |other: f64| if or_equal { other <= score } else { other < score };
        let mut node = self;
        let mut count = 0;
        loop {
            match node {
                Node::Inner(inner) => {
                    // Everything left of a child whose bound is below is below.
                    let child = inner.fences[1..].partition_point(|fence| below(fence.bound));
                    count += inner.count_before(child);
                    node = &inner.children[child];
                }
                Node::Leaf(leaf) => return count + leaf.partition_point(|entry| below(entry.score)),
            }
        }
    }

    /// Entries with a lower member, or one that is not higher; scores are taken as all the same.
    pub(super) fn count_below_member(&self, bytes: &[u8], or_equal: bool) -> usize {
        let below =
            |entry: &Entry<M>| if or_equal { entry.member.as_ref() <= bytes } else { entry.member.as_ref() < bytes };
        let mut node = self;
        let mut count = 0;
        loop {
            match node {
                Node::Inner(inner) => {
                    let child = inner.children[1..].partition_point(|child| below(child.first()));
                    count += inner.count_before(child);
                    node = &inner.children[child];
                }
                Node::Leaf(leaf) => return count + leaf.partition_point(below),
            }
        }
    }

    /// Bytes of the subtree. `leaves` may be looked at, and are counted down; what is below the others is taken to be like what is below
    /// them.
    pub(super) fn memory_bytes(&self, leaves: &mut usize) -> usize {
        match self {
            Node::Leaf(leaf) => {
                *leaves = leaves.saturating_sub(1);
                leaf.capacity() * size_of::<Entry<M>>()
            }
            Node::Inner(inner) => {
                let arrays =
                    inner.fences.capacity() * size_of::<Fence>() + inner.children.capacity() * size_of::<Self>();
                let (mut bytes, mut entries) = (0, 0);
                for (child, fence) in inner.children.iter().zip(&inner.fences) {
                    bytes += child.memory_bytes(leaves);
                    entries += fence.count;
                    if *leaves == 0 {
                        break;
                    }
                }
                let below = bytes as u128 * self.count() as u128 / entries.max(1) as u128;
                size_of::<Inner<M, NODE>>() + arrays + below as usize
            }
        }
    }

    /// Panics unless the subtree's own invariants hold; its entries.
    #[cfg(test)]
    pub(super) fn check(&self, is_root: bool) -> usize {
        assert!(self.len() <= NODE, "{} elements", self.len());
        assert!(is_root || !self.is_sparse(), "{} elements", self.len());
        match self {
            Node::Leaf(leaf) => {
                assert!(leaf.iter().all(|entry| !entry.score.is_nan()));
                assert!(leaf.capacity() <= leaf.len() + 2 * SLACK, "{} of {}", leaf.len(), leaf.capacity());
                leaf.len()
            }
            Node::Inner(inner) => {
                assert!(inner.children.len() >= 2);
                assert_eq!(inner.children.len(), inner.fences.len());
                let mut heights: Vec<usize> = inner.children.iter().map(Node::height).collect();
                heights.dedup();
                assert_eq!(heights.len(), 1, "leaves of different depth");
                for (at, (fence, child)) in inner.fences.iter().zip(&inner.children).enumerate() {
                    assert_eq!(child.check(false), fence.count);
                    if at > 0 {
                        assert!(inner.children[at - 1].last().score <= fence.bound);
                        assert!(fence.bound <= child.first().score);
                    }
                }
                inner.fences.iter().map(|fence| fence.count).sum()
            }
        }
    }

    #[cfg(test)]
    pub(super) fn height(&self) -> usize {
        match self {
            Node::Leaf(_) => 0,
            Node::Inner(inner) => 1 + inner.children[0].height(),
        }
    }

    #[cfg(test)]
    fn last(&self) -> &Entry<M> {
        self.select(self.count() - 1).expect("a node that is not the root has entries")
    }
}

/// `total` in parts of about `part`, none differing from another by more than one.
fn shares(total: usize, part: usize) -> impl Iterator<Item = usize> {
    let parts = total.div_ceil(part);
    (0..parts).map(move |at| (at + 1) * total / parts - at * total / parts)
}

impl<M: AsRef<[u8]>, const NODE: usize> Inner<M, NODE> {
    pub(super) fn children(&self) -> &[Node<M, NODE>] {
        &self.children
    }

    /// Entries left of a child.
    #[inline]
    fn count_before(&self, child: usize) -> usize {
        self.fences[..child].iter().map(|fence| fence.count).sum()
    }

    /// The child with the entry of this rank, and the rank there.
    #[inline]
    pub(super) fn child_of_rank(&self, mut rank: usize) -> (usize, usize) {
        for (at, fence) in self.fences.iter().enumerate() {
            if rank < fence.count {
                return (at, rank);
            }
            rank -= fence.count;
        }
        unreachable!("ranks are checked against the count above")
    }

    /// The child where this score and these bytes are or belong.
    #[inline]
    fn child(&self, score: f64, bytes: &[u8]) -> usize {
        let rest = &self.fences[1..];
        let lower = rest.partition_point(|fence| fence.bound < score);
        if rest.get(lower).is_none_or(|fence| fence.bound > score) {
            return lower;
        }
        let same = rest[lower..].partition_point(|fence| fence.bound == score);
        let children = &self.children[1 + lower..1 + lower + same];
        lower + children.partition_point(|child| child.first().cmp(score, bytes).is_le())
    }

    fn insert(&mut self, entry: Entry<M>) -> Option<Split<M, NODE>> {
        let child = self.child(entry.score, entry.member.as_ref());
        let split = self.children[child].insert(entry)?;
        self.fences[child].count += 1;
        let Some((bound, right)) = split else { return Some(None) };
        let count = right.count();
        self.fences[child].count -= count;
        self.fences.insert(child + 1, Fence { bound, count });
        self.children.insert(child + 1, right);
        if self.children.len() <= NODE {
            return Some(None);
        }
        Some(Some(self.split_off(cut::<NODE>(child + 1))))
    }

    fn split_off(&mut self, at: usize) -> (f64, Node<M, NODE>) {
        let fences = self.fences.split_off(at);
        let children = self.children.split_off(at);
        self.fences.shrink_to(NODE);
        self.children.shrink_to(NODE);
        (fences[0].bound, Node::Inner(Box::new(Inner { fences, children })))
    }

    /// Joins a child with neighbours until it has its minimum again, or is alone.
    fn settle(&mut self, child: usize) {
        let mut child = child;
        while self.children.len() > 1 && self.children.get(child).is_some_and(Node::is_sparse) {
            child = child.min(self.children.len() - 2);
            self.join(child);
        }
    }

    /// Makes one node of a child and its right neighbour, or two of equal length if that were too long.
    fn join(&mut self, left: usize) {
        let right = self.children.remove(left + 1);
        let fence = self.fences.remove(left + 1);
        self.fences[left].count += fence.count;
        let whole = &mut self.children[left];
        match (&mut *whole, right) {
            (Node::Leaf(whole), Node::Leaf(mut right)) => {
                whole.reserve_exact(right.len());
                whole.append(&mut right);
            }
            (Node::Inner(whole), Node::Inner(mut right)) => {
                let seam = whole.children.len();
                right.fences[0].bound = fence.bound;
                whole.fences.append(&mut right.fences);
                whole.children.append(&mut right.children);
                // A child alone in its node may have been left sparse.
                whole.settle(seam);
                whole.settle(seam - 1);
            }
            _ => unreachable!("leaves are equally deep"),
        }
        if whole.len() <= Node::<M, NODE>::JOIN {
            return;
        }
        let half = whole.len() / 2;
        let (bound, right) = match whole {
            Node::Leaf(whole) => {
                let right = whole.split_off(half);
                whole.shrink_to(half + SLACK);
                (right[0].score, Node::Leaf(right))
            }
            Node::Inner(whole) => whole.split_off(half),
        };
        let count = right.count();
        self.fences[left].count -= count;
        self.fences.insert(left + 1, Fence { bound, count });
        self.children.insert(left + 1, right);
    }

    fn remove_range(&mut self, from: usize, to: usize, removed: &mut impl FnMut(Entry<M>)) {
        let (first, head) = self.child_of_rank(from);
        let (last, tail) = self.child_of_rank(to - 1);
        let ends_whole = tail + 1 == self.fences[last].count;
        if first == last && (head > 0 || !ends_whole) {
            self.children[first].remove_range(head, tail + 1, removed);
            self.fences[first].count -= to - from;
            self.settle(first);
            return;
        }
        let mut gone = first;
        if head > 0 {
            self.children[first].remove_range(head, self.fences[first].count, removed);
            self.fences[first].count = head;
            gone += 1;
        }
        let stays = if ends_whole { last + 1 } else { last };
        self.fences.drain(gone..stays);
        self.children.drain(gone..stays).for_each(|child| child.consume(removed));
        if !ends_whole {
            self.children[gone].remove_range(0, tail + 1, removed);
            self.fences[gone].count -= tail + 1;
        }
        self.settle(gone);
        if gone > 0 {
            self.settle(gone - 1);
        }
    }
}
