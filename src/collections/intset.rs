//! The intset: a small set of integers as one sorted array, as Redis keeps and saves it.
//!
//! ```text
//!   | width u32: 2, 4 or 8 | count u32 | member | member | ... |      all little endian, members `width` bytes each, ascending
//! ```
//!
//! Owns its bytes. Knows nothing of the set around it, nor when it is too long to be an intset.
//!
//! Invariants, established by [`IntSet::from_bytes`] and kept by every change: the length is 8 + `count` * `width`; members are
//! strictly ascending; every member fits in `width` bytes. The width only grows: a set that has had a large member stays wide, as
//! Redis's does.
//!
//! Cost: search is binary; insert and remove move the members behind; widening rewrites the array once, at most twice in its life.

use super::Malformed;
use super::thin_bytes::ThinBytes;

#[cfg(test)]
mod tests;

const HEADER: usize = 8;
/// Most members: as wide as they may become they take half of what the buffer holds.
pub const LEN_MAX: usize = 1 << 28;

/// Bytes of a member, and of the narrower ones that it replaces.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Width {
    Two = 2,
    Four = 4,
    Eight = 8,
}

impl Width {
    #[inline]
    fn of(value: i64) -> Width {
        if i16::try_from(value).is_ok() {
            Width::Two
        } else if i32::try_from(value).is_ok() {
            Width::Four
        } else {
            Width::Eight
        }
    }

    #[inline]
    const fn bytes(self) -> usize {
        self as usize
    }

    /// The member in `bytes`, of which there are as many as it is wide.
    #[inline]
    fn read(self, bytes: &[u8]) -> Option<i64> {
        Some(match self {
            Width::Two => i64::from(i16::from_le_bytes(*bytes.first_chunk()?)),
            Width::Four => i64::from(i32::from_le_bytes(*bytes.first_chunk()?)),
            Width::Eight => i64::from_le_bytes(*bytes.first_chunk()?),
        })
    }
}

/// A sorted set of integers.
#[derive(Clone, PartialEq, Eq)]
pub struct IntSet {
    /// The header's fields are read from here: the first bytes of what a search touches anyway.
    bytes: ThinBytes,
}

impl Default for IntSet {
    fn default() -> Self {
        IntSet::new()
    }
}

impl std::fmt::Debug for IntSet {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.iter()).finish()
    }
}

impl IntSet {
    pub fn new() -> IntSet {
        let mut bytes = ThinBytes::with_capacity(HEADER + Width::Two.bytes());
        bytes.extend_from_slice(&[Width::Two as u8, 0, 0, 0, 0, 0, 0, 0]);
        IntSet { bytes }
    }

    /// Reads a set from a file or a client, once its lengths and its order have been checked.
    pub fn from_bytes(bytes: &[u8]) -> Result<IntSet, Malformed> {
        let Some((width, rest)) = bytes.split_first_chunk::<4>() else {
            return Err(Malformed("intset shorter than its header"));
        };
        let Some((count, members)) = rest.split_first_chunk::<4>() else {
            return Err(Malformed("intset shorter than its header"));
        };
        let width = match u32::from_le_bytes(*width) {
            2 => Width::Two,
            4 => Width::Four,
            8 => Width::Eight,
            _ => return Err(Malformed("intset of an unknown encoding")),
        };
        if u64::from(u32::from_le_bytes(*count)) * width.bytes() as u64 != members.len() as u64 {
            return Err(Malformed("intset of another length than its header says"));
        }
        if u32::from_le_bytes(*count) as usize > LEN_MAX {
            return Err(Malformed("intset of too many members"));
        }
        let set = IntSet { bytes: ThinBytes::from(bytes) };
        if !set.iter().zip(set.iter().skip(1)).all(|(a, b)| a < b) {
            return Err(Malformed("intset out of order"));
        }
        Ok(set)
    }

    /// The set as Redis keeps and saves it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Memory held, bytes.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.allocated_bytes()
    }

    #[inline]
    fn width(&self) -> Width {
        match self.bytes.first() {
            Some(2) => Width::Two,
            Some(4) => Width::Four,
            _ => Width::Eight,
        }
    }

    #[inline]
    pub fn len(&self) -> usize {
        (self.bytes.len() - HEADER) / self.width().bytes()
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes.len() == HEADER
    }

    /// Member number `index` in ascending order.
    #[inline]
    pub fn get(&self, index: usize) -> Option<i64> {
        let width = self.width();
        width.read(self.bytes.get(index.checked_mul(width.bytes())?.checked_add(HEADER)?..)?)
    }

    pub fn min(&self) -> Option<i64> {
        self.get(0)
    }

    pub fn max(&self) -> Option<i64> {
        self.get(self.len().checked_sub(1)?)
    }

    /// A member, each with the same probability. `below(n)` is a random number below `n`.
    pub fn random(&self, below: impl FnOnce(usize) -> usize) -> Option<i64> {
        if self.is_empty() { None } else { self.get(below(self.len())) }
    }

    /// Where `value` is, or where it would have to be.
    #[inline]
    fn search(&self, value: i64) -> Result<usize, usize> {
        // One instance of the search per width, so that the width is not asked for at every step.
        match self.width() {
            Width::Two => {
                search(self.bytes[HEADER..].as_chunks().0, value, |&member| i16::from_le_bytes(member).into())
            }
            Width::Four => {
                search(self.bytes[HEADER..].as_chunks().0, value, |&member| i32::from_le_bytes(member).into())
            }
            Width::Eight => search(self.bytes[HEADER..].as_chunks().0, value, |&member| i64::from_le_bytes(member)),
        }
    }

    #[inline]
    pub fn contains(&self, value: i64) -> bool {
        self.search(value).is_ok()
    }

    /// Adds `value`; false: it was there.
    pub fn insert(&mut self, value: i64) -> bool {
        let needed = Width::of(value);
        if needed > self.width() {
            self.widen(needed, value);
            return true;
        }
        let Err(index) = self.search(value) else { return false };
        let width = self.width().bytes();
        let at = HEADER + index * width;
        let len = self.bytes.len();
        self.bytes.resize(len + width);
        self.bytes.copy_within(at..len, at + width);
        self.bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
        self.write_count();
        true
    }

    /// Rewrites every member `width` wide and adds `value`, which needs that width: so it is the least or the greatest.
    #[cold]
    fn widen(&mut self, width: Width, value: i64) {
        let len = HEADER + (self.len() + 1) * width.bytes();
        let mut bytes = ThinBytes::with_capacity(len);
        bytes.extend_from_slice(&[width as u8, 0, 0, 0, 0, 0, 0, 0]);
        let (below, above) = if value < 0 { (Some(value), None) } else { (None, Some(value)) };
        for member in below.into_iter().chain(self.iter()).chain(above) {
            bytes.extend_from_slice(&member.to_le_bytes()[..width.bytes()]);
        }
        self.bytes = bytes;
        self.write_count();
    }

    /// Removes `value`; false: it was not there.
    pub fn remove(&mut self, value: i64) -> bool {
        let Ok(index) = self.search(value) else { return false };
        let width = self.width().bytes();
        let at = HEADER + index * width;
        self.bytes.copy_within(at + width.., at);
        self.bytes.truncate(self.bytes.len() - width);
        if self.bytes.capacity() > SHRINK_ABOVE && self.bytes.len() < self.bytes.capacity() / 2 {
            self.bytes.shrink_to(0);
        }
        self.write_count();
        true
    }

    fn write_count(&mut self) {
        let count = u32::try_from(self.len()).expect("an intset of more than 4 G members");
        self.bytes[4..HEADER].copy_from_slice(&count.to_le_bytes());
    }

    /// Members in ascending order, from either end.
    #[inline]
    pub fn iter(&self) -> Iter<'_> {
        let width = self.width();
        Iter { members: self.bytes.get(HEADER..).unwrap_or_default(), width }
    }
}

/// Buffers up to this size stay when their set shrinks.
const SHRINK_ABOVE: usize = 256;

#[inline]
fn search<const N: usize>(members: &[[u8; N]], value: i64, read: impl Fn(&[u8; N]) -> i64) -> Result<usize, usize> {
    // Members are often added in ascending order.
    if members.last().is_some_and(|last| read(last) < value) {
        return Err(members.len());
    }
    members.binary_search_by_key(&value, read)
}

/// Members in ascending order.
#[derive(Clone)]
pub struct Iter<'a> {
    members: &'a [u8],
    width: Width,
}

impl Iterator for Iter<'_> {
    type Item = i64;

    #[inline]
    fn next(&mut self) -> Option<i64> {
        let (member, rest) = self.members.split_at_checked(self.width.bytes())?;
        self.members = rest;
        self.width.read(member)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.members.len() / self.width.bytes();
        (len, Some(len))
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<i64> {
        let (rest, member) = self.members.split_at_checked(self.members.len().checked_sub(self.width.bytes())?)?;
        self.members = rest;
        self.width.read(member)
    }
}
