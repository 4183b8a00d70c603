//! Data structures: pure, without a clock, without RESP, without an idea of a key's deadline. Each has a naive twin in its tests.

pub mod btree;
pub mod hyperloglog;
pub mod intset;
pub mod listpack;
pub mod member;
pub mod quicklist;
pub mod segmented_table;
pub mod sorted_set;
pub mod thin_bytes;
pub mod timing_wheel;

/// Bytes from outside that are not what they say they are; the text says what is wrong with them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed(pub &'static str);

impl std::fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.0)
    }
}

impl std::error::Error for Malformed {}
