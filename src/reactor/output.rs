//! What a connection is to be sent: the write ring, and behind it a queue for what does not fit.
//!
//! Bytes go into the ring until it is full; from then until everything is sent they go to the queue, so the order is
//! always ring first, then queue. The queue holds copies in chunks and, for large values, references to the value itself. Its
//! size is what `client-output-buffer-limit` limits; nothing here enforces that, [`Output::queued_bytes`] tells it.
//!
//! In front of the ring there may be one message that thousands of connections share: a message for each of ten thousand
//! subscribers costs a reference each, not a ring each.
//!
//! `head` and `tail` count bytes and only grow; the place of a byte is its count modulo the capacity. An empty output holds
//! no memory.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

use super::buffer::{Buffer, BufferPool, RING_CAPACITY, new_buffer};
use crate::base::sink::Sink;

const MASK: u64 = RING_CAPACITY as u64 - 1;
/// Size of the queue's chunks of copied bytes.
const CHUNK_BYTES: usize = 64 * 1024;
/// Size of one behind a value that is referred to: mostly that value's end and the next one's header, before which there is another
/// reference.
const SMALL_CHUNK_BYTES: usize = 64;
/// Most pieces given to one `writev`.
pub const IOV_MAX: usize = 64;

/// Most bytes of the overflow given to one `writev`: what the kernel copies is part of a turn.
const FLUSH_BYTES: usize = 256 * 1024;

/// From this size on a message that others are sent too is referred to wherever it comes.
pub const PUSH_SHARED_MIN: usize = 16 * 1024;

/// Bytes that several outputs refer to.
pub type SharedBytes = Arc<Vec<u8>>;

/// A message for many.
pub struct SharedMessage {
    pub message: SharedBytes,
    /// What they were given before it, and that with the message behind it.
    pub joined: Option<(SharedBytes, SharedBytes)>,
}

#[derive(Default)]
pub struct Output {
    ring: Option<Buffer>,
    head: u64,
    tail: u64,
    /// Bytes that can be written at the tail in one piece, without a look at anything else: 0 without a ring, with an overflow, or muted.
    room: usize,
    overflow: Option<Box<Overflow>>,
    /// What goes before the ring.
    first: Option<Arc<Vec<u8>>>,
    /// Bytes of it already sent.
    first_sent: usize,
    muted: bool,
}

#[derive(Default)]
struct Overflow {
    chunks: VecDeque<Chunk>,
    /// Bytes of the first chunk already sent.
    sent: usize,
    /// Bytes in the chunks not yet sent.
    len: usize,
    /// Memory that the chunks hold.
    memory_bytes: usize,
}

enum Chunk {
    Copied(Vec<u8>),
    Shared(Arc<Vec<u8>>),
}

impl Chunk {
    fn bytes(&self) -> &[u8] {
        match self {
            Chunk::Copied(bytes) => bytes,
            Chunk::Shared(bytes) => bytes,
        }
    }

    /// Memory held, bytes; what others refer to as well counts for each.
    fn memory_bytes(&self) -> usize {
        let bytes = match self {
            Chunk::Copied(bytes) => bytes.capacity(),
            Chunk::Shared(bytes) => bytes.len(),
        };
        bytes + size_of::<Chunk>()
    }
}

impl Overflow {
    fn push(&mut self, chunk: Chunk) {
        self.memory_bytes += chunk.memory_bytes();
        self.chunks.push_back(chunk);
    }
}

impl Output {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.head == self.tail && self.overflow.is_none() && self.first.is_none()
    }

    /// Bytes waiting to be sent.
    #[inline]
    pub fn queued_bytes(&self) -> usize {
        let first = self.first.as_ref().map_or(0, |first| first.len() - self.first_sent);
        first + (self.tail - self.head) as usize + self.overflow.as_ref().map_or(0, |overflow| overflow.len)
    }

    /// Bytes waiting behind the ring, in `(bytes, chunks)`.
    pub fn overflow(&self) -> (usize, usize) {
        self.overflow.as_ref().map_or((0, 0), |overflow| (overflow.len, overflow.chunks.len()))
    }

    /// Memory held, bytes.
    pub fn memory_bytes(&self) -> usize {
        let ring = if self.ring.is_some() { RING_CAPACITY } else { 0 };
        ring + self.overflow.as_ref().map_or(0, |overflow| overflow.memory_bytes)
    }

    /// Capacity of the ring, if one is held.
    pub fn ring_bytes(&self) -> usize {
        if self.ring.is_some() { RING_CAPACITY } else { 0 }
    }

    /// Makes sure that a ring from the pool is there before replies are written.
    #[inline]
    pub fn attach(&mut self, pool: &mut BufferPool) {
        if self.ring.is_none() {
            self.ring = Some(pool.take());
            self.measure_room();
        }
    }

    fn measure_room(&mut self) {
        let is_open = self.ring.is_some() && self.overflow.is_none() && !self.muted;
        let to_end = RING_CAPACITY - (self.tail & MASK) as usize;
        let unused = RING_CAPACITY - (self.tail - self.head) as usize;
        self.room = if is_open { to_end.min(unused) } else { 0 };
    }

    pub fn is_muted(&self) -> bool {
        self.muted
    }

    /// CLIENT REPLY OFF and SKIP, or the connection is closing: what is written is dropped.
    pub fn set_muted(&mut self, muted: bool) {
        self.muted = muted;
        self.measure_room();
    }

    /// Appends what is not the answer to a command, whether or not answers are wanted. A message that others are sent too is
    /// referred to where it is the first, or follows the one that all of them have been given last, or is a long one; else copied.
    pub fn push(&mut self, message: &[u8], shared: Option<&SharedMessage>, pool: &mut BufferPool) {
        if let Some(shared) = shared
            && let (Some(first), Some((before, with_it))) = (&self.first, &shared.joined)
            && Arc::ptr_eq(first, before)
            && self.first_sent == 0
            && self.ring.is_none()
            && self.overflow.is_none()
        {
            self.first = Some(Arc::clone(with_it));
            return;
        }
        let shared = shared.map(|shared| &shared.message);
        self.push_with(|output| match shared {
            Some(shared) if shared.len() >= PUSH_SHARED_MIN => output.put_shared(shared),
            Some(shared) if output.ring.is_none() && output.is_empty() && !shared.is_empty() => {
                output.first = Some(Arc::clone(shared));
                output.first_sent = 0;
            }
            _ => {
                output.attach(pool);
                output.put(message);
            }
        });
    }

    /// Appends what `write` writes, whether or not answers are wanted.
    #[inline]
    pub fn push_with(&mut self, write: impl FnOnce(&mut Output)) {
        let was_muted = self.muted;
        if was_muted {
            self.set_muted(false);
        }
        write(self);
        if was_muted {
            self.set_muted(true);
        }
    }

    /// Gives the ring back if nothing is in it.
    #[inline]
    pub fn settle(&mut self, pool: &mut BufferPool) {
        if self.head == self.tail
            && let Some(ring) = self.ring.take()
        {
            self.tail = 0;
            self.head = 0;
            self.room = 0;
            pool.give(ring);
        }
    }

    /// Drops everything; the connection is closing.
    pub fn close(&mut self, pool: &mut BufferPool) {
        self.head = self.tail;
        self.overflow = None;
        self.first = None;
        self.set_muted(true);
        self.settle(pool);
    }

    /// The bytes to send next, in order, at most [`IOV_MAX`] pieces and about [`FLUSH_BYTES`]; the number of pieces filled in.
    pub fn pieces<'a>(&'a self, pieces: &mut [IoSlice<'a>; IOV_MAX]) -> usize {
        let mut count = 0;
        if let Some(first) = &self.first {
            pieces[0] = IoSlice::new(&first[self.first_sent..]);
            count = 1;
        }
        if let Some(ring) = &self.ring
            && self.head != self.tail
        {
            let start = (self.head & MASK) as usize;
            let len = (self.tail - self.head) as usize;
            let first = len.min(RING_CAPACITY - start);
            pieces[count] = IoSlice::new(&ring[start..start + first]);
            count += 1;
            if first < len {
                pieces[count] = IoSlice::new(&ring[..len - first]);
                count += 1;
            }
        }
        if let Some(overflow) = &self.overflow {
            let mut skip = overflow.sent;
            let mut left = FLUSH_BYTES;
            for chunk in overflow.chunks.iter().take(IOV_MAX - count) {
                let piece = &chunk.bytes()[skip..];
                let len = piece.len().min(left);
                pieces[count] = IoSlice::new(&piece[..len]);
                skip = 0;
                count += 1;
                left -= len;
                if left == 0 {
                    break;
                }
            }
        }
        count
    }

    /// The bytes to send, in order, without the first `skip` of them.
    pub fn bytes_behind(&self, mut skip: usize) -> impl Iterator<Item = &[u8]> {
        let first = self.first.as_ref().map(|first| &first[self.first_sent..]);
        let (start, len) = ((self.head & MASK) as usize, (self.tail - self.head) as usize);
        let to_end = len.min(RING_CAPACITY - start);
        let ring = self.ring.iter().flat_map(move |ring| [&ring[start..start + to_end], &ring[..len - to_end]]);
        let overflow = self.overflow.iter().flat_map(|overflow| {
            let sent = std::iter::once(overflow.sent).chain(std::iter::repeat(0));
            overflow.chunks.iter().zip(sent).map(|(chunk, sent)| &chunk.bytes()[sent..])
        });
        first.into_iter().chain(ring).chain(overflow).filter_map(move |piece| {
            let skipped = skip.min(piece.len());
            skip -= skipped;
            Some(&piece[skipped..]).filter(|piece| !piece.is_empty())
        })
    }

    /// If everything to send is in the ring and in one piece, that piece.
    #[inline]
    pub fn ring_piece(&self) -> Option<&[u8]> {
        let ring = self.ring.as_ref().filter(|_| self.overflow.is_none() && self.first.is_none())?;
        let start = (self.head & MASK) as usize;
        ring.get(start..start + (self.tail - self.head) as usize)
    }

    /// All of [`Output::ring_piece`] has been sent.
    #[inline]
    pub fn ring_sent(&mut self, pool: &mut BufferPool) {
        debug_assert!(self.overflow.is_none() && self.first.is_none());
        self.head = self.tail;
        self.settle(pool);
    }

    /// If everything to send is one piece, that piece.
    #[inline]
    pub fn single_piece(&self) -> Option<&[u8]> {
        if self.overflow.is_some() {
            return None;
        }
        if let Some(first) = &self.first {
            return (self.head == self.tail).then(|| &first[self.first_sent..]);
        }
        let ring = self.ring.as_ref()?;
        let start = (self.head & MASK) as usize;
        let len = (self.tail - self.head) as usize;
        (start + len <= RING_CAPACITY).then(|| &ring[start..start + len])
    }

    /// The first `len` bytes have been sent.
    #[inline]
    pub fn sent(&mut self, mut len: usize) {
        if let Some(first) = &self.first {
            let left = first.len() - self.first_sent;
            if len < left {
                self.first_sent += len;
                return;
            }
            len -= left;
            self.first = None;
        }
        let from_ring = ((self.tail - self.head) as usize).min(len);
        self.head += from_ring as u64;
        if from_ring < len {
            self.sent_overflow(len - from_ring);
        }
        self.measure_room();
    }

    #[cold]
    fn sent_overflow(&mut self, mut len: usize) {
        let Some(overflow) = &mut self.overflow else { return };
        overflow.len -= len;
        while let Some(chunk) = overflow.chunks.front() {
            let left = chunk.bytes().len() - overflow.sent;
            if len < left {
                overflow.sent += len;
                break;
            }
            len -= left;
            overflow.sent = 0;
            // If the value was deleted or replaced meanwhile, this is the last reference to it, and its memory is freed here, in the turn:
            // only what the keyspace has the last reference to is freed on another thread.
            overflow.memory_bytes -= chunk.memory_bytes();
            overflow.chunks.pop_front();
        }
        if overflow.chunks.is_empty() {
            self.overflow = None;
        }
    }

    #[cold]
    #[inline(never)]
    fn put_slow(&mut self, bytes: &[u8]) {
        // A chunk without bytes would wait for ever to be sent.
        if self.muted || bytes.is_empty() {
            return;
        }
        if self.overflow.is_none() {
            let ring = self.ring.get_or_insert_with(new_buffer);
            let len = (self.tail - self.head) as usize;
            if bytes.len() <= RING_CAPACITY - len {
                // It fits, but around the end.
                let start = (self.tail & MASK) as usize;
                let first = bytes.len().min(RING_CAPACITY - start);
                ring[start..start + first].copy_from_slice(&bytes[..first]);
                ring[..bytes.len() - first].copy_from_slice(&bytes[first..]);
                self.tail += bytes.len() as u64;
                return self.measure_room();
            }
        }
        self.room = 0;
        let overflow = self.overflow.get_or_insert_default();
        overflow.len += bytes.len();
        if let Some(Chunk::Copied(last)) = overflow.chunks.back_mut()
            && last.capacity() - last.len() >= bytes.len()
        {
            last.extend_from_slice(bytes);
            return;
        }
        let least = match overflow.chunks.back() {
            Some(Chunk::Shared(_)) => SMALL_CHUNK_BYTES,
            _ => CHUNK_BYTES,
        };
        let mut chunk = Vec::with_capacity(bytes.len().max(least));
        chunk.extend_from_slice(bytes);
        overflow.push(Chunk::Copied(chunk));
    }
}

impl Sink for Output {
    #[inline]
    fn window(&mut self, len: usize) -> Option<&mut [u8]> {
        if len > self.room {
            return None;
        }
        let start = (self.tail & MASK) as usize;
        self.ring.as_mut().map(|ring| &mut ring[start..start + len])
    }

    #[inline]
    fn commit(&mut self, len: usize) {
        self.tail += len as u64;
        self.room -= len;
        debug_assert!(self.tail - self.head <= RING_CAPACITY as u64);
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        match self.window(bytes.len()) {
            Some(window) => {
                window.copy_from_slice(bytes);
                self.commit(bytes.len());
            }
            None => self.put_slow(bytes),
        }
    }

    fn put_shared(&mut self, bytes: &Arc<Vec<u8>>) {
        if self.muted || bytes.is_empty() {
            return;
        }
        self.room = 0;
        let overflow = self.overflow.get_or_insert_default();
        overflow.len += bytes.len();
        overflow.push(Chunk::Shared(Arc::clone(bytes)));
    }
}

#[cfg(test)]
mod tests;
