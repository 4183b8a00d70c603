//! How strings and queues grow and shrink.
//!
//! Strings grow with room for as much again as they need, and for large ones a megabyte, as Redis's do; so that many small additions copy
//! each byte a few times at most and one addition to a large string does not double it.

use std::collections::VecDeque;

/// Most room that is not needed yet, bytes.
const SPARE_MAX: usize = 1024 * 1024;
/// Zeroes up to this many bytes are written; more of them come from the system as they are touched.
const ZEROED_MAX: usize = 64 * 1024;

/// A queue with room for so many, or fewer, keeps it.
const QUEUE_KEPT: usize = 1024;

/// Something was taken out of the queue: gives most of its room back if it is nearly empty, which happens once in many removals.
pub fn shed_queue<T>(queue: &mut VecDeque<T>) {
    if queue.capacity() > QUEUE_KEPT && queue.len() < queue.capacity() / 8 {
        queue.shrink_to(2 * queue.len());
    }
}

/// Makes room for the string to be `len` bytes long.
pub fn make_room(bytes: &mut Vec<u8>, len: usize) {
    if len > bytes.capacity() {
        // In place if the allocator has given more than it was asked for, as it mostly has.
        bytes.reserve_exact(len + len.min(SPARE_MAX) - bytes.len());
    }
}

/// Makes the string `len` bytes long, with zeroes, if it is shorter; whether it was.
pub fn grow(bytes: &mut Vec<u8>, len: usize) -> bool {
    if len <= bytes.len() {
        return false;
    }
    let added = len - bytes.len();
    if len > bytes.capacity() && added > ZEROED_MAX.max(bytes.len()) {
        // What is copied is less than what is added, so this is not often done to the same string.
        let mut grown = vec![0; len];
        grown[..bytes.len()].copy_from_slice(bytes);
        *bytes = grown;
    } else {
        make_room(bytes, len);
        bytes.resize(len, 0);
    }
    true
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::{QUEUE_KEPT, SPARE_MAX, ZEROED_MAX, grow, make_room, shed_queue};

    #[test]
    fn it_grows_by_zeroes() {
        for (len, to) in [
            (0, 0),
            (5, 3),
            (0, 1),
            (3, 40),
            (0, ZEROED_MAX + 1),
            (9, 3 * ZEROED_MAX),
            (300_000, 300_001),
            (300_000, 999_999),
        ] {
            let mut bytes = vec![7; len];
            assert_eq!(grow(&mut bytes, to), to > len);
            assert_eq!(bytes.len(), len.max(to));
            assert!(bytes[..len].iter().all(|&byte| byte == 7) && bytes[len..].iter().all(|&byte| byte == 0));
            assert!(bytes.capacity() <= 2 * bytes.len() + 8, "{} for {to}", bytes.capacity());
        }
    }

    #[test]
    fn a_queue_that_empties_gives_its_room_back_now_and_then() {
        let mut queue: VecDeque<u64> = (0..100_000).collect();
        let mut changes = 0;
        while queue.pop_back().is_some() {
            let before = queue.capacity();
            shed_queue(&mut queue);
            changes += usize::from(queue.capacity() != before);
        }
        assert!(queue.capacity() <= QUEUE_KEPT && changes < 10, "{} after {changes}", queue.capacity());
    }

    #[test]
    fn additions_move_a_large_string_seldom() {
        for step in [1000, 70_000, 300_000] {
            let mut bytes = vec![1; 8_000_000];
            let mut moves = 0;
            let mut capacity = bytes.capacity();
            let steps = 20_000_000 / step;
            for n in 1..=steps {
                let len = 8_000_000 + n * step;
                if n % 2 == 0 {
                    grow(&mut bytes, len);
                } else {
                    make_room(&mut bytes, len);
                    bytes.extend(std::iter::repeat_n(1, step));
                }
                moves += usize::from(bytes.capacity() != capacity);
                capacity = bytes.capacity();
                assert!(capacity - bytes.len() <= SPARE_MAX, "{capacity} for {len}");
            }
            assert!(moves <= 21, "{moves} of {steps} steps of {step}");
        }
    }
}
