//! The engine without a socket and on a virtual clock: what the differential suite can't see (counters, what counts as a change, time to
//! the millisecond) and what its redis-server does not know yet (commands of Redis 8).

mod counters;
mod digest;
mod harness;
mod hashes;
mod increx;
mod keys;
mod loader_fuzz;
mod payloads;
mod rdb_files;
mod snapshots;
mod strings;
