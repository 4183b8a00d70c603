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

/// Permissions of incremental files and manifests, and of their directory, of which the umask takes away some. As in Redis: others than the
/// server have nothing to write there, whatever the umask allows. (Bases are written by what writes RDB files, with the permissions of
/// those.)
pub const FILE_MODE: u32 = 0o644;
pub const DIR_MODE: u32 = 0o755;

mod appender;
mod commands;
mod manifest;
mod scan;

pub use appender::{Appender, AppenderStatus, DiskError, Failures, Lost, Sync};
pub use commands::CommandWriter;
pub use manifest::{AofFile, FileKind, Manifest};
pub use scan::{ScanError, Scanned, Scanner};
