//! RESP, the Redis serialization protocol, as pure functions: [`request`] turns bytes into argument offsets, [`reply`] turns
//! replies into bytes. Neither owns bytes, does I/O, or knows a command.

pub mod reply;
pub mod request;
