//! Data outside the process: values and files as bytes (pure: no socket, no clock), and the thread that writes files.

pub mod aof;
pub mod disk;
pub mod rdb;
