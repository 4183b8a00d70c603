//! What the suites share: servers to talk to, a client, a seeded generator, tables of calls.
//!
//! Two servers are started, each on a Unix socket in a directory of its own: the *subject*, which is the `zedis` of this build (or
//! the program in `ZEDIS_TEST_BIN`, to try a suite on another one), and the *oracle*, `redis-server` from the PATH. Both get
//! the same directives. Nothing waits by sleeping for a fixed time: readiness, closing and silence are all observed, under a deadline.

#![allow(dead_code, reason = "each suite is a crate of its own and uses a part of this")]

pub mod append_only;
pub mod client;
pub mod faults;
pub mod pair;
pub mod random;
pub mod reply;
pub mod server;
pub mod stream;
pub mod table;
