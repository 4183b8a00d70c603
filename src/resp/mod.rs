//! RESP, the Redis serialization protocol, as pure functions: [`request`] turns bytes into argument offsets, [`reply`] turns
//! replies into bytes, [`scan`] counts replies. None of them owns bytes, does I/O, or knows a command.

pub mod reply;
pub mod request;
pub mod scan;
