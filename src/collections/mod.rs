//! Data structures: pure, without a clock, without RESP, without an idea of a key's deadline. Each has a naive twin in its tests.

pub mod segmented_table;
pub mod timing_wheel;
