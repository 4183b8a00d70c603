//! What knows nothing of Redis's commands or of sockets: numbers as Redis prints and parses them, the 80-bit arithmetic of
//! INCRBYFLOAT, glob patterns, the clock, the random source, the keyed hash, the log, the allocator, the sampling profiler, threads, the
//! sink of encoded bytes, hints about branches, files that survive a crash, foreign bytes in texts, and the words of the system's errors.

pub mod allocator;
pub mod branch;
pub mod clock;
pub mod crc64;
pub mod fault;
pub mod files;
pub mod geohash;
pub mod glob;
pub mod growth;
pub mod hash;
pub mod log;
pub mod long_double;
pub mod lzf;
pub mod number;
pub mod os_error;
pub mod random;
pub mod sampler;
pub mod sink;
pub mod size_class;
pub mod syslog;
pub mod text;
pub mod threads;
