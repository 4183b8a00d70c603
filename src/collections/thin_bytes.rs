//! A byte buffer behind a thin pointer: what a small collection is kept in.
//!
//! ```text
//!   ThinBytes --> | len u32 | capacity u32 | byte | byte | ... | spare |      together a size class of the allocator
//! ```
//!
//! A `Vec<u8>` is three words beside its bytes. Here the length and the room stand in front of them, in the cache line that is read
//! next anyway; so a small hash needs one word where its key is kept, and its 16 bytes of book-keeping are 8.
//!
//! Owns its allocation. Knows nothing of what the bytes mean. Written in full so far as `len` says, as a `Vec`'s.
//!
//! This file has unsafe code. Its invariants, which every constructor establishes and every method keeps:
//!
//! 1. `ptr` is the unique owner of an allocation of `Layout(8 + capacity, 8)` that begins with a [`Head`]; `capacity` is that head's.
//! 2. `len <= capacity`, and the `len` bytes behind the head are initialized.
//!
//! Cost: as a `Vec`'s; there is no buffer without an allocation.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use crate::base::size_class;

#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Head {
    len: u32,
    capacity: u32,
}

/// Bytes before the buffer's own.
pub const HEAD: usize = size_of::<Head>();
const _: () = assert!(HEAD == 8);
/// What the head's fields hold.
const CAPACITY_MAX: usize = u32::MAX as usize;

/// Bytes that grow, in one allocation with their length.
pub struct ThinBytes {
    ptr: NonNull<Head>,
}

const _: () = assert!(size_of::<Option<ThinBytes>>() == 8);

// SAFETY: the buffer is the only owner of its allocation, which holds plain bytes; a shared reference only reads them.
unsafe impl Send for ThinBytes {}
// SAFETY: as above.
unsafe impl Sync for ThinBytes {}

/// The capacity that fills the size class in which `bytes` bytes and their head are.
///
/// # Panics
/// More than 4 GB.
#[inline]
pub fn capacity_for(bytes: usize) -> usize {
    assert!(bytes <= CAPACITY_MAX, "a buffer of more than 4 GB");
    (size_class::round_up(HEAD + bytes) - HEAD).min(CAPACITY_MAX)
}

#[inline]
fn layout(capacity: usize) -> Layout {
    Layout::from_size_align(HEAD + capacity, align_of::<Head>()).expect("4 GB are far below isize::MAX")
}

impl ThinBytes {
    /// An empty buffer with room for at least `bytes` bytes.
    pub fn with_capacity(bytes: usize) -> ThinBytes {
        let capacity = capacity_for(bytes);
        let layout = layout(capacity);
        // SAFETY: the layout's size is at least that of the head.
        let Some(ptr) = NonNull::new(unsafe { alloc(layout) }.cast::<Head>()) else { handle_alloc_error(layout) };
        // SAFETY: the allocation begins with room for a head, and is aligned for it (invariant 1).
        unsafe { ptr.write(Head { len: 0, capacity: capacity as u32 }) };
        ThinBytes { ptr }
    }

    #[inline]
    fn head(&self) -> Head {
        // SAFETY: invariant 1.
        unsafe { self.ptr.read() }
    }

    /// Invariant 2 is the caller's.
    #[inline]
    fn set_len(&mut self, len: usize) {
        // SAFETY: invariant 1; `&mut self` is the only access.
        unsafe { self.ptr.as_mut().len = len as u32 };
    }

    #[inline]
    fn start(&self) -> *mut u8 {
        // SAFETY: the allocation is at least as long as the head (invariant 1).
        unsafe { self.ptr.as_ptr().add(1).cast() }
    }

    /// Bytes that fit without moving anything.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.head().capacity as usize
    }

    /// Bytes allocated.
    #[inline]
    pub fn allocated_bytes(&self) -> usize {
        HEAD + self.capacity()
    }

    /// Makes room for `more` bytes behind the ones that are there, to the end of a size class.
    #[inline]
    pub fn reserve(&mut self, more: usize) {
        let needed = self.len() + more;
        if needed > self.capacity() {
            self.reallocate(needed);
        }
    }

    /// Gives back what is not needed for `bytes` bytes, or for the ones that are there.
    pub fn shrink_to(&mut self, bytes: usize) {
        let needed = bytes.max(self.len());
        if capacity_for(needed) < self.capacity() {
            self.reallocate(needed);
        }
    }

    /// Room for `bytes` bytes, at least as many as there are. The allocator can often extend a large buffer where it is.
    #[cold]
    #[inline(never)]
    fn reallocate(&mut self, bytes: usize) {
        let capacity = capacity_for(bytes.max(self.len()));
        let new = layout(capacity);
        // SAFETY: the allocation has the old layout (invariant 1); the new size is not zero and has been checked by `layout`.
        let ptr = unsafe { realloc(self.ptr.as_ptr().cast(), layout(self.capacity()), new.size()) };
        let Some(ptr) = NonNull::new(ptr.cast::<Head>()) else { handle_alloc_error(new) };
        self.ptr = ptr;
        // SAFETY: the head has moved along with the bytes; from here on its capacity is that of the new layout (invariant 1), which
        // is not below the length (invariant 2).
        unsafe { self.ptr.as_mut().capacity = capacity as u32 };
    }

    #[inline]
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        let len = self.len();
        // SAFETY: there is room for so many bytes behind the first `len` (just made), and `bytes` is not in this allocation, which is
        // borrowed mutably.
        unsafe { self.start().add(len).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        // What lies up to the new length has been written (invariant 2).
        self.set_len(len + bytes.len());
    }

    #[inline]
    pub fn push(&mut self, byte: u8) {
        self.reserve(1);
        let len = self.len();
        // SAFETY: there is room for a byte behind the first `len`.
        unsafe { self.start().add(len).write(byte) };
        self.set_len(len + 1);
    }

    /// Makes the length `len`; what is new is zero.
    #[inline]
    pub fn resize(&mut self, len: usize) {
        let old = self.len();
        if len > old {
            self.reserve(len - old);
            // SAFETY: there is room for so many bytes behind the first `old`.
            unsafe { self.start().add(old).write_bytes(0, len - old) };
        }
        self.set_len(len);
    }

    #[inline]
    pub fn truncate(&mut self, len: usize) {
        if len < self.len() {
            self.set_len(len);
        }
    }
}

impl Deref for ThinBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: invariant 2.
        unsafe { std::slice::from_raw_parts(self.start(), self.head().len as usize) }
    }
}

impl DerefMut for ThinBytes {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: invariant 2; `&mut self` is the only access.
        unsafe { std::slice::from_raw_parts_mut(self.start(), self.head().len as usize) }
    }
}

impl From<&[u8]> for ThinBytes {
    fn from(bytes: &[u8]) -> ThinBytes {
        let mut thin = ThinBytes::with_capacity(bytes.len());
        thin.extend_from_slice(bytes);
        thin
    }
}

impl Clone for ThinBytes {
    fn clone(&self) -> ThinBytes {
        ThinBytes::from(&**self)
    }
}

impl PartialEq for ThinBytes {
    fn eq(&self, other: &ThinBytes) -> bool {
        **self == **other
    }
}

impl Eq for ThinBytes {}

impl Drop for ThinBytes {
    fn drop(&mut self) {
        // SAFETY: invariant 1, and the buffer is gone after this.
        unsafe { dealloc(self.ptr.as_ptr().cast(), layout(self.capacity())) };
    }
}

#[cfg(test)]
mod tests {
    use super::{ThinBytes, capacity_for};
    use crate::base::random::Random;

    #[test]
    fn does_what_a_vec_does() {
        for seed in 0..20 {
            println!("seed {seed}");
            let mut random = Random::new(seed);
            let mut thin = ThinBytes::with_capacity(random.below(40) as usize);
            let mut twin = Vec::new();
            for _ in 0..400 {
                let n = random.below(60) as usize;
                match random.below(8) {
                    0 | 1 => {
                        let bytes: Vec<u8> = (0..n).map(|_| random.below(256) as u8).collect();
                        thin.extend_from_slice(&bytes);
                        twin.extend_from_slice(&bytes);
                    }
                    2 => {
                        thin.push(n as u8);
                        twin.push(n as u8);
                    }
                    3 => {
                        thin.resize(n * 4);
                        twin.resize(n * 4, 0);
                    }
                    4 => {
                        thin.truncate(n);
                        twin.truncate(n);
                    }
                    5 => {
                        let before = thin.capacity();
                        thin.shrink_to(n);
                        assert_eq!(thin.capacity(), before.min(capacity_for(n.max(thin.len()))));
                    }
                    6 => {
                        thin.reserve(n);
                        assert!(thin.capacity() >= thin.len() + n);
                    }
                    _ => {
                        thin.iter_mut().step_by(3).for_each(|byte| *byte ^= 0x55);
                        twin.iter_mut().step_by(3).for_each(|byte| *byte ^= 0x55);
                        thin = thin.clone();
                    }
                }
                assert_eq!(*thin, *twin);
                assert!(thin.len() <= thin.capacity());
                assert_eq!(thin.capacity(), capacity_for(thin.capacity()), "to the end of a size class");
            }
        }
    }
}
