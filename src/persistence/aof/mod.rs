//! The append-only file: its manifest, its appender, its scanner and what a rewritten one consists of
//! (<https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/>).
//!
//! ```text
//!   appendonlydir/
//!     appendonly.aof.manifest       which files there are, in order
//!     appendonly.aof.2.base.rdb     everything until some moment, as an RDB file (or as commands)
//!     appendonly.aof.2.incr.aof     the commands since then
//! ```
//!
//! It knows files and bytes, and neither clients nor what a command does.

mod appender;
mod commands;
mod manifest;
mod scan;

pub use appender::{Appender, AppenderStatus, DiskError, Failures, Lost, Sync};
pub use commands::CommandWriter;
pub use manifest::{AofFile, FileKind, Manifest};
pub use scan::{ScanError, Scanned, Scanner};
