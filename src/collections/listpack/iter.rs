//! Walking a listpack from either end, one by one or in pairs.

use super::entry::{self, ListpackValue};

/// Elements of a pack, from either end.
#[derive(Clone)]
pub struct Iter<'a> {
    pack: &'a [u8],
    front: usize,
    back: usize,
}

impl<'a> Iter<'a> {
    /// The entries between two offsets at which entries begin or end.
    #[inline]
    pub(super) fn new(pack: &'a [u8], front: usize, back: usize) -> Iter<'a> {
        Iter { pack, front, back }
    }

    /// No elements.
    pub const fn empty() -> Iter<'a> {
        Iter { pack: &[], front: 0, back: 0 }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = ListpackValue<'a>;

    #[inline]
    fn next(&mut self) -> Option<ListpackValue<'a>> {
        let (value, size) = entry::decode(self.pack.get(self.front..self.back)?)?;
        self.front += size + entry::backlen_len(size);
        Some(value)
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        let (size, backlen) = entry::read_backlen(self.pack.get(self.front..self.back)?)?;
        self.back = self.back.checked_sub(size + backlen)?;
        entry::decode(self.pack.get(self.back..)?).map(|(value, _)| value)
    }
}

/// Elements two by two.
#[derive(Clone)]
pub struct Pairs<'a>(Iter<'a>);

impl<'a> Pairs<'a> {
    #[inline]
    pub(super) fn new(elements: Iter<'a>) -> Pairs<'a> {
        Pairs(elements)
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (ListpackValue<'a>, ListpackValue<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        Some((self.0.next()?, self.0.next()?))
    }
}

impl DoubleEndedIterator for Pairs<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        let second = self.0.next_back()?;
        Some((self.0.next_back()?, second))
    }
}
