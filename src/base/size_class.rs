//! The sizes that the allocator hands out: how far a byte buffer grows, and how much of a key's allocation its value may use.
//!
//! As [`super::allocator`] builds it, jemalloc's classes are 8 bytes apart up to 64 bytes, then four to each doubling. A buffer that grows
//! to the end of its class wastes nothing that the allocator had not wasted already, and as a class is at least an eighth larger than the
//! one before it, growing is still a constant cost per byte. A plain `Vec` doubles: that is up to half of every small hash.

/// The least size class that holds `bytes`.
#[inline]
pub const fn round_up(bytes: usize) -> usize {
    if bytes <= 64 {
        return bytes.next_multiple_of(8);
    }
    // Nobody allocates half the address space: `bytes` is a length in memory and a little more.
    let step = 1usize << ((bytes - 1).ilog2() - 2);
    bytes.next_multiple_of(step)
}

/// Makes room for `more` bytes behind the ones in `buffer`, to the end of a size class.
#[inline]
pub fn reserve(buffer: &mut Vec<u8>, more: usize) {
    let needed = buffer.len() + more;
    if needed > buffer.capacity() {
        buffer.reserve_exact(round_up(needed) - buffer.len());
    }
}

#[cfg(test)]
mod tests {
    use super::round_up;

    #[test]
    fn classes_are_jemallocs() {
        let classes = [
            8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896,
            1024,
        ];
        let mut below = 0;
        for class in classes {
            assert_eq!(round_up(below + 1), class);
            assert_eq!(round_up(class), class);
            below = class;
        }
        assert_eq!((round_up(8192), round_up(8193), round_up(10_241)), (8192, 10_240, 12_288));
    }
}
