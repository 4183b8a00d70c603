//! A member of a large sorted set: its score and bytes in one allocation, with exactly two owners behind thin pointers.
//!
//! ```text
//!   table half ----+
//!                  v
//!                  +-------+------+-----------+        +-------+------+---+--------+-----------+
//!                  | score | word |   bytes   |   or   | score | LONG | - | length |   bytes   |    from 32,767 bytes on
//!                  |   8   |   2  |           |        |   8   |   2  | 6 |    8   |           |
//!                  +-------+------+-----------+        +-------+------+---+--------+-----------+
//!                  ^
//!   tree half  ----+           word, from the low bit:  parted 1 | length 15
//! ```
//!
//! The table finds a member by its bytes and the tree by its score; both need both. Two owners that are made together and never
//! cloned need one bit, not a count: the first half to go sets it, the second finds it set and frees.
//!
//! This file holds the unsafe code of sorted sets. Its invariants, which [`Member::pair`] establishes and nothing else changes:
//!
//! 1. `ptr` points to an allocation of `layout(len)`, where `len` is the length in the word, or the length field if that is
//!    [`LONG`]. Neither changes before the allocation is freed.
//! 2. `bytes_at(len) + len <= layout(len).size()`, and those bytes are initialized and never written again.
//! 3. At most two `Member`s point to an allocation: two while [`PARTED`] is clear, one while it is set.
//! 4. Score and word are only touched as atomics, so that a half may be moved to another thread and dropped there.
//!
//! Cost: a 16-byte member is 32 bytes, and a half is 8. Reading the score is a plain load.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

/// One of the two owners of a member.
pub struct Member {
    ptr: NonNull<u8>,
}

// SAFETY: bytes are immutable, score and word are atomics (invariants 2 and 4), and the last owner frees, on whichever thread.
unsafe impl Send for Member {}

const WORD_AT: usize = 8;
const SHORT_BYTES_AT: usize = 10;
const LENGTH_AT: usize = 16;
const LONG_BYTES_AT: usize = 24;
/// One half is gone.
const PARTED: u16 = 1;
const LEN_SHIFT: u32 = 1;
/// Length in the word of a member whose length is in a field of its own.
const LONG: u16 = u16::MAX >> LEN_SHIFT;

const _: () = assert!(size_of::<Option<Member>>() == 8);

#[inline]
fn bytes_at(len: usize) -> usize {
    if len < LONG as usize { SHORT_BYTES_AT } else { LONG_BYTES_AT }
}

#[inline]
fn layout(len: usize) -> Layout {
    Layout::from_size_align(bytes_at(len) + len, 8).expect("members are far below isize::MAX")
}

impl Member {
    /// A new member's two halves.
    pub fn pair(score: f64, bytes: &[u8]) -> (Member, Member) {
        let len = bytes.len();
        let layout = layout(len);
        // SAFETY: the layout's size is at least `SHORT_BYTES_AT`.
        let Some(ptr) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
        let word = if len < LONG as usize { len as u16 } else { LONG };
        // SAFETY: `bytes_at(len)` is behind every field written here, score and length are at multiples of 8 and the word of 2 in
        // an allocation aligned to 8; the source is another allocation (invariants 1 and 2).
        unsafe {
            ptr.cast::<u64>().write(score.to_bits());
            ptr.add(WORD_AT).cast::<u16>().write(word << LEN_SHIFT);
            if word == LONG {
                ptr.add(LENGTH_AT).cast::<u64>().write(len as u64);
            }
            ptr.add(bytes_at(len)).as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), len);
        }
        (Member { ptr }, Member { ptr })
    }

    #[inline]
    fn word(&self) -> &AtomicU16 {
        // SAFETY: an initialized, aligned field of a live allocation, only touched as an atomic (invariants 1, 3 and 4).
        unsafe { self.ptr.add(WORD_AT).cast::<AtomicU16>().as_ref() }
    }

    #[inline]
    fn score_bits(&self) -> &AtomicU64 {
        // SAFETY: as above; the allocation begins with the score.
        unsafe { self.ptr.cast::<AtomicU64>().as_ref() }
    }

    #[inline]
    fn len(&self) -> usize {
        let len = self.word().load(Ordering::Relaxed) >> LEN_SHIFT;
        if len == LONG { self.long_len() } else { len as usize }
    }

    #[cold]
    fn long_len(&self) -> usize {
        // SAFETY: a long member has the length field, initialized and never written again (invariant 1).
        unsafe { self.ptr.add(LENGTH_AT).cast::<u64>().read() as usize }
    }

    #[inline]
    pub fn bytes(&self) -> &[u8] {
        let len = self.len();
        // SAFETY: invariant 2; this half keeps the allocation alive.
        unsafe { std::slice::from_raw_parts(self.ptr.as_ptr().add(bytes_at(len)), len) }
    }

    #[inline]
    pub fn score(&self) -> f64 {
        f64::from_bits(self.score_bits().load(Ordering::Relaxed))
    }

    /// The score that both halves see from here on.
    #[inline]
    pub fn set_score(&self, score: f64) {
        self.score_bits().store(score.to_bits(), Ordering::Relaxed);
    }

    /// Bytes asked of the allocator, for both halves together.
    #[inline]
    pub fn allocated_bytes(&self) -> usize {
        layout(self.len()).size().next_multiple_of(8)
    }
}

impl AsRef<[u8]> for Member {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

impl Drop for Member {
    #[inline]
    fn drop(&mut self) {
        // Release: what this half did comes before the other frees. Acquire: the other's comes before this frees.
        if self.word().fetch_or(PARTED, Ordering::AcqRel) & PARTED == 0 {
            return;
        }
        let layout = layout(self.len());
        // SAFETY: this is the last half (invariant 3), and the layout is that of the allocation (invariant 1).
        unsafe { dealloc(self.ptr.as_ptr(), layout) };
    }
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member")
            .field("score", &self.score())
            .field("bytes", &String::from_utf8_lossy(self.bytes()))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::{LONG, Member};
    use crate::base::random::Random;

    /// The naive twin: two counted references to the same thing.
    struct Twin(Rc<(Cell<f64>, Vec<u8>)>);

    fn same(member: &Member, twin: &Twin) {
        assert_eq!(member.bytes(), twin.0.1);
        assert_eq!(member.score().to_bits(), twin.0.0.get().to_bits());
    }

    #[test]
    fn halves_agree_with_counted_references() {
        let seed = 11;
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let mut halves: Vec<(Member, Twin)> = Vec::new();
        for _ in 0..20_000 {
            match random.below(4) {
                0 => {
                    let len = match random.below(20) {
                        0 => LONG as u64 - 3 + random.below(6),
                        1 => 0,
                        _ => random.below(40),
                    };
                    let mut bytes = vec![0; len as usize];
                    random.fill(&mut bytes);
                    let score = random.unit_f64();
                    let (a, b) = Member::pair(score, &bytes);
                    assert!(a.allocated_bytes() >= 10 + bytes.len());
                    let twin = Rc::new((Cell::new(score), bytes));
                    halves.push((a, Twin(Rc::clone(&twin))));
                    halves.push((b, Twin(twin)));
                }
                1 if !halves.is_empty() => {
                    let at = random.below(halves.len() as u64) as usize;
                    let (member, twin) = halves.swap_remove(at);
                    same(&member, &twin);
                }
                2 if !halves.is_empty() => {
                    let at = random.below(halves.len() as u64) as usize;
                    let score = if random.below(8) == 0 { -0.0 } else { random.unit_f64() };
                    halves[at].0.set_score(score);
                    halves[at].1.0.0.set(score);
                }
                _ => {
                    for (member, twin) in halves.iter().take(8) {
                        same(member, twin);
                    }
                }
            }
        }
        halves.iter().for_each(|(member, twin)| same(member, twin));
    }

    #[test]
    fn halves_part_on_two_threads() {
        for _ in 0..20 {
            let (left, right): (Vec<Member>, Vec<Member>) =
                (0..1000).map(|n| Member::pair(f64::from(n), n.to_string().as_bytes())).unzip();
            let elsewhere = std::thread::spawn(move || right.iter().map(|half| half.bytes().len()).sum::<usize>());
            let here: usize = left.iter().map(|half| half.bytes().len()).sum();
            drop(left);
            assert_eq!(elsewhere.join().expect("the thread only reads"), here);
        }
    }

    #[test]
    fn the_second_half_frees() {
        let before = crate::base::allocator::stats().allocated;
        let bytes = vec![7; 1 << 20];
        for _ in 0..512 {
            let (a, b) = Member::pair(1.0, &bytes);
            drop(a);
            assert_eq!(b.bytes().last(), Some(&7));
        }
        // Other tests allocate at the same time, though not half a gigabyte.
        let grown = crate::base::allocator::stats().allocated.saturating_sub(before);
        assert!(grown < 400 << 20, "{grown} bytes stayed");
    }
}
