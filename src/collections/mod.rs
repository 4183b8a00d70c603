//! Data structures: pure, without a clock, without RESP, without an idea of a key's deadline. Each has a naive twin in its tests.

pub mod btree;
pub mod hyperloglog;
pub mod member;
pub mod segmented_table;
pub mod sorted_set;
pub mod timing_wheel;
