//! Random elements of a pack. The random source is the caller's: `below(n)` is a random number below `n`.

use super::{Listpack, Position};

impl Listpack {
    /// The first element of one of the groups of `stride` elements (2: a field), each group with the same probability.
    pub fn random(&self, stride: usize, mut below: impl FnMut(usize) -> usize) -> Option<Position> {
        let groups = self.len() / stride.max(1);
        if groups == 0 {
            return None;
        }
        self.seek(below(groups) * stride.max(1))
    }

    /// Visits the first elements of `count` different groups of `stride`, or of all, in the order of the pack: one walk, and
    /// each choice of groups is as likely as any other.
    pub fn sample(
        &self,
        stride: usize,
        count: usize,
        mut below: impl FnMut(usize) -> usize,
        mut visit: impl FnMut(Position),
    ) {
        let stride = stride.max(1);
        let groups = self.len() / stride;
        let mut wanted = count.min(groups);
        let Some(mut position) = self.first() else { return };
        for group in 0..groups {
            if wanted == 0 {
                return;
            }
            // Of the groups that are left, so many are still wanted.
            if below(groups - group) < wanted {
                visit(position);
                wanted -= 1;
            }
            for _ in 0..stride {
                match self.next(position) {
                    Some(next) => position = next,
                    None => return,
                }
            }
        }
    }
}
