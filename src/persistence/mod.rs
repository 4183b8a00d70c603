//! Values as bytes outside the process: what RDB files and DUMP payloads are made of. Pure: no file, no socket, no clock.

pub mod rdb;
