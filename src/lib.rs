//! Zedis, a Redis-compatible in-memory data store: one thread, one event loop, one map.
//!
//! # One turn of the loop
//!
//! ```text
//!            +--------------------------------------------------------------------------------+
//!            v                                                                                |
//!   wait: epoll_wait         the only place where the thread sleeps; the clock is read once   |
//!            |                                                                                |
//!   gather: recv, parse      one recv per readable connection; complete requests to a batch   |
//!            |                                                                                |
//!   prefetch                 table and entry of every request's key, so that misses overlap   |
//!            |                                                                                |
//!   execute                  in order per connection; replies into the write rings            |
//!            |                                                                                |
//!   settle                   what the commands caused: expired keys, garbage for the thread   |
//!            |                                                                                |
//!   flush: send              one send (or writev) per connection with replies                 |
//!            |                                                                                |
//!   housekeep                deadlines, saving, loading in slices; periodic jobs -------------+
//! ```
//!
//! [`server::Server`] has these phases in one function; everything between bytes in and bytes out is [`server::Engine`], which runs without
//! a socket and on a virtual clock, so that a test feeds bytes and reads bytes. Nothing may stall a turn: it executes for a third of a
//! millisecond and leaves the rest of what was gathered to the next one, growth moves at most a thousand entries at a time, deadlines are
//! kept in a timing wheel, large values and whole databases are freed by another thread. A turn that takes too long all the same is
//! recorded with its cause (`INFO stats`: `longest_turn_us`) and with what ran in it (`LATENCY WHY`); `PROFILE START` has the server sample
//! itself.
//!
//! # Saving without a fork
//!
//! A snapshot is a walk over all keys in hash order, a quarter of a millisecond a turn. A key ahead of it that is about to be changed is
//! handed over first and marked (`keyspace/snapshot.rs`: one comparison per change while there is no walk), so the file is of the moment at
//! which the save began. Its bytes go to a thread that compresses long strings, sums up, writes, syncs and renames ([`persistence::disk`]);
//! the walk pauses when that falls behind. Loading is done in slices too, through a window over the file that never grows on the file's
//! word alone; keys are found a few dozen ahead, so that cache misses overlap, and tables are made as large as the file announces, within
//! what the file can hold.
//!
//! # The append-only file
//!
//! What changes is kept as commands in a journal ([`keyspace::Journal`]): a command as it came, or what it came to where that depends on
//! the time, on chance or on who waits. Before the replies of a turn leave, its journal is handed to a thread that writes and syncs it
//! ([`persistence::aof`]), and the loop does not wait for it; with `appendfsync always`, which promises to, it writes and syncs by itself.
//! A rewrite is a snapshot and a change of files, each step on the disk before the next (`server/aof.rs`). A disk that fails is tried again
//! and reported, and writers are refused meanwhile; what a failed sync may have lost is written anew, by a rewrite. Loading executes the
//! commands again, by a client without a socket, through the loop that serves everybody, with the clock standing still at zero
//! (`server/replay.rs`).
//!
//! # Who owns what
//!
//! - The bytes of a partial request: the read ring ([`reactor::Input`]), lent by a pool while there is something in it.
//! - The bytes of replies: the write ring ([`reactor::Output`]) and a queue behind it.
//! - The sockets: the loop's thread. Its table of descriptors is its own, which makes every system call on a socket cheaper; other threads
//!   have another ([`base::threads`]), so bytes and paths go between them, never open files.
//! - A key: one allocation ([`keyspace::Entry`]) in a segment of the database's table.
//! - A change to a key: the holder of a [`keyspace::Writer`], and nobody else.
//! - A command: a `static` record above its function ([`commands::Command`]); whatever is said or done about it derives from there.
//!
//! # Layers
//!
//! Imports point from later lines to earlier ones; `tests/tidy.rs` holds the sources to it.
//!
//! - [`base`]: numbers, glob patterns, clock, random source, hash, log, allocator: knows nothing of Redis
//! - [`resp`]: the protocol as pure functions: bytes to argument offsets, replies to bytes
//! - [`reactor`]: sockets, rings, listeners: bytes in, bytes out; knows no command
//! - [`collections`]: the segmented table, the timing wheel, listpack, intset, quicklist, sorted set (B+ tree and table) and
//!   HyperLogLog: no clock, no protocol
//! - [`acl`]: users, their passwords and what they may do; knows commands as numbers with names
//! - [`config`]: one table of directives; CONFIG GET and SET derive from it
//! - [`keyspace`]: databases, entries, the typed values in all their encodings, deadlines, the writer
//! - [`persistence`]: values, RDB files and append-only files as bytes; the threads that write files
//! - [`commands`]: one folder per Redis group, a file per family of verbs
//! - [`server`]: the composition: engine, loop, sessions, gates, limits, INFO, start and end of the process
//! - [`benchmark`]: the load generator behind `zedis benchmark`
//!
//! # Choices that a measurement made
//!
//! - Rings are lent, not owned: fifty busy connections use the same few warm buffers, ten thousand idle ones none.
//! - The top bits of the hash are skewed, so that segments' sizes are spread over an octave: memory per key stays the same at every
//!   number of keys, instead of swinging by ten bytes as all segments double at once ([`base::hash`]).
//! - A request whose first bytes equal the last one's is neither parsed nor looked up again, and its short arguments are taken
//!   without the parser: a quarter of the instructions of a pipelined GET (`benches/engine.rs` under callgrind).
//! - Quick commands are timed in runs, not one by one: a clock reading for each would be a large part of a small GET. What may take long
//!   is timed by itself, so SLOWLOG tells the truth; whoever wants to see each command (MONITOR) takes them out of the hot loop.
//! - Small tables are not prefetched: below a few thousand keys everything is in the cache already.

pub mod acl;
pub mod base;
pub mod benchmark;
pub mod collections;
pub mod commands;
pub mod config;
pub mod keyspace;
pub mod persistence;
pub mod reactor;
pub mod resp;
pub mod server;

// With the system's one a sanitizer sees every allocation (`make sanitize`).
#[cfg(not(system_allocator))]
#[global_allocator]
static ALLOCATOR: base::allocator::Jemalloc = base::allocator::Jemalloc;
#[cfg(system_allocator)]
#[global_allocator]
static ALLOCATOR: base::allocator::CountedSystem = base::allocator::CountedSystem;
