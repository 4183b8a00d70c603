//! What a connection has received and not yet executed: the read ring, and for a frame that outgrows it, growing memory.
//!
//! ```text
//!   ring:   |....consumed....|frame|frame|part of a fra|......free......|
//!                            head                      tail
//! ```
//!
//! Frames are always contiguous. `head` and `tail` only grow; the place of a
//! byte is its count modulo the capacity. A frame that would straddle the end is moved to the front once, and an empty
//! ring gives its buffer back. A frame larger than the ring spills into `large`; a bulk of 32 KiB or more inside it gets a
//! buffer of its own that grows as data arrives, never on the sender's word alone, and that the command may keep.
//!
//! Owns the bytes of a partial frame. Knows nothing of what they mean except where the parser says frames end.

use std::cell::Cell;
use std::rc::Rc;

use super::buffer::{Buffer, BufferPool, RING_CAPACITY};

const MASK: u64 = RING_CAPACITY as u64 - 1;
/// First allocation for a bulk with a buffer of its own, bytes; doubled as it fills.
const BULK_FIRST_BYTES: usize = 64 * 1024;
/// A sender that has really sent this much of a bulk gets the rest of its address space at once, so that growing never
/// copies more than this. Pages are only touched as data arrives, and until then they are no memory in use: [`Unreceived`].
const BULK_TRUST_BYTES: usize = 1024 * 1024;
/// Most bytes one `recv` puts into such a buffer: what the kernel copies and faults in is part of a turn.
const BULK_RECV_BYTES: usize = 256 * 1024;

#[derive(Default)]
pub struct Input {
    ring: Option<Buffer>,
    head: u64,
    tail: u64,
    received_bytes: u64,
    /// The frame in `large` or `bulk`, when it outgrew the ring.
    spill: Option<Box<Spill>>,
    /// Arguments with memory of their own, of the requests parsed and not yet executed.
    pub owned: Vec<Vec<u8>>,
}

/// A frame that outgrew the ring.
#[derive(Default)]
struct Spill {
    /// The frame so far, without its big bulks.
    frame: Vec<u8>,
    /// The big bulk that is being received.
    bulk: Option<Bulk>,
}

struct Bulk {
    /// The bytes received, and behind them zeroes that the next `recv` may overwrite.
    bytes: Vec<u8>,
    filled: usize,
    len: usize,
    /// Bytes of the CR LF behind it still to be skipped.
    skip: usize,
    unreceived: Unreceived,
}

/// The part of a buffer that stands for bytes not yet received, in the account of all of them.
struct Unreceived {
    account: Rc<Cell<usize>>,
    bytes: usize,
}

impl Unreceived {
    fn set(&mut self, bytes: usize) {
        self.account.set(self.account.get() - self.bytes + bytes);
        self.bytes = bytes;
    }
}

impl Drop for Unreceived {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl Input {
    /// Bytes received since the connection began.
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// Bytes held for requests not yet executed.
    pub fn pending_bytes(&self) -> usize {
        let spilled = self
            .spill
            .as_ref()
            .map_or(0, |spill| spill.frame.len() + spill.bulk.as_ref().map_or(0, |bulk| bulk.filled));
        (self.tail - self.head) as usize + spilled + self.owned.iter().map(Vec::len).sum::<usize>()
    }

    /// Those of them that are in one frame, without arguments that have buffers of their own.
    pub fn frame_bytes(&self) -> usize {
        (self.tail - self.head) as usize + self.spill.as_ref().map_or(0, |spill| spill.frame.len())
    }

    /// Memory held, bytes.
    pub fn memory_bytes(&self) -> usize {
        let ring = if self.ring.is_some() { RING_CAPACITY } else { 0 };
        let spilled = self
            .spill
            .as_ref()
            .map_or(0, |spill| spill.frame.capacity() + spill.bulk.as_ref().map_or(0, |bulk| bulk.bytes.capacity()));
        ring + spilled + self.owned.iter().map(Vec::capacity).sum::<usize>()
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.head == self.tail && self.spill.is_none()
    }

    /// The bytes in the ring, from the first frame not yet consumed.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        match &self.ring {
            Some(ring) => {
                let start = (self.head & MASK) as usize;
                &ring[start..start + (self.tail - self.head) as usize]
            }
            None => &[],
        }
    }

    /// What the parser is to be shown: the spilled frame if there is one, else the ring.
    #[inline]
    pub fn frame(&self) -> &[u8] {
        match &self.spill {
            None => self.bytes(),
            Some(spill) => &spill.frame,
        }
    }

    #[inline]
    pub fn is_spilled(&self) -> bool {
        self.spill.is_some()
    }

    /// Whether a big bulk is still being received: there is nothing to parse before [`Input::bulk_arrived`].
    pub fn awaits_bulk(&self) -> bool {
        self.spill.as_ref().is_some_and(|spill| spill.bulk.is_some())
    }

    /// The first `len` bytes of the ring have been executed.
    #[inline]
    pub fn consume(&mut self, len: usize) {
        debug_assert!(len as u64 <= self.tail - self.head);
        self.head += len as u64;
    }

    /// Room for the next `recv`, at least one byte unless the ring is full. Attaches a buffer if there is none.
    #[inline]
    pub fn space(&mut self, pool: &mut BufferPool) -> &mut [u8] {
        if let Some(spill) = &mut self.spill
            && let Some(bulk) = &mut spill.bulk
            && bulk.filled < bulk.len
        {
            return bulk.space();
        }
        let ring = self.ring.get_or_insert_with(|| pool.take());
        if self.head == self.tail {
            // Empty: begin at the front, the part of the buffer most likely in the cache.
            self.tail = self.tail.next_multiple_of(RING_CAPACITY as u64);
            self.head = self.tail;
        }
        let end = (self.head & MASK) as usize + (self.tail - self.head) as usize;
        &mut ring[end..]
    }

    /// `len` bytes have been received into the space last handed out.
    #[inline]
    pub fn received(&mut self, len: usize) {
        self.received_bytes += len as u64;
        if let Some(spill) = &mut self.spill
            && let Some(bulk) = &mut spill.bulk
            && bulk.filled < bulk.len
        {
            bulk.filled += len;
            debug_assert!(bulk.filled <= bulk.bytes.len());
            bulk.note_unreceived();
            return;
        }
        self.tail += len as u64;
        debug_assert!((self.head & MASK) + (self.tail - self.head) <= RING_CAPACITY as u64);
    }

    /// After the turn's requests have been executed: a partial frame moves to the front, an empty ring gives its buffer back.
    #[inline]
    pub fn settle(&mut self, pool: &mut BufferPool) {
        if self.head == self.tail {
            if let Some(ring) = self.ring.take() {
                pool.give(ring);
            }
        } else {
            self.move_to_front();
        }
    }

    #[cold]
    #[inline(never)]
    fn move_to_front(&mut self) {
        let start = (self.head & MASK) as usize;
        if start == 0 {
            return;
        }
        let len = (self.tail - self.head) as usize;
        if let Some(ring) = &mut self.ring {
            ring.copy_within(start..start + len, 0);
        }
        self.head = self.head.next_multiple_of(RING_CAPACITY as u64);
        self.tail = self.head + len as u64;
    }

    /// The bytes in the ring, and the arguments with memory of their own.
    #[inline]
    pub fn parts(&mut self) -> (&[u8], &mut Vec<Vec<u8>>) {
        let bytes: &[u8] = match &self.ring {
            Some(ring) => {
                let start = (self.head & MASK) as usize;
                &ring[start..start + (self.tail - self.head) as usize]
            }
            None => &[],
        };
        (bytes, &mut self.owned)
    }

    /// The spilled frame so far, and the arguments with memory of their own.
    pub fn spilled_parts(&mut self) -> Option<(&[u8], &mut Vec<Vec<u8>>)> {
        let spill = self.spill.as_ref()?;
        Some((&spill.frame, &mut self.owned))
    }

    /// Whether a partial frame fills the whole ring.
    pub fn is_full(&self) -> bool {
        self.tail - self.head == RING_CAPACITY as u64
    }

    /// Moves what is in the ring behind the spilled frame, which begins with it if there was none.
    pub fn spill(&mut self) {
        let mut spill = self.spill.take().unwrap_or_default();
        let mut from = 0;
        let bytes = self.bytes();
        if let Some(bulk) = &mut spill.bulk {
            from = bulk.extend(bytes);
            if bulk.filled == bulk.len {
                let skipped = bulk.skip.min(bytes.len() - from);
                bulk.skip -= skipped;
                from += skipped;
            }
        }
        let in_bulk = spill.bulk.as_ref().is_some_and(|bulk| bulk.filled < bulk.len || bulk.skip > 0);
        if !in_bulk {
            spill.frame.extend_from_slice(&bytes[from..]);
        }
        self.head = self.tail;
        self.spill = Some(spill);
    }

    /// The parser found at `at` of the spilled frame a bulk of `len` bytes that is not all there: it is received into a
    /// buffer of its own from now on. What of that is not memory in use yet stands in `unreceived`, bytes.
    pub fn begin_bulk(&mut self, at: usize, len: usize, unreceived: &Rc<Cell<usize>>) {
        let spill = self.spill.get_or_insert_default();
        let tail = spill.frame.split_off(at);
        debug_assert!(tail.len() < len + 2);
        let have = tail.len().min(len);
        let unreceived = Unreceived { account: Rc::clone(unreceived), bytes: 0 };
        let mut bulk = Bulk { bytes: Vec::new(), filled: 0, len, skip: 2 - (tail.len() - have), unreceived };
        bulk.extend(&tail[..have]);
        spill.bulk = Some(bulk);
    }

    /// The big bulk as an owned argument's index, once it and the line end behind it are there.
    pub fn bulk_arrived(&mut self) -> Option<usize> {
        let spill = self.spill.as_mut()?;
        let mut bulk = spill.bulk.take_if(|bulk| bulk.filled == bulk.len && bulk.skip == 0)?;
        bulk.bytes.truncate(bulk.len);
        self.owned.push(bulk.bytes);
        Some(self.owned.len() - 1)
    }

    /// The spilled frame is complete and `used` bytes long: takes it out; what lies behind goes back to the ring.
    pub fn take_spilled(&mut self, used: usize, pool: &mut BufferPool) -> Vec<u8> {
        let Some(spill) = self.spill.take() else { return Vec::new() };
        debug_assert!(spill.bulk.is_none() && self.head == self.tail);
        let rest = &spill.frame[used..];
        // Bytes come into the spill a ring at a time, and only while the frame is incomplete.
        assert!(rest.len() <= RING_CAPACITY);
        if !rest.is_empty() {
            let ring = self.ring.get_or_insert_with(|| pool.take());
            ring[..rest.len()].copy_from_slice(rest);
            self.head = self.head.next_multiple_of(RING_CAPACITY as u64);
            self.tail = self.head + rest.len() as u64;
        }
        spill.frame
    }

    /// Gives everything back; the connection is closing.
    pub fn close(&mut self, pool: &mut BufferPool) {
        self.head = self.tail;
        self.spill = None;
        self.owned = Vec::new();
        self.settle(pool);
    }
}

impl Bulk {
    /// Appends as much of `bytes` as belongs to it; how much that was.
    fn extend(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while taken < bytes.len() && self.filled < self.len {
            let space = self.space();
            let len = space.len().min(bytes.len() - taken);
            space[..len].copy_from_slice(&bytes[taken..taken + len]);
            self.filled += len;
            taken += len;
        }
        self.note_unreceived();
        taken
    }

    fn note_unreceived(&mut self) {
        self.unreceived.set(self.bytes.capacity() - self.filled);
    }

    /// Room for some of what is missing; never empty while something is.
    fn space(&mut self) -> &mut [u8] {
        let missing = self.len - self.filled;
        if self.bytes.capacity() == self.filled {
            let more = if self.filled < BULK_TRUST_BYTES { self.filled.max(BULK_FIRST_BYTES) } else { missing };
            self.bytes.reserve_exact(missing.min(more) + self.filled - self.bytes.len());
            self.note_unreceived();
        }
        let room = missing.min(self.bytes.capacity() - self.filled).min(BULK_RECV_BYTES);
        if self.bytes.len() < self.filled + room {
            self.bytes.resize(self.filled + room, 0);
        }
        &mut self.bytes[self.filled..self.filled + room]
    }
}

#[cfg(test)]
mod tests;
