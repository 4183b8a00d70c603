//! The listpack: a sequence of strings and integers in one run of bytes, as Redis keeps and saves small collections.
//!
//! ```text
//!    bytes:                                                             together with its head a size class of the allocator
//!    | start u32 | count u32 | gap | total u32 | count u16 | entry | ... | entry | FF | spare |
//!                                  ^ start                 ^ 6
//!                                  |<---------------- the pack: `total` bytes -------->|
//!
//!    entry: | header and payload (see `entry`) | backlen: their size, readable from its end |
//! ```
//!
//! Owns its bytes. Knows neither what the elements mean (fields and values, members and scores) nor when a pack is too long to be
//! one: the thresholds are the caller's, who asks [`Listpack::is_safe_to_add`] before very large elements.
//!
//! The gap is ours, not the format's: bytes that a removal at the front leaves, or that a prepend makes on purpose. With it a pack
//! grows and shrinks at both ends without moving the rest, and any other change moves the shorter side. Start and count are ours
//! too; they stand before the pack, so that whoever has a pack has one word ([`ThinBytes`]).
//!
//! Invariants, established by [`Listpack::from_bytes`] and kept by every change: `total` is the pack's length; entries follow one another
//! from byte 6 to the FF that is the last byte; each entry and backlen is as Redis writes it, the only way to write that element; `count`
//! is the number of entries, kept exactly beside the bytes and in the header as far as 16 bits go (65535: too many to say).
//!
//! A [`Position`] is the offset of an entry from the pack's first byte. Any change to the pack outdates it unless the change says
//! otherwise. Reading at an outdated one gives some other entry or none, never bytes outside the pack; changes want a current one.
//!
//! Cost: next and previous are a byte's decoding each, so search and index are linear, from the nearer end; appending is a copy
//! of the element. Nothing allocates except growth, by an eighth or more at a time.

mod entry;
mod iter;
mod sample;
mod search;
#[cfg(test)]
mod tests;

use std::fmt;

use super::Malformed;
use super::thin_bytes::{self, ThinBytes};
use entry::{END, Encoded};
pub use entry::{ListpackValue, Needle};
pub use iter::{Iter, Pairs};
pub use search::Search;

/// Bytes of start and count.
const FRONT: usize = 8;
/// Bytes that stand before a pack in its allocation.
pub const HEAD_BYTES: usize = thin_bytes::HEAD + FRONT;
/// Bytes before the first entry.
const HEADER: usize = 6;
const EMPTY: [u8; HEADER + 1] = [HEADER as u8 + 1, 0, 0, 0, 0, 0, END];
/// What the header says when its 16 bits cannot hold the count.
const COUNT_UNKNOWN: u16 = u16::MAX;
/// Packs are not made larger than this (as in Redis), though larger ones from elsewhere are read.
pub const SAFE_MAX: usize = 1 << 30;
/// Packs from elsewhere are not larger than this, which leaves room for what stands before them.
pub const READ_MAX: usize = u32::MAX as usize - 64;
/// Buffers up to this size stay when their pack shrinks.
const SHRINK_ABOVE: usize = 256;

/// Where an entry begins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Position(u32);

impl Position {
    /// No entry's: the header is there.
    pub const UNUSED: Position = Position(0);

    #[inline]
    fn at(offset: usize) -> Position {
        Position(offset as u32)
    }

    #[inline]
    fn offset(self) -> usize {
        self.0 as usize
    }
}

/// A pack of strings and integers.
pub struct Listpack {
    bytes: ThinBytes,
}

const _: () = assert!(size_of::<Option<Listpack>>() == 8);

/// Bytes of pack that fit, with at least `bytes` of them, in the allocation that is made for them.
#[inline]
fn room_for(bytes: usize) -> usize {
    thin_bytes::capacity_for(FRONT + bytes) - FRONT
}

impl Default for Listpack {
    fn default() -> Self {
        Listpack::new()
    }
}

impl Clone for Listpack {
    fn clone(&self) -> Self {
        Listpack::of_valid(self.as_bytes(), self.len())
    }
}

impl PartialEq for Listpack {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Listpack {}

impl fmt::Debug for Listpack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

impl Listpack {
    pub fn new() -> Listpack {
        Listpack::with_capacity(EMPTY.len())
    }

    /// An empty pack with room for `bytes` bytes of pack.
    pub fn with_capacity(bytes: usize) -> Listpack {
        let mut pack = Listpack { bytes: ThinBytes::with_capacity(FRONT + bytes.max(EMPTY.len())) };
        pack.fill(&EMPTY, 0);
        pack
    }

    /// Reads a pack from a file or a client, once every length in it has been checked.
    pub fn from_bytes(bytes: &[u8]) -> Result<Listpack, Malformed> {
        if bytes.len() > READ_MAX {
            return Err(Malformed("listpack of 4 GB or more"));
        }
        let Valid { count, canonical } = validate(bytes)?;
        let pack = Listpack::of_valid(bytes, count as usize);
        Ok(if canonical { pack } else { pack.rewritten() })
    }

    /// The same elements as Redis writes them: digits as an integer, everything in its shortest form.
    #[cold]
    fn rewritten(&self) -> Listpack {
        let mut pack = Listpack::with_capacity(self.total_bytes());
        self.iter().for_each(|element| {
            pack.append(element);
        });
        pack
    }

    /// The pack that these bytes are, with its count: they have been one before ([`Listpack::as_bytes`]), and are not checked again.
    pub(super) fn of_valid(bytes: &[u8], count: usize) -> Listpack {
        let mut pack = Listpack { bytes: ThinBytes::with_capacity(FRONT + bytes.len()) };
        pack.fill(bytes, count);
        pack
    }

    /// Puts start, count and a pack into the empty buffer.
    #[inline]
    fn fill(&mut self, pack: &[u8], count: usize) {
        self.bytes.resize(FRONT);
        self.set_start(FRONT);
        self.set_count(count);
        self.bytes.extend_from_slice(pack);
    }

    /// The field at the buffer's front: where the pack begins, or how many elements it has.
    #[inline]
    fn field(&self, at: usize) -> usize {
        self.bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |field| u32::from_ne_bytes(*field) as usize)
    }

    #[inline]
    fn set_field(&mut self, at: usize, value: usize) {
        self.bytes[at..at + 4].copy_from_slice(&(value as u32).to_ne_bytes());
    }

    /// The offset of the pack in the buffer.
    #[inline]
    fn start(&self) -> usize {
        self.field(0)
    }

    #[inline]
    fn set_start(&mut self, start: usize) {
        self.set_field(0, start);
    }

    #[inline]
    fn set_count(&mut self, count: usize) {
        self.set_field(4, count);
    }

    /// Bytes of pack and gap that fit without moving to another allocation.
    #[inline]
    fn room(&self) -> usize {
        self.bytes.capacity() - FRONT
    }

    /// The pack as Redis keeps and saves it.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.start()..]
    }

    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.field(4)
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Length of the pack, bytes.
    #[inline]
    pub fn total_bytes(&self) -> usize {
        self.bytes.len() - self.start()
    }

    /// Memory held, bytes.
    #[inline]
    pub fn memory_bytes(&self) -> usize {
        self.bytes.allocated_bytes()
    }

    /// Whether elements of `bytes` bytes in all may be added to the pack, or it must become something else first.
    #[inline]
    pub fn is_safe_to_add(&self, bytes: usize) -> bool {
        self.total_bytes().saturating_add(bytes) <= SAFE_MAX
    }

    /// The offset of the FF.
    #[inline]
    fn end(&self) -> usize {
        self.total_bytes() - 1
    }

    // ---- Moving about ----

    #[inline]
    pub fn first(&self) -> Option<Position> {
        if self.is_empty() { None } else { Some(Position::at(HEADER)) }
    }

    #[inline]
    pub fn last(&self) -> Option<Position> {
        self.before(self.end())
    }

    #[inline]
    pub fn next(&self, position: Position) -> Option<Position> {
        let at = position.offset();
        let pack = self.as_bytes();
        let next = at + entry::step(pack.get(at..)?)?;
        if next < pack.len() - 1 { Some(Position::at(next)) } else { None }
    }

    #[inline]
    pub fn prev(&self, position: Position) -> Option<Position> {
        self.before(position.offset())
    }

    /// The entry that ends at `offset`.
    #[inline]
    fn before(&self, offset: usize) -> Option<Position> {
        let (size, backlen) = entry::read_backlen(self.as_bytes().get(HEADER..offset)?)?;
        // What is left of the front must hold the header: an outdated offset may be anywhere.
        let at = offset.checked_sub(size + backlen)?;
        if at >= HEADER { Some(Position::at(at)) } else { None }
    }

    /// The element at `position`.
    #[inline]
    pub fn get(&self, position: Position) -> Option<ListpackValue<'_>> {
        let rest = self.as_bytes().get(position.offset()..)?;
        entry::decode(rest).map(|(value, _)| value)
    }

    /// The position of element `index`, from whichever end is nearer.
    pub fn seek(&self, index: usize) -> Option<Position> {
        if index >= self.len() {
            return None;
        }
        if index <= self.len() / 2 {
            let mut position = self.first()?;
            for _ in 0..index {
                position = self.next(position)?;
            }
            return Some(position);
        }
        let mut position = self.last()?;
        for _ in index + 1..self.len() {
            position = self.prev(position)?;
        }
        Some(position)
    }

    /// The offset at which element `index` begins, or the end.
    fn offset_of(&self, index: usize) -> usize {
        self.seek(index).map_or(self.end(), Position::offset)
    }

    /// Every element, from either end.
    #[inline]
    pub fn iter(&self) -> Iter<'_> {
        Iter::new(self.as_bytes(), HEADER, self.end())
    }

    /// The elements from `position` on.
    #[inline]
    pub fn iter_from(&self, position: Position) -> Iter<'_> {
        Iter::new(self.as_bytes(), position.offset(), self.end())
    }

    /// Up to `count` elements from `start` on, from either end.
    pub fn range(&self, start: usize, count: usize) -> Iter<'_> {
        let stop = start.saturating_add(count);
        Iter::new(self.as_bytes(), self.offset_of(start), self.offset_of(stop))
    }

    /// Every second element with the one behind it: fields and values, members and scores.
    #[inline]
    pub fn pairs(&self) -> Pairs<'_> {
        Pairs::new(self.iter())
    }

    /// The first element that is `text`, looking at one and passing over `skip`: 1 finds a field and never a value.
    #[inline]
    pub fn find(&self, text: &[u8], skip: usize) -> Option<Position> {
        self.find_from(Position::at(HEADER), &Needle::new(text), skip)
    }

    /// As [`Listpack::find`], beginning with the entry at `from`.
    #[inline]
    pub fn find_from(&self, from: Position, needle: &Needle<'_>, skip: usize) -> Option<Position> {
        let pack = self.as_bytes();
        let mut at = from.offset();
        loop {
            // The FF is no entry, which ends the search.
            let (is_needle, step) = needle.is_entry(pack.get(at..)?)?;
            if is_needle {
                return Some(Position::at(at));
            }
            at += step;
            for _ in 0..skip {
                at += entry::step(pack.get(at..)?)?;
            }
        }
    }

    /// The last element that is `text`.
    pub fn rfind(&self, needle: &Needle<'_>) -> Option<Position> {
        let mut position = self.last()?;
        while !needle.is(self.get(position)?) {
            position = self.prev(position)?;
        }
        Some(position)
    }

    // ---- Changing ----

    /// Adds an element at the back.
    #[inline]
    pub fn append<'v>(&mut self, value: impl Into<ListpackValue<'v>>) -> Position {
        let encoded = Encoded::new(value.into());
        let at = self.end();
        if self.bytes.capacity() - self.bytes.len() < encoded.len() {
            self.make_room(at, 0, encoded.len());
            encoded.write(self.slice_mut(at, encoded.len()));
        } else {
            self.bytes.truncate(self.bytes.len() - 1);
            encoded.extend(&mut self.bytes);
            self.bytes.push(END);
        }
        self.write_header(self.len() + 1);
        Position::at(at)
    }

    /// Adds an element at the front.
    #[inline]
    pub fn prepend<'v>(&mut self, value: impl Into<ListpackValue<'v>>) -> Position {
        self.put(HEADER, 0, value.into())
    }

    /// Adds an element before the one at `position`, and returns where it is: `position`.
    pub fn insert_before<'v>(&mut self, position: Position, value: impl Into<ListpackValue<'v>>) -> Position {
        self.put(position.offset(), 0, value.into())
    }

    /// Adds an element behind the one at `position`, which stays where it is, and returns where the new one is.
    pub fn insert_after<'v>(&mut self, position: Position, value: impl Into<ListpackValue<'v>>) -> Position {
        self.put(self.next(position).map_or(self.end(), Position::offset), 0, value.into())
    }

    /// Replaces the element at `position`; the new one is there too.
    pub fn replace<'v>(&mut self, position: Position, value: impl Into<ListpackValue<'v>>) {
        let at = position.offset();
        if let Some(step) = self.as_bytes().get(at..).and_then(entry::step) {
            self.put(at, step, value.into());
            self.give_back();
        }
    }

    /// Removes the element at `position`. Returns where the one behind it is now: `position`.
    pub fn remove(&mut self, position: Position) -> Option<Position> {
        self.remove_some(position, 1)
    }

    /// Removes up to `count` elements from `position` on. Returns where the one behind them is now: `position`.
    pub fn remove_some(&mut self, position: Position, count: usize) -> Option<Position> {
        let at = position.offset();
        let pack = self.as_bytes();
        let mut stop = at;
        let mut removed = 0;
        while removed < count {
            let Some(step) = pack.get(stop..).and_then(entry::step) else { break };
            stop += step;
            removed += 1;
        }
        self.cut(at, stop, removed);
        if at < self.end() { Some(position) } else { None }
    }

    /// Removes up to `count` elements from `start` on; returns how many there were.
    pub fn remove_range(&mut self, start: usize, count: usize) -> usize {
        let removed = count.min(self.len().saturating_sub(start));
        if removed > 0 {
            let at = self.offset_of(start);
            let stop = self.offset_of(start + removed);
            self.cut(at, stop, removed);
        }
        removed
    }

    /// Removes every element.
    pub fn clear(&mut self) {
        *self = Listpack::new();
    }

    /// Adds all elements of `other` at the back.
    pub fn append_all(&mut self, other: &Listpack) {
        let entries = &other.as_bytes()[HEADER..other.end()];
        let at = self.end();
        self.resize_at(at, 0, entries.len());
        self.slice_mut(at, entries.len()).copy_from_slice(entries);
        self.write_header(self.len() + other.len());
    }

    /// Cuts the pack in two: the element at `position` and those behind it move to the pack that is returned.
    pub fn split_off(&mut self, position: Position) -> Listpack {
        let (at, stop) = (position.offset(), self.end());
        let moved = self.iter_from(position).count();
        let mut other = Listpack::with_capacity(EMPTY.len() + stop.saturating_sub(at));
        if moved > 0 {
            other.resize_at(HEADER, 0, stop - at);
            other.slice_mut(HEADER, stop - at).copy_from_slice(&self.as_bytes()[at..stop]);
            other.write_header(moved);
            self.cut(at, stop, moved);
        }
        other
    }

    /// Gives back the memory that the pack does not fill.
    pub fn shrink_to_fit(&mut self) {
        let fitting = room_for(self.total_bytes());
        if self.room() > fitting {
            self.relocate(fitting, 0);
        }
    }

    // ---- The bytes ----

    #[inline]
    fn slice_mut(&mut self, at: usize, len: usize) -> &mut [u8] {
        let at = self.start() + at;
        &mut self.bytes[at..at + len]
    }

    /// Writes `value` where `old` bytes of entries are: none, or one entry.
    #[inline]
    fn put(&mut self, at: usize, old: usize, value: ListpackValue<'_>) -> Position {
        let encoded = Encoded::new(value);
        let len = encoded.len();
        self.resize_at(at, old, len);
        encoded.write(self.slice_mut(at, len));
        self.write_header(self.len() + usize::from(old == 0));
        Position::at(at)
    }

    /// Removes `removed` entries, which fill the bytes from `at` to `stop`.
    fn cut(&mut self, at: usize, stop: usize, removed: usize) {
        if removed == 0 {
            return;
        }
        self.resize_at(at, stop - at, 0);
        self.write_header(self.len() - removed);
        self.give_back();
    }

    /// Gives back memory of which less than half is used.
    #[inline]
    fn give_back(&mut self) {
        if self.room() > SHRINK_ABOVE && self.total_bytes() < self.room() / 2 {
            self.relocate(room_for(self.total_bytes()), 0);
        }
    }

    /// Says everywhere that there are `count` elements, and how long the pack is.
    #[inline]
    fn write_header(&mut self, count: usize) {
        self.set_count(count);
        let total = self.total_bytes() as u32;
        let count = u16::try_from(count).unwrap_or(COUNT_UNKNOWN);
        let header = self.slice_mut(0, HEADER);
        header[..4].copy_from_slice(&total.to_le_bytes());
        header[4..].copy_from_slice(&count.to_le_bytes());
    }

    /// Makes the `old` bytes at `at` into `new`, whose content is left to the caller, by moving the shorter side if it can. So is
    /// the header: every change writes it anew, wherever it comes to stand.
    #[inline]
    fn resize_at(&mut self, at: usize, old: usize, new: usize) {
        let start = self.start();
        let behind = self.total_bytes() - at - old;
        if new > old {
            let more = new - old;
            let spare = self.bytes.capacity() - self.bytes.len();
            if at >= behind && spare >= more {
                self.move_back(start + at + old, more);
            } else if at < behind && start - FRONT >= more {
                self.bytes.copy_within(start + HEADER..start + at, start + HEADER - more);
                self.set_start(start - more);
            } else {
                self.make_room(at, old, more);
            }
        } else if new < old {
            let fewer = old - new;
            if at < behind {
                self.bytes.copy_within(start + HEADER..start + at, start + HEADER + fewer);
                self.set_start(start + fewer);
            } else {
                self.bytes.copy_within(start + at + old.., start + at + new);
                self.bytes.truncate(self.bytes.len() - fewer);
            }
        }
    }

    /// Moves the bytes from `from` on by `more`.
    #[inline]
    fn move_back(&mut self, from: usize, more: usize) {
        let len = self.bytes.len();
        self.bytes.resize(len + more);
        self.bytes.copy_within(from..len, from + more);
    }

    /// Room for `more` bytes behind the `old` ones at `at`, when the shorter side has none next to it.
    #[cold]
    #[inline(never)]
    fn make_room(&mut self, at: usize, old: usize, more: usize) {
        let total = self.total_bytes() + more;
        assert!(u32::try_from(total).is_ok(), "a listpack of more than 4 GB");
        let at_front = at < self.total_bytes() - at - old;
        // A pack that only grows at its back fills its size class. One that changes at the front too keeps an eighth of room, a
        // quarter of that on the side that did not ask: so the next move is that far away, whichever end grows next.
        let room = if at_front || self.start() > FRONT { total / 8 } else { 0 };
        let enough = self.room() >= total + room;
        let capacity = if enough { self.room() } else { room_for(total + room) };
        let spare = capacity - total;
        let gap = match (at_front, room) {
            (true, _) => more + spare - spare / 4,
            (false, 0) => 0,
            (false, _) => spare / 4,
        };
        self.relocate(capacity, gap);
        if at_front {
            let start = self.start();
            self.bytes.copy_within(start + HEADER..start + at, start + HEADER - more);
            self.set_start(start - more);
        } else {
            self.move_back(self.start() + at + old, more);
        }
    }

    /// Moves the pack into a buffer with room for `room` bytes, behind `gap` unused ones.
    fn relocate(&mut self, room: usize, gap: usize) {
        let (start, total) = (self.start(), self.total_bytes());
        let new_start = FRONT + gap;
        if room == self.room() {
            self.bytes.resize(self.bytes.len().max(new_start + total));
            self.bytes.copy_within(start..start + total, new_start);
            self.bytes.truncate(new_start + total);
        } else if start == FRONT && gap == 0 && room > self.room() {
            // The allocator can often extend a large buffer where it is.
            self.bytes.reserve(room - total);
        } else {
            let mut bytes = ThinBytes::with_capacity(FRONT + room);
            bytes.extend_from_slice(&self.bytes[..FRONT]);
            bytes.resize(new_start);
            bytes.extend_from_slice(self.as_bytes());
            self.bytes = bytes;
        }
        self.set_start(new_start);
    }
}

/// What [`validate`] finds.
struct Valid {
    count: u32,
    /// Every entry is as this crate and Redis write it.
    canonical: bool,
}

/// Checks a pack of unknown origin and counts its entries.
fn validate(pack: &[u8]) -> Result<Valid, Malformed> {
    let Some((total, rest)) = pack.split_first_chunk::<4>() else {
        return Err(Malformed("listpack shorter than its header"));
    };
    let Some((claimed, mut rest)) = rest.split_first_chunk::<2>() else {
        return Err(Malformed("listpack shorter than its header"));
    };
    if u32::from_le_bytes(*total) as usize != pack.len() {
        return Err(Malformed("listpack of another length than its header says"));
    }
    // An entry is at least two bytes, so that the count fits in 32 bits as the length does.
    let mut count = 0u32;
    let mut canonical = true;
    while rest != [END] {
        let Some(size) = entry::size(rest) else {
            return Err(Malformed("listpack with an unknown entry"));
        };
        let stop = size + entry::backlen_len(size);
        canonical &= entry::is_canonical(rest);
        match rest.get(size..stop) {
            Some(backlen) if entry::is_backlen(backlen, size) => rest = &rest[stop..],
            Some(_) => return Err(Malformed("listpack with a wrong backlen")),
            None => return Err(Malformed("listpack with an entry beyond its end")),
        }
        count += 1;
    }
    let claimed = u16::from_le_bytes(*claimed);
    if claimed != COUNT_UNKNOWN && u32::from(claimed) != count {
        return Err(Malformed("listpack with another number of elements than its header says"));
    }
    Ok(Valid { count, canonical })
}
