//! Fixed-size buffers and the pool that lends them. A connection holds one only while there are bytes in it, so ten thousand
//! idle connections cost no buffers, and fifty busy ones use the same warm memory turn after turn.

/// Capacity of a read or write ring, bytes; as much as one `recv` asks for.
pub const RING_CAPACITY: usize = 16 * 1024;
const _: () = assert!(RING_CAPACITY.is_power_of_two());

/// The memory of one ring.
pub type Buffer = Box<[u8; RING_CAPACITY]>;

/// Most buffers kept for reuse; the rest go back to the allocator (16 MiB in all).
const POOLED_MAX: usize = 1024;

/// Buffers in reserve, the last one returned first.
#[derive(Default)]
pub struct BufferPool {
    free: Vec<Buffer>,
    /// The fewest that were in reserve since it was last shrunk: those were not needed.
    unused: usize,
}

impl BufferPool {
    #[inline]
    pub fn take(&mut self) -> Buffer {
        let buffer = self.free.pop().unwrap_or_else(new_buffer);
        self.unused = self.unused.min(self.free.len());
        buffer
    }

    #[inline]
    pub fn give(&mut self, buffer: Buffer) {
        if self.free.len() < POOLED_MAX {
            self.free.push(buffer);
        }
    }

    /// Bytes held in reserve.
    pub fn reserve_bytes(&self) -> usize {
        self.free.len() * RING_CAPACITY
    }

    /// Returns all of the reserve to the allocator.
    pub fn clear(&mut self) {
        self.free.clear();
        self.unused = 0;
    }

    /// Returns half of what was not needed since the last call to the allocator, so that a peak does not hold memory for ever and what
    /// every turn needs is not made anew ten times a second.
    pub fn shrink(&mut self) {
        // Those at the bottom have lain there longest.
        self.free.drain(..self.unused.div_ceil(2).min(self.free.len()));
        self.unused = self.free.len();
    }
}

/// A zeroed buffer straight from the allocator.
#[cold]
pub fn new_buffer() -> Buffer {
    let zeroed: Box<[u8]> = vec![0; RING_CAPACITY].into_boxed_slice();
    zeroed.try_into().expect("the vector has the array's length")
}
