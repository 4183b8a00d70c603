//! What the measuring tools share: servers under test as child processes, `redis-benchmark` as the load, the machine they ran on,
//! and an orderly end on Ctrl-C. It knows no workload and prints no table.
//!
//! Settings, all optional, from the environment:
//! - `ZEDIS_BIN`: the server binary to measure (default: the release build of this tree);
//! - `BENCH_LOAD`: the load generator (default `redis-benchmark`; anything with its flags, as `target/release/zedis benchmark`);
//! - `BENCH_QUICK=1`: seconds instead of minutes, for trying things; `BENCH_ONLY=text`: only the lines whose name has it.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

pub mod client;
pub mod interrupt;
pub mod load;
pub mod machine;
pub mod server;

/// Connections of the load, as in redis-benchmark's default.
pub const CLIENTS: u32 = 50;

/// The Zedis binary to measure.
pub fn zedis_binary() -> PathBuf {
    std::env::var_os("ZEDIS_BIN").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_zedis")), PathBuf::from)
}

/// Whether `BENCH_QUICK` asks for a short run.
pub fn is_quick() -> bool {
    std::env::var_os("BENCH_QUICK").is_some_and(|v| v != *"0" && !v.is_empty())
}

/// Whether `BENCH_ONLY` leaves the line called `name` in.
pub fn is_selected(name: &str) -> bool {
    std::env::var("BENCH_ONLY").map_or(true, |only| name.contains(&only))
}

/// The program called `name` in `PATH`.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path: OsString = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// The program called `name`, or an error that says which Debian package has it.
pub fn need_program(name: &str, package: &str) -> io::Result<PathBuf> {
    find_program(name).ok_or_else(|| io::Error::other(format!("{name} is not installed: apt-get install {package}")))
}

/// The top of the source tree.
pub fn tree() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The first argument that is not a flag: `cargo bench` and `cargo test` start every bench target, mostly with flags of their own,
/// but measuring takes minutes, so it must be asked for by name.
pub fn asked_for(arguments: &[String]) -> Option<&str> {
    arguments.iter().map(String::as_str).find(|argument| !argument.starts_with('-'))
}
