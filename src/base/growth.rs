//! How strings and tables grow and shrink.
//!
//! Strings grow with room for as much again as they need, and for large ones a megabyte, as Redis's do; so that many small additions copy
//! each byte a few times at most and one addition to a large string does not double it.

use hashbrown::HashTable;

/// Most room that is not needed yet, bytes.
const SPARE_MAX: usize = 1024 * 1024;
/// Zeroes up to this many bytes are written; more of them come from the system as they are touched.
const ZEROED_MAX: usize = 64 * 1024;

/// A table with this much room, or less, keeps it.
const TABLE_KEPT: usize = 1024;

/// Something was taken out of the table: gives most of its room back if it is nearly empty, which happens once in many removals.
pub fn shed<T>(table: &mut HashTable<T>, hash: impl Fn(&T) -> u64) {
    if table.capacity() > TABLE_KEPT && table.len() < table.capacity() / 8 {
        table.shrink_to(2 * table.len(), hash);
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
    use hashbrown::HashTable;

    use super::{SPARE_MAX, TABLE_KEPT, ZEROED_MAX, grow, make_room, shed};

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
    fn a_table_that_empties_gives_its_room_back_now_and_then() {
        let mut table: HashTable<u64> = HashTable::new();
        for n in 0..100_000 {
            table.insert_unique(n, n, |&n| n);
        }
        let mut changes = 0;
        for n in 0..100_000 {
            let before = table.allocation_size();
            if let Ok(found) = table.find_entry(n, |&other| other == n) {
                found.remove();
            }
            shed(&mut table, |&n| n);
            changes += usize::from(table.allocation_size() != before);
            assert_eq!(table.len() as u64, 99_999 - n);
        }
        assert!(table.capacity() <= TABLE_KEPT && changes < 10, "{} after {changes}", table.capacity());
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
